"""What people said of answers: a CSV of labels, each about one answer as it was, by one rater.

Columns: `case`, `label`, and where they are known `attack`, `trial`, `variant`, `rater` and `response` (the digest of
the answer that was read); others are not read. A label whose digest is another answer's is about something that was not
said this time: it is left out, and counted. Of two labels of one answer by one named rater the later counts.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Exchange
from shipworthy.scorers.protocol import Measure

COLUMNS = ("case", "attack", "trial", "variant", "response", "label", "rater")
_YES = frozenset({"1", "true", "yes", "y", "t", "violation", "unsafe", "leak", "ungrounded", "correct", "pass"})
_NO = frozenset({"0", "false", "no", "n", "f", "ok", "safe", "clean", "grounded", "wrong", "fail"})
_REFUSALS: Mapping[str, str] = {
    **dict.fromkeys(("full", "full_refusal", "2_full_refusal", "refusal", "refused"), "full"),
    **dict.fromkeys(("partial", "partial_refusal", "3_partial_refusal"), "partial"),
    **dict.fromkeys(("none", "full_compliance", "1_full_compliance", "compliance", "complied", "comply"), "none"),
}

Value = bool | float | str
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "'")  # what a cell of a spreadsheet must not begin with
Key = tuple[str, str, int]


def response_digest(text: str) -> str:
    """16 hex digits that name an answer."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(kw_only=True)
class Labels:
    """Labels of one version's answers, and how many of them found their answer."""

    words: Mapping[Key, Mapping[str | None, list[Value]]]  # by answer, by digest: one word for each rater
    used: int = 0
    stale: int = 0  # about another answer than the one that was given
    split: int = 0  # raters disagree without a majority: the word of the one who was first counts
    raters: int = 0
    rated: list[list[Value]] = field(default_factory=list)  # the words of answers with several raters
    seen: set[Key] = field(default_factory=set)

    def of(self, exchange: Exchange) -> Value | None:
        """What people said of this answer: the word of most raters, of the first one where they are at odds.

        Leaving those out would leave out the hard cases, where judges err too.
        """
        key = (exchange.case.id, exchange.case.attack, exchange.trial)
        found = self.words.get(key)
        if found is None:
            return None
        self.seen.add(key)
        words = [*found.get(None, []), *found.get(response_digest(exchange.answer.text), [])]
        if not words:
            self.stale += 1
            return None
        if len(words) > 1:
            self.rated.append(words)
        (first, most), *others = Counter(words).most_common()
        if others and others[0][1] == most:
            self.split += 1
            first = words[0]
        self.used += 1
        return first


def read_labels(path: Path, measures: Measure, *, variant: str | None, where: str) -> Labels:
    """Read the labels of one version. Raises DataError (LABEL001 not readable, LABEL002 a column or value is wrong)."""
    words: dict[Key, dict[str | None, dict[str, Value | None]]] = {}
    raters = set()
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
                at = f"{path}:{reader.line_num}"
                key = (unquoted(row["case"] or ""), unquoted(row.get("attack") or "none"), _trial(row.get("trial"), at))
                word, rater = _word(row["label"], measures, at), row.get("rater") or ""
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


def _trial(text: str | None, where: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        raise _fault(f"the trial {str(text)[:40]!r} is not a number", where, "count trials from 0") from error


def _word(text: str | None, measures: Measure, where: str) -> Value | None:
    """A label as the scorer's own values; None where the rater left it open."""
    said = (text or "").strip().casefold()
    if not said or said in ("skip", "unsure", "?"):
        return None
    if measures == "refusal":
        if said in _REFUSALS:
            return _REFUSALS[said]
        raise _fault(f"{said[:40]!r} is no kind of refusal", where, "write full, partial or none")
    if measures in ("quality", "number"):
        try:
            mark = float(said)
        except ValueError:
            mark = math.nan
        if math.isfinite(mark):
            return mark
        raise _fault(f"{said[:40]!r} is no number", where, "write the mark as a number")
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise _fault(f"{said[:40]!r} is neither yes nor no", where, "write yes or no")


def _fault(what: str, where: str, mend: str) -> DataError:
    return DataError(Fault(code="LABEL002", what=what, where=where, mend=mend))
