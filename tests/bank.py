"""The wrong servers that ./lab check is measured by: which check each fails, and which cause it must be told.

About half of them, chosen by their names, are held out: rules for causes are not written with them in view."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import styles
from causes import CAUSES

HERE = Path(__file__).parent

# Wrong servers that are told another cause than their own: what is named of them instead.
MISTAKEN = {}

# Those whose cause has a rule for what the system calls show, and is only guessed of them, and why.
UNSEEN = {"03_shares_the_loop_variable": "ThreadSanitizer ends it before a second thread reads from the connection"}

# Those that ./lab check does not fail, for it asks nothing of what a server prints.
NOT_ASKED = ("01_says_nothing", "09_ready_line_of_port_0")

# Those that may fail before their check: whatever they do, ./lab check takes a sanitizer's report for a failure.
EARLIER = ("07_frees_too_early",)

PARTS = ("in view", "held out", "later")

# Those whose causes came into the list, or were mended, after the halves had been made: they were in view. So were all of
# chapter 11.
VIEWED = ("01_forgets_after_64_mib", "04_no_wall", "07_frees_too_early", "08_answers_from_the_worker",
          "12_frees_with_output_pending")


@dataclass(frozen=True)
class Wrong:
    name: str
    source: str  # where it stands, from the project's root
    says: str  # what is wrong with it
    check: str
    cause: str = ""  # empty when the fault has none in the list
    build: str = "plain"  # the build on which it is judged

    @property
    def part(self):
        if self.name.startswith("11_") or self.name in VIEWED:
            return "later"
        return PARTS[hashlib.sha256(self.name.encode()).digest()[0] % 2]


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


def must_be_seen(cause, check, name=""):
    """Whether this cause of a failed check has a rule for what the system calls show, and so must have been seen."""
    rows = [each for each in CAUSES if each.id == cause and check in (each.checks.split() or [check])]
    return any(each.seen for each in rows) and name not in UNSEEN
