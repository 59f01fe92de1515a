"""Anybody's server, in any language: all that is asked of its command line is where the port, or the path, stands.

It is ready when a socket of its process tree listens. It may print what it likes, fork, or end at once; whatever it
does, the check that judges it comes to an end, and nothing of it is left.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import network
from check import CannotTell, Failed
from datagram import DatagramPeer, DatagramSubject
from http_contract import Site
from http_peer import HttpPeer
from listening import listening, parent, stat, tree
from process import POLL, READY, Process, Server, members, send
from subject import PLACE, ServerSubject

KEPT = 1 << 16  # bytes at the beginning and at the end of what a program prints that are kept
SETTLED = 0.01  # seconds between two looks that must find the same
CALMS_DOWN = 0.3  # seconds in which a program that listens has come to rest, or will not
RESTS = 1.0  # seconds without a move after which a program is taken to do no more by itself
BEGINS = 6.0  # seconds more for one that does something
IN_THE_BACKGROUND = ("the program that was started has ended and left another one, which listens, in the background: "
                     "a server is judged in the foreground")
SPEAKS = {"tcp": "TCP", "udp": "UDP", "unix": "a path"}


class Drain:
    """Reads a pipe to its end, so that who prints much is not stopped, and keeps the first and the last of it."""

    def __init__(self, pipe):
        self.pipe, self.head, self.tail, self.size = pipe, b"", b"", 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while piece := os.read(self.pipe.fileno(), 65536):
                self.size += len(piece)
                room = KEPT - len(self.head)
                self.head += piece[:room]
                self.tail = (self.tail + piece[room:])[-KEPT:]
        except (OSError, ValueError):  # closed meanwhile
            pass

    def text(self):
        left_out = self.size - len(self.head) - len(self.tail)
        middle = f"\n… {left_out} bytes more …\n".encode() if left_out > 0 else b""
        return (self.head + middle + self.tail).decode(errors="replace")


class Stranger(Process):
    """A program whose stdout and stderr are read together, and kept in part."""

    def __init__(self, command, environment=None, **popen):
        try:
            Process.__init__(self, command, environment, stdout=subprocess.PIPE, **popen)
        except OSError as error:
            raise Failed(f"cannot be started: {command[0]}: {error.strerror}") from None
        self.drain = Drain(self.popen.stdout)

    @property
    def log(self):
        return Process.log.fget(self) + self.drain.text()

    def wait(self, patience, lenient=True):
        code = Process.wait(self, patience, lenient)
        if not self.processes():
            self.drain.thread.join(0.5)  # what it has printed last
        return code

    def zombies(self):
        """Those that it has to bury: an orphan comes to us, as it comes to init, and is no business of the server's."""
        ours = [pid for pid in Process.zombies(self) if parent(pid) == os.getpid()]
        for pid in ours:
            os.waitpid(pid, os.WNOHANG)
        return [pid for pid in Process.zombies(self) if pid not in ours]

    def kill(self):
        for pid in set(tree(self.pid)) - {self.pid}:  # who has left its session
            send(pid, signal.SIGKILL)
        for pid in self.processes():
            send(pid, signal.SIGKILL)
        self.popen.wait()


class Starting(Stranger):
    """One that is to come to its end by itself, which takes an interpreter on a busy machine its time."""

    def wait(self, patience):
        begin, last = time.monotonic(), None
        while self.alive() and time.monotonic() < begin + patience + BEGINS:
            if (now := activity(tree(self.pid))) == last:
                break
            last = now
            with contextlib.suppress(Failed):
                Stranger.wait(self, RESTS)
        return Stranger.wait(self, max(0.0, begin + patience - time.monotonic()))


