// 02_fork_server: one process types, one prints.
//
// The child sends what stdin gives, the parent prints what the server sends. Neither waits for the other: much
// can be on its way at once, and the end of the connection is heard while nobody types.
// New: two processes on one connection; why one of them must shutdown where close would end nothing.
// Left out on purpose: doing without a second process (03: a thread; 04: not even that).
// Parent: 01_basic_tcp/client_wrapped.cpp.
// Build: g++ -std=c++20 -I. 02_fork_server/client.cpp -o client

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t piece_size = 16384;

// Prints what comes back until the server has ended its side. Returns how many bytes that were.
// Throws std::system_error that names `server` or stdout.
std::uint64_t print_answer(const Descriptor &connection, const std::string &server) {
    std::array<char, piece_size> answer;
    std::uint64_t received = 0;
    for (;;) {
        const ssize_t count = check(read(connection.get(), answer.data(), answer.size()), server);
        if (count == 0)
            return received;
        if (!write_all(STDOUT_FILENO, std::span(answer).first(count)))
            throw_errno("stdout");
        received += count;
    }
}

// In the child: end when `parent` ends, by whatever signal, and at once if it already has.
void end_with(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        std::_Exit(1);
}

// The child: sends stdin to its end, writes into `total` how many bytes that were, and ends its side of the
// connection. If the connection ends before stdin does it says nothing: the parent hears of that too.
// Returns its exit status: 1 when stdin could not be read, after saying so.
int send_input(const Descriptor &connection, const Descriptor &total) {
    std::array<char, piece_size> piece;
    std::uint64_t sent = 0;
    ssize_t count = 0;
    while ((count = read(STDIN_FILENO, piece.data(), piece.size())) > 0) {
        if (!write_all(connection.get(), std::span(piece).first(count)))
            return 0;
        sent += count;
    }
    std::signal(SIGTERM, SIG_IGN);  // what is left takes no time, and the parent shall see how it ends
    if (count == -1)
        std::perror("client: stdin");
    else
        write_all(total.get(), std::span(reinterpret_cast<const char *>(&sent), sizeof sent));
    shutdown(connection.get(),
             SHUT_WR);  // [shutdown] close would end nothing: the parent holds the connection too
    return count == -1 ? 1 : 0;
}

// The parent, once the server has ended its side: ends the child, which may still wait for the keyboard, and
// throws unless `received` is what it sent. Returns the exit status: 1 when the child has said why already.
int compare(pid_t child, const Descriptor &total, std::uint64_t received, const std::string &server) {
    kill(child, SIGTERM);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return 1;
    std::uint64_t sent = 0;
    if (read(total.get(), &sent, sizeof sent) == 0)  // [total] no writer is left, and none has written
        throw std::runtime_error(server + ": closed before the end of the input");
    if (received != sent)
        throw std::runtime_error(server + ": " + std::to_string(received) + " bytes came back for " +
                                 std::to_string(sent));
    return 0;
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "client", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    const Descriptor connection = connect_to(address);
    const std::string server = to_text(address);
    std::array<int, 2> ends{};
    check(pipe(ends.data()), "pipe");
    const Descriptor total(ends[0]);
    Descriptor total_of_child(ends[1]);
    const pid_t parent = getpid();
    const pid_t child = check(fork(), "fork");
    if (child == 0) {
        end_with(parent);
        return send_input(connection, total_of_child);
    }
    total_of_child.close();
    const std::uint64_t received = print_answer(connection, server);
    return compare(child, total, received, server);
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
