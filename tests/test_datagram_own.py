"""Every server of datagrams against what our own promise besides."""

import sweep


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["datagram-own"])


def test_datagram_own(case):
    sweep.climb(case)
