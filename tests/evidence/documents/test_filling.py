from __future__ import annotations

import copy
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import Unusable
from shipworthy.evidence.documents.content import Table
from shipworthy.evidence.documents.fields import FIELDS
from shipworthy.evidence.documents.filling import fill, is_placeholder
from shipworthy.evidence.documents.standing import Stands

from .conftest import ANSWERS, NOW, RECORD


def said(filled, name):
    return str(filled.entries[name].content)


def test_a_machine_fills_in_what_the_run_says(bare):
    assert bare.entries["system.purpose"].state == "known"
    assert "Rank personal-loan applications" in said(bare, "system.purpose")
    assert "1,500" in said(bare, "data.evaluation")
    assert "▲ breached" in said(bare, "tests.results")
    assert "sex female" in said(bare, "tests.groups")
    assert "Do not ship this version" in said(bare, "decision.rule")


def test_what_no_machine_knows_is_missing_until_somebody_answers(bare, filled):
    assert bare.entries["use.excluded"].state == "missing"
    entry = filled.entries["use.excluded"]
    assert (entry.state, entry.by, entry.at) == ("answered", "anna@example.org", "2026-11-20")
    assert [block.text for block in filled.entries["impact.groups"].content] == [
        "Applicants.",
        "People who live with them.",
    ]


def test_a_record_that_was_not_looked_at_is_no_empty_record(bare, filled):
    assert bare.entries["risk.register"].state == "missing"
    assert bare.entries["risk.waivers"].state == "missing"
    assert bare.entries["limits.failures"].state == "missing"
    assert "No incident is on record." in said(filled, "limits.failures")


def test_attacks_do_not_apply_to_decisions(bare):
    entry = bare.entries["tests.red_team"]
    assert entry.state == "not applicable"
    assert entry.note


def test_completeness_is_weight_filled_over_weight_that_applies_against_theory(filled):
    filled_weight = applicable = 0
    for entry in filled.entries.values():
        if entry.state in ("known", "answered"):
            filled_weight += entry.field.weight
        if entry.state != "not applicable":
            applicable += entry.field.weight
    assert 0 < filled_weight < applicable < sum(field.weight for field in FIELDS.values())
    assert filled.completeness.score == filled_weight / applicable
    assert sum(filled.completeness.counts.values()) == len(FIELDS)


def test_each_answer_adds_its_weight_properties(files, bare):
    before = bare.completeness
    for name, entry in bare.entries.items():
        if entry.state == "missing":
            after = fill(*files, {name: "This was thought about."}, {}, now=NOW).completeness
            assert after.filled == before.filled + entry.field.weight
            assert after.applicable == before.applicable


def test_everything_answered_is_complete(files):
    answered = dict.fromkeys(FIELDS, "This was thought about.")
    assert fill(*files, answered, RECORD, now=NOW).completeness.score == 1


@pytest.mark.parametrize(
    "text",
    ["TODO", "todo: ask legal", "n.a.", "N/A", "n/a.", "TBD", "t.b.d.", "to be defined", "To be determined by legal",
     "Lorem ipsum dolor sit amet", "-", "...", "???", "x", "xxx", " \u200b ", "ＴＯＤＯ", "[insert name here]",
     "The provider is <insert>", "We use TODO and more", "not applicable", "placeholder", "FIXME"],
)  # fmt: skip
def test_placeholders_are_no_answers(files, text):
    if text == "x":  # one letter may be an answer, such as a grade
        assert not is_placeholder(text)
        return
    assert is_placeholder(text)
    entry = fill(*files, {"use.excluded": text}, {}, now=NOW).entries["use.excluded"]
    assert entry.state == "missing"
    assert entry.note


@pytest.mark.parametrize(
    "text",
    ["None.", "No third parties.", "Toda la plantilla", "All (todo el personal)", "Nadie; todo está documentado.",
     "Natural persons", "Two reviewers", "Tbilisi branch", "1", "申請者"],
)  # fmt: skip
def test_answers_that_look_like_placeholders_count(text):
    assert not is_placeholder(text)


def test_the_question_itself_is_no_answer(files):
    question = FIELDS["use.excluded"].question
    assert fill(*files, {"use.excluded": question}, {}, now=NOW).entries["use.excluded"].state == "missing"


