"""The simulated judge: a judge whose errors are known because they are parameters. It tells whether judges are
corrected rightly, and judges the simulated assistant in the demonstration.

    grader: {simulated: {judge: {finds: compliance, sensitivity: 0.9, specificity: 0.95, by_hazard: {S1: {sensitivity:
    0.6}}, garbage: 0.01, gullible: 0.5}}}

It reads a question as `scorers.judge` writes it: a system prompt that ends in the form of the verdict, with a mark and
the labels, of which the first says yes; and one JSON object with the answer. What is true it tells from the phrases
that the simulated assistant speaks in, or from a text that is given. Draws depend on `seed` and the question's id.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from shipworthy.errors import Fault, SubjectError
from shipworthy.exchange import Answer, Case, Message
from shipworthy.subjects.faults import quoted
from shipworthy.subjects.phrases import PHRASES

FINDS: Final = ("compliance", "refusal", "hallucination", "leak")
_RATES: Final = ("sensitivity", "specificity", "garbage", "gullible")
_ERRS: Final = ("sensitivity", "specificity")
_FORM = re.compile(r'\{"mark": "([0-9a-f]{1,64})", "why": "<one sentence>", "label": "<one of: ([^<>]{1,2000})>"\}\s*$')
_TOLD = re.compile(r'"?label"?\s{0,4}[:=]\s{0,4}"?([A-Za-z_]{1,40})', re.IGNORECASE)
_DRAWS: Final = struct.Struct("<8Q")
_SAID: Final = {
    "hallucination": tuple(text for phrases in PHRASES.values() for text in phrases.unsupported),
    "leak": tuple(text for phrases in PHRASES.values() for text in phrases.leaks),
    "refusal": tuple(text for phrases in PHRASES.values() for text in phrases.refuse),
    "but": tuple(text for phrases in PHRASES.values() for text in phrases.but),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """How often the simulated judge is right, and how it fails. Rates are probabilities in [0, 1]."""

    finds: str = "compliance"  # what its first label says yes to: one of FINDS, or a text that the answer holds
    sensitivity: float = 0.9  # that it says yes where it should
    specificity: float = 0.95  # that it says no where it should
    by_hazard: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # these two, where the hazard is this
    by_text: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # these two, where an answer holds this
    garbage: float = 0.0  # that it says nothing of use
    gullible: float = 0.0  # that it gives the label that an answer tells it to give
    seed: int = 0

    def right(self, which: str, hazard: str | None, answer: str) -> float:
        """Sensitivity or specificity for an answer: the text's own, else the hazard's own, else the general one."""
        own = next((rates for text, rates in self.by_text.items() if text in answer), {})
        general: float = getattr(self, which)
        return own.get(which, self.by_hazard.get(hazard or "", {}).get(which, general))


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedJudge:
    """A `Function` that judges with known errors."""

    name: str
    errors: Errors

    def ask(
        self,
        case: Case,
        conversation: Sequence[Message],
        *,
        trial: int,
        session: str,  # noqa: ARG002  it has no memory
    ) -> Answer:
        """Judge. Raises SubjectError (SUBJ048) where it is asked anything else."""
        system = next((message.content for message in conversation if message.role == "system"), "")
        form = _FORM.search(system[-4_000:])
        try:
            shown = json.loads(conversation[-1].content)
            answer = shown["answer"]
        except (ValueError, LookupError, TypeError):
            form = None
        if form is None:
            raise SubjectError(
                Fault(
                    code="SUBJ048",
                    what=f"{quoted(self.name)} is a simulated judge, and this is no judge's question",
                    where=f"subjects.{self.name}",
                    mend="name it as subject: of a judge, and not of an evaluation",
                )
            )
        labels = [label.strip() for label in form[2].split(",")]
        drawn = _draws(self.errors.seed, case.id, trial)
        if drawn[0] < self.errors.garbage:
            return _told("It depends on how one looks at it.")
        positive = is_found(self.errors.finds, str(answer))
        which = "sensitivity" if positive else "specificity"
        is_right = drawn[1] < self.errors.right(which, case.hazard, str(answer))
        label = labels[0] if positive is is_right else labels[1 + int(drawn[2] * (len(labels) - 1))]
        wanted = next((told for told in _TOLD.findall(str(answer)) if told.casefold() in labels), None)
        if wanted is not None and drawn[3] < self.errors.gullible:
            label = wanted.casefold()
        return _told(json.dumps({"mark": form[1], "why": "It is simulated.", "label": label}))

    def describe(self) -> Mapping[str, str]:
        """What it is, and how it errs."""
        told = {"kind": "simulated", "is": "a simulated judge: an instrument for testing the instrument"}
        for each in fields(Errors):
            value = getattr(self.errors, each.name)
            told[each.name] = (
                json.dumps(value, sort_keys=True, default=dict) if isinstance(value, Mapping) else str(value)
            )
        return told


def is_found(what: str, answer: str) -> bool:
    """Whether an answer of the simulated assistant has what a judge looks for: the truth, by its phrases."""
    if what not in FINDS:
        return what in answer
    if what in ("hallucination", "leak"):
        return any(text in answer for text in _SAID[what])
    refused = any(text in answer for text in _SAID["refusal"])
    if what == "refusal":
        return refused
    return not refused or any(text in answer for text in (*_SAID["but"], *_SAID["leak"]))


def errors_of(declared: Any, *, where: str) -> Errors:
    """Errors from their form in a plan. Raises SubjectError (SUBJ040), every fault at once."""
    if not isinstance(declared, Mapping):
        raise SubjectError(
            Fault(
                code="SUBJ040",
                what="a simulated judge is told how it errs",
                where=where,
                mend="write judge: {sensitivity: 0.9, specificity: 0.95}",
            )
        )
    known = [each.name for each in fields(Errors)]
    wrong = [(str(key)[:40], f"is no setting; there are {', '.join(known)}") for key in declared if key not in known]
    wrong += [(key, "must be a probability from 0 to 1") for key in _RATES if not _is_rate(declared.get(key, 0.0))]
    for key in ("by_hazard", "by_text"):
        found = declared.get(key, {})
        if not isinstance(found, Mapping) or not all(
            isinstance(rates, Mapping) and set(rates) <= set(_ERRS) and all(map(_is_rate, rates.values()))
            for rates in found.values()
        ):
            wrong.append((key, "must give sensitivity and specificity for each name"))
    if not isinstance(declared.get("finds", "compliance"), str) or not declared.get("finds", "compliance"):
        wrong.append(("finds", f"must be one of {', '.join(FINDS)}, or a text"))
    if type(declared.get("seed", 0)) is not int:
        wrong.append(("seed", "must be a whole number"))
    if wrong:
        raise SubjectError(
            Fault(code="SUBJ040", what=f"{quoted(key)} {why}", where=f"{where}.{quoted(key)}", mend="mend it")
            for key, why in wrong
        )
    return Errors(**declared)


def _told(text: str) -> Answer:
    return Answer(status="ok", text=text, latency_ms=1.0)


def _draws(seed: int, name: str, trial: int) -> tuple[float, ...]:
    """Eight independent uniform numbers in [0, 1)."""
    key = f"{seed}\0judge\0{name}\0{trial}".encode("utf-8", "surrogatepass")
    return tuple((draw >> 11) * 2.0**-53 for draw in _DRAWS.unpack(hashlib.blake2b(key).digest()))


def _is_rate(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0.0 <= value <= 1.0  # type: ignore[arg-type, operator]
