"""What a machine can say for each field that names a source: plain functions from what is known to content."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence import limits as unknown
from shipworthy.evidence.documents.content import Content, paragraph, points, said, table
from shipworthy.evidence.documents.known import Known, text
from shipworthy.evidence.documents.standing import Stands
from shipworthy.gates.verdicts import Decision, Outcome, Verdict
from shipworthy.present import numbers, sentences, slices, verdicts
from shipworthy.present.safe import plain, shorten
from shipworthy.present.vocabulary import importance, words

_USERINFO = re.compile(r"//[^/@\s]*@")  # of an address; may hold a password
_TASKS = {
    "binary": "yes-or-no decisions",
    "multiclass": "choices among classes",
    "regression": "numbers",
    "ranking": "ordered lists",
    "generative": "answers in words",
}
_ATTACKED = ("attack_success_rate", "violation_rate", "leak_rate")
_WAYS = {"hazard", "attack"}


@dataclass(frozen=True, kw_only=True, slots=True)
class NotApplicable:
    """A field that does not apply, by what the plan says."""

    reason: str


Fact: TypeAlias = "Callable[[Known], Content | NotApplicable | None]"


def _tasks(known: Known) -> Content:
    found = []
    for name, plan in known.run.plan.evaluations.items():
        kind = "generative" if plan.is_generative else plan.task
        found.append(f"{shorten(name, 80)}: {_TASKS.get(kind or '', 'decisions on rows of data')}")
    return points(found)


def _subjects(known: Known) -> Content:
    rows = []
    for name, subject in known.run.plan.subjects.items():
        at = getattr(subject, subject.kind)
        named = _USERINFO.sub("//", plain(at)) if isinstance(at, str) else "see the plan"
        rows.append((name, subject.kind, subject.model or numbers.NOTHING, named))
    return table(("Component", "Kind", "Model", "Where"), rows)


def _training(known: Known) -> Content:
    evaluations = known.run.plan.evaluations.items()
    return points(f"{name}: {_USERINFO.sub('//', plan.train)}" for name, plan in evaluations if plan.train)


def _evaluation_data(known: Known) -> Content:
    rows = [(i.evaluation, _USERINFO.sub("//", i.source), numbers.count(i.rows), i.digest) for i in known.run.inputs]
    return table(("Evaluation", "Source", "Rows", "Digest of the content"), rows, right=(2,))


def _exclusions(known: Known) -> Content:
    rows = [(e.evaluation, e.reason, numbers.count(e.rows)) for e in known.run.excluded if e.rows]
    if rows or not known.run.inputs:
        return table(("Evaluation", "Because", "Rows"), rows, right=(2,))
    return said("No row was left out.")


def _checks(known: Known) -> Content:
    findings = known.run.findings
    rows = [(f.evaluation, f.check, f.gravity, f.what) for f in findings if f.gravity != "ok"]
    if rows or not findings:
        return table(("Evaluation", "Check", "Gravity", "What was found"), rows)
    return said(f"{numbers.count(len(findings))} checks, nothing to remark.")


def _locked(known: Known) -> str:
    at = known.run.locked_at
    return (
        f"Fixed first: the plan was locked {at:%Y-%m-%d %H:%M} UTC, before the run."
        if at
        else ("The plan was not locked before the run, so its bounds could have been chosen after seeing results.")
    )


def _procedure(known: Known) -> Content:
    rows = [
        (r.id, sentences.title(r), sentences.claim(r), numbers.level(r.confidence), r.severity)
        for r in known.run.plan.requirements
    ]
    promised = table(("Id", "Promise", "Claim", "Confidence", "Severity"), rows)
    return (paragraph(_locked(known)), *promised) if promised else ()


def outcome(known: Known, verdict: Verdict) -> str:
    """A verdict's mark; one with leave not to be met stays visible beneath it, and so does leave that has ended, or
    that was given after the decision."""
    mark = str(verdicts.mark(verdict.outcome))
    if (waiver := known.waiver(verdict)) is not None:
        return f"{verdicts.WAIVED} until {waiver.ends}; {verdict.outcome.value}"
    if (why := known.ended(verdict)) and verdict.outcome is not Outcome.MET:
        return f"{mark}; its waiver {why}"
    return mark if known.since(verdict) is None else f"{mark}; a waiver came after the decision"


def _results(known: Known) -> Content:
    rows = []
    for verdict in known.run.verdicts:
        it = verdict.estimate
        about = f" ({slices.subject(it)})" if it is not None and (it.slice or it.reference) else ""
        rows.append(
            (
                f"{verdict.requirement.id}: {sentences.title(verdict.requirement)}",
                outcome(known, verdict),
                numbers.estimate(it) + about if it is not None else numbers.NOTHING,
                sentences.judged(verdict),
                numbers.count(it.n) if it is not None else numbers.NOTHING,
            )
        )
    judged = {verdict.requirement.id for verdict in known.run.verdicts}
    rows += [
        (
            f"{r.id}: {sentences.title(r)}",
            str(verdicts.NOT_EVALUATED),
            numbers.NOTHING,
            sentences.bound(r),
            numbers.NOTHING,
        )
        for r in known.run.plan.requirements
        if r.id not in judged
    ]
    return table(("Requirement", "Verdict", "Estimate (interval)", sentences.BOUND, "n"), rows, right=(4,), marked=1)


def _named(e: Estimate) -> str:
    return words(e.metric).title + (f", {plain(e.variant)}" if e.variant else "")


def _overall(known: Known) -> Content:
    found = [e for e in known.run.estimates if e.compare == "value" and not e.slice]
    found.sort(key=lambda e: (e.evaluation, importance(e.metric)))
    rows = [(e.evaluation, _named(e), numbers.estimate(e), numbers.count(e.n)) for e in found]
    return table(("Evaluation", "Metric", "Estimate (interval)", "n"), rows, right=(3,))


def _claimed(known: Known) -> set[tuple[str, str]]:
    return {
        (v.evaluation, metric)
        for v in known.run.verdicts
        if v.requirement.across is not None
        for metric in sentences.metrics_of(v.requirement)
    }


def _groups(known: Known) -> Content:
    """By slice: what something was claimed of first, then by how much a metric tells."""
    claimed = _claimed(known)
    found = [e for e in known.run.estimates if e.compare == "value" and e.slice and not tells_of_attacks(e)]
    found.sort(key=lambda e: ((e.evaluation, e.metric) not in claimed, e.evaluation, importance(e.metric)))
    rows = [
        (_named(e), slices.slice_name(e.slice, columns=True), numbers.estimate(e), numbers.count(e.n)) for e in found
    ]
    return table(("Metric", "Group", "Estimate (interval)", "n"), rows, right=(3,), most=60)


def is_of_attacks(e: Estimate) -> bool:
    """Whether an estimate counts how often misuse works."""
    return e.metric.partition("[")[0] in _ATTACKED


def tells_of_attacks(e: Estimate) -> bool:
    """Whether an estimate tells by which attack, or for which hazard, misuse works; what the field on attacks says."""
    return "attack" in e.slice or (is_of_attacks(e) and bool(_WAYS & set(e.slice)))


def _red_team(known: Known) -> Content | NotApplicable | None:
    if not any(plan.is_generative for plan in known.run.plan.evaluations.values()):
        return NotApplicable(reason="The plan evaluates decisions, not answers to requests.")
    found = [e for e in known.run.estimates if e.compare == "value" and is_of_attacks(e) and set(e.slice) <= _WAYS]
    found.sort(key=lambda e: (e.evaluation, len(e.slice), -(e.high or 0.0)))
    rows = [
        (_named(e), slices.slice_name(e.slice, columns=True), numbers.estimate(e), numbers.count(e.n)) for e in found
    ]
    return table(("Rate", "Hazard, attack", "Estimate (interval)", "n"), rows, right=(3,))


def _signed(known: Known) -> Content:
    rows = [
        (
            f"{one.at:%Y-%m-%d}",
            shorten(one.name, 80),
            shorten(one.role, 80),
            shorten("; ".join([one.said, *one.why]), 300),
            shorten("; ".join(one.conditions), 300) + (f", by {one.due}" if one.due else "") or numbers.NOTHING,
            shorten(one.statement, 600),
        )
        for one in (known.stands.given if known.stands else ())
    ]
    return table(("Date", "Signed by", "Role", "Verdict", "Conditions", "In their words"), rows)


def _who(body: Mapping[str, object], key: str) -> str:
    """A person's commitment, cut to what still tells people apart."""
    value = text(body, key, 320)
    return f"{value[:19]}…" if value.startswith("person:") else value or numbers.NOTHING


