// The bare loop on libevent's: its events alone, recv and send called by us, and no bufferevent. What a bufferevent
// costs shows beside it. Like bench/floor.cpp it checks no error, keeps nothing, and is no server.
//
// Build: g++ -std=c++20 -O2 -I. bench/peers/floor_libevent.cpp -levent_core -o floor_libevent

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <span>

#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

void on_readable(evutil_socket_t descriptor, short /*what*/, void *self) {
    std::array<char, 16384> buffer;
    const ssize_t received = recv(descriptor, buffer.data(), buffer.size(), 0);
    if (received <= 0) {
        event_free(static_cast<event *>(self));
        close(descriptor);
        return;
    }
    upper_case(std::span(buffer).first(received));
    send(descriptor, buffer.data(), received, MSG_NOSIGNAL);
}

void on_connection(evutil_socket_t listener, short /*what*/, void *base) {
    const int descriptor = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    event_add(event_new(static_cast<event_base *>(base), descriptor, EV_READ | EV_PERSIST, on_readable,
                        event_self_cbarg()),
              nullptr);
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Descriptor listener = listen_on(parse_options(argc, argv, "server", 9999));
    raise_descriptor_limit();
    event_base *base = event_base_new();
    event_add(event_new(base, listener.get(), EV_READ | EV_PERSIST, on_connection, base), nullptr);
    return event_base_dispatch(base) == -1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
