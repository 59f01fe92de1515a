// Workers that take tasks from one bounded queue. It knows nothing of sockets, nor of what a task does.
//
// Whoever has work calls submit(), which waits while the queue is full, or try_submit(), which never waits. A
// worker waits until there is a task. A manager looks every now and then whether there are too few workers, or
// too many. One mutex guards all of it; a condition is always looked at again under that mutex before anybody
// waits for it, so that a wake-up that finds nobody asleep is no loss. condition_variable::wait
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "08_threadpool/pool_size.h"
#include "08_threadpool/ring_queue.h"

// What becomes of the tasks that wait when the pool is shut down.
enum class Queued { finish, drop };

class ThreadPool {
public:
    using Task = std::function<void()>;

    // Starts min_threads workers; 1 <= min_threads <= max_threads, and queue and step are at least 1. `room`, if
    // there is one, is called by a worker after it has made room in a queue that had refused a try_submit().
    // Throws std::system_error when not even min_threads can be made.
    explicit ThreadPool(const PoolSize &size, std::function<void()> room = {})
        : size_(size), room_(std::move(room)), queue_(size.queue) {
        try {
            const std::lock_guard lock(mutex_);
            start_workers(size_.min_threads);
            if (size_.manage_interval.count() > 0)
                manager_ = std::jthread([this] { look_now_and_then(); });
        } catch (...) {
            shutdown(Queued::drop);
            throw;
        }
    }

    ThreadPool(const ThreadPool &) = delete;
    ThreadPool &operator=(const ThreadPool &) = delete;

    ~ThreadPool() { shutdown(Queued::drop); }

    // Queues `task`; waits while the queue is full. False when the pool is shut down, before or meanwhile. A
    // task must not call it on its own pool: when all workers wait for room, none makes any. [submit]
    bool submit(Task task) {
        {
            std::unique_lock lock(mutex_);
            not_full_.wait(lock, [this] { return !queue_.full() || shut_down_; });
            if (shut_down_)
                return false;
            put(std::move(task));
        }
        not_empty_.notify_one();
        return true;
    }

    // Queues `task` if there is room; never waits. False when there is none, or when the pool is shut down: the
    // task is still the caller's then. [try-submit]
    bool try_submit(Task &task) {
        {
            const std::lock_guard lock(mutex_);
            if (shut_down_)
                return false;
            refused_ = queue_.full();
            if (refused_)
                return false;
            put(std::exchange(task, nullptr));
        }
        not_empty_.notify_one();
        return true;
    }

    // Takes no more tasks, has the workers finish what is queued or drops it, and joins every thread. Returns how
    // many tasks were dropped. May be called again, to drop what a call elsewhere wants finished; not by a task,
    // which would wait for itself. [shutdown]
    std::size_t shutdown(Queued queued) {
        std::vector<Task> dropped;  // destroyed when the mutex is free: what a task holds may take it
        {
            const std::lock_guard lock(mutex_);
            shut_down_ = true;
            while (queued == Queued::drop && !queue_.empty())
                dropped.push_back(queue_.pop());
            state_.queued = queue_.size();
        }
        not_empty_.notify_all();
        not_full_.notify_all();
        look_.notify_all();
        const std::size_t count = dropped.size();
        dropped.clear();
        const std::lock_guard joining(joining_);
        manager_ = {};  // a std::jthread joins when it is destroyed
        workers_.clear();
        left_.clear();
        return count;
    }

    // What the manager does at each look: applies the rule, and joins the workers that have left. [manage]
    void manage() {
        std::list<std::jthread> left;  // joined when the mutex is free: destroyed after `lock`
        const std::lock_guard lock(mutex_);
        if (shut_down_)
            return;
        left.swap(left_);
        const std::ptrdiff_t change = wanted_change(state_, size_);
        state_.peak = state_.busy;
        surplus_ = change < 0 ? -change : 0;  // [surplus]
        for (std::size_t waker = 0; waker < surplus_; ++waker)
            not_empty_.notify_one();
        try {
            start_workers(change > 0 ? change : 0);
        } catch (const std::system_error &) {  // no thread to be had now: the next look tries again [no-thread]
        }
    }

    [[nodiscard]] PoolState state() const {
        const std::lock_guard lock(mutex_);
        return state_;
    }

private:
    void put(Task task) {
        queue_.push(std::move(task));
        state_.queued = queue_.size();
    }

    // The caller holds mutex_, which a new worker wants before it does anything. Throws std::system_error.
    void start_workers(std::size_t count) {
        for (; count > 0; --count) {
            const auto self = workers_.emplace(workers_.end());
            try {
                *self = std::jthread([this, self] { work(self); });
            } catch (...) {
                workers_.erase(self);
                throw;
            }
            ++state_.live;
        }
    }

    void look_now_and_then() {
        std::unique_lock lock(mutex_);
        while (!look_.wait_for(lock, size_.manage_interval, [this] { return shut_down_; })) {
            lock.unlock();
            manage();
            lock.lock();
        }
    }

    // A worker's life. It leaves when there is nothing to do and one is too many, or all are. [worker]
    void work(std::list<std::jthread>::iterator self) {
        std::unique_lock lock(mutex_);
        for (;;) {
            not_empty_.wait(lock, [this] { return !queue_.empty() || surplus_ > 0 || shut_down_; });
            if (queue_.empty())
                break;
            do_one(lock);
        }
        --state_.live;
        if (shut_down_)
            return;  // shutdown() joins, from workers_
        --surplus_;
        left_.splice(left_.end(), workers_, self);
    }

    // Takes the first task and does it, with the mutex free meanwhile.
    void do_one(std::unique_lock<std::mutex> &lock) {
        Task task = queue_.pop();
        state_.queued = queue_.size();
        state_.peak = std::max(state_.peak, ++state_.busy);
        const bool refused = std::exchange(refused_, false);
        lock.unlock();
        not_full_.notify_one();
        if (refused && room_)
            room_();  // [room]
        run(task);
        task = {};  // what it held is gone before the worker counts as idle
        lock.lock();
        --state_.busy;
    }

    // What a task throws ends neither its worker nor the program. [throws]
    static void run(const Task &task) noexcept {
        try {
            task();
        } catch (const std::exception &error) {
            std::fprintf(stderr, "thread pool: a task failed: %s\n", error.what());
        } catch (...) {
            std::fprintf(stderr, "thread pool: a task failed\n");
        }
    }

    const PoolSize size_;
    const std::function<void()> room_;
    mutable std::mutex mutex_;  // guards all that follows, down to left_
    std::condition_variable not_empty_;  // or a worker is to leave
    std::condition_variable not_full_;
    std::condition_variable look_;  // the manager is to end
    RingQueue<Task> queue_;
    PoolState state_;
    std::size_t surplus_ = 0;  // workers that are to leave, whichever find nothing to do first
    bool refused_ = false;  // a try_submit() found the queue full since a task was taken
    bool shut_down_ = false;
    std::list<std::jthread> workers_;
    std::list<std::jthread> left_;  // to be joined
    std::mutex joining_;  // held by the one who joins
    std::jthread manager_;
};
