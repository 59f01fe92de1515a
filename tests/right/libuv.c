/* Upper case on libuv: a callback for what was read, one for what was written. PORT is the one argument. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct client {
    uv_tcp_t tcp;
    uv_write_t request;
    uv_buf_t rest; /* of what was read: the kernel has not taken it yet, and no more is read meanwhile */
    char bytes[16384];
};

static void over(uv_handle_t *handle) {
    free(handle->data);
}

static void room(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    struct client *client = handle->data;
    (void)size;
    *buffer = uv_buf_init(client->bytes, sizeof client->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status) {
    if (status == 0)
        uv_read_start(request->handle, room, on_read);
    else if (!uv_is_closing((uv_handle_t *)request->handle))
        uv_close((uv_handle_t *)request->handle, over);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    struct client *client = stream->data;
    if (size < 0) {
        uv_close((uv_handle_t *)stream, over);
        return;
    }
    for (ssize_t i = 0; i < size; ++i)
        if (buffer->base[i] >= 'a' && buffer->base[i] <= 'z')
            buffer->base[i] -= 32;
    uv_buf_t answer = uv_buf_init(buffer->base, size);
    int sent = uv_try_write(stream, &answer, 1);
    if (sent == size)
        return;
    if (sent < 0 && sent != UV_EAGAIN) {
        uv_close((uv_handle_t *)stream, over);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    client->rest = uv_buf_init(buffer->base + sent, size - sent);
    uv_read_stop(stream);
    uv_write(&client->request, stream, &client->rest, 1, on_written);
}

static void on_client(uv_stream_t *listener, int status) {
    struct client *client = status == 0 ? malloc(sizeof *client) : NULL;
    if (!client)
        return;
    uv_tcp_init(listener->loop, &client->tcp);
    client->tcp.data = client;
    if (uv_accept(listener, (uv_stream_t *)&client->tcp) == 0)
        uv_read_start((uv_stream_t *)&client->tcp, room, on_read);
    else
        uv_close((uv_handle_t *)&client->tcp, over);
}

int main(int argc, char **argv) {
    uv_tcp_t listener;
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 9999, &address);
    uv_tcp_init(uv_default_loop(), &listener);
    int error = uv_tcp_bind(&listener, (struct sockaddr *)&address, 0);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&listener, 1024, on_client);
    if (error) {
        fprintf(stderr, "libuv: %s\n", uv_strerror(error));
        return 1;
    }
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
