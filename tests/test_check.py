"""./lab check: what it says of servers that were not written for this project, right ones, wrong ones and wild ones; and
how it ends on a command line that it cannot carry out."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import bank
import causes
import checking
import checks_page
import examine
import styles
import telling
from chapters import ROOT, find
from check import CannotTell, Check, Failed
from listening import listening, runs, tree
from peer import Peer
from process import Process, contended, members, send, wait_until
from subject import Subject
from wild import LISTENS, WILD

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("judges")]  # one at a time: each has many processes side by side
PYTHON = "/usr/bin/python3"
FACTOR = 3  # the machine is slow for who is judged here: other tests run beside


def check(*words, timeout=300, **rest):
    return subprocess.run([ROOT / "lab", "check", *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **rest)


def result(*words):
    """What --json says, and the exit code."""
    words = [str(word) for word in words]
    at = words.index("--") if "--" in words else len(words)
    ended = check(*words[:at], "--json", "-", *words[at:])
    assert ended.returncode in (0, 1) and ended.stdout, ended.stderr
    return json.loads(ended.stdout), ended.returncode


@pytest.mark.parametrize("words, said", [
    ([], "takes a chapter"), (["04"], "takes a command"), (["04", "--"], "takes a command"),
    (["99", "--", "true"], "'99' is no chapter"), (["04", "--port", "x", "--", "true"], "--port wants a number"),
    (["04", "--nonsense", "--", "true"], "what is '--nonsense'"), (["04", "--", "./nowhere"], "no program './nowhere'"),
    (["04", "--only", "nothing", "--", "true"], "has no check 'nothing'"), (["04", "--json"], "--json wants a value"),
    (["04", "--port", "²", "--", "true"], "not '²'"),
    (["04", "--address", "localhost"], "wants HOST:PORT, not 'localhost'"),
    (["04", "--address", "127.0.0.1:99999"], "a number from 1 to 65535, not '99999'"),
    (["04", "--address", "127.0.0.1:"], "not ''"), (["09", "--address", f"{'a' * 64}:1"], "aaa' has no address: "),
    (["04", "--watch", "--address", "127.0.0.1:1"], "no file is named"),
    (["04", "--watch", "--", "true"], "no file is named"),
])
def test_a_bad_command_line_is_one_line_and_exit_2(words, said):
    ended = check(*words)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    assert said in ended.stderr


def test_a_passing_rung_and_its_json(plain):
    found, code = result("01", "--only", "exact-bytes", "--", plain / "01_basic_tcp" / "server", "--port", "{port}")
    assert code == 0 and found["points"] == found["of"] > 0
    assert [row["id"] for row in found["checks"]] == ["starts", "answers", "exact-bytes"]


def test_json_is_as_the_schema_says(plain):
    schema = json.loads((ROOT / "tools" / "check.schema.json").read_text())
    found, _ = result("01", "--only", "answers", "--", "cat")
    assert set(schema["required"]) == set(found)
    row = schema["properties"]["checks"]["items"]
    for each in found["checks"]:
        assert set(row["required"]) == set(each) and each["status"] in row["properties"]["status"]["enum"]
    assert [each["status"] for each in found["checks"]] == ["failed", "skipped"]
    assert found["points"] == 0 and found["of"] == 3
    if jsonschema := pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed"):
        jsonschema.validate(found, schema)


def test_a_server_that_runs_already_is_talked_to_and_no_more(plain):
    with subprocess.Popen([plain / "04_select" / "server", "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().rpartition(":")[2].strip()
            found, code = result("04", "--only", "end-of-file", "--address", f"127.0.0.1:{port}")
            assert code == 0 and found["points"] == found["of"] > 0
            assert result("04", "--only", "answers", "--address", f"localhost:{port}")[1] == 0
            found, _ = result("04", "--only", "stops", "--address", f"127.0.0.1:{port}")
            assert found["checks"][-1]["status"] == "cannot-tell" and found["checks"][-1]["of"] == 0
        finally:
            server.terminate()


@pytest.mark.parametrize("chapter, text, read", [
    ("04", "localhost:9999", ("127.0.0.1", 9999)), ("09", "localhost:1", ("127.0.0.1", 1)),
    ("04", "[::1]:65535", ("::1", 65535)),
    ("10", "localhost:99999", "localhost:99999"), ("10", "serv.socket", "serv.socket"),
])
def test_an_address_is_a_host_and_a_port_or_a_path(chapter, text, read, monkeypatch):
    resolve = socket.getaddrinfo

    def ipv6_first(host, port, **rest):
        names = ["::1", "127.0.0.1"] if host == "localhost" else [host]
        return [row for name in names for row in resolve(name, port, **rest)]

    monkeypatch.setattr(socket, "getaddrinfo", ipv6_first)
    assert checking.address(text, find(chapter)) == read


def test_a_host_that_nobody_knows_is_named(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(checking.Trouble, match="'nowhere' has no address: Name or service not known") as told:
        checking.address("nowhere:9999", find("04"))
    assert told.value.code == 2


@pytest.mark.parametrize("alone, reached_by", [(1, "::1"), (0, "127.0.0.1")], ids=["IPv6 alone", "both"])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_server_on_all_addresses_of_ipv6_is_reached_by_ipv4_if_it_takes_that(kind, alone, reached_by):
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error.strerror}")
    with listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, alone)
        listener.bind(("::", 0))
        if kind == "tcp":
            listener.listen()
        assert listening([os.getpid()], kind) == [(reached_by, listener.getsockname()[1])]


def echoing(tmp_path):
    """A server that forgets the upper case."""
    file = tmp_path / "echo.py"
    file.write_text(LISTENS + "c, _ = listener.accept()\nc.sendall(c.recv(100))\ntime.sleep(1000)")
    return [PYTHON, file, "{port}"]


def test_a_failure_is_told_in_25_lines(tmp_path):
    found, code = result("01", "--only", "answers", "--", *echoing(tmp_path))
    report = found["checks"][-1]["report"]
    assert code == 1 and len(report) <= 25
    text = "\n".join(report)
    for words in ("answers: A line comes back", "client 1 sends b'hello\\n'", "48 45 4c 4c 4f 0a", "68 65 6c 6c 6f 0a", "^^",
                  "the server: alive", "[echoes]", r"printf 'hello\n' | nc"):
        assert words in text, text


def test_a_failure_is_told_in_chinese(tmp_path):
    ended = check("01", "--only", "next-line", "--", *echoing(tmp_path), env={**os.environ, "LC_ALL": "zh_CN.UTF-8"})
    assert ended.returncode == 1
    for line in ("跳过 next-line 要先通过 answers", r"  3. 客户端 1 发送 b'hello\n'", "  4. 客户端 1 等待 6 字节",
                 "  应答从偏移 0 起不同（收到 6 字节，应为 6 字节）", "  来的是什么就送回什么：没有变成大写。 [echoes]"):
        assert line in map(str.rstrip, ended.stdout.splitlines()), ended.stdout
    for words in ("  1. 服务器启动：", "\n  应为      48 45 ", "\n  收到      68 65 ", "\n  服务器：在运行，占用一个核的 0%，"):
        assert words in ended.stdout, ended.stdout


ONE = "client, _ = listener.accept()\n"
ECHO = "client.sendall(client.recv(100))\n"
WAIT = "time.sleep(1000)"
ON_A_PATH = """
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
"""
OF_DATAGRAMS = """
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
while True: s.sendto(*s.recvfrom(9999))
"""
OF_HTTP = LISTENS + ONE + """
said = b""
while b"hello" not in said: said += client.recv(4096)
client.sendall(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n6\\r\\nhello\\n\\r\\n0\\r\\n\\r\\n")
""" + WAIT
HAS_NO_FILE = LISTENS + """
while True:
    client, _ = listener.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n")
    client.close()
"""
SHOWN = {  # (the chapter, the check that fails, the program, the words behind it, the command of its report, what that prints)
    "one_line": ("01", "answers", LISTENS + ONE + ECHO + WAIT, ["{port}"],
                 r"printf 'hello\n' | nc -N -w 2 127.0.0.1 9527", "hello\n"),
    "in_parts": ("01", "next-line", LISTENS + ONE + ECHO.replace(")\n", ".upper())\n", 1) + ECHO + WAIT, ["{port}"],
                 r"(printf 'first\n'; sleep 1; printf 'second\n') | nc -N -w 2 127.0.0.1 9527", "FIRST\nsecond\n"),
    "datagrams": ("09", "udp-answers", OF_DATAGRAMS, ["{port}"],
                  r"printf 'hello\n' | nc -u -w 2 127.0.0.1 8000", "hello\n"),
    "a_path": ("10", "answers", ON_A_PATH + ONE + ECHO + WAIT, ["{path}"],
               r"printf 'hello\n' | nc -N -w 2 -U PATH", "hello\n"),
    "http": ("11", "answers", OF_HTTP, ["{port}"],
             r"printf 'hello\n' | curl -sN -m 5 -X POST -T - http://127.0.0.1:9999/upper", "hello\n"),
    "a_request": ("11", "http-basics", HAS_NO_FILE, ["{port}", "{root}"],
                  r"printf 'HEAD /hello.c HTTP/1.1\r\nHost: x\r\n\r\n' | nc -N -w 2 127.0.0.1 9999",
                  "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_command_of_a_report_does_it_by_hand(name, tmp_path):
    """It shows of the wrong server what the check has seen."""
    chapter, at, text, words, command, printed = SHOWN[name]
    file, path = tmp_path / "wrong.py", str(tmp_path / "serv.socket")
    file.write_text(text)
    report = result(chapter, "--only", at, "--", PYTHON, file, *words)[0]["checks"][-1]["report"]
    assert report[report.index("By hand, while it runs:") + 1] == f"  {command}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = re.sub("9527|8000|9999", port, command).replace("PATH", path)
    with subprocess.Popen([PYTHON, file, path if "{path}" in words else port]) as server:
        try:
            deadline = time.monotonic() + 20
            said = ""
            while said != printed and time.monotonic() < deadline:  # until it listens
                said = subprocess.run(["sh", "-c", command], capture_output=True).stdout.decode()
            assert said == printed
        finally:
            server.kill()


def test_http_is_judged_where_the_command_says_root(plain):
    server = [plain / "11_http" / "server", "--port", "{port}"]
    found, code = result("11", "--only", "http-basics", "--", *server, "--root", "{root}")
    assert code == 0 and found["points"] == found["of"] > 0
    found, _ = result("11", "--only", "http-basics", "--", *server)
    assert found["checks"][-1]["status"] == "cannot-tell" and "no {root}" in found["checks"][-1]["message"]


def test_a_wrong_server_of_http_is_told_by_request(plain):
    server = plain / "tests" / "faulty" / "11_serves_dotfiles"
    found, code = result("11", "--only", "http-paths", "--", server, "--port", "{port}", "--root", "{root}")
    report = "\n".join(found["checks"][-1]["report"])
    assert code == 1
    for words in ("case dotfile", "GET /", "Looking for .. before decoding"):
        assert words in report, report


# ---- where less is granted

NO_NAMESPACES = ["unshare", "--user", "--map-root-user", "sh", "-c",
                 'for k in net user pid mnt; do echo 0 >/proc/sys/user/max_${k}_namespaces; done; exec "$@"', "sh"]
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

ALWAYS_9527 = LISTENS.replace("int(sys.argv[1])", "9527") + """
import threading
def serve(connection):
    while data := connection.recv(4096): connection.sendall(data.upper())
    connection.close()
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def within(words, *command, **rest):
    """What ./lab check --json says of `command` when `words` start it, and the exit code."""
    if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip(f"{words[0]} is not allowed here")
    at = command.index("--")
    words = [*words, ROOT / "lab", "check", *command[:at], "--json", "-", *command[at:]]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, **rest)
    assert ended.returncode in (0, 1) and ended.stdout, ended.stderr
    return json.loads(ended.stdout), ended.returncode


