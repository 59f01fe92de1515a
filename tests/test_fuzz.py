"""./lab fuzz: the targets are there, hold for a short time, and a broken promise is found. With --full."""

import shutil
import subprocess
from pathlib import Path

import pytest

from chapters import ROOT

FOLDER = ROOT / "tests" / "fuzz"
TARGETS = sorted(path.stem for path in FOLDER.glob("*.cpp") if path.stem != "replay")

pytestmark = pytest.mark.chapter("11_http")


def test_every_target_has_a_corpus():
    assert {"parser", "chunked", "range", "path"} <= set(TARGETS)
    assert all(any((FOLDER / "corpus" / target).iterdir()) for target in TARGETS)


@pytest.mark.slow
@pytest.mark.busy
@pytest.mark.parametrize("target", TARGETS)
def test_holds_for_ten_seconds(target):
    ran = subprocess.run([ROOT / "lab", "fuzz", target, "10"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert f"lab: {target}: nothing found" in ran.stderr


@pytest.mark.slow
def test_a_broken_promise_is_found(tmp_path):
    """The path resolver that looks for ".." and forgets to decode it first."""
    if not shutil.which("clang++"):
        pytest.skip("clang++ is not installed: packages.txt, group fuzz")
    for folder in ("11_http", "wrap"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    broken = tmp_path / "11_http" / "path.h"
    text = broken.read_text()
    assert text.count("segment->front() == '.'") == 1
    broken.write_text(text.replace("segment->front() == '.'", "raw.front() == '.'"))
    program = tmp_path / "path"
    subprocess.run(["clang++", "-std=c++20", "-fsanitize=fuzzer", "-I", tmp_path, FOLDER / "path.cpp", "-o", program], check=True)
    new = tmp_path / "new"  # to the first folder it adds what it finds
    new.mkdir()
    found = subprocess.run([program, "-max_total_time=60", f"-artifact_prefix={tmp_path}/", new, FOLDER / "corpus" / "path"],
                           cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode != 0 and "does not hold: no segment that is empty or begins with a dot" in found.stderr
    assert any(Path(tmp_path).glob("crash-*"))


@pytest.mark.parametrize("words", [["nothing"], ["0"], ["-1"], ["parser", "soon"]], ids=" ".join)
def test_other_words_are_refused(words):
    ran = subprocess.run([ROOT / "lab", "fuzz", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == 2 and words[-1] in ran.stderr and ran.stderr.count("\n") == 1
