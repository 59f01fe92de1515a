"""What ./lab says, in the reader's language: the code has the English, messages.zh.toml what it is in Chinese, and
said.zh.toml what the checks say."""

import os
import re
import string
import tomllib
from functools import cache, lru_cache
from pathlib import Path

CHINESE = Path(__file__).with_name("messages.zh.toml")
SAID = CHINESE.with_name("said.zh.toml")
BYTES = re.compile(r"""\bb(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")  # as Python shows them
PUT_ASIDE = re.compile(r"\0([0-9]{1,6})\0")
MOST_ASIDE = 10**6  # numbered from 0
SHOWN = re.compile(r"\0[0-9]{1,6}\0( … \([0-9]+ bytes\))?")
DEEPEST = 5  # a case, what failed in it, what was due, …


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


def translated(text, into=None, kept_only=False):
    """What kept() made, or a check said, in the language `into`; all else as it is. With `kept_only`, where a program's
    own words may stand instead, no more than what kept() made."""
    if (into or language()) != "zh":
        return text
    sent = []  # bytes, whose words are not ours, whatever they look like

    def put_aside(found):
        sent.append(found[0])
        return f"\0{len(sent) - 1}\0"

    chinese_text = in_chinese(BYTES.sub(put_aside, text, MOST_ASIDE), kept_only=kept_only)[0]
    return PUT_ASIDE.sub(lambda found: sent[int(found[1])] if int(found[1]) < len(sent) else found[0], chinese_text)


@lru_cache(1000)
def in_chinese(text, within=0, kept_only=False):
    """(the Chinese of an English text, how much of the English is words that are known): of all ways to read it the one
    whose beginning is the longest, or else in which most is: how a text begins, a check says; how it goes on may be
    anybody's words. A text that stands `within` others, DEEPEST at most, is read too."""
    best, most = text, (0, 0)
    for template in known(bool(within), kept_only) if within < DEEPEST else ():
        for values in template.readings(text):
            read = [in_chinese(value, within + 1) if kind else (value, 0)
                    for kind, value in zip(template.kinds, values)]
            if (words := (template.begins, template.size + sum(count for _, count in read))) > most:
                best, most = template.filled([value for value, _ in read]), words
    return best, most[1]


class Template:
    """An English text with values in it, each {name} or {}, and its Chinese, where {name:_} or {0:_} is a value that
    may be a text too, and {0:b} what check.show() says of bytes."""

    def __init__(self, english, chinese_text, is_part=False):
        self.chinese = re.sub(r":[_b]}", "}", chinese_text)
        parts = list(string.Formatter().parse(english))
        names = [name for _, name, *_ in parts if name is not None]
        self.names = [name or str(number) for number, name in enumerate(names)]
        kinds = {name: kind for _, name, kind, _ in string.Formatter().parse(chinese_text)}
        self.kinds = [kinds[name] for name in self.names]
        self.literals = [""]
        for literal, name, *_ in parts:
            self.literals[-1] += literal
            self.literals += [""] if name is not None else []
        self.size = sum(map(len, self.literals))
        self.begins = 0 if is_part else len(self.literals[0])  # a part may be the beginning of another text

    def filled(self, values):
        """The Chinese, with these values."""
        return self.chinese.format(*values, **dict(zip(self.names, values)))

    def readings(self, text):
        """What its values may be where it is just this text: each as short as can be, from the left on or from the
        right."""
        first, *others = self.literals
        if not others:
            return [[]] if text == first else []
        *middle, last = others
        if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
            return []
        inside = text[len(first):len(text) - len(last)]
        from_left = cut_at(inside, middle, str.partition)
        if from_left is None:
            return []
        from_right = cut_at(inside, middle[::-1], lambda text, literal: str.rpartition(text, literal)[::-1])[::-1]
        return [values for values in ([from_left] if from_left == from_right else [from_left, from_right])
                if all(kind != "b" or SHOWN.fullmatch(value) for kind, value in zip(self.kinds, values))]


def cut_at(text, literals, cut_once):
    """What stands between these literals; None where one is not there."""
    values = []
    for literal in literals:
        value, found, text = cut_once(text, literal)
        if not found:
            return None
        values.append(value)
    return [*values, text]


@cache
def said():
    return tomllib.loads(SAID.read_text(encoding="utf-8"))


@cache
def known(within=False, kept_only=False):
    """The Templates of what kept() may make and a check may say; `within`, of what only stands within others too."""
    tables = [chinese()["kept"], {} if kept_only else said()["said"], said()["within"] if within else {}]
    return [Template(*row, is_part=table is tables[2]) for table in tables for row in table.items()]