def _identity(known: Known) -> Content:
    run = known.run
    rows = [("Run", run.id), ("Made", f"{run.created:%Y-%m-%d %H:%M} UTC"), ("Plan, packs resolved", run.plan_digest)]
    rows += [(f"Rows of {i.evaluation}", i.digest) for i in run.inputs]
    rows += [("Seed", str(run.plan.seed)), ("Shipworthy", run.environment.get("shipworthy", "not recorded"))]
    return table(("What", "Which"), rows)


def _definitions(known: Known) -> Content:
    found = []
    for metric in sorted({e.metric for e in known.run.estimates}, key=importance):
        speak = words(metric)
        found.append(speak.title + (f": how many {speak.among} {speak.event}" if speak.among else ""))
    return points(found)


def _limits(known: Known) -> Content:
    # Results hold no calibration curves, so that there are none says nothing about the run.
    found = [limit for limit in unknown.limits(known.run) if limit.title != "Calibration is not known"]
    return points((f"{limit.title}: {limit.text}" for limit in found), width=900)


def _incidents(known: Known) -> Content:
    bodies = known.bodies("incident")
    if bodies is None:
        return ()
    rows = [
        (text(i, "title"), text(i, "severity"), text(i, "detected", 16), text(i, "closed", 16) or "open")
        for i in bodies
    ]
    return table(("Incident", "Severity", "Detected", "Closed"), rows) or said("No incident is on record.")


