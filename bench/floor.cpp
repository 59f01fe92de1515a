// The floor under every event loop: epoll_wait, recv, send, and nothing else. It checks no error, keeps nothing
// that a full buffer did not take, and is no server; it is what 06 is measured against.
//
// Build: g++ -std=c++20 -O2 -I. bench/floor.cpp -o floor

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <span>

#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

int main(int argc, char *argv[]) try {
    const Descriptor listener = listen_on(parse_options(argc, argv, "server", 9999));
    const int epoll = epoll_create1(0);
    epoll_event event{.events = EPOLLIN, .data = {.fd = listener.get()}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener.get(), &event);
    std::array<epoll_event, 256> events;
    std::array<char, 16384> buffer;
    for (;;) {
        const int count = epoll_wait(epoll, events.data(), events.size(), -1);
        for (int i = 0; i < count; ++i) {
            const int descriptor = events[i].data.fd;
            if (descriptor == listener.get()) {
                event = {.events = EPOLLIN,
                         .data = {.fd = accept4(descriptor, nullptr, nullptr, SOCK_NONBLOCK)}};
                epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            const ssize_t received = recv(descriptor, buffer.data(), buffer.size(), 0);
            if (received <= 0) {
                close(descriptor);
                continue;
            }
            upper_case(std::span(buffer).first(received));
            send(descriptor, buffer.data(), received, MSG_NOSIGNAL);
        }
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
