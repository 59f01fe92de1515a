"""The HTTP server against what it promises besides, and against each case of the catalogue by itself."""

import pytest

import http_cases
import sweep
from chapters import find
from http_contract import HttpSubject, facts_of, judge_case

CHAPTER = find("11_http")
CASES = [pytest.param(case, id=f"{group}-{case.id}") for group, (_, cases) in http_cases.GROUPS.items() for case in cases]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames and metafunc.function is test_http:
        sweep.parametrize(metafunc, sweep.KINDS["http"])


def test_http(case):
    sweep.climb(case)


@pytest.fixture(scope="module", params=["plain", "asan"])
def served(request, builds):
    """(subject, server, facts), for all cases of a build."""
    found = builds.of(request.param)
    if not found:
        pytest.skip(f"no {request.param} build is given")
    subject = HttpSubject([found[0].folder / CHAPTER.name / "server", "--port", "{port}"], CHAPTER.port, CHAPTER.capabilities, 8.0)
    server = subject.site()
    yield subject, server, facts_of(subject, server)
    complaints = subject.close()
    assert not complaints, "\n".join(complaints)


@pytest.mark.chapter("11_http")
@pytest.mark.xdist_group("11_http-cases")
@pytest.mark.parametrize("row", CASES)
def test_case(row, served):
    judge_case(row, *served)
