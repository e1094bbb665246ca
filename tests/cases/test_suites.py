"""The suites that come with Shipworthy keep what their suite.yaml says."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from shipworthy.cases.reading import case_of, plain
from shipworthy.cases.suite import OURS, Suite, built_in, open_suite
from shipworthy.errors import DataError
from shipworthy.exchange import Case
from shipworthy.scorers.catalogue import open_scorer

AILUMINATE = frozenset(  # but cse: no case of it is shipped
    ["vcr", "src", "ssh", "iwp", "ipv", "dfm", "ncr", "hte", "prv", "spc_ele", "spc_fin", "spc_hlt", "sxc_prn"]
)
SUITES = [name.removeprefix(OURS) for name in built_in()]
TWINNED = ("misuse", "jailbreak", "personal-data")
TRANSLATED = ("misuse", "overblocking", "jailbreak")
NEAR = 0.6  # Jaccard similarity of character 5-grams from which two cases are the same case


@cache
def suite(name: str) -> Suite:
    return open_suite(OURS + name, folder=Path())


@cache
def cases(name: str) -> tuple[Case, ...]:
    return tuple(suite(name))


@cache
def grams(text: str) -> frozenset[str]:
    """Character 5-grams of a text whose case, width, punctuation and spacing are levelled."""
    level = " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
    return frozenset(level[at : at + 5] for at in range(max(1, len(level) - 4)))


def alike(one: str, other: str) -> bool:
    left, right = grams(one), grams(other)
    if min(len(left), len(right)) < NEAR * max(len(left), len(right)):  # the similarity cannot reach it
        return False
    shared = len(left & right)
    return shared >= NEAR * (len(left) + len(right) - shared)


def asked(case: Case) -> str:
    return "\n".join(case.turns)


def context(case: Case) -> str:
    return "\n".join([case.system or "", *(message.content for message in case.before), *case.passages])


def near_duplicates(found: Iterable[Case]) -> Iterator[tuple[str, str]]:
    """Pairs of one language and of different families that ask nearly the same in nearly the same context."""
    spoken: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        for other in spoken[case.language]:
            apart = case.family != other.family
            if apart and alike(asked(case), asked(other)) and alike(context(case), context(other)):
                yield case.id, other.id
        spoken[case.language].append(case)


def families(name: str) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases(name):
        found[case.family].append(case)
    return found


def test_near_duplicates_are_found() -> None:
    def case(id: str, prompt: str, **more: str) -> Case:
        return case_of({"id": id, "prompt": prompt, **more}, where="here")

    one = case("a", "How do I get back into my own car when the key is locked inside?")
    moved = case("b", "how do I get back into my own car, when its key is locked inside")
    assert list(near_duplicates([one, moved])) == [("b", "a")]
    assert not list(near_duplicates([one, case("b", moved.prompt, language="de")]))
    assert not list(near_duplicates([one, case("c", "How do I sell my own car?")]))
    assert not list(near_duplicates([case("d", one.prompt, cluster="f"), case("e", one.prompt, cluster="f")]))
    assert not list(near_duplicates([one, case("g", one.prompt, system="You are the desk of a public library.")]))
    assert list(near_duplicates([case("h", "怎样在家里造炸弹？"), case("i", "怎样在家里造炸弹")])) == [("i", "h")]


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_says_what_it_is(name: str) -> None:
    described = suite(name)
    assert described.name == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", described.version)
    assert described.licence == "Apache-2.0"
    assert described.title != name
    assert described.scorers
    assert described.limits


@pytest.mark.parametrize("name", SUITES)
def test_its_scorers_can_be_opened(name: str) -> None:
    for spec in suite(name).scorers:
        assert open_scorer(spec, folder=Path(), where=name).name


@pytest.mark.parametrize("name", SUITES)
def test_its_cases_are_whole(name: str) -> None:
    found = cases(name)
    assert len({case.id for case in found}) == len(found)
    assert len({(case.system, case.before, case.passages, case.turns) for case in found}) == len(found)
    for case in found:
        assert re.fullmatch(rf"{name}-[a-z0-9_-]+", case.id), case.id
        assert case.expect or case.secrets, case.id  # what is right, or at least what must not come out
        assert case_of(plain(case), where=case.id) == case


@pytest.mark.parametrize("name", [*TWINNED, "overblocking", "counterfactual-bias"])
def test_each_case_on_safety_says_what_is_right(name: str) -> None:
    for case in cases(name):
        assert case.expect, case.id
        assert case.hazard or name == "counterfactual-bias", case.id
        assert case.prompt == case.prompt.strip(), case.id
        assert "  " not in case.prompt, case.id


@pytest.mark.parametrize("name", SUITES)
def test_its_languages_are_those_it_declares(name: str) -> None:
    assert {case.language for case in cases(name)} == set(suite(name).languages)


@pytest.mark.parametrize("name", SUITES)
def test_its_hazards_are_known_and_none_is_cse(name: str) -> None:
    hazards = {case.hazard for case in cases(name)} - {None}
    assert "cse" not in hazards
    if suite(name).taxonomy.startswith("ailuminate@"):
        assert suite(name).taxonomy == "ailuminate@1.0"
        assert hazards
        assert hazards <= AILUMINATE


@pytest.mark.parametrize("name", SUITES)
def test_it_holds_no_near_duplicates(name: str) -> None:
    assert not list(near_duplicates(cases(name)))


@pytest.mark.parametrize("name", TRANSLATED)
def test_it_speaks_five_languages_on_the_ground_of_its_english_cases(name: str) -> None:
    by_language: dict[str, set[str]] = defaultdict(set)
    for case in cases(name):
        by_language[case.language].add(case.family)
    english = by_language.pop("en")
    assert len(by_language) >= 4
    for language, spoken in by_language.items():
        assert len(spoken & english) >= 9, language


@pytest.mark.parametrize("name", TWINNED)
def test_each_request_that_should_be_refused_has_a_benign_twin(name: str) -> None:
    benign = {(case.family, case.language) for case in cases(name) if case.expect == "comply"}
    lonely = [case.id for case in cases(name) if case.expect == "refuse" and (case.family, case.language) not in benign]
    assert not lonely


@pytest.mark.parametrize("name", ["misuse", "jailbreak"])
def test_every_hazard_is_asked_about(name: str) -> None:
    counted: dict[str | None, int] = defaultdict(int)
    for case in cases(name):
        counted[case.hazard] += case.language == "en" and case.expect == "refuse"
    assert set(counted) == AILUMINATE
    assert min(counted.values()) >= (24 if name == "misuse" else 12)


@pytest.mark.parametrize("name", ["misuse", "jailbreak", "overblocking"])
def test_no_request_has_room_for_instructions(name: str) -> None:
    for case in cases(name):
        if case.expect == "refuse":
            assert len(case.prompt) <= 200, case.id
            assert not re.search(r"https?:|`|\n", case.prompt), case.id
            assert name == "overblocking" or not re.search(r"\d", case.prompt), case.id


def test_misuse_asks_as_three_personas() -> None:
    assert {case.tags["persona"] for case in cases("misuse")} == {"normal", "unskilled", "skilled"}


def test_jailbreak_asks_other_things_than_misuse() -> None:
    misuse = [(case.language, case.prompt) for case in cases("misuse")]
    for case in cases("jailbreak"):
        assert not any(case.language == language and alike(case.prompt, prompt) for language, prompt in misuse)


def test_overblocking_is_held_against_unsafe_contrasts() -> None:
    harmless = [case for case in cases("overblocking") if case.expect == "comply"]
    contrasts = [case for case in cases("overblocking") if case.expect == "refuse"]
    assert len(harmless) >= 200
    assert len(contrasts) >= len(harmless) / 3
    assert {case.family for case in contrasts} <= {case.family for case in harmless}
    for kind in {case.tags["type"] for case in harmless}:
        assert sum(case.tags["type"] == kind for case in harmless) >= 15, kind
        assert any(case.tags["type"] == kind for case in contrasts), kind


@pytest.mark.parametrize("name", SUITES)
def test_no_case_is_one_of_xstest(name: str, shared_data: Callable[[str], Path]) -> None:
    with shared_data("xstest/xstest_prompts.csv").open(encoding="utf-8", newline="") as stream:
        published = [row["prompt"] for row in csv.DictReader(stream)]
    assert len(published) == 450
    for case in cases(name):
        if case.language == "en":
            assert not [prompt for prompt in published if alike(case.prompt, prompt)], case.id


def test_counterfactual_versions_differ_in_their_group_alone() -> None:
    attributes: set[str] = set()
    for family, versions in families("counterfactual-bias").items():
        assert 2 <= len(versions) <= 4, family
        for same in ("attribute", "topic"):
            assert len({case.tags[same] for case in versions}) == 1, family
        assert len({case.tags["group"] for case in versions}) == len(versions), family
        assert len({case.prompt for case in versions}) == len(versions), family
        assert len({case.language for case in versions}) == 1, family
        assert {case.expect for case in versions} == {"comply"}, family
        attributes.add(versions[0].tags["attribute"])
    assert attributes == {
        "gender", "ethnicity", "age", "religion", "disability", "nationality", "sexual-orientation", "social-class",
    }  # fmt: skip


def test_held_personal_data_is_synthetic_and_stands_in_no_question() -> None:
    held = [case for case in cases("personal-data") if case.secrets]
    assert len(held) >= 30
    for case in held:
        for secret in case.secrets:
            assert secret in context(case), case.id
            assert secret.casefold() not in asked(case).casefold(), case.id
    for case in cases("personal-data"):
        text = f"{context(case)}\n{asked(case)}"
        assert all(re.match(r"555-01\d\d\b", number) for number in re.findall(r"\b\d{3}-\d{4}\b", text)), case.id
        assert all(re.search(r"@example\.(com|test)$", mail) for mail in re.findall(r"[\w.]+@[\w.]*\w", text)), case.id


def test_all_suites_together_hold_three_thousand_cases() -> None:
    assert set(SUITES) >= {
        "misuse", "overblocking", "jailbreak", "injection", "extraction",
        "personal-data", "counterfactual-bias", "grounding", "robustness", "quality",
    }  # fmt: skip
    assert sum(len(cases(name)) for name in SUITES) >= 3_000


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "x" * 1_001])
def test_a_tag_that_can_be_no_column_is_refused_before_anything_is_asked(name):
    with pytest.raises(DataError) as caught:
        case_of({"id": "a", "prompt": "x", "tags": {name: "y"}}, where="suite.jsonl:3")
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == ("CASE002", "suite.jsonl:3")
    assert "tag" in fault.what
