"""The texts keep their word: every quotation, tag, command, build line and link, and the translations.

The last part holds the checkers themselves against small made-up texts in which something is wrong.
"""

import subprocess
from pathlib import Path

import pytest

import text
from chapters import CHAPTERS, ROOT
from text import Text

WRAP = text.sources(ROOT / "wrap")  # 01's text speaks of it


def chapter_texts():
    """(chapter or None, the text in English, the one in Chinese); None: it is the project's own."""
    yield None, ROOT / "README.md", ROOT / "README.zh-CN.md"
    yield None, ROOT / "docs" / "models.md", ROOT / "docs" / "models.zh-CN.md"
    for chapter in CHAPTERS:
        yield chapter, chapter.path / "README.md", chapter.path / "README.zh-CN.md"


def marks(chapter):
    return [pytest.mark.chapter(chapter.name)] if chapter else []


def name(chapter):
    return chapter.name if chapter else "root"


def lineage(chapter):
    """The chapter's parent, its parent, and so on."""
    by_name = {each.name: each for each in CHAPTERS}
    while chapter.parent:
        chapter = by_name[chapter.parent]
        yield chapter


def transcripts():
    for chapter, path, _ in chapter_texts():
        for number, block in enumerate(Text(path).of("console") if path.exists() else []):
            yield pytest.param(path, block, marks=marks(chapter), id=f"{name(chapter) if chapter else path.stem}-{number}")


def programs():
    for chapter in CHAPTERS:
        for path in text.sources(chapter.path):
            if "int main(" in path.read_text():
                yield pytest.param(path, marks=marks(chapter), id=str(path.relative_to(ROOT)))


each_text = pytest.mark.parametrize(
    "path", [pytest.param(path, marks=marks(chapter), id=str(path.relative_to(ROOT)))
             for chapter, *both in chapter_texts() for path in both])
each_chapter = pytest.mark.parametrize(
    "chapter", [pytest.param(chapter, marks=marks(chapter), id=chapter.name) for chapter in CHAPTERS])


def report(complaints):
    assert not complaints, "\n" + "\n".join(complaints)


def read(path):
    assert path.exists(), f"{path.relative_to(ROOT)} is missing"
    return Text(path)


# ---- the texts


@each_chapter
def test_sections(chapter):
    report(text.section_complaints(read(chapter.path / "README.md")))


@each_text
def test_quotations(path):
    report(text.quotation_complaints(read(path)))


@each_text
def test_links(path):
    report(text.link_complaints(read(path)))


def test_links_of_contributing():
    report(text.link_complaints(read(ROOT / "CONTRIBUTING.md")))


def test_links_of_the_page_of_checks_and_its_translation():
    english, chinese = read(ROOT / "docs" / "checks.md"), read(ROOT / "docs" / "checks.zh-CN.md")
    report(text.link_complaints(english) + text.link_complaints(chinese))
    report(text.translation_complaints(english, chinese))


@each_chapter
def test_tags(chapter):
    own = text.sources(chapter.path) + (WRAP if not chapter.parent else [])
    others = [*WRAP, *(path for ancestor in lineage(chapter) for path in text.sources(ancestor.path))]
    report(text.tag_complaints(read(chapter.path / "README.md"), own, others))


@pytest.mark.parametrize("english, chinese", [
    pytest.param(english, chinese, marks=marks(chapter), id=name(chapter) if chapter else english.stem)
    for chapter, english, chinese in chapter_texts()])
def test_translation(english, chinese):
    report(text.translation_complaints(read(english), read(chinese)))


@pytest.mark.slow
@pytest.mark.parametrize("path, block", transcripts())
def test_transcript(path, block, plain, tmp_path):
    reason = text.obstacle(block)
    if reason:
        pytest.skip(reason)
    text.workplace(tmp_path, ROOT, plain)
    complaints = text.transcript_complaints(block, tmp_path)
    report(complaints and [f"{path.relative_to(ROOT)}, line {block.at}:", *complaints])


