// Range: a part of a file instead of all of it. RFC 9110 §14
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "11_http/grammar.h"

// What is to be sent of `size` bytes.
struct Range {
    enum class Kind : std::uint8_t { whole, part, unsatisfiable } kind = Kind::whole;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

// Reads "bytes=0-99", "bytes=100-" or "bytes=-100". What is no range, or several ranges, or in other units, is answered
// with the whole: the field is a wish, RFC 9110 §14.2. A range that begins behind the end is not satisfiable: 416.
// [range]
inline Range parse_range(std::string_view value, std::uint64_t size) {
    const Range whole{.kind = Range::Kind::whole, .first = 0, .count = size};
    const std::string_view unit = take_until(value, '=');
    const std::string_view spec = trimmed(value);
    if (!same_word(unit, "bytes") || std::count(spec.begin(), spec.end(), '-') != 1)
        return whole;
    std::string_view rest = spec;
    const std::string_view from = take_until(rest, '-');
    const auto first = parse_digits(from);
    const auto last = parse_digits(rest);
    if ((!first && !from.empty()) || (!last && !rest.empty()) || (!first && !last))
        return whole;
    if (!first) {
        const std::uint64_t count = std::min(*last, size);
        return {.kind = count > 0 ? Range::Kind::part : Range::Kind::unsatisfiable,
                .first = size - count,
                .count = count};
    }
    if (last && *last < *first)
        return whole;
    if (*first >= size)
        return {.kind = Range::Kind::unsatisfiable};
    return {.kind = Range::Kind::part,
            .first = *first,
            .count = std::min(last.value_or(size - 1), size - 1) - *first + 1};
}
