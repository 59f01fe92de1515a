/* One client after another; writes behind the newline, also where none has come. PORT is the one argument. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int connection) {
    char bytes[4097];
    ssize_t size;
    while ((size = read(connection, bytes, sizeof bytes - 1)) > 0) {
        bytes[size] = '\0';
        strchr(bytes, '\n')[1] = '\0';
        for (ssize_t i = 0; i < size; ++i)
            if (bytes[i] >= 'a' && bytes[i] <= 'z')
                bytes[i] -= 32;
        if (write(connection, bytes, size) != size)
            return;
    }
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    signal(SIGPIPE, SIG_IGN);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 || listen(listener, 128) == -1) {
        perror("crash");
        return 1;
    }
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection == -1)
            continue;
        serve(connection);
        close(connection);
    }
}
