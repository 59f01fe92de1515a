// A line for each request, in the Common Log Format: host, time, request line, status, bytes of the body.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include "wrap/address.h"

// `text` so that it stays within its line and its quotes, and sends nothing to the terminal: a request line comes from
// anybody. [log-escape]
inline std::string escape_for_log(std::string_view text) {
    std::string escaped;
    for (const char c : text.substr(0, 1000)) {
        const auto byte = static_cast<unsigned char>(c);
        std::array<char, 8> code{};
        if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
            escaped.push_back(c);
            continue;
        }
        std::snprintf(code.data(), code.size(), "\\x%02x", byte);
        escaped += code.data();
    }
    return escaped;
}

// What is to be said of a request when its answer has been sent, or cut.
struct LogEntry {
    std::string line;
    int status = 0;
    std::uint64_t bytes = 0;
    std::time_t time = std::time(nullptr);
};

// Writes the line on stderr.
inline void write_log(const LogEntry &entry, const Address &peer) {
    std::tm local{};
    localtime_r(&entry.time, &local);
    std::array<char, 40> time{};
    std::strftime(time.data(), time.size(), "%d/%b/%Y:%H:%M:%S %z", &local);
    std::string host = to_text(peer);
    host.resize(host.rfind(':'));
    if (host.starts_with('['))
        host = host.substr(1, host.size() - 2);
    std::fprintf(stderr, "%s - - [%s] \"%s\" %d %llu\n", host.c_str(), time.data(),
                 escape_for_log(entry.line).c_str(), entry.status,
                 static_cast<unsigned long long>(entry.bytes));
}