@pytest.mark.parametrize("words", [NO_NAMESPACES, NOBODY], ids=["no_namespaces", "nobody"])
@pytest.mark.parametrize("place", [["{port}"], []], ids=["told", "always_9527"])
def test_a_right_server_passes_where_less_is_granted(words, place, tmp_path_factory):
    if words is NO_NAMESPACES and not place:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 9527)) == 0:
                pytest.skip("somebody listens on port 9527 of this machine")
    file = Path("/tmp") / f"check-{os.getpid()}.py"  # a folder of pytest's own is not for others to read
    file.write_text(ALWAYS_9527.replace("9527", "int(sys.argv[1])") if place else ALWAYS_9527)
    try:
        found, code = within(words, "01", "--only", "restart", "--", PYTHON, str(file), *place)
    finally:
        file.unlink()
    assert code == 0 and all(row["status"] == "passed" for row in found["checks"]), found["checks"]
    alone = words is NO_NAMESPACES and not place
    assert found["limits"] == (["no network of its own is granted here: one check after another"] if alone else [])


def test_causes_are_guesses_where_nothing_may_be_traced(tmp_path):
    (tmp_path / "strace").write_text("#!/bin/sh\necho 'ptrace: Operation not permitted' >&2\nexit 1\n")
    (tmp_path / "strace").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found, code = within([], "01", "--only", "answers", "--", *map(str, echoing(tmp_path)), env=environment)
    assert code == 1 and found["limits"] == ["tracing is not allowed here: causes are guesses"]
    assert found["checks"][-1]["cause"]["seen"] is False


