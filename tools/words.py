"""What ./lab says, in the reader's language: the code has the English, messages.zh.toml what it is in Chinese."""

import os
import tomllib
from functools import cache
from pathlib import Path

CHINESE = Path(__file__).with_name("messages.zh.toml")


def language():
    """"zh" where the environment asks for Chinese, as gettext reads it; else "en"."""
    wanted = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if wanted.startswith("zh") else "en"


@cache
def chinese():
    return tomllib.loads(CHINESE.read_text(encoding="utf-8"))


def title_of(check):
    """A check's title, in the reader's language."""
    return chinese()["checks"][check.id] if language() == "zh" else check.title


def _(english, into=language(), **values):
    """The message in the language `into`, the reader's unless told otherwise, with the values put in."""
    return (chinese()["messages"][english] if into == "zh" else english).format(**values)
