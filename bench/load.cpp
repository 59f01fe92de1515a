// The load generator: many connections from one process, one message in flight on each (or --pipeline), every
// byte of every answer checked.
//
// Messages differ from each other, so that an answer that belongs to another message or another connection is
// found out. Latency is exact: the round trip of every message that began in the measured time, none sampled, and
// none left out because it came back late. Warm-up is left out, and so is opening and closing: connections end by
// a reset, which leaves no TIME_WAIT behind. With --churn opening and closing is what is measured: each connection
// has one message, both sides shut it down, and the next one is opened.
// Build: g++ -std=c++20 -O2 -I. bench/load.cpp -o load

#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "10_unix_socket/unix_address.h"
#include "10_unix_socket/unix_stream.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/upper.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t period = 65521;  // bytes until the noise repeats; a prime: no message size divides it
constexpr std::size_t slice = 65536;  // bytes sent or received in one call, at most
constexpr unsigned first_port = 10000;  // of those that we choose ourselves
constexpr unsigned ports_per_address = 50000;
constexpr unsigned quick_ports =
    12000;  // that the kernel finds quickly: half of its range, less what others have
constexpr unsigned addresses = 8;  // 127.0.0.2 and on
constexpr std::size_t samples = 1 << 22;  // for which there is room before the first is taken
constexpr unsigned spare_descriptors = 8;  // 0, 1, 2, epoll, and what a parent left open
constexpr int patience_ms = 10000;  // without a byte from the server, it is taken for stuck

struct Options {
    std::string host = "127.0.0.1";
    UnixAddress path = unnamed;  // instead of host and port, when it names something
    unsigned port = 9999;
    unsigned connections = 100;
    unsigned idle = 0;
    unsigned size = 64;
    unsigned pipeline = 1;
    double seconds = 1;
    double warm_up = 0.2;
    bool udp = false;
    bool churn = false;
    bool json = false;
    bool marks = false;
};

struct Connection {
    Descriptor descriptor;
    std::size_t start = 0;  // in the noise
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool writing = false;  // the kernel took less than there was: EPOLLOUT is asked for
    bool ending = false;  // --churn: the answer has come, and we have shut our side
    bool done = false;  // the measured time is over, and all that was sent has come back
    std::vector<Clock::time_point> began{};  // of the messages in flight, by number modulo pipeline
};

struct Load {
    Options options;
    Address server{};  // unless there is a path
    Descriptor epoll = Descriptor(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    std::string noise{};  // what is sent, period + slice bytes of it
    std::string loud{};  // what must come back
    std::vector<Connection> connections{};
    std::vector<Descriptor> idle{};
    unsigned source = 0;  // the next of our own choices, once the kernel has no port left
    bool own_sources = false;
    std::vector<std::chrono::nanoseconds> latencies{};  // of the messages that began in the measured time
    std::uint64_t answered = 0;  // came back in the measured time
    std::uint64_t checked = 0;  // came back at all
    Clock::time_point begin{}, end{};  // of the measured time
    bool begun = false, ended = false;
    double cpu = 0;  // our own, in the measured time, in seconds
};

[[noreturn]] void reject(const std::string &reason) {
    std::fprintf(stderr, "load: %s\n", reason.c_str());
    std::exit(2);
}

template <typename Number>
Number number(const char *option, std::string_view text, Number low, Number high) {
    Number value{};
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || rest != text.data() + text.size() || value < low || value > high)
        reject("--" + std::string(option) + ": '" + std::string(text) + "' is not a number from " +
               std::to_string(low) + " to " + std::to_string(high));
    return value;
}

constexpr const char *usage =
    "usage: load [OPTION]...\n"
    "  --host HOST      IPv4 or IPv6 address, 127.0.0.1 unless told otherwise\n"
    "  --port PORT      9999 unless told otherwise\n"
    "  --path PATH      instead of both, a path or @name\n"
    "  --connections N  that send and receive (100)\n"
    "  --idle N         connections besides, on which nothing is said (0)\n"
    "  --size N         bytes in a message (64)\n"
    "  --pipeline N     messages in flight on each connection (1)\n"
    "  --seconds S      measured (1)\n"
    "  --warm-up S      before that, not measured (0.2)\n"
    "  --udp            datagrams, a message each; one that is lost is an error\n"
    "  --churn          a connection for each message; its round trip begins before connect()\n"
    "  --json           one JSON object instead of text\n"
    "  --marks          before that, the lines 'begin' and 'end' when the measured time does, and 'open' when\n"
    "                   all is answered; after each it waits for a line on stdin, or its end\n";

