"""./lab grade: what it makes of a class, that what it is given is held in its sandbox, and that its results can be
read by those for whom they are made."""

import csv
import ctypes
import errno
import faulthandler
import io
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path

import pytest

import grade_exports
import grading
import handed_in
import network
import packages
import sandbox
from chapters import ROOT
from check import CannotTell
from process import prlimit, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("graders")]  # one at a time: each has many processes side by side
PYTHON = "/usr/bin/python3"
SERVER = """
import socket, sys, os, time, signal, threading
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 9527))
def serve(connection):
    while data := connection.recv(4096): connection.sendall(answer(data))
    connection.close()
def answer(data): return data.upper()
def listen():
    listener.listen(100)
    while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
RIGHT = SERVER + "listen()\n"


def grade(*words, timeout=300, **rest):
    return subprocess.run([ROOT / "lab", "grade", *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **rest)


def student(folder, program, name="server.py"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(program)
    return folder


def graded(folder, *words, check="answers", chapter="01", **rest):
    """The result of one student, of a chapter up to one check."""
    out = folder.parent / "out"
    ended = grade(folder, "--chapters", chapter, "--out", out, "--only", check, *words, **rest)
    assert ended.returncode == 0, ended.stderr
    return json.loads((out / f"{folder.name}.json").read_text())


def status(result):
    return {row["id"]: row["status"] for row in result["chapters"][0]["checks"]}


# ---- the command line


@pytest.mark.parametrize("words, said", [
    ([], "takes folders"), (["nowhere"], "there is no folder 'nowhere'"), ([".", "--nonsense"], "what is '--nonsense'"),
    ([".", "--chapters"], "--chapters wants a value"), ([".", "--chapters", "99"], "'99' is no chapter"),
    ([".", "--chapters", "08-01"], "the first comes after the last"), ([".", "--jobs", "0"], "--jobs wants a number"),
    ([".", "--stability", "x"], "--stability wants a number"), ([".", "--only", "nothing"], "has no check 'nothing'"),
    ([".", "."], "two students are called"), (["/dev/null"], "none of these is a student's folder"),
])
def test_a_bad_command_line_is_exit_2(words, said):
    ended = grade(*words)
    assert (ended.returncode, ended.stdout) == (2, "") and said in ended.stderr.splitlines()[-1], ended.stderr


@pytest.mark.parametrize("text, numbers", [("04", "04"), ("01,3", "01 03"), ("02-04,9", "02 03 04 09"), ("fork", "02")])
def test_chapters_are_named_by_numbers_and_ranges(text, numbers):
    assert [chapter.number for chapter in grading.chapters_of(text)] == numbers.split()


# ---- what was handed in


def test_nothing_that_leads_out_is_read(tmp_path):
    folder = student(tmp_path / "her", "x")
    (folder / "shadow").symlink_to("/etc/shadow")
    (folder / "up").symlink_to("../..")
    (folder / "inside").symlink_to("server.py")
    (folder / "src").mkdir()
    (folder / "src/main").symlink_to("../server.py")
    os.mkfifo(folder / "pipe")
    for name in ("new\nline.c", "汉字.c", "--help.c", "$(touch x).c"):
        (folder / name).write_text("int x;")
    reading = handed_in.read(folder, tmp_path / "copy")
    assert len(reading.notes) == 3 and not list((tmp_path / "copy").rglob("pipe"))
    assert {found.name for found in reading.files if found.kind == "link"} == {"inside", "src/main"}
    assert (tmp_path / "copy/new\nline.c").read_text() == "int x;" and len(reading.files) == 7


def test_the_digest_is_that_of_the_content(tmp_path):
    folder = student(tmp_path / "her", "x")
    before = handed_in.read(folder).digest.hexdigest()
    os.utime(folder / "server.py", (0, 0))
    assert handed_in.read(folder).digest.hexdigest() == before
    (folder / "server.py").chmod(0o755)
    after = handed_in.read(folder).digest.hexdigest()
    (folder / "server.py").rename(folder / "client.py")
    assert len({before, after, handed_in.read(folder).digest.hexdigest()}) == 3


def test_what_the_machine_refuses_changes_the_digest_and_why_does_not(tmp_path):
    options = grading.read([str(student(tmp_path / "her", "x"))])
    machines = [sandbox.Machine("", "", "", "", *last) for last in (("", ""), ("", "no"), ("mount /tmp/a", ""),
                                                                   ("mount /tmp/b", ""))]
    bare = [grading.digest_of(tmp_path / "her", options, machine) for machine in machines]
    assert len(set(bare)) == 3 and bare[2] == bare[3]


@pytest.mark.parametrize("make, said", [
    (lambda folder: [(folder / str(n)).touch() for n in range(20)], "20 files"),
    (lambda folder: os.truncate(folder / "server.py", 10 << 30), "64 MiB"),
])
def test_too_much_is_not_read(make, said, tmp_path, monkeypatch):
    monkeypatch.setattr(handed_in, "MOST_FILES", 20)
    make(student(tmp_path / "her", "x"))
    with pytest.raises(handed_in.Unfit, match=f"more than {said}"):
        handed_in.read(tmp_path / "her")


@pytest.mark.parametrize("files, script", [
    ("Makefile server.c", "make"), ("meson.build a.cpp", "meson setup"), ("CMakeLists.txt a.cpp", "cmake -S"),
    ("server.cpp client.cpp", "-o server ./server.cpp"), ("echo.c", "cc .*./echo.c"), ("server.py", "^$"),
    ("'a b.c'", r"'./a b.c'$"),
])
def test_how_it_is_built(files, script, tmp_path):
    import shlex

    for name in shlex.split(files):
        (tmp_path / name).touch()
    assert re.search(script, handed_in.build_script(tmp_path))


def test_two_sources_and_no_builder_is_said(tmp_path):
    for name in ("a.c", "b.c"):
        (tmp_path / name).touch()
    with pytest.raises(handed_in.Unfit, match="2 sources"):
        handed_in.build_script(tmp_path)


def test_how_it_is_started(tmp_path):
    chapter = grading.chapters_of("04")[0]
    with pytest.raises(handed_in.Unfit, match="no program"):
        handed_in.command_of(tmp_path, chapter)
    for name in ("one", "two"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(handed_in.Unfit, match="several programs"):
        handed_in.command_of(tmp_path, chapter)
    (tmp_path / "two").rename(tmp_path / "my_server")
    assert handed_in.command_of(tmp_path, chapter) == [str(tmp_path / "my_server")]
    (tmp_path / "run").write_text("# the port comes first\n./one {port} --fast\n")
    assert handed_in.command_of(tmp_path, chapter) == [str(tmp_path / "one"), "{port}", "--fast"]
    (tmp_path / "run").write_text("./one 'unclosed\n")
    with pytest.raises(handed_in.Unfit, match="one line"):
        handed_in.command_of(tmp_path, chapter)


@pytest.mark.parametrize("name, found", [("04", 1), ("4", 1), ("04_select", 1), ("4-select", 1), ("40", 0), ("041", 0),
                                         ("x04", 0)])
def test_where_a_chapter_is(name, found, tmp_path):
    student(tmp_path / name, "x")
    chapter = grading.chapters_of("04")[0]
    if found:
        assert handed_in.folder_of(chapter, tmp_path, False) == tmp_path / name
    else:
        with pytest.raises(handed_in.Unfit, match="no folder for chapter 04"):
            handed_in.folder_of(chapter, tmp_path, False)


# ---- the sandbox

ATTEMPTS = r"""
import ctypes, json, os, resource, signal, socket, sys, time
checkout, other, parent, base = sys.argv[1:5]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
libc = ctypes.CDLL(None, use_errno=True)
done = {}
def attempt(name, action):
    try:
        done[name] = f"did it: {action()}"
    except (OSError, ValueError) as error:
        done[name] = getattr(error, "strerror", "") or str(error)
