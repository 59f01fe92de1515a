"""./lab test [CHAPTER] [--full]: build, unit tests, and every chapter against the contract."""

import os
import platform
import shutil
import subprocess
import sys

import packages
from build import build
from common import CHAPTERS, ROOT, USAGE, Trouble, call, find_chapter, say

FOLDERS = {"build": (), "build-asan": ("-Db_sanitize=address,undefined",), "build-tsan": ("-Db_sanitize=thread",)}
HELPERS = ["contract_tools", "faulty", "bench", "unit"]


def targets(folder, chapter):
    """What is built in a folder: all of it, but under ThreadSanitizer only the chapters with threads."""
    if folder != "build-tsan":
        return [chapter.name, *HELPERS] if chapter else []
    threaded = [c.name for c in CHAPTERS if c.threaded and chapter in (None, c)]
    return threaded and [*threaded, *HELPERS]


def unit_tests(folder):
    say(f"unit tests in {folder}")
    command = ["meson", "test", "-C", ROOT / folder, "--no-rebuild", "--print-errorlogs"]
    if call(command, stdin=subprocess.DEVNULL) != 0:
        raise Trouble(f"the unit tests failed in {folder}")


def fixed_addresses():
    """ThreadSanitizer before GCC 14 dies at its start, now and then, where the kernel spreads a program's addresses
    over more than 28 bits, as Ubuntu 24.04 does: they are not spread at all, where that is permitted."""
    fixed = ["setarch", platform.machine(), "--addr-no-randomize"]
    permitted = shutil.which("setarch") and subprocess.run([*fixed, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return fixed if permitted else []


def sweep(folders, chapter, full):
    say("the contract, and what else the suite holds")
    workers = len(os.sched_getaffinity(0))
    command = fixed_addresses() if "build-tsan" in folders else []
    command += [sys.executable, "-m", "pytest", "tests", "-n", workers, "--dist", "loadgroup"]
    for folder in folders:
        command += ["--build", folder]
    command += ["--chapter", chapter.name] if chapter else []
    command += ["--full"] if full else []
    if (code := call(command, cwd=ROOT, stdin=subprocess.DEVNULL)) != 0:
        raise Trouble(f"the sweep failed: pytest, exit {code}")


def main(words):
    full = "--full" in words
    words = [word for word in words if word != "--full"]
    if len(words) > 1 or (words and words[0].startswith("-")):
        raise Trouble(f"test takes a chapter and --full; what is '{words[-1]}'?", USAGE)
    chapter = find_chapter(words[0]) if words else None
    packages.require("core", "test", *(["lint"] if full else []))
    folders = [folder for folder in FOLDERS if folder != "build-tsan" or targets(folder, chapter)]
    for folder in folders:
        build(targets(folder, chapter), ROOT / folder, FOLDERS[folder])
    if not chapter:
        for folder in folders:
            unit_tests(folder)
    sweep(folders, chapter, full)
    return 0
