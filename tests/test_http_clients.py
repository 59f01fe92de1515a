"""The HTTP server and the clients of others: curl, load generators, a browser, and an attacker. With --full; a client that
is not installed is left out, and said to be (packages.txt, group http)."""

import os
import re
import shutil
import subprocess
import time

import pytest

from chapters import find
from http_cases import LARGE, SMALL, get
from http_contract import HttpSubject, ask, duration_of, expect_prompt

CHAPTER = find("11_http")
pytestmark = [pytest.mark.chapter(CHAPTER.name), pytest.mark.slow, pytest.mark.xdist_group("11_http-clients")]


@pytest.fixture
def subject(builds):
    program = builds.for_check(True, False)[0].folder / CHAPTER.name / "server"
    made = HttpSubject([program, "--port", "{port}"], CHAPTER.port, CHAPTER.capabilities, 8.0)
    yield made
    complaints = made.close()
    assert not complaints, "\n".join(complaints)


def run(*command, timeout=60, **rest):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed: packages.txt, group http")
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=timeout, **rest)


def url(server, path=""):
    return f"http://127.0.0.1:{server.address[1]}/{path}"


def test_curl(subject, tmp_path):
    root = subject.root()
    server = subject.site(root=root)
    body = os.urandom(3_000_000)
    (tmp_path / "body").write_bytes(body)

    def curl(*words):
        ran = run("curl", "-sS", "--max-time", "20", *words)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert curl(url(server, "hello.c"), url(server, "large.bin")) == SMALL + LARGE  # on one connection
    assert curl("--http1.0", url(server, "hello.c")) == SMALL
    assert curl("-r", "10-", url(server, "hello.c")) == SMALL[10:]
    assert curl("--data-binary", f"@{tmp_path}/body", url(server, "upper")) == body.upper()  # Expect: 100-continue
    assert curl("-X", "POST", "-T", "-", url(server, "upper")) == b""
    assert curl("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{tmp_path}/body", url(server, "upper")) == body.upper()
    assert curl("-L", url(server, "folder")) == b"<p>folder\n"
    (tmp_path / "part").write_bytes(LARGE[:1000])
    curl("-C", "-", "-o", tmp_path / "part", url(server, "large.bin"))
    assert (tmp_path / "part").read_bytes() == LARGE
    since = ("-z", "1 Jan 2000", "-w", "%{http_code}")
    assert curl(*since, url(server, "hello.c")) == b"304"


@pytest.mark.parametrize("file, size", [("hello.c", len(SMALL)), ("large.bin", len(LARGE))])
def test_wrk(subject, file, size):
    ran = run("wrk", "-t1", "-c50", "-d2s", url(subject.site(), file)).stdout.decode()
    assert "Non-2xx" not in ran and "Socket errors" not in ran, ran
    assert int(re.search(r"(\d+) requests in", ran)[1]) > 100, ran


@pytest.mark.parametrize("words", [[], ["-k"]], ids=["close", "keep-alive"])
def test_ab(subject, words):
    ran = run("ab", "-q", "-n", "5000", "-c", "50", *words, url(subject.site(), "hello.c")).stdout.decode()
    assert re.search(r"Complete requests: +5000\n", ran) and re.search(r"Failed requests: +0\n", ran), ran
    assert "Non-2xx" not in ran, ran


@pytest.mark.parametrize("pipelined", [1, 10])
def test_h2load(subject, pipelined):
    ran = run("h2load", "--h1", "-n", "5000", "-c", "20", "-m", pipelined, url(subject.site(), "hello.c")).stdout.decode()
    assert "5000 succeeded, 0 failed, 0 errored" in ran and "5000 2xx" in ran, ran


PAGE = b"""<!DOCTYPE html><meta charset="utf-8"><link rel="stylesheet" href="style.css">
<p id="said">nothing</p><img id="image" src="dot.png"><script src="script.js"></script>
"""
SCRIPT = b"""addEventListener("load", async () => {
    const image = document.getElementById("image"), colour = getComputedStyle(document.getElementById("said")).color;
    const big = await (await fetch("large.bin")).arrayBuffer();
    const form = new URLSearchParams({name: "value"});
    const posted = await (await fetch("/upper", {method: "POST", body: form})).text();
    const part = await (await fetch("hello.c", {headers: {Range: "bytes=0-7"}})).text();
    document.getElementById("said").textContent = [image.naturalWidth, colour, big.byteLength, posted, part].join(" ");
});
"""
FORM = b"""<!DOCTYPE html><form method="post" action="/upper" enctype="text/plain"><input name="greeting" value="hello"></form>
<script>document.forms[0].submit()</script>
"""
DOT = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301"
                    "0100c9fe92ef0000000049454e44ae426082")


def browse(address):
    ran = run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom", address,
              timeout=120)
    return ran.stdout.decode(errors="replace")


def test_chromium(subject):
    root = subject.root()
    for name, content in (("page.html", PAGE), ("script.js", SCRIPT), ("style.css", b"p { color: rgb(1, 2, 3) }"),
                          ("dot.png", DOT), ("form.html", FORM)):
        (root / name).write_bytes(content)
    server = subject.site(root=root)
    shown = browse(url(server, "page.html"))
    assert f"1 rgb(1, 2, 3) {len(LARGE)} NAME=VALUE #include" in shown, shown
    assert "GREETING=HELLO" in browse(url(server, "form.html"))


@pytest.mark.parametrize("attack", [["-H", "-i", "1"], ["-B", "-i", "1", "-s", "8192"], ["-X", "-w", "10", "-y", "20", "-n", "1"]],
                         ids=["slow-head", "slow-body", "slow-read"])
def test_slowhttptest(subject, attack, tmp_path):
    if not shutil.which("slowhttptest"):
        pytest.skip("slowhttptest is not installed: packages.txt, group http")
    server = subject.site()
    path = "upper" if "-B" in attack else "large.bin"
    with subprocess.Popen(["slowhttptest", *attack, "-c", "1000", "-r", "1000", "-l", "8", "-p", "1", "-u", url(server, path)],
                          cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as attacker:
        took = []
        while attacker.poll() is None:
            took.append(duration_of(lambda: ask(subject, server, get())))
            time.sleep(0.01)
    assert len(took) > 50
    expect_prompt(took)
