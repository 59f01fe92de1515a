"""./lab check CHAPTER [OPTIONS] -- COMMAND: anybody's server, in any language, against a chapter's contract."""

import datetime
import functools
import json
import os
import re
import shutil
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import packages
from common import BUILD, CHAPTERS, OWN_FAULT, USAGE, Trouble, find_chapter, say, sorted_words
from words import _, kept, title_of, translated

FAULT = BUILD / "tests" / "libfault.so"
PATIENCE = 4.0  # seconds, for whatever a check waits for
ONE_NETWORK = kept("no network of its own is granted here: one check after another")
VALUED = ("--port", "--address", "--json", "--only", "--factor")
FLAGS = ("--watch", "--hint", "--full")
NARROWEST = 20  # columns: a console may say that it has none


@dataclass
class Options:
    chapter: object
    command: list
    flags: set = field(default_factory=set)
    port: int = None
    address: object = None
    json: str = ""
    only: str = ""
    factor: float = 1.0
    side_by_side: int = 6 * len(os.sched_getaffinity(0))  # checks at once: most of them wait
    sandbox: object = None  # where the command runs, if it is not trusted

    @functools.cached_property
    def serial(self):
        """Whether there is but one place for all checks: the server that runs, or a port that is always the same."""
        import anybody
        import network

        anywhere = anybody.told(self.command) or self.chapter.transport == "unix"
        return bool(self.address) or not (anywhere or network.granted())

    @property
    def at_once(self):
        """How many checks are run side by side."""
        return 1 if self.serial else self.side_by_side


def read(words):
    """The Options that the words say. Raises Trouble."""
    before = words[:words.index("--")] if "--" in words else words
    command = words[words.index("--") + 1:] if "--" in words else []
    values, flags, rest = sorted_words(before, VALUED, FLAGS)
    if len(rest) != 1 or rest[0].startswith("-"):
        usage = "./lab check 04 -- ./my_server {port}"
        raise Trouble(_("check takes a chapter and a command: {usage}; what is '{word}'?", usage=usage, word=rest[-1])
                      if rest else _("check takes a chapter and a command: {usage}", usage=usage), USAGE)
    options = Options(find_chapter(rest[0]), command, flags, json=values.get("--json", ""),
                      only=values.get("--only", ""))
    options.port = number("--port", values.get("--port"), 1, 65535)
    options.factor = float(number("--factor", values.get("--factor", "1"), 1, 100))
    options.address = address(values.get("--address"), options.chapter)
    if bool(command) == bool(options.address):
        raise Trouble(_("check takes a command after --, or --address for a server that runs already"), USAGE)
    if command and not (shutil.which(command[0]) or Path(command[0]).is_dir()):
        raise Trouble(_("there is no program '{name}'", name=command[0]), USAGE)
    if "--watch" in flags and not stamps(options):
        raise Trouble(_("--watch: no file is named, so nothing can change"), USAGE)
    return options


def number(name, text, least, most):
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise Trouble(_("{name} wants a number from {least} to {most}, not '{text}'", name=name, least=least, most=most,
                        text=text), USAGE)
    return int(text)


def address(text, chapter):
    """What --address says: a path where the chapter's servers have one, or else (host, port), IPv4 rather than IPv6."""
    if text is None or chapter.transport == "unix":
        return text
    host, port = text.rpartition(":")[::2]
    host = host.removeprefix("[").removesuffix("]")
    if not host:
        raise Trouble(_("--address wants HOST:PORT, not '{text}'", text=text), USAGE)
    port = number("--address HOST:PORT", port, 1, 65535)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", error)
        raise Trouble(_("--address: '{host}' has no address: {reason}", host=host, reason=reason), USAGE) from None
    return min(found, key=lambda each: each[0] != socket.AF_INET)[4][:2]


def ladder_of(chapter):
    import contract
    import datagram_contract
    import http_contract
    from check import Ladder

    if chapter.transport != "http":
        return datagram_contract.ladder if chapter.transport == "udp" else contract.ladder
    both = Ladder()  # what goes through POST /upper is a stream
    both.checks = contract.ladder.checks | http_contract.ladder.checks
    return both


def every_check():
    """All checks that any chapter's server may be held to, each once."""
    found = {}
    for chapter in CHAPTERS:
        of = chapter.capabilities | {chapter.transport}
        found |= {check.id: check for check in ladder_of(chapter) if check.capability in of}
    return list(found.values())


