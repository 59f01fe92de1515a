"""./lab bench: a failed measurement gives no number, a wrong server fails it, a difference below the spread is none,
and what a text says of the reference is what stands there."""

import contextlib
import csv
import http.server
import io
import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading
import types

import pytest

from chapters import CHAPTERS, ROOT

sys.path.insert(1, str(ROOT / "bench"))

import bench  # noqa: E402
import measuring  # noqa: E402
import page  # noqa: E402
import plan  # noqa: E402
import results  # noqa: E402
import sentences  # noqa: E402
import servers  # noqa: E402
from check import Failed  # noqa: E402
from common import Trouble  # noqa: E402
from results import Figure, Results  # noqa: E402

OTHERS = ("nginx", "lighttpd", "h2o")
CORES = sorted(measuring.os.sched_getaffinity(0))
WRONG = """#!/usr/bin/python3
import socket
s = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)
c = [s.accept()[0] for _ in (1, 2)]
c[0].sendall(c[0].recv(64))
c[0].recv(1)
"""  # it answers the first message, and not in upper case


def cell(server, sweep="connections", at=2):
    return plan.Cell(plan.BY_NAME[sweep], at, server, plan.BY_NAME[sweep].load(at))


@pytest.mark.parametrize("sweep", ["connections", "churn"])
def test_a_tiny_run(plain, sweep):
    found = measuring.measure(cell(servers.KNOWN["06_epoll"], sweep), plain, CORES, 0.1)
    assert found["messages_per_second"] > 0 and found["cpu_us"] > 0 and found["memory"] > 0
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p99_9_us"]


def test_a_tiny_run_that_counts(plain):
    found = measuring.measure(cell(servers.KNOWN["06_epoll"], "calls"), plain, CORES, 0.1)
    assert found["switches"] > 0 and found.get("system_calls", 1) > 0


