"""What our own servers promise besides the contract: their command line, and what they say on stdout and stderr.

The clients' command line is the same, so clients.py judges it with what stands here.
"""

import functools
import itertools
import os
import re
import resource
import shlex
import signal
import socket
import statistics
import subprocess
import time
from errno import EADDRINUSE, EADDRNOTAVAIL
from pathlib import Path

from check import CannotTell, Failed, Ladder
from contract import GRACE, owed
from peer import Peer
from process import wait_until
from subject import readable

ladder = Ladder()
check = ladder.check

WATCH = 0.25  # seconds in which a server that repeats itself every 50 ms has done so

OPTIONS = {"tcp": ("--host", "--port"), "unix": ("--path", "--mode"), "unix-client": ("--path", "--bind")}

# What no program of ours takes, and how the complaint must name it. Port 0: who takes it disturbs nobody.
BAD_COMMAND_LINES = {
    "tcp": (
        (("--port", "0", "--nonsense"), "--nonsense"),
        (("--port", "0", "--host"), "--host"),
        (("--port",), "--port"),
        (("--port", "0", "stray"), "'stray'"),
        *((("--port", port), f"'{port}'") for port in ("-1", "65536", "abc", "", "80x", " 80", "+80")),
        *((("--port", "0", "--host", host), f"'{host}'") for host in ("nonsense", "127.0.0.1.2", "", "localhost")),
    ),
    "unix": (
        (("--path", "p", "--nonsense"), "--nonsense"),
        (("--path",), "--path"),
        (("--path", "p", "stray"), "'stray'"),
        *((("--path", path), f"'{path}'") for path in ("", "@")),
        *((("--path", path), "107 bytes") for path in ("x" * 108, "@" + "x" * 108, "x" * 109, "x" * 200)),
    ),
}


def complaint(process, code, patience):
    """The one line on stderr with which `process` ends. Raises Failed unless its exit code is `code`."""
    ended = process.wait(patience)
    if ended != code:
        raise Failed(f"exit code {code} expected, not {ended}: {process.log.strip() or 'not a word on stderr'}")
    line = process.log
    if line.count("\n") != 1 or not line.endswith("\n") or line == "\n":
        raise Failed(f"one line on stderr expected, not {line!r}")
    return line


def silent_on_stdout(process):
    printed = process.popen.stdout.read()
    if printed:
        raise Failed(f"nothing was to be printed on stdout, but this was: {printed!r}")


def judge_help(subject, options):
    process = subject.launch("--help")
    code = process.wait(subject.patience)
    printed = process.popen.stdout.read().decode(errors="replace")
    if code or process.log:
        raise Failed(f"exit code 0 and nothing on stderr expected, not {code} and {process.log!r}")
    for option in options:
        if option not in printed:
            raise Failed(f"{option} is not named in {printed!r}")


def judge_methods(subject, used):
    """--methods says, a line each, what libevent can wait with, and that it uses `used`."""
    process = subject.launch("--methods")
    code = process.wait(subject.patience)
    lines = process.popen.stdout.read().decode(errors="replace").splitlines()
    if code or process.log:
        raise Failed(f"exit code 0 and nothing on stderr expected, not {code} and {process.log!r}")
    in_use = [line for line in lines if line.endswith(" (used)")]
    if in_use != [f"{used} (used)"] or not {"poll", "select"} <= {line.split()[0] for line in lines}:
        raise Failed(f"{used} is what it should use: {lines}")


def judge_bad_command_lines(subject, more=()):
    lines = (*BAD_COMMAND_LINES[subject.transport], *more)
    # All of them start, and then each is judged: none of them waits for another.
    for process, (words, named) in zip([subject.launch(*words) for words, _ in lines], lines):
        try:
            line = complaint(process, 2, subject.patience)
            if named not in line:
                raise Failed(f"{named} is not named in {line!r}")
            silent_on_stdout(process)
        except Failed as failure:
            raise Failed(f"{' '.join(map(shlex.quote, words))}: {failure}") from None


def ipv6_or_cannot_tell():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise CannotTell(f"no IPv6 on this machine: {error.strerror}") from None


