// From a request target to a path below the root: no way out of it, in no encoding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "11_http/grammar.h"

// The byte that "%41" stands for, the two digits given; empty when they are none. RFC 3986 §2.1
inline std::optional<char> decode_percent(std::string_view digits) {
    const auto byte = digits.size() == 2 ? parse_digits(digits, 16) : std::nullopt;
    return byte ? std::optional(static_cast<char>(*byte)) : std::nullopt;
}

// One segment of a path, decoded once. Empty when it cannot be a file's name: a wrong %, a NUL, a slash. [decode-once]
inline std::optional<std::string> decode_segment(std::string_view text) {
    std::string segment;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const auto byte = decode_percent(text.substr(i + 1, 2));
            if (!byte || *byte == '/')
                return std::nullopt;
            c = *byte;
            i += 2;
        }
        if (c == '\0')  // where a C string, and so open(2), would end
            return std::nullopt;
        segment.push_back(c);
    }
    return segment;
}

// A path below the root: "css/style.css", "" for the root itself; or what it was refused with.
struct ResolvedPath {
    std::string path;  // relative, its segments decoded, none of them ".", ".." or empty
    bool directory = false;  // the target ends in a slash
    std::optional<Refusal> refusal;

    static ResolvedPath refused(Refusal refusal) { return {.path = {}, .refusal = refusal}; }
};

// Reads the path of `target`, which begins with a slash; a query is left out. First cut into segments, then decoded,
// then looked at: "%2e%2e" is "..", and "%2F" never becomes a separator. Names that begin with a dot do not exist here.
// [no-way-out]
inline ResolvedPath resolve_path(std::string_view target) {
    std::string_view rest = target.substr(0, target.find('?'));
    ResolvedPath resolved;
    if (rest.empty() || rest.front() != '/')
        return ResolvedPath::refused({400, "a path that does not begin with a slash"});
    resolved.directory = true;
    while (!rest.empty()) {
        rest.remove_prefix(1);
        const std::string_view raw = rest.substr(0, rest.find('/'));
        rest.remove_prefix(raw.size());
        const auto segment = decode_segment(raw);
        if (!segment)
            return ResolvedPath::refused({400, "a path with a wrong %, or with %00 or %2F in it"});
        resolved.directory = segment->empty() || *segment == "." || *segment == "..";
        if (*segment == "..") {
            if (resolved.path.empty())
                return ResolvedPath::refused({400, "a path that leads above the root"});
            const std::size_t slash = resolved.path.rfind('/');
            resolved.path.resize(slash == std::string::npos ? 0 : slash);
        } else if (!resolved.directory && segment->front() == '.') {
            return ResolvedPath::refused({404, "no such file"});
        } else if (!resolved.directory) {
            resolved.path += (resolved.path.empty() ? "" : "/") + *segment;
        }
    }
    return resolved;
}

// `path` as it may stand in a target, in a Location field or in a link. RFC 3986 §2.1
inline std::string encode_path(std::string_view path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (grammar::path[byte] && byte != '%')
            text.push_back(c);
        else
            text.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
    return text;
}
