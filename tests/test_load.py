"""The load generator: it counts right, checks every byte, and costs less than what it measures."""

import json
import subprocess

import pytest

from process import Server

pytestmark = pytest.mark.chapter("06_epoll")


@pytest.fixture
def folder(builds):
    return builds.for_check(True, False)[0].folder


@pytest.fixture
def server(folder):
    server = Server([folder / "06_epoll" / "server", "--port", "0"], patience=8.0)
    yield server
    server.kill()


def load(folder, port, *words):
    return subprocess.run([folder / "bench" / "load", "--port", str(port), *words], text=True, capture_output=True,
                          timeout=60)


def figures(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("words", [
    [], ["--connections", "1"], ["--connections", "1000"], ["--pipeline", "16"], ["--size", "1"],
    ["--size", "1048576", "--connections", "2"], ["--size", "100000", "--pipeline", "3"], ["--idle", "500"],
], ids=" ".join)
def test_measures(folder, server, words):
    found = figures(load(folder, server.address[1], "--json", "--seconds", "0.3", "--warm-up", "0.1", *words))
    assert found["checked"] >= found["measured"] > 0
    assert abs(found["messages_per_second"] - found["measured"] / 0.3) < 1
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p99_9_us"] <= found["max_us"] < 10e6


def test_text_says_the_same_as_json(folder, server):
    result = load(folder, server.address[1], "--seconds", "0.1")
    assert result.returncode == 0 and "messages/s" in result.stdout and "p99.9" in result.stdout


@pytest.mark.slow  # as all that wants the wrong programs
@pytest.mark.parametrize("faulty, reason", [
    ("01_echoes", "a byte came back wrong"),
    ("01_one_answer", "the server closed|Connection reset|Broken pipe"),
    ("01_maps_latin1", ""),
])
def test_checks_every_byte(folder, faulty, reason):
    server = Server([folder / "tests" / "faulty" / faulty, "--port", "0"], patience=8.0)
    try:
        result = load(folder, server.address[1], "--connections", "1", "--seconds", "0.1")
        if not reason:  # it only garbles bytes that are never sent
            assert result.returncode == 0
            return
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert any(words in result.stderr for words in reason.split("|"))
    finally:
        server.kill()


def test_nobody_there(folder, server):
    port = server.address[1]
    server.stop()
    result = load(folder, port)
    assert result.returncode == 1 and f"connect to 127.0.0.1:{port}: Connection refused" in result.stderr


@pytest.mark.parametrize("words", [["--size", "0"], ["--connections", "x"], ["--seconds", "-1"], ["--host", "nobody"],
                                   ["--port", "65536"], ["word"], ["--unknown"]], ids=" ".join)
def test_bad_words(folder, words):
    result = load(folder, 9, *words)
    assert result.returncode == 2 and words[-1] in result.stderr and len(result.stderr.splitlines()) == 1


def test_costs_no_more_than_the_bare_loop(folder):
    """Beside the floor, the cheapest server there is, in the same seconds."""
    floor = Server([folder / "bench" / "floor", "--port", "0"], patience=8.0)
    try:
        before = floor.cpu()
        found = figures(load(folder, floor.address[1], "--json", "--seconds", "1", "--pipeline", "8"))
        assert found["load_cpu_us_per_message"] < (floor.cpu() - before) / found["checked"] * 1e6 * 1.5
    finally:
        floor.kill()
