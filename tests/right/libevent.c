/* Upper case on libevent: a bufferevent for each client. PORT is the one argument. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 16384 };

static struct event *again; /* enables the listener again, which is off while there is no descriptor left */

static void on_read(struct bufferevent *client, void *argument) {
    struct evbuffer *input = bufferevent_get_input(client), *output = bufferevent_get_output(client);
    char bytes[PIECE];
    int size;
    (void)argument;
    while (evbuffer_get_length(output) < PIECE && (size = evbuffer_remove(input, bytes, sizeof bytes)) > 0) {
        for (int i = 0; i < size; ++i)
            if (bytes[i] >= 'a' && bytes[i] <= 'z')
                bytes[i] -= 32;
        evbuffer_add(output, bytes, size);
    }
    if (evbuffer_get_length(output) >= PIECE)
        bufferevent_disable(client, EV_READ);
}

static void on_written(struct bufferevent *client, void *ended) {
    if (ended) {
        bufferevent_free(client);
        return;
    }
    bufferevent_enable(client, EV_READ);
    on_read(client, NULL);
}

static void on_event(struct bufferevent *client, short what, void *argument) {
    (void)argument;
    if (what & BEV_EVENT_EOF && evbuffer_get_length(bufferevent_get_output(client)) > 0)
        bufferevent_setcb(client, NULL, on_written, on_event, client); /* closed when all is sent */
    else
        bufferevent_free(client);
}

static void on_client(struct evconnlistener *listener, evutil_socket_t socket, struct sockaddr *from, int size,
                      void *base) {
    struct bufferevent *client = bufferevent_socket_new(base, socket, BEV_OPT_CLOSE_ON_FREE);
    (void)listener, (void)from, (void)size;
    bufferevent_setcb(client, on_read, on_written, on_event, NULL);
    bufferevent_setwatermark(client, EV_READ, 0, PIECE);
    bufferevent_enable(client, EV_READ | EV_WRITE);
}

static void on_shortage(struct evconnlistener *listener, void *argument) {
    struct timeval soon = {0, 20000};
    (void)argument;
    evconnlistener_disable(listener);
    event_add(again, &soon);
}

static void try_again(evutil_socket_t none, short what, void *listener) {
    (void)none, (void)what;
    evconnlistener_enable(listener);
}

int main(int argc, char **argv) {
    struct event_base *base = event_base_new();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    signal(SIGPIPE, SIG_IGN);
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, on_client, base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
                                (struct sockaddr *)&address, sizeof address);
    if (!listener) {
        perror("libevent");
        return 1;
    }
    again = event_new(base, -1, 0, try_again, listener);
    evconnlistener_set_error_cb(listener, on_shortage);
    return event_base_dispatch(base);
}
