// 11_http: a protocol on the reactor.
//
// Bytes become requests, requests become answers: HTTP/1.1 as RFC 9110 and 9112 have it, in files of an idea each.
// Reading (parser.h, chunked.h, …) knows of no socket, what is served (static_files.h) of no loop; http_connection.h
// brings them together, on 07's event loop and connections, which it takes as they are.
// New: requests, answers, and files. Left out on purpose: TLS, HTTP/2, compression, running programs for an answer.
// Parent: 07_reactor.
// Build: g++ -std=c++20 -I. 11_http/server.cpp -o server

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "07_reactor/event_loop.h"
#include "07_reactor/stream_server.h"
#include "11_http/begun.h"
#include "11_http/http_connection.h"
#include "11_http/site.h"
#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"

namespace {

constexpr std::uint16_t default_port = 9999;

// What is known of a connection's requests is its context.
HttpConnection &http(const Connection &connection) {
    return *static_cast<HttpConnection *>(connection.context.get());
}

// [handlers]
Connection::Handlers handlers() {
    return {.received = [](Connection &one, std::span<char> bytes) { http(one).received(one, bytes); },
            .ended = [](Connection &one) { http(one).ended(one); },
            .drained = [](Connection &one) { http(one).drained(one); },
            .closed = [](Connection &one, int) { http(one).closed(one); }};
}

}  // namespace

int main(int argc, char *argv[]) try {
    Limits limits;
    SiteOptions options;
    std::vector<ExtraOption> extra = site_options(options);
    for (const ExtraOption &option : limit_options(limits))
        extra.push_back(option);
    const Address address = parse_options(argc, argv, "server", default_port, extra);
    std::signal(SIGPIPE, SIG_IGN);
    const unsigned long limit = raise_descriptor_limit();
    if (verbose)
        std::fprintf(stderr, "up to %lu descriptors\n", limit);
    Site site(options);
    EventLoop loop;
    StreamServer server(loop, address, limits, handlers());
    server.on_open([&site](Connection &one) { one.context = std::make_shared<HttpConnection>(site); });
    BegunRequests begun(loop, site, limits.grace / 2);
    server.on_stop([&begun](Connection &connection) { begun.stop(connection); });
    loop.run();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
