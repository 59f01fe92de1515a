"""What 04, 05 and 06 share, and what tells level from edge."""

import collections
import concurrent.futures
import random
import re
import socket
import subprocess

import pytest

from chapters import ROOT
from peer import Peer, upper
from process import Server

FOLDERS = ("04_select", "05_poll", "06_epoll")
KERNEL = {"watch", "wait"}  # the functions that speak to select, poll or epoll
FUNCTION = re.compile(r"^(?!struct|constexpr|namespace|int main)[^\s#/}][^\n;]*?(\w+)\([^;]*?\) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)


def functions(folder, program):
    """{name: text} of the functions of a source file, in their order; main left out."""
    return {found[1]: found[0] for found in FUNCTION.finditer((ROOT / folder / f"{program}.cpp").read_text())}


@pytest.mark.parametrize("folder", [pytest.param(folder, marks=pytest.mark.chapter(folder)) for folder in FOLDERS[1:]])
def test_the_handlers_are_the_same(folder):
    first, other = functions(FOLDERS[0], "server"), functions(folder, "server")
    assert {"watch", "wait", "on_readable", "on_writable", "accept_all", "turn", "serve"} <= set(first)
    assert list(other) == list(first)
    assert [name for name in first if other[name] != first[name]] == [name for name in first if name in KERNEL]


@pytest.mark.chapter("05_poll")
def test_the_clients_differ_in_wait_alone():
    first, other = functions("04_select", "client"), functions("05_poll", "client")
    assert list(other) == list(first)
    assert [name for name in first if other[name] != first[name]] == ["wait"]


@pytest.fixture
def traced(plain, tmp_path):
    """Starts 06's server under strace and returns it with a function that reads the trace of its calls."""
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    servers = []

    def start(trigger):
        trace = tmp_path / trigger
        program = plain / "06_epoll" / "server"
        server = Server(["strace", "-f", "-o", trace, "-e", "trace=epoll_wait,epoll_ctl,read", program,
                         "--port", "0", "--trigger", trigger], patience=8.0)
        servers.append(server)
        return server, trace.read_text

    yield start
    for server in servers:
        server.kill()


@pytest.mark.chapter("06_epoll")
@pytest.mark.parametrize("trigger, news", [("level", 4), ("edge", 1)])
def test_level_tells_again_and_edge_once(traced, trigger, news):
    """Four buffers full that have come before the server wakes: one change, and four times something to read."""
    server, trace = traced(trigger)
    with Peer(server.address) as peer:
        peer.ask(b"hello\n")
        with server.frozen():
            peer.send(b"x" * 65536)
            peer.await_delivery()
        assert peer.receive(65536) == b"X" * 65536
    calls = re.findall(r'(epoll_wait)\(.*EPOLLIN|(read)\(.*"x.* = 16384$', trace(), re.MULTILINE)
    reads = [number for number, (_, read) in enumerate(calls) if read]
    assert len(reads) == 4
    told = [wait for wait, _ in calls[:reads[-1]] if wait]
    assert len(told) == 2 + news  # of the connection and its hello first


@pytest.mark.chapter("06_epoll")
@pytest.mark.parametrize("trigger", ["level", "edge"])
def test_no_epoll_ctl_for_a_message(traced, trigger):
    server, trace = traced(trigger)
    with Peer(server.address) as peer:
        peer.ask(b"hello\n")
        before = trace().count("epoll_ctl")
        assert before
        for _ in range(100):
            peer.ask(b"hello\n")
        assert trace().count("epoll_ctl") == before


@pytest.fixture
def client(builds):
    """Runs 06's client with N connections on an input, and returns what it ended with."""
    program = builds.for_check(False, False)[0].folder / "06_epoll" / "client"

    def run(address, connections, said):
        return subprocess.run([program, "--port", str(address[1]), "--connections", str(connections)], input=said,
                              capture_output=True, timeout=60)

    return run


@pytest.mark.chapter("06_epoll")
@pytest.mark.parametrize("connections", [1, 7, 1000])
def test_many_connections_share_the_input(builds, client, connections):
    server = Server([builds.for_check(False, False)[0].folder / "06_epoll" / "server", "--port", "0", "--verbose"], 8.0)
    try:
        said = random.Random(4).randbytes(3_000_000)
        ended = client(server.address, connections, said)
        assert ended.returncode == 0, ended.stderr.decode()
        assert ended.stdout == upper(said)
        shares = collections.Counter()
        for peer, size in re.findall(r"(\S+) sent (\d+) bytes", server.log):
            shares[peer] += int(size)
        assert sum(shares.values()) == len(said)
        pieces = -(-len(said) // 16384)  # read from a pipe, a piece may be smaller, and they are more then
        assert len(shares) >= min(connections, pieces)
        assert len(re.findall(" connected", server.log)) == connections
    finally:
        server.kill()


@pytest.mark.chapter("06_epoll")
def test_a_wrong_byte_on_one_of_many_connections(client):
    """The played server answers the first two of three connections right, and the third in lower case."""
    with socket.create_server(("127.0.0.1", 0)) as listener, concurrent.futures.ThreadPoolExecutor() as threads:
        ended = threads.submit(client, listener.getsockname(), 3, b"x" * 40000)
        connections = [listener.accept()[0] for _ in range(3)]
        for number, connection in enumerate(connections):
            connection.settimeout(8)
            said = connection.recv(65536)
            connection.sendall(upper(said) if number < 2 else said)
        assert ended.result().returncode == 1
        assert b"what came back is not what was sent" in ended.result().stderr
        for connection in connections:
            connection.close()
