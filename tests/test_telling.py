"""How a failure is told: who did what, in a few lines that a console has room for, in either language."""

import re

import pytest
from rich.cells import cell_len
from rich.console import Console

import checking
import grade_progress
import telling
from chapters import find
from check import Check, Differs, Failed, expect_bytes
from examine import Verdict
from http_contract import HttpTalk
from words import translated

TITLE = "SIGTERM 和 SIGINT 在 2 秒之内结束它，连同子进程，不管客户端在做什么"
SENDS = [[f"client {number}", "sends", b"hello\n".hex()] for number in (1, 2, 3)]


@pytest.fixture(params=["C", "zh_CN.UTF-8"])
def language(request, monkeypatch):
    monkeypatch.setenv("LC_ALL", request.param)
    return request.param[:2]


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


def steps(*rows):
    return telling.told_steps(Verdict("failed", steps=[[*row, ""][:3] for row in rows]))


def test_the_same_step_of_clients_one_after_the_other_is_told_once():
    assert steps(*SENDS, ["client 4", "connects"]) == [r"  1. client 1 to 3 sends b'hello\n'", "  2. client 4 connects"]


def test_steps_are_told_in_chinese(chinese):
    assert steps(["the server", "is started: ./server 8000:"], *SENDS, ["client 4", "waits for 6 bytes"]) == [
        "  1. 服务器启动：./server 8000:", r"  2. 客户端 1 至 3 发送 b'hello\n'", "  3. 客户端 4 等待 6 字节"]


def test_nothing_is_announced_that_does_not_follow(language):
    refused, ends = "has to be refused, whatever it says:", "sends, with the end of file in the same packet,"
    assert steps(["client 1", refused], ["client 1", ends], ["client 2", refused, b"x".hex()]) == ([
        "  1. 客户端 1 应当被拒绝，不管它说什么", "  2. 客户端 1 与文件结束在同一个包里发送",
        "  3. 客户端 2 应当被拒绝，不管它说什么： b'x'"] if language == "zh" else [
        "  1. client 1 has to be refused, whatever it says",
        "  2. client 1 sends, with the end of file in the same packet",
        "  3. client 2 has to be refused, whatever it says: b'x'"])


@pytest.mark.parametrize("one, other", [
    ("client 1", "client 3"), ("client 1", "client 1"), ("the server", "the server"), ("client 1", "the server"),
])
def test_others_are_told_apart(one, other):
    assert steps([one, "does it"], [other, "does it"]) == [f"  1. {one} does it", f"  2. {other} does it"]


def failure():
    """A verdict with much to tell."""
    with pytest.raises(Differs) as raised:
        expect_bytes(b"hello " * 20, b"hello " * 19 + b"you", "the answer (at byte 9)")
    many = [[f"client {number}", does, (b"x" * 300).hex()] for number in range(1, 40, 2)
            for does in ("connects", "sends", "has to be refused, whatever it says:")]
    expected, got = raised.value.expected[50:].hex(), raised.value.got[50:].hex()
    differs = {"at": 114, "begin": 50, "expected": expected, "got": got}
    state = "the server: alive, 0% of a core, 4 descriptors, 1 threads, 0 children, 0 zombies"
    said = "说" * 999 + "\nlast"
    return Verdict("failed", str(raised.value), steps=many, differs=differs, state=[state] * 3, said=said)


def test_a_report_has_few_lines_that_are_not_too_wide(language):
    cause = {"id": "takes-bytes-for-text", "seen": True, "text": "It takes bytes for text. " * 9}
    check = Check("peer-not-reading", "It answers. " * 20, None)
    verdict = failure()
    verdict.steps.append(["client 99", "sends", b"hello\n".hex()])
    told = telling.report(check, verdict, cause, ("127.0.0.1", 8000), find("01"))
    assert len(told) == telling.LINES and max(map(cell_len, told)) <= telling.WIDTH
    assert told[-1].startswith("参看：" if language == "zh" else "Read: ")
    assert told[-2] == r"  printf 'hello\n' | nc -N -w 2 127.0.0.1 8000" and told[-4].endswith("[takes-bytes-for-text]")


def test_a_command_is_told_whole():
    verdict = Verdict("failed", steps=[["client 1", "sends", bytes(range(200, 248)).hex()]])
    told = telling.report(Check("answers", "It answers", None), verdict, None, ("127.0.0.1", 8000), find("01"))
    assert told[-2].startswith(r"  printf '\310") and told[-2].endswith(" | nc -N -w 2 127.0.0.1 8000")
    assert len(told[-2]) > telling.WIDTH


