"""What is measured: sweeps, each of which lets one number grow; and in which order."""

import random
from dataclasses import dataclass, field

import servers
from words import kept


@dataclass(frozen=True)
class Sweep:
    """`at` are the values of the number that grows; `load` makes the load's words of one, `words` the server's."""

    name: str
    axis: str
    at: tuple
    quick: tuple
    load: object = lambda n: {}
    words: object = lambda n: ()
    who: tuple = servers.STREAM
    whole_machine: bool = False  # the server may use more than one core
    once: bool = False  # in the first round alone
    counts: bool = False  # calls and switches instead of times
    beside: object = lambda n: 0  # that many more processes of the server, each full of idle connections


ACTIVE = {"idle": 100, "lone": 1}  # connections, beside the idle ones of these sweeps
CROWD = 19000  # connections of one process, where it may have 20,000 descriptors

SPARE = 32  # descriptors that a process has besides its connections

SWEEPS = (
    Sweep("connections", kept("active connections"), (1, 10, 100, 1000), (1, 100), lambda n: {"connections": n},
          who=(*servers.STREAM, *servers.LIBEVENT)),
    Sweep("idle", kept("idle connections beside 100 active ones"), (900, 3000, 10000), (10000,),
          lambda n: {"connections": ACTIVE["idle"], "idle": n}),
    Sweep("lone", kept("idle connections beside a single active one"), (900, 9900), (),
          lambda n: {"connections": ACTIVE["lone"], "idle": n},
          who=tuple(one for one in servers.STREAM if one.name[:2] in ("04", "05", "06", "07"))),
    Sweep("crowd", kept("connections in all, 19,000 in each process, 100 of them active"), (19000, 38000, 76000), (),
          lambda n: {"connections": 100, "idle": CROWD - 100}, once=True, beside=lambda n: n // CROWD - 1,
          who=tuple(one for one in servers.STREAM if one.name[:2] in ("07", "12") or one.name == "06_epoll")),
    Sweep("size", kept("bytes in a message, 10 connections"), (16, 1024, 16384, 131072, 1048576), (),
          lambda n: {"connections": 10, "size": n}),
    Sweep("churn", kept("connections at a time, a message on each"), (10,), (10,),
          lambda n: {"connections": n, "churn": True}),
    Sweep("work", kept("µs of CPU time that each message takes"), (0, 10, 50, 200, 1000), (1000,),
          lambda n: {"connections": 100}, lambda n: ("--work-us", str(n)), servers.WORKERS, whole_machine=True),
    Sweep("http", kept("connections that ask for a file of 1 KiB"), (100, 1000), (100,), lambda n: {"connections": n},
          who=servers.HTTP),
    Sweep("file", kept("bytes of a file that 16 connections ask for"), (1024, 1 << 20), (),
          lambda n: {"connections": 16, "size": n}, who=servers.HTTP),
    Sweep("kept", kept("connections that are kept after an answer"), (10000,), (),
          lambda n: {"connections": 0, "idle": n}, who=servers.HTTP),
    Sweep("udp", kept("peers that send datagrams"), (1, 10, 100), (), lambda n: {"connections": n, "udp": True},
          who=servers.DATAGRAM),
    Sweep("unix", kept("bytes in a message, 4 connections"), (64, 16384, 1048576), (),
          lambda n: {"connections": 4, "size": n},
          who=servers.PATHS),
    Sweep("calls", kept("active connections"), (1, 100), (100,), lambda n: {"connections": n},
          who=(*servers.STREAM, *servers.LIBEVENT), once=True, counts=True),
)
BY_NAME = {sweep.name: sweep for sweep in SWEEPS}


@dataclass(frozen=True)
class Cell:
    """One measurement: a server at a point of a sweep."""

    sweep: Sweep
    at: int
    server: servers.Contestant
    load: dict = field(hash=False, compare=False, default_factory=dict)

    def __str__(self):
        return f"{self.sweep.name} {self.at}: {self.server.name}"


def cells(wanted, who, build, descriptors):
    """({point: [cells]}, [left out: what, why]) for `wanted`, a list of (sweep, values of its number); only the servers
    `who`, if that names any. `descriptors`: as many as a process may have."""
    points, left_out = {}, {}
    for sweep, values in wanted:
        takers = [one for one in (who or sweep.who) if not who or fits(sweep, one)]
        for server in takers:
            if reason := server.missing(build):
                left_out[server.name] = reason
        for at in values:
            load = sweep.load(at)
            for server in takers:
                total = load["connections"] + load.get("idle", 0)
                if server.name in left_out:
                    continue
                if total + SPARE > descriptors:
                    left_out[f"{sweep.name} {at}"] = kept(
                        "takes more descriptors than a process may have, {most}", most=descriptors)
                elif reason := server.refuses(load):
                    left_out[f"{server.name} at {sweep.name} {at}"] = reason
                else:
                    points.setdefault((sweep.name, at), []).append(Cell(sweep, at, server, load))
    return points, [{"what": what, "why": why} for what, why in left_out.items()]


def fits(sweep, server):
    """Whether a server that was named by the user can take part in the sweep at all."""
    transports = {one.transport for one in sweep.who}
    return server.transport in transports and (not sweep.words(0) or server in sweep.who)


def one_round(points, number, seed=0):
    """The cells in the order of this round: points in an order drawn at random, and the servers of each too. What
    need not be repeated is in the first round alone."""
    dice = random.Random(seed * 1000 + number)
    order = [cell for cell in dice.sample(list(points.values()), len(points)) if number == 0 or not cell[0].sweep.once]
    return [cell for point in order for cell in dice.sample(point, len(point))]
