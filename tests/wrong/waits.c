/* A process per client; the parent waits for each, one at a time. PORT is the one argument. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void serve(int connection) {
    char bytes[4096];
    ssize_t size;
    while ((size = read(connection, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < size; ++i)
            if (bytes[i] >= 'a' && bytes[i] <= 'z')
                bytes[i] -= 32;
        for (ssize_t sent = 0, now; sent < size; sent += now)
            if ((now = write(connection, bytes + sent, size - sent)) <= 0)
                return;
    }
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 || listen(listener, 1024) == -1) {
        perror("waits");
        return 1;
    }
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        pid_t child = connection == -1 ? -1 : fork();
        if (child == 0) {
            close(listener);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            signal(SIGPIPE, SIG_IGN);
            serve(connection);
            _exit(0);
        }
        if (child > 0)
            waitpid(child, NULL, 0);
        if (connection != -1)
            close(connection);
    }
}
