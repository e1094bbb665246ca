"""The launch memo: one page for those who sign."""

from __future__ import annotations

from shipworthy.evidence import limits as unknown
from shipworthy.evidence.markdown import missing, verdict_table
from shipworthy.evidence.run import Run
from shipworthy.evidence.versions import versions
from shipworthy.gates.verdicts import Decision, Outcome
from shipworthy.present import numbers, sentences, verdicts
from shipworthy.present.safe import markdown

_MOST = 12  # rows, so that it stays one page
_ADVICE = {
    Decision.SHIP: "Every requirement that can stop a release is met or waived.",
    Decision.HOLD: "Do not ship this version: at least one requirement is breached beyond chance.",
    Decision.UNDECIDED: "Do not ship yet: the data cannot tell whether every requirement is met.",
}


def memo(run: Run) -> str:
    """The decision, why, what would change it, what is not known, and where to sign, as Markdown."""
    system = run.plan.system
    locked = (
        f"locked {run.locked_at:%Y-%m-%d %H:%M} UTC, before the run" if run.locked_at else "not locked before the run"
    )
    open_claims = [v for v in run.verdicts if v.outcome is not Outcome.MET]
    steps = [
        f"- **{markdown(v.requirement.id)}** {verdicts.mark(v.standing)}: {markdown(sentences.why(v), 400)} "
        f"Next: {markdown(sentences.next_step(v), 160)}."
        for v in open_claims[:_MOST]
    ]
    if len(open_claims) > _MOST:
        steps.append(f"- and {len(open_claims) - _MOST:,} more, in the report.")
    rows = sum(i.rows for i in run.inputs)
    left_out = "; ".join(f"{numbers.count(e.rows)} ({markdown(e.reason, 100)})" for e in run.excluded if e.rows)
    unsettled = unknown.limits(run, verdicts=False)
    story = versions(run)
    measured = "answers" if any(e.is_generative for e in run.plan.evaluations.values()) else "rows"
    lines = [
        f"# {verdicts.decision_mark(run.decision).shape} {markdown(run.headline)}",
        "",
        f"**{markdown(system.name, 120)}**, version {markdown(system.version, 80)}; risk tier {system.tier}; owner "
        + (markdown(system.owner, 120) if system.owner else missing("who answers for this system"))
        + ".",
        f"Decided {run.created:%Y-%m-%d %H:%M} UTC by rule from a plan that was {locked} "
        f"({markdown(run.plan_digest, 80)}).",
        "",
        _ADVICE[run.decision]
        if run.can_stop
        else "Nothing was required of this system that can stop a release, so there is nothing to decide.",
        "",
        *(
            ["## Which version", "", *(line for each in story.lines for line in (markdown(each, 700), ""))]
            if story
            else []
        ),
        "## Why",
        "",
        *verdict_table(run, most=_MOST),
        "",
        *(["## What would change it", "", *steps, ""] if steps else []),
        "## What is not known",
        "",
        f"{numbers.count(rows)} {measured} were read; "
        + (f"left out: {left_out}." if left_out else "none was left out."),
        "",
        *(f"- {markdown(limit.title, 100)}: {markdown(limit.text, 220)}" for limit in unsettled[:8]),
        "",
        "## Sign-off",
        "",
        f"- Decision taken, with reasons: {missing('ship, hold, or ship with conditions; by whom; why')}",
        f"- Conditions and waivers: {missing('each with its reason, approver and end')}",
        f"- Signed: {missing('name, role, date')}",
        "",
    ]
    return "\n".join(lines)
