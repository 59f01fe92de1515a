"""Why a check failed: a closed list of causes, most of them *seen* in the system calls of a second run under strace,
the others guessed from what the check said. The verdict is never touched: it comes from the run that was not traced.
"""

import dataclasses
import os
import re
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from examine import Climb
from words import kept

CALLS = ("read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,accept,accept4,bind,listen,connect,setsockopt,close,shutdown,"
         "?select,pselect6,?poll,ppoll,epoll_ctl,?epoll_wait,epoll_pwait,?fork,?vfork,clone,clone3,wait4,waitid,rt_sigaction,"
         "exit_group,socket,fcntl,futex,dup,openat,?openat2")
LINE = re.compile(r"(\d+) +(\w+)\((.*?)\) += (-?\d+|0x[0-9a-f]+|\?)(?:<[^>]*>+)?(?: (E[A-Z0-9]+))?")
UNFINISHED = re.compile(r"(\d+) +((\w+)\(.*) <unfinished \.\.\.>")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
TIMED = re.compile(r"(\d+ +)(\d+\.\d+) (.*?)(?: <(\d+\.\d+)>)?$")
SOON = 0.05  # seconds that a line of the trace may be late; the processes are looked at for longer before their end
MOST, MOST_BYTES = 200_000, 1 << 25  # lines of a trace that are looked at, and characters
READS, WRITES = {"read", "readv", "recvfrom", "recvmsg"}, {"write", "writev", "sendto", "sendmsg"}
PATIENCE = 1.0  # seconds: the traced run need not wait long for what does not come


@dataclass(frozen=True)
class Call:
    pid: str
    name: str
    args: str
    result: int  # -1 with an error; None when it did not return
    error: str

    @cached_property
    def descriptor(self):
        found = re.match(r"(\d+)<(TCP|UNIX|UDP|TCPv6|UNIX-STREAM)", self.args)
        return found and found[1]

    @cached_property
    def asked(self):
        """How many bytes were asked for."""
        if self.name in ("readv", "writev", "recvmsg", "sendmsg"):
            return sum(map(int, re.findall(r"iov_len=(\d+)", self.args)))
        found = re.search(r", (\d+)(?:, \w+(?:, NULL, 0)?)?$", self.args)
        return int(found[1]) if found else 0


def until(lines, failed_at):
    """A trace up to the failure, without its times: what our clearing up makes a server do says nothing of it."""
    found, end = [], failed_at + SOON if failed_at else float("inf")
    for timed in filter(None, map(TIMED.match, lines)):
        begin, lasted = float(timed[2]), float(timed[4] or 0)
        if begin + lasted > end and begin < end:  # it waited in this call
            found.append(f"{timed[1]}{timed[3].partition(') = ')[0].rstrip()} <unfinished ...>")
        elif begin < end:
            found.append(timed[1] + timed[3])
    return found


def parse(lines):
    """The calls of a trace, in the order in which they returned; at the end those that did not."""
    calls, begun = [], {}
    for line in lines:
        if found := UNFINISHED.match(line):
            begun[found[1]] = found
            continue
        if (found := RESUMED.match(line)) and found[1] in begun:
            line = f"{found[1]} {begun.pop(found[1])[2]}{found[3]}"
        if found := LINE.match(line):
            result = None if found[4] == "?" else int(found[4], 0)
            calls.append(Call(found[1], found[2], found[3], result, found[5] or ""))
    return calls + [Call(f[1], f[3], f[2].partition("(")[2], None, "") for f in begun.values()]


def moved(calls, names):
    """How many bytes those of the calls that have one of these names have read or written, all together."""
    return sum(max(call.result or 0, 0) for call in calls if call.name in names)


