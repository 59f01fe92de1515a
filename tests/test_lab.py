"""The front door: what ./lab promises to who types it, on a machine that has everything and on one that has not."""

import ast
import fcntl
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import build
import lab as lab_commands
import packages
import run
import sweep
import table
import test as lab_test
from builds import Builds
from chapters import CHAPTERS, ROOT, Chapter
from common import Trouble
from listening import children
from process import members, wait_until

PATIENCE = 30
SAMPLE = bytes(range(256)) * 2048 + random.Random(1).randbytes(1 << 19)  # 1 MiB, NULs and all


PAIRS = [pytest.param(chapter.name, marks=[] if chapter.name == lab_test.SENT_THROUGH else [pytest.mark.slow])
         for chapter in CHAPTERS]


@pytest.fixture(scope="module", autouse=True)
def built(request):
    """Up to date, so that what these tests run has nothing to say of building."""
    all_there_are = [chapter.name for chapter in CHAPTERS]
    build.build(all_there_are if request.config.getoption("--full") else [lab_test.SENT_THROUGH])


def lab(*words, door=ROOT / "lab", **rest):
    rest = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **rest}
    if "input" in rest:
        del rest["stdin"]
    return subprocess.run([door, *words], timeout=PATIENCE, **rest)


def check_one_line(stderr, words):
    assert words in stderr.decode() and stderr.count(b"\n") == 1, stderr


def check_refused(ended, code, *words):
    """One line on stderr, with these words in it, nothing on stdout, and the exit code."""
    line = ended.stderr.decode()
    assert (ended.returncode, ended.stdout, line.count("\n")) == (code, b"", 1), line
    assert all(word in line for word in words), line


# ---- help


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["run", "--help"]])
def test_help_fits_one_screen(words):
    ended = lab(*words, env={"PATH": "/usr/bin:/bin"})
    lines = ended.stdout.decode().splitlines()
    assert ended.returncode == 0
    assert len(lines) < 24 and max(map(len, lines)) <= 80
    assert all(f"./lab {command}" in ended.stdout.decode() for command in [*lab_commands.COMMANDS, "help"])


@pytest.mark.parametrize("text", ["tools/help.txt", "tools/help.zh.txt", "README.md", "README.zh-CN.md"])
def test_how_a_server_with_a_fixed_port_is_checked_is_told_beside_check(text):
    told = (ROOT / text).read_text(encoding="utf-8")
    assert re.search(r"lab check 04 -- \./my_server \{port\} .*\n.*check 04 --port 9999 -- \./my_server", told)


@pytest.mark.parametrize("variable", ["LANG", "LC_ALL"])
def test_help_speaks_the_language_of_the_environment(variable):
    environment = {"PATH": "/usr/bin:/bin", variable: "zh_CN.UTF-8"}
    for words in (["help"], ["run", "--help"]):
        assert "每章是一对服务器和客户端" in lab(*words, env=environment).stdout.decode()


def test_the_help_of_bench_names_the_same_in_both_languages():
    english, chinese = (lab("bench", "--help", env={"PATH": "/usr/bin:/bin", "LANG": language}).stdout.decode()
                        for language in ("C", "zh_CN.UTF-8"))
    named = re.findall(r"^ +./lab bench.*?(?=  )|--\w+(?:=\S+)?", english, re.MULTILINE)
    assert english.startswith("Measures servers") and len(named) > 6
    assert re.findall(r"^ +./lab bench.*?(?=  )|--\w+(?:=[\w,]+)?", chinese, re.MULTILINE) == named


def test_an_unknown_command_is_refused():
    check_refused(lab("foo"), 2, "'foo'", "./lab help")


@pytest.mark.parametrize("words", [["run"], ["doctor"], ["check", "--help"]])
def test_an_old_python_is_refused_before_anything_is_imported(words):
    """One that says it is Ubuntu 22.04's, and has no tomllib."""
    old = ("import runpy, sys; sys.version_info = (3, 10, 12, 'final', 0); sys.modules['tomllib'] = None; "
           "sys.argv[:] = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")
    ended = subprocess.run([sys.executable, "-c", old, ROOT / "tools" / "lab.py", *words], capture_output=True)
    check_refused(ended, 1, "takes Python 3.11", "Debian 12 and Ubuntu 24.04", "this is 3.10")


def test_an_old_python_can_read_what_refuses_it():
    ast.parse((ROOT / "tools" / "lab.py").read_text(), feature_version=(3, 6))


# ---- run: a file through a pair


