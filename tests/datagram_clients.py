"""What our clients promise that send datagrams, one check a promise. A client is judged with the server of its chapter,
with servers that the check plays itself, and on networks that keep no promise.
"""

import os
import random
import re

from bad_network import Relay, bad_kernel_network
from check import Failed, Ladder, expect_bytes
from clients import GONE, close_its_output, expect_failure, expect_success, paper
from contract import EVERY_BYTE
from datagram import DatagramPeer, quiet_port
from own import complaint, ipv6_or_cannot_tell, judge_bad_command_lines, judge_help, silent_on_stdout
from peer import upper
from process import Server, wait_until
from subject import Client

ladder = Ladder()
check = ladder.check

PIECE = 1400  # bytes of a long line in one datagram
LATER = 0.1  # seconds: the timeout where a check watches what comes after it


def expect_visit(subject, server):
    wait_until(lambda: " sent " in server.log, subject.patience, "it has sent the server nothing at all")


def converse(subject, data, *words, host="127.0.0.1"):
    """The client gets `data` as its input and must print all of it in upper case."""
    server = subject.serve(host)
    with paper(data) as file:
        expect_success(subject.tell(server.address, *words, stdin=file), upper(data))
    if data:
        expect_visit(subject, server)


# ---- with the server of its chapter


@check("udp-client-interactive", "A line that is typed comes back while the next is not typed yet",
       capability="datagram-client")
def interactive(subject):
    server = subject.serve()
    client = subject.client(server.address)
    for line in (b"hello\n", b"\n", b"are you there?\n"):
        client.type(line)
        expect_bytes(client.read(len(line)), upper(line), "what it printed")
    expect_visit(subject, server)
    client.end_input()
    expect_success(client, b"")


@check("udp-client-upper", "Its input comes back in upper case, however it ends, and it ends with exit 0 and nothing "
       "on stderr", needs="udp-client-interactive", capability="datagram-client")
def upper_case(subject):
    for said in (b"hello\nthe last line has no end", b"hello\n\n\n", b"x", b""):
        converse(subject, said)


@check("udp-client-every-byte", "Every byte but a-z is printed as it was sent", needs="udp-client-upper",
       capability="datagram-client")
def every_byte(subject):
    converse(subject, EVERY_BYTE)


@check("udp-client-megabyte", "A megabyte comes back whole and in order", needs="udp-client-upper",
       capability="datagram-client")
def megabyte(subject):
    converse(subject, random.Random(3).randbytes(1 << 20))


@check("udp-client-100mb", "100 MB come back whole and in order", needs="udp-client-megabyte",
       capability="datagram-client", slow=True, measured=True)
def hundred_megabytes(subject):
    converse(subject, random.Random(4).randbytes(100_000_000))


@check("udp-client-ipv6", "With --host ::1 it asks an IPv6 server", needs="udp-client-upper",
       capability="datagram-client")
def ipv6(subject):
    ipv6_or_cannot_tell()
    converse(subject, b"hello\n", host="::1")


# ---- what it sends


@check("udp-client-lines", "A line is a datagram, a longer one goes in pieces of 1,400 bytes, and the number before "
       "each is new", needs="udp-client-interactive", capability="datagram-client")
def lines(subject):
    client, server = subject.play("--timeout", "60")
    numbers = []
    for said in (b"hello\n", b"\n", b"x" * (PIECE - 1) + b"\n", b"y" * PIECE + b"\n", b"z" * (3 * PIECE + 5) + b"\n"):
        client.type(said)
        for begin in range(0, len(said), PIECE):
            [number] = server.expect(said[begin:begin + PIECE])
            numbers.append(number)
            server.answer(number, upper(said[begin:begin + PIECE]))
        expect_bytes(client.read(len(said)), upper(said), "what it printed")
    if len(set(numbers)) != len(numbers):
        raise Failed(f"a number comes again: {numbers}")


# ---- when the answer does not come


@check("udp-client-asks-again", "Without an answer it asks again with the same datagram, and each time waits twice as "
       "long", needs="udp-client-interactive", capability="datagram-client")
def asks_again(subject):
    client, server = subject.play("--timeout", str(LATER))
    client.type(b"hello\n")
    [number], times = server.expect(b"hello\n"), [server.came]
    for _ in range(3):
        again = server.expect(b"hello\n")
        times.append(server.came)
        if again != [number]:
            raise Failed(f"the number was {number}, and is {again[0]} when it asks again")
    waits = [after - before for before, after in zip(times, times[1:])]
    for wait, least in zip(waits, (LATER, 2 * LATER, 4 * LATER)):
        if not least * 0.9 < wait < least + subject.patience:
            raise Failed(f"it waits {', '.join(f'{wait:.2f}' for wait in waits)} s, where {LATER} s are to be doubled")
    server.answer(number, b"HELLO\n")
    client.end_input()
    expect_success(client, b"HELLO\n")


