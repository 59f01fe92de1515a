// 08: the ring queue, the rule, and the pool, which is held to what its header comment promises.
//
// Nothing here waits for time: a task waits at a gate until the test opens it, and the test waits for a condition
// with a deadline that only a defect reaches.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "08_threadpool/pool_size.h"
#include "08_threadpool/ring_queue.h"
#include "08_threadpool/thread_pool.h"

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;

// Whether `condition` becomes true before a defect's deadline.
template <typename Condition>
bool comes_true(Condition condition) {
    for (const auto deadline = std::chrono::steady_clock::now() + patience; !condition();
         std::this_thread::sleep_for(100us)) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
    }
    return true;
}

// Tasks that wait until they are let go, one at a time or all.
class Gate {
public:
    // A task that passes the gate, and counts.
    std::function<void()> task() {
        return [this] {
            std::unique_lock lock(mutex_);
            ++waiting_;
            opened_.wait(lock, [this] { return passes_ > 0; });
            --passes_;
            --waiting_;
            ++passed_;
        };
    }
    void let_go(int count) {
        const std::lock_guard lock(mutex_);
        passes_ += count;
        opened_.notify_all();
    }
    bool holds(int count) {
        return comes_true([&] {
            const std::lock_guard lock(mutex_);
            return waiting_ == count;
        });
    }
    bool has_passed(int count) {
        return comes_true([&] {
            const std::lock_guard lock(mutex_);
            return passed_ == count;
        });
    }

private:
    std::mutex mutex_;
    std::condition_variable opened_;
    int waiting_ = 0, passes_ = 0, passed_ = 0;
};

bool try_submit(ThreadPool &pool, ThreadPool::Task task) {
    return pool.try_submit(task);
}

// A pool whose manager looks only when the test says so.
PoolSize by_hand(std::size_t min_threads, std::size_t max_threads, std::size_t step = 2,
                 std::size_t queue = 64) {
    return {.min_threads = min_threads,
            .max_threads = max_threads,
            .step = step,
            .queue = queue,
            .manage_interval = 0ns};
}

bool has_workers(const ThreadPool &pool, std::size_t count) {
    return comes_true([&] { return pool.state().live == count; });
}

template <typename Future>
bool is_ready(Future &&future) {
    return future.wait_for(patience) == std::future_status::ready;
}

// For what a defect makes last for ever: whoever holds this future would wait as long.
template <typename Future>
void must_end(Future &future) {
    if (is_ready(future))
        return;
    std::puts("waits for ever");
    std::fflush(stdout);
    std::abort();
}

bool is_idle(const ThreadPool &pool) {
    return comes_true([&] { return pool.state().busy == 0 && pool.state().queued == 0; });
}

// ---- the ring

// The numbers that come out of a queue which is filled now more, now less.
std::vector<int> through_a_ring(std::size_t capacity, int rounds) {
    RingQueue<int> queue(capacity);
    std::vector<int> out;
    int in = 0;
    for (int round = 0; round < rounds; ++round) {
        while (!queue.full() && queue.size() <= static_cast<std::size_t>(round) % capacity)
            queue.push(in++);
        out.push_back(queue.pop());
    }
    while (!queue.empty())
        out.push_back(queue.pop());
    return out;
}

std::vector<int> numbers(int count) {
    std::vector<int> all(count);
    std::iota(all.begin(), all.end(), 0);
    return all;
}

TEST(RingQueue, GivesBackInOrderHoweverOftenItGoesRound) {
    for (const std::size_t capacity : {1, 2, 3, 7}) {
        const auto out = through_a_ring(capacity, 50);
        EXPECT_EQ(out, numbers(static_cast<int>(out.size())));
    }
}

TEST(RingQueue, HasRoomForAllItsPlaces) {
    RingQueue<int> queue(3);
    EXPECT_TRUE(queue.empty());
    for (int number = 0; number < 3; ++number) {
        EXPECT_FALSE(queue.full());
        queue.push(number);
    }
    EXPECT_TRUE(queue.full());
    EXPECT_EQ(queue.size(), 3);
    queue.pop();
    EXPECT_FALSE(queue.full());
}

TEST(RingQueue, KeepsNothingOfWhatWasTaken) {
    RingQueue<std::shared_ptr<int>> queue(2);
    const auto one = std::make_shared<int>(1);
    queue.push(one);
    queue.pop();
    EXPECT_EQ(one.use_count(), 1);
}

