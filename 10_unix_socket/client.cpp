// 10_unix_socket: one thread types, one prints, to a path.
//
// 03's client with another address: a second thread sends what stdin gives, the main thread prints what the server
// sends.
// New: a name of its own for those who want one (--bind), in the file system only until the connection is there.
// Left out on purpose: doing without the second thread (04).
// Parent: 03_thread_server.
// Build: g++ -std=c++20 -I. 10_unix_socket/client.cpp -o client

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>

#include "10_unix_socket/unix_address.h"
#include "10_unix_socket/unix_stream.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"

namespace {

constexpr const char *default_path = "serv.socket";
constexpr std::size_t piece_size = 16384;
constexpr std::uint64_t unknown = UINT64_MAX;

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

// Ends the program: nothing else stops a thread that waits for the keyboard. [give-up]
[[noreturn]] void give_up(const std::string &reason) {
    std::fprintf(stderr, "client: %s\n", reason.c_str());
    std::_Exit(1);
}

// The second thread: sends stdin to its end, stores in `total` how many bytes that were, and ends its side of
// the connection. If the connection ends before stdin does it says nothing: the main thread hears of that too.
void send_input(const Descriptor &connection, std::atomic<std::uint64_t> &total) {
    std::array<char, piece_size> piece;
    std::uint64_t sent = 0;
    ssize_t count = 0;
    while ((count = read(STDIN_FILENO, piece.data(), piece.size())) > 0) {
        if (!write_all(connection.get(), std::span(piece).first(count)))
            return;
        sent += count;
    }
    if (count == -1)
        give_up(std::string("stdin: ") + std::strerror(errno));
    total = sent;
    shutdown(connection.get(),
             SHUT_WR);  // [total] only now can the main thread see the end, and it finds the total
}

// The main thread, once the server has ended its side: throws unless `received` is what was sent.
void compare(std::uint64_t total, std::uint64_t received, const std::string &server) {
    if (total == unknown)
        throw std::runtime_error(server + ": closed before the end of the input");
    if (received != total)
        throw std::runtime_error(server + ": " + std::to_string(received) + " bytes came back for " +
                                 std::to_string(total));
}

}  // namespace

int main(int argc, char *argv[]) try {
    UnixAddress address = parse_unix_address(default_path).value();
    UnixAddress own = unnamed;
    const std::array options = {
        path_option("path", address, "serv.socket unless told otherwise; @name is abstract"),
        path_option("bind", own, "a name of its own, none unless told otherwise")};
    read_options(argc, argv, "client", options);
    std::signal(SIGPIPE, SIG_IGN);
    const Descriptor connection = connect_to(address, own);
    const std::string server = to_text(address);
    std::atomic<std::uint64_t> total = unknown;
    std::thread typist(send_input, std::cref(connection), std::ref(total));
    try {
        const std::uint64_t received = print_answer(connection, server);
        compare(total, received, server);
    } catch (const std::exception &error) {
        give_up(error.what());
    }
    typist.join();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
