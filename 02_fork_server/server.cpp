// 02_fork_server: a process for every client.
//
// The parent accepts and forks; the child answers that one client and ends. A client that is silent, slow or
// broken keeps nobody but its own process waiting.
// New: fork and what both processes hold after it; reaping; a child that does not outlive its parent.
// Left out on purpose: a limit on the number of children; a graceful stop (07).
// Parent: 01_basic_tcp/server_wrapped.cpp.
// Build: g++ -std=c++20 -I. 02_fork_server/server.cpp -o server

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
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

// The children that have ended by now: SIGCHLDs that come together arrive as one. [reap]
void reap(int /*signal*/) {
    const int interrupted = errno;
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    errno = interrupted;
}

// Before the first fork, so that no child can end unseen. [sigaction]
void reap_children() {
    struct sigaction action {};
    action.sa_handler = reap;
    action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    check(sigaction(SIGCHLD, &action, nullptr), "sigaction");
}

// In a child: end when `parent` ends, by whatever signal, and at once if it already has. [outlive]
void end_with(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        std::_Exit(1);
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "server", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    reap_children();
    Descriptor listener = listen_on(address);
    const pid_t parent = getpid();
    for (;;) {
        const auto [connection, peer] = accept_connection(listener);
        const pid_t child = fork();
        if (child == -1)  // [fork-fails]
            std::fprintf(stderr, "server: %s refused: fork: %s\n", to_text(peer).c_str(), std::strerror(errno));
        if (child == 0) {
            end_with(parent);
            listener.close();  // [child-closes]
            serve(connection, to_text(peer));
            std::_Exit(0);
        }
    }  // [parent-closes] the connection is the child's alone from here on
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
