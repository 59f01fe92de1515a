"""How a traced run looks: on the terminal, as an SVG, and as a table for who cannot see that."""

import re
from html import escape

from diagram import box, svg, text, width
from trace import GIVES, OPENS, TAKES, WAITS
from words import _, language

ROW, TOP, LEFT = 20, 46, 76
UNDER = 8  # from the middle of a row's words to the line below them
LETTER = 0.88  # how much smaller the letters are than those of diagram.py
LIVES = 64  # the room to the left of a server's lane for its descriptors' lives
FOUND = re.compile(r'"(?:[^"\\]|\\.)*"…?|(?<=, )\[[A-Z][A-Z|, …]*\](?=, )')  # what a call that took something has brought
ALONE = """<style>svg{background:#fff;font:12px sans-serif}.box{fill:#f3f1ea;stroke:#555}.lane{stroke:#bbb}
.line{fill:none;stroke-width:1.4}.strong{font-weight:700}.wait{opacity:.35}.note{fill:#fff6d6;stroke:#c9c5b8}
.tip{fill:#333}.k0{stroke:#333;fill:#333}.ka{stroke:#0b4fa0;fill:#0b4fa0}.kb{stroke:#a03a00;fill:#a03a00}
.kc{stroke:#1d6b2e;fill:#1d6b2e}
path.line{fill:none}text{fill:#222;paint-order:stroke;stroke:#fff;stroke-width:4}</style>"""


def rows_of(run):
    """(time, event, "begin", "end" or "") in the order of time: a call that waits has two rows."""
    rows = []
    for event in run.events:
        parts = [(event.begin, "begin"), (event.end, "end")] if event.waits else [(event.begin, "")]
        rows += [(at, event, part) for at, part in parts]
    return sorted(rows, key=lambda row: row[0])


def said(event, part, into=language()):
    """An event in words, in the language `into`."""
    if event.call == "ss":
        return event.words
    if event.call == "ends":
        return _("ends {how}", into, how=event.words or event.result)
    if event.call == "signal":
        return _("signal {name}", into, name=event.words or event.result)
    what = f"{event.call}({event.words})"
    if part == "begin":  # what it will bring is not there yet
        return _("{call} waits", into, call=FOUND.sub("…", what) if event.call in TAKES | WAITS else what)
    if part == "end":
        brought = FOUND.search(what) if event.call in TAKES | WAITS else None
        what = f"… {event.call}" + (f" {brought[0]}" if brought else "")
    return f"{what} = {event.result}" if event.result else what


def cause(run, event):
    """Who woke a call that waited: the last event of another lane before its end, about the same connection if it is
    known."""
    before = [e for e in run.events if event.begin < e.begin <= event.end and e.lane != event.lane
              and e.call in GIVES | {"signal", "ends"} and (not event.connection or e.connection == event.connection)]
    return max(before, key=lambda e: e.begin, default=None)


def note_of(run, event, part, into=language()):
    if part != "end":
        return ""
    who = cause(run, event)
    if who:
        return _(" ⇐ woken by {lane}: {call}", into, lane=who.lane, call=who.call)
    return _(" ⇐ its time is over", into) if event.call in WAITS and event.result == "0" else ""


def colour(event):
    return {"A": "ka", "B": "kb", "C": "kc"}.get(event.connection, "k0")


def table(run, into):
    """The run as an HTML table, in the language `into`."""
    rows = "".join(f"<tr><td>{at * 1000:.1f}</td><td>{escape(event.lane)}</td><td>{escape(event.connection)}</td>"
                   f"<td><code>{escape(said(event, part, into))}</code>{escape(note_of(run, event, part, into))}</td>"
                   "</tr>"
                   for at, event, part in rows_of(run))
    words = "ms", _("who", into), _("client", into), _("what", into)
    headings = "".join(f'<th scope="col">{word}</th>' for word in words)
    return f"<table><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table>"


def places(run, rows, into):
    """({lane: where it stands}, the width of it all): a lane is as wide as the words in it."""
    room = {lane: max(110, width(lane) + 40) for lane in run.lanes}
    for _at, event, part in rows:
        room[event.lane] = max(room[event.lane], width(said(event, part, into)) * LETTER + 40)
    x, right = {}, LEFT
    for lane in run.lanes:
        x[lane] = right + (LIVES if lane.startswith("server") else 0)
        right = x[lane] + room[lane]
    return x, right