@pytest.mark.parametrize("name", ["11_http", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_a_tiny_run_of_wrk(plain, name):
    contestant = servers.KNOWN[name]
    if not shutil.which("wrk") or contestant.missing(plain):
        pytest.skip(f"wrk or {name} is not installed")
    found = measuring.measure(cell(contestant, "http"), plain, CORES, 0.1)
    assert found["messages_per_second"] > 0 and found["cpu_us"] > 0 and found["memory"] > 0


class Wrong(http.server.BaseHTTPRequestHandler):
    """Every tenth body is wrong in its last byte."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def do_GET(self):
        Wrong.answered += 1
        body = servers.page(servers.PAGE_SIZE)
        body = body[:-1] + b"x" if Wrong.answered % 10 == 0 else body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(handler):
    """A server of our own, on any port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.address = server.server_address
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def test_wrong_bodies_give_no_number_under_wrk(tmp_path):
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    cores = measuring.Cores.of(CORES, True)
    said = r"wrk: of \d+ answers [1-9]\d* came back wrong, 0 errors"
    with serving(Wrong) as server, pytest.raises(Failed, match=said):
        measuring.wrk(server, cell(servers.KNOWN["11_http"], "http"), 0.1, cores, tmp_path)


@pytest.fixture
def no_wrk(monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **how: None if name == "wrk" else which(name, **how))


def test_what_wrk_would_ask_is_left_out_without_it(plain, no_wrk):
    """Kept connections are opened without it."""
    points, left_out = plan.cells([(plan.BY_NAME["http"], (100,)), (plan.BY_NAME["kept"], (10,))],
                                  [servers.KNOWN["11_http"]], plain, 20000)
    assert list(points) == [("kept", 10)]
    assert left_out == [{"what": "11_http at http 100", "why": "wrk is not installed"}]


def test_without_wrk_there_is_no_traceback(command, no_wrk):
    with pytest.raises(Trouble, match="nothing is left to be measured: 11_http at http 2: wrk is not installed"):
        command("11", "--sweep", "http=2")


def test_the_package_of_what_is_absent_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(servers, "PATH", "")
    of_http, of_stream = (plan.cells([(plan.BY_NAME[name], (100,))], [], tmp_path, 20000)[1]
                          for name in ("http", "idle"))
    assert {"what": "nginx", "why": "not installed, package nginx-light"} in of_http
    assert {"what": "libuv", "why": "its library is not installed, package libuv1-dev"} in of_stream
    bench.name_missing([(plan.BY_NAME["idle"], (100,))])
    assert "nginx-light" not in capsys.readouterr().err
    bench.name_missing([(plan.BY_NAME["http"], (100,))])
    assert "starts a service: nginx-light, lighttpd, h2o" in capsys.readouterr().err


@pytest.mark.parametrize("answer, reason", [
    (b"", "Remote end closed connection"), (b"no HTTP\r\n\r\n", "no HTTP"), (None, "refused")])
def test_a_kept_connection_that_breaks_gives_no_number(monkeypatch, answer, reason):
    monkeypatch.setattr(measuring, "memory", lambda *_: 0)

    class Broken(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1000)
            self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Broken) as server:
        server.address = server.server_address
        if answer is None:
            server.server_close()
        else:
            threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(Failed, match=f"a kept connection: .*{reason}"):
            measuring.kept_alive(server, cell(servers.KNOWN["11_http"], "kept", 1))


def test_a_load_that_does_not_end_gives_no_number(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "PATIENCE", 0)
    program = tmp_path / "load"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    server = types.SimpleNamespace(address=("127.0.0.1", 1), path="")
    with measuring.loading(program, server, {}, 0.1, 0, measuring.Cores.of(CORES, True)) as load:
        with pytest.raises(Failed, match="the load says nothing for 0.1 s"):
            load.report()


def test_tiny_runs_of_a_large_file_and_of_idle_clients(plain):
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    large = measuring.measure(cell(servers.KNOWN["11_http"], "file", 1_000_001), plain, CORES, 0.1)
    assert large["cpu_us"] > 0  # wrk has compared every body
    found = measuring.measure(cell(servers.KNOWN["11_http"], "kept", 100), plain, CORES, 0.1)
    assert 0 < found["memory_per_connection"] < 5000


def test_connections_that_are_not_kept_give_no_number(monkeypatch):
    class Closes(http.server.BaseHTTPRequestHandler):  # HTTP/1.0: a connection for each answer
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(servers.page(servers.PAGE_SIZE))

        def log_message(self, *_):
            pass

    monkeypatch.setattr(measuring, "memory", lambda *_: 0)
    with serving(Closes) as server, pytest.raises(Failed, match="[23] connections were closed"):
        measuring.kept_alive(server, cell(servers.KNOWN["11_http"], "kept", 3))


def test_a_crowd(plain, monkeypatch):
    """More processes of the server stand beside the one that is measured, each full."""
    beside = []
    one = plan.Sweep("crowd", "", (), (), beside=lambda n: 2)
    running = servers.running

    def noted(contestant, build, words, *rest):
        beside.append(words)
        return running(contestant, build, words, *rest)

    monkeypatch.setattr(servers, "running", noted)
    crowded = plan.Cell(one, 6, servers.KNOWN["06_epoll"], {"connections": 2, "idle": 4})
    found = measuring.measure(crowded, plain, CORES, 0.1)
    assert found["messages_per_second"] > 0
    assert beside == [(), ("--host", "127.0.1.1"), ("--host", "127.0.1.2")]


@pytest.fixture
def wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "wrong"
    program.write_text(WRONG)
    program.chmod(0o755)
    return "./wrong"


def test_wrong_bytes_give_no_number(plain, wrong):
    with pytest.raises(Failed, match="a byte came back wrong"):
        measuring.measure(cell(servers.named(wrong, plain)), plain, CORES, 0.1)


def test_what_needs_too_many_descriptors_is_left_out_and_named(plain):
    idle = plan.BY_NAME["idle"]
    points, left_out = plan.cells([(idle, (10, 1000))], [servers.KNOWN["06_epoll"]], plain, 1024)
    assert list(points) == [("idle", 10)]
    assert left_out == [{"what": "idle 1000", "why": "takes more descriptors than a process may have, 1024"}]


def test_rounds_alternate():
    """Each round has all cells, in an order of its own; what need not be repeated is in the first alone."""
    sweeps = [(plan.BY_NAME[name], (1, 2)) for name in ("connections", "calls")]
    points = {(sweep.name, at): [plan.Cell(sweep, at, servers.KNOWN[name]) for name in ("floor", "06_epoll", "libuv")]
              for sweep, values in sweeps for at in values}
    first, second, third = (plan.one_round(points, number) for number in range(3))
    assert set(first) == {cell for point in points.values() for cell in point}
    assert set(second) == set(third) == {cell for cell in first if cell.sweep.name == "connections"}
    assert len({tuple(map(str, [cell for cell in one if cell in second])) for one in (first, second, third)}) == 3


def test_idle_connections_are_compared_with_none():
    """Which is measured in the same rounds: by the sweep of active connections, or by the sweep itself."""
    def wanted(*words):
        return {sweep.name: values for sweep, values in bench.wanted_sweeps(bench.parse(words))}

    assert wanted("--sweep", "idle") == {"idle": (0, 900, 3000, 10000)}
    assert wanted("--sweep", "lone=9", "--sweep", "connections=100") == {"lone": (0, 9), "connections": (100,)}
    assert wanted("--sweep", "idle=9", "--sweep", "connections=100") == {"idle": (9,), "connections": (100,)}
    assert wanted()["idle"] == (900, 3000, 10000) and wanted("--quick")["idle"] == (10000,)
    assert wanted("--quick", "--sweep", "idle") == {"idle": (0, 10000)}


# ---- the command


@pytest.fixture
def command(plain, tmp_path, monkeypatch):
    """./lab bench in this process, on programs that are built, with results of its own."""
    monkeypatch.setattr(bench, "BUILD", plain)
    monkeypatch.setattr(bench, "prepare", lambda: None)
    monkeypatch.setattr(bench, "REPEATS", 0)  # others may have the cores
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(Results.save, "__defaults__", (tmp_path / "results",))

    def run(*words):
        return bench.main([*words, "--seconds", "0.2", "--name", "one"])

    return run


def kept(name="one"):
    with (results.FOLDER / f"{name}.csv").open(newline="") as file:
        return Results.load(name), list(csv.DictReader(file))


def test_what_a_run_leaves(command, capsys):
    assert command("06", "floor", "--sweep", "connections=2", "--rounds", "2") == 0
    data, rows = kept()
    assert data.data["complete"] and len(data.data["rounds"]) == len(rows) == 4
    assert all(float(row["cpu_us"]) > 0 and not row["failed"] for row in rows)
    shown = capsys.readouterr().out
    assert "06_epoll" in shown and "floor" in shown and "Medians of up to 2 rounds" in shown


@pytest.mark.slow
def test_a_failed_round_is_no_number(command, wrong, capsys):
    assert command(wrong, "floor", "--sweep", "connections=2", "--rounds", "2") == 1
    data, rows = kept()
    failed = [row for row in rows if row["server"] == wrong]
    reason = "message 1 of a connection: a byte came back wrong"
    assert [(row["failed"], row["cpu_us"]) for row in failed] == [(reason, "")]
    assert data.figure("cpu_us", "connections", 2, wrong) is None
    assert data.figure("cpu_us", "connections", 2, "floor").rounds == 2
    captured = capsys.readouterr()
    assert re.search(rf"{wrong} +–", captured.out) and "a byte came back wrong" in captured.err


def test_an_interrupt_keeps_what_is_done(command, monkeypatch, capsys):
    measure, count = measuring.measure, iter(range(9))

    def interrupted(*words):
        if next(count) == 3:
            raise KeyboardInterrupt
        return measure(*words)

    monkeypatch.setattr(measuring, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command("06", "floor", "--sweep", "connections=1", "--rounds", "4")
    data, rows = kept()
    assert not data.data["complete"] and len(rows) == 3
    assert "06_epoll" in capsys.readouterr().out


@pytest.mark.slow
def test_the_time_is_kept(command, capsys):
    assert command("06", "floor", "--sweep", "connections=1,2", "--rounds", "1000", "--time", "1.5") == 0
    data, _ = kept()
    assert data.data["took"] < 20 and data.data["rounds"][-1]["round"] < 999
    assert re.search(r"another one would take longer than 1\.5 s|1\.5 s are over before round", capsys.readouterr().err)


@pytest.mark.parametrize("words, reason", [
    (["13"], "13"), (["--sweep", "length"], "no sweep 'length'"), (["--sweep", "idle=x"], "not a list"),
    (["--sweep", "connections=0"], "below 1"), (["--rounds", "0"], "rounds"), (["--seconds", "x"], "seconds"),
    (["--name", "a/b"], "a/b"), (["--compare", "a"], "compare"), (["--compare", "a", "b", "--quick"], "nothing else"),
    (["--page", "x"], "nothing else"), (["01", "--sweep", "connections=5"], "serves 1"),
    (["11", "--sweep", "idle"], "none of these servers"),
], ids=lambda words: " ".join(words) if isinstance(words, list) else "")
def test_bad_words(words, reason, command, monkeypatch):
    with pytest.raises(Trouble, match=reason) as trouble:
        bench.main(words)
    assert trouble.value.code == 2 and "\n" not in str(trouble.value)


# ---- two runs held side by side


def made(name, folder, cpu, **more):
    """Results as a run leaves them: each of these CPU times is one round of 06 at 100 connections."""
    point = {"sweep": "connections", "at": 100, "server": "06_epoll"}
    rounds = [{"round": number, **point, **({"failed": found} if isinstance(found, str) else
                                            {"messages_per_second": 1e6 / found, "cpu_us": found})}
              for number, found in enumerate(cpu)]
    machine = dict.fromkeys(("processor", "kernel", "compiler"), "made up")
    machine |= {"cores": 2, "descriptors": 20000, "peers": {}}
    Results({"schema": 1, "name": name, "date": "2000-01-01", "seconds": 0.1, "calm": 0.08, "quick": False,
             "machine": machine, "cores": {"server": [1], "load": [0]}, "left_out": [], "order": [point],
             "rounds": rounds, **more}).save(folder)
    return str(folder / f"{name}.json")


@pytest.mark.parametrize("cpu, code, said", [
    ((13.0, 13.4, 12.9), 1, "2 worse, 0 better, 0 without"),
    ((8.0, 8.1, 8.2), 0, "0 worse, 2 better, 0 without"),
    ((10.3, 9.9, 12.0), 0, "0 worse, 0 better, 2 without"),  # its rounds lie among the others
    ((13.0,), 0, "0 worse, 0 better, 0 without a difference that is larger than the spread; 0 compared.\n"
                 "Of 2 more there is a single round, which tells no difference."),
    (("the server closed",), 1, "06_epoll failed at connections 100: the server closed"),
    ((), 0, "In before alone, not compared: 06_epoll at connections 100."),
], ids=["slower", "faster", "noise", "one round", "failed", "lost"])
def test_compare(tmp_path, capsys, cpu, code, said):
    names = made("before", tmp_path, (10.0, 10.2, 9.8)), made("after", tmp_path, cpu)
    assert bench.main(["--compare", *names]) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("calls, code, said", [
    (4.0, 1, "1 worse, 0 better"), (3.0, 1, "1 worse, 0 better"), (2.3, 0, "0 worse, 0 better, 1 without"),
    (1.0, 0, "0 worse, 1 better")])
def test_calls_are_counted_and_compared_from_one_round(tmp_path, capsys, calls, code, said):
    point = {"sweep": "calls", "at": 100, "server": "06_epoll"}
    names = [made(name, tmp_path, (), order=[point], rounds=[{"round": 0, **point, "system_calls": count}])
             for name, count in (("before", 2.0), ("after", calls))]
    assert bench.main(["--compare", *names]) == code
    shown = capsys.readouterr().out
    assert said in shown and "differ by 0.5 a message or more" in shown


IN_CHINESE = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "COLUMNS": "200"}


def test_compare_in_chinese(tmp_path):
    names = made("before", tmp_path, (10.0, 10.2, 9.8)), made("after", tmp_path, ("the load failed", 13.0, 13.4))
    ended = subprocess.run([ROOT / "lab", "bench", "--compare", *names], capture_output=True, text=True, env=IN_CHINESE)
    assert ended.returncode == 1, ended.stderr
    for said in ("系列", "CPU 时间（µs）", "+32% 变差", "06_epoll 在 connections 100 失败：压力发生器失败",
                 "变差 2 项，变好 0 项，差别没有超出离散范围 0 项"):
        assert said in ended.stdout, ended.stdout


def test_tables_in_chinese():
    """Those of the reference, with something left out: no word of English but names."""
    show = ("import common, tables, results; found = results.Results.load('reference');"
            "found.data['left_out'] = [{'what': '06_epoll at idle 9', 'why': 'serves 5 connections at once'}];"
            "tables.show(found)")
    path = os.pathsep.join(str(ROOT / name) for name in ("tools", "tests", "bench"))
    ended = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True,
                           env={**IN_CHINESE, "PYTHONPATH": path})
    for said in ("connections：CPU 时间（µs），随活动连接数变化", "100 个连接\n服务器", "轮的中位数",
                 "没有测：06_epoll（idle 9）：同时只服务 5 个连接"):
        assert said in ended.stdout, ended.stderr
    assert not re.search("[a-z]+ [a-z]+ [a-z]+", ended.stdout)


