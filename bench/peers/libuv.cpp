// The service of every chapter on libuv, written as its users write it: to be measured beside our servers.
//
// What is read goes out with uv_try_write, which asks the kernel at once; uv_write queues what it did not take.
// While more than the high-water mark is queued, nothing more is read from that peer.
//
// Build: g++ -std=c++20 -O2 -I. bench/peers/libuv.cpp -luv -o libuv

#include <uv.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

constexpr std::size_t high_water_mark = 65536;  // bytes

std::array<char, 65536> buffer;  // one is enough: what is read is sent, or copied, before anybody reads again

struct Connection {
    uv_tcp_t tcp{};
    uv_shutdown_t shutdown{};
    bool ended = false;
};

// An answer that the kernel did not take at once.
struct Rest {
    uv_write_t request{};
    std::vector<char> text;
};

void check(int status, const char *call) {
    if (status == 0)
        return;
    std::fprintf(stderr, "server: %s: %s\n", call, uv_strerror(status));
    std::exit(1);
}

uv_stream_t *stream(Connection *connection) {
    return reinterpret_cast<uv_stream_t *>(&connection->tcp);
}

void close(Connection *connection) {
    auto *handle = reinterpret_cast<uv_handle_t *>(&connection->tcp);
    if (!uv_is_closing(handle))
        uv_close(handle, [](uv_handle_t *closed) { delete static_cast<Connection *>(closed->data); });
}

void allocate(uv_handle_t * /*handle*/, std::size_t /*wanted*/, uv_buf_t *room) {
    *room = uv_buf_init(buffer.data(), buffer.size());
}

void on_read(uv_stream_t *from, ssize_t received, const uv_buf_t *room);

void on_written(uv_write_t *request, int status) {
    auto *connection = static_cast<Connection *>(request->handle->data);
    delete static_cast<Rest *>(request->data);
    if (status != 0)
        close(connection);
    else if (!connection->ended && uv_stream_get_write_queue_size(stream(connection)) < high_water_mark)
        uv_read_start(stream(connection), allocate, on_read);  // which may be going on already
}

void answer(Connection *connection, std::span<char> text) {
    uv_buf_t out = uv_buf_init(text.data(), text.size());
    const int sent = uv_try_write(stream(connection), &out, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return close(connection);
    text = text.subspan(std::max(sent, 0));
    if (text.empty())
        return;
    auto *rest = new Rest{.text = std::vector(text.begin(), text.end())};
    rest->request.data = rest;
    out = uv_buf_init(rest->text.data(), rest->text.size());
    uv_write(&rest->request, stream(connection), &out, 1, on_written);
    if (uv_stream_get_write_queue_size(stream(connection)) >= high_water_mark)
        uv_read_stop(stream(connection));
}

void on_read(uv_stream_t *from, ssize_t received, const uv_buf_t *room) {
    auto *connection = static_cast<Connection *>(from->data);
    if (received > 0) {
        const std::span text(room->base, received);
        upper_case(text);
        answer(connection, text);
    } else if (received == UV_EOF) {  // what is queued is sent first: uv_shutdown waits for it
        connection->ended = true;
        uv_read_stop(from);
        uv_shutdown(&connection->shutdown, from, [](uv_shutdown_t *request, int) {
            close(static_cast<Connection *>(request->handle->data));
        });
    } else if (received < 0) {
        close(connection);
    }
}

// Out of descriptors, libuv turns the clients away by itself: it keeps a spare one for that.
void on_connection(uv_stream_t *listener, int status) {
    if (status != 0) {
        std::fprintf(stderr, "server: accept: %s\n", uv_strerror(status));
        return;
    }
    auto *connection = new Connection;
    uv_tcp_init(listener->loop, &connection->tcp);
    connection->tcp.data = connection;
    if (uv_accept(listener, stream(connection)) == 0)
        uv_read_start(stream(connection), allocate, on_read);
    else
        close(connection);
}

}  // namespace

int main(int argc, char *argv[]) {
    const Address address = parse_options(argc, argv, "server", 9999);
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    check(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check(uv_tcp_bind(&listener, &address.any, 0), "bind");
    check(uv_listen(reinterpret_cast<uv_stream_t *>(&listener), SOMAXCONN, on_connection), "listen");
    Address bound;
    int size = sizeof bound.v6;
    check(uv_tcp_getsockname(&listener, &bound.any, &size), "getsockname");
    std::printf("listening on %s\n", to_text(bound).c_str());
    std::fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
