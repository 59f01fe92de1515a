"""What a check is: an id, a title that is a sentence, the check it depends on, and the function that judges.

A ladder is an ordered set of checks about one kind of subject. It knows nothing of pytest: the suite here and
whoever else judges a program run the same functions.
"""

from dataclasses import dataclass
from typing import Callable


class Failed(AssertionError):
    """The subject broke the promise; the text says what was expected and what came."""


class Differs(Failed):
    """Other bytes came than were expected."""

    def __init__(self, text, got, expected, at):
        super().__init__(text)
        self.got, self.expected = bytes(got), bytes(expected)
        self.at = at  # the first byte that differs


class CannotTell(Exception):
    """This check cannot judge this subject here; the text says why. Never a pass."""


@dataclass(frozen=True)
class Check:
    id: str
    title: str  # the promise
    judge: Callable  # takes the subject; raises Failed
    needs: str = ""  # the id of the check without which this one means nothing
    capability: str = ""  # the group it belongs to
    measured: bool = False  # memory, CPU or thousands of connections: judged on a plain build
    refusals: bool = False  # starts a server a dozen times to see words refused: under sanitizers only with --full
    slow: bool = False  # only with --full


class Ladder:
    """The checks of one kind of subject, in the order in which they are climbed."""

    def __init__(self):
        self.checks = {}

    def check(self, id, title, **rest):
        """Registers the decorated function as the judge of a new check."""

        def register(judge):
            needs = rest.get("needs", "")
            assert id not in self.checks, f"two checks are called {id}"
            assert not needs or needs in self.checks, f"{id} needs {needs}, which does not stand before it"
            self.checks[id] = Check(id=id, title=title, judge=judge, **rest)
            return judge

        return register

    def __iter__(self):
        return iter(self.checks.values())

    def __getitem__(self, id):
        return self.checks[id]

    def up_to(self, id):
        """The checks that `id` depends on, first things first, and itself."""
        check = self.checks[id]
        return (self.up_to(check.needs) if check.needs else []) + [check]


def show(data, limit=48):
    """Bytes as a reader can take them in: at most `limit`, and how many there were."""
    data = bytes(data)
    return f"{data[:limit]!r}" + (f" … ({len(data)} bytes)" if len(data) > limit else "")


def expect_bytes(got, expected, what="the answer"):
    """Raises Failed at the first byte in which `got` differs from `expected`."""
    if got == expected:
        return
    at = next((i for i, (g, e) in enumerate(zip(got, expected)) if g != e), min(len(got), len(expected)))
    begin = max(0, at - 8)
    raise Differs(
        f"{what} differs from byte {at} on ({len(got)} bytes came, {len(expected)} were expected)\n"
        f"  expected …{show(expected[begin:at + 24])}\n"
        f"  got      …{show(got[begin:at + 24])}",
        got, expected, at,
    )
