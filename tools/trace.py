"""./lab trace CHAPTER [--svg FILE] [--against] [-- COMMAND…]: runs a server and three of the chapter's clients under
strace, and draws what happened. `{port}` in COMMAND is a free port; with --against ours is traced too and drawn beside
it, and the first thing that it does otherwise is marked."""

import contextlib
import re
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import packages
from build import build
from common import BUILD, USAGE, Trouble, find_chapter
from words import _

# A ? before a name: not every machine has that call, and strace need not know it.
CALLS = ("socket,socketpair,bind,listen,accept,accept4,connect,read,readv,recvfrom,recvmsg,recvmmsg,write,"
         "writev,sendto,sendmsg,sendmmsg,sendfile,splice,shutdown,close,dup,?dup2,dup3,fcntl,?pipe,pipe2,?fork,"
         "?vfork,clone,clone3,wait4,waitid,exit_group,?select,pselect6,?poll,ppoll,?epoll_create,epoll_create1,"
         "epoll_ctl,?epoll_wait,epoll_pwait,?epoll_pwait2,?eventfd,eventfd2,?signalfd,signalfd4,timerfd_create,"
         "timerfd_settime,futex")
CONNECTED = {"socket", "accept", "accept4", "dup", "dup2", "dup3", "fcntl"}
FORKS = {"fork", "vfork", "clone", "clone3"}
PAIRS = {"socketpair", "pipe", "pipe2"}
OPENS = {"socket", "accept", "accept4", "dup", "dup2", "dup3", "fcntl", "epoll_create", "epoll_create1", "eventfd",
         "eventfd2", "signalfd", "signalfd4", "timerfd_create", *PAIRS}
