"""Each message of ./lab has its Chinese, with the same values in it, and messages.zh.toml has no other."""

import ast
import os
import string
import subprocess

import pytest

import checking
import words
from chapters import ROOT

SOURCES = [*sorted((ROOT / "tools").glob("*.py")), ROOT / "tests" / "telling.py"]


def messages():
    """{message: where it is said}, from the calls of _() in the code."""
    found = {}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                where = f"{source.name}:{node.lineno}"
                assert isinstance(node.args[0], ast.Constant), f"{where}: what is said is not written there"
                found[node.args[0].value] = where
    return found


def values(message):
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


def test_each_message_has_its_chinese():
    known = words.chinese()["messages"]
    assert not {message: where for message, where in messages().items() if message not in known}


def test_no_other_has():
    assert not words.chinese()["messages"].keys() - messages().keys()


def test_both_have_the_same_values():
    known = words.chinese()["messages"]
    assert not {english: chinese for english, chinese in known.items() if values(english) != values(chinese)}


def test_each_check_has_a_title_in_chinese_and_no_other():
    assert words.chinese()["checks"].keys() == {check.id for check in checking.every_check()}


@pytest.mark.parametrize("language, said", [("C", "what is 'c'?"), ("zh_CN.UTF-8", "“c”是什么")])
def test_the_environment_chooses(language, said):
    ended = subprocess.run([ROOT / "lab", "run", "a", "b", "c"], capture_output=True, text=True,
                           env={**os.environ, "LC_ALL": language})
    assert ended.returncode == 2 and said in ended.stderr and ended.stderr.count("\n") == 1