// ---- the rule

TEST(Rule, GrowsAndShrinksByStepsWithinItsBounds) {
    constexpr PoolSize size{.min_threads = 2, .max_threads = 9, .step = 3};
    struct Row {
        PoolState now;
        std::ptrdiff_t change;
    };
    const std::array<Row, 12> rows{{
        {{.live = 2, .busy = 2, .queued = 1, .peak = 2}, 3},  // nobody is idle, and a task waits
        {{.live = 5, .busy = 5, .queued = 64, .peak = 5}, 3},  // a step, however many wait
        {{.live = 8, .busy = 8, .queued = 64, .peak = 8}, 1},  // no further than the maximum
        {{.live = 9, .busy = 9, .queued = 64, .peak = 9}, 0},
        {{.live = 4, .busy = 2, .queued = 2, .peak = 4}, 0},  // the two that are idle take them
        {{.live = 4, .busy = 2, .queued = 3, .peak = 4}, 3},
        {{.live = 9, .busy = 0, .queued = 0, .peak = 4}, -3},  // less than half were busy
        {{.live = 8, .busy = 0, .queued = 0, .peak = 4}, 0},  // half were
        {{.live = 8, .busy = 3, .queued = 0, .peak = 3}, -3},  // though some are
        {{.live = 4, .busy = 0, .queued = 0, .peak = 0}, -2},  // no further than the minimum
        {{.live = 2, .busy = 0, .queued = 0, .peak = 0}, 0},
        {{.live = 8, .busy = 0, .queued = 9, .peak = 0}, 1},  // growing goes first
    }};
    for (const Row &row : rows) {
        EXPECT_EQ(wanted_change(row.now, size), row.change)
            << row.now.live << " live, " << row.now.busy << " busy, " << row.now.queued << " queued, peak "
            << row.now.peak;
    }
}

// ---- tasks

// Submits numbers from several threads at once, and returns when all have been taken on.
template <typename Run>
void submit_from_many(ThreadPool &pool, int tasks, Run run) {
    constexpr int submitters = 4;
    std::vector<std::jthread> threads(submitters);
    for (int first = 0; first < submitters; ++first) {
        threads[first] = std::jthread([&pool, tasks, run, first] {
            for (int number = first; number < tasks; number += submitters)
                pool.submit([run, number] { run(number); });
        });
    }
}

TEST(ThreadPool, RunsEveryTaskOnce) {
    constexpr int tasks = 2000;
    std::array<std::atomic<int>, tasks> runs{};
    ThreadPool pool(by_hand(3, 3, 1, 8));
    submit_from_many(pool, tasks, [&runs](int number) { ++runs[number]; });
    EXPECT_EQ(pool.shutdown(Queued::finish), 0);
    EXPECT_EQ(std::count(runs.begin(), runs.end(), 1), tasks);
}

TEST(ThreadPool, TakesTasksInTheOrderInWhichTheyCame) {
    std::vector<int> order;  // one worker: nobody else touches it
    ThreadPool pool(by_hand(1, 1, 1, 4));
    for (int number = 0; number < 100; ++number)
        pool.submit([&order, number] { order.push_back(number); });
    pool.shutdown(Queued::finish);
    EXPECT_EQ(order, numbers(100));
}

TEST(ThreadPool, DoesAsManyAtOnceAsItHasWorkers) {
    Gate gate;
    ThreadPool pool(by_hand(4, 4));
    for (int number = 0; number < 6; ++number)
        pool.submit(gate.task());
    EXPECT_TRUE(gate.holds(4));
    const PoolState state = pool.state();
    EXPECT_EQ(state.live, 4);
    EXPECT_EQ(state.busy, 4);
    EXPECT_EQ(state.queued, 2);
    EXPECT_EQ(state.peak, 4);
    gate.let_go(6);
    EXPECT_TRUE(gate.has_passed(6));
}

TEST(ThreadPool, KeepsNothingOfATaskThatIsDone) {
    const auto held = std::make_shared<int>(1);
    ThreadPool pool(by_hand(2, 2));
    for (int number = 0; number < 20; ++number)
        pool.submit([held] {});
    EXPECT_TRUE(is_idle(pool));
    EXPECT_EQ(held.use_count(), 1);
}

