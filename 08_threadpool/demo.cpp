// 08_threadpool, the pool alone: twenty tasks on a small pool, which grows while they wait and shrinks afterwards.
//
// The tasks are the numbers from 0 to 19, as in the lecture notes, and take half a second each. The queue has room
// for ten of them, so whoever hands them in has to wait. Meanwhile the main thread watches the pool, and prints
// each change of its size.
// New: the pool (thread_pool.h), its queue (ring_queue.h), its rule (pool_size.h).
// Left out on purpose: sockets. The server uses the same pool.
// Build: g++ -std=c++20 -pthread -I. 08_threadpool/demo.cpp -o demo

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <thread>

#include "08_threadpool/pool_size.h"
#include "08_threadpool/thread_pool.h"

namespace {

using namespace std::chrono_literals;

constexpr int task_count = 20;
constexpr PoolSize size{.min_threads = 2, .max_threads = 6, .step = 2, .queue = 10, .manage_interval = 200ms};

void hand_in(ThreadPool &pool, std::atomic<int> &done) {
    for (int number = 0; number < task_count; ++number) {
        pool.submit([number, &done] {  // waits while the queue is full [hand-in]
            std::this_thread::sleep_for(500ms);
            std::printf("        task %d done\n", number);
            ++done;
        });
    }
    std::printf("        all are handed in\n");
}

// Prints each new size of the pool, until all tasks are done and it is as small as it was.
void watch(const ThreadPool &pool, const std::atomic<int> &done) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t shown = 0; done < task_count || shown > size.min_threads;) {
        const PoolState now = pool.state();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        if (now.live != shown)
            std::printf("%.1f s: %zu workers, %zu busy, %zu tasks wait\n", time.count(), now.live, now.busy,
                        now.queued);
        shown = now.live;
        std::this_thread::sleep_for(5ms);
    }
}

}  // namespace

int main() try {
    std::atomic<int> done = 0;
    ThreadPool pool(size);
    const std::jthread producer([&] { hand_in(pool, done); });
    watch(pool, done);
    pool.shutdown(Queued::finish);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 1;
}
