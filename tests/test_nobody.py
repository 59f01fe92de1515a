"""The suite is judged too: where there is no server no check passes, nor for a client that connects to none.

The programs here stand where a server or a client should: dead, asleep, lying, mute. What such a program may
pass all the same is listed, with the reason.
"""

import dataclasses
import re
import socket
import sys
import time

import pytest

import own
from chapters import CHAPTERS
from check import CannotTell, Failed
from process import Server
from subject import ServerSubject, judge
from sweep import KINDS

pytestmark = pytest.mark.slow  # two hundred waits for what never comes

SOON = 0.15  # seconds of patience: none of these programs ever does what is waited for
DEPEND_ON_THE_MACHINE = {"ipv6", "default-port", "client-ipv6", "udp-ipv6", "udp-default-port", "udp-unanswerable",
                         "udp-client-ipv6", "udp-client-kernel-network"}  # only these may be unable to tell
EVERYTHING = frozenset().union(*(c.capabilities for c in CHAPTERS))


def all_of(transport, attribute):
    return frozenset().union(*(getattr(chapter, attribute) for chapter in CHAPTERS if chapter.transport == transport))


ANY_CHAPTER = {  # of each transport: one that must be able to do what any of them must
    chapter.transport: dataclasses.replace(chapter, capabilities=all_of(chapter.transport, "capabilities"),
                                           client_capabilities=all_of(chapter.transport, "client_capabilities"))
    for chapter in CHAPTERS
}

# It takes --host, --port and --path and the default port, so that its ready line is what a right server would say.
SPEAKING = f"""#!{sys.executable} -I
import signal, socket, sys
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
host, port = words.get("--host", "127.0.0.1"), int(words.get("--port", {ANY_CHAPTER["tcp"].port}))
path = words.get("--path", words.get("--at", ""))
listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(path.replace("@", "\\0") or (host, port))
LISTEN
port = "" if path else f":{{listener.getsockname()[1]}}"
print("listening on " + (path or (f"[{{host}}]" if ":" in host else host)) + port, flush=True)
held = []
while True:
    WAIT
"""

SPEAKING_UDP = SPEAKING.replace("AF_INET)", "AF_INET, socket.SOCK_DGRAM)").replace(
    "listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n", "").replace(
    str(ANY_CHAPTER["tcp"].port), str(ANY_CHAPTER["udp"].port))

PROGRAMS = {
    # in the server's place
    "dead": "#!/bin/sh\necho 'no such luck' >&2\nexit 3\n",
    "asleep": "#!/bin/sh\nexec sleep 1000\n",
    "lying": SPEAKING.replace("LISTEN", "").replace("WAIT", "signal.pause()"),
    "mute": SPEAKING.replace("LISTEN", "listener.listen(1000)").replace("WAIT", "held.append(listener.accept())"),
    "lying-udp": SPEAKING_UDP.replace("LISTEN\n", "").replace('print("', 'listener.close()\nprint("').replace(
        "WAIT", "signal.pause()"),
    "mute-udp": SPEAKING_UDP.replace("LISTEN\n", "").replace("WAIT", "signal.pause()"),
    # in the client's place, and asleep too
    "true": "#!/bin/sh\nexit 0\n",
    "cat": "#!/bin/sh\nexec cat\n",
    "upper": f"#!{sys.executable} -I\nimport os\nwhile piece := os.read(0, 65536): os.write(1, piece.upper())\n",
}

# What must be said of each.
SAID_OF = {
    "dead": r"died before it was ready \(exit code 3\): no such luck|expected, not 3.*no such luck",
    "asleep": r"not ready after|still running after",
    "lying": r"cannot connect|still running after|no socket listens|one line on stderr expected|Address already in use",
    "lying-udp": r"cannot be reached|still running after|no socket is bound|one line on stderr expected",
}

# What these checks say of all of them, since they look at something else: the calls, the file, the lock.
SAID_BY = {
    "path-never-wider": "it calls no bind|the mode is 777",  # as it comes to it in time or not
    "path-one-wins": r"it neither starts nor ends|the two say \['', ''\]",
    "path-lock-found": "it does not lock",
    "path-mode": "mode 777, and not 600",
    "path-default": "serv.socket",
    "path-still-ours": "there is no file",
}

