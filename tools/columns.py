"""What is printed in columns, of which a Chinese character takes two: rich counts them, here text is cut and broken."""

import itertools
import re

from rich.cells import cell_len, get_character_cell_size

WIDE = "\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60"
PIECE = re.compile(rf"\s+|[（《“]*(?:[{WIDE}]|[^\s{WIDE}（《“]+)[，。：；、？！）》”…]*|[（《“]+")  # is not broken


def fitting(text, width, begin=0):
    """How many characters fit, from `begin` on."""
    for at in range(begin, len(text)):
        width -= get_character_cell_size(text[at])
        if width < 0:
            return at - begin
    return len(text) - begin


def cut(text, width):
    """As much of the beginning as fits."""
    return text[:fitting(text, width)]


def wrapped(text, width, most=None):
    """The lines of a text, `most` of them: they are broken at blanks, and beside a Chinese character, but not before a
    comma. Where nothing fits, a line has one character."""
    return [line.rstrip() for line in itertools.islice(broken(text, width), most)]


def broken(text, width):
    line, used = "", 0
    for found in PIECE.finditer(text.strip()):
        piece, at = " " if found[0].isspace() else found[0], 0
        if fitting(piece, width - used) < len(piece) == fitting(piece, width):
            yield line
            line, used = "", 0
        while (end := at + max(fitting(piece, width - used, at), not line)) < len(piece):  # wider than a line
            yield line + piece[at:end]
            line, used, at = "", 0, end
        if line or piece.strip():
            line += piece[at:]
            used += cell_len(piece[at:])
    yield line


def beside(one, other):
    """Two texts, a blank between them unless Chinese meets Chinese."""
    meet = cell_len(one[-1:] + other[:1]) == 4
    return one + ("" if meet else " ") + other
