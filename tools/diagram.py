"""The diagrams of the texts, drawn when the book is built: the part of mermaid's language that the texts use, read into
lanes and messages or nodes and edges; Graphviz finds the places of the latter. A line that is not understood is an
error, never left out. Each diagram is an SVG and a list of sentences that says the same."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from html import escape

from common import Trouble

SIZE = 14  # pixels of the letters
LINE = 19  # from one line of words to the next
GAP = 14


def width(words):
    """Pixels that a line of words takes, estimated: no font is asked, so that it is the same on every machine."""
    return sum(SIZE if ord(letter) > 0x2E7F else SIZE * 0.56 for letter in words)


def wrapped(words, room=230):
    """The words in lines of at most `room` pixels; <br/> ends a line. Chinese may be broken anywhere."""
    lines = []
    for part in re.split(r"<br\s*/?>", words):
        line = ""
        for piece in re.findall(r"[⺀-￿]|[^\s⺀-￿]+\s*", part):
            if line and width(line + piece.rstrip()) > room:
                lines.append(line.rstrip())
                line = ""
            line += piece
        lines.append(line.rstrip())
    return lines


def text(lines, x, y, anchor="middle", kind=""):
    """SVG of lines of words, the middle of the whole at height y."""
    top = y - (len(lines) - 1) * LINE / 2 + SIZE * 0.35
    spans = "".join(f'<tspan x="{x:.0f}" y="{top + i * LINE:.0f}">{escape(line)}</tspan>'
                    for i, line in enumerate(lines))
    return f'<text text-anchor="{anchor}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{spans}</text>'


def box(x, y, wide, high, kind="box", corner=6):
    return f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{high:.0f}" rx="{corner}"/>'


def svg(wide, high, title, inside):
    """The whole picture. Screen readers are given its title; its sentences stand beside it."""
    return (f'<svg class="drawing" role="img" aria-label="{escape(title)}" viewBox="0 0 {wide:.0f} {high:.0f}" '
            f'width="{wide:.0f}" height="{high:.0f}"><defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" '
            'markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="tip" d="M0 1 9 5 0 9z"/>'
            f'</marker></defs>{"".join(inside)}</svg>')


def not_understood(line):
    return Trouble(f"a diagram's line is not understood: {line.strip()!r}")


# ---- sequences


@dataclass
class Sequence:
    names: dict = field(default_factory=dict)  # id: what its lane is called
    rows: list = field(default_factory=list)  # ("message", from, to, arrow, words), ("note", ids, words), ("frame", …)

    def name(self, id):
        return self.names.setdefault(id, id)


def read_sequence(lines):
    found = Sequence()
    for line in lines:
        line = line.strip()
        if match := re.fullmatch(r"participant (\w+)(?: as (.*))?", line):
            found.names[match[1]] = match[2] or match[1]
        elif match := re.fullmatch(r"(\w+?)(--?>>|--?x)(\w+): (.*)", line):
            found.name(match[1]), found.name(match[3])
            found.rows.append(("message", match[1], match[3], match[2], match[4]))
        elif match := re.fullmatch(r"Note over ([\w,]+): (.*)", line):
            found.rows.append(("note", match[1].split(","), match[2]))
        elif match := re.fullmatch(r"(alt|else|end)\b ?(.*)", line):
            found.rows.append(("frame", match[1], match[2]))
        elif line:
            raise not_understood(line)
    return found


def lanes_of(sequence):
    """{id: x}, wide enough for what is said between neighbours."""
    ids = list(sequence.names)
    apart = [max(150, (width(sequence.names[a]) + width(sequence.names[b])) / 2 + 40) for a, b in zip(ids, ids[1:])]
    for kind, *row in sequence.rows:
        if kind == "message":
            a, b = sorted((ids.index(row[0]), ids.index(row[1])))
            if b - a == 1:
                apart[a] = max(apart[a], min(width(row[3]), 230) + 30)
    x, found = max(90, width(sequence.names[ids[0]]) / 2 + 20), {}
    for id, step in zip(ids, [*apart, 0]):
        found[id] = x
        x += step
    return found


def draw_sequence(sequence, title):
    lanes = lanes_of(sequence)
    wide = max(lanes.values()) + max(110, width(list(sequence.names.values())[-1]) / 2 + 20)
    out, y, frames = [], 60, []
    for kind, *row in sequence.rows:
        if kind == "message":
            begin, end, arrow, words = row
            a, b = lanes[begin], lanes[end]
            lines = wrapped(words, max(abs(a - b) - 16, 120))
            y += LINE * len(lines) + 6
            style = ' stroke-dasharray="5 4"' if arrow.startswith("--") else ""
            out.append(f'<path class="line"{style} marker-end="url(#tip)" d="M{a:.0f} {y:.0f}H{b:.0f}"/>')
            if arrow.endswith("x"):
                out.append(text(["✗"], b + (12 if b > a else -12), y))
            out.append(text(lines, (a + b) / 2, y - LINE * len(lines) / 2 - 4))
            y += GAP
        elif kind == "note":
            places, words = [lanes[id] for id in row[0]], row[1]
            lines = wrapped(words, max(max(places) - min(places), 150))
            across = max(max(map(width, lines)) + 20, max(places) - min(places) + 40)
            middle = min(max(sum((min(places), max(places))) / 2, across / 2 + 4), wide - across / 2 - 4)
            high = LINE * len(lines) + 10
            out += [box(middle - across / 2, y, across, high, "note", 3), text(lines, middle, y + high / 2)]
            y += high + GAP
        elif row[0] == "end":
            top = frames.pop()
            out.insert(0, box(6, top, wide - 12, y - top, "frame"))
            y += GAP
        else:
            if row[0] == "alt":
                frames.append(y)
            else:
                out.append(f'<path class="divide" d="M6 {y:.0f}H{wide - 6:.0f}"/>')
            out.append(text([f"[{row[1] or 'else'}]"], 14, y + 14, "start", "strong"))
            y += 28
    heads = []
    for id, x in lanes.items():
        half = width(sequence.names[id]) / 2 + 12
        heads += [f'<path class="lane" d="M{x:.0f} 40V{y:.0f}"/>', box(x - half, 8, 2 * half, 32),
                  text([sequence.names[id]], x, 24, kind="strong")]
    return svg(wide, y + 10, title, heads + out)


def say_sequence(sequence):
    for kind, *row in sequence.rows:
        if kind == "message":
            lost = " ✗" if row[2].endswith("x") else ""
            yield f"{sequence.names[row[0]]} → {sequence.names[row[1]]}{lost}: {row[3]}"
        elif kind == "note":
            yield f"{', '.join(sequence.names[id] for id in row[0])}: {re.sub('<br/?>', ' ', row[1])}"
        elif row[0] != "end":
            yield f"[{row[1] or row[0]}]"


# ---- states and flows


@dataclass
class Graph:
    direction: str = "TB"
    nodes: dict = field(default_factory=dict)  # id: (words, shape)
    edges: list = field(default_factory=list)  # (from, to, words, style: "solid", "dashed" or "plain")
    groups: dict = field(default_factory=dict)  # id: (words, direction, the ids of its nodes)

    def node(self, id, words="", shape="box"):
        if words or id not in self.nodes and id not in self.groups:
            self.nodes[id] = (words or id, shape)
        return id


def read_states(lines):
    found = Graph()
    for line in lines:
        line = line.strip()
        if match := re.fullmatch(r'state "(.*)" as (\w+)', line):
            found.node(match[2], match[1])
        elif match := re.fullmatch(r"(\S+) --> (\S+?)(?: ?: (.*))?", line):
            ends = [{"[*]": place}.get(end, end) for end, place in ((match[1], "(begin)"), (match[2], "(end)"))]
            for end in ends:
                found.node(end, *([end, "dot"] if end.startswith("(") else []))
            found.edges.append((*ends, match[3] or "", "solid"))
        elif line:
            raise not_understood(line)
    return found


NODE = re.compile(r'(\w+) ?(?:\["([^"]*)"\]|\{"([^"]*)"\})?')
EDGE = re.compile(r' ?(?:-- "([^"]*)" -->|-->\|"([^"]*)"\||-\.->\|"([^"]*)"\||-\. "([^"]*)" \.->|(-->)|(---)) ?')


def read_flow(lines, direction):
    found, group = Graph(direction), None
    for line in lines:
        line = line.strip()
        if match := re.fullmatch(r'subgraph (\w+) \["([^"]*)"\]', line):
            group = match[1]
            found.groups[group] = [match[2], direction, []]
        elif match := re.fullmatch(r"direction (\w+)", line):
            found.groups[group][1] = match[1]
        elif line == "end":
            group = None
        elif line:
            read_chain(found, line, group)
    return found


def read_chain(graph, line, group):
    """a["words"] --> b -- "why" --> c: the nodes and the edges of one line."""
    at, before, edge = 0, None, None
    while at < len(line):
        node = NODE.match(line, at)
        if not node:
            raise not_understood(line)
        id = graph.node(node[1], node[2] or node[3] or "", "choice" if node[3] else "box")
        if group and id not in graph.groups[group][2]:
            graph.groups[group][2].append(id)
        if edge:
            words = next((part for part in edge.groups()[:4] if part), "")
            style = "dashed" if edge[3] or edge[4] else "plain" if edge[6] else "solid"
            graph.edges.append((before, id, words, style))
        before, at = id, node.end()
        edge = EDGE.match(line, at)
        if at < len(line) and not edge:
            raise not_understood(line)
        at = edge.end() if edge else at


def quoted(words):
    return json.dumps(words, ensure_ascii=False)


def spacer(words):
    """A label for Graphviz that takes the room of these words: we write them ourselves."""
    lines = wrapped(words, 170)
    wide, high = max(map(width, lines)) + 8, LINE * len(lines)
    return f'<<TABLE BORDER="0" FIXEDSIZE="TRUE" WIDTH="{wide:.0f}" HEIGHT="{high:.0f}"><TR><TD></TD></TR></TABLE>>'


def node_size(words, shape):
    if shape == "dot":
        return 16, 16
    lines = wrapped(words, 210)
    wide, high = max(map(width, lines)) + 24, LINE * len(lines) + 14
    return (wide * 1.5, high * 1.9) if shape == "choice" else (wide, high)


def to_dot(graph):
    inside = {id: name for name, (_, _, ids) in graph.groups.items() for id in ids}
    across = any(inside.get(a) != inside.get(b) for a, b, *_ in graph.edges)
    direction = graph.direction
    if graph.groups and not across:
        direction = next(iter(graph.groups.values()))[1]
    rows = [f'digraph {{ rankdir={"LR" if direction == "LR" else "TB"}; compound=true; nodesep=0.3; ranksep=0.42;']
    for id, (words, shape) in graph.nodes.items():
        wide, high = node_size(words, shape)
        kind = {"choice": "diamond", "dot": "circle"}.get(shape, "box")
        rows.append(f'{quoted(id)} [label="", shape={kind},'
                    f' fixedsize=true, width={wide / 72:.3f}, height={high / 72:.3f}];')
    for name, (words, own, ids) in graph.groups.items():
        same = "rank=same; " if own != direction and across else ""
        rows.append(f"subgraph cluster_{name} {{ label={spacer(words)}; margin=14; {{ {same}{' '.join(ids)} }} }}")
    for number, (begin, end, words, style) in enumerate(graph.edges):
        more = [f'id="{number}"'] + ([f"label={spacer(words)}"] if words else [])
        for end_name, group in (("ltail", begin), ("lhead", end)):
            if group in graph.groups:
                more.append(f"{end_name}=cluster_{group}")
        ends = [graph.groups[e][2][0] if e in graph.groups else e for e in (begin, end)]
        rows.append(f"{quoted(ends[0])} -> {quoted(ends[1])} [{', '.join(more)}];")
    return "\n".join([*rows, "}"])


def placed(graph):
    """What Graphviz says of the places, as its JSON."""
    try:
        ran = subprocess.run(["dot", "-Tjson0"], input=to_dot(graph), capture_output=True, text=True)
    except FileNotFoundError:
        raise Trouble("missing: dot (graphviz)") from None
    if ran.returncode != 0:
        raise Trouble(f"dot: {ran.stderr.strip()}")
    return json.loads(ran.stdout)


def draw_edge(edge, words, style, high):
    points = [tuple(map(float, point.split(","))) for point in re.sub(r"[es],\S+ ", "", edge["pos"]).split()]
    tip = re.search(r"e,([\d.]+),([\d.]+)", edge["pos"])
    points += [(float(tip[1]), float(tip[2]))] if tip and style != "plain" else []
    flipped = [f"{x:.0f} {high - y:.0f}" for x, y in points]
    path = f"M{flipped[0]}C{' '.join(flipped[1:4 + (len(points) - 4) // 3 * 3])}"
    path += f"L{flipped[-1]}" if tip and style != "plain" else ""
    dashes = ' stroke-dasharray="5 4"' if style == "dashed" else ""
    out = f'<path class="line" d="{path}"{dashes}'
    out += "/>" if style == "plain" else ' marker-end="url(#tip)"/>'
    if words:
        x, y = map(float, edge["lp"].split(","))
        out += text(wrapped(words, 170), x, high - y)
    return out


def draw_graph(graph, title):
    layout = placed(graph)
    _, _, wide, high = map(float, layout["bb"].split(","))
    out = []
    for thing in layout.get("objects", []):
        name = thing["name"]
        if name.startswith("cluster_"):
            left, low, right, top = map(float, thing["bb"].split(","))
            x, y = map(float, thing["lp"].split(","))
            out += [box(left, high - top, right - left, top - low, "frame"),
                    text(wrapped(graph.groups[name[8:]][0], 170), x, high - y, kind="strong")]
        elif name in graph.nodes:
            out += draw_node(*graph.nodes[name], *map(float, thing["pos"].split(",")), high)
    edges = {int(edge["id"]): edge for edge in layout.get("edges", [])}
    out += [draw_edge(edges[number], words, style, high) for number, (_, _, words, style) in enumerate(graph.edges)]
    shifted = f'<g transform="translate(6 6)">{"".join(out)}</g>'
    return svg(wide + 12, high + 12, title, [shifted])


def draw_node(words, shape, x, y, high):
    wide, tall = node_size(words, shape)
    y = high - y
    if shape == "dot":
        return [f'<circle class="{"end" if words == "(end)" else "dot"}" cx="{x:.0f}" cy="{y:.0f}" r="7"/>']
    if shape == "choice":
        places = (x - wide / 2, y), (x, y - tall / 2), (x + wide / 2, y), (x, y + tall / 2)
        corners = " ".join(f"{across:.0f},{down:.0f}" for across, down in places)
        return [f'<polygon class="box" points="{corners}"/>', text(wrapped(words, 210), x, y)]
    return [box(x - wide / 2, y - tall / 2, wide, tall), text(wrapped(words, 210), x, y)]


def say_graph(graph):
    names = {id: {"(begin)": "●", "(end)": "◎"}.get(words, re.sub("<br/?>", " ", words))
             for id, (words, _) in graph.nodes.items()}
    names.update({id: words for id, (words, _, _) in graph.groups.items()})
    for words, _, ids in graph.groups.values():
        yield f"{words}: {', '.join(names[id] for id in ids)}"
    for begin, end, words, style in graph.edges:
        yield f"{names[begin]} {'–' if style == 'plain' else '→'} {names[end]}" + (f": {words}" if words else "")


def drawn(lines, title):
    """(SVG, sentences) of a diagram in mermaid's language."""
    kind, *rest = [line for line in lines if line.strip()]
    if kind == "sequenceDiagram":
        found = read_sequence(rest)
        return draw_sequence(found, title), list(say_sequence(found))
    if kind == "stateDiagram-v2":
        found = read_states(rest)
    elif match := re.fullmatch(r"flowchart (TB|TD|LR)", kind):
        found = read_flow(rest, match[1])
    else:
        raise not_understood(kind)
    return draw_graph(found, title), list(say_graph(found))
