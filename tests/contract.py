"""The contract of every chapter's server, one check a promise. Nothing here depends on what the server is
written in, or on its command line.

Each check starts its own server. The ones below a rung mean nothing when that rung fails.
"""

import contextlib
import itertools
import os
import random
import resource
import select
import signal
import socket
import statistics
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from check import CannotTell, Failed, Ladder, expect_bytes
from peer import (FLOOD, Peer, flooded, queues_in_kernel, segments_sent_again, state_in_kernel,
                  time_waits_dropped, upper)
from process import prlimit, wait_until, waited_for_a_core

ladder = Ladder()
check = ladder.check

EVERY_BYTE = bytes(range(256)) + "grüße, 你好, na\u00efve\n".encode()
WATCH = 0.25  # seconds for which CPU time is counted
GRACE = 2.0  # seconds that a stop may take
SPIN = 0.05  # a resting server takes less of a core than this; one that spins takes all it can get


# ---- one client


@check("starts", "The server starts, and says where it listens when it does", capability="stream")
def starts(subject):
    server = subject.start()
    subject.connect(server)


@check("answers", "A line comes back in upper case", needs="starts", capability="stream")
def answers(subject):
    subject.connect(subject.start()).ask(b"hello\n")


@check("next-line", "The connection stays open: a second line is answered too", needs="answers", capability="stream")
def next_line(subject):
    peer = subject.connect(subject.start())
    peer.ask(b"first\n")
    peer.ask(b"second\n")


@check("exact-bytes", "a-z become A-Z; every other byte comes back as it was", needs="answers", capability="stream")
def exact_bytes(subject):
    peer = subject.connect(subject.start())
    peer.send(EVERY_BYTE)
    expect_bytes(peer.receive(len(EVERY_BYTE)), upper(EVERY_BYTE))


@check("end-of-file", "When the client ends its side, the server closes, and not before", needs="answers",
       capability="stream")
def end_of_file(subject):
    peer = subject.connect(subject.start())
    peer.ask(b"hello\n")
    peer.end()
    peer.expect_end()


@check("byte-and-end", "What comes in one packet with the end of file is answered before the server closes",
       needs="end-of-file", capability="stream")
def byte_and_end(subject):
    server = subject.start()
    for said in (b"x\n", b"", b"the last words\n"):
        with subject.connect(server) as peer:
            peer.send_and_end(said)
            expect_bytes(peer.receive(len(said)), upper(said))
            peer.expect_end()


@check("any-split", "However the client cuts its bytes into pieces, the same bytes come back", needs="end-of-file",
       capability="stream")
def any_split(subject):
    server = subject.start()

    dice = random.Random(4)
    cuts = [[dice.randbytes(dice.choice((1, 2, 7, 100, 300))) for _ in range(dice.randrange(1, 13))] for _ in range(40)]
    for pieces in [[b"e"], *sorted(cuts, key=lambda cut: sum(map(len, cut)))]:  # what fails first is short to read
        with subject.peer(server.address, subject.patience) as peer:
            for piece in pieces:
                peer.send(piece)
            peer.end()
            sent = b"".join(pieces)
            expect_bytes(peer.receive(len(sent)), upper(sent))
            peer.expect_end()


@check("much-at-once", "A megabyte sent in one go comes back whole and in order", needs="end-of-file",
       capability="stream")
def much_at_once(subject):
    subject.connect(subject.start()).exchange(random.Random(1).randbytes(1 << 20))


@check("owed-at-end", "An end of file that comes while the server still owes much does not cost the client a byte",
       needs="much-at-once", capability="stream")
def owed_at_end(subject):
    server = subject.start()
    # How much the kernel keeps for both is not known; with one of these sizes the server has read the end of file
    # while it holds back what the kernel does not take.
    sizes = range(32 << 10, 320 << 10, 32 << 10)
    together = len(sizes) if "concurrent" in subject.capabilities else 1
    for first in range(0, len(sizes), together):
        peers = [subject.connect(server, small_buffers=True) for _ in range(together)]
        sent = []
        for size, peer in zip(sizes[first:first + together], peers):
            sent.append(peer.flood(size, stall=0.1))
            peer.end()
        for size, peer in zip(sent, peers):
            expect_bytes(peer.receive(size), flooded(size))
            peer.expect_end()
            peer.close()


