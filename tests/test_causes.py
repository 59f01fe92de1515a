"""Every wrong server of the bank is told its own cause: the `Cause:` in the head of its diff, from the closed list."""

import re
import sys
from pathlib import Path

import pytest

import causes
import contract
import datagram_contract
import styles
from chapters import ROOT, find

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


def failures(number, check, *command):
    """{check: the {id, seen, text} that ./lab check names for it, or None} of all that fails up to `check`."""
    options = checking.read([number, "--full", "--only", check, "--", *map(str, command)])
    _, verdicts, found, _ = checking.judged(options)
    assert found, verdicts
    return found


def named(name, check, folder):
    """The cause that ./lab check names for a wrong server of the bank at its check."""
    return failures(name[:2], check, folder / name, "--port", "{port}")[check]


def test_the_bank_names_causes_of_the_list():
    assert not {cause for _, _, cause in BANK} - IDS
    assert not {cause for style in styles.read("wrong") for cause in style.fails.values()} - IDS


def test_causes_are_about_checks_that_exist():
    known = set(contract.ladder.checks) | set(datagram_contract.ladder.checks)
    assert not {check for cause in causes.CAUSES for check in cause.checks.split()} - known


# Wrong servers that are told another cause than their own: what is named of them instead.
MISTAKEN = {
    "03_table_of_64": "threads-share-a-variable",
    "03_writes_under_a_lock": "short-write",
    "04_blocking_connection": "short-write",
    "04_blocking_listener": "never-watches-connections",
    "04_forgets_what_is_pending": "closes-with-output-pending",
    "07_keeps_whom_it_has_no_room_for": "edge-accepts-once",
    "12_never_enables_reading": "never-answers",
}


def row_of(name, check, cause):
    mistaken = name in MISTAKEN and [pytest.mark.xfail(strict=True, reason=f"it is told {MISTAKEN[name]}")]
    return pytest.param(name, check, cause, id=name, marks=[pytest.mark.slow, *(mistaken or [])])


@pytest.mark.parametrize("name, check, cause", [row_of(*row) for row in BANK])
def test_a_wrong_server_is_told_its_cause(name, check, cause, plain):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    assert named(name, check, plain / "tests" / "faulty")["id"] == cause


@pytest.mark.slow
@pytest.mark.parametrize("style", styles.read("wrong"), ids=lambda style: style.name)
def test_a_wrong_server_in_another_style_fails_at_its_check_and_is_told_its_cause(style, plain, tmp_path):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    command = style.built(tmp_path, find(style.chapter).transport)
    found = failures(style.chapter, list(style.fails)[-1], *command)
    assert len(found) == 1, found
    assert {check: cause and cause["id"] for check, cause in found.items()}.items() <= style.fails.items()
