// 01_basic_tcp: client.cpp once more, on wrap/. The system calls are the same, in the same order.
//
// One piece of the input at a time: written, and as many bytes read before the next piece is taken. So only one
// piece is ever on its way, and the kernel's buffers hold that much: client and server cannot both be stuck in
// a write that the other does not read, however long the input is.
// New against client.cpp: a descriptor closes itself, a failure is an exception.
// Left out on purpose: typing while an answer is on its way, and hearing that the server is gone while nobody
// types (02). Parent: client.cpp. Parent of the clients of 02, 04 and 09.
// Build: g++ -std=c++20 -I. 01_basic_tcp/client_wrapped.cpp -o client

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
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

constexpr std::uint16_t default_port = 9527;
constexpr std::size_t piece_size = 4096;
constexpr std::uint64_t until_end = UINT64_MAX;

// Prints the answer until `size` bytes of it have come, in however many reads, or the server ends its side.
// Returns how many came. Throws std::system_error that names `server` or stdout.
std::uint64_t print_answer(const Descriptor &connection, const std::string &server, std::uint64_t size) {
    std::array<char, piece_size> answer;
    std::uint64_t received = 0;
    while (received < size) {
        const auto wanted = std::min<std::uint64_t>(answer.size(), size - received);
        const ssize_t count = check(read(connection.get(), answer.data(), wanted), server);
        if (count == 0)
            break;
        if (!write_all(STDOUT_FILENO, std::span(answer).first(count)))
            throw_errno("stdout");
        received += count;
    }
    return received;
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "client", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    const Descriptor connection = connect_to(address);
    const std::string server = to_text(address);
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::array<char, piece_size> piece;
    while (sent == received) {
        const ssize_t count = check(read(STDIN_FILENO, piece.data(), piece.size()), "stdin");
        if (count == 0)
            break;
        if (!write_all(connection.get(), std::span(piece).first(count)))
            throw_errno(server);
        sent += count;
        received += print_answer(connection, server, count);
    }
    shutdown(connection.get(), SHUT_WR);
    received += print_answer(connection, server, until_end);
    if (received != sent)
        throw std::runtime_error(server + ": " + std::to_string(received) + " bytes came back for " +
                                 std::to_string(sent));
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