@pytest.mark.parametrize(
    ("name", "reason", "state"),
    [
        ("system.pictures", "It is a service.", "not applicable"),
        ("system.pictures", "n/a", "missing"),
        ("use.excluded", "We have none.", "missing"),
    ],
)
def test_not_applicable_needs_leave_and_a_reason(files, name, reason, state):
    entry = fill(*files, {name: {"not_applicable": reason}}, {}, now=NOW).entries[name]
    assert entry.state == state
    assert entry.note


def test_a_person_adds_to_what_a_machine_knows_and_neither_is_dropped(files):
    entry = fill(*files, {"system.tier": "High, since it is about credit."}, {}, now=NOW).entries["system.tier"]
    assert entry.state == "known"
    assert "'high'" in str(entry.content)
    assert "since it is about credit" in str(entry.content)


def test_a_waiver_that_came_after_the_decision_is_no_leave_of_it(files):
    def verdict(record, days=0):
        entry = fill(*files, {}, record, now=NOW + timedelta(days=days)).entries["tests.results"]
        table = next(block for block in entry.content if isinstance(block, Table))
        return next(row[1] for row in table.rows if row[0].startswith("FAIR-1"))

    assert verdict(RECORD) == "▲ breached; a waiver came after the decision"
    assert verdict(RECORD, days=40) == "▲ breached; a waiver came after the decision"
    assert verdict(RECORD, days=41) == "▲ breached"
    assert verdict(RECORD, days=-21) == "▲ breached"
    for change in (
        {"status": "requested"},
        {"requirement": "ACC-1"},
        {"scope": {"version": "2026.10"}},
        {"scope": {"slice": {"sex": "female"}}},  # whether that is all that fails, results do not tell
        {"ends": "whenever"},
    ):
        other = {**RECORD, "waiver": [{**RECORD["waiver"][0], **change}]}
        assert verdict(other) == "▲ breached"


def test_a_risk_that_nobody_judged_anew_counts_as_grave_as_it_began(filled):
    points = filled.entries["decision.risks"].content[0].items
    assert points[0].startswith("Nobody questions the score")  # 12 unjudged comes before 10 left of 20
    assert "2 × 5 = 10, judged left of 4 × 5 = 20, measured" in points[1]


def test_a_privacy_class_can_be_raised_and_not_lowered(files):
    raised = fill(*files, {"use.excluded": {"text": "Weapons.", "privacy": "personal"}}, {}, now=NOW)
    lowered = fill(*files, {"security.measures": {"text": "Locks.", "privacy": "public"}}, {}, now=NOW)
    assert raised.entries["use.excluded"].privacy == "personal"
    assert lowered.entries["security.measures"].privacy == "restricted"


@pytest.mark.parametrize(
    ("answers", "where"),
    [
        ({"use.exclude": "x"}, "use.exclude"),
        ({"use.excluded": {"txt": "x"}}, "use.excluded"),
        ({"use.excluded": {"text": "x", "privacy": "secret"}}, "use.excluded"),
        ({"use.excluded": {"text": {"a": 1}}}, "use.excluded"),
        ({"use.excluded": {"text": "x", "not_applicable": "y"}}, "use.excluded"),
        ({"use.excluded": [{"a": 1}]}, "use.excluded"),
    ],
)
def test_fill_validates_input_answers(files, answers, where):
    with pytest.raises(Unusable) as caught:
        fill(*files, answers, {}, now=NOW)
    assert [(fault.code, fault.where) for fault in caught.value.faults] == [("DOC002", where)]


def test_all_wrong_answers_are_told_at_once_with_the_nearest_name(files):
    with pytest.raises(Unusable) as caught:
        fill(*files, {"use.exclude": "x", "system.purpos": "y"}, {}, now=NOW)
    assert ["use.excluded" in caught.value.faults[0].mend, "system.purpose" in caught.value.faults[1].mend] == [
        True
    ] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other@1"},
        {"decision": "launch"},
        {"created": "yesterday"},
        {"estimates": [{"value": 1}]},
        {"estimates": "none"},
        {"verdicts": [{"requirement": "UNKNOWN", "verdict": "met", "estimate": None}]},
        {"verdicts": [{"requirement": "ACC-1", "verdict": "fine", "estimate": None}]},
        {"verdicts": [{"verdict": "met"}]},
        {"inputs": [{"evaluation": "decisions"}]},
        {"system": {"name": "other", "version": "2026.11"}},
        {"system": None},
        {"run": 7},
    ],
)
def test_fill_validates_input_results(files, change):
    results, plan, environment = files
    with pytest.raises(Unusable) as caught:
        fill({**results, **change}, plan, environment, {}, {}, now=NOW)
    assert [fault.code for fault in caught.value.faults] == ["DOC003"]


