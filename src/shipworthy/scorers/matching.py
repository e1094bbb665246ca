"""Scorers that compare an answer with a text or a pattern: contains, equals, regex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shipworthy.errors import MissingExtra
from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Score
from shipworthy.scorers.text import encoded, quote, squeezed

REFERENCE = "reference"  # the word in a plan for the case's own reference
_EDGES = " \t\r\n.,;:!?\"'()[]{}*_`。！？、，"
_LONGEST_PATTERN = 10_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    """Whether the answer contains a text, after case, white space and Unicode form are made one.

    A text that starts or ends with a letter or digit is found as whole words only: "12" is not in "312", "12.5" or
    "1,012", "cat" is not in "concatenate". Languages written without blanks are searched as they stand.
    """

    name: str
    measures: Measure
    texts: tuple[str, ...]  # empty: the case's reference
    every: bool  # all of them, or any
    words: bool

    def score(self, exchange: Exchange) -> Score:
        """True when it is there; None when the case has no reference."""
        texts = self.texts or ((exchange.case.reference,) if exchange.case.reference else ())
        if not texts:
            return Score(value=None, why="the case has no reference")
        answer = squeezed(exchange.answer.text)
        missing = [text for text in texts if not _found(squeezed(text), answer, self.words)]
        found = not missing if self.every else len(missing) < len(texts)
        if found:
            return Score(value=True, why="it contains " + quote(next(text for text in texts if text not in missing)))
        return Score(value=False, why="it does not contain " + quote(missing[0]))

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {
            "kind": "contains",
            "texts": repr(self.texts or REFERENCE),
            "match": "all" if self.every else "any",
            "words": str(self.words).lower(),
        }


def _found(needle: str, answer: str, whole: bool) -> bool:
    """Whether the needle is in the answer, as whole words where asked."""
    if not needle:
        return False
    if not whole:
        return needle in answer
    at = answer.find(needle)
    while at >= 0:
        if _free(answer, at, at + len(needle)):
            return True
        at = answer.find(needle, at + 1)
    return False


def _free(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is not a part of a longer word or number."""
    first, last = text[start], text[end - 1]
    if _runs_on(first) and start and _runs_on(text[start - 1]):
        return False
    if _runs_on(last) and end < len(text) and _runs_on(text[end]):
        return False
    if first.isdigit() and start > 0 and text[start - 1] in "-+" and (start == 1 or text[start - 2] in " (="):
        return False  # -12 is not 12
    if first.isdigit() and start > 1 and text[start - 1] in ".," and text[start - 2].isdigit():
        return False
    return not (last.isdigit() and end + 1 < len(text) and text[end] in ".," and text[end + 1].isdigit())


def _runs_on(character: str) -> bool:
    """Whether it can be the inside of a word: letters and digits of scripts that put blanks between words."""
    return (
        (character.isalnum() or character == "_") and not "\u2e80" <= character <= "\ud7ff" and character < "\U00020000"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Equals:
    """Whether the answer is a text, but for case, white space, Unicode form and punctuation at its ends."""

    name: str
    measures: Measure
    text: str  # empty: the case's reference

    def score(self, exchange: Exchange) -> Score:
        """True when they are equal; None when the case has no reference."""
        wanted = self.text or exchange.case.reference
        if not wanted:
            return Score(value=None, why="the case has no reference")
        equal = squeezed(exchange.answer.text).strip(_EDGES) == squeezed(wanted).strip(_EDGES)
        return Score(value=equal, why="" if equal else f"it is not {quote(wanted)}")

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {"kind": "equals", "text": self.text or REFERENCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """Whether a pattern is found in the answer.

    The pattern is RE2's: linear in the answer whatever the pattern, so no look-around and no back-references.
    """

    name: str
    measures: Measure
    pattern: str
    fold: bool  # upper and lower case are one

    def score(self, exchange: Exchange) -> Score:
        """True when it is found."""
        found = _compiled(self.pattern, self.fold).search(encoded(exchange.answer.text))
        if found is None:
            return Score(value=False)
        start, end = found.span()
        return Score(value=True, why=quote(found.string[start : min(end, start + 2000)].decode("utf-8", "replace")))

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {"kind": "regex", "pattern": self.pattern, "ignore_case": str(self.fold).lower(), "engine": "re2"}


@lru_cache(maxsize=256)
def _compiled(pattern: str, fold: bool) -> Any:
    import re2

    options = re2.Options()
    options.case_sensitive = not fold
    options.log_errors = False
    return re2.compile(pattern, options)


def open_contains(options: Options) -> Contains:
    """`{contains: reference}`, `{contains: "text"}`, `{contains: ["a", "b"], match: all}`."""
    texts = options.texts("contains", (REFERENCE,))
    every = options.choice("match", "any", ("any", "all")) == "all"
    words = options.flag("words", True)
    name, measures = options.name(), options.measures_bool("correct")
    options.done()
    if not texts or not all(squeezed(text) for text in texts):
        raise options.fault("it looks for a text that is blank", "write what the answer has to contain")
    own = () if texts == (REFERENCE,) else texts
    return Contains(name=name, measures=measures, texts=own, every=every, words=words)


def open_equals(options: Options) -> Equals:
    """`{equals: reference}` or `{equals: "text"}`."""
    text, name, measures = options.text("equals", REFERENCE), options.name(), options.measures_bool("correct")
    options.done()
    return Equals(name=name, measures=measures, text="" if text == REFERENCE else text)


def open_regex(options: Options) -> Regex:
    """`{regex: "[0-9]+", measures: leak, ignore_case: true}`."""
    try:
        import re2
    except ImportError as error:
        raise MissingExtra(package="google-re2", extra="generative", purpose="the scorer regex") from error
    pattern, fold = options.text("regex"), options.flag("ignore_case", False)
    name, measures = options.name(), options.measures_bool("violation")
    options.done()
    try:
        if len(pattern) > _LONGEST_PATTERN:
            raise ValueError(f"it is longer than {_LONGEST_PATTERN:,} characters")
        _compiled(pattern, fold)
    except (re2.error, ValueError) as error:
        said = error.args[0] if error.args else error
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        mend = "RE2 takes no look-around, no back-references and no repeat above 1000; see its page of syntax"
        raise options.fault(f"the pattern cannot be used: {said[:200]}", mend) from error
    return Regex(name=name, measures=measures, pattern=pattern, fold=fold)
