"""./lab trace: what strace writes is read right; a run is drawn; two servers are compared."""

import os
import platform
import re
import subprocess
from types import SimpleNamespace

import pytest

import causes
import trace
import trace_show
from chapters import ROOT, find
from trace_compare import Comparison

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
    assert [(e.call, e.connection, e.descriptors) for e in events] == [
        ("socket", "", (3,)), ("accept", "A", (4,)), ("read", "A", ()), ("signal", "", ()), ("ends", "", ()), ("epoll_wait", "", ())]
    assert [e.call for e in events if e.waits] == ["accept", "read", "epoll_wait"]
    assert events[2].words == '4, "a > b", 16384' and events[1].result == "4"


LISTENER, ACCEPTED = '4<UNIX-STREAM:[17,"/tmp/a b/serv.socket"]>', '5<UNIX-STREAM:[18->19,"/tmp/a b/serv.socket"]>'


def test_a_local_connection_is_known_by_the_sockets_of_its_ends():
    found, = trace.events_of([(1.0, 1.0, "10", "accept", f"{LISTENER}, NULL, NULL", ACCEPTED)], {"10": "server"},
                             lambda words: "A" if "i19" in trace.ends(words) else "")
    assert (found.connection, found.words, found.result, found.descriptors) == ("A", "4, NULL, NULL", "5", (5,))


@pytest.mark.parametrize("call, result, gives, takes", [
    ("write", "3", True, False), ("write", "-1 EAGAIN", False, False), ("connect", "-1 EINPROGRESS", True, False), ("read", "0", False, True),
    ("read", "-1 EAGAIN", False, False), ("accept", "? ERESTARTSYS", False, False), ("accept", "4", False, True),
])
def test_what_is_given_and_taken(call, result, gives, takes):
    event = trace.Event(0, 0, "server", call, "", result, "A")
    assert (event.gives, event.takes) == (gives, takes)


@pytest.mark.parametrize("call, words, result, numbers", [
    ("pipe2", "[3<pipe:[7]>, 4<pipe:[7]>], O_CLOEXEC", "0", (3, 4)),
    ("socketpair", "AF_UNIX, SOCK_STREAM, 0, [5<UNIX-STREAM:[1->2]>, 61<UNIX-STREAM:[2->1]>]", "0", (5, 61)),
    ("dup2", "7<UNIX-STREAM:[1->2]>, 3<pipe:[7]>", "3<UNIX-STREAM:[1->2]>", (3,)),
    ("fcntl", "4<TCP:[5]>, F_DUPFD_CLOEXEC, 0", "9<TCP:[5]>", (9,)),
    ("close", "4<TCP:[5]>", "0", (4,)), ("accept", "3<TCP:[5]>", "-1 EMFILE (Too many open files)", ()), ("pipe", "0x7ffc", "-1 EMFILE", ()),
])
def test_the_descriptors_that_a_call_opens_or_closes(call, words, result, numbers):
    assert trace.descriptors(call, words, result) == numbers