class AnyServer(Stranger, Server):
    """A server that has a socket to be reached by. `place` is where it was told to be, None when it was not told."""

    def __init__(self, command, patience, kind, place=None, **rest):
        Stranger.__init__(self, command, **rest)
        self.kind, self.place = kind, place
        self.path = ""
        try:
            self.address = self.await_ready(patience)
            self.path = self.address if kind == "unix" else ""
            self.settle()
            if not self.alive() and listening(self.pids(), kind):
                raise Failed(IN_THE_BACKGROUND)
            self.descriptors_at_start = self.descriptors()
        except BaseException as failure:
            failure.server = self  # its state is looked at before it is cleared up
            raise

    def pids(self):
        return {*tree(self.pid), *members(self.pid)}

    def await_ready(self, patience):
        begin = time.monotonic()
        elsewhere = None
        last, moved = None, begin
        while True:
            alive = self.alive()
            found = self.listens_on(alive)
            if (chosen := self.choose(found)) and not alive:
                raise Failed(IN_THE_BACKGROUND)
            if chosen:
                return chosen
            waited = time.monotonic() - begin
            if found:
                elsewhere = elsewhere or waited
            if not alive and not [pid for pid in self.pids() if pid != self.pid]:
                raise Failed(self.obituary(patience))
            if elsewhere and waited > elsewhere + 0.5:
                raise Failed(f"it listens on {', '.join(map(shown, found))}, and not on {shown(self.place)}")
            if (now := activity(tree(self.pid))) != last:  # an interpreter on a busy machine takes its time to begin
                last, moved = now, time.monotonic()
            if waited > patience and (time.monotonic() - moved > RESTS or waited > patience + BEGINS):
                raise Failed(self.never_ready(waited))
            time.sleep(POLL)

    def listens_on(self, alive):
        """Where it listens. Who may not look everywhere finds nothing yet: it may be about to become another user."""
        with contextlib.suppress(CannotTell):
            return listening(tree(self.pid) if alive else self.pids(), self.kind)
        return []

    def choose(self, found):
        """The one of the addresses to be used: where it was told to be, if it was told."""
        for each in found:
            if self.place is None or same_place(each, self.place):
                return each
        return None

    def never_ready(self, patience):
        """What is to be said of it. Raises CannotTell when its sockets are not to be seen."""
        listening(self.pids(), self.kind)
        for kind in SPEAKS:
            if kind != self.kind and (found := listening(self.pids(), kind)):
                return (f"no socket of it listens on {SPEAKS[self.kind]}; it has one for {SPEAKS[kind]}, {shown(found[0])}: "
                        "is it a server for this chapter?")
        if re.search(READY, self.log):
            return f"it says that it listens, and no socket of it does, after {patience:.1f} s"
        return f"not ready after {patience:.1f} s: no socket of it listens on {SPEAKS[self.kind]}"

    def settle(self):
        """Waits until it has done what it does at its start: it may make threads after listen()."""
        deadline = time.monotonic() + CALMS_DOWN
        before = None
        while time.monotonic() < deadline:
            now = activity(tree(self.pid))
            if now == before:
                return
            before = now
            time.sleep(SETTLED)


def activity(pids):
    """How long each thread of theirs has run: what stands still has the same twice, but not who wants a core, or waits
    for the disk."""
    found = {}
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    found[task] = file.read().split()[0], time.monotonic() if wants_on(pid, task) else 0
        except OSError:  # it ended while we looked
            pass
    return found


def wants_on(pid, task):
    return stat(f"{pid}/task/{task}")[0] in "RD"


def shown(place):
    return f"{place[0]}:{place[1]}" if isinstance(place, tuple) else f"port {place}" if isinstance(place, int) else place


def same_place(found, place):
    return found[1] == place if isinstance(place, int) else os.path.basename(found) == os.path.basename(place)


def told(command):
    """Whether a command says where the server is to be."""
    return any(map(PLACE.search, command))


