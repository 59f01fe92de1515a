// wrap/: what is pure in it, and the promises of its header comments.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

int new_descriptor() {
    return socket(AF_INET, SOCK_STREAM, 0);
}

TEST(Upper, ChangesAToZAndNothingElse) {
    for (int byte = 0; byte < 256; ++byte) {
        std::array<char, 1> text{static_cast<char>(byte)};
        upper_case(text);
        const bool letter = byte >= 'a' && byte <= 'z';
        EXPECT_EQ(static_cast<unsigned char>(text[0]), letter ? byte - 'a' + 'A' : byte);
    }
}

TEST(Upper, TakesEmptyText) {
    upper_case({});
}

TEST(Address, ReadsAndWritesBothFamilies) {
    for (const auto &[host, text] : {std::pair("127.0.0.1", "127.0.0.1:9527"),
                                     {"0.0.0.0", "0.0.0.0:9527"},
                                     {"::1", "[::1]:9527"},
                                     {"2001:DB8:0::1", "[2001:db8::1]:9527"},
                                     {"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:9527"}}) {
        const auto address = parse_address(host, 9527);
        ASSERT_TRUE(address) << host;
        EXPECT_EQ(to_text(*address), text);
    }
}

TEST(Address, KeepsThePortInNetworkByteOrder) {
    const auto address = parse_address("127.0.0.1", 9527);
    std::array<unsigned char, 2> bytes{};
    std::memcpy(bytes.data(), &address->v4.sin_port, 2);
    EXPECT_EQ(bytes[0], 0x25);
    EXPECT_EQ(bytes[1], 0x37);
    EXPECT_EQ(bytes[0] * 256 + bytes[1], 9527);
}

TEST(Address, IsEmptyForWhatIsNone) {
    for (const char *host : {"", "localhost", "127.0.0", "127.0.0.1.2", "256.0.0.1", " 127.0.0.1", "127.0.0.1 ",
                             "::g", "[::1]", "1"})
        EXPECT_FALSE(parse_address(host, 1)) << host;
}

TEST(Port, IsANumberThatFitsAndNothingElse) {
    EXPECT_EQ(parse_port("0"), 0);
    EXPECT_EQ(parse_port("9527"), 9527);
    EXPECT_EQ(parse_port("65535"), 65535);
    for (const char *text : {"", "65536", "-1", "+80", " 80", "80 ", "80x", "0x50", "9999999999999999999"})
        EXPECT_FALSE(parse_port(text)) << text;
}

TEST(Descriptor, ClosesAtTheEndOfItsScope) {
    const int fd = new_descriptor();
    {
        const Descriptor owner(fd);
        EXPECT_EQ(owner.get(), fd);
        EXPECT_TRUE(is_open(fd));
    }
    EXPECT_FALSE(is_open(fd));
}

TEST(Descriptor, MovesAndLeavesTheSourceEmpty) {
    Descriptor first(new_descriptor());
    const int fd = first.get();
    Descriptor second(std::move(first));
    EXPECT_EQ(first.get(), -1);  // NOLINT(bugprone-use-after-move, clang-analyzer-cplusplus.Move): the promise
    EXPECT_EQ(second.get(), fd);
    first.close();
    EXPECT_TRUE(is_open(fd));
}

TEST(Descriptor, AssignmentClosesWhatItHeld) {
    Descriptor holder(new_descriptor());
    const int before = holder.get();
    Descriptor next(new_descriptor());
    const int after = next.get();
    holder = std::move(next);
    EXPECT_FALSE(is_open(before));
    EXPECT_EQ(holder.get(), after);
    auto &same = holder;
    holder = std::move(same);
    EXPECT_TRUE(is_open(after));
}

TEST(Descriptor, IsEmptyUnlessGivenOne) {
    Descriptor none;
    EXPECT_EQ(none.get(), -1);
    none.close();
}

TEST(Check, PassesOnWhatIsNoError) {
    EXPECT_EQ(check(0, "call"), 0);
    EXPECT_EQ(check(7, "call"), 7);
}

TEST(Check, NamesTheCallAndTheReason) {
    try {
        check(close(-1), "close");
        FAIL();
    } catch (const std::system_error &error) {
        EXPECT_EQ(error.code().value(), EBADF);
        EXPECT_STREQ(error.what(), "close: Bad file descriptor");
    }
}

TEST(ListenOn, NamesTheAddressTheCallAndTheReason) {
    try {
        listen_on(*parse_address("192.0.2.1", 9527));  // nobody's address, RFC 5737
        FAIL();
    } catch (const std::system_error &error) {
        EXPECT_STREQ(error.what(), "cannot listen on 192.0.2.1:9527: bind: Cannot assign requested address");
    }
}

// The pair's buffers hold less than 1 MB, and a signal cuts writes short while the reader is slow.
TEST(WriteAll, WritesTheRestAfterAShortWrite) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    Descriptor writer(ends[0]);
    const Descriptor reader(ends[1]);
    struct sigaction interrupt {};
    interrupt.sa_handler = [](int) {};  // without SA_RESTART
    sigaction(SIGUSR1, &interrupt, nullptr);
    const std::string sent(1 << 20, 'x');
    bool complete = false;
    std::thread writing([&] {
        complete = write_all(writer.get(), sent);
        writer.close();
    });
    std::size_t received = 0;
    std::array<char, 4096> buffer;
    while (const ssize_t count = read(reader.get(), buffer.data(), buffer.size())) {
        received += count;
        if (received < sent.size() / 2)
            pthread_kill(writing.native_handle(), SIGUSR1);
    }
    writing.join();
    EXPECT_TRUE(complete);
    EXPECT_EQ(received, sent.size());
}

TEST(WriteAll, IsFalseWhenThePeerIsGone) {
    std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const Descriptor writer(ends[0]);
    close(ends[1]);
    EXPECT_FALSE(write_all(writer.get(), std::string("x")));
    EXPECT_EQ(errno, EPIPE);
}

}  // namespace
