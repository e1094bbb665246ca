"""What can be said of an answer at a glance: its length, and the language it is in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Range, Score
from shipworthy.scorers.text import folded, words

READ: Final = 4_000  # characters that the language is told from
FEWEST: Final = 3  # words of one language's own before it is named
_COMMON: Final = {
    language: frozenset(common.split())
    for language, common in {
        "en": (
            "the and of to is in that it for was you with on are this be not have but they which can your "
            "from will as at or an "
        ),
        "de": (
            "der die das und ist nicht ein eine ich sie zu den mit auf für von sich auch es dem des wir aber "
            "wie werden oder einen kann wird sind "
        ),
        "fr": (
            "le la les et est des un une que pas pour dans vous je sur qui avec ce au il ne plus sont par "
            "votre mais nous du ou cette "
        ),
        "es": (
            "el la los las de que y en un una es no por para con se su lo del al como más pero puede está "
            "son este o si "
        ),
        "it": (
            "il di che e la un una è per non con sono del della le gli nel più anche come questo alla dei si ma può "
        ),
        "pt": (
            "o a os as de que e em um uma é não para com por se do da no na mais como mas você ou são pode seu isso "
        ),
        "nl": (
            "de het een en van is dat niet in op te voor met zijn je ik ook aan er maar om kan die naar of worden deze "
        ),
    }.items()
}
_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
KNOWN: Final = frozenset((*_COMMON, *(language for language, _ in _SCRIPTS)))


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the language that most of the text seems to be in; None when it is too short to tell.

    By script where a script means one language here (a text with kana is Japanese; Cyrillic is taken for Russian), else
    by the common words of seven languages.
    """
    said = folded(text[:READ])
    letters = sum(map(str.isalpha, said))
    for language, script in _SCRIPTS:
        if (found := len(script.findall(said))) and found >= (0.1 if language == "ja" else 0.4) * letters:
            return language
    counted = words(said)
    hits = {language: sum(word in common for word in counted) for language, common in _COMMON.items()}
    best, second = sorted(hits, key=lambda one: -hits[one])[:2]
    return best if hits[best] >= FEWEST and hits[best] > hits[second] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InLanguage:
    """Whether the answer is in the case's language, or in one that the plan names."""

    name: str
    measures: Measure
    wanted: str  # empty: the case's

    def score(self, exchange: Exchange) -> Score:
        """True when it is; None where it cannot be told."""
        wanted = (self.wanted or exchange.case.language).lower().replace("_", "-").split("-")[0]
        if wanted not in KNOWN:
            return Score(value=None, why=f"the language {wanted[:20]!r} is not one that can be told")
        found = language_of(exchange.answer.text)
        if found is None:
            return Score(value=None, why="too little text to tell")
        return Score(value=found == wanted, why="" if found == wanted else f"it is in {found}")

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {"kind": "language", "wanted": self.wanted or "the case's"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long the answer is."""

    name: str
    unit: Literal["words", "characters"]

    @property
    def measures(self) -> Measure:
        """A number."""
        return "number"

    @property
    def bounds(self) -> Range:
        """A count."""
        return (0.0, math.inf)

    def score(self, exchange: Exchange) -> Score:
        """The number of words or characters."""
        text = exchange.answer.text
        return Score(value=float(len(text) if self.unit == "characters" else len(words(text))))

    def describe(self) -> Mapping[str, str]:
        """Kind and unit."""
        return {"kind": "length", "unit": self.unit}


def open_language(options: Options) -> InLanguage:
    """`language`: that of the case; `{language: de}`."""
    wanted = options.text("language", "case")
    name, measures = options.name("in_language"), options.measures_bool("correct")
    options.done()
    if wanted != "case" and wanted not in KNOWN:
        raise options.fault(f"it cannot tell {wanted[:40]!r}", f"it tells {', '.join(sorted(KNOWN))}")
    return InLanguage(name=name, measures=measures, wanted="" if wanted == "case" else wanted)


def open_length(options: Options) -> Length:
    """`length` in words, or `{length: characters}`."""
    unit = cast("Literal['words', 'characters']", options.choice("length", "words", ("words", "characters")))
    name = options.name()
    options.measures("number")
    options.done()
    return Length(name=name, unit=unit)