@pytest.mark.parametrize("spoil, reason", [
    (lambda data: data.pop("order"), "'order' is a required property"),
    (lambda data: data.update(more=1), "'more' was unexpected"),
    (lambda data: data["rounds"][0].update(failed="it did"), "should not be valid"),  # a number, and none
    (lambda data: data["rounds"][0].update(messages_per_second=0), "0"),
    (lambda data: data["rounds"].append("x"), "'x'"),
], ids=["too little", "too much", "failed", "nothing", "no round"])
def test_a_file_that_is_none_is_refused(tmp_path, spoil, reason):
    file = tmp_path / "bad.json"
    data = json.loads(open(made("good", tmp_path, (10.0,))).read())
    spoil(data)
    file.write_text(json.dumps(data))
    with pytest.raises(Trouble, match=re.escape(reason)) as trouble:
        bench.main(["--compare", str(tmp_path / "good.json"), str(file)])
    assert trouble.value.code == 1 and str(trouble.value).count("\n") == 0


@pytest.mark.parametrize("other, differs", [((3, 4), True), ((2, 4), False), ((9,), False)])
def test_a_difference_below_the_spread_is_none(other, differs):
    assert Figure.of([1, 2]).differs_from(Figure.of(other)) == differs


# ---- texts

MADE = """It takes <!--= cpu_us connections 100 06_epoll -->1<!--/--> µs.
<!--? cpu_us connections 100 {} connections 100 {} -->
"""


