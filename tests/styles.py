"""Servers that are no chapter's, right ones and wrong ones, in several languages and on several libraries:
right/servers.toml and wrong/servers.toml say what each is held to."""

import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
COMPILERS = {".c": ["cc", "-O1"], ".cpp": ["c++", "-std=c++20", "-O1", "-I", str(HERE.parent)]}
MARKS = {"tcp": "{port}", "udp": "{port}", "http": "{port}", "unix": "{path}"}


@dataclass(frozen=True)
class Style:
    name: str
    chapter: str  # its number
    folder: Path
    program: str = ""  # its source
    command: tuple = ()  # what is typed, of one that has no source here
    before: tuple = ()  # words before the place where it listens
    libs: tuple = ()
    needs: str = ""  # a file of the library, or the program, that may not be installed
    fails: dict = field(default_factory=dict)  # {check: why} of a right one, {check: cause} of a wrong one
    unsure: dict = field(default_factory=dict)  # {check: why} of what cannot be told of a right one
    says: str = ""  # what is wrong with a wrong one

    def built(self, folder, transport):
        """The command that starts it; compiled in `folder` first, if it has to be."""
        if not self.program:
            return list(self.command)
        source = self.folder / self.program
        words = [*self.before, MARKS[transport]]
        if source.suffix == ".py":
            return [sys.executable, str(source), *words]
        program = Path(folder) / self.name
        subprocess.run([*COMPILERS[source.suffix], "-pthread", str(source), "-o", str(program), *self.libs], check=True)
        return [str(program), *words]


def read(folder):
    """The servers of right/ or wrong/, in the order of their table."""
    rows = tomllib.loads((HERE / folder / "servers.toml").read_text())
    return [Style(name, folder=HERE / folder, **row) for name, row in rows.items()]
