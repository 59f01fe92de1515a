// 04_select: one thread waits for many clients at once.
//
// select says which descriptors have something to do; a handler does a bounded piece of it, without ever
// blocking, and returns what its connection wants next. What a client does not take yet stays pending, and
// while that is much, nothing more is read from it.
// New: non-blocking descriptors, pending output, one loop for all. The handlers know nothing of select, and are
// the same in 05 and 06; only watch() and wait() speak to it.
// Left out on purpose: more descriptors than an fd_set has bits (05), idle timeouts and a graceful stop (07).
// Parent: 01_basic_tcp/server_wrapped.cpp.
// Build: g++ -std=c++20 -I. 04_select/server.cpp -o server

#include <fcntl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t buffer_size = 16384;
constexpr std::size_t high_water_mark = 65536;  // pending bytes from which on nothing more is read [high-water]
constexpr int accept_bound = 64;  // clients accepted in one turn
constexpr int retry_ms = 50;  // between two tries to accept, while descriptors have run out

// What a descriptor waits for. A connection that waits for nothing is over. [wants]
struct Wants {
    bool read = false;
    bool write = false;
    bool more = false;  // there may be more to do already, and no news from the kernel will say so
};

// What wait() reports of a descriptor. `ending`: the peer's end of file has come, behind what is to be read.
struct Ready {
    int descriptor;
    bool readable, writable, ending;
};

struct Connection {
    Descriptor descriptor;
    Address peer;
    std::string pending = {};  // answered, not yet taken by the kernel [pending]
    bool ending = false;  // as in Ready
    bool ended = false;  // nothing more will be read
};

// What is watched, as the kernel wants to be told.
struct InterestSet {
    fd_set read{};
    fd_set write{};
    int highest = -1;
    std::vector<Ready> ready = {};  // what wait() returned last
};

struct Server {
    Descriptor listener;
    InterestSet interest = {};
    std::vector<std::unique_ptr<Connection>> connections = {};  // by descriptor; the owner of them all
    bool starved = false;  // out of descriptors: the listener is not watched until one is free [starved]
};

void set_nonblocking(const Descriptor &descriptor) {
    check(fcntl(descriptor.get(), F_SETFL, O_NONBLOCK), "fcntl");
}

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

// Makes `descriptor` be watched for `wants`, or no more when that is nothing. False when there is no room.
bool watch(InterestSet &interest, int descriptor, Wants wants) {
    if (descriptor >= FD_SETSIZE)  // [fd-setsize] FD_SET would write past the set
        return false;
    const auto put = [descriptor](fd_set &set, bool in) {
        in ? FD_SET(descriptor, &set) : FD_CLR(descriptor, &set);
    };
    put(interest.read, wants.read);
    put(interest.write, wants.write);
    interest.highest = std::max(interest.highest, descriptor);
    while (interest.highest >= 0 && !FD_ISSET(interest.highest, &interest.read) &&
           !FD_ISSET(interest.highest, &interest.write))
        --interest.highest;
    return true;
}

// Waits until a watched descriptor is ready, or for `milliseconds` (-1: as long as it takes). select(2)
const std::vector<Ready> &wait(InterestSet &interest, int milliseconds) {
    interest.ready.clear();
    fd_set read = interest.read;  // select overwrites what it is given [overwrites]
    fd_set write = interest.write;
    timeval limit{.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000L};
    int left = select(interest.highest + 1, &read, &write, nullptr, milliseconds == -1 ? nullptr : &limit);
    for (int descriptor = 0; left > 0 && descriptor <= interest.highest; ++descriptor) {
        const bool readable = FD_ISSET(descriptor, &read);
        const bool writable = FD_ISSET(descriptor, &write);
        left -= readable + writable;
        if (readable || writable)
            interest.ready.push_back(
                {.descriptor = descriptor, .readable = readable, .writable = writable, .ending = false});
    }
    return interest.ready;
}

// What the connection waits for from here on. `more` counts only while reading is allowed.
Wants next(const Connection &connection, bool more) {
    const bool read = !connection.ended && connection.pending.size() < high_water_mark;
    return {.read = read, .write = !connection.pending.empty(), .more = more && read};
}

// The peer is gone, and with it all that it was owed. [over]
Wants over(Connection &connection) {
    connection.ended = true;
    connection.pending.clear();
    return {};
}

