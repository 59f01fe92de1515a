// The pool's part of the server's command line.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "08_threadpool/pool_size.h"
#include "wrap/options.h"

// --min-threads, --max-threads, --queue, --manage-interval and --work-us, for parse_options(). They set `size` and
// `work`, which must live until then.
inline std::array<ExtraOption, 5> pool_options(PoolSize &size, std::chrono::microseconds &work) {
    const auto count = [](std::size_t &number, std::size_t limit) {
        return [&number, limit](std::string_view word) {
            number = parse_number<std::size_t>(word).value_or(0);
            return number >= 1 && number <= limit;
        };
    };
    const auto threads = [&](const char *name, const char *help, std::size_t &number) {
        return ExtraOption{.name = name,
                           .argument = "N",
                           .accepts = "a number from 1 to 1000",
                           .help = help,
                           .take = count(number, 1000)};
    };
    return {threads("min-threads", "workers there are at least: 2 unless told otherwise", size.min_threads),
            threads("max-threads", "and at most: 8 unless told otherwise", size.max_threads),
            ExtraOption{.name = "queue",
                        .argument = "N",
                        .accepts = "a number from 1 to 1000000",
                        .help = "messages that wait for a worker, at most: 64 unless told otherwise",
                        .take = count(size.queue, 1'000'000)},
            ExtraOption{.name = "manage-interval",
                        .argument = "SECONDS",
                        .accepts = "a number of seconds",
                        .help = "between two looks of the manager: 1 unless told otherwise, 0 for none",
                        .take =
                            [&size](std::string_view word) {
                                const auto seconds = parse_seconds(word);
                                size.manage_interval = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                    seconds.value_or(std::chrono::seconds(0)));
                                return seconds.has_value();
                            }},
            ExtraOption{.name = "work-us",
                        .argument = "N",
                        .accepts = "a number from 0 to 60000000",
                        .help = "CPU time that each message takes, in microseconds: 0 unless told otherwise",
                        .take = [&work](std::string_view word) {
                            const auto number = parse_number<unsigned>(word);
                            work = std::chrono::microseconds(number.value_or(0));
                            return number && *number <= 60'000'000;
                        }}};
}

// Rejects bounds of which each is right, and both are not.
inline void check_bounds(const PoolSize &size) {
    if (size.min_threads > size.max_threads)
        reject("server", "--min-threads: '" + std::to_string(size.min_threads) +
                             "' is more than --max-threads, " + std::to_string(size.max_threads));
}
