// Stream sockets: the listener, the accepted connection, the connecting side, and writing all there is.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

// A socket that queues clients for `address`; the caller owns it. Says so on stdout once it does.
// Throws std::system_error, "cannot listen on ADDRESS: CALL: REASON". socket(7), bind(2), listen(2)
inline Descriptor listen_on(const Address &address) {
    const std::string failure = "cannot listen on " + to_text(address) + ": ";
    Descriptor listener(check(socket(address.any.sa_family, SOCK_STREAM, 0), failure + "socket"));
    const int on = 1;
    check(setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), failure + "setsockopt");
    check(bind(listener.get(), &address.any, address.size), failure + "bind");
    check(listen(listener.get(), SOMAXCONN), failure + "listen");

    Address bound;
    check(getsockname(listener.get(), &bound.any, &bound.size), failure + "getsockname");
    std::printf("listening on %s\n", to_text(bound).c_str());
    std::fflush(stdout);
    return listener;
}

// A connection, and who is at its other end.
struct Accepted {
    Descriptor connection;
    Address peer;
};

// Waits for the next client. What goes wrong is that client's end or a passing shortage (descriptors, memory),
// not the listener's: it says so once and looks again every 50 ms. accept(2) [back-off]
inline Accepted accept_connection(const Descriptor &listener) {
    for (bool told = false;;) {
        Accepted next;
        next.connection = Descriptor(accept(listener.get(), &next.peer.any, &next.peer.size));
        if (next.connection.get() != -1)
            return next;
        if (!std::exchange(told, true))
            std::perror("server: accept");
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

// A socket connected to `address`; the caller owns it.
// Throws std::system_error, "cannot connect to ADDRESS: CALL: REASON". connect(2)
inline Descriptor connect_to(const Address &address) {
    const std::string failure = "cannot connect to " + to_text(address) + ": ";
    Descriptor connection(check(socket(address.any.sa_family, SOCK_STREAM, 0), failure + "socket"));
    check(connect(connection.get(), &address.any, address.size), failure + "connect");
    return connection;
}

// Writes all of `data`, in as many calls as it takes. False when it cannot: errno says why (EPIPE, ECONNRESET:
// the peer is gone), some of it may have been written. Blocks; the caller ignores SIGPIPE. write(2)
inline bool write_all(int descriptor, std::span<const char> data) {
    while (!data.empty()) {
        const ssize_t written = write(descriptor, data.data(), data.size());
        if (written == -1 && errno != EINTR)
            return false;
        if (written > 0)
            data = data.subspan(written);
    }
    return true;
}
