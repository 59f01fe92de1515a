"""What our servers with a pool of workers promise besides what stands in own.py: that the pool is as large as it should
be, that nothing is lost in it, and that whoever waits for it holds up nobody else.

The checks wait until the server has read what they sent: from then on it is a matter of the loop and the workers.
"""

import random
import signal
import time
from pathlib import Path

from check import Failed, expect_bytes
from contract import SPIN, WATCH, expect_answers, expect_exit_0
from own import LATE, check, judge_bad_command_lines, judge_help
from peer import queues_in_kernel
from process import wait_until

OPTIONS = ("--min-threads", "--max-threads", "--queue", "--manage-interval", "--work-us")
LONG = 1_000_000  # microseconds of work that is not done when what we look at has happened


def serve(subject, start=None, **options):
    """The server with `options`, whose names are those of its command line, and the threads that it has at rest."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    server = (start or subject.serve)("--port", "0", *words)
    with subject.connect(server) as peer:  # its workers are there when its loop answers; this takes none of them
        peer.end()
        peer.expect_end()
    return server, server.threads()


def until_read(subject, server, peers):
    """Waits until the server has read all that `peers` have sent."""
    for peer in peers:
        wait_until(lambda: queues_in_kernel(server.address[1], peer.port)[1] == 0 and
                   queues_in_kernel(peer.port, server.address[1])[0] == 0, subject.patience,
                   "what a client has sent is not read")


def occupied(subject, clients, **options):
    """A server of one worker, which has work for long, and clients whose messages it has read and not answered."""
    server, _ = serve(subject, min_threads=1, max_threads=1, queue=1, **options)
    return server, send_from(subject, server, clients)


def send_from(subject, server, clients):
    peers = [subject.connect(server) for _ in range(clients)]
    for number, peer in enumerate(peers):
        peer.send(b"client %d\n" % number)
    until_read(subject, server, peers)
    return peers


def share_of_the_loop(server):
    """The share of one core that the server's first thread takes while we watch."""
    def used():
        return int(Path(f"/proc/{server.pid}/task/{server.pid}/schedstat").read_text().split()[0]) / 1e9

    before, begin = used(), time.monotonic()
    time.sleep(WATCH)
    return (used() - before) / (time.monotonic() - begin)


def expect_the_loop_rests(server, why):
    share = share_of_the_loop(server)
    if share > SPIN:
        raise Failed(f"{share:.0%} of a core for {WATCH:g} s in the loop's thread, {why}: it spins")


def keep_busy(peers):
    """One message on each connection at once, and all the answers."""
    for number, peer in enumerate(peers):
        peer.send(b"client %d\n" % number)
    expect_answers(peers, b"client %d\n")


# ---- the work, and who does it


@check("pool-work", "Each message takes the CPU time that --work-us says", needs="ready-line", capability="pool",
       measured=True)
def pool_work(subject):
    server, _ = serve(subject, work_us=50_000)
    peer = subject.connect(server)
    before = server.cpu()
    for _ in range(4):
        peer.ask(b"hello\n")
    used = server.cpu() - before
    if not 0.19 < used < 0.3:
        raise Failed(f"4 messages of 50 ms took {used * 1000:.0f} ms of CPU time")


@check("pool-wakes", "A message that comes while all workers are busy is taken without another having to come",
       needs="ready-line", capability="pool")
def pool_wakes(subject):
    server, _ = serve(subject, min_threads=1, max_threads=1, work_us=50_000)
    keep_busy([subject.connect(server) for _ in range(3)])


@check("pool-order", "What one client sends is answered in its order, however many workers there are",
       needs="pool-wakes", capability="pool")
def pool_order(subject):
    server, _ = serve(subject, min_threads=4, max_threads=4, work_us=50)
    subject.connect(server).exchange(random.Random(6).randbytes(2 << 20))


@check("pool-reset", "A client that resets while a worker has its message is let go, and takes none of the loop's time",
       needs="pool-wakes", capability="pool", measured=True)
def pool_reset(subject):
    server, peers = occupied(subject, 1, work_us=LONG)
    peers[0].reset()
    expect_the_loop_rests(server, "since a client has reset whose message a worker has")
    wait_until(lambda: len(server.descriptors()) == len(server.descriptors_at_start), subject.patience,
               "a client has reset, and its descriptor is kept")


# ---- a full queue


@check("pool-full", "When the queue is full nothing is dropped: every message is answered", needs="pool-wakes",
       capability="pool")
def pool_full(subject):
    server, _ = serve(subject, min_threads=1, max_threads=1, queue=1, work_us=5000)
    peers = [subject.connect(server) for _ in range(20)]
    for _ in range(2):
        keep_busy(peers)


@check("pool-full-rests", "While the queue is full the loop sleeps", needs="pool-full", capability="pool", measured=True)
def pool_full_rests(subject):
    server, _ = occupied(subject, 3, work_us=LONG)
    expect_the_loop_rests(server, "while the queue is full")


@check("pool-full-others", "While the queue is full the loop goes on for those who wait for no worker", needs="pool-full",
       capability="pool")
def pool_full_others(subject):
    server, _ = occupied(subject, 3, work_us=10 * LONG)  # longer than the newcomer waits
    with subject.connect(server) as newcomer:
        newcomer.end()
        newcomer.expect_end()


# ---- the manager


@check("pool-grows", "While more messages wait than workers are idle the pool grows, up to --max-threads",
       needs="pool-wakes", capability="pool")
