"""The load generator: it counts right, checks every byte, and costs less than what it measures."""

import json
import re
import resource
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from process import Server

pytestmark = pytest.mark.chapter("06_epoll")


@pytest.fixture
def folder(plain):
    return plain


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


@pytest.mark.parametrize("words, seconds", [
    ([], 0.3), (["--connections", "1"], 0.3), (["--connections", "1000"], 1.5), (["--pipeline", "16"], 0.3),
    (["--size", "1"], 0.3), (["--size", "1048576", "--connections", "2"], 0.3),
    (["--size", "100000", "--pipeline", "3"], 0.3), (["--idle", "500"], 0.3),
], ids=lambda value: " ".join(value) if isinstance(value, list) else f"{value} s")
def test_measures(folder, server, words, seconds):
    """For as long as it takes who shares a core with many to answer each connection once."""
    found = figures(load(folder, server.address[1], "--json", "--seconds", str(seconds), "--warm-up", "0.1", *words))
    assert found["checked"] >= found["measured"] > 0
    assert abs(found["messages_per_second"] - found["answered"] / seconds) < 1
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p99_9_us"] <= found["max_us"] < 10e6


def test_percentiles_are_exact_and_late_answers_count(folder, server):
    """One message in flight on each of ten connections when the server stops for 0.3 s: ten of all those samples are
    that late, the slowest of them included in every figure that reaches so far, though the measured time ends before."""
    words = ["--json", "--marks", "--connections", "10", "--seconds", "0.5", "--warm-up", "0"]
    command = [folder / "bench" / "load", "--port", str(server.address[1]), *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "begin\n"
        with server.frozen():
            time.sleep(0.7)
        assert running.stdout.readline() == "end\n"
        assert running.stdout.readline() == "open\n"
        found = json.loads(running.stdout.read())
    assert running.returncode == 0
    late = 10 / found["measured"]
    assert found["max_us"] > 500_000
    for name, part in (("p50_us", 0.5), ("p99_us", 0.99), ("p99_9_us", 0.999)):
        if abs(part - (1 - late)) * found["measured"] > 10:  # not at the border itself
            assert (found[name] > 500_000) == (part > 1 - late), name
    assert found["answered"] < found["measured"]  # the ten came back too late to be part of the rate


def test_pipeline_keeps_as_many_in_flight(folder):
    """A server that answers nobody gets N messages on a connection, and not a byte more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [folder / "bench" / "load", "--port", str(listener.getsockname()[1]), "--connections", "1",
                   "--size", "10", "--pipeline", "7"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                got = connection.recv(10)
                while len(got) < 70:
                    got += connection.recv(1000)
                assert len(got) == 70
                connection.sendall(got[:10].upper())  # one answer makes room for one message
                assert len(connection.recv(1000)) == 10
            assert running.wait(5) == 1
            assert "of a connection" in running.stderr.read()


def namespace(*command):
    """The command in a network of its own, where 127.0.0.1 is up and the kernel chooses among 200 ports."""
    script = "ip link set lo up && echo 40000 40199 > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\""
    return ["unshare", "--map-root-user", "--net", "sh", "-c", script, "-", *map(str, command)]


def test_more_connections_than_the_kernel_has_ports(folder):
    if subprocess.run(namespace("true"), capture_output=True).returncode:
        pytest.skip("no network namespace may be made here")
    script = ('"$1" --port 9999 --verbose >"$3/ready" 2>"$3/log" & server=$!; until [ -s "$3/ready" ]; do :; done; '
              'for run in 1 2; do "$2" --connections 1000 --idle 500 --seconds 0.1 --json --port 9999 || break; done; '
              'kill $server')
    programs = folder / "06_epoll" / "server", folder / "bench" / "load"
    with tempfile.TemporaryDirectory() as place:
        result = subprocess.run(namespace("sh", "-c", script, "-", *programs, place), text=True,
                                capture_output=True, timeout=60)
        log = Path(place, "log").read_text()
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2  # at once after the first, the same ports are free again
    came = re.findall(r"(127\.0\.0\.\d+):(\d+) connected", log)
    assert len(came) == 3000
    assert {"127.0.0.1", "127.0.0.2"} == {host for host, _ in came}
    assert all(40000 <= int(port) <= 40199 for host, port in came if host == "127.0.0.1")


@pytest.mark.slow
def test_does_not_wait_for_the_kernel_to_find_a_port(folder):
    """From 12,000 connections on they come from an address of which no port is taken."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 12200:
        pytest.skip("no process may have 12,200 descriptors here")
    server = Server([folder / "06_epoll" / "server", "--port", "0", "--verbose"], patience=8.0)
    try:
        result = load(folder, server.address[1], "--connections", "1", "--idle", "12100", "--seconds", "0.5")
        came = re.findall(r"(127\.0\.0\.\d+):\d+ connected", server.log)
    finally:
        server.kill()
    assert result.returncode == 0, result.stderr
    assert (came.count("127.0.0.1"), came.count("127.0.0.2")) == (12000, 101)


def time_waits(port):
    """The ends of the connections of `port` in TIME_WAIT, as /proc/net/tcp has them."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    end = f":{port:04X}"
    return {(row[1], row[2]) for row in sockets if row[3] == "06" and (row[1].endswith(end) or row[2].endswith(end))}


def test_leaves_no_time_wait(folder, server):
    before = time_waits(server.address[1])  # of who had this port less than a minute ago
    result = load(folder, server.address[1], "--connections", "50", "--seconds", "0.5")
    assert result.returncode == 0
    assert not time_waits(server.address[1]) - before


def test_more_than_a_process_may_have(folder):
    result = subprocess.run(["sh", "-c", 'ulimit -n 100; exec "$0" --connections 60 --idle 50', folder / "bench" / "load"],
                            text=True, capture_output=True)
    assert result.returncode == 2
    assert result.stderr == "load: --connections and --idle: 110 take more descriptors than a process may have here, 100\n"


@pytest.mark.chapter("10_unix_socket")
def test_measures_on_a_path(folder, tmp_path):
    path = str(tmp_path / "serv.socket")
    server = Server([folder / "10_unix_socket" / "server", "--path", path], patience=8.0, path=path)
    try:
        result = subprocess.run([folder / "bench" / "load", "--path", path, "--json", "--seconds", "0.3"], text=True,
                                capture_output=True, timeout=60)
        assert figures(result)["measured"] > 0
    finally:
        server.kill()


def test_text_says_the_same_as_json(folder, server):
    result = load(folder, server.address[1], "--seconds", "0.5")
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
        result = load(folder, server.address[1], "--connections", "1", "--seconds", "0.5")
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
                                   ["--port", "65536"], ["--path", "@"], ["word"], ["--unknown"]], ids=" ".join)
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
