"""Every wrong server of the bank is told its own cause: the `Cause:` in the head of its diff, from the closed list."""

import pytest

import bank
import causes
import checking
import styles
from chapters import find

pytestmark = pytest.mark.xdist_group("judges")  # one at a time: each has many processes side by side
BANK = [wrong for wrong in bank.of_the_diffs() if wrong.cause]
IDS = {cause.id for cause in causes.CAUSES}


def failures(number, check, *command):
    """{check: the {id, seen, text} that ./lab check names for it, or None} of all that fails up to `check`."""
    options = checking.read([number, "--full", "--only", check, "--", *map(str, command)])
    _, verdicts, found, _ = checking.judged(options)
    assert found, verdicts
    return found


def named(name, check, folder):
    """The cause that ./lab check names for a wrong server of the bank at its check."""
    found = failures(name[:2], check, folder / name, "--port", "{port}")
    assert check in found, found
    return found[check]


def test_the_bank_names_causes_of_the_list():
    assert not {wrong.cause for wrong in (*BANK, *bank.in_other_styles())} - IDS


def test_causes_are_about_checks_that_exist():
    known = {check.id for check in checking.every_check()}
    assert not {check for cause in causes.CAUSES for check in cause.checks.split()} - known


def row_of(wrong):
    instead = bank.MISTAKEN.get(wrong.name)
    mistaken = [pytest.mark.xfail(strict=True, reason=f"it is told {instead}")] if instead else []
    return pytest.param(wrong, id=wrong.name, marks=[pytest.mark.slow, *mistaken])


@pytest.mark.parametrize("wrong", map(row_of, BANK))
def test_a_wrong_server_is_told_its_cause(wrong, builds):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    if not builds.of(wrong.build):
        pytest.skip(f"judged on a {wrong.build} build, and none is given")
    folder = builds.of(wrong.build)[0].folder / "tests" / "faulty"
    assert named(wrong.name, wrong.check, folder)["id"] == wrong.cause


@pytest.mark.slow
@pytest.mark.parametrize("style", styles.read("wrong"), ids=lambda style: style.name)
def test_a_wrong_server_in_another_style_fails_at_its_check_and_is_told_its_cause(style, plain, tmp_path):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    command = style.built(tmp_path, find(style.chapter).transport)
    found = failures(style.chapter, list(style.fails)[-1], *command)
    assert len(found) == 1, found
    assert {check: cause and cause["id"] for check, cause in found.items()}.items() <= style.fails.items()
