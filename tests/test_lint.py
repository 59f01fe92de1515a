"""All our C and C++ is as .clang-format wants it. All our C++ is as .clang-tidy wants it, and what Meson builds of it
gives no warning. The C is that of servers in other styles, most of them wrong: it is written as others write."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import styles
from chapters import ROOT

SOURCES = sorted(path.relative_to(ROOT) for folder in ("wrap", "[01][0-9]_*", "tests", "bench")
                 for path in ROOT.glob(f"{folder}/**/*") if path.suffix in (".h", ".c", ".cpp"))
STYLES = {style.folder.relative_to(ROOT) / style.program: style for style in styles.read("right")}

pytestmark = [pytest.mark.slow, pytest.mark.busy]


def run(tool, *arguments):
    assert shutil.which(tool), f"{tool} is missing: ./lab doctor says how to install it"
    result = subprocess.run([tool, *arguments], cwd=ROOT, text=True, capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_format(source):
    run("clang-format", "--dry-run", "--Werror", str(source))


@pytest.fixture(scope="module")
def compiled(builds):
    """All sources that Meson compiles."""
    folder = builds.all[0].folder
    return {(folder / command["file"]).resolve() for command in json.loads((folder / "compile_commands.json").read_text())}


def test_every_source_is_looked_at():
    listed = subprocess.run(["git", "ls-files", "-z", "*.h", "*.c", "*.cpp"], cwd=ROOT, text=True, capture_output=True)
    if listed.returncode != 0:
        pytest.skip("this is no clone")
    assert set(listed.stdout.split("\0")) - {""} <= set(map(str, SOURCES))


@pytest.mark.parametrize("source", [source for source in SOURCES if source.suffix == ".cpp"], ids=str)
def test_tidy(source, builds, compiled):
    style = STYLES.get(source)  # one that Meson does not know
    there = Path(style.needs).exists() if style else ROOT / source in compiled
    if not there:
        pytest.skip("its library is not installed: packages.txt, group bench")
    how = ["--", *styles.COMPILERS[source.suffix][1:]] if style else ["-p", str(builds.all[0].folder)]
    run("clang-tidy", "--quiet", str(source), *how)
