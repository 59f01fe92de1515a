// What it costs to set a timer, with 10,000 connections each of which has one. Times in nanoseconds a timer.
//
// Build: g++ -std=c++20 -O2 -I. bench/timers.cpp -lbenchmark -o timers

#include "07_reactor/timers.h"

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace std::chrono_literals;

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

BENCHMARK(set_anew)->ArgName("in_turn")->Arg(0)->Arg(1);
BENCHMARK(set_anew_and_ask)->ArgName("in_turn")->Arg(0)->Arg(1);
BENCHMARK(set_and_cancel)->ArgName("in_turn")->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
