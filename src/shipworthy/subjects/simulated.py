"""The simulated assistant: an instrument for testing the instrument, whose flaws are known because they are parameters.

It reads what a case expects, which no real system can, and errs as often as it is told to. Every flaw is drawn on its
own, so that each rate is exact whatever the others are. What it says is harmless.

Draws depend on `seed`, the case's id, its attack and the trial, and on nothing else: two assistants with one seed and
other flaws differ only where their flaws do (common random numbers), two with different seeds are independent.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import struct
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final, Protocol

from shipworthy.errors import Fault, SubjectError
from shipworthy.exchange import Answer, Case, Message, ToolCall
from shipworthy.subjects.faults import quoted
from shipworthy.subjects.phrases import Phrases, phrases
from shipworthy.subjects.simulated_judge import SimulatedJudge, errors_of

CHARACTERS_PER_TOKEN: Final = 4  # the usual rule of thumb for English
LONGEST_QUOTE: Final = 400  # characters of a passage that an answer repeats
LONGEST_TURN: Final = 1_000_000  # characters of a reference or a secret that an answer repeats
_ENDS: Final = ".!?。！？"
_NORMAL: Final = NormalDist()
_DRAWS: Final = struct.Struct("<16I")
_DRAW = struct.Struct("<Q")
_RATES: Final = (
    "refusal",
    "over_refusal",
    "partial",
    "leak",
    "hallucination",
    "injection",
    "wrong",
    "pii",
    "icc",
    "errors",
    "timeouts",
    "empty",
    "filtered",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """A log-normal latency."""

    median: float  # milliseconds
    sigma: float = 0.3  # standard deviation of its natural logarithm


@dataclass(frozen=True, kw_only=True, slots=True)
class Flaws:
    """How often the simulated assistant does what. Rates are probabilities in [0, 1] for one exchange."""

    refusal: float = 0.95  # that a case with expect: refuse is refused
    by_hazard: Mapping[str, float] = field(default_factory=dict)  # refusal, where the hazard is this
    by_attack: Mapping[str, float] = field(default_factory=dict)  # refusal, where the attack is or contains this
    by_language: Mapping[str, float] = field(default_factory=dict)  # refusal, where the language is this
    over_refusal: float = 0.0  # that another case is refused
    partial: float = 0.0  # share of its refusals that help in part after all
    leak: float = 0.0  # that a case with secrets gets one of them, refused or not
    hallucination: float = 0.0  # that an answer says what its passages do not, or answers what they leave open
    injection: float = 0.0  # that an answer follows an instruction hidden in the case's document
    wrong: float = 0.0  # that an answer to a case with a reference or tool calls is wrong
    pii: float = 0.0  # that an answer names a made-up person, with address and number
    icc: float = 0.0  # share of a flaw's variance that lies between families: intra-class correlation of two trials
    errors: float = 0.0  # that asking raises
    timeouts: float = 0.0
    empty: float = 0.0
    filtered: float = 0.0
    latency_ms: Latency = field(default_factory=lambda: Latency(median=800.0))
    sleep: bool = False  # really take that long
    tokens: bool = True  # report tokens: one for every four characters
    prices: Mapping[str, float] = field(default_factory=dict)  # `input` and `output`: per million tokens
    seed: int = 0

    def refuses(self, case: Case) -> float:
        """Probability that a case with expect: refuse is refused: the lowest of the overrides that apply, if any."""
        found = []
        if case.hazard is not None and case.hazard in self.by_hazard:
            found.append(self.by_hazard[case.hazard])
        if self.by_attack:
            parts = {case.attack, *case.attack.split("+")}
            found += [self.by_attack[part] for part in parts if part in self.by_attack]
        if case.language in self.by_language:
            found.append(self.by_language[case.language])
        return min(found) if found else self.refusal


class Declaration(Protocol):
    """How the plan declares a simulated assistant."""

    simulated: Mapping[str, Any] | None  # the keys of `Flaws`


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedAssistant:
    """A `Function` with known flaws."""

    name: str
    flaws: Flaws

    def ask(
        self,
        case: Case,
        conversation: Sequence[Message],
        *,
        trial: int,
        session: str,  # noqa: ARG002  it has no memory
    ) -> Answer | Awaitable[Answer]:
        """Answer the case; all turns of one exchange get the same draws, so that its rates are rates of exchanges.

        Raises ConnectionError where the flaw `errors` strikes. With `sleep`, returns something to await.
        """
        flaws = self.flaws
        drawn = _draws(flaws.seed, case, trial)
        took = flaws.latency_ms.median * math.exp(flaws.latency_ms.sigma * _normal(drawn[15]))
        try:
            answer = self._answer(case, conversation, drawn, took)
        except ConnectionError as error:
            if flaws.sleep:
                return _late(error, took)
            raise
        return _late(answer, took) if flaws.sleep else answer

    def _answer(self, case: Case, conversation: Sequence[Message], drawn: Sequence[float], took: float) -> Answer:
        flaws = self.flaws
        failure = drawn[0] - flaws.errors
        if failure < 0:
            raise ConnectionError("the simulated assistant failed, as it was told to")
        if (failure := failure - flaws.timeouts) < 0:
            return Answer(status="timeout", error="no answer in time, as it was told to", latency_ms=took)
        asked = sum(len(message.content) for message in conversation) // CHARACTERS_PER_TOKEN + 1
        if (failure := failure - flaws.empty) < 0:
            return self._counted(Answer(status="empty", latency_ms=took), asked)
        if failure < flaws.filtered:
            return self._counted(Answer(status="filtered", error="content_filter", latency_ms=took), asked)
        said, calls = self._said(case, drawn)
        return self._counted(
            Answer(status="ok", text=said, tool_calls=calls, passages=case.passages, latency_ms=took), asked
        )

    def _said(self, case: Case, drawn: Sequence[float]) -> tuple[str, tuple[ToolCall, ...]]:
        flaws, words = self.flaws, phrases(case.language)
        injected = is_injected(case)
        calls: tuple[ToolCall, ...] = ()
        refusal = flaws.refuses(case) if case.expect == "refuse" else flaws.over_refusal
        if is_unanswerable(case):  # the right answer is that there is none: hallucination alone decides
            refusal = 0.0
        if self._strikes("refusal", refusal, case, drawn[1]):
            parts = [_one(words.refuse, drawn[10])]
            if drawn[2] < flaws.partial:
                parts.append(_one(words.but, drawn[11]))
            told = self._strikes("leak", flaws.leak, case, drawn[3]) and not injected
        else:
            parts, calls = self._helped(case, words, drawn)
            rate = flaws.injection if injected else flaws.leak
            told = self._strikes("injection" if injected else "leak", rate, case, drawn[3])
        if told and case.secrets:
            parts.append(f"{_one(words.leaks, drawn[12])} {_one(case.secrets, drawn[13])[:LONGEST_TURN]}")
        return ("" if words is phrases("zh") else " ").join(parts), calls

    def _helped(self, case: Case, words: Phrases, drawn: Sequence[float]) -> tuple[list[str], tuple[ToolCall, ...]]:
        flaws = self.flaws
        calls = case.tool_calls
        wrong = bool(case.reference is not None or calls) and self._strikes("wrong", flaws.wrong, case, drawn[5])
        if calls and wrong:
            calls = (ToolCall(name=calls[0].name, arguments={"unexpected": True}), *calls[1:])
        parts = []
        invents = bool(case.passages) and self._strikes("hallucination", flaws.hallucination, case, drawn[4])
        if is_unanswerable(case):
            parts.append(_one(words.unsupported if invents else words.unknown, drawn[10]))
        elif case.reference is not None and wrong:
            parts.append(_mistaken(words, case.reference, drawn[10]))
        else:
            if case.passages:
                parts.append(f"{_one(words.says, drawn[10])} “{_sentence(_one(case.passages, drawn[14]))}”")
            if case.reference is not None:
                parts.append(f"{_one(words.right, drawn[11])} {case.reference[:LONGEST_TURN]}")
            if invents:
                parts.append(_one(words.unsupported, drawn[12]))
        if not parts:
            parts.append(_one(words.comply, drawn[10]))
        if self._strikes("pii", flaws.pii, case, drawn[6]):
            parts.append(_one(words.person, drawn[13]))
        return parts, calls

    def _strikes(self, flaw: str, rate: float, case: Case, drawn: float) -> bool:
        """Whether a flaw shows: with `icc`, at the rate of the case's family, which is Beta with mean `rate`."""
        icc = self.flaws.icc
        if icc and 0.0 < rate < 1.0:
            rate = _of_family(self.flaws.seed, flaw, case.family, rate, icc)
        return drawn < rate

    def _counted(self, answer: Answer, asked: int) -> Answer:
        flaws = self.flaws
        if not flaws.tokens:
            return answer
        told = len(answer.text) // CHARACTERS_PER_TOKEN + bool(answer.text)
        cost = None
        if flaws.prices:
            cost = (asked * flaws.prices.get("input", 0.0) + told * flaws.prices.get("output", 0.0)) / 1e6
        return Answer(
            status=answer.status,
            text=answer.text,
            error=answer.error,
            tool_calls=answer.tool_calls,
            passages=answer.passages,
            latency_ms=answer.latency_ms,
            tokens_in=asked,
            tokens_out=told,
            cost=cost,
        )

    def describe(self) -> Mapping[str, str]:
        """What it is, and every flaw that differs from the default."""
        plain = Flaws()
        told = {"kind": "simulated", "is": "a simulated assistant: an instrument for testing the instrument"}
        for each in fields(Flaws):
            value = getattr(self.flaws, each.name)
            if each.name == "seed" or value != getattr(plain, each.name):
                told[each.name] = _written(value)
        return told


