"""What is found, counted and put in order, in SQLite and in PostgreSQL alike, against the same asked of plain lists."""

from __future__ import annotations

import itertools
import json
from datetime import date, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import event

from shipworthy.record import finding, runs
from shipworthy.record.documents import STILL_OPEN, Incident, Mitigation, Rating, System, Waiver
from shipworthy.record.runs import RunFacts
from shipworthy.record.seen import Seen

TODAY = date(2026, 11, 21)
ESTIMATES = pa.table({name: pa.array(["x"], pa.string()) for name in ("evaluation", "metric", "compare", "slice")})


def rating(likelihood, severity):
    return Rating(likelihood=likelihood, severity=severity, basis="judged")


def waiver(name, requester, approver=None, *, starts, ends, **more):
    given = {"requirement": "A", "reason": "r", "control": "c", "tier": "high", "system": "lending"}
    status = {"status": "approved", "approvers": (approver,)} if approver else {}
    days = {"starts": TODAY + timedelta(days=starts), "ends": TODAY + timedelta(days=ends)}
    return Waiver(id=name, requester=requester, **{**given, **days, **status, **more})


def run(record, now, name, *, system="lending", age=0, verdicts=()):
    facts = RunFacts(
        digest="sha256:" + name.encode().hex().rjust(64, "0"), run=name, system=system, version="1", decision="hold",
        plan_digest="sha256:" + "0" * 64, created=now - timedelta(days=age),
    )  # fmt: skip
    told = [{"requirement": one, "verdict": word, "severity": "major"} for one, word in verdicts]
    return record.add_run("tool:test", now, facts, told, ESTIMATES, []).facts


def ids(found):
    return [one.id for one in found]


def test_risks_come_worst_first_by_what_is_left_of_them(record, ann, risk, now):
    settled = {"status": "treated", "treatment": "mitigate"}
    record.write(
        ann, now,
        risk("small", inherent=rating(1, 2)),
        risk("mended", inherent=rating(5, 5), residual=rating(1, 1)),
        risk("large", inherent=rating(4, 4), system="other"),
        risk("second", inherent=rating(4, 4)),
        risk("done", inherent=rating(5, 5), residual=rating(3, 3), **settled),
    )  # fmt: skip
    record.write(ann, now, risk("small", inherent=rating(5, 1)))  # what it was before counts no more
    assert ids(record.find("risk", order="worst", status="open")) == ["large", "second", "small", "mended"]
    assert ids(record.find("risk", order="worst", status="open", limit=2, offset=1)) == ["second", "small"]
    assert ids(record.find("risk", order="worst", system="lending")) == ["second", "done", "small", "mended"]
    assert record.count("risk") == 5
    assert record.count("risk", system="lending", status=["open", "closed"]) == 3
    assert record.states("risk", system="lending") == {"open": 3, "treated": 1}
    assert record.states("risk", system="nobody's") == {}


def test_waivers_by_what_they_are_worth_on_a_day(record, ann, bo, now):
    given = [
        waiver("asked", ann, starts=0, ends=3),
        waiver("holds", ann, starts=-9, ends=0),
        waiver("comes", ann, starts=1, ends=2),
        waiver("ended", ann, starts=-9, ends=-1),
        waiver("late", ann, starts=-9, ends=-2),
    ]
    record.write(ann, now, *given)
    record.write(
        bo, now, *(one.model_copy(update={"status": "approved", "approvers": (bo,)}) for one in given[1:4])
    )  # fmt: skip
    record.write(bo, now, given[4].model_copy(update={"status": "refused"}))
    assert ids(record.find("waiver", live_on=TODAY, order="due")) == ["holds", "comes", "asked"]
    assert ids(record.find("waiver", over_on=TODAY, order="due")) == ["late", "ended"]
    approved = {"status": "approved", "due_from": TODAY}
    assert ids(record.find("waiver", **approved, starts_by=TODAY)) == ["holds"]
    assert ids(record.find("waiver", **approved, starts_after=TODAY)) == ["comes"]
    assert record.count("waiver", **approved, starts_after=TODAY) == 1
    assert record.count("waiver", status="approved", due_before=TODAY) == 1


