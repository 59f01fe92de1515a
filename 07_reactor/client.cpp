// 07_reactor: connecting, typing and printing, all on one loop.
//
// The input goes in pieces to the connections in turn; what comes back is held against what was sent, and printed
// in the order of the input, whichever connection was faster.
// New: a connector, so that connections are made while others work already; stdin as one more handler.
// Left out on purpose: requests that are not answered in the order of their connection's input (08).
// Parent: 06_epoll.
// Build: g++ -std=c++20 -I. 07_reactor/client.cpp -o client

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "07_reactor/connection.h"
#include "07_reactor/connector.h"
#include "07_reactor/event_loop.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 8080;
constexpr std::size_t piece_size = 16384;

struct Talk {
    std::unique_ptr<Connector> connector = {};  // until it is connected
    std::shared_ptr<Connection> connection = {};
    std::string expected = {};  // the answer to all that was typed, from the first byte that has not come on
    std::size_t checked = 0;  // of `expected`: these have come, and are dropped when they are many
    std::string answer = {};  // come, and not yet printed: it waits for its turn
};

// A part of the input, in the order in which it is printed.
struct Piece {
    std::size_t talk;
    std::size_t left;  // bytes not yet printed
};

struct Conversation {
    EventLoop &loop;
    Address address;
    std::string server;
    std::vector<Talk> talks = {};
    std::deque<Piece> pieces = {};
    std::size_t typing = 0;  // who gets the next piece
    std::size_t open = 0;  // connections that the server has not ended
    bool input_watched = false;
    bool input_ended = false;
    std::unique_ptr<Timer> file_turn = {};  // of a stdin that is a regular file
};

void on_input(Conversation &conversation);

// Watches stdin just while the next connection can take a piece. Level-triggered, for it may block: then a handler
// must read once and no more. A regular file is always ready, and epoll refuses it: EPERM, epoll_ctl(2). It is read
// in the loop's next turn. [regular-file]
void want_input(Conversation &conversation) {
    const auto &next = conversation.talks[conversation.typing].connection;
    const bool want = !conversation.input_ended && next && next->pending() == 0;
    if (conversation.file_turn) {
        if (want)
            conversation.file_turn->set(conversation.loop.now());
    } else if (!want && std::exchange(conversation.input_watched, false)) {
        conversation.loop.unwatch(STDIN_FILENO);
    } else if (want && !std::exchange(conversation.input_watched, true)) {
        const auto handler = [&conversation](Ready) { on_input(conversation); };
        if (conversation.loop.watch(STDIN_FILENO, {.read = true}, handler, Trigger::level))
            return;
        if (errno != EPERM)
            throw_errno("epoll_ctl");
        conversation.file_turn =
            std::make_unique<Timer>(conversation.loop.timers(), [&conversation] { on_input(conversation); });
        conversation.file_turn->set(conversation.loop.now());
    }
}

void on_input(Conversation &conversation) {
    std::array<char, piece_size> piece;
    const std::size_t count = check(read(STDIN_FILENO, piece.data(), piece.size()), "stdin");
    conversation.input_ended = count == 0;
    if (count > 0) {
        Talk &talk = conversation.talks[conversation.typing];
        talk.connection->send(std::span(piece).first(count));
        upper_case(std::span(piece).first(count));
        talk.expected.append(piece.data(), count);
        conversation.pieces.push_back({.talk = conversation.typing, .left = count});
        conversation.typing = (conversation.typing + 1) % conversation.talks.size();
    } else {
        for (const Talk &talk : conversation.talks) {
            if (talk.connection)
                talk.connection->end();
        }
    }
    want_input(conversation);
}

void print_in_turn(Conversation &conversation) {
    while (!conversation.pieces.empty()) {
        Piece &piece = conversation.pieces.front();
        std::string &answer = conversation.talks[piece.talk].answer;  // [in-turn]
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
bool matches(Talk &talk, std::string_view came) {
    if (talk.expected.compare(talk.checked, came.size(), came) != 0)
        return false;
    talk.checked += came.size();
    if (talk.checked > talk.expected.size() / 2) {
        talk.expected.erase(0, talk.checked);
        talk.checked = 0;
    }
    return true;
}

void on_received(Conversation &conversation, Talk &talk, std::string_view came) {
    talk.answer += came;
    print_in_turn(conversation);
    if (!matches(talk, came)) {
        write_all(STDOUT_FILENO, talk.answer);
        throw std::runtime_error(conversation.server + ": what came back is not what was sent, in upper case");
    }
}

void on_ended(const Conversation &conversation, const Talk &talk) {
    if (!conversation.input_ended || !talk.expected.empty())
        throw std::runtime_error(conversation.server + ": closed before " +
                                 (conversation.input_ended ? "all of it came back" : "the end of the input"));
    talk.connection->close();
}

void on_closed(Conversation &conversation, int error) {
    if (error != 0)
        throw std::system_error(error, std::generic_category(), conversation.server);
    if (--conversation.open == 0)
        conversation.loop.stop();
}

// [connected]
void on_connected(Conversation &conversation, Talk &talk, Descriptor descriptor) {
    conversation.loop.retire(std::move(talk.connector));  // it is what calls us
    talk.connection =
        Connection::open(conversation.loop, std::move(descriptor), conversation.address,
                         {.received =
                              [&](Connection &, std::span<char> came) {
                                  on_received(conversation, talk, {came.data(), came.size()});
                              },
                          .ended = [&](Connection &) { on_ended(conversation, talk); },
                          .drained = [&](Connection &) { want_input(conversation); },
                          .closed = [&](Connection &, int error) { on_closed(conversation, error); }});
    if (!talk.connection)
        throw_errno("epoll_ctl");
    if (conversation.input_ended)
        talk.connection->end();
    want_input(conversation);
}

void start(Conversation &conversation, std::size_t connections) {
    conversation.open = connections;
    conversation.talks.resize(connections);
    for (Talk &talk : conversation.talks)
        talk.connector = std::make_unique<Connector>(
            conversation.loop, conversation.address,
            [&](Descriptor descriptor) { on_connected(conversation, talk, std::move(descriptor)); },
            [](const std::string &failure) { throw std::runtime_error(failure); });
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
    EventLoop loop;
    Conversation conversation{.loop = loop, .address = address, .server = to_text(address)};
    start(conversation, connections);
    loop.run();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