Options parse_options(int argc, char *argv[]) {
    static const option known[] = {{"host", required_argument, nullptr, 'h'},
                                   {"port", required_argument, nullptr, 'p'},
                                   {"path", required_argument, nullptr, 'u'},
                                   {"connections", required_argument, nullptr, 'c'},
                                   {"idle", required_argument, nullptr, 'i'},
                                   {"size", required_argument, nullptr, 's'},
                                   {"pipeline", required_argument, nullptr, 'l'},
                                   {"seconds", required_argument, nullptr, 't'},
                                   {"warm-up", required_argument, nullptr, 'w'},
                                   {"udp", no_argument, nullptr, 'd'},
                                   {"churn", no_argument, nullptr, 'o'},
                                   {"json", no_argument, nullptr, 'j'},
                                   {"marks", no_argument, nullptr, 'm'},
                                   {"help", no_argument, nullptr, '!'},
                                   {}};
    Options options;
    for (int found; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
        switch (found) {
            case 'h':
                options.host = optarg;
                break;
            case 'p':
                options.port = number("port", optarg, 1U, 65535U);
                break;
            case 'u':
                if (!parse_unix_address(optarg))
                    reject("--path: '" + std::string(optarg) + "' is not a path or @name of 1 to 107 bytes");
                options.path = *parse_unix_address(optarg);
                break;
            case 'c':
                options.connections = number("connections", optarg, 1U, 1000000U);
                break;
            case 'i':
                options.idle = number("idle", optarg, 0U, 1000000U);
                break;
            case 's':
                options.size = number("size", optarg, 1U, 64U << 20);
                break;
            case 'l':
                options.pipeline = number("pipeline", optarg, 1U, 65536U);
                break;
            case 't':
                options.seconds = number("seconds", optarg, 0.0, 3600.0);
                break;
            case 'w':
                options.warm_up = number("warm-up", optarg, 0.0, 3600.0);
                break;
            case 'd':
                options.udp = true;
                break;
            case 'o':
                options.churn = true;
                break;
            case 'j':
                options.json = true;
                break;
            case 'm':
                options.marks = true;
                break;
            case '!':
                std::fputs(usage, stdout);
                std::exit(0);
            default:
                std::exit(2);
        }
    }
    if (optind != argc)
        reject("unexpected argument '" + std::string(argv[optind]) + "'");
    if (options.udp && (options.pipeline > 1 || options.size > 65507))
        reject("--udp: one message in flight, and no more than 65507 bytes");
    if (options.churn && (options.udp || options.pipeline > 1))
        reject("--churn: one message on each connection, and not with --udp");
    return options;
}

// Binds to the next of our own choices: 127.0.0.2 and on, each with its ports. ip(7)
void choose_source(Load &load, const Descriptor &descriptor) {
    Address source;
    source.v4.sin_family = AF_INET;
    for (; load.source < addresses * ports_per_address; ++load.source) {
        source.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + load.source / ports_per_address);
        source.v4.sin_port = htons(static_cast<std::uint16_t>(first_port + load.source % ports_per_address));
        if (bind(descriptor.get(), &source.any, sizeof source.v4) == 0)
            return;
        if (errno != EADDRINUSE)
            throw_errno("bind");
    }
    throw std::runtime_error("all source ports are in use");
}

// Connects, from a port of the kernel's choice as long as it has one for this server at hand, then from other loopback
// addresses. It has 28,232 unless set otherwise; once the even half is taken, it tries all of that half before each
// of the odd ones, which makes it a millisecond a connection. ip(7), ip_local_port_range
Descriptor connect_from_somewhere(Load &load) {
    const Address &server = load.server;
    const bool loopback = server.any.sa_family == AF_INET && ntohl(server.v4.sin_addr.s_addr) >> 24 == 127;
    for (;;) {
        Descriptor descriptor(
            check(socket(server.any.sa_family, load.options.udp ? SOCK_DGRAM : SOCK_STREAM, 0), "socket"));
        if (load.idle.size() + load.connections.size() == quick_ports)
            load.own_sources |= loopback;
        if (load.own_sources)
            choose_source(load, descriptor);
        load.source += load.own_sources;
        if (connect(descriptor.get(), &server.any, server.size) == 0) {
            const int on = 1;
            setsockopt(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            if (load.options.churn)
                return descriptor;
            const linger reset{.l_onoff = 1, .l_linger = 0};
            setsockopt(descriptor.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            return descriptor;
        }
        if (errno != EADDRNOTAVAIL || !loopback)
            throw_errno("connect to " + to_text(server));
        load.own_sources = true;
    }
}

Descriptor open_one(Load &load) {
    const UnixAddress &path = load.options.path;
    return name_of(path).empty() ? connect_from_somewhere(load) : connect_to(path, unnamed);
}

// Edge-triggered: epoll_wait need not look again at each connection that was ready last time.
void watch(Load &load, std::size_t index, bool writing, int change) {
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.u64 = index}};
    if (writing)
        event.events |= EPOLLOUT;
    check(epoll_ctl(load.epoll.get(), change, load.connections[index].descriptor.get(), &event), "epoll_ctl");
    load.connections[index].writing = writing;
}

