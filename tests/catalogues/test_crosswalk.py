"""The crosswalk: every end exists, what it names of ours exists, and rows are those of the table it was made from."""

import json
from importlib import resources

import pytest

from shipworthy.cases.suite import built_in, open_suite
from shipworthy.catalogues.catalogue import EDITIONS, MARKS, UnknownControl, all_catalogues, catalogue
from shipworthy.catalogues.coverage import coverage, units
from shipworthy.catalogues.crosswalk import crosswalk, evidence_for, topics
from shipworthy.catalogues.finding import find
from shipworthy.metrics.catalogue import lookup
from shipworthy.scorers.catalogue import kinds

OWASP = {1: 1, 2: 2, 3: 4, 4: 5, 5: 10, 6: 3, 7: 8, 8: 9, 9: 7, 10: 6}


def test_every_end_exists_and_what_is_ours_exists() -> None:
    suites = set(built_in())
    for topic in topics():
        assert topic.kind in ("evaluation", "process")
        assert len(set(topic.controls)) == len(topic.controls), topic.id
        for ref in topic.controls:
            assert find(ref).ref == ref
        assert set(topic.whole) <= set(EDITIONS)
        for metric in topic.metrics:
            assert lookup(metric)
        assert set(topic.suites) <= suites
        assert set(topic.scorers) <= set(kinds())
    assert len({topic.id for topic in topics()}) == len(topics()) == 15


def test_links_lead_back() -> None:
    for one in all_catalogues():
        for control in one.controls.values():
            for link in crosswalk(control.ref):
                assert link.mark in MARKS
                assert link.to != control.ref
                back = [each for each in crosswalk(link.to) if each.to == control.ref]
                assert len(back) == 1, (control.ref, link.to)
                assert back[0].through == link.through


def test_the_owasp_editions_correspond() -> None:
    for old, new in OWASP.items():
        first = crosswalk(f"owasp-llm@2025:LLM{old:02}")[0]
        assert first.to == f"owasp-llm@2026:LLM{new:02}"
        assert first.relation == ("widened into" if old == 7 else "continues as")
        back = crosswalk(first.to)[0]
        assert back.to == f"owasp-llm@2025:LLM{old:02}"
        assert back.relation == ("narrower in" if old == 7 else "continues")


def test_both_owasp_editions_share_their_evidence() -> None:
    for old, new in OWASP.items():
        assert evidence_for(f"owasp-llm@2025:LLM{old:02}") == evidence_for(f"owasp-llm@2026:LLM{new:02}")


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (
            "fairness",
            "nist-ai-rmf@1.0:MEASURE-2.11 nist-ai-rmf@1.0:MAP-5.1 nist-ai-600-1@2024:2.6 eu-ai-act@2024/1689:art-10.2.f "
            "eu-ai-act@2024/1689:art-10.2.g eu-ai-act@2024/1689:art-13.3.b iso-42001@2023:A.5.4 iso-42001@2023:A.7.4 "
            "ailuminate@1.0:hte us-ugesp@1978:1607.4.D nyc-ll144@2021:5-301",
        ),
        (
            "supply-chain",
            "nist-ai-rmf@1.0:GOVERN-6.1 nist-ai-rmf@1.0:MAP-4.1 nist-ai-rmf@1.0:MAP-4.2 nist-ai-rmf@1.0:MANAGE-3.1 "
            "nist-ai-rmf@1.0:MANAGE-3.2 nist-ai-600-1@2024:2.10 nist-ai-600-1@2024:2.12 eu-ai-act@2024/1689:art-11 "
            "eu-ai-act@2024/1689:annex-iv.2.a iso-42001@2023:A.10.2 iso-42001@2023:A.10.3 owasp-llm@2025:LLM03 "
            "owasp-llm@2026:LLM04 atlas@2026.09:AML.T0010 atlas@2026.09:AML.T0115.001 ailuminate@1.0:ipv "
            "owasp-agentic@2026:ASI04",
        ),
        (
            "audit-trail",
            "nist-ai-rmf@1.0:GOVERN-1.4 nist-ai-rmf@1.0:MEASURE-2.8 eu-ai-act@2024/1689:art-12 "
            "eu-ai-act@2024/1689:art-17.1.k eu-ai-act@2024/1689:art-19 iso-42001@2023:A.6.2.8 atlas@2026.09:AML.M0024",
        ),
        (
            "incidents",
            "nist-ai-rmf@1.0:MANAGE-2.3 nist-ai-rmf@1.0:MANAGE-4.3 nist-ai-rmf@1.0:GOVERN-4.3 eu-ai-act@2024/1689:art-20 "
            "eu-ai-act@2024/1689:art-73 iso-42001@2023:A.8.4 iso-42001@2023:10.2",
        ),
    ],
)
def test_rows_are_those_of_the_table(topic: str, expected: str) -> None:
    (found,) = [each for each in topics() if each.id == topic]
    assert set(found.controls) == set(expected.split())