@functools.lru_cache(maxsize=None)
def network_of_its_own():
    """The command that runs another in a network namespace of its own, its loopback up."""
    for flags in ("-n", "-rn"):
        within = ("unshare", flags, "sh", "-c", 'ip link set lo up && exec "$0" "$@"')
        try:
            tried = subprocess.run([*within, "true"], capture_output=True, text=True, check=False)
        except OSError as error:
            raise CannotTell(f"no network namespace can be made: {error}") from None
        if tried.returncode == 0:
            return within
    raise CannotTell(f"no network namespace can be made: {tried.stderr.strip()}")


def come_and_go(subject, server):
    """Clients that talk and leave in every way, until the server has done with the last of them."""
    at_first = len(server.descriptors())
    for last_words in (b"", b"half a li", b"a line\n" * 1000):
        for leave in (Peer.close, Peer.end, Peer.reset):
            with subject.connect(server) as peer:
                peer.ask(b"hello\n")
                peer.send(last_words)
                leave(peer)
    wait_until(lambda: len(server.descriptors()) == at_first and not server.children(), subject.patience,
               "clients have left, and the server has not done with them")


# ---- where it listens


@check("ready-line", "The one line on stdout says where it listens, at once even if stdout is a pipe; nothing else is "
       "ever printed there", capability="stream")
def ready_line(subject):
    for place in (subject.anywhere(), subject.somewhere()):
        server = subject.start(place)
        port = place or server.address[1]
        wanted = f"listening on {place if server.path else f'127.0.0.1:{port}'}\n"
        if server.output != wanted:
            raise Failed(f"the ready line is {server.output!r}, not {wanted!r}")
        come_and_go(subject, server)
        server.stop()
        more = server.more_output()
        if more:
            raise Failed(f"more is printed on stdout when clients come and go: {more!r}")


@check("ipv6", "With --host ::1 it listens on [::1]:PORT and answers there", needs="ready-line", capability="tcp")
def ipv6(subject):
    ipv6_or_cannot_tell()
    server = subject.serve("--host", "::1", "--port", "0")
    if not server.output.startswith("listening on [::1]:"):
        raise Failed(f"the ready line is {server.output!r}")
    subject.connect(server).ask(b"hello\n")


@check("one-address", "With --host it listens on that address, and on no other", needs="ready-line",
       capability="tcp")
def one_address(subject):
    server = subject.serve("--host", "127.0.0.2", "--port", "0")
    host, port = server.address
    if host != "127.0.0.2":
        raise Failed(f"the ready line is {server.output!r}")
    subject.connect(server).ask(b"hello\n")
    with socket.socket() as elsewhere:  # not 127.0.0.1, where somebody else may have this port
        elsewhere.settimeout(subject.patience)
        if elsewhere.connect_ex(("127.0.0.3", port)) == 0:
            raise Failed("it listens on 127.0.0.3 too, where --host says 127.0.0.2")


@check("default-port", "Without --port it takes the port that its chapter is known for", needs="ready-line",
       capability="tcp")
def default_port(subject):
    server = subject.serve(within=network_of_its_own())
    wanted = f"listening on 127.0.0.1:{subject.default_port}\n"
    if server.output != wanted:
        raise Failed(f"the ready line is {server.output!r}, not {wanted!r}")
    sockets = [line.split() for line in Path(f"/proc/{server.pid}/net/tcp").read_text().splitlines()[1:]]
    if not any(int(fields[1].rpartition(":")[2], 16) == subject.default_port and fields[3] == "0A"
               for fields in sockets):  # 0A: it listens
        raise Failed(f"it says {wanted.strip()!r}, but no socket listens on that port")


# ---- its command line


@check("help", "--help names every option on stdout, and is no error", capability="stream")
def help_(subject):
    judge_help(subject, (*OPTIONS[subject.transport], "--verbose"))


@check("bad-options", "A command line that it cannot take ends it with exit 2 and one line that names the word",
       capability="stream", refusals=True)
def bad_options(subject):
    judge_bad_command_lines(subject)


def cannot_listen_on(subject, host, port, reason):
    wanted = f"server: cannot listen on {host}:{port}: bind: {os.strerror(reason)}\n"
    process = subject.launch("--host", host, "--port", str(port))
    line = complaint(process, 1, subject.patience)
    if line != wanted:
        raise Failed(f"it says {line!r}, not {wanted!r}")
    silent_on_stdout(process)


@check("cannot-listen", "Where it cannot listen it ends with exit 1 and one line: the address, the call, the reason",
       capability="tcp")
def cannot_listen(subject):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cannot_listen_on(subject, "127.0.0.1", taken.getsockname()[1], EADDRINUSE)
    cannot_listen_on(subject, "192.0.2.1", 0, EADDRNOTAVAIL)  # nobody's: RFC 5737