@pytest.mark.parametrize("chapter", PAIRS)
def test_run_sends_a_file_and_prints_the_reply_alone(chapter, tmp_path):
    file = tmp_path / "sample"
    file.write_bytes(SAMPLE)
    ended = lab("run", chapter, file)
    assert ended.stdout == SAMPLE.upper()  # of bytes: a to z only
    assert ended.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("chapter", [chapter.name for chapter in CHAPTERS])
def test_run_sends_100_mb(chapter, tmp_path):
    file = tmp_path / "sample"
    file.write_bytes(SAMPLE * 100)
    script = f'"$0" run {chapter} "$1" | cmp - <(LC_ALL=C tr a-z A-Z < "$1") && exit "${{PIPESTATUS[0]}}"'
    assert subprocess.run(["bash", "-c", script, ROOT / "lab", file], timeout=4 * PATIENCE).returncode == 0


def test_run_sends_stdin():
    ended = lab("run", "02", "-", input=SAMPLE)
    assert (ended.returncode, ended.stdout) == (0, SAMPLE.upper())


def test_run_sends_an_empty_file():
    ended = lab("run", "02", "/dev/null")
    assert (ended.returncode, ended.stdout) == (0, b"")


def test_run_by_a_symlink_from_elsewhere(tmp_path):
    (tmp_path / "door").symlink_to(ROOT / "lab")
    (tmp_path / "sample").write_bytes(b"abc")
    ended = lab("run", "02", "sample", door=tmp_path / "door", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, b"ABC")


@pytest.mark.parametrize("name", ["02", "2", "fork", "02_fork_server", "02_fork_server/", "FORK"])
def test_a_chapter_has_many_names(name):
    ended = lab("diff", name)
    assert ended.returncode == 0
    assert b"+++ b/02_fork_server/server.cpp\n" in ended.stdout


@pytest.mark.parametrize("command", ["run", "test", "diff"])
@pytest.mark.parametrize("name, words", [
    ("99", ["'99' is no chapter", *(chapter.name for chapter in CHAPTERS)]),
    ("server", ["'server' is ambiguous", "02_fork_server", "03_thread_server"]),
    ("", ["'' is no chapter"]),
])
def test_a_name_that_names_no_chapter_is_refused(command, name, words):
    check_refused(lab(command, name), 2, *words)


@pytest.mark.parametrize("words, complaint", [
    (["run", "02", "-", "what"], "'what'"),
    (["test", "02", "03"], "'03'"),
    (["test", "--fast"], "'--fast'"),
    (["doctor", "what"], "'what'"),
    (["diff"], "one chapter"),
])
def test_words_too_many_or_too_few_are_refused(words, complaint):
    check_refused(lab(*words), 2, complaint)


