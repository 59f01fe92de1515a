// What a Connection does when its turn comes. Included by connection.h, which says what it promises.
#pragma once

inline bool Connection::watch() {
    watched_ =
        loop_.watch(descriptor_.get(), {.read = true, .write = true}, [this](Ready ready) { on_ready(ready); });
    return watched_;
}

// [on-ready]
inline void Connection::on_ready(Ready ready) {
    ending_ |= ready.ending;
    if (ready.writable && awaits_room_)
        on_writable();
    if (ready.readable && may_read())
        on_readable();
    else if (paused_ && (ready.failed || error_ != 0))  // reading would say it, and must wait
        close(error_);
}

// Reads once. [on-readable]
inline void Connection::on_readable() {
    std::array<char, buffer_size> buffer;
    const ssize_t received = read(descriptor_.get(), buffer.data(), buffer.size());
    if (received == -1)
        return would_block() ? void() : close(errno);
    if (received == 0)
        return on_end();
    if (static_cast<std::size_t>(received) == buffer.size() || ending_)
        loop_.again(descriptor_.get());  // [more]
    if (finishing_) {
        if ((thrown_away_ += received) > linger_bytes)
            close(error_);
        return;
    }
    renew();
    if (handlers_->received)
        handlers_->received(*this, std::span(buffer).first(received));
}

inline void Connection::on_end() {
    ended_ = true;
    if (error_ != 0 || (finishing_ && pending_.empty()))
        close(error_);
    else if (finishing_)
        return;  // what is pending comes first
    else if (handlers_->ended)
        handlers_->ended(*this);
    else
        finish();
}

inline void Connection::send(std::span<const char> bytes) {
    if (!watched_ || output_ended_)
        return;
    if (!pending_.send(descriptor_.get(), bytes))
        return lost(errno);
    awaits_room_ |= !pending_.empty();
}

inline void Connection::await_room(bool at_once) {
    if (!watched_ || output_ended_)
        return;
    awaits_room_ = true;
    if (at_once)
        loop_.again(descriptor_.get());
}

// Writes once of what is pending. [on-writable]
inline void Connection::on_writable() {
    if (!pending_.empty()) {
        const ssize_t sent = pending_.flush(descriptor_.get());
        if (sent == -1)
            return lost(errno);
        if (sent > 0)
            renew();
    }
    if (!pending_.empty())
        return;
    awaits_room_ = false;
    on_all_sent();
}

inline void Connection::on_all_sent() {
    if (output_ended_ && finishing_ && ended_)
        return close(error_);
    if (output_ended_) {
        shutdown(descriptor_.get(), SHUT_WR);
        if (finishing_) {
            linger_ = std::make_unique<Timer>(loop_.timers(), [this] { on_lingered(); });
            linger_->set(loop_.now() + linger_time_);
        }
    } else if (handlers_->drained) {
        handlers_->drained(*this);
    }
}

// The peer takes nothing any more. What it has sent is read all the same; then `closed` gives the reason.
inline void Connection::lost(int error) {
    error_ = error;
    pending_.clear();
    awaits_room_ = false;
    output_ended_ = ending_ = true;
    loop_.again(descriptor_.get());
}

inline void Connection::resume() {
    if (watched_ && std::exchange(paused_, false)) {
        renew();
        loop_.again(descriptor_.get());  // what has come meanwhile is not told again
    }
}

inline void Connection::end() {
    if (!watched_)
        return;
    output_ended_ = true;
    if (pending_.empty())
        on_all_sent();
}

inline void Connection::finish(Duration linger) {
    finishing_ = true;
    linger_time_ = linger;
    resume();
    end();
}

// Its end frees the object, if the owner lets go: not before the turn is over. [close]
inline void Connection::close(int error) {
    if (!std::exchange(watched_, false))
        return;
    loop_.retire(shared_from_this());
    loop_.unwatch(descriptor_.get());
    idle_.cancel();
    linger_.reset();
    pending_.clear();
    if (handlers_->closed)
        handlers_->closed(*this, error);
    descriptor_.close();  // last: the owner's table goes by its number, which is nobody else's until here
}

// Idle is who neither sends nor takes what it is owed; not who waits for us. [idle]
inline void Connection::on_idle() {
    int unread = 0;
    ioctl(descriptor_.get(), FIONREAD, &unread);
    const bool ours = paused_ ? pending_.empty() && !awaits_room_ : may_read() && unread > 0;
    if (ours && !finishing_)
        renew();
    else
        close(ETIMEDOUT);
}

// [lingered]
inline void Connection::on_lingered() {
    int on_its_way = 0;
    if (ioctl(descriptor_.get(), SIOCOUTQ, &on_its_way) == 0 && on_its_way > 0)  // tcp(7)
        linger_->set(loop_.now() + linger_time_);
    else
        close(error_);
}
