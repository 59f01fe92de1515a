// Takes new clients from a listener on the loop, some in each turn, and survives the lack of descriptors.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <functional>
#include <utility>

#include "07_reactor/event_loop.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

class Acceptor {
public:
    using OnClient = std::function<void(Descriptor, const Address &)>;

    // Owns `listener`, and hands each new client, non-blocking, to `on_client` with its address.
    Acceptor(EventLoop &loop, Descriptor listener, OnClient on_client)
        : loop_(loop), listener_(std::move(listener)), on_client_(std::move(on_client)) {
        check(fcntl(listener_.get(), F_SETFL, O_NONBLOCK), "fcntl");
        if (!loop_.watch(listener_.get(), {.read = true}, [this](Ready) { accept_all(); }))
            throw_errno("epoll_ctl");
    }
    Acceptor(const Acceptor &) = delete;
    Acceptor &operator=(const Acceptor &) = delete;
    ~Acceptor() { close(); }

    // Closes the listener: who comes now is refused, and who has been waiting is reset.
    void close() {
        if (listener_.get() == -1)
            return;
        retry_.cancel();
        loop_.unwatch(listener_.get());
        listener_.close();
    }

    // A descriptor of this process is closed, or is by the next turn: who waits for one may come in.
    void descriptor_freed() {
        if (starved_ && listener_.get() != -1)
            loop_.again(listener_.get());
    }

private:
    static constexpr int accept_bound = 64;  // clients accepted in one turn
    static constexpr std::chrono::milliseconds retry_time{50};  // while descriptors have run out

    // Edge-triggered there is no need to take the listener out of the interest set meanwhile: its readiness
    // is not told again. [accept-all]
    void accept_all() {
        for (int accepted = 0; accepted < accept_bound; ++accepted) {
            Address peer;
            Descriptor descriptor(
                accept4(listener_.get(), &peer.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (descriptor.get() != -1) {
                starved_ = false;
                on_client_(std::move(descriptor), peer);
                if (listener_.get() == -1)
                    return;
            } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                if (!std::exchange(starved_, true))
                    std::perror("server: accept");
                retry_.set(loop_.now() + retry_time);  // somebody else may free one [starved]
                return;
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                starved_ = false;
                return;
            }  // else that client has left while it queued, or a signal came
        }
        loop_.again(listener_.get());
    }

    EventLoop &loop_;
    Descriptor listener_;
    OnClient on_client_;
    bool starved_ = false;  // out of descriptors
    Timer retry_{loop_.timers(), [this] { accept_all(); }};
};
