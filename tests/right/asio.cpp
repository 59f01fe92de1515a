// Upper case on standalone Asio: a session that keeps itself alive, as its tutorial shows it. PORT is the one argument.
#define ASIO_STANDALONE
#include <array>
#include <asio.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <utility>

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

    void read() {
        auto self = shared_from_this();
        socket_.async_read_some(asio::buffer(bytes_), [self](std::error_code error, std::size_t size) {
            if (!error)
                self->answer(size);
        });
    }

private:
    void answer(std::size_t size) {
        for (char &byte : bytes_)
            if (byte >= 'a' && byte <= 'z')
                byte -= 32;
        auto self = shared_from_this();
        asio::async_write(socket_, asio::buffer(bytes_, size), [self](std::error_code error, std::size_t) {
            if (!error)
                self->read();
        });
    }

    tcp::socket socket_;
    std::array<char, 16384> bytes_;
};

class Server {
public:
    Server(asio::io_context &context, unsigned short port)
        : acceptor_(context, {asio::ip::address_v4::loopback(), port}), again_(context) {}

    void accept() {
        acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
            if (!error)
                std::make_shared<Session>(std::move(socket))->read();
            if (error != asio::error::no_descriptors)
                return accept();
            again_.expires_after(std::chrono::milliseconds(20));
            again_.async_wait([this](std::error_code) { accept(); });
        });
    }

private:
    tcp::acceptor acceptor_;
    asio::steady_timer again_;  // when to try again, out of descriptors
};

int main(int argc, char **argv) {
    try {
        asio::io_context context;
        Server server(context, static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 9999));
        server.accept();
        context.run();
    } catch (const std::exception &error) {
        std::cerr << "asio: " << error.what() << '\n';
        return 1;
    }
}
