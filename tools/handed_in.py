"""What a student has handed in: read without following a link, and copied; its chapters, their build, their command."""

import hashlib
import os
import re
import shlex
import stat
from dataclasses import dataclass, field
from pathlib import Path

from anybody import Stranger
from check import Check, Failed
from words import kept

MOST_BYTES, MOST_FILES = 64 << 20, 5000  # of one student
LEFT_OUT = {".git"}  # folders that are not handed in
LINES = 8  # of a compiler's complaints that are told
COMPLAINT = re.compile(r"\berror\b|undefined reference|\*\*\*|No rule|not found", re.IGNORECASE)
C, CPP = {".c"}, {".cpp", ".cc", ".cxx"}
COMPILER = {".c": "cc -O1 -g -pthread", **dict.fromkeys(CPP, "c++ -std=c++20 -O1 -g -pthread -I.")}
BUILT = "lab-build"  # the folder in which Meson and CMake build
BUILDERS = (  # the file by which it is known, the commands
    (("GNUmakefile", "makefile", "Makefile"), "make"),
    (("meson.build",), f"meson setup {BUILT} && meson compile -C {BUILT}"),
    (("CMakeLists.txt",), f"cmake -S . -B {BUILT} && cmake --build {BUILT}"),
)
NO_PROGRAMS = {"CMakeFiles", "meson-private", "meson-info", "meson-logs"}  # folders of builders


class Unfit(Exception):
    """Nothing of it can be judged; the text says why."""


UNREADABLE = (Unfit, OSError, RecursionError)  # what may come of reading a stranger's folder


def reason(error):
    """Why it cannot be judged, in words."""
    if isinstance(error, RecursionError):
        return kept("its folders are too deep")
    return str(error) if isinstance(error, Unfit) else f"{error.strerror}: {error.filename or ''}"


@dataclass
class Found:
    """One file, or one link, of a student's."""

    name: str  # below the student's folder
    kind: str  # file, link
    target: str = ""
    runs: bool = False  # may be executed


@dataclass
class Reading:
    """All of a student's folder: what it holds, a digest of it, what was left out and why."""

    files: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    digest: object = field(default_factory=hashlib.sha256)
    size: int = 0

    def add(self, found, content=b""):
        self.files.append(found)
        if len(self.files) > MOST_FILES:
            raise Unfit(kept("more than {most} files", most=MOST_FILES))
        described = (os.fsencode(found.name), found.kind.encode(), os.fsencode(found.target), b"x" * found.runs)
        for part in (*described, content):
            self.digest.update(len(part).to_bytes(8, "big") + part)


def leaves(name, target):
    """Whether a link leads out of the student's folder."""
    return os.path.isabs(target) or os.path.normpath(os.path.join(os.path.dirname(name), target)).split("/")[0] == ".."


