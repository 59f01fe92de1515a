// A listener, its clients, and their end: what every server on this loop is made of.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "07_reactor/acceptor.h"
#include "07_reactor/connection.h"
#include "07_reactor/event_loop.h"
#include "07_reactor/signals.h"
#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"

struct Limits {
    Duration idle_timeout = std::chrono::seconds(60);  // zero: never
    Duration grace = std::chrono::seconds(2);
};

// --idle-timeout and --grace, for parse_options(). They set `limits`, which must live until then.
inline std::array<ExtraOption, 2> limit_options(Limits &limits) {
    const auto sets = [](Duration &duration) {
        return [&duration](std::string_view word) {
            const auto seconds = parse_seconds(word);
            duration = std::chrono::duration_cast<Duration>(seconds.value_or(std::chrono::seconds(0)));
            return seconds.has_value();
        };
    };
    return {ExtraOption{.name = "idle-timeout",
                        .argument = "SECONDS",
                        .accepts = "a number of seconds",
                        .help = "closes who has been idle so long: 60 unless told otherwise, 0 for never",
                        .take = sets(limits.idle_timeout)},
            ExtraOption{.name = "grace",
                        .argument = "SECONDS",
                        .accepts = "a number of seconds",
                        .help = "for what is owed when a signal ends it: 2 unless told otherwise",
                        .take = sets(limits.grace)}};
}

class StreamServer {
public:
    // Listens on `address`, as listen_on(), and serves who comes, all with the same `handlers`.
    // Construct it before any other thread: it blocks SIGINT and SIGTERM. The first of them stops it; after the
    // second the process ends at once, with 128 + its number.
    StreamServer(EventLoop &loop, const Address &address, Limits limits, Connection::Handlers handlers)
        : loop_(loop),
          limits_(limits),
          handlers_(std::make_shared<Connection::Handlers>(std::move(handlers))),
          acceptor_(loop, listen_on(address),
                    [this](Descriptor descriptor, const Address &peer) { add(std::move(descriptor), peer); }) {
        handlers_->closed = [this, then = std::move(handlers_->closed)](Connection &connection, int error) {
            if (then)
                then(connection, error);
            remove(connection);
        };
    }
    StreamServer(const StreamServer &) = delete;
    StreamServer &operator=(const StreamServer &) = delete;

    // Called for each new connection, before anything is read from it: it may be given its `context`.
    void on_open(std::function<void(Connection &)> handler) { on_open_ = std::move(handler); }

    // What a stop asks of each connection, when the answer to what it has received is not yet handed to send():
    // finish() it once that is done. Unless set, it is finished at once.
    void on_stop(std::function<void(Connection &)> handler) { on_stop_ = std::move(handler); }

    // No new clients; each connection is finished, and closed at the latest when the grace is over. Then the loop
    // is stopped. [graceful]
    void stop() {
        stopping_ = true;
        acceptor_.close();
        grace_.set(loop_.now() + limits_.grace);
        for (const auto &connection : all())
            on_stop_(*connection);
        stop_if_empty();
    }

    [[nodiscard]] bool is_stopping() const { return stopping_; }

private:
    // A copy: what is done to one may take it out of the table, or others.
    [[nodiscard]] std::vector<std::shared_ptr<Connection>> all() const {
        std::vector<std::shared_ptr<Connection>> found = connections_;
        std::erase(found, nullptr);
        return found;
    }

    void add(Descriptor descriptor, const Address &peer) {
        const std::size_t number = descriptor.get();
        const auto connection =
            Connection::open(loop_, std::move(descriptor), peer, handlers_, limits_.idle_timeout);
        if (!connection) {
            std::fprintf(stderr, "server: %s refused: no room to watch descriptor %zu\n", to_text(peer).c_str(),
                         number);
            return;
        }
        if (connections_.size() <= number)
            connections_.resize(number + 1);
        connections_[number] = connection;
        ++count_;
        if (verbose)
            std::fprintf(stderr, "%s connected\n", to_text(peer).c_str());
        if (on_open_)
            on_open_(*connection);
    }

    void remove(Connection &connection) {
        if (verbose)
            std::fprintf(stderr, "%s closed\n", to_text(connection.peer()).c_str());
        connections_[connection.descriptor()].reset();
        --count_;
        acceptor_.descriptor_freed();
        stop_if_empty();
    }

    void stop_if_empty() {
        if (stopping_ && count_ == 0)
            loop_.stop();
    }

    void on_signal(int number) {
        if (stopping_)
            std::_Exit(128 + number);  // as a shell says it of who is ended by a signal [second-signal]
        stop();
    }

    void on_grace_over() {
        for (const auto &connection : all())
            connection->close(ETIMEDOUT);
    }

    EventLoop &loop_;
    Limits limits_;
    std::shared_ptr<Connection::Handlers> handlers_;  // of all connections
    std::function<void(Connection &)> on_open_;
    std::function<void(Connection &)> on_stop_ = [](Connection &connection) { connection.finish(); };
    bool stopping_ = false;
    Signals signals_{
        loop_, {SIGINT, SIGTERM}, [this](int number) { on_signal(number); }};  // before it says ready
    std::vector<std::shared_ptr<Connection>> connections_;  // by descriptor: the owner of them all
    std::size_t count_ = 0;  // of them
    Acceptor acceptor_;
    Timer grace_{loop_.timers(), [this] { on_grace_over(); }};
};