TEST(ThreadPool, WhatATaskThrowsEndsNeitherItsWorkerNorTheProgram) {
    testing::internal::CaptureStderr();
    std::atomic<int> done = 0;
    ThreadPool pool(by_hand(1, 1));
    pool.submit([] { throw std::runtime_error("out of ink"); });
    pool.submit([&] { ++done; });
    pool.submit([] { throw 1; });
    pool.submit([&] { ++done; });
    EXPECT_TRUE(is_idle(pool));
    EXPECT_EQ(pool.state().live, 1);
    pool.shutdown(Queued::finish);
    EXPECT_EQ(done, 2);
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "thread pool: a task failed: out of ink\nthread pool: a task failed\n");
}

TEST(ThreadPool, MayBeGivenTasksByATask) {
    std::atomic<int> done = 0;
    ThreadPool pool(by_hand(1, 1, 1, 2));
    pool.submit([&] {
        for (int number = 0; number < 2; ++number)
            EXPECT_TRUE(try_submit(pool, [&] { ++done; }));
        EXPECT_FALSE(try_submit(pool, [&] { ++done; }));  // submit() would wait for itself
    });
    EXPECT_TRUE(comes_true([&] { return done == 2; }));
}

// One task at a time, each of which finds the worker on its way to sleep or asleep: a wake-up that is lost leaves
// it waiting for ever.
TEST(ThreadPool, LosesNoWakeUp) {
    for (const std::size_t workers : {1, 2, 8}) {
        ThreadPool pool(by_hand(workers, workers, 1, 1));
        for (int number = 0; number < 5000; ++number) {
            std::promise<void> done;
            pool.submit([&] { done.set_value(); });
            ASSERT_TRUE(is_ready(done.get_future())) << "task " << number << " was never taken";
        }
    }
}

// ---- a full queue

TEST(FullQueue, RefusesTrySubmitAndTheTaskIsStillTheCallers) {
    Gate gate;
    ThreadPool pool(by_hand(1, 1, 1, 2));
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    pool.submit(gate.task());
    pool.submit(gate.task());
    const auto held = std::make_shared<int>(1);
    ThreadPool::Task task = [held] {};
    EXPECT_FALSE(pool.try_submit(task));
    EXPECT_TRUE(task);
    EXPECT_EQ(held.use_count(), 2);
    EXPECT_EQ(pool.state().queued, 2);
    gate.let_go(3);
    EXPECT_TRUE(comes_true([&] { return pool.try_submit(task); }));
    EXPECT_FALSE(task);
}

TEST(FullQueue, LetsSubmitWaitUntilAWorkerHasTakenOne) {
    Gate gate;
    ThreadPool pool(by_hand(1, 1, 1, 1));
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    pool.submit(gate.task());
    std::atomic<bool> handed_in = false;
    std::jthread submitter([&] { handed_in = pool.submit(gate.task()); });
    EXPECT_EQ(pool.state().queued, 1);
    EXPECT_FALSE(handed_in);
    gate.let_go(1);
    EXPECT_TRUE(comes_true([&] { return handed_in.load(); }));
    gate.let_go(2);
    EXPECT_TRUE(gate.has_passed(3));
}

// Several wait for room, and room comes one at a time: none of them is forgotten.
TEST(FullQueue, WakesEverySubmitterInTheEnd) {
    constexpr int tasks = 2000;
    std::atomic<int> done = 0;
    ThreadPool pool(by_hand(2, 2, 1, 1));
    submit_from_many(pool, tasks, [&done](int) { ++done; });
    EXPECT_TRUE(comes_true([&] { return done == tasks; }));
}

TEST(FullQueue, TellsOfRoomOnceToOneWhoWasRefused) {
    Gate gate;
    std::atomic<int> told = 0;
    ThreadPool pool(by_hand(1, 1, 1, 2), [&] { ++told; });
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    pool.submit(gate.task());
    pool.submit(gate.task());
    EXPECT_EQ(told, 0);  // nobody was refused yet
    EXPECT_FALSE(try_submit(pool, gate.task()));
    EXPECT_FALSE(try_submit(pool, gate.task()));
    EXPECT_EQ(told, 0);  // there is no room yet
    gate.let_go(1);
    EXPECT_TRUE(comes_true([&] { return told == 1; }));
    gate.let_go(2);
    EXPECT_TRUE(gate.has_passed(3));
    EXPECT_TRUE(is_idle(pool));
    EXPECT_EQ(told, 1);
}

