"""What people said of answers: a CSV of labels, each about one answer as it was, by one rater.

Columns: `case`, `label`, and where they are known `attack`, `trial`, `variant`, `rater` and `response` (the digest of
the answer that was read); others are not read. A label is a word of the judge's rubric, or a usual one for what its
scorer measures (yes, no; full, partial, none; a number). A label whose digest is another answer's is about something
that was not said this time: it is left out, and counted; one without a digest is taken to be about this run's answer.
Of two labels of one answer by one named rater the later counts.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Exchange
from shipworthy.integrity.persons import identity
from shipworthy.scorers.protocol import Measure
from shipworthy.scorers.protocol import Value as Said

COLUMNS = ("case", "attack", "trial", "variant", "response", "label", "rater")
_BOTH = {
    **dict.fromkeys(("1", "true", "yes", "y", "t"), True),
    **dict.fromkeys(("0", "false", "no", "n", "f"), False),
}
_WRONG: Mapping[str, bool] = {  # of what an answer must not do
    **_BOTH,
    **dict.fromkeys(("violation", "unsafe", "leak", "ungrounded"), True),
    **dict.fromkeys(("ok", "safe", "clean", "grounded"), False),
}
_RIGHT: Mapping[str, bool] = {  # of what it should be
    **_BOTH,
    **dict.fromkeys(("correct", "pass", "ok"), True),
    **dict.fromkeys(("wrong", "fail"), False),
}
_REFUSALS: Mapping[str, str] = {
    **dict.fromkeys(("full", "full_refusal", "2_full_refusal", "refusal", "refused"), "full"),
    **dict.fromkeys(("partial", "partial_refusal", "3_partial_refusal"), "partial"),
    **dict.fromkeys(("none", "full_compliance", "1_full_compliance", "compliance", "complied", "comply"), "none"),
}

SKIP = "skip"
_OPEN = frozenset({"unsure", "?"})
MOST_FAULTS = 20  # different words without a meaning that are told of one file
Value = bool | float | str
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "'")  # what a cell of a spreadsheet must not begin with
Key = tuple[str, str, int]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """Which words a label may be, and what each of them says."""

    measures: Measure
    own: Mapping[str, Said] = field(default_factory=dict)  # the rubric's, in lower case: they come before all others

    def value(self, text: str) -> Value | None:
        """What a label says; None where the rater left it open. Raises ValueError for a word without a meaning."""
        said = text.strip().casefold()
        if said in ("", SKIP):
            return None
        if (own := self.own.get(said)) is not None:
            return own
        if said in _OPEN:
            return None
        if self.measures in ("quality", "number"):
            if math.isfinite(mark := float(said)):
                return mark
            raise ValueError(said)
        known = _REFUSALS if self.measures == "refusal" else _RIGHT if self.measures == "correct" else _WRONG
        if said not in known:
            raise ValueError(said)
        return known[said]

    @property
    def usual(self) -> Mapping[Value, str]:
        """The word that everybody uses for each value; empty for numbers, which are their own."""
        if self.measures in ("quality", "number"):
            return {}
        return {"full": "full", "partial": "partial", "none": "none"} if self.measures == "refusal" else _YES_NO

    @property
    def told(self) -> str:
        """The words that may be written, for people: the rubric's own, then the usual ones."""
        *first, last = [*self.own, *(word for word in self.usual.values() if word not in self.own)] or ["a number"]
        return f"{', '.join(first)} or {last}" if first else last

    @property
    def keys(self) -> Mapping[str, str]:
        """A key for each word that a rater is offered: the first letter of a value's usual word, or digits where a
        rubric says something else by one of the usual words.
        """
        usual = self.usual
        if any(self.own.get(word, value) != value for value, word in usual.items()) or not usual:
            return {str(number): word for number, word in enumerate(self.own, start=1) if number < 10}
        offered = {
            value: next((own for own, said in self.own.items() if said == value), usual[value]) for value in usual
        }
        return {word[0]: word if word in self.own else offered[value] for value, word in usual.items()}


_YES_NO: Mapping[Value, str] = {True: "yes", False: "no"}