def open_simulated(
    name: str,
    declared: Declaration,
    *,
    folder: Path,  # noqa: ARG001  one door
) -> SimulatedAssistant | SimulatedJudge:
    """The simulated assistant that a plan declares, or with `judge` alone the simulated judge.

    Raises SubjectError (SUBJ040: flaws that mean nothing).
    """
    if declared.simulated is not None and set(declared.simulated) == {"judge"}:
        where = f"subjects.{name}.simulated.judge"
        return SimulatedJudge(name=name, errors=errors_of(declared.simulated["judge"], where=where))
    return SimulatedAssistant(name=name, flaws=flaws_of(declared.simulated or {}, where=f"subjects.{name}.simulated"))


def flaws_of(declared: Mapping[str, Any], *, where: str = "") -> Flaws:
    """Flaws from their form in a plan. Raises SubjectError (SUBJ040), every fault at once."""
    known = {each.name for each in fields(Flaws)}
    wrong = [
        (str(key)[:40], f"is no flaw; there are {', '.join(sorted(known))}") for key in declared if key not in known
    ]
    wrong += [(key, "must be a probability from 0 to 1") for key in _RATES if not _is_rate(declared.get(key, 0.0))]
    for key in ("by_hazard", "by_attack", "by_language"):
        rates = declared.get(key, {})
        if not isinstance(rates, Mapping) or not all(map(_is_rate, rates.values())):
            wrong.append((key, "must give a probability from 0 to 1 for each name"))
    prices = declared.get("prices", {})
    if not isinstance(prices, Mapping) or not all(
        key in ("input", "output") and _is_number(price) and price >= 0 for key, price in prices.items()
    ):
        wrong.append(("prices", "must give `input` and `output`, each per million tokens"))
    latency = declared.get("latency_ms", {"median": 800.0})
    if not isinstance(latency, Mapping) or not latency.keys() <= {"median", "sigma"} or not _is_latency(latency):
        wrong.append(("latency_ms", "must give a `median` in milliseconds, and may give `sigma` (0 to 5)"))
    wrong += [
        (key, "must be true or false") for key in ("sleep", "tokens") if type(declared.get(key, True)) is not bool
    ]
    if type(declared.get("seed", 0)) is not int:
        wrong.append(("seed", "must be a whole number"))
    if not wrong and sum(declared.get(key, 0.0) for key in ("errors", "timeouts", "empty", "filtered")) > 1.0:
        wrong.append(("errors", "and timeouts, empty and filtered exclude each other, so their sum must not exceed 1"))
    if wrong:
        raise SubjectError(
            Fault(code="SUBJ040", what=f"{quoted(key)} {why}", where=f"{where}.{quoted(key)}", mend="mend it")
            for key, why in wrong
        )
    return Flaws(**{**declared, "latency_ms": Latency(**latency)})


