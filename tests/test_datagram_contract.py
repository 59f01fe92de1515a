"""Every server of datagrams against the contract of such servers."""

import sweep


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["datagram-contract"])


def test_datagram_contract(case):
    sweep.climb(case)
