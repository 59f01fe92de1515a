// 09_udp: a line a datagram, asked again until it is answered.
//
// The lines at hand, a few at most, are sent together; those that are not answered in time are sent again, and are
// given twice as long. A number stands before each line and comes back with it: so the answers may come in any
// order, and one that is late or comes twice is not taken for another's.
// New against 01: what TCP did for the client it does itself, as much of it as these lines need.
// Left out on purpose: a timeout and a window that follow what the network does (RFC 8085).
// Parent: 01's client_wrapped.cpp.
// Build: g++ -std=c++20 -I. 09_udp/client.cpp -o client

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::uint16_t default_port = 8000;
constexpr std::size_t piece_size = 1400;  // [piece] with its headers below 1,500, what an Ethernet frame takes
constexpr std::size_t window = 16;  // [window] on their way at once: a receive buffer holds more of any size
constexpr Seconds longest_wait(60);  // doubling ends there: RFC 6298 §2

struct Server {
    Descriptor socket{};
    std::string name{};
    Seconds timeout{0.2};  // of the first try; each further one has twice as much
    unsigned retries = 5;
};

// A line of the input, or a piece of a long one.
struct Question {
    std::uint64_t line;
    std::string datagram;  // number, blank, text
    std::string answer{};  // the text; empty until it has come
};

// stdin, cut into lines.
struct Input {
    std::string rest{};  // read, and not asked yet
    std::uint64_t line = 1;
    std::uint64_t number = 0;  // of the last datagram
    bool ended = false;
};

// A socket that sends to `address` and hears from nobody else; the caller owns it. Nothing goes out by this.
// Throws std::system_error, "cannot connect to ADDRESS: CALL: REASON". udp(7), connect(2) [connect]
Descriptor socket_to(const Address &address) {
    const std::string failure = "cannot connect to " + to_text(address) + ": ";
    Descriptor socket(check(::socket(address.any.sa_family, SOCK_DGRAM, 0), failure + "socket"));
    check(connect(socket.get(), &address.any, address.size), failure + "connect");
    return socket;
}

// How much of `rest` the next datagram takes: a line with its newline, or a piece of a longer one. 0: more must be
// read to tell.
std::size_t next_size(std::string_view rest, bool ended) {
    const std::size_t newline = rest.substr(0, piece_size).find('\n');
    if (newline != std::string_view::npos)
        return newline + 1;
    return rest.size() >= piece_size ? piece_size : ended ? rest.size() : 0;
}

// The lines at hand, no more than a window of them; waits for input only where there is none. Empty at its end.
// [at-hand]
std::vector<Question> next_questions(Input &input) {
    std::vector<Question> questions;
    for (;;) {
        std::string_view rest = input.rest;
        for (std::size_t size; questions.size() < window && (size = next_size(rest, input.ended)) > 0;) {
            const std::string text(rest.substr(0, size));
            questions.push_back({input.line, std::to_string(++input.number) + " " + text});  // [number]
            input.line += text.back() == '\n';
            rest.remove_prefix(size);
        }
        input.rest.erase(0, input.rest.size() - rest.size());
        if (!questions.empty() || input.ended)
            return questions;
        std::array<char, 16384> buffer;
        const ssize_t count = check(read(STDIN_FILENO, buffer.data(), buffer.size()), "stdin");
        input.rest.append(buffer.data(), count);
        input.ended = count == 0;
    }
}

// Receives a datagram into `buffer`, as recv(2); EAGAIN: none has come before `deadline`. [deadline]
ssize_t receive(const Server &server, std::span<char> buffer, Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{.fd = server.socket.get(), .events = POLLIN, .revents = 0};
    if (check(poll(&waiting, 1, static_cast<int>(std::max<long>(left, 0))), "poll") > 0)
        return recv(server.socket.get(), buffer.data(), buffer.size(), 0);
    errno = EAGAIN;
    return -1;
}