@pytest.mark.parametrize("chapter, wanted", [("03", True), ("09", True), ("01", False)])
def test_the_library_that_lets_calls_fail_is_built_where_it_is_missing_and_wanted(chapter, wanted, monkeypatch, capsys):
    asked = []

    def build_nothing(targets):
        asked.append(targets)
        raise checking.Trouble("nothing can be built here")

    monkeypatch.setattr(checking, "FAULT", checking.BUILD / "tests" / "missing.so")
    monkeypatch.setattr("build.build", build_nothing)
    checking.build_what_fails(checking.read([chapter, "--", "true"]))
    assert asked == [["tests/missing.so"]] * wanted
    assert ("nothing can be built here" in capsys.readouterr().err) == wanted


@pytest.mark.parametrize("waited, ends", [(5.0, True), (0.0, False)], ids=["contended", "idle"])
def test_the_time_in_which_cores_were_wanted_does_not_count_for_an_end(waited, ends, monkeypatch):
    asked = itertools.count()
    monkeypatch.setattr("process.contended", lambda: 100.0 + (waited if next(asked) else 0.0))
    process = Process(["sleep", "0.5"])
    try:
        with contextlib.nullcontext() if ends else pytest.raises(Failed, match="still running after 0.3 s"):
            assert process.wait(0.3) == 0
    finally:
        process.kill()


