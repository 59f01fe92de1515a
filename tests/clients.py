"""What our clients promise, one check a promise. A client is judged with the server of its chapter, and with
servers that the check plays itself, step by step.
"""

import os
import random
import signal
import socket
import tempfile
import time
from pathlib import Path

from check import Failed, Ladder, expect_bytes
from contract import EVERY_BYTE
from own import (OPTIONS, complaint, ipv6_or_cannot_tell, judge_bad_command_lines, judge_help, judge_methods,
                 silent_on_stdout)
from peer import name_of, upper
from process import wait_until
from subject import PlayedServer, readable

ladder = Ladder()
check = ladder.check

LATE = 0.2  # seconds that an answer is late
GONE = 2.0  # seconds in which a client is gone when there is nothing left to do


def paper(data):
    """A file that holds `data`, to be read from its beginning: a client's stdin."""
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file


def expect_success(client, printed):
    """The rest of its output is `printed`; then it ends with exit 0, and has said nothing."""
    expect_bytes(client.read_to_end(), printed, "what it printed")
    code = client.wait(client.patience)
    if code or client.log:
        raise Failed(f"exit code 0 and nothing on stderr expected, not {code} and {client.log!r}")


def expect_failure(client, *named, printed=b""):
    """It ends with exit 1 and one line in which all of `named` stand, and the rest of its output is `printed`."""
    line = complaint(client, 1, client.patience)
    expect_bytes(client.printed(), printed, "what it printed")
    for words in named:
        if words not in line:
            raise Failed(f"{words!r} is not in what it says: {line!r}")


def expect_visit(subject, server):
    wait_until(lambda: " connected" in server.log, subject.patience, "it has not connected to the server at all")


def converse(subject, data, host="127.0.0.1"):
    """The client gets `data` as its input and must print all of it in upper case."""
    server = subject.serve(host)
    with paper(data) as file:
        expect_success(subject.client(server.address, stdin=file), upper(data))
    expect_visit(subject, server)


# ---- one line, and the end


@check("client-interactive", "A line that is typed comes back while the next is not typed yet", capability="client")
def interactive(subject):
    server = subject.serve()
    client = subject.client(server.address)
    for line in (b"hello\n", b"are you there?\n"):
        client.type(line)
        expect_bytes(client.read(len(line)), upper(line), "what it printed")
    expect_visit(subject, server)


@check("client-half-close", "At the end of its input it ends its side, and prints what still comes",
       needs="client-interactive", capability="client")
def half_close(subject):
    client, server = subject.play()
    client.type(b"hello\n")
    expect_bytes(server.receive(6), b"hello\n", "what it sent")
    server.send(b"HELLO\n")
    client.end_input()
    expect_bytes(server.receive_to_end(), b"", "what it sent after its last byte")
    server.send(b"and more\n")
    server.close()
    expect_bytes(client.read_to_end(), b"HELLO\nand more\n", "what it printed")


@check("client-empty", "With no input at all it connects, ends its side, and ends with exit 0 when the server has",
       needs="client-half-close", capability="client")
def empty(subject):
    client, server = subject.play()
    client.end_input()
    expect_bytes(server.receive_to_end(), b"", "what it sent")
    server.close()
    expect_success(client, b"")


# ---- with the server of its chapter


@check("client-upper", "Its input comes back in upper case, and it ends with exit 0 and nothing on stderr",
       needs="client-half-close", capability="client")
def upper_case(subject):
    converse(subject, b"hello\nthe last line has no end")


@check("client-every-byte", "Every byte but a-z is printed as it was sent", needs="client-upper",
       capability="client")
def every_byte(subject):
    converse(subject, EVERY_BYTE)


@check("client-megabyte", "A megabyte comes back whole and in order", needs="client-upper", capability="client")
def megabyte(subject):
    converse(subject, random.Random(3).randbytes(1 << 20))


@check("client-100mb", "100 MB come back whole and in order", needs="client-megabyte", capability="client",
       slow=True, measured=True)
def hundred_megabytes(subject):
    converse(subject, random.Random(4).randbytes(100_000_000))


@check("client-ipv6", "With --host ::1 it connects to an IPv6 server", needs="client-upper",
       capability="tcp-client")
def ipv6(subject):
    ipv6_or_cannot_tell()
    converse(subject, b"hello\n", host="::1")


# ---- how the answer comes


@check("client-pieces", "However the answer is cut into pieces, and however these are joined, it is printed in order",
       needs="client-interactive", capability="client")
def pieces(subject):
    client, server = subject.play()
    for said, answers in ((b"hello\n", (b"H", b"E", b"L", b"L", b"O", b"\n")),
                          (b"one\ntwo\n", (b"O", b"NE\nTW", b"O\n")),
                          (b"three\nfour\n", (b"THREE\nFOUR\n",))):
        client.type(said)
        expect_bytes(server.receive(len(said)), said, "what it sent")
        for piece in answers:  # each is on the screen before the next is sent: they cannot come joined
            server.send(piece)
            expect_bytes(client.read(len(piece)), piece, "what it printed")
    client.end_input()
    server.receive_to_end()
    server.close()
    expect_success(client, b"")


