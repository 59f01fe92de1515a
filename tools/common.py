"""What every command needs: where things are, how trouble is told, how another program is run."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
sys.path.insert(1, str(ROOT / "tests"))  # the table of chapters and the handle on a server are the suite's

from chapters import CHAPTERS, candidates  # noqa: E402
from words import _  # noqa: E402

USAGE = 2  # the exit code of a command line that cannot be carried out
OWN_FAULT = 3  # of check and grade, when it is not the server that is to blame


class Trouble(Exception):
    """The end of a command: one line for the reader, and the exit code."""

    def __init__(self, line, code=1):
        super().__init__(line)
        self.code = code


def find_chapter(words):
    found = candidates(words)
    if len(found) == 1:
        return found[0]
    known = ", ".join(chapter.name for chapter in found or CHAPTERS)
    raise Trouble(_("'{words}' is ambiguous: {known}", words=words, known=known) if found else
                  _("'{words}' is no chapter: {known}", words=words, known=known), USAGE)


def say(line):
    """What is going on, on stderr: stdout is for what was asked for."""
    print(f"lab: {line}", file=sys.stderr, flush=True)


def call(command, **rest):
    """Runs a program to its end, whatever interrupts us. Returns its exit code."""
    with subprocess.Popen([str(word) for word in command], **rest) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal has interrupted it as well
            process.wait()
            raise
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def sorted_words(words, valued, flags):
    """({option: its value}, {flag}, the other words) of a command line. Raises Trouble."""
    values, given, rest = {}, set(), []
    words = iter(words)
    for word in words:
        if word in valued:
            values[word] = next(words, None)
            if values[word] is None:
                raise Trouble(_("{word} wants a value", word=word), USAGE)
        elif word in flags:
            given.add(word)
        else:
            rest.append(word)
    return values, given, rest


def renew(file, should_be, stale=""):
    """Writes a file anew that is not as it should be; raises Trouble instead, where it is told what to say then."""
    if file.exists() and file.read_text(encoding="utf-8") == should_be:
        return
    if stale:
        raise Trouble(stale)
    file.parent.mkdir(exist_ok=True)
    file.write_text(should_be, encoding="utf-8")
