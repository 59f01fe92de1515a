// 08_threadpool: the loop waits, workers work.
//
// 07's loop does all that has to do with sockets: it reads, and it sends. What is to be done to the text between the
// two it hands to a pool of workers, through a bounded queue; a worker hands the answer back. A connection waits,
// unread, while a worker has its text. Where the queue is full, the text waits in the loop until a worker makes room.
// New: the pool and the way to it and back. Left out on purpose: a loop for each core.
// Parent: 07_reactor.
// Build: g++ -std=c++20 -pthread -I. 08_threadpool/server.cpp -o server

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "07_reactor/event_loop.h"
#include "07_reactor/stream_server.h"
#include "08_threadpool/burn.h"
#include "08_threadpool/pool_options.h"
#include "08_threadpool/pool_size.h"
#include "08_threadpool/thread_pool.h"
#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

constexpr std::uint16_t default_port = 9999;

// The loop is to hear of them, by its signalfd: any thread that does not block them would die of them, and with it
// all others. Threads inherit what is blocked when they are made. signal(7) [inherited]
void block_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

class Server {
public:
    Server(const Address &address, const Limits &limits, const PoolSize &size, std::chrono::microseconds work)
        : work_(work),
          pool_(size, [this] { loop_.post([this] { hand_over(); }); }),
          clients_(loop_, address, limits, {.received = [this](Connection &connection, std::span<char> text) {
                       receive(connection, text);
                   }}) {
        clients_.on_stop([](Connection &connection) {
            if (!connection.is_paused())  // else answer() does it
                connection.finish();
        });
    }
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;

    // Whoever still works when the loop has ended does so for nobody.
    ~Server() { abandoned_ = true; }

    void run() { loop_.run(); }

private:
    // In the loop. Nothing more is read from this connection until its answer is there. [received]
    void receive(Connection &connection, std::span<const char> text) {
        connection.pause();  // [one-at-a-time]
        waiting_.emplace_back([this, client = connection.weak_from_this(),
                               text = std::string(text.begin(), text.end())]() mutable {
            work(text);
            loop_.post([this, client, text = std::move(text)] { answer(client, text); });  // [hand-back]
        });
        hand_over();
    }

    // In the loop: gives the pool what it has room for. What is left waits until it calls. [hand-over]
    void hand_over() {
        while (!waiting_.empty() && pool_.try_submit(waiting_.front()))
            waiting_.pop_front();
    }

    // In a worker: touches nothing but what it was given.
    void work(std::span<char> text) const {
        burn(work_, abandoned_);
        upper_case(text);
    }

    // In the loop. The connection may be over by now, and even destroyed. [answer]
    void answer(const std::weak_ptr<Connection> &client, std::span<const char> text) {
        const auto connection = client.lock();
        if (!connection || connection->is_closed())
            return;
        connection->send(text);
        if (verbose)
            std::fprintf(stderr, "%s sent %zu bytes\n", to_text(connection->peer()).c_str(), text.size());
        if (clients_.is_stopping())
            connection->finish();
        else
            connection->resume();
    }

    const std::chrono::microseconds work_;  // that each message takes
    std::atomic<bool> abandoned_ = false;
    EventLoop loop_;
    std::deque<ThreadPool::Task> waiting_;  // for room in the queue, one for each connection at most [waiting]
    ThreadPool pool_;  // goes before the loop: its workers use that to the end
    StreamServer clients_;  // after the pool: when it says that it listens, the workers are there
};

}  // namespace

int main(int argc, char *argv[]) try {
    Limits limits;
    PoolSize size;
    std::chrono::microseconds work{};
    std::vector<ExtraOption> options;
    for (const auto &option : limit_options(limits))
        options.push_back(option);
    for (const auto &option : pool_options(size, work))
        options.push_back(option);
    const Address address = parse_options(argc, argv, "server", default_port, options);
    check_bounds(size);
    std::signal(SIGPIPE, SIG_IGN);
    block_signals();
    const unsigned long limit = raise_descriptor_limit();
    if (verbose)
        std::fprintf(stderr, "up to %lu descriptors\n", limit);
    Server server(address, limits, size, work);
    server.run();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