@dataclass
class Evidence:
    """What is known of a failed check: what it said, the state, and the calls of the traced run, if there was one."""

    verdict: object
    calls: list = field(default_factory=list)
    text: str = ""

    def said(self, pattern):
        return re.search(pattern, self.verdict.message, re.DOTALL) is not None

    def printed(self, pattern):
        """Whether it printed this, where a check may have found it already."""
        return re.search(pattern, self.verdict.message + self.verdict.said) is not None

    def exit(self):
        return self.verdict.facts.get("exit")

    def of(self, *names):
        return [call for call in self.calls if call.name in names]

    def on_connections(self):
        """{(descriptor, generation): its reads, writes and close}, in their order."""
        found, generation = {}, {}
        for call in self.calls:
            if call.name in ("accept", "accept4") and call.result and call.result > 0:
                generation[str(call.result)] = generation.get(str(call.result), 0) + 1
            elif call.name in READS | WRITES | {"close", "shutdown"} and call.descriptor in generation:
                found.setdefault((call.descriptor, generation[call.descriptor]), []).append(call)
        return found.values()

    def any(self, pattern):
        return re.search(pattern, self.text, re.MULTILINE) is not None

    # ---- what rules look for

    def end_read_again(self):
        """read returned 0, and the same descriptor was read again, and again."""
        for calls in self.on_connections():
            ends = [call for call in calls if call.name in READS and call.result == 0]
            if len(ends) > 2:
                return True
        return False

    def short_write_forgotten(self):
        """write took less than it was given, or nothing, and the rest never followed."""
        for calls in self.on_connections():
            writes = [call for call in calls if call.name in WRITES]
            cut = any(call.error in ("EAGAIN", "EWOULDBLOCK") or 0 <= (call.result or 0) < call.asked for call in writes)
            if cut and moved(calls, WRITES) < moved(calls, READS):
                return True
        return False

    def forgets_the_rest(self):
        """write took less than it was given, and the next one was given what the next read had brought, and no more."""
        for calls in self.on_connections():
            rest, read = 0, 0
            for call in calls:
                if call.name in READS:
                    read += max(call.result or 0, 0)
                elif call.name in WRITES:
                    if rest and call.asked == read:
                        return True
                    rest, read = call.asked - max(call.result or 0, 0), 0
        return False

    def closed_while_pending(self):
        """The end of file came while it owed bytes, and it closed."""
        for calls in self.on_connections():
            ended = next((i for i, call in enumerate(calls) if call.name in READS and call.result == 0), None)
            if ended is not None and any(call.name == "close" for call in calls[ended:ended + 3]):
                before = [call for call in calls[:ended] if call.name in WRITES]
                owed = moved(calls[:ended], WRITES) < moved(calls[:ended], READS)
                if before and (before[-1].error or (before[-1].result or 0) < before[-1].asked or owed):
                    return True
        return False

    def constant_length(self):
        """Each write has one length, and the reads have not, or another."""
        for calls in self.on_connections():
            reads = [call.result for call in calls if call.name in READS and (call.result or 0) > 0]
            writes = [call.asked for call in calls if call.name in WRITES]
            if reads and writes and min(writes) > max(reads) and not any('"HTTP/' in call.args for call in calls):
                return True
        return False

    def answers_less(self):
        """More was read in one go than was handed to write for it."""
        for calls in self.on_connections():
            given = [call.asked for call in calls if call.name in WRITES]
            biggest = max((call.result for call in calls if call.name in READS and call.result), default=0)
            if given and max(given) < biggest and sum(given) < moved(calls, READS):
                return True
        return False

    def closes_unasked(self):
        """It closed a connection whose end had not come, and which had not failed."""
        for calls in self.on_connections():
            *before, last = calls
            ended = any(call.error not in ("", "EAGAIN", "EINTR") or call.name in READS and call.result == 0
                        for call in before)
            if last.name in ("close", "shutdown") and before and not ended:
                return True
        return False

    def descriptors_kept(self):
        """How many descriptors it made, or saw the end of the connection of, and has not closed."""
        held = set()
        for call in self.calls:
            if call.name in ("dup", "socket") and call.result is not None and call.result >= 0:
                held.add(str(call.result))
            elif call.name in READS | WRITES and call.descriptor:
                if call.error in ("ECONNRESET", "EPIPE") or call.name in READS and call.result == 0:
                    held.add(call.descriptor)
            elif call.name == "close":
                held.discard(re.match(r"\d*", call.args)[0])
        return len(held)

    def opened(self, pattern):
        """Whether a file was opened by a path that looks so."""
        return any(re.search(pattern, call.args) and call.result is not None and call.result >= 0
                   for call in self.of("openat", "openat2"))

    def read_and_not_answered(self):
        """How many bytes at most were read from one connection before anything was written to it."""
        most = 0
        for calls in self.on_connections():
            written = next((at for at, call in enumerate(calls) if call.name in WRITES), len(calls))
            most = max(most, moved(calls[:written], READS))
        return most

    def edge(self):
        return self.any(r"EPOLLET")

    def edge_listener(self):
        """The listener is watched edge-triggered, and it waited again before accept had said that there is nobody."""
        calls = self.of("accept", "accept4", "epoll_wait", "epoll_pwait")
        return (self.any(r"epoll_ctl\(.*EPOLL_CTL_ADD, \d+<(?:TCP|UNIX)[^>]*\]>, .*EPOLLET")
                and bool(calls) and calls[-1].name.startswith("epoll") and not any(call.error == "EAGAIN" for call in calls))

    def small_backlog(self):
        return any(int(call.args.rpartition(",")[2]) < 100 for call in self.of("listen"))

    def killed_in_a_connection(self, name):
        """Whether the signal killed a process that had written to a connection."""
        return any(re.search(rf"^{call.pid} .*killed by {name}", self.text, re.MULTILINE)
                   for call in self.calls if call.name in WRITES and call.descriptor and call.error == "EPIPE")

    def forks(self):
        return any(call.name in ("fork", "vfork", "clone", "clone3") and "CLONE_THREAD" not in call.args
                   and (call.result or 0) > 0 for call in self.calls)

    def threads(self):
        return any(call.name.startswith("clone") and "CLONE_THREAD" in call.args for call in self.calls)

    def blocked_in(self, *names):
        return any(call.result is None and call.name in names and call.descriptor for call in self.calls)

    def waits_for_a_lock(self):
        return any(call.result is None and call.name == "futex" for call in self.calls)

    def shared_connection(self):
        """Two threads read from one connection, and nobody from another."""
        readers = [{call.pid for call in calls if call.name in READS} for calls in self.on_connections()]
        accepted = sum((call.result or 0) > 0 for call in self.of("accept", "accept4"))
        return self.threads() and any(len(pids) > 1 for pids in readers) and sum(map(bool, readers)) < accepted

    def handled_late(self):
        """The handler for SIGCHLD was installed after the first child had been made."""
        first = next((i for i, call in enumerate(self.calls) if call.name in ("fork", "vfork", "clone", "clone3")), None)
        handled = [i for i, call in enumerate(self.calls) if call.name == "rt_sigaction" and "SIGCHLD, {" in call.args]
        return first is not None and bool(handled) and handled[0] > first

    def grown(self, what):
        """Whether the check says that more of `what` are held than before."""
        counts = re.findall(rf"(\d+) {what}", self.verdict.message)
        return len(counts) == 2 and int(counts[1]) > int(counts[0])

    def got(self):
        return bytes.fromhex(self.verdict.differs.get("got", ""))

    def expected(self):
        return bytes.fromhex(self.verdict.differs.get("expected", ""))

    @property
    def where(self):
        return self.verdict.differs.get("at", 0) - self.verdict.differs.get("begin", 0)

    def got_at(self):
        """What came from the first byte on that differs."""
        return self.got()[self.where:]

    def only_beyond_ascii(self):
        """Whether all that differs is beyond ASCII, and differs as two cases of a letter do in Latin-1."""
        wrong = [(got, wanted) for got, wanted in zip(self.got(), self.expected()) if got != wanted]
        return bool(wrong) and all(wanted >= 128 and got ^ wanted == 0x20 for got, wanted in wrong)