def read(folder, into=None):
    """The Reading of a folder; with `into`, what it holds is copied there. Raises Unfit, and OSError."""
    reading = Reading()
    for where, folders, files, opened in os.fwalk(folder, follow_symlinks=False):
        below = os.path.relpath(where, folder)
        folders[:] = sorted(set(folders) - LEFT_OUT)
        if into:
            os.makedirs(os.path.join(into, below), exist_ok=True)
        for name in sorted([*folders, *files]):
            path = os.path.normpath(os.path.join(below, name))
            status = os.stat(name, dir_fd=opened, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                read_link(reading, path, os.readlink(name, dir_fd=opened), into)
            elif stat.S_ISREG(status.st_mode):
                read_file(reading, path, name, opened, into)
            elif not stat.S_ISDIR(status.st_mode):
                reading.notes.append(f"left out: {path} is neither a file nor a folder")
    return reading


def read_link(reading, path, target, into):
    if leaves(path, target):
        reading.notes.append(f"left out: {path} is a link that leads out of the folder")
        return
    reading.add(Found(path, "link", target))
    if into:
        os.symlink(target, os.path.join(into, path))


def read_file(reading, path, name, opened, into):
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return
        content = file.read(MOST_BYTES + 1 - reading.size)
    reading.size += len(content)
    if reading.size > MOST_BYTES:
        raise Unfit(kept("more than {most} MiB of files", most=MOST_BYTES >> 20))
    runs = bool(status.st_mode & 0o100)
    reading.add(Found(path, "file", runs=runs), content)
    if into:
        copy = os.path.join(into, path)
        with open(copy, "wb") as out:
            out.write(content)
        os.chmod(copy, 0o755 if runs else 0o644)
        os.utime(copy, ns=(status.st_mtime_ns, status.st_mtime_ns))  # make goes by it


def give_to(folder, user=None):
    """Has everybody read what is below `folder`, and `user` own it. No link is followed."""
    for where, folders, files, opened in os.fwalk(folder, follow_symlinks=False):
        for name in (".", *folders, *files):
            mode = os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode
            if user is not None:
                os.chown(name, user, user, dir_fd=opened, follow_symlinks=False)
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                os.chmod(name, stat.S_IMODE(mode) | (0o777 if mode & 0o100 else 0o666), dir_fd=opened)


def regular(file):
    return file.is_file() and not file.is_symlink()


def sources(folder):
    return [file for file in sorted(folder.iterdir()) if file.suffix in C | CPP | {".py"} and regular(file)]


def may_be_chapter(folder):
    known = ("run", *(name for names, _ in BUILDERS for name in names))
    return bool(sources(folder)) or any(regular(folder / name) for name in known)


def folder_of(chapter, student, alone):
    """Where a chapter is: a folder below that begins with its number, or, if it is `alone`, the student's folder."""
    named = re.compile(rf"0?{int(chapter.number)}(?!\d)")
    folders = [each for each in sorted(student.iterdir()) if each.is_dir() and not each.is_symlink()]
    found = [each for each in folders if named.match(each.name)]
    if len(found) > 1:
        raise Unfit(kept("several folders for chapter {number}: {names}", number=chapter.number,
                         names=", ".join(each.name for each in found)))
    if found:
        return found[0]
    if alone and may_be_chapter(student):
        return student
    raise Unfit(kept("no folder for chapter {number}: its name begins with {first}", number=chapter.number,
                     first=chapter.number))


def build_script(folder):
    """The shell's words that build what is there; empty when there is nothing to build."""
    for names, script in BUILDERS:
        if any(regular(folder / name) for name in names):
            return script
    programs = [file for file in sources(folder) if file.suffix != ".py"]
    single = [file for file in programs if file.stem == "server"] or programs
    if len(single) == 1:
        return f"{COMPILER[single[0].suffix]} -o server {shlex.quote('./' + single[0].name)}"
    if programs:
        raise Unfit(kept("{count} sources, no server.c or server.cpp among them, and nothing that builds them: a "
                         "Makefile, meson.build or CMakeLists.txt", count=len(programs)))
    return ""


def complaints(text):
    """The first lines that say what is wrong, of all that a build printed."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if COMPLAINT.search(line)), max(0, len(lines) - LINES))
    return "\n".join(line[:300] for line in lines[first:first + LINES])


def builds(script, seconds):
    """The check that comes before all others."""

    def judge(subject):
        program = subject.clears(Stranger(["sh", "-c", script], sandbox=subject.sandbox, cwd=subject.home))
        if program.wait(seconds, lenient=False) != 0:  # who sleeps there waits for no core
            raise Failed(complaints(program.log) or kept("it says nothing, and its exit code is not 0"))

    return Check("builds", "It builds", judge)


def is_program(file):
    if not regular(file) or not os.access(file, os.X_OK) or re.search(r"\.(so|o|a|sh)(\.|$)", file.name):
        return False
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF" or bool(opened.seek(0) == 0 and opened.read(2) == b"#!")


def programs(folder):
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - NO_PROGRAMS)
        found += [Path(where, name) for name in sorted(files) if is_program(Path(where, name))]
    return found


def command_of(folder, chapter):
    """How the server is started, in words: as the file `run` says, or the program that is there. Raises Unfit."""
    run = folder / "run"
    if regular(run):
        return declared(run)
    built = folder / BUILT
    found = programs(built) if built.is_dir() else programs(folder)
    chosen = [file for file in found if file.stem == "server"] or found
    chosen = [file for file in chosen if "server" in file.name] or chosen
    scripts = [file for file in sources(folder) if file.suffix == ".py"]
    if not chosen:
        chosen = [file for file in scripts if file.stem == "server"] or scripts
    if len(chosen) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in chosen)
        raise Unfit(kept("several programs ({names}): which is the server? A line in a file named run says it",
                         names=names) if names else
                    kept("no program is there when it is built: a server is looked for"))
    words = ["python3", str(chosen[0])] if chosen[0] in scripts else [str(chosen[0])]
    return [*words, "--path", "{path}"] if chapter.transport == "unix" else words


def declared(run):
    with run.open(errors="replace") as file:
        text = file.read(4096)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        words = shlex.split(lines[0]) if len(lines) == 1 else []
    except ValueError:
        words = []
    if not words:
        raise Unfit(kept("the file run is to hold one line, the command: ./server {{port}}"))
    if "/" in words[0]:
        words[0] = os.path.normpath(run.parent / words[0])
    return words
