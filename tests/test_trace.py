"""./lab trace: what strace writes is read right; a run is drawn; two servers are compared."""

import os
import platform
import re
import subprocess

import pytest

import causes
import trace
from chapters import ROOT, find

TRACE = """10 100.000000 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[5]> <0.000010>
10 100.100000 accept(3<TCP:[127.0.0.1:9]>,  <unfinished ...>
11 100.200000 read(4<TCP:[127.0.0.1:9->127.0.0.1:77]>, "a > b", 16384) = 5 <0.050000>
10 100.300000 <... accept resumed>{sa_family=AF_INET, sin_port=htons(77), sin_addr=inet_addr("127.0.0.1")}, [28 => 16]) = 4<TCP:[127.0.0.1:9->127.0.0.1:77]> <0.2>
10 100.400000 --- SIGCHLD {si_signo=SIGCHLD} ---
11 100.500000 +++ exited with 0 +++
10 100.600000 epoll_wait(5<anon_inode:[eventpoll]>,  <unfinished ...>
"""


@pytest.fixture
def calls(tmp_path):
    (tmp_path / "trace").write_text(TRACE)
    return trace.read_calls(tmp_path / "trace")


def test_calls_are_read(calls):
    assert [call for *_, call, _, _ in calls] == ["socket", "accept", "read", "signal", "ends", "epoll_wait"]
    begin, end, pid, _, words, result = calls[1]
    assert (begin, end, pid) == (100.1, 100.3, "10") and "sin_port=htons(77)" in words and result.startswith("4<TCP")
    assert calls[2][1] == pytest.approx(100.25) and calls[5][1] == float("inf")


def test_events_know_their_connection_and_descriptor(calls):
    events = list(trace.events_of(calls, {"10": "server", "11": "server 2"}, lambda words: "A" if "77" in trace.ends(words) else ""))
    assert [(e.call, e.connection, e.descriptor) for e in events] == [
        ("socket", "", 3), ("accept", "A", 4), ("read", "A", -1), ("signal", "", -1), ("ends", "", -1), ("epoll_wait", "", -1)]
    assert [e.call for e in events if e.waits] == ["accept", "read", "epoll_wait"]
    assert events[2].words == '4, "a > b", 16384' and events[1].result == "4"


# ---- what is traced, on any machine


EVERYWHERE = "/usr/include/asm-generic/unistd.h"  # of the machines whose calls have no history


@pytest.mark.parametrize("calls", [trace.CALLS, causes.CALLS], ids=["trace", "causes"])
def test_what_is_no_call_on_every_machine_may_be_missing(calls):
    with open(EVERYWHERE, encoding="utf-8") as header:
        known = set(re.findall(r"#define __NR(?:3264)?_(\w+)", header.read()))
    late = {"epoll_pwait2"}  # Linux 5.11: an older strace does not know it
    optional = {call for call in calls.split(",") if call.startswith("?")}
    assert optional == {f"?{call.strip('?')}" for call in calls.split(",") if call.strip("?") not in known - late}


@pytest.mark.parametrize("calls", [trace.CALLS, causes.CALLS], ids=["trace", "causes"])
def test_strace_knows_every_call(calls):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    every = calls.replace("?", "") if platform.machine() == "x86_64" else calls
    ended = subprocess.run(["strace", "-e", f"trace={every}", "true"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def run_of(*server):
    return trace.Run("a run", ["A", "kernel", "server"], [
        trace.Event(number, number, "server", call, "", "0", who) for number, (call, who) in enumerate(server)])


def test_the_first_difference_is_found():
    ours, theirs = run_of(("accept", "A"), ("read", "A")), run_of(("accept", "A"), ("read", "B"), ("close", "B"))
    assert trace.first_difference(ours, ours) is None
    assert trace.first_difference(theirs, ours) == (1, "read (B)", "read (A)")
    assert trace.first_difference(run_of(("accept", "A")), ours) == (1, "nothing more", "read (A)")


@pytest.mark.parametrize("words, complaint", [
    ([], "wants a chapter"), (["04", "05"], "what is '05'"), (["04", "--svg"], "wants a file"), (["99"], "is no chapter"),
    (["04", "--against"], "wants your server"), (["04", "--", "./my_server"], "{port} must stand"),
    (["10", "--", "./my_server", "{port}"], "{path} must stand"),
])
def test_a_bad_command_line_is_refused(words, complaint):
    with pytest.raises(trace.Trouble, match=complaint.replace("{", r"\{")) as trouble:
        trace.parsed(words)
    assert trouble.value.code == 2


# ---- real runs


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"])
def test_a_real_run(name, plain):
    chapter = find(name)
    run = trace.record(chapter, trace.own_command(chapter))
    assert run.lanes[:3] == ["A", "B", "C"] and "server" in run.lanes
    answered = {e.connection for e in run.events if e.lane.startswith("server") and e.call in trace.GIVES}
    assert answered >= {"A", "B", "C"}
    assert any(e.waits for e in run.events if e.lane.startswith("server"))


@pytest.mark.slow
def test_01_waits_for_its_silent_client(plain):
    run = trace.record(find("01"), trace.own_command(find("01")))
    first = {}
    for event in run.events:
        if event.lane == "server" and event.call == "write":
            first.setdefault(event.connection, event.begin)
    spoke = next(e.begin for e in run.events if e.lane == "B" and e.call == "write")
    assert spoke < first["A"] < first["B"] < first["C"]


@pytest.mark.slow
def test_the_student_s_server_beside_ours(tmp_path, plain):
    theirs = plain / "05_poll" / "server"
    svg = tmp_path / "run.svg"
    ended = subprocess.run([ROOT / "lab", "trace", "04", "--against", "--svg", svg, "--", theirs, "--port", "{port}"],
                           capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "first difference, call 4 of the server: yours poll, ours pselect6" in ended.stdout, ended.stdout[-300:]
    assert svg.read_text().startswith("<svg xmlns=")


def traced(*words, **environment):
    return subprocess.run([ROOT / "lab", "trace", *words], capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


@pytest.mark.slow
def test_a_server_is_told_which_folder_to_serve(plain):
    ended = traced("11", "--against", "--", plain / "11_http" / "server", "--port", "{port}", "--root", "{root}")
    assert ended.returncode == 0, ended.stderr
    assert "no difference" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command, complaint", [(["/bin/true", "{port}"], "never listens"), (["/no/server", "{port}"], "never listens")])
def test_a_server_that_never_listens_is_named(command, complaint):
    ended = subprocess.run([ROOT / "lab", "trace", "04", "--", *command], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and complaint in ended.stderr.splitlines()[-1]