TAKES = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg", "accept", "accept4"}
GIVES = {"write", "writev", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice", "connect", "shutdown"}
POLLS = {"select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2"}
WAITS = {"wait4", "waitid", "futex", *POLLS}
BLOCKS = 0.001  # seconds from which on a call is said to wait
PATIENCE = 0.4  # seconds for an answer: the model may well serve nobody else
LONG = 15  # seconds for what comes for certain, on a machine that is busy
LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
NAMED = r"<UNIX-\w+:\[[^\]]*\]>|<[A-Za-z/][^\]\"]*?(?:\]>|(?<!-)>)"  # what -yy says of a descriptor
DONE = re.compile(r"(\w+)\((.*)\) += (.*?)(?: <([\d.]+)>)?$", re.DOTALL)


@dataclass
class Event:
    """A call, from its begin to its end, or a note of the kernel's; the times are seconds of the clock."""

    begin: float
    end: float
    lane: str
    call: str
    words: str
    result: str = ""
    connection: str = ""  # "A", "B" … of the client's that it is about
    descriptors: tuple = ()  # what it opens or closes
    process: str = ""  # whose those are: its threads share them
    child: str = ""  # the process that it makes, which has copies of them
    futex: str = ""  # the address at which it waits, or wakes
    inside: bool = False  # it is about no connection, but an eventfd or the like: a pipe
    cuts: bool = False  # it closes the last of a connection's descriptors

    @property
    def of_server(self):
        return self.lane.startswith("server")

    @property
    def program(self):
        return "server" if self.of_server else self.lane

    @property
    def gives(self):
        """Whether the connection's other end gets something: bytes, or their end."""
        return self.call in GIVES and not self.inside and "EAGAIN" not in self.result or self.cuts

    @property
    def takes(self):
        return self.call in TAKES and not self.inside and not self.result.startswith(("-", "?"))

    @property
    def interrupted(self):
        return "ERESTART" in self.result or "EINTR" in self.result

    @property
    def done(self):
        """When what it does is done: its row in a picture."""
        return self.end if self.waits else self.begin

    @property
    def waits(self):
        may = self.call in WAITS or self.call in TAKES or self.call == "connect"
        at_once = "WAKE" in self.words if self.call == "futex" else "EAGAIN" in self.result
        return may and not at_once and self.end - self.begin > BLOCKS


@dataclass
class Life:
    """A descriptor in a process, from the event that opens or copies it to the one that closes it, if any does."""

    descriptor: int
    lane: str
    connection: str
    begin: Event
    end: Event = None


@dataclass
class Run:
    """What one run did. `lanes`: the clients' names, "kernel", then the server's processes and threads."""

    title: str
    lanes: list
    events: list = field(default_factory=list)
    lives: list = field(default_factory=list)


# ---- what strace wrote


def read_calls(file):
    """(begin, end, pid, call, arguments, result) of each finished call, and of each process's end."""
    unfinished, found = {}, []
    for line in file.read_text(errors="replace").splitlines():
        if not (match := LINE.fullmatch(line)):
            continue
        pid, at, rest = match[1], float(match[2]), match[3]
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = at, rest.removesuffix("<unfinished ...>").rstrip()
            continue
        begin = at
        if resumed := re.match(r"<\.\.\. \w+ resumed>", rest):
            begin, first = unfinished.pop(pid, (at, ""))
            rest = first + (" " if first.endswith(",") else "") + rest[resumed.end():].lstrip()
        if rest.startswith("+++"):
            found.append((at, at, pid, "ends", "", rest.strip("+ ")))
        elif rest.startswith("---"):
            found.append((at, at, pid, "signal", rest.strip("- ").split(" ")[0], ""))
        elif done := DONE.fullmatch(rest):
            end = at if begin != at else at + float(done[4] or 0)
            found.append((begin, end, pid, done[1], done[2], done[3]))
    for pid, (at, rest) in unfinished.items():
        call, _, words = rest.partition("(")
        found.append((at, float("inf"), pid, call, words, "?"))
    return sorted(found)


def ends(words):
    """The ends of a connection as -yy shows them: ports of TCP and UDP, i-nodes of local sockets."""
    found = set(re.findall(r"(?:TCP|UDP|TCPv6)[^\]]*?:(\d+)[\]>-]", words))
    found |= set(re.findall(r"->[^\]]*?:(\d+)\]", words))
    found |= set(re.findall(r"sin6?_port=htons\((\d+)\)", words))
    for local in re.findall(r"UNIX-\w+:\[(\d+)(?:->(\d+))?", words):
        found |= {f"i{number}" for number in local if number}
    return found


def shortened(call, words):
    """The arguments as a lane has room for them."""
    words = re.sub(NAMED, "", words)
    words = re.sub(r"\{events=([A-Z|]+), data=\{[^}]*\}\}", r"\1", words)  # whose it is the next call tells
    words = re.sub(r"0x7f[0-9a-f]+", "…", words)
    words = re.sub(r"(\"(?:[^\"\\]|\\.){12})(?:[^\"\\]|\\.)*\"", r'\1…"', words)
    if call in FORKS:
        words = ""
    if call == "futex":
        words = "".join(re.findall(r"FUTEX_[A-Z_]+?(?=_PRIVATE|_BITSET|\W)", words)[:1])
    words = re.sub(r"\{sa_family=.*?\}", "…", words)
    return words if len(words) < 40 else words[:38] + "…"


def is_about_the_lesson(call, words, result):
    """Not what libraries read at the start, nor calls on files and standard streams."""
    if call == "fcntl":
        return "F_DUPFD" in words
    if call in ("ends", "signal", *FORKS, *WAITS, *OPENS):
        woke_nobody = call == "futex" and "WAKE" in words and result == "0"
        return "ECHILD" not in result and not woke_nobody
    return bool(re.match(r"\d+<(TCP|UDP|UNIX|socket|anon_inode)|(?:[3-9]|\d\d+)<pipe", words))


def children(calls):
    """(maker, child, whether the child shares the maker's descriptors) of each process and thread that was made."""
    return [(pid, result, "CLONE_FILES" in words) for *_, pid, call, words, result in calls
            if call in FORKS and result.isdigit()]


def descriptors(call, words, result):
    """What a call opens or closes."""
    if call in PAIRS:
        return tuple(int(number) for number in re.findall(r"(\d+)<(?:pipe|UNIX|socket)", words))
    named = re.match(r"(\d+)<", words if call == "close" else result if call in OPENS else "")
    return (int(named[1]),) if named else ()


def events_of(calls, lanes, who):
    """Events of one program. `lanes`: {pid: lane}; `who(words)`: the connection that the words speak of."""
    process = {}
    for maker, child, shares in children(calls):
        process[child] = process.get(maker, maker) if shares else child
    for begin, end, pid, call, words, result in calls:
        of = process.get(pid, pid)
        if pid not in lanes or not is_about_the_lesson(call, words, result):
            continue
        both = f"{words} {result}" if call.startswith(("accept", "recv")) else (
            words if call.startswith("send") else words.split("]>", 1)[0] + "]")
        answer = re.sub(NAMED, "", result)
        answer = answer.split(" (")[0] if call not in WAITS or answer.startswith(("0", "-", "?")) else answer[:24]
        event = Event(begin, end, lanes[pid], call, shortened(call, words), answer, who(both),
                      descriptors(call, words, result), of, inside=bool(re.match(r"\d+<(pipe|anon_inode)", words)))
        if call in FORKS and process.get(result) == result:
            event.child = result
        if call == "ends" and of != pid:  # a thread: the descriptors stay
            event.process = ""
        if call == "futex":
            event.futex = words.split(",")[0]
        yield event


class Lives:
    """The Life of each descriptor, found by going through events. What closes the last one of a connection is told."""

    def __init__(self, events):
        self.found, self.open = [], {}  # {(process, descriptor): its Life}
        self.lanes = {event.process: event.lane for event in reversed(events)}
        for event in sorted(events, key=lambda event: event.done):
            if event.call == "close":
                self.close([(event.process, number) for number in event.descriptors], event)
            elif event.call == "ends":
                self.close([key for key in self.open if key[0] == event.process], event)
            elif event.child:
                for (process, number), life in list(self.open.items()):
                    if process == event.process:
                        self.begin(event.child, number, life.connection, event)
            else:
                about = event.connection if event.call in CONNECTED and "DGRAM" not in event.words else ""
                for number in event.descriptors:
                    self.close([(event.process, number)], event)  # dup2 does
                    self.begin(event.process, number, about, event)

    def begin(self, process, number, connection, event):
        lane = self.lanes.get(process, event.lane) if event.child else event.lane
        self.open[process, number] = Life(number, lane, connection, event)
        self.found.append(self.open[process, number])

    def close(self, keys, event):
        gone = [self.open.pop(key) for key in keys if key in self.open]
        for life in gone:
            life.end = event
        for connection in dict.fromkeys(life.connection for life in gone if life.connection):
            if not any(connection == life.connection and life.begin.program == event.program
                       for life in self.open.values()):
                event.connection, event.cuts = connection, True


# ---- a run


class Traced:
    """A program under strace, whose trace grows in a file."""

    def __init__(self, folder, name, command, **rest):
        self.file, self.name = Path(folder, f"{name}.trace"), name
        words = ["strace", "-f", "-yy", "-ttt", "-T", "-s", "40", "-o", self.file, "-e", f"trace={CALLS}", *command]
        self.popen = subprocess.Popen([str(word) for word in words], stderr=subprocess.DEVNULL, start_new_session=True,
                                      **rest)

    def wait_for(self, pattern, patience=LONG):
        """Whether the trace comes to hold a call like `pattern`, be it in two lines: strace does that where the call of
        another thread comes between."""
        deadline, size = time.monotonic() + patience, 0
        while time.monotonic() < deadline:
            ended = self.popen.poll() is not None  # before the look: what it wrote last is seen
            before, size = size, self.file.stat().st_size if self.file.exists() else 0
            if size > before and any(re.match(pattern, f"{call}({words}) = {result}")
                                     for *_, call, words, result in read_calls(self.file)):
                return True
            if ended:
                return False
            time.sleep(0.01)
        return False

    def end(self, number=signal.SIGTERM):
        """Ends the traced program: strace forwards nothing, so its children are told."""
        if self.popen.poll() is None:
            for pid in Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split():
                subprocess.run(["kill", f"-{number.value}", pid], stderr=subprocess.DEVNULL)
            try:
                self.popen.wait(3)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def states(port):
    """TCP's states on a port, as ss tells them: "ESTAB 2, LISTEN 1"."""
    try:
        ran = subprocess.run(["ss", "-Htan", f"( sport = :{port} )"], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    rows = ran.stdout.split("\n")
    names = [row.split()[0] for row in rows if row]
    waiting = sum(int(row.split()[1]) for row in rows if row.startswith("LISTEN"))
    said = ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))
    return said + (f"; {waiting} → accept" if waiting else "")


