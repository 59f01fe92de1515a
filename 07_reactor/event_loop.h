// The reactor: waits for descriptors, deadlines and other threads, and calls who is concerned.
//
// One thread runs the loop, and all handlers are called by it, one after another. What they hand over to be
// destroyed lives until all the events of this turn have been dealt with, so that none of them meets a dead one.
#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "07_reactor/timers.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

// What a descriptor waits for.
struct Wants {
    bool read = false;
    bool write = false;
};

// What is true of a descriptor. `ending`: the peer's end of file has come, or its reset, behind what is to be read.
// `failed`: its reset.
struct Ready {
    bool readable, writable, ending, failed;
};

// By default a handler is told once for each change: what it leaves undone it must ask to be called again for. [trigger]
enum class Trigger { edge, level };

class EventLoop {
public:
    using Handler = std::function<void(Ready)>;

    EventLoop();
    EventLoop(const EventLoop &) = delete;
    EventLoop &operator=(const EventLoop &) = delete;
    ~EventLoop() = default;

    // Calls `handler` whenever `descriptor` is ready for what it `wants`. The caller stays its owner, and must
    // unwatch it before it is closed. False when epoll does not take it: errno says why (EPERM: a regular file,
    // ENOSPC, ENOMEM: no room). epoll_ctl(2)
    [[nodiscard]] bool watch(int descriptor, Wants wants, Handler handler, Trigger trigger = Trigger::edge);

    // The handler of `descriptor` is not called any more, not even for what has been reported already.
    void unwatch(int descriptor);

    // Calls the handler of `descriptor` in the next turn, as if it were readable and writable. For who has worked
    // up to a bound, or has not wanted to read for a while: the kernel will not say it again.
    void again(int descriptor);

    // Keeps `object` until the events of this turn have been dealt with. For what may be in use further up the
    // stack, or must outlive the callback that ends it.
    void retire(std::shared_ptr<void> object) { retired_.push_back(std::move(object)); }

    // Calls `task` in the loop's thread, in the next turn. Any thread may call this, and nothing else here. [post]
    void post(std::function<void()> task);

    // When the handler that is being called was called: one look at the clock for each.
    [[nodiscard]] Time now() const { return now_; }

    // For Timer objects; their actions are called by the loop.
    [[nodiscard]] TimerQueue &timers() { return timers_; }

    // Calls handlers until stop(). Passes on what they throw.
    void run();
    void stop() { stopped_ = true; }

private:
    struct Watched {
        Handler handler;
        bool over = false;  // unwatched
        bool again = false;
    };

    void turn();
    int milliseconds();
    void call(Watched &watched, Ready ready);
    void run_posted();

    TimerQueue timers_;  // first: the handlers that are destroyed below may hold timers
    Descriptor epoll_ = Descriptor(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    Descriptor wakeup_ = Descriptor(check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
    Time now_ = Clock::now();
    bool stopped_ = false;
    std::vector<std::unique_ptr<Watched>> watched_;  // by descriptor
    std::vector<Watched *> again_;
    std::vector<std::shared_ptr<void>> retired_;
    std::mutex mutex_;  // for posted_, which other threads add to
    std::vector<std::function<void()>> posted_;
};

inline EventLoop::EventLoop() {
    if (!watch(wakeup_.get(), {.read = true}, [this](Ready) { run_posted(); }))
        throw_errno("epoll_ctl");
}

inline bool EventLoop::watch(int descriptor, Wants wants, Handler handler, Trigger trigger) {
    auto watched = std::make_unique<Watched>(Watched{std::move(handler)});
    std::uint32_t events = 0;
    if (wants.read)
        events |= EPOLLIN | EPOLLRDHUP;
    if (wants.write)
        events |= EPOLLOUT;
    if (trigger == Trigger::edge)
        events |= EPOLLET;
    epoll_event event{.events = events, .data = {.ptr = watched.get()}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == -1)
        return false;
    if (watched_.size() <= static_cast<std::size_t>(descriptor))
        watched_.resize(descriptor + 1);
    watched_[descriptor] = std::move(watched);
    return true;
}

// Out of the interest set first, then the owner may close it: the other way round is EBADF. [unwatch]
inline void EventLoop::unwatch(int descriptor) {
    auto &watched = watched_[descriptor];
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
    watched->over = true;
    if (watched->again)
        std::erase(again_, watched.get());
    retire(std::move(watched));
}

inline void EventLoop::again(int descriptor) {
    Watched &watched = *watched_[descriptor];
    if (!std::exchange(watched.again, true))
        again_.push_back(&watched);
}

inline void EventLoop::post(std::function<void()> task) {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() == 1)
        check(eventfd_write(wakeup_.get(), 1), "eventfd_write");
}

// First the descriptor is emptied, then the tasks are taken: what is posted in between is taken now, and wakes us
// once too often. The other way round it would be left behind. [wakeup]
inline void EventLoop::run_posted() {
    eventfd_t count = 0;
    eventfd_read(wakeup_.get(), &count);
    std::vector<std::function<void()>> tasks;
    {
        const std::scoped_lock lock(mutex_);
        tasks.swap(posted_);
    }
    for (const auto &task : tasks)
        task();
}

// How long to sleep: until the next deadline, rounded up, for none is to be early. -1: as long as it takes.
// [sleep]
inline int EventLoop::milliseconds() {
    if (!again_.empty())
        return 0;
    const auto next = timers_.next();
    if (!next)
        return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - now_).count();
    return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

// An event may be meant for who is over since it was fetched, and whose number is another's by now. [stale]
inline void EventLoop::call(Watched &watched, Ready ready) {
    if (watched.over)
        return;
    now_ = Clock::now();
    watched.handler(ready);
}

inline void EventLoop::turn() {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), milliseconds());
    now_ = Clock::now();
    for (Watched *watched : std::exchange(again_, {})) {
        watched->again = false;
        call(*watched, {.readable = true, .writable = true, .ending = false, .failed = false});
    }
    for (const epoll_event &event : std::span(events).first(std::max(count, 0))) {
        const bool over = event.events & (EPOLLERR | EPOLLHUP);  // reported unasked
        call(*static_cast<Watched *>(event.data.ptr), {.readable = over || event.events & EPOLLIN,
                                                       .writable = over || event.events & EPOLLOUT,
                                                       .ending = over || event.events & EPOLLRDHUP,
                                                       .failed = (event.events & EPOLLERR) != 0});
    }
    timers_.fire(now_);
    while (!retired_.empty())  // their destructors may retire more [retired]
        std::exchange(retired_, {}).clear();
}

inline void EventLoop::run() {
    while (!std::exchange(stopped_, false))
        turn();
}
