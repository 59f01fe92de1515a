"""packages.txt: what each command needs, what of it is missing, and how it gets here."""

import importlib
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from common import ROOT, Trouble, call
from words import _

LIST = ROOT / "packages.txt"
INSTALL = Path(__file__).with_name("install.sh")


@dataclass(frozen=True)
class Package:
    group: str
    name: str
    wanted: str  # what is wanted of it

    def found(self):
        """Looks for the thing itself, not for Debian's record of it: that holds on any machine."""
        if self.wanted.startswith("python:"):
            return importlib.util.find_spec(self.wanted[len("python:"):]) is not None
        if self.wanted.startswith("/"):  # a file; * stands for a version
            return any(Path("/").glob(self.wanted[1:]))
        return bool(shutil.which(self.wanted))


def listed(file=LIST):
    rows = [line.split() for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return [Package(*row) for row in rows]


def missing(*groups, file=LIST):
    return [package for package in listed(file) if package.group in groups and not package.found()]


def how_to_install(packages):
    """The one command that installs them."""
    command = ["sh", INSTALL, "--how", *(package.name for package in packages)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()


def require(*groups, may_lack=(), file=LIST):
    """Installs what is missing of the groups, and of those in `may_lack` what apt has here. Raises Trouble when any of
    the others is missing still."""
    lacking = missing(*groups, *may_lack, file=file)
    known = ["--known"] if may_lack else []
    if lacking and call(["sh", INSTALL, *known, *(package.name for package in lacking)]) == 0:
        importlib.invalidate_caches()
        lacking = missing(*groups, file=file)
    if lacking:
        raise Trouble(_("missing: {what}", what=", ".join(f"{package.wanted} ({package.name})" for package in lacking)))
