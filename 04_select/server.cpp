// 04_select: a connection with its pending output, and handlers that return what it wants next.
//
// One client after another still; select comes with the next change.
// Parent: 01_basic_tcp/server_wrapped.cpp.
// Build: g++ -std=c++20 -I. 04_select/server.cpp -o server

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t buffer_size = 16384;
constexpr std::size_t high_water_mark =
    65536;  // of pending output: above it, nothing more is read [high-water]

// What a descriptor waits for. A connection that waits for nothing is over. [wants]
struct Wants {
    bool read = false;
    bool write = false;
    bool more = false;  // there may be more to do already, and no news from the kernel will say so
};

struct Connection {
    Descriptor descriptor;
    Address peer;
    std::string pending = {};  // answered, not yet taken by the kernel [pending]
    bool ended = false;  // nothing more will be read
};

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

// What the connection waits for from here on. `more` counts only while reading is allowed.
Wants next(const Connection &connection, bool more) {
    const bool read = !connection.ended && connection.pending.size() < high_water_mark;
    return {.read = read, .write = !connection.pending.empty(), .more = more && read};
}

// The peer is gone, and with it all that it was owed.
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
    return next(connection, text.size() == buffer.size());
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
    return next(connection, true);
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "server", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    const Descriptor listener = listen_on(address);
    for (;;) {
        auto [descriptor, peer] = accept_connection(listener);
        Connection connection{.descriptor = std::move(descriptor), .peer = peer};
        for (Wants wants = next(connection, false); wants.read || wants.write;)
            wants = wants.write ? on_writable(connection) : on_readable(connection);
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
