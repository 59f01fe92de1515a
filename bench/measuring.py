"""One measurement: a server under load, and what it took. Nothing here is a number unless the whole measurement went
well: what did not raises Failed, with the reason."""

import contextlib
import http.client
import json
import os
import re
import resource
import select
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import servers
from check import Failed
from process import wait_until
from words import kept

TICK = os.sysconf("SC_CLK_TCK")
WRK = Path(__file__).with_name("wrk.lua")
HERE = "127.0.0.1"
MANY = 900  # connections from which on the kernel's share of each shows
LOOKS, BETWEEN, SLACK = 40, 0.05, 100_000  # at the kernel's memory, seconds, and bytes that it may shrink between two
PATIENCE = 20  # seconds until a mark of the load must have come, beyond those that it measures


@dataclass(frozen=True)
class Cores:
    """Who runs where: server and load apart, where there are two cores. `shared` says that they are not."""

    server: frozenset
    load: frozenset

    @classmethod
    def of(cls, machine, whole):
        """`machine` is the sorted list of cores; `whole`: the server may use all of them but the load's."""
        if whole:
            return cls(frozenset(machine[1:] if len(machine) > 2 else machine),
                       frozenset(machine[:1] if len(machine) > 2 else machine))
        return cls(frozenset(machine[-1:]), frozenset(machine[:1]))

    @property
    def shared(self):
        return bool(self.server & self.load)


# ---- what the system tells


def cpu(server):
    """Seconds of CPU time so far, of its processes and all their threads, the running ones up to this moment
    (clock_getcpuclockid(3) makes a clock of a process number), and of those that it has reaped, to a tick (proc(5))."""
    total = 0.0
    for pid in server.processes():
        with contextlib.suppress(OSError):  # it ended while we looked
            total += time.clock_gettime((~pid << 3) | 2)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[13]) + int(fields[14])) / TICK
    return total


def memory(server, field="Pss"):
    """Resident bytes of its processes; what several of them share is counted once, what it shares with programs of
    others in part. "Pss_Anon": only what no file holds. proc(5), smaps_rollup"""
    total = 0
    for pid in server.processes():
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(rf"^{field}: +(\d+) kB", rollup, re.MULTILINE)[1])
    return total * 1024


def kernel_memory():
    """Bytes that the kernel has for itself, on the whole machine. proc(5), meminfo"""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("Slab", "KernelStack", "PageTables")) * 1024


def settled_kernel_memory():
    """The same, as soon as it no longer shrinks: what the server before has left is given back late."""
    found = kernel_memory()
    for _ in range(LOOKS):
        time.sleep(BETWEEN)
        before, found = found, kernel_memory()
        if found >= before - SLACK:
            break
    return found


def switches(server):
    """How often its threads have given up a core, or lost it. proc(5), status"""
    total = 0
    for pid in server.processes():
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            with contextlib.suppress(OSError):
                total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status.read_text()))
    return total


def busy(cores):
    """Seconds for which these cores have not been idle, plus a constant."""
    idle = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            idle += int(fields[3]) + int(fields[4])
    return time.monotonic() * len(cores) - idle / TICK


class Watch:
    """From when it is made until stop(): what the server took, and how much of the cores somebody else did."""

    def __init__(self, server, load, cores):
        self.server, self.load, self.cores = server, load, cores.server | cores.load
        self.begin = self.now()

    def now(self):
        used = cpu(self.server)
        load = time.clock_gettime((~self.load << 3) | 2) if self.load else 0
        return used, load + time.process_time(), busy(self.cores), time.monotonic()

    def stop(self):
        """Seconds of the server's CPU time, and the share of the cores' time that was neither its own nor ours."""
        used, load, worked, passed = (after - before for before, after in zip(self.begin, self.now()))
        self.used, self.load_used = used, load
        self.disturbed = max(0.0, worked - used - load) / (passed * len(self.cores))


# ---- under bench/load


def words_of(load):
    found = []
    for name, value in load.items():
        found += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return found


