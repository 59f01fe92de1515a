// 01_basic_tcp: one client after another, every system call spelled out.
//
// socket, bind and listen make the listener; accept takes the next client from its queue; what that client
// sends goes back in upper case until it ends its side. The other clients wait in the queue meanwhile.
// New: a socket is a descriptor; byte order; the forms of an address; what each call may answer.
// Left out on purpose: helpers (server_wrapped.cpp is this program on wrap/, and the parent of 02, 04 and 09),
// two clients at the same time (02 to 06), a graceful stop (07).
// Build: g++ -std=c++20 01_basic_tcp/server.cpp -o server

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace {

constexpr std::uint16_t default_port = 9527;
constexpr std::size_t buffer_size = 16384;

bool verbose = false;

// The calls take any of these as a sockaddr; its family and the size tell them which it is. [address]
struct Address {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6{};
    };
    socklen_t size = sizeof(sockaddr_in6);
};

[[noreturn]] void fail(int status, const std::string &reason) {
    std::fprintf(stderr, "server: %s\n", reason.c_str());
    std::exit(status);
}

Address parse_address(const char *host, std::uint16_t port) {
    Address address;
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1) {  // [inet_pton]
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);  // [byte-order]
        address.size = sizeof address.v4;
    } else if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
        address.size = sizeof address.v6;
    } else {
        fail(2, "--host: '" + std::string(host) + "' is not an IPv4 or IPv6 address");
    }
    return address;
}

std::string to_text(const Address &address) {
    std::array<char, INET6_ADDRSTRLEN> host{};
    if (address.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address.v4.sin_addr, host.data(), host.size());
        return std::string(host.data()) + ":" + std::to_string(ntohs(address.v4.sin_port));
    }
    inet_ntop(AF_INET6, &address.v6.sin6_addr, host.data(), host.size());
    return "[" + std::string(host.data()) + "]:" + std::to_string(ntohs(address.v6.sin6_port));
}

std::uint16_t parse_port(const char *text) {
    std::uint16_t port = 0;
    const char *end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, port);
    if (error != std::errc{} || rest != end)
        fail(2, "--port: '" + std::string(text) + "' is not a number from 0 to 65535");
    return port;
}

Address parse_options(int argc, char *argv[]) {
    const char *host = "127.0.0.1";
    std::uint16_t port = default_port;
    const option known[] = {{"host", required_argument, nullptr, 'a'},
                            {"port", required_argument, nullptr, 'p'},
                            {"help", no_argument, nullptr, 'h'},
                            {"verbose", no_argument, nullptr, 'v'},
                            {}};
    for (int found; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
        if (found == 'a')
            host = optarg;
        else if (found == 'p')
            port = parse_port(optarg);
        else if (found == 'v')
            verbose = true;
        else if (found == 'h')
            std::printf("usage: server [--host HOST] [--port PORT] [--verbose]\n");
        if (found == 'h' || found == '?')
            std::exit(found == 'h' ? 0 : 2);
    }
    if (optind != argc)
        fail(2, "unexpected argument '" + std::string(argv[optind]) + "'");
    return parse_address(host, port);
}

// Only ASCII changes. toupper(3) would depend on the locale, and is undefined for a negative char. [upper]
void upper_case(char *text, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = static_cast<char>(text[i] - 'a' + 'A');
    }
}

// False when the client is gone: ECONNRESET, EPIPE.
bool write_all(int connection, const char *data, std::size_t size) {
    while (size > 0) {
        const ssize_t written = write(connection, data, size);  // [short-write] it may take less than all
        if (written == -1)
            return false;
        data += written;
        size -= written;
    }
    return true;
}

// Answers one client until it ends its side or is gone. The connection stays the caller's.
void serve(int connection, const std::string &peer) {
    std::array<char, buffer_size> buffer;
    for (;;) {
        const ssize_t received = read(connection, buffer.data(), buffer.size());
        if (received <= 0)  // [end-of-file] 0: the client has ended its side; -1: it is gone
            return;
        upper_case(buffer.data(), received);
        if (!write_all(connection, buffer.data(), received))
            return;
        if (verbose)
            std::fprintf(stderr, "%s sent %zd bytes\n", peer.c_str(), received);
    }
}

int listen_on(const Address &address) {
    const auto check = [&](int result, const char *call) {
        if (result == -1)
            fail(1, "cannot listen on " + to_text(address) + ": " + call + ": " + std::strerror(errno));
        return result;
    };
    const int listener = check(socket(address.any.sa_family, SOCK_STREAM, 0), "socket");
    const int on = 1;
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");  // [reuseaddr]
    check(bind(listener, &address.any, address.size), "bind");
    check(listen(listener, SOMAXCONN), "listen");  // [backlog]

    Address bound;  // --port 0 let the kernel choose: ask which
    check(getsockname(listener, &bound.any, &bound.size), "getsockname");
    std::printf("listening on %s\n", to_text(bound).c_str());
    std::fflush(stdout);
    return listener;
}

}  // namespace

int main(int argc, char *argv[]) {
    const Address address = parse_options(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // [sigpipe] a write to a client that is gone shall fail, not end the server
    const int listener = listen_on(address);
    for (;;) {
        Address peer;
        const int connection = accept(listener, &peer.any, &peer.size);
        if (connection == -1) {  // [accept] one client's failure or a passing shortage: the listener is sound
            std::perror("server: accept");
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            continue;
        }
        if (verbose)
            std::fprintf(stderr, "%s connected\n", to_text(peer).c_str());
        serve(connection, to_text(peer));
        close(connection);
        if (verbose)
            std::fprintf(stderr, "%s closed\n", to_text(peer).c_str());
    }
}
