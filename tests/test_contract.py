"""The contract sweep: every chapter's servers against every check that its row in the table asks for."""

import sweep


def expected(case):
    return case.chapter.model if case.check.id in case.chapter.expected_failures else ""


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["contract"], expected)


def test_contract(case):
    sweep.climb(case, expected(case))
