"""The wrong servers that ./lab check is measured by: which check each fails, and which cause it must be told.

Half of them, chosen by their names, are held out: rules for causes are not written with them in view."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import styles

HERE = Path(__file__).parent

# Wrong servers that are told another cause than their own: what is named of them instead.
MISTAKEN = {}


@dataclass(frozen=True)
class Wrong:
    name: str
    source: str  # where it stands, from the project's root
    says: str  # what is wrong with it
    check: str
    cause: str = ""  # empty when the fault has none in the list
    build: str = "plain"  # the build on which it is judged

    @property
    def held_out(self):
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 1


def of_the_diffs():
    """All wrong programs of faulty/."""
    for diff in sorted(HERE.glob("faulty/*.diff")):
        head = diff.read_text().partition("\n--- ")[0]
        cause = re.search(r"^Cause: (\S+)$", head, re.MULTILINE)
        check = re.search(r"^Fails: ([\w-]+)", head, re.MULTILINE)[1]
        build = re.search(r"^Build: (\w+)$", head, re.MULTILINE)
        yield Wrong(diff.stem, f"tests/faulty/{diff.name}", head.partition("\n\n")[0], check, cause[1] if cause else "",
                    build[1] if build else "plain")


def in_other_styles():
    """Those of wrong/, each with all the checks that it may fail first."""
    for style in styles.read("wrong"):
        for check, cause in style.fails.items():
            yield Wrong(style.name, f"tests/wrong/{style.program}", style.says, check, cause)
