// 11_http: what is pure in it. Each input is also given to the code byte by byte, and cut at every place, and stands
// in a heap block of its own size, behind which AddressSanitizer watches.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "11_http/chunked.h"
#include "11_http/conditional.h"
#include "11_http/date.h"
#include "11_http/media_types.h"
#include "11_http/parser.h"
#include "11_http/path.h"
#include "11_http/range.h"

namespace {

using namespace std::string_literals;

// A copy that ends where its block ends.
class Exact {
public:
    explicit Exact(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
        std::memcpy(bytes_.get(), text.data(), size_);
    }
    [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
    std::span<char> span() { return {bytes_.get(), size_}; }

private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

// ---- the head of a request

// A head and what it must come to: 0 for complete, -1 for incomplete, else the status.
struct Head {
    std::string text;
    int verdict;
};

int verdict_of(const Parsed &parsed) {
    switch (parsed.state) {
        case Parsed::State::complete:
            return 0;
        case Parsed::State::incomplete:
            return -1;
        default:
            return parsed.refusal.status;
    }
}

// What a parser says that is given `text` in two or more pieces, the first of them `first` bytes, the others `step`.
Parsed parse_in_pieces(std::string_view text, std::size_t first, std::size_t step) {
    HeadProgress progress;
    for (std::size_t size = first;; size = std::min(size + step, text.size())) {
        const Exact input(text.substr(0, size));
        Request request;
        const Parsed parsed = parse_request(progress, input.view(), request);
        if (parsed.state != Parsed::State::incomplete || size == text.size())
            return parsed;
    }
}

std::string get(const std::string &fields) {
    return "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

std::string post(const std::string &fields) {
    return "POST /upper HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

const std::vector<Head> &heads() {
    static const std::vector<Head> table = {
        {get(""), 0},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/1.9\r\nHost: x\r\n\r\n", 0},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"GET /a?b=c&d HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"GET http://x/a HTTP/1.1\r\nHost: y\r\n\r\n", 0},
        {"GET HTTP://x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nhOST:x\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
        {get("A:\r\nB: \t b \t\r\nC: caf\xc3\xa9\r\n"), 0},
        {post("Content-Length: 0\r\n"), 0},
        {post("Content-Length: 9223372036854775807\r\n"), 0},
        {post("Transfer-Encoding: Chunked\r\n"), 0},
        {post("Content-Length: 5\r\n") + "hello", 0},
        {post("Content-Length: 5\r\nExpect: 100-Continue\r\n"), 0},
        // not yet
        {"", -1},
        {"G", -1},
        {"\r\n", -1},
        {"GET / HTTP/1.1\r\nHost: x\r\n", -1},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r", -1},
        {std::string(8191, 'G'), -1},
        // the request line
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1x\r\nHost: x\r\n\r\n", 400},
        {"GET / http/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1,1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/+.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
        {"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
        {"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 501},
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET http://:80/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"s, 400},
        {"GET / HTTP/1.1\rHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        // the fields
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x:y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
        {get("A: b\r\n c\r\n"), 400},
        {get("A: b\r\n\tc\r\n"), 400},
        {get("A\r\n"), 400},
        {get(": a\r\n"), 400},
        {get("A b: c\r\n"), 400},
        {get("A: b\rc\r\n"), 400},
        {get("A: b\r\r\n"), 400},
        {get("A: b\n"), 400},
        {get("A: b\0c\r\n"s), 400},
        {get("A: \x1b[31m\r\n"), 400},
        {get("A\xc3\xa9: b\r\n"), 400},
        {get("Expect: the unexpected\r\n"), 417},
        // where the body ends
        {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
        {post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
        {post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
        {post("Content-Length: 5, 5\r\n"), 400},
        {post("Content-Length: +5\r\n"), 400},
        {post("Content-Length: -5\r\n"), 400},
        {post("Content-Length: 0x5\r\n"), 400},
        {post("Content-Length: 5 5\r\n"), 400},
        {post("Content-Length:\r\n"), 400},
        {post("Content-Length: 9223372036854775808\r\n"), 400},
        {post("Content-Length: 99999999999999999999999\r\n"), 400},
        {post("Transfer-Encoding: gzip\r\n"), 400},
        {post("Transfer-Encoding: identity\r\n"), 400},
        {post("Transfer-Encoding:\r\n"), 400},
        {post("Transfer-Encoding: xchunked\r\n"), 400},
        {post("Transfer-Encoding: \x0b"
              "chunked\r\n"),
         400},
        {post("Transfer-Encoding: chunked, identity\r\n"), 400},
        {post("Transfer-Encoding: chunked, chunked\r\n"), 400},
        {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
        {post("Transfer-Encoding: chunked;a=b\r\n"), 400},
        {post("Transfer-Encoding: gzip, chunked\r\n"), 501},
        {post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501},
        {"POST /upper HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        // the limits
        {"GET /" + std::string(8192 - 5 - 10, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"GET /" + std::string(8192 - 5 - 9, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
        {std::string(10000, 'G'), 414},
        {get("A: " + std::string(8188, 'a') + "\r\n"), 0},
        {get("A: " + std::string(8189, 'a') + "\r\n"), 431},
        {get("A: " + std::string(10000, 'a')), 431},
        {get("A: " + std::string(8000, 'a') + "\r\nB: " + std::string(8000, 'b') +
             "\r\nC: " + std::string(8000, 'c') + "\r\nD: " + std::string(8000, 'd') + "\r\n"),
         0},
        {get("A: " + std::string(8100, 'a') + "\r\nB: " + std::string(8100, 'b') +
             "\r\nC: " + std::string(8100, 'c') + "\r\nD: " + std::string(8500, 'd') + "\r\n"),
         431},
        {get([] {
             std::string many;
             for (int i = 0; i < 99; ++i)
                 many += "A: b\r\n";
             return many;
         }()),
         0},
        {get([] {
             std::string many;
             for (int i = 0; i < 100; ++i)
                 many += "A: b\r\n";
             return many;
         }()),
         431},
        {get([] {
             std::string many;
             for (int i = 0; i < 6000; ++i)
                 many += "A: b\r\n";
             return many;
         }()),
         431},
    };
    return table;
}

TEST(Parser, ComesToTheRightVerdict) {
    for (const Head &head : heads()) {
        const Exact input(head.text);
        HeadProgress progress;
        Request request;
        const Parsed parsed = parse_request(progress, input.view(), request);
        EXPECT_EQ(verdict_of(parsed), head.verdict) << head.text.substr(0, 200) << parsed.refusal.reason;
    }
}

TEST(Parser, ComesToItHoweverTheHeadIsCut) {
    for (const Head &head : heads()) {
        const Parsed whole = parse_in_pieces(head.text, head.text.size(), 1);
        const std::size_t stride = head.text.size() < 1000 ? 1 : 509;
        for (std::size_t first = 0; first <= head.text.size(); first += stride) {
            const Parsed cut = parse_in_pieces(head.text, first, head.text.size());
            ASSERT_EQ(verdict_of(cut), head.verdict) << "cut at " << first << ": " << head.text.substr(0, 200);
            ASSERT_EQ(cut.size, whole.size);
        }
        const Parsed by_byte = parse_in_pieces(head.text, 0, 1);
        EXPECT_EQ(verdict_of(by_byte), head.verdict) << "byte by byte: " << head.text.substr(0, 200);
        EXPECT_EQ(by_byte.size, whole.size);
        EXPECT_STREQ(by_byte.refusal.reason, whole.refusal.reason);
    }
}

// Reads a head that is right.
struct Read {
    explicit Read(const std::string &text) : input(text) {
        HeadProgress progress;
        parsed = parse_request(progress, input.view(), request);
        EXPECT_EQ(verdict_of(parsed), 0) << text;
    }
    Exact input;
    Request request;
    Parsed parsed;
};

TEST(Parser, LeavesWhatIsBehindTheHead) {
    const std::string one = get("");
    EXPECT_EQ(Read(one + one).parsed.size, one.size());
    EXPECT_EQ(Read("\r\n" + one + "body").parsed.size, one.size() + 2);
}

TEST(Parser, ReadsTheRequestLine) {
    const Read absolute("GET HTTP://Name:80/a?b HTTP/1.0\r\nHost: other\r\n\r\n");
    EXPECT_EQ(absolute.request.method, Method::get);
    EXPECT_EQ(absolute.request.target, "/a?b");
    EXPECT_EQ(absolute.request.authority, "Name:80");
    EXPECT_EQ(absolute.request.minor_version, 0);
    EXPECT_EQ(absolute.request.line, "GET HTTP://Name:80/a?b HTTP/1.0");
    EXPECT_EQ(Read("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n").request.target, "/");
    EXPECT_EQ(Read("OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n").request.target, "*");
    EXPECT_EQ(Read("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").request.method, Method::head);
}

TEST(Parser, ReadsTheFields) {
    const Read read(get("A: \t b c\t \r\nb:\r\nA: d\r\n"));
    EXPECT_EQ(read.request.fields.find("a"), "b c");
    EXPECT_EQ(read.request.fields.find("B"), "");
    EXPECT_EQ(read.request.fields.find("C"), std::nullopt);
    EXPECT_EQ(read.request.authority, "x");
}

TEST(Parser, KnowsHowTheBodyEnds) {
    EXPECT_EQ(Read(get("")).request.framing, Framing::none);
    EXPECT_EQ(Read(post("Transfer-Encoding: chunked\r\n")).request.framing, Framing::chunked);
    const Read length(post("Content-Length: 0012\r\n"));
    EXPECT_EQ(length.request.framing, Framing::length);
    EXPECT_EQ(length.request.content_length, 12U);
}

TEST(Parser, KnowsWhetherTheConnectionGoesOn) {
    const std::string old = "GET / HTTP/1.0\r\n";
    EXPECT_TRUE(Read(get("")).request.keep_alive);
    EXPECT_TRUE(Read(get("Connection: upgrade, , keep-alive\r\n")).request.keep_alive);
    EXPECT_FALSE(Read(get("Connection: upgrade,CLOSE\r\n")).request.keep_alive);
    EXPECT_FALSE(Read(get("Connection: keep-alive\r\nConnection: close\r\n")).request.keep_alive);
    EXPECT_FALSE(Read(old + "\r\n").request.keep_alive);
    EXPECT_TRUE(Read(old + "Connection: Keep-Alive\r\n\r\n").request.keep_alive);
    EXPECT_FALSE(Read(old + "Connection: Keep-Alive, close\r\n\r\n").request.keep_alive);
}

TEST(Parser, KnowsWhoWaitsToBeAsked) {
    EXPECT_TRUE(Read(post("Content-Length: 5\r\nExpect: 100-continue\r\n")).request.expects_continue);
    EXPECT_FALSE(Read(get("Expect: 100-continue\r\n")).request.expects_continue);
    EXPECT_FALSE(
        Read("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").request.expects_continue);
}

// ---- chunks

struct Chunked {
    std::string text;
    std::string body;
    int verdict;  // 0: done, -1: not yet, 1: bad
    std::size_t left = 0;  // bytes behind the end
};

const std::vector<Chunked> &chunked_bodies() {
    static const std::vector<Chunked> table = {
        {"0\r\n\r\n", "", 0},
        {"5\r\nhello\r\n0\r\n\r\n", "hello", 0},
        {"5\r\nhello\r\n0\r\n\r\nGET", "hello", 0, 3},
        {"1\r\nh\r\n4\r\nello\r\n000\r\n\r\n", "hello", 0},
        {"0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", 0},
        {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", 0},
        {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0},
        {"5;a\r\nhello\r\n0;b=\"c d\"\r\n\r\n", "hello", 0},
        {"5 \t;a\r\nhello\r\n0\r\n\r\n", "hello", 0},
        {"0\r\nA: b\r\nC:\r\n\r\n", "", 0},
        {"", "", -1},
        {"5\r\nhel", "hel", -1},
        {"5\r\nhello\r\n", "hello", -1},
        {"0\r\n", "", -1},
        {"0\r\n\r", "", -1},
        {"7fffffffffffffff\r\nx", "x", -1},
        {"\r\n", "", 1},
        {"x\r\n", "", 1},
        {"+5\r\nhello\r\n", "", 1},
        {"-5\r\nhello\r\n", "", 1},
        {"0x5\r\nhello\r\n", "", 1},
        {" 5\r\nhello\r\n", "", 1},
        {"5 \r\nhello\r\n", "", 1},
        {"5\nhello\n", "", 1},
        {"5\rhello", "", 1},
        {"5\r\nhello0\r\n", "hello", 1},
        {"5\r\nhello\n0\r\n\r\n", "hello", 1},
        {"5\r\nhell\r\n0\r\n\r\n", "hell\r", 1},
        {"8000000000000000\r\n", "", 1},
        {"10000000000000000\r\n", "", 1},
        {"5;a\x01\r\n", "", 1},
        {"5;a\nhello\r\n", "", 1},
        {"5;" + std::string(2000, 'a') + "\r\n", "", 1},
        {std::string(2000, '0') + "\r\n", "", 1},
        {"0\r\nA : b\r\n\r\n", "", 1},
        {"0\r\n: b\r\n\r\n", "", 1},
        {"0\r\n A: b\r\n\r\n", "", 1},
        {"0\r\nA\r\n\r\n", "", 1},
        {"0\r\nA: b\n\r\n", "", 1},
        {"0\r\nA: \0\r\n\r\n"s, "", 1},
        {"0\r\n\n", "", 1},
        {"0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n", "", 1},
    };
    return table;
}

// Decodes `text` in pieces, the first of `first` bytes, the others of `step`, and holds it against what it must give.
void decode_in_pieces(const Chunked &wanted, std::size_t first, std::size_t step) {
    ChunkDecoder decoder;
    std::string body;
    std::size_t at = 0;
    for (std::size_t size = first; at < wanted.text.size() && !decoder.done() && !decoder.bad(); size = step) {
        Exact piece(std::string_view(wanted.text).substr(at, size));
        const auto [data, consumed] = decoder.decode(piece.span());
        body += piece.view().substr(0, data);
        at += decoder.done() ? consumed : piece.view().size();
    }
    const int verdict = decoder.bad() ? 1 : decoder.done() ? 0 : -1;
    ASSERT_EQ(verdict, wanted.verdict)
        << wanted.text.substr(0, 100) << ", cut at " << first << ": " << decoder.reason();
    ASSERT_EQ(body, wanted.body);
    if (verdict == 0) {
        ASSERT_EQ(wanted.text.size() - at, wanted.left);
    }
}

TEST(Chunks, GiveTheirBodyHoweverTheyAreCut) {
    for (const Chunked &one : chunked_bodies()) {
        for (std::size_t first = 1; first <= std::max<std::size_t>(one.text.size(), 1); ++first)
            decode_in_pieces(one, first, one.text.size());
        decode_in_pieces(one, 1, 1);
    }
}

TEST(Chunks, AreWrittenAsTheyAreRead) {
    std::string text;
    append_chunk(text, "hello, hello, hello");
    append_chunk(text, "");
    text += last_chunk;
    EXPECT_EQ(text, "13\r\nhello, hello, hello\r\n0\r\n\r\n");
    decode_in_pieces({text, "hello, hello, hello", 0}, text.size(), 1);
}

// ---- ranges, dates, conditions

TEST(Range, IsReadOrPassedOver) {
    struct Case {
        const char *value;
        std::uint64_t size;
        Range::Kind kind;
        std::uint64_t first, count;
    };
    using enum Range::Kind;
    for (const Case &one : std::initializer_list<Case>{
             {"bytes=0-0", 10, part, 0, 1},
             {"bytes=0-9", 10, part, 0, 10},
             {"bytes=2-", 10, part, 2, 8},
             {"bytes=-3", 10, part, 7, 3},
             {"bytes=-30", 10, part, 0, 10},
             {"bytes=5-99", 10, part, 5, 5},
             {"Bytes= 5-6", 10, part, 5, 2},
             {"bytes=9-9223372036854775807", 10, part, 9, 1},
             {"bytes=10-", 10, unsatisfiable, 0, 0},
             {"bytes=10-11", 10, unsatisfiable, 0, 0},
             {"bytes=-0", 10, unsatisfiable, 10, 0},
             {"bytes=0-", 0, unsatisfiable, 0, 0},
             {"bytes=-1", 0, unsatisfiable, 0, 0},
             {"bytes=0-1,3-4", 10, whole, 0, 10},
             {"bytes=3-2", 10, whole, 0, 10},
             {"bytes=-", 10, whole, 0, 10},
             {"bytes=", 10, whole, 0, 10},
             {"bytes", 10, whole, 0, 10},
             {"", 10, whole, 0, 10},
             {"bytes=a-b", 10, whole, 0, 10},
             {"bytes=1-b", 10, whole, 0, 10},
             {"bytes=+1-2", 10, whole, 0, 10},
             {"bytes=1--2", 10, whole, 0, 10},
             {"bytes=0-99999999999999999999", 10, whole, 0, 10},
             {"lines=0-1", 10, whole, 0, 10},
         }) {
        const Exact value(one.value);
        const Range range = parse_range(value.view(), one.size);
        EXPECT_EQ(range.kind, one.kind) << one.value;
        EXPECT_EQ(range.first, one.first) << one.value;
        EXPECT_EQ(range.count, one.count) << one.value;
    }
}

TEST(Date, IsReadInItsThreeForms) {
    for (const char *text :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
        EXPECT_EQ(parse_http_date(Exact(text).view()), 784111777) << text;
    EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    EXPECT_EQ(parse_http_date("Saturday, 01-Jan-00 00:00:00 GMT"), 946684800);
    for (const char *text :
         {"", "now", "0", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
          "Sun, 06 Foo 1994 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
          "Sun Nov  6 08:49:37 199", "Sun Nov", "Sunday, 06-Nov-9", "Sun, 06 Nov -994 08:49:37 GMT"})
        EXPECT_EQ(parse_http_date(Exact(text).view()), std::nullopt) << text;
}

TEST(Date, IsWrittenAsItIsRead) {
    EXPECT_EQ(to_http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    for (std::time_t time = 0; time < 2'000'000'000; time += std::time_t{86'399} * 7)
        ASSERT_EQ(parse_http_date(to_http_date(time)), time);
}

int conditions(const std::string &fields) {
    const Read read(get(fields));
    return evaluate_conditions(read.request, {.etag = "\"a,b\"", .modified = 784111777});
}

TEST(Conditions, AreEvaluatedInTheirOrder) {
    const std::string then = "Sun, 06 Nov 1994 08:49:37 GMT";
    const std::string before = "Sun, 06 Nov 1994 08:49:36 GMT";
    EXPECT_EQ(conditions(""), 200);
    EXPECT_EQ(conditions("If-None-Match: \"a,b\"\r\n"), 304);
    EXPECT_EQ(conditions("If-None-Match: W/\"a,b\"\r\n"), 304);
    EXPECT_EQ(conditions("If-None-Match: *\r\n"), 304);
    EXPECT_EQ(conditions("If-None-Match: \"x\", W/\"y\" , \"a,b\"\r\n"), 304);
    EXPECT_EQ(conditions("If-None-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n"), 304);
    EXPECT_EQ(conditions("If-None-Match: \"a\", \"b\"\r\n"), 200);
    EXPECT_EQ(conditions("If-None-Match: a,b\r\n"), 200);
    EXPECT_EQ(conditions("If-None-Match: \"a,b\r\n"), 200);
    EXPECT_EQ(conditions("If-None-Match: W/\r\n"), 200);
    EXPECT_EQ(conditions("If-Modified-Since: " + then + "\r\n"), 304);
    EXPECT_EQ(conditions("If-Modified-Since: " + before + "\r\n"), 200);
    EXPECT_EQ(conditions("If-Modified-Since: yesterday\r\n"), 200);
    EXPECT_EQ(conditions("If-None-Match: \"x\"\r\nIf-Modified-Since: " + then + "\r\n"), 200);
    EXPECT_EQ(conditions("If-Match: \"a,b\"\r\n"), 200);
    EXPECT_EQ(conditions("If-Match: *\r\n"), 200);
    EXPECT_EQ(conditions("If-Match: \"x\"\r\n"), 412);
    EXPECT_EQ(conditions("If-Match: W/\"a,b\"\r\n"), 412);
    EXPECT_EQ(conditions("If-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n"), 412);
    EXPECT_EQ(conditions("If-Unmodified-Since: " + then + "\r\n"), 200);
    EXPECT_EQ(conditions("If-Unmodified-Since: " + before + "\r\n"), 412);
    EXPECT_EQ(conditions("If-Unmodified-Since: yesterday\r\n"), 200);
    EXPECT_EQ(conditions("If-Match: \"a,b\"\r\nIf-Unmodified-Since: " + before + "\r\n"), 200);
}

Range::Kind range_kind(const std::string &request) {
    const Read read(request);
    return wanted_range(read.request, {.etag = "\"a\"", .modified = 784111777}, 100).kind;
}

TEST(Conditions, DecideOverTheRange) {
    using enum Range::Kind;
    const std::string range = "Range: bytes=0-9\r\n";
    EXPECT_EQ(range_kind(get("")), whole);
    EXPECT_EQ(range_kind(get(range)), part);
    EXPECT_EQ(range_kind(get(range + "If-Range: \"a\"\r\n")), part);
    EXPECT_EQ(range_kind(get(range + "If-Range: \"b\"\r\n")), whole);
    EXPECT_EQ(range_kind(get(range + "If-Range: W/\"a\"\r\n")), whole);
    EXPECT_EQ(range_kind(get(range + "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n")), part);
    EXPECT_EQ(range_kind(get(range + "If-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n")), whole);
    EXPECT_EQ(range_kind("HEAD / HTTP/1.1\r\nHost: x\r\n" + range + "\r\n"), whole);
}

// ---- paths

TEST(Path, StaysBelowTheRoot) {
    struct Case {
        std::string target;
        std::string path;
        bool directory;
        int status;
    };
    for (const Case &one : std::initializer_list<Case>{
             {"/", "", true, 0},
             {"/a", "a", false, 0},
             {"/a/", "a", true, 0},
             {"/a/b.c?d=/../e", "a/b.c", false, 0},
             {"//a///b", "a/b", false, 0},
             {"/a/../b", "b", false, 0},
             {"/a/b/..", "a", true, 0},
             {"/a/./b/.", "a/b", true, 0},
             {"/a/%2e%2E/b", "b", false, 0},
             {"/%41%2b%C3%A9", "A+\xc3\xa9", false, 0},
             {"/a%252e", "a%2e", false, 0},
             {"/%c0%ae%c0%ae", "\xc0\xae\xc0\xae", false, 0},
             {"/a\\..\\b", "a\\..\\b", false, 0},
             {"/a..", "a..", false, 0},
             {"/..", "", false, 400},
             {"/../a", "", false, 400},
             {"/a/../../b", "", false, 400},
             {"/a/%2e%2e/%2e%2e/b", "", false, 400},
             {"/.%2e/a", "", false, 400},
             {"/%2E./a", "", false, 400},
             {"/..%2fa", "", false, 400},
             {"/a%2Fb", "", false, 400},
             {"/a%00", "", false, 400},
             {"/a\0b"s, "", false, 400},
             {"/a%", "", false, 400},
             {"/a%4", "", false, 400},
             {"/a%4g", "", false, 400},
             {"/a%-1", "", false, 400},
             {"/.git/config", "", false, 404},
             {"/a/.b", "", false, 404},
             {"/%2egit", "", false, 404},
             {"/...", "", false, 404},
             {"a", "", false, 400},
             {"", "", false, 400},
             {"*", "", false, 400},
         }) {
        const Exact target(one.target);
        const ResolvedPath resolved = resolve_path(target.view());
        EXPECT_EQ(resolved.refusal ? resolved.refusal->status : 0, one.status) << one.target;
        if (!resolved.refusal && one.status == 0) {
            EXPECT_EQ(resolved.path, one.path) << one.target;
            EXPECT_EQ(resolved.directory, one.directory) << one.target;
        }
    }
}

TEST(Path, IsEncodedAsItIsDecoded) {
    std::string every;
    for (int byte = 1; byte < 256; ++byte) {
        if (byte != '/')
            every.push_back(static_cast<char>(byte));
    }
    const std::string encoded = encode_path("x" + every);
    EXPECT_TRUE(consists_of(encoded, grammar::target));
    EXPECT_EQ(resolve_path("/" + encoded).path, "x" + every);
    EXPECT_EQ(encode_path("a/b c\"<%>"), "a/b%20c%22%3C%25%3E");
}

TEST(MediaType, GoesByTheEndOfTheName) {
    EXPECT_EQ(media_type("a.html"), "text/html; charset=utf-8");
    EXPECT_EQ(media_type("a/b.tar.GZ"), "application/gzip");
    EXPECT_EQ(media_type("hello.c"), "text/plain; charset=utf-8");
    for (const char *name : {"", "html", "a.", "a.nothing", "a.anextensionthatislong", "a.html/b"})
        EXPECT_EQ(media_type(name), "application/octet-stream") << name;
}

}  // namespace