def pool_grows(subject):
    server, at_rest = serve(subject, min_threads=1, max_threads=4, manage_interval=0.01, work_us=10_000)
    grow(subject, server, at_rest + 3)


def grow(subject, server, threads):
    """Gives the server work until it has `threads`, and some more after that. Raises Failed when it has more then."""
    peers = [subject.connect(server) for _ in range(10)]
    deadline = time.monotonic() + subject.patience
    while server.threads() < threads:
        if time.monotonic() > deadline:
            raise Failed(f"{server.threads()} threads, not {threads}, though messages wait all the time")
        keep_busy(peers)
    for _ in range(10):
        keep_busy(peers)
        if server.threads() > threads:
            raise Failed(f"{server.threads()} threads: {server.threads() - threads} more than --max-threads allows")
    for peer in peers:
        peer.close()


@check("pool-shrinks", "When the workers have little to do the pool shrinks, down to --min-threads", needs="pool-grows",
       capability="pool")
def pool_shrinks(subject):
    server, at_rest = serve(subject, min_threads=1, max_threads=4, manage_interval=0.01, work_us=10_000)
    for _ in range(2):
        grow(subject, server, at_rest + 3)
        wait_until(lambda: server.threads() <= at_rest, subject.patience,
                   lambda: f"{server.threads()} threads, not {at_rest}, since there is nothing to do")
    time.sleep(WATCH)
    if server.threads() < at_rest:
        raise Failed(f"{at_rest - server.threads()} threads fewer than --min-threads asks for")
    subject.connect(server).ask(b"are you still there?\n")


@check("pool-no-thread", "When no more threads can be made, the pool works on with those that it has, and grows when it can",
       needs="pool-grows", capability="pool", measured=True)
def pool_no_thread(subject):
    environment, switch = subject.fault()
    server, at_rest = serve(subject, lambda *words: subject.serve(*words, environment=environment), min_threads=1,
                            max_threads=4, manage_interval=0.01, work_us=10_000)
    switch.touch()
    peers = [subject.connect(server) for _ in range(10)]
    deadline = time.monotonic() + subject.patience
    while not switch.stat().st_size:
        if time.monotonic() > deadline:
            raise Failed("it makes no thread, though messages wait all the time")
        keep_busy(peers)
    keep_busy(peers)
    switch.unlink()
    grow(subject, server, at_rest + 3)


@check("pool-crowd", "A thousand clients are served while the pool grows and shrinks", needs="pool-shrinks",
       capability="pool")
def pool_crowd(subject):
    server, at_rest = serve(subject, min_threads=1, max_threads=8, queue=16, manage_interval=0.001, work_us=50)
    peers = [subject.connect(server) for _ in range(1000)]
    grown = 0
    for _ in range(3):
        with server.frozen():  # when it wakes, all of them wait for a worker
            for number, peer in enumerate(peers):
                peer.send(b"client %d\n" % number)
        for number, peer in enumerate(peers):
            expect_bytes(peer.receive(len(b"client %d\n" % number)), b"CLIENT %d\n" % number)
            grown = max(grown, server.threads() if number % 50 == 0 else 0)
        wait_until(lambda: server.threads() == at_rest, subject.patience,
                   lambda: f"{server.threads()} threads, not {at_rest}, since all are answered")
    if grown <= at_rest:
        raise Failed("it never had a thread more, with a thousand clients at once")


# ---- its end


@check("pool-stop", "When it is to stop, what a worker has and what waits for one is answered, then come the end of file and "
       "exit code 0", needs="pool-full", capability="pool")
def pool_stop(subject):
    server, peers = occupied(subject, 4, work_us=100_000, grace=8)
    server.send_signal(signal.SIGTERM)
    for number, peer in enumerate(peers):
        expect_bytes(peer.receive_to_end(), b"CLIENT %d\n" % number)
    expect_exit_0(server)


@check("pool-abandons", "Work that is not done when --grace is over is abandoned: exit code 0 then", needs="pool-stop",
       capability="pool")
def pool_abandons(subject):
    server, _ = occupied(subject, 3, work_us=30 * LONG, grace=0.3)
    since = time.monotonic()
    server.send_signal(signal.SIGTERM)
    expect_exit_0(server)
    lasted = time.monotonic() - since
    if not 0.3 <= lasted <= 0.3 + LATE:
        raise Failed(f"it ended {lasted:.2f} s after the signal: 0.3 s was due")


# ---- its command line


@check("pool-help", "--help names the pool's options too", needs="help", capability="pool")
def pool_help(subject):
    judge_help(subject, OPTIONS)


@check("bad-pool", "What the pool's options cannot take is refused with exit 2 and one line that names it",
       needs="bad-options", capability="pool", refusals=True)
def bad_pool(subject):
    words = [(option, word) for option in OPTIONS for word in ("-1", "", "many", "1x", " 1")]
    words += [(option, "0") for option in OPTIONS[:3]]
    words += [("--min-threads", "1001"), ("--max-threads", "1001"), ("--queue", "1000001"), ("--work-us", "60000001"),
              ("--work-us", "1.5"), ("--manage-interval", "nan")]
    judge_bad_command_lines(subject, [(("--port", "0", option, word), f"'{word}'") for option, word in words] +
                            [(("--port", "0", "--min-threads", "5", "--max-threads", "4"), "'5'")])
