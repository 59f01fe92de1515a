"""./lab COMMAND: finds the command and carries it out; every end that it can come to is told in one line."""

import importlib
import os
import signal
import sys
import traceback
from pathlib import Path

if sys.version_info < (3, 11):  # which has tomllib, without which nothing can be told in Chinese
    sys.exit("lab: it takes Python 3.11 or later, as Debian 12 and Ubuntu 24.04 have; this is %d.%d"
             % sys.version_info[:2])

from common import OWN_FAULT, USAGE, Trouble, say  # noqa: E402
from words import _, language  # noqa: E402

# command: the module that carries it out
COMMANDS = {name: name for name in ("run", "test", "new", "bench", "diff", "doctor", "fuzz", "book", "trace", "hunt")}
COMMANDS |= {"check": "checking", "grade": "grading"}


def carry_out(words):
    ours = words[:words.index("--")] if "--" in words else words  # what follows is another program's
    if "--help" in ours or "-h" in ours:
        name = "help.bench" if words[0] == "bench" else "help"
        suffix = "zh.txt" if language() == "zh" else "txt"
        print(Path(__file__).with_name(f"{name}.{suffix}").read_text(encoding="utf-8"), end="")
        return 0
    if words[0] not in COMMANDS:
        raise Trouble(_("there is no command '{word}': ./lab help shows them", word=words[0]), USAGE)
    return importlib.import_module(COMMANDS[words[0]]).main(words[1:])


def main(words):
    # A server leads a session of its own: whatever ends us must pass through the code that stops it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    if sys.stdout is None or sys.stderr is None:
        raise Trouble(_("stdout and stderr must not be closed"))
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)  # or the next file that is opened would be the client's stdin
    sys.stdout.reconfigure(errors="replace")
    code = carry_out(words)
    sys.stdout.flush()
    return code


def end(words):
    fault = OWN_FAULT if words[:1] in (["check"], ["grade"]) else 1  # there, 1 says that a server failed
    try:
        return main(words)
    except Trouble as trouble:
        say(trouble)
        return trouble.code if trouble.code != 1 else fault
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # who read our output has seen enough
        code = 128 + signal.SIGPIPE
    except OSError as error:
        say(_("{what}: {reason}", what=error.filename or "stdout", reason=error.strerror))
        code = fault
    except Exception:
        traceback.print_exc()
        return fault
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what stdout would not take is not tried again
    return code


if __name__ == "__main__":
    sys.exit(end(sys.argv[1:]))
