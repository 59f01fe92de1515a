// 10_unix_socket: a descriptor goes from one process to another.
//
// Two programs in one: --at PATH waits for a descriptor, reads it to its end and prints what it reads; --to PATH
// passes its own stdin there, and ends. What the first reads it need not be able to open, and it may have no name.
// New: ancillary data: sendmsg and recvmsg with SCM_RIGHTS.
// Left out on purpose: several descriptors in a message; removing the file when a signal ends it (server.cpp).
// Build: g++ -std=c++20 -I. 10_unix_socket/pass_descriptor.cpp -o pass_descriptor

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>

#include "10_unix_socket/unix_address.h"
#include "10_unix_socket/unix_stream.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"

namespace {

// A message of one byte, since none goes without, and beside it room for one descriptor: CMSG_LEN, not CMSG_SPACE,
// whose padding has room for a second. cmsg(3)
struct Message {
    char byte = 0;
    iovec data{&byte, sizeof byte};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr head{.msg_name = nullptr,
                .msg_namelen = 0,
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = control.data(),
                .msg_controllen = CMSG_LEN(sizeof(int)),
                .msg_flags = 0};
};

// Sends `descriptor`, which stays ours: the other side gets one of its own for the same open file. unix(7) [pass]
void send_descriptor(const Descriptor &connection, int descriptor) {
    Message message;
    cmsghdr *header = CMSG_FIRSTHDR(&message.head);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    check(sendmsg(connection.get(), &message.head, 0), "sendmsg");
}

// The descriptor that comes next. Throws when none does, or more: those the kernel has closed. recvmsg(2) [receive]
Descriptor receive_descriptor(const Descriptor &connection) {
    Message message;
    check(recvmsg(connection.get(), &message.head, MSG_CMSG_CLOEXEC), "recvmsg");
    const cmsghdr *header = CMSG_FIRSTHDR(&message.head);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        throw std::runtime_error("no descriptor came");
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    Descriptor received(descriptor);
    if (message.head.msg_flags & MSG_CTRUNC)
        throw std::runtime_error("more than one descriptor came");
    return received;
}

// Prints what `file` holds from where it stands; where that is, whoever else has it open sees too.
void print(const Descriptor &file) {
    std::array<char, 16384> buffer;
    while (const ssize_t count = check(read(file.get(), buffer.data(), buffer.size()), "read")) {
        if (!write_all(STDOUT_FILENO, std::span(buffer).first(count)))
            throw_errno("stdout");
    }
}

void wait_at(const UnixAddress &address) {
    const Listener listener = listen_on(address, 0600);
    std::printf("listening on %s\n", to_text(address).c_str());
    std::fflush(stdout);
    const Descriptor connection = accept_connection(listener.socket).connection;
    print(receive_descriptor(connection));
}

}  // namespace

int main(int argc, char *argv[]) try {
    UnixAddress at = unnamed;
    UnixAddress to = unnamed;
    const std::array options = {path_option("at", at, "wait there for a descriptor, and print what it reads"),
                                path_option("to", to, "pass stdin there")};
    read_options(argc, argv, "pass_descriptor", options);
    if (name_of(at).empty() == name_of(to).empty())
        reject("pass_descriptor", "either --at or --to is wanted");
    std::signal(SIGPIPE, SIG_IGN);
    if (name_of(to).empty())
        wait_at(at);
    else
        send_descriptor(connect_to(to, unnamed), STDIN_FILENO);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "pass_descriptor: %s\n", error.what());
    return 1;
}