# A forking server, a pool with a worker that is woken and one that is not, and two clients.
CLIENT = """{0} {1} socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[9]> <0.000010>
{0} {2} connect(3<TCP:[9]>, {{sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}}, 16) = 0 <0.000010>
{0} {3} write(3<TCP:[127.0.0.1:{4}->127.0.0.1:9]>, "hi", 2) = 2 <0.000010>
{0} {5} shutdown(3<TCP:[127.0.0.1:{4}->127.0.0.1:9]>, SHUT_WR) = 0 <0.000010>
{0} {5} read(3<TCP:[127.0.0.1:{4}->127.0.0.1:9]>, "", 99) = 0 <5.0>
"""
A, B = CLIENT.format(20, 1.2, 1.3, 2.2, 77, 3.1), CLIENT.format(21, 2.0, 2.05, 3.4, 78, 9.0)
FORKING = """10 1.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[5]> <0.000010>
10 1.1 accept(3<TCP:[127.0.0.1:9]>, {sin_port=htons(77)}, [28 => 16]) = 4<TCP:[127.0.0.1:9->127.0.0.1:77]> <0.4>
10 2.0 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 11 <0.1>
11 2.1 close(3<TCP:[127.0.0.1:9]>) = 0 <0.000010>
11 2.1 read(4<TCP:[127.0.0.1:9->127.0.0.1:77]>, "hi", 99) = 2 <0.2>
10 2.2 close(4<TCP:[127.0.0.1:9->127.0.0.1:77]>) = 0 <0.000010>
10 2.3 accept(3<TCP:[127.0.0.1:9]>, 0x7ff, [28]) = ? ERESTARTSYS (To be restarted if SA_RESTART is set) <1.7>
11 3.0 read(4<TCP:[127.0.0.1:9->127.0.0.1:77]>, "", 99) = 0 <0.2>
11 4.0 +++ exited with 0 +++
10 4.1 --- SIGCHLD {si_signo=SIGCHLD} ---
10 5.0 +++ killed by SIGTERM +++
"""
POOL = """10 1.0 epoll_create1(EPOLL_CLOEXEC) = 3<anon_inode:[eventpoll]> <0.000010>
10 1.0 eventfd2(0, EFD_CLOEXEC) = 4<anon_inode:[eventfd]> <0.000010>
10 1.1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, child_tid=0x7f} => {parent_tid=[11]}, 88) = 11 <0.0001>
10 1.1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, child_tid=0x7f} => {parent_tid=[12]}, 88) = 12 <0.0001>
12 1.2 futex(0x7ffeea26b208, FUTEX_WAIT_BITSET_PRIVATE, 0, {tv_sec=1, tv_nsec=7}, FUTEX_BITSET_MATCH_ANY) = -1 ETIMEDOUT (Connection timed out) <2.0>
11 1.2 futex(0x7ffeea26b1a8, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, NULL, FUTEX_BITSET_MATCH_ANY) = 0 <2.2>
10 2.0 epoll_wait(3<anon_inode:[eventpoll]>, [{events=EPOLLIN, data={u32=8, u64=8}}], 256, -1) = 1 <0.3>
10 2.4 read(8<TCP:[127.0.0.1:9->127.0.0.1:77]>, "hi", 99) = 2 <0.000010>
10 3.0 futex(0x7ffeea26b1a8, FUTEX_WAKE_PRIVATE, 1) = 1 <0.000031>
10 3.1 futex(0x7ffeea26b208, FUTEX_WAKE_PRIVATE, 1) = 1 <0.000031>
10 3.2 futex(0x7ffeea26b158, FUTEX_WAKE_PRIVATE, 1) = 1 <0.000031>
10 3.3 epoll_wait(3<anon_inode:[eventpoll]>, [{events=EPOLLIN, data={u32=8, u64=8}}], 256, -1) = 1 <0.7>
11 3.5 write(4<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8 <0.000010>
11 3.6 futex(0x7ffeea26b1a8, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, NULL, FUTEX_BITSET_MATCH_ANY) = 0 <2.0>
10 4.2 read(4<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8 <0.000010>
10 4.3 write(8<TCP:[127.0.0.1:9->127.0.0.1:77]>, "HI", 2) = 2 <0.000010>
11 5.0 +++ exited with 0 +++
10 6.0 +++ exited with 0 +++
"""


@pytest.fixture
def run_from(tmp_path):
    def made(server, **clients):
        def traced(name, lines):
            (tmp_path / name).write_text(lines)
            return SimpleNamespace(name=name, file=tmp_path / name)

        return trace.merged("a run", traced("server", server), [traced(*client) for client in clients.items()], [])

    return made


def lives(run, side="server"):
    return [(life.descriptor, life.lane, life.connection, life.begin.call, life.end and (life.end.lane, life.end.call))
            for life in run.lives if life.lane.startswith(side)]


def test_a_child_has_copies_of_its_parent_s_descriptors(run_from):
    assert lives(run_from(FORKING, A=A, B=B)) == [
        (3, "server", "", "socket", ("server", "ends")), (4, "server", "A", "accept", ("server", "close")),
        (3, "server 2", "", "clone", ("server 2", "close")), (4, "server 2", "A", "clone", ("server 2", "ends"))]