def _mitigations(known: Known) -> Content:
    rows = [
        (text(m, "title"), text(m, "what"), text(m, "status"), text(m, "risks") or numbers.NOTHING)
        for m in known.bodies("mitigation") or ()
    ]
    return table(("Safeguard", "What it does", "Status", "Against"), rows)


def _effects(known: Known) -> Content | NotApplicable | None:
    found = [e for e in known.run.estimates if e.compare == "change"]
    found.sort(key=lambda e: (bool(e.slice), e.evaluation, importance(e.metric)))
    rows = [
        (words(e.metric).title, slices.subject(e, columns=True), sentences.moved(e), numbers.count(e.n)) for e in found
    ]
    return table(("Metric", "What against what", "Change (interval)", "n"), rows, right=(3,))


def _score(body: Mapping[str, object], key: str) -> int | None:
    rating = body.get(key)
    if not isinstance(rating, Mapping):
        return None
    likelihood, severity = rating.get("likelihood"), rating.get("severity")
    return likelihood * severity if isinstance(likelihood, int) and isinstance(severity, int) else None


def _rating(body: Mapping[str, object], key: str) -> str:
    rating = body.get(key)
    score = _score(body, key)
    if score is None or not isinstance(rating, Mapping):
        return "not judged"
    return f"{rating['likelihood']} × {rating['severity']} = {score}, {text(rating, 'basis', 20) or 'basis not said'}"


