// 12_libevent: the client of 07, with libevent's parts.
//
// A bufferevent connects, sends what is pending and reads the answers; an ordinary event waits for stdin, which may
// be a regular file: epoll refuses that one, so a method that takes every descriptor is asked for.
// New: bufferevent_socket_connect and what it tells; event_new, EV_PERSIST, event_add and event_del.
// Left out on purpose: many connections (06).
// Parent: 07_reactor.
// Build: g++ -std=c++20 -I. 12_libevent/client.cpp -levent_core -o client

#include <event2/buffer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "12_libevent/owned.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t piece_size = 16384;

struct Conversation {
    std::string server = {};
    Base base = make_base(0, EV_FEATURE_FDS);  // takes any descriptor, a regular file too [any-descriptor]
    Stream stream = {};
    Event input = {};
    Bytes expected =
        Bytes(made(evbuffer_new(), "evbuffer_new"));  // the answer to what was typed and has not come
    bool connected = false;
    bool waiting = false;  // for room, with more to be typed
    bool input_ended = false;
    std::string failure = {};  // what main throws when the loop has ended
};

std::size_t pending(const Conversation &conversation) {
    return evbuffer_get_length(bufferevent_get_output(conversation.stream.get()));
}

// An exception may not pass through the library's functions: the loop is left, and main throws. [fail]
void fail(Conversation &conversation, const std::string &failure) {
    conversation.failure = failure;
    event_base_loopbreak(conversation.base.get());
}

void fail_errno(Conversation &conversation, const std::string &call) {
    fail(conversation, call + ": " + std::strerror(errno));
}

// The end of our side, once all that was typed is sent.
void end_if_sent(const Conversation &conversation) {
    if (conversation.input_ended && pending(conversation) == 0)
        shutdown(bufferevent_getfd(conversation.stream.get()), SHUT_WR);
}

// Something is typed, or that is the end. Who reads slowly may not make us keep all that is typed. [keyboard]
void on_input(evutil_socket_t descriptor, short /*what*/, void *context) noexcept {
    Conversation &conversation = *static_cast<Conversation *>(context);
    std::array<char, piece_size> piece;
    const ssize_t count = read(descriptor, piece.data(), piece.size());
    if (count == -1)
        return fail_errno(conversation, "stdin");
    if (bufferevent_write(conversation.stream.get(), piece.data(), count) == -1)
        return fail(conversation, "bufferevent_write has failed");
    upper_case(std::span(piece).first(count));
    evbuffer_add(conversation.expected.get(), piece.data(), count);
    conversation.input_ended = count == 0;
    conversation.waiting = pending(conversation) >= piece_size;
    if (conversation.input_ended || conversation.waiting)
        event_del(conversation.input.get());
    end_if_sent(conversation);
}

// All that was pending is sent.
void on_write(bufferevent * /*stream*/, void *context) noexcept {
    Conversation &conversation = *static_cast<Conversation *>(context);
    if (std::exchange(conversation.waiting, false))
        event_add(conversation.input.get(), nullptr);
    end_if_sent(conversation);
}

// Holds what came against what was expected. False when it differs, or is more.
bool matches(const Conversation &conversation, std::span<const char> came) {
    std::array<char, piece_size> wanted;
    const int count = evbuffer_remove(conversation.expected.get(), wanted.data(), came.size());
    return std::ranges::equal(came, std::span(wanted).first(std::max(count, 0)));
}

void on_read(bufferevent *stream, void *context) noexcept {
    Conversation &conversation = *static_cast<Conversation *>(context);
    std::array<char, piece_size> answer;
    for (std::size_t count; (count = bufferevent_read(stream, answer.data(), answer.size())) > 0;) {
        const std::span came = std::span(answer).first(count);
        if (!write_all(STDOUT_FILENO, came))
            return fail_errno(conversation, "stdout");
        if (!matches(conversation, came))
            fail(conversation, conversation.server + ": what came back is not what was sent, in upper case");
    }
}

void on_end(Conversation &conversation) {
    if (!conversation.input_ended)
        fail(conversation, conversation.server + ": closed before the end of the input");
    else if (evbuffer_get_length(conversation.expected.get()) > 0)
        fail(conversation, conversation.server + ": closed before all of it came back");
    else
        event_base_loopexit(conversation.base.get(), nullptr);
}

// Connected, the end of file, or an error. [on-event]
void on_event(bufferevent *stream, short what, void *context) noexcept {
    Conversation &conversation = *static_cast<Conversation *>(context);
    if (what & BEV_EVENT_EOF) {
        on_end(conversation);
    } else if (what & BEV_EVENT_CONNECTED) {
        conversation.connected = true;
        bufferevent_enable(stream, EV_READ);
        if (event_add(conversation.input.get(), nullptr) == -1)
            fail(conversation, "stdin: cannot be waited for");
    } else if (conversation.connected) {
        fail_errno(conversation, conversation.server);
    } else {
        fail_errno(conversation, "cannot connect to " + conversation.server + ": connect");
    }
}

void converse(Conversation &conversation, Address address) {
    event_base *base = conversation.base.get();
    conversation.stream.reset(
        made(bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE), "bufferevent_socket_new"));
    conversation.input.reset(
        made(event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &conversation), "event_new"));
    bufferevent *stream = conversation.stream.get();
    bufferevent_setcb(stream, on_read, on_write, on_event, &conversation);
    check(bufferevent_socket_connect(stream, &address.any, static_cast<int>(address.size)),
          "bufferevent_socket_connect");
    check(event_base_dispatch(base), "event_base_dispatch");
    if (!conversation.failure.empty())
        throw std::runtime_error(conversation.failure);
}

}  // namespace

int main(int argc, char *argv[]) try {
    Conversation conversation;
    const ExtraOption methods = methods_option(conversation.base);
    const Address address = parse_options(argc, argv, "client", default_port, {&methods, 1});
    conversation.server = to_text(address);
    std::signal(SIGPIPE, SIG_IGN);
    converse(conversation, address);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
