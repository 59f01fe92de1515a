"""./lab diff CHAPTER: what a chapter changed in its parent, whole functions at a time, as git shows it."""

import shlex

import packages
from common import CHAPTERS, ROOT, USAGE, Trouble, call, find_chapter
from words import _

SIGPIPE = 141  # the reader has left: it was shown as far as it was wanted


def lineage(chapter):
    """(before, after) of the server and of the client. A chapter descends from its parent's last pair; the
    first, which has no parent, is shown against its own."""
    parent = next((c for c in CHAPTERS if c.name == chapter.parent), None)
    if not parent:
        return [(f"{chapter.name}/{before}.cpp", f"{chapter.name}/{after}.cpp")
                for before, after in zip(chapter.pairs[0], chapter.pairs[-1])]
    return [(f"{parent.name}/{before}.cpp", f"{chapter.name}/{after}.cpp")
            for before, after in zip(parent.pairs[-1], chapter.pairs[0])]


def main(words):
    if len(words) != 1:
        raise Trouble(_("diff takes one chapter: ./lab diff 03"), USAGE)
    chapter = find_chapter(words[0])
    packages.require("core")
    # One git around both diffs, so that its pager opens once; a diff that finds something exits 1.
    diffs = [f"{{ git diff --no-index -W {before} {after} || [ $? = 1 ]; }}" for before, after in lineage(chapter)]
    script = f"!cd {shlex.quote(str(ROOT))} && " + " && ".join(diffs)
    code = call(["git", "--paginate", "-c", f"alias.lineage={script}", "lineage"], cwd=ROOT)
    return 0 if code in (0, SIGPIPE, -13) else code
