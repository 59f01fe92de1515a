"""What a check did, step by step, so that a failure can be told as a story and repeated by hand.

Peers and processes write it as they act; it belongs to one process, which judges one check at a time.
"""

from collections import deque
from dataclasses import dataclass

KEPT = 60  # steps at the beginning, and as many at the end: a thousand clients are not told one by one


@dataclass(frozen=True)
class Step:
    who: str  # "client 1", "server"
    does: str
    data: bytes = b""


class Journal:
    def __init__(self):
        self.begin()

    def begin(self):
        self.first, self.last, self.count = [], deque(maxlen=KEPT), 0
        self.clients = 0

    def client(self):
        """The name of a new client."""
        self.clients += 1
        return f"client {self.clients}"

    def step(self, who, does, data=b""):
        kept = self.first if self.count < KEPT else self.last
        kept.append(Step(who, does, bytes(data[:256])))
        self.count += 1

    def steps(self):
        """The steps that were kept, in their order: all, or the first and the last ones."""
        return [*self.first, *self.last]


journal = Journal()