def call(result):
    if result == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def connect(host, port):
    with socket.socket() as s:
        s.settimeout(2)
        s.connect((host, port))
def fill(folder):
    for n in range(100):
        with open(f"{folder}/fill{n}", "wb") as file:
            for _ in range(25): file.write(b"x" * 1000000)
def one_file():
    with open("/tmp/one", "wb") as file:
        for _ in range(100): file.write(b"x" * 1000000)
def fork_without_end():
    made = 0
    try:
        while made < 10000:
            if not (pid := os.fork()):
                signal.pause()
            made += 1
    except OSError: raise OSError(0, f"stopped")
def kill_the_checker():
    for number in range(1, 32): os.kill(1, number)
    if open("/proc/1/stat").read().split()[2] in "SR": raise OSError(0, "unmoved")
attempt("read the checkout", lambda: open(checkout).read(9))
attempt("read another's folder", lambda: open(other).read(9))
attempt("reach the machine's network", lambda: connect("127.0.0.1", int(parent)))
attempt("reach the world", lambda: connect("192.0.2.1", 80))
attempt("write in /usr", lambda: open("/usr/x", "w"))
attempt("write in the checker's folder", lambda: open(f"{base}/fault.so", "w"))
attempt("read a secret of the environment", lambda: os.environ["SECRET"] if "SECRET" in os.environ else open("/nothing"))
attempt("kill the checker", kill_the_checker)
attempt("trace the checker", lambda: call(libc.ptrace(16, 1, 0, 0)))
attempt("read the checker's memory", lambda: open("/proc/1/mem", "rb").read(1))
attempt("leave by the checker's root", lambda: os.listdir("/proc/1/root"))
attempt("make a user namespace", lambda: call(libc.unshare(0x10000000)))
attempt("mount", lambda: call(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)))
attempt("become root", lambda: os.setuid(0))
attempt("raise a limit", lambda: resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999)))
attempt("write 100 MB into a file", one_file)
attempt("fill the disk", lambda: fill("."))
attempt("fill /tmp", lambda: fill("/tmp"))
attempt("fork 10000 times", fork_without_end)
print(json.dumps(done))
"""
CONTAINED = {
    "read the checkout": "No such file|Permission", "read another's folder": "No such file|Permission",
    "reach the machine's network": "refused", "reach the world": "unreachable", "write in /usr": "Read-only|Permission",
    "write in the checker's folder": "Read-only|Permission",
    "read a secret of the environment": "No such file", "kill the checker": "not permitted|unmoved", "trace the checker": "not permitted",
    "read the checker's memory": "Permission", "leave by the checker's root": "Permission",
    "make a user namespace": "not permitted|No space", "mount": "not permitted", "become root": "not permitted|Invalid",
    "raise a limit": "not permitted|not allowed", "write 100 MB into a file": "File too large", "fill the disk": "No space",
    "fill /tmp": "No space", "fork 10000 times": "stopped",
}
DANGEROUS = {"kill the checker", "fill the disk", "fill /tmp", "fork 10000 times", "trace the checker", "become root", "mount",
             "write in /usr", "write in the checker's folder", "raise a limit"}  # not done without a sandbox


def inside(base, command, others=True, **box):
    """Runs a command in a sandbox as a check does, and returns what it printed. Without `others` as an ordinary user."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            if not others:
                os.setgroups([])
                os.setresgid(12345, 12345, 12345)
                os.setresuid(12345, 12345, 12345)
                network.libc.prctl(sandbox.PR_SET_DUMPABLE, 1)
            faulthandler.disable()
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the first of a process namespace hears only what it handles
            network.begin_new_numbers()
            sandbox.begin_apart(base)
            within = sandbox.Sandbox(base, secrets=(ROOT,), **box)
            within.prepare(Path(__file__))
            network.begin_new_numbers()
            network.renew()
            program = subprocess.Popen(command, env=within.environment, stdout=theirs, stdin=subprocess.DEVNULL,
                                       start_new_session=True, **within.keywords(None))
            program.wait(60)
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def needs_namespaces(base):
    machine = sandbox.machine(base)
    if machine.mounts or machine.network:
        pytest.skip(f"this machine grants no namespaces: {machine.mounts or machine.network}")


