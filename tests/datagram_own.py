"""What our own servers of datagrams promise besides: their command line, and what they say on stdout and stderr."""

import random
import socket
from errno import EADDRINUSE, EADDRNOTAVAIL
from pathlib import Path

from check import Failed, Ladder, expect_bytes
from datagram import LARGEST, DatagramPeer, quiet_port
from own import cannot_listen_on, ipv6_or_cannot_tell, judge_bad_command_lines, judge_help, network_of_its_own

ladder = Ladder()
check = ladder.check


def come_and_go(subject, server):
    """Peers that ask, and peers that are gone before the answer, until the server has done with the last."""
    for last_words in (b"", b"a line\n" * 1000):
        with DatagramPeer(server.address, subject.patience) as peer:
            peer.ask(b"hello\n")
            peer.send(last_words)
    subject.connect(server).ask(b"the last\n")


# ---- where it listens


@check("udp-ready-line", "The one line on stdout says where it listens, at once even if stdout is a pipe; nothing else "
       "is ever printed there", capability="datagram")
def ready_line(subject):
    for port in (0, quiet_port()):
        server = subject.serve("--port", str(port))
        wanted = f"listening on 127.0.0.1:{port or server.address[1]}\n"
        if server.output != wanted:
            raise Failed(f"the ready line is {server.output!r}, not {wanted!r}")
        come_and_go(subject, server)
        server.stop()
        more = server.more_output()
        if more:
            raise Failed(f"more is printed on stdout when peers come and go: {more!r}")


@check("udp-ipv6", "With --host ::1 it listens on [::1]:PORT and answers there, the largest datagram, 65,527 bytes, "
       "too", needs="udp-ready-line", capability="datagram")
def ipv6(subject):
    ipv6_or_cannot_tell()
    server = subject.serve("--host", "::1", "--port", "0")
    if not server.output.startswith("listening on [::1]:"):
        raise Failed(f"the ready line is {server.output!r}")
    peer = subject.connect(server)
    for size in (6, 65508, LARGEST[socket.AF_INET6]):
        peer.ask(random.Random(size).randbytes(size))


@check("udp-one-address", "With --host it listens on that address, and on no other", needs="udp-ready-line",
       capability="datagram")
def one_address(subject):
    server = subject.serve("--host", "127.0.0.2", "--port", "0")
    host, port = server.address
    if host != "127.0.0.2":
        raise Failed(f"the ready line is {server.output!r}")
    with DatagramPeer(("127.0.0.3", port)) as elsewhere:  # not 127.0.0.1, where somebody else may have this port
        if elsewhere.reaches_somebody():
            raise Failed("it listens on 127.0.0.3 too, where --host says 127.0.0.2")
    subject.connect(server).ask(b"hello\n")


@check("udp-default-port", "Without --port it takes the port that its chapter is known for", needs="udp-ready-line",
       capability="datagram")
def default_port(subject):
    server = subject.serve(within=network_of_its_own())
    wanted = f"listening on 127.0.0.1:{subject.default_port}\n"
    if server.output != wanted:
        raise Failed(f"the ready line is {server.output!r}, not {wanted!r}")
    sockets = [line.split() for line in Path(f"/proc/{server.pid}/net/udp").read_text().splitlines()[1:]]
    if not any(int(fields[1].rpartition(":")[2], 16) == subject.default_port for fields in sockets):
        raise Failed(f"it says {wanted.strip()!r}, but no socket is bound to that port")


# ---- its command line


@check("udp-help", "--help names every option on stdout, and is no error", capability="datagram")
def help_(subject):
    judge_help(subject, ("--host", "--port", "--verbose", "--buffer"))


@check("udp-bad-options", "A command line that it cannot take ends it with exit 2 and one line that names the word",
       capability="datagram", refusals=True)
def bad_options(subject):
    judge_bad_command_lines(subject, more=[(("--port", "0", "--buffer", size), f"'{size}'")
                                           for size in ("0", "65528", "-1", "1k", "")])


@check("udp-cannot-listen", "Where it cannot listen it ends with exit 1 and one line: the address, the call, the "
       "reason", capability="datagram")
def cannot_listen(subject):
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        cannot_listen_on(subject, "127.0.0.1", taken.getsockname()[1], EADDRINUSE)
    cannot_listen_on(subject, "192.0.2.1", 0, EADDRNOTAVAIL)  # nobody's: RFC 5737


# ---- its words on stderr


@check("udp-quiet", "Without --verbose there is not a word on stderr, while peers come, ask and are gone",
       needs="udp-ready-line", capability="datagram")
def quiet(subject):
    server = subject.serve("--port", "0")
    come_and_go(subject, server)
    server.stop()
    if server.log:
        raise Failed("it logs, and nobody asked it to")


@check("udp-verbose", "With --verbose it logs a line for each datagram, with who sent it, before it is answered",
       needs="udp-ready-line", capability="datagram")
def verbose(subject):
    server = subject.serve("--port", "0", "--verbose")
    for count in range(1, 5):
        peer = subject.connect(server)
        peer.ask(b"hello\n" if count % 2 else b"")
        lines = server.log.splitlines()
        if len(lines) != count or f"127.0.0.1:{peer.port}" not in lines[-1]:
            raise Failed("one more line was due, with the peer's address")


@check("udp-truncated", "A datagram that its buffer cannot hold is dropped, and one line says so: the peer's address, "
       "both sizes; one that just fits is answered", needs="udp-ready-line", capability="datagram")
def truncated(subject):
    server = subject.serve("--port", "0", "--buffer", "100")
    peer = subject.connect(server)
    for count, size in enumerate((101, 1000, 65507), 1):
        peer.send(b"x" * size)
        peer.send(b"y" * 100)
        expect_bytes(peer.receive(), b"Y" * 100, f"the first answer after a datagram of {size} bytes")
        lines = server.log.splitlines()
        if len(lines) != count or not all(word in lines[-1] for word in
                                          (f"127.0.0.1:{peer.port} ", f" {size} ", " 100 ")):
            raise Failed(f"one line was due, with the peer's address, the {size} bytes that came and the 100 that fit")


@check("udp-error-line", "That recvfrom has failed is said in one line: the call, the reason", needs="udp-ready-line",
       capability="datagram", measured=True)
def error_line(subject):
    server, switch = subject.start_deaf()
    subject.lose(server, switch, b"this is lost\n").ask(b"and now?\n")
    if server.log != "server: recvfrom: Connection refused\n":
        raise Failed(f"'server: recvfrom: Connection refused' was due, and not {server.log!r}")