@dataclass(frozen=True)
class Cause:
    id: str
    text: str
    checks: str  # which checks it can fail: their ids; empty for any
    seen: object = None  # of the Evidence of a traced run
    guess: object = None  # of the Evidence without one


def says(pattern):
    return lambda e: e.said(pattern)


def case(ids):
    """One of these cases of http_cases.py failed: ids, with blanks between them."""
    return says(rf"^case ({'|'.join(map(re.escape, ids.split()))})[ ,]")


def all_of(*rules):
    return lambda e: all(rule(e) for rule in rules)


def cause_list():
    """In the order in which they are tried."""
    return [
        Cause("crash", "It was ended by a signal that says its memory was misused: build it with -g -fsanitize=address.", "",
              lambda e: e.exit() in (-4, -6, -7, -8, -11), lambda e: e.exit() in (-4, -6, -7, -8, -11)),
        Cause("silent-refusal", "It refuses clients without a line that says so.", "wall", None,
              lambda e: e.said("lines say so") and e.exit() is None),
        Cause("fd-setsize", "A descriptor of 1024 or more is put into an fd_set, which has no room for it.", "wall",
              None, lambda e: True),
        Cause("misuses-memory", "AddressSanitizer has seen it use memory that is not its own, or no longer: its report "
              "names the line.", "", None, lambda e: e.printed("AddressSanitizer|ASan internal")),
        Cause("threads-share-a-variable", "Every thread is given the address of one variable, which the next client "
              "changes: two threads serve one descriptor.", "byte-and-end silent-client burst",
              lambda e: e.shared_connection(), lambda e: e.printed("data race")),
        Cause("data-race", "Two threads use the same memory at once, and nothing keeps them apart: ThreadSanitizer's "
              "report names the lines.", "", None, lambda e: e.printed("data race")),
        Cause("sigpipe", "It wrote to a connection that was reset, and SIGPIPE ended it: ignore SIGPIPE, and look at what "
              "write returns.", "", lambda e: e.killed_in_a_connection("SIGPIPE"), lambda e: e.exit() == -13),
        Cause("forks-without-end", "It makes processes without end.", "", None,
              lambda e: e.verdict.facts.get("processes", 0) >= 100),
        Cause("wrong-transport", "It is a server for another chapter: its socket is of another kind.", "", None,
              says("it has one for")),
        Cause("wrong-port", "It does not listen where its command line says.", "starts udp-starts", None,
              says("and not on")),
        Cause("goes-into-background", "It leaves for the background (daemon, or a shell's &).", "", None, says("background")),
        Cause("dies-at-start", "It ends before it listens: the last that it printed, and its exit code, say why.",
              "starts udp-starts", None, says("died before")),
        Cause("never-listens", "It runs, and never calls listen (or bind, for datagrams) with success.",
              "starts udp-starts", lambda e: not any(c.result == 0 for c in e.of("listen")),
              says("not ready|no socket")),
        # bytes
        Cause("echoes", "It sends back what came as it came: nothing is made upper case.", "", None,
              lambda e: bool(e.got()) and e.got() != e.expected() and e.got().upper() == e.expected()),
        Cause("takes-bytes-for-text", "It takes the bytes for text: not every byte is part of a character, one character "
              "may come in two pieces, and some have an upper case of another length. Leave the bytes what they are.",
              "", None, lambda e: "UnicodeDecodeError" in e.verdict.said or e.got_at().startswith("\ufffd".encode())),
        Cause("beyond-ascii", "It changes bytes beyond ASCII: toupper() under a locale, or Latin-1 by hand. Only a-z change.",
              "", None, lambda e: e.only_beyond_ascii()),
        Cause("constant-length", "write is given the size of the buffer, and not the number of bytes that read returned.",
              "", lambda e: e.constant_length() and (e.verdict.differs or e.said("more came"))),
        Cause("stops-at-nul", "It takes what it read for a C string: the answer ends before the first NUL (strlen, %s).",
              "exact-bytes udp-exact-bytes", None, says("no answer|differs|closed")),
        Cause("read-for-a-line", "It takes each read for one line, and puts something where its end would be. TCP has no lines.",
              "any-split", None, lambda e: bool(e.verdict.differs)),
        Cause("waits-for-newline", "It answers whole lines only: what follows the last newline is lost.", "any-split", None,
              says("closed|no answer")),
        Cause("never-accepts",
              "It listens, and never calls accept: the kernel connects clients by itself, and they wait.",
              "answers", lambda e: e.of("listen") and not e.of("accept", "accept4")),
        Cause("accept-blocks", "It waits in accept for another client, while one that it has waits for an answer: the listener "
              "must not block, or accept once for each readiness.", "answers",
              lambda e: e.blocked_in("accept", "accept4") and e.of("poll", "ppoll", "select", "pselect6", "epoll_wait",
                                                                    "epoll_pwait")),
        Cause("never-watches-connections", "select is told of no connection: its first argument must be the highest "
              "descriptor plus one, and grow.", "answers",
              lambda e: e.of("select", "pselect6") and e.of("accept", "accept4")
              and not any(c.name in READS and c.descriptor for c in e.calls)),
        Cause("never-reads", "It accepts a client and never reads from it.", "answers",
              lambda e: e.of("accept", "accept4") and not any(c.name in READS and c.descriptor for c in e.calls)),
        Cause("never-answers", "It reads what came, and no write of it follows.", "answers udp-answers",
              lambda e: not any(c.name in WRITES and c.descriptor and c.result for c in e.calls), says("no answer|closed")),
        Cause("one-answer", "It closes after the first answer: a connection is not one question.", "next-line", None,
              says("closed|reset")),
        # the end of a connection
        Cause("edge-reads-once", "Edge-triggered, it does not read until EAGAIN: epoll tells of a change once.",
              "byte-and-end much-at-once any-split end-of-file", lambda e: e.edge()),
        Cause("parent-keeps-connection", "The parent does not close its copy of the connection after fork: the client never sees "
              "the end.", "end-of-file", lambda e: e.forks()),
        Cause("ignores-end-of-file", "read returned 0, which is the end of file, and the loop went on.", "end-of-file rests",
              lambda e: e.end_read_again(), lambda e: e.said("does not close")),
        Cause("end-before-answer", "It looks for the end of file before it answers what came with it.", "byte-and-end", None,
              says("closed")),
        Cause("closes-with-output-pending", "The end of file came while it still owed bytes, and it closed: they are lost.",
              "owed-at-end slow-reader",
              lambda e: not e.verdict.differs and not e.forgets_the_rest() and e.closed_while_pending(),
              lambda e: e.said("closed|reset") and not e.forgets_the_rest()),
        Cause("closes-after-so-much", "It closes a connection that has had its share, before its end: a counter that "
              "runs over, or a limit that nobody has asked for.", "slow-reader-100mb", lambda e: e.closes_unasked(),
              says("closed|reset|Broken pipe")),
        Cause("answers-part-of-a-read", "It answers only a part of what it has read: the rest never follows.", "much-at-once "
              "slow-reader", lambda e: e.answers_less()),
        Cause("reads-without-bound", "It reads on from a client that does not read its answers, and keeps all in memory: stop "
              "reading while much is pending.", "peer-not-reading stuck-memory crumbs-memory", None,
              says("took|memory")),
        Cause("lock-held-while-writing", "It holds a lock that all clients need while it waits in write.", "peer-not-reading",
              lambda e: e.threads() and e.blocked_in(*WRITES) and e.waits_for_a_lock()),
        Cause("blocks-in-write", "It waits in write for a client that does not read, and with it wait all others: connections "
              "must not block.", "peer-not-reading", lambda e: e.blocked_in(*WRITES)),
        Cause("short-write", "write took less than it was given (or EAGAIN: nothing), and the rest was never sent.",
              "much-at-once owed-at-end slow-reader peer-not-reading", lambda e: e.short_write_forgotten(),
              lambda e: not e.said("took|no answer.*got b'WHAT|WHAT ABOUT")),
        # clients that leave
        Cause("one-client-only", "accept is called once, outside the loop: nobody is served after the first client.",
              "next-client", lambda e: len(e.of("accept", "accept4")) == 1, says("no answer|closed|connect|reset")),
        Cause("ends-at-reset", "It takes one client's reset (ECONNRESET) for its own failure, and ends.", "reset",
              lambda e: e.any("ECONNRESET"), says("connect|reset")),
        Cause("spins-on-hangup", "A connection that has hung up is reported again and again, and it does not look: POLLHUP and "
              "POLLERR come unasked.", "lets-go", None, says("spins|holds")),
        Cause("busy-wait", "It never waits: it asks again and again whether there is something to do.", "rests udp-rests", None,
              says("spins")),
        # many clients
        Cause("waits-for-its-child", "It waits for its child before it accepts again: a process each, one at a time.",
              "silent-client", lambda e: any(c.name in ("wait4", "waitid") and c.result is None for c in e.calls)),
        Cause("one-after-another", "It serves one client to the end before it accepts the next.",
              "silent-client peer-not-reading", lambda e: not e.forks() and not e.threads() and e.blocked_in(*READS),
              lambda e: e.said("no answer") and not e.said("took")),
        Cause("edge-accepts-once", "Edge-triggered, it does not accept until EAGAIN: clients that come together are one piece of "
              "news.", "burst thousand", lambda e: e.edge_listener()),
        Cause("backlog-too-small", "listen was given room for a few clients only: who comes while the program is busy is "
              "not even connected.", "burst thousand",
              lambda e: e.said("cannot connect.*timed out") and e.small_backlog()),
        Cause("table-too-small", "It has room for fewer clients.", "burst thousand ten-thousand", None, lambda e: True),
        Cause("stays-with-one", "It stays with a connection for as long as more comes: one that streams starves the others.",
              "fair", None, lambda e: True),
        # what is left behind
        Cause("handler-too-late", "The handler for SIGCHLD is installed after the first fork: a child that has ended by then "
              "stays a zombie.", "reaps", lambda e: e.said("a child that has ended") and e.handled_late()),
        Cause("never-reaps", "It never waits for a child: each stays a zombie.", "reaps leaves-nothing",
              lambda e: not e.of("wait4", "waitid") and e.forks(), lambda e: e.grown("zombies")),
        Cause("reaps-one-a-signal", "It waits once for each SIGCHLD: signals that come together are one. Call waitpid with "
              "WNOHANG until nobody is left.", "reaps", None, says("that ended together")),
        Cause("parent-keeps-connection", "The parent does not close its copy of the connection after fork.", "one-holder", None,
              says("the parent holds")),
        Cause("child-keeps-listener", "The child does not close its copy of the listener.", "one-holder", None,
              says("a child holds")),
        Cause("descriptor-leak", "Descriptors only grow: an accepted one is not closed on every path.",
              "leaves-nothing udp-leaves-nothing lets-go",
              lambda e: e.grown("descriptors") and e.descriptors_kept() > 9, lambda e: e.grown("descriptors")),
        Cause("thread-leak", "Threads that have ended are neither joined nor detached: their stacks stay.",
              "leaves-nothing", lambda e: e.threads() and e.said("KiB of memory"), lambda e: e.grown("threads")),
        Cause("memory-leak", "Memory only grows: what is allocated for a client is not freed.",
              "leaves-nothing udp-leaves-nothing", None, says("KiB of memory")),
        # when something runs out
        Cause("exits-on-emfile", "It takes EMFILE, out of descriptors, for its own end.", "out-of-descriptors",
              lambda e: e.any("EMFILE") and e.exit() is not None, lambda e: e.exit() is not None),
        Cause("spins-on-emfile", "Out of descriptors, accept is tried again and again without a pause.", "out-of-descriptors",
              None, says("it spins")),
        Cause("listener-gone", "Out of descriptors, it stops watching the listener, and never comes back to it.",
              "out-of-descriptors", None, says("no answer|closed")),
        Cause("retries-only-when-idle", "Out of descriptors, it tries again only when nobody else talks.",
              "descriptor-from-elsewhere", None, lambda e: True),
        Cause("ends-without-worker", "It ends, or loses a client, when fork or pthread_create fails.", "no-worker", None,
              lambda e: True),
        # its start and its end
        Cause("bind-without-reuseaddr", "bind fails while an old connection is in TIME_WAIT: set SO_REUSEADDR before bind.",
              "restart stops", lambda e: e.any("EADDRINUSE") and not e.any("SO_REUSEADDR"),
              says("in use|died before|and not on")),
        Cause("reuseport", "SO_REUSEPORT lets two servers share one port.", "second-start",
              lambda e: e.any("SO_REUSEPORT")),
        Cause("udp-reuseaddr", "For datagrams SO_REUSEADDR lets two servers share one address.", "udp-second-start",
              lambda e: e.any("SO_REUSEADDR"), lambda e: True),
        Cause("bind-unchecked", "bind or listen failed, and nobody looked at what it returned.", "second-start",
              lambda e: e.any("EADDRINUSE"), lambda e: True),
        Cause("ignores-sigterm", "SIGTERM is ignored.", "stops udp-stops",
              lambda e: e.any(r"rt_sigaction\(SIGTERM, \{sa_handler=SIG_IGN")),
        Cause("children-survive", "Its children go on when it ends.", "stops children-end", None, says("left behind")),
        Cause("waits-for-workers", "At the signal it waits for threads that nobody woke.", "stops", lambda e: e.threads()),
        Cause("does-not-end", "A handler takes the signal, and the program goes on.", "stops udp-stops",
              all_of(says("still running"), lambda e: e.any(r"rt_sigaction\(SIGTERM, \{sa_handler=0x")),
              says("still running")),
        Cause("dies-by-signal", "No handler: the signal ends it as it ends everybody, not with exit code 0.", "exits-0", None,
              lambda e: True),
        Cause("closes-at-stop", "At the signal it closes its connections with bytes owed, or input unread, which is a reset.",
              "owed-at-stop http-begun-at-stop http-unread-at-stop", None, lambda e: True),
        Cause("closes-without-lingering", "It closes while its client still sends: a reset overtakes the answers. Shut the write "
              "side, read on for a while, then close.", "sends-on-at-stop", None, lambda e: True),
        Cause("listens-while-stopping", "It goes on accepting while it stops.", "refuses-at-stop", None, lambda e: True),
        Cause("waits-without-bound", "At a stop it waits for ever for a client that takes nothing.", "grace", None,
              lambda e: True),
        Cause("deaf-to-second-signal", "It does not hear a second signal.", "second-signal", None, lambda e: True),
        # datagrams
        Cause("answers-after-error", "recvfrom failed, and what the buffer still held was answered.", "udp-error", None,
              lambda e: True),
        Cause("buffer-too-small", "Its buffer is smaller than a datagram can be: the rest is cut off (MSG_TRUNC).", "udp-largest",
              None, lambda e: True),
        Cause("connected-socket", "It connects its socket to the first peer, and hears nobody else.", "udp-next-peer",
              lambda e: e.of("connect"), lambda e: True),
        Cause("empty-is-no-end", "recvfrom returned 0: an empty datagram, which ends nothing, and wants an answer.", "udp-empty",
              None, lambda e: True),
        Cause("ends-at-icmp-error", "An ICMP error, since a peer is gone, ends it.", "udp-peer-gone", None, lambda e: True),
        Cause("ends-when-unanswerable", "sendto failed for one peer, and it ends.", "udp-unanswerable", None, lambda e: True),
        Cause("joins-datagrams", "It answers several datagrams by one, or one in pieces.", "udp-apart", None, lambda e: True),
        Cause("receive-buffer-too-small", "Its socket's receive buffer has room for a few datagrams only.", "udp-burst",
              lambda e: e.any("SO_RCVBUF"), lambda e: True),
    ]


