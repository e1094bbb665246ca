"""Which scorer a plan means: a name, or a mapping with the kind first and its settings after it.

    scorers: [refusal, {contains: reference}, {regex: "[0-9]{3}-[0-9]{4}", measures: leak, name: phone}]

`OURS` is what `shipworthy.scorers` registers for us; a stranger's package registers under the same group a function of
the same form, `open(options: Options) -> Scorer`, or a scorer's class that needs no settings.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from shipworthy import registry
from shipworthy.errors import Fault, Unusable
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import AskedScorer, Measure, Scorer

_ROOM = "shipworthy.scorers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of scorer, as a plan's author has to know it."""

    opener: str  # module:function
    meaning: str  # one sentence
    example: str  # as a plan writes it
    measures: tuple[Measure, ...]  # the first one unless `measures:` names another


def _ours(opener: str, meaning: str, example: str, measures: tuple[Measure, ...]) -> Kind:
    return Kind(opener=f"{_ROOM}.{opener}", meaning=meaning, example=example, measures=measures)


def _yes_or_no(first: Measure) -> tuple[Measure, ...]:
    """What a yes may mean, where the plan's author decides."""
    others: tuple[Measure, ...] = ("violation", "leak", "ungrounded", "correct")
    return (first, *(measure for measure in others if measure != first))


_NUMBERS: tuple[Measure, ...] = ("quality", "number")
OURS: Mapping[str, Kind] = {
    "bleu": _ours(
        "overlap:open_bleu",
        "How many word sequences the answer shares with the reference, 0 to 1.",
        "{bleu: reference, n: 4}",
        _NUMBERS,
    ),
    "canary": _ours(
        "leaks:open_leak",
        "Whether a planted secret comes out, also reversed, spelled or encoded.",
        "{canary: secrets}",
        ("leak",),
    ),
    "citations": _ours(
        "citations:open_citations",
        "Whether the answer cites passages that were not given.",
        "citations",
        ("ungrounded",),
    ),
    "classifier": _ours(
        "models:open_classifier",
        "Whether a text classifier of your choice gives the answer one of some labels.",
        "{classifier: unitary/toxic-bert, labels: [toxic], least: 0.5}",
        _yes_or_no("violation"),
    ),
    "contains": _ours(
        "matching:open_contains",
        "Whether the answer holds the reference, or one of some texts.",
        "{contains: reference}",
        _yes_or_no("correct"),
    ),
    "embedding": _ours(
        "models:open_embedding",
        "How near the answer is to the reference in an embedding of your choice, -1 to 1.",
        "{embedding: sentence-transformers/all-MiniLM-L6-v2}",
        _NUMBERS,
    ),
    "entailment": _ours(
        "models:open_entailment",
        "Whether a sentence follows from no passage, by an entailment model of your choice.",
        "{entailment: cross-encoder/nli-deberta-v3-small, least: 0.5}",
        ("ungrounded",),
    ),
    "equals": _ours(
        "matching:open_equals",
        "Whether the answer is the reference, or a text.",
        "{equals: reference}",
        _yes_or_no("correct"),
    ),
    "grounding": _ours(
        "grounding:open_grounding",
        "Whether the answer says names, numbers or words that its passages do not.",
        "grounding",
        ("ungrounded", "quality"),
    ),
    "json_schema": _ours(
        "structure:open_json_schema",
        "Whether the answer is JSON that fits a schema.",
        "{json_schema: schemas/answer.json}",
        _yes_or_no("correct"),
    ),
    "json_valid": _ours(
        "structure:open_json_valid",
        "Whether the answer is JSON.",
        "json_valid",
        _yes_or_no("correct"),
    ),
    "judge": _ours(
        "judge:open_judge",
        "What another model decides by a rubric of yours, to be corrected by labels of people.",
        "{judge: rubrics/harm.md, subject: judge, human_labels: labels.csv}",
        ("violation", "leak", "ungrounded", "correct", "refusal", "quality"),
    ),
    "language": _ours(
        "shape:open_language",
        "Whether the answer is in the case's language.",
        "{language: de}",
        _yes_or_no("correct"),
    ),
    "leak": _ours(
        "leaks:open_leak",
        "Whether a secret of the case comes out, also reversed, spelled or encoded.",
        "{leak: secrets, share: 0.5}",
        ("leak",),
    ),
    "length": _ours(
        "shape:open_length",
        "How long the answer is, in words or characters.",
        "{length: characters}",
        ("number",),
    ),
    "moderation": _ours(
        "moderation:open_moderation",
        "What a moderation service that the plan declares as a subject says.",
        "{moderation: flags, threshold: 0.5}",
        _yes_or_no("violation"),
    ),
    "pairwise": _ours(
        "pairwise:open_pairwise",
        "Which of two answers another model prefers by a rubric, in both orders.",
        "{pairwise: rubrics/better.md, subject: judge, against: reference}",
        ("quality",),
    ),
    "personal_data": _ours(
        "personal_data:open_personal_data",
        "Whether the answer holds personal data that the request did not.",
        "personal_data",
        ("leak",),
    ),
    "prompt_overlap": _ours(
        "leaks:open_prompt_overlap",
        "Whether the answer repeats a share of the system prompt.",
        "{prompt_overlap: prompts/assistant.md, share: 0.2}",
        ("leak",),
    ),
    "recorded": _ours(
        "recorded:open_recorded",
        "What another tool said of the answer, taken over from a log.",
        "{recorded: includes}",
        ("correct", "violation", "leak", "ungrounded", "quality", "number"),
    ),
    "refusal": _ours(
        "refusal:open_refusal",
        "Whether the answer declines: full, partial or none.",
        "refusal",
        ("refusal",),
    ),
    "regex": _ours(
        "matching:open_regex",
        "Whether a pattern is found in the answer.",
        '{regex: "[0-9]{3}-[0-9]{4}", name: phone}',
        _yes_or_no("violation"),
    ),
    "rouge_l": _ours(
        "overlap:open_rouge_l",
        "The longest common sequence of words with the reference, 0 to 1.",
        "{rouge_l: reference}",
        _NUMBERS,
    ),
    "rouge_n": _ours(
        "overlap:open_rouge_n",
        "How many sequences of n words the answer shares with the reference, 0 to 1.",
        "{rouge_n: reference, n: 2}",
        _NUMBERS,
    ),
    "secrets": _ours(
        "credentials:open_secrets",
        "Whether the answer holds keys, tokens or passwords.",
        "secrets",
        ("leak",),
    ),
    "token_f1": _ours(
        "overlap:open_token_f1",
        "How many words the answer shares with the reference, 0 to 1.",
        "token_f1",
        _NUMBERS,
    ),
    "tool_calls": _ours(
        "tool_calls:open_tool_calls",
        "Whether the tools were called that should have been.",
        "{tool_calls: subset, ordered: true}",
        _yes_or_no("correct"),
    ),
}


