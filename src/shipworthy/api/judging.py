"""Judges' report cards, from the rows of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np

from shipworthy.errors import NotEstimable
from shipworthy.estimate.estimates import SliceKey
from shipworthy.estimate.instruments import Counts, JudgeCard, across_versions, compared, read_card
from shipworthy.observations.answers import FAILED
from shipworthy.observations.findings import Finding
from shipworthy.observations.table import Observations
from shipworthy.observations.truth import as_number
from shipworthy.stats.agreement import gwet_ac
from shipworthy.stats.pairwise import position_bias

AXES = ("hazard", "attack", "language")
GOOD_AGREEMENT = 0.6  # AC1 below this, labels are too noisy to hold a judge against
MOST_LEVELS = 200  # of an axis that gets cards
_VERDICTS = ("yes", "no", "none")


def judge_cards(observations: Observations) -> tuple[JudgeCard, ...]:
    """A card for every judged scorer and version: of all its answers, then by hazard, attack and language.

    Empty where nothing was judged. A judge that gives marks instead of verdicts is counted, and nothing more.
    """
    versions: list[str | None] = [None, *observations.variants]
    found: list[JudgeCard] = []
    for scorer in judged_scorers(observations):
        of_versions = [list(_of_version(observations, scorer, version)) for version in versions]
        told = [cards[0] for cards in of_versions if cards]
        for cards in of_versions:
            if not cards:
                continue
            others = [note for other in told if other is not cards[0] for note in across_versions(cards[0], other)]
            cards[0] = replace(cards[0], notes=(*cards[0].notes, *others))
            found += cards
    return tuple(found)


def position_finding(
    evaluation: str, scorer: str, variant: str | None, orders: Sequence[tuple[int, int]], families: Sequence[str]
) -> Finding:
    """What the order of two answers did to a pairwise judge. orders: what won in each order; families: the cases'."""
    first, second = zip(*orders, strict=True)
    clusters = list(families) if len(set(families)) < len(families) else None
    of = scorer if variant is None else f"{scorer} on {variant}"
    try:
        bias = position_bias(first, second, clusters=clusters)
    except NotEstimable as reason:
        what = f"{of}: its position bias cannot be told: {reason}"
        return Finding(evaluation=evaluation, check="position bias", gravity="warning", what=what, rows=len(orders))
    low, high = bias.interval
    agreed, limits = bias.consistent.value, bias.consistent.interval
    leans = "the first" if bias.bias > 0 else "the second"
    is_biased = float(low) > 0 or float(high) < 0
    what = (
        f"{of}: the same answer won in both orders for {agreed:.0%} ({float(limits[0]):.0%} to {float(limits[1]):.0%}) "
        f"of {bias.items:,} pairs; position bias {bias.bias:+.2f} ({float(low):+.2f} to {float(high):+.2f})"
        + (f", it leans towards {leans}; the win rate averages both orders" if is_biased else "")
    )
    return Finding(
        evaluation=evaluation,
        check="position bias",
        gravity="warning" if is_biased else "ok",
        what=what,
        rows=len(orders),
    )


def agreement_finding(evaluation: str, scorer: str, rated: Sequence[Sequence[object]]) -> Finding:
    """How people agree with each other, on answers that several of them labelled, and what that says of one label.

    Two raters who each err with chance e, on either side alike, differ on 2 e (1 - e) of the answers.
    """
    words = sorted({word for each in rated for word in each}, key=str)
    counts = np.array([[sum(word == given for given in each) for word in words] for each in rated], dtype=float)
    if len(words) == 1:  # another word was on offer
        counts = np.column_stack([counts, np.zeros(len(rated))])
    differ = sum(len(set(each)) > 1 for each in rated)
    share = float(np.mean([1 - sum(word == each[0] for word in each[1:]) / (len(each) - 1) for each in rated]))
    what = f"{scorer}: {len(rated):,} answers have several raters, who differ on {differ:,}"
    try:
        agreed = gwet_ac(counts)
        low, high = (float(limit) for limit in agreed.interval)
        what += f"; they agree with AC1 {agreed.value:.2f} ({low:.2f} to {high:.2f})"
        what += f", so about {(1 - np.sqrt(max(1 - 2 * share, 0.0))) / 2:.0%} of single labels are wrong"
        is_weak = low < GOOD_AGREEMENT
    except NotEstimable as reason:
        what, is_weak = f"{what}; {reason}", True
    return Finding(
        evaluation=evaluation,
        check="raters",
        gravity="warning" if is_weak else "ok",
        what=what + (f", which may lie below {GOOD_AGREEMENT}: labels are in doubt themselves" if is_weak else ""),
        rows=len(rated),
    )


