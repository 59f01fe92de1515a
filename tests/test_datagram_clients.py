"""Every client that sends datagrams against every check of its ladder."""

import sweep


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["datagram-clients"])


def test_datagram_clients(case):
    sweep.climb(case)
