// What the chapters' texts say of the kernel, and a command in *Try it* cannot show well.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

namespace {

constexpr int patience = 5000;  // milliseconds

bool readable(const Descriptor &descriptor, int milliseconds) {
    pollfd wait{.fd = descriptor.get(), .events = POLLIN, .revents = 0};
    return poll(&wait, 1, milliseconds) == 1;
}

// A TCP connection over loopback, both ends in this process.
struct Pair {
    Descriptor client, server;
    Pair() {
        Address address = *parse_address("127.0.0.1", 0);
        const Descriptor listener(check(socket(AF_INET, SOCK_STREAM, 0), "socket"));
        check(bind(listener.get(), &address.any, address.size), "bind");
        check(listen(listener.get(), 1), "listen");
        check(getsockname(listener.get(), &address.any, &address.size), "getsockname");
        client = Descriptor(check(socket(AF_INET, SOCK_STREAM, 0), "socket"));
        check(connect(client.get(), &address.any, address.size), "connect");
        server = Descriptor(check(accept(listener.get(), nullptr, nullptr), "accept"));
    }
};

// 02: both processes hold the connection after fork.
TEST(ForkedConnection, CloseEndsItOnlyWhenTheLastHolderCloses) {
    Pair pair;
    const pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    pair.server.close();
    EXPECT_FALSE(readable(pair.client, 0));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(readable(pair.client, patience));
    char byte = 0;
    EXPECT_EQ(read(pair.client.get(), &byte, 1), 0);
}

TEST(ForkedConnection, ShutdownByOneHolderEndsItForAll) {
    Pair pair;
    const pid_t child = fork();
    if (child == 0) {
        shutdown(pair.server.get(), SHUT_WR);
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(readable(pair.client, patience));
    char byte = 0;
    EXPECT_EQ(read(pair.client.get(), &byte, 1), 0);
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(write(pair.server.get(), "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
}

// 01: what write answers once the peer is gone.
TEST(WriteAfterTheEnd, SucceedsOnceAfterTheFin) {
    std::signal(SIGPIPE, SIG_IGN);
    Pair pair;
    pair.client.close();
    ASSERT_TRUE(readable(pair.server, patience));  // the FIN is here
    EXPECT_EQ(write(pair.server.get(), "x", 1), 1);
    char byte = 0;
    pollfd reset{.fd = pair.server.get(), .events = 0, .revents = 0};
    ASSERT_EQ(poll(&reset, 1, patience), 1);  // the client's kernel answers with a reset: nobody is there
    EXPECT_EQ(write(pair.server.get(), "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);  // after a FIN the reset counts as a broken pipe at once
    EXPECT_EQ(read(pair.server.get(), &byte, 1), 0);
}

TEST(WriteAfterTheEnd, IsResetThenBrokenPipeAfterAReset) {
    std::signal(SIGPIPE, SIG_IGN);
    Pair pair;
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    pair.client.close();
    ASSERT_TRUE(readable(pair.server, patience));
    EXPECT_EQ(write(pair.server.get(), "x", 1), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_EQ(write(pair.server.get(), "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
}

TEST(WriteAfterTheEnd, SigpipeEndsTheProcessUnlessIgnored) {
    Pair pair;
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    pair.client.close();
    ASSERT_TRUE(readable(pair.server, patience));
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGPIPE, SIG_DFL);
        for (int i = 0; i < 2; ++i)
            [[maybe_unused]] const ssize_t unseen = write(pair.server.get(), "x", 1);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGPIPE);
}

// Design of every server: whoever closes with input unread resets, and what was on its way is lost.
TEST(Close, WithInputUnreadIsAReset) {
    Pair pair;
    ASSERT_EQ(write(pair.client.get(), "x", 1), 1);
    ASSERT_TRUE(readable(pair.server, patience));
    pair.server.close();
    ASSERT_TRUE(readable(pair.client, patience));
    char byte = 0;
    EXPECT_EQ(read(pair.client.get(), &byte, 1), -1);
    EXPECT_EQ(errno, ECONNRESET);
}

// 01: half-close is shutdown, and the other direction goes on.
TEST(Shutdown, EndsOneDirectionOnly) {
    const Pair pair;
    shutdown(pair.client.get(), SHUT_WR);
    char byte = 0;
    EXPECT_EQ(read(pair.server.get(), &byte, 1), 0);
    EXPECT_EQ(write(pair.server.get(), "x", 1), 1);
    EXPECT_EQ(read(pair.client.get(), &byte, 1), 1);
}

// 02: a signal that is pending is not queued again.
TEST(Sigchld, SignalsThatComeTogetherAreOne) {
    static volatile std::sig_atomic_t arrived = 0;
    std::signal(SIGCHLD, [](int) { arrived = arrived + 1; });
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, nullptr);
    for (int i = 0; i < 5; ++i) {
        const pid_t child = fork();
        if (child == 0)
            _exit(0);
        siginfo_t ended{};
        waitid(P_PID, child, &ended, WEXITED | WNOWAIT);
    }
    sigprocmask(SIG_UNBLOCK, &child_signal, nullptr);
    EXPECT_EQ(arrived, 1);
    int reaped = 0;
    while (waitpid(-1, nullptr, WNOHANG) > 0)
        ++reaped;
    EXPECT_EQ(reaped, 5);
    std::signal(SIGCHLD, SIG_DFL);
}

}  // namespace
