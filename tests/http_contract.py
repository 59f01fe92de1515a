"""What our HTTP server promises: the catalogue of cases, a group a check, and what takes time, a signal or a file that
changes."""

import contextlib
import http.client
import os
import re
import resource
import signal
import socket
import time

import http_cases
from check import Failed, Ladder, expect_bytes, show
from http_cases import FILES, LARGE, SMALL, get, post
from own import complaint, judge_bad_command_lines, judge_help, silent_on_stdout
from peer import Peer
from process import prlimit, wait_until
from subject import OwnSubject, readable

ladder = Ladder()
check = ladder.check

LATE = 1.0  # seconds after its time at which a busy machine may still do what is due


def site_in(folder):
    """A new folder in `folder` that has the files of the catalogue, for a server's root."""
    (folder / "secret").write_bytes(b"secret\n")
    root = folder / "root"
    root.mkdir()
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, tuple):
            path.symlink_to(content[0])
        else:
            path.write_bytes(content)
            os.utime(path, (784111777, 784111777))  # Sun, 06 Nov 1994 08:49:37 GMT
    os.mkfifo(root / "fifo")
    return root


class Site:
    """What has the files of the catalogue for its root."""

    def root(self):
        return site_in(self.folder())


class HttpSubject(Site, OwnSubject):
    """Our server, with such a root."""

    def site(self, *words, root=None):
        """The server of such a root."""
        return self.serve("--port", "0", "--root", str(root or self.root()), *words)


class Answer:
    """One answer, as it was read."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body


class HttpTalk(Peer):
    """A peer that writes raw bytes and reads answers."""

    def __init__(self, *address, **rest):
        super().__init__(*address, **rest)
        self.rest = bytearray()  # received, and not yet taken

    def say(self, data):
        """Sends what the server takes: it may have had enough, and have said so."""
        self.notes("sends", data)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            try:
                self.socket.sendall(data)
            except socket.timeout:
                raise Failed(f"the server takes no more input: stuck for {self.patience:g} s") from None

    def more(self, what):
        try:
            piece = self.socket.recv(1 << 20)
        except socket.timeout:
            raise Failed(f"no {what} for {self.patience:g} s, after {show(self.rest)}") from None
        except OSError as error:
            raise Failed(f"{error.strerror} where {what} was due, after {show(self.rest)}") from None
        if not piece:
            raise Failed(f"the server closed where {what} was due, after {show(self.rest)}")
        self.rest += piece

    def until(self, mark, what):
        while mark not in self.rest:
            self.more(what)
        return self.exactly(self.rest.index(mark) + len(mark), what)[:-len(mark)]

    def exactly(self, size, what):
        while len(self.rest) < size:
            self.more(what)
        taken = bytes(memoryview(self.rest)[:size])
        del self.rest[:size]
        return taken

    def answer(self, head_only=False):
        head = self.until(b"\r\n\r\n", "an answer")
        line, *lines = head.decode("latin-1").split("\r\n")
        status = re.fullmatch(r"HTTP/1\.1 (\d{3}) [\t\x20-\x7e]*", line)
        if not status:
            raise Failed(f"this is no status line: {show(line.encode('latin-1'))}")
        status = int(status[1])
        fields = http.client.HTTPMessage()  # finds a name in capitals or not
        for each in lines:
            field = re.fullmatch(r"([!#-'*+.^-z|~A-Z0-9-]+):[ \t]*(.*?)[ \t]*", each)
            if not field:
                raise Failed(f"this is no field line: {show(each.encode('latin-1'))}")
            fields[field[1]] = field[2]
        if head_only or status in (204, 304) or status < 200:
            return Answer(status, fields, b"")
        if fields.get("Transfer-Encoding", "").lower() == "chunked":
            return Answer(status, fields, self.chunks())
        if "Content-Length" not in fields:
            raise Failed(f"an answer without an end: {show(head, 600)}")
        if not re.fullmatch("[0-9]{1,18}", fields["Content-Length"]):
            raise Failed(f"Content-Length is {show(fields['Content-Length'].encode('latin-1'))}")
        return Answer(status, fields, self.exactly(int(fields["Content-Length"]), "the body"))

    def chunks(self):
        body = bytearray()
        while True:
            size = self.until(b"\r\n", "a chunk's size")
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
                raise Failed(f"a chunk's size is {show(size)}")
            if int(size, 16) == 0:
                self.until(b"\r\n", "the end of the chunks")
                return bytes(body)
            body += self.exactly(int(size, 16), "a chunk")
            if self.exactly(2, "a chunk") != b"\r\n":
                raise Failed("a chunk does not end as its size says")

    def expect_closed(self):
        if self.rest:
            raise Failed(f"more came than was due: {show(self.rest)}")
        self.expect_end()


def talk(subject, server):
    """A peer of that server."""
    peer = HttpTalk(server.address, subject.patience)
    subject.peers.append(peer)
    return peer


def any_of(first, *rest):
    return f"{first} or {any_of(*rest)}" if rest else first


def expect_status(answer, wanted):
    statuses = wanted.split(" or ")
    if str(answer.status) not in statuses:
        raise Failed(f"status {answer.status}, where {any_of(*statuses)} was due: {show(answer.body, 100)}")


def ask(subject, server, request, wanted="200", head_only=False):
    """The answer to one request, on a connection of its own, which is closed."""
    with HttpTalk(server.address, subject.patience) as peer:
        peer.say(request)
        answer = peer.answer(head_only)
    expect_status(answer, wanted)
    return answer


# ---- the catalogue


def facts_of(subject, server):
    """What the cases' placeholders stand for."""
    fields = ask(subject, server, get(method="HEAD"), head_only=True).fields
    return {"{etag}": fields.get("ETag", ""), "{modified}": fields.get("Last-Modified", ""),
            "{before}": "Sun, 06 Nov 1994 08:49:36 GMT", "{size}": str(len(SMALL))}