def checks_of(options, terms):
    """The checks that the chapter's server is held to, in their order."""
    chapter, ladder = options.chapter, ladder_of(options.chapter)
    full = "--full" in options.flags
    asked = [check for check in ladder
             if check.capability in chapter.capabilities | {chapter.transport} and check.id not in chapter.expected_failures
             and (full or not check.slow and not terms.get(check.id, terms["default"]).full)]
    if not options.only:
        return asked
    if options.only not in {check.id for check in asked}:
        raise Trouble(_("--only: chapter {chapter} has no check '{check}': {known}", chapter=chapter.number,
                        check=options.only, known=", ".join(check.id for check in asked)), USAGE)
    return [check for check in ladder.up_to(options.only) if check in asked]


def subject_maker(options, trace=()):
    import anybody

    of = {"udp": "DatagramSubject", "http": "HttpSubject"}.get(options.chapter.transport, "Subject")
    patience = PATIENCE * options.factor
    if options.address:
        kind = getattr(anybody, f"Running{of}")
        return lambda check: kind(options.address, options.chapter, patience)
    kind = getattr(anybody, f"Any{of}")
    command = [anybody.absolute(word) for word in options.command]
    fault, box = (options.sandbox.fault, options.sandbox) if options.sandbox else (FAULT, None)
    return lambda check: kind(command, options.chapter, patience, options.port, fault, trace, box and box.of(check))


def verdicts_of(checks, options, told=lambda id, verdict: None):
    """{check: Verdict} of the checks, in their order."""
    import examine

    climb = examine.Climb(checks, subject_maker(options), examine.terms(), options.factor, options.at_once, told)
    verdicts = climb.run()
    if broken := next((v for v in verdicts.values() if v.status == "error"), None):
        raise RuntimeError(broken.message)
    return verdicts


def causes_of(checks, verdicts, options):
    """({failed check: its cause}, what this machine could not do)."""
    import causes
    import examine

    failed = [check for check in checks if verdicts[check.id].status == "failed"]
    limits = [ONE_NETWORK] if options.serial and options.command else []
    if not failed:
        return {}, limits
    found, more = causes.of(failed, verdicts, lambda trace: subject_maker(options, trace), examine.terms(), options)
    return found, limits + more


def judged(options):
    """(the checks, their verdicts, their causes, what this machine could not do)."""
    import examine

    checks = checks_of(options, examine.terms())
    verdicts = verdicts_of(checks, options)
    return checks, verdicts, *causes_of(checks, verdicts, options)


def place_of(options):
    if options.address:
        return options.address
    return "PATH" if options.chapter.transport == "unix" else ("127.0.0.1", options.port or options.chapter.port)


def rows_of(options, checks, verdicts, found):
    """What is known of each check: check.schema.json says what it may be."""
    import examine
    import telling

    terms, rows = examine.terms(), []
    for check in checks:
        verdict, of = verdicts[check.id], terms.get(check.id, terms["default"])
        failed = verdict.status == "failed"
        cause = found.get(check.id)
        rows.append({
            "id": check.id, "title": title_of(check), "status": verdict.status, "needs": check.needs or None,
            "seconds": verdict.seconds, "points": of.points if verdict.status == "passed" else 0,
            "of": 0 if verdict.status == "cannot-tell" else of.points, "visibility": of.visibility,
            "message": verdict.message, "cause": cause,
            "report": telling.report(check, verdict, cause, place_of(options), options.chapter) if failed else [],
        })
    return rows


def document(options, seconds, checks, verdicts, found, limits):
    """What --json writes."""
    rows = rows_of(options, checks, verdicts, found)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return {"schema": 1, "chapter": options.chapter.name, "command": options.command, "date": now,
            "seconds": round(seconds, 2), "points": sum(row["points"] for row in rows),
            "of": sum(row["of"] for row in rows), "limits": limits, "checks": rows}


MARKS = {"passed": ("green", _("passed")), "failed": ("red", _("failed")), "skipped": ("yellow", _("skipped")),
         "cannot-tell": ("cyan", "?")}


