"""The unit tests are judged too: a header that is wrong fails the test that its diff in faulty/unit/ names.

The head of such a diff says what is wrong, and then `Fails: FILE: TEST: WORDS`, where TEST is a filter of
GoogleTest's and WORDS are in what the test says.
"""

import re
import subprocess
from pathlib import Path

import pytest

from chapters import CHAPTERS

DIFFS = sorted(Path(__file__).parent.glob("faulty/unit/*.diff"))


@pytest.mark.parametrize("diff", [
    pytest.param(diff, id=diff.stem, marks=[pytest.mark.chapter(chapter.name), pytest.mark.slow])
    for diff in DIFFS for chapter in CHAPTERS if f"--- a/{chapter.name}/" in diff.read_text()
])
def test_fails_at_its_unit_test(diff, builds):
    folder = (builds.of("plain") or [pytest.skip("judged on a plain build, and none is given")])[0].folder
    file, test, words = re.search(r"^Fails: (\w+): (\S+): (.*)$", diff.read_text(), re.MULTILINE).groups()

    def run(program):
        result = subprocess.run([folder / "tests" / program, f"--gtest_filter={test}"], text=True, capture_output=True)
        assert "Running 1 test" in result.stdout, f"{test} is no test of {program}"
        return result

    assert run(f"{file}_test").returncode == 0
    wrong = run(f"faulty/unit_{diff.stem}")
    assert wrong.returncode and words in wrong.stdout, wrong.stdout
