"""./lab trace CHAPTER [--svg FILE] [--against] [-- COMMAND…]: runs a server and three of the chapter's clients under
strace, and draws what happened. `{port}` in COMMAND is the chapter's free port; with --against ours is traced too, and
the first thing that it does otherwise is named."""

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
         "writev,sendto,sendmsg,sendmmsg,sendfile,splice,shutdown,close,dup,?dup2,dup3,?pipe,pipe2,?fork,"
         "?vfork,clone,clone3,wait4,waitid,exit_group,?select,pselect6,?poll,ppoll,?epoll_create,epoll_create1,"
         "epoll_ctl,?epoll_wait,epoll_pwait,?epoll_pwait2,?eventfd,eventfd2,?signalfd,signalfd4,timerfd_create,"
         "timerfd_settime,futex")
OPENS = {"socket", "accept", "accept4", "epoll_create1", "eventfd2", "signalfd4"}
TAKES = {"read", "readv", "recvfrom", "recvmsg", "accept", "accept4"}
GIVES = {"write", "writev", "sendto", "sendmsg", "sendfile", "connect", "shutdown", "close"}
WAITS = {"select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "wait4", "futex"}
BLOCKS = 0.001  # seconds from which on a call is said to wait
PATIENCE = 0.4  # seconds for an answer: the model may well serve nobody else
LONG = 15  # seconds for what comes for certain, on a machine that is busy
LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
NAMED = r"<[A-Za-z/][^\]\"]*?(?:\]>|(?<!-)>)"  # what -yy says of a descriptor
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
    descriptor: int = -1  # what it opens or closes

    @property
    def waits(self):
        return (self.call in WAITS or self.call in TAKES or self.call == "connect") and self.end - self.begin > BLOCKS


@dataclass
class Run:
    """What one run did. `lanes`: the clients' names, "kernel", then the server's processes and threads."""

    title: str
    lanes: list
    events: list = field(default_factory=list)


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
    if local := re.search(r"UNIX-\w+:\[(\d+)(?:->(\d+))?", words):
        found |= {f"i{number}" for number in local.groups() if number}
    return found


def shortened(call, words):
    """The arguments as a lane has room for them."""
    words = re.sub(NAMED, "", words)
    words = re.sub(r"\{events=([A-Z|]+), data=\{[^}]*\}\}", r"\1", words)  # whose it is the next call tells
    words = re.sub(r"0x7f[0-9a-f]+", "…", words)
    words = re.sub(r"(\"(?:[^\"\\]|\\.){12})(?:[^\"\\]|\\.)*\"", r'\1…"', words)
    if call in ("clone", "clone3", "futex"):
        words = re.sub(r"0x[0-9a-f]+, ", "", words).split(",")[0] if call == "futex" else ""
    words = re.sub(r"\{sa_family=.*?\}", "…", words)
    return words if len(words) < 40 else words[:38] + "…"


def is_about_the_lesson(call, words, result):
    """Not what libraries read at the start, nor calls on files and standard streams."""
    if call in ("ends", "signal", "fork", "vfork", "clone", "clone3", "wait4", "exit_group", *WAITS, *OPENS):
        woke_nobody = call == "futex" and "WAKE" in words and result == "0"
        return call != "exit_group" and "ECHILD" not in result and not woke_nobody
    return bool(re.match(r"\d+<(TCP|UDP|UNIX|socket|anon_inode)", words))


def events_of(calls, lanes, who):
    """Events of one program. `lanes`: {pid: lane}; `who(words)`: the connection that the words speak of."""
    for begin, end, pid, call, words, result in calls:
        if pid not in lanes or not is_about_the_lesson(call, words, result):
            continue
        said = result if call in OPENS else words if call == "close" else ""
        opened = re.match(r"(\d+)<", said)
        both = f"{words} {result}" if call in ("accept", "accept4", "recvfrom") else (
            words if call == "sendto" else words.split("]>", 1)[0] + "]")
        answer = re.sub(NAMED, "", result)
        answer = answer.split(" (")[0] if call not in WAITS or answer.startswith("0") else answer[:24]
        yield Event(begin, end, lanes[pid], call, shortened(call, words), answer, who(both),
                    int(opened[1]) if opened else -1)


# ---- a run


class Traced:
    """A program under strace, whose trace grows in a file."""

    def __init__(self, folder, name, command, **rest):
        self.file, self.name = Path(folder, f"{name}.trace"), name
        words = ["strace", "-f", "-yy", "-ttt", "-T", "-s", "40", "-o", self.file, "-e", f"trace={CALLS}", *command]
        self.popen = subprocess.Popen([str(word) for word in words], stderr=subprocess.DEVNULL, start_new_session=True,
                                      **rest)

    def wait_for(self, pattern, patience=LONG):
        """Whether the trace comes to hold `pattern`."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            ended = self.popen.poll() is not None  # before the look: what it wrote last is seen
            if self.file.exists() and re.search(pattern, self.file.read_text(errors="replace")):
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


def site(folder):
    """The folder that {root} stands for: the one that ./lab check has a server serve."""
    from http_contract import Site

    class Root(Site):
        def folder(self):
            return Path(folder)

    return str(Root().root())


def record(chapter, command, options=(), big=0):
    """Runs a server and three clients: A is silent, B and C say something, then A does, and all end. `big`: how many
    bytes B says. Returns a Run."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        port = free_port(socket.SOCK_DGRAM if chapter.transport == "udp" else socket.SOCK_STREAM)
        path = f"{folder}/serv.socket"
        filled = [str(word).replace("{port}", str(port)).replace("{path}", path) for word in [*command, *options]]
        if any("{root}" in word for word in filled):
            root = site(folder)
            filled = [word.replace("{root}", root) for word in filled]
        server = Traced(folder, "server", filled, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        clients, notes = [], []
        try:
            if not server.wait_for(r"bind\(.* = 0" if chapter.transport == "udp" else r"listen\(.* = 0"):
                raise Trouble(_("trace: the server never listens: {command}", command=" ".join(filled)))
            converse(chapter, port, path, folder, clients, notes, big)
        finally:
            for each in [*clients, server]:
                each.end()
        return merged(chapter.name, server, clients, notes)


def converse(chapter, port, path, folder, clients, notes, big):
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
    for client, words in zip(list(clients), (b"me too\n", b"", b"")):
        try:
            client.popen.stdin.write(words)
            client.popen.stdin.close()
        except BrokenPipeError:  # it was told to go: it was idle for too long
            pass
        client.wait_for(r"\+\+\+ exited")
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

    own, pids = read_calls(server.file), []
    for _, _, pid, *_ in own:
        pids += [] if pid in pids else [pid]
    lanes = {pid: "server" if number == 0 else f"server {number + 1}" for number, pid in enumerate(pids)}
    events = list(events_of(own, lanes, who))
    for name, of in calls.items():
        mine = {pid: name for _, _, pid, *_ in of}
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
    return Run(title, [lane for lane in lanes if lane in used], events)


# ---- two runs compared


def steps(run):
    """What the server does, without what differs from run to run: (call, connection, whether it failed, whether it
    ended)."""
    return [(e.call, e.connection, e.result.startswith("-1"), e.result == "0")
            for e in run.events if e.lane.startswith("server")]


def in_words(step):
    if not step:
        return _("nothing more")
    call, connection, failed, _ended = step
    what = f"{call} ({connection})" if connection else call
    return _("{call} fails", call=what) if failed else what


def first_difference(theirs, ours):
    """The index of the first step in which they differ among the server's, or None; with the two steps in words."""
    for index in range(max(len(steps(theirs)), len(steps(ours)))):
        a, b = (steps(run)[index] if index < len(steps(run)) else None for run in (theirs, ours))
        if a != b:
            return index, in_words(a), in_words(b)
    return None


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


def main(words):
    chapter, svg, against, command = parsed(words)
    packages.require("core", "book")
    build([chapter.name])
    import trace_show

    try:
        run = record(chapter, command or own_command(chapter))
    except OSError as error:
        raise Trouble(_("trace: {file}: {reason}", file=error.filename, reason=error.strerror)) from None
    ours = record(chapter, own_command(chapter)) if against else None
    difference = first_difference(run, ours) if ours else None
    trace_show.on_terminal(run, difference and difference[0])
    if ours:
        trace_show.on_terminal(ours, difference and difference[0])
        print(_("first difference, call {number} of the server: yours {yours}, ours {ours}", number=difference[0] + 1,
                yours=difference[1], ours=difference[2])
              if difference else _("no difference in what the two servers called"))
    if svg:
        svg.write_text(trace_show.drawing(run, chapter.name, alone=True), encoding="utf-8")
    return 0