def open_risks(known: Known) -> list[Mapping[str, object]]:
    """The risks that are not closed, the gravest first; one that nobody judged anew counts as grave as it began."""

    def gravity(body: Mapping[str, object]) -> int:
        left = _score(body, "residual")
        return -(left if left is not None else _score(body, "inherent") or 25)

    return sorted((r for r in known.bodies("risk") or () if r.get("status") != "closed"), key=gravity)


def _risks(known: Known) -> Content:
    rows = [
        (
            text(r, "title") or text(r, "id"),
            f"{text(r, 'cause')} → {text(r, 'harm')}",
            text(r, "affected") or numbers.NOTHING,
            _rating(r, "inherent"),
            _rating(r, "residual"),
            ", ".join(filter(None, (text(r, "treatment"), text(r, "status")))) or "untreated",
        )
        for r in known.bodies("risk") or ()
    ]
    header = ("Risk", "Cause → harm", "Affected", "Inherent (likelihood × severity)", "Residual", "Treatment, status")
    return table(header, rows)


def _gravest(known: Known) -> Content:
    bodies = known.bodies("risk")
    if not bodies:
        return ()
    found = [
        f"{text(r, 'title', 160) or text(r, 'id')}: {_rating(r, 'residual')} left of {_rating(r, 'inherent')}; "
        f"{text(r, 'treatment') or 'untreated'}, owner {_who(r, 'owner')}"
        for r in open_risks(known)
    ]
    return points(found) or said("Every risk of the register is closed.")


def _waivers(known: Known) -> Content:
    bodies = known.bodies("waiver")
    if bodies is None:
        return ()
    rows = [
        (
            text(w, "requirement"),
            text(w, "reason"),
            text(w, "control"),
            f"{text(w, 'starts', 10)} to {text(w, 'ends', 10)}",
            text(w, "status"),
            str(len(w["approvers"])) if isinstance(w.get("approvers"), (list, tuple)) else "0",  # type: ignore[arg-type]
        )
        for w in bodies
    ]
    header = ("Requirement", "Reason", "What protects people meanwhile", "From, to", "Status", "Approvers")
    return table(header, rows, right=(5,)) or said("No waiver was asked for.")


def _versions(known: Known) -> Content:
    rows = [
        (text(v, "version"), text(v, "status"), text(v, "released", 16) or numbers.NOTHING, text(v, "notes"))
        for v in known.bodies("version") or ()
    ]
    return table(("Version", "Status", "Released", "What changed"), rows)


def _controls(known: Known) -> Content | NotApplicable:
    rows = [(r.id, ", ".join(r.controls)) for r in known.run.plan.requirements if r.controls]
    return table(("Requirement", "Controls"), rows)


def _measured_groups(known: Known) -> Content:
    groups: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for e in known.run.estimates:
        if e.compare == "value" and e.slice and e.variant is None:
            key = (e.evaluation, slices.axis_name(slices.axis(e.slice)))
            level = slices.slice_name(e.slice)
            groups[key][level] = max(e.n, groups[key].get(level, 0))
    rows = [
        (name, axis, ", ".join(f"{level} ({n:,})" for level, n in sorted(levels.items(), key=lambda it: -it[1])[:12]))
        for (name, axis), levels in groups.items()
    ]
    return table(("Evaluation", "By", "Groups (cases of the metric with the most)"), rows)


def _measured_harms(known: Known) -> Content:
    found = [
        f"{outcome(known, v)} {v.requirement.id}: "
        f"{sentences.stopped(sentences.title(v.requirement))} {sentences.why(v)}"
        for v in known.run.verdicts
        if v.outcome is not Outcome.MET
    ]
    if known.run.verdicts and not found:
        return said("Every requirement is met: no measured harm goes beyond its bound.")
    return points(found, width=600)


_ADVICE = {
    Decision.SHIP: "Every requirement that can stop a release is met.",
    Decision.HOLD: "Do not ship this version: at least one requirement is breached beyond chance.",
    Decision.UNDECIDED: "Do not ship yet: the data cannot tell whether every requirement is met.",
}