@pytest.mark.parametrize("file, why", [("/no/such/file", "No such file"), ("/etc", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused(file, why):
    check_refused(lab("run", "02", file), 1, f"'{file}'", why)


def test_a_reader_who_leaves_early_ends_it(tmp_path):
    file = tmp_path / "sample"
    file.write_bytes(SAMPLE * 10)
    with subprocess.Popen([ROOT / "lab", "run", "02", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ended:
        assert len(os.read(ended.stdout.fileno(), 1)) == 1
        ended.stdout.close()
        assert ended.wait(PATIENCE) == 1
        check_one_line(ended.stderr.read(), "Broken pipe")


@pytest.mark.parametrize("words", [["run", "02"], ["run", "02", "-"], ["doctor"]])
def test_a_full_stdout_is_told(words, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # what is buffered fails once more at the very end
    with open("/dev/full", "wb") as full:
        ended = lab(*words, input=b"abc", stdout=full)
    assert ended.returncode == 1
    check_one_line(ended.stderr, "stdout: No space left on device")


def alive(session):
    return [pid for pid, state in members(session).items() if state not in "ZX"]


@pytest.mark.parametrize("how, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_behind(how, code):
    """SIGINT as the terminal sends it, to all of the group; SIGTERM as others do, to one process."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([ROOT / "lab", "run", "02", "-"], start_new_session=True, **pipes) as ended:
        os.write(ended.stdin.fileno(), b"a\n")
        assert os.read(ended.stdout.fileno(), 2) == b"A\n"
        started = [int(pid) for pid in Path(f"/proc/{ended.pid}/task/{ended.pid}/children").read_text().split()]
        assert len(started) == 2  # a server and a client
        os.kill(-ended.pid if how == signal.SIGINT else ended.pid, how)
        assert ended.wait(PATIENCE) == code
        assert ended.stderr.read() == b""
    wait_until(lambda: not any(alive(leader) for leader in [ended.pid, *started]), 2.0, "a process is left behind")


# ---- run: every chapter in turn


@pytest.mark.slow
def test_run_shows_every_chapter():
    ended = lab("run", env={**os.environ, "COLUMNS": "80"})
    lines = ended.stdout.decode().splitlines()
    assert ended.returncode == 0, ended.stdout.decode()
    assert sum("listening on " in line for line in lines) == len(CHAPTERS)
    rows = lines[-len(CHAPTERS):]
    for chapter, row in zip(CHAPTERS, rows):
        assert row.split()[0] == chapter.name and chapter.model in row and row.split()[-1] == "right"
    assert max(map(len, lines)) <= 80


FAKE_SERVER = """#!/usr/bin/python3
import socket
if {dies}: raise SystemExit("no luck")
listener = socket.create_server(("127.0.0.1", 0))
print(f"listening on 127.0.0.1:{{listener.getsockname()[1]}}", flush=True)
connection, _ = listener.accept()
while data := connection.recv(4096):
    connection.sendall(data.{method}())
connection.close()
"""


def fake_chapter(folder, client, **how):
    """A chapter in `folder` whose server is not one of ours; its client is 02's, or what `client` says."""
    Path(folder, "98_fake").mkdir()
    server = Path(folder, "98_fake", "server")
    server.write_text(FAKE_SERVER.format(**{"dies": False, "method": "upper", **how}))
    server.chmod(0o755)
    Path(folder, "98_fake", "client").symlink_to(client)
    return Chapter("98_fake", model="", model_zh="", idea="", idea_zh="", port=0, capabilities=frozenset())


CLIENT = ROOT / "build" / lab_test.SENT_THROUGH / "client"


@pytest.mark.parametrize("client, how, verdict, code", [
    (CLIENT, {}, "right", 0),
    (CLIENT, {"method": "lower"}, "wrong", 1),
    (CLIENT, {"method": "swapcase"}, "wrong", 1),
    (CLIENT, {"dies": True}, "no luck", 1),
    ("/bin/true", {}, "wrong", 1),
    ("/bin/false", {}, "client: exit 1", 1),
    ("/no/such/client", {}, "No such file", 1),
])
def test_run_judges_the_reply(client, how, verdict, code, tmp_path, capsys):
    chapter = fake_chapter(tmp_path, client, **how)
    assert run.run_all([chapter], tmp_path) == code
    told = run.converse(chapter, tmp_path)
    assert verdict in told.verdict
    assert "98_fake" in capsys.readouterr().out


# ---- the build


@pytest.fixture
def build_folder(tmp_path):
    """A folder that looks as if Meson had set it up, with one target, which cannot be built."""
    folder = tmp_path / "build"
    (folder / "meson-info").mkdir(parents=True)
    shutil.copy(ROOT / "build/meson-info/meson-info.json", folder / "meson-info")
    (folder / "build.ninja").write_text("rule fail\n  command = false\nbuild it: fail\n")
    return folder


@pytest.mark.parametrize("who", [fcntl.LOCK_EX, fcntl.LOCK_SH], ids=["builds", "looks"])
def test_a_build_waits_while_another_process_is_in_its_folder(who, build_folder):
    descriptor = os.open(build_folder, os.O_RDONLY)
    fcntl.flock(descriptor, who)
    script = f"import build, pathlib; build.build([], pathlib.Path('{build_folder}'))"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT / "tools", stderr=subprocess.PIPE) as other:
        assert other.stderr.readline() == b"lab: waiting for another build in build\n"
        os.close(descriptor)
        assert b"building everything in build" in other.stderr.read()


def test_a_build_that_fails_is_told_in_one_line(build_folder, capfd):
    with pytest.raises(Trouble, match="^building build failed: see above$"):
        build.build([], build_folder)
    assert "FAILED: it" in capfd.readouterr().err


def test_a_folder_of_which_several_programs_are_built_is_named_once(build_folder, capfd):
    (build_folder / "build.ninja").write_text("build one/server one/client two: phony\nbuild other: phony\n")
    with (build_folder / "build.ninja").open("a") as file:
        file.write("rule make\n  command = true\nbuild it: make\nbuild one/it: make\n")
    build.build(["one/it", "one/server", "two", "it"], build_folder)
    assert "lab: building one two it in build\n" in capfd.readouterr().err


def test_what_is_up_to_date_is_not_built(capfd):
    build.build([lab_test.SENT_THROUGH])
    assert capfd.readouterr() == ("", "")


def test_a_build_folder_of_another_place_is_set_up_anew(build_folder):
    info = build_folder / "meson-info" / "meson-info.json"
    (build_folder / "build.ninja").write_text("build it: phony\n")
    assert build.is_up_to_date(build_folder, [])
    info.write_text(info.read_text().replace(str(ROOT), "/elsewhere"))
    assert not build.is_set_up(build_folder) and not build.is_up_to_date(build_folder, [])
    info.unlink()
    assert not build.is_set_up(build_folder)


def test_a_build_folder_half_set_up_is_set_up_anew(build_folder):
    (build_folder / "build.ninja").unlink()
    assert not build.is_set_up(build_folder)


# ---- test


def test_under_thread_sanitizer_only_threads_are_built():
    processes, threads = (next(c for c in CHAPTERS if bool(c.threaded) is threaded) for threaded in (False, True))
    both = {f"{threads.name}/server", f"{threads.name}/client"}
    assert both <= set(lab_test.targets("build-tsan", None)) and both <= set(lab_test.targets("build-tsan", threads))
    assert not any(processes.name in target for target in lab_test.targets("build-tsan", None))
    assert "08_threadpool/server" in lab_test.targets("build-tsan", None)  # and its client is one loop, without threads
    assert "08_threadpool/client" not in lab_test.targets("build-tsan", None)
    assert not lab_test.targets("build-tsan", processes)
    assert lab_test.targets("build", processes)[0] == f"{processes.name}/server"


@pytest.fixture
def three_builds(tmp_path):
    for folder, sanitizer in (("build", "none"), ("build-asan", "address,undefined"), ("build-tsan", "thread")):
        (tmp_path / folder / "meson-info").mkdir(parents=True)
        options = [{"name": "b_sanitize", "value": sanitizer}]
        (tmp_path / folder / "meson-info" / "intro-buildoptions.json").write_text(json.dumps(options))
    return Builds(sorted(tmp_path.iterdir()))


def test_a_check_is_judged_on_the_builds_it_is_for(three_builds):
    """Of 08, whose server has threads and whose client has none."""

    def judged_on(kind, check, full=False):
        return [case.build.label for case in sweep.cases(sweep.KINDS[kind], three_builds, full)
                if (case.chapter.name, case.check.id) == ("08_threadpool", check)]

    assert judged_on("contract", "answers") == ["asan", "tsan"]
    assert judged_on("contract", "thousand") == judged_on("contract", "thousand", full=True) == ["plain"]
    assert judged_on("clients", "client-upper") == ["asan"]
    assert judged_on("own", "bad-options") == judged_on("own", "bad-pool") == ["plain"]
    assert judged_on("own", "bad-options", full=True) == ["asan", "tsan"]
    assert judged_on("clients", "client-bad-options") == ["asan"]  # no plain client is built


@pytest.mark.parametrize("full, judged", [(False, {"server"}), (True, {"server", "server --path @{name}"})])
def test_a_variant_is_judged_under_thread_sanitizer_with_full_alone(full, judged, three_builds):
    """Its threads are those of the same program without the words."""
    of_ten = [case for case in sweep.cases(sweep.KINDS["contract"], three_builds, full)
              if case.chapter.name == "10_unix_socket" and case.build.label == "tsan"]
    assert {case.program for case in of_ten} == judged


def test_what_is_started_often_is_judged_on_the_build_there_is(three_builds):
    three_builds.all = three_builds.of("asan")
    assert any(case.check.id == "bad-options" for case in sweep.cases(sweep.KINDS["own"], three_builds, False))


def test_the_wrong_programs_are_built_for_the_full_test_alone():
    assert "faulty" not in lab_test.targets("build", None) + lab_test.targets("build", CHAPTERS[0])
    assert "faulty" in lab_test.targets("build", None, full=True)


def test_under_address_sanitizer_what_is_judged_is_built():
    built = lab_test.targets("build-asan", None)
    assert {"01_basic_tcp/server_wrapped", "08_threadpool/client", "10_unix_socket/pass_descriptor"} <= set(built)
    assert not any("demo" in target or target == "08_threadpool" for target in built)


def test_plain_the_servers_are_built_and_with_full_all_there_is():
    built = lab_test.targets("build", None)
    assert {"01_basic_tcp/server_wrapped", "08_threadpool/server"} <= set(built)
    assert not any("client" in target or target == "08_threadpool" for target in built)
    assert lab_test.SENT_THROUGH in built and lab_test.SENT_THROUGH not in lab_test.targets("build", CHAPTERS[0])
    assert "08_threadpool" in lab_test.targets("build", None, full=True)


def test_the_unit_tests_are_run_under_sanitizers():
    assert "unit" in lab_test.targets("build-asan", None)
    assert "unit_threads" in lab_test.targets("build-tsan", None, full=True)
    assert "unit" in lab_test.targets("build", None, full=True)


@pytest.mark.parametrize("folder", lab_test.FOLDERS)
def test_meson_knows_what_is_built(folder):
    """In whichever of the folders there are; ninja stops at a name that Meson gave no target there."""
    if not (ROOT / folder / "build.ninja").exists():
        pytest.skip("not set up")
    known = set(re.findall(r"^build ([\w/]+): ", (ROOT / folder / "build.ninja").read_text(), re.MULTILINE))
    for chapter in [None, *CHAPTERS]:
        for full in (False, True):
            assert set(lab_test.targets(folder, chapter, full)) <= known


@pytest.mark.parametrize("failing, stage", [
    ("setup", "setting up build failed"),
    ("ninja -C", "building build failed"),
    ("meson test", "the unit tests failed in build-asan"),
    ("-m pytest", "the sweep failed: pytest, exit 3"),
])
def test_a_stage_that_fails_is_named(failing, stage, tmp_path, monkeypatch):
    """`call` stands for all that is started: nothing is built here."""
    started = []

    def call(command, **rest):
        started.append(" ".join(str(word) for word in command))
        return 3 if failing in started[-1] else 0

    for module in (build, lab_test):
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "call", call)
    with pytest.raises(Trouble, match=stage) as trouble:
        lab_test.main([])
    assert trouble.value.code == 1
    assert failing in started[-1]  # nothing goes on after it


def test_the_sweep_is_one_pytest_and_with_full_three_more(monkeypatch):
    """One for what computes, and the plain one twice more, each core then kept busy."""
    started, beside, before = [], [], set(children(os.getpid()))

    def call(command, **rest):
        started.append(" ".join(map(str, command)))
        beside.append(set(children(os.getpid())) - before)
        return 0

    monkeypatch.setattr(lab_test, "call", call)
    monkeypatch.setattr(lab_test, "build", lambda *rest: None)
    cores = len(os.sched_getaffinity(0))
    assert lab_test.main(["--full"]) == 0
    waits, computes, *again = [each for each in started if "-m pytest tests" in each]
    assert waits.endswith("--full -m not busy") and computes.endswith("--full -m busy")
    assert all(f"-n {2 * cores} --dist loadgroup" in each for each in (waits, computes, *again))
    assert all(f"--build {folder}" in waits for folder in ("build", "build-asan", "build-tsan"))
    assert again == [waits.removesuffix(" --full -m not busy")] * 2
    assert list(map(len, beside[-4:])) == [0, 0, cores, cores]
    assert set(children(os.getpid())) == before  # they have ended
    assert lab_test.main(["fork"]) == 0
    assert started[-1].endswith("--build build --build build-asan --chapter 02_fork_server")


def test_the_largest_groups_begin_first(request):
    """Of the tests that are run beside this one."""
    marks = [item.get_closest_marker("xdist_group") for item in request.session.items]
    group_of = [mark and mark.args[0] for mark in marks]
    sizes = [group_of.count(group) if group else 0 for group in group_of]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("permitted, fixed", [("exec true", True), ("exit 1", False), ("", False)])
def test_addresses_are_fixed_where_that_is_permitted(permitted, fixed, bare, monkeypatch):
    if permitted:
        bare.add("setarch", permitted)
    (bare.path / "true").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(bare.path))
    assert ("--addr-no-randomize" in lab_test.fixed_addresses()) is fixed


# ---- diff


def test_diff_shows_both_programs_against_the_parents_last_pair():
    ended = lab("diff", "02")
    shown = ended.stdout.decode()
    assert ended.returncode == 0
    for program in ("server", "client"):
        assert f"--- a/01_basic_tcp/{program}_wrapped.cpp\n+++ b/02_fork_server/{program}.cpp\n" in shown
    assert "\n         if (!write_all(connection.get(), text))\n" in shown  # whole functions: far from any change
    assert "\x1b[" not in shown


def test_diff_of_the_first_chapter_is_against_its_own_pair():
    shown = lab("diff", "01").stdout.decode()
    assert "--- a/01_basic_tcp/server.cpp\n+++ b/01_basic_tcp/server_wrapped.cpp\n" in shown


def test_diff_to_a_terminal_is_coloured_and_paged_once():
    """At a terminal of its own; the pager is a word and a copy of what it is given."""
    reader, terminal = pty.openpty()
    environment = {**os.environ, "GIT_PAGER": "echo PAGER && cat", "TERM": "xterm"}
    with subprocess.Popen([ROOT / "lab", "diff", "02"], stdin=terminal, stdout=terminal, env=environment) as ended:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(reader, 65536):
                shown += piece
        except OSError:  # EIO: nobody holds the terminal any more
            pass
        assert ended.wait(PATIENCE) == 0
    os.close(reader)
    assert shown.count(b"PAGER") == 1
    assert b"\x1b[" in shown and b"02_fork_server/client.cpp" in shown


# ---- table


@pytest.fixture
def readmes(tmp_path):
    """A copy of both READMEs, with the table as it should be."""
    for name in table.READMES:
        shutil.copy(ROOT / name, tmp_path)
    assert table.main([], tmp_path) == 0
    return tmp_path


def test_the_table_in_the_readmes_is_fresh():
    assert table.main(["--check"]) == 0


@pytest.mark.parametrize("name, cell", [
    ("README.md", "a process per client"),
    ("README.zh-CN.md", "每个客户端一个进程"),
])
def test_a_stale_table_is_found_and_mended(readmes, name, cell):
    fresh = (readmes / name).read_text()
    assert all(f"[{chapter.name}]({chapter.name}/{name})" in fresh for chapter in CHAPTERS)
    (readmes / name).write_text(fresh.replace(f"| {cell} |", "| one of old |"))
    with pytest.raises(Trouble, match=f"{name}: .* stale"):
        table.main(["--check"], readmes)
    assert table.main([], readmes) == 0
    assert (readmes / name).read_text() == fresh


def test_a_readme_without_the_markers_is_told(readmes):
    (readmes / "README.md").write_text("no table here\n")
    with pytest.raises(Trouble, match="README.md: no lines"):
        table.main([], readmes)
    assert (readmes / "README.md").read_text() == "no table here\n"


# ---- a machine that lacks something


@pytest.fixture
def bare(tmp_path):
    """A copy of the door on a machine with a few tools on PATH and no Python anywhere; add() makes a command."""

    class Bare:
        path = tmp_path / "bin"
        door = tmp_path / "copy" / "lab"
        environment = {"PATH": str(path)}

        def add(self, name, script):
            (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.path / name).chmod(0o755)

        def lab(self, *words, **rest):
            return lab(*words, door=self.door, env=self.environment, **rest)

    machine = Bare()
    machine.path.mkdir()
    for tool in ("sh", "cat", "dirname", "readlink", "sed", "env"):
        (machine.path / tool).symlink_to(shutil.which(tool))
    shutil.copytree(ROOT / "tools", machine.door.parent / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", machine.door.parent / "tests", ignore=shutil.ignore_patterns("*_*"))
    shutil.copy(ROOT / "packages.txt", machine.door.parent)
    machine.door.write_text((ROOT / "lab").read_text().replace("/usr/bin/python3", "/no/python3"))
    machine.door.chmod(0o755)
    return machine


USER, SUPERUSER = "echo 1000", "echo 0"  # what `id -u` says
APT = 'echo "$DEBIAN_FRONTEND apt-get $*" >> "$(dirname "$0")/log"'


def names(*groups):
    return " ".join(package.name for package in packages.listed() if package.group in groups)


@pytest.mark.parametrize("command, groups, code", [
    ("run", ["core"], 1), ("diff", ["core"], 1), ("test", ["core", "test"], 1), ("check", ["core", "test"], 3),
    ("grade", ["core", "test", "grade"], 3)])
@pytest.mark.parametrize("sudo, how", [
    ("", "su -c 'apt-get update && apt-get install -y --no-install-recommends {}'"),
    ("exit 1", "sudo apt-get update && sudo apt-get install -y --no-install-recommends {}"),
])
def test_without_python_or_leave_to_install_it_the_command_is_named(bare, sudo, how, command, groups, code):
    bare.add("id", USER)
    bare.add("apt-get", APT)
    if sudo:
        bare.add("sudo", sudo)
    ended = bare.lab(command)
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert ended.stderr.decode().endswith(f"this does: {how.format(names(*groups))}\n")
    assert not (bare.path / "log").exists()


@pytest.mark.parametrize("user, sudo", [(SUPERUSER, ""), (USER, 'while [ "$1" = -n ]; do shift; done; exec "$@"')])
def test_without_python_it_is_installed_first(bare, user, sudo):
    bare.add("id", user)
    if sudo:
        bare.add("sudo", sudo)
        (bare.path / "true").symlink_to("/bin/true")
    # The Python that it installs cannot have our tests' packages: that it is asked at all is what counts.
    python = bare.path / "python3"
    bare.add("apt-get", f"{APT}\nprintf '#!/bin/sh\\necho handed over: $*' > {python}\n/bin/chmod +x {python}")
    ended = bare.lab("run", "02")
    assert ended.stdout.decode() == f"handed over: {bare.door.parent}/tools/lab.py run 02\n"
    log = (bare.path / "log").read_text().splitlines()
    assert len(log) == 2 and log[0].endswith(" update")
    assert log[1].endswith(f"install -y --no-install-recommends {names('core')}")
    assert all(line.startswith("noninteractive") for line in log)
    assert log[1].endswith(ended.stderr.decode().splitlines()[0].rpartition("apt-get ")[2])  # said first


def test_without_python_help_doctor_and_an_unknown_command(bare):
    bare.add("id", SUPERUSER)
    bare.add("apt-get", APT)
    assert bare.lab("help").stdout == lab("help").stdout
    check_refused(bare.lab("foo"), 2, "'foo'")
    ended = bare.lab("doctor")
    assert ended.returncode == 1
    assert ended.stdout.decode().splitlines()[-1].endswith(f"--no-install-recommends {names('core', 'test')}")
    assert not (bare.path / "log").exists()


def test_without_apt_the_packages_are_named(bare):
    ended = bare.lab("run")
    assert ended.returncode == 1
    check_one_line(ended.stderr, f"Debian calls: {names('core')}")


def test_stdin_is_left_to_the_command(bare):
    bare.add("id", SUPERUSER)
    bare.add("apt-get", "cat")
    script = f"sh {bare.door.parent}/tools/install.sh x && cat"
    ended = subprocess.run(["sh", "-c", script], input=b"mine", stdout=subprocess.PIPE, env=bare.environment)
    assert ended.stdout == b"mine"


@pytest.fixture
def lists(tmp_path):
    """A list of packages of which this machine has none."""
    file = tmp_path / "packages.txt"
    file.write_text("core here-it-is sh\n\n# a comment\ncore one command-one\ntest two command-two\nlint three /no/3\n")
    return file


def test_only_the_groups_asked_for_are_installed(bare, lists, monkeypatch, capfd):
    bare.add("id", SUPERUSER)
    bare.add("apt-get", f"{APT}\ncat > {bare.path}/command-one < /dev/null\n/bin/chmod +x {bare.path}/command-one")
    monkeypatch.setenv("PATH", str(bare.path))
    packages.require("core", file=lists)
    assert (bare.path / "log").read_text().splitlines()[-1].endswith("--no-install-recommends one")
    assert "installing what is missing" in capfd.readouterr().err
    packages.require("core", file=lists)  # and now nothing is missing
    assert capfd.readouterr().err == ""


def test_what_may_not_or_cannot_be_installed_is_named(bare, lists, monkeypatch, capfd):
    bare.add("id", USER)
    bare.add("apt-get", APT)
    monkeypatch.setenv("PATH", str(bare.path))
    with pytest.raises(Trouble, match=r"missing: command-one \(one\), command-two \(two\)"):
        packages.require("core", "test", file=lists)
    assert "apt-get install -y --no-install-recommends one two'\n" in capfd.readouterr().err
    bare.add("id", SUPERUSER)
    with pytest.raises(Trouble, match=r"missing: /no/3 \(three\)"):  # apt-get says yes and installs nothing
        packages.require("lint", file=lists)


KNOWS = """case "$*" in
    policy) [ ! -f "$0.lists" ] || echo ' 500 http://deb.debian.org/debian stable/main amd64 Packages' ;;
    *" one "*) printf 'one:\\n  Installed: (none)\\n  Candidate: 1.0-1\\n  Version table:\\n     1.0-1 500\\n'
       printf 'virtual:\\n  Installed: (none)\\n  Candidate: (none)\\n  Version table:\\n' ;;
esac"""


@pytest.fixture
def lacking(bare, tmp_path, monkeypatch):
    """A list with one package that apt has as soon as it has lists, which `apt-get update` fetches, and two that it
    has not; what it installs is found. With others apt-get installs nothing."""
    bare.add("id", SUPERUSER)
    bare.add("apt-cache", KNOWS)
    bare.add("apt-get", f"""{APT}
case "$*" in
    *update) echo > {bare.path}/apt-cache.lists ;;
    *recommends" one") echo > {bare.path}/command-one && /bin/chmod +x {bare.path}/command-one ;;
    *) exit 100 ;;
esac""")
    monkeypatch.setenv("PATH", str(bare.path))
    file = tmp_path / "packages.txt"
    file.write_text("core one command-one\nhttp virtual command-two\nbrowser nowhere /no/3\n")
    return file


def test_what_apt_does_not_have_is_left_out_and_named(bare, lacking, capfd):
    packages.require("core", may_lack=("http", "browser"), file=lacking)
    assert (bare.path / "log").read_text().splitlines()[-1].endswith("--no-install-recommends one")
    assert "lab: apt does not have here, so that what needs it is left out: virtual nowhere\n" in capfd.readouterr().err
    bare.add("id", USER)  # once all the rest is there, nobody need be root
    packages.require("core", may_lack=("http", "browser"), file=lacking)
    assert capfd.readouterr().err == "lab: apt does not have here, so that what needs it is left out: virtual nowhere\n"
    assert len((bare.path / "log").read_text().splitlines()) == 2


def test_only_root_may_install_what_apt_has_of_it(bare, lacking, capfd):
    (bare.path / "apt-cache.lists").touch()
    bare.add("id", USER)
    with pytest.raises(Trouble, match=r"missing: command-one \(one\)"):
        packages.require("core", may_lack=("http", "browser"), file=lacking)
    assert capfd.readouterr().err.endswith("apt-get install -y --no-install-recommends one'\n")


@pytest.mark.parametrize("may_lack", [(), ("browser",)])
def test_what_a_command_cannot_do_without_is_not_left_out(bare, lacking, may_lack):
    with pytest.raises(Trouble, match=r"missing: .*command-two \(virtual\)"):
        packages.require("core", "http", may_lack=may_lack, file=lacking)


def test_the_full_test_does_without_browsers_and_no_other_test_asks_for_them(monkeypatch):
    asked = []
    monkeypatch.setattr(packages, "require", lambda *groups, may_lack=(): asked.append((groups, may_lack)))
    monkeypatch.setattr(lab_test, "build", lambda *rest: None)
    monkeypatch.setattr(lab_test, "call", lambda command, **rest: 0)
    lab_test.main([])
    lab_test.main(["--full"])
    assert asked[0] == (("core", "test"), ()) and asked[1][1] == ("http", "browser")
    assert {package.group for package in packages.listed()} - {"bench"} == set(asked[1][0] + asked[1][1])


def test_doctor_finds_nothing_missing_where_these_tests_run():
    ended = lab("doctor")
    shown = ended.stdout.decode()
    assert ended.returncode == 0, shown
    assert all(package.name in shown for package in packages.listed())
    assert all(word in shown for word in ("open files", "tracing", "network namespace"))


@pytest.mark.parametrize("words, code", [(["diff", "02"], 1), (["check", "01", "--", "cat"], 3), (["grade", "."], 3)])
def test_what_is_missing_is_no_failure_of_a_server(words, code, bare):
    bare.add("id", USER)
    bare.add("apt-get", APT)
    ended = lab(*words, env=bare.environment)
    assert (ended.returncode, ended.stdout) == (code, b"") and b"lab: missing: g++" in ended.stderr, ended.stderr


def test_what_cannot_be_told_is_no_failure_of_a_server():
    with open("/dev/full", "wb") as full:
        server = ("python3", ROOT / "tests/wrong/text.py", "{port}")
        ended = lab("check", "01", "--only", "starts", "--", *server, stdout=full)
    assert ended.returncode == 3
    check_one_line(ended.stderr, "stdout: No space left on device")


def test_doctor_names_what_is_missing(bare, tmp_path):
    """With Debian's Python, little on PATH, and a Rich that does not work."""
    bare.add("id", USER)
    bare.add("apt-get", APT)
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ImportError\n")
    ended = lab("doctor", env={**bare.environment, "PYTHONPATH": str(tmp_path)})
    shown = ended.stdout.decode()
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert "missing   core  g++\n" in shown and "absent    lint  clang-format\n" in shown
    command = shown.splitlines()[-1]
    assert command.startswith("  su -c 'apt-get update && apt-get install") and " g++ " in command
    assert "clang-format" not in command


# ---- CI


def test_ci_does_nothing_that_a_user_could_not():
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert len(commands) == 1 and commands[0].endswith("exec ./lab test --full")
    steps = [line.split("run:")[1].strip() for line in (ROOT / ".github/workflows/ci.yml").read_text().splitlines()
             if "run:" in line]
    assert steps == ["./lab test", "./.ci/run"]  # on Ubuntu, on Debian
