"""The reference patches of exercises: each applies, builds, and shows what its exercise asks for.

A patch's head says in a sentence what it does, then:
    Exercise: 2, break      which of the chapter's exercises it is for: break, mend or extend
    After: PATCH            what it is applied to, when that is not the right program: a mend wants something to mend
    Options: WORDS          with which the server is started, if any
and what the program shows with the patch, and does not without it:
    Turns red: CHECK        ./lab check fails it there; CHECK alone is of the patch's chapter, "07 CHECK" of 07
    Turns green: CHECK      ./lab check passes it there
    Shows: COMMAND          of bash, which succeeds; $port and $pid are the server's, $server and $client the programs
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import checking
import examine
from chapters import CHAPTERS, ROOT
from process import Server
from text import Text

COMPILER = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]  # as strict as Meson's
KINDS = ("break", "mend", "extend")
WORDS = {"README.md": dict(zip(KINDS, KINDS)), "README.zh-CN.md": dict(zip(KINDS, ("弄坏", "修好", "扩展")))}
TITLES = {"README.md": "## Exercises", "README.zh-CN.md": "## 练习"}


@dataclass(frozen=True)
class Patch:
    path: Path
    number: int  # of the exercise
    kind: str
    after: str
    options: list
    proof: str  # Turns red, Turns green or Shows
    what: str

    @property
    def chapter(self):
        return next(chapter for chapter in CHAPTERS if chapter.number == self.path.stem[:2])

    @property
    def patches(self):
        """What is applied to the right program, first things first; the last one is this."""
        return [*([ROOT / self.after] if self.after else []), self.path]


def read(path):
    head = path.read_text().partition("\n--- ")[0]
    values = dict(re.findall(r"^(Exercise|After|Options|Turns red|Turns green|Shows): (.*)$", head, re.MULTILINE))
    number, kind = values["Exercise"].split(", ")
    [proof] = values.keys() & {"Turns red", "Turns green", "Shows"}
    return Patch(path, int(number), kind, values.get("After", ""), values.get("Options", "").split(), proof,
                 values[proof])


PATCHES = [read(path) for path in sorted((ROOT / "exercises").glob("*.diff"))]


def exercises(chapter, language):
    """{number: the kind that its text names, in its own language, or None} of a chapter's exercises."""
    prose = Text(chapter.path / language).prose.split(TITLES[language])[1].split("\n## ")[0]
    return {int(number): kind or None
            for number, kind in re.findall(r"^(\d+)\. (?:\*\*(.+?)\*\*)?", prose, re.MULTILINE)}


@pytest.mark.parametrize("language", TITLES)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_marked_exercise_has_a_patch_and_no_other(chapter, language):
    marked = {number: kind for number, kind in exercises(chapter, language).items() if kind}
    assert marked == {patch.number: WORDS[language][patch.kind] for patch in PATCHES if patch.chapter == chapter}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_is_broken_mended_and_extended_by_three_exercises_or_more(chapter):
    own = [patch for patch in PATCHES if patch.chapter == chapter]
    assert {patch.kind for patch in own} == set(KINDS) and len({patch.number for patch in own}) >= len(KINDS)


def sources_of(patches, folder):
    """Copies the files that the patches change, and changes them there. Returns their names."""
    words = "\n".join(patch.read_text() for patch in patches)
    names = list(dict.fromkeys(re.findall(r"^--- a/(\S+)", words, re.MULTILINE)))
    for name in names:
        Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for patch in patches:
        subprocess.run(["patch", "-s", "-p1", "-d", folder, "-i", patch], check=True)
    return names


def programs_of(patch, patches, built, folder):
    """{"server", "client": the program}: what `patches` change is built, as strictly as Meson does; the rest is
    there."""
    programs = {name: built / patch.chapter.name / name for name in ("server", "client")}
    if patches:
        names = sources_of(patches, folder)
        own = [Path(name).stem for name in names if name.endswith(".cpp")] or ["server"]
        libraries = ["-levent_core"] if "libevent" in patch.chapter.capabilities else []
        for name in own:
            source = f"{patch.chapter.name}/{name}.cpp"
            programs[name] = folder / name
            subprocess.run([*COMPILER, "-I", folder, "-I", ROOT, folder / source if source in names else ROOT / source,
                            "-o", programs[name], *libraries], check=True)
    return programs


def place(chapter, of):
    """The words that tell the chapter's server where to listen: `of` is "{port}", a number or a path."""
    return ["--path", "{path}" if of == "{port}" else of] if chapter.transport == "unix" else ["--port", of]


def status_of(patch, server):
    """What ./lab check says of the server at the patch's check."""
    words = patch.what.split()
    number = words[0] if len(words) == 2 else patch.chapter.number
    command = [str(server), *patch.options, *place(patch.chapter, "{port}")]
    options = checking.read([number, "--full", "--only", words[-1], "--", *command])
    terms = examine.terms()
    checks = checking.checks_of(options, terms)
    verdicts = examine.Climb(checks, checking.subject_maker(options), terms, options.factor).run()
    return verdicts[words[-1]].status


def shows(patch, programs, folder):
    path = "serv.socket" if patch.chapter.transport == "unix" else ""
    server = Server([programs["server"], *patch.options, *place(patch.chapter, path or "0")], path=path, cwd=folder)
    port = server.address[1] if not path else 0
    words = f"port={port} pid={server.pid} server={programs['server']} client={programs['client']}; {patch.what}"
    try:
        return subprocess.run(["bash", "-c", words], cwd=folder, timeout=30).returncode == 0
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.busy
@pytest.mark.parametrize("patched", [False, True], ids=["before", "patched"])
@pytest.mark.parametrize("patch", [
    pytest.param(patch, id=patch.path.stem, marks=pytest.mark.chapter(patch.chapter.name)) for patch in PATCHES])
def test_shows_what_it_is_for(patch, patched, plain, tmp_path):
    programs = programs_of(patch, patch.patches if patched else patch.patches[:-1], plain, tmp_path)
    if patch.proof == "Shows":
        assert shows(patch, programs, tmp_path) == patched
    else:
        green = patched == (patch.proof == "Turns green")
        red = ("failed",) if patched else ("failed", "skipped")  # before a mend what it depends on may fail already
        assert status_of(patch, programs["server"]) in (("passed",) if green else red)
