// A request's head, read: the request line and what its fields say of the connection and of the body.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "11_http/fields.h"
#include "11_http/grammar.h"

enum class Method : std::uint8_t { get, head, post, options, other };

// How the body's end is known. RFC 9112 §6.3
enum class Framing : std::uint8_t { none, length, chunked };

// Points into the head that it was read from.
struct Request {
    std::string_view line;  // as it came, for the log
    std::string_view target;
    std::string_view authority;  // from Host, or from an absolute target, which wins: RFC 9112 §3.2.2
    Method method = Method::other;
    int minor_version = 1;
    Framing framing = Framing::none;
    std::uint64_t content_length = 0;
    bool keep_alive = true;
    bool expects_continue = false;
    Fields fields;
};

inline Method parse_method(std::string_view word) {
    if (word == "GET")
        return Method::get;
    if (word == "HEAD")
        return Method::head;
    if (word == "POST")
        return Method::post;
    return word == "OPTIONS" ? Method::options : Method::other;
}

// Method, one blank, target, one blank, version: a second blank is an error, not a nicety. RFC 9112 §3
// [request-line]
inline std::optional<Refusal> parse_request_line(Request &request) {
    std::string_view rest = request.line;
    const std::string_view method = take_until(rest, ' ');
    request.target = take_until(rest, ' ');
    const std::string_view version = rest;
    if (!is_token(method))
        return Refusal{400, "a method that is no token"};
    if (request.target.empty() || !consists_of(request.target, grammar::target))
        return Refusal{400, "a request target that is none"};
    if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' ||
        !parse_digits(version.substr(5, 1)) || !parse_digits(version.substr(7, 1)))
        return Refusal{400, "a version that is none"};
    if (version[5] != '1')
        return Refusal{505, "not HTTP/1.1 or HTTP/1.0"};
    request.minor_version = version[7] - '0';
    request.method = parse_method(method);
    return std::nullopt;
}

// HOST or HOST:PORT, the host a name or a bracketed IPv6 address. RFC 3986 §3.2
inline bool is_authority(std::string_view text) {
    std::size_t host_end = text.find(':');
    if (text.starts_with('[')) {
        host_end = text.find(']');
        if (host_end == std::string_view::npos ||
            !consists_of(text.substr(1, host_end - 1), grammar::alnum_and(":.")))
            return false;
        ++host_end;
    } else if (!consists_of(text.substr(0, host_end), grammar::host)) {
        return false;
    }
    const std::string_view port = host_end < text.size() ? text.substr(host_end) : std::string_view();
    return port.empty() || (port.front() == ':' && (port.size() == 1 || parse_digits(port.substr(1))));
}

// Host: once, in HTTP/1.1 always. RFC 9112 §3.2 [host]
inline std::optional<Refusal> read_host(Request &request) {
    int hosts = 0;
    for (const Field &field : request.fields) {
        if (!same_word(field.name, "Host"))
            continue;
        request.authority = field.value;
        ++hosts;
    }
    if (hosts == 0 && request.minor_version >= 1)
        return Refusal{400, "no Host field"};
    if (hosts > 1)
        return Refusal{400, "more than one Host field"};
    if (!is_authority(request.authority))
        return Refusal{400, "a Host field that names no host"};
    return std::nullopt;
}

// Takes "http://HOST" off an absolute target. RFC 9112 §3.2.2, RFC 9110 §4.2.1
inline std::optional<Refusal> read_target(Request &request) {
    std::string_view &target = request.target;
    constexpr std::string_view scheme = "http://";
    if (target.starts_with('/') || (target == "*" && request.method == Method::options))
        return std::nullopt;
    if (!same_word(target.substr(0, scheme.size()), scheme))
        return Refusal{400, "a request target that is neither a path nor an http URI"};
    target.remove_prefix(scheme.size());
    request.authority = target.substr(0, target.find_first_of("/?"));
    target.remove_prefix(request.authority.size());
    if (request.authority.empty() || request.authority.front() == ':' || !is_authority(request.authority))
        return Refusal{400, "a URI that names no host"};
    if (target.empty())
        target = request.method == Method::options ? "*" : "/";
    else if (target.front() == '?')
        return Refusal{400, "a URI without a path before its query"};
    return std::nullopt;
}

// Where the body ends. Two servers in a row that disagree here can be made to see two different requests in the same
// bytes, so whatever could be read in two ways is refused. RFC 9112 §6.3, §11.2 [framing]
inline std::optional<Refusal> read_framing(Request &request) {
    int lengths = 0;
    int codings = 0;
    bool chunked_last = false;
    bool chunked_before = false;
    for (const Field &field : request.fields) {
        if (same_word(field.name, "Content-Length")) {
            const auto length = parse_digits(field.value);
            if (!length || ++lengths > 1)
                return Refusal{400, "a Content-Length that is no single number"};
            request.framing = Framing::length;
            request.content_length = *length;
        } else if (same_word(field.name, "Transfer-Encoding")) {
            std::string_view list = field.value;
            do {
                chunked_before |= chunked_last;
                chunked_last = same_word(trimmed(take_until(list, ',')), "chunked");
                ++codings;
            } while (!list.empty());
        }
    }
    if (codings == 0)
        return std::nullopt;
    request.framing = Framing::chunked;
    if (lengths > 0)
        return Refusal{400, "both Content-Length and Transfer-Encoding"};
    if (request.minor_version == 0)
        return Refusal{400, "Transfer-Encoding in HTTP/1.0"};
    if (!chunked_last || chunked_before)
        return Refusal{400, "a transfer coding that does not end in one chunked"};
    return codings > 1 ? std::optional(Refusal{501, "a transfer coding other than chunked"}) : std::nullopt;
}

// Whether the connection goes on afterwards, and whether the client waits to be asked for its body.
// RFC 9112 §9.3, RFC 9110 §10.1.1 [persistence]
inline std::optional<Refusal> read_connection(Request &request) {
    bool close = false;
    bool keep_alive = request.minor_version >= 1;
    request.fields.each_element("Connection", [&](std::string_view option) {
        close |= same_word(option, "close");
        keep_alive |= same_word(option, "keep-alive");
    });
    request.keep_alive = keep_alive && !close;
    const auto expected = request.fields.find("Expect");
    if (!expected || request.minor_version == 0)
        return std::nullopt;
    if (!same_word(*expected, "100-continue"))
        return Refusal{417, "an expectation other than 100-continue"};
    request.expects_continue = request.framing != Framing::none;
    return std::nullopt;
}

// What the fields mean, in the order of how much damage a misreading does.
inline std::optional<Refusal> interpret(Request &request) {
    for (const auto step : {read_framing, read_host, read_connection}) {
        if (const auto refusal = step(request))
            return refusal;
    }
    if (request.method == Method::other)
        return Refusal{501, "a method that is not implemented here"};
    return read_target(request);
}
