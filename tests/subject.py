"""What is judged: anybody's server, one of our own, or one of our clients, with all that a check starts and opens
while it judges."""

import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from check import CannotTell, Failed, show
from peer import Peer, name_of, quiet_port
from process import Process, Server, wait_until


class Subject:
    """A program. A check starts it, and whatever is to stand at its other end, and need not clear up: close() does."""

    def __init__(self, command, capabilities, patience=4.0):
        self.command = command  # words; {port} stands for the port
        self.capabilities = capabilities
        self.patience = patience  # seconds, for whatever a check waits for
        self.processes = []
        self.peers = []
        self.folders = []

    @property
    def transport(self):
        return "unix" if {"{path}", "@{name}"} & set(self.command) else "tcp"

    def clears(self, process):
        """Has close() end `process` too. Returns it."""
        self.processes.append(process)
        return process

    def folder(self):
        """A new folder, which close() removes."""
        self.folders.append(tempfile.mkdtemp(prefix="subject-"))
        return Path(self.folders[-1])

    def launch(self, *words, **rest):
        """The program started with `words` instead, which it may not take."""
        return self.clears(Process([self.command[0], *words], **{"cwd": self.folder(), **rest}))

    def close(self):
        """Ends all that was started. Returns what the tests must know besides: a program that would not stop,
        a sanitizer's report."""
        complaints = []
        for peer in self.peers:
            if peer.socket.fileno() != -1:
                peer.reset()  # leaves no TIME_WAIT, of which the kernel keeps a bounded number
        for process in self.processes:
            if process.alive():
                try:
                    process.stop()
                except Failed as failure:
                    complaints.append(str(failure))
            if process.sanitizer_report():
                complaints.append(process.sanitizer_report())
            process.kill()
        for folder in self.folders:
            shutil.rmtree(folder)
        return complaints

    def logs(self):
        """What the programs wrote to stderr, for the report of a failed check."""
        return "\n".join(process.log for process in self.processes if process.log)


PLACE = re.compile(r"{port}|{path}|@{name}")  # where a command says that its server is to be


class ServerSubject(Subject):
    """A server, of whatever make: all that is known of its command line is where the port, or the path, stands."""

    peer = Peer  # who plays its clients

    def __init__(self, command, capabilities, patience=4.0, fault_library=None):
        super().__init__(command, capabilities, patience)
        self.fault_library = fault_library

    def command_for(self, place):
        return [PLACE.sub(lambda _: str(place), str(word)) for word in self.command]

    def anywhere(self):
        """A place where nobody listens: port 0, or a path that is new."""
        return 0 if self.transport == "tcp" else self.somewhere()

    def somewhere(self):
        """A place that can be told twice: a port that nobody has, or a path, or an abstract name."""
        if self.transport == "tcp":
            return quiet_port()
        folder = self.folder()
        return str(folder / "serv.socket") if "{path}" in self.command else f"@{folder.name}"

    def start(self, place=None, words=(), **rest):
        """A running server, ready. Raises Failed when it does not become ready."""
        place = self.anywhere() if place is None else place
        path = "" if isinstance(place, int) else place
        return self.clears(Server([*self.command_for(place), *words], patience=self.patience, path=path, **rest))

    def run(self, place, **rest):
        """The same program, started without waiting for it to be ready."""
        return self.clears(Process(self.command_for(place), **rest))

    def fault(self):
        """An environment for a server in which making a process or a thread fails while the returned file exists;
        each failure adds a byte to it. Works on programs that call fork and pthread_create through the C library."""
        if not self.fault_library or not Path(self.fault_library).exists():
            raise CannotTell("the library that makes fork and thread creation fail is not built")
        switch = self.folder() / "switch"
        return {"LD_PRELOAD": str(self.fault_library), "FAULT_SWITCH": str(switch)}, switch

    def start_with_fault(self):
        """A server in such an environment, and its file."""
        environment, switch = self.fault()
        return self.start(environment=environment), switch

    def connect(self, server, **rest):
        peer = self.peer(server.address, patience=self.patience, **rest)
        self.peers.append(peer)
        return peer


class OwnSubject(ServerSubject):
    """One of our own servers: its command line is known, so a check may start it with other words."""

    def __init__(self, command, default_port, *rest):
        super().__init__(command, *rest)
        self.default_port = default_port

    def serve(self, *words, within=(), **rest):
        """A server started with `words`, ready; `within` is the command that runs it, if there is one."""
        return self.clears(Server([*within, self.command[0], *words], patience=self.patience, **rest))


def readable(source, seconds):
    """Whether there is something to read within `seconds`; an end of file is something."""
    waiter = select.poll()
    waiter.register(source, select.POLLIN)
    return bool(waiter.poll(seconds * 1000))


