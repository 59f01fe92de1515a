"""A catalogue of HTTP cases: what is sent, byte for byte, and what the RFCs allow as an answer. Data, no code.

A case says which group it belongs to, what is sent, the statuses that each answer may have, in order, whether the
connection goes on after the last of them, and what else the last one must be like. Where the RFC leaves a choice,
all that it allows is listed; so any server that has the files of FILES can be judged, whatever it chose.
"""

from dataclasses import dataclass, field

SMALL = b'#include <stdio.h>\nint main() { puts("hello"); }\n'
LARGE = bytes(range(256)) * 1200  # more than is kept in memory

# What lies below the root; None is a folder, a tuple is a symbolic link.
FILES = {
    "hello.c": SMALL, "large.bin": LARGE, "empty.txt": b"", "index.html": b"<p>root\n", "page.html": b"<p>page\n",
    "folder/index.html": b"<p>folder\n", "plain/a.txt": b"a\n", "plain/<b>.txt": b"b\n", "plain/.hidden": b"secret\n",
    "plain/inner": None, "with space.txt": b"space\n", "gr\u00fc\u00dfe.txt": b"hi\n", "%41.txt": b"percent\n",
    ".hidden": b"secret\n", ".git/config": b"secret\n",
    "inside": ("hello.c",), "outside": ("../secret",), "absolute": ("/etc/passwd",), "loop": ("loop",), "up": ("..",),
}
SECRET = b"secret"  # stands in what must never be seen


@dataclass(frozen=True)
class Case:
    id: str
    section: str  # of RFC 9110 or 9112, or what else says so
    sent: bytes
    answers: tuple  # for each answer, its statuses: "200", "400 or 501"; () for none
    then: str = "open"  # the connection is "open" for another request, or "closed", or "any"
    fields: dict = field(default_factory=dict)  # of the last answer: a regular expression, None for absent
    body: bytes = None  # of the last answer, if it matters


def get(target="/hello.c", more="", method="GET", version="1.1", host="Host: x\r\n"):
    return f"{method} {target} HTTP/{version}\r\n{host}{more}\r\n".encode("latin-1")


def post(more, body=b"", target="/upper"):
    return get(target, more, "POST") + body


def chunks(body):
    return post("Transfer-Encoding: chunked\r\n", body)


def cases(*rows):
    return [Case(*row[:4], **(row[4] if len(row) > 4 else {})) for row in rows]


CLOSED = {"then": "closed"}
DATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
ETAG = r'(W/)?"[\x21\x23-\x7e]*"'
LONG = "a" * 9000

GROUPS = {}

GROUPS["basics"] = "GET, HEAD and POST are answered, with what an answer must say", cases(
    ("get", "9110 §9.3.1", get(), ("200",), {"body": SMALL, "fields": {
        "Date": DATE, "Content-Length": str(len(SMALL)), "Content-Type": "text/plain; ?charset=utf-8", "Last-Modified": DATE,
        "ETag": ETAG, "Transfer-Encoding": None}}),
    ("get-large", "9110 §9.3.1", get("/large.bin"), ("200",), {"body": LARGE, "fields": {
        "Content-Type": "application/octet-stream", "Content-Length": str(len(LARGE))}}),
    ("get-empty", "9110 §8.6", get("/empty.txt"), ("200",), {"body": b"", "fields": {"Content-Length": "0"}}),
    ("get-query", "9110 §4.2.1", get("/hello.c?a=b&c"), ("200",), {"body": SMALL}),
    ("head", "9110 §9.3.2", get(method="HEAD"), ("200",), {"fields": {
        "Content-Length": str(len(SMALL)), "Content-Type": "text/plain.*", "ETag": ETAG}}),
    ("head-large", "9110 §9.3.2", get("/large.bin", method="HEAD"), ("200",), {"fields": {
        "Content-Length": str(len(LARGE))}}),
    ("head-404", "9110 §9.3.2", get("/nothing", method="HEAD"), ("404",)),
    ("post", "9110 §9.3.3", post("Content-Length: 5\r\n", b"hello"), ("200",), {"body": b"HELLO"}),
    ("post-nothing", "9112 §6.3", post("Content-Length: 0\r\n"), ("200",), {"body": b""}),
    ("post-no-length", "9112 §6.3", post(""), ("200 or 411",), {"then": "any"}),
    ("html", "9110 §8.3", get("/page.html"), ("200",), {"fields": {"Content-Type": "text/html; ?charset=utf-8"}}),
    ("unknown-file", "9110 §15.5.5", get("/nothing"), ("404",)),
    ("unknown-field", "9110 §5.1", get(more="X-Unknown: \t y \r\n"), ("200",)),
    ("obs-text", "9110 §5.5", get().replace(b"\r\n\r\n", b"\r\nX: \xfc\r\n\r\n"), ("200",)),
    ("empty-value", "9110 §5.5", get(more="X:\r\n"), ("200",)),
    ("crlf-before", "9112 §2.2", b"\r\n" + get(), ("200",)),
    ("error-has-a-date", "9110 §6.6.1", get("/nothing"), ("404",), {"fields": {"Date": DATE}}),
)

