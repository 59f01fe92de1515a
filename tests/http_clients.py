"""What our HTTP client promises, with the server of its chapter and with servers that the check plays. The checks join
the ladder of the clients."""

import contextlib
import os
import random
from pathlib import Path

import clients
import http_cases
from check import Failed, expect_bytes
from clients import expect_failure, expect_success, expect_visit, paper
from http_contract import HttpSubject
from own import complaint, ipv6_or_cannot_tell, judge_help, silent_on_stdout
from peer import queues_in_kernel, upper
from process import wait_until
from process import Server
from subject import Client, ClientSubject, readable

check = clients.ladder.check

OK = b"HTTP/1.1 200 OK\r\n"


class HttpClientSubject(ClientSubject):
    """Our client, which takes a URL."""

    target = "/hello.c"  # of the URL, when a check plays the server

    def serve(self, host="127.0.0.1"):
        self.root = HttpSubject.root(self)
        return self.clears(Server([self.server, "--host", host, "--port", "0", "--root", str(self.root), "--verbose"],
                                  self.patience))

    def client(self, address, screen="", words=(), target=None, log="", **rest):
        """`log`: the file, a terminal perhaps, that is the client's stderr."""
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        url = f"http://{host}:{address[1]}{target or self.target}"
        command = [self.command[0], url, *words]
        if screen or log:
            redirected = (f" >{screen}" if screen else "") + (f" 2>{log}" if log else "")
            command = ["sh", "-c", f'exec "$0" "$@"{redirected}', *command]
        return self.clears(Client(command, self.patience, **rest))


def post_words(data, folder):
    path = Path(folder, "to-send")
    path.write_bytes(data)
    return "--post", str(path)


def played(subject, answer, words=(), **rest):
    """The client, and a server that has read its head, has sent `answer` and has closed. Returns the head too."""
    client, server = subject.play(words=words, **rest)
    head = b""
    while b"\r\n\r\n" not in head:
        head += server.receive(1)
    server.send(answer)
    server.close()
    return client, server, head


@check("http-client-get", "It fetches a file, prints just that, and ends with exit 0", capability="http-client")
def fetches(subject):
    server = subject.serve()
    expect_success(subject.client(server.address), http_cases.SMALL)
    expect_success(subject.client(server.address, target="/large.bin"), http_cases.LARGE)
    expect_success(subject.client(server.address, target="/empty.txt"), b"")
    expect_success(subject.client(server.address, target="?a#b"), b"<p>root\n")
    expect_visit(subject, server)


@check("http-client-request", "Its request is a head with a Host and nothing that is not needed", needs="http-client-get",
       capability="http-client")
def request(subject):
    client, server, head = played(subject, OK + b"Content-Length: 2\r\n\r\nhi", target="/a?b#c")
    expect_bytes(head, f"GET /a?b HTTP/1.1\r\nHost: {server.name}\r\nConnection: close\r\n\r\n".encode(), "its request")
    expect_success(client, b"hi")


@check("http-client-names", "A name is looked up; one that is not known is told in one line", needs="http-client-get",
       capability="http-client")
def names(subject):
    server = subject.serve()
    expect_success(subject.client(("localhost", server.address[1])), http_cases.SMALL)
    line = complaint(subject.client(("nobody.invalid", 80)), 1, subject.patience)
    if not line.startswith("client: cannot find nobody.invalid: "):
        raise Failed(f"it says {line!r}")


@check("http-client-output", "With --output the answer goes to that file, and nothing to stdout", needs="http-client-get",
       capability="http-client")
def output(subject):
    server = subject.serve()
    file = subject.folder() / "fetched"
    expect_success(subject.client(server.address, target="/large.bin", words=("--output", str(file))), b"")
    expect_bytes(file.read_bytes() if file.exists() else b"", http_cases.LARGE, "the file")
    client = subject.client(server.address, target="/nothing", words=("--output", str(subject.folder() / "new")))
    expect_failure(client, "404 Not Found")
    expect_failure(subject.client(server.address, words=("--output", "/nowhere/at/all")), "/nowhere/at/all")


