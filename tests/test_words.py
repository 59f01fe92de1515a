"""Each message of ./lab has its Chinese, with the same values in it, and messages.zh.toml has no other; and so has what
the checks say in said.zh.toml."""

import ast
import os
import re
import string
import subprocess
import time

import pytest
from rich.cells import cell_len

import causes
import checking
import columns
import said
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


def kinds(message, of="_b"):
    """{value: its kind} of a Chinese message, of those that may be texts themselves, or are bytes."""
    return {name: kind for _, name, kind, _ in string.Formatter().parse(message) if kind and kind in of}


def plain(message):
    return re.sub(":[_b]}", "}", message)


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
    of_english = {name: inside if name in kinds(IN_FILES[english]) else "7" for name in values(english)}
    of_chinese = {name: IN_FILES.get(value, value) for name, value in of_english.items()}
    kept = words.kept(english, **of_english)
    assert words.translated(kept, "zh") == plain(IN_FILES[english]).format(**of_chinese)
    assert words.translated(kept, "en") == kept


CHECKS_SAY = said.Reader()
EACH_SAID = words.said()["said"] | words.said()["within"]


def test_what_a_check_says_can_be_read_from_its_code():
    """What is not written where it is said is written where another says it."""
    assert CHECKS_SAY.unread.keys() == {"self.who", "str(failure)", "str(reason)", "message", "complaints[0]", "body"}


def test_every_module_that_says_something_to_a_student_is_read():
    """own.py is used by what judges our own command line; of clients.py and the like nothing is used."""
    used, saying = set(said.MODULES), set()
    while new := {name for module in used for name in imported(module)} - used:
        used |= new
    for name in used:
        calls = [node for node in ast.walk(ast.parse((ROOT / "tests" / f"{name}.py").read_text(encoding="utf-8")))
                 if isinstance(node, ast.Call)]
        saying |= {name for call in calls if said.called(call) in ("Failed", "Differs", "CannotTell", "step", "notes")}
    assert saying - {"own"} == set(said.MODULES) & saying and "own" in saying


def imported(module):
    """The modules of tests/ that one imports."""
    tree = said.tree_of(module)
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name for name in names if (ROOT / "tests" / f"{name}.py").exists()}


def test_what_a_check_says_has_its_chinese():
    known = EACH_SAID
    assert not {template.text: where for template, where in CHECKS_SAY.found.items() if template.text not in known}


def test_no_check_says_anything_else():
    assert not EACH_SAID.keys() - {template.text for template in CHECKS_SAY.found}


def test_what_only_stands_within_another_text_is_not_looked_for_by_itself():
    alone = {template.text for template in CHECKS_SAY.alone}
    assert words.said()["said"].keys() <= alone and not words.said()["within"].keys() & alone


def test_what_a_check_says_has_the_same_values_in_chinese():
    for template in CHECKS_SAY.found:
        chinese = EACH_SAID[template.text]
        wanted = {str(number): kind(value) for number, value in enumerate(template.values)}
        assert values(chinese) == wanted.keys(), chinese
        assert kinds(chinese) == {number: kind for number, kind in wanted.items() if kind}, chinese


@pytest.mark.parametrize("english, value", [
    ("the server ended: {}", "0"), ("still running after {} s: {}", "1"), ("died before it was ready ({}): {}", "1"),
])
def test_what_a_program_printed_is_not_read(english, value):
    assert value not in kinds(EACH_SAID[english])


def kind(value):
    return "b" if is_shown(value) else "_" if value != said.Value() else ""


def is_shown(value):
    """Whether it is what check.show() makes of bytes."""
    return [template.text for template in value.may_be] == ["{} … ({} bytes)"] and not value.said_by


def samples(value, depth):
    """[(English, Chinese)] of what a value may be; at the end of `depth` it is no text, if it need not be one."""
    templates = may_be = [*value.may_be, *(template for name in value.said_by for template in CHECKS_SAY.given[name])]
    if not depth:
        templates = [template for template in templates
                     if value.always and not any(each.always for each in template.values)]
    inside = [sample for template in templates for sample in filled(template, max(0, depth - 1))]
    no_text = "b'x where y was due, after z'" if is_shown(value) else "No route to host" if may_be else "7"
    return [*([] if value.always else [(no_text, no_text)]), *inside]


def filled(template, depth):
    """[(English, Chinese)] of a template: each value is all that it may be, the others what they may be first."""
    if template.text == "{} … ({} bytes)":
        return [("b'x is in y' … (300 bytes)", "b'x is in y' …（共 300 字节）")]
    if not template.has_words():
        return [sample for value in template.values for sample in samples(value, depth)]
    may_be = [samples(value, depth) for value in template.values]
    first = [each[0] for each in may_be]
    rows = [[*first[:at], sample, *first[at + 1:]] for at, each in enumerate(may_be) for sample in each] or [first]
    chinese = plain(EACH_SAID[template.text])
    return [(template.text.format(*(english for english, _ in row)), chinese.format(*(other for _, other in row)))
            for row in rows]


