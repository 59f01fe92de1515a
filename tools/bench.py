"""./lab bench: every server under the same load, in rounds that alternate between them; --compare holds two runs side
by side, --page puts the reference's figures into the texts."""

import argparse
import datetime
import itertools
import os
import re
import resource
import shlex
import shutil
import sys
import time
from pathlib import Path

import packages
from build import build, locked, set_up
from common import BUILD, ROOT, USAGE, Trouble, say
from words import _, translated

sys.path.insert(1, str(ROOT / "bench"))

CALM = 0.08  # the share of the cores' time that others may have
REPEATS = 2  # of a measurement that was disturbed
PROGRAMS = ("01_basic_tcp", "02_fork_server", "03_thread_server", "04_select", "05_poll", "06_epoll", "07_reactor",
            "08_threadpool", "09_udp", "10_unix_socket", "11_http", "12_libevent", "bench")


def parse(words):
    parser = argparse.ArgumentParser(prog="./lab bench", add_help=False, allow_abbrev=False)
    parser.add_argument("servers", nargs="*", metavar="SERVER")
    parser.add_argument("--sweep", action="append", default=[], metavar="NAME[=N,N…]")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=positive(int), help="at most: 5, or 3 with --quick")
    parser.add_argument("--seconds", type=positive(float), help="of each measurement: 0.25, or 0.1 with --quick")
    parser.add_argument("--time", type=positive(float), help="seconds for all of it: 540, or 50 with --quick")
    parser.add_argument("--name", help="of the results, in bench/results/: the date and time unless told otherwise")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"))
    parser.add_argument("--page", action="store_true")
    parser.error = refuse
    options = parser.parse_args(words)
    if options.page and len(words) > 1:
        raise Trouble(_("bench: --page takes nothing else"), USAGE)
    if options.compare and len(words) > 3:
        raise Trouble(_("bench: --compare takes two results and nothing else"), USAGE)
    if options.name is not None and not options.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise Trouble(_("bench: --name: '{name}' is not made of letters, digits, '-', '_' and '.'", name=options.name),
                      USAGE)
    for name, slow, quick in (("rounds", 5, 3), ("seconds", 0.25, 0.1), ("time", 540, 50)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else slow)
    return options


def refuse(line):
    """Raises Trouble with what argparse says of the words: it speaks English alone."""
    if found := re.fullmatch(r"argument (\S+): expected one argument", line):
        line = _("argument {option}: expected one argument", option=found[1])
    elif found := re.fullmatch(r"argument (\S+): expected 2 arguments", line):
        line = _("argument {option}: expected 2 arguments", option=found[1])
    elif found := re.fullmatch(r"argument (\S+): invalid positive number value: '(.*)'", line):
        line = _("argument {option}: invalid positive number value: '{text}'", option=found[1], text=found[2])
    elif found := re.fullmatch(r"unrecognized arguments: (.*)", line):
        line = _("unrecognized arguments: {words}", words=found[1])
    raise Trouble(_("bench: {reason}", reason=line), USAGE)


def positive(kind):
    def read(word):
        number = kind(word)
        if not 0 < number < 1e6:
            raise ValueError
        return number
    read.__name__ = "positive number"  # what argparse calls it
    return read


def wanted_sweeps(options):
    """[(sweep, the values of its number)] that --sweep names; all of them otherwise."""
    import plan

    found = []
    for words in options.sweep:
        name, equals, numbers = words.partition("=")
        if name not in plan.BY_NAME:
            raise Trouble(_("bench: there is no sweep '{name}': {known}", name=name, known=", ".join(plan.BY_NAME)),
                          USAGE)
        sweep = plan.BY_NAME[name]
        values = numbers.split(",") if equals else []
        if not all(value.isdigit() and int(value) < 10**9 for value in values):
            raise Trouble(_("bench: --sweep {name}: '{text}' is not a list of numbers", name=name, text=numbers), USAGE)
        least = 0 if sweep.name in ("work", *plan.ACTIVE) else 1
        if any(int(value) < least for value in values):
            raise Trouble(_("bench: --sweep {name}: '{text}' has a number below {least}", name=name, text=numbers,
                            least=least), USAGE)
        found.append((sweep, tuple(map(int, values)) or (options.quick and sweep.quick) or sweep.at))
    found = found or [(sweep, sweep.quick if options.quick else sweep.at) for sweep in plan.SWEEPS]
    return [(sweep, values if has_none(sweep, values, found) else (0, *values)) for sweep, values in found]


def has_none(sweep, values, wanted):
    """Whether what a message costs beside no idle connections is measured in the same rounds, or not asked for."""
    import plan

    active = plan.ACTIVE.get(sweep.name)
    elsewhere = any(other.name == "connections" and active in at for other, at in wanted)
    return not values or 0 in values or active is None or elsewhere


