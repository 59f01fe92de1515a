// 12_libevent: the reactor of 07, from a library.
//
// An event_base is the loop, an evconnlistener the acceptor, a bufferevent a connection with its pending output, an
// event a timer or a signal. The library calls the functions below, which end in no exception: it is written in C.
// New: its names, its rules of who frees what and when, and what is left to do by hand: the half-close.
// Left out on purpose: TLS, DNS, HTTP and threads, which libevent has too.
// Parent: 07_reactor.
// Build: g++ -std=c++20 -I. 12_libevent/server.cpp -levent_core -o server

#include <event2/buffer.h>
#include <event2/util.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "12_libevent/owned.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;
constexpr std::size_t buffer_size = 16384;
constexpr std::size_t high_water_mark = 65536;  // pending bytes from which on nothing more is read [high-water]
constexpr std::size_t low_water_mark = 16384;  // and down to which they must fall before it is
constexpr timeval retry_time{.tv_sec = 0, .tv_usec = 50000};  // to accept again, out of descriptors
constexpr timeval linger_time{.tv_sec = 0, .tv_usec = 500000};  // for the peer's end, after ours

struct Server;

struct Connection {
    Server &server;
    Address peer;
    Stream stream;  // owns the descriptor: BEV_OPT_CLOSE_ON_FREE
    Event timer = {};  // since the last traffic; then, for the peer's end
    bool ended = false;  // nothing more will be read
    bool shut = false;  // nothing more will be written
};

struct Server {
    // Looks at an exact clock for each event: no idle connection is closed a moment too early. [clock]
    Base base = make_base(EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME, 0);
    Descriptor socket = {};  // which the listener does not own [close-on-free]
    Listener listener = {};
    Event retry = {}, interrupt = {}, terminate = {}, give_up = {};
    std::unordered_map<evutil_socket_t, Connection> connections = {};
    timeval idle_timeout = {.tv_sec = 60, .tv_usec = 0};
    timeval grace = {.tv_sec = 2, .tv_usec = 0};
    const timeval *idle = nullptr;  // idle_timeout as the base knows it; null: never
    bool starved = false;  // out of descriptors: the listener is disabled
    bool stopping = false;
};

std::size_t pending(const Connection &connection) {
    return evbuffer_get_length(bufferevent_get_output(connection.stream.get()));
}

// The loop ends when this turn does; event_base_loopbreak would leave out the rest of the turn.
void leave_if_done(const Server &server) {
    if (server.stopping && server.connections.empty())
        event_base_loopexit(server.base.get(), nullptr);
}

// The stream is gone at once for us; the library frees it after its callbacks, closing the descriptor. [over]
void over(Connection &connection) {
    Server &server = connection.server;
    if (verbose)
        std::fprintf(stderr, "%s closed\n", to_text(connection.peer).c_str());
    server.connections.erase(bufferevent_getfd(connection.stream.get()));
    if (server.starved && server.listener)
        evconnlistener_enable(server.listener.get());
    leave_if_done(server);
}

// Half-closes, once all is sent: the library has no call for that. The peer's end is awaited for a while: closed
// with input unread, the connection would be reset, and answers that are under way would be lost. [half-close]
void shut(Connection &connection) {
    if (std::exchange(connection.shut, true))
        return;
    shutdown(bufferevent_getfd(connection.stream.get()), SHUT_WR);
    event_add(connection.timer.get(), &linger_time);
}

// Less output is pending than was, or the input has ended, or the server is about to stop: what now? [proceed]
void proceed(Connection &connection) {
    const std::size_t left = pending(connection);
    const bool stopping = connection.server.stopping;
    if (left == 0 && connection.ended)
        return over(connection);
    if (left == 0 && stopping)
        shut(connection);
    if (!connection.ended && (stopping || left <= low_water_mark))
        bufferevent_enable(connection.stream.get(), EV_READ);
}