def test_systems_by_tier_are_counted_and_paged(record, ann, now):
    tiers = ("high", "limited", "high", "minimal", "high")
    record.write(ann, now, *(System(id=f"s{i}", tier=tier) for i, tier in enumerate(tiers)))
    assert ids(record.find("system", tier="high")) == ["s0", "s2", "s4"]
    assert ids(record.find("system", tier="high", limit=1, offset=1)) == ["s2"]
    assert (record.count("system", tier="high"), record.count("system")) == (3, 5)


def test_a_search_reads_the_texts_written_last_and_the_ids_of_all(record, ann, risk, now):
    for i in range(5):
        record.write(ann, now + timedelta(minutes=i), risk(f"R-{i}", title=f"Bias No. {i} 100%"))
    mitigation = Mitigation(id="bias/thresholds", system="other", title="t", what="w")
    record.write(ann, now - timedelta(days=1), mitigation)  # the oldest
    assert record.search("BIAS no.") == (record.find("risk"), 6)
    found, looked = record.search("bias", most=2)
    assert (ids(found), looked) == (["R-3", "R-4", "bias/thresholds"], 2)
    assert ids(record.search("0%")[0]) == [f"R-{i}" for i in range(5)]
    assert record.search("_%_")[0] == ()  # they stand for nothing but themselves
    assert ids(record.search("bias", system="other")[0]) == ["bias/thresholds"]
    assert ids(record.search("R-")[0]) == [f"R-{i}" for i in range(5)]
    assert record.search("bias", system="nobody's") == ((), 0)


@pytest.fixture
def log(record, ann, risk, now):
    """A log of 60 lines about three kinds of things."""
    for i in range(10):
        record.write(ann, now, risk(f"R-{i}"), risk(f"O-{i}", system="other"), System(id=f"s{i}", tier="high"))
        record.write(ann, now, risk(f"R-{i}", title="again"), System(id=f"s{i}", tier="low" if i > 99 else "limited"))
        run(record, now, f"r{i}")
    return [(seq, line) for seq, line in enumerate(record.log())]


def test_lines_by_action_are_those_of_the_whole_log(record, log):
    actions = (None, "risk", "risk.", "risk.update", "run.record", "system.", "none", "risk.x")
    for action, below, farthest in itertools.product(actions, (0, 1, 31, 60), (1, 7, 1_000)):
        wanted = [one for one in log[:below] if json.loads(one[1])["action"].startswith(action or "")][::-1]
        found, read_to = record.lines(action=action, below=below, farthest=farthest)
        assert found == [one for one in wanted if one[0] >= read_to]
        assert read_to == 0 or action in (None, "risk", "none")  # a kind of object is looked for in the whole log
        few, _ = record.lines(action=action, below=below, farthest=farthest, most=2)
        assert few == found[:2]


def test_lines_about_an_object(record, log):
    objects = [(one, json.loads(one[1])["object"]) for one in log][::-1]
    for about, farthest in itertools.product(("risk/R-3", "risk/R", "system/", "R-3", "-", "%", "nothing"), (5, 1_000)):
        found, read_to = record.lines(about=about, below=60, farthest=farthest)
        if "/" in about:
            assert (found, read_to) == ([one for one, name in objects if name.startswith(about)], 0)
        else:
            assert read_to == max(0, 60 - farthest)
            assert found == [one for one, name in objects if about in name and one[0] >= read_to]
        both = [one for one, name in objects if name.startswith("risk/") and about in name]
        assert record.lines(about=about, action="risk.", below=60, farthest=60)[0] == both