# The commands that stand in a text without what they show: those that are run here, each with words that it has to
# show; the tests that run the others; and those by which these tests, and the programs that they run, come to be.
RUN = {
    "./lab run 02": "right",
    "./lab diff 03": "+++ b/03_thread_server/server.cpp",
    "./lab trace 06": "epoll_wait",
    "./lab check 04 -- ./my_server {port}": "04_select: ",
    "./lab check 04 --port 9999 -- ./my_server": "04_select: ",
}
ELSEWHERE = {
    "./lab run": "test_lab.py: test_run_shows_every_chapter",
    "./lab run 02 FILE > REPLY": "test_lab.py: test_run_sends_a_file_and_prints_the_reply_alone",
    "./lab doctor": "test_lab.py: test_doctor_finds_nothing_missing_where_these_tests_run",
    "./lab new 04 DIR": "test_check.py: test_new_makes_a_place_to_begin_and_overwrites_nothing",
    "./lab hunt 04": "test_hunt.py: a_hunt",
    "./lab book": "test_book.py: book",
    "./lab bench": "test_bench.py: test_what_a_run_leaves",
    "./lab bench --quick": "test_bench.py: test_what_a_run_leaves",
    "./lab bench --name mine": "test_bench.py: test_what_a_run_leaves",
    "./lab bench --compare reference mine": "test_bench.py: test_compare_in_chinese",
    "./lab grade CLASS/*": "test_grade.py: graded",
    "./lab grade CLASS/* --chapters 01-08": "test_grade.py: graded",
    "./lab grade CLASS/* --chapters 04 --only restart": "test_grade.py: graded",
    "./lab grade CLASS/* --chapters 04 --stability 5": "test_grade.py: test_a_verdict_that_moves_is_flagged",
    "g++ -std=c++20 -I. 02_fork_server/server.cpp -o server": "test_text.py: test_build_line_builds",
}
ITSELF = {
    "./lab test", "./lab test 02", "./lab test --full", "meson setup build && meson compile -C build",
    "meson test -C build", "meson compile -C build 02_fork_server", "/usr/bin/python3 -m pytest tests --build build",
    "meson compile -C build faulty && /usr/bin/python3 -m pytest tests --build build --full",
}


def test_every_command_is_run_somewhere():
    blocks = [block for _, path, _ in chapter_texts() for block in read(path).of("sh")]
    assert {line for block in blocks for line in text.shape(block)} == {*RUN, *ELSEWHERE, *ITSELF}
    for where in ELSEWHERE.values():
        file, name = where.split(": ")
        assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), where


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN)
def test_command(command, plain, tmp_path):
    if not text.may_trace() and ("trace" in command or "check" in command):
        pytest.skip("strace may not trace here")
    text.workplace(tmp_path, ROOT, plain)
    (tmp_path / "my_server").write_text(f'#!/bin/sh\nexec {plain}/04_select/server --port "${{1:-9999}}"\n')
    (tmp_path / "my_server").chmod(0o755)
    ran = subprocess.run(command, shell=True, cwd=tmp_path, text=True, capture_output=True, timeout=300)
    assert ran.returncode == 0 and RUN[command] in ran.stdout, f"$ {command}\n{ran.stdout}{ran.stderr}"


@pytest.mark.parametrize("source", programs())
def test_build_line(source):
    found = text.build_line(source.read_text())
    assert found, f"{source.name}: the header comment has no line '// Build: g++ -std=c++20 … -o NAME'"
    assert f" {source.relative_to(ROOT)} " in found[0]


@pytest.mark.slow
@pytest.mark.busy
@pytest.mark.parametrize("source", programs())
def test_build_line_builds(source, tmp_path):
    command, program = text.build_line(source.read_text())
    text.workplace(tmp_path, ROOT, ROOT / "build")
    for line in (command, f"./{program} --help"):
        ran = subprocess.run(line, shell=True, cwd=tmp_path, text=True, capture_output=True, timeout=300)
        assert ran.returncode == 0, f"$ {line}\n{ran.stdout}{ran.stderr}"


# ---- the checkers


SOURCE = """// A program. [whole]
int twice(int number) {
    number *= 2;  // [double] as often as asked
    return number;
}
"""

RIGHT = """# Title

[`made.cpp`](made.cpp) `[double]`

```cpp
number *= 2;  // [double] as often as asked
return number;
```

It is `[whole]`, see [it](made.cpp#L1) and [them](https://example.org).
It calls `twice` in <!--= cpu_us twice -->8.3<!--/--> µs.
<!--? cpu_us twice > cpu_us once -->

![A curve](made.cpp)

```sh
./twice 4  # eight
```

```console
$ echo one; echo two
o…
two
```

```mermaid
sequenceDiagram
    A->>B: hello
    Note over A: it waits
```

| a | b |
|---|---|
| 1 | 2 |

## End
"""