GROUPS["methods"] = "A method that is unknown is answered with 501, one that does not fit with 405 and Allow", cases(
    ("put", "9110 §15.6.2", get(method="PUT"), ("405 or 501",), {"then": "any"}),
    ("lower-case", "9110 §9.1", get(method="get"), ("400 or 501",), {"then": "any"}),
    ("made-up", "9110 §9.1", get(method="BREW"), ("501",), {"then": "any"}),
    ("connect", "9110 §9.3.6", get("x:80", method="CONNECT"), ("400 or 405 or 501",), {"then": "any"}),
    ("trace", "9110 §9.3.8", get(method="TRACE"), ("405 or 501",), {"then": "any"}),
    ("post-to-a-file", "9110 §15.5.6", post("Content-Length: 5\r\n", b"hello", "/hello.c"), ("405",), {
        "fields": {"Allow": "(?=.*GET)(?=.*HEAD).*"}}),
    ("get-of-the-service", "9110 §15.5.6", get("/upper"), ("405",), {"fields": {"Allow": ".*POST.*"}}),
    ("options", "9110 §9.3.7", get(method="OPTIONS"), ("200 or 204",), {"fields": {"Allow": "(?=.*GET)(?=.*HEAD).*"}}),
    ("options-of-all", "9112 §3.2.4", get("*", method="OPTIONS"), ("200 or 204",)),
)

GROUPS["request-line"] = "A request line is a method, one blank, a target, one blank, a version; else 400", cases(
    ("two-blanks", "9112 §3", b"GET  /hello.c HTTP/1.1\r\nHost: x\r\n\r\n", ("400",), CLOSED),
    ("two-blanks-later", "9112 §3", b"GET /hello.c  HTTP/1.1\r\nHost: x\r\n\r\n", ("400",), CLOSED),
    ("blank-first", "9112 §3", b" GET /hello.c HTTP/1.1\r\nHost: x\r\n\r\n", ("400 or 501",), CLOSED),
    ("blank-last", "9112 §3", b"GET /hello.c HTTP/1.1 \r\nHost: x\r\n\r\n", ("400",), CLOSED),
    ("tab", "9112 §3", b"GET\t/hello.c\tHTTP/1.1\r\nHost: x\r\n\r\n", ("400",), CLOSED),
    ("no-version", "9112 §3", b"GET /hello.c\r\n\r\n", ("400",), CLOSED),
    ("garbage", "9112 §3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", ("400",), CLOSED),
    ("method-no-token", "9110 §9.1", b"GE(T /hello.c HTTP/1.1\r\nHost: x\r\n\r\n", ("400 or 501",), CLOSED),
    ("version-0", "9112 §2.3", get(version="0.9"), ("400 or 505",), CLOSED),
    ("version-2", "9110 §15.6.6", get(version="2.0"), ("505",), CLOSED),
    ("version-10", "9112 §2.3", get(version="10.1"), ("400 or 505",), CLOSED),
    ("version-lower-case", "9112 §2.3", b"GET /hello.c http/1.1\r\nHost: x\r\n\r\n", ("400",), CLOSED),
    ("version-1.2", "9110 §2.5", get(version="1.2"), ("200",)),
    ("nul", "9112 §3.2", b"GET /hello\0.c HTTP/1.1\r\nHost: x\r\n\r\n", ("400",), CLOSED),
    ("raw-utf-8", "9112 §3.2", "GET /grüße.txt HTTP/1.1\r\nHost: x\r\n\r\n".encode(), ("200 or 400 or 404",), {"then": "any"}),
    ("fragment", "9112 §3.2", get("/hello.c#top"), ("400",), CLOSED),
    ("asterisk", "9112 §3.2.4", get("*"), ("400 or 404",), {"then": "any"}),
    ("no-slash", "9112 §3.2", get("hello.c"), ("400",), CLOSED),
    ("bare-lf", "9112 §2.2", b"GET /hello.c HTTP/1.1\nHost: x\n\n", ("200 or 400",), {"then": "any"}),
    ("bare-cr", "9112 §2.2", b"GET /hello.c HTTP/1.1\rHost: x\r\r\n\r\n", ("400",), CLOSED),
)