def test_what_was_added_to_the_table_is_told_apart() -> None:
    body = json.loads((resources.files("shipworthy.catalogues") / "editions" / "crosswalk.json").read_bytes())
    left_out = ("us-ugesp@", "nyc-ll144@", "owasp-agentic@")
    for topic in body["topics"]:
        assert all(ref.startswith(left_out) for ref in topic["ours"])
        assert not any(ref.startswith(left_out) for ref in topic["controls"])


def test_evidence_for_a_control_comes_nearest_first() -> None:
    def found(ref: str) -> list[str]:
        return [topic.id for topic in evidence_for(ref)]

    assert found("nist-ai-rmf@1.0:MEASURE-2.10") == ["privacy"]
    assert found("eu-ai-act@2024/1689:art-14.4.e") == ["oversight"]  # by its article
    assert found("atlas@2026.09:AML.T0051.001") == ["security"]
    assert found("nist-ai-600-1@2024:2.4")[:2] == ["privacy", "intake"]
    assert found("nist-ai-rmf@1.0:MEASURE-2.12") == []  # we say nothing about the environment
    assert found("ailuminate@1.0:spc_hlt") == ["grounding"]
    with pytest.raises(UnknownControl):
        evidence_for("LLM03")


def test_suites_name_hazards_and_taxonomies_that_exist(tmp_path) -> None:
    known = catalogue("ailuminate", "1.0").controls
    seen = set()
    for name in built_in():
        suite = open_suite(name, folder=tmp_path)
        assert not suite.taxonomy or suite.taxonomy in EDITIONS, name
        seen |= {case.hazard for case in suite if case.hazard}
    assert seen <= set(known)
    assert {known[hazard].kind for hazard in seen} == {"hazard", "sub-hazard"}
    whole = {known[hazard].parent if known[hazard].kind == "sub-hazard" else hazard for hazard in seen}
    hazards = {control.id for control in known.values() if control.kind == "hazard"}
    assert hazards - whole == {"cse"}  # no case on it is shipped, as the suites say


def test_coverage_counts_each_control_once() -> None:
    ref = "nist-ai-rmf@1.0:MEASURE-2.11"
    found = {each.catalogue: each for each in coverage([ref, ref, "nist-ai-rmf@1.0:MEASURE", "x-acme@1:A-3"])}
    nist = found["nist-ai-rmf@1.0"]
    assert (nist.covered, nist.total, len(nist.missing)) == (("MEASURE-2.11",), 72, 71)
    assert nist.beside == ("MEASURE",)
    assert (found["x-acme@1"].covered, found["x-acme@1"].total) == (("A-3",), None)
    assert list(found) == [*EDITIONS, "x-acme@1"]
    with pytest.raises(UnknownControl):
        coverage([ref, "nist-ai-rmf@1.0:MEASURE-9.9"])


def test_coverage_is_part_by_part() -> None:
    points = [f"eu-ai-act@2024/1689:art-10.2.{letter}" for letter in "abcdefgh"]
    found = {each.catalogue: each for each in coverage([*points, "eu-ai-act@2024/1689:art-10"])}["eu-ai-act@2024/1689"]
    assert len(found.covered) == 8
    assert found.beside == ("art-10",)
    assert not {"art-10", "art-10.2", "annex-iii.1", "annex-iv.1"} & set(found.missing)
    assert {"art-10.3", "annex-iv.1.a", "annex-iv.9", "art-18"} <= set(found.missing)


def test_everything_with_evidence_is_everything_covered() -> None:
    for one in all_catalogues():
        (found,) = [each for each in coverage(c.ref for c in one.controls.values()) if each.catalogue == one.name]
        assert found.covered == units(one)
        assert found.missing == ()
        assert found.total == len(found.covered)
        assert set(found.covered) | set(found.beside) == set(one.controls)
    sizes = {one.name: len(units(one)) for one in all_catalogues()}
    assert sizes["nist-ai-rmf@1.0"] == 72
    assert sizes["iso-42001@2023"] == 38
    assert sizes["nist-ai-600-1@2024"] == 12
    assert sizes["ailuminate@1.0"] == 10 + 4 + 1