@pytest.fixture
def two(tmp_path):
    """Results of two servers, the second of which takes more."""
    data = json.loads(open(made("two", tmp_path, (10.0, 10.2, 9.8))).read())
    edge = "06_epoll --trigger edge"
    data["order"].append(data["order"][0] | {"server": edge})
    data["rounds"] += [one | {"server": edge, "cpu_us": one["cpu_us"] + 5} for one in data["rounds"]]
    return Results(data)


def test_a_figure_is_written_into_a_text(two):
    filled = page.fill(MADE, two, "en")
    assert filled == MADE.replace("-->1<", "-->10<") and page.fill(filled, two, "en") == filled


@pytest.mark.parametrize("words, written", [
    ("spread cpu_us connections 100 06_epoll", "10 (9.8–10.2)"),
    ("times cpu_us connections 100 06_epoll trigger edge / connections 100 06_epoll", "1.50"),
    ("spread times cpu_us connections 100 06_epoll trigger edge / connections 100 06_epoll", "1.50 (1.49–1.51)"),
    ("machine kernel", "made up"), ("peer nginx", "1.2.3"), ("data date", "2000-01-01"),
])
def test_what_a_marker_is_filled_with(two, words, written):
    two.data["machine"]["peers"]["nginx"] = "1.2.3"
    assert page.text_of(two, words, "en") == written


