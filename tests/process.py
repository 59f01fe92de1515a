"""A program under test as a process: start it, know when it is ready, look at it through /proc, stop it.

Ready is a line on its stdout, awaited against a deadline and against its death. Stop is a signal and a bounded
wait. Everything that /proc tells covers the whole session that the program leads, so children count.
"""

import contextlib
import json
import os
import re
import resource
import selectors
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from check import CannotTell, Failed
from journal import journal

READY = re.compile(r"listening on (?:(\d+\.\d+\.\d+\.\d+)|\[([0-9a-f:.]+)\]):(\d+)\n")
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:abort_on_error=0:detect_leaks=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}
POLL = 0.005  # seconds between two looks at /proc


def look_for_leaks():
    """Has AddressSanitizer look for memory that nobody owns when a program ends, which takes it 60 ms."""
    SANITIZER_OPTIONS["ASAN_OPTIONS"] = SANITIZER_OPTIONS["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")


def raise_descriptor_limit():
    """As many descriptors as this process may have, for it and what it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wait_until(condition, patience, failure):
    """Polls until `condition()` is true; after `patience` seconds raises Failed(failure())."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(failure() if callable(failure) else failure)
        time.sleep(POLL)


def members(session):
    """{pid: state} of all processes whose session leader is `session`, zombies among them."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        if int(fields[3]) == session:
            found[int(entry)] = fields[0]
    return found


def send(pid, how):
    """Sends a signal to a process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


def resident(pids, shared=True):
    """The bytes that these processes hold in memory, together; without what is `shared`, as a program's text is."""
    total = 0
    for pid in pids:
        try:
            _, pages, common, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
            total += (pages if shared else pages - common) * resource.getpagesize()
        except (OSError, ValueError):  # it ended while we looked
            pass
    return total


def as_its_user(pid, action):
    """What `action` returns, as JSON keeps it, done by the user of process `pid`: root may not everywhere, such as in
    a container. Raises CannotTell when that user may not either, FileNotFoundError when the process has ended."""
    owner = os.stat(f"/proc/{pid}")
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        try:
            os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
            os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
            with open(theirs, "w") as pipe:
                pipe.write(json.dumps(action()))
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    if not found:
        os.stat(f"/proc/{pid}")
        raise CannotTell("the system does not let us see its descriptors, or set its limits")
    return json.loads(found)


def prlimit(pid, which, *limits):
    """As resource.prlimit, also where only the process's own user may."""
    try:
        return resource.prlimit(pid, which, *limits)
    except PermissionError:  # no CAP_SYS_RESOURCE
        return tuple(as_its_user(pid, lambda: resource.prlimit(pid, which, *limits)))


def links(folder):
    """[(number, target)] of a folder of descriptors in /proc."""
    found = []
    for number in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed while we looked
            found.append((int(number), os.readlink(f"{folder}/{number}")))
    return found


def descriptors(pid):
    """{number: target} of the open descriptors of `pid`. Raises CannotTell where they are not to be seen."""
    folder = f"/proc/{pid}/fd"
    try:
        return dict(links(folder))
    except PermissionError:  # no CAP_SYS_PTRACE
        return dict(as_its_user(pid, lambda: links(folder)))


