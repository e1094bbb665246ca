"""Citations: that each one points at a passage that was given, and that what stands in quotation marks is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Score
from shipworthy.scorers.text import quote, squeezed

READ: Final = 200_000  # characters of an answer
_NUMBERS = re.compile(r"\[(\d{1,4}(?:\s{0,3}[,;–-]\s{0,3}\d{1,4}){0,20})\](?!\()")
_ONE = re.compile(r"(\d{1,4})(?:\s{0,3}[–-]\s{0,3}(\d{1,4}))?")
_SOURCE = re.compile(r"\((?:[Ss]ource|[Ss]ee|[Qq]uelle|[Ff]uente|[Ff]onte):?\s{1,3}([^()\n]{2,200})\)")
_QUOTED = re.compile(r'["“„«]([^"“”„«»\n]{1,1000})["”“»]')
_EDGES = " .,;:!?…'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citations:
    """Whether a citation or a quotation does not hold.

    [3] must be one of the passages, counted from 1; (Source: name) must be in a passage; a quotation of `words` words
    or more must be in a passage letter by letter, but for case and white space.
    """

    name: str
    words: int
    required: bool  # an answer without a single citation does not hold either

    @property
    def measures(self) -> Measure:
        """Grounding."""
        return "ungrounded"

    def score(self, exchange: Exchange) -> Score:
        """True when one does not hold; None without passages or an answer."""
        passages = [squeezed(text) for text in (exchange.case.passages or exchange.answer.passages)]
        text = exchange.answer.text[:READ]
        if not passages:
            return Score(value=None, why="there are no passages to cite")
        if not text.strip():
            return Score(value=None, why="the answer is blank")
        cited = False
        for group in _NUMBERS.finditer(text):
            for one in _ONE.finditer(group[1]):
                cited = True
                first, last = int(one[1]), int(one[2] or one[1])
                if not 1 <= first <= last <= len(passages):
                    return Score(value=True, why=f"it cites {quote(group[0])}; there are {len(passages)} passages")
        for source in _SOURCE.finditer(text):
            cited = True
            if not any(squeezed(source[1]).strip(_EDGES) in passage for passage in passages):
                return Score(value=True, why=f"no passage names the source {quote(source[1])}")
        for quoted in _QUOTED.finditer(text):
            said = squeezed(quoted[1]).strip(_EDGES)
            if len(said.split()) >= self.words and not any(said in passage for passage in passages):
                return Score(value=True, why=f"no passage says {quote(quoted[1])}")
        if self.required and not cited:
            return Score(value=True, why="it cites nothing")
        return Score(value=False)

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {"kind": "citations", "words": str(self.words), "required": str(self.required).lower()}


def open_citations(options: Options) -> Citations:
    """`citations`, `{citations: null, required: true, words: 4}`."""
    words, required = options.whole("words", 4, low=1, high=100), options.flag("required", False)
    name = options.name()
    options.measures("ungrounded")
    options.done()
    return Citations(name=name, words=words, required=required)