# What a server that accepts and never answers may pass.
PASSED_BY_MUTE = {
    "starts": "it asks for a listener, and no more",
    "default-port": "that it listens must do: nobody here can talk to it in its own network namespace",
    "udp-starts": "it asks that somebody be there, and no more",
    "udp-default-port": "that a socket is bound must do: nobody here can talk to it in its own network namespace",
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def patient_start(monkeypatch):
    """Whoever does become ready has all the time for it that it needs."""
    await_ready = Server.await_ready
    monkeypatch.setattr(Server, "await_ready", lambda server, patience: await_ready(server, 10.0))


def every_check(*kinds):
    """Parameters for a test: each check of these ladders, with its kind, and any chapter to which it may apply."""
    return pytest.mark.parametrize("kind, check, chapter", [
        pytest.param(KINDS[kind], check, chapter, id=f"{transport}-{check.id}")
        for kind in kinds for check in KINDS[kind].ladder for transport, chapter in ANY_CHAPTER.items()
        if check.capability in KINDS[kind].capabilities(chapter)
    ])


def verdict(kind, check, program, builds, chapter):
    """What `check` says of `program`; empty when it lets it pass."""
    build = (builds.of("plain") or builds.all)[0]
    try:
        judge(check, kind.subject(program, [], chapter, build, SOON))
    except Failed as failure:
        return str(failure)
    except CannotTell as reason:
        if check.id in DEPEND_ON_THE_MACHINE:
            pytest.skip(str(reason))
        raise
    return ""


def expect_said(name, check, said):
    assert re.search(SAID_OF[name], said, re.DOTALL) or check.id in SAID_BY and re.search(SAID_BY[check.id], said), said


@every_check("contract", "own", "passing", "http", "datagram-contract", "datagram-own")
@pytest.mark.parametrize("name", ("dead", "asleep"))
def test_no_server(name, kind, check, chapter, programs, builds, request):
    if name == "dead":  # which shows as soon as it is dead, however late that is
        request.getfixturevalue("patient_start")
    expect_said(name, check, verdict(kind, check, programs / name, builds, chapter))


@every_check("contract", "own", "passing", "http")
def test_server_that_only_says_it_listens(kind, check, chapter, programs, builds, patient_start):
    expect_said("lying", check, verdict(kind, check, programs / "lying", builds, chapter))


@every_check("contract", "own", "passing", "http")
def test_mute_server(kind, check, chapter, programs, builds, patient_start):
    said = verdict(kind, check, programs / "mute", builds, chapter)
    assert bool(said) == (check.id not in PASSED_BY_MUTE), said
    assert "not ready" not in said


@every_check("datagram-contract", "datagram-own")
def test_server_of_datagrams_that_only_says_it_listens(kind, check, chapter, programs, builds, patient_start):
    expect_said("lying-udp", check, verdict(kind, check, programs / "lying-udp", builds, chapter))


@every_check("datagram-contract", "datagram-own")
def test_mute_server_of_datagrams(kind, check, chapter, programs, builds, patient_start):
    said = verdict(kind, check, programs / "mute-udp", builds, chapter)
    assert bool(said) == (check.id not in PASSED_BY_MUTE), said
    assert "not ready" not in said


@every_check("clients", "datagram-clients")
@pytest.mark.parametrize("name", ("true", "cat", "upper", "asleep"))
def test_client_of_no_server(name, kind, check, chapter, programs, builds, patient_start):
    assert verdict(kind, check, programs / name, builds, chapter), f"{name} passes"


@pytest.mark.parametrize("name", ("dead", "asleep"))
def test_default_patience_is_short(name, programs):
    begin = time.monotonic()
    with pytest.raises(Failed, match=SAID_OF[name]):
        judge(KINDS["contract"].ladder["starts"], ServerSubject([programs / name], EVERYTHING))
    assert time.monotonic() - begin < 5


def test_where_no_ipv6_socket_can_be_made_a_check_cannot_tell(monkeypatch):
    def refused(*_):
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refused)
    with pytest.raises(CannotTell, match="no IPv6 on this machine: Address family not supported"):
        own.ipv6_or_cannot_tell()