def drawing(run, title, into=language(), alone=False):
    """The run as an SVG, in the language `into`: lanes, calls, bars where one waits, a line for each descriptor's
    life."""
    rows, out, marks, pending = rows_of(run), [], [], {}
    x, right = places(run, rows, into)
    place = {}
    for index, (at, event, part) in enumerate(rows):
        y = TOP + 14 + ROW * index
        below = y + UNDER
        place[id(event), part] = below
        here, kernel, kind = x[event.lane], x.get("kernel", 30), colour(event)
        marks.append(text([f"{at * 1000:.1f}"], LEFT - 18, y, "end"))
        if event.call == "ss":
            words = said(event, part, into)
            out.append(box(here + 8, y - 9, width(words) * LETTER + 8, 18, "note", 3))
        marks.append(text([said(event, part, into)], here + 12, y, "start"))
        if part == "end":
            begin = place[id(event), "begin"]
            out.append(f'<rect class="wait {kind}" x="{here - 3:.0f}" y="{begin:.0f}" width="6" '
                       f'height="{below - begin:.0f}"/>')
            if who := cause(run, event):
                begin = place.get((id(who), ""), place.get((id(who), "begin")))
                if begin is not None:
                    out.append(f'<path class="line {colour(who)}" fill="none" stroke-dasharray="3 3" '
                               f'd="M{x[who.lane]:.0f} {begin:.0f}H{kernel:.0f}V{below:.0f}"/>')
        if part != "begin" and event.connection and event.call in GIVES | TAKES:
            ends = (here, kernel) if event.call in GIVES else (kernel, here)
            out.append(f'<path class="line {kind}" marker-end="url(#tip)" '
                       f'd="M{ends[0]:.0f} {below:.0f}H{ends[1]:.0f}"/>')
            key = event.connection, event.lane.startswith("server") == (event.call in GIVES)
            if event.call in GIVES:
                pending[key] = below
            elif key in pending:
                out.append(f'<path class="line {kind}" d="M{kernel:.0f} {pending.pop(key):.0f}V{below:.0f}"/>')
    high = TOP + 24 + ROW * len(rows)
    out += lives(rows, x, high)
    heads = []
    for lane, at in x.items():
        half = width(lane) / 2 + 10
        heads += [f'<path class="lane" d="M{at:.0f} 36V{high}"/>', box(at - half, 8, 2 * half, 26),
                  text([lane], at, 21, kind="strong")]
    drawn = svg(right, high + 10, title, heads + out + marks)
    if not alone:
        return drawn
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace("<defs>", f"{ALONE}<defs>", 1)


def lives(rows, x, high):
    """A line for each descriptor that a server's process opens, from there to its close."""
    out, opened, count = [], {}, {}
    for index, (_, event, part) in enumerate(rows):
        y = TOP + 14 + ROW * index
        key = event.lane.split()[0], event.descriptor
        if not event.lane.startswith("server") or event.descriptor < 0 or part == "begin":
            continue
        if event.call in OPENS:
            opened[key] = (y, event.lane, colour(event))
        elif key in opened:
            out += life(*opened.pop(key), y, event.descriptor, x, count)
    for (_, descriptor), (begin, lane, kind) in opened.items():
        out += life(begin, lane, kind, high, descriptor, x, count)
    return out


def life(begin, lane, kind, end, descriptor, x, count):
    at = x[lane] - 10 - 9 * (descriptor % 6)
    return [f'<path class="line {kind}" d="M{at:.0f} {begin:.0f}V{end:.0f}"/>', text([str(descriptor)], at, begin - 8)]


def on_terminal(run, differs=None):
    """The run as a table on the terminal; `differs`: which of the server's calls is marked."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    colours = {"A": "blue", "B": "yellow", "C": "green"}
    shown = Table(box=None, padding=(0, 1), header_style="bold", title=run.title)
    for heading in ("ms", *run.lanes):
        shown.add_column(heading, justify="right" if heading == "ms" else "left", overflow="fold")
    waiting, number = {}, -1
    for at, event, part in rows_of(run):
        cells = {lane: Text("┃" if lane in waiting else "│", colours.get(waiting.get(lane), "dim"))
                 for lane in run.lanes}
        servers = event.lane.startswith("server")
        number += servers and part != "end"
        marked = number == differs and servers and part != "end"
        arrow = "→ " if event.call in GIVES else "← " if event.call in TAKES else ""
        words = "✗ " if marked else ""
        words += arrow if event.connection else ""
        words += f"{event.connection} " if servers else ""
        style = "bold red" if marked else colours.get(event.connection, "")
        cells[event.lane] = Text(words + said(event, part) + note_of(run, event, part), style)
        if part == "begin":
            waiting[event.lane] = event.connection
        elif part == "end":
            waiting.pop(event.lane, None)
        shown.add_row(f"{at * 1000:.1f}", *cells.values())
    console.print(shown)
