# ruff: noqa: SIM905 - tables of words read better as text
"""Lexical grounding: whether each sentence of an answer is carried by the words of one passage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Range, Score
from shipworthy.scorers.refusal import judge
from shipworthy.scorers.text import folded, quote, words

LEAST: Final = 0.7  # chosen on BEGIN's development half; docs/grounding-agreement.md
READ: Final = 40_000  # characters of the answer, and of each passage times five
_CUT = re.compile(r"(?<=[.!?])[\"')\]]*\s+|[。！？؟।]+|\s*\n+\s*")
_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][\w'-]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MARKS = re.compile(r"\[\d{1,3}\]")
STOP: Final = frozenset(
    """a an the and or but if of in on at to for from by with as is are was were be been being am do does did has
    have had having it its this that these those there here he she they them his her their we us our you your
    i me my so such than then too very can could will would shall should may might must not no nor also just
    about into over under up down out off which who whom whose what when where why how all any some each it's
    i'm don't doesn't that's you're they're there's well yes oh really think know like""".split()
)
_ABSTAINS = (
    "i don't know",
    "i do not know",
    "i'm not sure",
    "i am not sure",
    "not mentioned",
    "no information",
    "not provided",
    "does not say",
    "doesn't say",
    "does not mention",
    "doesn't mention",
    "not stated",
    "cannot be determined",
    "can't be determined",
    "not enough information",
    "cannot find",
    "can't find",
    "could not find",
    "couldn't find",
    "do not contain",
    "don't contain",
    "does not contain",
    "doesn't contain",
    "nothing about",
    "not specified",
    "unable to find",
    "weiß ich nicht",
    "geht nicht hervor",
    "keine informationen",
    "je ne sais pas",
    "aucune information",
    "no lo sé",
    "no hay información",
    "没有提到",
    "无法确定",
    "我不知道",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How far the passages carry a text."""

    share: float  # 0 to 1, of its content words; sentences weigh by their words
    weakest: str  # the sentence that is carried least, as it stands
    foreign: tuple[str, ...]  # numbers and names that no passage has


def support(answer: str, passages: Sequence[str]) -> Support:
    """How far the best passage for each sentence carries its content words and pairs of neighbouring content words.

    A sentence counts with the mean of its words' and its pairs' recall in the passage that serves it best, and half
    of that if it has a number or a name that no passage has. A text without content words is carried wholly.
    """
    known = [_Passage(passage[: READ * 5]) for passage in passages]
    numbers = {number for passage in known for number in passage.numbers}
    everything = {word for passage in known for word in passage.words}
    total, carried, weakest, lowest, foreign = 0, 0.0, "", 2.0, []
    for sentence in _CUT.split(_MARKS.sub("", answer[:READ])):
        said = _content(sentence)
        if not said:
            continue
        pairs = list(pairwise(said))
        share = max((passage.recall(said, pairs) for passage in known), default=0.0)
        strange = [number for number in _NUMBER.findall(sentence) if _plain(number) not in numbers]
        strange += [name for name in _NAME.findall(sentence) if _stem(folded(name)) not in everything]
        if strange:
            share /= 2
            foreign += strange
        total += len(said)
        carried += share * len(said)
        if share < lowest:
            lowest, weakest = share, sentence
    return Support(share=carried / total if total else 1.0, weakest=weakest, foreign=tuple(foreign[:5]))


class _Passage:
    def __init__(self, text: str) -> None:
        said = _content(text)
        self.words = frozenset(said)
        self.pairs = frozenset(pairwise(said))
        self.numbers = frozenset(map(_plain, _NUMBER.findall(text)))

    def recall(self, said: Sequence[str], pairs: Sequence[tuple[str, str]]) -> float:
        single = sum(word in self.words for word in said) / len(said)
        return (single + sum(pair in self.pairs for pair in pairs) / len(pairs)) / 2 if pairs else single


def _content(text: str) -> list[str]:
    return [_plain(word) if word[0].isdigit() else _stem(word) for word in words(text) if word not in STOP]


def _stem(word: str) -> str:
    """Without an English plural, -ed or -ing: enough to let "costs" carry "cost"."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and word.isascii():
            return word[: -len(ending)].rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word


def _plain(number: str) -> str:
    return number.replace(",", "")


def abstains(text: str) -> bool:
    """Whether it says that it does not know, or refuses, in a few words."""
    said = folded(text[:400])
    return len(text) < 400 and (any(piece in said for piece in _ABSTAINS) or judge(text).value == "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounding:
    """Whether an answer says what the passages do not: support below the threshold. Abstaining is grounded."""

    name: str
    measures: Measure  # ungrounded, or quality: the support itself
    least: float

    @property
    def bounds(self) -> Range | None:
        """The support is a share."""
        return (0.0, 1.0) if self.measures == "quality" else None

    def score(self, exchange: Exchange) -> Score:
        """True when ungrounded (or the support, 0 to 1); None without passages or without an answer."""
        passages = (*exchange.case.passages, *exchange.answer.passages)
        text = exchange.answer.text
        if not any(map(str.strip, passages)):
            return Score(value=None, why="there are no passages to rest on")
        if not text.strip():
            return Score(value=None, why="the answer is blank")
        if abstains(text):
            return Score(value=1.0 if self.measures == "quality" else False, why="it abstains")
        found = support(text, passages)
        why = f"support {found.share:.2f}"
        if found.foreign:
            why += f"; in no passage: {', '.join(quote(one, most=30) for one in found.foreign)}"
        elif found.share < self.least:
            why += f"; least carried: {quote(found.weakest)}"
        return Score(value=found.share if self.measures == "quality" else found.share < self.least, why=why)

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {"kind": "grounding", "least": f"{self.least:g}", "measures": self.measures}


def open_grounding(options: Options) -> Grounding:
    """`grounding`, `{grounding: 0.5}`, `{grounding: 0.5, measures: quality}` for the support itself."""
    least, name = options.number("grounding", LEAST, low=0.0, high=1.0), options.name()
    measures = options.measures("ungrounded", "ungrounded", "quality")
    options.done()
    return Grounding(name=name, measures=measures, least=least)
