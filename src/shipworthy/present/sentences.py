"""Numbers as plain sentences: natural frequencies, bounds, and what would change a verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipworthy.present import numbers
from shipworthy.present.safe import plain, shorten
from shipworthy.present.slices import axis_name, slice_name, subject
from shipworthy.present.vocabulary import terms, words

if TYPE_CHECKING:
    from shipworthy.estimate.estimates import Comparison, Estimate, SliceKey
    from shipworthy.gates.verdicts import Piece, Verdict
    from shipworthy.plan.models import Requirement

BOUND = "Bound (limit that decides)"  # the header over what `judged` says


def headline(decision: str, standings: Sequence[tuple[str, str]]) -> str:
    """A decision in one line, from the standing and the severity of each requirement: "HOLD: 2 of 9 requirements
    breached, 1 undecided". What is open where it ships nevertheless stops nothing, and it says so: "SHIP: 2 of 7
    requirements undecided, both minor; 1 is waived, 4 are met".
    """
    if not standings:
        return "UNDECIDED: the plan requires nothing"
    total, counts = len(standings), Counter(standing for standing, _ in standings)
    can_stop = any(severity != "minor" for _, severity in standings)
    left = counts["breached"] + counts["undecided"]
    is_open = decision == "ship" and can_stop and left > 0
    told = [word for word in ("breached", "undecided", *(() if is_open else ("waived",))) if counts[word]] or ["met"]
    first, *more = [f"{counts[word]} {word}" for word in told]
    said = ", ".join([first.replace(" ", f" of {total} requirement{'s' if total > 1 else ''} "), *more])
    if is_open:
        which = {1: "which is", 2: "both"}.get(left, "all")
        others = [f"{n} {'is' if n == 1 else 'are'} {word}" for word in ("waived", "met") if (n := counts[word])]
        said += f", {which} minor; {', '.join(others)}"
    return f"{decision.upper()}: {said}" + ("" if can_stop else "; none of them can stop a release")


def frequency(share: float) -> str:
    """A share in whole cases: 0.4 -> "4 in 10", 0.449 -> "45 in 100", 0.0031 -> "3 in 1,000", 0 -> "none"."""
    if share == 0:
        return "none"
    if share == 1:
        return "all"
    for base in (100, 1_000, 10_000, 100_000):
        hits = round(share * base)
        if hits >= 2 and hits < base:
            return f"{hits // 10} in 10" if base == 100 and hits % 10 == 0 else f"{hits} in {base:,}"
    return "nearly all" if share > 0.5 else "fewer than 2 in 100,000"


def said(estimate: Estimate) -> str:
    """A rate in words: "45 in 100 negative cases were flagged", "95 in 100 requests were answered within 1.3 s"; ""
    where there are no words for it or nothing is known."""
    speak = words(estimate.metric)
    if estimate.compare != "value" or estimate.value is None:
        return ""
    if speak.kind == "duration" and speak.event:
        return f"{speak.event} {numbers.duration(estimate.value)}"
    if speak.kind != "share" or not 0 <= estimate.value <= 1:
        return ""
    often = frequency(estimate.value)
    if not speak.event:
        return ""
    joined = f"{often} of the {speak.among}" if often in ("none", "all", "nearly all") else f"{often} {speak.among}"
    return f"{joined} {speak.event}"


def pair(one: Estimate, other: Estimate) -> str:
    """Two rates side by side: "45 in 100 negative cases were flagged for African-American; 23 in 100 for Caucasian"."""
    first = said(one)
    if not first or other.value is None or not 0 <= other.value <= 1:
        return ""
    return f"{first} for {slice_name(one.slice)}; {frequency(other.value)} for {slice_name(other.slice)}"


def metrics_of(requirement: Requirement) -> tuple[str, ...]:
    """The metrics that a claim is about: one, or those of a fairness summary."""
    return terms(requirement.metric, requirement.compare)[0]


def compare_of(requirement: Requirement) -> Comparison:
    """How a claim compares; a fairness summary says so by its name."""
    return terms(requirement.metric, requirement.compare)[1]


def bound(requirement: Requirement) -> str:
    """The bound in words: "at most 5 points", "at least 0.8", "within 0.8 to 1.25"."""
    metric, compare = metrics_of(requirement)[0], compare_of(requirement)
    if requirement.within is not None:
        low, high = (numbers.bound_value(end, metric, compare) for end in requirement.within)
        return f"within {low} to {high}"
    if requirement.at_least is not None:
        return f"at least {numbers.bound_value(requirement.at_least, metric, compare)}"
    if requirement.at_most is not None:
        return f"at most {numbers.bound_value(requirement.at_most, metric, compare)}"
    return "no bound"


def axis_of(requirement: Requirement) -> str:
    """The slice axis of a requirement in words; "" for the whole population."""
    across = requirement.across
    if across is None:
        return ""
    return axis_name((across,) if isinstance(across, str) else tuple(across))


def claim(requirement: Requirement) -> str:
    """The technical claim: "False positive rate, difference between any two of race: at most 5 points"."""
    across = axis_of(requirement)
    name = " and ".join(words(metric).title for metric in metrics_of(requirement))
    versus = (
        f"each of {across} and {shorten(requirement.reference, 60)}"
        if requirement.reference
        else f"any two of {across}"
    )
    what = {
        "value": f"{name}, for each of {across}" if across else name,
        "difference": f"{name}, difference between {versus}",
        "ratio": f"{name}, ratio between {versus}",
        "change": f"{name}, change against the baseline" + (f", for each of {across}" if across else ""),
    }[compare_of(requirement)]
    variant = f" ({shorten(requirement.variant, 60)})" if requirement.variant else ""
    return f"{what}{variant}: {bound(requirement)}"


def title(requirement: Requirement) -> str:
    """The promise in plain words; the claim where the plan gives none."""
    return plain(requirement.text) or claim(requirement)


def excess(requirement: Requirement, estimate: Estimate) -> str:
    """By how much an estimate lies beyond its bound, in cases; "" where it does not, or where the metric is no share.

    "about 160 more per 1,000 negative cases were flagged than allowed"; "the gap is about 160 per 1,000 negative cases
    too wide".
    """
    speak = words(estimate.metric)
    if speak.kind != "share" or estimate.compare == "ratio" or estimate.value is None:
        return ""
    undirected = estimate.compare == "difference" and requirement.reference is None
    size = abs(estimate.value) if undirected else estimate.value
    over = size - requirement.high if requirement.high is not None else 0.0
    under = requirement.low - estimate.value if requirement.low is not None else 0.0
    if max(over, under) <= 0:
        return ""
    cases = f"about {max(1.0, float(f'{max(over, under) * 1000:.2g}')):,.0f}"
    among = speak.among or "cases"
    if estimate.compare == "difference":
        return f"the gap is {cases} per 1,000 {among} too wide"
    happened = f"{among} {speak.event}".strip()
    more = "more" if over > under else "fewer"
    if estimate.compare == "change":
        return f"{cases} {more} per 1,000 {happened}, beyond the change allowed"
    return f"{cases} {more} per 1,000 {happened} than allowed"


def needed(cases: int | None) -> str:
    """What an undecided claim waits for."""
    return f"{numbers.about(cases)} more cases" if cases else "no practical number of cases would decide it"


def next_step(verdict: Verdict, *, with_reason: bool = True) -> str:
    """What would change a verdict: the size of a breach, or the cases still needed. "–" when it is met; of a waived
    one, how long the waiver lasts and why it was given, `with_reason`, which is not for everybody.
    """
    outcome, it = str(verdict.outcome), verdict.estimate
    if verdict.waiver is not None:
        ends = f"{verdict.waiver.ends:%Y-%m-%d}"
        why = f": {shorten(verdict.waiver.reason, 120).rstrip('.')}" if with_reason else ""
        return f"waived until {ends} ({plain(verdict.waiver.id)}){why}"
    if outcome == "met":
        return numbers.NOTHING
    if it is None:
        return "nothing was in scope: check the plan and the data"
    if outcome == "undecided":
        if it.value is None:
            return f"cannot be shown: {shorten(it.reason or 'unknown', 120)}"
        if verdict.needed_labels:
            return f"{numbers.about(verdict.needed_labels)} more labels of people"
        blocked = next((piece.blocked for piece in verdict.pieces if piece.blocked), None)
        if not verdict.needed and it.missing and blocked:
            return shorten(blocked, 160)
        if not verdict.needed and it.low is None and it.high is None and it.reason:
            return shorten(it.reason, 120)
        alike = ", labelled as these are" if verdict.needed and "strat-mover" in (it.method or "") else ""
        return needed(verdict.needed) + needed_of(verdict.needed_of) + alike
    return excess(verdict.requirement, it) or f"bring it to {bound(verdict.requirement)}"


def why(verdict: Verdict) -> str:
    """Why a verdict is what it is, in one sentence with its numbers and a full stop."""
    it, outcome = verdict.estimate, str(verdict.outcome)
    if it is None or it.value is None:
        return stopped(plain(verdict.why))
    about = f" of {shorten(subject(it), 160)}" if it.slice or it.reference or it.compare == "change" else ""
    does = {"met": "clears", "breached": "lies beyond"}.get(outcome, "does not settle")
    parts = max(verdict.looked_at, len(verdict.pieces))
    part = "comparisons" if it.reference is not None else "slices"
    said = f"{words(it.metric).title}{about}: {numbers.estimate(it)} {does} the bound of {judged(verdict)}"
    if without := missing(it):
        said += f"; {without}, counted either way"
    if parts < 2:
        return said + "."
    if outcome == "met":
        return f"{said}; it is the closest of {parts:,} {part}."
    same = sum(piece.outcome == verdict.outcome for piece in verdict.pieces)
    return f"{said} ({'beyond it' if outcome == 'breached' else 'open'}: {same:,} of {parts:,} {part})."


def needed_of(slices: Sequence[SliceKey] | None) -> str:
    """Of whom the further cases have to be, to follow their number; "" where nothing tells slices apart."""
    if slices is None:
        return ""
    names = [shorten(slice_name(one), 60) for one in slices]
    if len(names) > 1:
        return f" of {' and '.join(names)} together, in their present proportion"
    return f" of {names[0]}" if names else " over all open slices"


def judged(verdict: Verdict) -> str:
    """The bound with the limit that decided, which need not be an end of the interval that is shown beside them: "at
    least 78.8 % (one-sided 95 % limit: 79.0 %)"; without one where the interval shows why nothing is decided."""
    limit = _decided_by(verdict)
    return bound(verdict.requirement) + (f" ({limit})" if limit else "")