class Client(Process):
    """A client at whose keyboard we sit, stdin being a pipe unless told otherwise, and whose screen we read."""

    def __init__(self, command, patience, stdin=subprocess.PIPE):
        super().__init__(command, stdin=stdin, bufsize=0)
        self.patience = patience

    def type(self, text):
        """At most what a pipe holds: more comes from a file."""
        try:
            self.popen.stdin.write(text)
        except BrokenPipeError:
            raise Failed(f"nobody reads its input any more: {show(text)} could not be typed") from None

    def end_input(self):
        self.popen.stdin.close()

    def read(self, size):
        """The next `size` bytes that it prints."""
        got = self.read_to_end(size)
        if len(got) < size:
            raise Failed(f"its output ends: {size} bytes expected, got {show(got)}")
        return got

    def read_to_end(self, limit=1 << 62):
        """What it prints until its output ends, or `limit` bytes of it."""
        got = bytearray()
        while len(got) < limit:
            if not readable(self.popen.stdout, self.patience):
                raise Failed(f"nothing is printed for {self.patience:g} s, after {show(got)}")
            piece = os.read(self.popen.stdout.fileno(), min(65536, limit - len(got)))
            if not piece:
                break
            got += piece
        return bytes(got)

    def printed(self):
        """What it has printed by now, and nobody has read."""
        got = b""
        while readable(self.popen.stdout, 0) and (piece := os.read(self.popen.stdout.fileno(), 65536)):
            got += piece
        return got

    def kill(self):
        super().kill()
        if self.popen.stdin:
            self.popen.stdin.close()


class PlayedServer(Peer):
    """The server's end of a connection, which the check plays; `name` is what the client calls the server."""

    def __init__(self, connection, patience):
        self.socket = connection
        self.patience = patience
        self.socket.settimeout(patience)
        self.name = name_of(connection.getsockname())
        if connection.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self, size):
        got = self.receive_to_end(size)
        if len(got) < size:
            raise Failed(f"the client ended its side: {size} bytes expected, got {show(got)}")
        return got

    def receive_to_end(self, limit=1 << 62):
        """What the client sends until it ends its side, or `limit` bytes of it."""
        got = bytearray()
        while len(got) < limit:
            try:
                piece = self.socket.recv(min(65536, limit - len(got)))
            except socket.timeout:
                raise Failed(f"nothing comes from the client for {self.patience:g} s, no end of file either, "
                             f"after {show(got)}") from None
            except OSError as error:
                raise Failed(f"{error.strerror}, after {show(got)} from the client") from None
            if not piece:
                break
            got += piece
        return bytes(got)


class ClientSubject(Subject):
    """One of our own clients, and the right server of its chapter."""

    def __init__(self, command, server, capabilities, patience=4.0):
        super().__init__(command, capabilities, patience)
        self.server = server

    def serve(self, host="127.0.0.1"):
        """The chapter's server, ready. It logs who comes, so that a check can tell whether anybody did."""
        path = str(self.folder() / "serv.socket") if self.transport == "unix" else ""
        where = ("--path", path) if path else ("--host", host, "--port", "0")
        return self.clears(Server([self.server, *where, "--verbose"], self.patience, path))

    def client(self, address, screen="", words=(), **rest):
        """The client, started for the server at `address`, with more `words` perhaps; its stdout is the file `screen`,
        if that is named."""
        of = {"{path}": address} if self.transport == "unix" else {"{host}": address[0], "{port}": address[1]}
        command = [*(str(of.get(word, word)) for word in self.command), *words]
        if screen:
            command = ["sh", "-c", 'exec "$@" >"$0"', screen, *command]
        return self.clears(Client(command, self.patience, **rest))

    def reserve(self):
        """A socket at an address where nobody else is, and where nobody listens yet."""
        reserved = socket.socket(socket.AF_UNIX if self.transport == "unix" else socket.AF_INET)
        reserved.bind(str(self.folder() / "serv.socket") if self.transport == "unix" else ("127.0.0.1", 0))
        return reserved

    def play(self, **rest):
        """The client, and the other end of its connection, where the check plays the server."""
        with self.reserve() as listener:
            listener.listen()
            client = self.client(listener.getsockname(), **rest)
            wait_until(lambda: readable(listener, 0) or not client.alive(), self.patience, "it does not connect")
            if not readable(listener, 0):
                raise Failed(f"it never connects, and ends (exit code {client.popen.returncode})")
            server = PlayedServer(listener.accept()[0], self.patience)
        self.peers.append(server)
        return client, server


def judge(check, subject, strict=True):
    """Lets `check` judge `subject` and clears up. Raises Failed, which says the promise, what was wrong, and what
    the program said on stderr; or CannotTell. With `strict`, what comes to light while clearing up counts too."""
    try:
        check.judge(subject)
    except Failed as failure:
        said = subject.logs()
        raise Failed(f"{check.title}: {failure}" + (f"\n--- stderr\n{said}" if said else "")) from None
    finally:
        complaints = subject.close()
    if complaints and strict:
        raise Failed(f"{check.title}: " + "\n".join(complaints))
