// 10_unix_socket: a thread for every client.
//
// The main thread accepts and starts threads; each answers one client and ends. They all share one table of
// descriptors, so every connection needs one owner: it moves into its thread, which closes it.
// New: std::thread and what moves into it; a thread that cannot be made.
// Left out on purpose: a bound on the number of threads (08), joining them for a graceful stop (07, 08).
// Parent: 03_thread_server.
// Build: g++ -std=c++20 -I. 10_unix_socket/server.cpp -o server

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t buffer_size = 16384;

// Answers one client until it ends its side or is gone. The connection is this thread's own, and closed here.
void serve(Descriptor connection, const std::string &peer) {
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
        auto [connection, peer] = accept_connection(listener);
        try {
            std::thread(serve, std::move(connection), to_text(peer)).detach();  // [move]
        } catch (const std::exception &error) {  // [thread-fails]
            std::fprintf(stderr, "server: %s refused: thread: %s\n", to_text(peer).c_str(), error.what());
        }
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
