"""Has a ladder's checks judge one program, in processes that do nothing else: side by side, in bounded time.

What such a process starts is its own down to the last descendant, and is ended when the check is: orphans come back to
it. It goes on to another check after one that passed, for to begin costs more of a core than most checks.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import tomllib
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from select import select

import network
from check import CannotTell, Differs, Failed
from journal import journal
from listening import children, runs, tree
from process import all_threads_are, contended, excused, resident, send, waited_for_a_core

TERMS = Path(__file__).with_name("points.toml")
PR_SET_CHILD_SUBREAPER = 36
CROWD = 400  # processes of one check: who has more makes them without end
DEAD = 4000  # and with those that have ended, and that nobody has waited for
MEMORY = 2 << 30  # bytes that the processes of one check may hold together
ENDING = 0.5  # seconds that the end of a process may come after that of its connections
LAST_WORDS = 2.0  # seconds in which who judges may yet say what it sees, when its time is up
YOUNG = 0.5  # seconds after which a check is taken to wait for its subject
NEAR = 64  # bytes before and behind the first that differs, which a report may show


@dataclass(frozen=True)
class Terms:
    points: int = 1
    visibility: str = "visible"
    seconds: int = 15
    apart: bool = False
    full: bool = False
    takes: float = 0.05
    waits: bool = False


def terms():
    """{check: Terms}, and what holds for the others under "default"."""
    rows = tomllib.loads(TERMS.read_text())
    return {id: Terms(**{**rows["default"], **row}) for id, row in rows.items()}


@dataclass
class Verdict:
    """What came of one check. `seconds` is how long it took; the rest is for the report of a failure."""

    status: str  # passed, failed, skipped, cannot-tell
    message: str = ""
    seconds: float = 0.0
    failed_at: float = 0.0  # the time of the day, or 0
    steps: list = field(default_factory=list)  # [who, does, data as hex]
    differs: dict = field(default_factory=dict)
    state: list = field(default_factory=list)  # lines about each process
    facts: dict = field(default_factory=dict)  # of the process that matters: exit, cpu, zombies, …
    said: str = ""  # the last that it printed


# ---- one check, and who judges


def end_of(code):
    return f"exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"


def portrait(server, number, patience=0.0):
    """(a line, facts) about a process as it is now, or `patience` seconds later if it is about to end."""
    name = f"server {number}" if number else "the server"
    if getattr(server, "popen", None) is None:
        return "", {}
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = server.popen.wait(patience)
        return f"{name}: {end_of(code)}", {"exit": code}
    try:
        cpu = server.cpu_share(0.1)
        facts = {"exit": None, "cpu": cpu, "zombies": len(server.zombies()), "children": len(server.children()),
                 "descriptors": len(server.descriptors()), "threads": server.threads()}
        return f"{name}: alive, {cpu:.0%} of a core, {server.holdings()}", facts
    except OSError:
        return f"{name}: just ended", {"exit": server.popen.poll()}
    except CannotTell:
        return f"{name}: alive, and its descriptors are not to be seen", {"exit": None}


def describe(subject, verdict, failure):
    """Adds to the verdict what can be seen of the processes before they are cleared up."""
    servers = [server for server in subject.processes if hasattr(server, "popen")]
    patience = ENDING if re.search("reset|refused|closed|[Bb]roken pipe", str(failure)) else 0.0
    for number, server in enumerate(servers, 1):
        line, facts = portrait(server, number if len(servers) > 1 else 0, patience)
        verdict.state.append(line)
        verdict.facts = facts
    said = [server.log.strip() for server in servers if server.log.strip()]
    verdict.said = said[-1][-600:] if said else ""
    verdict.steps = [[step.who, step.does, step.data.hex()] for step in journal.steps()]
    if isinstance(failure, Differs):
        begin = max(0, failure.at - NEAR)
        verdict.differs = {"at": failure.at, "begin": begin, "got": failure.got[begin:failure.at + NEAR].hex(),
                           "expected": failure.expected[begin:failure.at + NEAR].hex()}


def judge(check, subject):
    """What `check` says of the subject, which is cleared up by then."""
    journal.begin()
    begin = time.monotonic()
    verdict = Verdict("passed")
    try:
        check.judge(subject)
    except Failed as failure:
        verdict = Verdict("failed", str(failure), failed_at=time.time())
        describe(subject, verdict, failure)
    except CannotTell as reason:
        verdict = Verdict("cannot-tell", str(reason))
    except (FileNotFoundError, ProcessLookupError) as error:
        if isinstance(error, FileNotFoundError) and not str(error.filename).startswith("/proc/"):
            raise
        verdict = Verdict("failed", "the server ended while it was looked at", failed_at=time.time())
        describe(subject, verdict, error)
    finally:
        complaints = subject.close()
    if complaints and verdict.status == "passed" and any("Sanitizer" in each for each in complaints):
        verdict = Verdict("failed", complaints[0])
    verdict.seconds = round(time.monotonic() - begin, 3)
    return verdict


def kill_all(spare=()):
    """Ends all descendants of ours but the children to be spared, however fast they multiply: they are stopped first,
    so that none can make another."""
    while ours := set(children(os.getpid())) - set(spare):
        for how in (signal.SIGSTOP, signal.SIGKILL):
            seen = set()
            for _ in range(200):
                left = {pid for child in set(children(os.getpid())) - set(spare) for pid in tree(child)}
                if left == seen:
                    break
                for pid in left:
                    send(pid, how)
                seen = left
        for child in ours:  # whose own children come to us
            bury(child)


def bury(pid):
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def tell_when_asked(subject, line):
    """Has SIGALRM end this process, which judges, with a verdict that holds what can be seen of the subject."""

    def tell(*_):
        verdict = Verdict("failed")
        try:
            describe(subject, verdict, None)
            answer(line, verdict)
        finally:
            os._exit(0)

    signal.signal(signal.SIGALRM, tell)


def answer(line, verdict):
    line.sendall(json.dumps(asdict(verdict)).encode() + b"\n")


def judge_what_is_asked(line, checks, make_subject):
    """Judges the checks whose numbers come over the line, until it ends."""
    network.libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    network.libc.prctl(network.PR_SET_PDEATHSIG, signal.SIGKILL)  # when who asks ends; the kernel drops it with a new user
    network.begin_new_numbers()
    while asked := line.recv(16):
        network.share = int(asked)
        answer(line, judge_and_end(checks[network.share], make_subject, line))


def judge_and_end(check, make_subject, line):
    """What `check` says; nothing of what it started is left."""
    subject = make_subject(check)
    tell_when_asked(subject, line)
    verdict = judge(check, subject)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    kill_all()
    return verdict


@dataclass
class Judge:
    """A process that judges, and the line over which it is asked and answers."""

    pid: int
    line: socket.socket
    raw: bytes = b""  # of its answer

    @classmethod
    def begin(cls, checks, make_subject):
        """A new one. It ends when it is told so, or when who has begun it ends."""
        ours, theirs = socket.socketpair()
        if pid := os.fork():
            theirs.close()
            return cls(pid, ours)
        ours.close()  # those of others are open here too: who began last hears first that nobody is left who asks
        for how in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(how, signal.SIG_DFL)
        try:
            judge_what_is_asked(theirs, checks, make_subject)
        except BaseException:  # our own fault, or the machine's: whoever reads it decides
            kill_all()
            answer(theirs, Verdict("error", traceback.format_exc()))
        finally:
            os._exit(0)

    def ask(self, number):
        self.raw = b""
        with contextlib.suppress(BrokenPipeError):  # it has died, which is heard
            self.line.sendall(str(number).encode())

    def hear(self, patience=0.0):
        """Reads what there is of its answer, after at most `patience` seconds. Whether there is no more to come."""
        if not select([self.line], [], [], patience)[0]:
            return False
        piece = b""
        with contextlib.suppress(ConnectionResetError):  # it has died, and not heard what it was asked
            piece = self.line.recv(1 << 20)
        self.raw += piece
        return not piece or piece.endswith(b"\n")

    def said(self):
        """Its answer: the fields of a Verdict, or none."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return {}

    def end(self):
        """Ends it, and what it has started."""
        self.line.close()
        for pid in (*children(self.pid), self.pid):  # the first of a process namespace takes all the others along
            send(pid, signal.SIGKILL)
        bury(self.pid)


