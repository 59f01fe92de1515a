"""./lab grade DIR...: a class's servers, one folder a student, built and judged side by side, and not trusted."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import select
import signal
import tempfile
import time
import traceback
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import checking
import packages
from build import build
from common import CHAPTERS, OWN_FAULT, ROOT, USAGE, Trouble, find_chapter, say, sorted_words
from words import _, translated

VALUED = ("--chapters", "--only", "--out", "--jobs", "--factor", "--stability")
MOST_JOBS = 40  # as many as there are users for
SIDE_BY_SIDE = checking.Options.side_by_side  # checks at once, of all students together
MARGIN = 10  # seconds more than a build has, so that it is the build of which it is said that it takes too long


@dataclass
class Options:
    students: dict  # name: folder
    chapters: list
    only: str = ""
    out: Path = Path("grades")
    jobs: int = len(os.sched_getaffinity(0))
    factor: float = 1.0
    stability: int = 1
    full: bool = False
    serial: bool = False  # one check at a time, for all share one network

    def key(self):
        """What changes a verdict, apart from what was handed in: as it is written to a student's file."""
        return {"chapters": [chapter.number for chapter in self.chapters], "only": self.only, "factor": self.factor,
                "stability": self.stability, "full": self.full}

    def of(self, chapter, command=(), sandbox=None):
        """What ./lab check would be asked about a chapter."""
        side_by_side = 1 if self.serial else max(2, SIDE_BY_SIDE // self.jobs)
        return checking.Options(chapter, list(command), {"--full"} if self.full else set(), only=self.only,
                                factor=self.factor, side_by_side=side_by_side, sandbox=sandbox)


# ---- the command line


def read(words):
    """The Options that the words say. Raises Trouble."""
    values, flags, rest = sorted_words(words, VALUED, ("--full",))
    if unknown := next((word for word in rest if word.startswith("-")), None):
        raise Trouble(_("grade takes folders, one a student; what is '{word}'?", word=unknown), USAGE)
    folders = list(map(Path, rest))
    if not folders:
        raise Trouble(_("grade takes folders, one a student: ./lab grade CLASS/* --chapters 01-08"), USAGE)
    out = Path(values.get("--out", "grades"))
    options = Options(students_in(folders, out), chapters_of(values.get("--chapters")), values.get("--only", ""), out)
    options.jobs = checking.number("--jobs", values.get("--jobs", str(min(options.jobs, MOST_JOBS))), 1, MOST_JOBS)
    options.factor = float(checking.number("--factor", values.get("--factor", "1"), 1, 100))
    options.stability = checking.number("--stability", values.get("--stability", "1"), 1, 100)
    options.full = "--full" in flags
    return options


def students_in(folders, out):
    """{name: folder}; files that a pattern named too are passed over."""
    found = {}
    for folder in folders:
        if not folder.exists():
            raise Trouble(_("there is no folder '{folder}'", folder=folder), USAGE)
        if not folder.is_dir() or folder.resolve() == out.resolve():
            say(_("passed over, for it is no student's folder: {folder}", folder=folder))
            continue
        name = shown_name(folder.resolve().name)
        if name in found:
            raise Trouble(_("two students are called '{name}': {one} and {other}", name=name, one=found[name],
                            other=folder), USAGE)
        found[name] = folder.resolve()
    if not found:
        raise Trouble(_("none of these is a student's folder"), USAGE)
    return found


def shown_name(name):
    """A folder's name as it can be shown, and be a file's name: no control characters, no bytes that are no text."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    text = "".join(c if unicodedata.category(c)[0] != "C" and c != "/" else f"\\u{ord(c):04x}" for c in text)
    return text.lstrip(".")[:80] or "_"


def chapters_of(text):
    """The chapters that --chapters names: 01-08, 04 or 01,02; all unless told otherwise."""
    if text is None:
        return list(CHAPTERS)
    numbers = [chapter.number for chapter in CHAPTERS]
    found = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if dash and first.strip().isdigit():
            first, last = find_chapter(first), find_chapter(last)
            found |= {number for number in numbers if first.number <= number <= last.number}
        else:
            found.add(find_chapter(part).number)
    if not found:
        raise Trouble(_("--chapters {text}: the first comes after the last", text=text), USAGE)
    return [chapter for chapter in CHAPTERS if chapter.number in found]


def with_the_check(options):
    """Leaves the chapters that have the check of --only. Raises Trouble when none has."""
    have, refusal = [], None
    for chapter in options.chapters:
        try:
            checks_of(options, chapter)
            have.append(chapter)
        except Trouble as trouble:
            refusal = trouble
    if not have:
        raise refusal
    options.chapters = have


def checks_of(options, chapter):
    import examine

    return checking.checks_of(options.of(chapter), examine.terms())


# ---- one student, in a process of its own


class Turns:
    """Students are judged side by side, but for a moment that somebody must have alone. flock(2)"""

    def __init__(self, folder):
        self.gate, self.floor = (os.open(folder / name, os.O_RDONLY) for name in ("gate", "floor"))

    @contextlib.contextmanager
    def beside_others(self):
        fcntl.flock(self.gate, fcntl.LOCK_EX)  # who waits to be alone holds it
        fcntl.flock(self.floor, fcntl.LOCK_SH)
        fcntl.flock(self.gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self.floor, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def alone(self):
        fcntl.flock(self.gate, fcntl.LOCK_EX)
        fcntl.flock(self.floor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self.floor, fcntl.LOCK_UN)
            fcntl.flock(self.gate, fcntl.LOCK_UN)


@dataclass
class Grader:
    """What judges one student. `told` is called with each check that is decided."""

    options: Options
    sandbox: object
    turns: Turns
    told: object = lambda chapter, check, status: None
    limits: list = field(default_factory=list)

    def student(self, folder):
        """(what was left out and why, a dict for each chapter)"""
        import handed_in

        try:
            reading, refusal = handed_in.read(folder, self.sandbox.student), ""
        except handed_in.UNREADABLE as error:
            reading, refusal = handed_in.Reading(), handed_in.reason(error)
        return reading.notes[:20], [self.chapter(chapter, refusal) for chapter in self.options.chapters]

    def chapter(self, chapter, refusal):
        import handed_in
        from examine import Verdict

        begin = time.monotonic()
        checks, folder, command, build = checks_of(self.options, chapter), None, [], None
        try:
            if refusal:
                raise handed_in.Unfit(refusal)
            alone = len(self.options.chapters) == 1
            folder = handed_in.folder_of(chapter, self.sandbox.student, alone)
            build = self.build(chapter, folder)
            if build.status == "passed":
                command = handed_in.command_of(folder, chapter)
                os.chdir(folder)
        except handed_in.UNREADABLE as error:
            build, command = Verdict("failed", handed_in.reason(error)), []
        if command:
            verdicts, found, moved = self.judge(checks, chapter, command)
        else:
            verdicts, found, moved = {check.id: Verdict("skipped", "needs builds") for check in checks}, {}, {}
        self.told(chapter.number, "builds", build.status)
        return self.result(chapter, folder, command, build, checks, verdicts, found, moved, time.monotonic() - begin)

    def build(self, chapter, folder):
        """The Verdict of building what is there."""
        import handed_in
        from anybody import AnySubject
        from examine import Climb, Verdict, terms

        handed_in.give_to(self.sandbox.student)
        script = handed_in.build_script(folder)
        if not script:
            return Verdict("passed")
        box = dataclasses.replace(self.sandbox, building=True)
        limit = terms()["builds"]
        seconds = limit.seconds * self.options.factor
        longer = {"default": terms()["default"], "builds": dataclasses.replace(limit, seconds=limit.seconds + MARGIN)}

        def make(check):
            subject = AnySubject([], chapter, seconds, sandbox=box)
            subject.home = folder
            return subject

        verdict = Climb([handed_in.builds(script, seconds)], make, longer, self.options.factor).run()["builds"]
        if verdict.status == "error":
            raise RuntimeError(verdict.message)
        handed_in.give_to(self.sandbox.student)
        return verdict

    def judge(self, checks, chapter, command):
        """({check: Verdict}, {check: cause}, {check: its status in each run})"""
        options = self.options.of(chapter, command, self.sandbox)
        runs = []
        for number in range(self.options.stability):
            with self.turns.beside_others():
                runs.append(checking.verdicts_of(checks, options, self.teller(chapter) if number == 0 else lambda *_: None))
            self.measure_again_alone(checks, runs[-1], options)
        with self.turns.beside_others():
            found, limits = checking.causes_of(checks, runs[0], options)
        self.limits += [limit for limit in limits if limit not in self.limits]
        os.chdir("/")
        return runs[0], found, {check.id: [run[check.id].status for run in runs] for check in checks}

    def teller(self, chapter):
        return lambda id, verdict: self.told(chapter.number, id, verdict.status)

    def measure_again_alone(self, checks, verdicts, options):
        """A check that measures time, and that a server failed beside other students, is done again without them."""
        from examine import terms

        timed = {id for id, of in terms().items() if of.apart}
        again = [dataclasses.replace(check, needs="") for check in checks
                 if check.id in timed and verdicts[check.id].status == "failed"]
        if again and self.options.jobs > 1:
            with self.turns.alone():
                verdicts |= checking.verdicts_of(again, options)

    def result(self, chapter, folder, command, build, checks, verdicts, found, moved, seconds):
        """What is written of a chapter: grade.schema.json says what it may be."""
        from check import Check

        first = Check("builds", "It builds", None)
        checks, verdicts = [first, *checks], {"builds": build, **verdicts}
        rows = checking.rows_of(self.options.of(chapter, command), checks, verdicts, found)
        for row in rows:
            row["runs"] = moved.get(row["id"], [row["status"]])
        if build.status == "failed":
            rows[0]["report"] = ["There is nothing to judge:", *build.message.splitlines()]
        known = {f"{folder}/": "", f"{self.sandbox.student}/": ""} if folder else {}
        return cleaned({
            "chapter": chapter.name, "folder": str(folder.relative_to(self.sandbox.student)) if folder else None,
            "command": command, "seconds": round(seconds, 2), "points": sum(row["points"] for row in rows),
            "of": sum(row["of"] for row in rows), "checks": rows,
        }, known)


def cleaned(value, known):
    """The same without what would not be text everywhere: control characters, halves of characters; and with our own
    paths made short, as `known` says."""
    if isinstance(value, dict):
        return {key: cleaned(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [cleaned(each, known) for each in value]
    if not isinstance(value, str):
        return value
    for path, short in known.items():
        value = value.replace(path, short)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", value)


def work(folder, options, machine, base, slot, pipe):
    """In the process that judges one student: writes to the pipe what is decided, a line each, and then the result."""
    import network
    from sandbox import Sandbox, begin_apart

    def tell(**what):
        os.write(pipe, json.dumps(what).encode() + b"\n")

    try:
        for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(how, signal.SIG_DFL)
        os.environ["LC_ALL"] = "C"  # what is written of a student is English, whoever grades
        turns = Turns(base)
        own = Path(tempfile.mkdtemp(dir=base))
        own.chmod(0o755)
        network.begin_new_numbers()
        if not machine.mounts:
            begin_apart(own)
        secrets = (ROOT, folder.parent, options.out.resolve())
        box = Sandbox(own, slot, not machine.mounts, not machine.overlay, secrets=secrets,
                      seconds=int(Sandbox.seconds * options.factor))
        box.prepare(checking.FAULT)
        os.umask(0)
        tempfile.tempdir = str(own / "exchange")
        grader = Grader(options, box, turns, lambda chapter, check, status: tell(told=[chapter, check, status]))
        notes, chapters = grader.student(folder)
        tell(result={"notes": cleaned(notes, {}), "chapters": chapters, "limits": grader.limits})
    except BaseException:
        tell(broken=traceback.format_exc())
    finally:
        os._exit(0)


# ---- all students


@dataclass
class Worker:
    name: str
    pid: int
    pipe: int
    slot: int
    begin: float
    digest: str
    raw: bytes = b""


@dataclass
class Class:
    """Grades all students, as many at once as there are jobs."""

    options: Options
    machine: object
    base: Path
    show: object  # who is told how far it is
    workers: list = field(default_factory=list)
    results: dict = field(default_factory=dict)
    broken: list = field(default_factory=list)  # whom we could not grade

    def fault(self, worker, reason):
        self.broken.append(worker.name)
        self.show.say(_("{reason}\nlab: this is a fault of the checker, not of the student: {name}", reason=reason,
                        name=worker.name))

    def run(self):
        import examine
        import network

        network.libc.prctl(examine.PR_SET_CHILD_SUBREAPER, 1)
        waiting = list(self.options.students)
        try:
            while waiting or self.workers:
                while waiting and len(self.workers) < self.options.jobs:
                    self.begin(waiting.pop(0))
                if self.workers:
                    self.collect()
        finally:
            examine.kill_all()

    def begin(self, name):
        """Starts on a student, unless what was handed in is as it was when it was graded."""
        folder = self.options.students[name]
        digest = digest_of(folder, self.options, self.machine)
        if kept := read_result(self.options.out, name, digest):
            self.results[name] = kept
            self.show.kept(name, kept)
            return
        slot = min(set(range(self.options.jobs)) - {worker.slot for worker in self.workers})
        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(ours)
            work(folder, self.options, self.machine, self.base, slot, theirs)
        os.close(theirs)
        self.workers.append(Worker(name, pid, ours, slot, time.monotonic(), digest))

    def collect(self):
        ready, _, _ = select.select([worker.pipe for worker in self.workers], [], [], 0.5)
        self.show.tick()
        for worker in [worker for worker in self.workers if worker.pipe in ready]:
            piece = os.read(worker.pipe, 1 << 16)
            worker.raw += piece
            *lines, worker.raw = worker.raw.split(b"\n")
            for line in lines:
                self.hear(worker, json.loads(line))
            if not piece:
                self.end(worker)

    def hear(self, worker, news):
        if "told" in news:
            self.show.decided(worker.name, *news["told"])
        elif "broken" in news:
            self.fault(worker, news["broken"])
        else:
            result = document(worker, self.options, self.machine, news["result"])
            self.results[worker.name] = result
            write(self.options.out / f"{worker.name}.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")

    def end(self, worker):
        os.close(worker.pipe)
        os.waitpid(worker.pid, 0)
        self.workers.remove(worker)
        if worker.name not in self.results and worker.name not in self.broken:
            self.fault(worker, _("the process that judged has died"))
        self.show.done(worker.name, self.results.get(worker.name))


def document(worker, options, machine, result):
    """What is written of a student."""
    chapters = result["chapters"]
    return {
        "schema": 1, "student": worker.name, "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "digest": worker.digest,
        "options": options.key(), "seconds": round(time.monotonic() - worker.begin, 2),
        "points": sum(chapter["points"] for chapter in chapters), "of": sum(chapter["of"] for chapter in chapters),
        "limits": [*machine.limits(), *result["limits"]], "notes": result["notes"], "chapters": chapters,
    }


def digest_of(folder, options, machine):
    """A digest of all that a result depends on: what was handed in, what was asked, who judges, what the machine
    refuses."""
    import handed_in

    whole = hashlib.sha256(json.dumps([options.key(), machine.key()]).encode())
    judges = [ROOT / "tools" / f"{name}.py" for name in ("grading", "handed_in", "sandbox", "checking")]
    for file in [*sorted((ROOT / "tests").glob("*.py")), *judges, ROOT / "tests" / "points.toml"]:
        whole.update(file.read_bytes())
    try:
        whole.update(handed_in.read(folder).digest.digest())
    except handed_in.UNREADABLE as error:
        whole.update(str(error).encode(errors="replace"))
    return whole.hexdigest()


def read_result(out, name, digest):
    """What was written of the student, if it holds still."""
    try:
        found = json.loads((out / f"{name}.json").read_text())
        return found if found["digest"] == digest else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write(file, text):
    """The whole file, or the one that was there."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.replace(file)


@contextlib.contextmanager
def workplace():
    with tempfile.TemporaryDirectory(prefix="lab-grade-") as name:
        base = Path(name)
        base.chmod(0o755)
        for each in ("gate", "floor"):
            (base / each).touch()
        yield base


def machine_of(base):
    import sandbox

    (base / "try").mkdir()
    machine = sandbox.machine(base / "try")
    if machine.mounts and machine.users:
        raise Trouble(_("programs of others cannot be run safely here: neither as another user ({users}) nor in "
                        "namespaces ({mounts})", users=translated(machine.users), mounts=translated(machine.mounts)))
    return machine


def main(words):
    options = read(words)
    packages.require("core", "test", "grade")
    if options.only:
        with_the_check(options)
    import grade_exports
    import grade_progress
    from process import raise_descriptor_limit

    raise_descriptor_limit()
    build(["tests/libfault.so"])
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(_("{what}: {reason}", what=f"--out {options.out}", reason=error.strerror), USAGE) from None
    with workplace() as base:
        machine = machine_of(base)
        if machine.network:
            options.jobs, options.serial = 1, True
        for limit in machine.limits():
            say(_("not enforced here: {limit}", limit=translated(limit)))
        of_each = sum(len(checks_of(options, chapter)) + 1 for chapter in options.chapters)
        with grade_progress.shown(len(options.students), of_each) as show:
            group = Class(options, machine, base, show)
            try:
                group.run()
            finally:
                results = [group.results[name] for name in options.students if name in group.results]
                grade_exports.write_all(options.out, results, options.students)
    grade_progress.table(results, options)
    return OWN_FAULT if group.broken else 0