def filled(text, facts):
    for name, value in facts.items():
        text = text.replace(name, value)
    return text


def judge_case(case, subject, server, facts, cut=None):
    """Raises Failed when the server's answers are not what the case allows. `cut`: bytes sent at a time."""
    sent = filled(case.sent.decode("latin-1"), facts).encode("latin-1")
    with HttpTalk(server.address, subject.patience) as peer:
        for at in range(0, len(sent), cut or len(sent)):
            peer.say(sent[at:at + (cut or len(sent))])
        answer = None
        for wanted in case.answers:
            answer = peer.answer(sent.startswith(b"HEAD ") or wanted.endswith(" head"))
            expect_status(answer, wanted.removesuffix(" head"))
        for name, pattern in case.fields.items():
            value = answer.fields.get(name)
            if (value is not None) if pattern is None else not re.fullmatch(filled(pattern, facts), value or ""):
                raise Failed(f"{name} is {value!r}, where {pattern!r} was due")
        if case.body is not None:
            expect_bytes(answer.body, case.body, "the body")
        if http_cases.SECRET in answer.body:
            raise Failed(f"what must not be seen is sent: {show(answer.body)}")
        if case.then == "closed":
            peer.expect_closed()
        elif case.then == "open":
            peer.say(get("/page.html"))
            expect_bytes(peer.answer().body, FILES["page.html"], "the body of the next answer")


def judge_group(name):
    _, cases = http_cases.GROUPS[name]

    def judge(subject):
        server = subject.site()
        facts = facts_of(subject, server)
        for case in cases:
            try:
                judge_case(case, subject, server, facts)
            except Failed as failure:
                raise Failed(f"case {case.id} ({case.section}), {show(case.sent, 160)}: {failure}") from None

    return judge


for group, (title, _) in http_cases.GROUPS.items():
    check(f"http-{group}", title, needs="" if group == "basics" else "http-basics", capability="http")(judge_group(group))


@check("http-any-split", "However a request is cut into pieces, its answers are the same", needs="http-framing",
       capability="http")
def any_split(subject):
    server = subject.site()
    facts = facts_of(subject, server)
    for name in ("basics", "framing", "chunks", "persistence"):
        for case in http_cases.GROUPS[name][1]:
            if len(case.sent) > 500:
                continue
            for cut in (1, 3, 17):
                try:
                    judge_case(case, subject, server, facts, cut)
                except Failed as failure:
                    raise Failed(f"case {case.id}, sent {cut} bytes at a time: {failure}") from None


# ---- what is refused


@check("http-refusal-arrives", "Who sends 10 MB behind a head that is refused still reads the refusal",
       needs="http-fields", capability="http-options")
