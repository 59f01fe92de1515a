"""How a traced run looks: on the terminal, as an SVG, and as a table for who cannot see that."""

import re
from html import escape

from diagram import box, svg, text, width
from trace import GIVES, POLLS, TAKES, WAITS
from words import _, language

ROW, TOP, LEFT = 20, 46, 76
UNDER = 8  # from the middle of a row's words to the line below them
LETTER = 0.88  # how much smaller the letters are than those of diagram.py
LIFE = 11  # from one descriptor's life to the next, to the left of a lane
COLOURS = {"A": "blue", "B": "yellow", "C": "green"}  # of the clients, on a terminal
BESIDE = 110  # columns from which on two runs stand beside each other
FOUND = re.compile(r'"(?:[^"\\]|\\.)*"…?|(?<=, )\[[A-Z][A-Z|, …]*\](?=, )')  # what a call that took something has brought
ALONE = """<style>svg{background:#fff;font:12px sans-serif}.box{fill:#f3f1ea;stroke:#555}.lane{stroke:#bbb}
.line{fill:none;stroke-width:1.4}.strong{font-weight:700}.wait{opacity:.35}.note{fill:#fff6d6;stroke:#c9c5b8}
.tip{fill:#333}.k0{stroke:#333;fill:#333}.ka{stroke:#0b4fa0;fill:#0b4fa0}.kb{stroke:#a03a00;fill:#a03a00}
.kc{stroke:#1d6b2e;fill:#1d6b2e}
.differs{fill:#ffd9d6;stroke:#b00020}
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
        if found := re.fullmatch("exited with (.*)", event.result):
            return _("exits with {code}", into, code=found[1])
        return _("is killed by {signal}", into, signal=event.result.removeprefix("killed by "))
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
    """Who ended a wait, as far as it can be told: the first event during it, in another lane, that does. Of several
    threads that wait at one futex, each wake ends the wait of one: there it is the last."""
    about = next_connection(run, event) if event.call in POLLS and event.of_server else event.connection
    during = [e for e in run.events if event.begin < e.begin <= event.end and e.lane != event.lane]
    if event.call == "futex":
        return max((e for e in during if wakes(e, event)), key=lambda e: e.begin, default=None)
    by_end = event.call in ("wait4", "waitid") or event.interrupted
    found = (e for e in during if (process_ends(e, event) if by_end else gives(e, event, about)))
    return min(found, key=lambda e: e.begin, default=None)


def wakes(e, event):
    """An address is one of a process's; a wait that failed was not woken."""
    return (e.call, e.process, e.futex) == ("futex", event.process, event.futex) and "WAKE" in e.words \
        and event.result == "0"


def process_ends(e, event):
    return e.call == "ends" and e.program == event.program and bool(e.process)


def gives(e, event, about):
    """The other program gives to the connection; one's own, to a descriptor that is none's: an eventfd, a pipe."""
    if e.program == event.program:
        return e.call in GIVES and e.inside and not about
    return e.gives and (about is None or e.connection == about)


def next_connection(run, event):
    """The connection that a wait for several has ended for: the one that its thread turns to next. None if it is not
    known."""
    after = (e for e in run.events if e.lane == event.lane and e.begin >= event.end and e.call in TAKES | GIVES)
    turned = next(after, None)
    known = turned and (turned.connection or not turned.call.startswith("accept"))
    return turned.connection if known else None


def note_of(run, event, part, into=language()):
    if part != "end":
        return ""
    who = cause(run, event)
    if who:
        return _(" ⇐ woken by {lane}: {call}", into, lane=lane_name(who.lane, into), call=who.call)
    over = event.call in WAITS and (event.result == "0" and event.call != "futex" or "ETIMEDOUT" in event.result)
    return _(" ⇐ its time is over", into) if over else ""


def lane_name(lane, into=language()):
    """What a lane is called in the language `into`."""
    what, blank, number = lane.partition(" ")
    return {"server": _("server", into), "kernel": _("kernel", into)}.get(what, what) + blank + number


def colour(connection):
    return {"A": "ka", "B": "kb", "C": "kc"}.get(connection, "k0")


def table(run, into):
    """The run as an HTML table, in the language `into`."""
    rows = "".join(f"<tr><td>{at * 1000:.1f}</td><td>{escape(lane_name(event.lane, into))}</td>"
                   f"<td>{escape(event.connection)}</td>"
                   f"<td><code>{escape(said(event, part, into))}</code>{escape(note_of(run, event, part, into))}</td>"
                   "</tr>"
                   for at, event, part in rows_of(run))
    words = "ms", _("who", into), _("client", into), _("what", into)
    headings = "".join(f'<th scope="col">{word}</th>' for word in words)
    return f"<table><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table>"


