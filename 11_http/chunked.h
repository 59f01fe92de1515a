// The chunked transfer coding: a body whose length is not known before its end. RFC 9112 §7.1
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <system_error>

#include "11_http/grammar.h"

constexpr std::size_t chunk_line_limit = 1024;  // bytes of a chunk's size line, its extensions among them
constexpr std::size_t trailer_limit = 8192;  // bytes of all trailer fields

// Decodes as it comes in, piece by piece. Extensions and trailer fields are read over.
class ChunkDecoder {
public:
    struct Decoded {
        std::size_t data;  // bytes of the body, which now stand at the front of the piece
        std::size_t consumed;  // bytes of the piece that were read; behind them, when done, is the next request
    };

    // Moves the body's bytes in `piece` to its front, over the framing between them. [in-place]
    Decoded decode(std::span<char> piece) {
        std::size_t data = 0;
        std::size_t at = 0;
        while (at < piece.size() && state_ != State::done && state_ != State::bad) {
            if (state_ != State::data) {
                step(piece[at++]);
                continue;
            }
            const std::size_t count = std::min<std::uint64_t>(size_, piece.size() - at);
            std::memmove(piece.data() + data, piece.data() + at, count);
            data += count;
            at += count;
            size_ -= count;
            if (size_ == 0)
                state_ = State::data_cr;
        }
        return {data, at};
    }

    [[nodiscard]] bool done() const { return state_ == State::done; }
    [[nodiscard]] bool bad() const { return state_ == State::bad; }
    // Why it is bad.
    [[nodiscard]] const char *reason() const { return reason_; }

private:
    enum class State : std::uint8_t {
        size,  // its first digit
        digits,  // more digits, an extension, or the end of the line
        blank,  // before an extension
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer,  // the first byte of a trailer field, or of the empty line
        name,
        value,
        trailer_lf,
        end_lf,
        done,
        bad
    };

    void fail(const char *reason) {
        state_ = State::bad;
        reason_ = reason;
    }

    void expect(char got, char wanted, State next) {
        if (got == wanted)
            state_ = next;
        else
            fail("a chunk that does not end in CR LF where its size says");
    }

    // One byte of what is not data. A size is hexadecimal digits alone: no sign, no 0x, no blank. [chunk-size]
    void step(char c) {
        if (++line_ > (state_ < State::data ? chunk_line_limit : trailer_limit))
            return fail("a chunk's size line or its trailer fields are too long");
        if (state_ <= State::extension)
            return size_line(c);
        if (state_ >= State::trailer && state_ <= State::value)
            return trailer(c);
        switch (state_) {
            case State::size_lf:
                expect(c, '\n', size_ > 0 ? State::data : State::trailer);
                line_ = 0;
                break;
            case State::data_cr:
                expect(c, '\r', State::data_lf);
                break;
            case State::data_lf:
                expect(c, '\n', State::size);
                line_ = 0;
                break;
            case State::trailer_lf:
                expect(c, '\n', State::trailer);
                break;
            default:
                expect(c, '\n', State::done);
        }
    }

    void size_line(char c) {
        const auto digit = state_ <= State::digits ? parse_digits({&c, 1}, 16) : std::nullopt;
        if (digit) {
            if (size_ > (INT64_MAX >> 4))
                return fail("a chunk size of more than 63 bits");
            size_ = size_ * 16 + *digit;
            state_ = State::digits;
        } else if (state_ == State::digits && c == '\r') {
            state_ = State::size_lf;
        } else if (state_ == State::extension) {
            extension(c);
        } else if (state_ != State::size && c == ';') {
            state_ = State::extension;
        } else if (state_ != State::size && (c == ' ' || c == '\t')) {
            state_ = State::blank;  // a semicolon must follow: RFC 9112 §7.1.1
        } else {
            fail("a chunk size that is no hexadecimal number");
        }
    }

    void extension(char c) {
        if (c == '\r')
            state_ = State::size_lf;
        else if (!grammar::value[static_cast<unsigned char>(c)])
            fail("a control character in a chunk extension");
    }

    void trailer(char c) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\r' && state_ != State::name)
            state_ = state_ == State::trailer ? State::end_lf : State::trailer_lf;
        else if (c == ':' && state_ == State::name)
            state_ = State::value;
        else if (state_ == State::value ? grammar::value[byte] : grammar::token[byte])
            state_ = std::max(state_, State::name);
        else
            fail("a trailer field that is none");
    }

    State state_ = State::size;
    std::uint32_t line_ = 0;  // bytes of the size line, or of the trailer fields, so far
    std::uint64_t size_ = 0;  // of the chunk; then what is left of it
    const char *reason_ = "";
};

constexpr std::string_view last_chunk = "0\r\n\r\n";

// Appends `data` to `out` as one chunk. No data, no chunk: an empty one would be the last.
inline void append_chunk(std::string &out, std::string_view data) {
    if (data.empty())
        return;
    std::array<char, 16> size;
    const auto written = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16);
    out.append(size.data(), written.ptr).append("\r\n").append(data).append("\r\n");
}
