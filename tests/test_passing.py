"""10_unix_socket's example of how a descriptor is passed."""

import sweep


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["passing"])


def test_passing(case):
    sweep.climb(case)
