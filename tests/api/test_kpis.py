"""From a record to the facts that indicators are computed from, and incidents on the way."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shipworthy.api import incidents, kpis, mitigations, risks, signing, waivers
from shipworthy.api.changes import Looking, content
from shipworthy.api.checking import check
from shipworthy.api.recording import actor_of, open_record
from shipworthy.cli import main
from shipworthy.errors import Unusable
from shipworthy.evidence import trace as graph
from shipworthy.evidence.kpis import DEFINITIONS
from shipworthy.record import documents

sys.path.insert(0, str(Path(__file__).parent))
from governed import ADA, BEA, NOW, register, run, traced, verdict

END = NOW + timedelta(20)


@pytest.fixture
def record(tmp_path):
    with open_record(tmp_path / "record.db") as opened:
        register(opened, actor_of(opened, ADA), tier="limited")
        yield opened


def opening(record, **more):
    given = {"system": "assistant", "title": "Leak", "severity": "high", "actor": ADA, "now": NOW + timedelta(1)}
    return incidents.open_incident(record, **{**given, **more})


def test_a_small_history_by_hand(record, tmp_path):
    ada = actor_of(record, ADA)
    run(record, ada, "one", [verdict(), verdict("ACC", said="undecided")], days=1)
    one = risks.add(
        record, system="assistant", title="t", cause="c", harm="h", likelihood=5, severity=4, requirements=["LEAK"],
        owner="team", actor=ADA, now=NOW + timedelta(2),
    )  # fmt: skip
    mitigations.add(record, system=None, title="t", what="w", risks=[one.id], actor=ADA, now=NOW + timedelta(2))
    run(
        record,
        ada,
        "two",
        [verdict(said="met"), verdict("ACC", said="met")],
        days=3,
        version="2",
        decision="ship",
        locked=False,
    )
    mitigations.verify(record, "M-1", "two", actor=ADA, now=NOW + timedelta(4))
    risks.treat(record, one.id, "mitigate", likelihood=1, actor=ADA, now=NOW + timedelta(4))
    made = opening(record, started=NOW, reportable="death")
    incidents.update(
        record,
        made.id,
        {"regression_tests": ("LEAK",), "cause": "c"},
        steps={"resolved": NOW + timedelta(3)},
        actor=ADA,
        now=END,
    )
    over = kpis.window(NOW - timedelta(1), END, END)
    found = {one.name: one for one in kpis.kpis(record, over, base=tmp_path, now=END)}

    def value(name, place=0):
        return found[name].figures[place].value

    assert value("first-pass-rate") == 0.5
    assert value("inconclusive-rate") == 0.25
    assert (found["time-to-decision"].n, found["time-to-decision"].open) == (2, 2)
    assert value("inventory-coverage") == 0
    assert value("trace-completeness") == 0.5  # LEAK failed, and was mended; ACC failed, and was not
    assert value("mitigations-verified") == 1
    assert value("residual-risk") == 4
    assert value("mttd") == 1
    assert value("mttr") == 2
    assert value("reporting-timeliness") == 0  # ten days after its detection nobody had reported it
    assert found["pre-registration-rate"].reason  # no decision rests on a run
    earlier = kpis.kpis(record, kpis.window(NOW - timedelta(1), NOW + timedelta(3), END), base=tmp_path, now=END)
    assert next(one for one in earlier if one.name == "residual-risk").figures[0].value == 20


def test_a_repeated_computation_gives_the_same(record, tmp_path):
    opening(record)
    over = kpis.window(None, END, END)
    assert kpis.kpis(record, over, base=tmp_path, now=END) == kpis.kpis(record, over, base=tmp_path, now=END)


def test_windows_and_names_validate_input():
    for since, until in ((END, NOW), (NOW, NOW), (None, END + timedelta(1))):
        with pytest.raises(Unusable) as error:
            kpis.window(since, until, END)
        assert error.value.faults[0].code == "KPI001"
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert kpis.window(None, first + timedelta(1), END).since == first  # there is no day before it
    with pytest.raises(Unusable, match="KPI001"):
        kpis.window(None, first, END)
    with pytest.raises(Unusable, match="mttr") as error:
        kpis.explain("mtttr")
    assert error.value.faults[0].code == "KPI002"


# Incidents


@pytest.mark.parametrize(
    ("named", "days"), [("general", 15), ("death", 10), ("widespread", 2), ("critical-infrastructure", 2)]
)
def test_the_clock_of_article_73_runs_from_detection(record, named, days):
    seen = NOW - timedelta(5)
    one = opening(record, detected=seen, reportable=named, harms=("injury",))
    assert incidents.report_due(one) == seen + timedelta(days=days)
    assert (one.due, one.harms) == ((seen + timedelta(days=days)).date(), ("injury", f"art-73:{named}"))
    assert ("OVERDUE" in incidents.clock(one, NOW)) == (days < 5)
    assert "late" not in incidents.clock(one.model_copy(update={"reported": seen + timedelta(days=days)}), END)
    assert "late" in incidents.clock(one.model_copy(update={"reported": seen + timedelta(days=days, seconds=1)}), END)


def test_an_incident_is_closed_once_it_is_settled(record):
    one = opening(record)
    assert (one.id, one.status, incidents.report_due(one)) == ("I-1", "open", None)
    with pytest.raises(Unusable, match=r"not resolved; its cause"):
        incidents.close(record, one.id, at=None, actor=ADA, now=END)
    with pytest.raises(Unusable) as error:
        incidents.update(record, one.id, {}, steps={"resolved": END + timedelta(1)}, actor=ADA, now=END)
    assert error.value.faults[0].code == "RISK010"
    given = {"actor": ADA, "now": END}
    incidents.update(
        record, one.id, {"cause": "c"}, steps={"resolved": END}, reportable="general", event="mended", **given
    )
    with pytest.raises(Unusable, match="has to be"):
        incidents.close(record, one.id, at=None, **given)
    kept = incidents.update(record, one.id, {"harms": ("injury",)}, steps={"reported": END}, **given)
    assert kept.harms == ("injury", "art-73:general")  # other harms do not stop the clock
    assert [event.what for event in kept.timeline] == ["mended"]
    assert incidents.close(record, one.id, at=None, **given).status == "closed"
    with pytest.raises(Unusable, match="closed already"):
        incidents.close(record, one.id, at=None, **given)
    assert incidents.incidents(record, only_open=True) == []


def test_steps_out_of_order_are_refused(record):
    one = opening(record, detected=NOW)
    with pytest.raises(Unusable) as error:
        incidents.update(record, one.id, {}, steps={"mitigated": NOW - timedelta(1)}, actor=BEA, now=END)
    assert error.value.faults[0].code == "RECORD014"


def test_the_command_line(record, tmp_path):
    def call(*words, code=0):
        env = {"SHIPWORTHY_RECORD": str(tmp_path / "record.db"), "SHIPWORTHY_ACTOR": ADA}
        done = CliRunner(env=env).invoke(main, words)
        assert done.exit_code == code, done.output
        return done.output

    said = ("--system", "assistant", "--title", "Leak \x1b[31m", "--severity", "high")
    output = call("incident", "open", *said, "--detected", "2024-01-02T10:00", "--reportable", "widespread")
    assert "REPORT OVERDUE since 2024-01-04 10:00" in output
    assert "\x1b" not in output
    call(
        "incident", "update", "I-1", "--cause", "c", "--resolved", "2024-01-03T10:00", "--reported", "2024-01-03T12:00"
    )
    assert "closed" in call("incident", "close", "I-1")
    assert json.loads(call("incident", "list", "--json"))[0]["class"] == "widespread"
    assert "no such incident" in call("incident", "list", "--open")
    assert "RISK001" in call("incident", "close", "I-9", code=2)
    shown = call("kpi", "--since", "2024-01-01", "--until", "2024-01-31")
    assert "Reporting timeliness             100 % (20.7 to 100; n = 1)" in shown
    assert "Mean time to resolve             median 1 day (no limits); p90 1 day" in shown
    assert "nothing in this window  [left out: 1 (its time is not recorded, a later step's is)]" in shown
    body = json.loads(call("kpi", "--json"))
    assert body["schema"] == "shipworthy/kpis@1"
    assert "resolved − detected" in call("kpi", "--explain", "mttr")
    assert "KPI002" in call("kpi", "--explain", "speed", code=2)
    assert "KPI001" in call("kpi", "--since", "2024-02-01", "--until", "2024-01-01", code=2)


# A release that was signed

PLAN = """system: {name: lending, version: "2", tier: high, owner: team}
evaluations: {decisions: {data: d.csv, roles: {label: y, prediction: p}}}
requirements: [{id: ACC, metric: accuracy, at_least: 0.9}]
"""


def test_a_signed_release_by_hand(tmp_path):
    rows = [f"{i % 2},{i % 2 if i % 5 else 1 - i % 2}" for i in range(300)]
    (tmp_path / "d.csv").write_text("\n".join(["y,p", *rows, ""]))
    (tmp_path / "plan.yaml").write_text(PLAN)
    place, now = tmp_path / "record.db", NOW + timedelta(2)
    check(tmp_path / "plan.yaml", now=NOW, record=place)
    looking = Looking(base=tmp_path, now=now)
    wanted = waivers.Wanted(requirement="ACC", reason="r", control="c", ends=(now + timedelta(5)).date())
    with open_record(place) as record:
        waivers.request(record, "latest", wanted, actor=ADA, now=NOW)
        waivers.answer(record, "W-1", "approve", actor=BEA, now=NOW)
    check(tmp_path / "plan.yaml", out=tmp_path / "run", now=NOW + timedelta(1), record=place)
    with open_record(place) as record:
        for role, person in (("product", ADA), ("risk", BEA)):
            word = signing.Word(role=role, verdict="approve")
            proposal = signing.propose(record, str(tmp_path / "run"), word, actor=person, looking=looking)
            signing.sign(record, proposal, key=None, looking=looking)
        found = traced(record, "lending", tmp_path, now)
        assert [(one.role, one.said, one.counts) for one in found.facts.signatures] == [
            ("product", "Ada Lovelace", True), ("risk", "Bea", True),
        ]  # fmt: skip
        assert {one.code for one in found.gaps} == {"TRACE009"}
        assert " → waived → W-1" in next(graph.lines(found)).replace("waiver W-1", "W-1")

        def values():
            over = kpis.window(NOW - timedelta(1), END, END)
            return {one.name: one for one in kpis.kpis(record, over, base=tmp_path, now=END)}

        one = values()
        assert one["sign-off-independence"].figures[0].value == 0.5  # Ada asked for the waiver that it rests on
        assert one["sign-off-independence"].n == 2
        assert one["time-to-decision"].figures[0].value == 1
        assert dict(one["time-to-decision"].excluded) == {"replaced by a newer run before anyone decided": 1}
        assert one["first-pass-rate"].figures[0].value == 0
        assert one["override-rate"].figures[0].value == 0
        assert one["pre-registration-rate"].figures[0].value == 0
        assert one["evidence-freshness"].figures[0].value == 1
        assert [figure.value for figure in one["waiver-load"].figures] == [0, 1]  # it has ended by then
        assert one["waivers-overdue"].figures[0].value == 1
        valid = kpis.kpis(record, kpis.window(None, now, now), base=tmp_path, now=now)
        assert next(one for one in valid if one.name == "sign-off-validity").reason == "nothing in this window"
        (tmp_path / "run" / "report.html").write_text("other")
        assert values()["sign-off-validity"].figures[0].value == 0
        stale = traced(record, "lending", tmp_path, now)
        assert [one.where for one in stale.gaps if one.code == "TRACE008"] == ["product", "risk"]


# What a window sees

TODAY = frozenset({"control-coverage", "trace-completeness", "sign-off-validity"})  # declared to be of today


def acts(record):
    """Everything that changes an indicator, each from the moment at which it is done."""
    terms = waivers.Wanted(requirement="ACC", reason="r", control="c", ends=(NOW + timedelta(40)).date())
    ada, bea = actor_of(record, ADA), actor_of(record, BEA)

    def checked(at):
        said = "met" if at.day % 2 else "breached"
        days, decision = (at - NOW) / timedelta(1), "ship" if at.day % 2 else "hold"
        run(
            record,
            ada,
            f"run {at}",
            [verdict(said=said), verdict("ACC")],
            days=days,
            decision=decision,
            version=str(at.day % 3),
        )

    def signed(at):
        kept = record.runs(limit=1)[0]
        made = documents.Decision(
            id=f"D {at}", system="assistant", version=kept.facts.version, outcome="hold", reason="r",
            automated=kept.facts.decision, plan=kept.facts.plan_digest, runs=(kept.facts.digest,),
        )  # fmt: skip
        bindings = documents.Bindings(decision=content(made), evidence=made.plan, policy=made.plan)
        word = documents.SignOff(
            id=f"{made.id}:product:1", system="assistant", version=made.version, role="product", signer=bea,
            verdict="approve", statement="s", bindings=bindings,
        )  # fmt: skip
        record.write(bea, at, made, word)

    def became(at):
        system = record.get("system", "assistant").document
        tier, status = ("high", "limited")[at.day % 2], ("active", "retired")[at.day % 3 == 0]
        record.write(ada, at, system.model_copy(update={"tier": tier, "status": status}))

    def asked(at):
        answers = documents.Answers(
            id="intake@1 assistant", system="assistant", questionnaire="intake@1", status="complete"
        )
        record.write(ada, at, answers)

    def verified(at):
        one = record.get("mitigation", "M-1").document
        changed = {"status": "verified", "verification": record.runs(limit=1)[0].facts.digest}
        record.write(ada, at, one.model_copy(update=changed))

    def mended(at):
        steps = dict.fromkeys(("acknowledged", "mitigated", "resolved", "reported"), at)
        if record.get("incident", "I-1").document.resolved is None:  # a time that is corrected changes what was
            incidents.update(record, "I-1", {"cause": "c"}, steps=steps, actor=ADA, now=at)

    risk = {"system": "assistant", "title": "t", "cause": "c", "harm": "h", "likelihood": 4, "severity": 4}
    return [
        checked, signed, became, asked, verified,
        lambda at: waivers.request(record, "latest", terms, actor=ADA, now=at),
        lambda at: waivers.answer(record, record.ids("waiver")[-1], "approve", actor=BEA, now=at),
        lambda at: waivers.answer(record, record.ids("waiver")[-1], "withdraw", actor=ADA, now=at),
        lambda at: signing.withdraw(record, record.find("sign-off", limit=1)[0].id, actor=BEA, now=at),
        lambda at: risks.add(record, **risk, actor=ADA, now=at),
        lambda at: risks.treat(record, "R-1", "mitigate", likelihood=1, actor=ADA, now=at),
        lambda at: risks.close(record, "R-1", why="w", actor=ADA, now=at),
        lambda at: mitigations.add(record, system="assistant", title="t", what="w", actor=ADA, now=at),
        lambda at: mitigations.update(record, "M-1", {"status": "implemented"}, actor=ADA, now=at),
        lambda at: opening(record, detected=at, reportable="death", now=at),
        mended,
        lambda at: incidents.close(record, "I-1", at=None, actor=ADA, now=at),
    ]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.tuples(st.integers(0, 16), st.integers(1, 60)), min_size=12, max_size=40), st.integers(10, 50))
def test_what_is_written_after_a_window_changes_nothing_in_it(done, end):
    until = NOW + timedelta(end)
    with tempfile.TemporaryDirectory() as folder, open_record(Path(folder) / "record.db") as record:
        register(record, actor_of(record, ADA), tier="high")

        def through(moment):
            over = kpis.window(NOW, until, moment)
            found = kpis.kpis(record, over, base=Path(folder), now=moment)
            return {one.name: one for one in found if one.name not in TODAY}

        before = None
        for which, day in sorted(done, key=lambda one: one[1]):
            at = NOW + timedelta(day)
            if at >= until and before is None:
                before = through(until)
            with suppress(Unusable, IndexError, AttributeError):  # not possible in this state
                acts(record)[which](at)
        assert before is None or before == through(NOW + timedelta(61))


def test_a_waiver_and_a_mitigation_are_what_they_were_at_the_windows_end(record, tmp_path):
    ada = actor_of(record, ADA)
    run(record, ada, "one", [verdict()], days=1)
    terms = waivers.Wanted(requirement="LEAK", reason="r", control="c", ends=(NOW + timedelta(30)).date())
    waivers.request(record, "one", terms, actor=ADA, now=NOW + timedelta(2))
    mitigations.add(record, system="assistant", title="t", what="w", requirements=["LEAK"], actor=ADA, now=NOW)
    mitigations.update(record, "M-1", {"status": "implemented"}, actor=ADA, now=NOW + timedelta(3))

    def values(days):
        over = kpis.window(NOW - timedelta(1), NOW + timedelta(days), END)
        found = {one.name: one for one in kpis.kpis(record, over, base=tmp_path, now=END)}
        return tuple(found[name].figures[0].value for name in ("waiver-load", "mitigations-verified"))

    waivers.answer(record, "W-1", "approve", actor=BEA, now=NOW + timedelta(5))
    assert (values(4), values(6)) == ((0, 0), (1, 0))
    run(record, ada, "two", [verdict(said="met")], days=7)
    mitigations.verify(record, "M-1", "two", actor=ADA, now=NOW + timedelta(8))
    waivers.answer(record, "W-1", "withdraw", actor=ADA, now=NOW + timedelta(8))
    assert (values(4), values(6), values(9)) == ((0, 0), (1, 0), (0, 1))


# What was, and not what is in the end


def values(record, base, since, until, now=END):
    over = kpis.window(NOW + timedelta(since), NOW + timedelta(until), now)
    return {one.name: one for one in kpis.kpis(record, over, base=base, now=now)}


def decided(record, ada, days, *runs, version="1"):
    made = documents.Decision(
        id="D-1", system="assistant", version=version, outcome="hold", automated="hold", plan=runs[0], runs=runs
    )
    record.write(ada, NOW + timedelta(days), made)


def test_a_run_whose_clock_ran_ahead_of_its_decision_is_left_out_and_counted(record, tmp_path):
    ada = actor_of(record, ADA)
    decided(record, ada, 3, run(record, ada, "one", [verdict()], days=3.01))
    one = values(record, tmp_path, 0, 10)["time-to-decision"]
    assert (one.n, one.reason) == (0, "nothing in this window")
    assert dict(one.excluded) == {"over before it began, by the times recorded": 1}


def test_a_decision_that_came_to_rest_on_a_later_run_decided_on_it_only_then(record, tmp_path):
    ada = actor_of(record, ADA)

    def digests(days, model):
        version = documents.Version(id="assistant 1", system="assistant", version="1", digests={"model": model})
        record.write(ada, NOW + timedelta(days), version)

    first = run(record, ada, "one", [verdict()], days=1)
    digests(1, first)
    decided(record, ada, 2, first)
    second = run(record, ada, "two", [verdict()], days=10, locked=False)
    digests(10, second)  # the model is another one, which the later run has seen
    decided(record, ada, 13, first, second)
    found = values(record, tmp_path, 0, 20)
    assert [one.value for one in found["time-to-decision"].figures] == [1, 3]
    assert found["override-rate"].n == 1
    assert [(one.hits, one.of) for one in found["pre-registration-rate"].figures] == [(1, 2)]
    assert [(one.hits, one.of) for one in found["evidence-freshness"].figures] == [(1, 2)]
    assert [(one.hits, one.of) for one in values(record, tmp_path, 5, 20)["pre-registration-rate"].figures] == [(0, 1)]
    decided(record, ada, 15, second)  # it rests no longer on the first, on which somebody decided all the same
    found = values(record, tmp_path, 0, 20)
    assert (found["time-to-decision"].n, found["time-to-decision"].open) == (2, 0)
    assert [(one.hits, one.of) for one in found["evidence-freshness"].figures] == [(1, 1)]


def became(record, ada, days, status, name="assistant", **more):
    record.write(ada, NOW + timedelta(days), documents.System(id=name, tier="limited", status=status, **more))


def test_incidents_are_over_the_time_in_which_their_system_was_active(record, tmp_path):
    ada, end = actor_of(record, ADA), NOW + timedelta(100)
    for days in (5, 10, 20, 40, 50):
        opening(record, severity="critical", detected=NOW + timedelta(days), now=NOW + timedelta(days))
    became(record, ada, 59, "retired")

    def index(until):
        one = values(record, tmp_path, 0, until, end)["incident-index"]
        return one.n, dict(one.excluded), one.figures[0].value if one.figures else one.reason

    month = 30.4375
    assert index(59) == index(60) == (5, {}, pytest.approx(150 / (59 / month)))
    became(record, ada, 59, "active", "other")
    assert index(100) == (5, {}, pytest.approx(150 / (100 / month)))
    became(record, ada, 0, "proposed", "third")
    became(record, ada, 95, "active", "third")
    assert index(100) == (5, {}, pytest.approx(150 / (105 / month)))


def test_a_draft_of_answers_is_no_intake(record, tmp_path):
    ada = actor_of(record, ADA)
    answers = documents.Answers(id="intake@1 assistant", system="assistant", questionnaire="intake@1", status="draft")
    record.write(ada, NOW + timedelta(1), answers)
    record.write(ada, NOW + timedelta(5), answers.model_copy(update={"status": "complete"}))
    shares = [values(record, tmp_path, 0, days)["inventory-coverage"].figures[0].value for days in (4, 6)]
    assert shares == [0, 1]


def test_a_waiver_that_is_withdrawn_after_its_end_had_ended(record, tmp_path):
    ada = actor_of(record, ADA)
    run(record, ada, "one", [verdict()], days=1)
    for last, withdrawn in ((5, 4), (5, 8)):
        terms = waivers.Wanted(requirement="LEAK", reason="r", control="c", ends=(NOW + timedelta(last)).date())
        made = waivers.request(record, "one", terms, actor=ADA, now=NOW + timedelta(2))
        waivers.answer(record, made.id, "approve", actor=BEA, now=NOW + timedelta(3))
        waivers.answer(record, made.id, "withdraw", actor=ADA, now=NOW + timedelta(withdrawn))
    one = values(record, tmp_path, 0, 10)["waivers-overdue"].figures[0]
    assert (one.hits, one.of) == (1, 1)


def test_a_signature_is_held_against_the_tier_and_the_owner_of_its_time(record, tmp_path):
    ada, bea = actor_of(record, ADA), actor_of(record, BEA)
    made = run(record, ada, "one", [verdict()], days=1)
    bindings = documents.Bindings(decision=made, evidence=made, policy=made)
    for days, role in ((2, "product"), (4, "product"), (6, "legal")):
        word = documents.SignOff(
            id=f"D-1:{role}:{days}", system="assistant", version="1", role=role, signer=bea, verdict="approve",
            statement="s", bindings=bindings,
        )  # fmt: skip
        record.write(bea, NOW + timedelta(days), word)
        became(record, ada, days + 1, "active", owner=bea if days > 2 else "")
    record.write(ada, NOW + timedelta(9), documents.System(id="assistant", tier="critical", owner=bea))
    one = values(record, tmp_path, 0, 10)["sign-off-independence"]
    assert [(one.figures[0].hits, one.figures[0].of), dict(one.excluded)] == [(2, 2), {"no role that has to sign": 1}]


def test_a_regression_test_has_to_be_breached_first(record, tmp_path):
    ada = actor_of(record, ADA)
    run(record, ada, "one", [verdict("UNSURE", said="undecided"), verdict("LEAK")], days=1)
    run(record, ada, "two", [verdict("UNSURE", said="met"), verdict("LEAK", said="met")], days=8, version="2")
    for name in ("UNSURE", "LEAK"):
        made = opening(record, detected=NOW + timedelta(2), now=END)
        steps = {"resolved": NOW + timedelta(3)}
        told = {"regression_tests": (name,), "cause": "c"}
        incidents.update(record, made.id, told, steps=steps, actor=ADA, now=END)
        incidents.close(record, made.id, at=NOW + timedelta(5), actor=ADA, now=END)
    one = values(record, tmp_path, 0, 10)["incident-to-test"].figures[0]
    assert (one.hits, one.of) == (1, 2)
    assert "undecided is no breach" in DEFINITIONS["incident-to-test"].note