def slots(lives):
    """(a Life, which place to the left of its lane it has) of each: where one has ended, another may begin."""
    free_from, found = {}, []  # {(lane, place): the time from which on it is free}
    for life in sorted(lives, key=lambda life: life.begin.done):
        place = 0
        while free_from.get((life.lane, place), 0) > life.begin.done:
            place += 1
        free_from[life.lane, place] = life.end.done if life.end else float("inf")
        found.append((life, place))
    return found


def places(run, rows, into):
    """({lane: where it stands}, the width of it all): a lane is as wide as the words in it and the lives beside it."""
    room = {lane: max(110, width(lane_name(lane, into)) + 40) for lane in run.lanes}
    for _at, event, part in filter(None, rows):
        room[event.lane] = max(room[event.lane], width(said(event, part, into)) * LETTER + 40)
    beside = {lane: 0 for lane in run.lanes}
    for life, place in slots(run.lives):
        beside[life.lane] = max(beside[life.lane], LIFE * (place + 1))
    x, right = {}, LEFT
    for lane in run.lanes:
        x[lane] = right + beside[lane]
        right = x[lane] + room[lane]
    return x, right


def drawing(run, title, into=language(), alone=False):
    """The run as an SVG, in the language `into`: lanes, calls, bars where one waits, a line for each descriptor's
    life."""
    wide, high, inside = drawn(run, rows_of(run), into)
    return styled(svg(wide, high, title, inside), alone)


def both_drawn(compared, title):
    """Two runs as one SVG, beside each other; the first difference is marked."""
    wide, most, inside = 0, 0, []
    for run, rows, marked in sides(compared):
        across, high, of_run = drawn(run, rows, language(), marked)
        name = text([run.title], across / 2, 14, kind="strong")
        inside.append(f'<g transform="translate({wide:.0f} 0)">{name}<g transform="translate(0 22)">'
                      f'{"".join(of_run)}</g></g>')
        wide, most = wide + across + 20, max(most, high + 22)
    return styled(svg(wide, most, title, inside), alone=True)


def styled(picture, alone):
    """A picture, with its own style where no page has one for it."""
    if not alone:
        return picture
    picture = picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return picture.replace("<defs>", f"{ALONE}<defs>", 1)


def drawn(run, rows, into, marked=None):
    """(width, height, what is inside) of a run's picture; a row that is None is left empty."""
    out, marks, pending = [], [], {}
    x, right = places(run, rows, into)
    place = {}
    for index, row in enumerate(rows):
        if not row:
            continue
        at, event, part = row
        y = TOP + 14 + ROW * index
        below = y + UNDER
        place[id(event), part] = below
        here, kernel, kind = x[event.lane], x["kernel"], colour(event.connection)
        words = said(event, part, into)
        marks.append(text([f"{at * 1000:.1f}"], LEFT - 18, y, "end"))
        if event.call == "ss":
            out.append(box(here + 8, y - 9, width(words) * LETTER + 8, 18, "note", 3))
        if event is marked and part != "end":
            words = f"✗ {words}"
            out.append(box(here + 8, y - 9, width(words) * LETTER + 8, 18, "differs", 3))
        marks.append(text([words], here + 12, y, "start"))
        if part == "end":
            begin = place[id(event), "begin"]
            out.append(f'<rect class="wait {kind}" x="{here - 3:.0f}" y="{begin:.0f}" width="6" '
                       f'height="{below - begin:.0f}"/>')
            if who := cause(run, event):
                begin = place.get((id(who), ""), place.get((id(who), "begin")))
                if begin is not None:
                    out.append(f'<path class="line {colour(who.connection)}" stroke-dasharray="3 3" '
                               f'marker-end="url(#tip)" '
                               f'd="M{x[who.lane]:.0f} {begin:.0f}H{kernel:.0f}V{below:.0f}H{here:.0f}"/>')
        if part != "begin" and event.connection and (event.gives or event.takes):
            ends = (here, kernel) if event.gives else (kernel, here)
            out.append(f'<path class="line {kind}" marker-end="url(#tip)" '
                       f'd="M{ends[0]:.0f} {below:.0f}H{ends[1]:.0f}"/>')
            key = event.connection, event.of_server == event.gives
            if event.gives:
                pending[key] = below
            elif key in pending:
                out.append(f'<path class="line {kind}" d="M{kernel:.0f} {pending.pop(key):.0f}V{below:.0f}"/>')
    high = TOP + 24 + ROW * len(rows)
    for life, beside in slots(run.lives):
        out += bar(life, x[life.lane] - LIFE * (beside + 1), place, high)
    heads = []
    for lane, at in x.items():
        name = lane_name(lane, into)
        half = width(name) / 2 + 10
        heads += [f'<path class="lane" d="M{at:.0f} 36V{high}"/>', box(at - half, 8, 2 * half, 26),
                  text([name], at, 21, kind="strong")]
    return right, high + 10, heads + out + marks


