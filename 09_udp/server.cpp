// 09_udp: a datagram comes in, and goes back in upper case to where it came from.
//
// One socket is the whole server, and it keeps nothing of any client: no listener, no connection, no end of file.
// New against 01: each datagram is answered by itself and whole, or not at all; who sent it comes with it.
// Left out on purpose: what UDP does not promise (order, arrival, once only) is the client's business.
// Parent: 01's server_wrapped.cpp.
// Build: g++ -std=c++20 -I. 09_udp/server.cpp -o server

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 8000;
constexpr std::size_t largest_datagram = 65527;  // what is left of 16 bits of length beside 8 bytes: RFC 768

// A socket that takes the datagrams for `address`; the caller owns it. Says so on stdout once it does.
// Throws std::system_error, "cannot listen on ADDRESS: CALL: REASON". udp(7), bind(2)
Descriptor bind_to(const Address &address) {
    const std::string failure = "cannot listen on " + to_text(address) + ": ";
    Descriptor socket(check(::socket(address.any.sa_family, SOCK_DGRAM, 0), failure + "socket"));
    check(bind(socket.get(), &address.any, address.size), failure + "bind");  // [no-reuseaddr]

    Address bound;
    check(getsockname(socket.get(), &bound.any, &bound.size), failure + "getsockname");
    std::printf("listening on %s\n", to_text(bound).c_str());
    std::fflush(stdout);
    return socket;
}

// Answers the next datagram; one that `buffer` does not hold is dropped. The socket stays the caller's.
void serve_one(const Descriptor &socket, std::span<char> buffer) {
    Address peer;
    const ssize_t size =  // [recvfrom]
        recvfrom(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC, &peer.any, &peer.size);
    if (size == -1)  // [error] nothing was received, whatever the buffer holds
        return std::perror("server: recvfrom");
    if (static_cast<std::size_t>(size) > buffer.size()) {  // [truncation] MSG_TRUNC: how long it was, recv(2)
        std::fprintf(stderr, "server: %s sent %zd bytes: dropped, %zu is all that fits\n",
                     to_text(peer).c_str(), size, buffer.size());
        return;
    }
    if (verbose)
        std::fprintf(stderr, "%s sent %zd bytes\n", to_text(peer).c_str(), size);
    const std::span text = buffer.first(size);  // [empty] of no bytes perhaps: that is a datagram too
    upper_case(text);
    if (sendto(socket.get(), text.data(), text.size(), 0, &peer.any, peer.size) == -1 && verbose)  // [unsent]
        std::fprintf(stderr, "%s not answered: %s\n", to_text(peer).c_str(), std::strerror(errno));
}

}  // namespace

int main(int argc, char *argv[]) try {
    std::size_t buffer_size = largest_datagram;
    const ExtraOption buffer_option{.name = "buffer",
                                    .argument = "BYTES",
                                    .accepts = "a number from 1 to 65527",
                                    .help = "the longest datagram that is taken, 65527 unless told otherwise",
                                    .take = [&](const char *word) {
                                        buffer_size = parse_number<std::size_t>(word).value_or(0);
                                        return buffer_size >= 1 && buffer_size <= largest_datagram;
                                    }};
    const Address address = parse_options(argc, argv, "server", default_port, std::array{buffer_option});
    const Descriptor socket = bind_to(address);
    std::vector<char> buffer(buffer_size);
    for (;;)
        serve_one(socket, buffer);
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
