// 06_epoll: many connections from one process.
//
// The input goes in pieces to the connections in turn; what comes back is held against what was sent, and printed
// in the order of the input, whichever connection was faster.
// New: epoll for many connections and the keyboard; a regular file, which epoll does not take.
// Left out on purpose: connecting while other connections work already (07: a connector on the loop).
// Parent: 05_poll.
// Build: g++ -std=c++20 -I. 06_epoll/client.cpp -o client

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t piece_size = 16384;

constexpr std::uint64_t input = UINT64_MAX;  // in epoll_event.data, where a connection has its index

struct Connection {
    Descriptor descriptor;
    std::string pending = {};  // typed, not yet taken by the kernel
    std::string expected = {};  // the answer to all that was typed, from the first byte that has not come on
    std::size_t checked = 0;  // of `expected`: these have come, and are dropped when they are many
    std::string answer = {};  // come, and not yet printed: it waits for its turn
};

// A part of the input, in the order in which it is printed.
struct Piece {
    std::size_t connection;
    std::size_t left;  // bytes not yet printed
};

struct Conversation {
    std::string server;
    std::vector<Connection> connections = {};
    Descriptor epoll = Descriptor(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    std::deque<Piece> pieces = {};
    std::size_t typing = 0;  // who gets the next piece
    std::size_t open = 0;  // connections that the server has not ended
    bool input_watched = false;
    bool input_is_file = false;
    bool input_ended = false;
};

void change(Conversation &conversation, int how, std::uint64_t index, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.u64 = index}};
    const int descriptor = index == input ? STDIN_FILENO : conversation.connections[index].descriptor.get();
    check(epoll_ctl(conversation.epoll.get(), how, descriptor, &event), "epoll_ctl");
}

// Watches stdin just while the next connection can take a piece: a mask of 0 would still report a hang-up,
// again and again. A regular file is always ready, and epoll refuses it: EPERM, epoll_ctl(2). [regular-file]
bool want_input(Conversation &conversation) {
    const bool want =
        !conversation.input_ended && conversation.connections[conversation.typing].pending.empty();
    if (want != conversation.input_watched && !conversation.input_is_file) {
        try {
            change(conversation, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, input, EPOLLIN);
            conversation.input_watched = want;
        } catch (const std::system_error &error) {
            if (error.code().value() != EPERM)
                throw;
            conversation.input_is_file = true;
        }
    }
    return want;
}

// Ends our side of a connection that has nothing left to send.
void end_if_sent(const Connection &connection, bool input_ended) {
    if (input_ended && connection.pending.empty())
        shutdown(connection.descriptor.get(), SHUT_WR);
}

void on_input(Conversation &conversation) {
    std::array<char, piece_size> piece;
    const std::size_t count = check(read(STDIN_FILENO, piece.data(), piece.size()), "stdin");
    conversation.input_ended = count == 0;
    for (const Connection &connection : conversation.connections)
        end_if_sent(connection, conversation.input_ended);
    if (count == 0)
        return;
    Connection &connection = conversation.connections[conversation.typing];
    connection.pending.assign(piece.data(), count);
    upper_case(std::span(piece).first(count));
    connection.expected.append(piece.data(), count);
    conversation.pieces.push_back({.connection = conversation.typing, .left = count});
    change(conversation, EPOLL_CTL_MOD, conversation.typing, EPOLLIN | EPOLLOUT);
    conversation.typing = (conversation.typing + 1) % conversation.connections.size();
}

// When the connection has ended there is nothing to say here: on_readable hears of it too.
void on_writable(Conversation &conversation, std::size_t index) {
    Connection &connection = conversation.connections[index];
    const ssize_t count =
        write(connection.descriptor.get(), connection.pending.data(), connection.pending.size());
    if (count == -1 && errno == EAGAIN)
        return;
    connection.pending.erase(0, count == -1 ? std::string::npos : count);
    if (connection.pending.empty())
        change(conversation, EPOLL_CTL_MOD, index, EPOLLIN);
    end_if_sent(connection, conversation.input_ended);
}

void print_in_turn(Conversation &conversation) {
    while (!conversation.pieces.empty()) {
        Piece &piece = conversation.pieces.front();
        std::string &answer = conversation.connections[piece.connection].answer;  // [in-turn]
        const std::size_t count = std::min(answer.size(), piece.left);
        if (!write_all(STDOUT_FILENO, std::span(answer).first(count)))
            throw_errno("stdout");
        answer.erase(0, count);
        piece.left -= count;
        if (piece.left > 0)
            return;
        conversation.pieces.pop_front();
    }
}

// Holds what came against what was expected. False when it differs, or is more.
bool matches(Connection &connection, std::string_view came) {
    if (connection.expected.compare(connection.checked, came.size(), came) != 0)
        return false;
    connection.checked += came.size();
    if (connection.checked > connection.expected.size() / 2) {
        connection.expected.erase(0, connection.checked);
        connection.checked = 0;
    }
    return true;
}

void on_readable(Conversation &conversation, std::size_t index) {
    Connection &connection = conversation.connections[index];
    std::array<char, piece_size> answer;
    const ssize_t count = read(connection.descriptor.get(), answer.data(), answer.size());
    if (count == -1 && errno == EAGAIN)
        return;
    const std::string_view came(answer.data(), check(count, conversation.server));
    connection.answer += came;
    print_in_turn(conversation);
    if (!matches(connection, came)) {
        write_all(STDOUT_FILENO, connection.answer);
        throw std::runtime_error(conversation.server + ": what came back is not what was sent, in upper case");
    }
    if (!came.empty())
        return;
    if (!conversation.input_ended || !connection.expected.empty())
        throw std::runtime_error(conversation.server + ": closed before " +
                                 (conversation.input_ended ? "all of it came back" : "the end of the input"));
    change(conversation, EPOLL_CTL_DEL, index, 0);
    --conversation.open;
}

void converse(Conversation &conversation) {
    std::array<epoll_event, 256> events;
    while (conversation.open > 0) {
        const bool file_ready = want_input(conversation) && conversation.input_is_file;
        const int count =
            epoll_wait(conversation.epoll.get(), events.data(), events.size(), file_ready ? 0 : -1);
        for (const epoll_event &event : std::span(events).first(check(count, "epoll_wait"))) {
            if (event.data.u64 == input) {
                on_input(conversation);
                continue;
            }
            if (event.events & EPOLLOUT)
                on_writable(conversation, event.data.u64);
            if (event.events & ~EPOLLOUT)
                on_readable(conversation, event.data.u64);
        }
        if (file_ready)
            on_input(conversation);
    }
}

}  // namespace

int main(int argc, char *argv[]) try {
    std::size_t connections = 1;
    const ExtraOption option{.name = "connections",
                             .argument = "N",
                             .accepts = "a number from 1 to 10000",
                             .help = "how many connections share the input; 1 unless told otherwise",
                             .take = [&connections](std::string_view word) {
                                 connections = parse_number<std::size_t>(word).value_or(0);
                                 return connections >= 1 && connections <= 10000;
                             }};
    const Address address = parse_options(argc, argv, "client", default_port, {&option, 1});
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    Conversation conversation{.server = to_text(address), .open = connections};
    for (std::size_t index = 0; index < connections; ++index) {
        conversation.connections.push_back({.descriptor = connect_to(address)});
        check(fcntl(conversation.connections[index].descriptor.get(), F_SETFL, O_NONBLOCK), "fcntl");
        change(conversation, EPOLL_CTL_ADD, index, EPOLLIN);
    }
    converse(conversation);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
