"""Build folders: set up once, then brought up to date, by one process at a time."""

import fcntl
import json
import os
import subprocess
import sys
from contextlib import contextmanager

from common import BUILD, ROOT, Trouble, call, say
from words import _


@contextmanager
def locked(folder, how):
    """ninja takes no lock of its own, and two of them in one folder spoil it: one builds (LOCK_EX), many may look."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise Trouble(_("cannot make {file}: {reason}", file=error.filename, reason=error.strerror)) from None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            say(_("waiting for another build in {folder}", folder=folder.name))
            fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def is_set_up(folder):
    """Whether Meson has set it up to its end, and for this place: a copied or moved tree brings its old folder."""
    try:
        info = json.loads((folder / "meson-info" / "meson-info.json").read_text())
    except (OSError, ValueError):
        return False
    return info["directories"]["source"] == str(ROOT) and (folder / "build.ninja").exists()


def set_up(folder, options):
    if not os.access(folder, os.W_OK):
        raise Trouble(_("cannot write in {folder}: it belongs to somebody else", folder=folder))
    again = ["--wipe"] if (folder / "meson-private" / "cmd_line.txt").exists() else []
    say(_("setting up {folder}", folder=folder.name))
    if call(["meson", "setup", *again, *options, folder, ROOT], stdin=subprocess.DEVNULL, stdout=sys.stderr) != 0:
        raise Trouble(_("setting up {folder} failed: see above", folder=folder.name))


def is_up_to_date(folder, targets):
    plan = ["ninja", "-C", folder, "-n", *targets]
    return is_set_up(folder) and "no work to do" in subprocess.run(plan, capture_output=True, text=True).stdout


def build(targets=(), folder=BUILD, options=()):
    """Brings `targets` up to date, all there is unless told otherwise. Raises Trouble when that fails."""
    with locked(folder, fcntl.LOCK_SH):
        if is_up_to_date(folder, targets):
            return
    with locked(folder, fcntl.LOCK_EX):
        if not is_set_up(folder):
            set_up(folder, options)
        what = " ".join(dict.fromkeys(target.partition("/")[0] for target in targets))  # each folder once
        say(_("building {what} in {folder}", what=what or _("everything"), folder=folder.name))
        if call(["ninja", "-C", folder, *targets], stdin=subprocess.DEVNULL, stdout=sys.stderr) != 0:
            raise Trouble(_("building {folder} failed: see above", folder=folder.name))