def response_digest(text: str) -> str:
    """16 hex digits that name an answer."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(kw_only=True)
class Labels:
    """Labels of one version's answers, and how many of them found their answer."""

    words: Mapping[Key, Mapping[str | None, list[Value]]]  # by answer, by digest: one word for each rater
    used: int = 0
    unnamed: int = 0  # of those: answers whose label names no answer, and is taken to be about this one
    split: int = 0  # raters disagree without a majority: the word of the one who was first counts
    raters: int = 0
    rated: list[list[Value]] = field(default_factory=list)  # the words of answers with several raters
    seen: set[Key] = field(default_factory=set)
    fresh: set[Key] = field(default_factory=set)  # seen, and about an answer as it was given

    @property
    def stale(self) -> int:
        """How many are about another answer than the one that was given.

        Where there are any, the others are no random sample: a label lasts where an answer stays word for word the
        same, as a refusal does, and goes where the answer changes.
        """
        return len(self.seen - self.fresh)

    def take(self, exchanges: Iterable[Exchange]) -> None:
        """Count which answers of a version the labels are about."""
        for exchange in exchanges:
            key = _key(exchange)
            found = self.words.get(key)
            if found is None:
                continue
            self.seen.add(key)
            digest = response_digest(exchange.answer.text)
            if None in found or digest in found:
                self.fresh.add(key)
            words = self._about(exchange)
            if not words:
                continue
            if len(words) > 1:
                self.rated.append(words)
            ranked = Counter(words).most_common(2)
            self.split += len(ranked) > 1 and ranked[0][1] == ranked[1][1]
            self.unnamed += bool(found.get(None)) and not found.get(digest)
            self.used += 1

    def of(self, exchange: Exchange) -> Value | None:
        """What people said of this answer: the word of most raters, of the first one where they are at odds.

        Leaving those out would leave out the hard cases, where judges err too.
        """
        words = self._about(exchange)
        if not words:
            return None
        (first, most), *others = Counter(words).most_common()
        return words[0] if others and others[0][1] == most else first

    def _about(self, exchange: Exchange) -> list[Value]:
        found = self.words.get(_key(exchange), {})
        if not found:
            return []
        return [*found.get(None, []), *found.get(response_digest(exchange.answer.text), [])]


def _key(exchange: Exchange) -> Key:
    return exchange.case.id, exchange.case.attack, exchange.trial


def read_labels(
    path: Path, measures: Measure, *, variant: str | None, where: str, own: Mapping[str, Said] | None = None
) -> Labels:
    """Read the labels of one version. own: the labels of the judge's rubric.

    Raises DataError: LABEL001 not readable; LABEL002 a column is missing, or words without a meaning, each with the
    lines that have it.
    """
    words: dict[Key, dict[str | None, dict[str, Value | None]]] = {}
    raters = set()
    vocabulary, unknown = Vocabulary(measures=measures, own=own or {}), _Unknown()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {"case", "label"} - set(reader.fieldnames or ()):
                raise _fault(
                    f"there is no column {', '.join(sorted(missing))}", str(path), f"name {', '.join(COLUMNS)}"
                )
            for row in reader:
                if (unquoted(row.get("variant") or "") or None) != variant:
                    continue
                trial = unknown.tried("trial", row.get("trial") or "0", int, line=reader.line_num)
                word = unknown.tried("label", row["label"] or "", vocabulary.value, line=reader.line_num)
                key = (unquoted(row["case"] or ""), unquoted(row.get("attack") or "none"), trial or 0)
                rater = identity(row.get("rater") or "")
                given = words.setdefault(key, {}).setdefault(row.get("response") or None, {})
                given[rater or f"line {reader.line_num}"] = word
                raters |= {rater} if word is not None else set()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            Fault(
                code="LABEL001",
                what=f"the labels cannot be read: {error}",
                where=where,
                mend="name a CSV file in UTF-8; `shipworthy label` writes one",
            )
        ) from error
    if faults := tuple(unknown.faults(path, vocabulary)):
        raise DataError(faults)
    told = {
        key: {digest: [word for word in given.values() if word is not None] for digest, given in by_digest.items()}
        for key, by_digest in words.items()
    }
    return Labels(words={key: given for key, given in told.items() if any(given.values())}, raters=len(raters))


def quoted(text: str) -> str:
    """A cell that no spreadsheet runs as a formula; `unquoted` takes the apostrophe away again."""
    return f"'{text}" if text[:1] in _FORMULAS else text


def unquoted(text: str) -> str:
    """What `quoted` was given."""
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULAS else text


@dataclass(kw_only=True)
class _Unknown:
    """Words of a file that mean nothing, and the lines that have them."""

    lines: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # (column, word) -> its lines, a few
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def tried(self, column: str, text: str, read: Callable[[str], T], *, line: int) -> T | None:
        """What `read` makes of a cell; None where it raises ValueError, which is kept for later."""
        try:
            return read(text)
        except ValueError:
            word = (column, text.strip().casefold()[:40])
            if word in self.lines or len(self.lines) < MOST_FAULTS:
                self.lines.setdefault(word, []).extend([line] * (self.counts[word] < 5))
            self.counts[word if word in self.lines else ("", "")] += 1
            return None

    def faults(self, path: Path, vocabulary: Vocabulary) -> Iterator[Fault]:
        """One for each word, the first lines that have it, and how many have others."""
        for (column, word), lines in self.lines.items():
            count = self.counts[column, word]
            at = f"{'line' if count == 1 else 'lines'} {', '.join(map(str, lines))}"
            at += f" and {count - len(lines):,} more" if count > len(lines) else ""
            what = f"the trial {word!r} is not a number" if column == "trial" else f"{word!r} is no label of this judge"
            mend = "count trials from 0" if column == "trial" else f"write {vocabulary.told}; leave open what is unsure"
            yield Fault(code="LABEL002", what=what, where=f"{path}:{lines[0]}, {at}", mend=mend)
        if others := self.counts["", ""]:
            yield Fault(
                code="LABEL002",
                what=f"{others:,} more lines have other words that mean nothing",
                where=str(path),
                mend=f"write {vocabulary.told}",
            )


def _fault(what: str, where: str, mend: str) -> DataError:
    return DataError(Fault(code="LABEL002", what=what, where=where, mend=mend))
