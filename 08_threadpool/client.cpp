// 08_threadpool: many requests in flight, their answers printed in order.
//
// A request is a line. It goes to the connection that has the fewest in flight, and to none that has as many as it
// may; what comes back is held against what was sent, and printed in the order of the input, whichever came first.
// New: requests, and how many of them wait for an answer on each connection.
// Left out on purpose: a number in each request and answer, so that one connection could answer them in any order.
// Parent: 07_reactor.
// Build: g++ -std=c++20 -I. 08_threadpool/client.cpp -o client

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

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t piece_size = 16384;

struct Talk {
    std::unique_ptr<Connector> connector = {};  // until it is connected
    std::shared_ptr<Connection> connection = {};
    std::string expected = {};  // the answer to all that was typed, from the first byte that has not come on
    std::size_t checked = 0;  // of `expected`: these have come, and are dropped when they are many
    std::string answer = {};  // come, and not yet printed: it waits for its turn
    std::deque<std::size_t> in_flight = {};  // bytes yet to come of each request that was sent [in-flight]
};

// A request, in the order in which its answer is printed.
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
    std::deque<std::string> typed = {};  // requests that nobody may send yet
    std::size_t in_flight_limit = SIZE_MAX;  // on each connection
    std::size_t open = 0;  // connections that the server has not ended
    bool input_watched = false;
    bool input_ended = false;
    bool all_sent = false;  // the end of the input too
    std::unique_ptr<Timer> file_turn = {};  // of a stdin that is a regular file
};

void on_input(Conversation &conversation);

// The connection with the fewest requests in flight; null when each has as many as it may, or bytes pending. [free]
Talk *free_talk(Conversation &conversation) {
    Talk *best = nullptr;
    for (Talk &talk : conversation.talks) {
        const bool free = talk.connection && talk.connection->pending() == 0 &&
                          talk.in_flight.size() < conversation.in_flight_limit;
        if (free && (!best || talk.in_flight.size() < best->in_flight.size()))
            best = &talk;
    }
    return best;
}

// Watches stdin just while some connection can take a request. Level-triggered, for it may block: then a handler
// must read once and no more. A regular file is always ready, and epoll refuses it: EPERM, epoll_ctl(2). It is read
// in the loop's next turn. [regular-file]
void want_input(Conversation &conversation) {
    const bool want = !conversation.input_ended && conversation.typed.empty() && free_talk(conversation);
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

void send_to(Talk &talk, std::string request) {
    talk.connection->send(request);
    upper_case(request);
    talk.expected += request;
    talk.in_flight.push_back(request.size());
}

// Sends what may be sent, and after the last of it the end. Called whenever that may have changed. [go-on]
void go_on(Conversation &conversation) {
    auto &typed = conversation.typed;
    for (Talk *talk; !typed.empty() && (talk = free_talk(conversation)); typed.pop_front()) {
        conversation.pieces.push_back(
            {.talk = static_cast<std::size_t>(talk - conversation.talks.data()), .left = typed.front().size()});
        send_to(*talk, std::move(typed.front()));
    }
    if (conversation.input_ended && typed.empty() && !std::exchange(conversation.all_sent, true)) {
        for (const Talk &talk : conversation.talks) {
            if (talk.connection)
                talk.connection->end();
        }
    }
    want_input(conversation);
}

// A request ends with its line, or with what has come of it. [request]
void on_input(Conversation &conversation) {
    std::array<char, piece_size> piece;
    const std::size_t count = check(read(STDIN_FILENO, piece.data(), piece.size()), "stdin");
    conversation.input_ended = count == 0;
    for (std::string_view rest(piece.data(), count); !rest.empty();) {
        const std::string_view request = rest.substr(0, rest.find('\n') + 1);
        conversation.typed.emplace_back(request.empty() ? rest : request);
        rest.remove_prefix(conversation.typed.back().size());
    }
    go_on(conversation);
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

// Counts off what `size` bytes that have come complete.
void count_off(Talk &talk, std::size_t size) {
    while (!talk.in_flight.empty() && size >= talk.in_flight.front()) {
        size -= talk.in_flight.front();
        talk.in_flight.pop_front();
    }
    if (!talk.in_flight.empty())
        talk.in_flight.front() -= size;
}

void on_received(Conversation &conversation, Talk &talk, std::string_view came) {
    talk.answer += came;
    print_in_turn(conversation);
    if (!matches(talk, came)) {
        write_all(STDOUT_FILENO, talk.answer);
        throw std::runtime_error(conversation.server + ": what came back is not what was sent, in upper case");
    }
    count_off(talk, came.size());
    go_on(conversation);
}

void on_ended(const Conversation &conversation, const Talk &talk) {
    if (!conversation.all_sent || !talk.expected.empty())
        throw std::runtime_error(conversation.server + ": closed before " +
                                 (conversation.all_sent ? "all of it came back" : "the end of the input"));
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
                          .drained = [&](Connection &) { go_on(conversation); },
                          .closed = [&](Connection &, int error) { on_closed(conversation, error); }});
    if (!talk.connection)
        throw_errno("epoll_ctl");
    if (conversation.all_sent)
        talk.connection->end();
    go_on(conversation);
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
    std::size_t in_flight = SIZE_MAX;
    const auto count = [](std::size_t &number) {
        return [&number](std::string_view word) {
            number = parse_number<std::size_t>(word).value_or(0);
            return number >= 1 && number <= 10000;
        };
    };
    const std::array options{
        ExtraOption{.name = "connections",
                    .argument = "N",
                    .accepts = "a number from 1 to 10000",
                    .help = "how many connections share the input; 1 unless told otherwise",
                    .take = count(connections)},
        ExtraOption{.name = "in-flight",
                    .argument = "N",
                    .accepts = "a number from 1 to 10000",
                    .help = "lines without an answer on each connection, at most; no limit "
                            "unless told otherwise",
                    .take = count(in_flight)}};
    const Address address = parse_options(argc, argv, "client", default_port, options);
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    EventLoop loop;
    Conversation conversation{
        .loop = loop, .address = address, .server = to_text(address), .in_flight_limit = in_flight};
    start(conversation, connections);
    loop.run();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
