// 07: the timers, with a clock that stands still until a test moves it.

#include "07_reactor/timers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr Time start{};

TEST(Timers, HasNoDeadlineWhenNothingIsSet) {
    TimerQueue queue;
    const Timer timer(queue, [] {});
    EXPECT_EQ(queue.next(), std::nullopt);
    EXPECT_FALSE(timer.is_set());
    queue.fire(start + 1h);
}

TEST(Timers, FireAtTheirDeadlineAndNotBefore) {
    TimerQueue queue;
    int fired = 0;
    Timer timer(queue, [&] { ++fired; });
    timer.set(start + 5s);
    EXPECT_EQ(queue.next(), start + 5s);
    queue.fire(start + 5s - 1ns);
    EXPECT_EQ(fired, 0);
    queue.fire(start + 5s);
    EXPECT_EQ(fired, 1);
    EXPECT_FALSE(timer.is_set());
    queue.fire(start + 1h);
    EXPECT_EQ(fired, 1);
}

TEST(Timers, FireInTheOrderOfTheirDeadlines) {
    TimerQueue queue;
    std::string fired;
    Timer b(queue, [&] { fired += 'b'; });
    Timer c(queue, [&] { fired += 'c'; });
    Timer a(queue, [&] { fired += 'a'; });
    b.set(start + 2s);
    c.set(start + 3s);
    a.set(start + 1s);
    queue.fire(start + 1h);
    EXPECT_EQ(fired, "abc");
}

// What a connection does with each message. The loop must not be woken at the deadline that was.
TEST(Timers, SetLaterTheFirstDeadlineIsForgotten) {
    TimerQueue queue;
    int fired = 0;
    Timer timer(queue, [&] { ++fired; });
    timer.set(start + 1s);
    for (int second = 2; second <= 100; ++second)
        timer.set(start + second * 1s);
    EXPECT_EQ(queue.next(), start + 100s);
    queue.fire(start + 99s);
    EXPECT_EQ(fired, 0);
    queue.fire(start + 100s);
    EXPECT_EQ(fired, 1);
}

TEST(Timers, SetLaterAndThenEarlierTheLastWordCounts) {
    TimerQueue queue;
    Timer timer(queue, [] {});
    timer.set(start + 3s);
    timer.set(start + 9s);
    timer.set(start + 5s);
    EXPECT_EQ(queue.next(), start + 5s);
    timer.set(start + 1s);
    EXPECT_EQ(queue.next(), start + 1s);
}

TEST(Timers, CancelledDoesNotFire) {
    TimerQueue queue;
    Timer timer(queue, [] { FAIL(); });
    timer.cancel();
    timer.set(start + 1s);
    timer.cancel();
    EXPECT_EQ(queue.next(), std::nullopt);
    queue.fire(start + 1h);
}

TEST(Timers, OutOfScopeDoesNotFire) {
    TimerQueue queue;
    Timer other(queue, [] {});
    other.set(start + 2s);
    {
        Timer timer(queue, [] { FAIL(); });
        timer.set(start + 1s);
    }
    EXPECT_EQ(queue.next(), start + 2s);
    queue.fire(start + 1s);
}

// What an action may do, to its own timer and to others. Under the sanitizers.
TEST(TimerAction, MaySetItsOwnTimerAnew) {
    TimerQueue queue;
    int fired = 0;
    Timer timer(queue, [&] { timer.set(start + ++fired * 10s); });
    timer.set(start);
    queue.fire(start);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(queue.next(), start + 10s);
    queue.fire(start + 10s);
    EXPECT_EQ(fired, 2);
}

TEST(TimerAction, ThatSetsItsTimerToAPastTimeEndsTheRound) {
    TimerQueue queue;
    int fired = 0;
    Timer timer(queue, [&] {
        ++fired;
        timer.set(start);
    });
    timer.set(start);
    queue.fire(start + 1s);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(queue.next(), start);
}

