/* One client after another, and the whole buffer for an answer. PORT is the one argument. */
#include <arpa/inet.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 9999);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 || listen(listener, 128) == -1) {
        perror("whole_buffer");
        return 1;
    }
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        char bytes[1024] = {0};
        ssize_t size;
        while ((size = read(connection, bytes, sizeof bytes)) > 0) {
            for (char *at = bytes; at < bytes + size; ++at)
                *at = toupper(*at);
            if (write(connection, bytes, sizeof bytes) == -1)
                break;
        }
        close(connection);
    }
}
