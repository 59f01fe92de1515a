// 01_basic_tcp: server.cpp once more, on wrap/. The system calls are the same, in the same order.
//
// A listener, and one client at a time: what it sends goes back in upper case until it ends its side, then
// the next one is served. The others wait in the kernel's queue meanwhile.
// New against server.cpp: a descriptor closes itself, a failed set-up is an exception.
// Left out on purpose: two clients at the same time (02 to 06), a graceful stop (07).
// Parent: server.cpp. Parent of 02, 04 and 09.
// Build: g++ -std=c++20 -I. 01_basic_tcp/server_wrapped.cpp -o server

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>

#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9527;
constexpr std::size_t buffer_size = 16384;

// Answers one client until it ends its side or is gone. The connection stays the caller's.
void serve(const Descriptor &connection, const std::string &peer) {
    if (verbose)
        std::fprintf(stderr, "%s connected\n", peer.c_str());
    std::array<char, buffer_size> buffer;
    for (;;) {
        const ssize_t received = read(connection.get(), buffer.data(), buffer.size());
        if (received <= 0)  // 0: the client has ended its side; -1: it is gone
            break;
        const std::span text = std::span(buffer).first(received);
        upper_case(text);
        if (!write_all(connection.get(), text))
            break;
        if (verbose)
            std::fprintf(stderr, "%s sent %zu bytes\n", peer.c_str(), text.size());
    }
    if (verbose)
        std::fprintf(stderr, "%s closed\n", peer.c_str());
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "server", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    const Descriptor listener = listen_on(address);
    for (;;) {
        const auto [connection, peer] = accept_connection(listener);
        serve(connection, to_text(peer));
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
