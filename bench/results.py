"""What a run has found: every round of it, as it is kept in a file, and what it comes to."""

import csv
import json
import os
import platform
import re
import resource
import statistics
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import plan
import servers
from words import _, kept

FOLDER = Path(__file__).with_name("results")
SCHEMA = Path(__file__).with_name("results.schema.json")
METRICS = {  # name: (heading, factor, unit); less is better, but for messages_per_second
    "messages_per_second": (kept("messages/s"), 1, "/s"),
    "cpu_us": (kept("CPU"), 1, "µs"),
    "p50_us": ("p50", 1, "µs"),
    "p99_us": ("p99", 1, "µs"),
    "p99_9_us": ("p99.9", 1, "µs"),
    "memory": (kept("memory"), 1e-6, "MB"),
    "memory_per_connection": (kept("a connection"), 1e-3, "kB"),
    "kernel_per_connection": (kept("a connection in the kernel"), 1e-3, "kB"),
    "system_calls": (kept("system calls"), 1, ""),
    "switches": (kept("switches"), 1, ""),
}
COUNTED = ("system_calls", "switches")  # a message: not timed, so that a single round tells something
HALF = 0.5  # of a call a message: what is counted in one round differs by chance, and by less than that
ENOUGH = 3  # calm rounds, with which the disturbed ones are left out


class Bad(Exception):
    """A results file that cannot be used: one line that says which, and why."""


@dataclass(frozen=True)
class Figure:
    """The median of some rounds, and their spread: the smallest and the largest of them. A ratio of what no run has
    both of is that of the medians, of 0 rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values), len(values))

    def differs_from(self, other):
        """A difference is one when the spreads do not overlap: less than that may be chance. From a single round no
        spread can be told."""
        return min(self.rounds, other.rounds) > 1 and (self.low > other.high or self.high < other.low)


class Results:
    """`data` is what is in the file, and documented by its schema."""

    def __init__(self, data):
        self.data = data

    @classmethod
    def load(cls, name):
        """From a path, or a name in bench/results/. Raises Bad."""
        path = Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"
        try:
            data = json.loads(path.read_text())
        except OSError as error:
            raise Bad(_("{what}: {reason}", what=path, reason=error.strerror)) from None
        except ValueError as error:
            raise Bad(_("{file}: no JSON: {reason}", file=path, reason=error)) from None
        complain(path, data)
        return cls(data)

    def save(self, folder=FOLDER):
        """NAME.json, and NAME.csv with the rounds alone. What stood there is replaced in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.data["rounds"]
        for end, write in (("json", self.write_json), ("csv", self.write_csv)):
            part = folder / f".{self.data['name']}.{end}"
            with part.open("w", newline="") as file:
                write(file, rows)
            part.replace(folder / f"{self.data['name']}.{end}")

    def write_json(self, file, rows):
        """A round a line, so that git shows a change of one as that."""
        head = json.dumps(self.data | {"rounds": []}, indent=1, ensure_ascii=False)
        lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
        file.write(head.replace('"rounds": []', f'"rounds": [\n{lines}\n ]') + "\n")

    def write_csv(self, file, rows):
        columns = ["run", "round", "sweep", "at", "server", *METRICS, "disturbed", "load_share", "by", "failed"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)

    # ---- what it comes to

    def rounds(self, sweep, at, server):
        """Those that count: of the ones that went well the calm ones, or all of them where too few are."""
        well = [one for one in self.data["rounds"]
                if (one["sweep"], one["at"], one["server"]) == (sweep, at, server) and "failed" not in one]
        calm = [one for one in well if one.get("disturbed", 0) <= self.data["calm"]]
        return calm if len(calm) >= ENOUGH else well

    def figure(self, metric, sweep, at, server):
        values = [one[metric] for one in self.rounds(sweep, at, server) if metric in one]
        return Figure.of(values) if values else None

    def ratio(self, metric, one, other):
        """How many times `other` the point `one` is, both (sweep, at, server): taken within each round of a run, since
        what disturbs the machine for a while disturbs both. Where no round has both, the ratio of the medians, without
        a spread. None where one of them has no figure."""
        found = [{round_of(row): row[metric] for row in self.rounds(*point) if metric in row} for point in (one, other)]
        both = [found[0][number] / found[1][number] for number in found[0] if found[1].get(number)]
        if both:
            return Figure.of(both)
        figures = self.figure(metric, *one), self.figure(metric, *other)
        if not all(figures) or not figures[1].median:
            return None
        of_medians = figures[0].median / figures[1].median
        return Figure(of_medians, of_medians, of_medians, 0)

    def beside_none(self, sweep):
        """The point of a sweep of idle connections at which there are none: its own, or, where it has none, that of as
        many active ones."""
        return (sweep, 0) if 0 in self.points(sweep) else ("connections", plan.ACTIVE[sweep])

    def most_rounds(self, sweep=None):
        """Of a server at a point, of this sweep or of all."""
        count = Counter((one["sweep"], one["at"], one["server"]) for one in self.data["rounds"]
                        if sweep in (None, one["sweep"]))
        return max(count.values(), default=0)

    def servers(self, sweep):
        """In the order in which the sweep names them."""
        return list(dict.fromkeys(one["server"] for one in self.data["order"] if one["sweep"] == sweep))

    def points(self, sweep):
        return sorted({one["at"] for one in self.data["order"] if one["sweep"] == sweep})

    def sweeps(self):
        return list(dict.fromkeys(one["sweep"] for one in self.data["order"]))

    def failures(self):
        """{(server, sweep, at): reason}"""
        return {(one["server"], one["sweep"], one["at"]): one["failed"]
                for one in self.data["rounds"] if "failed" in one}

    def disturbed(self):
        """(measurements above the bound, all that say how disturbed they were)."""
        shares = [one["disturbed"] for one in self.data["rounds"] if "disturbed" in one]
        return sum(share > self.data["calm"] for share in shares), len(shares)


