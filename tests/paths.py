"""What our own promise besides when the address is a path, or an abstract name: the servers first, then the clients."""

import contextlib
import ctypes
import itertools
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import clients
import own
from check import CannotTell, Failed, Ladder, expect_bytes
from own import complaint, silent_on_stdout
from peer import Peer, socket_address
from process import Server, wait_until
from subject import readable

check = own.ladder.check
client_check = clients.ladder.check

ROUNDS = 100
NOBODY = 65534  # the uid


def listener(path, backlog=8, kind=socket.SOCK_STREAM):
    """Somebody else's socket, bound and listening, who knows of no lock."""
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(socket_address(str(path)))
    if kind == socket.SOCK_STREAM:
        made.listen(backlog)
    return made


def leave_behind(path):
    """A socket file whose owner is dead."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))


def serve(subject, path, *words, **rest):
    """Our server, told to listen on `path`, ready."""
    return subject.clears(Server([subject.command[0], "--path", path, *words], subject.patience, str(path), **rest))


def refused(subject, path, *named):
    """Our server must not start on `path`: exit 1, and one line with the path and what is `named`."""
    process = subject.launch("--path", path)
    line = complaint(process, 1, subject.patience)
    for words in (f"server: cannot listen on {path}: ", *named):
        if words not in line:
            raise Failed(f"{words!r} is not in what it says: {line!r}")
    silent_on_stdout(process)


def what_is(path):
    """What anybody could see of the file there."""
    status = os.lstat(path)
    return status.st_ino, status.st_mode, status.st_nlink, status.st_size


@contextlib.contextmanager
def left_alone(*paths):
    """Whatever is at the paths must be there, and the same, at the end of the block."""
    before = {path: what_is(path) for path in paths}
    yield
    for path in paths:
        if not os.path.lexists(path):
            raise Failed(f"{path} is gone, and was not its own")
        if what_is(path) != before[path]:
            raise Failed(f"{path} is another one now")


def nothing_left(folder):
    if left := sorted(os.listdir(folder)):
        raise Failed(f"left behind: {', '.join(left)}")


# ---- where a server listens


@check("path-default", "Without --path it listens on serv.socket in the current folder", needs="ready-line",
       capability="unix")
def default_path(subject):
    folder = subject.folder()
    server = subject.clears(Server([subject.command[0]], subject.patience, "serv.socket", cwd=folder))
    with Peer(str(folder / "serv.socket"), subject.patience) as peer:
        peer.ask(b"hello\n")
    server.stop()


@check("path-longest", "A path of 107 bytes is as good as another, an abstract name of 107 too", needs="ready-line",
       capability="unix")
def longest(subject):
    folder = str(subject.folder()) + "/"
    for path in (folder + "p" * (107 - len(folder)), f"@{os.getpid()}-".ljust(108, "n")):
        subject.connect(serve(subject, path)).ask(b"hello\n")


@check("abstract-name", "An abstract name is just what was told, is in no folder, and is free when the server has ended",
       needs="ready-line", capability="unix")
def abstract_name(subject):
    folder = subject.folder()
    path = f"@{os.getpid()}-abstract"
    for _ in range(2):
        server = serve(subject, path, cwd=folder)
        subject.connect(server).ask(b"hello\n")
        nothing_left(folder)
        refused(subject, path, "bind: Address already in use")
        server.stop()


@check("path-cannot-listen", "Where it cannot listen it ends with exit 1 and one line: the path, the call, the reason",
       needs="ready-line", capability="unix")
def cannot_listen(subject):
    refused(subject, subject.folder() / "nowhere" / "serv.socket", "No such file or directory")
    taken = f"@{os.getpid()}-taken"
    with listener(taken):
        refused(subject, taken, "bind: Address already in use")


# ---- the file that it makes


@check("path-mode", "The file is for its owner alone, whatever the umask; --mode makes it what is asked for",
       needs="ready-line", capability="unix")
def mode(subject):
    for umask in (0o000, 0o077, 0o777):
        for words, wanted in (((), 0o600), (("--mode", "666"), 0o666), (("--mode", "0770"), 0o770)):
            path = subject.somewhere()
            serve(subject, path, *words, umask=umask)
            found = stat.S_IMODE(os.stat(path).st_mode)
            if found != wanted:
                raise Failed(f"mode {found:o}, and not {wanted:o}, with umask {umask:03o}, {' '.join(words)}")


@check("path-bad-mode", "A mode that it cannot take, or for an abstract name, ends it with exit 2 and one line",
       capability="unix", refusals=True)
def bad_mode(subject):
    for words, named in (*((("--mode", mode), f"'{mode}'") for mode in ("", "0", "8", "rw", "1000", "-1", "06 0")),
                         (("--path", "@name", "--mode", "600"), "--mode"), (("--mode",), "--mode")):
        process = subject.launch(*words)
        if named not in complaint(process, 2, subject.patience):
            raise Failed(f"{named} is not named in {process.log!r}")
        silent_on_stdout(process)


class Pauses:
    """Servers that are held in a `call` that pause.cpp knows: after bind, before unlink or flock."""

    def __init__(self, subject, call):
        library = subject.fault_library and subject.fault_library.with_name("libpause.so")
        if not library or not library.exists():
            raise CannotTell("the library that makes a server pause is not built")
        self.folder = subject.folder()
        self.environment = {"LD_PRELOAD": str(library), "PAUSE_FOLDER": str(self.folder)}
        self.switch = self.folder / call
        self.switch.touch()

    def is_held(self, process):
        return (self.folder / str(process.pid)).exists()

    def let_go(self, process):
        (self.folder / str(process.pid)).unlink(missing_ok=True)


@check("path-never-wider", "There is no moment in which others could connect: the file is born with its mode",
       needs="path-mode", capability="unix", measured=True)
def never_wider(subject):  # on a plain build: what is preloaded comes before a sanitizer
    pauses = Pauses(subject, "bind")
    path = subject.somewhere()
    server = subject.run(path, environment=pauses.environment, umask=0)
    wait_until(lambda: pauses.is_held(server), subject.patience, "it calls no bind")
    found = stat.S_IMODE(os.stat(path).st_mode)
    pauses.let_go(server)
    if found != 0o600:
        raise Failed(f"when bind has made it the mode is {found:o}")


# ---- what is at the path already


@check("path-takes-over", "A socket that a dead server left behind is taken over", needs="ready-line",
       capability="unix")
def takes_over(subject):
    path = subject.somewhere()
    leave_behind(path)
    server = serve(subject, path)
    for _ in range(2):
        subject.connect(server).ask(b"hello\n")
        server.stop(signal.SIGKILL)
        server = serve(subject, path)
    subject.connect(server).ask(b"hello\n")


@check("path-live", "A path where somebody listens is not taken over, whoever it is and however busy",
       needs="path-takes-over", capability="unix")
def live(subject):
    idle, busy, datagrams = (subject.folder() / "serv.socket" for _ in range(3))
    with listener(idle), listener(busy, backlog=0), listener(datagrams, kind=socket.SOCK_DGRAM):
        for path in (idle, datagrams):
            with left_alone(path):
                refused(subject, path)
        queue = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        with contextlib.ExitStack() as stack, left_alone(busy):
            for each in queue:
                stack.enter_context(each)
                each.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    each.connect(str(busy))
            refused(subject, busy)


@check("path-not-a-socket", "What is no socket is never removed, a symbolic link to one neither", needs="path-takes-over",
       capability="unix")
def not_a_socket(subject):
    folder = subject.folder()
    leave_behind(folder / "left")
    (folder / "file").write_text("precious")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    for name, target in (("link", "left"), ("dangling", "nowhere"), ("link-to-file", "file")):
        (folder / name).symlink_to(target)
    with left_alone(*folder.iterdir()):
        for path in sorted(set(folder.iterdir()) - {folder / "left"}):
            refused(subject, path)


@check("path-lock-is-ours", "A file beside the path that is no lock of its own is neither used nor removed",
       needs="path-takes-over", capability="unix")
def lock_is_ours(subject):
    folder = subject.folder()
    (folder / "precious.lock").write_text("of a program that has nothing to do with it")
    (folder / "target").touch()
    (folder / "linked.lock").symlink_to("target")
    with left_alone(*folder.iterdir()):
        for name in ("precious", "linked"):
            refused(subject, folder / name, f"{name}.lock")
    if len(list(folder.iterdir())) != 3:
        raise Failed(f"what it made is left: {sorted(os.listdir(folder))}")


@check("path-one-wins", "Of two servers that start at once on what a dead one left exactly one wins, and says so; "
       "the other ends with exit 1 and one line", needs="path-takes-over", capability="unix", measured=True)
def one_wins(subject):
    pauses = Pauses(subject, "unlink")
    path = subject.somewhere()
    order = random.Random(1)
    for number in range(ROUNDS):
        Path(path).unlink(missing_ok=True)
        leave_behind(path)
        pauses.switch.touch()
        two = [subject.run(path, environment=pauses.environment) for _ in range(2)]
        has_ended = lambda server: readable(server.popen.stdout, 0)  # its start: the ready line, or the end
        wait_until(lambda: all(pauses.is_held(server) or has_ended(server) for server in two), subject.patience,
                   "it neither starts nor ends")
        pauses.switch.unlink()  # they have looked: who is let go now is not held again
        for server in order.sample(two, 2):
            pauses.let_go(server)
            wait_until(lambda: has_ended(server), subject.patience, "it neither starts nor ends")
        expect_one_winner(subject, path, two, number)


def expect_one_winner(subject, path, two, number):
    said = [os.read(server.popen.stdout.fileno(), 4096).decode() for server in two]
    if sorted(said) != ["", f"listening on {path}\n"]:
        raise Failed(f"round {number}: the two say {said}: {[server.log for server in two]}")
    winner, loser = two if said[0] else two[::-1]
    complaint(loser, 1, subject.patience)
    with Peer(path, subject.patience) as peer:
        peer.ask(b"hello\n")
    winner.stop()
    for server in two:
        subject.processes.remove(server)
        server.kill()


@check("path-lock-found", "Who has opened the lock while its owner removed it ends up with the one that others find",
       needs="path-one-wins", capability="unix", measured=True)
def lock_found(subject):
    pauses = Pauses(subject, "flock")
    path = subject.somewhere()
    first = serve(subject, path)
    second = subject.run(path, environment=pauses.environment)
    wait_until(lambda: pauses.is_held(second), subject.patience, "it does not lock")
    pauses.switch.unlink()
    first.stop()
    pauses.let_go(second)
    wait_until(lambda: readable(second.popen.stdout, 0), subject.patience, "it neither starts nor ends")
    if not second.alive() or not Path(f"{path}.lock").exists():
        raise Failed("its lock has no name: another server would make a new one, and have it too")


# ---- what it leaves


@check("path-removed", "SIGTERM and SIGINT leave no file behind, with clients there or without, even where a shell had "
       "the signal ignored", needs="ready-line", capability="unix")
def removed(subject):
    for how, ignored in itertools.product((signal.SIGTERM, signal.SIGINT), (False, True)):
        folder = subject.folder()
        server = serve(subject, folder / "serv.socket",
                       preexec_fn=(lambda: signal.signal(how, signal.SIG_IGN)) if ignored else None)
        subject.connect(server).ask(b"hello\n")
        subject.connect(server)
        server.stop(how)
        nothing_left(folder)


@check("path-still-ours", "What somebody else has put in the place of its file is left alone", needs="path-removed",
       capability="unix")
def still_ours(subject):
    for suffix in ("", ".lock"):
        folder = subject.folder()
        server = serve(subject, folder / "serv.socket")
        own_file = folder / f"serv.socket{suffix}"
        if not own_file.exists():
            raise Failed(f"there is no file serv.socket{suffix} while it runs: is it there, and has it a lock?")
        own_file.unlink()
        with listener(own_file), left_alone(own_file):
            server.stop()


# ---- who is there


SAYS_HELLO = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"hello\\n")
client.recv(6)
"""


