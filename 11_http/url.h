// What the client is told to fetch: http://HOST:PORT/PATH. RFC 9110 §4.2.1, RFC 3986 §3
#pragma once

#include <netdb.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "11_http/grammar.h"
#include "11_http/request.h"
#include "wrap/address.h"
#include "wrap/options.h"

struct Url {
    std::string authority;  // as it goes into Host
    std::string host = {};  // without brackets
    std::uint16_t port = 80;
    std::string target;  // path and query
};

// Reads `text`; empty when it is no http URL. What may not stand in a URL is not mended but refused. [url]
inline std::optional<Url> parse_url(std::string_view text) {
    constexpr std::string_view scheme = "http://";
    if (!same_word(text.substr(0, scheme.size()), scheme))
        return std::nullopt;
    text.remove_prefix(scheme.size());
    text = text.substr(0, text.find('#'));  // a fragment is for the reader, not for the server: RFC 9110 §7.1
    const std::size_t path = std::min(text.find_first_of("/?"), text.size());
    const std::string_view authority = text.substr(0, path);
    Url url{.authority = std::string(authority), .target = std::string(text.substr(path))};
    if (!url.target.starts_with('/'))
        url.target.insert(0, "/");
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    url.host = authority.substr(0, colon);
    if (bracket != std::string_view::npos)
        url.host = authority.substr(1, bracket - 1);
    if (colon != std::string_view::npos && colon + 1 < authority.size()) {
        const auto port = parse_port(authority.substr(colon + 1));
        if (!port)
            return std::nullopt;
        url.port = *port;
    }
    if (url.host.empty() || !is_authority(authority) || !consists_of(url.target, grammar::target))
        return std::nullopt;
    return url;
}

// The first address of the host, which may be a name: getaddrinfo(3) asks whoever the system asks for it, and waits.
// Throws std::runtime_error, "cannot find HOST: REASON".
inline Address find_address(const Url &url) {
    if (const auto address = parse_address(url.host.c_str(), url.port))
        return *address;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    const int failed = getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
    if (failed != 0)
        throw std::runtime_error("cannot find " + url.host + ": " + gai_strerror(failed));
    const std::unique_ptr<addrinfo, void (*)(addrinfo *)> owner(found, freeaddrinfo);
    Address address;
    std::memcpy(&address.v6, found->ai_addr, found->ai_addrlen);
    address.size = found->ai_addrlen;
    return address;
}
