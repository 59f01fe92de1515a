"""What else is written from the students' results: JUnit XML, Gradescope's results.json, annotations and a summary for
GitHub, a table, and a page for the class. What a student wrote may stand in all of them, and is data in all of them."""

import csv
import io
import json
import os
import re
import xml.etree.ElementTree as xml
from pathlib import Path

from grade_progress import first_failed, moved, told_failure
from grading import write
from handed_in import BUILT

PAGE = Path(__file__).with_name("grade.html")
GRADESCOPE = {"visible": "visible", "hidden": "after_due_date"}
AT = re.compile(r"([\w./-]+):(\d+):(?:\d+:)? (?:fatal )?error: (.*)")  # where a compiler says that something is wrong


def story(row):
    """What is told of a check that did not pass."""
    return "\n".join(row["report"]) or row["message"]


def rows_of(results, hidden=True):
    """(result, chapter, row) of all checks; or without those that a student does not see before the deadline."""
    return [(result, chapter, row) for result in results for chapter in result["chapters"] for row in chapter["checks"]
            if hidden or row["visibility"] == "visible"]


# ---- JUnit


def junit(results):
    suites = xml.Element("testsuites", name="lab grade")
    for result in results:
        for chapter in result["chapters"]:
            rows = chapter["checks"]
            failures = sum(row["status"] == "failed" for row in rows)
            skipped = sum(row["status"] in ("skipped", "cannot-tell") for row in rows)
            suite = xml.SubElement(
                suites, "testsuite", name=f"{result['student']} {chapter['chapter']}", tests=str(len(rows)), errors="0",
                failures=str(failures), skipped=str(skipped), time=str(chapter["seconds"]), timestamp=result["date"][:19])
            for row in rows:
                case = xml.SubElement(suite, "testcase", name=row["id"], time=str(row["seconds"]),
                                      classname=f"{result['student']}.{chapter['chapter']}")
                if row["status"] == "failed":
                    xml.SubElement(case, "failure", message=row["message"][:500]).text = story(row)
                elif row["status"] != "passed":
                    xml.SubElement(case, "skipped", message=row["message"][:500])
    xml.indent(suites)
    return xml.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


# ---- Gradescope


def gradescope(result):
    """One student's results.json: an object for each check, with its points and its visibility."""
    tests = []
    for _, chapter, row in rows_of([result]):
        tests.append({
            "name": f"{chapter['chapter']}: {row['title']}", "number": f"{chapter['chapter'][:2]}.{row['id']}",
            "score": row["points"], "max_score": row["of"],
            "status": "passed" if row["status"] == "passed" else "failed",
            "output": story(row), "visibility": GRADESCOPE[row["visibility"]],
        })
    return {"score": result["points"], "execution_time": round(result["seconds"]), "output": "\n".join(result["notes"]),
            "tests": tests}


# ---- GitHub


def property_of(text):
    return data_of(text).replace(":", "%3A").replace(",", "%2C")


def data_of(text):
    """As a workflow command takes it, which ends at the line's end."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def place(path):
    """As GitHub takes it: below the folder in which grading was started, which is the checkout's; or from the root."""
    path, here = os.path.normpath(path), os.getcwd()
    return os.path.relpath(path, here) if os.path.commonpath([path, here]) == here else path


def annotations(results, students):
    """A line for each failure; `students` are {name: folder}."""
    lines = []
    for result, chapter, row in rows_of(results, hidden=False):
        if row["status"] != "failed":
            continue
        folder, said = students[result["student"]] / (chapter["folder"] or "."), row["message"]
        where = f"file={property_of(place(folder))}"
        if row["id"] == "builds" and (found := AT.search(said)):
            below = "" if os.path.exists(folder / found[1]) else BUILT  # in which Meson's compiler runs
            where = f"file={property_of(place(folder / below / found[1]))},line={found[2]}"
        title = property_of(f"{result['student']}, {chapter['chapter']}: {row['id']}")
        lines.append(f"::error {where},title={title}::" + data_of(row["title"] + ": " + said))
    return "".join(line + "\n" for line in lines)


def cell(text):
    """As a cell of a table in Markdown: no mark of it and no HTML is left to act."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~#!@])", r"\\\1", text)


def summary(results):
    """Markdown: a row for each student, without what is hidden before the deadline."""
    lines = ["| student | points | fails first, likely cause |", "| --- | ---: | --- |"]
    for result in results:
        shown = [row for _, _, row in rows_of([result], hidden=False)]
        points, of = sum(row["points"] for row in shown), sum(row["of"] for row in shown)
        lines.append(f"| {cell(result['student'])} | {points}/{of} | {cell(told_failure(result, hidden=False))} |")
    return "\n".join(lines) + "\n"


# ---- the class


def harmless(text):
    """What a spreadsheet would take for a formula is text."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def table(results):
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    chapters = [chapter["chapter"] for chapter in results[0]["chapters"]] if results else []
    rows.writerow(["student", *chapters, "points", "of", "fails first", "cause", "moved"])
    for result in results:
        first, cause = first_failed(result)
        unsteady = " ".join(f"{chapter['chapter'][:2]}.{row['id']}" for chapter, row in moved(result))
        points = [chapter["points"] for chapter in result["chapters"]]
        rows.writerow([harmless(result["student"]), *points, result["points"], result["of"], harmless(first),
                       harmless(cause), unsteady])
    return out.getvalue()


def page(results):
    import jinja2

    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                  undefined=jinja2.StrictUndefined).from_string(PAGE.read_text())
    limits = sorted({limit for result in results for limit in result["limits"]})
    return template.render(results=results, limits=limits, told_failure=told_failure, story=story, moved=moved)


def write_all(out, results, students):
    """All of them, into `out`; and to GitHub, where it is GitHub that runs this. `students` are {name: folder}."""
    errors = annotations(results, students)
    (out / "gradescope").mkdir(exist_ok=True)
    for result in results:
        write(out / "gradescope" / f"{result['student']}.json",
              json.dumps(gradescope(result), indent=1, ensure_ascii=False) + "\n")
    write(out / "junit.xml", junit(results))
    write(out / "annotations.txt", errors)
    write(out / "summary.md", summary(results))
    write(out / "class.csv", table(results))
    write(out / "class.html", page(results))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(errors, end="")
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(file, "a") as summaries:
            summaries.write(summary(results))