// The loop's way: what was refused is handed in again when there is room. Every task is done, none is lost.
TEST(FullQueue, NeverLeavesOneWhoWasRefusedWithoutWord) {
    constexpr int tasks = 5000;
    std::atomic<int> done = 0;
    std::counting_semaphore room(0);
    ThreadPool pool(by_hand(3, 3, 1, 2), [&room] { room.release(); });
    for (int number = 0; number < tasks; ++number) {
        ThreadPool::Task task = [&] { ++done; };
        while (!pool.try_submit(task))
            ASSERT_TRUE(room.try_acquire_for(patience)) << "after " << number << " tasks";
    }
    pool.shutdown(Queued::finish);
    EXPECT_EQ(done, tasks);
}

// ---- growing and shrinking

TEST(Manager, GrowsAStepAtALookWhileTasksWaitForWorkers) {
    Gate gate;
    ThreadPool pool(by_hand(1, 6, 2));
    for (int number = 0; number < 10; ++number)
        pool.submit(gate.task());
    int workers = 1;
    for (const int wanted : {3, 5, 6, 6}) {
        EXPECT_TRUE(gate.holds(workers));
        pool.manage();
        workers = wanted;
        EXPECT_EQ(pool.state().live, workers);
    }
    EXPECT_TRUE(gate.holds(6));
    EXPECT_EQ(pool.state().queued, 4);
    gate.let_go(10);
    EXPECT_TRUE(gate.has_passed(10));
}

TEST(Manager, DoesNotGrowWhileIdleWorkersCanTakeWhatWaits) {
    ThreadPool pool(by_hand(2, 8));
    pool.manage();
    EXPECT_EQ(pool.state().live, 2);
    Gate gate;
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    pool.manage();
    EXPECT_EQ(pool.state().live, 2);
    gate.let_go(1);
}

// Grows `pool` to `size` workers, all of which have been busy and are idle again when this returns.
void grow(ThreadPool &pool, int size) {
    Gate gate;
    for (int number = 0; number < size; ++number)
        pool.submit(gate.task());
    while (pool.state().live < static_cast<std::size_t>(size))
        pool.manage();
    ASSERT_TRUE(gate.holds(size));
    pool.manage();  // no more than it has: none waits
    gate.let_go(size);
    ASSERT_TRUE(gate.has_passed(size));
    ASSERT_TRUE(is_idle(pool));
}

TEST(Manager, ShrinksAStepAtALookWhenLessThanHalfWereBusy) {
    ThreadPool pool(by_hand(1, 6, 2));
    grow(pool, 6);
    ASSERT_EQ(pool.state().live, 6);
    pool.manage();  // all were busy since the last look
    EXPECT_EQ(pool.state().live, 6);
    for (const std::size_t workers : {4, 2, 1, 1}) {
        pool.manage();
        EXPECT_TRUE(has_workers(pool, workers));
    }
}

TEST(Manager, DoesNotShrinkAPoolOfWhichHalfWereBusy) {
    ThreadPool pool(by_hand(1, 4, 2));
    grow(pool, 4);
    pool.manage();
    Gate gate;
    pool.submit(gate.task());
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(2));
    gate.let_go(2);
    ASSERT_TRUE(is_idle(pool));
    pool.manage();
    pool.manage();  // now none was, and this is where it shrinks
    EXPECT_TRUE(has_workers(pool, 2));
}

// Who is to leave is woken by a notify, which reaches only one who waits. Here one too few of them wait: a worker
// that is busy meanwhile finds out when it comes back, without another wake-up.
TEST(Manager, ABusyWorkerLooksAgainWhenItComesBack) {
    Gate gate;
    ThreadPool pool(by_hand(1, 8, 8));
    grow(pool, 8);
    for (int number = 0; number < 3; ++number)
        pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(3));
    pool.manage();  // what is counted is the time since this look
    pool.manage();  // seven are to leave, and five are idle
    EXPECT_TRUE(has_workers(pool, 3));
    gate.let_go(2);
    EXPECT_TRUE(has_workers(pool, 1));
    gate.let_go(1);
    EXPECT_TRUE(gate.has_passed(3));
    EXPECT_TRUE(is_idle(pool));
    EXPECT_EQ(pool.state().live, 1);
}