@pytest.mark.parametrize("waited, contended", [(5.0, 0.0), (0.0, 5.0)], ids=["told by it", "told by the machine"])
@pytest.mark.parametrize("over, late", [(1.5, False), (2.1, True), (-0.1, False)])
def test_the_time_that_a_check_waits_for_a_core_does_not_count(waited, contended, over, late, monkeypatch):
    monkeypatch.setattr(examine, "waited_for_a_core", lambda pid: waited)
    monkeypatch.setattr(examine, "contended", lambda: 100.0 + contended)
    monkeypatch.setattr(examine, "tree", lambda pid: [pid])
    judge = examine.Judge(0, None)
    job = examine.Job(None, judge, time.monotonic() - 1.0 - over, 1.0, 100.0)
    assert examine.Climb([], None, {}).late(job) == late
    before = examine.Job(None, judge, time.monotonic() - 1.0 - abs(over), 1.0, 105.0, waited=5.0)
    assert examine.Climb([], None, {}).late(before), "what was waited for in earlier checks counts for none"


def test_a_check_that_waits_for_no_core_has_its_time_and_no_more(monkeypatch):
    monkeypatch.setattr(examine, "contended", lambda: 100.0)
    monkeypatch.setattr(examine, "tree", lambda pid: [])
    job = examine.Job(None, examine.Judge(0, None), time.monotonic() - 1.1, 1.0, 100.0)
    assert examine.Climb([], None, {}).late(job)


def test_of_a_check_that_is_cut_off_it_is_told_how_far_it_came():
    def judge(subject):
        process = subject.clears(Process(["sh", "-c", "echo last >&2; exec sleep 1000"]))
        wait_until(lambda: process.log, 8.0, "it prints nothing")
        time.sleep(1000)

    check = Check("slow", "It ends", judge)
    before = Check("before", "It holds", lambda subject: subject.clears(Process(["true"])))
    climb = examine.Climb([before, check], lambda check: Subject([], set()), {"default": examine.Terms(seconds=2)})
    verdict = climb.run()["slow"]
    assert verdict.status == "failed" and verdict.message.startswith("no verdict after 2 s")
    assert verdict.steps == [["the server", "is started: sh -c echo last >&2; exec sleep 1000", ""]]
    assert verdict.said == "last" and verdict.state[0].startswith("the server: alive, 0% of a core, ")


def test_who_judges_and_does_not_hear_is_cut_off_all_the_same(monkeypatch):
    monkeypatch.setattr(examine, "LAST_WORDS", 0.1)

    def judge(subject):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1000)

    climb = examine.Climb([Check("deaf", "It ends", judge)], lambda check: Subject([], set()),
                          {"default": examine.Terms(seconds=1)})
    verdict = climb.run()["deaf"]
    assert (verdict.status, verdict.steps, verdict.state) == ("failed", [], [])


