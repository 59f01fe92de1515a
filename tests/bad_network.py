"""A network that loses, repeats and reorders datagrams and is late with them: a relay between a client and its
server, which runs anywhere and whose every decision follows from a seed; and the kernel's own means.
"""

import contextlib
import heapq
import random
import selectors
import socket
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass

from check import CannotTell
from own import network_of_its_own


@dataclass(frozen=True)
class Weather:
    """Shares of all datagrams, in each direction; the delay in seconds, at most."""

    loss: float = 0.3
    duplication: float = 0.1
    delay: float = 0.005


def fate(weather, seed, direction, datagram, times):
    """The delays of the copies that arrive, none, one or two, of a datagram that was seen so many times before in this
    direction. It does not depend on what else is under way, and so not on the time that anything takes."""
    dice = random.Random(f"{seed} {direction} {datagram!r} {times}")
    if dice.random() < weather.loss:
        return []
    copies = 2 if dice.random() < weather.duplication else 1
    return [dice.uniform(0, weather.delay) for _ in range(copies)]


class Relay:
    """Stands between one client, which is told `address`, and the server. close() ends it."""

    def __init__(self, server, seed, weather=Weather()):
        self.weather, self.seed = weather, seed
        self.front = socket.socket(type=socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.address = self.front.getsockname()
        self.back = socket.socket(type=socket.SOCK_DGRAM)
        self.back.connect(server)
        self.client = None
        self.seen = Counter()  # datagrams, with the direction
        self.taken = 0
        self.lost = self.repeated = self.overtaken = 0
        self.under_way = []  # a heap of (when it is due, its number, of which copy, whether from the client, it)
        self.last_out = {self.front: -1, self.back: -1}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with selectors.DefaultSelector() as selector:
            for side in (self.front, self.back):
                selector.register(side, selectors.EVENT_READ)
            while not self.ended.is_set():
                wait = self.under_way[0][0] - time.monotonic() if self.under_way else 0.05
                for key, _ in selector.select(max(0, min(wait, 0.05))):
                    self.take(key.fileobj)
                while self.under_way and self.under_way[0][0] <= time.monotonic():
                    self.deliver(*heapq.heappop(self.under_way))

    def take(self, side):
        try:
            datagram, sender = side.recvfrom(65536)
        except ConnectionRefusedError:  # the server has ended
            return
        if side is self.front:
            self.client = sender
        direction = "there" if side is self.front else "back"
        delays = fate(self.weather, self.seed, direction, datagram, self.seen[direction, datagram])
        self.seen[direction, datagram] += 1
        self.taken += 1
        self.lost += not delays
        self.repeated += len(delays) == 2
        for copy, delay in enumerate(delays):
            heapq.heappush(self.under_way, (time.monotonic() + delay, self.taken, copy, side is self.front, datagram))

    def deliver(self, due, index, copy, from_front, datagram):
        side = self.front if from_front else self.back
        self.overtaken += index < self.last_out[side]
        self.last_out[side] = max(index, self.last_out[side])
        if not from_front:
            self.front.sendto(datagram, self.client)
            return
        with contextlib.suppress(ConnectionRefusedError):
            self.back.send(datagram)

    @property
    def socket(self):
        return self.front

    def close(self):
        self.ended.set()
        self.thread.join()
        self.front.close()
        self.back.close()

    reset = close


NETEM = "tc qdisc add dev lo root netem loss 30% duplicate 10% reorder 25% delay 2ms"
# The hook is where datagrams come in: those that are dropped where they go out are an error to who sends them.
NFTABLES = r"""nft -f - <<'END'
table ip bad_network {
    chain out {
        type filter hook output priority 0;
        meta l4proto udp numgen random mod 100 < 10 dup to 127.0.0.1 device "lo"
    }
    chain in {
        type filter hook input priority 0;
        meta l4proto udp numgen random mod 100 < 30 drop
    }
}
END"""


def bad_kernel_network():
    """The command that runs another in a network of its own in which a third of all datagrams are lost and a tenth
    come twice; (the command, what makes it so). Raises CannotTell where neither netem nor nftables is there."""
    within = network_of_its_own()
    reasons = []
    for means, rules in (("netem", NETEM), ("nftables", NFTABLES)):
        words = [*within, "sh", "-c", f'PATH=$PATH:/usr/sbin:/sbin\n{rules}\n[ $? = 0 ] && exec "$0" "$@"']
        tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return words, means
        reasons.append(f"{means}: {(tried.stderr.strip().splitlines() or ['no reason given'])[0]}")
    raise CannotTell("no bad network in the kernel: " + "; ".join(reasons))
