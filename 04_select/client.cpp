// 04_select: the keyboard and the connection in one select.
//
// One thread waits for whichever comes first: input to send, room to send it, an answer to print. What the
// kernel does not take yet stays pending, and meanwhile no more input is read.
// New: nothing blocks but select, and printing; the end of the connection is heard without a second process.
// Left out on purpose: more connections than one (06).
// Parent: 01_basic_tcp/client_wrapped.cpp.
// Build: g++ -std=c++20 -I. 04_select/client.cpp -o client

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

struct Conversation {
    Descriptor connection;
    std::string server;
    std::string pending = {};  // typed, not yet taken by the kernel
    std::uint64_t sent = 0;  // typed in all
    std::uint64_t received = 0;
    bool input_ended = false;
    bool answer_ended = false;
};

struct Ready {
    bool input, writable, readable;
};

// Waits until there is input (unless some of it is pending still), an answer, or room for what is pending.
Ready wait(const Conversation &conversation) {
    const int connection = conversation.connection.get();
    fd_set read{};
    fd_set write{};
    FD_SET(connection, &read);
    if (conversation.pending.empty() && !conversation.input_ended)  // [keyboard]
        FD_SET(STDIN_FILENO, &read);
    if (!conversation.pending.empty())
        FD_SET(connection, &write);
    check(select(std::max(connection, STDIN_FILENO) + 1, &read, &write, nullptr, nullptr), "select");
    return {.input = FD_ISSET(STDIN_FILENO, &read) != 0,
            .writable = FD_ISSET(connection, &write) != 0,
            .readable = FD_ISSET(connection, &read) != 0};
}

void on_input(Conversation &conversation) {
    std::array<char, piece_size> piece;
    const ssize_t count = check(read(STDIN_FILENO, piece.data(), piece.size()), "stdin");
    if (count == 0) {
        conversation.input_ended = true;
        shutdown(conversation.connection.get(), SHUT_WR);
    }
    conversation.pending.assign(piece.data(), count);
    conversation.sent += count;
}

// When the connection has ended there is nothing to say here: on_readable hears of it too.
void on_writable(Conversation &conversation) {
    const ssize_t count =
        write(conversation.connection.get(), conversation.pending.data(), conversation.pending.size());
    if (count != -1)
        conversation.pending.erase(0, count);
    else if (errno != EAGAIN)
        conversation.pending.clear();
}

void on_readable(Conversation &conversation) {
    std::array<char, piece_size> answer;
    const ssize_t count = read(conversation.connection.get(), answer.data(), answer.size());
    if (count == -1 && errno == EAGAIN)
        return;
    check(count, conversation.server);
    conversation.answer_ended = count == 0;
    if (!write_all(STDOUT_FILENO, std::span(answer).first(count)))
        throw_errno("stdout");
    conversation.received += count;
}

void converse(Conversation &conversation) {
    while (!conversation.answer_ended) {
        const Ready ready = wait(conversation);
        if (ready.readable)
            on_readable(conversation);
        if (ready.writable)
            on_writable(conversation);
        if (ready.input)
            on_input(conversation);
    }
    if (!conversation.input_ended)
        throw std::runtime_error(conversation.server + ": closed before the end of the input");
    if (conversation.received != conversation.sent)
        throw std::runtime_error(conversation.server + ": " + std::to_string(conversation.received) +
                                 " bytes came back for " + std::to_string(conversation.sent));
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "client", default_port);
    std::signal(SIGPIPE, SIG_IGN);
    Conversation conversation{.connection = connect_to(address), .server = to_text(address)};
    check(fcntl(conversation.connection.get(), F_SETFL, O_NONBLOCK), "fcntl");
    converse(conversation);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
