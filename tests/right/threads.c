/* Upper case in C, a thread per client with a small stack, as one would write it in Go. PORT is the one argument. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *argument) {
    int connection = (int)(long)argument;
    char bytes[16384];
    ssize_t size;
    while ((size = read(connection, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < size; ++i)
            if (bytes[i] >= 'a' && bytes[i] <= 'z')
                bytes[i] -= 32;
        for (ssize_t sent = 0, now; sent < size; sent += now)
            if ((now = write(connection, bytes + sent, size - sent)) <= 0)
                goto over;
    }
over:
    close(connection);
    return NULL;
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 || listen(listener, 1024) == -1) {
        perror("threads");
        return 1;
    }
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 65536);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        pthread_t thread;
        if (connection == -1) {
            if (errno == EMFILE || errno == ENFILE)
                usleep(20000);
            continue;
        }
        if (pthread_create(&thread, &detached, serve, (void *)(long)connection) != 0)
            close(connection);
    }
}