[[noreturn]] void fail(const Connection &connection, const Options &options, const std::string &reason) {
    throw std::runtime_error("message " + std::to_string(connection.received / options.size + 1) +
                             " of a connection: " + reason);
}

// Begins new messages, as many as may be in flight, and sends what the kernel takes of them.
void send_some(Load &load, std::size_t index, Clock::time_point now, bool begin_new) {
    Connection &connection = load.connections[index];
    const Options &options = load.options;
    const std::uint64_t complete = connection.received / options.size;
    std::uint64_t allowed = (complete + options.pipeline) * options.size;
    if (!begin_new)  // only finish what was begun
        allowed = (connection.sent + options.size - 1) / options.size * options.size;
    if (options.churn)
        allowed = options.size;
    while (connection.sent < allowed) {
        const std::size_t size = std::min<std::uint64_t>(allowed - connection.sent, slice);
        const char *from = &load.noise[(connection.start + connection.sent) % period];
        for (std::uint64_t first = (connection.sent + options.size - 1) / options.size;
             first * options.size < connection.sent + size; ++first)
            connection.began[first % options.pipeline] = now;
        const ssize_t sent = send(connection.descriptor.get(), from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == -1 && errno != EAGAIN)
            fail(connection, options, std::string("send: ") + std::strerror(errno));
        connection.sent += std::max<ssize_t>(sent, 0);
        if (sent != static_cast<ssize_t>(size))
            break;
    }
    if (connection.writing != (connection.sent < allowed))
        watch(load, index, connection.sent < allowed, EPOLL_CTL_MOD);
}

// Reads once, compares every byte, and takes the time of each message that is complete with it. Returns how many
// bytes had come.
std::size_t receive_some(Load &load, std::size_t index, std::string &buffer, Clock::time_point &now) {
    Connection &connection = load.connections[index];
    const Options &options = load.options;
    const ssize_t received = recv(connection.descriptor.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received == -1 && errno == EAGAIN)
        return 0;
    if (received == 0 && connection.ending) {
        connection.descriptor = Descriptor();
        return 0;
    }
    if (received <= 0)
        fail(connection, options, received == 0 ? "the server closed" : std::strerror(errno));
    now = Clock::now();
    const char *expected = &load.loud[(connection.start + connection.received) % period];
    if (connection.received + received > connection.sent)
        fail(connection, options, "more came back than was sent");
    if (std::memcmp(buffer.data(), expected, received) != 0)
        fail(connection, options, "a byte came back wrong");
    std::uint64_t message = connection.received / options.size;
    connection.received += received;
    for (; message < connection.received / options.size; ++message, ++load.checked) {
        const auto began = connection.began[message % options.pipeline];
        load.answered += now >= load.begin && now < load.end;
        if (began >= load.begin && began < load.end)
            load.latencies.push_back(now - began);
    }
    if (options.churn && connection.received == options.size) {
        shutdown(connection.descriptor.get(), SHUT_WR);
        connection.ending = true;
    }
    return received;
}

// Reads all that has come: what fills the buffer may not be all, and an end of file is behind the rest.
void receive_all(Load &load, const epoll_event &event, std::string &buffer, Clock::time_point &now) {
    const bool ending = (event.events & EPOLLRDHUP) != 0;
    std::size_t received = 0;
    do
        received = receive_some(load, event.data.u64, buffer, now);
    while (received == buffer.size() || (ending && received > 0));
}

// --churn: opens a connection in the place of one that both sides have closed.
void open_next(Load &load, std::size_t index) {
    Connection &connection = load.connections[index];
    const auto began = Clock::now();
    connection.descriptor = open_one(load);
    connection.sent = connection.received = 0;
    connection.ending = false;
    watch(load, index, false, EPOLL_CTL_ADD);
    send_some(load, index, began, true);
}

void make_noise(Load &load, std::mt19937 &random) {
    for (std::size_t i = 0; i < period; ++i)
        load.noise.push_back(static_cast<char>('a' + random() % 26));
    while (load.noise.size() < period + slice)
        load.noise.push_back(load.noise[load.noise.size() - period]);
    load.loud = load.noise;
    upper_case(load.loud);
}

void open_all(Load &load) {
    const auto server = parse_address(load.options.host.c_str(), load.options.port);
    if (!server)
        reject("--host: '" + load.options.host + "' is not an IPv4 or IPv6 address");
    load.server = *server;
    std::mt19937 random(1);
    make_noise(load, random);
    for (unsigned i = 0; i < load.options.idle; ++i)
        load.idle.push_back(open_one(load));
    load.connections.reserve(load.options.connections);
    for (unsigned i = 0; i < load.options.connections; ++i) {
        load.connections.push_back({.descriptor = open_one(load),
                                    .start = random() % period,
                                    .began = std::vector<Clock::time_point>(load.options.pipeline)});
        watch(load, i, false, EPOLL_CTL_ADD);
    }
}