@pytest.mark.parametrize("said, place, chapter, capability, command", [
    ([b"-n\n"], ("127.0.0.1", 9527), "01", "stream", r"printf '\055n\n' | nc -N -w 2 127.0.0.1 9527"),
    ([b"a", b"b\0", b"'%\\"], ("::1", 9527), "01", "stream",
     r"(printf a; sleep 1; printf 'b\000'; sleep 1; printf '\047\045\134') | nc -N -w 2 ::1 9527"),
    ([b"hello\n"], "a path", "10", "stream", r"printf 'hello\n' | nc -N -w 2 -U 'a path'"),
    ([b"hello\n"], ("127.0.0.1", 8000), "09", "datagram", r"printf 'hello\n' | nc -u -w 2 127.0.0.1 8000"),
    ([b"hello\n"], ("::1", 9999), "11", "stream", r"printf 'hello\n' | curl -sN -m 5 -X POST -T - http://[::1]:9999/upper"),
    ([b"GET / HTTP/1.1\r\n\r\n"], ("127.0.0.1", 9999), "11", "http",
     r"printf 'GET / HTTP/1.1\r\n\r\n' | nc -N -w 2 127.0.0.1 9999"),
    ([b"x" * 101], ("127.0.0.1", 9527), "01", "stream", None),
    ([b"x"] * 4, ("127.0.0.1", 9527), "01", "stream", None),
])
def test_a_command_speaks_as_the_client_did(said, place, chapter, capability, command):
    verdict = Verdict("failed", steps=[["client 1", "sends", data.hex()] for data in said])
    check = Check("answers", "It answers", None, capability=capability)
    told = telling.report(check, verdict, None, place, find(chapter))
    assert (told[told.index("By hand, while it runs:") + 1] if "By hand, while it runs:" in told else None) == (
        command and f"  {command}")


def test_what_differs_is_told_in_chinese(chinese):
    told = telling.report(Check("answers", "It answers", None), failure(), None, ("127.0.0.1", 8000), find("01"))
    at = told.index("  应答（偏移 9 起的一段）从偏移 114 起不同（收到 120 字节，应为 117 字节）")
    assert told[at + 1].startswith("  应为      68 65 6c 6c 6f 20 79 6f 75 ")
    assert told[at + 2].startswith("  收到      68 65 6c 6c 6f 20 68 65 6c ")
    assert told[at + 4] == "  服务器：在运行，占用一个核的 0%，4 个描述符、1 个线程、0 个子进程、0 个僵尸进程"


def test_a_failure_within_a_case_is_told_without_its_bytes(chinese):
    verdict = failure()
    verdict.message = f"case get (9110 §9.3.1), b'GET /': {verdict.message}"
    told = telling.report(Check("http-basics", "It answers", None), verdict, None, ("127.0.0.1", 8000), find("11"))
    at, end = told.index("错在哪里："), next(at for at, line in enumerate(told) if line.startswith("  应为      68 65"))
    assert "".join(line.strip() for line in told[at + 1:end]) == (
        "用例 get（9110 §9.3.1），b'GET /'：应答（偏移 9 起的一段）从偏移 114 起不同（收到 120 字节，应为117 字节）"), told


@pytest.mark.parametrize("head, english, chinese", [
    (b"x" * (1 << 20), "this is no status line: b'", "这不是状态行：b'"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20), "an answer without an end: b'HTTP/1.1 200 OK\\r\\nX: x",
     "应答没有说明到哪里结束：b'HTTP/1.1 200 OK\\r\\nX: x"),
])
def test_of_a_long_head_the_beginning_is_told(head, english, chinese):
    talk = HttpTalk.__new__(HttpTalk)
    talk.rest = bytearray(head + b"\r\n\r\n")
    with pytest.raises(Failed) as raised:
        talk.answer()
    told = str(raised.value)
    assert told.startswith(english) and told.endswith(f" … ({len(head)} bytes)") and len(told) < 700
    assert translated(told, "zh").startswith(chinese) and translated(told, "zh").endswith(f" …（共 {len(head)} 字节）")


