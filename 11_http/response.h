// Reads an answer as it comes in: its head, then its body, however that ends. The client's half of the protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "11_http/chunked.h"
#include "11_http/fields.h"
#include "11_http/grammar.h"
#include "11_http/parser.h"

// What the head of an answer says.
struct ResponseHead {
    int status = 0;
    std::string reason;
    std::optional<std::uint64_t> length;  // of the body, if it is known beforehand
    bool chunked = false;
    std::string location;  // where else it is, if it is elsewhere
};

class ResponseReader {
public:
    // Takes a piece of what has come. The body's bytes in it then stand at the front of what is returned. To be called
    // until it is empty: `piece` is shortened by what was read. Nothing is taken once it is done or bad. [response]
    std::span<char> read(std::span<char> &piece) {
        if (!head_known_)
            read_head(piece);
        if (!head_known_ || piece.empty() || done() || bad())
            return {};
        std::span<char> body = piece;
        if (head_.chunked) {
            const auto [data, used] = decoder_.decode(piece);
            body = piece.first(data);
            piece = piece.subspan(used);
            if (decoder_.bad())
                reason_ = decoder_.reason();
        } else {
            body = piece.first(std::min<std::uint64_t>(left_, piece.size()));
            piece = piece.subspan(body.size());
            left_ -= head_.length ? body.size() : 0;
        }
        received_ += body.size();
        return body;
    }

    // The server has ended its side: where nothing else says so, that is the body's end. RFC 9112 §6.3
    void end() {
        if (head_known_ && !head_.chunked && !head_.length)
            left_ = 0;
        else if (!done() && !bad())
            reason_ = "closed before all of the answer had come";
    }

    [[nodiscard]] bool head_known() const { return head_known_; }
    [[nodiscard]] const ResponseHead &head() const { return head_; }
    [[nodiscard]] bool done() const { return head_known_ && (head_.chunked ? decoder_.done() : left_ == 0); }
    [[nodiscard]] bool bad() const { return reason_ != nullptr; }
    [[nodiscard]] const char *reason() const { return reason_; }
    // Bytes of the body that have come.
    [[nodiscard]] std::uint64_t received() const { return received_; }

private:
    // Keeps what has come of the head until it is whole; what is behind it stays in `piece`. Answers with 1xx are only
    // on the way to the real one. RFC 9110 §15.2
    void read_head(std::span<char> &piece) {
        while (!head_known_ && !bad() && !piece.empty()) {
            const std::size_t before = text_.size();
            text_.append(piece.data(), piece.size());
            const Parsed found = find_head_end(progress_, text_);
            if (found.state == Parsed::State::bad)
                reason_ = "an answer that is no HTTP";
            if (found.state != Parsed::State::complete) {
                piece = {};
                return;
            }
            piece = piece.subspan(found.size - before);
            interpret(std::string_view(text_).substr(0, found.size));
            text_.clear();
            progress_ = {};
            if (head_.status / 100 != 1 || head_.status == 101)
                head_known_ = !bad();
        }
    }

    void interpret(std::string_view text) {
        head_ = {};
        std::string_view line;
        do
            line = take_line(text);
        while (line.empty());
        const auto status = parse_digits(line.substr(0, 12).substr(std::min<std::size_t>(9, line.size())));
        if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ' || !status || *status < 100 ||
            (line.size() > 12 && line[12] != ' '))
            return fail("an answer that is no HTTP/1");
        head_.status = static_cast<int>(*status);
        head_.reason = line.substr(std::min<std::size_t>(13, line.size()));
        for (line = take_line(text); !line.empty() && !bad(); line = take_line(text))
            interpret_field(line);
        if (head_.chunked && head_.length)
            fail("an answer with two ends, Content-Length and chunked");
        if (head_.status == 204 || head_.status == 304)
            head_.length = 0;
        left_ = head_.length.value_or(UINT64_MAX);
    }

    void interpret_field(std::string_view line) {
        Field field;
        if (parse_field(line, field))
            return fail("an answer with a field that is none");
        if (same_word(field.name, "Content-Length")) {
            const auto length = parse_digits(field.value);
            if (!length || (head_.length && head_.length != length))
                return fail("an answer with a Content-Length that is none");
            head_.length = length;
        } else if (same_word(field.name, "Transfer-Encoding")) {
            if (!same_word(field.value, "chunked") || head_.chunked)
                return fail("an answer in a transfer coding other than chunked");
            head_.chunked = true;
        } else if (same_word(field.name, "Location")) {
            head_.location = field.value;
        }
    }

    void fail(const char *reason) { reason_ = reason; }

    std::string text_;  // of the head, as far as it has come
    HeadProgress progress_;
    ResponseHead head_;
    bool head_known_ = false;
    ChunkDecoder decoder_;
    std::uint64_t left_ = UINT64_MAX;  // bytes of the body that are to come, if that is known
    std::uint64_t received_ = 0;
    const char *reason_ = nullptr;  // why it is bad
};