@pytest.fixture(scope="module")
def base():
    """A folder that another user can come to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        needs_namespaces(Path(name))
        yield Path(name)


@pytest.fixture(scope="module", params=["root", "ordinary user"])
def contained(request, base):
    """{attempt: what came of it} in the sandbox, when root grades and when somebody else does."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("not root")
    others = request.param == "root" or os.geteuid() != 0
    if not others:
        base = base / "another's"
        base.mkdir()
        os.chown(base, 12345, 12345)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        os.environ["SECRET"] = "token"
        try:
            words = [str(ROOT / "lab"), "/etc/shadow", str(listener.getsockname()[1]), str(base)]
            said = inside(base, [PYTHON, "-c", ATTEMPTS, *words], others, processes=300)
        finally:
            del os.environ["SECRET"]
    return json.loads(said)


@pytest.mark.parametrize("attempt", CONTAINED)
def test_the_sandbox_holds(attempt, contained):
    assert re.search(CONTAINED[attempt], contained[attempt]), contained[attempt]


def test_without_a_sandbox_the_attempts_succeed(tmp_path):
    """What is harmless of them: an attempt that could not succeed would prove nothing."""
    other = student(tmp_path / "other", "his work")
    harmless = [line for line in ATTEMPTS.splitlines() if not any(f'attempt("{name}"' in line for name in DANGEROUS)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = [ROOT / "lab", other / "server.py", listener.getsockname()[1], tmp_path]
        ended = subprocess.run([PYTHON, "-c", "\n".join(harmless), *map(str, words)], capture_output=True, text=True,
                               env={**os.environ, "SECRET": "token"}, cwd=tmp_path)
    done = json.loads(ended.stdout)
    Path("/tmp/one").unlink()
    for attempt in ("read the checkout", "read another's folder", "reach the machine's network",
                    "read a secret of the environment", "write 100 MB into a file"):
        assert done[attempt].startswith("did it"), done
    assert set(done) == set(CONTAINED) - DANGEROUS


def test_each_start_gets_the_folder_afresh(base):
    say = ["sh", "-c", "ls; echo more > left; ls; pwd"]
    assert inside(base, say) == inside(base, say) == f"left\n{base}/student\n"


def test_a_compiler_may_write_larger_files(base):
    write = ["sh", "-c", "head -c 100000000 /dev/zero > /tmp/a.s && wc -c < /tmp/a.s"]
    assert inside(base, write, building=True) == "100000000\n" and inside(base, write) == ""


def test_a_limit_is_set_as_the_programs_own_user():
    if not sandbox.other_users():
        pytest.skip("not root")
    with subprocess.Popen(["sleep", "1000"], user=sandbox.FIRST_USER, group=sandbox.FIRST_USER) as process:
        try:
            hard = prlimit(process.pid, resource.RLIMIT_NOFILE)[1]
            prlimit(process.pid, resource.RLIMIT_NOFILE, (7, hard))
            assert prlimit(process.pid, resource.RLIMIT_NOFILE) == (7, hard)
        finally:
            process.kill()


def test_what_could_not_be_enforced_is_said():
    everything = sandbox.Machine("", "", "", "", "", "")
    nothing = sandbox.Machine("no users", "no numbers", "no network", "no mounts", "no overlay", "no descriptors")
    assert len(everything.limits()) == 1 and "memory" in everything.limits()[0]
    said = re.findall(r"no (?:numbers|network|mounts|descriptors)", "\n".join(nothing.limits()))
    assert said == ["no numbers", "no network", "no mounts", "no descriptors"]
    assert "no overlay" in " ".join(sandbox.Machine("", "", "", "", "no overlay", "").limits())


def test_whether_a_program_can_be_looked_into_is_tried(base, monkeypatch):
    def refused(pid):
        raise CannotTell("not to be seen")

    assert not sandbox.machine(base).descriptors
    monkeypatch.setattr(sandbox, "descriptors", refused)
    assert sandbox.machine(base).descriptors == "not to be seen"


# ---- what is written


def row(id, status="passed", points=1, of=1, visibility="visible", message="", runs=None, **rest):
    return {"id": id, "title": f"Title of {id}", "status": status, "needs": None, "seconds": 0.1, "points": points, "of": of,
            "visibility": visibility, "message": message, "cause": None, "report": [], "runs": runs or [status], **rest}


NASTY = "=cmd|' /C calc'!A0<script>alert(1)</script>\n::error::x|`*_[a](b)&\"]]>"


def results(name=NASTY):
    failed = row("answers", "failed", 0, 2, message=NASTY, report=[NASTY, "second line"], runs=["failed", "passed"],
                 cause={"id": "echoes", "seen": False, "text": NASTY})
    rows = [row("builds", of=0, points=0), row("starts"), failed,
            row("secret", "failed", 0, 3, "hidden", "not to be told"), row("exact", "skipped", 0, 2, message="needs answers"),
            row("odd", "cannot-tell", 0, 0, message="cannot")]
    chapter = {"chapter": "01_basic_tcp", "folder": "01", "command": [NASTY], "seconds": 1.5, "points": 1, "of": 8, "checks": rows}
    return [{"schema": 1, "student": name, "date": "2026-01-02T03:04:05+0000", "digest": "0", "options": {}, "seconds": 2.0,
             "points": 1, "of": 8, "limits": [NASTY], "notes": [NASTY], "chapters": [chapter]}]


def test_junit_is_xml_that_counts_right():
    suite = xml.fromstring(grade_exports.junit(results())).find("testsuite")
    assert [suite.get(key) for key in ("tests", "failures", "skipped", "errors")] == ["6", "2", "2", "0"]
    assert suite.find(".//failure").text.startswith(NASTY) and suite.get("name").startswith("=cmd")


def test_gradescope_gets_what_it_reads():
    found = grade_exports.gradescope(results()[0])
    assert set(found) == {"score", "execution_time", "output", "tests"} and found["score"] == 1
    assert sum(test["score"] for test in found["tests"]) == found["score"]
    for test in found["tests"]:
        assert set(test) == {"name", "number", "score", "max_score", "status", "output", "visibility"}
        assert isinstance(test["score"], int) and test["status"] in ("passed", "failed")
    assert {test["number"]: test["visibility"] for test in found["tests"]}["01.secret"] == "after_due_date"


def test_an_annotation_is_one_line_and_tells_nothing_hidden():
    students = {NASTY: Path.cwd() / "class/her"}
    lines = grade_exports.annotations(results(), students).splitlines()
    assert len(lines) == 1 and lines[0].startswith("::error file=class/her/01,title=") and "%0A" in lines[0]
    assert not set(":,") & set(lines[0].partition("title=")[2].partition("::")[0])
    found = results()
    found[0]["chapters"][0]["checks"][0] = row("builds", "failed", 0, 0, message="./a.cpp:12:3: error: no, it: is 100%")
    assert "100%25" in grade_exports.annotations(found, students)


@pytest.mark.parametrize("said, file", [("./a.cpp", "01/a.cpp"), ("../a.cpp", "01/a.cpp"), ("../b.h", "b.h"),
                                        ("/usr/include/x.h", "/usr/include/x.h")])
@pytest.mark.parametrize("where, begin", [("", "class/her/"), ("class", "her/"), ("class/her/01", "{}/class/her/")])
def test_an_annotation_names_a_file_from_where_grading_was_started(where, begin, said, file, tmp_path, monkeypatch):
    folder = tmp_path / "class/her"
    for name in ("01/a.cpp", "b.h"):
        student((folder / name).parent, "", (folder / name).name)
    monkeypatch.chdir(tmp_path / where)
    found = results("her")
    found[0]["chapters"][0]["checks"] = [row("builds", "failed", 0, 0, message=f"{said}:12:3: error: no")]
    line = grade_exports.annotations(found, {"her": folder})
    file = file if file.startswith("/") else begin.format(tmp_path) + file
    wanted = file.removeprefix(f"{tmp_path}/class/her/01/")
    assert line.startswith(f"::error file={wanted},line=12,title=")


def test_the_summary_is_a_table_and_tells_nothing_hidden():
    lines = grade_exports.summary(results()).splitlines()
    assert len(lines) == 3 and len(re.findall(r"(?<!\\)\|", lines[2])) == 4 and "1/5" in lines[2]
    assert "<script" not in lines[2] and "not to be told" not in lines[2]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a,b\"c\nd"])
