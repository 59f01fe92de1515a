// The service of every chapter on standalone Asio, written as its users write it: to be measured beside our servers.
//
// Each connection reads some, writes all of it, and reads again: so it is never owed more than one buffer, and
// that is its back-pressure. The session lives as long as an operation of it is under way.
//
// Build: g++ -std=c++20 -O2 -I. bench/peers/asio.cpp -o asio

#include <array>
#include <asio.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <utility>

#include "wrap/address.h"
#include "wrap/descriptor.h"
#include "wrap/options.h"
#include "wrap/upper.h"

namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds retry_time(
    50);  // between two tries to accept, while descriptors have run out

class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

    void read() {
        socket_.async_read_some(
            asio::buffer(buffer_),
            [self = shared_from_this()](const asio::error_code &error, std::size_t received) {
                if (!error)  // end of file is one, and the last of the session
                    self->write(received);
            });
    }

private:
    void write(std::size_t size) {
        upper_case(std::span(buffer_).first(size));
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](const asio::error_code &error, std::size_t) {
                              if (!error)
                                  self->read();
                          });
    }

    tcp::socket socket_;
    std::array<char, 16384> buffer_;
};

class Server {
public:
    Server(asio::io_context &context, const tcp::endpoint &endpoint)
        : acceptor_(context, endpoint), timer_(context) {
        acceptor_.listen();
    }

    tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

    void accept() {
        acceptor_.async_accept([this](const asio::error_code &error, tcp::socket socket) {
            if (!error)
                std::make_shared<Session>(std::move(socket))->read();
            if (error == asio::error::no_descriptors)
                retry();
            else
                accept();
        });
    }

private:
    void retry() {
        timer_.expires_after(retry_time);
        timer_.async_wait([this](const asio::error_code &) { accept(); });
    }

    tcp::acceptor acceptor_;
    asio::steady_timer timer_;
};

}  // namespace

int main(int argc, char *argv[]) try {
    const Address address = parse_options(argc, argv, "server", 9999);
    raise_descriptor_limit();
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);  // one thread: Asio need lock nothing
    tcp::endpoint endpoint;
    std::memcpy(endpoint.data(), &address.any, address.size);
    Server server(context, endpoint);
    Address bound;
    std::memcpy(&bound.any, server.endpoint().data(), server.endpoint().size());
    std::printf("listening on %s\n", to_text(bound).c_str());
    std::fflush(stdout);
    server.accept();
    context.run();
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
