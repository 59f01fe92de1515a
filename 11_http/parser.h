// Reads a request's head as it comes in: complete, incomplete, or bad. Keeps no byte of it.
//
// The end is looked for with every piece that comes, the reading is done once, when it is there: so the verdict
// depends on the bytes alone and never on how they were cut into pieces.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "11_http/fields.h"
#include "11_http/grammar.h"
#include "11_http/request.h"

constexpr std::size_t request_line_limit = 8192;  // beyond: 414, RFC 9112 §3 [limits]
constexpr std::size_t field_line_limit = 8192;  // beyond, or more than Fields::limit lines: 431, RFC 6585 §5
constexpr std::size_t head_limit = 32768;  // all of it, the empty line too: 431

struct Parsed {
    enum class State : std::uint8_t { complete, incomplete, bad } state = State::incomplete;
    std::size_t size =
        0;  // of the head, with the empty line: what is behind it is the body, or the next request
    Refusal refusal{};  // when it is bad

    static Parsed bad(Refusal refusal) { return {.state = State::bad, .refusal = refusal}; }
};

// Where the look for the end of a head has got to, from one piece to the next. [progress]
struct HeadProgress {
    std::uint32_t line_start = 0;
    std::uint32_t searched = 0;  // no LF before this one, from line_start on
    bool first_line_seen = false;
};

// Looks in `input`, which begins with the head and has all of it that has come, for the empty line that ends it.
// A line ends in CR LF: an LF alone is refused, though RFC 9112 §2.2 would let us take it. [bare-lf]
inline Parsed find_head_end(HeadProgress &progress, std::string_view input) {
    for (;;) {
        const std::size_t limit = progress.first_line_seen ? field_line_limit : request_line_limit;
        const std::string_view ahead = input.substr(progress.searched);
        const void *found = ahead.empty() ? nullptr : std::memchr(ahead.data(), '\n', ahead.size());
        const std::size_t end = found ? static_cast<const char *>(found) - input.data() : input.size();
        if (end - progress.line_start > limit)
            return Parsed::bad(progress.first_line_seen
                                   ? Refusal{431, "a field line of more than 8192 bytes"}
                                   : Refusal{414, "a request line of more than 8192 bytes"});
        if (end + (found ? 1 : 0) > head_limit)
            return Parsed::bad({431, "a head of more than 32768 bytes"});
        progress.searched = static_cast<std::uint32_t>(end);
        if (!found)
            return {};
        if (end == progress.line_start || input[end - 1] != '\r')
            return Parsed::bad({400, "a line that ends in LF without CR"});
        const bool empty = end == progress.line_start + 1;
        progress.line_start = progress.searched = static_cast<std::uint32_t>(end + 1);
        if (empty && progress.first_line_seen)
            return {.state = Parsed::State::complete, .size = end + 1};
        progress.first_line_seen |=
            !empty;  // an empty line before the request line is passed over: RFC 9112 §2.2
    }
}

// Takes a line off the front of `rest`, where find_head_end has seen that each ends in CR LF.
inline std::string_view take_line(std::string_view &rest) {
    std::string_view line = take_until(rest, '\n');
    line.remove_suffix(1);
    return line;
}

// Reads a head whose end is known.
inline std::optional<Refusal> read_head(std::string_view head, Request &request) {
    do
        request.line = take_line(head);
    while (request.line.empty());
    if (const auto refusal = parse_request_line(request))
        return refusal;
    for (std::string_view line = take_line(head); !line.empty(); line = take_line(head)) {
        Field field;
        if (const auto refusal = parse_field(line, field))
            return refusal;
        if (!request.fields.add(field))
            return Refusal{431, "more than 100 field lines"};
    }
    return interpret(request);
}

// Reads the head that `input` begins with into `request`, which then points into `input`. To be called again with the
// same `progress` and all of the head from its first byte on, when more has come; with a new one for the next head.
inline Parsed parse_request(HeadProgress &progress, std::string_view input, Request &request) {
    Parsed parsed = find_head_end(progress, input);
    if (parsed.state != Parsed::State::complete)
        return parsed;
    const auto refusal = read_head(input.substr(0, parsed.size), request);
    if (refusal)
        return {.state = Parsed::State::bad, .size = parsed.size, .refusal = *refusal};
    return parsed;
}
