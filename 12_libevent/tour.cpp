// 12_libevent: a tour of the library, one stop at a time.
//
// Each function below shows one thing about events and the loop, and says what it sees. What most of them watch is a
// pipe in which a byte lies that nobody reads: it is always ready.
// Left out on purpose: checking what cannot fail here.
// Build: g++ -std=c++20 -I. 12_libevent/tour.cpp -levent_core -o tour

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <type_traits>

#include "12_libevent/owned.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/stream.h"

namespace {

// What they return, and what they are called. [types]
static_assert(std::is_same_v<decltype(event_free), void(event *)>);
static_assert(std::is_same_v<decltype(bufferevent_write), int(bufferevent *, const void *, std::size_t)>);
static_assert(std::is_same_v<decltype(bufferevent_enable), int(bufferevent *, short)>);
static_assert(std::is_same_v<decltype(bufferevent_get_enabled), short(bufferevent *)>);

constexpr int one_turn = EVLOOP_ONCE | EVLOOP_NONBLOCK;  // do what is ready, and do not wait

struct Pipe {
    Descriptor reading, writing;
};

Pipe ready_pipe() {
    std::array<int, 2> ends;
    check(pipe(ends.data()), "pipe");
    Pipe made{Descriptor(ends[0]), Descriptor(ends[1])};
    check(write(made.writing.get(), "x", 1), "write");
    return made;
}

const char *yes_or_no(bool yes) {
    return yes ? "yes" : "no";
}

// An event's last argument is handed on to its callback: here, what is to be printed.
void say(evutil_socket_t /*descriptor*/, short /*what*/, void *words) {
    std::printf("  %s\n", static_cast<const char *>(words));
}

void *words(const char *text) {
    return const_cast<char *>(text);
}

void run(event_base *base) {
    const int result = event_base_dispatch(base);
    std::printf("dispatch returned %d%s%s%s\n", result, result == 1 ? ": no event is left" : "",
                event_base_got_exit(base) ? ": loopexit" : "", event_base_got_break(base) ? ": loopbreak" : "");
}

struct Counted {
    Event event;
    int calls = 0;
};

// Three times, then the event is deleted.
void count(evutil_socket_t /*descriptor*/, short /*what*/, void *context) {
    Counted &counted = *static_cast<Counted *>(context);
    std::printf("  called\n");
    if (++counted.calls == 3)
        event_del(counted.event.get());
}

// [persist]
void persist(event_base *base) {
    const Pipe pipe = ready_pipe();
    for (const bool again : {false, true}) {
        Counted counted;
        std::printf("with%s EV_PERSIST:\n", again ? "" : "out");
        const short kind = again ? EV_READ | EV_PERSIST : EV_READ;
        counted.event.reset(event_new(base, pipe.reading.get(), kind, count, &counted));
        event_add(counted.event.get(), nullptr);
        run(base);
    }
}

void leave_after_this_turn(evutil_socket_t /*descriptor*/, short /*what*/, void *base) {
    std::printf("  first: loopexit\n");
    event_base_loopexit(static_cast<event_base *>(base), nullptr);
}

void leave_at_once(evutil_socket_t /*descriptor*/, short /*what*/, void *base) {
    std::printf("  first: loopbreak\n");
    event_base_loopbreak(static_cast<event_base *>(base));
}

// Two events are active in the same turn, and the first leaves the loop. [leave]
void leave(event_base *base) {
    for (const event_callback_fn how : {leave_after_this_turn, leave_at_once}) {
        const Event first(event_new(base, -1, 0, how, base));
        const Event second(event_new(base, -1, 0, say, words("second")));
        event_active(first.get(), 0, 0);
        event_active(second.get(), 0, 0);
        run(base);
    }
}

void show_pending(const char *when, const event *event) {
    std::printf("%s: %s\n", when, event_pending(event, EV_READ, nullptr) ? "pending" : "not pending");
}

// [pending]
void pending(event_base *base) {
    const Pipe pipe = ready_pipe();
    const Event event(event_new(base, pipe.reading.get(), EV_READ, say, words("called")));
    show_pending("made", event.get());
    event_add(event.get(), nullptr);
    show_pending("added", event.get());
    event_base_loop(base, one_turn);
    show_pending("after its turn", event.get());
    event_add(event.get(), nullptr);
    show_pending("added again", event.get());
    event_del(event.get());
    show_pending("deleted", event.get());
}

void on_read(bufferevent *stream, void * /*context*/) {
    std::array<char, 16> text;
    const std::size_t count = bufferevent_read(stream, text.data(), text.size());
    std::printf("  read: %.*s\n", static_cast<int>(count), text.data());
}

void show_enabled(const char *when, bufferevent *stream) {
    const short enabled = bufferevent_get_enabled(stream);
    std::printf("%s: EV_READ %s, EV_WRITE %s\n", when, yes_or_no(enabled & EV_READ),
                yes_or_no(enabled & EV_WRITE));
}

// What comes while reading is disabled waits in the kernel. [enable]
void enable(event_base *base) {
    std::array<evutil_socket_t, 2> ends;
    check(evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), "socketpair");
    const Descriptor other(ends[1]);
    evutil_make_socket_nonblocking(ends[0]);
    const Stream stream(bufferevent_socket_new(base, ends[0], BEV_OPT_CLOSE_ON_FREE));
    bufferevent_setcb(stream.get(), on_read, nullptr, nullptr, nullptr);
    show_enabled("new", stream.get());
    check(write(other.get(), "one", 3), "write");
    event_base_loop(base, one_turn);
    bufferevent_enable(stream.get(), EV_READ);
    show_enabled("enabled", stream.get());
    event_base_loop(base, one_turn);
    bufferevent_disable(stream.get(), EV_READ);
    show_enabled("disabled", stream.get());
    check(write(other.get(), "two", 3), "write");
    event_base_loop(base, one_turn);
}