def wanted_servers(options, folder):
    import servers

    try:
        return [servers.named(words, folder) for words in options.servers]
    except (LookupError, ValueError) as error:
        raise Trouble(_("bench: {reason}", reason=error.args[0]), USAGE) from None


def prepare():
    """Brings the programs up to date. Libraries that came after the build folder was set up are looked for again."""
    import servers

    build(PROGRAMS)
    libraries = {servers.PACKAGES[name]: name for name in ("libuv", "asio")}
    if any(package.found() and not (BUILD / "bench" / "peers" / libraries[package.name]).exists()
           for package in packages.listed() if package.name in libraries):
        import fcntl

        with locked(BUILD, fcntl.LOCK_EX):
            set_up(BUILD, ["--reconfigure"])
        build(PROGRAMS)


def name_missing(wanted):
    """What would have been used for these sweeps. The HTTP servers are in no group: each starts a service."""
    import servers

    http = any(sweep.who == servers.HTTP for sweep, _values in wanted)
    lacking = [package for package in packages.missing("bench", "http")
               if package.group == "bench" or package.name == "wrk" and http]
    if lacking:
        say(_("left out, since it is not installed: {what}", what=", ".join(package.name for package in lacking)))
        say(_("this installs it: {command}", command=packages.how_to_install(lacking)))
    services = [servers.PACKAGES[name] for name in servers.CONFIGURED if not shutil.which(name, path=servers.PATH)]
    if services and http:
        say(_("left out, and not installed by us, since each of these packages starts a service: {what}",
              what=", ".join(services)))


class Run:
    """Takes the rounds, and keeps what they find in `results`, which is complete at any moment."""

    def __init__(self, options, points, left_out, folder, command):
        import results

        self.options, self.points, self.folder = options, points, folder
        self.machine = sorted(os.sched_getaffinity(0))
        self.begin = time.monotonic()
        self.took = {}  # seconds that a measurement of a cell took, the last time
        self.given_up = set()
        order = [{"sweep": cell.sweep.name, "at": cell.at, "server": cell.server.name}
                 for point in points.values() for cell in point]
        now = datetime.datetime.now(datetime.timezone.utc)
        self.results = results.Results({
            "schema": 1, "name": options.name or now.strftime("%Y-%m-%d-%H%M%S"),
            "date": now.isoformat(timespec="seconds"), "command": command,
            "seconds": options.seconds, "took": 0, "complete": False, "calm": CALM,
            "quick": options.quick, "cores": {"server": self.machine[-1:], "load": self.machine[:1]},
            "machine": results.machine(folder, self.machine), "left_out": left_out, "order": order, "rounds": []})

    @property
    def passed(self):
        return time.monotonic() - self.begin

    def left(self, cells):
        """Seconds that these will take, as they did before; those not yet tried as the others did on average."""
        known = [self.took[cell] for cell in cells if cell in self.took]
        average = sum(self.took.values()) / len(self.took) if self.took else 1.0
        return sum(known) + average * (len(cells) - len(known))

    def rounds(self):
        """The rounds, a list of cells each, as long as the next one fits into the time."""
        import plan

        for number in range(self.options.rounds):
            cells = [cell for cell in plan.one_round(self.points, number) if cell not in self.given_up]
            if number and self.passed + self.left(cells) > self.options.time:
                say(_("{number} rounds: another one would take longer than {seconds:g} s", number=number,
                      seconds=self.options.time))
                return
            yield number, cells

    def carry_out(self, progress):
        """`progress(cell, seconds passed, seconds left)` is called before each measurement."""
        for number, cells in self.rounds():
            for done, cell in enumerate(cells):
                if self.passed > self.options.time:
                    say(_("{seconds:g} s are over before round {number} was complete", seconds=self.options.time,
                          number=number + 1))
                    return
                rest = self.left(cells[done:])
                all_of_it = rest + (self.options.rounds - number - 1) * self.left(cells)
                progress(cell, self.passed, min(all_of_it, max(0, self.options.time - self.passed)))
                self.measure(number, cell, rest)
        self.results.data["complete"] = True

    def measure(self, number, cell, rest):
        """Once, and again while it was disturbed and there is time beyond the `rest` of the round: the calmest one
        counts. In the first round only what has no other is repeated."""
        import measuring
        from check import Failed

        begin, found = time.monotonic(), []
        try:
            for repeated in itertools.count():
                found.append(measuring.measure(cell, self.folder, self.machine, self.options.seconds))
                calm = found[-1].get("disturbed", 0) <= CALM
                in_time = self.passed + rest < self.options.time
                if calm or repeated == REPEATS or not in_time or (number == 0 and not cell.sweep.once):
                    break
            row = min(found, key=lambda one: one.get("disturbed", 0)) | {"repeated": len(found) - 1}
        except Failed as failure:
            row = {"failed": str(failure)}
            self.given_up.add(cell)
            say(_("{what}: failed: {reason}", what=cell, reason=translated(str(failure))))
        self.took[cell] = (time.monotonic() - begin) / max(1, len(found))
        self.results.data["rounds"].append(
            {"round": number, "sweep": cell.sweep.name, "at": cell.at, "server": cell.server.name}
            | {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()})


