// 05_poll: the keyboard and the connection in one poll.
//
// One thread waits for whichever comes first: input to send, room to send it, an answer to print. What the
// kernel does not take yet stays pending, and meanwhile no more input is read.
// New: an entry for each descriptor; a negative one is passed over.
// Left out on purpose: more connections than one (06).
// Parent: 04_select.
// Build: g++ -std=c++20 -I. 05_poll/client.cpp -o client

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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
    const bool pending = !conversation.pending.empty();
    const auto wanted = static_cast<short>(pending ? POLLIN | POLLOUT : POLLIN);
    const bool take_input = !pending && !conversation.input_ended;  // [passed-over]
    std::array<pollfd, 2> entries{{{.fd = conversation.connection.get(), .events = wanted, .revents = 0},
                                   {.fd = take_input ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}}};
    check(poll(entries.data(), entries.size(), -1), "poll");
    return {.input = entries[1].revents != 0,
            .writable = (entries[0].revents & POLLOUT) != 0,
            .readable = (entries[0].revents & ~POLLOUT) != 0};
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