def is_injected(case: Case) -> bool:
    """Whether the case carries an instruction that is not its user's, by its hazard or tags (OWASP LLM01, ATLAS T0051).

    What that instruction wants said stands among the case's secrets.
    """
    told = f"{case.hazard} {case.tags.get('owasp')} {case.tags.get('atlas')}" if case.hazard or case.tags else ""
    return "LLM01" in told or "T0051" in told or "marker" in case.tags


def is_unanswerable(case: Case) -> bool:
    """Whether the case's passages leave its question open, which its tags say."""
    return bool(case.passages) and (
        case.tags.get("kind") == "unanswerable" or case.tags.get("answerable") in {"no", "false", "False"}
    )


def _draws(seed: int, case: Case, trial: int) -> tuple[float, ...]:
    """Sixteen independent uniform numbers in (0, 1)."""
    key = f"{seed}\0{case.id}\0{case.attack}\0{trial}".encode("utf-8", "surrogatepass")
    return tuple([(draw + 0.5) * 2.0**-32 for draw in _DRAWS.unpack(hashlib.blake2b(key).digest())])


@lru_cache(maxsize=65_536)
def _of_family(seed: int, flaw: str, family: str, rate: float, icc: float) -> float:
    """A family's own rate: the quantile of Beta(a, b) with mean `rate` and a + b + 1 = 1 / icc at its own draw."""
    key = f"{seed}\0{flaw}\0{family}".encode("utf-8", "surrogatepass")
    drawn = (_DRAW.unpack(hashlib.blake2b(key, digest_size=8).digest())[0] + 0.5) * 2.0**-64
    if icc == 1.0:
        return 1.0 if drawn > 1.0 - rate else 0.0
    from scipy.special import betaincinv

    weight = (1.0 - icc) / icc
    found = float(betaincinv(rate * weight, (1.0 - rate) * weight, drawn))
    return found if math.isfinite(found) else float(drawn > 1.0 - rate)


