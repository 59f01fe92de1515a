// The command line that every server and client shares.
#pragma once

#include <getopt.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "wrap/address.h"

// --verbose, which only a server takes. Set while the command line is read, before there is a second thread.
inline bool verbose = false;

// The number in `text`, decimal and nothing else; empty when it is none or too large. std::from_chars
template <typename Number = std::uint16_t>
std::optional<Number> parse_number(std::string_view text) {
    Number number{};
    const char *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || rest != end)
        return std::nullopt;
    return number;
}

inline std::optional<std::uint16_t> parse_port(std::string_view text) {
    return parse_number<std::uint16_t>(text);
}

// The seconds in `text`, a decimal number, a fraction perhaps, of at most ten years; empty when it is none.
inline std::optional<std::chrono::duration<double>> parse_seconds(std::string_view text) {
    constexpr double ten_years = 3e8;
    const auto seconds = parse_number<double>(text);
    if (!seconds || !(*seconds >= 0 && *seconds <= ten_years))  // not a number is neither
        return std::nullopt;
    return std::chrono::duration<double>(*seconds);
}

// Says in one line on stderr what is wrong with the command line of `program`, and exits 2.
[[noreturn]] inline void reject(const std::string &program, const std::string &reason) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), reason.c_str());
    std::exit(2);
}

// An option that only some programs take: `--NAME ARGUMENT`, or `--NAME` alone, which take() gets as "".
struct ExtraOption {
    const char *name;
    const char *argument = nullptr;
    const char *accepts = nullptr;  // for the line that rejects another word: "level or edge"
    const char *help;
    std::function<bool(const char *word)> take;  // false: not an acceptable word
};

// Prints the usage of `program` on stdout and exits 0.
[[noreturn]] inline void show_help(const std::string &program, std::span<const ExtraOption> options) {
    const bool server = program == "server";
    std::printf("usage: %s%s", program.c_str(), server ? " [--verbose]" : "");
    for (const ExtraOption &one : options)
        std::printf(one.argument ? " [--%s %s]" : " [--%s]", one.name, one.argument);
    std::printf("\n");
    for (const ExtraOption &one : options)
        std::printf("  --%s%s%s  %s\n", one.name, one.argument ? " " : "", one.argument ? one.argument : "",
                    one.help);
    if (server)
        std::printf("  --verbose    log connections and messages on stderr\n");
    std::exit(0);
}

// Reads the command line of `program`: `options`, --help, and --verbose if it is "server". Does not return from
// --help (exit 0) or from words it cannot take (exit 2). getopt_long(3)
inline void read_options(int argc, char *argv[], const std::string &program,
                         std::span<const ExtraOption> options) {
    std::vector<option> known;
    for (const ExtraOption &one : options)
        known.push_back({one.name, one.argument ? required_argument : no_argument, nullptr, 'x'});
    known.push_back({"help", no_argument, nullptr, 'h'});
    known.push_back({program == "server" ? "verbose" : nullptr, no_argument, nullptr, 'v'});
    known.push_back({});
    int index = 0;
    for (int found; (found = getopt_long(argc, argv, "", known.data(), &index)) != -1;) {
        if (found == 'h')
            show_help(program, options);
        else if (found == 'v')
            verbose = true;
        else if (found != 'x')
            std::exit(2);  // getopt_long has said why
        else if (!options[index].take(optarg ? optarg : ""))
            reject(program, "--" + std::string(options[index].name) + ": '" + optarg + "' is not " +
                                options[index].accepts);
    }
    if (optind != argc)
        reject(program, "unexpected argument '" + std::string(argv[optind]) + "'");
}

// The same for a program that takes --host and --port: returns the address that these make.
inline Address parse_options(int argc, char *argv[], const std::string &program, std::uint16_t port,
                             std::span<const ExtraOption> extra = {}) {
    std::string host = "127.0.0.1";
    const std::string port_help =
        std::to_string(port) + " unless told otherwise" + (program == "server" ? "; 0 takes a free one" : "");
    std::vector<ExtraOption> options{
        {"host", "HOST", "an IPv4 or IPv6 address", "IPv4 or IPv6 address, 127.0.0.1 unless told otherwise",
         [&](const char *word) {
             host = word;
             return parse_address(word, 0).has_value();
         }},
        {"port", "PORT", "a number from 0 to 65535", port_help.c_str(),
         [&](const char *word) {
             const auto number = parse_port(word);
             port = number.value_or(port);
             return number.has_value();
         }},
    };
    options.insert(options.end(), extra.begin(), extra.end());
    read_options(argc, argv, program, options);
    return *parse_address(host.c_str(), port);
}
