/* select, and FD_SET for whatever descriptor comes. PORT is the one argument. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static fd_set watched;

static void serve(int connection) {
    char bytes[4096];
    ssize_t size = read(connection, bytes, sizeof bytes);
    for (ssize_t i = 0; i < size; ++i)
        if (bytes[i] >= 'a' && bytes[i] <= 'z')
            bytes[i] -= 32;
    if (size <= 0 || write(connection, bytes, size) < 0) {
        FD_CLR(connection, &watched);
        close(connection);
    }
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 || listen(listener, 1024) == -1) {
        perror("fd_setsize");
        return 1;
    }
    FD_SET(listener, &watched);
    for (int most = listener;;) {
        fd_set ready = watched;
        if (select(most + 1, &ready, NULL, NULL, NULL) == -1)
            continue;
        for (int each = 0; each <= most; ++each) {
            if (!FD_ISSET(each, &ready))
                continue;
            if (each != listener) {
                serve(each);
                continue;
            }
            int connection = accept(listener, NULL, NULL);
            if (connection == -1)
                continue;
            FD_SET(connection, &watched);
            most = connection > most ? connection : most;
        }
    }
}