def bar(life, at, place, high):
    """A line for a descriptor's life, and its number."""
    def height(event):
        return place.get((id(event), "end"), place.get((id(event), ""))) - UNDER

    begin, end = height(life.begin), height(life.end) if life.end else high
    return [f'<path class="line {colour(life.connection)}" d="M{at:.0f} {begin:.0f}V{end:.0f}"/>',
            text([str(life.descriptor)], at, begin - 8)]


# ---- on the terminal


def cell(run, event, part, marked):
    """What a call's place in a table says."""
    from rich.text import Text

    words = "✗ " if marked else ""
    words += "→ " if event.connection and event.gives else "← " if event.connection and event.takes else ""
    words += f"{event.connection} " if event.of_server and event.connection else ""
    return Text(words + said(event, part) + note_of(run, event, part),
                "bold red" if marked else COLOURS.get(event.connection, ""))


def on_terminal(run, marked=None):
    """The run as a table on the terminal; `marked`: the event that is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 1), header_style="bold", title=run.title)
    for heading in ("ms", *run.lanes):
        shown.add_column(lane_name(heading), justify="right" if heading == "ms" else "left", overflow="fold")
    waiting = {}
    for at, event, part in rows_of(run):
        cells = {lane: Text("┃" if lane in waiting else "│", COLOURS.get(waiting.get(lane), "dim"))
                 for lane in run.lanes}
        cells[event.lane] = cell(run, event, part, event is marked and part != "end")
        if part == "begin":
            waiting[event.lane] = event.connection
        elif part == "end":
            waiting.pop(event.lane, None)
        shown.add_row(f"{at * 1000:.1f}", *cells.values())
    Console(highlight=False).print(shown)


# ---- two runs


def sides(compared):
    """(run, rows, the marked event) of each of two runs: where their servers do the same, it stands in the same row."""
    marked = compared.difference.events if compared.difference else (None, None)
    all_rows = [rows_of(run) for run in compared.runs]
    at = [{id(row[1]): index for index, row in enumerate(rows) if row[2] != "end"} for rows in all_rows]
    pairs = [(at[0][id(one)], at[1][id(other)]) for one, other in compared.same]
    if all(marked):
        here = at[0][id(marked[0])], at[1][id(marked[1])]
        pairs = [*(pair for pair in pairs if pair[0] < here[0] and pair[1] < here[1]), here]
    padded, done = ([], []), (0, 0)
    for pair in [*pairs, tuple(map(len, all_rows))]:
        for out, rows, begin, end in zip(padded, all_rows, done, pair):
            out += rows[begin:end]
        for out in padded:
            out += [None] * (max(map(len, padded)) - len(out))
        done = pair
    return list(zip(compared.runs, padded, marked))


def both_on_terminal(compared):
    """Two runs beside each other, or one below the other where there is no room."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    two = sides(compared)
    if console.width < BESIDE:
        for run, _rows, marked in two:
            on_terminal(run, marked)
        return
    shown = Table(box=None, padding=(0, 1), header_style="bold")
    for run, _rows, _marked in two:
        shown.add_column("ms", justify="right", no_wrap=True)
        shown.add_column(_("who"), no_wrap=True)
        shown.add_column(run.title, overflow="fold", ratio=1)
    for pair in zip(*(rows for _run, rows, _marked in two)):
        cells = []
        for (run, _rows, marked), row in zip(two, pair):
            if row:
                at, event, part = row
                what = cell(run, event, part, event is marked and part != "end")
            cells += [f"{at * 1000:.1f}", lane_name(event.lane), what] if row else ["", "", ""]
        shown.add_row(*cells)
    console.print(shown)