def visit(path, name):
    """Comes and goes as `name`: up to 108 bytes for the system call, of which Python would take 107."""
    with socket.socket(socket.AF_UNIX) as client:
        address = socket.AF_UNIX.to_bytes(2, sys.byteorder) + name
        if name and ctypes.CDLL(None, use_errno=True).bind(client.fileno(), address, len(address)) == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            client.connect(str(path))
        except OSError as error:
            raise Failed(f"cannot connect to {path}: {error.strerror}") from None


@check("path-credentials", "With --verbose it says who connects: pid and uid, and the name if it has bound one",
       needs="verbose", capability="unix")
def credentials(subject):
    folder = subject.folder()
    folder.chmod(0o755)
    server = serve(subject, folder / "serv.socket", "--verbose", "--mode", "666")
    base = bytes(folder) + b"/"
    longest_of_all = base.ljust(108, b"c")  # has no room for a NUL, and may be bound all the same
    abstract = f"{os.getpid()}-client"
    for name, called in ((b"", "unnamed"), (base + b"clie.socket", f"{folder}/clie.socket"),
                         (base + b"two\nlines\x1b", f"{folder}/two\\x0alines\\x1b"),
                         (b"\0" + abstract.encode(), f"@{abstract}"), (b"\0nul\0and more", "@nul\\x00and more"),
                         (longest_of_all, longest_of_all.decode())):
        visit(folder / "serv.socket", name)
        wanted = f"pid {os.getpid()}, uid {os.getuid()} ({called}) connected\n"
        wait_until(lambda: wanted in server.log, subject.patience, f"no line says {wanted!r}")
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    other = subprocess.Popen([sys.executable, "-I", "-c", SAYS_HELLO, str(folder / "serv.socket")], **user)
    other.wait(subject.patience)
    wanted = f"pid {other.pid}, uid {NOBODY if user else os.getuid()} (unnamed) connected\n"
    wait_until(lambda: wanted in server.log, subject.patience, f"no line says {wanted!r}")


