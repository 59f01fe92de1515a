"""Every chapter's servers against what our own promise besides the contract."""

import sweep

# What the server that spells everything out does not do, and need not; and what is otherwise where a message is not a
# line: there it is a request.
EXCUSED = {("01_basic_tcp", "server", "says-once"), ("11_http", "server", "verbose")}


def excused(case):
    return (case.chapter.name, case.program, case.check.id) in EXCUSED


def pytest_generate_tests(metafunc):
    sweep.parametrize(metafunc, sweep.KINDS["own"], excused=excused)


def test_own(case):
    sweep.climb(case)
