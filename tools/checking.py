"""./lab check CHAPTER [OPTIONS] -- COMMAND: anybody's server, in any language, against a chapter's contract."""

import datetime
import json
import os
import re
import shutil
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import packages
from common import BUILD, USAGE, Trouble, find_chapter

FAULT = BUILD / "tests" / "libfault.so"
OWN_FAULT = 3  # the exit code when it is not the server that is to blame
PATIENCE = 4.0  # seconds, for whatever a check waits for
VALUED = ("--port", "--address", "--json", "--only", "--factor")
FLAGS = ("--watch", "--hint", "--full")


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
    side_by_side: int = 4 * len(os.sched_getaffinity(0))  # checks at once: each waits most of the time
    sandbox: object = None  # where the command runs, if it is not trusted


def read(words):
    """The Options that the words say. Raises Trouble."""
    before = words[:words.index("--")] if "--" in words else words
    command = words[words.index("--") + 1:] if "--" in words else []
    values, flags, rest = {}, set(), []
    before = iter(before)
    for word in before:
        if word in VALUED:
            values[word] = next(before, None)
            if values[word] is None:
                raise Trouble(f"{word} wants a value", USAGE)
        elif word in FLAGS:
            flags.add(word)
        else:
            rest.append(word)
    if len(rest) != 1 or rest[0].startswith("-"):
        raise Trouble("check takes a chapter and a command: ./lab check 04 -- ./my_server {port}"
                      + (f"; what is '{rest[-1]}'?" if rest else ""), USAGE)
    options = Options(find_chapter(rest[0]), command, flags, json=values.get("--json", ""), only=values.get("--only", ""))
    options.port = number("--port", values.get("--port"), 1, 65535)
    options.factor = float(number("--factor", values.get("--factor", "1"), 1, 100))
    options.address = address(values.get("--address"))
    if options.address:
        options.side_by_side = 1
    if bool(command) == bool(options.address):
        raise Trouble("check takes a command after --, or --address for a server that runs already", USAGE)
    if command and not (shutil.which(command[0]) or Path(command[0]).is_dir()):
        raise Trouble(f"there is no program '{command[0]}'", USAGE)
    return options


def number(name, text, least, most):
    if text is None:
        return None
    if not text.isdigit() or not least <= int(text) <= most:
        raise Trouble(f"{name} wants a number from {least} to {most}, not '{text}'", USAGE)
    return int(text)


def address(text):
    """(host, port), or a path; what --address says."""
    if text is None:
        return None
    found = re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})", text)
    return (found[1], int(found[2])) if found else text


def ladder_of(chapter):
    import contract
    import datagram_contract

    return datagram_contract.ladder if chapter.transport == "udp" else contract.ladder


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
        raise Trouble(f"--only: chapter {chapter.number} has no check '{options.only}': "
                      + ", ".join(check.id for check in asked), USAGE)
    return [check for check in ladder.up_to(options.only) if check in asked]


def subject_maker(options, trace=()):
    import anybody

    datagrams = options.chapter.transport == "udp"
    patience = PATIENCE * options.factor
    if options.address:
        kind = anybody.RunningDatagramSubject if datagrams else anybody.RunningSubject
        return lambda check: kind(options.address, options.chapter, patience)
    kind = anybody.AnyDatagramSubject if datagrams else anybody.AnySubject
    command = [anybody.absolute(word) for word in options.command]
    fault, box = (options.sandbox.fault, options.sandbox) if options.sandbox else (FAULT, None)
    return lambda check: kind(command, options.chapter, patience, options.port, fault, trace, box and box.of(check))


def verdicts_of(checks, options, told=lambda id, verdict: None):
    """{check: Verdict} of the checks, in their order."""
    import examine

    climb = examine.Climb(checks, subject_maker(options), examine.terms(), options.factor, options.side_by_side, told)
    verdicts = climb.run()
    if broken := next((v for v in verdicts.values() if v.status == "error"), None):
        raise RuntimeError(broken.message)
    return verdicts


def causes_of(checks, verdicts, options):
    """({failed check: its cause}, what this machine could not do)."""
    import causes
    import examine

    failed = [check for check in checks if verdicts[check.id].status == "failed"]
    if not failed:
        return {}, []
    return causes.of(failed, verdicts, lambda trace: subject_maker(options, trace), examine.terms(), options)


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
            "id": check.id, "title": check.title, "status": verdict.status, "needs": check.needs or None,
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


MARKS = {"passed": ("green", "passed"), "failed": ("red", "failed"), "skipped": ("yellow", "skipped"),
         "cannot-tell": ("cyan", "?")}


def show(result, hint):
    """One screen: what passed in a line, a line for what did not, and the first failure told; with `hint` all of them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    rows = result["checks"]
    passed = [row for row in rows if row["status"] == "passed"]
    if passed:
        console.print(f"[green]passed[/]  {escape(', '.join(row['id'] for row in passed))}")
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for row in rows:
        if row["status"] != "passed":
            colour, mark = MARKS[row["status"]]
            said = row["title"] if row["status"] == "failed" else row["message"]
            table.add_row(f"[{colour}]{mark}[/]", row["id"], escape(said))
    if table.row_count:
        console.print(table)
    failed = [row for row in rows if row["status"] == "failed"]
    for row in failed if hint else failed[:1]:
        console.print()
        for line in row["report"]:
            console.print(escape(line), style="bold" if line == row["report"][0] else "", soft_wrap=True)
    if len(failed) > 1 and not hint:
        console.print(f"\n{len(failed) - 1} more failed: --hint tells of them too.")
    for limit in result["limits"]:
        console.print(f"[cyan]{escape(limit)}[/]")
    console.print(f"\n{result['chapter']}: {result['points']} of {result['of']} points in {result['seconds']} s")


def once(options):
    begin = time.monotonic()
    result = document(options, 0, *judged(options))
    result["seconds"] = round(time.monotonic() - begin, 2)
    if options.json:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        try:
            sys.stdout.write(text) if options.json == "-" else Path(options.json).write_text(text)
        except OSError as error:
            raise Trouble(f"--json {options.json}: {error.strerror}", USAGE) from None
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
        print("waiting until it changes; Ctrl-C ends this", flush=True)
        while stamps(options) in (before, []):
            time.sleep(0.2)


def main(words):
    options = read(words)
    packages.require("core", "test")
    from process import raise_descriptor_limit

    raise_descriptor_limit()
    try:
        return watch(options) if "--watch" in options.flags else once(options)
    except (Trouble, KeyboardInterrupt, OSError):
        raise
    except Exception:
        traceback.print_exc()
        raise Trouble("this is a fault of the checker, not of the server", OWN_FAULT) from None
