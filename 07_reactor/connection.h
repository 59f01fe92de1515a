// A stream connection on the loop: reads up to a bound, keeps what the kernel does not take, ends in good order.
//
// Who uses it hears of it through four handlers and never waits; all connections of a server share them. Whatever a
// handler calls, this object lives until the turn is over, and `closed` is the last that is heard of it.
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "07_reactor/event_loop.h"
#include "07_reactor/pending_output.h"
#include "wrap/address.h"
#include "wrap/descriptor.h"

class Connection : public std::enable_shared_from_this<Connection> {
public:
    // An empty one is not called. They, and what they capture, are kept as long as anybody shares them.
    struct Handlers {
        // Bytes have come; they may be changed in place, and are gone when this returns.
        std::function<void(Connection &, std::span<char>)> received = {};
        // The peer's end of file: nothing more will come. Empty: finish().
        std::function<void(Connection &)> ended = {};
        // The kernel has taken all that was handed to send(), or has room, as await_room() asked.
        std::function<void(Connection &)> drained = {};
        // It is over: by `error`, an errno (ETIMEDOUT: was idle), or 0. Called once. The descriptor is still open, and
        // closed right after this.
        std::function<void(Connection &, int error)> closed = {};
    };

    // Takes over a connected, non-blocking `descriptor`. It is closed with ETIMEDOUT when no byte has come or
    // gone for `idle_timeout`; zero: never. Null, with errno, when there is no room to watch it. Keep what is
    // returned until `closed` is called.
    static std::shared_ptr<Connection> open(EventLoop &loop, Descriptor descriptor, const Address &peer,
                                            std::shared_ptr<const Handlers> handlers,
                                            Duration idle_timeout = {}) {
        std::shared_ptr<Connection> opened(
            new Connection(loop, std::move(descriptor), peer, std::move(handlers), idle_timeout));
        if (!opened->watch())
            return nullptr;
        opened->renew();
        return opened;
    }

    // The same, with handlers that no other connection has.
    static std::shared_ptr<Connection> open(EventLoop &loop, Descriptor descriptor, const Address &peer,
                                            Handlers handlers, Duration idle_timeout = {}) {
        return open(loop, std::move(descriptor), peer, std::make_shared<const Handlers>(std::move(handlers)),
                    idle_timeout);
    }
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;
    ~Connection() {
        if (watched_)
            loop_.unwatch(descriptor_.get());
    }

    // Sends, or keeps pending what the kernel does not take now. From high_water_mark pending bytes on nothing is
    // read. Does nothing after end(), finish() or close(). That the peer is gone `closed` says, later.
    void send(std::span<const char> bytes);

    // For who writes to descriptor() himself (sendfile), while nothing is pending: calls `drained` once, in the
    // next turn (`at_once`: he stopped at a bound) or when the kernel has room again (it said EAGAIN).
    void await_room(bool at_once);

    // Traffic: the idle timeout begins anew. Only who writes to descriptor() himself need call it.
    void renew() {
        if (idle_timeout_ != Duration::zero())
            idle_.set(loop_.now() + idle_timeout_);
    }

    // Nothing is read until resume(). A connection that is paused and owes nothing is not idle: it waits for us.
    void pause() { paused_ = true; }
    void resume();

    // Half-close: shuts the write side when all that is pending is sent. Reads on.
    void end();

    // The good end: as end(), but what comes from here on is thrown away, and it is closed when the peer has
    // ended its side too, or has had everything for the time `linger`; at the latest when more than `linger_bytes` were
    // thrown away. To close at once, with input unread, would be a reset, which what is on its way does not survive.
    // RFC 9112 §9.6 [finish]
    void finish(Duration linger = linger_time);

    // The end here and now, whatever is owed. Harmless when it is closed.
    void close(int error = 0);

    [[nodiscard]] bool is_closed() const { return !watched_; }
    [[nodiscard]] bool is_paused() const { return paused_; }
    [[nodiscard]] std::size_t pending() const { return pending_.size(); }
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }
    [[nodiscard]] const Address &peer() const { return peer_; }
    [[nodiscard]] EventLoop &loop() { return loop_; }

    // What its user knows of this connection alone. Lives as long as the connection.
    std::shared_ptr<void> context;

    static constexpr std::size_t buffer_size = 16384;  // is read in one turn, at most
    static constexpr std::size_t high_water_mark = 65536;  // pending bytes [high-water]
    static constexpr std::chrono::milliseconds linger_time{500};
    static constexpr std::uint32_t linger_bytes = 64 << 20;

private:
    Connection(EventLoop &loop, Descriptor descriptor, const Address &peer,
               std::shared_ptr<const Handlers> handlers, Duration timeout)
        : loop_(loop),
          descriptor_(std::move(descriptor)),
          peer_(peer),
          handlers_(std::move(handlers)),
          idle_timeout_(timeout) {}

    [[nodiscard]] bool may_read() const {
        return watched_ && !ended_ && !paused_ && pending_.size() < high_water_mark;
    }
    bool watch();
    void on_ready(Ready ready);
    void on_readable();
    void on_writable();
    void on_end();
    void on_all_sent();
    void on_idle();
    void on_lingered();
    void lost(int error);

    EventLoop &loop_;
    Descriptor descriptor_;
    Address peer_;
    std::shared_ptr<const Handlers> handlers_;
    Duration idle_timeout_;
    Duration linger_time_{};
    PendingOutput pending_;
    bool watched_ = false;
    bool awaits_room_ = false;  // there is something to do when the kernel takes output again
    bool paused_ = false;
    bool ending_ = false;  // the peer's end of file, or its reset, is behind what is to be read
    bool ended_ = false;  // the end of file has been read
    bool output_ended_ = false;  // nothing more will be pending
    bool finishing_ = false;  // what comes is thrown away
    int error_ = 0;  // what writing said
    std::uint32_t thrown_away_ = 0;  // bytes, since finish()
    Timer idle_{loop_.timers(), [this] { on_idle(); }};
    std::unique_ptr<Timer> linger_;  // once all is sent
};

#include "07_reactor/connection_turns.h"
