/* epoll, edge-triggered, with four accepts at most for each piece of news. PORT is the one argument. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int poller, int connection) {
    char bytes[16384];
    ssize_t size;
    while ((size = read(connection, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < size; ++i)
            if (bytes[i] >= 'a' && bytes[i] <= 'z')
                bytes[i] -= 32;
        for (ssize_t sent = 0, now; size > sent; sent += now > 0 ? now : 0)
            if ((now = send(connection, bytes + sent, size - sent, MSG_NOSIGNAL)) <= 0)
                break;
    }
    if (size == 0) {
        epoll_ctl(poller, EPOLL_CTL_DEL, connection, NULL);
        close(connection);
    }
}

static void watch(int poller, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = descriptor};
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

int main(int argc, char **argv) {
    int one = 1, poller = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 || listen(listener, 1024) == -1) {
        perror("edge_four");
        return 1;
    }
    watch(poller, listener);
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(poller, &event, 1, -1) != 1)
            continue;
        if (event.data.fd != listener) {
            serve(poller, event.data.fd);
            continue;
        }
        for (int turn = 0; turn < 4; ++turn) {
            int connection = accept(listener, NULL, NULL);
            if (connection == -1)
                break;
            watch(poller, connection);
        }
    }
}
