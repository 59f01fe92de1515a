"""Fixtures and options. The build folders come by --build, once or more; --full adds the slow checks."""

import os
import signal
import sys
from collections import Counter

import pytest

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]

from builds import Builds  # noqa: E402
from chapters import ROOT  # noqa: E402
from process import look_for_leaks, raise_descriptor_limit  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--build", action="append", metavar="DIR", help="a Meson build folder; may be repeated")
    parser.addoption("--full", action="store_true", help="the slow checks too, and leaks are looked for")
    parser.addoption("--chapter", metavar="NAME", help="only this chapter's tests: 02_fork_server")


def pytest_configure(config):
    raise_descriptor_limit()
    if config.getoption("--full"):
        look_for_leaks()
    # Whoever is started in a script's background ignores SIGINT, and so would all that is started here: exec(2) keeps
    # what is ignored, and forgets a handler.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folders = config.getoption("--build") or [ROOT / "build"]
    try:
        config.builds = Builds(folders)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config, items):
    """Leaves out what --full or --chapter did not ask for; a test belongs to the chapters its marks name. Then puts
    the largest groups first: one worker runs a group, and single tests keep the others busy while the last ones end."""
    wanted = config.getoption("--chapter")

    def asked_for(item):
        of = [mark.args[0] for mark in item.iter_markers("chapter")]
        return (config.getoption("--full") or not item.get_closest_marker("slow")) and (not wanted or wanted in of)

    config.hook.pytest_deselected(items=[item for item in items if not asked_for(item)])
    items[:] = [item for item in items if asked_for(item)]
    group_of = {item: mark.args[0] for item in items if (mark := item.get_closest_marker("xdist_group"))}
    sizes = Counter(group_of.values())
    items.sort(key=lambda item: sizes[group_of.get(item)], reverse=True)


@pytest.fixture(scope="session")
def builds(request):
    return request.config.builds


@pytest.fixture(scope="session")
def plain(builds):
    """The folder of the plain build, on which all that is no check of a ladder runs its programs."""
    if not builds.of("plain"):
        pytest.skip("it wants a plain build, and none is given")
    return builds.of("plain")[0].folder
