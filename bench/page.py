"""The texts' figures, from the reference results: a marker names what is to stand between it and its end, and is
written by fill(); a claim names two figures, and must be true of them.

  <!--= cpu_us connections 100 06_epoll -->9.8<!--/-->           the median, in the unit that tables have it in
  <!--= spread cpu_us connections 100 06_epoll -->9.8 (9.7–10)<!--/-->       with the smallest and the largest round
  <!--= times cpu_us connections 100 07_reactor / connections 100 floor -->1.05<!--/-->    within each round of a run;
                                                 of what no run has both, the ratio of the medians
  <!--= spread times cpu_us connections 100 07_reactor / connections 100 floor -->1.05 (1.03–1.16)<!--/-->
  <!--= each cpu_us http 100 -->11_http 9.3 (9.1–9.5), …<!--/-->      of all servers, the least first
  <!--= table cpu_us connections -->…<!--/-->                     a row a server, a column a point
  <!--= sentence connections -->…<!--/-->                        what the picture shows, and what it does not
  <!--= machine kernel -->…<!--/-->, <!--= peer nginx -->1.22.1<!--/-->, <!--= data date -->…<!--/-->
  <!--? cpu_us connections 100 02_fork_server > connections 100 06_epoll -->      so it was within every round
  <!--? cpu_us connections 100 06_epoll ~ connections 100 floor -->              it was not, nor the other way round

A server's name is written without its dashes, which a comment may not have."""

import re

import sentences
from chapters import CHAPTERS, ROOT
from results import ENOUGH, METRICS
from tables import number

TEXTS = [ROOT / f"{name}{end}" for name in ("README", "docs/models", *(f"{one.name}/README" for one in CHAPTERS))
         for end in (".md", ".zh-CN.md")]
MARKER = re.compile(r"<!--= (.*?) -->(.*?)<!--/-->", re.DOTALL)
CLAIM = re.compile(r"<!--\? (\w+) (.*?) ([>~]) (.*?) -->")


class Wrong(Exception):
    """A marker or a claim that the results cannot answer: one line that says which."""


def language_of(file):
    return "zh" if file.name.endswith(".zh-CN.md") else "en"


def point(results, words):
    """(sweep, at, server) that the words name."""
    sweep, _, rest = words.strip().partition(" ")
    at, _, server = rest.partition(" ")
    known = {one.replace("--", "").replace("  ", " "): one for one in results.servers(sweep)}
    if not at.isdigit() or server not in known:
        raise Wrong(f"'{words}' names no sweep, number and server of these results")
    return sweep, int(at), known[server]


def figure(results, metric, words):
    found = results.figure(metric, *point(results, words)) if metric in METRICS else None
    if not found:
        raise Wrong(f"there is no '{metric} {words}'")
    return found


def ratio(results, metric, words):
    """Of the two points that the words name."""
    found = results.ratio(metric, *(point(results, one) for one in words.split(" / ")))
    if not found:
        raise Wrong(f"there is no '{metric} {words}'")
    return found


def times(value):
    return f"{value:.2f}" if value < 10 else number(value)


def table(results, metric, sweep):
    at = results.points(sweep)
    head = ["", *(f"{one:,}" for one in at)]
    rows = [head, ["---", *["---:"] * len(at)]]
    for server in results.servers(sweep):
        found = [results.figure(metric, sweep, one, server) for one in at]
        if any(found):
            rows.append([server, *(sentences.plain(one, METRICS[metric][1]) if one else "–" for one in found)])
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def text_of(results, words, language):
    """What is to stand between a marker of these words and its end."""
    kind, _, rest = words.partition(" ")
    if kind == "times":
        metric, _, points = rest.partition(" ")
        return times(ratio(results, metric, points).median)
    if kind == "spread" and rest.startswith("times "):
        metric, _, points = rest.removeprefix("times ").partition(" ")
        found = ratio(results, metric, points)
        spread = f" ({times(found.low)}–{times(found.high)})" if found.rounds > 1 else ""
        return times(found.median) + spread
    if kind == "spread":
        metric, _, rest = rest.partition(" ")
        return sentences.plain(figure(results, metric, rest), METRICS[metric][1])
    if kind == "each":
        metric, sweep, at = rest.split(" ")
        return sentences.each(results, metric, sweep, int(at), sentences.WORDS[language], METRICS[metric][1])
    if kind == "table":
        return table(results, *rest.split(" "))
    if kind == "sentence":
        return f"\n{sentences.sentence(results, rest, language)}\n"
    if kind in ("machine", "peer", "data"):
        machine = results.data["machine"]
        found = {"machine": machine, "peer": machine["peers"], "data": results.data}[kind].get(rest)
        if found is None:
            raise Wrong(f"there is no '{words}'")
        return str(found)
    return number(figure(results, kind, rest).median * METRICS[kind][1])


def fill(text, results, language):
    """The text with all its figures as the results have them. Raises Wrong."""
    return MARKER.sub(lambda found: f"<!--= {found[1]} -->{text_of(results, found[1], language)}<!--/-->", text)


def false_claims(text, results):
    """Of the text's claims those that the results do not bear out, each as a line. Told by the ratio within rounds:
    what slows the whole machine for a while slows both; of what was not in the same rounds nothing is claimed. Raises
    Wrong."""
    found = []
    for metric, one, sign, other in CLAIM.findall(text):
        of = ratio(results, metric, f"{one} / {other}")
        if of.rounds < ENOUGH:
            found.append(f"{metric}: {one} {sign} {other} cannot be claimed: rounds that have both: {of.rounds}")
        elif (of.low > 1, of.high < 1) != (sign == ">", False):
            found.append(f"{metric}: {one} {sign} {other} is not so: {sentences.plain(of)}")
    return found
