"""A sweep: the programs of all chapters against the checks of one ladder, each on the builds it is judged on.

What a program does not pass is remembered, so that a check that needs it is skipped instead of failing too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

import clients
import contract
import datagram_clients
import datagram_contract
import datagram_own
import http_clients  # adds checks to the clients'
import http_contract
import own
import own_pool  # noqa: F401  its checks are own's too
import paths  # adds checks of its own to both
from builds import Build
from chapters import CHAPTERS, Chapter
from check import CannotTell, Check, Failed, Ladder
from datagram import DatagramClientSubject, DatagramSubject
from http_contract import HttpSubject
from http_peer import HttpPeer
from subject import ClientSubject, OwnSubject, ServerSubject, judge


@dataclass(frozen=True)
class Kind:
    """A kind of program: its checks, those of them that a chapter asks for, and what they judge."""

    ladder: Ladder
    role: int | None  # which of a chapter's pair it is; none: what stands beside the pairs
    capabilities: Callable  # of a chapter
    subject: Callable  # of a program of this kind, its words, a chapter, a build, the patience
    variants: bool = False  # whether a chapter's variants are judged too


def capabilities_of_server(chapter):
    return chapter.capabilities | {chapter.transport}


def capabilities_of_http_server(chapter):
    """With the options of our own: anybody's server is not held to them."""
    return capabilities_of_server(chapter) | ({"http-options"} if chapter.transport == "http" else set())


def capabilities_of_client(chapter):
    return chapter.client_capabilities | {f"{chapter.transport}-client"}


PLACE = {"tcp": ("--port", "{port}"), "http": ("--port", "{port}"), "unix": ("--path", "{path}")}  # where a server is told to listen


def fault_library(build):
    return build.folder / "tests" / "libfault.so"


PEERS = {"http": HttpPeer}  # who speaks to a server, where that is not the stream itself


def server_subject(program, words, chapter, build, patience):
    place = () if "{" in "".join(words) else PLACE[chapter.transport]
    subject = ServerSubject([program, *words, *place], chapter.capabilities, patience, fault_library(build))
    subject.peer = PEERS.get(chapter.transport, subject.peer)
    return subject


def own_subject(program, words, chapter, build, patience):
    assert not words, "its checks choose the words themselves"
    subject = OwnSubject([program, *PLACE[chapter.transport]], chapter.port, chapter.capabilities, patience, fault_library(build))
    subject.peer = PEERS.get(chapter.transport, subject.peer)
    return subject


def http_subject(program, words, chapter, build, patience):
    return HttpSubject([program, *words, *PLACE["http"]], chapter.port, chapter.capabilities, patience)


def client_subject(program, words, chapter, build, patience):
    assert not words, "its checks play one connection"
    server = dict(map(reversed, chapter.pairs)).get(Path(program).name, chapter.pairs[-1][0])
    if chapter.transport == "http":
        return http_clients.HttpClientSubject([program], build.folder / chapter.name / server, chapter.client_capabilities, patience)
    place = PLACE["unix"] if chapter.transport == "unix" else ("--host", "{host}", *PLACE["tcp"])
    return ClientSubject([program, *place], build.folder / chapter.name / server, chapter.client_capabilities, patience)


def passing_subject(program, words, chapter, build, patience):
    return ServerSubject([program, "--at", "{path}"], chapter.capabilities, patience)


def datagram_subject(program, words, chapter, build, patience):
    return DatagramSubject(program, words, chapter.port, chapter.capabilities, patience, fault_library(build))


def datagram_client_subject(program, words, chapter, build, patience):
    server = build.folder / chapter.name / chapter.pairs[0][0]
    return DatagramClientSubject(program, server, chapter.client_capabilities, patience)


KINDS = {
    "contract": Kind(contract.ladder, 0, capabilities_of_server, server_subject, variants=True),
    "own": Kind(own.ladder, 0, capabilities_of_server, own_subject),
    "clients": Kind(clients.ladder, 1, capabilities_of_client, client_subject),
    "datagram-contract": Kind(datagram_contract.ladder, 0, capabilities_of_server, datagram_subject),
    "datagram-own": Kind(datagram_own.ladder, 0, capabilities_of_server, datagram_subject),
    "datagram-clients": Kind(datagram_clients.ladder, 1, capabilities_of_client, datagram_client_subject),
    "http": Kind(http_contract.ladder, 0, capabilities_of_http_server, http_subject),
    "passing": Kind(paths.passing, None, capabilities_of_server, passing_subject),
}


@dataclass(frozen=True)
class Case:
    """One program on one build before one check."""

    kind: Kind
    chapter: Chapter
    program: str  # with its words, if it has any
    build: Build
    check: Check

    @property
    def path(self):
        return self.build.folder / self.chapter.name / self.program.split()[0]

    @property
    def name(self):
        first = self.program in self.chapter.pairs[0]
        return self.chapter.name if first else f"{self.chapter.name}/{self.program.replace(' ', '_')}"

    def subject(self, patience):
        return self.kind.subject(self.path, self.program.split()[1:], self.chapter, self.build, patience)


def programs(kind, chapter):
    if kind.role is None:
        return chapter.beside
    more = [f"{chapter.pairs[0][kind.role]} {words}" for words in chapter.variants if kind.variants]
    return [pair[kind.role] for pair in chapter.pairs] + more


def cases(kind, builds, full):
    for chapter in CHAPTERS:
        for program in programs(kind, chapter):
            for check in kind.ladder:
                if check.capability in kind.capabilities(chapter):
                    # With other words its threads are the same, which only --full does not take for granted.
                    threaded = (program.split()[0] if full else program) in chapter.threaded
                    for build in builds.for_check(check.measured, threaded, started_often=check.refusals and not full):
                        yield Case(kind, chapter, program, build, check)


def parametrize(metafunc, kind, expected=lambda case: "", excused=lambda case: False):
    """One test for each case, but the `excused`. Where `expected` gives a reason, the case must fail."""
    rows = []
    for case in cases(kind, metafunc.config.builds, metafunc.config.getoption("--full")):
        if excused(case):
            continue
        marks = [pytest.mark.chapter(case.chapter.name),
                 pytest.mark.xdist_group(f"{case.name}-{case.build.label}-{metafunc.module.__name__}")]
        if case.check.slow:
            marks.append(pytest.mark.slow)
        if expected(case):
            marks.append(pytest.mark.xfail(raises=Failed, strict=True, reason=expected(case)))
        rows.append(pytest.param(case, marks=marks, id=f"{case.name}-{case.build.label}-{case.check.id}"))
    metafunc.parametrize("case", rows)


failed = {}  # a program's path and words -> ids of the checks that it did not pass in this run


def climb(case, expected=""):
    """Has the check of `case` judge its program, unless a check that it needs has failed. Where a failure is
    `expected` it is not waited for as long, and says nothing about the checks that need this one."""
    broken = failed.setdefault((case.path, case.program), set())
    if case.check.needs in broken:
        broken.add(case.check.id)
        pytest.skip(f"needs {case.check.needs}, which this program does not pass")
    try:
        judge(case.check, case.subject(patience=1.0 if expected else 8.0))
    except CannotTell as reason:
        pytest.skip(str(reason))
    except Failed:
        if not expected:
            broken.add(case.check.id)
        raise
