"""./lab bench: a failed measurement gives no number, a wrong server fails it, a difference below the spread is none."""

import sys

import pytest

from chapters import ROOT

sys.path[1:1] = [str(ROOT / "bench"), str(ROOT / "tools")]

import measuring  # noqa: E402
import plan  # noqa: E402
import servers  # noqa: E402
from check import Failed  # noqa: E402
from results import Figure  # noqa: E402


def cell(server, sweep="connections", at=2):
    return plan.Cell(plan.BY_NAME[sweep], at, server, plan.BY_NAME[sweep].load(at))


@pytest.mark.parametrize("sweep", ["connections", "churn"])
def test_a_tiny_run(plain, sweep):
    found = measuring.measure(cell(servers.KNOWN["06_epoll"], sweep), plain, sorted(measuring.os.sched_getaffinity(0)), 0.1)
    assert found["messages_per_second"] > 0 and found["cpu_us"] > 0 and found["memory"] > 0
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p99_9_us"]


def test_a_tiny_run_that_counts(plain):
    found = measuring.measure(cell(servers.KNOWN["06_epoll"], "calls"), plain, sorted(measuring.os.sched_getaffinity(0)), 0.1)
    assert found["switches"] > 0 and found.get("system_calls", 1) > 0


def test_wrong_bytes_give_no_number(plain, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text('#!/usr/bin/python3\nimport socket\ns = socket.create_server(("127.0.0.1", 0))\n'
                     'print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)\nc = [s.accept()[0] for _ in (1, 2)]\n'
                     'c[0].sendall(c[0].recv(64)); c[0].recv(1)\n')
    wrong.chmod(0o755)
    with pytest.raises(Failed, match="a byte came back wrong"):
        measuring.measure(cell(servers.named(str(wrong), plain)), plain, sorted(measuring.os.sched_getaffinity(0)), 0.1)


@pytest.mark.parametrize("other, differs", [((3, 4), True), ((2, 4), False), ((9,), False)])
def test_a_difference_below_the_spread_is_none(other, differs):
    assert Figure.of([1, 2]).differs_from(Figure.of(other)) == differs