def read_slowly(subject, size):
    """Reads nothing for a quarter of a second, then 64 KiB a second for as long, then as fast as it can; sends as
    fast as it can all the while, and the end of file right after the last byte."""
    begin = time.monotonic()

    def pause(received):
        return (received + 16384) / 65536 - (time.monotonic() - begin) if received < 16384 else 0

    peer = subject.connect(subject.start(), small_buffers=True)
    peer.exchange(random.Random(2).randbytes(size), pause=pause)


@check("slow-reader", "A client that reads slowly and ends its side after the last byte gets every byte, then the end",
       needs="much-at-once", capability="stream")
def slow_reader(subject):
    read_slowly(subject, 8 << 20)


@check("slow-reader-100mb", "100 MB reach a client that reads slowly and ends its side after the last byte",
       needs="slow-reader", capability="stream", slow=True, measured=True)
def slow_reader_100mb(subject):
    read_slowly(subject, 100_000_000)


# ---- one client after another


@check("next-client", "When a client has left, the next one is served", needs="answers", capability="stream")
def next_client(subject):
    server = subject.start()
    for number in range(5):
        peer = subject.connect(server)
        peer.ask(b"client number %d\n" % number)
        peer.close()


@check("rests", "When its clients have left, the server takes no CPU time", needs="answers", capability="stream",
       measured=True)
def rests(subject):
    server = subject.start()
    for leave in (Peer.close, Peer.end, Peer.reset):
        peer = subject.connect(server)
        peer.ask(b"hello\n")
        leave(peer)
    share = server.cpu_share(WATCH)
    if share > SPIN:
        raise Failed(f"{share:.0%} of a core for {WATCH:g} s, with no client that says anything: it spins")


@check("reset", "A client that resets its connection, whenever it does, harms nobody else", needs="next-client",
       capability="stream")
def reset(subject):
    server = subject.start()
    bystander = subject.connect(server) if "concurrent" in subject.capabilities else None
    for said in (b"", b"half a li", b"a line\n" * 1000):
        peer = subject.connect(server)
        peer.send(said)
        peer.reset()
        with subject.peer(server.address, subject.patience) as next_one:
            next_one.ask(b"still there?\n")
    answered = subject.connect(server)
    answered.ask(b"hello\n")
    answered.send(b"and while you work on this\n")
    answered.reset()
    with subject.peer(server.address, subject.patience) as next_one:
        next_one.ask(b"still there?\n")
    if bystander:
        bystander.ask(b"not me\n")


@check("reset-while-writing", "A client that resets while the server writes to it harms nobody else",
       needs="reset", capability="stream")
def reset_while_writing(subject):
    server = subject.start()
    greedy = subject.connect(server, small_buffers=True)
    greedy.flood(64 << 20)
    greedy.reset()
    with subject.peer(server.address, subject.patience) as next_one:
        next_one.ask(b"still there?\n")
    if not server.alive():
        raise Failed(f"the server died: {server.popen.returncode}")


@check("lets-go", "A connection that is reset while it is owed much is let go at once, and takes no CPU time",
       needs="reset-while-writing", capability="concurrent", measured=True)
def lets_go(subject):
    server = subject.start()
    at_first = server.holdings()
    greedy = subject.connect(server, small_buffers=True)
    greedy.flood(64 << 20)
    greedy.reset()
    wait_until(lambda: server.holdings() == at_first, subject.patience,
               lambda: f"it held {at_first}, and holds {server.holdings()} since the reset")
    share = server.cpu_share(WATCH)
    if share > SPIN:
        raise Failed(f"{share:.0%} of a core for {WATCH:g} s, since its only client has reset: it spins")


# ---- many clients at the same time


@check("silent-client", "A client that says nothing does not hold up the next one", needs="answers",
       capability="stream")