@check("http-client-post", "With --post a file goes there, and its answer comes back while it is still being sent",
       needs="http-client-get", capability="http-client")
def posts(subject):
    server = subject.serve()
    for data in (b"", b"hello\n", random.Random(7).randbytes(8 << 20)):
        words = post_words(data, subject.folder())
        expect_success(subject.client(server.address, target="/upper", words=words), upper(data))


@check("http-client-post-stdin", "With --post - it sends what is typed, in chunks, and prints each answer as it comes",
       needs="http-client-post", capability="http-client")
def posts_stdin(subject):
    server = subject.serve()
    client = subject.client(server.address, target="/upper", words=("--post", "-"))
    for line in (b"hello\n", b"are you there?\n"):
        client.type(line)
        expect_bytes(client.read(len(line)), upper(line), "what it printed")
    expect_visit(subject, server)
    client.end_input()
    expect_success(client, b"")
    data = random.Random(8).randbytes(1 << 20)
    with paper(data) as file:
        expect_success(subject.client(server.address, target="/upper", words=("--post", "-"), stdin=file), upper(data))


@check("http-client-ipv6", "An IPv6 address stands in brackets", needs="http-client-get", capability="http-client")
def ipv6(subject):
    ipv6_or_cannot_tell()
    expect_success(subject.client(subject.serve("::1").address), http_cases.SMALL)


@check("http-client-answers", "An answer ends by its length, by its last chunk or by the end of the connection",
       needs="http-client-request", capability="http-client")