# ---- the clients


@client_check("client-path", "Without --path it connects to serv.socket in the current folder; an abstract name is just "
              "what was told", needs="client-upper", capability="unix-client")
def client_path(subject):
    folder = subject.folder()
    for path, words in ((folder / "serv.socket", ()), (f"@{os.getpid()}-here", ("--path", f"@{os.getpid()}-here"))):
        with listener(path) as here:
            subject.launch(*words, cwd=folder)
            if not readable(here, subject.patience):
                raise Failed(f"it does not connect to {path}")


@client_check("client-bind", "With --bind it has that name at the server, and leaves no file, however it ends",
              needs="client-half-close", capability="unix-client")
def client_bind(subject):
    folder = subject.folder()
    for name in (folder / "clie.socket", folder / ("n" * (106 - len(str(folder)))), f"@{os.getpid()}-client"):
        client, server = subject.play(words=("--bind", name))
        called = server.socket.getpeername()
        if called != (socket_address(str(name)).encode() if str(name).startswith("@") else str(name)):
            raise Failed(f"the server is told {called!r}, where --bind says {name}")
        wait_until(lambda: not os.listdir(folder), subject.patience, "its file is there while it talks: nobody removes it "
                   "when it is killed")
        client.end_input()
        server.receive_to_end()
        server.close()
        clients.expect_success(client, b"")
    with subject.reserve() as nobody:  # and no listen()
        client = subject.client(nobody.getsockname(), words=("--bind", folder / "clie.socket"))
        complaint(client, 1, subject.patience)
    nothing_left(folder)