def test_a_spreadsheet_reads_text_and_no_formula(name):
    header, cells = csv.reader(io.StringIO(grade_exports.table(results(name))))
    assert header == ["student", "01_basic_tcp", "points", "of", "fails first", "cause", "moved"]
    assert cells[0].lstrip("'") == name and cells[0][0] not in "=+-@\t"
    assert cells[1:] == ["1", "1", "8", "01 answers", "echoes", "01.answers"]


def test_the_page_is_html_in_which_nothing_of_a_students_acts():
    pytest.importorskip("jinja2", reason="python3-jinja2 is not installed")
    page = grade_exports.page(results())
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))

    Reader().feed(page)
    assert "script" not in {tag for tag, _ in found} and "&lt;script&gt;" in page
    leads = [value for _, attributes in found for key, value in attributes.items() if key in ("src", "href")]
    assert leads and {value[0] for value in leads} == {"#"}
    assert "verdicts moved" in page and "default-src &#39;none&#39;" not in page and "default-src 'none'" in page


def test_no_student_makes_all_the_same():
    pytest.importorskip("jinja2", reason="python3-jinja2 is not installed")
    assert xml.fromstring(grade_exports.junit([])).tag == "testsuites" and "0 students" in grade_exports.page([])
    assert grade_exports.table([]).count("\n") == 1