def _rule(known: Known) -> Content:
    run = known.run
    nothing = "Nothing was required that can stop a release, so there is nothing to decide."
    advice = _ADVICE[run.decision] if run.can_stop else nothing
    counted = [v for v in run.verdicts if v.waiver is not None]
    ended = [v for v in counted if known.ended(v)]
    if counted and run.decision is Decision.SHIP:
        lasted = "stopped the release while its waivers lasted" if ended else "stops the release while its waivers last"
        advice = f"Nothing {lasted}. Not met, and waived: {_ids(counted)}."
    late = f"Waivers ended since: {_ids(ended)}. The decision no longer stands." if ended else ""
    stands = "" if known.stands is None else f"How it stands now: {_standing(known.stands)}."
    return tuple(paragraph(said) for said in (advice, late, stands, _locked(known)) if said)


def _standing(stands: Stands) -> str:
    if stands.fit == "ship":
        return "fit to ship" + (f", until {stands.until}" if stands.until else "")
    return f"{stands.fit}: {'; '.join(shorten(one, 300) for one in stands.against[:8])}"


def _why(known: Known) -> Content:
    rows = [
        (
            v.requirement.id,
            outcome(known, v),
            sentences.title(v.requirement),
            numbers.estimate(v.estimate) if v.estimate is not None else numbers.NOTHING,
            sentences.judged(v),
        )
        for v in known.run.verdicts
    ]
    judged = {row[0] for row in rows}
    rows += [
        (r.id, str(verdicts.NOT_EVALUATED), sentences.title(r), numbers.NOTHING, sentences.bound(r))
        for r in known.run.plan.requirements
        if r.id not in judged
    ]
    header = ("Requirement", "Verdict", "Promise", "Estimate (interval)", sentences.BOUND)
    stopping = [v for v in known.run.verdicts if v.outcome is not Outcome.MET and v.requirement.severity == "blocker"]
    return table(header, rows, marked=1, most=len(rows), kept=len(stopping))


def _paths(known: Known) -> Content:
    return points(_ways_on(known), width=500)


def _ways_on(known: Known) -> Iterator[str]:
    stopping = [v for v in known.run.verdicts if v.requirement.severity != "minor"]
    breached = [v for v in stopping if v.outcome is Outcome.BREACHED and known.waiver(v) is None]
    waived = [v for v in stopping if v.outcome is not Outcome.MET and known.waiver(v) is not None]
    undecided = [v for v in stopping if v.outcome is Outcome.UNDECIDED and known.waiver(v) is None]
    if breached:
        steps = "; ".join(f"{v.requirement.id}: {sentences.next_step(replace(v, waiver=None))}" for v in breached[:4])
        yield f"Mend, then test again: {steps}."
        approvers = "two approvers" if known.run.plan.system.tier == "critical" else "an approver"
        yield (
            f"Waive {_ids(breached)}: each takes a reason, what protects people meanwhile, an end, and {approvers} "
            "other than who asks."
        )
    if undecided:
        steps = "; ".join(f"{v.requirement.id}: {sentences.next_step(v)}" for v in undecided[:4])
        yield f"Measure more: {steps}."
    if waived:
        how = (
            "stays unmet, by leave, until its waiver ends" if len(waived) == 1 else "stay unmet until their waivers end"
        )
        yield f"Ship under waiver: {_ids(waived)} {how}."
    if known.stands is not None and known.stands.fit != known.run.decision.value:
        against = "; ".join(shorten(one, 200) for one in known.stands.against[:4])
        yield f"First settle what speaks against it now: {against}."
    elif stopping and not breached and not undecided and not waived:
        yield "Ship: nothing that was measured stands against it."
    if breached or undecided:
        yield "Do not ship, or ship for a narrower use that these results do support."


def _ids(found: list[Verdict], most: int = 6) -> str:
    shown = ", ".join(v.requirement.id for v in found[:most])
    return shown + (f" and {len(found) - most:,} more" if len(found) > most else "")


