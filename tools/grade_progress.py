"""How far the grading is: a bar on a terminal, else a line for each student; and the table at the end."""

import contextlib
import time

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from words import _, language, translated

NAME = 20  # columns for a student's name
STATUS = {"passed": _("passed"), "failed": _("failed"), "skipped": _("skipped"), "cannot-tell": _("cannot-tell")}


def left(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return (_("{minutes} min {seconds:02} s", minutes=minutes, seconds=seconds) if minutes
            else _("{seconds} s", seconds=seconds))


class Show:
    """Counts what is decided, of all that is to be; what was kept from an earlier run takes no time."""

    def __init__(self, students, of_each, bar=None):
        self.students, self.of_each, self.bar = students, of_each, bar
        self.console = bar.console if bar else Console(stderr=True, highlight=False, soft_wrap=True)
        self.task = bar.add_task("", total=students * of_each, left="", students=f"0/{students}") if bar else None
        self.begin = time.monotonic()
        self.ended, self.decided_of, self.kept_ones = 0, {}, 0

    def fraction(self):
        """What part of what was not kept is decided."""
        to_do = (self.students - self.kept_ones) * self.of_each
        return ((self.ended - self.kept_ones) * self.of_each + sum(self.decided_of.values())) / max(1, to_do)

    def time_left(self):
        fraction = self.fraction()
        spent = time.monotonic() - self.begin
        return _("{time} left", time=left(spent / fraction - spent)) if fraction > 0 and spent > 5 else ""

    def say(self, text):
        self.console.print(escape(text))

    def decided(self, name, chapter, check, status):
        self.decided_of[name] = self.decided_of.get(name, 0) + 1
        self.tick(f"{name} {chapter} {check}")

    def tick(self, what=None):
        if self.bar:
            done = self.ended * self.of_each + sum(self.decided_of.values())
            said = {"description": escape(what[:40])} if what else {}
            students = f"{self.ended}/{self.students}"
            self.bar.update(self.task, completed=done, left=self.time_left(), students=students, **said)
            self.bar.refresh()

    def kept(self, name, result):
        self.kept_ones += 1
        self.end_of(name, _("{points} of {of}, as it was graded before", points=result["points"], of=result["of"]))

    def done(self, name, result):
        self.decided_of.pop(name, None)
        self.end_of(name, _("{points} of {of} points", points=result["points"], of=result["of"]) if result else
                    _("could not be graded"))

    def end_of(self, name, what):
        self.ended += 1
        if self.bar:
            self.tick()
            return
        where, time_left = f"{self.ended}/{self.students} {escape(name)}", self.time_left()
        if time_left and self.ended < self.students:
            what = _("{what}, {left}", what=what, left=time_left)
        self.console.print(_("{what}: {reason}", what=where, reason=what))


@contextlib.contextmanager
def shown(students, of_each):
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Show(students, of_each)
        return
    columns = (TextColumn("{task.fields[students]}"), BarColumn(), TextColumn("{task.description}"),
               TextColumn("{task.fields[left]}"))
    # Its own thread would be in the middle of something when we fork.
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        yield Show(students, of_each, bar)


def first_failed(result, hidden=True, into="en"):
    """(where, why) of the first check that failed, of what was handed in if anything was; empty when none did. Why, in
    the language `into`."""
    for chapter in [each for each in result["chapters"] if each["folder"]] or result["chapters"]:
        for row in chapter["checks"]:
            if row["status"] == "failed" and (hidden or row["visibility"] == "visible"):
                compiled = row["id"] == "builds"  # the message may be the compiler's own words
                message = translated(row["message"], into, kept_only=compiled)
                why = row["cause"]["id"] if row["cause"] else message.partition("\n")[0]
                return f"{chapter['chapter'][:2]} {row['id']}", why
    return "", ""


def told_failure(result, hidden=True, into="en"):
    """The same in a line, as it is written to files; with `into`, in that language."""
    where, why = first_failed(result, hidden, into)
    return _("{what}: {reason}", into, what=where, reason=why) if where else ""


def moved(result):
    """The checks whose verdict was not the same in each run: (chapter, row) pairs."""
    return [(chapter, row) for chapter in result["chapters"] for row in chapter["checks"] if len(set(row["runs"])) > 1]


def cut(text, width):
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def table(results, options):
    console = Console(highlight=False, soft_wrap=True)
    rows = Table(box=None, padding=(0, 1, 0, 0))
    rows.add_column(_("student"), no_wrap=True)
    for chapter in options.chapters:
        rows.add_column(chapter.number, justify="right", no_wrap=True)
    rows.add_column(_("points"), justify="right", no_wrap=True)
    rows.add_column(_("fails first, likely cause"), no_wrap=True)
    room = max(24, console.width - NAME - 9 - 3 * len(options.chapters))
    for result in results:
        rows.add_row(escape(cut(result["student"], NAME)), *(str(chapter["points"]) if chapter["folder"] else "–" for chapter in result["chapters"]),
                     f"{result['points']}/{result['of']}", escape(cut(told_failure(result, into=language()), room)))
    console.print(rows, soft_wrap=True)
    for result in results:
        for chapter, row in moved(result):
            line = _("moved: {student}, {chapter}, {check}: {runs}", student=result["student"],
                     chapter=chapter["chapter"], check=row["id"], runs=", ".join(STATUS[run] for run in row["runs"]))
            console.print(escape(line), style="yellow")
    if len(results) < len(options.students):
        console.print(_("{count} of {students} are graded; the same command goes on.", count=len(results),
                        students=len(options.students)))
    console.print(_("{folder}/: a .json for each student, class.html, class.csv, junit.xml, summary.md",
                    folder=options.out))