def refusal_arrives(subject):
    server = subject.site("--max-body", "1000")
    body = bytes(10_000_000)
    for request, wanted in ((get(more="X : y\r\nContent-Length: 10000000\r\n") + body, "400"),
                            (post("Content-Length: 10000000\r\n", body), "413"),
                            (post("Transfer-Encoding: chunked\r\n", b"989680\r\n" + body + b"\r\n0\r\n\r\n"), "413")):
        peer = talk(subject, server)
        peer.send(request)  # all of it: a reset meanwhile is what loses answers
        answer = peer.answer()
        expect_status(answer, wanted)
        if answer.fields.get("Connection") != "close":
            raise Failed("it does not say that it closes")
        peer.expect_closed()


@check("http-refusal-bounded", "Who sends without end behind a head that is refused is cut off before 256 MiB",
       needs="http-refusal-arrives", capability="http-options")
def refusal_bounded(subject):
    peer = talk(subject, subject.site())
    peer.send(get(more="X : y\r\n"))
    expect_status(peer.answer(), "400")
    piece = bytes(1 << 20)
    peer.notes("sends on, for as long as it is read")
    try:
        for _ in range(256):
            peer.socket.sendall(piece)
    except socket.timeout:
        raise Failed(f"neither read nor cut off for {subject.patience:g} s") from None
    except (BrokenPipeError, ConnectionResetError):
        return
    raise Failed("it has read 256 MiB behind a head that it had refused")


@check("http-max-body", "With --max-body a longer body is refused with 413, one of just that length is not",
       needs="http-basics", capability="http-options")
def max_body(subject):
    server = subject.site("--max-body", "5")
    for request, wanted in ((post("Content-Length: 5\r\n", b"hello"), "200"),
                            (post("Content-Length: 6\r\n", b"hello!"), "413"),
                            (post("Content-Length: 6\r\nExpect: 100-continue\r\n"), "413"),
                            (post("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"), "200"),
                            (post("Transfer-Encoding: chunked\r\n", b"6\r\nhello!\r\n0\r\n\r\n"), "413")):
        ask(subject, server, request, wanted)


@check("http-bad-chunk-late", "A body that turns out to be none after its answer has begun gets an answer without an end",
       needs="http-chunks", capability="http")
def bad_chunk_late(subject):
    peer = talk(subject, subject.site())
    peer.say(http_cases.chunks(b"5\r\nhello\r\n"))
    begun = peer.until(b"HELLO", "the answer's beginning")
    if b" 200 " not in begun:
        raise Failed(f"it begins with {show(begun)}")
    peer.say(b"nonsense\r\n")
    while b"0\r\n\r\n" not in peer.rest:
        try:
            peer.more("the end")
        except Failed as failure:
            if "closed" in str(failure):
                return
            raise
    raise Failed("the answer ends as if all were well")


# ---- slow and greedy clients


@check("http-slow-head", "With --header-timeout a head that is not whole in time is answered with 408, however busily it "
       "trickles in", needs="http-basics", capability="http-options")
def slow_head(subject):
    server = subject.site("--header-timeout", "0.5")
    silent, peer = talk(subject, server), talk(subject, server)
    since = time.monotonic()
    peer.say(b"GET / HTTP/1.1\r\n")
    while not readable(peer.socket, 0.05):
        peer.say(b"X: y\r\n")
        if time.monotonic() - since > 0.5 + LATE:
            raise Failed("a head that trickles in is waited for without end")
    lasted = time.monotonic() - since
    expect_status(peer.answer(), "408")
    peer.expect_closed()
    if lasted < 0.5:
        raise Failed(f"after {lasted:.2f} s, which is too early")
    if readable(silent.socket, 0):
        raise Failed("a client that has not begun a request is not late with it")