TEST(TimerAction, MayDestroyItsOwnTimer) {
    TimerQueue queue;
    std::string text = "what the action holds";
    std::unique_ptr<Timer> timer;
    std::string seen;
    timer = std::make_unique<Timer>(queue, [&timer, &seen, text] {
        timer.reset();
        seen = text;  // still there: the action lives until it returns
    });
    timer->set(start);
    queue.fire(start);
    EXPECT_EQ(seen, text);
    EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(TimerAction, MayDestroyAnotherTimerThatIsDueToo) {
    TimerQueue queue;
    auto other = std::make_unique<Timer>(queue, [] { FAIL(); });
    Timer timer(queue, [&] { other.reset(); });
    timer.set(start + 1s);
    other->set(start + 2s);
    queue.fire(start + 3s);
    EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(TimerAction, MayCancelAnotherTimerThatIsDueToo) {
    TimerQueue queue;
    Timer other(queue, [] { FAIL(); });
    Timer timer(queue, [&] { other.cancel(); });
    timer.set(start + 1s);
    other.set(start + 2s);
    queue.fire(start + 3s);
}

TEST(TimerAction, MayMakeANewTimer) {
    TimerQueue queue;
    std::vector<std::unique_ptr<Timer>> made;
    Timer timer(queue, [&] {
        made.push_back(std::make_unique<Timer>(queue, [] {}));
        made.back()->set(start + 5s);
    });
    timer.set(start);
    queue.fire(start + 1s);
    EXPECT_EQ(queue.next(), start + 5s);
}

// What a queue of timers must do, said without a heap.
struct Model {
    std::vector<std::optional<Time>> deadlines;

    [[nodiscard]] std::optional<Time> next() const {
        std::optional<Time> first;
        for (const auto &deadline : deadlines) {
            if (deadline && (!first || *deadline < *first))
                first = deadline;
        }
        return first;
    }

    // The deadlines that have passed, in their order; they are unset.
    std::vector<Time> fire(Time now) {
        std::vector<Time> due;
        for (auto &deadline : deadlines) {
            if (deadline && *deadline <= now) {
                due.push_back(*deadline);
                deadline.reset();
            }
        }
        std::sort(due.begin(), due.end());
        return due;
    }
};

// A queue and its model, to which the same is done.
struct Both {
    explicit Both(int timers) : model{std::vector<std::optional<Time>>(timers)}, set(timers) {
        real.reserve(timers);
        for (int i = 0; i < timers; ++i)
            real.push_back(fresh(i));
    }

    std::unique_ptr<Timer> fresh(int i) {
        return std::make_unique<Timer>(queue, [this, i] { fired.push_back(set[i]); });
    }
    void put(int i, Time deadline) {
        set[i] = deadline;
        real[i]->set(deadline);
        model.deadlines[i] = deadline;
    }
    void cancel(int i) {
        real[i]->cancel();
        model.deadlines[i].reset();
    }
    void replace(int i) {
        real[i] = fresh(i);
        model.deadlines[i].reset();
    }
    void fire() {
        queue.fire(now);
        EXPECT_EQ(fired, model.fire(now));
        fired.clear();
    }

    TimerQueue queue;
    Model model;
    std::vector<Time> set;
    std::vector<Time> fired;
    std::vector<std::unique_ptr<Timer>> real;
    Time now = start;
};

class AnySequence : public testing::TestWithParam<unsigned> {};

TEST_P(AnySequence, IsAsTheModelSays) {
    std::mt19937 random(GetParam());
    const auto below = [&](int bound) { return std::uniform_int_distribution(0, bound - 1)(random); };
    constexpr int timers = 20;
    Both both(timers);
    for (int step = 0; step < 1000 && !HasFailure(); ++step) {
        const int i = below(timers);
        const int what = below(10);
        if (what < 6)
            both.put(i, both.now + below(100) * 1ms);
        else if (what < 7)
            both.cancel(i);
        else if (what < 8)
            both.replace(i);
        else
            both.fire();
        both.now += below(10) * 1ms;
        if (what % 3 == 0) {  // not each time, or what is left behind is put right at once
            EXPECT_EQ(both.queue.next(), both.model.next()) << "step " << step;
        }
        EXPECT_EQ(both.real[i]->is_set(), both.model.deadlines[i].has_value()) << "step " << step;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnySequence, testing::Range(0U, 100U));

}  // namespace
