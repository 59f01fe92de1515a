// What is pure and hot, by itself: upper-casing, the HTTP parser, the pool's queue, the timers. In nanoseconds.
//
// Build: g++ -std=c++20 -O2 -I. bench/micro.cpp -lbenchmark -o micro

#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "07_reactor/timers.h"
#include "08_threadpool/ring_queue.h"
#include "11_http/parser.h"
#include "wrap/upper.h"

// The variable of a benchmark's loop is never read: that is how the library has it.
// NOLINTBEGIN(clang-analyzer-deadcode.DeadStores)

namespace {

using namespace std::chrono_literals;

// ---- upper-casing

// Letters, capitals, digits and blanks, as they come in a text.
std::string some_text(std::size_t size) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzetaoinsrhlABCDEFG0123456789      ";
    std::mt19937 random;  // NOLINT(bugprone-random-generator-seed): the same text each time
    std::string text(size, ' ');
    for (char &c : text)
        c = letters[random() % letters.size()];
    return text;
}

// What was upper-cased has no small letter any more: each time the text is copied anew, which is part of the time.
void upper(benchmark::State &state) {
    const std::string text = some_text(static_cast<std::size_t>(state.range(0)));
    std::string copy = text;
    for (auto _ : state) {
        text.copy(copy.data(), text.size());
        upper_case(copy);
        benchmark::DoNotOptimize(copy.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

// ---- the HTTP parser

constexpr std::string_view short_head =
    "GET / HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

constexpr std::string_view browser_head =
    "GET /pictures/connections.svg?from=2026 HTTP/1.1\r\nHost: www.example.org:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n"
    "Accept-Language: de,en-US;q=0.7,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\nReferer: http://www.example.org:8080/\r\nSec-Fetch-Dest: image\r\n"
    "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\nPriority: u=5, i\r\n"
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: max-age=0\r\n\r\n";

void parse(benchmark::State &state, std::string_view head) {
    for (auto _ : state) {
        HeadProgress progress;
        Request request;
        benchmark::DoNotOptimize(parse_request(progress, head, request));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(head.size()));
}

// The head comes a byte at a time: the worst that a peer can do.
void parse_in_bytes(benchmark::State &state, std::string_view head) {
    for (auto _ : state) {
        HeadProgress progress;
        Request request;
        for (std::size_t size = 1; size <= head.size(); ++size)
            benchmark::DoNotOptimize(parse_request(progress, head.substr(0, size), request));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(head.size()));
}

// ---- the pool's queue, without its lock

template <typename Element>
void push_and_pop(benchmark::State &state, const Element &element) {
    RingQueue<Element> queue(256);
    for (int i = 0; i < 128; ++i)
        queue.push(element);
    for (auto _ : state) {
        queue.push(element);
        benchmark::DoNotOptimize(queue.pop());
    }
}

void queue_of_numbers(benchmark::State &state) {
    push_and_pop(state, 1);
}

// As the pool has them: what it captures is too large for a std::function to keep inside.
void queue_of_tasks(benchmark::State &state) {
    push_and_pop(state,
                 std::function<void()>([text = std::array<char, 64>()] { benchmark::DoNotOptimize(text[0]); }));
}

// ---- timers: 10,000 connections, each of which has one

constexpr std::size_t connections = 10000;
constexpr Duration idle_timeout = 60s;

// All connections have their timers set, and who is next to say something is drawn beforehand: in turn, or at random.
struct Server {
    TimerQueue queue;
    std::vector<std::unique_ptr<Timer>> timers;
    std::vector<std::size_t> order;
    Time now{};

    explicit Server(bool in_turn) {
        for (std::size_t i = 0; i < connections; ++i) {
            timers.push_back(std::make_unique<Timer>(queue, [] {}));
            timers.back()->set(now += 1us);
        }
        std::mt19937 random;  // NOLINT(bugprone-random-generator-seed): the same order each time
        for (std::size_t i = 0; i < 1 << 16; ++i)
            order.push_back(in_turn ? i % connections : random() % connections);
    }
};

// A message comes: its connection's timer is set anew.
void set_anew(benchmark::State &state) {
    Server server(state.range(0) != 0);
    std::size_t next = 0;
    for (auto _ : state) {
        server.now += 1us;
        server.timers[server.order[next++ % server.order.size()]]->set(server.now + idle_timeout);
    }
}

// The same, and the loop asks for the next deadline after each: one message a turn.
void set_anew_and_ask(benchmark::State &state) {
    Server server(state.range(0) != 0);
    std::size_t next = 0;
    for (auto _ : state) {
        server.now += 1us;
        server.timers[server.order[next++ % server.order.size()]]->set(server.now + idle_timeout);
        benchmark::DoNotOptimize(server.queue.next());
    }
}

// A connection comes and another goes.
void set_and_cancel(benchmark::State &state) {
    Server server(state.range(0) != 0);
    std::size_t next = 0;
    for (auto _ : state) {
        Timer &timer = *server.timers[server.order[next++ % server.order.size()]];
        server.now += 1us;
        timer.cancel();
        timer.set(server.now + idle_timeout);
    }
}

// NOLINTEND(clang-analyzer-deadcode.DeadStores)

BENCHMARK(upper)->ArgName("bytes")->Arg(64)->Arg(1024)->Arg(16384);
BENCHMARK_CAPTURE(parse, short_head, short_head);
BENCHMARK_CAPTURE(parse, browser_head, browser_head);
BENCHMARK_CAPTURE(parse_in_bytes, browser_head, browser_head);
BENCHMARK(queue_of_numbers);
BENCHMARK(queue_of_tasks);
BENCHMARK(set_anew)->ArgName("in_turn")->Arg(0)->Arg(1);
BENCHMARK(set_anew_and_ask)->ArgName("in_turn")->Arg(0)->Arg(1);
BENCHMARK(set_and_cancel)->ArgName("in_turn")->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