GROUPS["host"] = "HTTP/1.1 asks for one Host that names a host; an absolute target wins over it", cases(
    ("none", "9112 §3.2", get(host=""), ("400",), CLOSED),
    ("two", "9112 §3.2", get(host="Host: x\r\nHost: x\r\n"), ("400",), CLOSED),
    ("two-different", "9112 §3.2", get(host="Host: x\r\nHost: y\r\n"), ("400",), CLOSED),
    ("two-in-1.0", "9112 §3.2", get(version="1.0", host="Host: x\r\nHost: y\r\n"), ("400",), CLOSED),
    ("list", "9112 §3.2", get(host="Host: x, y\r\n"), ("200 or 400",), {"then": "any"}),  # a comma may stand in a name
    ("blank-in-it", "9112 §3.2", get(host="Host: x y\r\n"), ("400",), CLOSED),
    ("path-in-it", "9112 §3.2", get(host="Host: x/y\r\n"), ("400",), CLOSED),
    ("user-in-it", "9112 §3.2", get(host="Host: u@x\r\n"), ("400",), CLOSED),
    ("port-no-number", "9112 §3.2", get(host="Host: x:y\r\n"), ("400",), CLOSED),
    ("empty", "9112 §3.2", get(host="Host:\r\n"), ("200 or 400",), {"then": "any"}),
    ("ipv6", "9112 §3.2", get(host="Host: [::1]:9999\r\n"), ("200",)),
    ("none-in-1.0", "9112 §3.2", get(version="1.0", host=""), ("200",), CLOSED),
    ("absolute", "9112 §3.2.2", get("http://x/hello.c"), ("200",), {"body": SMALL}),
    ("absolute-and-another", "9112 §3.2.2", get("HTTP://y:80/hello.c"), ("200",), {"body": SMALL}),
    ("absolute-no-path", "9112 §3.2.2", get("http://x"), ("200",), {"body": b"<p>root\n"}),
    ("absolute-no-host", "9110 §4.2.1", get("http:///hello.c"), ("400",), CLOSED),
    ("absolute-user", "9110 §4.2.4", get("http://u@x/hello.c"), ("200 or 400",), {"then": "any"}),
    ("absolute-and-none", "9112 §3.2", get("http://x/hello.c", host=""), ("400",), CLOSED),
)

