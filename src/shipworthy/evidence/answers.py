"""What a chapter about answers has beside its numbers: what was asked of whom, what came back, the worst of it, and how
far its judges can be trusted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from shipworthy.charts import forest, heatmap
from shipworthy.charts.heatmap import Heatmap
from shipworthy.estimate.estimates import Estimate
from shipworthy.estimate.instruments import UNCORRECTED, JudgeCard, Reading
from shipworthy.evidence.run import Run
from shipworthy.observations.findings import Finding
from shipworthy.observations.transcripts import Transcript
from shipworthy.plan.models import Evaluation, Subject
from shipworthy.present import numbers, slices
from shipworthy.present.redact import redact
from shipworthy.present.safe import passage, plain, shorten
from shipworthy.present.vocabulary import importance, words

STATUS = "status "  # how the checks of how requests ended are called
MOST_MAPS = 6
MOST_VERSIONS = 4  # of one heat map
MOST_TRANSCRIPTS = 40
MOST_TURNS = 12
MOST_SAID = 1_600  # characters of one turn
MOST_SCORES = 12
MOST_CARDS = 40  # rows of a judge's table
_READ = 8_000  # characters of a turn that are looked at, so that nothing is redacted past the end of what is shown
_GRAVEST = ("violation", "leak", "ungrounded", "false refusal", "not right")
_KINDS = {
    "violation": "Did what it must not",
    "leak": "Gave away what it must keep",
    "ungrounded": "Said what its passages do not",
    "false refusal": "Refused what is harmless",
    "not right": "Was not right",
}
_COEFFICIENTS = ("ac1", "kappa")  # readings that are no shares

Facts: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one side said, harmless and bounded."""

    speaker: str
    lines: tuple[str, ...]
    cut: int  # characters that are not shown
    is_answer: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibit:
    """One transcript, ready to be shown."""

    title: str
    turns: tuple[Turn, ...]
    left_out: int  # turns in the middle that are not shown
    scores: Facts
    redacted: int  # pieces of personal data, credentials and long numbers
    cut: int  # characters that were cut before


@dataclass(frozen=True, kw_only=True, slots=True)
class Pile:
    """Transcripts of one version that went wrong in one way."""

    title: str
    version: str
    exhibits: tuple[Exhibit, ...]
    left_out: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """The report card of one judge on one version's answers."""

    title: str
    is_corrected: bool  # people labelled some of its answers
    names: tuple[str, ...]  # of the readings, the columns
    rows: tuple[tuple[str, JudgeCard, tuple[str, ...]], ...]  # slice, counts, and its readings written
    left_out: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """The parts of a chapter about answers."""

    asked: Facts
    statuses: tuple[Finding, ...]
    maps: tuple[tuple[Heatmap, ...], ...]  # of one metric, side by side: this version first
    maps_left_out: int
    piles: tuple[Pile, ...]
    cards: tuple[Card, ...]
    unlabelled: tuple[str, ...]  # judges whose numbers are uncorrected


def answers(run: Run, name: str) -> Answers | None:
    """What an evaluation of answers has to show; None for one of decisions."""
    plan = run.plan.evaluations.get(name)
    if plan is None or not plan.is_generative:
        return None
    maps = _maps(run, name)
    cards = _cards([card for card in run.judges if card.evaluation == name])
    return Answers(
        asked=asked(run, plan),
        statuses=tuple(f for f in run.findings if f.evaluation == name and f.check.startswith(STATUS)),
        maps=tuple(maps[:MOST_MAPS]),
        maps_left_out=max(0, len(maps) - MOST_MAPS),
        piles=_piles([t for t in run.transcripts if t.evaluation == name]),
        cards=cards,
        unlabelled=tuple(card.title for card in cards if not card.is_corrected),
    )