@pytest.mark.parametrize("waits, young, old, enough", [
    (False, 1, 0, False), (False, 2, 0, True), (False, 1, 4, False), (False, 0, 5, False), (False, 0, 6, True),
    (True, 5, 0, False), (True, 6, 0, True),
])
def test_a_third_as_many_compute_as_may_wait(waits, young, old, enough):
    climb = examine.Climb([], None, {"default": examine.Terms(waits=waits)}, side_by_side=6)
    now, check = time.monotonic(), Check("any", "It holds", None)
    climb.jobs = [examine.Job(check, None, begin, 1.0, 0.0) for begin in [now] * young + [now - 2 * examine.YOUNG] * old]
    assert climb.enough() == enough


@pytest.mark.parametrize("first", ["passed", "failed", "cannot-tell", "error"])
def test_who_waits_begins_beside_what_it_needs_and_counts_unless_that_fails(first, tmp_path):
    beside, sleeps = tmp_path / "beside", tmp_path / "sleeps"
    raised = {"failed": Failed, "cannot-tell": CannotTell, "error": ValueError}

    def waits(subject):
        wait_until(lambda: beside.exists() and (first != "failed" or sleeps.exists()), 8.0, "nothing is beside it")
        if first in raised:
            raise raised[first]("so it is")

    def waits_too(subject):
        beside.touch()

    def waits_on(subject):
        if first == "failed":
            subject.clears(Process(["sleep", "1000"]))
            sleeps.touch()
            time.sleep(1000)
        raise Failed("what it has seen")

    checks = [Check("low", "It holds", lambda subject: None), Check("waits", "It holds", waits, needs="low"),
              Check("too", "It holds", waits_too, needs="waits"), Check("on", "It holds", waits_on, needs="too")]
    terms = {"default": examine.Terms(waits=True, seconds=8), "low": examine.Terms()}
    told = []

    def tell(id, verdict):
        told.append(id)
        running = [Path(f"/proc/{pid}/comm").read_text() for pid in tree(os.getpid()) if runs(pid)]
        assert id != "on" or "sleep\n" not in running, "who is skipped is ended"

    verdicts = examine.Climb(checks, lambda check: Subject([], set()), terms, side_by_side=12, told=tell).run()
    after = ["skipped", "skipped"] if first == "failed" else ["passed", "failed"]
    assert [verdict.status for verdict in verdicts.values()] == ["passed", first, *after]
    assert told == ["low", "waits", "too", "on"]
    assert verdicts["on"].message == ("needs too" if first == "failed" else "what it has seen")


def test_where_there_is_one_place_for_all_nothing_begins_beside_what_it_needs(tmp_path):
    def fails(subject):
        raise Failed("so it is")

    def comes_after(subject):
        (tmp_path / "began").touch()

    checks = [Check("too", "It holds", comes_after, needs="waits"), Check("waits", "It holds", fails)]
    terms = {"waits": examine.Terms(waits=True, apart=True), "default": examine.Terms(waits=True)}  # so that it comes last
    climb = examine.Climb(checks, lambda check: Subject([], set()), terms)
    assert {id: verdict.status for id, verdict in climb.run().items()} == {"too": "skipped", "waits": "failed"}
    assert not (tmp_path / "began").exists()


def test_who_waits_does_not_begin_before_what_it_needs_has_passed_if_that_does_not_wait(tmp_path):
    def slow(subject):
        time.sleep(0.2)
        (tmp_path / "over").touch()

    def waits(subject):
        if not (tmp_path / "over").exists():
            raise Failed("it began beside it")

    checks = [Check("slow", "It holds", slow), Check("waits", "It holds", waits, needs="slow")]
    climb = examine.Climb(checks, lambda check: Subject([], set()),
                          {"default": examine.Terms(), "waits": examine.Terms(waits=True)}, side_by_side=8)
    assert [verdict.status for verdict in climb.run().values()] == ["passed"] * 2


@pytest.mark.parametrize("waits, age, busy, may", [
    (True, 9.0, False, True), (True, 0.0, False, False), (False, 9.0, False, False), (True, 9.0, True, False),
])
def test_what_measures_time_is_judged_beside_what_waits_and_nothing_else(waits, age, busy, may, monkeypatch):
    monkeypatch.setattr(examine, "tree", lambda pid: [pid])
    monkeypatch.setattr(examine, "all_threads_are", lambda states, pid: not busy)
    other, alone = Check("other", "It holds", None), Check("alone", "It holds", None)
    terms = {"default": examine.Terms(waits=waits), "alone": examine.Terms(apart=True)}
    climb = examine.Climb([other, alone], None, terms, side_by_side=8)
    climb.jobs = [examine.Job(other, examine.Judge(0, None), time.monotonic() - age, 30.0, 0.0)]
    assert climb.may_start(alone) == may
    climb.jobs = [examine.Job(alone, examine.Judge(0, None), time.monotonic() - age, 30.0, 0.0)]
    assert not climb.may_start(other)