// A child inherits the base, and with it the very interest set of its parent, in the kernel. [reinit]
void reinit(event_base *base) {
    const Pipe pipe = ready_pipe();
    for (const bool anew : {true, false}) {
        Event event(event_new(base, pipe.reading.get(), EV_READ | EV_PERSIST, say, words("the parent hears")));
        event_add(event.get(), nullptr);
        std::printf("the child deletes its copy, with%s event_reinit\n", anew ? "" : "out");
        std::fflush(stdout);
        const pid_t child = check(fork(), "fork");
        if (child == 0) {
            if (anew)
                event_reinit(base);
            event_del(event.get());
            std::_Exit(0);
        }
        waitpid(child, nullptr, 0);
        event_base_loop(base, one_turn);
    }
}

// The lower the number, the earlier. [priority]
void priority(event_base *base) {
    const Pipe pipe = ready_pipe();
    event_base_priority_init(base, 2);
    const Event later(event_new(base, pipe.reading.get(), EV_READ, say, words("priority 1, added first")));
    const Event sooner(event_new(base, pipe.reading.get(), EV_READ, say, words("priority 0, added second")));
    event_priority_set(later.get(), 1);
    event_priority_set(sooner.get(), 0);
    event_add(later.get(), nullptr);
    event_add(sooner.get(), nullptr);
    run(base);
}

// Whose descriptor the flag closes: the listener's own, not those of its connections. [who-closes]
void close_on_free(event_base *base) {
    for (const unsigned flags : {0U, LEV_OPT_CLOSE_ON_FREE}) {
        const evutil_socket_t socket = check(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
        Listener listener(evconnlistener_new(base, nullptr, nullptr, flags, 1, socket));
        listener.reset();
        const bool open = fcntl(socket, F_GETFD) != -1;
        std::printf("with%s LEV_OPT_CLOSE_ON_FREE: open still: %s\n", flags ? "" : "out", yes_or_no(open));
        if (open)
            evutil_closesocket(socket);
    }
}

struct Stop {
    const char *name;
    void (*show)(event_base *);
};

constexpr std::array stops{Stop{"persist", persist},    Stop{"leave", leave},   Stop{"pending", pending},
                           Stop{"enable", enable},      Stop{"reinit", reinit}, Stop{"priority", priority},
                           Stop{"close", close_on_free}};

}  // namespace

int main(int argc, char *argv[]) try {
    const std::string_view word = argc == 2 ? argv[1] : "";
    for (const Stop &stop : stops) {
        if (word == stop.name) {
            const Base base(made(event_base_new(), "event_base_new"));
            stop.show(base.get());
            return 0;
        }
    }
    std::printf("usage: tour STOP\nstops:");
    for (const Stop &stop : stops)
        std::printf(" %s", stop.name);
    std::printf("\n");
    return word == "--help" ? 0 : 2;
} catch (const std::exception &error) {
    std::fprintf(stderr, "tour: %s\n", error.what());
    return 1;
}