def judged_scorers(observations: Observations) -> tuple[str, ...]:
    """The scorers whose word is another model's, or that people checked."""
    names = {name.partition("@")[0] for name in observations.judged}
    return tuple(sorted(name for name in names if not name.startswith(("outcome.", "judged."))))


def own(observations: Observations, name: str, version: str | None) -> ir.Value | None:
    """A version's column, if it has it."""
    column = name if version is None else f"{name}@{version}"
    return observations.table[column] if column in observations.table.columns else None


def said_yes(value: ir.Value) -> ir.BooleanValue:
    """What a verdict, or a label, counts as: true, or a refusal in full."""
    if value.type().is_string():
        return value == "full"
    return value.cast("boolean")


def is_asked(observations: Observations, scorer: str, version: str | None) -> ir.BooleanValue:
    """Where a judge gave a verdict, or should have."""
    value, why = own(observations, scorer, version), own(observations, f"{scorer}_why", version)
    assert value is not None
    failed = ibis.literal(False) if why is None else why.cast("string").startswith(FAILED).fill_null(False)
    asked: ir.BooleanValue = value.notnull() | failed
    return asked


def _of_version(observations: Observations, scorer: str, version: str | None) -> Iterator[JudgeCard]:
    value = own(observations, scorer, version)
    if value is None:
        return
    everyone, _ = _cards(observations, scorer, version, None)
    if not everyone:
        return
    notes: list[str] = []
    slices: list[JudgeCard] = []
    for axis in AXES if everyone[0].readings else ():
        if axis in observations.table.columns:
            cards, counts = _cards(observations, scorer, version, axis)
            if 1 < len(cards) <= MOST_LEVELS:
                slices += cards
                notes += compared(cards, counts, axis)
    card = everyone[0]
    if card.readings and "cluster" in observations.roles:
        notes.append("labelled answers may come in families; these limits take each as independent, the rates do not")
    yield replace(card, notes=(*card.notes, *notes))
    yield from slices


def _cards(
    observations: Observations, scorer: str, version: str | None, axis: str | None
) -> tuple[list[JudgeCard], list[Counts]]:
    """Cards of the levels of an axis, or of everyone, with their counts, largest first."""
    value, human = own(observations, scorer, version), own(observations, f"{scorer}.human", version)
    assert value is not None
    is_verdict = not value.type().is_floating()
    yes = said_yes(value).fill_null(False) if is_verdict else value.notnull()
    strata = {"yes": yes & value.notnull(), "no": ~yes & value.notnull(), "none": value.isnull()}
    wanted: dict[str, ir.Value] = {}
    for name, rows in strata.items():
        wanted[f"judged {name}"] = as_number(rows).sum()
        if human is not None and is_verdict:
            wanted[f"labelled {name}"] = as_number(rows & human.notnull()).sum()
            wanted[f"positive {name}"] = as_number(rows & said_yes(human).fill_null(False)).sum()
    rows_asked = observations.table.filter(is_asked(observations, scorer, version))
    grouped = (
        rows_asked.group_by(level=rows_asked[axis]).aggregate(**wanted) if axis else rows_asked.aggregate(**wanted)
    )
    found = observations.backend.to_pyarrow(grouped).to_pylist()
    found.sort(key=lambda row: (-_three(row, "judged")[0] - _three(row, "judged")[1], str(row.get("level"))))
    cards, counts = [], []
    for row in found:
        slice_: SliceKey = {axis: row["level"]} if axis else {}
        count = Counts(judged=_three(row, "judged"), labelled=_three(row, "labelled"), positive=_three(row, "positive"))
        if not sum(count.judged):
            continue
        counts.append(count)
        card = read_card(count, evaluation=observations.evaluation, scorer=scorer, variant=version, slice_=slice_)
        cards.append(card if is_verdict else replace(card, notes=_of_marks(observations, scorer, version)))
    return cards, counts


def _of_marks(observations: Observations, scorer: str, version: str | None) -> tuple[str, ...]:
    labelled = own(observations, f"{scorer}.human", version) is not None
    more = ", and people's marks do not correct it yet" if labelled else ""
    return (f"it gives marks, not verdicts: its mean is uncorrected{more}",)


def _three(row: dict[str, object], part: str) -> tuple[int, int, int]:
    yes, no, none = (int(float(str(row.get(f"{part} {name}") or 0))) for name in _VERDICTS)
    return yes, no, none
