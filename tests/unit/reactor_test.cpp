// 07: what a handler may do in the middle of a batch, and what other threads may do at any time.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "07_reactor/acceptor.h"
#include "07_reactor/connection.h"
#include "07_reactor/connector.h"
#include "07_reactor/event_loop.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5s;

// Both ends of a connection; ours does not block.
struct Pair {
    Descriptor ours, theirs;
    Pair() {
        std::array<int, 2> ends{};
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), "socketpair");
        ours = Descriptor(ends[0]);
        theirs = Descriptor(ends[1]);
    }
    void say(std::string_view text) const {
        EXPECT_EQ(write(theirs.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] std::string hear() const {
        std::array<char, 65536> text{};
        const ssize_t count = read(theirs.get(), text.data(), text.size());
        if (count == -1)
            return errno == ECONNRESET ? "a reset" : "nothing";
        return count == 0 ? "the end" : std::string(text.data(), count);
    }
};

// Runs the loop until it stops itself. A failure when it does not.
void run(EventLoop &loop) {
    Timer watchdog(loop.timers(), [&] {
        ADD_FAILURE() << "the loop waits for ever";
        loop.stop();
    });
    watchdog.set(Clock::now() + patience);
    loop.run();
}

// One turn: what is ready now is one batch, in the order in which it became so.
void turn(EventLoop &loop) {
    loop.post([&loop] { loop.stop(); });
    run(loop);
}

// Four connections that all have something to read when the turn begins, and what was called.
struct Batch {
    EventLoop loop;
    std::array<Pair, 4> pairs;
    std::string called;

    void watch(
        int index, std::function<void()> then = [] {}) {
        ASSERT_TRUE(loop.watch(number(index), {.read = true}, [this, index, then = std::move(then)](Ready) {
            called += static_cast<char>('a' + index);
            then();
        }));
        pairs[index].say("x");
    }
    [[nodiscard]] int number(int index) const { return pairs[index].ours.get(); }
    void close(int index) {
        loop.unwatch(number(index));
        pairs[index].ours.close();
    }
};

// A case: what b's handler does while events for a, b, c and d are being dealt with, and who is called in this turn
// and the next.
struct Case {
    const char *name;
    std::function<void(Batch &)> does;
    const char *this_turn;
    const char *next_turn;
};

// Puts a new connection, on which nothing has been said, under the number of `index`, which is closed.
void replace(Batch &batch, int index, const Pair &fresh) {
    const int number = batch.number(index);
    batch.close(index);
    ASSERT_EQ(dup2(fresh.ours.get(), number), number);
    batch.pairs[index].ours = Descriptor(number);
    ASSERT_TRUE(batch.loop.watch(number, {.read = true}, [&](Ready) { batch.called += "!"; }));
}

const Pair &silent() {
    static const Pair pair;
    return pair;
}

const std::vector<Case> cases = {
    {"Nothing", [](Batch &) {}, "abcd", ""},
    {"ClosesItself", [](Batch &batch) { batch.close(1); }, "abcd", ""},
    {"ClosesOneThatWasCalled", [](Batch &batch) { batch.close(0); }, "abcd", ""},
    {"ClosesOneThatIsToBeCalled", [](Batch &batch) { batch.close(2); }, "abd", ""},
    {"ClosesAll",
     [](Batch &batch) {
         for (int i = 0; i < 4; ++i)
             batch.close(i);
     },
     "ab", ""},
    {"ClosesItselfAndAddsOneOfItsNumber", [](Batch &batch) { replace(batch, 1, silent()); }, "abcd", ""},
    {"ClosesOneThatIsToBeCalledAndAddsOneOfItsNumber", [](Batch &batch) { replace(batch, 2, silent()); }, "abd",
     ""},
    {"UnwatchesAndWatchesAgain",
     [](Batch &batch) {
         batch.loop.unwatch(batch.number(2));
         batch.watch(2);
     },
     "abd", "c"},
    {"AsksForAnother", [](Batch &batch) { batch.loop.again(batch.number(3)); }, "abcd", "d"},
    {"AsksTwiceForAnother",
     [](Batch &batch) {
         batch.loop.again(batch.number(3));
         batch.loop.again(batch.number(3));
     },
     "abcd", "d"},
    {"AsksForItselfAndCloses",
     [](Batch &batch) {
         batch.loop.again(batch.number(1));
         batch.close(1);
     },
     "abcd", ""},
    {"AsksForOneAndAddsOneOfItsNumber",
     [](Batch &batch) {
         batch.loop.again(batch.number(0));
         replace(batch, 0, silent());
     },
     "abcd", ""},
    {"AddsOneThatIsReady",
     [](Batch &batch) {
         batch.loop.unwatch(batch.number(0));
         batch.watch(0);
     },
     "abcd", "a"},
};

void PrintTo(const Case &one, std::ostream *out) {
    *out << one.name;
}

class InTheMiddleOfABatch : public testing::TestWithParam<Case> {};

TEST_P(InTheMiddleOfABatch, OnlyThoseAreCalledWhoAreConcerned) {
    Batch batch;
    for (const int index : {0, 1, 2, 3})
        batch.watch(
            index, index == 1 ? std::function<void()>([&] { GetParam().does(batch); }) : [] {});
    turn(batch.loop);
    EXPECT_EQ(batch.called, GetParam().this_turn);
    batch.called.clear();
    turn(batch.loop);
    EXPECT_EQ(batch.called, GetParam().next_turn);
}

INSTANTIATE_TEST_SUITE_P(Cases, InTheMiddleOfABatch, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(Handler, LivesUntilItReturns) {
    Batch batch;
    std::string seen;
    const std::string text = "what the handler holds, too long to be kept in place";
    batch.watch(0, [&batch, &seen, text] {
        batch.close(0);
        seen = text;
    });
    turn(batch.loop);
    EXPECT_EQ(seen, text);
}

TEST(Handler, IsDestroyedWhenTheTurnIsOver) {
    Batch batch;
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> observed = held;
    batch.watch(0, [&batch, held = std::move(held)] { batch.close(0); });
    batch.watch(1, [&observed] { EXPECT_FALSE(observed.expired()); });
    turn(batch.loop);
    EXPECT_TRUE(observed.expired());
}

TEST(Handler, ThatThrowsEndsTheLoopWithWhatItThrew) {
    Batch batch;
    batch.watch(0, [] { throw std::runtime_error("no such luck"); });
    EXPECT_THROW(batch.loop.run(), std::runtime_error);
}

// Level-triggered it would be called again and again, whatever it wants: a hang-up is reported unasked.
TEST(Handler, OfOneThatHangsUpIsCalledOnce) {
    EventLoop loop;
    Pair pair;
    int called = 0;
    ASSERT_TRUE(loop.watch(pair.ours.get(), {}, [&](Ready) { ++called; }));
    pair.theirs.close();
    Timer timer(loop.timers(), [&] { loop.stop(); });
    timer.set(Clock::now() + 20ms);
    run(loop);
    EXPECT_EQ(called, 1);
    loop.unwatch(pair.ours.get());
}

TEST(Timeout, MayCloseWhoIsReadyInTheSameTurn) {
    Batch batch;
    batch.watch(0);
    Timer timer(batch.loop.timers(), [&] { batch.close(0); });
    timer.set(Clock::now());
    turn(batch.loop);
    EXPECT_EQ(batch.called, "a");  // events first: who has said something is not late
}

TEST(Sleep, LastsUntilTheDeadlineAndNotLonger) {
    EventLoop loop;
    Timer timer(loop.timers(), [&] { loop.stop(); });
    const Time begin = Clock::now();
    timer.set(begin + 30ms);
    run(loop);
    EXPECT_GE(Clock::now(), begin + 30ms);
    EXPECT_LE(Clock::now(), begin + 30ms + 1s);
}

TEST(Post, IsCalledInTheLoopsThread) {
    EventLoop loop;
    std::thread::id called;
    std::thread other([&] {
        loop.post([&] {
            called = std::this_thread::get_id();
            loop.stop();
        });
    });
    run(loop);
    other.join();
    EXPECT_EQ(called, std::this_thread::get_id());
}

TEST(Post, LosesNothingAndKeepsEachThreadsOrder) {
    constexpr int threads = 4;
    constexpr int tasks = 5000;
    EventLoop loop;
    std::array<std::vector<int>, threads> done;
    std::atomic<int> left = threads * tasks;
    std::vector<std::thread> others;
    others.reserve(threads);
    for (int thread = 0; thread < threads; ++thread) {
        others.emplace_back([&, thread] {
            for (int task = 0; task < tasks; ++task)
                loop.post([&, thread, task] {
                    done[thread].push_back(task);
                    if (--left == 0)
                        loop.stop();
                });
        });
    }
    run(loop);
    for (auto &other : others)
        other.join();
    for (const auto &of : done) {
        ASSERT_EQ(of.size(), tasks);
        EXPECT_TRUE(std::is_sorted(of.begin(), of.end()));
    }
}

// Each of two threads waits for its last task before it posts another, so that the loop is asleep, or about to be,
// or taking the other's task: a wake-up that is lost is one for which they wait in vain.
TEST(Post, WakesALoopThatIsAboutToSleep) {
    constexpr int tasks = 5000;
    EventLoop loop;
    std::atomic<int> left = 2;
    const auto poster = [&] {
        const Time deadline = Clock::now() + 2 * patience;
        const auto done = std::make_shared<std::atomic<int>>(0);  // a task that comes too late has it still
        for (int task = 0; task < tasks && Clock::now() < deadline; ++task) {
            loop.post([done] { ++*done; });
            while (*done <= task && Clock::now() < deadline)
                std::this_thread::yield();
        }
        EXPECT_EQ(*done, tasks);
        loop.post([&] {
            if (--left == 0)
                loop.stop();
        });
    };
    std::thread one(poster);
    std::thread other(poster);
    run(loop);
    one.join();
    other.join();
}

// A connection on the loop, its other end, and what its handlers were told.
struct Talk {
    EventLoop &loop;
    Pair pair = {};
    std::string told = {};
    std::shared_ptr<Connection> connection = {};  // its owner
    int number = -1;

    explicit Talk(EventLoop &on, Connection::Handlers handlers = {}, Duration idle = {}) : loop(on) {
        number = pair.ours.get();
        if (!handlers.received)
            handlers.received = [this](Connection &, std::span<char> bytes) {
                told += std::string(bytes.begin(), bytes.end());
            };
        if (!handlers.closed)
            handlers.closed = [this](Connection &, int error) {
                told += error == 0 ? "closed" : "lost";
                connection.reset();
            };
        connection = Connection::open(loop, std::move(pair.ours), Address{}, std::move(handlers), idle);
    }
};

// What a handler of one connection does to itself and to another that is ready too, and what their peers hear. The
// other has not been read: to close it is a reset.
struct ConnectionCase {
    const char *name;
    std::function<void(Connection &, Talk &other)> does;
    const char *one;  // what its peer hears
    const char *other;
};

const std::vector<ConnectionCase> connection_cases = {
    {"Answers", [](Connection &one, Talk &) { one.send(std::string("yes")); }, "yes", "nothing"},
    {"ClosesItself", [](Connection &one, Talk &) { one.close(); }, "the end", "nothing"},
    {"ClosesItselfTwice",
     [](Connection &one, Talk &) {
         one.close();
         one.close();
     },
     "the end", "nothing"},
    {"AnswersAndClosesItself",
     [](Connection &one, Talk &) {
         one.send(std::string("yes"));
         one.close();
         one.send(std::string("no"));
     },
     "yes", "nothing"},
    {"ClosesTheOther", [](Connection &, Talk &other) { other.connection->close(); }, "nothing", "a reset"},
    {"ClosesBoth",
     [](Connection &one, Talk &other) {
         other.connection->close();
         one.close();
     },
     "the end", "a reset"},
    {"FinishesItself", [](Connection &one, Talk &) { one.finish(); }, "the end", "nothing"},
    {"AnswersAndFinishes",
     [](Connection &one, Talk &) {
         one.send(std::string("yes"));
         one.finish();
         one.send(std::string("no"));
     },
     "yes", "nothing"},
    {"FinishesTheOther", [](Connection &, Talk &other) { other.connection->finish(); }, "nothing", "the end"},
    {"EndsAndFinishesItself",
     [](Connection &one, Talk &) {
         one.end();
         one.finish();
     },
     "the end", "nothing"},
    {"ClosesWhatItHasPaused",
     [](Connection &one, Talk &other) {
         one.pause();
         other.connection->pause();
         one.close();
         other.connection->close();
     },
     "the end", "a reset"},
    {"ClosesAndResumes",
     [](Connection &one, Talk &) {
         one.close();
         one.pause();
         one.resume();
         one.await_room(true);
         one.end();
         one.finish();
     },
     "the end", "nothing"},
};

void PrintTo(const ConnectionCase &one, std::ostream *out) {
    *out << one.name;
}

class InItsHandler : public testing::TestWithParam<ConnectionCase> {};

TEST_P(InItsHandler, AConnectionMayBeEndedOneWayOrAnother) {
    EventLoop loop;
    std::unique_ptr<Talk> other;
    Talk one(loop, {.received = [&](Connection &connection, std::span<char>) {
                 GetParam().does(connection, *other);
             }});
    other = std::make_unique<Talk>(loop);
    one.pair.say("x");
    other->pair.say("x");
    turn(loop);
    turn(loop);
    EXPECT_EQ(one.pair.hear(), GetParam().one);
    EXPECT_EQ(other->pair.hear(), GetParam().other);
}

INSTANTIATE_TEST_SUITE_P(Cases, InItsHandler, testing::ValuesIn(connection_cases),
                         [](const auto &info) { return std::string(info.param.name); });

// One closes, and a new one has its number before the events of the turn are through.
TEST(Connection, OfAReusedNumberHearsNothingOfItsPredecessor) {
    EventLoop loop;
    std::unique_ptr<Talk> old;
    std::unique_ptr<Talk> next;
    Talk first(loop, {.received = [&](Connection &, std::span<char>) {
                   old->connection->close();
                   next = std::make_unique<Talk>(loop);
               }});
    old = std::make_unique<Talk>(loop);
    const int number = old->number;
    first.pair.say("x");
    old->pair.say("meant for the old one");
    old->pair.theirs.close();
    turn(loop);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->number, number);
    EXPECT_EQ(next->told, "");
    next->pair.say("hello");
    turn(loop);
    EXPECT_EQ(next->told, "hello");
}

TEST(Connection, LivesUntilTheTurnIsOverThoughItsOwnerLetsGo) {
    EventLoop loop;
    std::weak_ptr<Connection> observed;
    std::string after;
    Talk talk(loop, {.received = [&](Connection &connection, std::span<char>) {
                  connection.close();
                  EXPECT_FALSE(talk.connection);
                  after = connection.is_closed() ? "still there" : "?";
              }});
    observed = talk.connection;
    talk.pair.say("x");
    turn(loop);
    EXPECT_EQ(after, "still there");
    EXPECT_TRUE(observed.expired());
}

TEST(Connection, IsToldOfTheEndOfFileBehindTheLastBytes) {
    EventLoop loop;
    Talk talk(loop);
    talk.pair.say("last words");
    talk.pair.theirs.close();
    turn(loop);
    turn(loop);
    EXPECT_EQ(talk.told, "last wordsclosed");
}

TEST(Connection, ReadsNothingWhilePausedAndAllOfItLater) {
    EventLoop loop;
    Talk talk(loop);
    talk.connection->pause();
    talk.pair.say("while paused");
    turn(loop);
    turn(loop);
    EXPECT_EQ(talk.told, "");
    talk.connection->resume();
    turn(loop);
    EXPECT_EQ(talk.told, "while paused");
}

TEST(Connection, HearsOfAnEndThatCameWhilePausedWhenItIsResumed) {
    EventLoop loop;
    Talk talk(loop);
    talk.connection->pause();
    talk.pair.theirs.close();
    turn(loop);
    EXPECT_EQ(talk.told, "");
    talk.connection->resume();
    turn(loop);
    EXPECT_EQ(talk.told, "closed");
}

// What the peer does not take is kept, told when it is gone, and reading stops meanwhile.
TEST(Connection, KeepsWhatIsPendingAndTellsWhenItIsDrained) {
    EventLoop loop;
    bool drained = false;
    Talk talk(loop, {.drained = [&](Connection &) { drained = true; }});
    const std::string much(4 << 20, 'x');
    talk.connection->send(much);
    EXPECT_GE(talk.connection->pending(), Connection::high_water_mark);
    talk.pair.say("not yet");
    turn(loop);
    EXPECT_EQ(talk.told, "");
    std::size_t heard = 0;
    while (heard < much.size()) {
        const std::string piece = talk.pair.hear();
        if (piece == "nothing")
            turn(loop);
        else
            heard += piece.size();
    }
    turn(loop);
    EXPECT_TRUE(drained);
    EXPECT_EQ(talk.told, "not yet");
}

TEST(Connection, SendToAPeerThatIsGoneIsToldLater) {
    std::signal(SIGPIPE, SIG_IGN);
    EventLoop loop;
    Talk talk(loop);
    talk.pair.theirs.close();
    talk.connection->send(std::string("too late"));
    EXPECT_EQ(talk.told, "");
    turn(loop);
    EXPECT_EQ(talk.told, "lost");
}

TEST(Connection, AwaitsRoomAtOnceOrWhenThereIsSome) {
    EventLoop loop;
    int rooms = 0;
    Talk talk(loop, {.drained = [&](Connection &) { ++rooms; }});
    turn(loop);
    EXPECT_EQ(rooms, 0);  // it is writable all the time, and nobody asked
    talk.connection->await_room(true);
    turn(loop);
    EXPECT_EQ(rooms, 1);
    const std::string block(65536, 'x');
    while (write(talk.connection->descriptor(), block.data(), block.size()) > 0)
        continue;
    talk.connection->await_room(false);
    turn(loop);
    EXPECT_EQ(rooms, 1);
    while (talk.pair.hear() != "nothing")
        continue;
    turn(loop);
    EXPECT_EQ(rooms, 2);
}

TEST(Connection, ThatIsPausedAndOwesNothingIsNotIdle) {
    EventLoop loop;
    Talk talk(loop, {}, 20ms);
    talk.connection->pause();
    Timer timer(loop.timers(), [&] { loop.stop(); });
    timer.set(Clock::now() + 100ms);
    run(loop);
    EXPECT_EQ(talk.told, "");
    talk.connection->resume();
    timer.set(Clock::now() + patience / 2);
    while (talk.told.empty() && timer.is_set()) {
        Timer step(loop.timers(), [&] { loop.stop(); });
        step.set(Clock::now() + 5ms);
        run(loop);
    }
    EXPECT_EQ(talk.told, "lost");
}

TEST(Connection, FinishedThrowsAwayWhatComesUntilThePeerEnds) {
    EventLoop loop;
    Talk talk(loop);
    talk.connection->finish();
    for (int i = 0; i < 10; ++i) {
        talk.pair.say("and on and on");
        turn(loop);
    }
    EXPECT_EQ(talk.told, "");
    EXPECT_EQ(talk.pair.hear(), "the end");
    talk.pair.theirs.close();
    turn(loop);
    turn(loop);
    EXPECT_EQ(talk.told, "closed");
}

// Whatever it is still owed: nobody is read without end.
TEST(Connection, FinishedThrowsAwayNoMoreThanItsBound) {
    EventLoop loop;
    Talk talk(loop);
    const std::string piece(65536, 'x');
    while (talk.connection->pending() == 0)
        talk.connection->send(std::string_view(piece).substr(0, 4096));
    talk.connection->finish();
    std::size_t sent = 0;
    while (talk.told.empty() && sent < 2 * std::size_t{Connection::linger_bytes}) {
        sent += std::max<ssize_t>(write(talk.pair.theirs.get(), piece.data(), piece.size()), 0);
        turn(loop);
    }
    EXPECT_EQ(talk.told, "closed");
    EXPECT_GE(sent, Connection::linger_bytes);
}

TEST(Connector, ConnectsWithoutWaiting) {
    EventLoop loop;
    Address address = *parse_address("127.0.0.1", 0);
    Descriptor listener(check(socket(AF_INET, SOCK_STREAM, 0), "socket"));
    check(bind(listener.get(), &address.any, address.size), "bind");
    check(listen(listener.get(), 8), "listen");
    check(getsockname(listener.get(), &address.any, &address.size), "getsockname");
    std::string told;
    const Connector connector(
        loop, address,
        [&](const Descriptor &descriptor) {
            told = descriptor.get() == -1 ? "nothing" : "connected";
            loop.stop();
        },
        [&](const std::string &failure) { told = failure; });
    run(loop);
    EXPECT_EQ(told, "connected");
}

TEST(Connector, TellsTheAddressAndTheReasonAndMayBeDestroyedByIt) {
    EventLoop loop;
    const Address nobody = *parse_address("127.0.0.1", 1);
    std::string told;
    std::unique_ptr<Connector> connector;
    connector = std::make_unique<Connector>(
        loop, nobody, [](const Descriptor &) { FAIL(); },
        [&](const std::string &failure) {
            told = failure;
            loop.retire(std::move(connector));
            loop.stop();
        });
    run(loop);
    EXPECT_EQ(told, "cannot connect to 127.0.0.1:1: connect: Connection refused");
}

TEST(Acceptor, MayBeClosedByWhoItCalls) {
    EventLoop loop;
    Address address = *parse_address("127.0.0.1", 0);
    Descriptor listener(check(socket(AF_INET, SOCK_STREAM, 0), "socket"));
    check(bind(listener.get(), &address.any, address.size), "bind");
    check(listen(listener.get(), 8), "listen");
    check(getsockname(listener.get(), &address.any, &address.size), "getsockname");
    std::array<Descriptor, 3> clients;
    for (Descriptor &client : clients) {
        client = Descriptor(check(socket(AF_INET, SOCK_STREAM, 0), "socket"));
        check(connect(client.get(), &address.any, address.size), "connect");
    }
    int accepted = 0;
    std::function<void()> then;
    Acceptor acceptor(loop, std::move(listener), [&](const Descriptor &, const Address &) {
        ++accepted;
        then();
    });
    then = [&] { acceptor.close(); };
    turn(loop);
    EXPECT_EQ(accepted, 1);
}

}  // namespace