def duration_of(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def expect_prompt(took):
    """A server that is held up is so again and again; a busy machine stops it for once."""
    usual, worst = sorted(took)[len(took) * 99 // 100], max(took)
    if usual > 0.5 or worst > 0.5 + LATE:
        raise Failed(f"of {len(took)} requests one in a hundred took {usual:.1f} s or more, the slowest {worst:.1f} s")


@check("http-slow-heads", "Ten thousand clients whose heads trickle in do not hold up a request", needs="http-slow-head",
       capability="http-options", measured=True, slow=True)
def slow_heads(subject):
    server = subject.site("--header-timeout", "60")
    slow = [talk(subject, server) for _ in range(10_000)]
    for peer in slow:
        peer.say(b"GET / HTTP/1.1\r\nX: ")
    took = []
    for number in range(200):
        for peer in slow[number * 50:number * 50 + 50]:
            peer.say(b"y")
        took.append(duration_of(lambda: ask(subject, server, get())))
    expect_prompt(took)


HUGE = 16 << 20  # bytes of a file: more than the kernel holds of it for a client that does not read, some 4 MiB


@check("http-large-memory", "A client that does not read a large file costs no memory for it, and gets it all in the end",
       needs="http-basics", capability="http", measured=True)
def large_memory(subject):
    root = subject.root()
    with open(root / "huge.bin", "wb") as file:
        file.truncate(HUGE)
    server = subject.site(root=root)
    ask(subject, server, get("/hello.c"))
    before = server.memory()
    peers = [talk(subject, server) for _ in range(10)]
    for peer in peers:
        peer.say(get("/huge.bin"))
        peer.more("the head")
    ask(subject, server, get("/hello.c"))
    grown = server.memory() - before
    if grown > 10 * (128 << 10):
        raise Failed(f"{grown >> 10} KiB of memory for ten clients that do not read")
    body = peers[0].answer().body
    if len(body) != HUGE or body.count(0) != len(body):
        raise Failed(f"{len(body)} bytes came of a file of {HUGE}")


# ---- files that change


def change(file, content):
    """Until its time is another one too: kernels before 6.13 look at the clock a few hundred times a second."""
    before = file.stat().st_mtime_ns
    while file.stat().st_mtime_ns == before:
        file.write_bytes(content)


@check("http-changed-file", "A file that has changed is served as it is within a second", needs="http-basics",
       capability="http")
def changed_file(subject):
    root = subject.root()
    server = subject.site(root=root)
    last = ask(subject, server, get("/page.html"))
    for content in (b"<p>another", b"<p>changed"):  # of the same length as each other
        change(root / "page.html", content)
        answers = []
        wait_until(lambda: answers.append(ask(subject, server, get("/page.html"))) or answers[-1].body == content,
                   1 + LATE, f"{1 + LATE:g} s after a file was changed the old one is served")
        now = answers[-1]
        if now.fields["ETag"] == last.fields["ETag"]:
            raise Failed("the changed file has the old ETag")
        ask(subject, server, get("/page.html", f"If-None-Match: {last.fields['ETag']}\r\n"))
        last = now
    (root / "page.html").unlink()
    wait_until(lambda: ask(subject, server, get("/page.html"), "200 or 404").status == 404, 1 + LATE,
               "a file that was removed is served on")


@check("http-shrinking-file", "A file that changes while it is sent ends that connection, and nothing else",
       needs="http-large-memory", capability="http")
def shrinking_file(subject):
    root = subject.root()
    for how in ("shrinks", "changes"):
        with open(root / "huge.bin", "wb") as file:
            file.truncate(64 << 20)
        server = subject.site(root=root)
        peer = talk(subject, server)
        peer.say(get("/huge.bin"))
        peer.until(b"\r\n\r\n", "the head")
        if how == "shrinks":
            os.truncate(root / "huge.bin", 1000)
        else:
            with open(root / "huge.bin", "r+b") as file:
                file.write(b"x")
        size = len(peer.rest)
        try:
            while piece := peer.socket.recv(1 << 20):
                size += len(piece)
        except ConnectionResetError:
            pass
        except socket.timeout:
            raise Failed(f"the file {how} while it is sent, and the connection does not end") from None
        if size >= 64 << 20:
            raise Failed(f"the file {how} while it is sent, and {size} bytes come as if it had not")
        ask(subject, server, get("/hello.c"))


@check("http-listing", "A list names what is there, none that begins with a dot, and no name becomes part of the page",
       needs="http-folders", capability="http")
def listing(subject):
    body = ask(subject, subject.site(), get("/plain/")).body
    for wanted in (b'href="./a.txt"', b'href="./%3Cb%3E.txt"', b"&lt;b&gt;.txt", b'href="./inner/"', b'href="../"'):
        if wanted not in body:
            raise Failed(f"{wanted} is not in {show(body, 600)}")
    for unwanted in (b"<b>", b"hidden"):
        if unwanted in body:
            raise Failed(f"{unwanted} is in {show(body, 600)}")


@check("http-out-of-descriptors", "Where no file can be opened for lack of descriptors the answer is 503, and it serves on",
       needs="http-basics", capability="http", measured=True)
def out_of_descriptors(subject):
    server = subject.site()
    peer = talk(subject, server)
    peer.say(get("/nothing"))
    expect_status(peer.answer(), "404")
    limits = prlimit(server.pid, resource.RLIMIT_NOFILE)
    prlimit(server.pid, resource.RLIMIT_NOFILE, (max(server.descriptors()) + 1, limits[1]))
    peer.say(get("/large.bin"))
    expect_status(peer.answer(), "503")
    prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    peer.say(get("/large.bin"))
    expect_bytes(peer.answer().body, LARGE, "the body")


# ---- its log and its command line


@check("http-access-log", "With --verbose it logs a line for each request, in the Common Log Format, whatever is in it",
       needs="http-basics", capability="http-options")
def access_log(subject):
    server = subject.site("--verbose")
    ask(subject, server, get("/hello.c"))
    ask(subject, server, post("Content-Length: 5\r\n", b"hello"))
    ask(subject, server, b"GET /\x1b[31m\"\\\x00 HTTP/1.1\r\nHost: x\r\n\r\n", "400")
    ask(subject, server, get("/nothing"), "404")
    begin = r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
    wanted = [begin + rf'"GET /hello\.c HTTP/1\.1" 200 {len(SMALL)}', begin + r'"POST /upper HTTP/1\.1" 200 5',
              begin + r'"GET /\\x1b\[31m\\x22\\x5c\\x00 HTTP/1\.1" 400 \d+', begin + r'"GET /nothing HTTP/1\.1" 404 \d+']

    def lines():
        return [line for line in server.log.splitlines() if '"' in line]

    wait_until(lambda: len(lines()) >= len(wanted), subject.patience, lambda: f"{len(lines())} of {len(wanted)} lines")
    for line, pattern in zip(lines(), wanted):
        if not re.fullmatch(pattern, line):
            raise Failed(f"{line!r} was to be like {pattern}")
    if re.search(r"[^\n\x20-\x7e]", server.log):
        raise Failed("a control character has got into the log")


@check("http-help", "--help names the options of HTTP too", capability="http-options")
def help_(subject):
    judge_help(subject, ("--root", "--header-timeout", "--max-body"))


@check("http-bad-options", "What is no folder, time or size is refused: exit 1 or 2, and one line that names it",
       capability="http-options", refusals=True)
def bad_options(subject):
    judge_bad_command_lines(subject, [(("--port", "0", *words), f"'{words[1]}'") for words in (
        ("--header-timeout", "0"), ("--header-timeout", "soon"), ("--max-body", "-1"), ("--max-body", "1k"), ("--root", ""))])
    process = subject.launch("--port", "0", "--root", "/nowhere/at/all")
    line = complaint(process, 1, subject.patience)
    if "/nowhere/at/all: open: No such file or directory" not in line:
        raise Failed(f"it says {line!r}")
    silent_on_stdout(process)


# ---- its end


@check("http-begun-at-stop", "A request that has begun when it is to stop is answered: a head, a body, a file half sent",
       needs="http-persistence", capability="http")
def begun_at_stop(subject):
    root = subject.root()
    with open(root / "huge.bin", "wb") as file:
        file.truncate(HUGE)
    server = subject.site("--grace", "20", root=root)  # of ours: a busy machine takes its time for a large file
    head, body, file, idle = (talk(subject, server) for _ in range(4))
    head.say(b"GET /hello.c HT")
    body.say(post("Content-Length: 10\r\n", b"hello"))
    body.until(b"HELLO", "the answer's beginning")
    file.say(get("/huge.bin"))
    idle.say(get())
    idle.answer()
    file.more("the file's beginning")
    server.send_signal(signal.SIGTERM)
    idle.expect_closed()
    head.say(b"TP/1.1\r\nHost: x\r\n\r\n")
    answer = head.answer()
    expect_bytes(answer.body, SMALL, "the body")
    if answer.fields.get("Connection") != "close":
        raise Failed("the last answer does not say that the connection is closed after it")
    body.say(b"again")
    expect_bytes(body.exactly(5, "the rest of the body"), b"AGAIN", "the rest of the body")
    if len(file.answer().body) != HUGE:
        raise Failed("the file is not whole")
    code = server.wait(3.0)
    if code:
        raise Failed(f"exit code {code}")


@check("http-unread-at-stop", "A request that has come, and was not read yet when it is to stop, is answered",
       needs="http-begun-at-stop", capability="http")
def unread_at_stop(subject):
    server = subject.site()
    peers = [talk(subject, server) for _ in range(20)]
    for peer in peers:
        peer.say(get())
        peer.answer()
    with server.frozen():
        server.send_signal(signal.SIGTERM)  # the signal's descriptor is ready first
        for peer in peers:
            peer.say(get())
    for peer in peers:
        expect_bytes(peer.answer().body, SMALL, "the body")
        peer.expect_closed()