def threads_of(pid):
    """Their folders in /proc; none when it has ended."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def scheduled(pid, column):
    """Seconds in this column of schedstat, of all threads of `pid` together. proc_pid_schedstat(5)"""
    total = 0
    for thread in threads_of(pid):
        with contextlib.suppress(OSError):
            total += int((thread / "schedstat").read_text().split()[column])
    return total / 1e9


def waited_for_a_core(pid):
    """Seconds for which threads of `pid` wanted a core that others had."""
    return scheduled(pid, 1)


def contended():
    """Seconds so far for which somebody on this machine wanted a core that others had: those count too who have ended
    since. 0 where the kernel does not say it: Documentation/accounting/psi.rst"""
    with contextlib.suppress(OSError):
        if found := re.search(r"^some .*total=(\d+)", Path("/proc/pressure/cpu").read_text(), re.MULTILINE):
            return int(found[1]) / 1e6
    return 0.0


def excused(limit, waited):
    """Of the seconds that were waited for a core those by which `limit` is put off: up to twice as many as it has."""
    return min(2 * limit, waited)


def all_threads_are(states, pid):
    """Whether each thread of `pid` is in one of these states. proc_pid_stat(5)"""
    stats = [(thread / "stat").read_text() for thread in threads_of(pid)]
    return all(stat.rpartition(")")[2].split()[0] in states for stat in stats)


class Process:
    """A program that leads a session of its own. Its stderr goes to a file; its stdout is a pipe. With a `sandbox` it
    runs in there."""

    def __init__(self, command, environment=None, sandbox=None, **popen):
        self.command = [str(word) for word in command]
        self.log_file = tempfile.TemporaryFile()
        if sandbox:
            popen |= sandbox.keywords(popen.pop("cwd", None))
        self.popen = subprocess.Popen(
            self.command,
            stdin=popen.pop("stdin", subprocess.DEVNULL),
            stdout=popen.pop("stdout", subprocess.PIPE),
            stderr=self.log_file,
            start_new_session=True,
            env={**(sandbox.environment if sandbox else os.environ), **SANITIZER_OPTIONS, **(environment or {})},
            **popen,
        )
        self.pid = self.popen.pid
        journal.step("the server", f"is started: {' '.join(self.command)}")

    # ---- what it says

    @property
    def log(self):
        """All it has written to stderr so far."""
        descriptor = self.log_file.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def sanitizer_report(self):
        """The log when a sanitizer complained in it, else empty."""
        return self.log if SANITIZER_REPORT.search(self.log) else ""

    # ---- what it is doing, from /proc

    def alive(self):
        return self.popen.poll() is None

    def processes(self):
        """The pids that are running, the program's own among them."""
        return [pid for pid, state in members(self.pid).items() if state not in "ZX"]

    def asleep(self):
        """Whether none of its threads has anything to do: each waits, or has ended."""
        with contextlib.suppress(OSError):
            return all(all_threads_are("SZX", pid) for pid in self.processes())
        return False

    def children(self):
        return [pid for pid in self.processes() if pid != self.pid]

    def zombies(self):
        return [pid for pid, state in members(self.pid).items() if state == "Z" and pid != self.pid]

    def descriptors(self, pid=None):
        """{number: target} of the open descriptors of `pid`, the program itself unless told otherwise."""
        return descriptors(pid or self.pid)

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def holdings(self):
        """What it holds, in words: descriptors, threads, children, zombies."""
        return (f"{len(self.descriptors())} descriptors, {self.threads()} threads, {len(self.children())} children, "
                f"{len(self.zombies())} zombies")

    def memory(self):
        """Resident bytes, all processes together."""
        return resident(self.processes())

    def cpu(self):
        """Seconds of CPU time so far, of all running processes and their threads, to the nanosecond."""
        return sum(scheduled(pid, 0) for pid in self.processes())

    def waited(self):
        """Seconds for which its threads wanted a core that others had, so far."""
        return sum(map(waited_for_a_core, self.processes()))

    def cpu_share(self, seconds):
        """The share of one core that it takes while we watch for `seconds`."""
        before, begin = self.cpu(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu() - before) / (time.monotonic() - begin)

    @contextlib.contextmanager
    def frozen(self, pids=None):
        """Stops its processes (or only `pids`), and lets them go on at the end of the block. Inside it every thread of
        theirs stands still: the signal is only a request, and wakes who sleeps in a call before it stops him."""
        pids = pids or self.processes()
        journal.step("the server", "stands still: SIGSTOP")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: all(all_threads_are("TtZX", pid) for pid in pids), 8.0, "SIGSTOP does not stop it")
            yield
        finally:
            journal.step("the server", "goes on: SIGCONT")
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    # ---- its end

    def wait(self, patience, lenient=True):
        """Its exit code, negative for a signal. Raises Failed when it does not end in `patience` seconds; those in which
        somebody waited for a core are excused(), where we are lenient."""
        end, before, late = time.monotonic() + patience, contended(), 0.0
        while True:
            try:
                return self.popen.wait(max(0.0, end + late - time.monotonic()))
            except subprocess.TimeoutExpired:
                late = excused(patience, contended() - before) if lenient else 0.0
                if time.monotonic() >= end + late:
                    raise Failed(f"still running after {patience:g} s: {' '.join(self.command)}") from None

    def send_signal(self, how):
        journal.step("the server", f"gets {how.name}")
        self.popen.send_signal(how)

    def stop(self, how=signal.SIGTERM, patience=2.0):
        """Ends it by the signal `how`; nothing of its session may be left after `patience` seconds."""
        self.send_signal(how)
        self.wait(patience)
        wait_until(lambda: not self.processes(), patience, lambda: f"left behind: processes {self.processes()}")

    def kill(self):
        """The end, whatever it takes: for clearing up, never for judging."""
        for pid in self.processes():
            send(pid, signal.SIGKILL)
        self.popen.wait()
        if self.popen.stdout:
            self.popen.stdout.close()
        self.log_file.close()


class Server(Process):
    """A server that has said where it listens: `address` is the (host, port) to connect to, or the `path` that it
    was told to listen on, "@name" when that is abstract."""

    def __init__(self, command, patience=4.0, path="", **rest):
        super().__init__(command, **rest)
        self.path = path
        self.ready_line = re.escape(f"listening on {path}\n") if path else READY
        self.output = ""
        try:
            self.address = self.await_ready(patience)
            self.descriptors_at_start = self.descriptors()
        except BaseException:
            self.kill()
            raise

    def await_ready(self, patience):
        deadline = time.monotonic() + patience
        pipe = self.popen.stdout.fileno()
        os.set_blocking(pipe, False)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while "\n" not in self.output:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise Failed(f"not ready after {patience:g} s: nothing says that it listens")
                text = os.read(pipe, 4096).decode(errors="replace")
                if not text:  # it has closed its stdout, which is what dying does
                    raise Failed(self.obituary(patience))
                self.output += text
        ready = re.fullmatch(self.ready_line, self.output)
        if not ready:
            raise Failed(f"the first words on stdout are not the ready line: {self.output!r}")
        return self.path or (ready[1] or ready[2], int(ready[3]))

    def obituary(self, patience):
        """How it died before it was ready, in one line, and the last of what it said."""
        try:
            code = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            return "it closed its stdout and never said that it listens"
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return f"died before it was ready ({how}): {self.log.strip()[-300:] or 'not a word on stderr'}"

    def more_output(self):
        """What it has written to stdout after the ready line."""
        try:
            return os.read(self.popen.stdout.fileno(), 65536).decode(errors="replace")
        except BlockingIOError:
            return ""