@pytest.fixture
def made(tmp_path):
    """A function that makes a text of RIGHT in which one thing was replaced, beside the source that it quotes."""
    (tmp_path / "made.cpp").write_text(SOURCE)

    def make(old="", new="", path="README.md"):
        assert old in RIGHT
        return Text(tmp_path / path, RIGHT.replace(old, new) if old else RIGHT)

    return make


def test_checkers_pass_what_is_right(made, tmp_path):
    right = made()
    own = [tmp_path / "made.cpp"]
    report(text.quotation_complaints(right) + text.tag_complaints(right, own) + text.link_complaints(right))
    report(text.translation_complaints(right, made(path="README.zh-CN.md")))
    report(text.transcript_complaints(right.of("console")[0], tmp_path))


@pytest.mark.parametrize("old, new, complaint", [
    ("return number;", "return 2;", "+return 2;"),
    ("return number;", "}", "not what stands in made.cpp at [double]"),
    ("number *= 2;  // [double] as often as asked", "int twice(int number) {", "-    number *= 2;"),
    ("`[double]`\n", "`[triple]`\n", "has no tag [triple]"),
    ("(made.cpp) `[double]`", "(lost.cpp) `[double]`", "there is no lost.cpp"),
    ("[`made.cpp`](made.cpp) `[double]`", "Here:", "says where this code stands"),
])
def test_an_altered_quotation_is_reported(made, old, new, complaint):
    assert complaint in "\n".join(text.quotation_complaints(made(old, new)))


def test_a_quotation_of_nothing_is_reported(made):
    nothing = made("number *= 2;  // [double] as often as asked\nreturn number;\n", "")
    assert "quotes nothing" in "\n".join(text.quotation_complaints(nothing))


def test_a_quotation_may_begin_below_its_tag(made):
    lower = made("number *= 2;  // [double] as often as asked\nreturn", "return")
    report(text.quotation_complaints(lower))


@pytest.mark.parametrize("old, new, complaint", [
    ("`[whole]`", "`[hole]`", "no source bears [hole]"),
    ("`[whole]`", "whole", "never mentions [whole] of made.cpp"),
])
def test_a_wrong_tag_is_reported(made, tmp_path, old, new, complaint):
    assert complaint in "\n".join(text.tag_complaints(made(old, new), [tmp_path / "made.cpp"]))


def test_tags_are_found_in_comments_alone():
    assert text.tags_in("auto f = [first] {};\nint n = a[i];  // [second] not a[i]\n// The [third]\n//[no]\n") == {
        "second": [1], "third": [2]}


def test_a_broken_link_is_reported(made):
    assert "there is no lost.md" in "\n".join(text.link_complaints(made("(made.cpp#L1)", "(lost.md)")))


def test_a_missing_section_is_reported(made):
    assert "the sections are ('End',)" in "\n".join(text.section_complaints(made()))


@pytest.mark.parametrize("old, new, complaint", [
    ("## End\n", "", "heading levels"),
    ("| 1 | 2 |\n", "", "table rows"),
    ("`[whole]`", "whole", "tags"),
    ("calls `twice`", "calls twice", "not in both, or not as often: twice"),
    ("<!--= cpu_us twice -->", "<!--= cpu_us once -->", "not as often: <!--= cpu_us once -->"),
    ("<!--? cpu_us twice > cpu_us once -->\n", "", "not as often: <!--? cpu_us twice > cpu_us once -->"),
    ("![A curve](made.cpp)", "", "pictures"),
    ("./twice 4", "./twice 5", "+./twice 5"),
    ("echo two", "echo three", "+$ echo one; echo three"),
    ("A->>B", "B->>A", "+    B->>A"),
    ("```console", "```sh", "not the same kinds of blocks"),
    ("return number;", "return 2;", "+return 2;"),
])
def test_a_translation_that_strays_is_reported(made, old, new, complaint):
    strayed = made(old, new, path="README.zh-CN.md")
    assert complaint in "\n".join(text.translation_complaints(made(), strayed))