def round_of(row):
    """Its run and its number: what is put together from several runs has the same numbers in each."""
    return row.get("run", 1), row["round"]


def complain(path, data):
    import jsonschema  # only who reads a file needs it

    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    for error in validator.iter_errors(data):
        where = "/".join(map(str, error.absolute_path)) or _("the whole")
        raise Bad(_("{file}: no results of ./lab bench: {where}: {reason}", file=path, where=where,
                    reason=error.message[:200]))


# ---- the machine


def first(pattern, file):
    found = re.search(pattern, Path(file).read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def said(*command):
    """The first line that a program prints."""
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def build_options(build):
    try:
        options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
    except (OSError, ValueError):
        return "unknown"
    found = {one["name"]: one["value"] for one in options}
    return f"-O{found['optimization']}" + (" -g" if found["debug"] else "")


def machine(build, cores):
    return {
        "processor": first(r"^model name\s*: (.*)", "/proc/cpuinfo"),
        "virtual": " hypervisor" in Path("/proc/cpuinfo").read_text(),
        "cores": len(cores),
        "memory_kb": int(first(r"^MemTotal:\s+(\d+)", "/proc/meminfo")),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": first(r'^PRETTY_NAME="?([^"\n]*)', "/etc/os-release"),
        "compiler": said("c++", "--version"),
        "options": build_options(build),
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "load_average": os.getloadavg()[0],
        "peers": {name: servers.version(name) for name in servers.CONFIGURED if not servers.KNOWN[name].missing(build)}
        | {name: said("pkg-config", "--modversion", name) for name in ("libuv", "libevent")}
        | {"asio": asio_version()},
    }


def asio_version():
    try:
        number = int(first(r"#define ASIO_VERSION (\d+)", "/usr/include/asio/version.hpp"))
    except (OSError, ValueError):
        return "unknown"
    return f"{number // 100000}.{number // 100 % 1000}.{number % 100}"


# ---- two runs


def differ(metric, one, other):
    """Whether two figures do; None where that cannot be told: from a single round of what is timed."""
    if min(one.rounds, other.rounds) == 1:
        return abs(one.median - other.median) >= HALF if metric in COUNTED else None
    return one.differs_from(other)


def only_in(before, after):
    """[(sweep, at, server)] of what `before` has figures of, and `after` has none."""
    return [point for point in dict.fromkeys((one["sweep"], one["at"], one["server"]) for one in before.data["order"])
            if before.rounds(*point) and not after.rounds(*point)]


def compared(before, after):
    """[(metric, sweep, at, server, figure before, figure after)] of all that both have."""
    points = {(one["sweep"], one["at"], one["server"]): None for one in before.data["order"]}
    found = []
    for point in points:
        for metric in METRICS:
            figures = before.figure(metric, *point), after.figure(metric, *point)
            if all(figures):
                found.append((metric, *point, *figures))
    return found
