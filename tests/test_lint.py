"""All our C++ is as .clang-format and .clang-tidy want it, and Meson builds it without a warning."""

import json
import shutil
import subprocess

import pytest

from chapters import ROOT

SOURCES = sorted(path.relative_to(ROOT) for pattern in ("wrap/*.h", "[01][0-9]_*/*.h", "[01][0-9]_*/*.cpp", "tests/*.cpp",
                                                         "tests/unit/*.cpp", "bench/*.cpp", "bench/peers/*.cpp")
                 for path in ROOT.glob(pattern))

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


@pytest.mark.parametrize("source", [source for source in SOURCES if source.suffix == ".cpp"], ids=str)
def test_tidy(source, builds, compiled):
    if ROOT / source not in compiled:
        pytest.skip("its library is not installed: packages.txt, group bench")
    run("clang-tidy", "-p", str(builds.all[0].folder), "--quiet", str(source))
