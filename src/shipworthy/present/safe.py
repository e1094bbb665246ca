"""Strings that came from outside, made harmless for the place they are shown in.

HTML is escaped by the template engine; everything else is here. Model output, column values and file names are
hostile until shown otherwise.
"""

from __future__ import annotations

import re
import unicodedata

# ECMA-48 control sequences: CSI, then the string-carrying ones (OSC, DCS, SOS, PM, APC), then two-character escapes.
# Nothing is given back once it is taken, and what begins a string always matches: time grows with the text alone.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*+[0-~]?"
)
_LINES = re.compile(r"\r\n|[\n\v\f\r\x85\u2028\u2029]")
_INDENT = "\u00a0"
_MARKS = 4  # on one character
_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# Bidirectional overrides and marks, zero-width characters that hide text, and Unicode tags. The zero-width joiner
# stays: emoji need it.
_INVISIBLE = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]"
)
_MARKDOWN = re.compile(r"([\\`*_\[\]{}|#~^$])")
# What begins a list, an underline, a rule or a table's second line; a signed number does not.
_BLOCK = re.compile(r"^([-+](?=\s|$)|[-=:](?=[-=:\s]*$)|-(?=-))")
_FORMULA = re.compile(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"^\s*[+-]?(\d++(\.\d*+)?|\.\d++)([eE][+-]?\d+)?\s*$")


def plain(text: object) -> str:
    """One line of visible text: no control, escape, bidirectional or invisible characters. Fit for a terminal, a
    log, XML and JSON. Of a pile of combining marks, which would run over the lines around it, four stay."""
    line = _INVISIBLE.sub("", _BREAKS.sub(" ", _ESCAPES.sub("", str(text))))
    if line.isascii() and line.isprintable():
        return line.strip()
    kept, pile = [], 0
    for char in line:
        category = unicodedata.category(char)
        pile = pile + 1 if category in ("Mn", "Me") else 0
        if pile <= _MARKS and category not in ("Cc", "Cs", "Co", "Cn"):
            kept.append(char)
    return "".join(kept).strip()


def passage(text: object, width: int) -> tuple[tuple[str, ...], int]:
    """The visible lines of a longer text, at most `width` characters in all, and how many were left out.

    Lines keep their indentation; empty ones at the ends go, and of several in a row one stays.
    """
    whole = str(text)
    read = whole[: 4 * width]
    lines: list[str] = []
    room, total = width, 0
    for line in _LINES.split(_ESCAPES.sub("", read)):
        visible = plain(line)
        total += len(visible)
        if room <= 0 or (not visible and (not lines or not lines[-1])):
            continue
        indent = len(line) - len(line.lstrip(" \t"))
        lines.append(_INDENT * min(indent, 24) + visible[:room] if visible else "")
        room -= len(visible[:room])
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines), total - (width - room) + len(whole) - len(read)


def shorten(text: object, width: int = 90) -> str:
    """`plain` text of at most `width` characters; what was cut is marked by an ellipsis."""
    whole = str(text)
    read = whole[: 1_000 + 50 * width]  # of ten million characters, only so many are looked at
    line = plain(read)
    if len(line) <= width and len(read) == len(whole):
        return line
    return line[: width - 1].rstrip() + "…"


def markdown(text: object, width: int | None = None) -> str:
    """`plain` text that Markdown shows as it is: no markup, no HTML, no links, no mentions, no table breaks."""
    line = plain(text) if width is None else shorten(text, width)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN.sub(r"\\\1", line)
    line = line.replace("://", "&#58;//").replace("@", "&#64;").replace("www.", "www&#46;")
    return re.sub(r"^(\d+)([.)]) ", r"\1\\\2 ", _BLOCK.sub(r"\\\1", line))


def csv_cell(text: object) -> str:
    """A cell that no spreadsheet runs as a formula: an apostrophe goes before text that begins like one. Numbers
    pass."""
    cell = plain(text)
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.match(cell) else cell