@check("client-late", "An answer that is late is waited for", needs="client-interactive", capability="client")
def late(subject):
    client, server = subject.play()
    client.type(b"hello\n")
    server.receive(6)
    time.sleep(LATE)
    server.send(b"HELLO\n")
    client.end_input()
    server.receive_to_end()
    time.sleep(LATE)
    server.close()
    expect_success(client, b"HELLO\n")


# ---- when the server fails it


@check("client-refused", "Where nobody listens it ends with exit 1 and one line: the address, the call, the reason",
       capability="client")
def refused(subject):
    with subject.reserve() as reserved:  # and no listen()
        address = reserved.getsockname()
        client = subject.client(address)
        line = complaint(client, 1, subject.patience)
    wanted = f"client: cannot connect to {name_of(address)}: connect: Connection refused\n"
    if line != wanted:
        raise Failed(f"it says {line!r}, not {wanted!r}")
    silent_on_stdout(client)


@check("client-reset", "When the server resets the connection it ends with exit 1 and one line: the address, the "
       "reason; what had come is printed", needs="client-interactive", capability="client")
def reset(subject):
    client, server = subject.play()
    client.type(b"hello\nare you there?\n")
    server.receive(6)
    server.send(b"HEL")
    expect_bytes(client.read(3), b"HEL", "what it printed")
    if not readable(server.socket, subject.patience):  # on a path, only what is unread makes the end a reset
        raise Failed("its second line does not come")
    server.reset()
    expect_failure(client, server.name, "Connection reset by peer")
    with paper(b"much to say\n" * 1_000_000) as file:
        client, server = subject.play(stdin=file)
    server.receive(4096)
    server.reset()
    expect_failure(client, server.name)  # a write may fail of it, or a read


@check("client-cut-short", "When the server closes before all has come back it ends with exit 1 and one line with "
       "the address; what had come is printed", needs="client-half-close", capability="client")
def cut_short(subject):
    client, server = subject.play()
    client.type(b"hello\n")
    client.end_input()
    server.receive(6)
    server.send(b"HEL")
    server.close()
    expect_failure(client, server.name, printed=b"HEL")


@check("client-too-much", "When more comes back than was sent it ends with exit 1 and one line with the address; all "
       "of it is printed", needs="client-half-close", capability="client")
def too_much(subject):
    client, server = subject.play()
    client.type(b"hello\n")
    client.end_input()
    server.receive(6)
    server.send(b"HELLO\nWHO IS THERE?\n")
    server.receive_to_end()
    server.close()
    expect_failure(client, server.name, printed=b"HELLO\nWHO IS THERE?\n")


# ---- when its own input or output fails


@check("client-stdin", "When stdin cannot be read it ends with exit 1 and one line that names stdin",
       needs="client-upper", capability="client")
def stdin_fails(subject):
    folder = os.open("/", os.O_RDONLY)
    try:
        client = subject.client(subject.serve().address, stdin=folder)
    finally:
        os.close(folder)
    expect_failure(client, "stdin")


@check("client-stdout", "When stdout cannot be written it ends with exit 1 and one line that names stdout",
       needs="client-upper", capability="client")
def stdout_fails(subject):
    for ends in (True, False):
        client = subject.client(subject.serve().address, screen="/dev/full")
        client.type(b"hello\n")
        if ends:
            client.end_input()
        expect_failure(client, "stdout")


def close_its_output(client, first):
    """Reads one byte, the `first`, and no more, as `| head -c 1` does."""
    expect_bytes(client.read(1), first, "what it printed")
    client.popen.stdout.close()


@check("client-reader-gone", "When nobody reads its output any more it ends within 2 s, and not with exit 0",
       needs="client-interactive", capability="client")
def reader_gone(subject):
    server = subject.serve()
    client = subject.client(server.address)
    client.type(b"hello\n")
    close_its_output(client, b"H")
    expect_visit(subject, server)
    client.type(b"are you there?\n")
    with paper(b"much to say\n" * 1_000_000) as file:
        talkative = subject.client(server.address, stdin=file)
    close_its_output(talkative, b"M")
    for ending in (client, talkative):
        if ending.wait(GONE) == 0:
            raise Failed("exit code 0, as if all had been printed")


# ---- its command line


@check("client-help", "--help names every option on stdout, and is no error", capability="client")
def help_(subject):
    judge_help(subject, OPTIONS.get(f"{subject.transport}-client", OPTIONS[subject.transport]))


@check("client-bad-options", "A command line that it cannot take ends it with exit 2 and one line that names the word",
       capability="client")
def bad_options(subject):
    judge_bad_command_lines(subject, more=((("--verbose",), "--verbose"),))


@check("client-methods", "--methods says what libevent can wait with, and that it uses what takes a regular file, and "
       "is no error", needs="client-help", capability="libevent")
def methods(subject):
    judge_methods(subject, "poll")


# ---- typing and printing at the same time


@check("client-all-then-answer", "A server that reads all there is before it answers gets all of it, and so does "
       "the screen", needs="client-half-close", capability="duplex")
