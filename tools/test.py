"""./lab test [CHAPTER] [--full]: build, unit tests, and every chapter against the contract; with --full the slow checks,
the texts' commands, the tools' own tests, and the wrong programs, which prove that each check can fail."""

import os
import platform
import shutil
import subprocess
import sys
from contextlib import contextmanager

import packages
from build import build
from common import CHAPTERS, ROOT, USAGE, Trouble, call, find_chapter, say
from words import _

# Under a sanitizer nothing is optimised, so that nothing is optimised away, and the lines that its reports name are all
# that is kept of the source (-g1): both take time off the build. So does leaving out three checks of
# UndefinedBehaviorSanitizer that add code to each use of a pointer: AddressSanitizer reports a null one too, x86 does
# not mind a misaligned one, and no class of ours has a virtual function.
LINES_ONLY = ("-Doptimization=0", "-Ddebug=false", "-Dcpp_args=-g1 -fno-sanitize=null,alignment,vptr")
FOLDERS = {
    "build": (),
    "build-asan": ("-Db_sanitize=address,undefined", *LINES_ONLY),
    "build-tsan": ("-Db_sanitize=thread", *LINES_ONLY),
}
# The unit tests that are built and run in a folder: a target, and a suite of Meson's.
UNITS = {"build": ("unit", "all"), "build-asan": ("unit", "all"), "build-tsan": ("unit_threads", "threads")}


MAY_LACK = ("http", "browser")  # groups of which each test says what it lacks, and is skipped
SENT_THROUGH = "02_fork_server"  # the pair with which ./lab run is tested, where not all of them are built
WORKERS_A_CORE = 2  # a check waits for its program most of the time
UNDER_LOAD = 2  # times that --full does what the plain test does, while every core is busy


def targets(folder, chapter, full=False):
    """What is built in a folder: plain the servers, which are measured there, and one pair for ./lab run; under
    AddressSanitizer all programs that are judged, under ThreadSanitizer those of them, and the unit tests, that have
    threads; the unit tests under AddressSanitizer. With --full the unit tests everywhere, and plain all there is of a
    chapter, the wrong programs and what the servers are measured against. Nothing at all where no chapter is to be
    built."""
    asked_for = [c for c in CHAPTERS if chapter in (None, c)]
    plain = folder == "build"
    wanted = {"build": "servers", "build-asan": "judged", "build-tsan": "threaded"}[folder]
    chapters = [c.name for c in asked_for] if plain and full else [
        f"{c.name}/{program}" for c in asked_for for program in getattr(c, wanted)]
    helpers = {SENT_THROUGH: plain and not full and not chapter, "contract_tools": True, "load_and_floor": plain,
               "bench": plain and full, "faulty": full,
               UNITS[folder][0]: full or not chapter and folder == "build-asan"}
    return chapters and [*chapters, *(name for name, asked in helpers.items() if asked)]


def unit_tests(folder):
    say(_("unit tests in {folder}", folder=folder))
    suite = UNITS[folder][1]
    command = ["meson", "test", "-C", ROOT / folder, "--no-rebuild", "--print-errorlogs"]
    command += [] if suite == "all" else ["--suite", suite]
    if call(command, stdin=subprocess.DEVNULL) != 0:
        raise Trouble(_("the unit tests failed in {folder}", folder=folder))


def fixed_addresses():
    """ThreadSanitizer before GCC 14 dies at its start, now and then, where the kernel spreads a program's addresses
    over more than 28 bits, as Ubuntu 24.04 does: they are not spread at all, where that is permitted."""
    fixed = ["setarch", platform.machine(), "--addr-no-randomize"]
    permitted = shutil.which("setarch") and subprocess.run([*fixed, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return fixed if permitted else []


@contextmanager
def load(cores):
    """On as many cores as there are somebody computes without end."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _core in range(cores)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def sweep(folders, chapter, full):
    """With --full in four parts: what waits, what computes, and what the plain test does, twice more under load."""
    say(_("the contract, and what else the suite holds"))
    cores = len(os.sched_getaffinity(0))
    command = fixed_addresses() if "build-tsan" in folders else []
    command += [sys.executable, "-m", "pytest", "tests", "-n", cores * WORKERS_A_CORE, "--dist", "loadgroup"]
    for folder in folders:
        command += ["--build", folder]
    command += ["--chapter", chapter.name] if chapter else []
    parts = [["--full", "-m", "not busy"], ["--full", "-m", "busy"]] if full else [[]]
    codes = [call([*command, *part], cwd=ROOT, stdin=subprocess.DEVNULL) for part in parts]
    for time in range(UNDER_LOAD if full else 0):
        say(_("once more under load: {time} of {times}", time=time + 1, times=UNDER_LOAD))
        with load(cores):
            codes.append(call(command, cwd=ROOT, stdin=subprocess.DEVNULL))
    if code := next(filter(None, codes), 0):
        raise Trouble(_("the sweep failed: pytest, exit {code}", code=code))


def main(words):
    full = "--full" in words
    words = [word for word in words if word != "--full"]
    if len(words) > 1 or (words and words[0].startswith("-")):
        raise Trouble(_("test takes a chapter and --full; what is '{word}'?", word=words[-1]), USAGE)
    chapter = find_chapter(words[0]) if words else None
    more = ("lint", "fuzz", "book", "grade") if full else ()
    packages.require("core", "test", *more, may_lack=MAY_LACK if full else ())
    wanted = {folder: of for folder in FOLDERS if (of := targets(folder, chapter, full))}
    for folder, of in wanted.items():
        build(of, ROOT / folder, FOLDERS[folder])
    for folder, of in wanted.items():
        if UNITS[folder][0] in of:
            unit_tests(folder)
    sweep(wanted, chapter, full)
    return 0