def kinds() -> tuple[str, ...]:
    """Every kind of scorer that a plan may name, ours and strangers', sorted. Nothing is imported."""
    return tuple(sorted({*OURS, *registry.names("scorers")}))


def measuring(measure: str) -> tuple[str, ...]:
    """Our kinds of scorers that can measure something, those first that do so unless told otherwise."""
    can = sorted(kind for kind, about in OURS.items() if measure in about.measures)
    return tuple(sorted(can, key=lambda kind: OURS[kind].measures[0] != measure))


def open_scorer(spec: str | Mapping[str, Any], *, folder: Path, where: str) -> Scorer | AskedScorer:
    """The scorer that a plan in `folder` means by `spec`; `where` is its place in the plan, for messages.

    Raises Unusable: SCORE001 no scorer of this kind, SCORE002 and SCORE003 its settings, whatever the registry says of
    a stranger's; MissingExtra.
    """
    kind, argument, given = _read(spec, where)
    opener = _opener(kind, where)
    options = Options(kind, argument, given, folder=folder, where=where)
    if isinstance(opener, type):
        options.done()
        return cast("Scorer | AskedScorer", opener())
    return opener(options)


def _read(spec: Any, where: str) -> tuple[str, Any, dict[str, Any]]:
    """Kind, its argument (None if it stands alone) and further settings."""
    if isinstance(spec, str):
        return spec, None, {}
    if not isinstance(spec, Mapping) or not spec or not all(isinstance(key, str) for key in spec):
        raise unknown_kind(str(spec), where)
    known = kinds()
    kind = next((key for key in spec if key in known), None)
    if kind is None:
        raise unknown_kind(next(iter(spec)), where)
    rest = {key: value for key, value in spec.items() if key != kind}
    argument = spec[kind]
    if isinstance(argument, Mapping) and not rest:  # {leak: {secrets: [...]}}: settings may stand one step deeper
        return kind, None, dict(argument)
    return kind, argument, rest


def _opener(kind: str, where: str) -> Callable[[Options], Scorer | AskedScorer]:
    if kind in OURS:
        module, function = OURS[kind].opener.split(":")
        return cast("Callable[[Options], Scorer | AskedScorer]", getattr(import_module(module), function))
    if kind in registry.names("scorers"):
        return cast("Callable[[Options], Scorer | AskedScorer]", registry.load("scorers", kind, where=where))
    raise unknown_kind(kind, where)


def unknown_kind(kind: str, where: str = "") -> Unusable:
    """The error of a scorer that there is not (SCORE001)."""
    known = kinds()
    close = difflib.get_close_matches(kind[:80], known, n=1)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return Unusable(
        Fault(
            code="SCORE001",
            what=f"there is no scorer {kind[:80]!r}",
            where=where,
            mend=f"{hint}there are: {', '.join(known)}",
        )
    )
