// An IPv4 or IPv6 address with its port, as bind, connect and accept take and give it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

// `any.sa_family` says which member holds; `size` is what bind and connect read and what accept overwrites.
struct Address {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6{};
    };
    socklen_t size = sizeof(sockaddr_in6);
};

// From "127.0.0.1" or "::1" and a port in host byte order; empty when `host` is neither. inet_pton(3), htons(3)
inline std::optional<Address> parse_address(const char *host, std::uint16_t port) {
    Address address;
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
        address.size = sizeof address.v4;
        return address;
    }
    if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
        address.size = sizeof address.v6;
        return address;
    }
    return std::nullopt;
}

// "127.0.0.1:9527" or "[::1]:9527". inet_ntop(3), ntohs(3)
inline std::string to_text(const Address &address) {
    std::array<char, INET6_ADDRSTRLEN> host{};
    if (address.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address.v4.sin_addr, host.data(), host.size());
        return std::string(host.data()) + ":" + std::to_string(ntohs(address.v4.sin_port));
    }
    inet_ntop(AF_INET6, &address.v6.sin6_addr, host.data(), host.size());
    return "[" + std::string(host.data()) + "]:" + std::to_string(ntohs(address.v6.sin6_port));
}
