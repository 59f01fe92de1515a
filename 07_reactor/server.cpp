// 07_reactor: whoever is concerned is called.
//
// An event loop, in a file of its own, waits for everything: descriptors, deadlines, signals, other threads. What
// is to be done about it are handlers that were handed to it. Connections are edge-triggered; a connection that
// is idle for too long is closed; a signal ends the server after it has sent what it owes.
// New: callbacks and who owns what they use; timers; a graceful stop. Left out on purpose: more than one thread (08).
// Parent: 06_epoll.
// Build: g++ -std=c++20 -I. 07_reactor/server.cpp -o server

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>

#include "07_reactor/event_loop.h"
#include "07_reactor/stream_server.h"
#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 8080;

// [received]
void answer(Connection &connection, std::span<char> text) {
    upper_case(text);
    connection.send(text);
    if (verbose)
        std::fprintf(stderr, "%s sent %zu bytes\n", to_text(connection.peer()).c_str(), text.size());
}

}  // namespace

int main(int argc, char *argv[]) try {
    Limits limits;
    const Address address = parse_options(argc, argv, "server", default_port, limit_options(limits));
    std::signal(SIGPIPE, SIG_IGN);
    const unsigned long limit = raise_descriptor_limit();
    if (verbose)
        std::fprintf(stderr, "up to %lu descriptors\n", limit);
    EventLoop loop;
    StreamServer server(loop, address, limits, {.received = answer});
    loop.run();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