def test_threads_share_their_process_s_descriptors(run_from):
    closed = POOL.replace("11 5.0", "11 4.9 close(4<anon_inode:[eventfd]>) = 0 <0.000010>\n11 5.0")
    assert lives(run_from(closed, A=A, B=B)) == [
        (3, "server", "", "epoll_create1", ("server", "ends")), (4, "server", "", "eventfd2", ("server 2", "close"))]


def test_dup2_ends_what_it_replaces(run_from):
    lines = FORKING.replace("10 2.0", "10 1.9 dup2(4<TCP:[127.0.0.1:9->127.0.0.1:77]>, 3<TCP:[127.0.0.1:9]>) = 3<TCP:[127.0.0.1:9->127.0.0.1:77]> <0.00001>\n10 2.0")
    assert lives(run_from(lines, A=A, B=B))[:3] == [
        (3, "server", "", "socket", ("server", "dup2")), (4, "server", "A", "accept", ("server", "close")),
        (3, "server", "A", "dup2", ("server", "ends"))]


def test_who_closes_a_copy_does_not_end_the_connection(run_from):
    given = [(event.lane, event.call) for event in run_from(FORKING, A=A, B=B).events if event.of_server and event.gives]
    assert given == [("server 2", "ends")]


def test_what_stays_within_a_client_is_not_given_to_the_server(run_from):
    inside = """20 2.1 write(4<anon_inode:[eventfd]>, "\\1", 8) = 8 <0.000010>
20 2.1 write(5<pipe:[7]>, "", 1) = 1 <0.000010>
"""
    of_a = [event for event in run_from(FORKING, A=A + inside, B=B).events if event.lane == "A"]
    assert [event.call for event in of_a] == ["socket", "connect", "write", "write", "shutdown", "read"]
    assert [event.call for event in of_a if event.gives] == ["connect", "write", "shutdown"]


def causes_in(run):
    return [(event.lane, event.call, *(who and (who.lane, who.call, who.begin) or ())) for event in run.events
            if event.waits and event.of_server for who in [trace_show.cause(run, event)]]


def test_who_wakes_a_server_s_processes(run_from):
    assert [cause[:4] for cause in causes_in(run_from(FORKING, A=A, B=B))] == [
        ("server", "accept", "A", "connect"), ("server 2", "read", "A", "write"),
        ("server", "accept", "server 2", "ends"), ("server 2", "read", "A", "shutdown")]


def test_the_end_of_a_process_wakes_its_client(run_from):
    run = run_from(FORKING, A=A, B=B)
    reads = next(event for event in run.events if event.lane == "A" and event.call == "read")
    assert (trace_show.cause(run, reads).lane, trace_show.cause(run, reads).call) == ("server 2", "ends")


def test_the_end_of_another_program_interrupts_nobody(run_from):
    interrupted = '21 3.5 read(3<TCP:[127.0.0.1:78->127.0.0.1:9]>, 0x7ff, 99) = ? ERESTARTSYS (To be restarted) <2.0>\n'
    run = run_from(FORKING, A=A + "20 4.0 +++ exited with 0 +++\n", B=B + interrupted)
    assert [trace_show.cause(run, event) for event in run.events if event.lane == "B" and event.interrupted] == [None]


def test_who_wakes_a_futex_wakes_it_at_its_address(run_from):
    assert causes_in(run_from(POOL, A=A, B=B)) == [
        ("server 3", "futex"), ("server 2", "futex", "server", "futex", 2.0),
        ("server", "epoll_wait", "A", "write", pytest.approx(1.2)), ("server", "epoll_wait", "server 2", "write", 2.5),
        ("server 2", "futex")]