@check("udp-client-gives-up", "After the last retry it ends with exit 1 and one line: the address, and from which "
       "line on all are lost; what comes before that is printed", needs="udp-client-asks-again",
       capability="datagram-client")
def gives_up(subject):
    for answered in ((1, 2, 4), (2, 3), (1, 2, 3, 4, 5)):
        said = [b"line %d\n" % number for number in range(1, 7)]
        with paper(b"".join(said)) as file:  # 0.7 s in all, in which what we answer must have come
            client, server = subject.play("--timeout", "0.1", "--retries", "2", stdin=file)
            numbers = server.expect(*said)
            for index in answered:
                server.answer(numbers[index - 1], upper(said[index - 1]))
            missing = [text for index, text in enumerate(said, 1) if index not in answered]
            for _ in range(2):
                server.expect(*missing)
            first = said.index(missing[0])
            expect_failure(client, server.name, f"line {first + 1} ", printed=upper(b"".join(said[:first])))
            server.socket.setblocking(False)
            try:
                raise Failed(f"after two retries it still sends {server.receive()[1]!r}")
            except BlockingIOError:
                pass


@check("udp-client-refused", "Where nobody listens it says so at once, in one line with the address, and ends with "
       "exit 1", capability="datagram-client")
def refused(subject):
    port = quiet_port()
    for ends in (True, False):
        client = subject.tell(("127.0.0.1", port), "--timeout", "60")
        client.type(b"hello\n")
        if ends:
            client.end_input()
        line = complaint(client, 1, subject.patience)
        wanted = f"client: nobody listens on 127.0.0.1:{port}: line 1 and all after it are lost\n"
        if line != wanted:
            raise Failed(f"it says {line!r}, not {wanted!r}")
        silent_on_stdout(client)


@check("udp-client-server-dies", "When its server ends meanwhile it says so in the same way, and what had come is "
       "printed", needs="udp-client-refused", capability="datagram-client")
def server_dies(subject):
    server = subject.serve()
    client = subject.tell(server.address, "--timeout", "60")
    client.type(b"hello\n")
    expect_bytes(client.read(6), b"HELLO\n", "what it printed")
    server.stop()
    client.type(b"still there?\n")
    expect_failure(client, f"nobody listens on 127.0.0.1:{server.address[1]}: line 2 ")


# ---- what else comes


@check("udp-client-late", "An answer that comes late, or twice, is not taken for the answer to the next line",
       needs="udp-client-asks-again", capability="datagram-client")
def late(subject):
    client, server = subject.play("--timeout", str(LATER))
    client.type(b"first\n")
    [first] = server.expect(b"first\n")
    server.expect(b"first\n")  # asked again: the answer to the other is under way, let us say
    server.answer(first, b"FIRST\n")
    expect_bytes(client.read(6), b"FIRST\n", "what it printed")
    server.answer(first, b"FIRST\n")  # and here it comes
    client.type(b"other\n")
    second, text = server.receive()
    while text == b"first\n":
        second, text = server.receive()
    expect_bytes(text, b"other\n", "what it sent")
    server.answer(first, b"FIRST\n")  # once more
    server.answer(second, b"OTHER\n")
    client.end_input()
    expect_success(client, b"OTHER\n")


@check("udp-client-order", "In whatever order the answers come, they are printed in the order of the lines",
       needs="udp-client-interactive", capability="datagram-client")
def order(subject):
    said = [b"line %d\n" % number for number in range(5)]
    with paper(b"".join(said)) as file:
        client, server = subject.play("--timeout", "60", stdin=file)
    numbers = server.expect(*said)
    for index in (3, 0, 4, 2, 1):
        server.answer(numbers[index], upper(said[index]))
    expect_success(client, upper(b"".join(said)))


@check("udp-client-foreign", "Nothing is taken for an answer but what comes from the server, whole and with its number",
       needs="udp-client-interactive", capability="datagram-client")
def foreign(subject):
    client, server = subject.play("--timeout", "60")
    client.type(b"hello\n")
    [number] = server.expect(b"hello\n")
    with DatagramPeer(server.peer, subject.patience) as stranger:
        stranger.socket.send(number + b" LIES!\n")
    for wrong in (b"", b" ", number, number + b" ", number + b" HELL", number + b" HELLO\n!", number + b"1 HELL\n",
                  b"HELLO\n", b"x" * 60000):
        server.socket.sendto(wrong, server.peer)
    server.answer(number, b"HELLO\n")
    client.end_input()
    expect_success(client, b"HELLO\n")


# ---- on a bad network


