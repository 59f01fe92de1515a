// An answer: the head's lines, and what is to follow them. RFC 9112 §4, RFC 9110 §15
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "11_http/grammar.h"
#include "11_http/request.h"

// The reason phrase, which is for human readers alone. RFC 9112 §4
constexpr std::string_view reason_phrase(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 431:
            return "Request Header Fields Too Large";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Internal Server Error";
    }
}

inline void append_number(std::string &out, std::uint64_t number) {
    std::array<char, 20> digits;
    out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

// Writes an answer's head into `out`, behind what is there: begin(), fields, end(). What follows is the body.
class Answer {
public:
    // `date` is the Date field's value, now.
    Answer(std::string &out, const std::string &date) : out_(out), date_(date) {}

    // What the request has to say of its answer.
    void to(const Request &request) {
        keep_alive = request.keep_alive;
        minor_version_ = request.minor_version;
        head_only_ = request.method == Method::head;
    }

    void begin(int with_status) {
        status = with_status;
        out_ += "HTTP/1.1 ";
        append_number(out_, static_cast<std::uint64_t>(status));
        out_ += ' ';
        out_ += reason_phrase(status);
        field("Date", date_);
    }

    // The value must not hold a line end: whatever comes from a request is encoded first.
    void field(std::string_view name, std::string_view value) {
        out_ += "\r\n";
        out_ += name;
        out_ += ": ";
        out_ += value;
    }

    void length(std::uint64_t bytes) {
        out_ += "\r\nContent-Length: ";
        append_number(out_, bytes);
    }

    // Says whether the connection goes on where that is not what the version means anyway. RFC 9112 §9.3
    void end() {
        if (!keep_alive)
            field("Connection", "close");
        else if (minor_version_ == 0)
            field("Connection", "keep-alive");
        out_ += "\r\n\r\n";
    }

    // A whole answer: the fields that `more` has are written by it; the body is `text`. HEAD gets none.
    template <typename More>
    void whole(int with_status, std::string_view type, std::string_view text, More more) {
        begin(with_status);
        field("Content-Type", type);
        length(text.size());
        more();
        end();
        body(text);
    }

    // What goes wrong, in words: "404 Not Found: no such file".
    template <typename More>
    void refuse(Refusal refusal, More more) {
        std::string text = std::to_string(refusal.status) + " ";
        text.append(reason_phrase(refusal.status)).append(": ").append(refusal.reason).append("\n");
        whole(refusal.status, "text/plain; charset=utf-8", text, more);
    }
    void refuse(Refusal refusal) {
        refuse(refusal, [] {});
    }

    void body(std::string_view bytes) {
        if (head_only_)
            return;
        out_ += bytes;
        sent += bytes.size();
    }

    [[nodiscard]] bool head_only() const { return head_only_; }

    bool keep_alive = false;
    int status = 0;
    std::uint64_t sent = 0;  // bytes of the body, for the log

private:
    std::string &out_;
    const std::string &date_;
    int minor_version_ = 1;
    bool head_only_ = false;
};