def test_a_wake_up_is_drawn_from_who_wakes_to_who_waited(run_from):
    run = run_from(POOL, A=A, B=B)
    x, _ = trace_show.places(run, trace_show.rows_of(run), "en")
    lane = {round(at): lane for lane, at in x.items()}
    drawn = re.findall(r'dasharray="3 3" marker-end="[^"]*" d="M(\d+) \d+H(\d+)V\d+H(\d+)"', trace_show.drawing(run, "t", "en"))
    ways = {tuple(lane[int(at)] for at in path) for path in drawn}
    assert ways >= {("server", "kernel", "server 2"), ("A", "kernel", "server"), ("server 2", "kernel", "server")}


def test_a_futex_whose_time_is_over_was_not_woken(run_from):
    run = run_from(POOL, A=A, B=B)
    over, woken = (event for event in run.events if event.call == "futex" and event.begin < 0.3)
    assert "time is over" in trace_show.note_of(run, over, "end", "en")
    assert "woken by server: futex" in trace_show.note_of(run, woken, "end", "en")
    assert [e.words for e in (over, woken)] == ["FUTEX_WAIT", "FUTEX_WAIT"]


def test_a_picture_s_lanes_are_called_in_its_language(run_from):
    run = run_from(FORKING, A=A, B=B)
    chinese = trace_show.drawing(run, "t", "zh") + trace_show.table(run, "zh")
    assert "服务器 2" in chinese and not re.search("server|kernel|client", chinese)
    assert "server 2" in trace_show.drawing(run, "t", "en")


# ---- what is traced, on any machine


EVERYWHERE = "/usr/include/asm-generic/unistd.h"  # of the machines whose calls have no history


@pytest.mark.parametrize("calls", [trace.CALLS, causes.CALLS], ids=["trace", "causes"])
def test_what_is_no_call_on_every_machine_may_be_missing(calls):
    with open(EVERYWHERE, encoding="utf-8") as header:
        known = set(re.findall(r"#define __NR(?:3264)?_(\w+)", header.read()))
    late = {"epoll_pwait2", "openat2"}  # Linux 5.11 and 5.6: an older strace does not know them
    optional = {call for call in calls.split(",") if call.startswith("?")}
    assert optional == {f"?{call.strip('?')}" for call in calls.split(",") if call.strip("?") not in known - late}