def test_a_translation_may_say_it_otherwise(made):
    for old, new in (("# Title", "# 标题"), ("hello", "你好"), ("it waits", "它在等"), ("## End", "## 结束"),
                     ("  # eight", "    # 八"), ("calls `twice`", "在 `twice` 里调用 `twice`"), ("A curve", "曲线")):
        report(text.translation_complaints(made(), made(old, new, path="README.zh-CN.md")))


@pytest.mark.parametrize("shown, complaint", [
    ("one\nthree", "+two"),
    ("one", "+two"),
    ("one\ntwo\nthree", "-three"),
    ("", "+one"),
    ("t…\n…", "+one"),
])
def test_a_wrong_output_is_reported(tmp_path, shown, complaint):
    wrong = Text("made.md", f"```console\n$ echo one; echo two\n{shown}\n```\n".replace("\n\n", "\n"))
    assert complaint in text.transcript_complaints(wrong.of("console")[0], tmp_path, patience=0.2)


@pytest.mark.parametrize("shown", ["one\ntwo", "o…\n…o", "…", "one\n…", "…\ntwo", "one\ntwo\n…"])
def test_an_ellipsis_stands_for_what_differs(tmp_path, shown):
    right = Text("made.md", f"```console\n$ echo one; echo two\n{shown}\n```\n")
    report(text.transcript_complaints(right.of("console")[0], tmp_path))


@pytest.mark.parametrize("lines", ["", "one\n", "one\n$ echo one\n"])
def test_a_transcript_without_a_command_is_reported(lines):
    with pytest.raises(ValueError, match="begins with a command"):
        text.steps_of(Text("made.md", f"```console\n{lines}```\n").of("console")[0])


def test_a_block_without_an_end_is_reported():
    with pytest.raises(ValueError, match="that begins in line 2 does not end"):
        Text("made.md", "# Title\n```console\n$ echo one\n")


def test_a_command_may_go_on_in_the_next_line(tmp_path):
    long = Text("made.md", "```console\n$ echo one \\\n  two\none two\n```\n")
    report(text.transcript_complaints(long.of("console")[0], tmp_path))


def test_a_command_that_does_not_return_is_reported(tmp_path):
    stuck = Text("made.md", "```console\n$ echo one; cat\none\n```\n")
    complaints = text.transcript_complaints(stuck.of("console")[0], tmp_path, limit=0.5)
    assert "+[still running after 0.5 s]" in complaints


def test_late_output_is_awaited_and_no_process_is_left(tmp_path):
    waits = Text("made.md", "```console\n$ (sleep 0.3; echo late; exec sleep 1000) &\nlate\n$ echo $! > pid\n```\n")
    report(text.transcript_complaints(waits.of("console")[0], tmp_path))
    left = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not left.exists() or left.read_text().rpartition(") ")[2][0] in "ZX"


def test_half_a_line_is_not_taken_for_one(tmp_path):
    halves = Text("made.md", "```console\n$ (printf half; sleep 0.3; echo) &\nhalf\n$ echo done\ndone\n```\n")
    report(text.transcript_complaints(halves.of("console")[0], tmp_path))


def test_what_bash_says_of_its_jobs_is_left_out(tmp_path):
    jobs = Text("made.md", "```console\n$ sleep 1000 &\n$ kill %1; wait\n$ (exit 3) &\n$ wait\n$ echo done\ndone\n```\n")
    report(text.transcript_complaints(jobs.of("console")[0], tmp_path))


def test_each_transcript_has_a_network_of_its_own(tmp_path):
    if not text.network():
        pytest.skip("no network namespace may be made here: transcripts are run one at a time")
    alone = Text("made.md", "```console\n$ ip -o link | wc -l\n1\n$ nc -zv 127.0.0.1 1\n…refused\n```\n")
    report(text.transcript_complaints(alone.of("console")[0], tmp_path))


@pytest.mark.parametrize("header, found", [
    ("// A server.\n// Build: g++ -std=c++20 -I. a.cpp -o a\n\nint x;\n", ("g++ -std=c++20 -I. a.cpp -o a", "a")),
    ("// A server.\n\n// Build: g++ -std=c++20 a.cpp -o a\n", None),
    ("// A server. Build: g++\n// -std=c++20 a.cpp -o a\n\n", None),
])
def test_the_build_line_is_a_line_of_the_header_comment(header, found):
    assert text.build_line(header) == found
