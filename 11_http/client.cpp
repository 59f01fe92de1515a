// 11_http: a small HTTP client.
//
// Fetches a URL, or sends a file there and fetches the answer, both at the same time: a server that answers while it
// reads would otherwise wait for us as we wait for it. The answer goes to stdout or to a file.
// New: a URL; a request that is written, an answer that is read (response.h), by length or in chunks.
// Left out on purpose: TLS, redirections, several requests on one connection.
// Parent: 07_reactor.
// Build: g++ -std=c++20 -I. 11_http/client.cpp -o client

#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "07_reactor/connection.h"
#include "07_reactor/connector.h"
#include "07_reactor/event_loop.h"
#include "11_http/chunked.h"
#include "11_http/response.h"
#include "11_http/url.h"
#include "wrap/address.h"
#include "wrap/check.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"

namespace {

constexpr std::size_t piece_size = 16384;
constexpr std::chrono::seconds idle_timeout{60};
constexpr std::chrono::milliseconds progress_time{200};

struct Options {
    std::string url_text;
    Url url;
    std::string output;  // a file's name; empty: stdout
    std::string post;  // a file's name, "-" for stdin; empty: GET
};

struct Transfer {
    EventLoop &loop;
    const Options &options;
    std::string server;
    Descriptor input = {};  // what is posted
    Descriptor output = {};
    std::unique_ptr<Connector> connector = {};  // until it is connected
    std::shared_ptr<Connection> connection = {};
    ResponseReader answer = {};
    std::optional<std::uint64_t> to_send = {};  // bytes of a regular file; else it goes in chunks
    std::uint64_t sent = 0;
    bool input_ended = true;
    bool input_watched = false;
    bool progress_shown = false;
    std::unique_ptr<Timer> file_turn = {};  // of an input that is a regular file
    std::unique_ptr<Timer> progress = {};