def test_what_takes_long_or_is_needed_by_what_does_begins_first():
    names = ["alone", "short", "below", "long", "above"]
    checks = {name: Check(name, "It holds", None, needs="below" if name == "above" else "") for name in names}
    terms = {"default": examine.Terms(), "alone": examine.Terms(apart=True, takes=9.0), "long": examine.Terms(takes=2.0),
             "above": examine.Terms(takes=2.5)}
    climb = examine.Climb(checks.values(), None, terms)
    assert [check.id for check in sorted(climb.checks, key=climb.turn)] == ["below", "above", "long", "short", "alone"]


def climbed(*judges):
    """{name: Verdict} of checks that these functions are, judged one after another."""
    checks = [Check(judge.__name__, "It holds", judge) for judge in judges]
    return examine.Climb(checks, lambda check: Subject([], set()), {"default": examine.Terms()}).run()


def test_who_judges_goes_on_after_a_pass_and_after_nothing_else():
    judged = []

    def passes(subject):
        judged.append("passes")

    def fails(subject):
        judged.append("fails")
        raise Failed(" ".join(judged))

    def fails_too(subject):
        raise Failed(" ".join(judged) or "nothing")

    verdicts = climbed(passes, fails, fails_too)
    assert verdicts["passes"].status == "passed"
    assert (verdicts["fails"].message, verdicts["fails_too"].message) == ("passes fails", "nothing")


def test_what_a_check_leaves_behind_is_gone_before_the_next_one(tmp_path):
    def leaves_one(subject):
        subprocess.run(["sh", "-c", f"setsid sh -c 'sleep 1000 & echo $! > {tmp_path}/pid; wait' & "
                        f"until [ -s {tmp_path}/pid ]; do :; done"], check=True)

    def looks(subject):
        pid = int((tmp_path / "pid").read_text())
        raise Failed("alive" if os.path.exists(f"/proc/{pid}") else "gone")

    verdicts = climbed(leaves_one, looks)
    assert (verdicts["leaves_one"].status, verdicts["looks"].message) == ("passed", "gone")


def test_that_who_judges_dies_is_our_own_fault():
    def dies(subject):
        os._exit(1)

    verdict = climbed(dies)["dies"]
    assert (verdict.status, verdict.message) == ("error", "the process that judged has died")


def test_who_has_died_meanwhile_gives_no_answer():
    judge = examine.Judge.begin([Check("passes", "It holds", lambda subject: None)], lambda check: Subject([], set()))
    judge.ask(0)
    assert judge.hear(8.0) and judge.said()["status"] == "passed"
    os.kill(judge.pid, signal.SIGKILL)
    os.waitid(os.P_PID, judge.pid, os.WEXITED | os.WNOWAIT)
    judge.ask(0)
    assert judge.hear(8.0) and judge.said() == {}
    judge.end()


def test_who_judges_ends_with_who_asks():
    ours, theirs = os.pipe()
    asks = os.fork()
    if not asks:
        try:
            judges = [examine.Judge.begin([], None) for _ in range(3)]
            os.write(theirs, " ".join(str(judge.pid) for judge in judges).encode())
            signal.pause()
        finally:
            os._exit(1)
    os.close(theirs)
    with open(ours) as pipe:
        pids = [int(word) for word in os.read(pipe.fileno(), 100).split()]
    assert pids and all(map(runs, pids))
    os.kill(asks, signal.SIGKILL)
    os.waitpid(asks, 0)
    try:
        wait_until(lambda: not any(map(runs, pids)), 8.0, "nobody is left to ask them, and they wait on")
    finally:
        for pid in pids:
            send(pid, signal.SIGKILL)


def test_the_machine_counts_for_how_long_somebody_wants_a_core(tmp_path):
    if not os.path.exists("/proc/pressure/cpu"):
        pytest.skip("this kernel does not count it")
    before = contended()
    assert before > 0
    crowd = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4 * len(os.sched_getaffinity(0)))]
    try:
        wait_until(lambda: contended() > before + 0.1, 20, "it is not counted")
    finally:
        for each in crowd:
            each.kill()
            each.wait()