@client_check("client-bind-taken", "What is at the place that --bind names is never removed: exit 1 and one line with the "
              "name", needs="client-bind", capability="unix-client")
def client_bind_taken(subject):
    folder = subject.folder()
    leave_behind(folder / "left")
    (folder / "file").write_text("precious")
    (folder / "link").symlink_to("left")
    with listener(folder / "live"), left_alone(*folder.iterdir()):
        server = subject.serve()
        for name in sorted(folder.iterdir()):
            client = subject.client(server.address, words=("--bind", name))
            clients.expect_failure(client, str(name), "bind: Address already in use")


@client_check("client-bad-bind", "A name that it cannot take ends it with exit 2 and one line that says how long it may be",
              capability="unix-client")
def client_bad_bind(subject):
    for name in ("", "@", "n" * 108, "@" + "n" * 108):
        process = subject.launch("--bind", name)
        if "107 bytes" not in complaint(process, 2, subject.patience):
            raise Failed(f"'107 bytes' is not in {process.log!r}")
        silent_on_stdout(process)


# ---- a descriptor that is passed


passing = Ladder()  # of a program that takes --at PATH and --to PATH


def receiver(subject):
    """It, ready to be passed a descriptor, and the folder of its path."""
    process = subject.start()
    return process, Path(process.path).parent