def silent_client(subject):
    server = subject.start()
    silent = subject.connect(server)
    subject.connect(server).ask(b"me first, then\n")
    silent.ask(b"now me\n")


@check("peer-not-reading", "A client that does not read its answers holds up nobody, its input is not taken without "
       "bound, and what it is owed arrives in the end", needs="much-at-once", capability="stream")
def peer_not_reading(subject):
    bound = 16 << 20  # far more than the kernel keeps for both
    server = subject.start()
    stuck = subject.connect(server, small_buffers=True)
    sent = stuck.flood(bound)
    if sent >= bound:
        raise Failed(f"the server took {sent >> 20} MiB from a client that reads no answers: memory has no bound")
    subject.connect(server).ask(b"what about me?\n")
    stuck.end()
    expect_bytes(stuck.receive(sent), flooded(sent))
    stuck.expect_end()


@check("stuck-memory", "A client that does not read costs at most 128 KiB of memory", needs="peer-not-reading",
       capability="loop", measured=True)
def stuck_memory(subject):
    clients = 10
    server = subject.start()

    def memory_with_more():
        peers = [subject.connect(server, small_buffers=True) for _ in range(clients)]
        for peer in peers:
            peer.ask(b"hello\n")
        with ThreadPoolExecutor(clients) as threads:
            list(threads.map(lambda peer: peer.flood(512 << 10, stall=0.1, asleep=server.asleep), peers))
        return server.memory()

    before = memory_with_more()  # the first ones also cost what each thread needs once
    grown = (memory_with_more() - before) / clients
    if grown > 128 << 10:
        raise Failed(f"{grown / 1024:.0f} KiB of memory for each client that does not read")


@check("crumbs-memory", "A client that does not read costs at most 128 KiB of memory, even if it sends byte by "
       "byte", needs="stuck-memory", capability="loop", measured=True, slow=True)
def crumbs_memory(subject):
    server = subject.start()
    subject.connect(server).ask(b"hello\n")
    peer = subject.connect(server, small_buffers=True)

    sent = 0

    def reads(data):
        """Whether the server reads it, alone, soon after it was sent."""
        nonlocal sent
        peer.send(data)
        sent += len(data)
        deadline = time.monotonic() + subject.patience
        while time.monotonic() < deadline:
            if not queues_in_kernel(server.address[1], peer.port)[1]:
                return True
        return False

    def kept():
        """How many bytes the server has read, and the kernel has not taken of their answers."""
        return (sent - queues_in_kernel(server.address[1], peer.port)[0]
                - queues_in_kernel(peer.port, server.address[1])[1])

    while kept() < 16384:  # more than it may just be about to write
        if not reads(FLOOD[:4096]):
            return  # it reads nothing while it has so much to send
    before = server.memory()
    for _ in range(400):
        if not reads(b"a"):
            break
    grown = server.memory() - before
    if grown > 128 << 10:
        raise Failed(f"{grown / 1024:.0f} KiB of memory for 400 bytes that came one by one")


@check("burst", "A hundred clients that come at the same moment are all served", needs="silent-client",
       capability="concurrent")
def burst(subject):
    server = subject.start()
    with server.frozen():  # they queue, and are one piece of news when it wakes
        peers = [subject.connect(server) for _ in range(100)]
        for number, peer in enumerate(peers):
            peer.send(b"client %d of a hundred\n" % number)
    expect_answers(peers, b"client %d of a hundred\n")


def expect_answers(peers, said):
    for number, peer in enumerate(peers):
        wanted = upper(said % number)
        expect_bytes(peer.receive(len(wanted)), wanted, f"the answer to client {number}")


def crowd_at_once(subject, clients):
    server = subject.start()
    peers = []
    for number in range(clients):  # who is answered was accepted: the next one needs no room in the backlog
        peers.append(subject.connect(server))
        peers[-1].ask(b"client %d\n" % number)
    for number, peer in enumerate(peers):
        peer.send(b"%d again\n" % number)
    expect_answers(peers, b"%d again\n")


