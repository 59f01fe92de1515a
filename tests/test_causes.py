"""Every wrong server of the bank is told its own cause, the `Cause:` in the head of its diff, from the closed list; and
where the list has a rule for what its system calls show, it was seen."""

import pytest

import bank
import causes
import checking
import styles
from chapters import find
from wild import WILD

pytestmark = pytest.mark.xdist_group("judges")  # one at a time: each has many processes side by side
JUDGED = {check.id for check in checking.every_check()}
BANK = [wrong for wrong in bank.of_the_diffs() if wrong.check in JUDGED and wrong.name not in bank.NOT_ASKED]
IDS = {cause.id for cause in causes.CAUSES}


def outcome(number, check, *command):
    """(the verdicts, {check: the {id, seen, text} that ./lab check names for it, or None} of all that fails) up to
    `check`."""
    options = checking.read([number, "--full", "--only", check, "--", *map(str, command)])
    _, verdicts, found, _ = checking.judged(options)
    return verdicts, found


def outcome_of(name, check, builds, build="plain"):
    """Those of a program of the bank."""
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    if not builds.of(build):
        pytest.skip(f"judged on a {build} build, and none is given")
    program = builds.of(build)[0].folder / "tests" / "faulty" / name
    root = ["--root", "{root}", "--grace", "20"] if find(name[:2]).transport == "http" else []
    return outcome(name[:2], check, program, "--port", "{port}", *root)


def test_every_wrong_server_that_check_can_judge_has_a_cause():
    assert not [wrong.name for wrong in BANK if not wrong.cause]
    assert not [wrong.name for wrong in bank.of_the_diffs() if wrong.cause and wrong not in BANK]


def test_each_cause_of_the_list_is_proven_and_no_other_is_named():
    assert {wrong.cause for wrong in (*BANK, *bank.in_other_styles(), *WILD.values())} == IDS


def test_causes_are_about_checks_that_exist():
    assert not {check for cause in causes.CAUSES for check in cause.checks.split()} - JUDGED


def test_what_the_bank_excuses_is_in_the_bank():
    names = {wrong.name for wrong in bank.of_the_diffs()}
    names |= {wrong.name for wrong in bank.in_other_styles()}
    assert {*bank.MISTAKEN, *bank.UNSEEN, *bank.NOT_ASKED, *bank.VIEWED, *bank.EARLIER} <= names


def row_of(wrong):
    instead = bank.MISTAKEN.get(wrong.name)
    mistaken = [pytest.mark.xfail(strict=True, reason=f"it is told {instead}")] if instead else []
    return pytest.param(wrong, id=wrong.name, marks=[pytest.mark.slow, *mistaken])


@pytest.mark.parametrize("wrong", map(row_of, BANK))
def test_a_wrong_server_is_told_its_cause(wrong, builds):
    verdicts, found = outcome_of(wrong.name, wrong.check, builds, wrong.build)
    assert len(found) == 1, verdicts
    (check, told), = found.items()
    assert check == wrong.check or wrong.name in bank.EARLIER, found
    assert told and told["id"] == wrong.cause, verdicts[check]
    assert told["seen"] == bank.must_be_seen(wrong.cause, check, wrong.name), verdicts[check]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [wrong for wrong in bank.of_the_diffs() if wrong.name in bank.NOT_ASKED],
                         ids=lambda wrong: wrong.name)
def test_what_only_prints_wrongly_fails_no_check_of_a_stranger(wrong, builds):
    assert outcome_of(wrong.name, wrong.check, builds)[1] == {}


@pytest.mark.slow
@pytest.mark.parametrize("style", styles.read("wrong"), ids=lambda style: style.name)
def test_a_wrong_server_in_another_style_fails_at_its_check_and_is_told_its_cause(style, plain, tmp_path):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    command = style.built(tmp_path, find(style.chapter).transport)
    verdicts, found = outcome(style.chapter, list(style.fails)[-1], *command)
    assert len(found) == 1, verdicts
    (check, told), = found.items()
    assert told and (check, told["id"]) in style.fails.items(), found
    assert told["seen"] == bank.must_be_seen(told["id"], check, style.name), found