@pytest.mark.parametrize("program, asleep", [("sleep 1000", True), ("while :; do :; done", False)])
def test_who_waits_is_asleep_and_who_computes_is_not(program, asleep):
    process = Process(["sh", "-c", program])
    try:
        if asleep:
            wait_until(process.asleep, 8, "it never sleeps")
        else:
            assert not any(process.asleep() for _ in range(1000))
    finally:
        process.popen.kill()
        process.popen.wait()


@pytest.mark.parametrize("program", ["sleep 0.1; exit 3", "exit 3"])
def test_who_is_about_to_end_is_pictured_when_it_has_ended(program):
    line, facts = examine.portrait(Process(["sh", "-c", program]), 0, patience=8.0)
    assert facts == {"exit": 3} and line == "the server: exit code 3"


@pytest.mark.parametrize("fault", [ProcessLookupError(3, "No such process"), ValueError("nothing")])
def test_a_fault_of_the_checker_is_no_verdict(fault, monkeypatch, capsys):
    def judged(options):
        raise fault

    monkeypatch.setattr(checking, "judged", judged)
    with pytest.raises(checking.Trouble, match="this is a fault of the checker") as told:
        checking.main(["01", "--only", "answers", "--", "true"])
    assert told.value.code == 3 and type(fault).__name__ in capsys.readouterr().err


# ---- what is printed