// Whether `datagram` answers one of the questions: it has its number and its length. The answer is stored then;
// what comes late, or twice, answers none. [late]
bool store(std::string_view datagram, std::vector<Question> &questions) {
    const std::string_view number = datagram.substr(0, datagram.find(' ') + 1);
    for (Question &asked : questions) {
        if (asked.answer.empty() && asked.datagram.size() == datagram.size() && !number.empty() &&
            asked.datagram.starts_with(number)) {
            asked.answer = datagram.substr(number.size());
            return true;
        }
    }
    return false;
}

// What errno says of `call`. ECONNREFUSED is about an earlier datagram: it met a port without a socket, and the
// kernel over there has sent word of it. icmp(7) [refused]
std::string reason(const Server &server, const std::string &call) {
    if (errno == ECONNREFUSED)
        return "nobody listens on " + server.name;
    return server.name + ": " + call + ": " + std::strerror(errno);
}

// Asks until all questions are answered, and returns the empty string; or why they are not.
std::string ask(const Server &server, std::vector<Question> &questions) {
    std::array<char, 2 * piece_size> buffer;  // more than an answer takes
    std::size_t missing = questions.size();
    Seconds wait = server.timeout;  // [ask]
    for (unsigned tries = 0; tries <= server.retries; ++tries, wait = std::min(2 * wait, longest_wait)) {
        for (const Question &asked : questions) {
            const std::string &datagram = asked.datagram;
            if (asked.answer.empty() && send(server.socket.get(), datagram.data(), datagram.size(), 0) == -1)
                return reason(server, "send");
        }
        const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(wait);
        while (missing > 0) {
            const ssize_t size = receive(server, buffer, deadline);
            if (size == -1 && errno == EAGAIN)
                break;
            if (size == -1)
                return reason(server, "recv");
            missing -= store({buffer.data(), static_cast<std::size_t>(size)}, questions);
        }
        if (missing == 0)
            return "";
    }
    return server.name + ": no answer in " + std::to_string(server.retries + 1) +
           (server.retries == 0 ? " try" : " tries");
}

// Prints the answers in the order of the questions, up to the first that is missing. Throws std::runtime_error
// then, which tells the `failure` and what is lost by it. [lost]
void print(const std::vector<Question> &questions, const std::string &failure) {
    const auto missing = [](const Question &asked) { return asked.answer.empty(); };
    const auto lost = std::find_if(questions.begin(), questions.end(), missing);
    std::string answers;
    for (auto asked = questions.begin(); asked != lost; ++asked)
        answers += asked->answer;
    if (!write_all(STDOUT_FILENO, answers))
        throw_errno("stdout");
    if (lost != questions.end())
        throw std::runtime_error(failure + ": line " + std::to_string(lost->line) +
                                 " and all after it are lost");
}

// --timeout and --retries, stored where they are told to.
ExtraOption timeout_option(Seconds &timeout) {
    return {.name = "timeout",
            .argument = "SECONDS",
            .accepts = "a number above 0 and up to 60",
            .help = "for the first try, 0.2 unless told otherwise; doubled for each further one",
            .take = [&timeout](const char *word) {
                timeout = Seconds(parse_number<double>(word).value_or(0));
                return timeout > Seconds(0) && timeout <= longest_wait;
            }};
}

ExtraOption retries_option(unsigned &retries) {
    return {.name = "retries",
            .argument = "NUMBER",
            .accepts = "a number from 0 to 65535",
            .help = "of further tries, 5 unless told otherwise",
            .take = [&retries](const char *word) {
                const auto number = parse_number<std::uint16_t>(word);
                retries = number.value_or(0);
                return number.has_value();
            }};
}

}  // namespace

int main(int argc, char *argv[]) try {
    Server server;
    const std::array extra{timeout_option(server.timeout), retries_option(server.retries)};
    const Address address = parse_options(argc, argv, "client", default_port, extra);
    std::signal(SIGPIPE, SIG_IGN);
    server.name = to_text(address);
    server.socket = socket_to(address);
    Input input;
    for (std::vector<Question> questions; !(questions = next_questions(input)).empty();) {
        const std::string failure = ask(server, questions);
        print(questions, failure);
    }
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
