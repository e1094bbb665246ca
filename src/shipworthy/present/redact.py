"""Personal data and credentials taken out of an answer before it is shown: what must not spread is named, not repeated.

The patterns are those of the scorers `personal_data` and `secrets`; names and addresses of people they do not know.
"""

from __future__ import annotations

import re
from itertools import chain

from shipworthy.scorers.credentials import credentials
from shipworthy.scorers.personal_data import personal_data

_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?")
_MAILBOX = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_DIGITS = re.compile(r"(?<![\w.,])\+?\d(?:[ ()/-]{0,2}\d){8,40}")  # numbers that name somebody are long
_WORD = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+/=-]{24,64}(?![A-Za-z0-9_+/=-])")  # a longer one is an encoding


def redact(text: str, *, guess: bool = True) -> tuple[str, int]:
    """A text with every finding replaced by its kind in brackets, and how many were replaced.

    guess: what no pattern is sure of goes as well when it looks like a key. An attack may be written in such words, so
    what a suite asks is better shown without guessing.
    """
    count = 0

    def named(kind: str, pattern: re.Pattern[str], said: str) -> str:
        nonlocal count
        changed, times = pattern.subn(f"[{kind}]", said)
        count += times
        return changed

    text = named("private key", _KEY, text)
    found = {piece: kind for kind, piece in chain(credentials(text), personal_data(text))}
    for piece in sorted(found, key=len, reverse=True):
        count += text.count(piece)
        text = text.replace(piece, f"[{found[piece]}]")
    text = named("e-mail address", _MAILBOX, text)
    text = named("long number", _DIGITS, text)

    def key(match: re.Match[str]) -> str:
        nonlocal count
        word = match[0]
        if not any(c.isdigit() for c in word) or not any(c.isalpha() for c in word):
            return word
        count += 1
        return "[key]"

    return (_WORD.sub(key, text) if guess else text), count