@pytest.mark.parametrize("sent, english, chinese", [
    (b"HTTP/1.1 200 OK\r\nno field", "this is no field line: b'no field'", "这不是字段行：b'no field'"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: many", "Content-Length is b'many'", "Content-Length 是 b'many'"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx", "a chunk's size is b'x'", "分块的大小是 b'x'"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz", "a chunk does not end as", "分块没有按它的大小结束"),
])
def test_an_answer_that_is_none_is_the_server_s_fault(sent, english, chinese):
    talk = HttpTalk.__new__(HttpTalk)
    talk.rest = bytearray(sent + b"\r\n\r\n")
    with pytest.raises(Failed) as raised:
        talk.answer()
    assert str(raised.value).startswith(english) and translated(str(raised.value), "zh").startswith(chinese)


def row(id, status, title="", message=""):
    return {"id": id, "status": status, "title": title, "message": message}


def test_why_a_check_was_not_judged_is_told_in_chinese(chinese):
    rows = [row("reset", "skipped", message="needs answers"),
            *(row(id, "cannot-tell", message="the server runs already: it is not started") for id in ("one", "two"))]
    assert checking.lines_of(rows) == [["skipped", "要先通过 answers", ["reset"]],
                                       ["cannot-tell", "服务器已经在运行：不启动它", ["one", "two"]]]


@pytest.mark.parametrize("into, why", [
    ("en", "the answer (at byte 9) differs from byte 114 on (120 bytes came, 117 were expected)"),
    ("zh", "应答（偏移 9 起的一段）从偏移 114 起不同（收到 120 字节，应为 117 字节）"),
])
def test_the_table_of_a_class_tells_a_failure_in_its_first_line(into, why):
    failed = {**row("answers", "failed", message=failure().message), "cause": None, "visibility": "visible"}
    result = {"chapters": [{"chapter": "01_basic_tcp", "folder": ".", "checks": [failed]}]}
    assert grade_progress.told_failure(result, into=into) == f"01 answers{'：' if into == 'zh' else ': '}{why}"


@pytest.mark.parametrize("message, why", [
    ("a.c:3: error: x: just ended", "a.c:3: error: x: just ended"), ("just\nended", "just"),
    ("it says nothing, and its exit code is not 0", "什么也没有打印，退出码却不是 0"),
])
def test_what_a_compiler_says_stays_as_it_is(message, why):
    failed = {**row("builds", "failed", message=message), "cause": None, "visibility": "visible"}
    result = {"chapters": [{"chapter": "01_basic_tcp", "folder": ".", "checks": [failed]}]}
    assert grade_progress.first_failed(result, into="zh") == ("01 builds", why)


@pytest.mark.parametrize("place", sorted({(place[:2], place[4:]) for rows in telling.traps().values()
                                          for row in rows.values() for place in row}))
def test_where_to_read_on_is_told_in_chinese(place, chinese):
    chapter, words = find(place[0]), place[1]
    told = telling.place_in_chinese(chapter.path, words)
    assert re.search("[一-龥]", told), told
    assert told in (chapter.path / "README.zh-CN.md").read_text().replace("**", "") and cell_len(told) < 60


@pytest.mark.parametrize("width", range(31))
def test_a_console_may_have_no_room(width, language, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    result = {"checks": [{**row("stops", "failed", TITLE), "report": ["stops：" + TITLE, "错在哪里：", "  说" * 99]},
                         row("check", "passed"), row("reset", "skipped", message="needs answers")],
              "limits": [], "chapter": "01_basic_tcp", "points": 1, "of": 3, "seconds": 1.0}
    checking.show(result, hint=False)
    table, told = capsys.readouterr().out.split("\n\n", 1)
    assert "stops" in table and "reset" in table and told.startswith("stops：" + TITLE)
    assert max(map(cell_len, table.splitlines())) <= max(width, checking.NARROWEST)


@pytest.mark.parametrize("width, told", [
    (40, ["SIGTERM 和 SIGINT", "在 2 秒之内结束", "它，连同子进程，", "不管客户端在做什", "么"]),
    (60, ["SIGTERM 和 SIGINT 在 2 秒之", "内结束它，连同子进程，不管", "客户端在做什么"]),
    (200, ["SIGTERM 和 SIGINT 在 2 秒之内结束它，连同子进程，不管客户端在做什么"]),
])
def test_a_narrow_console_breaks_a_title_anywhere_but_before_a_comma(width, told, monkeypatch):
    monkeypatch.setattr(checking, "MARKS", {"failed": ("red", "失败"), "cannot-tell": ("cyan", "?")})
    others = [row(f"check-{number}", "cannot-tell", message="[why]") for number in range(20)]
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(checking.table_of([row("stops", "failed", TITLE), *others], width))
    lines = captured.get().splitlines()
    assert max(map(cell_len, lines)) <= width and "[why]" in captured.get()
    assert [line.replace("stops", "").replace("失败", "").strip() for line in lines[:len(told)]] == told