class Load:
    """bench/load on a server that runs; its marks come one by one."""

    def __init__(self, program, server, load, seconds, warm_up, cores):
        host, port = server.address if not server.path else ("", 0)
        where = ["--path", server.path] if server.path else ["--host", host, "--port", str(port)]
        self.patience = PATIENCE + seconds + warm_up
        self.popen = subprocess.Popen(
            [program, "--json", "--marks", *where, *words_of(load), "--seconds", str(seconds),
             "--warm-up", str(warm_up)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            preexec_fn=lambda: os.sched_setaffinity(0, cores.load))
        self.pid = self.popen.pid
        self.waits = False  # at a mark, for a line from us

    def mark(self, word):
        """Lets the load go on from the mark before, and waits for this line. Raises Failed with what the load says when
        another comes, or none."""
        if self.waits:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
                self.popen.stdin.write(b"\n")
        self.waits = True
        if not select.select([self.popen.stdout], [], [], self.patience)[0]:
            raise Failed(kept("the load says nothing for {seconds} s", seconds=f"{self.patience:g}"))
        if self.popen.stdout.readline() != word.encode() + b"\n":
            said = self.popen.stderr.read().decode(errors="replace")
            raise Failed(said.strip().removeprefix("load: ") or kept("the load failed"))

    def report(self):
        try:
            said, complaint = self.popen.communicate(timeout=self.patience)
        except subprocess.TimeoutExpired:
            raise Failed(kept("the load says nothing for {seconds} s", seconds=f"{self.patience:g}")) from None
        if self.popen.returncode:
            raise Failed(complaint.decode(errors="replace").strip().removeprefix("load: "))
        return json.loads(said)

    def end(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()


@contextlib.contextmanager
def loading(*words):
    load = Load(*words)
    try:
        yield load
    finally:
        load.end()


def under_load(server, program, cell, seconds, warm_up, cores):
    connections = cell.load["connections"] + cell.load.get("idle", 0)
    before, kernel = memory(server, "Pss_Anon"), settled_kernel_memory() if connections >= MANY else 0
    with loading(program, server, cell.load, seconds, warm_up, cores) as load:
        load.mark("begin")
        watch = Watch(server, load.pid, cores)
        load.mark("end")
        watch.stop()
        load.mark("open")
        whole, after, kernel = memory(server), memory(server, "Pss_Anon"), kernel_memory() - kernel
        found = load.report()
    result = {name: found[name] for name in ("messages_per_second", "p50_us", "p99_us", "p99_9_us")}
    result |= {"cpu_us": watch.used / found["answered"] * 1e6, "load_share": watch.load_used / seconds,
               "disturbed": watch.disturbed, "memory": whole}
    if not cell.load.get("churn") and not cell.load.get("udp"):
        result["memory_per_connection"] = (after - before) / connections
        if connections >= MANY:
            result["kernel_per_connection"] = kernel / connections
    return result


@contextlib.contextmanager
def crowd(cell, build, cores, seconds):
    """As many more processes of the server as the sweep wants beside the one that is measured, each on a loopback
    address of its own and with all its connections open."""
    load = {"connections": 1, "idle": cell.load["connections"] + cell.load.get("idle", 0) - 1}
    with contextlib.ExitStack() as stack:
        for number in range(cell.sweep.beside(cell.at)):
            words = (*cell.sweep.words(cell.at), "--host", f"127.0.1.{number + 1}")
            server = stack.enter_context(servers.running(cell.server, build, words, cores.server))
            holding = stack.enter_context(loading(build / "bench" / "load", server, load, seconds, 0, cores))
            for mark in ("begin", "end", "open"):  # where it waits until it is ended
                holding.mark(mark)
        yield


# ---- calls


class Perf:
    """Counts the system calls of a server's processes, and of those that they start, from now until stop()."""

    def __init__(self, server, folder):
        self.file = folder / "calls"
        (ours_out, self.enable), (self.done, ours_in) = os.pipe(), os.pipe()
        command = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", str(self.file), "-D", "-1",
                   "--control", f"fd:{ours_out},{ours_in}", "-p", ",".join(map(str, server.processes()))]
        self.popen = subprocess.Popen(command, pass_fds=(ours_out, ours_in), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE)
        os.close(ours_out)
        os.close(ours_in)
        os.write(self.enable, b"enable\n")
        if not os.read(self.done, 16):  # it has ended: nothing says that it counts
            self.stop()
            raise Failed("perf does not count here")

    def stop(self):
        self.popen.send_signal(2)
        self.popen.communicate()
        os.close(self.enable)
        os.close(self.done)

    def count(self):
        found = re.search(r"^(\d+),,raw_syscalls:sys_enter", self.file.read_text(), re.MULTILINE)
        if not found:
            raise Failed(kept("perf has counted nothing"))
        return int(found[1])


class Strace:
    """The same, where perf may not."""

    def __init__(self, server, folder):
        self.file = folder / "calls"
        pids = server.processes()
        command = ["strace", "-f", "-c", "-U", "calls,name", "-o", str(self.file), "-p", ",".join(map(str, pids))]
        self.popen = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if b" attached" not in self.popen.stderr.readline():
            self.stop()
            raise Failed("strace may not trace here")

    def stop(self):
        self.popen.send_signal(2)
        self.popen.communicate()

    def count(self):
        return int(re.search(r"^ *(\d+) total$", self.file.read_text(), re.MULTILINE)[1])


def counter(server, folder):
    """The first of the two that is permitted here, counting; None where neither is."""
    for kind in (Perf, Strace):
        with contextlib.suppress(Failed, FileNotFoundError):
            return kind(server, folder)
    return None


def calls(server, program, cell, seconds, warm_up, cores, folder):
    """Context switches a message, and in a run of its own, for counting takes time, system calls a message: those that
    open the connections are among them."""
    processes = len(server.processes())
    with loading(program, server, cell.load, seconds, warm_up, cores) as load:
        load.mark("begin")
        before = switches(server)
        load.mark("end")
        after = switches(server)
        load.mark("open")
        result = {"switches": (after - before) / load.report()["answered"]}
    wait_until(lambda: len(server.processes()) == processes, PATIENCE,
               kept("processes of the first run are left"))
    if not (counting := counter(server, folder)):
        return result
    try:
        with loading(program, server, cell.load, seconds, warm_up, cores) as load:
            for mark in ("begin", "end", "open"):
                load.mark(mark)
            counting.stop()
            found = load.report()
        return result | {"system_calls": counting.count() / found["checked"], "by": type(counting).__name__.lower()}
    finally:
        if counting.popen.poll() is None:
            counting.stop()


# ---- under wrk


def wrk(server, cell, seconds, cores, folder):
    page = folder / "page"
    page.write_bytes(servers.page(cell.load.get("size", servers.PAGE_SIZE)))
    command = ["wrk", "-t1", f"-c{cell.load['connections']}", f"-d{max(1, round(seconds))}s", "--latency",
               "--timeout", f"{PATIENCE}s",  # a late answer is late, and no error
               "-s", str(WRK), f"http://{HERE}:{server.address[1]}/page", "--", str(page)]
    ran = subprocess.run(command, capture_output=True, text=True,
                         preexec_fn=lambda: os.sched_setaffinity(0, cores.load))
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip().splitlines() or [f"exit code {ran.returncode}"]
        raise Failed(f"wrk: {said[-1]}")
    found = json.loads(ran.stdout.splitlines()[-1])
    if found["wrong"] or found["errors"] or not found["requests"]:
        raise Failed(kept("wrk: of {count} answers {wrong} came back wrong, {errors} errors", count=found["requests"],
                          wrong=found["wrong"], errors=found["errors"]))
    return found


def under_wrk(server, cell, seconds, cores, folder):
    """wrk has no marks: all of its run counts, which opening the connections is part of."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch = Watch(server, 0, cores)
    found = wrk(server, cell, seconds, cores, folder)
    watch.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    disturbed = max(0.0, watch.disturbed - own / (found["seconds"] * len(watch.cores)))
    return {"messages_per_second": found["requests"] / found["seconds"], "cpu_us": watch.used / found["requests"] * 1e6,
            "p50_us": found["p50_us"], "p99_us": found["p99_us"], "p99_9_us": found["p99_9_us"],
            "load_share": own / found["seconds"], "disturbed": disturbed, "memory": memory(server)}


# ---- of clients that have nothing more to ask


def kept_alive(server, cell):
    """The memory of connections on which one request was answered, each. They are opened one after another, and all of
    them are there in the end, or there is no number."""
    try:
        return of_kept_alive(server, cell.load["idle"])
    except (OSError, http.client.HTTPException) as error:
        raise Failed(kept("a kept connection: {reason}", reason=str(error) or type(error).__name__)) from None


def of_kept_alive(server, count):
    request = f"GET /page HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode()
    page = servers.page(servers.PAGE_SIZE)
    before = memory(server, "Pss_Anon")
    ends = select.poll()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(server.address, PATIENCE))
            client.sendall(request)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            if answer.status != 200 or answer.read() != page:
                raise Failed(kept("the page came back wrong"))
            ends.register(client, select.POLLIN | select.POLLRDHUP)
        after = memory(server, "Pss_Anon")
        if closed := ends.poll(0):
            raise Failed(kept("{count} connections were closed meanwhile", count=len(closed)))
    return {"memory_per_connection": (after - before) / count}


def measure(cell, build, machine, seconds):
    """What this cell comes to. `machine`: the cores that may be used, sorted. Raises Failed."""
    cores = Cores.of(machine, cell.sweep.whole_machine)
    program, warm_up = build / "bench" / "load", min(0.1, seconds / 3)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
            servers.running(cell.server, build, cell.sweep.words(cell.at), cores.server,
                            cell.load.get("size", servers.PAGE_SIZE)) as server:
        if cell.server.wants_wrk(cell.load):
            return under_wrk(server, cell, seconds, cores, Path(folder))
        if cell.server.transport == "http":
            return kept_alive(server, cell)
        if cell.sweep.counts:
            return calls(server, program, cell, seconds, warm_up, cores, Path(folder))
        with crowd(cell, build, cores, seconds):
            return under_load(server, program, cell, seconds, warm_up, cores)
