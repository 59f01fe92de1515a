"""Each message of ./lab has its Chinese, with the same values in it, and messages.zh.toml has no other."""

import ast
import os
import string
import subprocess

import pytest

import causes
import checking
import words
from chapters import ROOT

SOURCES = [*sorted((ROOT / "tools").glob("*.py")), *sorted((ROOT / "bench").glob("*.py")),
           *(ROOT / "tests" / f"{name}.py" for name in ("telling", "causes"))]


def messages(said_by="_"):
    """{message: where it is said}, from the calls of _(), or of kept(), in the code."""
    found = {}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == said_by:
                where = f"{source.name}:{node.lineno}"
                assert isinstance(node.args[0], ast.Constant), f"{where}: what is said is not written there"
                found[node.args[0].value] = where
    return found


def values(message):
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


IN_FILES = words.chinese()["kept"]
BOTH = pytest.mark.parametrize("said_by, section", [("_", "messages"), ("kept", "kept")])


@BOTH
def test_each_message_has_its_chinese(said_by, section):
    known = words.chinese()[section]
    assert not {message: where for message, where in messages(said_by).items() if message not in known}


@BOTH
def test_no_other_has(said_by, section):
    assert not words.chinese()[section].keys() - messages(said_by).keys()


@BOTH
def test_both_have_the_same_values(said_by, section):
    known = words.chinese()[section]
    assert not {english: chinese for english, chinese in known.items() if values(english) != values(chinese)}


@pytest.mark.parametrize("english", IN_FILES)
def test_what_files_keep_in_english_is_shown_in_chinese(english):
    inside = words.kept("its folders are too deep")
    of_english, of_chinese = (dict.fromkeys(values(english), what) for what in (inside, IN_FILES[inside]))
    said = words.kept(english, **of_english)
    assert words.translated(said, "zh") == IN_FILES[english].format(**of_chinese)
    assert words.translated(said, "en") == said


def test_what_nobody_kept_is_shown_as_it_is():
    assert words.translated("a student's: {words}", "zh") == "a student's: {words}"


def test_each_check_has_a_title_in_chinese_and_no_other():
    assert words.chinese()["checks"].keys() == {check.id for check in checking.every_check()}


def test_each_cause_has_its_chinese_and_no_other():
    assert words.chinese()["causes"].keys() == {cause.id for cause in causes.CAUSES}


@pytest.mark.parametrize("language, said", [("C", "what is 'c'?"), ("zh_CN.UTF-8", "“c”是什么")])
def test_the_environment_chooses(language, said):
    assert said in refused("run", "a", "b", "c", language=language)


@pytest.mark.parametrize("command, said", [
    ("grade nowhere", "没有“nowhere”这个文件夹"), ("bench --rounds 0", "--rounds 要一个正数，不能是“0”"),
    ("bench --sweep length", "没有“length”这个系列"), ("book --port x", "--port 要一个从 0 到 65535 的数，不能是“x”"),
    ("fuzz soon", "“soon”是什么？"),
])
def test_a_command_is_refused_in_chinese(command, said):
    assert said in refused(*command.split(), language="zh_CN.UTF-8")


def refused(*command, language):
    """The one line with which ./lab refuses a command."""
    ended = subprocess.run([ROOT / "lab", *command], capture_output=True, text=True,
                           env={**os.environ, "LC_ALL": language})
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    return ended.stderr
