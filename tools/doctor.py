"""./lab doctor: what this machine lacks, and the one command that installs it."""

import os
import re
import resource
import shutil
import subprocess
import sys

import packages
from common import USAGE, Trouble
from words import _

NEEDED = ("core", "test")
DESCRIPTORS = 10_500  # for 10,000 connections


def show(line):
    """Prints a line with Rich's markup, as plain text where there is no Rich."""
    try:
        from rich.console import Console
    except ImportError:
        print(re.sub(r"\[/?\w*\]", "", line))
    else:
        Console(highlight=False, soft_wrap=True).print(line)


def show_packages():
    for package in packages.listed():
        if package.found():
            mark = _("[green]ok      [/]")
        elif package.group in NEEDED:
            mark = _("[red]missing [/]")
        else:
            mark = _("absent  ")
        show(f"{mark}  {package.group:5} {package.name}")


def permitted(*command):
    """Whether the command succeeds; None when it is not there."""
    if not shutil.which(command[0]):
        return None
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def limits():
    """(what, whether it is so, what it is good for): no package mends these."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS
    namespace = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    return [
        (_("open files (ulimit -Hn is {hard})", hard=hard), enough,
         _("{count} for 10,000 connections", count=DESCRIPTORS)),
        (_("tracing another process"), permitted("strace", "-o", os.devnull, "true"),
         _("tests that make a system call fail")),
        (_("a network namespace"), permitted(*namespace, "true"), _("tests that use fixed ports")),
    ]


def show_limits():
    for what, so, purpose in limits():
        mark = {True: _("[green]ok      [/]"), False: _("[red]not here[/]"), None: _("unknown ")}[so]
        show(_("{mark}  limit {what}: {purpose}", mark=mark, what=what, purpose=purpose))


def main(words):
    if words:
        raise Trouble(_("doctor takes no arguments; what is '{word}'?", word=words[0]), USAGE)
    show_packages()
    show_limits()
    lacking = packages.missing(*NEEDED)
    if not lacking:
        show("\n" + _("Nothing that ./lab run and ./lab test need is missing."))
        return 0
    sys.stdout.flush()
    show("\n" + _("This installs what is missing:") + "\n  " + packages.how_to_install(lacking))
    return 1
