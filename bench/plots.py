"""Results as pictures: an SVG for each sweep, and a sentence that says what it shows and what it does not. The same
results make the same files, byte for byte, with the same matplotlib."""

import math

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot, ticker  # noqa: E402

import plan  # noqa: E402
import servers  # noqa: E402
from results import METRICS  # noqa: E402
from tables import OF_SWEEP, heading, number  # noqa: E402

STYLE = {"svg.hashsalt": "lab bench", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9,
         "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3,
         "figure.facecolor": "white", "savefig.facecolor": "white"}  # its own background: readable on a dark page too
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a07000", "#333333")  # told apart by the colour-blind
FACTOR = 10
MARKERS = "osD^vPX*<>phd"  # the picture can be read without colour


def look(server):
    """A server looks the same in all pictures; the line of whom we did not write is broken."""
    known = list(servers.KNOWN)
    index = known.index(server) if server in known else len(known)
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "markersize": 5,
            "linestyle": "-" if server[:1].isdigit() else "--", "linewidth": 1.2, "capsize": 2, "elinewidth": 0.8}


def plainly(value, _=None):
    """As one writes it: 0.05, 1,000, and what is a power of two with its prefix, for it is a size."""
    for unit, letter in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if value >= unit and value % unit == 0:
            return f"{value / unit:,.0f} {letter}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def widen(axes):
    """At least a factor of FACTOR from the bottom to the top: what differs little is to look like it."""
    low, high = axes.get_ylim()
    more = math.sqrt(max(1, FACTOR * low / high))
    axes.set_ylim(low / more, high * more)


def plain_ticks(axis, at=None):
    """Numbers as one writes them, at these values or wherever matplotlib will."""
    if at:
        axis.set_ticks(at)
        axis.set_minor_locator(ticker.NullLocator())
    elif axis.get_scale() == "log":
        axis.set_minor_locator(ticker.LogLocator(subs=(2, 5), numticks=20))
        axis.set_minor_formatter(ticker.FuncFormatter(plainly))
    axis.set_major_formatter(ticker.FuncFormatter(plainly))


def scaled(figure, factor):
    """(median, what the bar goes down, what it goes up)"""
    return figure.median * factor, (figure.median - figure.low) * factor, (figure.high - figure.median) * factor


def base(results, sweep):
    """A sweep's points; idle connections begin at none."""
    points = [(sweep, at) for at in results.points(sweep)]
    first = results.beside_none(sweep) if sweep in plan.ACTIVE else points[0]
    return [first, *points] if first not in points and first[1] in results.points(first[0]) else points


def curve(axes, results, sweep, metric, server):
    found = [(0 if sweep != of else at, results.figure(metric, of, at, server)) for of, at in base(results, sweep)]
    found = [(at, scaled(figure, METRICS[metric][1])) for at, figure in found if figure]
    if found:
        middle, down, up = zip(*(figure for _, figure in found))
        axes.errorbar([at for at, _ in found], middle, (down, up), label=server, **look(server))


def rows(axes, results, sweep, metric, those):
    """Where the sweep has one point only: a row for each server."""
    (at,) = results.points(sweep)
    for index, server in enumerate(those):
        if figure := results.figure(metric, sweep, at, server):
            middle, down, up = scaled(figure, METRICS[metric][1])
            axes.errorbar([middle], [index], xerr=([down], [up]), **(look(server) | {"linestyle": ""}))
            axes.annotate(number(middle), (middle, index), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(len(those)), those)
    axes.set_ylim(len(those) - 0.5, -0.7)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.1)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
    plain_ticks(axes.xaxis)
    axes.set_xlabel(heading(metric))


def draw(results, sweep, path):
    """One picture: a panel for each figure of the sweep. It says which matplotlib has drawn it: another draws the same
    figures another way."""
    metrics, those = OF_SWEEP[sweep], results.servers(sweep)
    with pyplot.rc_context(STYLE):
        single = len(results.points(sweep)) == 1 and len(base(results, sweep)) == 1
        figure, panels = pyplot.subplots(1, len(metrics), figsize=(4.6 * len(metrics), 4.8), squeeze=False,
                                         sharey=single)
        for axes, metric in zip(panels[0], metrics):
            if single:
                rows(axes, results, sweep, metric, those)
                continue
            for server in those:
                curve(axes, results, sweep, metric, server)
            at = sorted({0 if sweep != of else value for of, value in base(results, sweep)})
            axes.set_xscale("symlog", linthresh=at[1]) if at[0] == 0 else axes.set_xscale("log")
            axes.set_yscale("log")
            widen(axes)
            plain_ticks(axes.xaxis, at)
            plain_ticks(axes.yaxis)
            axes.set_xlabel(plan.BY_NAME[sweep].axis)
            axes.set_title(heading(metric) + " (log)", loc="left", fontsize=9)
        if not single:
            handles, labels = panels[0][0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
        figure.tight_layout()
        figure.savefig(path, format="svg", bbox_inches="tight",
                       metadata={"Date": None, "Creator": f"matplotlib {matplotlib.__version__}"})
        pyplot.close(figure)


def drawable(results, sweep):
    return any(results.figure(metric, sweep, at, server) for metric in OF_SWEEP[sweep]
               for at in results.points(sweep) for server in results.servers(sweep))


def draw_all(results, folder):
    """A picture for each sweep that has numbers, in `folder`, and pictures.md: each with its sentence."""
    import sentences

    folder.mkdir(parents=True, exist_ok=True)
    text = []
    for sweep in results.sweeps():
        if drawable(results, sweep):
            draw(results, sweep, folder / f"{sweep}.svg")
            text.append(f"![{sweep}]({sweep}.svg)\n\n{sentences.sentence(results, sweep)}\n")
    (folder / "pictures.md").write_text("\n".join(text))
