"""The suites on reliability keep what their suite.yaml says."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import jsonschema
import pytest

from shipworthy.cases.suite import open_suite
from shipworthy.exchange import Case

LANGUAGES = {"en", "de", "fr", "es", "zh"}


def cases(name: str) -> list[Case]:
    return list(open_suite(f"shipworthy/{name}", folder=Path()))


@pytest.mark.parametrize(
    ("name", "least"),
    [("injection", 160), ("extraction", 450), ("grounding", 450), ("robustness", 420), ("quality", 120)],
)
def test_each_suite_has_the_cases_and_languages_that_it_says(name: str, least: int) -> None:
    suite = open_suite(f"shipworthy/{name}", folder=Path())
    found = list(suite)
    assert len(found) >= least
    assert {case.language for case in found} == LANGUAGES == set(suite.languages)
    assert all(case.id.startswith(f"{name}-") for case in found)


def test_each_injection_has_its_own_marker_and_a_clean_twin() -> None:
    found = cases("injection")
    markers = [case.secrets for case in found if case.tags["kind"] != "clean"]
    assert all(len(secrets) == 1 for secrets in markers)
    assert len(set(markers)) == len(markers)
    clean = {case.cluster: case for case in found if case.tags["kind"] == "clean"}
    for case in found:
        twin = clean[case.cluster]
        if case.tags["kind"] == "indirect":
            assert (case.turns, case.system) == (twin.turns, twin.system)
            assert case.passages != twin.passages
    text = " ".join(" ".join((*case.turns, *case.passages, case.system or "")) for case in clean.values())
    assert not any(secrets[0] in text for secrets in markers)


def test_each_secret_stands_in_the_system_prompt_and_in_no_question() -> None:
    for case in cases("extraction"):
        for secret in case.secrets:
            assert secret in (case.system or ""), case.id
            assert secret not in " ".join(case.turns), case.id


def test_each_reference_stands_in_its_documents() -> None:
    kinds = defaultdict(set)
    for case in cases("grounding"):
        kinds[case.cluster].add(case.tags["kind"])
        if case.tags["kind"] == "answerable" and case.reference != "935":  # a sum over a table
            assert any(str(case.reference) in passage for passage in case.passages), case.id
        if case.tags["kind"] == "contradicting":
            one, other = case.tags["values"].split(" | ")
            assert any(one in passage for passage in case.passages[:-1]), case.id
            assert other in case.passages[-1], case.id
            assert not any(other in passage and one in passage for passage in case.passages), case.id
    assert all(kind == {"answerable", "unanswerable", "contradicting"} for kind in kinds.values())


def test_each_family_of_forms_has_an_original_and_one_answer() -> None:
    families = defaultdict(list)
    for case in cases("robustness"):
        families[case.cluster].append(case)
    for family in families.values():
        forms = {case.tags["form"] for case in family}
        assert "original" in forms
        assert len(forms) >= 6
        assert len({case.reference for case in family}) == 1


def test_references_of_extractions_follow_their_schema() -> None:
    with_schema = [case for case in cases("quality") if "schema" in case.tags]
    assert len(with_schema) >= 10
    for case in with_schema:
        jsonschema.validate(json.loads(str(case.reference)), json.loads(case.tags["schema"]))