def passes(subject, process, source):
    """The same program, as the one that passes `source`, has done so."""
    sender = subject.launch("--to", process.path, stdin=source)
    if code := sender.wait(subject.patience):
        raise Failed(f"the sender ends with exit code {code}")


def expect_printed(subject, process, data):
    code = process.wait(subject.patience)
    if code or process.log:
        raise Failed(f"exit code 0 and nothing on stderr expected, not {code} and {process.log!r}")
    expect_bytes(process.more_output().encode(), data, "what it printed")


@passing.check("pass-file", "What the one may read the other prints, though it has no name any more; no file is left",
               capability="unix")
def pass_file(subject):
    process, folder = receiver(subject)
    with tempfile.TemporaryFile() as unnamed:
        unnamed.write(b"skipped; a line\nand one without an end")
        unnamed.seek(9)  # where it stands goes with it
        passes(subject, process, unnamed)
    expect_printed(subject, process, b"a line\nand one without an end")
    nothing_left(folder)


@passing.check("pass-connection", "A connection can be passed while it is used: what comes later comes to the other",
               needs="pass-file", capability="unix")
def pass_connection(subject):
    process, _ = receiver(subject)
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"before, ")
        with theirs:
            passes(subject, process, theirs)
        said = []
        wait_until(lambda: said.append(process.more_output()) or "".join(said) == "before, ", subject.patience,
                   lambda: f"it prints {''.join(said)!r}, not 'before, '")
        with contextlib.suppress(BrokenPipeError):  # then it has not printed this
            ours.sendall(b"and after")
    expect_printed(subject, process, b"and after")


def expect_complaint(subject, process, words):
    line = complaint(process, 1, subject.patience)
    if words not in line or process.more_output():
        raise Failed(f"{words!r} is not in what it says: {line!r}, or it prints something")


@passing.check("pass-nothing", "When no descriptor comes it ends with exit 1 and one line", needs="pass-file",
               capability="unix")
def pass_nothing(subject):
    for said in (b"", b"5", b"no descriptor is with this"):
        process, _ = receiver(subject)
        with subject.connect(process) as peer:
            peer.send(said)
        expect_complaint(subject, process, "no descriptor came")


@passing.check("pass-one", "When more than one comes it takes none, and ends with exit 1 and one line",
               needs="pass-file", capability="unix")
def pass_one(subject):
    for count in (2, 3, 100):
        process, _ = receiver(subject)
        with subject.connect(process) as peer, tempfile.TemporaryFile() as file:
            file.write(b"not for you")
            file.seek(0)
            socket.send_fds(peer.socket, [b"x"], [file.fileno()] * count)
        expect_complaint(subject, process, "more than one descriptor came")