@check("thousand", "A thousand clients are connected at once, and each is answered", needs="burst",
       capability="thousand", measured=True)
def thousand(subject):
    crowd_at_once(subject, 1000)


@check("ten-thousand", "Ten thousand clients are connected at once, and each is answered", needs="thousand",
       capability="ten-thousand", measured=True, slow=True)
def ten_thousand(subject):
    crowd_at_once(subject, 10000)


@check("fair", "While one client streams as fast as it can, another's round trip stays below 50 ms in the median, and "
       "below 1 s always", needs="much-at-once", capability="loop")
def fair(subject):
    server = subject.start()
    block = bytes(random.Random(3).choices(b"abcdefghijklmnopqrstuvwxyz", k=1 << 20))
    streamer = subject.connect(server)
    streamer.exchange(block, end=False)
    done = threading.Event()

    def stream():
        with contextlib.suppress(Failed):  # it is the other one that is judged
            while not done.is_set():
                streamer.exchange(block, end=False)

    def waits():  # for a core that other programs have: that is not the server's doing
        return server.waited() + waited_for_a_core(os.getpid())

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        peer = subject.connect(server)
        times, end = [], time.monotonic() + 0.5
        while time.monotonic() < end or len(times) < 5:
            begin, before = time.monotonic(), waits()
            peer.ask(b"and me?\n")
            times.append(time.monotonic() - begin - (waits() - before))
    finally:
        done.set()
        thread.join()
    if statistics.median(times) > 0.05 or max(times) > 1:
        raise Failed(f"round trips of {statistics.median(times) * 1000:.1f} ms in the median, {max(times) * 1000:.0f} ms "
                     "at worst, beside one client that streams")


@check("wall", "A client beyond what select can watch is refused, and said to be; all others are served on",
       needs="thousand", capability="wall", measured=True)
def wall(subject):
    server = subject.start()
    served = 1024 - len(server.descriptors_at_start)
    peers = []
    for number in range(1100):
        peers.append(subject.connect(server))
        if number < served:
            peers[-1].ask(b"client %d\n" % number)
            continue
        with contextlib.suppress(OSError):  # refused already
            peers[-1].socket.sendall(b"client %d\n" % number)
    for peer in peers[served:]:
        peer.expect_refusal()
    said = len(server.log.splitlines())
    if said < 1100 - served:
        raise Failed(f"{1100 - served} clients were refused, and {said} lines say so")
    peers[0].close()
    wait_until(lambda: len(server.descriptors()) < 1024, subject.patience, "a client has left, and its descriptor is kept")
    subject.connect(server).ask(b"is there a place for me?\n")


# ---- what it leaves behind


@check("reaps", "Children that end at the same moment are all reaped, without another client having to come",
       needs="burst", capability="processes")
def reaps(subject):
    server = subject.start()
    # One after another first: a child may end before its parent has done anything else.
    for _ in range(3):
        with subject.connect(server) as peer:
            peer.end()
            peer.expect_end()
        wait_until(lambda: not server.zombies(), subject.patience, lambda: "a child that has ended stays a zombie")
    peers = []
    for _ in range(20):
        peers.append(subject.connect(server))
        peers[-1].ask(b"hello\n")
    if not server.children():
        raise Failed("20 clients are connected, and none has a process of its own")
    with server.frozen([server.pid]):  # all their signals are one by the time it can look
        for peer in peers:
            peer.close()
        wait_until(lambda: not server.children(), subject.patience,  # no zombies either, where SIGCHLD is ignored
                   lambda: f"{len(server.children())} of 20 children do not end with their client")
    wait_until(lambda: not server.zombies(), subject.patience,
               lambda: f"{len(server.zombies())} of 20 children that ended together stay zombies")


@check("one-holder", "The parent keeps no connection open, a child no listener", needs="silent-client",
       capability="processes")