def answers(subject):
    for answer, printed in (
            (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
            (OK + b"content-length:5\r\nX:\r\n\r\nhello and more", b"hello"),
            (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX: y\r\n\r\n", b"hello"),
            (OK + b"\r\nhello", b"hello"),
            (b"HTTP/1.0 200\r\n\r\nhello", b"hello"),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", b"")):
        client, _, _ = played(subject, answer)
        try:
            expect_success(client, printed)
        except Failed as failure:
            raise Failed(f"{answer!r}: {failure}") from None


@check("http-client-any-split", "However the answer is cut into pieces, it is read alike", needs="http-client-answers",
       capability="http-client")
def any_split(subject):
    answer = OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    client, server = subject.play()
    server.receive(1)
    ends = server.socket.getpeername()[1], server.port
    for byte in answer:
        server.send(bytes([byte]))
        wait_until(lambda: not client.alive() or queues_in_kernel(*ends)[1] == 0, subject.patience,
                   "it does not read what has come")
    expect_success(client, b"hello")


@check("http-client-status", "An answer other than 2xx is one line with the URL and what the server says, and exit 1",
       needs="http-client-get", capability="http-client")
def status(subject):
    server = subject.serve()
    expect_failure(subject.client(server.address, target="/nothing"), "http://127.0.0.1:", "/nothing: 404 Not Found")
    expect_failure(subject.client(server.address, target="/folder"), "301 Moved Permanently", "/folder/")
    expect_failure(subject.client(server.address, target="/upper"), "405 Method Not Allowed")


@check("http-client-no-http", "An answer that is no HTTP is one line with the address and the reason, and exit 1",
       needs="http-client-answers", capability="http-client")
def no_http(subject):
    for answer in (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"\0" * 70_000,
                   OK + b"Content-Length: five\r\n\r\nhello", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                   OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   OK + b"Transfer-Encoding: gzip\r\n\r\nhello", OK + b"X y\r\n\r\n", OK + b"X: " + b"y" * 10_000,
                   OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"):
        client, server, _ = played(subject, answer)
        try:
            expect_failure(client, server.name)
        except Failed as failure:
            raise Failed(f"{answer[:80]!r}: {failure}") from None


@check("http-client-cut-short", "An answer that ends before its end is one line with the address, and exit 1; what had "
       "come is printed", needs="http-client-answers", capability="http-client")
def cut_short(subject):
    for answer, printed in ((OK + b"Content-Length: 5\r\n\r\nhel", b"hel"), (OK + b"Content-Len", b""), (b"", b""),
                            (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"hello")):
        client, server, _ = played(subject, answer)
        expect_failure(client, server.name, printed=printed)
    client, server = subject.play()
    server.receive(10)
    server.send(OK + b"Content-Length: 5\r\n\r\nhel")
    expect_bytes(client.read(3), b"hel", "what it printed")
    server.reset()
    expect_failure(client, server.name, "Connection reset by peer")


@check("http-client-refused", "A refused connection is one line with the address and the call, and exit 1",
       capability="http-client")
def refused(subject):
    with subject.reserve() as reserved:
        address = reserved.getsockname()
        client = subject.client(address)
        line = complaint(client, 1, subject.patience)
    if line != f"client: cannot connect to 127.0.0.1:{address[1]}: connect: Connection refused\n":
        raise Failed(f"it says {line!r}")
    silent_on_stdout(client)


@check("http-client-early-answer", "A server that refuses while much is still being sent is heard", needs="http-client-post",
       capability="http-client")
def early_answer(subject):
    server = subject.serve()
    words = post_words(bytes(8 << 20), subject.folder())
    expect_failure(subject.client(server.address, words=words), "405 Method Not Allowed")


@check("http-client-stdout", "When stdout or the file cannot be written it ends with exit 1 and one line that names it",
       needs="http-client-get", capability="http-client")
def stdout_fails(subject):
    server = subject.serve()
    expect_failure(subject.client(server.address, screen="/dev/full"), "stdout", "No space left on device")
    expect_failure(subject.client(server.address, words=("--output", "/dev/full")), "/dev/full")


@check("http-client-progress", "On a terminal it shows how far it has got, and only there", needs="http-client-output",
       capability="http-client")
def progress(subject):
    terminal, theirs = os.openpty()
    file = subject.folder() / "fetched"
    with contextlib.closing(os.fdopen(terminal, "rb", 0)), contextlib.closing(os.fdopen(theirs, "rb", 0)):
        client, server = subject.play(words=("--output", str(file)), log=os.ttyname(theirs))
        server.receive(10)
        server.send(OK + b"Content-Length: 3000000\r\n\r\n" + bytes(1_000_000))
        said = b""
        while b"1.0 MB of 3.0 MB" not in said:
            if not readable(terminal, subject.patience):
                raise Failed(f"no progress is shown, but {said!r}")
            said += os.read(terminal, 4096)
        server.send(bytes(2_000_000))
        if client.wait(subject.patience):
            raise Failed(f"exit code {client.popen.returncode}")


@check("http-client-help", "--help names every option on stdout, and is no error", capability="http-client")
def help_(subject):
    judge_help(subject, ("URL", "--output", "--post"))


@check("http-client-bad-options", "A command line that it cannot take ends it with exit 2 and one line that names the word",
       capability="http-client")
def bad_options(subject):
    for words, named in ((("--nonsense",), "--nonsense"), ((), "URL"), (("http://x/", "stray"), "'stray'"),
                         (("http://x/", "--output"), "--output"), (("http://x/", "--post", ""), "--post"),
                         *(((url,), f"'{url}'") for url in (
                             "", "hello", "https://x/", "http://", "http:///a", "http://x:y/", "http://x:65536/",
                             "http://x/a b", "http://u@x/", "http://[::1/", "http://x/\x01"))):
        process = subject.launch(*words)
        try:
            line = complaint(process, 2, subject.patience)
            if named not in line:
                raise Failed(f"{named} is not named in {line!r}")
            silent_on_stdout(process)
        except Failed as failure:
            raise Failed(f"{words}: {failure}") from None