def _decided_by(verdict: Verdict) -> str:
    it = verdict.estimate
    if it is None or not verdict.limits:
        return ""
    if None in verdict.limits:
        blocked = next((piece.blocked for piece in verdict.pieces if piece.blocked), None)
        return f"there is no limit to decide on{f': {shorten(blocked, 160)}' if blocked else ''}"
    bounds = [end for end in (verdict.requirement.low, verdict.requirement.high) if end is not None]
    said = " and ".join(
        numbers.value(limit, it.metric, it.compare, apart=min(bounds, key=lambda bound: abs(bound - limit)))
        for limit in verdict.limits
        if limit is not None
    )
    if str(verdict.outcome) == "met":
        return f"one-sided {numbers.level(verdict.requirement.confidence)} limit: {said}"
    if str(verdict.outcome) == "breached":
        return f"limit that breaches: {said}"
    return f"the limit that decides, more careful than the interval shown, is {said}"


def spread(estimate: Estimate) -> str:
    """The standard deviation between slices, on the scale of their metric: "11.8 points (8.3 to 21.2)"."""
    metric = estimate.metric.removeprefix("sd between slices of ")
    if estimate.value is None:
        return numbers.estimate(estimate)
    ends = [numbers.value(end, metric, "difference", signed=False) for end in (estimate.low, estimate.high)]
    unit = numbers.unit(metric, "difference")
    inside = f" ({ends[0].removesuffix(unit)} to {ends[1].removesuffix(unit)})" if numbers.NOTHING not in ends else ""
    return numbers.value(estimate.value, metric, "difference", signed=False) + inside