class AnySubject(ServerSubject):
    """A server that a check starts as often as it likes, told where to be by {port}, {path} or @{name} in its command,
    or else always in the same place: then each start has a network of its own, if this machine grants one."""

    def __init__(self, command, chapter, patience, port=None, fault_library=None, trace=(), sandbox=None):
        self.sandbox = sandbox  # where it runs, if it is not trusted
        ServerSubject.__init__(self, command, chapter.capabilities, patience, fault_library)
        self.kind = {"http": "tcp"}.get(chapter.transport, chapter.transport)
        self.told = told(command)
        self.abstract = any("@{name}" in word for word in command)
        self.port = port or chapter.port
        self.expected = port  # where it must be, though it is not told
        self.trace = trace  # words before its command
        self.home = self.folder() if self.kind == "unix" and not self.told else None

    @property
    def transport(self):
        return self.kind

    def folder(self):
        folder = super().folder()
        if self.sandbox:  # another user writes in it
            folder.chmod(0o777)
        return folder

    def anywhere(self):
        return self.somewhere()

    def somewhere(self):
        if self.kind == "unix":
            folder = self.folder() if self.told else None
            return folder and (f"@{folder.name}" if self.abstract else str(folder / "serv.socket"))
        if network.renew():
            return self.port
        return network.port_of_ours(self.kind) if self.told else self.port

    def place_of(self, place):
        """What `place` says of where the server must be; None when it chooses by itself."""
        return place if self.told else self.expected

    def start(self, place=None, words=(), **rest):
        place = self.anywhere() if place is None else place
        try:
            server = AnyServer([*self.trace, *self.command_for(place)], self.patience, self.kind, self.place_of(place),
                               cwd=self.home, sandbox=self.sandbox, **rest)
        except (Failed, CannotTell) as failure:
            if hasattr(failure, "server"):
                self.clears(failure.server)
            raise
        if not self.told:  # from now on it must be there
            self.expected = server.address if self.kind == "unix" else server.address[1]
        return self.clears(server)

    def run(self, place, **rest):
        return self.clears(Starting([*self.trace, *self.command_for(place)], cwd=self.home, sandbox=self.sandbox,
                                    **rest))


class AnyHttpSubject(Site, AnySubject):
    """A server that is told by {root} which folder it serves."""

    peer = HttpPeer

    def __init__(self, *rest):
        AnySubject.__init__(self, *rest)
        self.served = None  # the root, as soon as there is one

    def command_for(self, place):
        if any("{root}" in word for word in self.command) and not self.served:
            self.served = self.root()
        return [word.replace("{root}", str(self.served)) for word in AnySubject.command_for(self, place)]

    def site(self, *_, root=None):
        if not any("{root}" in word for word in self.command):
            raise CannotTell("no {root} in its command: which folder it serves is not known")
        self.served = root
        return self.start()


class AnyDatagramSubject(AnySubject, DatagramSubject):
    peer = DatagramPeer

    def connect(self, server):
        return DatagramSubject.connect(self, server)


class RunningServer:
    """A server that runs already, and of which no more is known than its address."""

    log = ""

    def __init__(self, address):
        self.address = address
        self.path = address if isinstance(address, str) else ""
        self.command = []

    def alive(self):
        return True  # whoever is told so asks it something, too

    def waited(self):
        return 0.0  # which is not known

    def __getattr__(self, name):
        raise CannotTell("the server runs already: it is neither started, signalled nor looked into")


class RunningSubject(AnySubject):
    """The one server at `address`, for every check."""

    def __init__(self, address, chapter, patience):
        AnySubject.__init__(self, [], chapter, patience)
        self.address = address
        self.home = None

    def start(self, place=None, words=(), **rest):
        if place is not None or rest:
            raise CannotTell("the server runs already: it is not started")
        return RunningServer(self.address)

    def somewhere(self):
        raise CannotTell("the server runs already: it is not started")

    run = start_with_fault = start_deaf = lambda self, *_: self.somewhere()


class RunningHttpSubject(RunningSubject, AnyHttpSubject):
    pass


class RunningDatagramSubject(RunningSubject, AnyDatagramSubject):
    pass


def absolute(word):
    """A file that the command names, by a name that holds in every folder."""
    return str(Path(word).resolve()) if "/" in word or (Path(word).is_file() and not os.access(word, os.X_OK)) else word