def test_watch_judges_again_when_the_program_has_changed(tmp_path):
    command = echoing(tmp_path)
    words = [ROOT / "lab", "check", "01", "--only", "answers", "--watch", "--", *command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as watching:
        try:
            said = read_until(watching, "waiting until it changes")
            assert "failed answers" in said
            command[1].write_text(command[1].read_text().replace("c.recv(100)", "c.recv(100).upper()"))
            assert "passed  starts, answers" in read_until(watching, "waiting until it changes")
            watching.send_signal(signal.SIGINT)
            assert watching.wait(10) == 130
        finally:
            watching.kill()


def read_until(process, words):
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, f"it ends: {said}"
        said += line
    return said


def two_failures():
    rows = [{"id": name, "title": "It does", "status": "failed", "message": "", "report": [f"{name}: It does.", "told"]}
            for name in ("first", "second")]
    return {"checks": rows, "limits": [], "chapter": "01_basic_tcp", "points": 0, "of": 2, "seconds": 1}


@pytest.mark.parametrize("hint", [False, True])
def test_hint_tells_of_every_failure(hint, capsys):
    checking.show(two_failures(), hint)
    said = capsys.readouterr().out
    assert said.count("told\n") == (2 if hint else 1)
    assert ("1 more failed: --hint" in said) != hint


def test_new_makes_a_place_to_begin_and_overwrites_nothing(tmp_path):
    made = subprocess.run([ROOT / "lab", "new", "04", tmp_path / "mine"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert {"server.cpp", "client.cpp", "Makefile", "README.md", "wrap"} == set(os.listdir(tmp_path / "mine"))
    assert (tmp_path / "mine/server.cpp").read_text() == (ROOT / "01_basic_tcp/server_wrapped.cpp").read_text()
    (tmp_path / "mine/server.cpp").write_text("mine")
    again = subprocess.run([ROOT / "lab", "new", "04", tmp_path / "mine"], capture_output=True, text=True)
    assert again.returncode == 2 and "nothing is overwritten" in again.stderr and again.stderr.count("\n") == 1
    assert (tmp_path / "mine/server.cpp").read_text() == "mine"


def test_new_needs_no_more_than_python(tmp_path):
    """Neither Debian's packages of Python, nor a program."""
    words = [PYTHON, "-S", ROOT / "tools" / "lab.py", "new", "04", tmp_path / "mine"]
    made = subprocess.run(words, capture_output=True, text=True, env={"PATH": ""})
    assert (made.returncode, made.stderr) == (0, "") and (tmp_path / "mine/Makefile").exists()


def test_the_ladder_that_new_writes_is_the_one_that_check_climbs(tmp_path):
    subprocess.run([ROOT / "lab", "new", "11", tmp_path], check=True, capture_output=True)
    ladder = re.findall(r"^- \[ \] `([\w-]+)`", (tmp_path / "README.md").read_text(), re.M)
    command = re.search(r"^\t\"\$\(LAB\)\" check (.*)$", (tmp_path / "Makefile").read_text(), re.M)[1].split()
    found, code = result(*command[:2], "false", *command[3:])
    assert code == 1 and [row["id"] for row in found["checks"]] == ladder and "http-basics" in ladder


def test_make_check_finds_the_checker_of_a_folder_that_has_moved_too(tmp_path):
    subprocess.run([ROOT / "lab", "new", "01", tmp_path / "mine"], check=True, capture_output=True)
    (tmp_path / "mine").rename(tmp_path / "moved")
    (tmp_path / "lab").write_text("#!/bin/sh\necho judged: \"$@\"\n")
    (tmp_path / "lab").chmod(0o755)
    make = ["make", "-C", tmp_path / "moved", "-n", "check"]
    said = [subprocess.run([*make, *words], capture_output=True, text=True).stdout for words in ((), ("LAB=../lab",))]
    assert f'"{ROOT}/lab" check 01 -- ./server --port {{port}}' in said[0]
    assert '"../lab" check 01 -- ./server --port {port}' in said[1]


def test_each_check_has_a_place_in_the_texts_to_read_on():
    known = [check.id for check in checking.every_check()]
    places = telling.traps()
    assert sorted(places["checks"]) == sorted(known)
    assert not set(places["causes"]) - {cause.id for cause in causes.CAUSES}
    for place in {place for rows in places.values() for row in rows.values() for place in row}:
        number, words = place.split(": ", 1)
        headings, traps = telling.parts((find(number).path / "README.md").read_text())
        assert words in headings or any(trap.replace("**", "").startswith(words) for trap in traps), place
        in_chinese = telling.parts((find(number).path / "README.zh-CN.md").read_text())
        assert list(map(len, in_chinese)) == [len(headings), len(traps)], number


def test_the_page_of_checks_is_current():
    assert checks_page.main(["--check"]) == 0


def test_a_stale_page_of_checks_is_told_of_and_written_anew(tmp_path):
    checks_page.main([], tmp_path)
    page = tmp_path / "docs" / "checks.md"
    page.write_text(page.read_text().replace("`exact-bytes`", "`some-bytes`"))
    with pytest.raises(checks_page.Trouble, match="docs/checks.md is stale"):
        checks_page.main(["--check"], tmp_path)
    checks_page.main([], tmp_path)
    assert page.read_text() == (ROOT / "docs" / "checks.md").read_text()


@pytest.mark.parametrize("chapter", ["01", "12"])
def test_what_new_makes_builds(chapter, tmp_path):
    subprocess.run([ROOT / "lab", "new", chapter, tmp_path], check=True, capture_output=True)
    subprocess.run(["make", "-C", tmp_path], check=True, capture_output=True, timeout=300)


@pytest.mark.parametrize("name", WILD)
def test_a_wild_program_gets_a_clear_verdict_in_bounded_time(name, tmp_path):
    wild = WILD[name]
    file = tmp_path / "wild.py"
    file.write_text(wild.text)
    before = set(members(os.getsid(0)))
    begin = time.monotonic()
    found, code = result(wild.chapter, "--only", wild.check, "--", PYTHON, file, "{port}")
    assert code == 1 and time.monotonic() - begin < 40
    row = found["checks"][-1]
    assert row["status"] == "failed" and re.search(wild.said, row["message"]), row
    assert row["cause"] and row["cause"]["id"] == wild.cause, row
    if not causes.may_trace():
        assert row["cause"]["seen"] == bank.must_be_seen(wild.cause, wild.check), row
    left = [pid for pid in os.listdir("/proc") if pid.isdigit() and str(file).encode() in cmdline(pid)]
    assert not left and before


def cmdline(pid):
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("style", styles.read("right"), ids=lambda style: style.name)
def test_a_right_server_in_another_style_fails_just_what_its_row_says(style, tmp_path):
    if style.needs and not Path(style.needs).exists():
        pytest.skip(f"{style.needs} is not installed")
    chapter = find(style.chapter)
    found, _ = result(style.chapter, "--factor", FACTOR, "--", *style.built(tmp_path, chapter.transport))
    failed = {row["id"]: row["message"] for row in found["checks"] if row["status"] == "failed"}
    assert set(failed) == set(style.fails), failed
    unsure = {row["id"] for row in found["checks"] if row["status"] == "cannot-tell"}
    assert unsure - {"restart", "udp-unanswerable"} == set(style.unsure)  # those two depend on the machine


def test_all_that_stands_with_the_right_and_wrong_servers_is_in_their_tables():
    for folder in ("right", "wrong"):
        named = {style.program for style in styles.read(folder)} - {""}
        assert named | {"servers.toml"} == set(os.listdir(Path(__file__).with_name(folder)))


def test_a_reset_where_the_client_ends_its_side_is_the_server_s_doing():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = Peer(listener.getsockname())
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        with pytest.raises(Failed, match="reset before the client had ended its side"):
            peer.end()