GROUPS["fields"] = "A field line that others may read otherwise is refused with 400", cases(
    ("blank-before-colon", "9112 §5.1", get(more="X : y\r\n"), ("400",), CLOSED),
    ("tab-before-colon", "9112 §5.1", get(more="X\t: y\r\n"), ("400",), CLOSED),
    ("length-before-colon", "9112 §5.1", post("Content-Length : 5\r\n", b"hello"), ("400",), CLOSED),
    ("no-name", "9110 §5.1", get(more=": y\r\n"), ("400",), CLOSED),
    ("no-colon", "9112 §5", get(more="X\r\n"), ("400",), CLOSED),
    ("name-no-token", "9110 §5.1", get(more="X@Y: z\r\n"), ("400",), CLOSED),
    ("folded", "9112 §5.2", get(more="X: y\r\n z\r\n"), ("200 or 400",), {"then": "any"}),
    ("folded-first", "9112 §2.2", get(host=" X: y\r\nHost: x\r\n"), ("400",), CLOSED),
    ("folded-coding", "9112 §5.2", post("Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), ("200 or 400",), {"then": "any"}),
    ("nul", "9110 §5.5", get(more="X: a\0b\r\n"), ("400",), CLOSED),
    ("bare-cr", "9112 §2.2", get(more="X: a\rb\r\n"), ("400",), CLOSED),
    ("cr-cr-lf", "9112 §2.2", get(more="X: a\r\r\n"), ("400",), CLOSED),
    ("lf-in-between", "9112 §2.2", get(more="X: a\nY: b\r\n"), ("200 or 400",), {"then": "any"}),
    ("escape", "9110 §5.5", get(more="X: \x1b[31m\r\n"), ("200 or 400",), {"then": "any"}),
)

GROUPS["limits"] = "What is too long is refused: 414 for the request line, 431 for fields", cases(
    ("target", "9112 §3", get("/" + LONG), ("404 or 414",), {"then": "any"}),
    ("target-without-end", "9112 §3", b"GET /" + b"a" * 100_000, ("414",), CLOSED),
    ("method", "9112 §3", b"G" * 9000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n", ("400 or 414 or 501",), CLOSED),
    ("field", "6585 §5", get(more=f"X: {LONG}\r\n"), ("200 or 400 or 431",), {"then": "any"}),
    ("field-without-end", "6585 §5", get(more="X: " + "a" * 100_000)[:-4], ("400 or 431",), CLOSED),
    ("many-fields", "6585 §5", get(more="X: y\r\n" * 20_000), ("400 or 431",), CLOSED),
    ("just-right", "9112 §3", get("/hello.c?" + "a" * 8000), ("200",)),  # 8000 at least: §3
)

GROUPS["framing"] = "Where a body ends is never guessed: what could be read in two ways is refused", cases(
    ("both", "9112 §6.1", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nGET"), ("400",), CLOSED),
    ("both-reversed", "9112 §6.1", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), ("400",), CLOSED),
    ("two-lengths", "9112 §6.3", post("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), ("400",), CLOSED),
    ("two-equal-lengths", "9112 §6.3", post("Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), ("200 or 400",), {"then": "any"}),
    ("length-list", "9112 §6.3", post("Content-Length: 5, 6\r\n", b"hello!"), ("400",), CLOSED),
    ("plus", "9110 §8.6", post("Content-Length: +5\r\n", b"hello"), ("400",), CLOSED),
    ("minus", "9110 §8.6", post("Content-Length: -5\r\n", b"hello"), ("400",), CLOSED),
    ("hexadecimal", "9110 §8.6", post("Content-Length: 0x5\r\n", b"hello"), ("400",), CLOSED),
    ("blank-in-it", "9110 §8.6", post("Content-Length: 1 5\r\n", b"hello"), ("400",), CLOSED),
    ("letters", "9110 §8.6", post("Content-Length: five\r\n", b"hello"), ("400",), CLOSED),
    ("no-digits", "9110 §8.6", post("Content-Length:\r\n"), ("400",), CLOSED),
    ("two-to-the-64", "9110 §8.6", post("Content-Length: 18446744073709551616\r\n"), ("400 or 413",), CLOSED),
    ("two-to-the-64-and-5", "9110 §8.6", post("Content-Length: 18446744073709551621\r\n", b"hello"), ("400 or 413",), CLOSED),
    ("gzip", "9112 §6.1", post("Transfer-Encoding: gzip\r\n", b"hello"), ("400 or 501",), CLOSED),
    ("gzip-chunked", "9112 §6.1", post("Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), ("400 or 501",), CLOSED),
    ("chunked-gzip", "9112 §6.3", post("Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"), ("400",), CLOSED),
    ("chunked-twice", "9112 §6.1", post("Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), ("400",), CLOSED),
    ("chunked-on-two-lines", "9112 §6.1", post("Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n"), ("400",), CLOSED),
    ("identity", "9112 §6.3", post("Transfer-Encoding: identity\r\n", b"hello"), ("400 or 501",), CLOSED),
    ("almost-chunked", "9112 §6.3", post("Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), ("400 or 501",), CLOSED),
    ("vertical-tab", "9110 §5.5", post("Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), ("400",), CLOSED),
    ("upper-case", "9112 §7", post("TRANSFER-ENCODING: CHUNKED\r\n", b"0\r\n\r\n"), ("200",)),
    ("coding-in-1.0", "9112 §6.1", get("/upper", "Transfer-Encoding: chunked\r\n", "POST", "1.0") + b"0\r\n\r\n", ("400",), CLOSED),
    ("smuggled", "9112 §11.2", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"5c\r\n" + get("/page.html")),
     ("400",), CLOSED),
    ("body-of-a-get", "9110 §9.3.1", get(more="Content-Length: 5\r\n") + b"hello" + get("/page.html"), ("200", "200"), {
        "body": b"<p>page\n"}),
    ("body-of-a-404", "9112 §9.3", post("Content-Length: 5\r\n", b"hello", "/nothing") + get("/page.html"), ("404 or 405", "200"), {
        "body": b"<p>page\n"}),
    ("chunked-body-of-a-get", "9112 §9.3", get(more="Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n" + get("/page.html"),
     ("200", "200"), {"body": b"<p>page\n"}),
)

GROUPS["chunks"] = "Chunks are read as they are meant, trailers skipped, and what is no chunk is refused", cases(
    ("one", "9112 §7.1", chunks(b"5\r\nhello\r\n0\r\n\r\n"), ("200",), {"body": b"HELLO"}),
    ("many", "9112 §7.1", chunks(b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n"), ("200",), {"body": b"HELLO"}),
    ("none", "9112 §7.1", chunks(b"0\r\n\r\n"), ("200",), {"body": b""}),
    ("hexadecimal", "9112 §7.1", chunks(b"1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n"), ("200",), {
        "body": b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}),
    ("extension", "9112 §7.1.1", chunks(b"5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"), ("200",), {"body": b"HELLO"}),
    ("trailer", "9112 §7.1.2", chunks(b"5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 99\r\n\r\n") + get("/page.html"),
     ("200", "200"), {"body": b"<p>page\n"}),
    ("next-request", "9112 §9.3", chunks(b"5\r\nhello\r\n0\r\n\r\n") + get("/page.html"), ("200", "200"), {"body": b"<p>page\n"}),
    ("no-size", "9112 §7.1", chunks(b"\r\nhello\r\n0\r\n\r\n"), ("400",), CLOSED),
    ("plus", "9112 §7.1", chunks(b"+5\r\nhello\r\n0\r\n\r\n"), ("400",), CLOSED),
    ("minus", "9112 §7.1", chunks(b"-5\r\nhello\r\n0\r\n\r\n"), ("400",), CLOSED),
    ("0x", "9112 §7.1", chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), ("400",), CLOSED),
    ("blank-before", "9112 §7.1", chunks(b" 5\r\nhello\r\n0\r\n\r\n"), ("400",), CLOSED),
    ("letters", "9112 §7.1", chunks(b"xyz\r\nhello\r\n0\r\n\r\n"), ("400",), CLOSED),
    ("two-to-the-64", "9112 §7.1", chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), ("400 or 413",), CLOSED),
    ("bare-lf", "9112 §7.1", chunks(b"5\nhello\n0\n\n"), ("200 or 400",), {"then": "any"}),
    ("extension-without-end", "9112 §7.1.1", chunks(b"5;" + b"a" * 100_000), ("400 or 413 or 431",), CLOSED),
    ("trailer-no-field", "9112 §7.1.2", chunks(b"0\r\nX y\r\n\r\n"), ("200 or 400",), {"then": "any"}),
)

GROUPS["persistence"] = "The connection goes on or ends as both sides say, answers in the order of the requests", cases(
    ("1.1", "9112 §9.3", get() + get("/page.html"), ("200", "200"), {"body": b"<p>page\n"}),
    ("close", "9112 §9.6", get(more="Connection: close\r\n") + get("/page.html"), ("200",), {
        "then": "closed", "fields": {"Connection": "close"}}),
    ("close-in-a-list", "9110 §7.6.1", get(more="Connection: x, Close\r\n"), ("200",), CLOSED),
    ("1.0", "9112 §9.3", get(version="1.0"), ("200",), CLOSED),
    ("1.0-keep-alive", "9112 §9.3", get(version="1.0", more="Connection: keep-alive\r\n"), ("200",), {"then": "any"}),
    ("pipelined", "9112 §9.3.2", get() + get("/nothing") + get(method="HEAD") + post("Content-Length: 2\r\n", b"ab") + get("/large.bin") +
     get("/page.html"), ("200", "404", "200 head", "200", "200", "200"), {"body": b"<p>page\n"}),
    ("pipelined-after-large", "9112 §9.3.2", get("/large.bin") * 5 + get("/page.html"), ("200",) * 6, {"body": b"<p>page\n"}),
    ("pipelined-hundreds", "9112 §9.3.2", get("/hello.c") * 500 + get("/page.html"), ("200",) * 501, {"body": b"<p>page\n"}),
    ("404", "9112 §9.3", get("/nothing") + get("/page.html"), ("404", "200")),
    ("400-ends-it", "9112 §9.6", get(host="") + get("/page.html"), ("400",), {"then": "closed", "fields": {"Connection": "close"}}),
)

GROUPS["expect"] = "A client that waits to be asked for a body is asked, or is refused before it", cases(
    ("continue", "9110 §10.1.1", post("Content-Length: 5\r\nExpect: 100-continue\r\n"), ("100",), {"then": "any"}),
    ("continue-chunked", "9110 §10.1.1", post("Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n"), ("100",), {"then": "any"}),
    ("body-is-there", "9110 §10.1.1", post("Content-Length: 5\r\nExpect: 100-continue\r\n", b"hello"), ("100 or 200",), {"then": "any"}),
    ("refused", "9110 §10.1.1", post("Content-Length: 5\r\nExpect: 100-continue\r\n", target="/hello.c"), ("405",), CLOSED),
    ("no-body", "9110 §10.1.1", get(more="Expect: 100-continue\r\n"), ("200",)),
    ("in-1.0", "9110 §10.1.1", get("/upper", "Content-Length: 5\r\nExpect: 100-continue\r\n", "POST", "1.0") + b"hello", ("200",), CLOSED),
    ("another", "9110 §10.1.1", get(more="Expect: miracles\r\n"), ("200 or 417",), {"then": "any"}),
)

# {etag}, {modified}, {before} and {size} are those of hello.c.
GROUPS["conditions"] = "Conditions decide whether a file is sent again: 304, 412, or the whole", cases(
    ("none-match", "9110 §13.1.2", get(more="If-None-Match: {etag}\r\n"), ("304",), {
        "fields": {"ETag": ETAG, "Content-Length": "|{size}", "Date": DATE}}),
    ("none-match-weak", "9110 §13.1.2", get(more="If-None-Match: W/{etag}\r\n"), ("304",)),
    ("none-match-list", "9110 §13.1.2", get(more='If-None-Match: "x", {etag}\r\n'), ("304",)),
    ("none-match-two-lines", "9110 §5.3", get(more='If-None-Match: "x"\r\nIf-None-Match: {etag}\r\n'), ("304",)),
    ("none-match-any", "9110 §13.1.2", get(more="If-None-Match: *\r\n"), ("304",)),
    ("none-match-other", "9110 §13.1.2", get(more='If-None-Match: "x"\r\n'), ("200",), {"body": SMALL}),
    ("none-match-wins", "9110 §13.2.2", get(more='If-None-Match: "x"\r\nIf-Modified-Since: {modified}\r\n'), ("200",)),
    ("modified-since", "9110 §13.1.3", get(more="If-Modified-Since: {modified}\r\n"), ("304",)),
    ("modified-since-before", "9110 §13.1.3", get(more="If-Modified-Since: {before}\r\n"), ("200",)),
    ("modified-since-nonsense", "9110 §13.1.3", get(more="If-Modified-Since: yesterday\r\n"), ("200",)),
    ("modified-since-rfc-850", "9110 §5.6.7", get(more="If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n"), ("304",)),
    ("modified-since-asctime", "9110 §5.6.7", get(more="If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n"), ("304",)),
    ("match", "9110 §13.1.1", get(more="If-Match: {etag}\r\n"), ("200",)),
    ("match-any", "9110 §13.1.1", get(more="If-Match: *\r\n"), ("200",)),
    ("match-other", "9110 §13.1.1", get(more='If-Match: "x"\r\n'), ("412",)),
    ("match-weak", "9110 §13.1.1", get(more="If-Match: W/{etag}\r\n"), ("412",)),
    ("unmodified-since", "9110 §13.1.4", get(more="If-Unmodified-Since: {modified}\r\n"), ("200",)),
    ("unmodified-since-before", "9110 §13.1.4", get(more="If-Unmodified-Since: {before}\r\n"), ("412",)),
    ("head-too", "9110 §13.1.2", get(method="HEAD", more="If-None-Match: {etag}\r\n"), ("304",)),
    ("not-of-a-404", "9110 §13.2.1", get("/nothing", "If-Match: *\r\n"), ("404 or 412",)),
)

GROUPS["ranges"] = "A range is answered with that part, or with the whole, and 416 where nothing of it is there", cases(
    ("first", "9110 §14.2", get(more="Range: bytes=0-9\r\n"), ("206",), {
        "body": SMALL[:10], "fields": {"Content-Range": "bytes 0-9/{size}", "Content-Length": "10"}}),
    ("rest", "9110 §14.1.2", get(more="Range: bytes=10-\r\n"), ("206",), {"body": SMALL[10:]}),
    ("last", "9110 §14.1.2", get(more="Range: bytes=-5\r\n"), ("206",), {"body": SMALL[-5:]}),
    ("all-and-more", "9110 §14.1.2", get(more="Range: bytes=0-999999\r\n"), ("200 or 206",), {"body": SMALL}),
    ("large", "9110 §14.2", get("/large.bin", "Range: bytes=100000-299999\r\n"), ("206",), {"body": LARGE[100000:300000]}),
    ("behind-the-end", "9110 §15.5.17", get(more="Range: bytes=1000-\r\n"), ("416",), {"fields": {"Content-Range": r"bytes \*/{size}"}}),
    ("nothing", "9110 §14.1.2", get(more="Range: bytes=-0\r\n"), ("200 or 416",)),
    ("of-an-empty-file", "9110 §15.5.17", get("/empty.txt", "Range: bytes=0-\r\n"), ("200 or 416",)),
    ("several", "9110 §14.2", get(more="Range: bytes=0-1,5-6\r\n"), ("200 or 206",)),
    ("backwards", "9110 §14.1.1", get(more="Range: bytes=5-2\r\n"), ("200 or 416",)),
    ("other-unit", "9110 §14.2", get(more="Range: lines=0-1\r\n"), ("200",), {"body": SMALL}),
    ("nonsense", "9110 §14.2", get(more="Range: bytes=a-b\r\n"), ("200 or 416",)),
    ("huge", "9110 §14.1.1", get(more="Range: bytes=0-99999999999999999999999\r\n"), ("200 or 206 or 416",)),
    ("of-head", "9110 §14.2", get(method="HEAD", more="Range: bytes=0-9\r\n"), ("200",)),
    ("if-range-same", "9110 §13.1.5", get(more="Range: bytes=0-9\r\nIf-Range: {etag}\r\n"), ("206",), {"body": SMALL[:10]}),
    ("if-range-other", "9110 §13.1.5", get(more='Range: bytes=0-9\r\nIf-Range: "x"\r\n'), ("200",), {"body": SMALL}),
    ("if-range-weak", "9110 §13.1.5", get(more="Range: bytes=0-9\r\nIf-Range: W/{etag}\r\n"), ("200",), {"body": SMALL}),
    ("if-range-date", "9110 §13.1.5", get(more="Range: bytes=0-9\r\nIf-Range: {modified}\r\n"), ("206",)),
    ("if-range-date-before", "9110 §13.1.5", get(more="Range: bytes=0-9\r\nIf-Range: {before}\r\n"), ("200",)),
    ("304-comes-first", "9110 §13.2.2", get(more="Range: bytes=0-9\r\nIf-None-Match: {etag}\r\n"), ("304",)),
)

REFUSED = ("400 or 403 or 404",)
GROUPS["paths"] = "Nothing outside the root is ever sent, nor what begins with a dot", cases(
    ("up", "9110 §17.3", get("/../secret"), REFUSED, {"then": "any"}),
    ("up-from-below", "9110 §17.3", get("/plain/../../secret"), REFUSED, {"then": "any"}),
    ("encoded", "9110 §17.3", get("/%2e%2e/secret"), REFUSED, {"then": "any"}),
    ("half-encoded", "9110 §17.3", get("/.%2E/secret"), REFUSED, {"then": "any"}),
    ("encoded-slash", "9110 §17.3", get("/..%2fsecret"), REFUSED, {"then": "any"}),
    ("encoded-slash-inside", "9110 §17.3", get("/plain%2f..%2f..%2fsecret"), REFUSED, {"then": "any"}),
    ("encoded-twice", "9110 §17.3", get("/%252e%252e/secret"), REFUSED, {"then": "any"}),
    ("overlong-utf-8", "9110 §17.3", get("/%c0%ae%c0%ae/secret"), REFUSED, {"then": "any"}),
    ("backslash", "9110 §17.3", get("/..\\secret"), REFUSED, {"then": "any"}),
    ("nul", "9110 §17.3", get("/hello.c%00.html"), REFUSED, {"then": "any"}),
    ("absolute-uri", "9110 §17.3", get("http://x/../secret"), REFUSED, {"then": "any"}),
    ("link-out", "9110 §17.3", get("/outside"), REFUSED, {"then": "any"}),
    ("link-to-the-system", "9110 §17.3", get("/absolute"), REFUSED, {"then": "any"}),
    ("link-up", "9110 §17.3", get("/up/secret"), REFUSED, {"then": "any"}),
    ("link-loop", "9110 §17.3", get("/loop"), REFUSED, {"then": "any"}),
    ("two-slashes", "9110 §17.3", get("//etc/passwd"), REFUSED, {"then": "any"}),
    ("dotfile", "9110 §17.3", get("/.hidden"), REFUSED, {"then": "any"}),
    ("dotfile-encoded", "9110 §17.3", get("/%2ehidden"), REFUSED, {"then": "any"}),
    ("dotfile-below", "9110 §17.3", get("/.git/config"), REFUSED, {"then": "any"}),
    ("wrong-percent", "3986 §2.1", get("/a%zz"), ("400 or 404",), {"then": "any"}),
    ("fifo", "openat2(2)", get("/fifo"), ("403 or 404",), {"then": "any"}),
    ("slash-behind-a-file", "3986 §3.3", get("/hello.c/"), ("404",)),
    ("up-and-down", "3986 §5.2.4", get("/plain/../hello.c"), ("200",), {"body": SMALL}),
    ("link-inside", "openat2(2)", get("/inside"), ("200",), {"body": SMALL}),
    ("encoded-letter", "3986 §2.3", get("/%68ello.c"), ("200",), {"body": SMALL}),
    ("encoded-blank", "3986 §2.1", get("/with%20space.txt"), ("200",), {"body": b"space\n"}),
    ("encoded-utf-8", "3986 §2.1", get("/gr%C3%BC%C3%9Fe.txt"), ("200",), {"body": b"hi\n"}),
    ("encoded-percent", "3986 §2.4", get("/%2541.txt"), ("200",), {"body": b"percent\n"}),
)

GROUPS["folders"] = "A folder is its index.html, or a list of what is in it; without its slash, a redirection", cases(
    ("root", "9110 §9.3.1", get("/"), ("200",), {"body": b"<p>root\n", "fields": {"Content-Type": "text/html.*"}}),
    ("index", "9110 §9.3.1", get("/folder/"), ("200",), {"body": b"<p>folder\n"}),
    ("no-slash", "9110 §15.4.2", get("/folder"), ("301 or 308",), {"fields": {"Location": "(http://x)?/folder/"}}),
    ("no-slash-query", "9110 §15.4.2", get("/folder?a"), ("301 or 308",), {"fields": {"Location": r"(http://x)?/folder/(\?a)?"}}),
    ("no-host-of-ours", "9110 §17.4", get("//plain"), ("301 or 308",), {"fields": {"Location": "(http://x)?/plain/"}}),
    ("list", "9110 §9.3.1", get("/plain/"), ("200 or 403",), {"fields": {"Content-Type": "text/html.*"}}),
)