def test_who_may_see_one_system_finds_and_counts_no_other(record, log, ann, risk, now):
    seen = Seen(record, lambda: frozenset({"lending"}))
    assert seen.count("risk") == 10
    assert seen.states("risk") == {"open": 10}
    assert {one.document.system for one in seen.search("few cases")[0]} == {"lending"}
    lines = [json.loads(line) for _, line in seen.lines(action="risk", below=60, farthest=60)[0]]
    assert {one["object"] for one in lines} == {f"risk/R-{i}" for i in range(10)}
    assert seen.lines(about="risk/O-1", below=60, farthest=60) == ([], 0)
    hidden = run(record, now, "hidden", system="other", verdicts=[("A", "met")])
    record.write(ann, now, System(id="other", tier="high"))
    assert (seen.newest_runs(["other"]), len(record.newest_runs(["other"]))) == ((), 1)
    assert seen.verdicts_of(hidden.digest) == ()
    assert seen.count_verdicts(hidden.digest) == {}
    assert (seen.count_estimates(hidden.digest), record.count_estimates(hidden.digest)) == (0, 1)
    assert (seen.systems_of("A"), record.systems_of("A")) == ([], ["other"])
    assert seen.histories("other", longest=3) == ((), {})
    assert (seen.count_runs("other"), record.count_runs("other")) == (0, 1)


def test_histories_are_the_newest_of_each_requirement_and_say_how_many_there_are(record, ann, now):
    for i in range(6):
        told = [("A", "met"), ("B", "undecided" if i < 5 else "breached"), *([("C", "met")] if i < 2 else [])]
        run(record, now, f"r{i}", age=i, verdicts=told)
    run(record, now, "elsewhere", system="other", verdicts=[("A", "breached")])
    found, counts = record.histories("lending", longest=3)
    assert counts == {"B": 6, "A": 6, "C": 2}
    assert [(one.name, one.requirement) for one in found] == [
        ("r0", "A"), ("r0", "B"), ("r0", "C"), ("r1", "A"), ("r1", "B"), ("r1", "C"), ("r2", "A"), ("r2", "B"),
    ]  # fmt: skip
    few, counts = record.histories("lending", longest=1, limit=1)
    assert ([one.requirement for one in few], len(counts)) == (["B"], 3)  # the worst
    alone, counts = record.histories("lending", requirement="C", longest=9)
    assert ([one.name for one in alone], counts) == (["r0", "r1"], {"C": 2})


def test_the_newest_runs_of_systems(record, ann, now):
    record.write(ann, now, *(System(id=name, tier="high") for name in ("lending", "other", "idle")))
    for i in range(3):
        run(record, now, f"r{i}", age=i, verdicts=[("A", "met")])
        run(record, now, f"o{i}", system="other", age=9 - i, verdicts=[("B", "met")])
    newest = record.newest_runs(["lending", "other", "idle", "unknown"])
    assert [one.facts.run for one in newest] == ["r0", "o2"]
    assert [one.requirement for one in record.verdicts_of(*(one.facts.digest for one in newest))] == ["A", "B"]
    assert record.newest_runs([]) == ()


def test_what_systems_have_in_each_state_is_counted_at_once(record, ann, risk, now):
    record.write(
        ann, now,
        risk("R-1", inherent=rating(3, 5)), risk("R-2", inherent=rating(2, 2)),
        risk("R-3", system="other", inherent=rating(1, 1)), risk("R-4", system="third"),
        risk("R-5", inherent=rating(5, 5), residual=rating(5, 5), status="closed", treatment="avoid"),
        Incident(id="I", system="other", title="t", severity="low", detected=now),
    )  # fmt: skip
    asked = {"system": ["lending", "other"]}
    assert record.tally("risk", **asked, status=STILL_OPEN) == {
        ("risk", "lending", "open"): (2, 15), ("risk", "other", "open"): (1, 1),
    }  # fmt: skip
    assert record.tally("risk", "incident", **asked)["incident", "other", "open"] == (1, None)
    assert ids(record.find("risk", **asked)) == ["R-1", "R-2", "R-3", "R-5"]
    seen = Seen(record, lambda: frozenset({"other"}))
    assert seen.tally("risk", **asked) == {("risk", "other", "open"): (1, 1)}