def one_holder(subject):
    server = subject.start()
    before = server.descriptors()
    listeners = {target for target in before.values() if target.startswith("socket:")}
    for _ in range(3):
        subject.connect(server).ask(b"hello\n")
    wait_until(lambda: len(server.descriptors()) <= len(before), subject.patience,
               lambda: f"the parent holds {len(server.descriptors()) - len(before)} connections of its children")
    for child in server.children():
        if listeners & set(server.descriptors(child).values()):
            raise Failed("a child holds the listener, which it never uses: the port would outlive the server")


def crowd(subject, server, clients):
    """Clients that come and go in every way, eight at a time where the server can."""
    together = 8 if "concurrent" in subject.capabilities else 1
    for first in range(0, clients, together):
        peers = []
        for number in range(first, first + together):
            peers.append(subject.peer(server.address, subject.patience))
            peers[-1].send(b"hello\n")
            if number % 4 != 3:
                peers[-1].receive(6)
        for number, peer in enumerate(peers, first):
            if number % 4 == 3:
                peer.reset()
                continue
            if number % 4 == 1:
                peer.send(b"half a wo")
            if number % 4 == 2:
                peer.end()
                peer.expect_end()
            peer.close()


@check("leaves-nothing", "After a thousand clients, some of which reset, no descriptor, process, thread or memory "
       "is left behind", needs="reset", capability="stream", measured=True)
def leaves_nothing(subject):
    server = subject.start()

    at_first = server.holdings()
    crowd(subject, server, 200)  # what it allocates once, it has allocated by now
    wait_until(lambda: server.holdings() == at_first, subject.patience,
               lambda: f"it held {at_first}, and holds {server.holdings()} after 200 clients")
    memory = server.memory()
    crowd(subject, server, 1000)
    wait_until(lambda: server.holdings() == at_first, subject.patience,
               lambda: f"it held {at_first}, and holds {server.holdings()} after 1,200 clients")
    grown = server.memory() - memory
    if grown > 1 << 20:
        raise Failed(f"1,000 clients left {grown >> 10} KiB of memory behind")


# ---- when something runs out


@check("out-of-descriptors", "Out of descriptors it neither ends nor spins, and serves whoever waits when one is free",
       needs="burst", capability="descriptors", measured=True)
def out_of_descriptors(subject):
    server = subject.start()
    guest = subject.connect(server)
    guest.ask(b"hello\n")
    taken = server.descriptors()
    free = next(number for number in itertools.count() if number not in taken)
    _, hard = prlimit(server.pid, resource.RLIMIT_NOFILE)
    prlimit(server.pid, resource.RLIMIT_NOFILE, (free, hard))
    subject.connect(server).close()  # an accept that waits has its number already: the next one finds none
    waiting = subject.connect(server)
    waiting.send(b"is there a place for me?\n")
    share = server.cpu_share(WATCH)
    if not server.alive():
        raise Failed(f"the server ended: {server.log.strip()[-200:]}")
    if share > SPIN:
        raise Failed(f"{share:.0%} of a core for {WATCH:g} s, while a client waits for a descriptor: it spins")
    guest.ask(b"still here\n")
    if waiting.has_news():
        raise CannotTell("it needs no descriptor for a client, or had one in reserve")
    guest.close()
    wanted = b"IS THERE A PLACE FOR ME?\n"
    expect_bytes(waiting.receive(len(wanted)), wanted)


@check("descriptor-from-elsewhere", "Whoever waits is served when a descriptor comes from elsewhere (here a raised "
       "limit), however busy the others are", needs="out-of-descriptors", capability="descriptors", measured=True)
def descriptor_from_elsewhere(subject):
    server = subject.start()
    busy = subject.connect(server)
    busy.ask(b"hello\n")
    used = max(server.descriptors()) + 1
    soft, hard = prlimit(server.pid, resource.RLIMIT_NOFILE)
    prlimit(server.pid, resource.RLIMIT_NOFILE, (used, hard))
    waiting = [subject.connect(server) for _ in range(2)]  # a blocked accept holds its descriptor already
    for peer in waiting:
        peer.send(b"is there a place for me?\n")
    for _ in range(3):  # whoever has one loop for all has tried to accept by now
        busy.ask(b"and on\n")
    if waiting[-1].has_news():
        raise CannotTell("nobody waits: it refuses who comes then, or had a descriptor in reserve")
    done = threading.Event()

    def talk():
        with contextlib.suppress(Failed):  # it is the others that are judged
            while not done.is_set():
                busy.ask(b"and on\n")

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for peer in waiting:
            wanted = b"IS THERE A PLACE FOR ME?\n"
            expect_bytes(peer.receive(len(wanted)), wanted)
    finally:
        done.set()
        thread.join()