def carry_out(run):
    """With a bar on the terminal. What is done when somebody interrupts is saved, and the interrupt goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(30), TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}  {task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", left="")

        def progress(cell, passed, left):
            bar.update(task, completed=passed, total=passed + left, description=str(cell),
                       left=_("{seconds:.0f} s left", seconds=left))
        try:
            run.carry_out(progress)
        finally:
            run.results.data["took"] = round(run.passed, 1)
            run.results.save()


def report(results, folder):
    """Tables on the terminal, and plots beside the file. Returns the exit code."""
    import tables

    tables.show(results)
    if any(package.wanted == "python:matplotlib" for package in packages.missing("bench")):
        say(_("no plots: python3-matplotlib is not installed"))
    else:
        import plots

        plots.draw_all(results, folder)
    say(_("kept in {name}.json, .csv, and the plots in the folder of that name", name=os.path.relpath(folder)))
    for line in tables.failures(results):
        say(line)
    return 1 if results.failures() else 0


def require_modules(*names):
    """What is wanted of Python for what is no measurement. Raises Trouble with the command that installs it."""
    lacking = [package for package in packages.listed()
               if package.wanted.removeprefix("python:") in names and not package.found()]
    if lacking:
        raise Trouble(_("missing: {what}; this installs it: {command}", command=packages.how_to_install(lacking),
                        what=", ".join(package.name for package in lacking)))


def compare(names):
    packages.require("core")
    require_modules("jsonschema")
    import results
    import tables

    try:
        before, after = (results.Results.load(name) for name in names)
    except results.Bad as bad:
        raise Trouble(bad) from None
    return tables.compare(before, after)


def renew_texts(texts=None):
    """Draws the reference's pictures anew, and writes its figures into the texts. Returns the exit code: 1 when a text
    claims what the figures do not bear out."""
    require_modules("jsonschema", "matplotlib")
    import page
    import plots
    import results

    code = 0
    try:
        reference = results.Results.load("reference")
        plots.draw_all(reference, results.FOLDER / "reference")
        for file in texts or page.TEXTS:
            name = os.path.relpath(file, ROOT)
            is_so = file.read_text(encoding="utf-8")
            try:
                should_be = page.fill(is_so, reference, page.language_of(file))
                false_claims = page.false_claims(should_be, reference)
            except page.Wrong as wrong:
                raise Trouble(f"{name}: {wrong}") from None
            if is_so != should_be:
                file.write_text(should_be, encoding="utf-8")
            for line in false_claims:
                say(f"{name}: {line}")
                code = 1
    except results.Bad as bad:
        raise Trouble(bad) from None
    return code


def told(left_out):
    """What cannot be measured, and why, in a line."""
    who, _at, where = left_out["what"].partition(" at ")
    why = translated(left_out["why"])
    return (_("{who} at {where}: {why}", who=who, where=where, why=why) if where
            else _("{what}: {reason}", what=who, reason=why))


def main(words):
    options = parse(words)
    if options.page:
        return renew_texts()
    if options.compare:
        return compare(options.compare)
    wanted = wanted_sweeps(options)
    packages.require("core")
    prepare()
    name_missing(wanted)
    import plan
    from process import raise_descriptor_limit

    raise_descriptor_limit()
    who = wanted_servers(options, BUILD)
    points, left_out = plan.cells(wanted, who, BUILD, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if not points:
        reasons = "; ".join(map(told, left_out))
        raise Trouble(_("bench: nothing is left to be measured: {reasons}", reasons=reasons) if reasons
                      else _("bench: none of these servers takes part in that sweep"), USAGE)
    run = Run(options, points, left_out, BUILD, shlex.join(["./lab", "bench", *words]))
    interrupted = None
    try:
        carry_out(run)
    except (KeyboardInterrupt, SystemExit) as end:
        interrupted = end
    import results

    code = report(run.results, Path(results.FOLDER / run.results.data["name"]))
    if interrupted:
        raise interrupted
    return code
