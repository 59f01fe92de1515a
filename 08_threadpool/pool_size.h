// How large a thread pool may be, how it stands, and when it is to grow or to shrink.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

struct PoolSize {
    std::size_t min_threads = 2;
    std::size_t max_threads = 8;
    std::size_t step = 2;  // workers that come or go at one look of the manager
    std::size_t queue = 64;  // tasks that wait for a worker, at most
    std::chrono::nanoseconds manage_interval = std::chrono::seconds(1);  // 0: only when manage() is called
};

// How the pool stands at one moment.
struct PoolState {
    std::size_t live = 0;  // workers
    std::size_t busy = 0;  // of them have a task
    std::size_t queued = 0;  // tasks that no worker has taken yet
    std::size_t peak = 0;  // the most that were busy at once since the manager last looked
};

// How many workers should come (above 0) or go (below). The rule: when more tasks wait than workers are idle, come;
// when fewer than half of the workers were ever busy at once since the last look, go. A step at a time, within the
// bounds. [rule]
inline std::ptrdiff_t wanted_change(const PoolState &now, const PoolSize &size) {
    if (now.queued > now.live - now.busy)
        return static_cast<std::ptrdiff_t>(std::min(size.step, size.max_threads - now.live));
    if (now.peak * 2 < now.live)
        return -static_cast<std::ptrdiff_t>(std::min(size.step, now.live - size.min_threads));
    return 0;
}
