"""Every wrong server of the bank is told its own cause: the `Cause:` in the head of its diff, from the closed list."""

import re
import sys
from pathlib import Path

import pytest

import causes
import contract
import datagram_contract
from chapters import CHAPTERS, ROOT

sys.path.insert(1, str(ROOT / "tools"))

import checking  # noqa: E402


def bank():
    """(name, check, cause) of each wrong server whose fault has a cause in the list."""
    for diff in sorted(Path(__file__).parent.glob("faulty/*.diff")):
        head = diff.read_text().partition("\n--- ")[0]
        if cause := re.search(r"^Cause: (\S+)$", head, re.MULTILINE):
            yield diff.stem, re.search(r"^Fails: ([\w-]+)", head, re.MULTILINE)[1], cause[1]


BANK = list(bank())
IDS = {cause.id for cause in causes.CAUSES}


def named(name, check, folder):
    """The {id, seen, text} that ./lab check names for a wrong server at its check; None when it names none."""
    chapter = next(chapter for chapter in CHAPTERS if chapter.number == name[:2])
    options = checking.read([chapter.number, "--full", "--only", check, "--", str(folder / name), "--port", "{port}"])
    _, verdicts, found, _ = checking.judged(options)
    assert verdicts[check].status == "failed", verdicts
    return found[check]


def test_the_bank_names_causes_of_the_list():
    assert not {cause for _, _, cause in BANK} - IDS


def test_causes_are_about_checks_that_exist():
    known = set(contract.ladder.checks) | set(datagram_contract.ladder.checks)
    assert not {check for cause in causes.CAUSES for check in cause.checks.split()} - known


@pytest.mark.slow
@pytest.mark.parametrize("name, check, cause", [pytest.param(*row, id=row[0]) for row in BANK])
def test_a_wrong_server_is_told_its_cause(name, check, cause, plain):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    assert named(name, check, plain / "tests" / "faulty")["id"] == cause