@pytest.mark.parametrize(
    "key", ["run", "created", "system", "plan_digest", "decision", "verdicts", "estimates", "inputs"]
)
def test_results_with_a_part_missing_are_refused(files, key):
    results, plan, environment = copy.deepcopy(files)
    del results[key]
    with pytest.raises(Unusable, match="DOC003"):
        fill(results, plan, environment, {}, {}, now=NOW)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**30])
def test_numbers_that_json_does_not_keep_do_no_harm(files, value):
    from shipworthy.evidence.documents.document import document
    from shipworthy.evidence.documents.shapes import SHAPES

    results, plan, environment = copy.deepcopy(files)
    results["estimates"][0]["value"] = float(value)
    results["estimates"][0]["slice"] = {"sex": value}
    made = fill(results, plan, environment, {}, {}, now=NOW)
    assert document(SHAPES["system-card"], made).digest.startswith("sha256:")


record_text = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("title", "inherent", "residual", "status", "approvers", "requirement", "starts", "scope", "conditions", "owner")


@given(st.dictionaries(st.sampled_from(KEYS), record_text))
def test_whatever_the_record_holds_is_shown_or_left_out_properties(body):
    from shipworthy.evidence.documents.facts import FACTS
    from shipworthy.evidence.documents.known import Known, run_of
    from shipworthy.plan.models import Plan, System

    plan = Plan(system=System(name="s"))
    results = {
        "schema": "shipworthy/results@1", "run": "r", "created": NOW.isoformat(), "plan_digest": "d", "decision": "ship",
        "system": {"name": "s", "version": "unversioned"}, "verdicts": [], "estimates": [], "inputs": [], "excluded": [],
    }  # fmt: skip
    kinds = ("risk", "waiver", "sign-off", "mitigation", "incident", "version", "decision")
    known = Known(run=run_of(results, plan, {}), record={kind: [body] for kind in kinds}, now=NOW)
    for fact in FACTS.values():
        fact(known)


def test_answers_of_the_tests_are_used(filled):
    assert {name for name in ANSWERS if filled.entries[name].state != "missing"} == {*ANSWERS} - {"oversight.measures"}


def test_a_waiver_that_the_decision_counted_ends_in_sight(files):
    results, plan, environment = copy.deepcopy(files)
    waiver = {"id": "W", "starts": "2026-11-01", "ends": "2026-11-30", "reason": "r", "control": "c"}
    next(v for v in results["verdicts"] if v["requirement"] == "FAIR-1")["waiver"] = waiver
    results["decision"] = "ship"
    during = fill(results, plan, environment, {}, {}, now=NOW)
    after = fill(results, plan, environment, {}, {}, now=NOW + timedelta(days=10))
    assert "◇ waived until 2026-11-30; breached" in said(during, "decision.why")
    assert "while its waivers last. Not met, and waived: FAIR-1" in said(during, "decision.rule")
    assert "▲ breached; its waiver ended on 2026-11-30" in said(after, "decision.why")
    assert "The decision no longer stands" in said(after, "decision.rule")
    assert "FAIR-1 breached, blocker" in said(after, "decision.acceptance")
    assert "1 of 2 requirements waived" in during.known.run.headline
    assert "Ship under waiver: FAIR-1 stays unmet, by leave, until its waiver ends." in said(during, "decision.paths")
    gone = Stands(fit="stale", against=("waiver W was withdrawn",), ended={"W": "was withdrawn on 2026-11-20"})
    without = fill(results, plan, environment, {}, {}, now=NOW, stands=gone)
    assert "▲ breached; its waiver was withdrawn on 2026-11-20" in said(without, "decision.why")
    assert "open: its waiver was withdrawn on 2026-11-20" in said(without, "decision.acceptance")
    assert "waived until" not in str(without.entries)
    assert "First settle what speaks against it now: waiver W was withdrawn." in said(without, "decision.paths")
    results["verdicts"][0]["waiver"] = {"id": "W"}
    with pytest.raises(Unusable, match="DOC003"):
        fill(results, plan, environment, {}, {}, now=NOW)


def test_a_promise_that_ends_with_a_stop_gets_no_second_one(bare):
    assert "Approval rates are alike. " in said(bare, "impact.measured")
    assert ".." not in said(bare, "impact.measured")
