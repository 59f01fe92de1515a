"""What ./lab says, in the reader's language: the code has the English, messages.zh.toml what it is in Chinese."""

import os
import re
import string
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


def text_of(cause, english):
    """What a likely cause of a failure is, by its id, in the reader's language."""
    return chinese()["causes"][cause] if language() == "zh" else english


def _(english, into=None, **values):
    """The message in the language `into`, the reader's unless told otherwise, with the values put in."""
    return (chinese()["messages"][english] if (into or language()) == "zh" else english).format(**values)


# ---- what is kept in files, and shown as well


def kept(english, **values):
    """What is kept as data: in English, whoever reads it. translated() is for what is shown of it."""
    return english.format(**values)


def translated(text, into=None):
    """What kept() made, with what kept() made inside it, in the language `into`; all else as it is."""
    for pattern, chinese_text in known() if (into or language()) == "zh" else ():
        if found := pattern.fullmatch(text):
            return chinese_text.format(**{name: translated(value, into) for name, value in found.groupdict().items()})
    return text


@cache
def known():
    """[(what matches an English text, whatever its values are, the Chinese text)] of all that kept() may make."""
    return [(re.compile("".join(re.escape(literal) + (f"(?P<{name}>.*?)" if name else "")
                                for literal, name, *_ in string.Formatter().parse(english)), re.DOTALL), chinese_text)
            for english, chinese_text in chinese()["kept"].items()]