@pytest.mark.parametrize("one, other, sound", [
    ("06_epoll trigger edge >", "06_epoll", True), ("06_epoll >", "06_epoll trigger edge", False),
    ("06_epoll ~", "06_epoll", True), ("06_epoll ~", "06_epoll trigger edge", False),
])
def test_a_false_claim_is_found(two, one, other, sound):
    assert bool(page.false_claims(MADE.format(one, other), two)) != sound


@pytest.fixture
def of_two_runs(two):
    """The same, but the second server's rounds are of another run."""
    for one in two.data["rounds"]:
        one["run"] = 1 + (one["server"] != "06_epoll")
    return two


TWO = "cpu_us connections 100 06_epoll trigger edge / connections 100 06_epoll"


def test_rounds_of_different_runs_are_not_paired(of_two_runs):
    """The ratio is that of the medians, without a spread, and nothing is claimed."""
    assert page.text_of(of_two_runs, f"spread times {TWO}", "en") == "1.50"
    for sign in (">", "~"):
        (line,) = page.false_claims(MADE.format(f"06_epoll trigger edge {sign}", "06_epoll"), of_two_runs)
        assert "rounds that have both: 0" in line


def test_rounds_of_the_same_number_count_once_for_each_run(of_two_runs):
    again = [one | {"run": 2, "cpu_us": one["cpu_us"] * 10} for one in of_two_runs.data["rounds"] if one["run"] == 1]
    of_two_runs.data["rounds"] += again
    assert page.text_of(of_two_runs, f"spread times {TWO}", "en") == "0.15 (0.15–0.15)"
    assert of_two_runs.most_rounds() == 6


