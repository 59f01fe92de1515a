"""Two traced runs compared: what their servers do, without what differs from one run of a server to the next."""

from dataclasses import dataclass, field
from itertools import zip_longest

from trace import POLLS, TAKES, Event
from trace_show import said
from words import _

MAIN, ANY = "main thread", "any thread, for no connection"
OFTEN = {*POLLS, "wait4", "waitid"}  # how many times in a row is chance
SELDOM = {"futex", "timerfd_settime"}  # whether at all is


@dataclass(frozen=True)
class Step:
    """A call of the server's, as far as it is the same in each run. Times, ports, numbers of processes and descriptors,
    and how many bytes came at once are not in it."""

    call: str
    connection: str
    how: str  # "fails", "ends", or ""; how a process ends, or by which signal it is told something
    event: Event = field(compare=False)

    @property
    def waits(self):
        return self.call in POLLS

    @property
    def takes(self):
        return self.call in TAKES and bool(self.connection) and not self.how


def step(event):
    how = ""
    if event.call in ("ends", "signal"):
        how = event.words or event.result
    elif event.result.startswith("-1") and event.call not in OFTEN:
        how = "fails"
    elif event.call in TAKES and event.result == "0":
        how = "ends"
    return Step(event.call, event.connection, how, event)


def steps(run):
    """{stream: its steps}. The main thread's are in their order. Which of the others does what first is chance, and so
    is which of a pool's threads does it: there each connection has a stream of its own, and for the rest it counts only
    whether there is such a step."""
    streams = {MAIN: [], ANY: []}
    for event in sorted(run.events, key=lambda event: event.begin):
        if not event.of_server or event.interrupted or event.call in SELDOM \
                or (event.call, event.words) == ("signal", "SIGCHLD"):
            continue
        stream = MAIN if event.lane == "server" else event.connection or ANY
        streams.setdefault(stream, []).append(step(event))
    return {stream: tidied(found) for stream, found in streams.items()}


def tidied(found):
    """Steps without those that are there by chance: bytes come in one piece or in more."""
    out = []
    for step in found:
        if len(out) > 1 and out[-1].waits:
            del out[len(out) - by_chance(out, step):]
        out.append(step)
        for size in (1, 2, 3):
            rest, again = out[:-size], out[-size:]
            if size > 1 and rest and rest[-1].waits and not again[0].waits:
                rest.pop()
            if again == rest[-size:] and (any(step.takes for step in again) or size == 1 and step.call in OFTEN):
                out = rest
    return out


def by_chance(out, step):
    """How many of the last steps are, the last one being a wait. Bytes and the end of them come at once or not; a wait
    ends for one connection or for several, so that only the first counts, and those within the work for one."""
    before = out[-2]
    if step.call in TAKES and (before.call, before.connection) == (step.call, step.connection):
        return 2 if before.how == "fails" else 1
    within = before.connection and before.connection == step.connection
    return 0 if within or out[-1] not in out[:-1] else 1


@dataclass(frozen=True)
class Difference:
    number: int  # of the call, among all of that server's
    events: tuple  # yours and ours; None for what has no more
    in_words: tuple


def in_words(step):
    if not step:
        return _("nothing more")
    if step.call in ("ends", "signal"):
        return said(step.event, "")
    what = f"{step.call} ({step.connection})" if step.connection else step.call
    return _("{call} fails", call=what) if step.how == "fails" else f"{what} = 0" if step.how == "ends" else what


class Comparison:
    """Two runs. `same`: pairs of events in which their main threads did the same."""

    def __init__(self, yours, ours):
        self.runs = yours, ours
        of_yours, of_ours = map(steps, self.runs)
        main = list(zip_longest(of_yours.pop(MAIN), of_ours.pop(MAIN)))
        alike = next((at for at, (one, other) in enumerate(main) if one != other), len(main))
        self.same = [(one.event, other.event) for one, other in main[:alike]]
        differ = main[alike:alike + 1]
        one, other = of_yours.pop(ANY), of_ours.pop(ANY)
        differ += [(step, None) for step in one if step not in other]
        differ += [(None, step) for step in other if step not in one]
        for stream in of_yours.keys() | of_ours.keys():
            pairs = zip_longest(of_yours.get(stream, []), of_ours.get(stream, []))
            differ += [pair for pair in pairs if pair[0] != pair[1]][:1]
        self.difference = self.told(min(differ, key=lambda pair: (pair[0] or pair[1]).event.begin)) if differ else None

    def told(self, pair):
        run, step = next((run, step) for run, step in zip(self.runs, pair) if step)
        calls = sorted((event for event in run.events if event.of_server), key=lambda event: event.begin)
        return Difference([id(event) for event in calls].index(id(step.event)) + 1,
                          tuple(step and step.event for step in pair), tuple(map(in_words, pair)))
