// 10_unix_socket: the address is a path.
//
// 03's server for the programs of one machine: a thread for every client, at a path in the file system or under an
// abstract name. A path outlives who made it, so it is locked, taken over and removed with care.
// New: sockaddr_un; the file that bind makes, its mode and its end; who the client is, from the kernel.
// Left out on purpose: what 03 leaves out; sockets for datagrams (SOCK_DGRAM) and their names.
// Parent: 03_thread_server.
// Build: g++ -std=c++20 -I. 10_unix_socket/server.cpp -o server

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "10_unix_socket/unix_address.h"
#include "10_unix_socket/unix_stream.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/stream.h"
#include "wrap/upper.h"

namespace {

constexpr const char *default_path = "serv.socket";
constexpr std::size_t buffer_size = 16384;

struct Options {
    UnixAddress address = parse_unix_address(default_path).value();
    mode_t mode = 0;  // unless told otherwise
};

// The mode in `text`, which is octal and nothing else; 0 when it is none.
mode_t parse_mode(std::string_view text) {
    mode_t mode = 0;
    const char *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, mode, 8);
    return error == std::errc{} && rest == end && mode <= 0777 ? mode : 0;
}

Options parse_options(int argc, char *argv[]) {
    Options options;
    const std::array known = {
        path_option("path", options.address, "serv.socket unless told otherwise; @name is abstract"),
        ExtraOption{"mode", "MODE", "an octal mode from 1 to 777",
                    "of the socket's file, 600 unless told otherwise: who may write to it may connect",
                    [&](const char *word) {
                        options.mode = parse_mode(word);
                        return options.mode != 0;
                    }}};
    read_options(argc, argv, "server", known);
    if (options.mode && path_of(options.address).empty())
        reject("server", "--mode: " + to_text(options.address) + " is no file, and has none");
    return options;
}

// Answers one client until it ends its side or is gone. The connection is this thread's own, and closed here.
void serve(Descriptor connection, const std::string &peer) {
    if (verbose)
        std::fprintf(stderr, "%s connected\n", peer.c_str());
    std::array<char, buffer_size> buffer;
    for (;;) {
        const ssize_t received = read(connection.get(), buffer.data(), buffer.size());
        if (received <= 0)  // 0: the client has ended its side; -1: it is gone
            break;
        const std::span text = std::span(buffer).first(received);
        upper_case(text);
        if (!write_all(connection.get(), text))
            break;
        if (verbose)
            std::fprintf(stderr, "%s sent %zu bytes\n", peer.c_str(), text.size());
    }
    if (verbose)
        std::fprintf(stderr, "%s closed\n", peer.c_str());
}

// SIGINT and SIGTERM, which from now on wait in this thread and in those that it starts, until sigwait takes one.
sigset_t hold_back_endings() {
    sigset_t endings;
    sigemptyset(&endings);
    sigaddset(&endings, SIGINT);
    sigaddset(&endings, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &endings, nullptr);
    return endings;
}

// A thread of its own: when a signal ends the program, removes its files first. sigwait(3), signal(7) [ending]
void end_by_signal(const sigset_t endings, Listener &listener) {
    int signal = 0;
    sigwait(&endings, &signal);
    listener.remove_files();
    std::signal(signal, SIG_DFL);  // a shell may have had it ignored
    pthread_sigmask(SIG_UNBLOCK, &endings, nullptr);
    raise(signal);
}

}  // namespace

int main(int argc, char *argv[]) try {
    const Options options = parse_options(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const sigset_t endings = hold_back_endings();
    Listener listener = listen_on(options.address, options.mode ? options.mode : 0600);
    std::thread(end_by_signal, endings, std::ref(listener)).detach();
    std::printf("listening on %s\n", to_text(options.address).c_str());
    std::fflush(stdout);
    for (;;) {
        Descriptor connection = accept_connection(listener.socket).connection;
        const std::string peer = peer_of(connection);
        try {
            std::thread(serve, std::move(connection), peer).detach();  // [move]
        } catch (const std::exception &error) {  // [thread-fails]
            std::fprintf(stderr, "server: %s refused: thread: %s\n", peer.c_str(), error.what());
        }
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