// The input buffer holds something, 4096 bytes at most; it is told of what comes in, not of what is left. [on-read]
void on_read(bufferevent *stream, void *context) noexcept {
    Connection &connection = *static_cast<Connection *>(context);
    std::array<char, buffer_size> buffer;
    for (std::size_t count; (count = bufferevent_read(stream, buffer.data(), buffer.size())) > 0;) {
        if (connection.server.stopping)
            continue;
        upper_case(std::span(buffer).first(count));
        if (bufferevent_write(stream, buffer.data(), count) == -1)
            return over(connection);
        if (verbose)
            std::fprintf(stderr, "%s sent %zu bytes\n", to_text(connection.peer).c_str(), count);
    }
    if (pending(connection) >= high_water_mark)
        bufferevent_disable(stream, EV_READ);
}

// Some of the output is sent, and no more than the low-water mark is left.
void on_write(bufferevent * /*stream*/, void *context) noexcept {
    proceed(*static_cast<Connection *>(context));
}

// The end of file, or an error, which errno tells: the peer is gone, and with it all that it was owed.
void on_event(bufferevent * /*stream*/, short what, void *context) noexcept {
    Connection &connection = *static_cast<Connection *>(context);
    connection.ended = true;
    if (what & BEV_EVENT_ERROR)
        over(connection);
    else
        proceed(connection);
}

// The output buffer has grown by an answer, so something was read, or shrunk, so something was written. [traffic]
void on_traffic(evbuffer * /*output*/, const evbuffer_cb_info * /*change*/, void *context) noexcept {
    const Connection &connection = *static_cast<Connection *>(context);
    if (connection.server.idle)
        event_add(connection.timer.get(), connection.server.idle);
}

// Idle for too long, unless it was the server that slept: then what has come in time is still unread. Or the peer
// does not end its side, unless it has not got all yet. tcp(7) [timer]
void on_timer(evutil_socket_t /*none*/, short /*what*/, void *context) noexcept {
    Connection &connection = *static_cast<Connection *>(context);
    bufferevent *stream = connection.stream.get();
    int bytes = 0;
    ioctl(bufferevent_getfd(stream), connection.shut ? SIOCOUTQ : FIONREAD, &bytes);
    if (bytes > 0 && bufferevent_get_enabled(stream) & EV_READ)
        event_add(connection.timer.get(), connection.shut ? &linger_time : connection.server.idle);
    else
        over(connection);
}

// Takes over a new client and its descriptor. Throws when there is no room for it.
void add(Server &server, evutil_socket_t descriptor, const Address &peer) {
    Stream stream(bufferevent_socket_new(server.base.get(), descriptor, BEV_OPT_CLOSE_ON_FREE));
    if (!stream)
        evutil_closesocket(descriptor);
    made(stream.get(), "bufferevent_socket_new");
    Connection &connection =
        server.connections.emplace(descriptor, Connection{server, peer, std::move(stream)}).first->second;
    connection.timer.reset(made(evtimer_new(server.base.get(), on_timer, &connection), "evtimer_new"));
    bufferevent *buffered = connection.stream.get();
    bufferevent_setcb(buffered, on_read, on_write, on_event, &connection);
    bufferevent_setwatermark(buffered, EV_WRITE, low_water_mark, 0);
    made(evbuffer_add_cb(bufferevent_get_output(buffered), on_traffic, &connection), "evbuffer_add_cb");
    check(bufferevent_enable(buffered, EV_READ), "bufferevent_enable");  // EV_WRITE is enabled from the start
    on_traffic(nullptr, nullptr, &connection);
    if (verbose)
        std::fprintf(stderr, "%s connected\n", to_text(peer).c_str());
}

void on_accept(evconnlistener * /*listener*/, evutil_socket_t descriptor, sockaddr *address, int size,
               void *context) noexcept {
    Server &server = *static_cast<Server *>(context);
    Address peer;
    std::memcpy(&peer.any, address, size);
    server.starved = false;
    try {
        add(server, descriptor, peer);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "server: %s refused: %s\n", to_text(peer).c_str(), error.what());
        server.connections.erase(descriptor);
    }
}