# ---- its words on stderr


@check("quiet", "Without --verbose there is not a word on stderr, while clients come, talk, reset and go",
       needs="ready-line", capability="stream")
def quiet(subject):
    server = subject.start()
    come_and_go(subject, server)
    server.stop()
    if server.log:
        raise Failed("it logs, and nobody asked it to")


@check("verbose", "With --verbose it logs a line when a client connects, for each message, and when it is closed",
       needs="ready-line", capability="stream")
def verbose(subject):
    server = subject.start(words=("--verbose",))
    at_start = server.log.count("\n")  # what it says of itself
    peer = subject.connect(server)
    steps = (("connected", lambda: None), ("sent a message", lambda: peer.ask(b"hello\n")),
             ("sent another", lambda: peer.ask(b"hello again\n")), ("left", peer.end))
    for count, (what, step) in enumerate(steps, at_start + 1):
        step()
        wait_until(lambda: server.log.count("\n") >= count, subject.patience,
                   f"a client has {what}, and no line says so")
        lines = server.log.splitlines()
        if len(lines) != count or peer.name not in lines[-1]:
            raise Failed(f"one more line was due, with the client's address, when it had {what}")
    server.stop()
    if server.log.count("\n") != at_start + len(steps):
        raise Failed(f"{len(steps)} lines were due")


@check("says-once", "Out of descriptors it says so once, not whenever it looks", needs="ready-line",
       capability="stream", measured=True)
def says_once(subject):  # on a plain build: a sanitizer that finds no free descriptor complains too
    server = subject.start()
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    taken = server.descriptors()
    free = next(number for number in itertools.count() if number not in taken)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (free, limits[1]))
    subject.connect(server).close()  # an accept that waits has its number already: the next one finds none
    waiting = subject.connect(server)
    wait_until(lambda: server.log, subject.patience, "out of descriptors, it does not say so")
    time.sleep(WATCH)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    waiting.ask(b"is there a place for me?\n")
    if server.log != "server: accept: Too many open files\n":
        lines = len(server.log.splitlines())
        raise Failed(f"'server: accept: Too many open files' was due in {WATCH:g} s, and not {lines} lines")


@check("no-worker-line", "A client for whom no process or thread can be made is refused in one line: its address, "
       "the call", needs="ready-line", capability="no-worker", measured=True)
def no_worker_line(subject):
    server, switch = subject.start_with_fault()
    switch.touch()
    refused = subject.connect(server)
    refused.expect_refusal(b"is there a place for me?\n")
    wait_until(lambda: "\n" in server.log, subject.patience, "a client was refused, and no line says so")
    if server.log.count("\n") != 1 or refused.name not in server.log:
        raise Failed("one line was due, with the client's address")
    if not re.search(r"\b(fork|thread)\b", server.log):
        raise Failed("the line names neither fork nor thread, whichever call it was that failed")


# ---- idle clients, and the time that a stop may take


LATE = 1.0  # seconds after its deadline at which a busy machine may still close an idle connection


def seconds_to_the_end(peer, since, timeout):
    """When the server closes the connection, in seconds from `since`. Raises Failed when that is before `timeout`, or
    much after it."""
    peer.socket.settimeout(timeout + LATE + peer.patience)
    peer.expect_end()
    lasted = time.monotonic() - since
    if lasted < timeout:
        raise Failed(f"closed {timeout - lasted:.3f} s before it had been idle for {timeout:g} s")
    if lasted > timeout + LATE:
        raise Failed(f"closed {lasted - timeout:.1f} s after it had been idle for {timeout:g} s")
    return lasted


@check("idle", "With --idle-timeout a connection on which nothing moves is closed after that time, never before",
       needs="ready-line", capability="idle")
def idle(subject):
    server = subject.serve("--port", "0", "--idle-timeout", "0.25")
    clients = []
    for said in (b"", b"hello\n", b""):
        since = time.monotonic()
        peer = subject.connect(server)
        if said:
            since = time.monotonic()
            peer.ask(said)
        clients.append((peer, since))
    for peer, since in clients:
        seconds_to_the_end(peer, since, 0.25)


@check("idle-punctual", "An idle connection is closed within 100 ms after its time, in the median", needs="idle",
       capability="idle", measured=True)