def test_the_sentence_of_idle_connections_has_its_ratios(tmp_path):
    points = [{"sweep": "idle", "at": at, "server": "06_epoll"} for at in (0, 900)]
    rounds = [{"round": number, **point, "messages_per_second": 1.0, "cpu_us": 8.0 + point["at"] / 900}
              for number in range(3) for point in points]
    data = Results.load(made("idle", tmp_path, (), order=points, rounds=rounds))
    assert "beside none: 06_epoll 1.12 (1.12–1.12)." in sentences.sentence(data, "idle")


def test_a_sentence_says_what_was_not_paired(tmp_path):
    points = [{"sweep": "connections", "at": 1, "server": "05_poll"}, {"sweep": "lone", "at": 900, "server": "05_poll"}]
    rounds = [{"run": run, "round": number, **point, "messages_per_second": 1.0, "cpu_us": 10.0 * run}
              for run, point in enumerate(points, 1) for number in range(3)]
    said = sentences.sentence(Results.load(made("lone", tmp_path, (), order=points, rounds=rounds)), "lone")
    assert "05_poll 2.00. Where no spread follows, no round has both" in said


@pytest.mark.parametrize("words", [
    "cpu_us connections 100 07_reactor", "cpu_us idle 1 06_epoll", "cost connections 100 06_epoll", "cpu_us",
    "times cpu_us connections 100 06_epoll / connections 7 06_epoll",
    "spread times cpu_us connections 100 06_epoll / connections 7 06_epoll", "peer h2o", "machine color"])
def test_a_figure_that_is_not_there_is_refused(two, words):
    with pytest.raises(page.Wrong):
        page.fill(f"<!--= {words} --><!--/-->", two, "en")


@pytest.mark.parametrize("claim, code", [("06_epoll ~ connections 100 06_epoll", 0),
                                         ("06_epoll > connections 100 06_epoll", 1)])
def test_page_writes_the_texts_anew(tmp_path, monkeypatch, capsys, claim, code):
    pytest.importorskip("matplotlib", reason="python3-matplotlib is not installed: packages.txt, group bench")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    made("reference", tmp_path, (10.0, 10.2, 9.8))
    file = tmp_path / "made.zh-CN.md"
    file.write_text(f"<!--= cpu_us connections 100 06_epoll --><!--/-->\n<!--? cpu_us connections 100 {claim} -->\n"
                    "<!--= sentence connections -->\n<!--/-->\n")
    assert bench.renew_texts([file]) == code
    assert "-->10<!--/-->" in file.read_text() and "点是中位数" in file.read_text()
    assert (tmp_path / "reference" / "connections.svg").exists()
    assert capsys.readouterr().err.count("is not so") == code


