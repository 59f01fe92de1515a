// The address of a Unix domain socket: a path in the file system, or an abstract name, which is in no folder.
// unix(7)
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "wrap/options.h"

// `size` is what bind and connect read, and what getpeername overwrites.
struct UnixAddress {
    union {
        sockaddr any;
        sockaddr_un un{};
    };
    socklen_t size = sizeof(sockaddr_un);
};

constexpr std::size_t before_path = offsetof(sockaddr_un, sun_path);
constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;  // 107 bytes, and its NUL

// From "serv.socket", or from "@name" for an abstract name; empty when `text` is too long for sun_path, or names
// nothing. Both are one byte longer than what is written: a path ends with a NUL, an abstract name begins with
// one, and is exactly as long as `size` says. [limit]
inline std::optional<UnixAddress> parse_unix_address(std::string_view text) {
    const bool abstract = text.starts_with('@');
    const std::string_view name = text.substr(abstract ? 1 : 0);
    if (name.empty() || name.size() > longest_path)
        return std::nullopt;
    UnixAddress address;
    address.un.sun_family = AF_UNIX;
    name.copy(&address.un.sun_path[abstract ? 1 : 0], name.size());
    address.size = before_path + name.size() + 1;
    return address;
}

// What a socket has that nobody bound, a client's above all.
const UnixAddress unnamed{{.un = {.sun_family = AF_UNIX, .sun_path = {}}}, before_path};

// All that stands in sun_path: empty when unnamed. The kernel may say more than it had room for: a path of 108
// bytes has no NUL, and counts as 109. unix(7) [bounded]
inline std::string_view name_of(const UnixAddress &address) {
    const std::size_t size = std::min<std::size_t>(address.size, sizeof address.un);
    return {address.un.sun_path, std::max(size, before_path) - before_path};
}

// The path for the calls of the file system; empty when the address is abstract or unnamed.
inline std::string path_of(const UnixAddress &address) {
    const std::string_view name = name_of(address);
    return std::string(name.substr(0, name.find('\0')));
}

// "serv.socket", "@name" or "unnamed". Somebody else may have chosen it: a line feed in it shall begin no new line
// of a log.
inline std::string to_text(const UnixAddress &address) {
    std::string_view name = name_of(address);
    if (name.empty())
        return "unnamed";
    const bool abstract = name.front() == '\0';
    name = abstract ? name.substr(1) : name.substr(0, name.find('\0'));
    std::string text = abstract ? "@" : "";
    for (const char c : name) {
        char escape[5] = "";
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
            std::snprintf(escape, sizeof escape, "\\x%02x", c);
        text += *escape ? escape : std::string(1, c);
    }
    return text;
}

// The option `--NAME PATH`, which sets `address`.
inline ExtraOption path_option(const char *name, UnixAddress &address, const char *help) {
    return {name, "PATH", "a path or @name of 1 to 107 bytes", help, [&address](const char *word) {
                const auto parsed = parse_unix_address(word);
                address = parsed.value_or(address);
                return parsed.has_value();
            }};
}
