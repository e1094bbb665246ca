"""Persons: what a name and an address may hold, and what persons are counted by.

Nobody may pass for two, or for somebody else, by characters that nobody sees. Letters of one script that look alike are
not told apart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from shipworthy.errors import Fault, Unusable

LONGEST_NAME = 200  # characters
LONGEST_LOCAL, LONGEST_DOMAIN = 64, 255  # characters before and after the @

_PERSON = re.compile(r"([^<>\n]*?) *<([^<>\n]*)>")
# Default_Ignorable_Code_Point of Unicode 16, DerivedCoreProperties.txt; and the Braille cell without dots.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\u2800]"
)
_SIGNS = frozenset("!#$%&'*+/=?^_`{|}~.-")  # before the @, beside letters and digits: RFC 5322, section 3.2.3
_LETTERS = ("Ll", "Lu", "Lo")
_TOGETHER = (
    frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"CJK", "HANGUL"}),
    frozenset({"CJK", "BOPOMOFO"}),
)  # scripts that one language writes side by side: UTS 39, section 5.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody by name and address. Two spellings of a name with one address are one person."""

    name: str
    email: str

    @property
    def identity(self) -> str:
        """What persons are counted by."""
        return identity(self.email)

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


def person(text: str) -> Person:
    """Read `Ada Lovelace <ada@example.org>`. Raises Unusable (KEYS001)."""
    found = _PERSON.fullmatch(text.strip())
    why = 'it is not written as "Ada <ada@example.org>"' if found is None else ""
    if found is None or (why := why_no_name(found[1]) or why_no_address(found[2])):
        what, mend = f"{text[:100]!r} does not name a person: {why}", 'write it as "Ada <ada@example.org>"'
        raise Unusable(Fault(code="KEYS001", what=what, mend=mend))
    return Person(name=found[1], email=unicodedata.normalize("NFC", found[2]))


def identity(email: str) -> str:
    """What tells two addresses apart: not their case, not what nobody sees, not how a domain's letters are encoded."""
    visible = _HIDDEN.sub("", unicodedata.normalize("NFKC", email)).strip().casefold()
    local, at, domain = unicodedata.normalize("NFKC", visible).rpartition("@")
    return f"{local}{at}{'.'.join(_encoded(label) for label in domain.split('.'))}"


def why_no_name(text: str) -> str:
    """Why a text is no name of a person; empty where it is one."""
    if not 0 < len(text) <= LONGEST_NAME or text != text.strip():
        return f"a name has 1 to {LONGEST_NAME} characters"
    if not text.isprintable() or _HIDDEN.search(text):
        return "its name holds a character that nobody sees"
    return "a name holds no < or >" if set(text) & set("<>") else ""


def why_no_address(text: str) -> str:
    """Why a text is no address of a person; empty where it is one.

    An address is `local@domain`: ASCII digits, letters of one script all through (but for a domain's labels in ASCII
    that begin with xn--), and ASCII signs. A letter with its accents is one character.
    """
    email = unicodedata.normalize("NFC", text)
    local, at, domain = email.rpartition("@")
    labels = domain.split(".")
    if not at or not 0 < len(local) <= LONGEST_LOCAL or not 0 < len(domain) <= LONGEST_DOMAIN or not all(labels):
        return "an address is written as ada@example.org"
    if not email.isprintable() or _HIDDEN.search(email):
        return "its address holds a character that nobody sees"
    for part, signs in ((local, _SIGNS), *((label, {"-"}) for label in labels)):
        for char in part:
            is_known = (char.isascii() and char.isalnum()) or char in signs or _is_letter(char)
            if not is_known:
                return f"its address holds {char!r} (U+{ord(char):04X}), which is no letter or digit of an address"
    shown = local + "".join(label for label in labels if not label.lower().startswith("xn--"))
    scripts = {_script(char) for char in shown if char.isalpha()} - {""}
    if len(scripts) > 1 and not any(scripts <= some for some in _TOGETHER):
        return f"its address mixes letters of {' and '.join(sorted(one.title() for one in scripts))}, which look alike"
    return ""


def _is_letter(char: str) -> bool:
    """Whether a character is one letter, in the one spelling that it has."""
    plain = unicodedata.normalize("NFKC", char) == char
    return plain and (unicodedata.category(char) in _LETTERS or char in "ー々")


def _script(char: str) -> str:
    """The script of a letter, by the first word of its name; empty for what several scripts share."""
    return "" if char in "ー々" else unicodedata.name(char, "?").partition(" ")[0]


def _encoded(label: str) -> str:
    """A label of a domain in ASCII: RFC 3492."""
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
