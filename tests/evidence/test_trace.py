"""The map of a system, and every gap on it; from small sets of facts made by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date
from itertools import pairwise

import pytest

from shipworthy.api.tracing import picture
from shipworthy.evidence.controls import ROWS, controls
from shipworthy.evidence.trace import Facts, Found, Promise, Signature, lines, trace
from shipworthy.gates.tiers import TIERS
from shipworthy.record.documents import Mitigation, Rating, Risk, Scope, Waiver

TODAY = date(2026, 6, 15)
RUN, AFTER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
ANN, BEA = "person:" + "1" * 64, "person:" + "2" * 64
ALL = frozenset(ROWS["critical"])
HOSTILE = "<script>alert(1)</script>]]>\x1b[31m\u202e\"'&"


def facts(**more):
    given = {
        "system": "assistant", "version": "1", "tier": "limited", "today": TODAY,
        "promises": (Promise(id="LEAK", severity="blocker", evaluation="plain"),),
        "found": {"LEAK": Found(run=RUN, name="one", verdict="met")}, "risks": (), "mitigations": (), "waivers": (),
        "runs": {RUN: "one", AFTER: "two"}, "signatures": (Signature(role="product", said="Ann", counts=True),),
        "controls": controls("limited", ALL, {}),
    }  # fmt: skip
    return Facts(**{**given, **more})


def breached(**more):
    return facts(found={"LEAK": Found(run=RUN, name="one", verdict="breached")}, **more)


def risk(name="R-1", **more):
    given = {
        "system": "assistant", "title": "t", "cause": "c", "harm": "h", "requirements": ("LEAK",), "owner": "team",
        "inherent": Rating(likelihood=3, severity=4, basis="judged"), "treatment": "transfer",
    }  # fmt: skip
    return Risk(id=name, **{**given, **more})


def mitigation(**more):
    given = {"system": "assistant", "title": "t", "what": "w", "risks": ("R-1",)}
    return Mitigation(id="M-1", **{**given, **more})


def waiver(**more):
    given = {
        "system": "assistant", "tier": "high", "requirement": "LEAK", "reason": "r", "control": "c", "requester": ANN,
        "approvers": (BEA,), "starts": date(2026, 6, 1), "ends": date(2026, 7, 1), "status": "approved",
    }  # fmt: skip
    return Waiver(id="W-1", **{**given, **more})


def codes(given):
    return [(one.code, one.where) for one in trace(given).gaps]


def test_a_closed_path_has_no_gap():
    verified = mitigation(status="verified", verification=AFTER)
    given = facts(risks=(risk(treatment="mitigate"),), mitigations=(verified,))
    found = trace(given)
    assert found.gaps == ()
    assert list(lines(found)) == [
        "LEAK (blocker) → plain → run one → met → R-1 (12 open) → M-1 (verified) → verified by run two"
    ]
    assert (f"run: {RUN}", "verdict: LEAK") in found.edges
    assert ("verdict: LEAK", "sign-off: product") in found.edges


@pytest.mark.parametrize(
    ("given", "gaps"),
    [
        (facts(promises=(Promise(id="LEAK"),)), [("TRACE001", "LEAK")]),
        (facts(found={}), [("TRACE002", "LEAK")]),
        (breached(), [("TRACE003", "LEAK")]),
        (breached(risks=(risk(),)), []),
        (breached(risks=(risk(requirements=("OTHER",)),)), [("TRACE003", "LEAK")]),
        (breached(risks=(risk(status="closed", residual=risk().inherent),)), [("TRACE003", "LEAK")]),
        (breached(waivers=(waiver(),)), []),
        (breached(waivers=(waiver(ends=date(2026, 6, 14)),)), [("TRACE003", "LEAK")]),
        (breached(waivers=(waiver(scope=Scope(version="2")),)), [("TRACE003", "LEAK")]),
        (facts(risks=(risk(owner=""),)), [("TRACE004", "R-1")]),
        (facts(risks=(risk(treatment=None),)), [("TRACE005", "R-1")]),
        (facts(risks=(risk(treatment="mitigate"),)), [("TRACE006", "R-1")]),
        (
            facts(risks=(risk(treatment="mitigate"),), mitigations=(mitigation(status="abandoned"),)),
            [("TRACE006", "R-1")],
        ),
        (facts(risks=(risk(),), mitigations=(mitigation(),)), [("TRACE007", "M-1")]),
        (facts(mitigations=(mitigation(status="verified", verification="sha256:" + "c" * 64),)), [("TRACE007", "M-1")]),
        (facts(signatures=(Signature(role="product", said="", counts=False),)), [("TRACE008", "product")]),
        (facts(signatures=(Signature(role="product", said="stale (Ann)", counts=False),)), [("TRACE008", "product")]),
    ],
)
def test_every_gap_is_found_and_no_other(given, gaps):
    assert codes(given) == gaps


def test_a_waiver_that_the_run_counted_and_that_was_withdrawn_since_covers_nothing():
    held = Found(run=RUN, name="one", verdict="breached", waiver="W-1", waiver_ends=date(2026, 7, 1))
    assert codes(facts(found={"LEAK": held}, waivers=(waiver(),))) == []
    assert codes(facts(found={"LEAK": held})) == [("TRACE003", "LEAK")]


def test_a_risk_of_two_requirements_is_one_node_and_one_gap():
    both = (Promise(id="LEAK", evaluation="plain"), Promise(id="ACC", evaluation="plain"))
    held = {name: Found(run=RUN, name="one", verdict="breached") for name in ("LEAK", "ACC")}
    given = facts(
        promises=both, found=held, risks=(risk(owner="", treatment="mitigate", requirements=("LEAK", "ACC")),)
    )
    found = trace(given)
    assert [one.code for one in found.gaps] == ["TRACE004", "TRACE006"]
    assert sum(one.kind == "risk" for one in found.nodes) == 1
    assert [line.endswith("✗ no mitigation") for line in lines(found)] == [True, True]


def test_what_no_requirement_tests_stands_on_the_map_too():
    found = trace(facts(risks=(risk(requirements=()),), mitigations=(mitigation(risks=()),)))
    assert list(lines(found))[1:] == [
        "(no requirement) → R-1 (12 open)", "(no requirement) → M-1 (proposed) → ✗ not verified",
    ]  # fmt: skip


def test_controls_are_covered_by_rows_and_by_requirements_that_are_met():
    one, other = "nist-ai-rmf@1.0:MEASURE-2.10", "x-acme@1:D-3"
    full = controls("limited", ALL, {one: "met", other: "breached"})
    assert (one in full.covered, full.missing) == (True, {other})
    assert controls("limited", ALL, {other: "waived"}).waived == {other}
    empty = controls("limited", (), {})
    assert (empty.covered, len(empty.missing)) == (frozenset(), empty.required)
    gaps = trace(facts(controls=controls("limited", ALL - {"gate"}, {other: "missing"}))).gaps
    assert [(gap.code, gap.where) for gap in gaps] == [("TRACE009", "gate"), ("TRACE009", other)]
    # A row's evidence does not outweigh a requirement of the plan that fails for the same control.
    both = next(iter(full.covered - {one}))
    assert both in controls("limited", ALL, {both: "breached"}).missing


def test_a_higher_tier_asks_for_more_properties():
    asked = [controls(tier, (), {}).missing for tier in TIERS]
    assert all(low < high for low, high in pairwise(asked))


def test_the_picture_is_xml_with_gaps_in_shape_and_word_and_hostile_text_inert():
    given = facts(
        system=HOSTILE, promises=(Promise(id=HOSTILE, evaluation=HOSTILE), Promise(id="ACC", evaluation="plain")),
        found={HOSTILE: Found(run=RUN, name=HOSTILE, verdict="breached")},
    )  # fmt: skip
    drawn = picture(trace(given))
    root = ET.fromstring(drawn)
    names = [one.tag.rpartition("}")[2] for one in root.iter()]
    assert "script" not in names
    assert "\x1b" not in drawn
    assert "style=" not in drawn
    gaps = [one for one in root.iter() if one.get("class") == "gap"]
    assert len(gaps) == len(trace(given).gaps) == 2
    for gap in gaps:
        assert any(one.get("class") == "cross" for one in gap)
        assert gap[0].text.startswith("missing:")
    assert {"never run", "no risk, no waiver"} <= {one.text for one in root.iter() if one.get("class") == "state"}


def test_boxes_of_a_column_do_not_overlap():
    promises = tuple(Promise(id=f"Q{i}", evaluation=f"e{i % 3}") for i in range(12))
    found = {one.id: Found(run=RUN, name="one", verdict="met") for one in promises}
    root = ET.fromstring(picture(trace(facts(promises=promises, found=found))))
    moves = [one.get("transform") for one in root if one.tag.endswith("g")]
    places = [tuple(map(int, move.removeprefix("translate(").removesuffix(")").split(","))) for move in moves]
    assert len(places) == 12 + 3 + 1 + 12 + 1
    for x, y in places:
        assert not [other for other in places if other[0] == x and 0 < abs(other[1] - y) < 40]
    assert len(set(places)) == len(places)
