"""The contract sweep: every chapter's servers against every check that its row in the table asks for."""

import pytest

import contract
from chapters import CHAPTERS
from check import CannotTell, Failed
from subject import ServerSubject, judge

failed = {}  # (server, build) -> ids of the checks that it did not pass in this run


def pytest_generate_tests(metafunc):
    rows = []
    for chapter in CHAPTERS:
        for program, _ in chapter.pairs:
            for check in contract.ladder:
                if check.capability not in chapter.capabilities:
                    continue
                for build in metafunc.config.builds.for_check(check.measured, chapter.threaded):
                    marks = [pytest.mark.chapter(chapter.name),
                             pytest.mark.xdist_group(f"{chapter.name}-{program}-{build.label}")]
                    if check.slow:
                        marks.append(pytest.mark.slow)
                    if check.id in chapter.expected_failures:
                        marks.append(pytest.mark.xfail(raises=Failed, strict=True, reason=chapter.model))
                    name = chapter.name if program == "server" else f"{chapter.name}/{program}"
                    rows.append(pytest.param(chapter, program, build, check, marks=marks,
                                             id=f"{name}-{build.label}-{check.id}"))
    metafunc.parametrize("chapter, program, build, check", rows)


def test_contract(chapter, program, build, check):
    broken = failed.setdefault((chapter.name, program, build.label), set())
    if check.needs in broken:
        broken.add(check.id)
        pytest.skip(f"needs {check.needs}, which this server does not pass")
    patience = 1.0 if check.id in chapter.expected_failures else 8.0
    command = [build.folder / chapter.name / program, "--port", "{port}"]
    subject = ServerSubject(command, chapter.capabilities, patience, build.folder / "tests" / "libfault.so")
    try:
        judge(check, subject)
    except CannotTell as reason:
        pytest.skip(str(reason))
    except Failed:
        if check.id not in chapter.expected_failures:
            broken.add(check.id)
        raise
