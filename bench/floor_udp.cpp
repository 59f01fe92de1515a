// The floor under every server of datagrams: recvfrom, sendto, and nothing else. It checks no error and answers the
// part of a datagram that its buffer holds; it is what 09 is measured against.
//
// With --batch N it takes up to N datagrams in one call, recvmmsg, and answers them in another, sendmmsg.
// Build: g++ -std=c++20 -O2 -I. bench/floor_udp.cpp -o floor_udp

#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <span>
#include <vector>

#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

constexpr unsigned most = 64;
using Buffer = std::array<char, 65527>;

[[noreturn]] void serve(int socket) {
    static Buffer buffer;
    for (;;) {
        Address peer;
        const ssize_t size = recvfrom(socket, buffer.data(), buffer.size(), 0, &peer.any, &peer.size);
        upper_case(std::span(buffer).first(size));
        sendto(socket, buffer.data(), size, 0, &peer.any, peer.size);
    }
}

[[noreturn]] void serve_batches(int socket, unsigned batch) {
    std::vector<Buffer> buffers(batch);
    std::array<Address, most> peers;
    std::array<iovec, most> texts;
    std::array<mmsghdr, most> messages;
    for (;;) {
        for (unsigned i = 0; i < batch; ++i) {
            texts[i] = {buffers[i].data(), buffers[i].size()};
            messages[i] = {};
            messages[i].msg_hdr.msg_name = &peers[i].any;
            messages[i].msg_hdr.msg_namelen = sizeof peers[i].v6;
            messages[i].msg_hdr.msg_iov = &texts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        // Waits for the first, takes what else is there: recvmmsg(2).
        const int count = recvmmsg(socket, messages.data(), batch, MSG_WAITFORONE, nullptr);
        for (int i = 0; i < count; ++i) {
            texts[i].iov_len = messages[i].msg_len;
            upper_case(std::span(buffers[i]).first(messages[i].msg_len));
        }
        for (int sent = 0; sent < count;)
            sent += sendmmsg(socket, &messages[sent], count - sent, 0);
    }
}

}  // namespace

int main(int argc, char *argv[]) {
    unsigned batch = 0;
    const ExtraOption option{.name = "batch",
                             .argument = "N",
                             .accepts = "a number from 1 to 64",
                             .help = "datagrams in one call",
                             .take = [&](const char *word) {
                                 batch = parse_number<unsigned>(word).value_or(0);
                                 return batch >= 1 && batch <= most;
                             }};
    Address address = parse_options(argc, argv, "server", 8000, std::array{option});
    const int socket = ::socket(address.any.sa_family, SOCK_DGRAM, 0);
    if (bind(socket, &address.any, address.size) == -1) {
        std::perror("floor_udp: bind");
        return 1;
    }
    getsockname(socket, &address.any, &address.size);
    std::printf("listening on %s\n", to_text(address).c_str());
    std::fflush(stdout);
    if (batch > 0)
        serve_batches(socket, batch);
    serve(socket);
}
