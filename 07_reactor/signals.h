// Signals as one more descriptor of the loop: no handler that interrupts anything.
#pragma once

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <initializer_list>
#include <utility>

#include "07_reactor/event_loop.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

class Signals {
public:
    // Calls `on_signal(number)` in the loop for each of these signals that comes. They are blocked from here on,
    // in this thread and in those it starts later; start no thread before. signalfd(2), sigprocmask(2) [blocked]
    Signals(EventLoop &loop, std::initializer_list<int> numbers, std::function<void(int)> on_signal)
        : loop_(loop), on_signal_(std::move(on_signal)) {
        sigset_t set;
        sigemptyset(&set);
        for (const int number : numbers)
            sigaddset(&set, number);
        check(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0 ? 0 : -1, "pthread_sigmask");
        descriptor_ = Descriptor(check(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd"));
        if (!loop_.watch(descriptor_.get(), {.read = true}, [this](Ready) { on_readable(); }))
            throw_errno("epoll_ctl");
    }
    Signals(const Signals &) = delete;
    Signals &operator=(const Signals &) = delete;
    ~Signals() { loop_.unwatch(descriptor_.get()); }

private:
    void on_readable() {
        signalfd_siginfo info;
        while (read(descriptor_.get(), &info, sizeof info) == sizeof info)
            on_signal_(static_cast<int>(info.ssi_signo));
    }

    EventLoop &loop_;
    std::function<void(int)> on_signal_;
    Descriptor descriptor_;
};