def http_cause_list():
    """Those of HTTP, in the order in which they are tried."""
    links = case("link-out link-to-the-system link-up")
    dotfiles = case("dotfile dotfile-below")
    hidden = case("up up-from-below encoded half-encoded encoded-slash encoded-slash-inside dotfile-encoded")
    continues = case("continue continue-chunked")
    return [
        # what the parser takes
        Cause("http-lenient-request-line", "It takes a request line that is none: a method, one blank, a target, one "
              "blank and a version are all that may stand in it.", "http-request-line", None,
              says("where 400 was due")),
        Cause("http-host-unchecked", "It does not look at Host: HTTP/1.1 asks for just one, which names a host.",
              "http-host", None, says("where 400 was due")),
        Cause("http-blank-before-colon", "It takes blanks between a field's name and its colon off: who stands before "
              "it may have read another field.", "http-fields", None,
              case("blank-before-colon tab-before-colon length-before-colon")),
        Cause("http-folded-lines", "It takes a line that begins with a blank for a field of its own.", "http-fields",
              None, case("folded folded-first folded-coding")),
        Cause("http-control-characters", "It lets control characters stand in a field's value.", "http-fields", None,
              case("nul bare-cr cr-cr-lf escape")),
        Cause("http-no-limits", "It waits for the end of a line, or of a head, of any length.", "http-limits",
              lambda e: e.said("no an answer") and e.read_and_not_answered() > 1 << 16, says("no an answer")),
        Cause("http-forgets-half-a-head", "It forgets what has come of a request when the next piece comes: keep it "
              "until the head is whole.", "http-any-split", None,
              says("where an answer was due|no an answer|status 4")),
        # where a body ends
        Cause("http-unknown-coding", "It takes a Transfer-Encoding that it does not know for chunked, or for none: "
              "answer 501, or 400.", "http-framing", None,
              case("gzip gzip-chunked chunked-gzip chunked-twice identity almost-chunked vertical-tab")),
        Cause("http-two-lengths", "A request has two lengths, and it believes one of them.", "http-framing", None,
              case("two-lengths two-equal-lengths")),
        Cause("http-length-and-chunked", "A request has both Content-Length and Transfer-Encoding, and it believes one "
              "of them: a second request is smuggled past who believes the other.", "http-framing", None,
              case("both both-reversed smuggled")),
        Cause("http-length-by-strtol", "It reads a length as strtol or atoi does, with a sign, blanks, and what stands "
              "behind: take digits, and nothing else.", "http-framing", None,
              case("length-list plus minus hexadecimal blank-in-it letters no-digits")),
        Cause("http-size-wraps", "A length, or the size of a chunk, runs over: 2^64 and 5 becomes 5.",
              "http-framing http-chunks", None, case("two-to-the-64 two-to-the-64-and-5")),
        Cause("http-chunks-in-1-0", "It takes chunks from HTTP/1.0, which knows none.", "http-framing", None,
              case("coding-in-1.0")),
        Cause("http-body-not-skipped",
              "It does not read over a body that it does not want: the next request begins in it.",
              "http-framing", None, case("body-of-a-get body-of-a-404 chunked-body-of-a-get")),
        Cause("http-hides-a-broken-body", "A body turns out to be none when its answer has begun, and the answer ends "
              "as if all were well: leave out its last chunk, and close.", "http-bad-chunk-late", None,
              says("as if all were well")),
        # what it answers
        Cause("http-no-content-type",
              "It does not say of what type a body is, or in which characters a text is written.",
              "http-basics", None, says(": Content-Type is")),
        Cause("http-no-allow", "It answers 405 and does not say which methods there are: Allow.", "http-methods", None,
              says(": Allow is")),
        Cause("http-ignores-close", "The client says that this is its last request (Connection: close, or HTTP/1.0), "
              "and it keeps the connection.", "http-persistence", None, case("close close-in-a-list 1.0")),
        Cause("http-one-request-a-read", "It takes what one read brings for one request: the others that came with it "
              "are lost.", "http-persistence", None,
              case("1.1 pipelined pipelined-after-large pipelined-hundreds 404")),
        Cause("http-never-continues", "A client waits for 100 before it sends its body, and never gets it: "
              "Expect: 100-continue.", "http-expect",
              all_of(continues, lambda e: not e.any('"HTTP/1.1 100')), continues),
        Cause("http-date-before-tag", "It looks at the date although the client has sent a tag, which decides alone.",
              "http-conditions", None, case("none-match-wins")),
        Cause("http-weak-comparison", "It compares a weak tag with If-Match, which asks for a strong one.",
              "http-conditions", None, case("match-weak")),
        Cause("http-range-end", "It takes the last position of a range for a length, or for the first byte behind it: "
              "0-9 are ten bytes.", "http-ranges", None, case("first rest last large")),
        Cause("http-if-range-ignored", "It does not heed If-Range: it sends a part of what is another file by now.",
              "http-ranges", None, case("if-range-other if-range-weak if-range-date-before")),
        # files and names
        Cause("http-follows-links", "It lets the kernel follow a symbolic link out of the root: open with openat2 and "
              "RESOLVE_BENEATH.", "http-paths",
              all_of(links, lambda e: e.opened(r'(outside|absolute|up/secret)"')), links),
        Cause("http-nul-in-a-path", "It lets %00 into a path, which ends there for the kernel.", "http-paths", None,
              case("nul")),
        Cause("http-serves-dotfiles", "It serves what begins with a dot: .git, .htpasswd.", "http-paths",
              all_of(dotfiles, lambda e: e.opened(r'\.(hidden|git/config)"')), dotfiles),
        Cause("http-decodes-late", "It looks for .. and dots before it decodes, or not at all: decode once, then look.",
              "http-paths", all_of(hidden, lambda e: e.any(r'openat.*"[^"]*(\.hidden|\.\./secret)"')), hidden),
        Cause("http-redirects-by-target", "It redirects to the target as it came, and a slash: //name is another host.",
              "http-folders", None, case("no-host-of-ours")),
        Cause("http-names-unescaped", "It puts names into a page as they are: a name may hold a tag.", "http-listing",
              None, says("<b>")),
        Cause("http-reads-whole-files",
              "It reads a file of any size into memory: send it piece by piece, or by sendfile.",
              "http-large-memory", None, says("of memory|no the head")),
        Cause("http-cache-for-ever", "It has looked at a file once, and never looks again.", "http-changed-file", None,
              says("the old one is served|is served on")),
        Cause("http-tag-too-coarse", "A file has changed, and its tag has not: a size, or a time in seconds, is not "
              "enough for one.", "http-changed-file", None, says("the old ETag")),
        Cause("http-pads-a-file", "A file becomes another while it is sent, and it sends on: close instead, for its "
              "head has promised the old one.", "http-shrinking-file", None, says("as if it had not|and the connection does not end")),
        Cause("http-no-descriptor-no-file", "It has no descriptor left (EMFILE), and answers that there is no such "
              "file: that is 503.", "http-out-of-descriptors",
              all_of(says("status 404"), lambda e: e.any("openat.* EMFILE")), says("status 404")),
    ]


