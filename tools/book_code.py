"""A source file as a page of the book shows it: coloured, each tagged place with an anchor of its own, each call
with its line of the manual."""

import re
import textwrap
from html import escape

from pygments import lex
from pygments.lexers import CppLexer
from pygments.token import Comment, Keyword, Name, Number, String

from common import ROOT
from text import LEAD, tags_in

CALLS = ROOT / "book" / "calls.txt"
COLOURS = ((Comment.Preproc, "p"), (Comment, "c"), (Keyword, "k"), (String, "s"), (Number, "n"))


def read_calls(file=CALLS):
    """{name: (section of the manual, its line in English, in Chinese)}."""
    rows = [re.split(r"\s{2,}", line) for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {re.sub(r"\(.*", "", row[0]): (row[0].partition("(")[2].rstrip(")"), *row[1:]) for row in rows}


def man_line(name, calls, language):
    section, english, chinese = calls[name]
    return f"{name}({section}): {chinese if language == 'zh' else english}" if section else english


def call_link(name, calls, language):
    """A call that tells its line of the manual to who points at it or comes to it by the keyboard."""
    line = escape(man_line(name, calls, language))
    return f'<a class="call" href="calls.html#{name}" data-man="{line}">{name}</a>'


# What a source declares: a type stands before the name, in the same line. What a comment names is "read(2)".
OWN = re.compile(r"(?:\b(?!(?:return|else|throw|case|new|delete)\b)\w+|\w>) [&*]?(?:\w+::)?(\w+)\((?!\d\w*\))")


def is_called(tokens, number, own):
    """Whether the name there is a call of the system: a parenthesis follows, and it is no member and no function that
    this source declares; :: before it takes it from the outermost scope."""
    after = "".join(value for _, value in tokens[number + 1:number + 3]).lstrip()
    before = "".join(value for _, value in tokens[max(0, number - 6):number])
    if not after.startswith("("):
        return False
    if before.endswith("::"):
        return bool(re.search(r"(\bstd|[^\w>])::$", before))
    return tokens[number][1] not in own and not before.endswith((".", "->"))


def tokens_of(source):
    """(kind, words, whether they are a call of the system) of each token of a C++ source."""
    tokens, own = list(lex(source, CppLexer(stripnl=False, ensurenl=False))), set(OWN.findall(source))
    for number, (kind, value) in enumerate(tokens):
        yield kind, value, kind in Name and is_called(tokens, number, own)


def coloured_lines(source, calls, language):
    """HTML of each line of a C++ source. A name that is called is a link to its line of the manual."""
    lines = [""]
    for kind, value, called in tokens_of(source):
        colour = next((letter for of, letter in COLOURS if kind in of), "")
        for index, piece in enumerate(value.split("\n")):
            if index:
                lines.append("")
            words = call_link(piece, calls, language) if called and value in calls else escape(piece)
            lines[-1] += f'<span class="{colour}">{words}</span>' if colour and piece else words
    return lines[:-1] if not lines[-1] else lines


def quoted_runs(source, blocks):
    """{tag: (first line, number of lines)} of what a text quotes from this source."""
    lines, found = source.splitlines(), {}
    for block, tag in blocks:
        wanted, size = textwrap.dedent("\n".join(block.lines)), len(block.lines)
        for bearer in tags_in(source).get(tag, []):
            for start in range(max(0, bearer - size + 1), bearer + 2):
                if textwrap.dedent("\n".join(lines[start:start + size])) == wanted:
                    found.setdefault(tag, (start, size))
    return found


def quotations(text, name):
    """(block, tag) of each quotation of the file `name` in a text."""
    for block in text.of("cpp"):
        lead = LEAD.fullmatch(block.lead)
        if lead and lead[1] == name:
            yield block, lead[2]


def anchor(name, tag):
    return f"{name}-{tag}"


def rendered(source, name, runs, calls, language):
    """HTML of a whole source: a line, or the run that the text quotes, is what the anchor of a tag stands for."""
    lines = coloured_lines(source, calls, language)
    begins, ends, taken = {}, {}, set()
    for tag, bearers in tags_in(source).items():
        start, size = runs.get(tag, (bearers[0], 1))
        if size > 1 and taken & set(range(start, start + size)):
            start, size = bearers[0], 1
        if size > 1:
            taken |= set(range(start, start + size))
        begins.setdefault(start, []).append((-size, tag))
        ends.setdefault(start + size - 1, []).append(tag)
    out = []
    for number, line in enumerate(lines):
        before = "".join(f'<span class="place" id="{anchor(name, tag)}">' for _, tag in sorted(begins.get(number, [])))
        out.append(f"{before}{line}\n{'</span>' * len(ends.get(number, []))}")
    return "".join(out)


def rendered_diff(lines):
    """HTML of a diff as git writes it."""
    kinds = {"+": "ins", "-": "del", "@": "hunk"}
    out = []
    for line in lines:
        head = line.startswith(("diff ", "index ", "--- ", "+++ "))
        kind = "hunk" if head else kinds.get(line[:1], "")
        out.append(f'<span class="{kind}">{escape(line)}</span>\n' if kind else escape(line) + "\n")
    return "".join(out)
