"""Indicators, against small histories worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from shipworthy.evidence.history import (
    ApprovalFact,
    DecisionFact,
    History,
    IncidentFact,
    MitigationFact,
    RiskFact,
    RunFact,
    SystemFact,
    UseFact,
    WaiverFact,
    Window,
)
from shipworthy.evidence.kpis import DEFINITIONS, kpis, settings
from shipworthy.stats.proportion import wilson

T0 = datetime(2026, 4, 1, tzinfo=UTC)
OVER = Window(since=T0, until=T0 + timedelta(days=30))


def at(days):
    return T0 + timedelta(days=days)


def found(name, over=OVER, **facts):
    return next(one for one in kpis(History(**facts), over) if one.name == name)


def figures(one):
    return {figure.label: figure.value for figure in one.figures}


def system(name="s", *statuses, **more):
    """statuses: (day, status), the oldest first."""
    told = tuple((at(days), status) for days, status in statuses or ((-100, "active"),))
    return SystemFact(name=name, statuses=told, **{"tier": "high", "has_intake": True, **more})


def run(digest, days, decision="ship", *, version="1", locked=-1.0, verdicts=()):
    return RunFact(
        digest=digest, system="s", version=version, created=at(days), decision=decision,
        locked=None if locked is None else at(days + locked), verdicts=tuple(verdicts),
    )  # fmt: skip


def decision(days, *runs, outcome="ship", automated="ship", changed=False):
    """runs: digests, or what was made of one already."""
    uses = tuple(one if isinstance(one, UseFact) else UseFact(run=one, at=at(days), changed=changed) for one in runs)
    return DecisionFact(system="s", decided=at(days), outcome=outcome, automated=automated, uses=uses)


def incident(days, **more):
    return IncidentFact(**{"system": "s", "severity": "high", "detected": at(days), **more})


def test_a_ratio_has_its_counts_and_its_wilson_interval_against_theory():
    systems = [system(), system("b", has_intake=False), system("c"), system("later", (31, "active"))]
    one = found("inventory-coverage", systems=systems)
    assert (one.n, one.figures[0].value) == (3, pytest.approx(2 / 3))
    assert (one.figures[0].low, one.figures[0].high) == pytest.approx(tuple(map(float, wilson(2, 3))))


def test_coverage_is_over_pairs_and_waived_ones_are_apart():
    systems = [
        system(required=10, covered=6, waived=1, promises=4, traced=1),
        system("b", required=10, covered=1, promises=1, traced=1), system("gone", (-100, "active"), (29, "retired"), required=9),
    ]  # fmt: skip
    assert figures(found("control-coverage", systems=systems)) == {"covered": 0.35, "waived": 0.05}
    assert figures(found("trace-completeness", systems=systems)) == {"share": 0.4}


def test_what_nobody_decided_on_counts_as_open_and_what_was_replaced_is_left_out():
    runs = [
        run("a", 1),
        run("b", 2, version="2"),
        run("c", 3, version="3"),
        run("d", 4, version="3"),
        run("e", -5, version="4"),
    ]
    one = found("time-to-decision", runs=runs, decisions=[decision(3, "a"), decision(12, "b"), decision(20, "e")])
    assert (one.n, one.open, dict(one.excluded)) == (3, 1, {"replaced by a newer run before anyone decided": 1})
    assert figures(one) == {"median": 10, "p90": np.inf}  # 2, 10, 26+
    assert one.as_json()["figures"][1]["value"] is None
    none = found("time-to-decision", runs=runs[:1]).as_json()["figures"][0]
    assert (none["value"], none["low"], none["high"]) == (None, None, None)


@pytest.mark.parametrize("gone", [29, 31])
def test_a_run_whose_system_was_retired_waits_for_nobody(gone):
    runs = [run("a", 1), run("b", 2, version="2")]
    one = found("time-to-decision", runs=runs, decisions=[decision(3, "a")], systems=[system("s", (gone, "retired"))])
    left = {"its system was retired before anyone decided": 1} if gone < 30 else {}
    assert (one.n, one.open, dict(one.excluded)) == (2 - len(left), 1 - len(left), left)


@pytest.mark.parametrize(("name", "step"), [
    ("mttd", "started"), ("mtta", "acknowledged"), ("mttm", "mitigated"), ("mttr", "resolved"), ("time-to-decision", ""),
])  # fmt: skip
def test_what_was_over_before_it_began_is_left_out_and_counted(name, step):
    apart = (lambda days: {"started": at(2 - days)}) if step == "started" else (lambda days: {step: at(2 + days)})
    one = found(
        name, incidents=[incident(2, **apart(days)) for days in (-0.01, 3)] if step else (),
        runs=[run("a", 2), run("b", 2, version="2")],
        decisions=[decision(1.99, "a"), decision(5, "b")],
    )  # fmt: skip
    assert (one.n, one.open, figures(one)) == (1, 0, {"median": 3, "p90": 3})
    assert dict(one.excluded) == {"over before it began, by the times recorded": 1}


def test_a_run_counts_from_when_a_decision_named_it_and_as_long_as_it_does():
    later = UseFact(run="b", at=at(11), changed=False)
    dropped = UseFact(run="c", at=at(4), changed=True, is_relied_on=False)
    facts = {
        "runs": [run("a", 1), run("b", 10, version="2", locked=None), run("c", 2, version="3")],
        "decisions": [decision(2, "a", later, dropped)], "systems": [system()],
    }  # fmt: skip
    taken = found("time-to-decision", **facts)
    assert (taken.n, taken.open, figures(taken)) == (3, 0, {"median": 1, "p90": 2})  # 1, 1, 2
    for since, until, n, share in ((0, 3, 1, 1), (3, 30, 2, 0.5)):  # a; b, which has no lock, and c
        used = found("pre-registration-rate", Window(since=at(since), until=at(until)), **facts)
        assert (used.n, figures(used)) == (n, {"share": share})
    fresh = found("evidence-freshness", **facts)
    assert (fresh.n, figures(fresh)) == (2, {"share": 1})


def test_what_happens_after_the_window_is_not_seen():
    late = found("time-to-decision", runs=[run("a", 29)], decisions=[decision(31, "a")])
    assert (late.n, late.open) == (1, 1)
    longer = Window(since=T0, until=at(40))
    assert figures(found("time-to-decision", longer, runs=[run("a", 29)], decisions=[decision(31, "a")]))["median"] == 2


def test_only_the_first_submission_of_a_version_can_pass_at_first():
    waived = ("Q", "breached", True, True)
    runs = [
        run("a", 1, "hold"), run("b", 2), run("c", 3, version="2"), run("d", 4, version="3", verdicts=[waived]),
        run("e", -9, version="4"), run("f", 5, version="4"),
    ]  # fmt: skip
    one = found("first-pass-rate", runs=runs)
    assert (one.n, figures(one)) == (3, {"share": pytest.approx(1 / 3)})


def test_verdicts_without_an_estimate_are_not_inconclusive():
    said = [("A", "undecided", False, True), ("B", "met", False, True), ("C", "undecided", False, False)]
    one = found("inconclusive-rate", runs=[run("a", 1, verdicts=said), run("b", -1, verdicts=said)])
    assert (one.n, figures(one), dict(one.excluded)) == (2, {"share": 0.5}, {"nothing could be estimated": 1})


def test_overrides_are_stricter_or_looser():
    pairs = [("ship", "ship"), ("ship", "hold"), ("hold", "ship"), ("hold", "undecided"), ("undecided", "hold")]
    decisions = [decision(i, "a", outcome=outcome, automated=automated) for i, (outcome, automated) in enumerate(pairs)]
    assert figures(found("override-rate", decisions=decisions)) == {"share": 0.8, "stricter": 0.4, "looser": 0.4}


def test_a_lock_after_the_run_is_no_pre_registration():
    runs = [run("a", 1), run("b", 1, locked=None), run("c", 1, locked=0.5), run("unused", 1)]
    one = found("pre-registration-rate", runs=runs, decisions=[decision(2, "a", "b", "c", "x"), decision(3, "a")])
    assert (one.n, figures(one), dict(one.excluded)) == (
        3, {"share": pytest.approx(1 / 3)}, {"no such run before the window's end": 1},
    )  # fmt: skip


@pytest.mark.parametrize(("tier", "age", "changed", "fresh"), [
    ("high", 180, False, 1), ("high", 181, False, 0), ("critical", 91, False, 0), ("high", 10, True, 0), ("high", 10, None, 1),
])  # fmt: skip
def test_evidence_is_fresh_by_age_and_subject(tier, age, changed, fresh):
    one = found(
        "evidence-freshness", systems=[system(tier=tier)], runs=[run("a", 30 - age)],
        decisions=[decision(31 - age, "a", changed=changed)] if age > 1 else [],
    )  # fmt: skip
    assert figures(one) == {"share": fresh}


def test_signatures_are_counted_by_independence_and_validity():
    def approval(days, required, independent, valid):
        return ApprovalFact(at=at(days), is_required=required, is_independent=independent, is_valid=valid)

    given = [
        approval(1, True, True, True),
        approval(2, True, False, True),
        approval(3, False, True, False),
        approval(-9, True, True, False),
    ]
    one = found("sign-off-independence", approvals=given)
    assert (one.n, figures(one), dict(one.excluded)) == (2, {"share": 0.5}, {"no role that has to sign": 1})
    assert figures(found("sign-off-validity", approvals=given)) == {"share": 0.5}


def test_waivers_load_systems_and_end_with_the_finding_open():
    def waiver(start, end, is_open=False):
        return WaiverFact(system="s", starts=at(start).date(), ends=at(end).date(), is_open=is_open)

    given = [waiver(0, 29), waiver(0, 60), waiver(5, 10, True), waiver(-20, -5, True), waiver(30, 50)]
    runs = [
        run("a", 1, verdicts=[("Q", "breached", True, True)]),
        run("b", 2, version="2"),
        run("c", 3, "hold", version="3"),
    ]
    load = found("waiver-load", systems=[system(), system("b")], waivers=given, runs=runs)
    assert figures(load) == {"active waivers": 1.0, "passes that need one": 0.5}
    overdue = found("waivers-overdue", waivers=given)
    assert (overdue.n, figures(overdue)) == (2, {"share": 0.5})
    gone = [system("s", (-100, "active"), (12, "retired")), system("b")]
    load, overdue = (found(name, systems=gone, waivers=given) for name in ("waiver-load", "waivers-overdue"))
    assert (load.n, figures(load)) == (1, {"active waivers": 0})  # of the one that is left
    assert dict(load.excluded) == {"of a system that is not active": 2}
    assert (overdue.n, figures(overdue)) == (1, {"share": 1})  # the one that ended while the system was there
    assert dict(overdue.excluded) == {"of a system that was retired by then": 1}
    nobody = found("waiver-load", systems=gone[:1], waivers=given)
    assert (nobody.reason, dict(nobody.excluded)) == ("nothing in this window", {"of a system that is not active": 2})


def test_the_change_of_residual_risk_is_attributed_whole():
    given = [
        RiskFact(before=12, after=12, is_known_before=True), RiskFact(before=12, after=4, is_known_before=True, is_treated=True),
        RiskFact(before=4, after=10, is_known_before=True), RiskFact(before=None, after=6, is_known_before=False),
        RiskFact(before=9, after=None, is_known_before=True, is_treated=True),
    ]  # fmt: skip
    one = figures(found("residual-risk", risks=given))
    assert one == {"sum": 32, "above 9": 0.5, "change: new": 6, "change: treated": -17, "change: re-scored": 6}
    assert one["sum"] - 37 == sum(value for label, value in one.items() if label.startswith("change"))


def test_open_incidents_are_censored_and_unknown_starts_are_apart():
    given = [
        incident(1, started=at(-3), mitigated=at(3), resolved=at(5)), incident(2, mitigated=at(2.5)), incident(20),
        incident(-1, resolved=at(9)),
    ]  # fmt: skip
    detect = found("mttd", incidents=given)
    assert (detect.n, figures(detect)["median"], dict(detect.excluded)) == (1, 4, {"start unknown": 2})
    assert figures(found("mttm", incidents=given))["median"] == 2
    mend = found("mttr", incidents=given)
    assert (mend.n, mend.open, figures(mend)["median"]) == (3, 2, np.inf)  # 4, 28+, 10+: not half is known to be over
    answer = found("mtta", incidents=given)
    assert (answer.n, answer.open) == (1, 1)  # nobody knows when the other two were acknowledged
    assert dict(answer.excluded) == {"its time is not recorded, a later step's is": 2}


def test_an_incident_that_is_over_is_in_no_step_still_open():
    over = [incident(days, resolved=at(days + 1), closed=at(days + 2)) for days in range(1, 7)]
    for name in ("mtta", "mttm"):
        one = found(name, incidents=[*over, incident(8)])
        assert (one.n, one.open) == (1, 1)
        assert dict(one.excluded) == {"its time is not recorded, a later step's is": 6}
        earlier = found(
            name, Window(since=T0, until=at(2)), incidents=over
        )  # the step is still to come, as far as known
        assert (earlier.n, earlier.open) == (1, 1)
    assert figures(found("mttr", incidents=over))["median"] == 1
    closed = found("mttr", incidents=[incident(1, closed=at(2)), incident(1)])
    assert (closed.n, closed.open) == (1, 1)


def test_censoring_against_simulation():
    """Half of what begins in the window is open at its end; to drop it would say 4.3 days for a median of 10 ln 2."""
    rng = np.random.default_rng(11)
    begun, took = rng.uniform(0, 30, 4_000), rng.exponential(10, 4_000)
    given = [incident(start, resolved=at(start + days)) for start, days in zip(begun, took, strict=True)]
    one = found("mttr", incidents=given)
    figure = one.figures[0]
    true = 10 * np.log(2)
    assert figure.low <= true <= figure.high
    assert figure.value == pytest.approx(true, abs=0.5)
    assert np.median(took[begun + took < 30]) < figure.low


def test_reports_are_in_time_late_or_not_due_yet():
    given = [
        incident(1, reportable=True, report_due=at(3), reported=at(2)), incident(1, reportable=True, report_due=at(3), reported=at(4)),
        incident(1, reportable=True, report_due=at(3)), incident(29, reportable=True, report_due=at(39)), incident(5),
        incident(28, reportable=True, report_due=at(38), reported=at(31)),
    ]  # fmt: skip
    one = found("reporting-timeliness", incidents=given)
    assert (one.n, figures(one), dict(one.excluded)) == (
        3,
        {"share": pytest.approx(1 / 3)},
        {"not filed, and not due yet": 2},  # one was filed, after the window's end
    )


def test_a_repeat_has_the_signature_of_one_closed_within_180_days():
    given = [
        incident(-200, signature="x", closed=at(-190)), incident(-20, signature="y", closed=at(-15)),
        incident(1, signature="x"), incident(2, signature="y"), incident(3, signature="y"), incident(4),
    ]  # fmt: skip
    one = found("repeat-failure-rate", incidents=given)
    assert (one.n, figures(one), dict(one.excluded)) == (
        3,
        {"share": pytest.approx(2 / 3)},
        {"no failure signature": 1},
    )


def test_other_shares_by_hand():
    given = [
        incident(1, closed=at(5), is_tested=True, actions=((date(2026, 4, 10), date(2026, 4, 9)), (date(2026, 4, 10), None))),
        incident(2, closed=at(6), severity="critical", actions=((date(2026, 4, 10), date(2026, 4, 11)), (date(2026, 6, 1), None))),
        incident(3),
    ]  # fmt: skip
    assert figures(found("incident-to-test", incidents=given)) == {"share": 0.5}
    assert figures(found("action-closure", incidents=given)) == {"share": pytest.approx(1 / 3)}
    index = found("incident-index", incidents=given, systems=[system(), system("new", (15, "active"))])
    assert figures(index)["weight"] == pytest.approx((10 + 30 + 10) / (45 / 30.4375))
    done = [
        MitigationFact(at=at(1), is_verified=True),
        MitigationFact(at=at(2), is_verified=False),
        MitigationFact(at=at(40), is_verified=True),
    ]
    assert figures(found("mitigations-verified", mitigations=done)) == {"share": 0.5}


def test_nothing_is_no_number_and_what_is_not_recorded_says_why():
    for one in kpis(History(), OVER):
        assert one.figures == ()
        assert one.reason
        assert one.title
        assert one.definition
    missing = {one.name for one in kpis(History(), OVER) if one.reason.startswith("not recorded: ")}
    assert missing == {
        "alert-precision", "false-alarm-rate", "monitoring-coverage", "escalation-false-positives", "alert-recall", "judge-agreement", "audit-integrity",
    }  # fmt: skip
    assert list(DEFINITIONS) == [one.name for one in kpis(History(), OVER)]


def test_what_is_declared_beforehand_has_its_digest(monkeypatch):
    before = settings()["digest"]
    monkeypatch.setattr("shipworthy.evidence.kpis.APPETITE", 12)
    assert settings()["digest"] != before


def test_one_that_is_closed_only_later_is_not_repeated():
    given = [incident(5, signature="z"), incident(-2, signature="z", closed=at(10))]
    assert figures(found("repeat-failure-rate", incidents=given)) == {"share": 0}


def test_an_index_of_incidents_counts_those_of_exposed_time_alone():
    incidents = [incident(-40, severity="critical"), incident(1), incident(2, system="gone"), incident(12)]
    whole = found(
        "incident-index",
        Window(since=at(-60), until=at(30)),
        systems=[system("s", (-40, "active"))],
        incidents=incidents,
    )
    assert (whole.n, dict(whole.excluded)) == (3, {"not while the record knew the system as active": 1})
    assert whole.figures[0].value == pytest.approx((30 + 10 + 10) / (70 / 30.4375))
    short = found("incident-index", systems=[system("s", (10, "active"))], incidents=incidents)
    assert (short.figures, short.reason) == ((), "too little exposure: 0.66 system-months, of at least 1")
    assert short.excluded["not while the record knew the system as active"] == 2


def test_exposure_is_the_time_while_a_system_was_active_whatever_it_is_in_the_end():
    wide = Window(since=at(0), until=at(100))
    changes = (-9, "proposed"), (10, "active"), (50, "retired"), (60, "active"), (90, "retired")
    days = 5, 10, 49, 50, 55, 60, 95
    one = found(
        "incident-index",
        wide,
        systems=[system("s", *changes)],
        incidents=[incident(day, severity="low") for day in days],
    )
    assert (one.n, figures(one)["weight"]) == (3, pytest.approx(3 / (70 / 30.4375)))
    assert dict(one.excluded) == {"not while the record knew the system as active": 4}
    short = found("incident-index", systems=[system("s", (-100, "proposed"), (25, "active"))], incidents=[incident(27)])
    assert (short.figures, short.reason) == ((), "too little exposure: 0.16 system-months, of at least 1")


def test_a_clock_that_was_set_back_gives_no_time_twice():
    whole = Window(since=at(0), until=at(30))
    one = system("s", (1, "active"), (20, "retired"), (10, "active"))  # written in this order
    assert one.active_within(whole) == timedelta(days=29)
    assert [one.status_at(at(day)) for day in (0, 5, 25)] == [None, "active", "active"]