def stopped(text: str) -> str:
    """A text as a sentence, with one full stop."""
    return text if not text or text.endswith((".", "!", "?", "…")) else text + "."


def piece_note(piece: Piece) -> str:
    """What one part of a claim waits for: "needs 780 more"; "" once it is decided."""
    if str(piece.outcome) != "undecided" or piece.estimate.value is None:
        return ""
    return f"needs {numbers.rounded(piece.needed)} more" if piece.needed else "no practical n"


def better(metric: str, change: float) -> str:
    """What a change of this sign makes a version: "better", "safer", "slower"; "" where neither way is good in
    itself."""
    speak = words(metric)
    if speak.good is None or change == 0:
        return ""
    return speak.ways[0 if (change > 0) == (speak.good == "high") else 1]


def missing(estimate: Estimate) -> str:
    """How many cases have no outcome, which then count either way in the interval; "" where all have one."""
    return f"{numbers.count(estimate.missing)} without an outcome" if estimate.missing else ""


def counted_as_alike(estimate: Estimate) -> str:
    """Why the interval of a clustered rate without a hit, or without a miss, can be wider than that of one with; "" of
    any other.
    """
    is_clustered = (estimate.method or "").startswith("cluster-wilson")
    if not is_clustered or estimate.value not in (0, 1) or (estimate.effective_n or estimate.n) >= estimate.n:
        return ""
    return f"no {'miss' if estimate.value else 'hit'}: a cluster counts once"


def moved(change: Estimate) -> str:
    """A change as a movement: "4.8 points less, 2.9 to 6.6"; "+0.2 points, −0.5 to +1.2" where it may be either."""
    if change.value is None:
        return numbers.estimate(change)
    ends = [end for end in (change.low, change.high) if end is not None and math.isfinite(end)]
    settled = len(ends) == 2 and (min(ends) > 0 or max(ends) < 0)
    inside = f", {numbers.limits(change)}" if numbers.limits(change) else ", no interval"
    standing = f"; {numbers.judged(change)}" if numbers.judged(change) else ""
    scale = max(map(abs, (change.value, *ends)))
    if not settled:
        return f"{numbers.value(change.value, change.metric, 'change', scale=scale)}{inside}{standing}"
    low, size, high = (
        numbers.value(abs(x), change.metric, "change", signed=False, scale=scale)
        for x in sorted((*ends, change.value), key=abs)
    )
    unit = numbers.unit(change.metric, "change")
    way = "less" if change.value < 0 else "more"
    return f"{size} {way}, {low.removesuffix(unit)} to {high.removesuffix(unit)}{standing}"