def test_when_documents_of_a_system_were_first_written(record, ann, risk, now):
    record.write(ann, now, risk("R-1"))
    record.write(ann, now + timedelta(days=1), risk("R-1", title="another"), risk("R-2"), risk("O", system="other"))
    first = {one: (kept.seq, kept.at) for one in ("R-1", "R-2") for kept in record.history("risk", one)[:1]}
    assert record.begun("risk", "lending") == first
    assert Seen(record, lambda: frozenset({"other"})).begun("risk", "lending") == {}


def test_runs_by_their_names(record, now, monkeypatch):
    made = [run(record, now, f"r{i}", system=("lending", "other")[i % 2]).digest for i in range(5)]
    monkeypatch.setattr(runs, "_NAMES", 2)
    assert {one.facts.digest for one in record.runs_named(*made, "sha256:none")} == set(made)
    seen = Seen(record, lambda: frozenset({"other"}))
    assert {one.facts.digest for one in seen.runs_named(*made)} == {made[1], made[3]}
    assert record.runs_named() == ()


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda record: record.artifacts(role="package", name="run/x"), "ix_artifacts_name_role_seq"),
        (lambda record: record.runs(system="s", version="1", plan_digest="p", limit=1), "ix_runs_system_created"),
        (lambda record: record.begun("decision", "s"), "ix_heads_kind_system"),
    ],
    ids=["packages", "runs of a version", "begun"],
)
def test_what_a_page_asks_is_answered_by_an_index(record, ask, index):
    if record._engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole")
    told = []
    event.listen(record._engine, "before_cursor_execute", lambda *given: told.append(given[2:4]))
    ask(record)
    with record._engine.connect() as connection:
        rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + told[-1][0], told[-1][1]).all()
    assert any(index in row[3] for row in rows), rows


def test_touched_names_the_systems_of_every_line_since(record, ann, risk, now):
    assert record.touched(0) == frozenset()
    record.write(ann, now, risk("R-1"), System(id="alone", tier="high"))
    size = record.size()
    run(record, now, "r1", system="ran")
    record.write(ann, now, Incident(id="I", system="hit", title="t", severity="low", detected=now))
    assert record.touched(0) == {"lending", "alone", "ran", "hit"}
    assert record.touched(size) == {"ran", "hit"}
    assert record.touched(record.size()) == frozenset()
    assert record.touched(0, most=3) is None  # too many to be named
    record.erase(ann, now, record.person("x@example.org", "X"))
    assert record.touched(record.size() - 1) is None  # whoever had signed


def test_risks_of_several_states_are_put_in_one_order_by_an_index(record, ann, risk, now):
    treated = {"status": "treated", "treatment": "mitigate"}
    record.write(
        ann, now,
        risk("R-1", inherent=rating(3, 5), residual=rating(5, 5), **treated),  # more is left than there was
        risk("R-2", inherent=rating(4, 4)),
        risk("R-10", inherent=rating(4, 4)),
        risk("R-3", inherent=rating(5, 5), residual=rating(5, 5), status="closed", treatment="avoid"),
    )  # fmt: skip
    asked = {"status": STILL_OPEN, "order": "worst"}
    assert (
        ids(record.find("risk", **asked))
        == ids(record.find("risk", system="lending", **asked))
        == ["R-1", "R-2", "R-10"]
    )
    assert ids(record.find("risk", **asked, offset=1, limit=1)) == ["R-2"]
    if record._engine.dialect.name == "sqlite":
        told = list[str]()
        with record._engine.connect() as connection:
            event.listen(connection, "before_cursor_execute", lambda *given: told.append(given[2:4]))
            finding.find_documents(connection, "risk", {"status": STILL_OPEN}, (), "worst", 50, 0).all()
            rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + told[-1][0], told[-1][1]).all()
        plan = [row[3] for row in rows]
        assert sum("ix_heads_kind_status_score_id" in step for step in plan) == len(STILL_OPEN)
        assert not any(step == "SCAN heads" for step in plan)
