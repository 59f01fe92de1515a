"""./lab new CHAPTER DIR: a place to begin: the parent chapter's pair, what it includes, a Makefile, and the ladder of
checks to climb. Nothing that is there already is overwritten."""

import os
import re
from pathlib import Path

from checking import Options, checks_of
from common import ROOT, USAGE, Trouble, find_chapter
from diff import lineage
from words import _, title_of

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)

STUB = """// {program}: yours to write. The text of chapter 01 says which calls it takes, and in which order.

#include <cstdio>

int main() {{
    std::fprintf(stderr, "{program}: not written yet\\n");
    return 1;
}}
"""

MAKEFILE = """# make builds both; make check climbs the ladder. LAB: the ./lab that judges.
LAB ?= {lab}
CXXFLAGS += -std=c++20 -g -Wall -Wextra -pthread
CPPFLAGS += -I.
{libraries}
all: server client

check: server
\t"$(LAB)" check {number} -- ./server {place}

clean:
\trm -f server client

.PHONY: all check clean
"""


def included(source):
    """The project's own files that `source` includes, and those that they include: {name to include by: path}."""
    found, to_do = {}, [source]
    while to_do:
        file = to_do.pop()
        for name in INCLUDE.findall(file.read_text()):
            path = next((each for each in (file.parent / name, ROOT / name) if each.is_file()), None)
            if path and str(path.relative_to(ROOT)) not in found:
                found[str(path.relative_to(ROOT))] = path
                to_do.append(path)
    return found


def readme(chapter, lab):
    return _("# {name}: yours\n\n"
             "`make` builds `server` and `client`; `make check` has the server judged, and tells of the first check that it "
             "fails. It needs the folder that this one was made from: {lab}; if that has moved, `make check LAB=…/lab`.\n\n"
             "The ladder, each check with the one that it needs. These pass when all is done:\n\n",
             name=chapter.name, lab=lab) + ladder(chapter)


def ladder(chapter):
    """What the chapter's server is held to, a line a check."""
    import examine

    terms = examine.terms()
    lines = [f"- [ ] `{check.id}`: {title_of(check)}"
             + (" " + _("(needs {check})", check=f"`{check.needs}`") if check.needs else "")
             for check in checks_of(Options(chapter, []), terms)]
    return "\n".join(lines) + "\n"


def way_to_lab(folder):
    """The path of ./lab to be written into `folder`: what is made within the project moves along with it."""
    inside = folder.resolve().is_relative_to(ROOT)
    return os.path.relpath(ROOT / "lab", folder.resolve()) if inside else ROOT / "lab"


def start_of(chapter, folder):
    """{file: its text}: what the student begins with in `folder`."""
    pairs = lineage(chapter) if chapter.parent else []
    files = {}
    for program, (before, _) in zip(("server", "client"), pairs):
        files[f"{program}.cpp"] = (ROOT / before).read_text()
        files |= {name: path.read_text() for name, path in included(ROOT / before).items()}
    for program in ("server", "client"):
        files.setdefault(f"{program}.cpp", STUB.format(program=program))
    place = {"unix": "--path {path}", "http": "--port {port} --root {root}"}.get(chapter.transport, "--port {port}")
    libraries = "LDLIBS += -levent_core\n" if chapter.name.endswith("libevent") else ""
    lab = way_to_lab(folder)
    files["Makefile"] = MAKEFILE.format(lab=lab, number=chapter.number, place=place, libraries=libraries)
    files["README.md"] = readme(chapter, lab)
    return files


def main(words):
    if len(words) != 2 or words[1].startswith("-"):
        raise Trouble(_("new takes a chapter and a folder: ./lab new 04 my_select"), USAGE)
    chapter, folder = find_chapter(words[0]), Path(words[1])
    files = start_of(chapter, folder)
    if there := sorted(name for name in files if (folder / name).exists()):
        raise Trouble(_("{file} is there already, and nothing is overwritten", file=folder / there[0]), USAGE)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    print(_("{folder}: server.cpp and client.cpp of {parent}, a Makefile, and README.md: {count} checks to climb.\n"
            "Then: cd {folder} && make && make check", folder=folder, parent=chapter.parent or _("nobody: stubs"),
            count=files["README.md"].count("- [ ]")))
    return 0