// Sends `text`, or keeps pending what the kernel does not take now. False when the peer is gone. [answer]
bool answer(Connection &connection, std::span<const char> text) {
    if (connection.pending.empty()) {
        const ssize_t sent = write(connection.descriptor.get(), text.data(), text.size());
        if (sent == -1 && !would_block())
            return false;
        text = text.subspan(std::max<ssize_t>(sent, 0));
    }
    connection.pending.append(text.begin(), text.end());
    return true;
}

// Reads once, and answers. [on-readable]
Wants on_readable(Connection &connection) {
    std::array<char, buffer_size> buffer;
    const ssize_t received = read(connection.descriptor.get(), buffer.data(), buffer.size());
    if (received == -1)
        return would_block() ? next(connection, false) : over(connection);
    if (received == 0) {
        connection.ended = true;
        return next(connection, false);
    }
    const std::span text = std::span(buffer).first(received);
    upper_case(text);
    if (!answer(connection, text))
        return over(connection);
    if (verbose)
        std::fprintf(stderr, "%s sent %zu bytes\n", to_text(connection.peer).c_str(), text.size());
    return next(connection, text.size() == buffer.size() || connection.ending);
}

// Writes once of what is pending. [on-writable]
Wants on_writable(Connection &connection) {
    if (connection.pending.empty())
        return next(connection, false);
    const ssize_t sent =
        write(connection.descriptor.get(), connection.pending.data(), connection.pending.size());
    if (sent == -1)
        return would_block() ? next(connection, false) : over(connection);
    connection.pending.erase(0, sent);
    if (connection.pending.empty())
        connection.pending.shrink_to_fit();
    return next(connection, false);
}

// Takes over a new client, unless there is no room to watch it.
void add(Server &server, Descriptor descriptor, const Address &peer) {
    const int number = descriptor.get();
    server.starved = false;
    if (!watch(server.interest, number, {.read = true})) {
        std::fprintf(stderr, "server: %s refused: no room to watch descriptor %d\n", to_text(peer).c_str(),
                     number);
        return;
    }
    if (server.connections.size() <= static_cast<std::size_t>(number))
        server.connections.resize(number + 1);
    server.connections[number] = std::make_unique<Connection>(Connection{std::move(descriptor), peer});
    if (verbose)
        std::fprintf(stderr, "%s connected\n", to_text(peer).c_str());
}

// Accepts who is waiting, some at a time. Waits for nothing when descriptors or memory have run out.
// [accept-all]
Wants accept_all(Server &server) {
    for (int accepted = 0; accepted < accept_bound; ++accepted) {
        Address peer;
        Descriptor descriptor(accept4(server.listener.get(), &peer.any, &peer.size, SOCK_NONBLOCK));
        if (descriptor.get() != -1) {
            add(server, std::move(descriptor), peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!std::exchange(server.starved, true))
                std::perror("server: accept");
            return {};
        } else if (would_block()) {
            server.starved = false;
            return {.read = true};
        }  // else that client has left while it queued
    }
    return {.read = true, .more = true};
}

// Lets a ready connection do a bounded piece of its work, and closes it when it is over.
void turn(Server &server, const Ready &ready) {
    auto &owned = server.connections[ready.descriptor];
    if (!owned)  // over since wait() reported it [stale]
        return;
    Connection &connection = *owned;
    connection.ending |= ready.ending;
    Wants wants = next(connection, false);
    if (ready.writable)
        wants = on_writable(connection);
    if (ready.readable && wants.read)
        wants = on_readable(connection);
    watch(server.interest, ready.descriptor, wants);
    if (wants.read || wants.write)
        return;
    if (verbose)
        std::fprintf(stderr, "%s closed\n", to_text(connection.peer).c_str());
    owned.reset();
    if (server.starved)
        watch(server.interest, server.listener.get(), {.read = true});
}

[[noreturn]] void serve(Server &server) {
    const int listener = server.listener.get();
    watch(server.interest, listener, {.read = true});
    for (;;) {
        const auto &ready = wait(server.interest, server.starved ? retry_ms : -1);  // [loop]
        bool tried = false;
        for (const Ready &one : ready) {
            if (one.descriptor == listener)
                watch(server.interest, listener, accept_all(server));
            else
                turn(server, one);
            tried |= one.descriptor == listener;
        }
        if (server.starved && !tried)  // a descriptor may have come from elsewhere [retry]
            watch(server.interest, listener, {.read = true});
    }
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "server", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    Server server{.listener = listen_on(address)};
    set_nonblocking(server.listener);
    serve(server);
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