TEST(Manager, AWorkerThatIsToLeaveDoesWhatIsQueuedFirst) {
    Gate gate;
    ThreadPool pool(by_hand(1, 4, 4));
    grow(pool, 4);
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    pool.manage();
    pool.manage();  // three are to leave, while new tasks come
    for (int number = 0; number < 10; ++number)
        pool.submit(gate.task());
    gate.let_go(11);
    EXPECT_TRUE(gate.has_passed(11));
    EXPECT_TRUE(has_workers(pool, 1));
}

TEST(Manager, CallsOffTheLeavingWhenThereIsWorkAgain) {
    Gate gate;
    ThreadPool pool(by_hand(1, 4, 2));
    grow(pool, 4);
    for (int number = 0; number < 4; ++number)
        pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(4));
    pool.manage();
    pool.submit(gate.task());
    pool.manage();  // four of four are busy and one waits: at the maximum, nothing is left to do
    gate.let_go(5);
    EXPECT_TRUE(gate.has_passed(5));
    EXPECT_TRUE(is_idle(pool));
    EXPECT_EQ(pool.state().live, 4);
}

TEST(Manager, LooksByItselfAtItsInterval) {
    Gate gate;
    PoolSize size = by_hand(1, 3, 1);
    size.manage_interval = 1ms;
    ThreadPool pool(size);
    for (int number = 0; number < 5; ++number)
        pool.submit(gate.task());
    EXPECT_TRUE(has_workers(pool, 3));
    gate.let_go(5);
    EXPECT_TRUE(has_workers(pool, 1));
}

// Tasks come and go while the pool grows and shrinks as fast as it can: none is lost, none is done twice.
TEST(Manager, LosesNoTaskWhileThePoolChangesItsSize) {
    constexpr int rounds = 200;
    constexpr int burst = 30;
    std::atomic<int> done = 0;
    PoolSize size = by_hand(1, 8, 3, 8);
    size.manage_interval = 10us;
    ThreadPool pool(size);
    std::size_t largest = 0;
    for (int round = 0; round < rounds; ++round) {
        for (int number = 0; number < burst; ++number)
            pool.submit([&] { ++done; });
        largest = std::max(largest, pool.state().live);
        ASSERT_TRUE(comes_true([&] { return done == (round + 1) * burst; })) << "in round " << round;
    }
    EXPECT_GT(largest, 1);
    EXPECT_TRUE(has_workers(pool, 1));
}

// ---- shutting down

TEST(Shutdown, FinishesWhatIsQueuedWhenThatWasAsked) {
    Gate gate;
    std::atomic<int> done = 0;
    ThreadPool pool(by_hand(2, 2));
    pool.submit(gate.task());
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(2));
    for (int number = 0; number < 20; ++number)
        pool.submit([&] { ++done; });
    auto shutdown = std::async(std::launch::async, [&] { return pool.shutdown(Queued::finish); });
    ASSERT_TRUE(comes_true([&] { return !try_submit(pool, [] {}); }));
    gate.let_go(2);
    must_end(shutdown);
    EXPECT_EQ(shutdown.get(), 0);
    EXPECT_EQ(done, 20);
    EXPECT_EQ(pool.state().live, 0);
}

TEST(Shutdown, DropsWhatIsQueuedWhenThatWasAskedAndFinishesWhatIsBegun) {
    Gate gate;
    const auto held = std::make_shared<int>(1);
    std::atomic<int> done = 0;
    ThreadPool pool(by_hand(2, 2));
    pool.submit(gate.task());
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(2));
    for (int number = 0; number < 20; ++number)
        pool.submit([&, held] { ++done; });
    auto shutdown = std::async(std::launch::async, [&] { return pool.shutdown(Queued::drop); });
    EXPECT_TRUE(comes_true([&] { return held.use_count() == 1; }));  // dropped, while two are still busy
    EXPECT_TRUE(gate.holds(2));
    gate.let_go(2);
    must_end(shutdown);
    EXPECT_EQ(shutdown.get(), 20);
    EXPECT_EQ(done, 0);
    EXPECT_TRUE(gate.has_passed(2));
}

TEST(Shutdown, TakesNoMoreTasks) {
    ThreadPool pool(by_hand(1, 1));
    pool.shutdown(Queued::finish);
    ThreadPool::Task task = [] {};
    EXPECT_FALSE(pool.try_submit(task));
    EXPECT_TRUE(task);
    EXPECT_FALSE(pool.submit(std::move(task)));
}