def _acceptance(known: Known) -> Content:
    """Who has to accept what: the decision, and who signed it already; open requirements, waivers and risks."""
    system = known.run.plan.system
    rows = [("The decision", *one) for one in _asked(known)]
    rows = rows or [("The decision", f"those whom tier {system.tier} requires to sign", "not signed")]
    owner = shorten(system.owner, 80) or "the system owner"
    alike: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for v in known.run.verdicts:
        if v.outcome is Outcome.MET:
            continue
        if (waiver := known.waiver(v)) is not None:
            alike[f"{v.outcome.value}, waived to {waiver.ends}", "approvers", "approved"].append(v)
        else:
            alike[f"{v.outcome.value}, {v.requirement.severity}", owner, _left_open(known, v)].append(v)
    for (what, who, state), found in alike.items():
        named = _ids(found, most=24)
        rows.append((f"{named} {what}" if len(found) == 1 else f"{len(found)} {what}: {named}", who, state))
    kept = len(rows)
    for r in open_risks(known):
        accepted = r.get("status") == "accepted"
        who = _who(r, "accepted_by") if accepted else "another person than its owner"
        rows.append((f"Risk: {text(r, 'title', 120) or text(r, 'id')}", who, "accepted" if accepted else "open"))
    return table(("What", "Who", "State"), rows, most=len(rows), kept=kept)


def _asked(known: Known) -> Iterator[tuple[str, str]]:
    """Who signed the decision that is packed, and which roles are required and did not; and what they said."""
    if known.stands is None:
        return
    given = [one for one in known.stands.given if one.state in ("counts", "stale")]
    yield from ((shorten(one.role, 80), f"{one.said} ({one.at:%Y-%m-%d})") for one in given)
    signed = {one.role for one in given}
    yield from ((role, "not signed") for role in known.stands.missing if role not in signed)


def _left_open(known: Known, verdict: Verdict) -> str:
    """That a requirement is open, although there was a waiver of it, or is one that the decision did not count."""
    if why := known.ended(verdict):
        return f"open: its waiver {why}"
    later = known.since(verdict)
    return "open" if later is None else f"open: waiver {shorten(later.id, 40)} came after the decision"


def _taken(known: Known) -> Content:
    found = [
        f"{text(d, 'outcome').upper()} (rules: {text(d, 'automated')}): {text(d, 'reason') or 'no reason was given'}"
        for d in known.bodies("decision") or ()
        if d.get("version") == known.run.plan.system.version
    ]
    return points(found)


FACTS: Mapping[str, Fact] = {
    "system.name": lambda known: said(known.run.plan.system.name),
    "system.version": lambda known: said(known.run.plan.system.version),
    "system.purpose": lambda known: said(known.run.plan.system.purpose),
    "system.owner": lambda known: said(known.run.plan.system.owner),
    "system.tier": lambda known: said(known.run.plan.system.tier),
    "system.tasks": _tasks,
    "components.subjects": _subjects,
    "data.training": _training,
    "data.evaluation": _evaluation_data,
    "data.exclusions": _exclusions,
    "data.checks": _checks,
    "tests.procedure": _procedure,
    "tests.results": _results,
    "tests.overall": _overall,
    "tests.groups": _groups,
    "tests.red_team": _red_team,
    "tests.signed": _signed,
    "tests.identity": _identity,
    "metrics.definitions": _definitions,
    "limits.known": _limits,
    "limits.failures": _incidents,
    "safeguards.list": _mitigations,
    "safeguards.effect": _effects,
    "risk.register": _risks,
    "risk.waivers": _waivers,
    "changes.log": _versions,
    "standards.controls": _controls,
    "impact.groups_measured": _measured_groups,
    "impact.measured": _measured_harms,
    "decision.rule": _rule,
    "decision.why": _why,
    "decision.risks": _gravest,
    "decision.paths": _paths,
    "decision.acceptance": _acceptance,
    "decision.taken": _taken,
}
