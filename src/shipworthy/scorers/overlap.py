"""How much of a reference's wording an answer shares: ROUGE, BLEU, token F1.

Words are those of `text.words`: folded, without stemming, each Chinese or Japanese character one word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Range, Score
from shipworthy.scorers.text import words

MOST_WORDS = 4_000  # of either text; the longest common subsequence costs their product, in bits
Kind: TypeAlias = Literal["rouge_l", "rouge_n", "bleu", "token_f1"]


def rouge_n(answer: Sequence[str], reference: Sequence[str], *, n: int) -> float:
    """ROUGE-N as an F1 of n-grams, each counted as often as it comes in both; 0 where either has none.

    Source: Lin (2004), ROUGE: A Package for Automatic Evaluation of Summaries, section 2.
    """
    said, wanted = Counter(_grams(answer, n)), Counter(_grams(reference, n))
    return _f1((said & wanted).total(), said.total(), wanted.total())


def rouge_l(answer: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L as an F1 of the longest common subsequence of words.

    Source: Lin (2004), section 3.1, with beta = 1.
    """
    return _f1(_common(answer, reference), len(answer), len(reference))


def bleu(answer: Sequence[str], reference: Sequence[str], *, most: int = 4) -> float:
    """Sentence BLEU up to `most`-grams, 0 to 1, with one added to matches and totals above unigrams.

    Orders for which the answer is too short to have a single n-gram are left out.
    Source: Papineni et al. (2002), ACL, 311-318; smoothing of Lin & Och (2004), COLING, as method 2 of Chen & Cherry
    (2014), WMT, 362-367.
    """
    if not answer or not reference:
        return 0.0
    logs: list[float] = []
    for n in range(1, min(most, len(answer)) + 1):
        said, wanted = Counter(_grams(answer, n)), Counter(_grams(reference, n))
        added = int(n > 1)
        hits = (said & wanted).total() + added
        if hits == 0:
            return 0.0
        logs.append(math.log(hits / (said.total() + added)))
    brevity = min(0.0, 1 - len(reference) / len(answer))
    return math.exp(brevity + sum(logs) / len(logs))


def token_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of words, each counted as often as it comes in both, as SQuAD scores answers.

    Source: Rajpurkar et al. (2016), EMNLP, section 6.1; articles are kept.
    """
    return rouge_n(answer, reference, n=1)


def _grams(said: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(said[start:] for start in range(n)), strict=False))


def _f1(common: int, said: int, wanted: int) -> float:
    return 2 * common / (said + wanted) if common else 0.0


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, one big integer of bits for each row.

    Source: Hyyrö (2004), Bit-parallel LCS-length computation revisited, AWOCA.
    """
    where: dict[str, int] = {}
    for at, word in enumerate(first):
        where[word] = where.get(word, 0) | 1 << at
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        hit = row & where.get(word, 0)
        row = (row + hit | row - hit) & full
    return len(first) - row.bit_count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Wording shared with the case's reference, 0 to 1; with several `among`, the best of the passages."""

    name: str
    measures: Measure
    kind: Kind
    n: int
    among: Literal["reference", "passages"]

    @property
    def bounds(self) -> Range:
        """A share."""
        return (0.0, 1.0)

    def score(self, exchange: Exchange) -> Score:
        """The share; None when there is nothing to compare with."""
        case = exchange.case
        texts = (case.reference,) if self.among == "reference" else (*case.passages, *exchange.answer.passages)
        wanted = [_bounded(text) for text in texts if text]
        if not any(wanted):
            return Score(value=None, why=f"the case has no {self.among}")
        said = _bounded(exchange.answer.text)
        return Score(value=max(self._of(said, reference) for reference in wanted))

    def _of(self, said: list[str], reference: list[str]) -> float:
        match self.kind:
            case "rouge_l":
                return rouge_l(said, reference)
            case "bleu":
                return bleu(said, reference, most=self.n)
            case _:
                return rouge_n(said, reference, n=self.n)

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {"kind": self.kind, "n": str(self.n), "among": self.among}


def _bounded(text: str) -> list[str]:
    return words(text[: MOST_WORDS * 20])[:MOST_WORDS]


def _open(options: Options, kind: Kind, n: int) -> Overlap:
    among = cast("Literal['reference', 'passages']", options.choice(kind, "reference", ("reference", "passages")))
    name, measures = options.name(), options.measures("quality", "quality", "number")
    options.done()
    return Overlap(name=name, measures=measures, kind=kind, n=n, among=among)


def open_rouge_l(options: Options) -> Overlap:
    """`rouge_l` or `{rouge_l: passages}`."""
    return _open(options, "rouge_l", 1)


def open_rouge_n(options: Options) -> Overlap:
    """`{rouge_n: reference, n: 2}`."""
    return _open(options, "rouge_n", options.whole("n", 2, low=1, high=9))


def open_bleu(options: Options) -> Overlap:
    """`{bleu: reference, n: 4}`."""
    return _open(options, "bleu", options.whole("n", 4, low=1, high=9))


def open_token_f1(options: Options) -> Overlap:
    """`token_f1`."""
    return _open(options, "token_f1", 1)
