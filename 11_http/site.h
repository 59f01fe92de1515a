// What all connections of the server share.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "07_reactor/event_loop.h"
#include "07_reactor/stream_server.h"
#include "11_http/cache.h"
#include "11_http/date.h"
#include "11_http/files.h"
#include "wrap/options.h"

struct SiteOptions {
    std::string root = ".";
    Duration header_timeout = std::chrono::seconds(10);
    std::uint64_t max_body = UINT64_MAX;
};

struct Site {
    explicit Site(const SiteOptions &options)
        : root(options.root), header_timeout(options.header_timeout), max_body(options.max_body) {}

    Root root;
    Duration header_timeout;  // for a head, from its first byte to its last
    std::uint64_t max_body;  // bytes that a request may bring
    FileCache cache = {};
    DateClock date = {};
    std::string out =
        {};  // what the connection whose turn it is will send: one buffer for all, as they take turns [out]
    bool stopping = false;
};

// --root, --header-timeout and --max-body, for parse_options(). They set `options`, which must live until then.
inline std::vector<ExtraOption> site_options(SiteOptions &options) {
    const auto set_root = [&options](std::string_view word) {
        options.root = word;
        return !word.empty();
    };
    const auto set_timeout = [&options](std::string_view word) {
        const auto seconds = parse_seconds(word);
        options.header_timeout =
            std::chrono::duration_cast<Duration>(seconds.value_or(std::chrono::seconds(0)));
        return seconds && *seconds > seconds->zero();
    };
    const auto set_max_body = [&options](std::string_view word) {
        const auto bytes = parse_number<std::uint64_t>(word);
        options.max_body = bytes.value_or(0);
        return bytes.has_value();
    };
    return {{.name = "root",
             .argument = "DIR",
             .accepts = "a folder",
             .help = "the files that it serves; where it is started unless told otherwise",
             .take = set_root},
            {.name = "header-timeout",
             .argument = "SECONDS",
             .accepts = "a number of seconds above 0",
             .help = "for a request's head, from its first byte to its last; 10 unless told otherwise",
             .take = set_timeout},
            {.name = "max-body",
             .argument = "BYTES",
             .accepts = "a number of bytes",
             .help = "that a request may bring; as many as it likes unless told otherwise",
             .take = set_max_body}};
}