def all_then_answer(subject):
    data = random.Random(5).randbytes(8 << 20)
    with paper(data) as file, tempfile.NamedTemporaryFile() as screen:
        client, server = subject.play(stdin=file, screen=screen.name)
        expect_bytes(server.receive_to_end(), data, "what it sent")
        server.send(upper(data))
        server.close()
        expect_success(client, b"")
        expect_bytes(Path(screen.name).read_bytes(), upper(data), "what it printed")


@check("client-hears-end", "It hears that the server closes while nobody types: exit 1 and one line with the address",
       needs="client-cut-short", capability="duplex")
def hears_end(subject):
    for said, answer in ((b"", b""), (b"several\nlines\n", b"SEVERAL\nLINES\n"), (b"hello\n", b"HEL")):
        client, server = subject.play()
        client.type(said)
        expect_bytes(server.receive(len(said)), said, "what it sent")
        server.send(answer)
        server.close()
        expect_failure(client, server.name, printed=answer)


@check("client-leaves-nobody", "However it ends, no process of its is left behind", needs="client-hears-end",
       capability="duplex")
def leaves_nobody(subject):
    server = subject.serve()
    at_its_end = subject.client(server.address)
    at_its_end.type(b"hello\n")
    at_its_end.end_input()
    left, other_end = subject.play()
    other_end.close()
    unread = subject.client(server.address)
    unread.type(b"hello\n")
    close_its_output(unread, b"H")
    unread.type(b"are you there?\n")
    for client in (at_its_end, left, unread):
        client.wait(subject.patience)
        wait_until(lambda: not client.processes(), GONE, lambda: f"left behind: processes {client.processes()}")
    expect_bytes(at_its_end.printed(), b"HELLO\n", "what it printed")


@check("client-killed", "SIGTERM and SIGINT end it within 2 s, and leave no process of its behind",
       needs="client-interactive", capability="duplex")
def killed(subject):
    for how in (signal.SIGTERM, signal.SIGINT):
        server = subject.serve()
        client = subject.client(server.address)
        client.type(b"hello\n")
        expect_bytes(client.read(6), b"HELLO\n", "what it printed")
        expect_visit(subject, server)
        client.stop(how)


# ---- many requests in flight


def play_several(subject, connections, *words):
    """The client with so many connections, and the other end of each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = subject.client(listener.getsockname(), words=("--connections", str(connections), *words))
        servers = []
        for number in range(connections):
            wait_until(lambda: readable(listener, 0) or not client.alive(), subject.patience,
                       lambda: f"it makes {number} connections, not {connections}")
            if not readable(listener, 0):
                raise Failed(f"it ends (exit code {client.popen.returncode}) after {number} connections")
            servers.append(PlayedServer(listener.accept()[0], subject.patience))
            subject.peers.append(servers[-1])
    return client, servers


@check("client-in-flight", "With --in-flight N it sends N requests on each connection and no more; the next goes where an "
       "answer has come", needs="client-pieces", capability="in-flight")
def in_flight(subject):
    client, servers = play_several(subject, 3, "--in-flight", "2")
    client.type(b"".join(b"request %d\n" % number for number in range(8)))
    sent = sorted(line for server in servers for line in server.receive(20).splitlines())
    if sent != [b"request %d" % number for number in range(6)]:
        raise Failed(f"requests 0 to 5 were due, two on each connection, not {sent}")
    if any(readable(server.socket, LATE) for server in servers):
        raise Failed("a third request is sent on a connection on which two are not answered yet")
    servers[1].send(b"REQUEST ")  # not all of an answer yet, whichever request it was
    if any(readable(server.socket, LATE) for server in servers):
        raise Failed("a third request is sent when part of an answer has come")


@check("client-in-order", "Whichever connection is answered first, the answers are printed in the order of the input",
       needs="client-in-flight", capability="in-flight")
def in_order(subject):
    client, servers = play_several(subject, 3, "--in-flight", "1")
    client.type(b"".join(b"request %d\n" % number for number in range(6)))
    client.end_input()
    of = {server: server.receive(10) for server in servers}
    for number in (2, 3, 4, 5):  # each comes where the last was answered
        server = next(server for server in servers if of[server] == b"request %d\n" % number)
        server.send(upper(of[server]))
        of[server] = server.receive(10) if number < 5 else b""
    if client.printed():
        raise Failed("something is printed before the first request is answered")
    for server in servers:
        server.send(upper(of[server]))
        server.receive_to_end()
        server.close()
    expect_success(client, b"".join(b"REQUEST %d\n" % number for number in range(6)))


@check("client-in-flight-options", "--help names --connections and --in-flight too, and what they cannot take is refused "
       "with exit 2 and one line that names it", needs="client-bad-options", capability="in-flight")
def in_flight_options(subject):
    options = ("--connections", "--in-flight")
    judge_help(subject, options)
    judge_bad_command_lines(subject, [((option, word), f"'{word}'") for option in options
                                      for word in ("0", "-1", "10001", "many", "")])