@check("no-worker", "A client for whom no process or thread can be made is refused; all others are served",
       needs="silent-client", capability="no-worker", measured=True)
def no_worker(subject):
    server, switch = subject.start_with_fault()
    guest = subject.connect(server)
    guest.ask(b"hello\n")
    switch.touch()
    refused = subject.connect(server)
    try:
        refused.expect_refusal(b"is there a place for me?\n")
    except Failed:
        if server.alive() and not switch.stat().st_size:
            raise CannotTell("the server made no process or thread through the C library") from None
        raise
    guest.ask(b"still here\n")
    switch.unlink()
    subject.connect(server).ask(b"and now?\n")


# ---- its start and its end


@check("stops", "SIGTERM and SIGINT end it within 2 s, its children too, whatever its clients do", needs="answers",
       capability="stream")
def stops(subject):
    for how in (signal.SIGTERM, signal.SIGINT):
        server = subject.start()
        peer = subject.connect(server)
        peer.ask(b"hello\n")
        subject.connect(server)  # silent
        server.stop(how)


@check("exits-0", "SIGTERM and SIGINT end it with exit code 0, after its clients have seen the end of file",
       needs="stops", capability="graceful")
def exits_0(subject):
    for how in (signal.SIGTERM, signal.SIGINT):
        server = subject.start()
        peers = [subject.connect(server) for _ in range(3)]
        for peer in peers:
            peer.ask(b"hello\n")
        server.send_signal(how)
        for peer in peers:
            peer.expect_end()
        expect_exit_0(server)


def expect_exit_0(server):
    code = server.wait(GRACE + 1)
    if code:
        raise Failed(f"exit code {code}, not 0")


def owed(server, peer):
    """Has the server owe `peer` as much as it will, and leaves as much for it to read. How many bytes were sent, and
    how many of them the server has read at least."""
    sent = peer.flood(8 << 20, stall=0.1, asleep=server.asleep)
    not_come, _ = queues_in_kernel(peer.port, server.address[1])
    _, not_read = queues_in_kernel(server.address[1], peer.port)
    return sent, sent - not_come - not_read - peer.unsent


def expect_what_is_owed(got, read):
    expect_bytes(got, flooded(len(got)))
    if len(got) < read:
        raise Failed(f"the end of file comes after {len(got)} bytes, and {read} had been read before it was to stop")


@check("owed-at-stop", "When it is to stop it answers every byte that it has read, then come the end of file and exit "
       "code 0", needs="exits-0", capability="graceful")
def owed_at_stop(subject):
    for how in (signal.SIGTERM, signal.SIGINT):
        server = subject.start()
        peers = [subject.connect(server, small_buffers=True) for _ in range(3)]
        read = [owed(server, peer)[1] for peer in peers]
        server.send_signal(how)
        for size, peer in zip(read, peers):
            expect_what_is_owed(peer.receive_to_end(), size)
            peer.close()
        expect_exit_0(server)


PACE = 0.001  # seconds between what a client sends that goes on sending: it need not fill a core


@check("sends-on-at-stop", "A client that goes on sending while the server stops gets what it is owed, then the end of "
       "file, and no reset instead", needs="exits-0", capability="graceful")