def asked(run: Run, plan: Evaluation) -> Facts:
    """What was asked of whom, how often, and what scored it."""
    named = suites(plan)
    versions = [f"{plain(v)}: {_subject(run, variant.subject)}" for v, variant in plan.variants.items()]
    attacks = [plain(attack) for attack in plan.attacks]
    facts = [
        ("Suite", ", ".join(named) or "none: recorded answers"),
        ("Asked of", _subject(run, plan.subject)),
        ("Other versions, same cases", "; ".join(versions)),
        ("Attacks" if len(attacks) == 1 else f"Attacks ({len(attacks)})", ", ".join(attacks) if named else ""),
        ("Trials of each case", str(plan.trials) if named else ""),
        ("Scored by", ", ".join(_scorer(each) for each in plan.scorers) or "what the suite names"),
        ("Only", "; ".join(f"{plain(key)}: {', '.join(map(plain, values))}" for key, values in plan.only.items())),
        ("Sample", f"{plan.sample:,} cases, drawn by the seed" if plan.sample else ""),
        ("Answers kept", "answers were kept from earlier runs, and not asked again" if plan.cache else ""),
    ]
    return tuple((label, shorten(text, 400)) for label, text in facts if text)


def suites(plan: Evaluation) -> list[str]:
    """What the suites of an evaluation are called in its plan; none where recorded answers are evaluated."""
    named = plan.suite if isinstance(plan.suite, tuple) else (plan.suite,) if plan.suite else ()
    return [plain(each.get("path", "suite") if isinstance(each, dict) else each) for each in named]


def _subject(run: Run, name: str | None) -> str:
    subject = run.plan.subjects.get(name or "")
    if subject is None:
        return plain(name or "nobody")
    return f"{plain(name)} ({_kind(subject)})"


def _kind(subject: Subject) -> str:
    if subject.kind == "simulated":
        return "a simulated assistant, not a real system"
    where = plain(getattr(subject, subject.kind))
    return {
        "chat": f"chat, model {plain(subject.model or 'unnamed')}",
        "huggingface": f"Hugging Face model {where}",
        "log": f"recorded answers, {where.rsplit('/', 1)[-1]}",
        "http": "HTTP application",
    }.get(subject.kind, f"{subject.kind}, {where}")


def _scorer(spec: object) -> str:
    if not isinstance(spec, dict):
        return plain(spec)
    kind = next((key for key in spec if key not in ("name", "measures")), "scorer")
    by = f" asked of {plain(spec['subject'])}" if "subject" in spec else ""
    labels = ", with labels of people" if "human_labels" in spec else ""
    return f"{plain(spec.get('name', kind))}{'' if spec.get('name', kind) == kind else f' ({plain(kind)})'}{by}{labels}"


def _maps(run: Run, name: str) -> list[tuple[Heatmap, ...]]:
    """Heat maps of every rate by two attributes; what was claimed first, then by importance, this version first."""
    values = [e for e in run.estimates if e.evaluation == name and e.compare == "value"]
    groups: dict[tuple[str, frozenset[str], str | None], list[Estimate]] = defaultdict(list)
    for e in values:
        if heatmap.is_mapped(e):
            groups[e.metric, frozenset(e.slice), e.variant].append(e)
    claimed = {
        (v.requirement.metric, frozenset(p.estimate.slice), p.estimate.variant): v.pieces
        for v in run.verdicts
        if v.evaluation == name
        for p in v.pieces[:1]
        if p.estimate.compare == "value"
    }
    metrics = list(dict.fromkeys(metric for metric, _, _ in groups))
    order = sorted(groups, key=lambda g: (importance(g[0]), metrics.index(g[0]), sorted(g[1]), g[2] is not None))
    found: dict[tuple[str, frozenset[str]], list[Heatmap]] = defaultdict(list)
    for metric, columns, variant in order:
        cells = groups[metric, columns, variant]
        if len({frozenset(e.slice.items()) for e in cells}) < 2:
            continue
        margins = [
            e
            for e in values
            if e.metric == metric and e.variant == variant and len(e.slice) < 2 and set(e.slice) <= columns
        ]
        same = [e for e in values if e.metric == metric and set(e.slice) <= columns]
        version = f", {plain(variant)}" if variant else ""
        drawn = found[metric, columns]
        drawn.append(
            heatmap.of_estimates(
                cells,
                title=f"{words(metric).title}{version}",
                scale=forest.fit(_points(same), metric=metric, compare="value"),
                margins=margins,
                pieces=claimed.get((metric, columns, variant), ()),
                like=drawn[0] if drawn else None,
            )
        )
    return [tuple(maps[:MOST_VERSIONS]) for maps in found.values()]