def test_a_name_is_a_files_name_and_text_everywhere():
    assert grading.shown_name("Ann 李") == "Ann 李"
    assert grading.shown_name("a\nb\x1b[1m") == "a\\u000ab\\u001b[1m"
    assert grading.shown_name(os.fsdecode(b"\xff")) == "\\xff" and grading.shown_name("..") == "_"


def test_what_is_written_is_text_everywhere():
    assert grading.cleaned({"a": ["\x1b[31m\ud800 /tmp/x/04/server"]}, {"/tmp/x/04/": ""}) == {"a": ["�[31m� server"]}


# ---- all of it


@pytest.fixture(scope="module")
def can_grade(plain):
    """./lab grade would install what it lacks."""
    if lacking := packages.missing("grade"):
        pytest.skip(f"not installed: {', '.join(package.name for package in lacking)}")


def test_a_student_is_graded_and_the_result_is_as_the_schema_says(tmp_path, can_grade):
    result = graded(student(tmp_path / "Ann 李", RIGHT), check="exact-bytes")
    assert status(result) == dict.fromkeys(["builds", "starts", "answers", "exact-bytes"], "passed")
    assert result["points"] == result["of"] == 5 and result["chapters"][0]["command"] == ["python3", "server.py"]
    for name in ("gradescope/Ann 李.json", "class.csv", "class.html", "junit.xml", "annotations.txt", "summary.md"):
        assert (tmp_path / "out" / name).read_text() or name == "annotations.txt"
    jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
    jsonschema.validate(result, json.loads((ROOT / "tools/grade.schema.json").read_text()))


