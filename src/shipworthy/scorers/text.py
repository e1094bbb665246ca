"""Reading hostile text: bounded pieces of it, one spelling of it, and quotes that are safe to show."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

QUOTE: Final = 120  # characters of an answer that a `why` may repeat
_SPACES = re.compile(r"\s+")
_TYPOGRAPHY = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "ʼ": "'",
        "´": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "–": "-",
        "—": "-",
    }
)
_INVISIBLE = dict.fromkeys(
    (
        *(0xAD, 0x180E, 0xFEFF),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
        *range(0xE0000, 0xE0080),
    )
)


def folded(text: str) -> str:
    """One spelling: NFKC, casefolded, straight quotes and dashes, no invisible characters. Any text, in linear time."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold().translate(_TYPOGRAPHY)


def squeezed(text: str) -> str:
    """`folded`, with each run of white space made one blank and none at the ends."""
    return _SPACES.sub(" ", folded(text)).strip()


def words(text: str) -> list[str]:
    """Its words and numbers, folded; each Chinese or Japanese character, which has no blanks around it, is a word."""
    return _WORDS.findall(folded(text))


_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORDS = re.compile(rf"[{_CJK}]|\d+(?:[.,:]\d+)*|[^\W\d_{_CJK}]+(?:'[^\W\d_{_CJK}]+)*")


def quote(text: str, *, most: int = QUOTE) -> str:
    """A piece of hostile text for a `why`: one line, no control characters, bounded."""
    shown = "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else " " for c in text[: most * 2])
    shown = _SPACES.sub(" ", shown).strip()
    return f'"{shown[:most]}…"' if len(shown) > most or len(text) > most * 2 else f'"{shown}"'


def encoded(text: str) -> bytes:
    """UTF-8; a lone surrogate, which has none, becomes a question mark."""
    return text.encode("utf-8", "replace")