    // However it ends: the line that says so begins at its beginning.
    ~Transfer() {
        if (progress_shown)
            std::fputc('\n', stderr);
    }
};

void on_input(Transfer &transfer);

// Watches the input just while its next piece can be sent, as 07's client does. [input]
void want_input(Transfer &transfer) {
    const bool want = !transfer.input_ended && transfer.connection->pending() == 0;
    if (transfer.file_turn) {
        if (want)
            transfer.file_turn->set(transfer.loop.now());
    } else if (!want && std::exchange(transfer.input_watched, false)) {
        transfer.loop.unwatch(transfer.input.get());
    } else if (want && !std::exchange(transfer.input_watched, true)) {
        const auto handler = [&transfer](Ready) { on_input(transfer); };
        if (transfer.loop.watch(transfer.input.get(), {.read = true}, handler, Trigger::level))
            return;
        if (errno != EPERM)
            throw_errno("epoll_ctl");
        transfer.input_watched = false;
        transfer.file_turn =
            std::make_unique<Timer>(transfer.loop.timers(), [&transfer] { on_input(transfer); });
        transfer.file_turn->set(transfer.loop.now());
    }
}

void on_input(Transfer &transfer) {
    std::array<char, piece_size> piece;
    const std::string name = transfer.options.post == "-" ? "stdin" : transfer.options.post;
    const std::size_t count = check(read(transfer.input.get(), piece.data(), piece.size()), name);
    transfer.sent += count;
    transfer.input_ended = count == 0 || transfer.sent == transfer.to_send;
    if (transfer.to_send &&
        (transfer.sent > *transfer.to_send || (count == 0 && transfer.sent < *transfer.to_send)))
        throw std::runtime_error(name + ": has changed while it was sent");
    std::string text;
    if (transfer.to_send)
        text.assign(piece.data(), count);
    else
        append_chunk(text, {piece.data(), count});
    if (transfer.input_ended && !transfer.to_send)
        text += last_chunk;
    transfer.connection->send(text);
    want_input(transfer);
}

// Says on a terminal how far it has got. [shows-progress]
void show_progress(Transfer &transfer) {
    const auto &length = transfer.answer.head().length;
    std::fprintf(stderr, "\r%.1f MB sent, %.1f MB", static_cast<double>(transfer.sent) / 1e6,
                 static_cast<double>(transfer.answer.received()) / 1e6);
    if (length)
        std::fprintf(stderr, " of %.1f MB", static_cast<double>(*length) / 1e6);
    std::fprintf(stderr, " received ");
    transfer.progress_shown = true;
    transfer.progress->set(transfer.loop.now() + progress_time);
}

// What is not 2xx is not what was asked for.
void check_status(const Transfer &transfer) {
    const ResponseHead &head = transfer.answer.head();
    if (head.status / 100 == 2)
        return;
    std::string failure = transfer.options.url_text + ": " + std::to_string(head.status) + " " + head.reason;
    if (!head.location.empty())
        failure += ", it is at " + head.location;
    throw std::runtime_error(failure);
}

void open_output(Transfer &transfer) {
    const std::string &name = transfer.options.output;
    const int number =
        name.empty() ? dup(STDOUT_FILENO) : open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    transfer.output = Descriptor(check(number, name.empty() ? "stdout" : name));
}

void stop_if_done(Transfer &transfer) {
    if (transfer.answer.bad())
        throw std::runtime_error(transfer.server + ": " + transfer.answer.reason());
    if (!transfer.answer.done())
        return;
    if (!transfer.input_ended)
        throw std::runtime_error(transfer.server + ": answered in full before all was sent");
    transfer.loop.stop();
}

void on_received(Transfer &transfer, std::span<char> came) {
    while (!came.empty() && !transfer.answer.bad() && !transfer.answer.done()) {
        const std::span<char> body = transfer.answer.read(came);
        if (transfer.answer.head_known() && transfer.output.get() == -1) {
            check_status(transfer);
            open_output(transfer);
        }
        if (!write_all(transfer.output.get(), body))
            throw_errno(transfer.options.output.empty() ? "stdout" : transfer.options.output);
    }
    stop_if_done(transfer);
}

void on_ended(Transfer &transfer) {
    transfer.answer.end();
    stop_if_done(transfer);
}

void on_closed(const Transfer &transfer, int error) {
    if (error == ETIMEDOUT)
        throw std::runtime_error(transfer.server + ": nothing came or went for 60 s");
    throw std::system_error(error, std::generic_category(), transfer.server);
}

// [request]
std::string request_head(const Transfer &transfer) {
    const Options &options = transfer.options;
    std::string head = (options.post.empty() ? "GET " : "POST ") + options.url.target + " HTTP/1.1\r\n";
    head += "Host: " + options.url.authority + "\r\nConnection: close\r\n";
    if (transfer.to_send)
        head += "Content-Length: " + std::to_string(*transfer.to_send) + "\r\n";
    else if (!options.post.empty())
        head += "Transfer-Encoding: chunked\r\n";
    return head + "\r\n";
}

void on_connected(Transfer &transfer, Descriptor descriptor) {
    transfer.loop.retire(std::move(transfer.connector));  // it is what calls us
    transfer.connection =
        Connection::open(transfer.loop, std::move(descriptor), {},
                         {.received = [&](Connection &, std::span<char> came) { on_received(transfer, came); },
                          .ended = [&](Connection &) { on_ended(transfer); },
                          .drained = [&](Connection &) { want_input(transfer); },
                          .closed = [&](Connection &, int error) { on_closed(transfer, error); }},
                         idle_timeout);
    if (!transfer.connection)
        throw_errno("epoll_ctl");
    transfer.connection->send(request_head(transfer));
    want_input(transfer);
}

void open_input(Transfer &transfer) {
    const std::string &name = transfer.options.post;
    if (name.empty())
        return;
    transfer.input =
        Descriptor(check(name == "-" ? dup(STDIN_FILENO) : open(name.c_str(), O_RDONLY | O_CLOEXEC), name));
    struct stat status {};
    check(fstat(transfer.input.get(), &status), name);
    if (name != "-" && S_ISREG(status.st_mode))
        transfer.to_send = status.st_size;
    transfer.input_ended = transfer.to_send == 0;
}

void fetch(Transfer &transfer, const Address &address) {
    open_input(transfer);
    transfer.connector = std::make_unique<Connector>(
        transfer.loop, address, [&](Descriptor descriptor) { on_connected(transfer, std::move(descriptor)); },
        [](const std::string &failure) { throw std::runtime_error(failure); });
    const bool printed_there = transfer.options.output.empty() && isatty(STDOUT_FILENO);
    if (isatty(STDERR_FILENO) && !printed_there) {
        transfer.progress = std::make_unique<Timer>(transfer.loop.timers(), [&] { show_progress(transfer); });
        transfer.progress->set(transfer.loop.now() + progress_time);
    }
    transfer.loop.run();
}

[[noreturn]] void show_usage() {
    std::printf(
        "usage: client URL [--output FILE] [--post FILE]\n"
        "  URL            http://HOST:PORT/PATH; port 80 unless told otherwise\n"
        "  --output FILE  writes the answer there instead of to stdout\n"
        "  --post FILE    sends the file (-: stdin) there, and fetches the answer\n");
    std::exit(0);
}

Options parse_client_options(int argc, char *argv[]) {
    Options options;
    const std::array<option, 4> known{{{"output", required_argument, nullptr, 'o'},
                                       {"post", required_argument, nullptr, 'p'},
                                       {"help", no_argument, nullptr, 'h'},
                                       {}}};
    for (int found; (found = getopt_long(argc, argv, "", known.data(), nullptr)) != -1;) {
        if (found == 'h')
            show_usage();
        if (found == '?')
            std::exit(2);  // getopt_long has said why
        std::string &value = found == 'o' ? options.output : options.post;
        value = optarg;
        if (value.empty())
            reject("client", std::string(found == 'o' ? "--output" : "--post") + ": '' is no file");
    }
    if (optind == argc)
        reject("client", "a URL is missing");
    if (optind + 1 < argc)
        reject("client", "unexpected argument '" + std::string(argv[optind + 1]) + "'");
    options.url_text = argv[optind];
    const auto url = parse_url(options.url_text);
    if (!url)
        reject("client", "'" + options.url_text + "' is no http URL");
    options.url = *url;
    return options;
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Options options = parse_client_options(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Address address = find_address(options.url);
    EventLoop loop;
    Transfer transfer{.loop = loop, .options = options, .server = to_text(address)};
    fetch(transfer, address);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
    return 1;
}