def own_command(chapter):
    where = ("--path", "{path}") if chapter.transport == "unix" else ("--port", "{port}")
    return [BUILD / chapter.name / "server", *where]


def client_words(chapter, port, path):
    if chapter.transport == "http":
        return ["--post", "-", f"http://127.0.0.1:{port}/upper"]
    return ["--path", path] if chapter.transport == "unix" else ["--port", port]


def record(chapter, command, options=(), big=0):
    """Runs a server and three clients: A is silent, B and C say something, then A does, and all end; where a time is set
    for silence, A is silent until that is over. `big`: how many bytes B says. Returns a Run."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        port = free_port(socket.SOCK_DGRAM if chapter.transport == "udp" else socket.SOCK_STREAM)
        path = f"{folder}/serv.socket"
        filled = [str(word).replace("{port}", str(port)).replace("{path}", path) for word in [*command, *options]]
        if any("{root}" in word for word in filled):  # as ./lab check fills it
            from http_contract import site_in

            root = str(site_in(Path(folder)))
            filled = [word.replace("{root}", root) for word in filled]
        server = Traced(folder, "server", filled, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        clients, notes = [], []
        try:
            if not server.wait_for(r"bind\(.* = 0" if chapter.transport == "udp" else r"listen\(.* = 0"):
                raise Trouble(_("trace: the server never listens: {command}", command=" ".join(filled)))
            converse(chapter, port, path, folder, clients, notes, big, "--idle-timeout" in options)
        finally:
            for each in [*clients, server]:
                each.end()
        return merged(chapter.name, server, clients, notes)


def converse(chapter, port, path, folder, clients, notes, big, is_timed):
    program = BUILD / chapter.name / "client"

    def start(name):
        clients.append(Traced(folder, name, [program, *client_words(chapter, port, path)], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL))
        clients[-1].wait_for(r"(connect|sendto)\(.* = (0|-1 EINPROGRESS)", 0.5 if chapter.transport == "http" else LONG)

    def say(client, words):
        client.popen.stdin.write(words)
        client.popen.stdin.flush()
        client.wait_for(r'(read|recvfrom|recv|readv)\(\d+<(TCP|UDP|UNIX).* = [1-9]', PATIENCE)
        note()

    def note():
        if chapter.transport in ("tcp", "http") and (said := states(port)):
            notes.append((time.time(), said))

    start("A")
    note()
    for name, words in (("B", b"x" * big + b"hello\n"), ("C", b"hi\n")):
        start(name)
        say(clients[-1], words)
    if is_timed:
        clients[0].wait_for(r"ends\(")
    for client, words in zip(list(clients), (b"me too\n", b"", b"")):
        with contextlib.suppress(BrokenPipeError):  # it was told to go: it was idle for too long
            client.popen.stdin.write(words)
            client.popen.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.popen.wait(LONG)
    note()


def merged(title, server, clients, notes):
    """One Run of all traces, its times from the first event on."""
    calls = {client.name: read_calls(client.file) for client in clients}
    about = {name: set().union(*(ends(words) for *_, call, words, _result in of if call not in ("socket", "bind")))
             for name, of in calls.items()}
    shared = set.intersection(*about.values()) if len(about) > 1 else set()
    about = {name: found - shared for name, found in about.items()}

    def who(words):
        found = ends(words)
        return next((name for name, known in about.items() if known & found), "")

    own = read_calls(server.file)
    pids = dict.fromkeys([own[0][2], *(child for _, child, _ in children(own)), *(pid for _, _, pid, *_ in own)])
    lanes = {pid: "server" if number == 0 else f"server {number + 1}" for number, pid in enumerate(pids)}
    events = list(events_of(own, lanes, who))
    for name, of in calls.items():
        mine = {pid: name for _, _, pid, *_ in of}
        of = [row for row in of if not re.match(r"\[?\d+<pipe", row[4])]  # between a client's own processes or threads
        events += [event for event in events_of(of, mine, lambda words, name=name: name)
                   if event.call not in WAITS or event.waits]
    events += [Event(at, at, "kernel", "ss", said) for at, said in notes]
    return in_order(title, [*calls, "kernel", *dict.fromkeys(lanes.values())], events)


def in_order(title, lanes, events):
    listens = [e.begin for e in events if e.call in ("listen", "bind") and e.lane.startswith("server")]
    from_ = min([e.begin for e in events if e.call in OPENS and e.lane == "server"] or listens or [0])
    events = sorted((e for e in events if e.begin >= from_), key=lambda e: e.begin)
    last = max(e.begin for e in events)
    for event in events:
        event.begin, event.end = event.begin - from_, min(event.end, last) - from_
    used = {e.lane for e in events}
    return Run(title, [lane for lane in lanes if lane in used | {"kernel"}], events, Lives(events).found)


# ---- the command


def parsed(words):
    """(chapter, SVG file or None, against, the student's command or [])."""
    words, command = (words[:words.index("--")], words[words.index("--") + 1:]) if "--" in words else (words, [])
    name, svg, against, rest = None, None, False, list(words)
    while rest:
        word = rest.pop(0)
        if word == "--svg":
            if not rest:
                raise Trouble(_("trace: --svg wants a file"), USAGE)
            svg = Path(rest.pop(0))
        elif word == "--against":
            against = True
        elif word.startswith("-") or name:
            raise Trouble(_("trace takes a chapter, --svg FILE, --against and -- COMMAND; what is '{word}'?", word=word),
                          USAGE)
        else:
            name = word
    if not name:
        raise Trouble(_("trace wants a chapter: ./lab trace 06"), USAGE)
    if against and not command:
        raise Trouble(_("trace: --against wants your server: {command}",
                        command="./lab trace 04 --against -- ./my_server {port}"), USAGE)
    chapter = find_chapter(name)
    needed = "{path}" if chapter.transport == "unix" else "{port}"
    if command and not any(needed in word for word in command):
        raise Trouble(_("trace: {needed} must stand in the command: it says where to listen", needed=needed), USAGE)
    return chapter, svg, against, command


def beside(yours, ours, chapter):
    """Shows two runs beside each other, and says what differs first. Returns the picture of it."""
    import trace_show
    from trace_compare import Comparison

    yours.title, ours.title = _("yours"), _("ours")
    compared = Comparison(yours, ours)
    trace_show.both_on_terminal(compared)
    difference = compared.difference
    print(_("first difference, call {number} of the server: yours {yours}, ours {ours}", number=difference.number,
            yours=difference.in_words[0], ours=difference.in_words[1])
          if difference else _("no difference in what the two servers called"))
    return trace_show.both_drawn(compared, chapter.name)


def main(words):
    chapter, svg, against, command = parsed(words)
    packages.require("core", "book")
    build([chapter.name])
    import trace_show

    try:
        run = record(chapter, command or own_command(chapter))
    except OSError as error:
        raise Trouble(_("trace: {file}: {reason}", file=error.filename, reason=error.strerror)) from None
    if against:
        drawn = beside(run, record(chapter, own_command(chapter)), chapter)
    else:
        trace_show.on_terminal(run)
        drawn = trace_show.drawing(run, chapter.name, alone=True)
    if svg:
        svg.write_text(drawn, encoding="utf-8")
    return 0
