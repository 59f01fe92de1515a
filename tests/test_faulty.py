"""The suite is judged too: every check fails a program that breaks its promise, for the reason it should.

Each wrong program is a diff in faulty/ against a right one. Its head names the check that must fail it, and
words that the failure must hold. What that check depends on must pass. With --full only: they are many to build.
"""

import re
from dataclasses import dataclass

import pytest

import bank
from chapters import CHAPTERS
from check import Failed
from subject import judge
from sweep import KINDS


@dataclass(frozen=True)
class Faulty:
    name: str
    source: str  # the right program that it is a diff against
    check: str  # the id of the check that must fail it
    reason: str  # a regular expression that the failure must match
    build: str  # the build that it is judged on

    @property
    def chapter(self):
        return next(chapter for chapter in CHAPTERS if self.source.startswith(chapter.name))

    @property
    def kind(self):
        return next(kind for kind in KINDS.values() if self.check in kind.ladder.checks)

    @property
    def ladder(self):
        return self.kind.ladder


FAULTY = [Faulty(each.name, each.patches, each.check, each.reason, each.build) for each in bank.diffs()]


def pytest_generate_tests(metafunc):
    if "faulty" in metafunc.fixturenames:
        metafunc.parametrize("faulty", [
            pytest.param(faulty, id=faulty.name, marks=[pytest.mark.chapter(faulty.chapter.name), pytest.mark.slow])
            for faulty in FAULTY
        ])


def subject_for(faulty, builds, patience):
    build = (builds.of(faulty.build) or [None])[0]
    if not build:
        pytest.skip(f"judged on a {faulty.build} build, and none is given")
    program = build.folder / "tests" / "faulty" / faulty.name
    assert program.exists(), f"not built: meson compile -C {build.folder.name} faulty"
    return faulty.kind.subject(program, [], faulty.chapter, build, patience)


def test_fails_at_its_check(faulty, builds):
    *passing, failing = faulty.ladder.up_to(faulty.check)
    for check in passing:
        judge(check, subject_for(faulty, builds, patience=8.0), strict=False)
    said = verdict_of(failing, faulty, builds, patience=1.0)  # most wait for what never comes
    if not re.search(faulty.reason, said):
        said = verdict_of(failing, faulty, builds, patience=8.0)  # on a busy machine that was not enough
    assert re.search(faulty.reason, said), said


def verdict_of(check, faulty, builds, patience):
    with pytest.raises(Failed) as failure:
        judge(check, subject_for(faulty, builds, patience))
    return str(failure.value)


def test_every_check_has_a_faulty_program():
    proven = {faulty.check for faulty in FAULTY}
    everywhere = [id for kind in KINDS.values() for id in kind.ladder.checks]
    checks = set(everywhere)
    assert len(checks) == len(everywhere), "two ladders have a check of the same name"
    assert not checks - proven, "no program fails these checks"
    assert not proven - checks, "these checks do not exist"