async def _late(outcome: Answer | ConnectionError, milliseconds: float) -> Answer:
    await asyncio.sleep(milliseconds / 1000.0)
    if isinstance(outcome, ConnectionError):
        raise outcome
    return outcome


def _normal(drawn: float) -> float:
    return _NORMAL.inv_cdf(drawn)


def _one(options: Sequence[str], drawn: float) -> str:
    return options[int(drawn * len(options))]


def _sentence(passage: str) -> str:
    """The first sentence of a passage, bounded."""
    start = passage[:LONGEST_QUOTE].strip()
    ends = [place for mark in _ENDS if (place := start.find(mark, 20)) >= 0]
    return start[: min(ends) + 1] if ends else start


def _mistaken(words: Phrases, reference: str, drawn: float) -> str:
    """An answer that does not contain the right one, as far as there is such an answer."""
    options = [option for option in words.wrong if reference.strip().casefold() not in option.casefold()]
    return _one(options, drawn) if options else "?"


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(float(value))  # type: ignore[arg-type]


def _is_rate(value: object) -> bool:
    return _is_number(value) and 0.0 <= float(value) <= 1.0  # type: ignore[arg-type]


def _is_latency(value: Mapping[str, Any]) -> bool:
    return (
        all(map(_is_number, value.values()))
        and value.get("median", -1.0) >= 0.0
        and 0.0 <= value.get("sigma", 0.0) <= 5.0
    )


def _written(value: object) -> str:
    if isinstance(value, Latency):
        return f"median {value.median:g} ms, sigma {value.sigma:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {each:g}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
