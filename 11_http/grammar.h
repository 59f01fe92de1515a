// The characters and the little words of HTTP. RFC 9110 §5.6, RFC 9112 §2
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

// What a request is refused with: the status, and what was wrong with it, for who reads the answer.
struct Refusal {
    int status;
    const char *reason;
};

namespace grammar {

using Set = std::array<bool, 256>;

constexpr bool is_alnum(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// The set of the letters, the digits and `more`.
constexpr Set alnum_and(std::string_view more) {
    Set set{};
    for (unsigned c = 0; c < set.size(); ++c)
        set[c] = is_alnum(static_cast<unsigned char>(c)) ||
                 more.find(static_cast<char>(c)) != std::string_view::npos;
    return set;
}

constexpr Set from_to(unsigned first, unsigned last) {
    Set set{};
    for (unsigned c = first; c <= last; ++c)
        set[c] = true;
    return set;
}

// Names of fields and methods. RFC 9110 §5.6.2
constexpr Set token = alnum_and("!#$%&'*+-.^_`|~");
// What a request target is made of: visible ASCII, less the fragment's mark. RFC 9112 §3.2
constexpr Set target = [] {
    Set set = from_to(0x21, 0x7e);
    set['#'] = false;
    return set;
}();
// A field's value: visible, blank, tab, and bytes above ASCII. Never CR, LF or NUL. RFC 9110 §5.5 [field-value]
constexpr Set value = [] {
    Set set = from_to(0x20, 0xff);
    set['\t'] = true;
    set[0x7f] = false;
    return set;
}();
// A registered name or an IPv4 address. RFC 3986 §3.2.2
constexpr Set host = alnum_and("-._~!$&'()*+,;=%");
// What stands in a path as itself. RFC 3986 §3.3, without those that mean something in HTML
constexpr Set path = alnum_and("-._~!$()*+,;=:@/");

}  // namespace grammar

// Whether `text` is made of members of `set` alone; so is the empty text.
constexpr bool consists_of(std::string_view text, const grammar::Set &set) {
    return std::ranges::all_of(text, [&](char c) { return set[static_cast<unsigned char>(c)]; });
}

constexpr bool is_token(std::string_view text) {
    return !text.empty() && consists_of(text, grammar::token);
}

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Whether both are the same but for the case of ASCII letters.
constexpr bool same_word(std::string_view one, std::string_view other) {
    if (one.size() != other.size())
        return false;
    for (std::size_t i = 0; i < one.size(); ++i) {
        if (lower(one[i]) != lower(other[i]))
            return false;
    }
    return true;
}

// `text` without blanks and tabs at its ends. RFC 9110 §5.6.3
constexpr std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the text up to the next `separator` off the front of `rest`, and the separator with it.
constexpr std::string_view take_until(std::string_view &rest, char separator) {
    const std::size_t at = rest.find(separator);
    const std::string_view part = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    return part;
}

// Takes the next element off the front of a comma-separated list. False at its end. RFC 9110 §5.6.1
constexpr bool take_element(std::string_view &list, std::string_view &element) {
    while (!list.empty()) {
        element = trimmed(take_until(list, ','));
        if (!element.empty())
            return true;
    }
    return false;
}

// Digits and nothing else, at most 2^63 - 1: no sign, no blank. Empty when it is anything else. [digits]
inline std::optional<std::uint64_t> parse_digits(std::string_view text, int base = 10) {
    std::uint64_t number = 0;
    const char *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number, base);
    if (error != std::errc{} || rest != end || number > INT64_MAX)
        return std::nullopt;
    return number;
}
