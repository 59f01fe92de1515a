"""The reference patches of exercises: each applies, builds, and shows what its exercise asks for, which the right program
does not. A patch's head says in a sentence what it does, which exercise of the chapter's text it is for, and a command of
bash that succeeds when the thing is seen; $port and $pid are the server's."""

import re
import subprocess

import pytest

from chapters import ROOT
from process import Server
from text import Text

PATCHES = sorted((ROOT / "exercises").glob("*.diff"))


def read(patch):
    """(source, number of the exercise, command) of a patch."""
    words = patch.read_text()
    return (re.search(r"^--- a/(.*)$", words, re.MULTILINE)[1], int(re.search(r"^Exercise: (\d+)$", words, re.MULTILINE)[1]),
            re.search(r"^Shows: (.*)$", words, re.MULTILINE)[1])


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_names_an_exercise(patch):
    source, number, _ = read(patch)
    assert source.startswith(patch.stem[:2])
    assert re.search(rf"^{number}\. ", Text(ROOT / source.split("/")[0] / "README.md").prose.split("## Exercises")[1], re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("patched", [False, True], ids=["right", "patched"])
@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_shows_what_it_is_for(patch, patched, tmp_path):
    source, _, command = read(patch)
    changed = tmp_path / "server.cpp"
    changed.write_text((ROOT / source).read_text())
    if patched:
        subprocess.run(["patch", "-s", changed, patch], check=True)
    subprocess.run(["g++", "-std=c++20", "-I", ROOT, changed, "-o", tmp_path / "server"], check=True)
    server = Server([tmp_path / "server", "--port", "0"])
    try:
        ran = subprocess.run(["bash", "-c", f"port={server.address[1]} pid={server.pid}; {command}"], timeout=20)
        assert (ran.returncode == 0) == patched
    finally:
        server.kill()
