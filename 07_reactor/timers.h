// Deadlines: which one is next, and whose have passed. Knows no clock and no descriptor.
//
// A binary heap, with one thing changed: setting a deadline *later* only notes it in the timer. The heap still has
// the earlier one; when that comes up, the timer is moved to where it belongs by now. So a timer that is set anew
// by every message costs a store for each, and a way through the heap about once in its whole duration.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

using Clock =
    std::chrono::steady_clock;  // monotonic: setting the wall clock moves no deadline, clock_gettime(2)
using Time = Clock::time_point;
using Duration = Clock::duration;

class Timer;

// The timers of one thread. Must live longer than they do.
class TimerQueue {
public:
    TimerQueue() = default;
    TimerQueue(const TimerQueue &) = delete;
    TimerQueue &operator=(const TimerQueue &) = delete;

    // The next deadline; empty when no timer is set.
    std::optional<Time> next();

    // Calls the actions of all timers whose deadlines are not after `now`, the earliest first. An action may set,
    // cancel and destroy any timer, its own too; what it sets to a time that has passed is not waited for here.
    void fire(Time now);

private:
    friend class Timer;
    struct Entry {
        Time queued;  // never after the timer's deadline [lazy]
        Timer *timer;
    };

    void put(std::size_t place, Entry entry);
    void up(std::size_t place, Entry entry);
    void down(std::size_t place, Entry entry);
    void remove(std::size_t place);
    void settle();

    std::vector<Entry> heap_;
    Timer *firing_ = nullptr;  // whose action is being called; null when it has been destroyed by it
};

// Calls an action once, when its deadline has passed. Whoever wants that holds it; it goes out of scope unset.
class Timer {
public:
    Timer(TimerQueue &queue, std::function<void()> action) : queue_(queue), action_(std::move(action)) {}
    Timer(const Timer &) = delete;
    Timer &operator=(const Timer &) = delete;
    ~Timer() {
        cancel();
        if (queue_.firing_ == this)
            queue_.firing_ = nullptr;
    }

    // The one deadline from now on is `deadline`. Later than before: O(1). Else O(log n).
    void set(Time deadline) {
        deadline_ = deadline;
        if (place_ == nowhere) {
            queue_.heap_.push_back({});
            queue_.up(queue_.heap_.size() - 1, {deadline, this});
        } else if (deadline < queued_) {
            queue_.up(place_, {deadline, this});
        }  // else the heap hears of it when the earlier deadline comes up [later]
    }

    // There is no deadline any more. O(log n); harmless when there was none.
    void cancel() {
        if (place_ != nowhere)
            queue_.remove(std::exchange(place_, nowhere));
    }

    [[nodiscard]] bool is_set() const { return place_ != nowhere; }

private:
    friend class TimerQueue;
    static constexpr std::size_t nowhere = -1;

    TimerQueue &queue_;
    std::function<void()> action_;
    Time deadline_{};
    Time queued_{};  // as in the heap
    std::size_t place_ = nowhere;  // in the heap
};

inline void TimerQueue::put(std::size_t place, Entry entry) {
    heap_[place] = entry;
    entry.timer->queued_ = entry.queued;
    entry.timer->place_ = place;
}

// Puts `entry` at `place`, or as far above it as it belongs.
inline void TimerQueue::up(std::size_t place, Entry entry) {
    while (place > 0 && entry.queued < heap_[(place - 1) / 2].queued) {
        put(place, heap_[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(place, entry);
}

// Puts `entry` at `place`, or as far below it as it belongs.
inline void TimerQueue::down(std::size_t place, Entry entry) {
    for (std::size_t child; (child = 2 * place + 1) < heap_.size(); place = child) {
        if (child + 1 < heap_.size() && heap_[child + 1].queued < heap_[child].queued)
            ++child;
        if (heap_[child].queued >= entry.queued)
            break;
        put(place, heap_[child]);
    }
    put(place, entry);
}

// Takes out what stands at `place`; the last entry fills the gap.
inline void TimerQueue::remove(std::size_t place) {
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size())
        return;
    down(place, last);
    up(last.timer->place_, last);
}

// Makes the first entry one whose timer has not been set later since. [settle]
inline void TimerQueue::settle() {
    while (!heap_.empty() && heap_[0].queued != heap_[0].timer->deadline_)
        down(0, {heap_[0].timer->deadline_, heap_[0].timer});
}

inline std::optional<Time> TimerQueue::next() {
    settle();
    return heap_.empty() ? std::nullopt : std::optional(heap_[0].queued);
}

inline void TimerQueue::fire(Time now) {
    for (std::size_t left = heap_.size(); left > 0; --left) {  // not more: an action may set its timer anew
        const auto first = next();
        if (!first || *first > now)
            return;
        firing_ = heap_[0].timer;
        firing_->cancel();
        auto action = std::move(firing_->action_);  // it may destroy the timer, but not itself
        action();
        if (firing_)
            firing_->action_ = std::move(action);
    }
}
