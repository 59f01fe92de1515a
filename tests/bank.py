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


@dataclass(frozen=True)
class Diff:
    """A wrong program of faulty/, as its file says."""

    name: str
    says: str  # what is wrong with it
    check: str  # the id of the check that must fail it
    reason: str  # a regular expression that the failure must match
    cause: str  # empty when the fault has none in the list
    build: str  # the build that it is judged on
    patches: str  # the right program that it is a diff against
    body: str  # without the head


def diffs():
    for file in sorted(HERE.glob("faulty/*.diff")):
        head, body = file.read_text().split("\n--- a/", 1)
        said = dict(re.findall(r"^(Fails|Cause|Build): (.*)$", head, re.MULTILINE))
        check, _, reason = said["Fails"].partition(": ")
        yield Diff(file.stem, head.partition("\n\n")[0], check, reason.strip(), said.get("Cause", ""),
                   said.get("Build", "plain"), body.partition("\n")[0], f"--- a/{body}")


def of_the_diffs():
    """All wrong programs of faulty/."""
    for diff in diffs():
        yield Wrong(diff.name, f"tests/faulty/{diff.name}.diff", diff.says, diff.check, diff.cause, diff.build)


def in_other_styles():
    """Those of wrong/, each with all the checks that it may fail first."""
    for style in styles.read("wrong"):
        for check, cause in style.fails.items():
            yield Wrong(style.name, f"tests/wrong/{style.program}", style.says, check, cause)