def test_what_a_check_says_is_not_taken_for_anything_else():
    for template in CHECKS_SAY.found:
        for english, chinese in filled(template, 2) if template.text in words.said()["said"] else ():
            assert words.translated(english, "zh") == chinese, template.text
            assert words.translated(english, "en") == english


@pytest.mark.parametrize("english, chinese", [
    ("the server: alive, 0% of a core, 4 descriptors, 1 threads, 0 children, 0 zombies",
     "服务器：在运行，占用一个核的 0%，4 个描述符、1 个线程、0 个子进程、0 个僵尸进程"),
    ("case get (9110 §9.3.1), b'GET /': a chunk's size is b'x' where a chunk was due, after b''",
     "用例 get（9110 §9.3.1），b'GET /'：等的是分块，来的是错误：分块的大小是 b'x'；此前收到 b''"),
    ("died before it was ready (exit code 1): b is not in a", "还没有就绪就意外终止（退出码 1）：b is not in a"),
    ("server.c:3: error: expected ';'", "server.c:3: error: expected ';'"),
    ("server.c:3:1: error: expected ',' or ';' before 'int'", "server.c:3:1: error: expected ',' or ';' before 'int'"),
    ("the server ended: write failed after 10 bytes sent and 20 received",
     "服务器结束了：write failed after 10 bytes sent and 20 received"),
    ("the server ended: worker 3: just ended", "服务器结束了：worker 3: just ended"),
    ("client 1 to 10", "客户端 1 至 10"),
    ("the server ended: Broken pipe", "服务器结束了：Broken pipe"), ("Broken pipe", "Broken pipe"),
])
def test_a_program_s_own_words_stay_as_they_are(english, chinese):
    assert words.translated(english, "zh") == chinese


@pytest.mark.parametrize("english, chinese", [
    ("sending b'x': Broken pipe", "发送 b'x' 时出错：管道已断开"),
    ("cannot be reached: Connection refused", "无法到达：连接被拒绝"),
    ("cannot connect to 127.0.0.1:8000: [Errno 111] Connection refused",
     "连接不上 127.0.0.1:8000：[Errno 111] 连接被拒绝"),
    ("Connection reset by peer: 6 bytes expected, got b''", "连接被对端复位：应有 6 字节，收到 b''"),
    ("cannot be started: ./server: Permission denied", "启动不了：./server：没有权限"),
    ("cannot be started: ./server: Exec format error", "启动不了：./server：Exec format error"),
])
def test_what_the_system_says_of_an_error_is_translated(english, chinese):
    assert words.translated(english, "zh") == chinese


@pytest.mark.parametrize("number", ["0", "7", "9" * 6, "1" * 5000, "²", "٣"], ids=lambda number: number[:6])
def test_what_looks_like_our_own_marks_stays(number):
    assert words.translated(f"the server ended: \0{number}\0", "zh") == f"服务器结束了：\0{number}\0"


def test_a_long_text_is_read_in_a_moment():
    begin = time.process_time()
    words.translated("x is in y, where 400 or 500 was due, after z: " * 5000, "zh")
    assert time.process_time() - begin < 2


# ---- columns


@pytest.mark.parametrize("text, lines", [
    ("two words", ["two", "words"]), ("two  words ", ["two", "words"]), ("", [""]),
    ("longerthaneight", ["longerth", "aneight"]), ("a一二三四", ["a一二三", "四"]),
    ("一二三四五", ["一二三四", "五"]), ("一二三四，五", ["一二三", "四，五"]), ("一二三（四", ["一二三", "（四"]),
    ("一 ab 二三", ["一 ab 二", "三"]),
])
def test_a_text_is_broken_by_columns(text, lines):
    assert columns.wrapped(text, 8) == lines


@pytest.mark.parametrize("width, text", [(5, "一二"), (4, "一二"), (3, "一"), (0, "")])
def test_a_text_is_cut_by_columns(width, text):
    assert columns.cut("一二三", width) == text


@pytest.mark.parametrize("text", ["一", "a", "一二三，（四）five six", "SIGTERM 和 SIGINT 在 2 秒之内结束它", "e\u0301" * 40])
def test_a_narrow_line_has_at_least_one_character(text):
    for width in range(-1, 31):
        lines = columns.wrapped(text, width)
        assert all(cell_len(line) <= max(width, 2) for line in lines) and all(lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert cell_len(columns.cut(text, width)) <= max(width, 0)


@pytest.mark.parametrize("word", ["x", "说", "a ", "一，"])
def test_a_long_text_is_broken_in_a_moment(word):
    text = word * ((1 << 20) // len(word))
    begin = time.process_time()
    assert len(columns.wrapped(text, 98, 3)) == 3 and cell_len(columns.cut(text, 98)) == 98
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize("one, other, both", [
    ("服务器", "启动", "服务器启动"), ("客户端 1", "连接", "客户端 1 连接"), ("client 1", "connects", "client 1 connects"),
])
def test_no_blank_stands_between_chinese(one, other, both):
    assert columns.beside(one, other) == both


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