def judge_what_came(client, said, name, patience):
    """All of `said` came back, and exit 0; or it says from which line on all is lost, and what stands before is right.
    Returns whether all came back."""
    printed = client.read_to_end()
    code = client.wait(patience)
    if code == 0:
        expect_bytes(printed, upper(said), "what it printed")
        return True
    found = re.fullmatch(f"client: {re.escape(name)}: no answer in \\d+ (?:try|tries): "
                         "line (\\d+) and all after it are lost\n", client.log)
    if code != 1 or not found:
        raise Failed(f"exit code 0, or 1 and what is lost in one line expected, not {code} and {client.log!r}")
    before = b"".join(said.splitlines(True)[:int(found[1]) - 1])
    expect_bytes(printed, upper(before), "what it printed before it gave up")
    return False


def through_relay(subject, seed, lines, *words):
    relay = Relay(subject.serve().address, seed)
    subject.peers.append(relay)
    said = b"".join(b"line %d of %d\n" % (number, lines) for number in range(lines))
    with paper(said) as file:
        client = subject.tell(relay.address, *words, stdin=file)
    whole = judge_what_came(client, said, f"127.0.0.1:{relay.address[1]}", subject.patience)
    relay.close()
    return whole, relay


@check("udp-client-bad-network", "Where 30 % are lost, 10 % come twice, and they overtake each other, all lines come "
       "back right, or are said to be lost", needs="udp-client-late", capability="datagram-client")
def bad_network(subject):
    for seed in (2, 4, 7):  # with which no line takes more than seven tries
        whole, relay = through_relay(subject, seed, 48, "--timeout", "0.005", "--retries", "30")
        if not (relay.lost and relay.repeated and relay.overtaken):
            raise Failed(f"not a bad network: {relay.lost} lost, {relay.repeated} twice, {relay.overtaken} overtaken")
        if not whole:
            raise Failed("it gave up, with 30 retries")
        if through_relay(subject, seed, 48, "--timeout", "0.005", "--retries", "1")[0]:
            raise Failed("it did not give up, where it cannot have had all answers")


@check("udp-client-kernel-network", "The same where the kernel itself loses 30 % and sends 10 % twice",
       needs="udp-client-late", capability="datagram-client")
def kernel_network(subject):
    within, _ = bad_kernel_network()
    server = subject.clears(Server([*within, subject.server, "--port", "8000", "--verbose"], subject.patience))
    entered = ["nsenter", "--target", str(server.pid), "--net"]
    if os.geteuid() != 0:
        entered += ["--user", "--preserve-credentials"]
    said = b"".join(b"line %d\n" % number for number in range(16))
    whole = 0
    for retries in ("0", "0", "12", "12", "12", "12"):
        with paper(said) as file:
            command = [*entered, subject.command[0], "--timeout", "0.002", "--retries", retries]
            client = subject.clears(Client(command, 4 * subject.patience, stdin=file))
        whole += judge_what_came(client, said, "127.0.0.1:8000", 4 * subject.patience)
    expect_visit(subject, server)
    if not whole:
        raise Failed("it always gave up")


# ---- when its own input or output fails


@check("udp-client-stdin", "When stdin cannot be read it ends with exit 1 and one line that names stdin",
       needs="udp-client-upper", capability="datagram-client")
def stdin_fails(subject):
    folder = os.open("/", os.O_RDONLY)
    try:
        client = subject.client(subject.serve().address, stdin=folder)
    finally:
        os.close(folder)
    expect_failure(client, "stdin")


@check("udp-client-stdout", "When stdout cannot be written it ends with exit 1 and one line that names stdout",
       needs="udp-client-upper", capability="datagram-client")
def stdout_fails(subject):
    for ends in (True, False):
        client = subject.client(subject.serve().address, screen="/dev/full")
        client.type(b"hello\n")
        if ends:
            client.end_input()
        expect_failure(client, "stdout")


@check("udp-client-reader-gone", "When nobody reads its output any more it ends within 2 s, and not with exit 0",
       needs="udp-client-interactive", capability="datagram-client")
def reader_gone(subject):
    server = subject.serve()
    client = subject.client(server.address)
    client.type(b"hello\n")
    close_its_output(client, b"H")
    expect_visit(subject, server)
    client.type(b"are you there?\n")
    with paper(b"much to say\n" * 100_000) as file:
        talkative = subject.client(server.address, stdin=file)
    close_its_output(talkative, b"M")
    for ending in (client, talkative):
        if ending.wait(GONE) == 0:
            raise Failed("exit code 0, as if all had been printed")


# ---- its command line


@check("udp-client-help", "--help names every option on stdout, and is no error", capability="datagram-client")
def help_(subject):
    judge_help(subject, ("--host", "--port", "--timeout", "--retries"))


@check("udp-client-bad-options", "A command line that it cannot take ends it with exit 2 and one line that names the "
       "word", capability="datagram-client")
def bad_options(subject):
    more = [((f"--{name}", word), f"'{word}'") for name, words in
            (("timeout", ("0", "-1", "nan", "inf", "61", "1s", "")), ("retries", ("-1", "65536", "1.5", "many", "")))
            for word in words]
    judge_bad_command_lines(subject, more=[(("--port", "0", "--verbose"), "--verbose"), *more])