@pytest.mark.parametrize("text, missing", [
    ("It takes <!--= cpu_us connections 7 06_epoll --><!--/--> µs.\n", "cpu_us connections 7 06_epoll"),
    ("<!--? cpu_us connections 7 06_epoll > connections 100 06_epoll -->\n",
     "cpu_us connections 7 06_epoll / connections 100 06_epoll"),
])
def test_a_marker_or_a_claim_without_a_figure_is_told_with_its_text(text, missing, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="python3-matplotlib is not installed: packages.txt, group bench")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    made("reference", tmp_path, (10.0, 10.2, 9.8))
    file = tmp_path / "made.md"
    file.write_text(text)
    with pytest.raises(Trouble, match=rf"made\.md: there is no '{missing}'"):
        bench.renew_texts([file])


def test_the_chapters_texts_are_among_them():
    assert {one.path / name for one in CHAPTERS for name in ("README.md", "README.zh-CN.md")} < set(page.TEXTS)


@pytest.fixture(scope="module")
def reference():
    return Results.load("reference")


@pytest.mark.parametrize("file", page.TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_texts_say_what_the_reference_says(file, reference):
    text = file.read_text()
    assert page.fill(text, reference, page.language_of(file)) == text, "./lab bench --page writes it anew"
    assert page.false_claims(text, reference) == []


def test_the_reference_s_rounds_are_the_same_in_both_files(reference):
    written = io.StringIO(newline="")
    reference.write_csv(written, reference.data["rounds"])
    assert written.getvalue() == results.FOLDER.joinpath("reference.csv").read_bytes().decode()


def test_each_round_of_the_reference_is_one_of_its_run(reference):
    """No run has measured a server twice at a point in one round, and `command` names as many runs as there are."""
    rounds = [(*results.round_of(one), one["sweep"], one["at"], one["server"]) for one in reference.data["rounds"]]
    assert len(set(rounds)) == len(rounds)
    runs = {one["run"] for one in reference.data["rounds"] if "run" in one}
    assert sorted(runs) == [int(number) for number in re.findall(r"(\d+): \./lab bench", reference.data["command"])]


PICTURES = results.FOLDER / "reference"


@pytest.fixture(scope="module")
def plots():
    matplotlib = pytest.importorskip("matplotlib",
                                     reason="python3-matplotlib is not installed: packages.txt, group bench")
    drawn_by = re.search("matplotlib ([^<]+)</", (PICTURES / "kept.svg").read_text())[1]
    if matplotlib.__version__ != drawn_by:
        pytest.skip(f"the pictures were drawn by matplotlib {drawn_by}, and another draws them another way")
    import plots
    return plots


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sorted(one.stem for one in PICTURES.glob("*.svg")))
def test_the_pictures_show_what_the_reference_says(sweep, reference, plots, tmp_path):
    plots.draw(reference, sweep, tmp_path / "drawn.svg")
    same = (tmp_path / "drawn.svg").read_bytes() == (PICTURES / f"{sweep}.svg").read_bytes()
    assert same, "./lab bench --page draws it anew"


def test_the_pictures_sentences_are_the_reference_s(reference, plots, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "draw", lambda *_: None)
    plots.draw_all(reference, tmp_path)
    assert (tmp_path / "pictures.md").read_text() == (PICTURES / "pictures.md").read_text()


def test_there_is_a_picture_of_each_sweep_and_a_text_shows_it(reference):
    drawn = {one.stem for one in PICTURES.glob("*.svg")}
    assert drawn == set(reference.sweeps())
    for file in (ROOT / "docs" / "models.md", ROOT / "docs" / "models.zh-CN.md"):
        assert set(re.findall(r"results/reference/(\w+)\.svg\)", file.read_text())) == drawn


@pytest.mark.parametrize("file", page.TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_line_is_lost_to_a_marker(file):
    """A line that begins with a comment, in a list too, is no Markdown: what else stands in it is shown as it is."""
    assert not re.findall(r"^[ >*-]*(?:\d+\. +)?<!--= (?!table|sentence).*", file.read_text(), re.MULTILINE)