def sends_on_at_stop(subject):
    server = subject.start()
    peer = subject.connect(server, small_buffers=True)
    sent, read = owed(server, peer)
    over = threading.Event()

    def send_on(sent):
        """Until the server's end of file is here, read or not: nobody reads on without end."""
        waiter = select.poll()
        waiter.register(peer.socket, select.POLLOUT | select.POLLRDHUP)
        with contextlib.suppress(OSError):
            while waiter.poll()[0][1] == select.POLLOUT:
                sent += peer.socket.send(FLOOD[sent % 26:][:4096])
                over.wait(PACE)

    thread = threading.Thread(target=send_on, args=(sent,))
    thread.start()
    try:
        server.send_signal(signal.SIGTERM)
        expect_what_is_owed(peer.receive_to_end(), read)
        expect_exit_0(server)
    finally:
        over.set()
        with contextlib.suppress(OSError):
            peer.socket.shutdown(socket.SHUT_RDWR)
        thread.join()


def stop_that_is_held_up(subject, how=signal.SIGTERM):
    """A server that has begun to stop, and a client that takes nothing of what it is owed."""
    server = subject.start()
    stuck = subject.connect(server, small_buffers=True)
    owed(server, stuck)
    server.send_signal(how)
    return server, stuck


@check("refuses-at-stop", "While it stops, new clients are refused", needs="exits-0", capability="graceful")
def refuses_at_stop(subject):
    server, stuck = stop_that_is_held_up(subject)

    def refused():
        with socket.socket() as late:
            late.settimeout(subject.patience)
            if late.connect_ex(server.address):
                return True
            late.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    wait_until(refused, GRACE / 2, "1 s after the signal it still takes new clients")
    if not server.alive():
        raise Failed("it ended at once, while a client was owed much: nobody was refused meanwhile")
    expect_bytes(stuck.receive(1), b"A")


@check("grace", "A client that takes nothing of what it is owed holds up the end for at most 2 s: exit code 0 then",
       needs="exits-0", capability="graceful")
def grace(subject):
    server, _ = stop_that_is_held_up(subject)
    expect_exit_0(server)


@check("second-signal", "A second signal ends a stop that takes long at once: exit code 130 or 143, as its number says",
       needs="grace", capability="graceful")
def second_signal(subject):
    for first, second in ((signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM,) * 2):
        server, _ = stop_that_is_held_up(subject, first)
        wait_until(lambda: not listens(server), subject.patience, "it goes on listening")  # or two signals are one
        server.send_signal(second)
        code = server.wait(GRACE)
        if code not in (128 + second, -second):
            raise Failed(f"exit code {code} after a second signal, not {128 + second}")


def listens(server):
    return state_in_kernel(server.address[1], 0) == 10


@check("children-end", "The children end with the server, even when it is killed", needs="stops",
       capability="processes")
def children_end(subject):
    server = subject.start()
    subject.connect(server).ask(b"hello\n")
    server.stop(signal.SIGKILL)


@check("restart", "A new server starts on the port at once, with the old one's connection in TIME_WAIT",
       needs="stops", capability="tcp")
def restart(subject):
    port = subject.somewhere()
    overflows, again = time_waits_dropped(), segments_sent_again()
    server = subject.start(port)
    peer = subject.connect(server)
    peer.ask(b"hello\n")
    server.stop()  # the server ends the connection first, which leaves its side in TIME_WAIT
    peer.expect_end()
    client_port = peer.port
    peer.close()
    try:
        wait_until(lambda: state_in_kernel(port, client_port) == 6, subject.patience,
                   lambda: f"no TIME_WAIT on the server's side, but state {state_in_kernel(port, client_port)}")
    except Failed:
        if time_waits_dropped() > overflows:
            raise CannotTell("the kernel has more connections in TIME_WAIT than it keeps: tcp_max_tw_buckets") from None
        if segments_sent_again() > again:  # an end of file that comes twice is answered twice; nobody is left to hear
            # the second answer, and the reset that says so ends the TIME_WAIT. RFC 1337
            raise CannotTell("a segment had to be sent twice, which may end a TIME_WAIT") from None
        raise
    subject.connect(subject.start(port)).ask(b"hello again\n")


@check("second-start", "A second server on an address that is taken ends at once with an error, and the first goes on",
       needs="answers", capability="stream")
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