// Descriptors or memory have run out. Who waits goes on waiting, and an enabled listener would be called for him
// again and again. [starved]
void on_accept_error(evconnlistener *listener, void *context) noexcept {
    Server &server = *static_cast<Server *>(context);
    if (!std::exchange(server.starved, true))
        std::perror("server: accept");
    evconnlistener_disable(listener);
    event_add(server.retry.get(), &retry_time);
}

void on_retry(evutil_socket_t /*none*/, short /*what*/, void *context) noexcept {
    evconnlistener_enable(static_cast<Server *>(context)->listener.get());
}

// The grace is over.
void on_give_up(evutil_socket_t /*none*/, short /*what*/, void *context) noexcept {
    auto &connections = static_cast<Server *>(context)->connections;
    while (!connections.empty())
        over(connections.begin()->second);
}

// Not in a signal handler: the loop calls it, as for any event. Whoever asks twice is not kept waiting. [stop]
void on_signal(evutil_socket_t signal, short /*what*/, void *context) noexcept {
    Server &server = *static_cast<Server *>(context);
    if (std::exchange(server.stopping, true))
        std::_Exit(128 + signal);
    server.retry.reset();
    server.listener.reset();
    server.socket.close();
    event_add(server.give_up.get(), &server.grace);
    for (auto next = server.connections.begin(); next != server.connections.end();)
        proceed((next++)->second);
    leave_if_done(server);
}

// The signals before the ready line: who has read that may send one. [ready]
void serve(Server &server, const Address &address) {
    event_base *base = server.base.get();
    server.interrupt.reset(made(evsignal_new(base, SIGINT, on_signal, &server), "evsignal_new"));
    server.terminate.reset(made(evsignal_new(base, SIGTERM, on_signal, &server), "evsignal_new"));
    server.give_up.reset(made(evtimer_new(base, on_give_up, &server), "evtimer_new"));
    server.retry.reset(made(evtimer_new(base, on_retry, &server), "evtimer_new"));
    check(event_add(server.interrupt.get(), nullptr), "event_add");
    check(event_add(server.terminate.get(), nullptr), "event_add");
    if (evutil_timerisset(&server.idle_timeout))
        server.idle = event_base_init_common_timeout(base, &server.idle_timeout);  // [common]
    server.socket = listen_on(address);
    check(evutil_make_socket_nonblocking(server.socket.get()), "evutil_make_socket_nonblocking");
    server.listener.reset(
        made(evconnlistener_new(base, on_accept, &server, 0, 0, server.socket.get()), "evconnlistener_new"));
    evconnlistener_set_error_cb(server.listener.get(), on_accept_error);
    check(event_base_dispatch(base), "event_base_dispatch");
}

// An option that takes seconds, fractions allowed.
ExtraOption seconds_option(const char *name, const char *help, timeval &time) {
    return {.name = name,
            .argument = "SECONDS",
            .accepts = "a number of seconds",
            .help = help,
            .take = [&time](std::string_view word) {
                const auto seconds = parse_seconds(word);
                const auto exact = seconds.value_or(std::chrono::seconds(0));
                const auto micro = std::chrono::ceil<std::chrono::microseconds>(exact).count();
                time = {.tv_sec = micro / 1000000, .tv_usec = micro % 1000000};
                return seconds.has_value();
            }};
}

}  // namespace

int main(int argc, char *argv[]) try {
    Server server;
    const std::array options{
        seconds_option("idle-timeout",
                       "closes who has been idle so long: 60 unless told otherwise, 0 for never",
                       server.idle_timeout),
        seconds_option("grace", "for what is owed when a signal ends it: 2 unless told otherwise",
                       server.grace),
        methods_option(server.base)};
    const Address address = parse_options(argc, argv, "server", default_port, options);
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    serve(server, address);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