double own_cpu() {
    timespec used{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

// Says the word and waits for a line on stdin, or its end: whoever watches the server may be late. True when a line came.
bool mark(const Load &load, const char *word) {
    if (!load.options.marks)
        return false;
    std::puts(word);
    std::fflush(stdout);
    int c = std::getchar();
    while (c != '\n' && c != EOF)
        c = std::getchar();
    return c == '\n';
}

// Notices when the measured time begins and ends.
void look_at_clock(Load &load, Clock::time_point now) {
    if (!load.begun && now >= load.begin) {
        load.begun = true;
        if (mark(load, "begin")) {
            load.end += Clock::now() - load.begin;
            load.begin = Clock::now();
        }
        load.cpu -= own_cpu();
    }
    if (!load.ended && now >= load.end) {
        load.ended = true;
        load.cpu += own_cpu();
        mark(load, "end");
    }
}

// Whether this turn was the connection's last.
bool over(Connection &connection, const Options &options, bool ended) {
    const bool complete = options.churn
                              ? connection.descriptor.get() == -1
                              : connection.received == connection.sent && connection.sent % options.size == 0;
    return ended && complete && !std::exchange(connection.done, true);
}

// Sends and receives on all connections until the measured time is over and all that was begun has come back.
void run(Load &load) {
    const auto seconds = [](double value) {
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(value));
    };
    std::string buffer(slice, '\0');
    std::array<epoll_event, 512> events;
    load.latencies.reserve(samples);
    auto now = Clock::now();
    load.begin = now + seconds(load.options.warm_up);
    load.end = load.begin + seconds(load.options.seconds);
    for (std::size_t i = 0; i < load.connections.size(); ++i)
        send_some(load, i, now, true);
    std::size_t busy = load.connections.size();
    while (busy > 0) {
        const int count = epoll_wait(load.epoll.get(), events.data(), events.size(), patience_ms);
        if (count == 0)
            throw std::runtime_error("nothing came from the server for " + std::to_string(patience_ms / 1000) +
                                     " s");
        now = Clock::now();
        look_at_clock(load, now);
        for (int i = 0; i < count; ++i) {
            const std::size_t index = events[i].data.u64;
            if (events[i].events & ~EPOLLOUT)
                receive_all(load, events[i], buffer, now);
            if (load.connections[index].descriptor.get() != -1)
                send_some(load, index, now, now < load.end);
            else if (now < load.end)
                open_next(load, index);
            busy -= over(load.connections[index], load.options, now >= load.end);
        }
    }
    look_at_clock(load, std::max(now, load.end));
    mark(load, "open");
}

// Microseconds below which the share `part` of all messages stayed: nearest rank, exact.
double percentile(const std::vector<std::chrono::nanoseconds> &sorted, double part) {
    const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
    return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1].count()) / 1e3;
}

void report(Load &load) {
    const Options &options = load.options;
    auto &sorted = load.latencies;
    std::sort(sorted.begin(), sorted.end());
    if (sorted.empty() || load.answered == 0)
        throw std::runtime_error("no message began and came back in the measured time");
    const double rate = static_cast<double>(load.answered) / options.seconds;
    const char *format =
        options.json
            ? "{\"messages_per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p99_9_us\": %.1f, "
              "\"max_us\": %.1f, \"measured\": %zu, \"answered\": %llu, \"checked\": %llu, "
              "\"load_cpu_us_per_message\": %.3f}\n"
            : "%.0f messages/s; round trip p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f us\n"
              "%zu messages measured, %llu answered meanwhile, %llu checked; the load itself took %.3f us of "
              "CPU a message\n";
    std::printf(format, rate, percentile(sorted, 0.5), percentile(sorted, 0.99), percentile(sorted, 0.999),
                percentile(sorted, 1), sorted.size(), static_cast<unsigned long long>(load.answered),
                static_cast<unsigned long long>(load.checked),
                load.cpu / static_cast<double>(load.answered) * 1e6);
}

}  // namespace

int main(int argc, char *argv[]) try {
    Load load{.options = parse_options(argc, argv)};
    const unsigned long limit = raise_descriptor_limit();
    if (load.options.connections + load.options.idle + spare_descriptors > limit)
        reject("--connections and --idle: " + std::to_string(load.options.connections + load.options.idle) +
               " take more descriptors than a process may have here, " + std::to_string(limit));
    open_all(load);
    run(load);
    report(load);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
}
