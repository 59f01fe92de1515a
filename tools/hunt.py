"""./lab hunt [CHAPTER]: starts a server with a hidden fault; the student looks at it from outside, and names the cause."""

import fcntl
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import packages
from build import is_set_up, locked, set_up
from check import Failed
from common import BUILD, CHAPTERS, ROOT, USAGE, Trouble, find_chapter, language, say
from process import Server

FAULTY = ROOT / "tests" / "faulty"
CHOICES = 4
WORDY = {"help", "bad-options", "default-port", "verbose", "ready-line", "quiet", "pool-help"}  # seen in its own words at once
SAY = {
    "en": dict(listens="a server of {chapter} listens on port {port}, process {pid}. Something in it is wrong.",
               dies="a server of {chapter} does not get as far as to listen: {why}",
               tools="In another terminal: nc 127.0.0.1 {port}, ss -tanp, strace -f -p {pid}, ./lab trace {number} -- {program} --port {{port}}",
               which="What is wrong with it?", ask="1 to {last}, Ctrl-D gives up: ",
               right="Right. The check of ./lab test that finds it is {check}.",
               wrong="No: what you named would fail {check}. Look again.", gone="It has ended ({code})."),
    "zh": dict(listens="{chapter} 的一个服务器在端口 {port} 上监听，进程 {pid}。它有一处错误。",
               dies="{chapter} 的一个服务器还没有监听就出了问题：{why}",
               tools="在另一个终端：nc 127.0.0.1 {port}，ss -tanp，strace -f -p {pid}，./lab trace {number} -- {program} --port {{port}}",
               which="它错在哪里？", ask="1 到 {last}，Ctrl-D 放弃：",
               right="对。./lab test 里找到它的检查是 {check}。",
               wrong="不对：你说的那种错误会使检查 {check} 失败。再看看。", gone="它已经结束（{code}）。"),
}


@dataclass(frozen=True)
class Fault:
    name: str
    chapter: str
    cause: str  # what is wrong, in a sentence
    check: str  # the check that fails it
    diff: str  # against the right program


def read_faults():
    """The wrong servers that can be hunted: of TCP, judged on a plain build, and no matter of words or options."""
    found = []
    for diff in sorted(FAULTY.glob("*.diff")):
        head, _, body = diff.read_text().partition("\n--- a/")
        source = body.split("\n", 1)[0]
        chapter = next(chapter for chapter in CHAPTERS if source.startswith(chapter.name))
        check = re.search(r"^Fails: ([\w-]+)", head, re.MULTILINE)[1]
        if chapter.transport == "tcp" and "client" not in source and "\nBuild:" not in head and check not in WORDY:
            found.append(Fault(diff.stem, chapter.name, " ".join(head.split("\n\n")[0].split()), check,
                               f"--- a/{body}"))
    return found


def choices(fault, faults, chance):
    """The cause and others, in any order: of the same chapter first, each of another check."""
    others = [other for other in faults if other.check != fault.check]
    chance.shuffle(others)
    others.sort(key=lambda other: other.chapter != fault.chapter)
    by_check = {other.check: other for other in reversed(others)}
    shown = [fault, *sorted(by_check.values(), key=others.index)[:CHOICES - 1]]
    chance.shuffle(shown)
    return shown


def ask(fault, shown, words, server=None):
    """Asks until the cause is named: 0; or the input ends: 1."""
    print(words["which"])
    for number, choice in enumerate(shown, 1):
        print(f"  {number}. {choice.cause}")
    while True:
        if server and not server.alive():
            print(words["gone"].format(code=server.popen.returncode))
        print(words["ask"].format(last=len(shown)), end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            print()
            return 1
        if not line.strip().isdigit() or not 1 <= int(line) <= len(shown):
            continue
        chosen = shown[int(line) - 1]
        if chosen == fault:
            print(words["right"].format(check=fault.check))
            print(fault.diff)
            return 0
        print(words["wrong"].format(check=chosen.check))


def hunt(fault, shown, words):
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        program = shutil.copy(BUILD / "tests" / "faulty" / fault.name, f"{folder}/server")  # its own name would tell
        try:
            server = Server([program, "--port", "0"])
        except Failed as failure:
            print(words["dies"].format(chapter=fault.chapter, why=failure))
            return ask(fault, shown, words)
        try:
            about = {"chapter": fault.chapter, "port": server.address[1], "pid": server.pid, "number": fault.chapter[:2]}
            print(words["listens"].format(**about))
            print(words["tools"].format(**about, program=program))
            return ask(fault, shown, words, server)
        finally:
            server.kill()


def build_unseen(fault):
    """Builds the wrong program; what the builder would say names it."""
    with locked(BUILD, fcntl.LOCK_EX):
        if not is_set_up(BUILD):
            set_up(BUILD, ())
        say("building a server with a fault")
        ran = subprocess.run(["ninja", "-C", BUILD, f"tests/faulty/{fault.name}"], capture_output=True, stdin=subprocess.DEVNULL)
    if ran.returncode != 0:
        raise Trouble("hunt: the server does not build: meson compile -C build faulty says why")


def main(words):
    if len(words) > 1:
        raise Trouble(f"hunt takes a chapter; what is '{words[1]}'?", USAGE)
    chapter, faults = find_chapter(words[0]).name if words else None, read_faults()
    wanted = [fault for fault in faults if chapter in (None, fault.chapter)]
    if not wanted:
        raise Trouble(f"hunt: no wrong server of {chapter} can be hunted; there are of {', '.join(sorted({f.chapter for f in faults}))}", USAGE)
    packages.require("core")
    chance = random.Random()
    fault = chance.choice(wanted)
    build_unseen(fault)
    return hunt(fault, choices(fault, faults, chance), SAY[language()])