def test_who_is_graded_already_is_graded_again_when_something_changed(tmp_path, can_grade):
    her, him = student(tmp_path / "her", RIGHT), student(tmp_path / "him", RIGHT)
    words = (her, him, "--chapters", "01", "--only", "answers", "--out", tmp_path / "out")
    assert grade(*words).stderr.count("3 of 3 points") == 2
    before = (tmp_path / "out/her.json").stat().st_mtime_ns
    student(him, SERVER + "def answer(data): return data\nlisten()\n")
    again = grade(*words)
    assert "her: 3 of 3, as it was graded before" in again.stderr and "him: 1 of 3 points" in again.stderr
    assert (tmp_path / "out/her.json").stat().st_mtime_ns == before
    assert grade(*words, "--factor", "2").stderr.count("as it was") == 0


def test_github_gets_annotations_and_a_summary(tmp_path, can_grade):
    student(tmp_path / "her", "syntax error")
    ended = grade("her", "--chapters", "01", "--only", "answers", "--out", "out", cwd=tmp_path,
                  env={**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
    assert "::error file=her,title=her%2C 01_basic_tcp%3A starts::" in ended.stdout
    assert (tmp_path / "summary").read_text().startswith("| student | points |")


def test_the_terminal_speaks_chinese_and_the_files_english(tmp_path, can_grade):
    folder = student(tmp_path / "her", "I did not do it", "README.md")
    said = [grade(folder, "--chapters", "01", "--only", "answers", "--out", tmp_path / language,
                  env={**os.environ, "LC_ALL": language}) for language in ("C.UTF-8", "zh_CN.UTF-8")]
    assert "student 01 points fails first" in said[0].stdout and "no folder for chapter 01" in said[0].stdout
    assert "学生 01 得分 最先失败的检查" in said[1].stdout and "没有第 01 章的文件夹" in said[1].stdout
    assert "her：满分 3，得 0 分" in said[1].stderr
    assert not any(re.search("[一-龥]", file.read_text()) for file in (tmp_path / "zh_CN.UTF-8").rglob("*.*"))


def test_sources_are_not_modified(tmp_path, can_grade):
    folder = student(tmp_path / "her", "int main() { return 1; }", "server.c")
    (folder / "Makefile").write_text("server: server.c\n\t-touch ../stray\n\tcc server.c -o server\n")
    assert status(graded(folder))["builds"] == "passed"
    assert sorted(os.listdir(folder)) == ["Makefile", "server.c"] and sorted(os.listdir(tmp_path)) == ["her", "out"]


MARK = "ls-of-the-one-who-outlives"
OUTLIVES = SERVER + f"""
if not os.fork():
    os.setsid()
    if not os.fork(): os.execvp("sleep", ["{MARK}", "1000"])
    os._exit(0)
listen()
"""
C_SERVER = """
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
int main()
{
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(9527);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 5) != 0)
        return 1;
    pause();
}
"""
KINDS = {  # what builds it -> the files
    "make": {"Makefile": "it: begin.c\n\t$(CC) -o it begin.c\n", "begin.c": C_SERVER},
    "meson": {"meson.build": "project('it', 'c')\nexecutable('it', 'begin.c')\n", "begin.c": C_SERVER},
    "cmake": {"CMakeLists.txt": "cmake_minimum_required(VERSION 3.13)\nproject(it C)\nadd_executable(it begin.c)\n",
              "begin.c": C_SERVER},
    "cc": {"begin.c": C_SERVER}, "c++": {"begin.cpp": C_SERVER}, "python3": {"begin.py": RIGHT},
}


@pytest.fixture(scope="module")
def class_of_kinds(tmp_path_factory, can_grade):
    """{what builds it: its result}, where that is there."""
    folder = tmp_path_factory.mktemp("class")
    kinds = list(filter(shutil.which, KINDS))
    for kind in kinds:
        for name, text in KINDS[kind].items():
            student(folder / kind, text, name)
    ended = grade(*(folder / kind for kind in kinds), "--chapters", "01", "--only", "starts", "--out", folder / "out")
    assert ended.returncode == 0, ended.stderr
    return {kind: json.loads((folder / "out" / f"{kind}.json").read_text()) for kind in kinds}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_built_and_started(kind, class_of_kinds):
    if kind not in class_of_kinds:
        pytest.skip(f"no {kind}")
    assert status(class_of_kinds[kind]) == {"builds": "passed", "starts": "passed"}, class_of_kinds[kind]


WILD = {  # what is handed in -> (its text, what must be said of it, at which check)
    "does not compile": (("server.c", "int main() { return x; }"), "'x' undeclared|‘x’ undeclared", "builds"),
    "builds without end": (("Makefile", "server:\n\tsleep 1000\n"), "still running after", "builds"),
    "builds a bomb": (("Makefile", "server:\n\tfor i in `seq 3000`; do sleep 1000 & done; wait\n"),
                      "processes: they were ended|fork", "builds"),
    "builds 10 GB": (("Makefile", "server:\n\tfor i in `seq 400`; do head -c 25000000 /dev/zero > big$$i || exit 1; done\n"),
                     "No space", "builds"),
    "talks without end": (("server.py", SERVER + "listener.listen()\nwhile True:\n  try: os.write(2, b'x' * (1 << 20))\n"
                                        "  except OSError: pass"),
                          "no answer|no verdict", "answers"),
    "eats memory": (("server.py", SERVER + "listener.listen()\nall = []\nwhile True: all.append(bytearray(1 << 24))"),
                    "MiB of memory: it was ended", "answers"),
    "forks": (("server.py", "import os, time\nfor _ in range(5000):\n  try: os.fork() or time.sleep(1000)\n  except OSError: pass\n"
               "time.sleep(1000)"), "processes: they were ended", "starts"),
    "ignores SIGTERM": (("server.py", SERVER + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nlisten()"),
                        "still running after", "stops"),
    "sleeps": (("server.py", "import time; time.sleep(1000)"), "no socket of it listens", "starts"),
    "wrong now and then": (("server.py", SERVER + """
count = 0
def answer(data):
    global count
    count += 1
    return data.upper() if count % 7 else b"?" * len(data)
listen()
"""), "differs", "any-split"),
    "no server": (("README.md", "I did not do it"), "no folder for chapter 01", "builds"),
    "digs deep": (("Makefile", "server:\n\tpython3 -c 'import os; [os.mkdir(\"d\") or os.chdir(\"d\") for _ in range(3000)]'\n"),
                  "too deep", "builds"),
    "several": (("a.c", "int main() {}", "b.c", "int main() {}"), "2 sources", "builds"),
}


@pytest.mark.parametrize("name", WILD)
def test_a_wild_student_is_a_clear_row_in_bounded_time(name, tmp_path, can_grade):
    files, said, at = WILD[name]
    for each in range(0, len(files), 2):
        folder = student(tmp_path / "wild", files[each + 1], files[each])
    begin = time.monotonic()
    patient = ["--factor", "10"] if name == "eats memory" else []  # so that memory is what it has too much of, not time
    result = graded(folder, *patient, check="answers" if at == "builds" else at)
    rows = {row["id"]: row for row in result["chapters"][0]["checks"]}
    assert rows[at]["status"] == "failed" and re.search(said, rows[at]["message"]), rows[at]
    assert time.monotonic() - begin < (180 if name == "builds without end" else 60)


def running(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [pid] if mark.encode() in Path("/proc", pid, "cmdline").read_bytes() else []
        except OSError:
            pass
    return found


def test_nobody_outlives_the_check(tmp_path, can_grade):
    result = graded(student(tmp_path / "her", OUTLIVES))
    assert status(result)["answers"] == "passed" and not running(MARK)


def test_interrupted_it_keeps_what_is_done_and_leaves_nothing(tmp_path, can_grade):
    done = student(tmp_path / "a", RIGHT)
    slow = student(tmp_path / "b", "import subprocess\nsubprocess.run(['sleep', '1000.001'])")
    words = [ROOT / "lab", "grade", done, slow, "--jobs", "1", "--chapters", "01", "--only", "answers", "--out",
             tmp_path / "out"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: running("1000.001"), 60, "it never comes to the second")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and not running("1000.001"), said
    assert sorted(path.name for path in (tmp_path / "out").glob("?.json")) == ["a.json"]
    assert "1 of 3" not in (tmp_path / "out/class.csv").read_text() and "a,3" in (tmp_path / "out/class.csv").read_text()


def test_a_verdict_that_moves_is_flagged(tmp_path, can_grade):
    """It answers rightly in every other start, by a coin: twenty of them do not all fall on the same side."""
    coin = "import random\nif random.random() < 0.5:\n  def answer(data): return data\n"
    folder = student(tmp_path / "her", SERVER + coin + "listen()")
    ended = grade(folder, "--chapters", "01", "--only", "answers", "--stability", "20", "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out/her.json").read_text())
    rows = {row["id"]: row["runs"] for row in result["chapters"][0]["checks"]}
    assert set(rows["answers"]) == {"passed", "failed"} and rows["starts"] == ["passed"] * 20
    assert "moved: her, 01_basic_tcp, answers" in ended.stdout


def test_fixed_ports_work_side_by_side(tmp_path, can_grade):
    folders = [student(tmp_path / f"s{number}", RIGHT) for number in range(4)]
    ended = grade(*folders, "--jobs", "4", "--chapters", "01", "--only", "any-split", "--out", tmp_path / "out")
    points = {json.loads((tmp_path / f"out/s{number}.json").read_text())["points"] for number in range(4)}
    assert ended.returncode == 0 and len(points) == 1 and points != {0}


# ---- where little is granted

LEFT_TO_ROOT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}  # by Docker, unless told otherwise. capabilities(7)
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_SECCOMP, FILTER = 23, 24, 22, 2
UNSHARE = {"x86_64": 272}.get(platform.machine(), 97)
LEAKS = SERVER + "def answer(data): return os.open('/dev/null', 0) and data.upper()\nlisten()\n"
ECHOES = SERVER + "def answer(data): return data\nlisten()\n"
HIDE = "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"  # PR_SET_DUMPABLE
HIDES = f"import ctypes\n{HIDE}\n{RIGHT}"
HIDES_LATE = f"import ctypes\n{SERVER}\ndef answer(data): return {HIDE} or data\nlisten()\n"


class Program(ctypes.Structure):
    """Of a filter. seccomp(2)"""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def in_a_container(left=LEFT_TO_ROOT):
    """Before exec: a network of its own, these capabilities and no others, and unshare(2) refused."""
    instructions = b"".join(struct.pack("=HBBI", *each) for each in (
        (0x20, 0, 0, 0), (0x15, 0, 1, UNSHARE), (0x06, 0, 0, 0x50000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)))
    program = Program(len(instructions) // 8, instructions)
    libc = network.libc

    def enter():
        network.renew()
        dropped = [number for number in range(64) if libc.prctl(PR_CAPBSET_READ, number) == 1 and number not in left]
        for number in dropped:
            sandbox.checked(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "drop")
        sandbox.checked(libc.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        sandbox.checked(libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(program)), "seccomp")

    return {"preexec_fn": enter}


@pytest.fixture
def root(can_grade):
    if not sandbox.other_users() or not network.granted():
        pytest.skip("not root, or none that may make a network")


def test_in_a_container_the_verdicts_are_true(tmp_path, root):
    students = {"right": RIGHT, "echoes": ECHOES, "leaks": LEAKS}
    folders = [student(tmp_path / name, text) for name, text in students.items()]
    words = (*folders, "--chapters", "01", "--only", "leaves-nothing", "--out", tmp_path / "out")
    ended = grade(*words, **in_a_container())
    assert ended.returncode == 0, ended.stderr
    found = {name: json.loads((tmp_path / f"out/{name}.json").read_text()) for name in students}
    failed = {name: [(row["id"], row["cause"]["id"]) for row in result["chapters"][0]["checks"]
                     if row["status"] == "failed"] for name, result in found.items()}
    assert failed == {"right": [], "echoes": [("answers", "echoes")], "leaks": [("leaves-nothing", "descriptor-leak")]}
    assert set(status(found["right"]).values()) == {"passed"}
    assert "reach this machine's network" in " ".join(found["right"]["limits"])
    assert "not to be seen" not in " ".join(found["right"]["limits"])


def test_in_a_container_the_limits_of_a_program_are_set(tmp_path, root, plain):
    folder = student(tmp_path / "her", "./server --port {port} --root {root}\n", "run")
    shutil.copy(plain / "11_http/server", folder)
    found = status(graded(folder, check="http-out-of-descriptors", chapter="11", **in_a_container()))
    assert found["http-out-of-descriptors"] == "passed", found


def test_who_hides_what_it_holds_open_is_not_judged(tmp_path, root):
    result = graded(student(tmp_path / "her", HIDES), check="starts", **in_a_container())
    starts = result["chapters"][0]["checks"][1]
    assert (starts["status"], starts["of"]) == ("cannot-tell", 0) and "does not let us see" in starts["message"]


def test_who_hides_it_too_late_has_failed_by_then(tmp_path, root):
    result = graded(student(tmp_path / "her", HIDES_LATE), **in_a_container())
    answers = result["chapters"][0]["checks"][2]
    assert answers["status"] == "failed" and answers["cause"]["id"] == "echoes"
    assert "alive, and its descriptors are not to be seen" in "\n".join(answers["report"])


def test_a_server_that_runs_as_another_user_is_checked(root):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        server = student(Path(name), RIGHT) / "server.py"
        user = f"--reuid={sandbox.FIRST_USER} --regid={sandbox.FIRST_USER} --clear-groups".split()
        command = ["setpriv", *user, PYTHON, server]
        ended = subprocess.run([ROOT / "lab", "check", "01", "--only", "answers", "--", *command], capture_output=True,
                               text=True, **in_a_container())
    assert ended.returncode == 0 and "3 of 3 points" in ended.stdout, ended.stdout + ended.stderr


def test_nobody_is_judged_where_no_other_user_and_no_namespace_is_granted(tmp_path, root):
    ended = grade(student(tmp_path / "her", RIGHT), "--out", tmp_path / "out", **in_a_container(left=()))
    assert (ended.returncode, ended.stdout) == (3, "") and "cannot be run safely here" in ended.stderr, ended.stderr
