"""Markdown that documents share: tables, verdict rows, and the fields that only a person can fill in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.run import Run
from shipworthy.present import numbers, sentences, slices, verdicts
from shipworthy.present.safe import markdown

MISSING = "[Missing:"  # what only a person can say; counted in the completeness score


def missing(what: str) -> str:
    """A field for a person, marked so that it can be found and counted."""
    return f"{MISSING} {what}]"


def count_missing(document: str) -> int:
    """How many fields of a document still wait for a person.

    Text from outside cannot add to the count: its brackets are escaped.
    """
    return document.replace("\\" + MISSING, "").count(MISSING)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """A Markdown table, as lines. Cells are Markdown already. right: columns of numbers."""
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def verdict_table(run: Run, *, most: int = 100, with_reasons: bool = True) -> list[str]:
    """The requirement table, worst first, with what was left out counted beneath it. with_reasons: of waivers, which
    are not for everybody."""
    rows = []
    for verdict in run.verdicts[:most]:
        it = verdict.estimate
        about = f" ({markdown(slices.subject(it), 80)})" if it is not None and (it.slice or it.reference) else ""
        rows.append(
            (
                f"**{markdown(verdict.requirement.id)}** {markdown(sentences.title(verdict.requirement), 160)}",
                str(verdicts.mark(verdict.standing)),
                markdown(numbers.estimate(it), 160) + about + _open(it) if it is not None else numbers.NOTHING,
                markdown(sentences.judged(verdict)),
                numbers.count(it.n) if it is not None else numbers.NOTHING,
                markdown(sentences.next_step(verdict, with_reason=with_reasons), 160),
            )
        )
    judged = {verdict.requirement.id for verdict in run.verdicts}
    left = [r for r in run.plan.requirements if r.id not in judged]
    for requirement in left[: max(0, most - len(rows))]:
        named = f"**{markdown(requirement.id)}** {markdown(sentences.title(requirement), 160)}"
        rows.append(
            (
                named,
                str(verdicts.NOT_EVALUATED),
                numbers.NOTHING,
                markdown(sentences.bound(requirement)),
                numbers.NOTHING,
                "",
            )
        )
    hidden = len(run.verdicts) + len(left) - len(rows)
    if not rows:
        return ["The plan requires nothing, so nothing could be decided."]
    lines = table(
        ("Requirement", "Verdict", "Estimate (interval)", sentences.BOUND, "n", "What next"), rows, right=(4,)
    )
    return [*lines, "", f"{hidden:,} further requirements are in results.json."] if hidden else lines


def _open(it: Estimate) -> str:
    """How many cases of an estimate have no outcome."""
    without = sentences.missing(it)
    return f", {without}" if without else ""