# ---- all of them


def too_many(pids):
    return len(pids) > DEAD or len(pids) > CROWD and sum(map(runs, pids)) > CROWD


def waiting_in(pid):
    """Seconds for which a process and its descendants wanted a core that others had, so far."""
    return sum(map(waited_for_a_core, tree(pid)))


@dataclass
class Job:
    check: object
    judge: Judge
    begin: float
    limit: float
    contended: float  # of the machine, at its beginning
    waited: float = 0.0  # of who judges: for earlier checks


class Climb:
    """The checks of a ladder, each of them skipped if what it needs failed. `factor` stretches all time limits."""

    def __init__(self, checks, make_subject, terms, factor=1.0, side_by_side=1, told=lambda id, verdict: None):
        self.checks = list(checks)
        self.by_id = {check.id: check for check in self.checks}
        self.make_subject = make_subject
        self.terms = terms
        self.factor = factor
        self.side_by_side = side_by_side
        self.told = told  # is called with each verdict as it comes
        self.verdicts = {}
        self.early = {}  # {id: Verdict} that came before that of what the check needs
        self.jobs = []
        self.free = []  # who has judged, and can go on

    def terms_of(self, check):
        return self.terms.get(check.id, self.terms["default"])

    def run(self):
        """{id: Verdict} of all checks, in the ladder's order."""
        network.libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        waiting = list(self.checks)
        try:
            while waiting or self.jobs:
                waiting = [check for check in waiting if check.id not in self.verdicts]
                more = self.start_one(waiting)
                if self.jobs:
                    self.collect(0.0 if more else 0.1)
        finally:
            kill_all()
            for judge in (*self.free, *(job.judge for job in self.jobs)):
                judge.line.close()
        return {check.id: self.verdicts[check.id] for check in self.checks}

    def begins_after(self, check):
        """The check that must be decided first, or none. Who waits begins beside what it needs, if that waits too."""
        needed = self.by_id.get(check.needs)
        beside = self.side_by_side > 1 and needed and self.terms_of(check).waits and self.terms_of(needed).waits
        return self.begins_after(needed) if beside else needed

    def may_start(self, check):
        first = self.begins_after(check)
        if first and first.id not in self.verdicts or any(self.terms_of(job.check).apart for job in self.jobs):
            return False
        return not self.terms_of(check).apart or all(map(self.at_rest, self.jobs))

    def at_rest(self, job):
        """Whether a job waits now, and will for a while."""
        with contextlib.suppress(OSError):  # a process has just ended
            return (self.terms_of(job.check).waits and not self.young(job)
                    and all(all_threads_are("SZX", pid) for pid in tree(job.judge.pid)))
        return False

    def young(self, job):
        return job.begin > time.monotonic() - YOUNG * self.factor

    def enough(self):
        """Whether no more are to be judged now: a check that takes long is taken to wait, and leaves the cores to others."""
        busy = sum(self.young(job) and not self.terms_of(job.check).waits for job in self.jobs)
        return len(self.jobs) >= self.side_by_side or busy >= max(1, self.side_by_side // 3)

    def start_one(self, waiting):
        """Starts the next check, if one may start. Whether one did."""
        if self.enough() or not (ready := list(filter(self.may_start, waiting))):
            return False
        check = min(ready, key=self.turn)
        waiting.remove(check)
        limit = self.terms_of(check).seconds * self.factor
        judge = self.free.pop() if self.free else Judge.begin(self.checks, self.make_subject)
        self.jobs.append(Job(check, judge, time.monotonic(), limit, contended(), waiting_in(judge.pid)))
        judge.ask(self.checks.index(check))
        return True

    def turn(self, check):
        """What must begin early comes first, and last what wants to be alone."""
        return self.terms_of(check).apart, -self.ahead(check)

    def ahead(self, check):
        """About how many seconds it takes until all that stands on a check is judged, it and one above the other."""
        above = (self.ahead(each) for each in self.checks if each.needs == check.id)
        return self.terms_of(check).takes + max(above, default=0.0)

    def collect(self, patience):
        """Waits for news of a job, at most `patience` seconds, and takes it."""
        select([job.judge.line for job in self.jobs], [], [], patience)
        for job in list(self.jobs):
            if job not in self.jobs:  # what it needs has failed just now
                continue
            if job.judge.hear():
                self.finish(job)
            elif reason := self.too_much(job):
                self.cut_off(job, *reason)

    def too_much(self, job):
        """(what to say, facts) of a job that must be ended; None while it may go on."""
        if self.late(job):
            waited = time.monotonic() - job.begin - job.limit
            for_a_core = f", and {waited:.0f} s more that it waited for a core" if waited > 1 else ""
            return f"no verdict after {job.limit:g} s, which is all the time this check has{for_a_core}", {}
        pids = tree(job.judge.pid)
        if too_many(pids) and not self.by_design(job):
            return f"it made {len(pids) - 1} processes: they were ended", {"processes": len(pids) - 1}
        if (held := resident(pids, shared=False)) > MEMORY:
            return f"it took {held >> 20} MiB of memory: it was ended", {"memory": held, "processes": len(pids) - 1}
        return None

    def late(self, job):
        """Whether its time is up. For how long it, and what it judges, waited for a core that others had is excused().
        Children that have ended no longer tell it: the machine does, of all together."""
        over = time.monotonic() - job.begin - job.limit
        if over <= 0:
            return False
        waited = max(waiting_in(job.judge.pid) - job.waited, contended() - job.contended)
        return over > excused(job.limit, waited)

    def by_design(self, job):
        return job.check.id in ("thousand", "ten-thousand")  # a process for each of a thousand clients is a way to do it

    def finish(self, job):
        said = job.judge.said()
        self.jobs.remove(job)
        if said.get("status") == "passed":
            self.free.append(job.judge)
        else:
            self.end(job.judge)
        self.conclude(job.check, Verdict(**said) if said else Verdict("error", "the process that judged has died"))

    def cut_off(self, job, message, facts):
        verdict = Verdict("failed", message, round(time.monotonic() - job.begin, 3), time.time(),
                          **({"facts": facts} if facts else self.last_words(job)))
        self.jobs.remove(job)
        self.end(job.judge)
        self.conclude(job.check, verdict)

    def last_words(self, job):
        """{field of its verdict: what the process that judges can tell of its subject}, if it still can."""
        send(job.judge.pid, signal.SIGALRM)
        end = time.monotonic() + LAST_WORDS
        while (left := end - time.monotonic()) > 0 and not job.judge.hear(left):
            pass
        found = job.judge.said()
        return {field: found[field] for field in ("steps", "state", "facts", "said") if found}

    def end(self, judge):
        """Ends who judges, and whatever was left to us by those who have ended."""
        judge.end()
        kill_all(spare=[other.pid for other in (*self.free, *(job.judge for job in self.jobs))])

    def conclude(self, check, verdict):
        """Counts a verdict, or keeps it until what the check needs is decided; if that fails, it is as if this one had
        never begun, whatever came of it."""
        if check.needs in self.by_id and check.needs not in self.verdicts:
            self.early[check.id] = verdict
            return
        self.verdicts[check.id] = verdict
        self.told(check.id, verdict)
        for above in (each for each in self.checks if each.needs == check.id):
            if verdict.status in ("failed", "skipped"):
                self.skip(above)
            elif above.id in self.early:
                self.conclude(above, self.early.pop(above.id))

    def skip(self, check):
        """Concludes that a check need not be run, whether it runs or not, since what it needs did not pass."""
        for job in [job for job in self.jobs if job.check is check]:
            self.jobs.remove(job)
            self.end(job.judge)
        self.early.pop(check.id, None)
        self.conclude(check, Verdict("skipped", f"needs {check.needs}"))
