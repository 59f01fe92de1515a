"""Results as tables on the terminal: the medians, with the smallest and the largest round behind each."""

from rich.console import Console
from rich.table import Table

import plan
from results import METRICS
from words import _, language, translated

console = Console(highlight=False, soft_wrap=True)
MAIN = ("messages_per_second", "cpu_us", "p50_us", "p99_us", "p99_9_us", "memory")
OF_SWEEP = {"connections": ("cpu_us", "messages_per_second"),
            "idle": ("cpu_us", "memory_per_connection", "kernel_per_connection"),
            "lone": ("cpu_us", "messages_per_second"),
            "crowd": ("cpu_us", "memory_per_connection", "kernel_per_connection"),
            "size": ("cpu_us", "messages_per_second"), "churn": ("messages_per_second", "cpu_us"),
            "work": ("messages_per_second", "cpu_us"), "http": ("cpu_us", "messages_per_second", "p99_us"),
            "file": ("cpu_us", "messages_per_second"), "kept": ("memory_per_connection",),
            "udp": ("cpu_us", "messages_per_second"), "unix": ("cpu_us", "messages_per_second"),
            "calls": ("system_calls", "switches")}
WIDE = 1000  # columns: no table is wider
LOAD_LIMIT = 0.95  # of a core: above this, the rate is the load's and not the server's


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cell(figure, metric, spread=True):
    if not figure:
        return "–"
    factor = METRICS[metric][1]
    text = number(figure.median * factor)
    if figure.rounds == 1 or not spread:
        return text
    return f"{text} [dim]({number(figure.low * factor)}–{number(figure.high * factor)})[/]"


def heading(metric, into="en"):
    """As the pictures have it; with `into`, in that language."""
    name, _factor, unit = METRICS[metric]
    name = translated(name, into)
    return _("{what}, {unit}", into, what=name, unit=unit) if unit.strip("/s") else name


def grid(title, columns):
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(_("server"), no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def put(title, columns, rows):
    """A table of figures; without their spread where the terminal is too narrow for it."""
    for spread in (True, False):
        table = grid(title, columns)
        for server, figures in rows:
            table.add_row(server, *(cell(figure, metric, spread) for figure, metric in figures))
        if console.measure(table, options=console.options.update(max_width=WIDE)).maximum <= console.width:
            break
    console.print(table)


def show(results):
    """What was measured, on stdout: a table for each sweep and each figure of it."""
    for sweep in results.sweeps():
        points = results.points(sweep)
        for metric in OF_SWEEP[sweep]:
            title = _("[bold]{sweep}[/]: {what}, by {axis}", sweep=sweep, what=heading(metric, language()),
                      axis=translated(plan.BY_NAME[sweep].axis))
            put(f"\n{title}", [f"{at:,}" for at in points],
                [(server, [(results.figure(metric, sweep, at, server), metric) for at in points])
                 for server in results.servers(sweep)])
        if sweep == "connections":
            show_one_point(results, 100 if 100 in points else points[-1])
    remarks(results)


def show_one_point(results, at):
    put("\n" + _("[bold]{count} connections[/]", count=at), [heading(metric, language()) for metric in MAIN],
        [(server, [(results.figure(metric, "connections", at, server), metric) for metric in MAIN])
         for server in results.servers("connections")])


def remarks(results):
    data = results.data
    disturbed, measured = results.disturbed()
    console.print("\n" + _("Medians of up to {count} rounds (the smallest – the largest). A difference below that "
                           "spread is none.", count=results.most_rounds()))
    console.print(_("{disturbed} of {measured} measurements were disturbed: others had more than {share:.0%} of the "
                    "cores.", disturbed=disturbed, measured=measured, share=data["calm"]))
    limited = sorted({one["server"] for one in data["rounds"] if one.get("load_share", 0) > LOAD_LIMIT})
    if limited:
        console.print(_("Of {servers} some rates are the load's limit, not the server's; CPU a message is not.",
                        servers=", ".join(limited)))
    if data["cores"]["server"] == data["cores"]["load"]:
        console.print(_("[bold]One core for server and load: rates and latencies are those of both.[/]"))
    reasons = {}
    for one in data["left_out"]:
        who, _at, where = one["what"].partition(" at ")
        reasons.setdefault((who, one["why"]), []).append(where)
    for (who, why), where in reasons.items():
        why = translated(why)
        console.print(_("[dim]left out: {who}: {why}, at {places}[/]", who=who, why=why, places=", ".join(where))
                      if any(where) else _("[dim]left out: {who}: {why}[/]", who=who, why=why))


def failures(results):
    """What failed, each in a line."""
    return [_("{server} failed at {sweep} {at}: {reason}", server=server, sweep=sweep, at=at, reason=translated(reason))
            for (server, sweep, at), reason in results.failures().items()]


def compare(before, after):
    """What differs by more than the spread, and how much of the rest does not. Returns 1 when something got worse, or
    failed."""
    import results

    found = results.compared(before, after)
    table = grid(f"[bold]{before.data['name']} → {after.data['name']}[/]",
                 [*_("sweep, at, what, before, after").split(", "), ""])
    same, worse, better, untold = 0, 0, 0, 0
    for metric, sweep, at, server, one, other in found:
        differ = results.differ(metric, one, other)
        if not differ:
            same, untold = same + (differ is False), untold + (differ is None)
            continue
        is_worse = (other.median > one.median) != (metric == "messages_per_second")
        worse, better = worse + is_worse, better + (not is_worse)
        change = f"{other.median / one.median - 1:+.0%}" if one.median else ""
        table.add_row(server, sweep, str(at), heading(metric, language()), cell(one, metric), cell(other, metric),
                      _("[red]{change} worse[/]", change=change) if is_worse
                      else _("[green]{change} better[/]", change=change))
    if worse + better:
        console.print(table)
    failed = after.failures()
    for line in failures(after):
        console.print(line)
    lost = [_("{server} at {sweep} {at}", server=server, sweep=sweep, at=at)
            for sweep, at, server in results.only_in(before, after) if (server, sweep, at) not in failed]
    if lost:
        console.print(_("In {name} alone, not compared: {points}.", name=before.data["name"], points=", ".join(lost)))
    console.print(_("{worse} worse, {better} better, {same} without a difference that is larger than the spread; "
                    "{count} compared.", worse=worse, better=better, same=same, count=len(found) - untold))
    if any(metric in results.COUNTED for metric, *_point in found):
        console.print(_("System calls and switches, counted in a single round, differ by {half:g} a message or more.",
                        half=results.HALF))
    if untold:
        console.print(_("Of {count} more there is a single round, which tells no difference.", count=untold))
    if before.data["machine"] != after.data["machine"] | {"load_average": before.data["machine"].get("load_average")}:
        console.print(_("The machines differ: {what}", what=", ".join(
            f"{key}: {before.data['machine'].get(key)} → {value}" for key, value in after.data["machine"].items()
            if key != "load_average" and before.data["machine"].get(key) != value)))
    return 1 if worse or failed else 0
