// The service of every chapter on libevent's bufferevents, written as its users write it: to be measured beside
// our servers.
//
// What is read is changed where it lies and moved to the output, not copied. While more than the high-water mark
// is owed, nothing more is read from that peer.
//
// Build: g++ -std=c++20 -O2 -I. bench/peers/libevent.cpp -levent_core -o libevent

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <csignal>
#include <cstdio>

#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

constexpr std::size_t high_water_mark = 65536;  // bytes
constexpr timeval retry_time{.tv_sec = 0, .tv_usec = 50000};  // between two tries to accept

void on_read(bufferevent *connection, void * /*context*/) {
    evbuffer *input = bufferevent_get_input(connection);
    evbuffer *output = bufferevent_get_output(connection);
    while (const std::size_t size = evbuffer_get_contiguous_space(input)) {
        evbuffer_iovec block;
        evbuffer_peek(input, -1, nullptr, &block, 1);
        upper_case({static_cast<char *>(block.iov_base), block.iov_len});
        evbuffer_remove_buffer(input, output, size);
    }
    if (evbuffer_get_length(output) >= high_water_mark)
        bufferevent_disable(connection, EV_READ);
}

// The output has been sent, all of it.
void on_written(bufferevent *connection, void * /*context*/) {
    bufferevent_enable(connection, EV_READ);
}

void on_last_written(bufferevent *connection, void * /*context*/) {
    bufferevent_free(connection);
}

void on_event(bufferevent *connection, short what, void * /*context*/) {
    const bool owed = evbuffer_get_length(bufferevent_get_output(connection)) > 0;
    if ((what & BEV_EVENT_ERROR) || !owed)
        return bufferevent_free(connection);
    bufferevent_disable(connection, EV_READ);  // the end of file: what is owed is sent first
    bufferevent_setcb(connection, nullptr, on_last_written, on_event, nullptr);
}

void on_connection(evconnlistener *listener, evutil_socket_t descriptor, sockaddr * /*peer*/, int /*size*/,
                   void * /*context*/) {
    bufferevent *connection =
        bufferevent_socket_new(evconnlistener_get_base(listener), descriptor, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(connection, on_read, on_written, on_event, nullptr);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
}

void on_shortage(evconnlistener *listener, void * /*context*/) {
    evconnlistener_disable(listener);
    const auto go_on = [](evutil_socket_t, short, void *stopped) {
        evconnlistener_enable(static_cast<evconnlistener *>(stopped));
    };
    event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, go_on, listener, &retry_time);
}

}  // namespace

int main(int argc, char *argv[]) {
    const Address address = parse_options(argc, argv, "server", 9999);
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    event_base *base = event_base_new();
    evconnlistener *listener =
        evconnlistener_new_bind(base, on_connection, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                SOMAXCONN, &address.any, static_cast<int>(address.size));
    if (!listener) {
        std::perror("server: listen");
        return 1;
    }
    evconnlistener_set_error_cb(listener, on_shortage);
    Address bound;
    getsockname(evconnlistener_get_fd(listener), &bound.any, &bound.size);
    std::printf("listening on %s\n", to_text(bound).c_str());
    std::fflush(stdout);
    return event_base_dispatch(base) == -1;
}
