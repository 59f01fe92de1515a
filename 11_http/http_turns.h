// What an HttpConnection does when its turn comes. Included by http_connection.h, which says what it promises.
#pragma once

#include "11_http/http_connection.h"

inline void HttpConnection::received(Connection &connection, std::span<char> bytes) {
    const int on = 1;
    if (!std::exchange(began_,
                       true))  // answers are written whole: nothing is gained by waiting for more, tcp(7)
        setsockopt(connection.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (input_.empty()) {
        const std::size_t used = process(connection, bytes);
        input_.assign(bytes.data() + used, bytes.size() - used);
    } else {
        input_.append(bytes.data(), bytes.size());
        process_held(connection);
    }
}

inline void HttpConnection::process_held(Connection &connection) {
    input_.erase(0, process(connection, input_));
    if (input_.empty())
        input_.shrink_to_fit();
}

// Reads requests off the front of `bytes` and answers them, as far as it goes now. How many bytes were used up.
// [process]
inline std::size_t HttpConnection::process(Connection &connection, std::span<char> bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && !closing_ && !is_blocked(connection)) {
        const std::span<char> rest = bytes.subspan(used);
        const std::size_t count = incoming_ ? read_body(connection, rest) : read_head(connection, rest);
        if (count == 0)
            break;
        used += count;
    }
    waits_ = used < bytes.size() && !closing_ && is_blocked(connection);
    if (site_.stopping && used == bytes.size() && !incoming_ && !file_)
        closing_ = true;
    flush(connection);
    if (waits_ && !file_ && connection.pending() == 0)
        connection.await_room(true);  // others have their turn first; drained() goes on with it
    return closing_ ? bytes.size() : used;
}

// Sends what was answered, in one go. [flush]
inline void HttpConnection::flush(Connection &connection) {
    if (file_ && connection.pending() == 0) {  // the head, and in the same packet the file's beginning: send(2)
        const ssize_t sent =
            ::send(connection.descriptor(), site_.out.data(), site_.out.size(), MSG_MORE | MSG_NOSIGNAL);
        site_.out.erase(0, std::max<ssize_t>(sent, 0));
    }
    connection.send(site_.out);
    site_.out.clear();
    if (file_)
        send_file(connection);
    else if (closing_ || (ended_ && !waits_))
        finish(connection);
}

// Sends of the file what the kernel takes now. Until all of it is sent, nothing is read. [send-file]
inline void HttpConnection::send_file(Connection &connection) {
    const std::uint64_t before = file_->left();
    const auto sent = connection.pending() > 0 ? FileBody::Sent::no_room : file_->send(connection.descriptor());
    if (file_->left() < before)
        connection.renew();
    if (log_)
        log_->bytes += before - file_->left();
    if (sent == FileBody::Sent::lost)
        return connection.close();
    if (sent != FileBody::Sent::all) {
        connection.pause();
        return connection.await_room(sent == FileBody::Sent::stopped_at_bound);
    }
    file_.reset();
    end_log(connection);
    if (closing_)
        return finish(connection);
    connection.resume();
    if (site_.stopping)
        connection.await_room(true);
}

// The kernel has taken all there was: the next piece, or the next request. When the server stops it is called once
// more; who seems idle may have sent a request that was not read yet, so one more turn goes by. [last-look]
inline void HttpConnection::drained(Connection &connection) {
    if (file_)
        send_file(connection);
    if (site_.stopping && !std::exchange(last_look_, true))
        return connection.await_room(true);
    if (!file_ && !closing_)
        process_held(connection);
}

inline void HttpConnection::ended(Connection &connection) {
    ended_ = true;
    if (!waits_ && !file_)  // a request that is not whole by now will not be any more
        finish(connection);
}

// The client may still be sending, 10 MB behind a head that was refused, say: it is read for a while, or the reset that
// its bytes meet would take our answer with it. RFC 9112 §9.6 [finish-http]
inline void HttpConnection::finish(Connection &connection) const {
    connection.finish(site_.stopping ? Connection::linger_time : linger_time);
}

inline void HttpConnection::closed(Connection &connection) {
    header_timer_.reset();
    end_log(connection);
}

// The time runs from the first byte on, however many come in between: a head that trickles in is not idle. [slow-head]
inline void HttpConnection::await_head(Connection &connection) {
    if (header_timer_)
        return;
    header_timer_ = std::make_unique<Timer>(connection.loop().timers(), [this, &connection] {
        refuse(connection, {408, "the head did not come in time"},
               input_.substr(0, input_.find_first_of("\r\n")));
        flush(connection);
    });
    header_timer_->set(connection.loop().now() + site_.header_timeout);
}