def lines_of(rows):
    """[status, what is said of it, the checks]: those that cannot be told for one reason stand together."""
    lines = []
    for row in rows:
        said = row["title"] if row["status"] == "failed" else translated(row["message"])
        same = next((line for line in lines if line[:2] == ["cannot-tell", said]), None)
        if same and row["status"] == "cannot-tell":
            same[2].append(row["id"])
        elif row["status"] != "passed":
            lines.append([row["status"], said, [row["id"]]])
    return lines


def table_of(rows, width):
    """Their lines, as a table that is `width` columns wide."""
    from columns import wrapped
    from rich.cells import cell_len
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    lines = [(*MARKS[status], ", ".join(ids), said) for status, said, ids in lines_of(rows)]
    widest = [max(map(cell_len, column)) for column in zip(*lines)] or [0] * 4
    room = max(NARROWEST, width - 3 - widest[1])
    for_ids = min(widest[2], max(room // 2, room - widest[3]))
    for colour, mark, ids, said in lines:
        table.add_row(f"[{colour}]{mark}[/]", "\n".join(wrapped(ids, for_ids)),
                      escape("\n".join(wrapped(said, room - for_ids))))
    return table


def show(result, hint):
    """One screen: what passed in a line, a line for what did not, and the first failure told; with `hint` all of them."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.width = max(NARROWEST, console.width)
    rows = result["checks"]
    passed = [row for row in rows if row["status"] == "passed"]
    if passed:
        console.print(f"[green]{_('passed')}[/]  {escape(', '.join(row['id'] for row in passed))}")
    table = table_of(rows, console.width)
    if table.row_count:
        console.print(table)
    failed = [row for row in rows if row["status"] == "failed"]
    for row in failed if hint else failed[:1]:
        console.print()
        story = (_("What was done:"), _("What was wrong:"))
        begin = next((at for at, line in enumerate(row["report"]) if line in story), 1)
        for at, line in enumerate(row["report"]):
            console.print(escape(line), style="bold" if at < begin else "", soft_wrap=True)
    if len(failed) > 1 and not hint:
        console.print("\n" + _("{count} more failed: --hint tells of them too.", count=len(failed) - 1))
    for limit in result["limits"]:
        console.print(f"[cyan]{escape(translated(limit))}[/]")
    console.print("\n" + _("{chapter}: {points} of {of} points in {seconds} s", chapter=result["chapter"],
                           points=result["points"], of=result["of"], seconds=result["seconds"]))


def build_what_fails(options):
    """Builds the library that lets calls fail, where it is missing and wanted: without it two checks cannot tell."""
    import build
    import examine

    wanted = any(check.id in ("no-worker", "udp-error") for check in checks_of(options, examine.terms()))
    if wanted and options.command and not FAULT.exists():
        try:
            build.build([str(FAULT.relative_to(BUILD))])
        except Trouble as trouble:
            say(trouble)


def once(options):
    begin = time.monotonic()
    try:
        found = judged(options)
    except OSError as error:  # none of stdout's, which who asks is told of
        raise RuntimeError("it could not be judged") from error
    result = document(options, 0, *found)
    result["seconds"] = round(time.monotonic() - begin, 2)
    if options.json:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        try:
            sys.stdout.write(text) if options.json == "-" else Path(options.json).write_text(text)
        except OSError as error:
            raise Trouble(_("{what}: {reason}", what=f"--json {options.json}", reason=error.strerror), USAGE) from None
    if options.json != "-":
        show(result, "--hint" in options.flags)
    return 1 if any(row["status"] == "failed" for row in result["checks"]) else 0


def stamps(options):
    """When the files that the command names were changed last."""
    return [os.stat(word).st_mtime_ns for word in options.command if Path(word).is_file()]


def watch(options):
    """Again and again, whenever one of the files that the command names has changed. Ends by Ctrl-C."""
    while True:
        before = stamps(options)
        print("\033[2J\033[H" if sys.stdout.isatty() else "", end="")
        once(options)
        print(_("waiting until it changes; Ctrl-C ends this"), flush=True)
        while stamps(options) in (before, []):
            time.sleep(0.2)


def main(words):
    options = read(words)
    packages.require("core", "test")
    from process import raise_descriptor_limit

    raise_descriptor_limit()
    build_what_fails(options)
    try:
        return watch(options) if "--watch" in options.flags else once(options)
    except (Trouble, KeyboardInterrupt, OSError):
        raise
    except Exception:
        traceback.print_exc()
        raise Trouble(_("this is a fault of the checker, not of the server"), OWN_FAULT) from None
