"""The contract of a server that answers datagrams, one check a promise. Nothing here depends on what the server is
written in, or on its command line.
"""

import random
import signal
import socket
import struct
from collections import Counter

from check import CannotTell, Failed, Ladder, expect_bytes, show
from contract import EVERY_BYTE, SPIN, WATCH
from datagram import LARGEST, DatagramPeer
from peer import upper
from process import wait_until

ladder = Ladder()
check = ladder.check


# ---- one peer


@check("udp-starts", "The server starts, and says where it can be reached when it can", capability="datagram")
def starts(subject):
    subject.connect(subject.start()).send(b"hello\n")


@check("udp-answers", "A datagram comes back in upper case", needs="udp-starts", capability="datagram")
def answers(subject):
    subject.connect(subject.start()).ask(b"hello\n")


@check("udp-exact-bytes", "a-z become A-Z; every other byte comes back as it was", needs="udp-answers",
       capability="datagram")
def exact_bytes(subject):
    subject.connect(subject.start()).ask(EVERY_BYTE)


@check("udp-empty", "An empty datagram is answered with an empty one, and closes nothing", needs="udp-answers",
       capability="datagram")
def empty(subject):
    peer = subject.connect(subject.start())
    peer.send(b"")
    peer.send(b"and this?\n")
    expect_bytes(peer.receive(), b"", "the answer to an empty datagram")
    expect_bytes(peer.receive(), b"AND THIS?\n", "the answer to the next datagram")


@check("udp-largest", "The largest datagram, 65,507 bytes over IPv4, comes back whole", needs="udp-answers",
       capability="datagram")
def largest(subject):
    peer = subject.connect(subject.start())
    for size in (8192, 8193, 65506, LARGEST[socket.AF_INET]):
        peer.ask(random.Random(size).randbytes(size))


@check("udp-apart", "Each datagram is answered by one of its own, neither joined with others nor cut",
       needs="udp-answers", capability="datagram")
def apart(subject):
    server = subject.start()
    peer = subject.connect(server)
    dice = random.Random(1)
    for _ in range(20):
        said = [dice.randbytes(dice.choice((0, 1, 2, 50, 1400))) for _ in range(dice.randrange(2, 30))]
        with server.frozen():  # all of them are there when it wakes
            for datagram in said:
                peer.send(datagram)
        got = Counter(peer.receive() for _ in said)  # no order is promised
        wrong = got - Counter(map(upper, said))
        if wrong:
            raise Failed(f"no datagram was sent to which {show(next(iter(wrong)))} is the answer")


# ---- several peers


@check("udp-next-peer", "It answers whoever asks, one peer after another and in turns", needs="udp-answers",
       capability="datagram")
def next_peer(subject):
    server = subject.start()
    peers = [subject.connect(server) for _ in range(5)]
    for turn in range(3):
        for number, peer in enumerate(peers):
            peer.ask(b"peer %d, turn %d\n" % (number, turn))


@check("udp-burst", "A hundred peers that ask at the same moment are all answered, each with its own",
       needs="udp-next-peer", capability="datagram")
def burst(subject):
    server = subject.start()
    peers = [subject.connect(server) for _ in range(100)]
    with server.frozen():
        for number, peer in enumerate(peers):
            peer.send(b"peer %d of a hundred\n" % number)
    for number, peer in enumerate(peers):
        expect_bytes(peer.receive(), b"PEER %d OF A HUNDRED\n" % number, f"the answer to peer {number}")


@check("udp-peer-gone", "A peer that is gone before its answer comes harms nobody, and nobody gets its answer",
       needs="udp-next-peer", capability="datagram")
def peer_gone(subject):
    server = subject.start()
    bystander = subject.connect(server)
    for _ in range(3):
        with server.frozen(), DatagramPeer(server.address, subject.patience) as gone:
            gone.send(b"i cannot wait\n")
            bystander.send(b"i can\n")
        # Its port is closed by now: to the answer an ICMP error comes back. icmp(7)
        expect_bytes(bystander.receive(), b"I CAN\n")
        bystander.ask(b"still there?\n")
    if not server.alive():
        raise Failed(f"the server died: {server.popen.returncode}")