@pytest.mark.parametrize("calls", [trace.CALLS, causes.CALLS], ids=["trace", "causes"])
def test_strace_knows_every_call(calls):
    if causes.may_trace():
        pytest.skip(causes.may_trace())
    every = calls.replace("?", "") if platform.machine() == "x86_64" else calls
    ended = subprocess.run(["strace", "-e", f"trace={every}", "true"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


# ---- two runs


def run_of(*server):
    """A run whose server makes these calls: (call, connection, result, lane), of which the last two may be left out."""
    events = [trace.Event(number, number, lane, call, "", result, who) for number, (call, who, result, lane) in
              enumerate((*step, *("1", "server")[len(step) - 2:]) for step in server)]
    return trace.Run("a run", ["A", "kernel", *dict.fromkeys(event.lane for event in events)], events)


def difference(theirs, ours):
    found = Comparison(theirs, ours).difference
    return found and (found.number, *found.in_words)


def test_the_first_difference_is_found():
    ours, theirs = run_of(("accept", "A"), ("read", "A")), run_of(("accept", "A"), ("read", "B"), ("close", "B"))
    assert difference(ours, ours) is None
    assert difference(theirs, ours) == (2, "read (B)", "read (A)")
    assert difference(run_of(("accept", "A")), ours) == (2, "nothing more", "read (A)")
    assert difference(run_of(("accept", "A"), ("read", "A", "-1 ECONNRESET")), ours) == (2, "read (A) fails", "read (A)")
    assert difference(run_of(("accept", "A"), ("read", "A", "0")), ours) == (2, "read (A) = 0", "read (A)")


WAIT, READ, WRITE, NONE, END = ("epoll_wait", ""), ("read", "A"), ("write", "A"), ("read", "A", "-1 EAGAIN"), ("read", "A", "0")
ACCEPT = [("accept", "A"), ("accept", "", "-1 EAGAIN")]
CHILD = [(*READ, "2", "server 2"), (*WRITE, "2", "server 2"), ("ends", "A", "", "server 2")]
OTHER = [("read", "B", "2", "server 3"), ("write", "B", "2", "server 3"), ("ends", "B", "", "server 3")]
WORKERS = [[("write", "", "8", f"server {number}") for number in numbers] for numbers in ((2, 3, 2), (2, 2, 2))]


@pytest.mark.parametrize("one, other", [
    ([WAIT, READ, WRITE], [WAIT, WAIT, READ, WRITE]), ([WAIT, READ, WRITE], [WAIT, READ, READ, WRITE]),
    ([WAIT, READ, WRITE], [WAIT, READ, WRITE, WAIT, READ, WRITE]), ([READ, WRITE], [READ, WRITE, READ, WRITE]),
    ([READ, WRITE, END], [READ, WRITE, NONE, WAIT, END]), ([("wait4", "", "7")], [("wait4", "", "7"), ("wait4", "", "0")]),
    ([("accept", "", "? ERESTARTSYS"), ("accept", "A")], [("accept", "A")]), (CHILD + OTHER, [*CHILD[:1], *OTHER, *CHILD[1:]]), WORKERS,
    ([WAIT, READ, WRITE], [WAIT, READ, WAIT, READ, WRITE]), ([WAIT, *ACCEPT, READ, WRITE], [WAIT, *ACCEPT, READ, WRITE, WAIT, READ, WRITE]),
    ([WAIT, READ], [("timerfd_settime", ""), WAIT, READ]),
    ([WAIT, END, ("close", "A"), WAIT, ("read", "B")], [WAIT, END, ("close", "A"), ("read", "B")]),
], ids=["a wait too early", "a message in pieces", "read one by one", "in blocking pieces", "the end comes later", "children at once",
        "interrupted", "processes in another order", "another worker", "a message's rest later", "parts answered", "a timer", "two clients at once"])
def test_what_differs_by_chance_is_no_difference(one, other):
    assert difference(run_of(*one), run_of(*other)) is None
    assert difference(run_of(*other), run_of(*one)) is None


@pytest.mark.parametrize("one, other", [
    ([WAIT, READ, WRITE], [READ, WRITE]), ([READ, WRITE, WRITE], [READ, WRITE]), ([READ, NONE, WAIT], [READ, WAIT]),
    (CHILD, CHILD[:2]), (WORKERS[0], []), ([END, ("close", "A")], [END]),
    ([READ, WRITE, END, END], [READ, WRITE, END]), ([WAIT, READ, WAIT, WRITE], [WAIT, READ, WRITE]),
], ids=["no wait", "another write", "read until nothing is there", "a process's end", "no worker", "no close", "read behind the end", "a wait before the answer"])
def test_what_does_not_is_one(one, other):
    assert difference(run_of(*one), run_of(*other)) and difference(run_of(*other), run_of(*one))


@pytest.fixture
def compared(run_from):
    """Yours has another second call, and its client one more before that."""
    early = "20 1.05 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 4<TCP:[8]> <0.000010>\n"
    ours, yours = run_from(FORKING, A=A, B=B), run_from(FORKING.replace("accept(", "accept4("), A=early + A, B=B)
    yours.title, ours.title = "yours", "ours"
    return Comparison(yours, ours)


def test_two_runs_stand_beside_each_other_on_a_wide_terminal(compared, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "130")
    trace_show.both_on_terminal(compared)
    marked = [line for line in capsys.readouterr().out.splitlines() if "✗" in line]
    assert len(marked) == 1 and re.search(r"server +✗ .*accept4\(.*server +✗ .*accept\(", marked[0]), marked


def test_two_runs_stand_below_each_other_on_a_narrow_one(compared, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    trace_show.both_on_terminal(compared)
    shown = capsys.readouterr().out
    titles_and_marks = re.findall(r"\byours|\bours|✗", shown)
    assert titles_and_marks == ["yours", "✗", "ours", "✗"]


def test_two_runs_stand_beside_each_other_in_a_picture(compared):
    shown = trace_show.both_drawn(compared, "t")
    marks = re.findall(r'<tspan x="\d+" y="(\d+)">✗ (accept4?)\(', shown)
    assert [call for _, call in marks] == ["accept4", "accept"] and marks[0][0] == marks[1][0]
    assert shown.count('class="differs"') == 2 and "yours" in shown and "ours" in shown and shown.count("<svg ") == 1


# ---- the command line


@pytest.mark.parametrize("into", ["en", "zh"])
def test_a_run_is_drawn_the_same_each_time(into):
    from trace_show import drawing, table

    run = run_of(("accept", "A"), ("read", "A"), ("write", "A"), ("accept", "B"))
    assert drawing(run, "a run", into) == drawing(run, "a run", into) and table(run, into) == table(run, into)


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


def test_a_call_is_waited_for_in_one_line_and_in_two(tmp_path, monkeypatch):
    strace = tmp_path / "strace"
    strace.write_text("""#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf '%s\\n' '10 100.1 listen(3<TCP:[127.0.0.1:9]>, 4096 <unfinished ...>' '11 100.2 rseq(0x7f, 0x20, 0, 0x53) = 0 <0.1>' \\
    '10 100.3 <... listen resumed>) = 0 <0.2>' '10 100.4 accept(3<TCP:[127.0.0.1:9]>, <unfinished ...>' > "$2"
""")
    strace.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    server = trace.Traced(tmp_path, "server", ["true"])
    assert server.wait_for(r"listen\(.* = 0") and server.wait_for(r"rseq\(.* = 0")
    assert not server.wait_for(r"accept\(.* = [0-9]")


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
def test_02_s_processes_have_their_own_descriptors(plain):
    run = trace.record(find("02"), trace.own_command(find("02")))
    children = [f"server {number}" for number in (2, 3, 4)]
    assert lives(run) == sorted([
        (3, "server", "", "socket", ("server", "ends")),
        *((4, "server", who, "accept", ("server", "close")) for who in "ABC"),
        *((3, child, "", "clone", (child, "close")) for child in children),
        *((4, child, who, "clone", (child, "ends")) for child, who in zip(children, "ABC"))],
        key=lambda life: [each for each in lives(run)].index(life))
    assert {(event.lane, event.connection) for event in run.events if event.of_server and event.cuts} == set(zip(children, "ABC"))


@pytest.mark.slow
def test_08_s_workers_are_woken_by_its_loop(plain):
    run = trace.record(find("08"), trace.own_command(find("08")), ("--min-threads", "2", "--max-threads", "2"))
    woken = [(event, who) for event in run.events if event.of_server and event.call == "futex" and event.waits
             for who in [trace_show.cause(run, event)]]
    told = {who.futex for event, who in woken if who}
    assert told and all((who.call, who.futex, who.process) == ("futex", event.futex, event.process) for event, who in woken if who)
    first = {event.begin: event for event in run.events if event.of_server and event.call == "write" and not event.connection}
    for done in first.values():  # each answer's worker had been woken by the loop
        last = max((pair for pair in woken if pair[0].lane == done.lane and pair[0].end <= done.begin), key=lambda pair: pair[0].end)
        assert last[1] and last[1].lane == "server"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"])
def test_ours_does_not_differ_from_ours(name, plain):
    chapter = find(name)
    runs = [trace.record(chapter, trace.own_command(chapter)) for _ in range(2)]
    assert difference(*runs) is None


def traced(*words, **environment):
    return subprocess.run([ROOT / "lab", "trace", *words], capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


@pytest.mark.slow
def test_the_student_s_server_beside_ours(tmp_path, plain):
    theirs = plain / "05_poll" / "server"
    svg = tmp_path / "run.svg"
    ended = traced("04", "--against", "--svg", svg, "--", theirs, "--port", "{port}", COLUMNS="140")
    assert ended.returncode == 0, ended.stderr
    assert "first difference, call 4 of the server: yours poll, ours pselect6" in ended.stdout, ended.stdout[-300:]
    assert re.search(r"✗ .*poll.*✗ .*pselect6", ended.stdout)
    assert svg.read_text().startswith("<svg xmlns=") and re.search("✗ poll.*✗ pselect6", svg.read_text())


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
