// A client's requests on a connection, one after another, and their answers in the same order.
// What comes is read where it lies; only what is not a whole head yet is kept. The answers of a turn are written into
// one buffer and sent in one go. While a body is streamed, or too much is pending, the next request waits.
#pragma once

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "07_reactor/connection.h"
#include "07_reactor/event_loop.h"
#include "11_http/access_log.h"
#include "11_http/answer.h"
#include "11_http/body.h"
#include "11_http/file_body.h"
#include "11_http/parser.h"
#include "11_http/site.h"
#include "11_http/static_files.h"
#include "wrap/options.h"
#include "wrap/upper.h"

class HttpConnection {
public:
    explicit HttpConnection(Site &site) : site_(site) {}

    // What Connection calls.
    void received(Connection &connection, std::span<char> bytes);
    void ended(Connection &connection);
    void drained(Connection &connection);
    void closed(Connection &connection);

private:
    // A request whose body is coming in.
    struct Incoming {
        BodyReader body;
        Answer answer;
        bool
            upper;  // the body is answered in upper case; else it is thrown away, and the answer is written already
        bool begun = false;  // the answer's head is written
    };

    // Whether the next request must wait: its answer would have to be kept in memory.
    [[nodiscard]] bool is_blocked(const Connection &connection) const {
        return file_ || site_.out.size() + connection.pending() >= Connection::high_water_mark;
    }

    std::size_t process(Connection &connection, std::span<char> bytes);
    void process_held(Connection &connection);
    void flush(Connection &connection);
    void send_file(Connection &connection);
    void finish(Connection &connection) const;
    void await_head(Connection &connection);
    std::size_t read_head(Connection &connection, std::span<char> bytes);
    std::size_t read_body(Connection &connection, std::span<char> bytes);
    void respond(Connection &connection, const Request &request, bool more);
    void respond_at_once(Connection &connection, const Request &request, Answer &answer);
    void answer_upper(std::span<char> text);
    void end_of_body(Connection &connection);
    void cut_off(Connection &connection, Refusal refusal);
    void refuse(Connection &connection, Refusal refusal, const std::string &line);
    void begin_log(std::string_view line, const Answer &answer);
    void end_log(const Connection &connection);

    static constexpr std::chrono::seconds linger_time{5};

    Site &site_;
    HeadProgress progress_;
    bool closing_ = false;  // the last answer is written: what comes now is thrown away
    bool ended_ = false;  // the client has ended its side
    bool began_ = false;  // a byte has come
    bool last_look_ = false;  // the server stops: what has come was read once more
    bool waits_ = false;  // a request has come that must wait, see is_blocked()
    std::string input_;  // a head that is not whole yet, or requests that wait for their turn [held]
    std::unique_ptr<Incoming> incoming_;
    std::unique_ptr<FileBody> file_;  // what is being sent, behind its head
    std::unique_ptr<Timer> header_timer_;  // while a head is coming in
    std::unique_ptr<LogEntry> log_;  // of the answer that is on its way
};

#include "11_http/http_answers.h"
#include "11_http/http_turns.h"