TEST(Shutdown, WakesWhoWaitsForRoom) {
    Gate gate;
    ThreadPool pool(by_hand(1, 1, 1, 1));
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    pool.submit(gate.task());
    std::array<std::future<bool>, 8> submitted;  // so many that some wait when the shutdown comes
    for (auto &one : submitted)
        one = std::async(std::launch::async, [&] { return pool.submit(gate.task()); });
    auto shutdown = std::async(std::launch::async, [&] { return pool.shutdown(Queued::finish); });
    for (auto &one : submitted) {
        must_end(one);
        EXPECT_FALSE(one.get());
    }
    gate.let_go(2);
    must_end(shutdown);
    EXPECT_TRUE(gate.has_passed(2));
}

// A busy worker hears of the shutdown when it comes back, one that sleeps at once, one that is on its way to sleep
// in between: each of a thousand pools ends.
TEST(Shutdown, EndsEveryWorkerWhateverItDoes) {
    auto all = std::async(std::launch::async, [] {
        for (int number = 0; number < 1000; ++number) {
            ThreadPool pool(by_hand(3, 3));
            for (int task = 0; task < number % 5; ++task)
                pool.submit([] {});
            pool.shutdown(number % 2 ? Queued::drop : Queued::finish);
            EXPECT_EQ(pool.state().live, 0);
        }
    });
    must_end(all);
}

TEST(Shutdown, EndsAManagerThatWouldLookInAnHour) {
    PoolSize size;
    size.manage_interval = 3600s;
    auto ended = std::async(std::launch::async, [&] { ThreadPool(size).shutdown(Queued::finish); });
    must_end(ended);
}

TEST(Shutdown, MayDropWhatAnotherWantsFinished) {
    Gate gate;
    std::atomic<int> done = 0;
    ThreadPool pool(by_hand(1, 1));
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    for (int number = 0; number < 5; ++number)
        pool.submit([&] { ++done; });
    auto patient = std::async(std::launch::async, [&] { return pool.shutdown(Queued::finish); });
    ASSERT_TRUE(comes_true([&] { return !try_submit(pool, [] {}); }));
    auto hasty = std::async(std::launch::async, [&] { return pool.shutdown(Queued::drop); });
    ASSERT_TRUE(comes_true([&] { return pool.state().queued == 0; }));
    gate.let_go(1);
    EXPECT_EQ(patient.get(), 0);
    EXPECT_GE(hasty.get(), 5);  // and what was tried before the pool refused it
    EXPECT_EQ(done, 0);
}

TEST(Shutdown, MayBeAskedForAgain) {
    ThreadPool pool(by_hand(1, 1));
    pool.shutdown(Queued::finish);
    EXPECT_EQ(pool.shutdown(Queued::drop), 0);
}

TEST(Shutdown, IsWhatTheDestructorDoesDroppingWhatIsQueued) {
    Gate gate;
    std::atomic<int> done = 0;
    {
        ThreadPool pool(by_hand(1, 1));
        pool.submit(gate.task());
        ASSERT_TRUE(gate.holds(1));
        for (int number = 0; number < 5; ++number)
            pool.submit([&] { ++done; });
        gate.let_go(1);
        pool.submit(gate.task());  // whether this one is begun or dropped, let it pass
        gate.let_go(1);
    }
    EXPECT_LE(done, 5);
}

// What a dropped task holds may use the pool while it goes: the mutex is free by then.
TEST(Shutdown, DestroysDroppedTasksWithoutHoldingTheMutex) {
    Gate gate;
    ThreadPool pool(by_hand(1, 1));
    pool.submit(gate.task());
    ASSERT_TRUE(gate.holds(1));
    std::atomic<bool> looked = false;
    int held = 0;
    const auto look = [&](const int *) { looked = pool.state().live <= 1; };  // it takes the mutex
    pool.submit([last = std::shared_ptr<int>(&held, look)] {});
    auto shutdown = std::async(std::launch::async, [&] { return pool.shutdown(Queued::drop); });
    ASSERT_TRUE(comes_true([&] { return pool.state().queued == 0; }));
    gate.let_go(1);
    must_end(shutdown);
    EXPECT_TRUE(looked);
}

TEST(Shutdown, IgnoresAManagerThatComesLate) {
    ThreadPool pool(by_hand(1, 4));
    pool.shutdown(Queued::finish);
    pool.manage();
    EXPECT_EQ(pool.state().live, 0);
}

}  // namespace
