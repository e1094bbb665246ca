"""Waivers let a release pass for a while, hide nothing, and end by themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shipworthy.gates.rules import judge
from shipworthy.gates.verdicts import Decision, decide, decided
from shipworthy.gates.waivers import Waiver, terms_of, waive

TODAY = date(2026, 6, 15)
WAIVER = Waiver(
    id="W-1", requirement="R", starts=TODAY - timedelta(10), ends=TODAY + timedelta(10), reason="Old contract.",
    control="A person looks at every refusal.",
)  # fmt: skip


@pytest.fixture
def breached(build):
    """Group g1 is far above the bound, the others far below."""
    return judge(build.requirement(at_most=0.5), "rows", [build.rates([100, 900, 120], [1000] * 3)])


def waived(verdict, **changes):
    return waive([verdict], [replace(WAIVER, **changes)], version="2", today=TODAY)[0].waiver is not None


def test_a_waived_breach_stays_a_breach_and_stops_nothing(breached):
    assert decide([breached]) is Decision.HOLD
    (verdict,) = waive([breached], [WAIVER], version="2", today=TODAY)
    assert (verdict.outcome.value, verdict.standing) == ("breached", "waived")
    assert decide([verdict]) is Decision.SHIP
    assert verdict.as_json()["verdict"] == "breached"
    assert verdict.as_json()["waiver"] == {
        "id": "W-1", "starts": "2026-06-05", "ends": "2026-06-25", "reason": "Old contract.",
        "control": "A person looks at every refusal.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("days", "covered"), [(-11, False), (-10, True), (0, True), (10, True), (11, False), (400, False)]
)
def test_it_holds_from_its_first_day_to_its_last_and_then_reverts(breached, days, covered):
    (verdict,) = waive([breached], [WAIVER], version="2", today=TODAY + timedelta(days))
    assert (decide([verdict]) is Decision.SHIP) == covered


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({"requirement": "S"}, False), ({"version": "2"}, True), ({"version": "3"}, False),
        ({"evaluation": "rows"}, True), ({"evaluation": "other"}, False),
        ({"slice": {"group": "g1"}}, True), ({"slice": {"group": "g0"}}, False), ({"slice": {"sex": "g1"}}, False),
    ],
)  # fmt: skip
def test_it_covers_what_it_names_and_no_more(breached, changes, covered):
    assert waived(breached, **changes) == covered


def test_leave_for_one_slice_is_none_for_another_that_fails_beside_it(build):
    both = judge(build.requirement(at_most=0.5), "rows", [build.rates([900, 900, 120], [1000] * 3)])
    assert not waived(both, slice={"group": "g1"})
    unsure = judge(build.requirement(at_most=0.5), "rows", [build.rates([900, 500, 120], [1000] * 3)])
    assert not waived(unsure, slice={"group": "g0"})
    hidden = replace(both, pieces=both.pieces[:1], looked_at=3)
    assert not waived(hidden, slice=dict(both.pieces[0].estimate.slice))


def test_a_slice_covers_a_pair_that_it_is_a_side_of(build):
    gap = judge(
        build.requirement(compare="difference", at_most=0.1), "rows", [build.rates([900, 100, 110], [1000] * 3)]
    )
    assert waived(gap, slice={"group": "g0"})
    assert not waived(gap, slice={"group": "g2"})


def test_leave_for_the_reference_group_is_no_leave_for_the_groups_compared_with_it(build):
    against = {"compare": "difference", "at_most": 0.1, "reference": "g2"}
    gap = judge(
        build.requirement(**against), "rows", [build.rates([900, 100, 110], [1000] * 3)], reference={"group": "g2"}
    )
    assert not waived(gap, slice={"group": "g2"})
    assert waived(gap, slice={"group": "g0"})


@pytest.mark.parametrize(
    "change", [{"at_most": 0.4}, {"severity": "major"}, {"metric": "accuracy"}, {"across": None}, {"reference": "g0"}]
)
def test_it_is_leave_from_what_was_asked_for_and_not_from_what_takes_its_id(build, breached, change):
    assert waived(breached, terms=terms_of(build.requirement(at_most=0.5)))
    assert not waived(breached, terms=terms_of(build.requirement(**{"at_most": 0.5} | change)))


def test_a_decision_is_recomputed_from_what_results_state(build, breached):
    met = judge(build.requirement(at_most=0.9), "rows", [build.rates([100], [1000])])
    unsure = judge(build.requirement(at_most=0.5), "rows", [build.rates([5], [10])])
    minor = judge(build.requirement(at_most=0.5, severity="minor"), "rows", [build.rates([900], [1000])])
    waived_one = waive([breached], [WAIVER], version="2", today=TODAY)
    for verdicts in ([], [met], [minor], [met, minor], [unsure], [breached, unsure], waived_one, [*waived_one, unsure]):
        assert decided({"verdicts": [one.as_json() for one in verdicts]}) is decide(verdicts)
    assert decided({}) is decided({"verdicts": 3}) is decided({"verdicts": [None]}) is Decision.UNDECIDED


def test_the_longest_of_several_is_shown_and_a_met_one_gets_none(build, breached):
    met = judge(build.requirement(at_most=0.9), "rows", [build.rates([100], [1000])])
    longer = replace(WAIVER, id="W-2", ends=WAIVER.ends + timedelta(5))
    first, second = waive([breached, met], [WAIVER, longer], version="2", today=TODAY)
    assert first.waiver.id == "W-2"
    assert second.waiver is None


def test_an_undecided_requirement_can_be_waived_too(build):
    unsure = judge(build.requirement(at_most=0.5), "rows", [build.rates([5], [10])])
    assert decide([unsure]) is Decision.UNDECIDED
    assert decide(waive([unsure], [WAIVER], version="2", today=TODAY)) is Decision.SHIP
