// Connects without waiting for it, on the loop.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "07_reactor/event_loop.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

class Connector {
public:
    // Calls one of them, once, in the loop: `connected` with the non-blocking connection, or `failed` with
    // "cannot connect to ADDRESS: CALL: REASON". Destroyed before that, it calls neither. connect(2) [connector]
    Connector(EventLoop &loop, const Address &address, std::function<void(Descriptor)> connected,
              std::function<void(const std::string &)> failed)
        : loop_(loop),
          failure_("cannot connect to " + to_text(address) + ": "),
          connected_(std::move(connected)),
          failed_(std::move(failed)),
          descriptor_(check(socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                            failure_ + "socket")) {
        // Refused at once it is writable too, and SO_ERROR has no reason any more: so it is kept here.
        if (connect(descriptor_.get(), &address.any, address.size) == -1 && errno != EINPROGRESS)
            error_ = errno;
        if (!loop_.watch(descriptor_.get(), {.write = true}, [this](Ready) { on_writable(); }))
            throw_errno(failure_ + "epoll_ctl");
        watched_ = true;
    }
    Connector(const Connector &) = delete;
    Connector &operator=(const Connector &) = delete;
    ~Connector() {
        if (watched_)
            loop_.unwatch(descriptor_.get());
    }

private:
    // It is over when the socket is writable; SO_ERROR says how. Whoever is called may destroy this object.
    void on_writable() {
        socklen_t size = sizeof error_;
        if (error_ == 0)
            check(getsockopt(descriptor_.get(), SOL_SOCKET, SO_ERROR, &error_, &size), "getsockopt");
        watched_ = false;
        loop_.unwatch(descriptor_.get());
        if (error_ != 0)
            return std::exchange(failed_, {})(failure_ + "connect: " + std::generic_category().message(error_));
        std::exchange(connected_, {})(std::move(descriptor_));
    }

    EventLoop &loop_;
    std::string failure_;
    std::function<void(Descriptor)> connected_;
    std::function<void(const std::string &)> failed_;
    Descriptor descriptor_;
    int error_ = 0;
    bool watched_ = false;
};