def idle_punctual(subject):
    server = subject.serve("--port", "0", "--idle-timeout", "0.3")
    late = []
    for _ in range(5):
        with subject.connect(server) as peer:
            since = time.monotonic()
            peer.ask(b"hello\n")
            late.append(seconds_to_the_end(peer, since, 0.3) - 0.3)
    if statistics.median(late) > 0.1:
        raise Failed(f"{statistics.median(late) * 1000:.0f} ms after its time, in the median of {len(late)}")


@check("idle-renewed", "Traffic sets the idle timer anew: who says something now and then stays connected",
       needs="idle", capability="idle")
def idle_renewed(subject):
    timeout = 0.8
    server = subject.serve("--port", "0", "--idle-timeout", f"{timeout}")
    peer = subject.connect(server)
    begin = last = time.monotonic()
    while time.monotonic() - begin < 2 * timeout:
        time.sleep(timeout / 4)
        before = time.monotonic()
        try:
            peer.ask(b"still here\n")
        except Failed:
            if time.monotonic() - last >= timeout:
                raise CannotTell(f"this machine is too slow to say something every {timeout:g} s") from None
            raise
        last = before
    seconds_to_the_end(peer, last, timeout)


@check("idle-each", "Each connection has its own time: a busy one keeps no other open", needs="idle", capability="idle")
def idle_each(subject):
    server = subject.serve("--port", "0", "--idle-timeout", "0.4")
    busy, silent = subject.connect(server), subject.connect(server)
    since = time.monotonic()
    while not readable(silent.socket, 0):
        busy.ask(b"and on I talk\n")
        if time.monotonic() - since > 0.4 + LATE:
            raise Failed("a silent connection stays open for as long as another one talks")
    silent.expect_end()


@check("idle-owed", "A client that takes nothing of what it is owed is idle too, and is closed", needs="idle",
       capability="idle")
def idle_owed(subject):
    timeout = 0.8
    server = subject.serve("--port", "0", "--idle-timeout", f"{timeout}")
    subject.connect(server).ask(b"hello\n")
    at_first = len(server.descriptors_at_start)
    owed(server, subject.connect(server, small_buffers=True))
    wait_until(lambda: len(server.descriptors()) == at_first, timeout + LATE + subject.patience,
               "a client that is owed much, and takes nothing, stays connected")


@check("idle-never", "With --idle-timeout 0 no connection is ever idle", needs="ready-line", capability="idle")
def idle_never(subject):
    server = subject.serve("--port", "0", "--idle-timeout", "0")
    peer = subject.connect(server)
    if readable(peer.socket, 0.5):
        peer.expect_end()
        raise Failed("closed within 0.5 s")
    peer.ask(b"still here\n")


@check("idle-default", "Without --idle-timeout it is 60 s", needs="idle", capability="idle", slow=True)
def idle_default(subject):
    since = time.monotonic()
    seconds_to_the_end(subject.connect(subject.serve("--port", "0")), since, 60)


@check("grace-option", "With --grace a stop that is held up takes that time, and ends with exit code 0 all the same",
       needs="ready-line", capability="graceful")
def grace_option(subject):
    server = subject.serve("--port", "0", "--grace", "0.4")
    owed(server, subject.connect(server, small_buffers=True))
    since = time.monotonic()
    server.send_signal(signal.SIGTERM)
    code = server.wait(GRACE + LATE)
    lasted = time.monotonic() - since
    if code or not 0.4 <= lasted <= 0.4 + LATE:
        raise Failed(f"exit code {code} {lasted:.2f} s after the signal: 0, after 0.4 s, was due")


@check("limits-help", "--help names --idle-timeout and --grace too", needs="help", capability="idle")
def limits_help(subject):
    judge_help(subject, ("--idle-timeout", "--grace"))


@check("bad-limits", "What is no time is refused by --idle-timeout and --grace, with exit 2 and one line that names it",
       needs="bad-options", capability="idle", refusals=True)
def bad_limits(subject):
    words = ("-1", "", "soon", "1s", "nan", "inf", "1e300", " 1")
    judge_bad_command_lines(subject, [(("--port", "0", option, word), f"'{word}'")
                                      for option in ("--idle-timeout", "--grace") for word in words])


# ---- a library's methods


@check("methods", "--methods says what libevent can wait with, and that it uses epoll, and is no error", needs="help",
       capability="libevent")
def methods(subject):
    judge_methods(subject, "epoll")
