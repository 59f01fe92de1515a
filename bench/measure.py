#!/usr/bin/env python3
"""Measures servers side by side: the CPU time that each takes for a message, in rounds that alternate between them.

  bench/measure.py --build build --rounds 8 --connections 100 --seconds 0.5 floor 06 "06 --trigger edge" libuv

A server is `floor`, a peer in bench/peers/, a chapter's number or name, or a path; words after it are passed on. The
first one is what the others are held against, unless --against names another. The server has the last core, the load and this script the first.
Each round asks all servers, in an order of its own; a ratio is taken within a round, so that what disturbs the
machine for a while disturbs both sides of it. A measurement in which somebody else wanted the cores (server and load
had to wait for theirs, or the hypervisor was elsewhere, for more than --calm of the time) is repeated, and how many were
is said. Every byte is checked by bench/load, and a measurement that failed is an error, not a number. --save appends the
rounds to a file, --join reports on what such files hold.
"""

import argparse
import itertools
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from chapters import find  # noqa: E402
from process import Server, raise_descriptor_limit  # noqa: E402

RESAMPLES = 2000  # of the rounds, for the interval of a median


def command(build, words):
    """The command line that `words` name, and whether it is there."""
    name, *rest = shlex.split(words)
    for program in (build / "bench" / name, build / "bench" / "peers" / name, Path(name)):
        if program.is_file():
            return [program.resolve(), *rest, "--port", "0"]
    return [build / find(name).name / "server", *rest, "--port", "0"]


def cpu(server):
    """Seconds of CPU time so far, of its processes and all their threads, the running ones up to this moment:
    clock_getcpuclockid(3) makes a clock of a process number."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in server.processes())


def waited(*pids):
    """Seconds for which these processes had something to do and no core to do it on, and all cores were taken away
    by the hypervisor. /proc/PID/schedstat, /proc/stat"""
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    own = sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9
    stolen = int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")
    return own + stolen


def measure(build, words, load, cores):
    """One server under load: what the load reports, and "server": µs of CPU a message, "disturbed": the share of the
    time for which a core was somebody else's."""
    server = Server(command(build, words), patience=5.0)
    try:
        os.sched_setaffinity(server.pid, {cores[-1]})
        with subprocess.Popen([build / "bench" / "load", "--json", "--marks", "--port", str(server.address[1]), *load],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
            before = after = None
            if running.stdout.readline() == "begin\n":
                before = time.monotonic(), cpu(server), waited(*server.processes(), running.pid)
            if running.stdout.readline() == "end\n":
                after = time.monotonic(), cpu(server), waited(*server.processes(), running.pid)
            running.stdout.readline()  # open
            report = running.stdout.read()
        if running.returncode or not after:
            raise SystemExit(f"measure: {words}: the round failed")
        found = json.loads(report)
        seconds, used, lost = (end - start for start, end in zip(before, after))
        found |= {"server": used / found["answered"] * 1e6, "disturbed": lost / seconds}
        return found
    finally:
        server.kill()


def spread(values):
    """(median, lower quartile, upper quartile)"""
    if len(values) < 2:
        return values[0], values[0], values[0]
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return middle, lower, upper


def interval(values):
    """The 95 % bootstrap interval of the median."""
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)]


def measure_in_calm(build, words, load, cores, options):
    """As measure(), once more after each time that was disturbed; "repeated" says how often. None when the time is up."""
    for repeated in itertools.count():
        if time.monotonic() > options.deadline:
            return None
        found = measure(build, words, load, cores)
        if found["disturbed"] <= options.calm:
            return found | {"repeated": repeated}


def show(rounds, against):
    """The table: for each server its CPU a message and its ratio to `against`, with their spread."""
    names = list(rounds[0])
    first = against or names[0]
    repeated = sum(found["repeated"] for one in rounds for found in one.values())
    print(f"{len(rounds)} rounds ({repeated} measurements repeated, since they were disturbed); CPU in µs a message: median "
          f"(quartiles); ratio to {first}: median (quartiles) [95 % interval of the median]; the load's own CPU a message")
    for name in names:
        own = [one[name]["server"] for one in rounds]
        ratios = [one[name]["server"] / one[first]["server"] for one in rounds]
        loads = [one[name]["load_cpu_us_per_message"] for one in rounds]
        rate = statistics.median(one[name]["messages_per_second"] for one in rounds)
        print(f"{name:24} {'%.3f (%.3f-%.3f)' % spread(own):24} {'%.3f (%.3f-%.3f)' % spread(ratios)} "
              f"{'[%.3f-%.3f]' % interval(ratios)}  load {statistics.median(loads):.3f}  {rate:,.0f}/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the orders")
    parser.add_argument("--calm", type=float, default=0.08, help="share of the time, 0.08 unless told otherwise")
    parser.add_argument("--time", type=float, default=600, help="seconds, after which no measurement begins")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", metavar="SERVER")
    parser.add_argument("--join", type=Path, nargs="+")
    parser.add_argument("--idle", default="0", help="idle connections; 'NAME @ N' gives one server N of its own")
    for option, value in (("connections", "100"), ("size", "64"), ("pipeline", "1"), ("seconds", "0.5"), ("warm-up", "0.1")):
        parser.add_argument(f"--{option}", default=value)
    parser.add_argument("--udp", action="store_true", help="datagrams: floor_udp 09 \"floor_udp --batch 16\"")
    parser.add_argument("servers", nargs="*")
    options = parser.parse_args()
    if options.join:
        rounds = [json.loads(line) for file in options.join for line in file.read_text().splitlines()]
        return show(rounds, options.against)
    raise_descriptor_limit()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[:-1]) or set(cores))  # and with it the load, which we start
    load = [word for name in ("connections", "size", "pipeline", "seconds", "warm_up")
            for word in ("--" + name.replace("_", "-"), str(getattr(options, name)))] + ["--udp"] * options.udp
    options.deadline = time.monotonic() + options.time
    rounds = []
    for number in range(options.rounds):
        order = random.Random(options.seed * 1000 + number).sample(options.servers, len(options.servers))
        found = {}
        for name in order:
            words, _, idle = name.partition(" @ ")
            found[name] = measure_in_calm(options.build, words, [*load, "--idle", idle or options.idle], cores, options)
            if not found[name]:
                break
        if not all(found.values()):
            break
        rounds.append({name: found[name] for name in options.servers})
        if options.save:
            with options.save.open("a") as file:
                print(json.dumps(rounds[-1]), file=file)
    if not rounds:
        raise SystemExit("measure: the time is up before the first round was complete")
    show(rounds, options.against)


if __name__ == "__main__":
    main()
