"""./lab hunt [CHAPTER]: a server with a hidden fault; the student looks at it from outside, and names the cause."""

import fcntl
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import bank
import causes
import packages
from build import is_set_up, locked, set_up
from check import Failed
from common import BUILD, CHAPTERS, USAGE, Trouble, find_chapter, say
from process import Server
from words import _, text_of, translated

CHOICES = 4
TEXTS = {cause.id: text_of(cause.id, cause.text) for cause in causes.CAUSES}


@dataclass(frozen=True)
class Fault:
    name: str
    chapter: str
    cause: str  # its id in the closed list of tests/causes.py
    check: str  # the check that fails it
    diff: str  # against the right program


def read_faults():
    """The wrong servers that can be hunted: of TCP, judged on a plain build, with a cause in the list."""
    found = []
    for diff in bank.diffs():
        chapter = next(chapter for chapter in CHAPTERS if diff.patches.startswith(chapter.name))
        if diff.cause and chapter.transport == "tcp" and diff.build == "plain":
            found.append(Fault(diff.name, chapter.name, diff.cause, diff.check, diff.body))
    return found


def choices(fault, faults, chance):
    """The fault and others, in any order: of the same chapter first, each of another cause and another check."""
    others = [other for other in faults if other.check != fault.check and other.cause != fault.cause]
    chance.shuffle(others)
    others.sort(key=lambda other: other.chapter != fault.chapter)
    shown = [fault]
    for other in others:
        if len(shown) < CHOICES and not any(other.check == one.check or other.cause == one.cause for one in shown):
            shown.append(other)
    chance.shuffle(shown)
    return shown


def chosen_by(line, shown):
    """The choice that a line names, by its number or its cause's id; None when it names none."""
    word = line.strip()
    if word.isdigit() and 1 <= int(word) <= len(shown):
        return shown[int(word) - 1]
    return next((choice for choice in shown if choice.cause == word), None)


def ask(fault, shown, server=None):
    """Asks until the cause is named: 0; or the input ends: 1."""
    print(_("What is wrong with it?"))
    for number, choice in enumerate(shown, 1):
        print(f"  {number}. {choice.cause}: {TEXTS[choice.cause]}")
    while True:
        if server and not server.alive():
            print(_("It has ended ({code}).", code=server.popen.returncode))
        print(_("1 to {last}, or its name; Ctrl-D gives up: ", last=len(shown)), end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            print()
            return 1
        chosen = chosen_by(line, shown)
        if chosen == fault:
            print(_("Right: {cause}. ./lab check finds it by {check}.", cause=fault.cause, check=fault.check))
            print(fault.diff)
            return 0
        if chosen:
            print(_("No: {cause} would fail {check}. Look again.", cause=chosen.cause, check=chosen.check))


def hunt(fault, shown):
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        program = shutil.copy(BUILD / "tests" / "faulty" / fault.name, f"{folder}/server")  # its own name would tell
        try:
            server = Server([program, "--port", "0"])
        except Failed as failure:
            print(_("a server of {chapter} does not get as far as to listen: {why}", chapter=fault.chapter,
                    why=translated(str(failure))))
            return ask(fault, shown)
        try:
            port = server.address[1]
            print(_("a server of {chapter} listens on port {port}, process {pid}. Something in it is wrong.",
                    chapter=fault.chapter, port=port, pid=server.pid))
            commands = (f"nc 127.0.0.1 {port}", "ss -tanp", f"strace -f -p {server.pid}",
                        f"./lab trace {fault.chapter[:2]} -- {program} --port {{port}}")
            print(_("In another terminal: {commands}", commands=", ".join(commands)))
            return ask(fault, shown, server)
        finally:
            server.kill()


def build_unseen(fault):
    """Builds the wrong program; what the builder would say names it."""
    with locked(BUILD, fcntl.LOCK_EX):
        if not is_set_up(BUILD):
            set_up(BUILD, ())
        say(_("building a server with a fault"))
        ran = subprocess.run(["ninja", "-C", BUILD, f"tests/faulty/{fault.name}"], capture_output=True,
                             stdin=subprocess.DEVNULL)
    if ran.returncode != 0:
        raise Trouble(_("hunt: the server does not build: meson compile -C build faulty says why"))


def main(words):
    if len(words) > 1:
        raise Trouble(_("hunt takes a chapter; what is '{word}'?", word=words[1]), USAGE)
    chapter, faults = find_chapter(words[0]).name if words else None, read_faults()
    wanted = [fault for fault in faults if chapter in (None, fault.chapter)]
    if not wanted:
        known = ", ".join(sorted({fault.chapter for fault in faults}))
        raise Trouble(_("hunt: no wrong server of {chapter} can be hunted; there are of {known}", chapter=chapter,
                        known=known), USAGE)
    packages.require("core")
    chance = random.Random()
    fault = chance.choice(wanted)
    build_unseen(fault)
    return hunt(fault, choices(fault, faults, chance))
