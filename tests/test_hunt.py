"""./lab hunt: the choices, the answers, and a whole hunt."""

import io
import random
import re
import subprocess
import sys

import pytest

import hunt
from chapters import CHAPTERS, ROOT
from process import members

FAULTS = hunt.read_faults()


def test_there_is_something_to_hunt():
    assert len(FAULTS) > 60
    assert {fault.chapter for fault in FAULTS} == {chapter.name for chapter in CHAPTERS if chapter.transport == "tcp"}
    assert all(fault.cause in hunt.TEXTS and fault.check and fault.diff.startswith("--- a/") for fault in FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_one_choice_alone_is_right(fault):
    shown = hunt.choices(fault, FAULTS, random.Random(1))
    assert fault in shown and len(shown) == hunt.CHOICES
    assert len({choice.check for choice in shown}) == len({choice.cause for choice in shown}) == hunt.CHOICES


@pytest.mark.parametrize("by", ["number", "name"])
def test_what_is_named_is_judged(by, monkeypatch, capsys):
    fault, shown = FAULTS[0], hunt.choices(FAULTS[0], FAULTS, random.Random(1))
    right = shown.index(fault) + 1
    wrong = right % len(shown) + 1
    answer = right if by == "number" else fault.cause
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"nonsense\n99\n{wrong}\n{answer}\n"))
    assert hunt.ask(fault, shown) == 0
    said = capsys.readouterr().out
    assert said.count("No: ") == 1 and f"{shown[wrong - 1].cause} would fail {shown[wrong - 1].check}" in said
    assert f"Right: {fault.cause}. ./lab check finds it by {fault.check}" in said and "--- a/" in said


def test_giving_up_tells_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert hunt.ask(FAULTS[0], FAULTS[:4]) == 1
    assert FAULTS[0].diff not in capsys.readouterr().out


def test_a_chapter_without_wrong_servers_is_refused():
    ended = subprocess.run([ROOT / "lab", "hunt", "09"], capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "09_udp" in ended.stderr


def a_hunt(answers):
    """The end of ./lab hunt 04, whose server is gone with it."""
    ended = subprocess.run([ROOT / "lab", "hunt", "04"], input=answers, capture_output=True, text=True, timeout=120)
    assert "What is wrong with it?" in ended.stdout, ended.stderr
    session = re.search(r"process (\d+)", ended.stdout)
    assert not session or not members(int(session[1]))
    return ended


@pytest.mark.slow
def test_a_hunt_that_is_given_up():
    ended = a_hunt("")
    assert ended.returncode == 1 and not any(fault.name in ended.stdout + ended.stderr for fault in FAULTS)


@pytest.mark.slow
def test_a_hunt_that_ends_with_the_cause():
    ended = a_hunt("".join(f"{number}\n" for number in range(1, hunt.CHOICES + 1)))  # one of these is right
    assert ended.returncode == 0, ended.stdout
    shown = re.findall(r"^  \d\. (.*?): ", ended.stdout, re.MULTILINE)
    cause, check = re.search(r"Right: (\S+)\. \./lab check finds it by (\S+)\.", ended.stdout).groups()
    assert len(shown) == hunt.CHOICES and ended.stdout.count("No: ") == shown.index(cause)
    [fault] = [fault for fault in FAULTS if fault.diff in ended.stdout]
    assert (fault.chapter, fault.cause, fault.check) == ("04_select", cause, check)