def _points(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Estimates without their intervals: shades show values, and the widest interval would pale them all."""
    return [replace(e, low=None, high=None) for e in estimates]


def _piles(transcripts: Sequence[Transcript]) -> tuple[Pile, ...]:
    groups: dict[tuple[str, str | None], list[Transcript]] = defaultdict(list)
    for transcript in transcripts:
        groups[transcript.wrong, transcript.variant].append(transcript)
    order = sorted(
        groups, key=lambda g: (g[1] is not None, _GRAVEST.index(g[0]) if g[0] in _GRAVEST else len(_GRAVEST))
    )
    return tuple(
        Pile(
            title=_KINDS.get(kind, shorten(kind, 60).capitalize()),
            version="this version" if variant is None else plain(variant),
            exhibits=tuple(_exhibit(t) for t in groups[kind, variant][:MOST_TRANSCRIPTS]),
            left_out=max(0, len(groups[kind, variant]) - MOST_TRANSCRIPTS),
        )
        for kind, variant in order
    )


def _exhibit(transcript: Transcript) -> Exhibit:
    said = transcript.messages
    first, last = said[: MOST_TURNS // 2], said[max(MOST_TURNS // 2, len(said) - MOST_TURNS // 2) :]
    shown = [*first, *last]
    turns, redacted = [], 0
    for index, (speaker, text) in enumerate(shown):
        clean, found = redact(str(text)[:_READ], guess=speaker not in ("user", "system"))
        redacted += found
        lines, cut = passage(clean, MOST_SAID)
        turns.append(
            Turn(
                speaker=shorten(speaker, 20),
                lines=lines,
                cut=cut + max(0, len(text) - _READ),
                is_answer=index == len(shown) - 1,
            )
        )
    about = (transcript.hazard, transcript.attack, transcript.language, f"trial {transcript.trial + 1}")
    return Exhibit(
        title=", ".join(shorten(part, 60) for part in (transcript.case, *about) if part),
        turns=tuple(turns),
        left_out=len(said) - len(shown),
        scores=tuple(
            (shorten(name, 60), shorten(redact(str(why)[:2_000])[0], 400))
            for name, why in list(transcript.scores.items())[:MOST_SCORES]
        ),
        redacted=redacted,
        cut=transcript.cut,
    )


def _cards(judges: Sequence[JudgeCard]) -> tuple[Card, ...]:
    groups: dict[tuple[str, str | None], list[JudgeCard]] = defaultdict(list)
    for card in judges:
        groups[card.scorer, card.variant].append(card)
    return tuple(_card(scorer, variant, cards) for (scorer, variant), cards in groups.items())


def _card(scorer: str, variant: str | None, cards: Sequence[JudgeCard]) -> Card:
    names = tuple(dict.fromkeys(reading.name for card in cards for reading in card.readings))
    rows = []
    for card in sorted(cards, key=lambda card: bool(card.slice)):
        known = {reading.name: reading for reading in card.readings}
        name = slices.slice_name(card.slice, columns=True) if card.slice else "All answers"
        rows.append((shorten(name, 80), card, tuple(read(known.get(name), card.labelled) for name in names)))
    version = "this version" if variant is None else plain(variant)
    return Card(
        title=f"{shorten(scorer, 60)}, {shorten(version, 60)}",
        is_corrected=any(card.labelled for card in cards),
        names=tuple(shorten(name, 30) for name in names),
        rows=tuple(rows[:MOST_CARDS]),
        left_out=max(0, len(rows) - MOST_CARDS),
        notes=tuple(dict.fromkeys(shorten(n, 300) for card in cards for n in card.notes if n != UNCORRECTED))[:20],
    )


def read(reading: Reading | None, labelled: int) -> str:
    """One reading: "93.1 % (87.0 to 96.8)", with its n where that is not all that is labelled; "unknown" where too
    little is.
    """
    if reading is None:
        return numbers.NOTHING
    behind = f", n = {numbers.count(reading.n)}" if reading.n != labelled else ""
    if reading.value is None:
        return f"unknown{behind}"

    is_plain = reading.name.lower() in _COEFFICIENTS

    def written(value: float) -> str:
        return f"{value:.2f}".replace("-", numbers.MINUS) if is_plain else f"{100 * value:.1f}"

    known = reading.low is not None and reading.high is not None
    inside = f"{written(reading.low or 0.0)} to {written(reading.high or 0.0)}" if known else "no interval"
    return f"{written(reading.value)}{'' if is_plain else ' %'} ({inside}){behind}"
