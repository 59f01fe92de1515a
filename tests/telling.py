"""A failed check as a good teacher tells it, in at most LINES lines of plain text, and how to see it by hand."""

import functools
import re
import shlex
import tomllib
from pathlib import Path

from rich.cells import cell_len

from chapters import find
from columns import beside, cut, wrapped
from words import _, kept, language, text_of, title_of, translated

TRAPS = Path(__file__).with_name("traps.toml")

LINES = 25
WIDTH = 100
STEPS = 8
LONGEST = 100  # bytes that a command says


def indented(text, lines=2):
    return [f"  {line}" for line in wrapped(text, WIDTH - 2, lines)]


def both(one, other):
    """Who did a step, where `one` did it and then `other`: both of them, if they are clients one after the other."""
    first, last = (re.fullmatch(r"client (\d+)(?: to (\d+))?", who) for who in (one, other))
    if not first or not last or int(last[1]) != int(first[2] or first[1]) + 1:
        return None
    return kept("client {first} to {last}", first=first[1], last=last[1])


def told(who, does, said):
    """A step in a line. What introduces the data goes where there are none; a command is as it is."""
    line = beside(translated(who), translated(does))
    return line + said if said or does.startswith("is started: ") else line.rstrip(":：,，")


def told_steps(verdict):
    """The numbered steps that led there: the same step of several clients is told once, and the middle of many left
    out."""
    steps = []
    for who, does, data in verdict.steps:
        said = f" {bytes.fromhex(data)[:40]!r}" + (" …" if len(data) > 80 else "") if data else ""
        if steps and steps[-1][1:] == [does, said] and (together := both(steps[-1][0], who)):
            steps[-1][0] = together
        else:
            steps.append([who, does, said])
    lines = [f"  {number}. {told(who, does, said)}" for number, (who, does, said) in enumerate(steps, 1)]
    if len(lines) > STEPS:
        lines = [*lines[:2], _("     … {count} steps …", count=len(lines) - STEPS + 1), *lines[-STEPS + 3:]]
    return [cut(line, WIDTH) for line in lines]


def printable(data):
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


def told_difference(differs):
    """Expected and got, in hex and as text, with a caret under the first byte that differs."""
    at = differs["at"] - differs["begin"]
    start = max(0, at - 6)
    lines = []
    for name, label in (("expected", _("expected")), ("got", _("got"))):
        data = bytes.fromhex(differs[name])[start:start + 16]
        lines.append(f"  {label}{' ' * (10 - cell_len(label))}{data.hex(' '):<48} {printable(data)}")
    lines.append(" " * (12 + 3 * (at - start)) + "^^" + " " * (47 - 3 * (at - start) + at - start) + "^")
    return lines


def written(data):
    """`data` as printf takes it, quoted for a shell."""
    text = "".join(chr(byte) if 32 <= byte < 127 and byte not in b"\\%'" else f"\\{byte:03o}" for byte in data)
    text = re.sub("^-", r"\\055", text)  # it is no option
    return shlex.quote(text).replace("\\012", "\\n").replace("\\015", "\\r")


def by_hand(verdict, place, speaks):
    """A command that does what the last client did, for a server at `place`; empty when none can do it. `speaks` is tcp,
    udp, or http for a stream that goes through POST /upper."""
    sends = [step for step in verdict.steps if step[2] and step[1].startswith("sends") and step[0].startswith("client")]
    if not sends or any(step[1].startswith(("resets", "sends without")) for step in verdict.steps):
        return ""
    who = sends[-1][0]
    said = [bytes.fromhex(data) for name, _, data in sends if name == who]
    if len(said) > 3 or sum(map(len, said)) > LONGEST:
        return ""
    parts = [f"printf {written(each)}" for each in said]
    talk = parts[0] if len(parts) == 1 else "(" + "; sleep 1; ".join(parts) + ")"
    if isinstance(place, str):
        return f"{talk} | nc -N -w 2 -U {shlex.quote(place)}"
    host, port = place
    if speaks == "http":
        return f"{talk} | curl -sN -m 5 -X POST -T - http://{f'[{host}]' if ':' in host else host}:{port}/upper"
    return f"{talk} | nc {'-u' if speaks == 'udp' else '-N'} -w 2 {host} {port}"


@functools.cache
def traps():
    return tomllib.loads(TRAPS.read_text())


def parts(text):
    """(the headings, the first words of the traps) of a chapter's text."""
    traps = re.split(r"^## (?:Traps|陷阱)$", text, flags=re.M)[1].partition("\n## ")[0]
    return re.findall(r"^## (.*)$", text, re.M), re.findall(r"^- (.*)$", traps, re.M)


def place_in_chinese(folder, place):
    """The heading, or the first words of the trap, of the Chinese text that stands where `place` does in the English."""
    of_english, of_chinese = ([part.replace("**", "") for each in parts((folder / name).read_text(encoding="utf-8"))
                               for part in each] for name in ("README.md", "README.zh-CN.md"))
    at = of_english.index(place) if place in of_english else \
        next(at for at, part in enumerate(of_english) if part.startswith(place))
    return re.match(r"[^。：（？]{0,7}[^。，：（？]*", of_chinese[at])[0]  # "ET" alone would not do


def read_on(check, cause, chapter):
    """Which part of which text is about it; of what is no check of a ladder, as that it builds, the chapter's code."""
    places = (traps()["causes"].get(cause and cause["id"]) or traps()["checks"].get(check.id)
              or [f"{chapter.number}: The code"])
    number, words = next((place for place in places if place.startswith(chapter.number)), places[0]).split(": ", 1)
    if language() == "zh":
        words = place_in_chinese(find(number).path, words)
    return _("Read: {chapter}/README.md, {words}", chapter=find(number).name, words=words.strip(",:.").replace("`", ""))


def report(check, verdict, cause, place, chapter):
    """The lines that are printed of a failure. `cause` is {id, seen, text} or None. Of too many lines those that stand
    before the cause are left out. The command alone may be wider than WIDTH: it is to be copied, and not cut."""
    lines = wrapped(_("{check}: {title}.", check=check.id, title=title_of(check)), WIDTH)
    if verdict.steps:
        lines += [_("What was done:"), *told_steps(verdict)]
    lines += [_("What was wrong:"), *indented(translated(verdict.message).split(f"\n  {_('expected')}")[0], lines=3)]
    if verdict.differs:
        lines += told_difference(verdict.differs)
    for state in verdict.state[-2:]:
        lines += indented(translated(state), lines=1)
    if verdict.said:
        last = verdict.said.splitlines()[-2:]
        lines += [_("It printed last:"), *(f"  {cut(line, WIDTH - 2)}" for line in last)]
    tail = []
    if cause:
        tail += [_("Likely cause, seen in its system calls:") if cause["seen"] else _("Likely cause, a guess:"),
                  *indented(f"{text_of(cause['id'], cause['text'])} [{cause['id']}]", lines=3)]
    raw = check.capability.startswith("http")  # what it sends are requests already
    if command := by_hand(verdict, place, "tcp" if raw else chapter.transport):
        tail += [_("By hand, while it runs:"), f"  {command}"]
    tail += wrapped(read_on(check, cause, chapter), WIDTH)
    return lines[:LINES - len(tail)] + tail