CAUSES = [*cause_list(), *http_cause_list()]


def find(check, evidence):
    """{id, seen, text} of the likeliest cause, or None."""
    of = [cause for cause in CAUSES if not cause.checks or check.id in cause.checks.split()]
    for cause in of:
        seen = bool(evidence.calls and cause.seen and cause.seen(evidence))
        if seen or cause.guess and cause.guess(evidence):
            return {"id": cause.id, "seen": seen, "text": cause.text}
    return None


def may_trace():
    """Empty, or why nothing can be traced here."""
    try:
        tried = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return kept("strace is not there: causes are guesses")
    return "" if tried.returncode == 0 else kept("tracing is not allowed here: causes are guesses")


def read_trace(file):
    """The lines of a trace. The program that was traced may have put a pipe, or a link, in its place."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), errors="replace") as trace:
            if stat.S_ISREG(os.fstat(trace.fileno()).st_mode):
                return trace.read(MOST_BYTES).splitlines()[:MOST]
    except OSError:
        pass
    return []


def of(failed, verdicts, subject_maker, terms, options):
    """({check: its cause}, what this machine could not do). Runs the failed checks again, traced, where that can be."""
    reason = kept("a server that runs already is not traced: causes are guesses") if options.address else may_trace()
    traces = {}
    if not reason:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            again = [dataclasses.replace(check, needs="") for check in failed
                     if not {"processes", "memory"} & set(verdicts[check.id].facts)]

            def make(check):
                words = ["strace", "-D", "-f", "-yy", "-qq", "-s", "32", "-ttt", "-T", "-e", f"trace={CALLS}", "-A", "-o",
                         f"{folder}/{check.id}"]
                subject = subject_maker(words)(check)
                subject.patience = PATIENCE * options.factor
                return subject

            limited = {id: dataclasses.replace(each, seconds=5, apart=False) for id, each in terms.items()}
            traced = Climb(again, make, limited, options.factor, options.at_once).run()
            for check in again:
                traces[check.id] = until(read_trace(Path(folder, check.id)), traced[check.id].failed_at)
    found = {}
    for check in failed:
        lines = traces.get(check.id, [])
        found[check.id] = find(check, Evidence(verdicts[check.id], parse(lines), "\n".join(lines)))
    return found, [reason] if reason else []