@check("udp-error", "What recvfrom left in the buffer when it failed is not answered, and what comes next is",
       needs="udp-next-peer", capability="datagram", measured=True)
def error(subject):  # on a plain build: a sanitizer has a recvfrom of its own
    server, switch = subject.start_deaf()
    bystander = subject.connect(server)
    bystander.ask(b"hello, i said this before\n")
    lost = subject.lose(server, switch, b"this is lost\n")
    for peer in (bystander, lost):
        peer.send(b"and now?\n")
        expect_bytes(peer.receive(), b"AND NOW?\n", "what came first after an error")


def send_from_port_0(address, data):
    """A datagram whose sender cannot be answered: port 0 says that none is wanted, RFC 768."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.sendto(struct.pack("!4H", 0, address[1], 8 + len(data), 0) + data, (address[0], 0))
    except PermissionError as error:
        raise CannotTell(f"no raw socket: {error.strerror}") from None


@check("udp-unanswerable", "A peer that cannot be answered, since its datagram comes from port 0, harms nobody",
       needs="udp-next-peer", capability="datagram")
def unanswerable(subject):
    server = subject.start()
    peer = subject.connect(server)
    for _ in range(3):
        send_from_port_0(server.address, b"do not answer me\n")
        peer.ask(b"but answer me\n")


# ---- what it leaves behind


@check("udp-rests", "When its peers are gone, the server takes no CPU time", needs="udp-answers",
       capability="datagram", measured=True)
def rests(subject):
    server = subject.start()
    for _ in range(3):
        with DatagramPeer(server.address, subject.patience) as peer:
            peer.ask(b"hello\n")
            peer.send(b"")
    share = server.cpu_share(WATCH)
    if share > SPIN:
        raise Failed(f"{share:.0%} of a core for {WATCH:g} s, with no peer that says anything: it spins")


def crowd(subject, server, peers):
    for number in range(peers):
        with DatagramPeer(server.address, subject.patience) as peer:
            if number % 4 == 3:
                peer.send(b"i leave before the answer\n")
            else:
                peer.ask(b"hello\n" * (1 + number % 200))


@check("udp-leaves-nothing", "After a thousand peers no descriptor, process, thread or memory is left behind",
       needs="udp-next-peer", capability="datagram", measured=True)
def leaves_nothing(subject):
    server = subject.start()
    at_first = server.holdings()
    crowd(subject, server, 200)  # what it allocates once, it has allocated by now
    memory = server.memory()
    crowd(subject, server, 1000)
    wait_until(lambda: server.holdings() == at_first, subject.patience,
               lambda: f"it held {at_first}, and holds {server.holdings()} after 1,200 peers")
    grown = server.memory() - memory
    if grown > 1 << 18:
        raise Failed(f"1,000 peers left {grown >> 10} KiB of memory behind")


# ---- its start and its end


@check("udp-stops", "SIGTERM and SIGINT end it within 2 s, and a new one starts on its port at once",
       needs="udp-answers", capability="datagram")
def stops(subject):
    port = subject.somewhere()
    for how in (signal.SIGTERM, signal.SIGINT):
        server = subject.start(port)
        subject.connect(server).ask(b"hello\n")
        server.stop(how)
    subject.connect(subject.start(port)).ask(b"hello again\n")


@check("udp-second-start", "A second server on an address that is taken ends at once with an error, and the first "
       "goes on", needs="udp-answers", capability="datagram")
def second_start(subject):
    place = subject.somewhere()
    first = subject.start(place)
    second = subject.run(place)
    code = second.wait(subject.patience)
    if code == 0:
        raise Failed("the second start ends with exit code 0, as if all were well")
    if not second.log.strip():
        raise Failed(f"the second start ends (exit code {code}) without a word on stderr")
    subject.connect(first).ask(b"still you?\n")
