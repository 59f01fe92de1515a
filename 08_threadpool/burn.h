// Work that takes a known time: what a real answer might cost, without being one.
#pragma once

#include <atomic>
#include <chrono>
#include <ctime>

// Takes `work` of the calling thread's CPU time; the time in which it does not run does not count. Stops early when
// `abandoned` is set. clock_gettime(2), CLOCK_THREAD_CPUTIME_ID [burn]
inline void burn(std::chrono::microseconds work, const std::atomic<bool> &abandoned) {
    const auto used = [] {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    if (work.count() == 0)
        return;
    for (const auto end = used() + work; used() < end && !abandoned;) {
    }
}
