"""python3 tools/table.py [--check]: writes the chapters' table into the READMEs anew, or says that it is stale."""

import functools
import re
import subprocess
import sys
from pathlib import Path

from common import CHAPTERS, ROOT, USAGE, Trouble, renew, say
from diff import lineage

BETWEEN_MARKERS = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- /table -->)", re.DOTALL)
READMES = {  # file: headings, the chapter's text, and the fields of its row
    "README.md": (("chapter", "model", "the one new idea", "lines", "changed"), "README.md", ("model", "idea")),
    "README.zh-CN.md": (("章", "模型", "新的想法", "行数", "改动"), "README.zh-CN.md", ("model_zh", "idea_zh")),
}


def lines(chapter):
    return " / ".join(str((chapter.path / f"{program}.cpp").read_text().count("\n")) for program in chapter.pairs[0])


@functools.cache  # one git for each program: as many for both languages as for one
def changed(chapter):
    """What git counts as added to and taken from the parent's server / client."""
    if not chapter.parent:
        return "–"
    counts = []
    for before, after in lineage(chapter):
        command = ["git", "diff", "--no-index", "--no-ext-diff", "--diff-algorithm=myers", "--numstat", before, after]
        found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.split() or ["0", "0"]
        counts.append(f"+{found[0]} −{found[1]}")
    return " / ".join(counts)


def table(headings, text, fields):
    rows = [headings, ["---"] * len(headings)]
    for chapter in CHAPTERS:
        link = f"[{chapter.name}]({chapter.name}/{text})"
        rows.append([link, *(getattr(chapter, field) for field in fields), lines(chapter), changed(chapter)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def renewed(file, columns):
    """The file's text, with the table as it should be."""
    text = file.read_text(encoding="utf-8")
    if not BETWEEN_MARKERS.search(text):
        raise Trouble(f"{file.name}: no lines '<!-- table -->' and '<!-- /table -->'")
    return BETWEEN_MARKERS.sub(lambda _: table(*columns), text, count=1)


def main(words, root=ROOT):
    if words not in ([], ["--check"]):
        raise Trouble(f"table.py takes --check; what is '{words[-1]}'?", USAGE)
    for name, columns in READMES.items():
        file = Path(root, name)
        renew(file, renewed(file, columns), words and f"{name}: its table of chapters is stale: python3 tools/table.py")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        say(trouble)
        sys.exit(trouble.code)
    except OSError as error:
        say(f"{error.filename}: {error.strerror}")
        sys.exit(1)
