"""Every chapter's clients against every check that its row in the table asks for."""

import sweep


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["clients"])


def test_clients(case):
    sweep.climb(case)
