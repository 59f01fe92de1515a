// What an HttpConnection answers. Included by http_connection.h, which says what it promises.
#pragma once

#include "11_http/http_connection.h"

inline std::size_t HttpConnection::read_head(Connection &connection, std::span<char> bytes) {
    const std::string_view text(bytes.data(), bytes.size());
    Request request;
    const Parsed parsed = parse_request(progress_, text, request);
    if (parsed.state == Parsed::State::incomplete) {
        await_head(connection);
        return 0;
    }
    header_timer_.reset();
    progress_ = {};
    if (parsed.state == Parsed::State::bad) {
        refuse(connection, parsed.refusal, std::string(text.substr(0, text.find_first_of("\r\n"))));
        return bytes.size();
    }
    respond(connection, request, bytes.size() > parsed.size);
    return parsed.size;
}

// One path is a service, POST /upper; all others are files. A body that nobody wants is read over, for the next request
// stands behind it. [respond]
inline void HttpConnection::respond(Connection &connection, const Request &request, bool more) {
    Answer answer(site_.out, site_.date.now());
    answer.to(request);
    const bool upper = request.target == "/upper" && request.method == Method::post &&
                       request.content_length <= site_.max_body;
    if ((site_.stopping && !more) || (request.expects_continue && !upper) ||
        request.content_length > site_.max_body)
        answer.keep_alive = false;  // refused, the body may come all the same, or not: RFC 9110 §10.1.1
    if (!upper)
        respond_at_once(connection, request, answer);
    else if (request.expects_continue && !more)
        site_.out += "HTTP/1.1 100 Continue\r\n\r\n";  // [continue]
    closing_ = !answer.keep_alive && !upper;
    if (verbose)
        begin_log(request.line, answer);
    if (upper || request.framing == Framing::chunked || request.content_length > 0)
        incoming_ = std::make_unique<Incoming>(Incoming{BodyReader(request), answer, upper});
    if (!upper && !file_)
        end_log(connection);
    if (upper && incoming_->body.done())
        end_of_body(connection);
}

// What needs nothing of the request's body.
inline void HttpConnection::respond_at_once(Connection &connection, const Request &request, Answer &answer) {
    const bool service = request.target == "/upper";
    const auto allow = [&] { answer.field("Allow", service ? "POST, OPTIONS" : "GET, HEAD, OPTIONS"); };
    if (request.content_length > site_.max_body)
        answer.refuse({413, "a longer body than is taken here"});
    else if (request.method == Method::options)
        answer.whole(200, "text/plain; charset=utf-8", "", allow);
    else if (service || request.method == Method::post)
        answer.refuse({405, "another method is for this"}, allow);
    else
        file_ = answer_path(site_, request, answer, connection.loop().now());
}

// Answers a piece of the body, in the framing in which it came. [upper]
inline void HttpConnection::answer_upper(std::span<char> text) {
    const BodyReader &body = incoming_->body;
    Answer &answer = incoming_->answer;
    if (!std::exchange(incoming_->begun, true)) {
        answer.begin(200);
        answer.field("Content-Type", "text/plain; charset=utf-8");
        answer.field("X-Content-Type-Options",
                     "nosniff");  // it is not ours: no browser is to take it for a page
        if (body.chunked())
            answer.field("Transfer-Encoding", "chunked");
        else
            answer.length(body.length());
        answer.end();
    }
    upper_case(text);
    const std::string_view bytes(text.data(), text.size());
    if (body.chunked())
        append_chunk(site_.out, bytes);
    else
        site_.out += bytes;
    if (log_) {
        log_->status = answer.status;
        log_->bytes += bytes.size();
    }
}

// Reads what has come of a request's body. How many bytes were used up.
inline std::size_t HttpConnection::read_body(Connection &connection, std::span<char> bytes) {
    BodyReader &body = incoming_->body;
    const auto [data, used] = body.read(bytes);
    if (body.bad()) {
        cut_off(connection, {400, body.reason()});
    } else if (body.received() > site_.max_body) {
        cut_off(connection, {413, "a longer body than is taken here"});
    } else {
        if (incoming_->upper && data > 0)
            answer_upper(bytes.first(data));
        if (body.done())
            end_of_body(connection);
    }
    return used;
}

inline void HttpConnection::end_of_body(Connection &connection) {
    if (incoming_->upper) {
        answer_upper({});
        if (incoming_->body.chunked())
            site_.out += last_chunk;
        closing_ = !incoming_->answer.keep_alive;
        end_log(connection);
    }
    incoming_.reset();
}

// The body is none. An answer that has begun then lacks its end, which is how its reader knows. [cut-off]
inline void HttpConnection::cut_off(Connection &connection, Refusal refusal) {
    const bool can_say_so = incoming_->upper && !incoming_->begun;
    incoming_.reset();
    closing_ = true;
    if (can_say_so)
        refuse(connection, refusal, log_ ? std::string(log_->line) : "");
    else
        end_log(connection);
}

// An answer after which nothing is understood any more: where the next request begins is not known. [refuse]
inline void HttpConnection::refuse(Connection &connection, Refusal refusal, const std::string &line) {
    Answer answer(site_.out, site_.date.now());
    answer.refuse(refusal);
    closing_ = true;
    if (verbose)
        begin_log(line, answer);
    end_log(connection);
}

inline void HttpConnection::begin_log(std::string_view line, const Answer &answer) {
    log_ = std::make_unique<LogEntry>(
        LogEntry{.line = std::string(line), .status = answer.status, .bytes = answer.sent});
}

inline void HttpConnection::end_log(const Connection &connection) {
    if (log_)
        write_log(*log_, connection.peer());
    log_.reset();
}
