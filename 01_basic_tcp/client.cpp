// 01_basic_tcp: connect, write, read until all of it came back, every system call spelled out.
//
// One piece of the input at a time: written, and as many bytes read before the next piece is taken. So only one
// piece is ever on its way, and the kernel's buffers hold that much: client and server cannot both be stuck in
// a write that the other does not read, however long the input is.
// Left out on purpose: helpers (client_wrapped.cpp is this program on wrap/, the parent of later chapters);
// typing while an answer is on its way, and hearing that the server is gone while nobody types (02).
// Build: g++ -std=c++20 01_basic_tcp/client.cpp -o client

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr std::uint16_t default_port = 9527;
constexpr std::size_t piece_size = 4096;  // [piece] less than the kernel's buffers hold
constexpr std::uint64_t until_end = UINT64_MAX;

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
    std::fprintf(stderr, "client: %s\n", reason.c_str());
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
                            {}};
    for (int found; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
        if (found == 'a')
            host = optarg;
        else if (found == 'p')
            port = parse_port(optarg);
        else if (found == 'h')
            std::printf("usage: client [--host HOST] [--port PORT]\n");
        if (found == 'h' || found == '?')
            std::exit(found == 'h' ? 0 : 2);
    }
    if (optind != argc)
        fail(2, "unexpected argument '" + std::string(argv[optind]) + "'");
    return parse_address(host, port);
}

int connect_to(const Address &address) {
    const std::string failure = "cannot connect to " + to_text(address) + ": ";
    const int connection = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (connection == -1)
        fail(1, failure + "socket: " + std::strerror(errno));
    if (connect(connection, &address.any, address.size) == -1)  // [connect]
        fail(1, failure + "connect: " + std::strerror(errno));
    return connection;
}

// Ends the program when it cannot, naming `target`.
void write_all(int descriptor, const char *data, std::size_t size, const std::string &target) {
    while (size > 0) {
        const ssize_t written = write(descriptor, data, size);
        if (written == -1)
            fail(1, target + ": " + std::strerror(errno));
        data += written;
        size -= written;
    }
}

// Prints the answer until `size` bytes of it have come, in however many reads, or the server ends its side.
// Returns how many came. [answer]
std::uint64_t print_answer(int connection, const std::string &server, std::uint64_t size) {
    std::array<char, piece_size> answer;
    std::uint64_t received = 0;
    while (received < size) {
        const auto wanted = std::min<std::uint64_t>(answer.size(), size - received);
        const ssize_t count = read(connection, answer.data(), wanted);
        if (count == -1)
            fail(1, server + ": " + std::strerror(errno));
        if (count == 0)
            break;
        write_all(STDOUT_FILENO, answer.data(), count, "stdout");
        received += count;
    }
    return received;
}

}  // namespace

int main(int argc, char *argv[]) {
    const Address address = parse_options(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const int connection = connect_to(address);
    const std::string server = to_text(address);
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::array<char, piece_size> piece;
    while (sent == received) {
        const ssize_t count = read(STDIN_FILENO, piece.data(), piece.size());
        if (count == -1)
            fail(1, std::string("stdin: ") + std::strerror(errno));
        if (count == 0)
            break;
        write_all(connection, piece.data(), count, server);
        sent += count;
        received += print_answer(connection, server, count);
    }
    shutdown(connection, SHUT_WR);  // [half-close] the server reads the end of file; our own reading goes on
    received += print_answer(connection, server, until_end);
    close(connection);
    if (received != sent)
        fail(1, server + ": " + std::to_string(received) + " bytes came back for " + std::to_string(sent));
    return 0;
}
