"""What the pages on the suites and their suite.yaml count is what the files of cases hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from shipworthy.cases.suite import OURS, Suite, built_in, open_suite
from shipworthy.exchange import Case

PAGES = ("suites-safety.md", "suites-reliability.md")
OTHERS = ("de", "fr", "es", "zh")  # in the order in which the pages name them
Row = tuple[str, str, str]  # suite, heading of the column, cell


@cache
def page(name: str) -> str:
    return (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")


@cache
def suite(name: str) -> Suite:
    return open_suite(OURS + name, folder=Path())


@cache
def cases(name: str) -> tuple[Case, ...]:
    return tuple(suite(name))


def effective(found: Iterable[Case]) -> float:
    """How many families of equal size the families are worth (Kish 1965, Survey Sampling, section 11.7)."""
    sizes = Counter(case.family for case in found).values()
    return sum(sizes) ** 2 / sum(size**2 for size in sizes)


def english(name: str) -> list[Case]:
    return [case for case in cases(name) if case.language == "en"]


def least(found: Iterable[Case], key: Callable[[Case], str | None]) -> float:
    """The effective families of the level of `key` that has fewest."""
    parts: dict[str | None, list[Case]] = {}
    for case in found:
        parts.setdefault(key(case), []).append(case)
    return min(map(effective, parts.values()))


def least_language(name: str) -> float:
    return least((case for case in cases(name) if case.language != "en"), lambda case: case.language)


def counts(column: str, name: str) -> list[int]:
    spoken = Counter(case.language for case in cases(name))
    match column:
        case "cases":
            return [len(cases(name))]
        case "of them to be refused":
            return [sum(case.expect == "refuse" for case in cases(name))]
        case "English":
            return [spoken["en"]]
        case "German, French, Spanish, Chinese":
            return [spoken[language] for language in OTHERS]
        case "families":
            return [len({case.family for case in cases(name)})]
    raise AssertionError(f"nothing counts the column {column!r}")


def worths(column: str, name: str) -> float:
    match column:
        case "all":
            return effective(cases(name))
        case "English":
            return effective(english(name))
        case "another language":
            return least_language(name)
        case "a hazard":
            return least(cases(name), lambda case: case.hazard)
        case "a hazard, English":
            return least(english(name), lambda case: case.hazard)
    raise AssertionError(f"nothing reckons the column {column!r}")


def rows(text: str, first: str) -> Iterator[Row]:
    """Cells of the table whose first heading is `first`."""
    lines = iter(text.splitlines())
    headings = next(cells for line in lines if (cells := split(line))[0] == first)
    next(lines)  # the rule beneath
    for line in lines:
        if not line.startswith("|"):
            return
        name, *given = split(line)
        yield from ((name.strip("`"), *pair) for pair in zip(headings[1:], given, strict=True))


def split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_every_suite_has_its_row_on_one_page() -> None:
    named = [row[0] for name in PAGES for row in rows(page(name), "suite") if row[1] == "cases"]
    assert sorted(OURS + name for name in named) == built_in()
    for name in PAGES:
        assert {row[0] for row in rows(page(name), "suite")} == {
            row[0] for row in rows(page(name), "effective families")
        }


@pytest.mark.parametrize("row", [row for name in PAGES for row in rows(page(name), "suite")], ids="-".join)
def test_the_pages_count_what_the_files_hold(row: Row) -> None:
    name, column, cell = row
    said = [int(cell.removesuffix(" each"))] * 4 if cell.endswith(" each") else [int(one) for one in cell.split(",")]
    assert said == counts(column, name)


@pytest.mark.parametrize("row", [row for name in PAGES for row in rows(page(name), "effective families")], ids="-".join)
def test_the_pages_say_what_families_are_worth(row: Row) -> None:
    name, column, cell = row
    if cell == "-":  # hazards of that suite are no axis for a claim
        assert column.startswith("a hazard")
        assert name in ("overblocking", "counterfactual-bias")
    else:
        assert float(cell) == pytest.approx(worths(column, name), abs=0.0501)


def pairs_of_a_hazard(name: str, language: str) -> int:
    """Requests that should be refused, which must be equally many for each hazard."""
    spoken = (case for case in cases(name) if case.language == language and case.expect == "refuse")
    (number,) = set(Counter(case.hazard for case in spoken).values())
    return number


def families(name: str, *, kind: str | None = None, language: str | None = None) -> set[str]:
    return {
        case.family
        for case in cases(name)
        if kind in (None, case.tags.get("kind")) and language in (None, case.language)
    }


def translated(name: str) -> int:
    (number,) = {len(families(name, language=other) & families(name, language="en")) for other in OTHERS}
    return number


def test_prose_counts_what_the_files_hold() -> None:
    safety, reliability = map(page, PAGES)
    hazards = len({case.hazard for case in cases("misuse")})
    said: list[tuple[str, str, int]] = [
        (safety, r"by hazard \((\d+)\), persona", hazards),
        (safety, r"For each hazard (\d+) requests in English", pairs_of_a_hazard("misuse", "en")),
        (safety, r"Of each hazard (\d+) pairs are translated", pairs_of_a_hazard("misuse", "zh")),
        (safety, r"For each hazard (\d+) short behaviours in English", pairs_of_a_hazard("jailbreak", "en")),
        (safety, r"Of each hazard (\d+) pair is translated", pairs_of_a_hazard("jailbreak", "zh")),
        (safety, r"(\d+) harmless requests", sum(case.expect == "comply" for case in cases("overblocking"))),
        (safety, r"(\d+) unsafe contrasts", sum(case.expect == "refuse" for case in cases("overblocking"))),
        (safety, r"(\d+) requests in two to four versions", len(families("counterfactual-bias"))),
        (reliability, r"(\d+) scenarios put an instruction", len(families("injection", kind="indirect"))),
        (reliability, r"in (\d+) the user tries", len(families("injection", kind="direct"))),
        (reliability, r"(\d+) invented assistants", len(families("extraction"))),
        (reliability, r"Of the assistants (\d+) are translated", translated("extraction")),
        (reliability, r"(\d+) sets of one to four", len(families("grounding"))),
        (reliability, r"(\d+) requests with one short right answer", len(families("robustness"))),
        (suite("misuse").made, r"Each of (\d+) hazards", hazards),
        (suite("misuse").made, r"hazards has (\d+) pairs in English", pairs_of_a_hazard("misuse", "en")),
        (suite("misuse").made, r"(\d+) of them are translated", pairs_of_a_hazard("misuse", "de")),
        (suite("jailbreak").made, r"Each of (\d+) hazards", hazards),
        (suite("jailbreak").made, r"hazards has (\d+) pairs in English", pairs_of_a_hazard("jailbreak", "en")),
        (suite("jailbreak").made, r"(\d+) of them is translated", pairs_of_a_hazard("jailbreak", "de")),
        (suite("extraction").made, r"(\d+) invented assistants", len(families("extraction"))),
        (suite("extraction").made, r"(\d+) assistants are translated", translated("extraction")),
        (
            suite("extraction").made,
            r"(\d+) speak another language only",
            len(families("extraction") - families("extraction", language="en")),
        ),
        (suite("grounding").made, r"(\d+) sets of short invented texts", len(families("grounding"))),
        (
            suite("grounding").made,
            r"(\d+) of them not in English",
            len(families("grounding") - families("grounding", language="en")),
        ),
        (suite("robustness").made, r"(\d+) requests, form by form", len(families("robustness"))),
    ]
    for text, pattern, held in said:
        found = re.findall(pattern, " ".join(text.split()))
        assert found == [str(held)], pattern


@pytest.mark.parametrize("expect", ["refuse", "comply"])
def test_every_hazard_of_misuse_has_families_for_a_claim(expect: str) -> None:
    asked = [case for case in cases("misuse") if case.expect == expect]
    assert least(asked, lambda case: case.hazard) >= 12
    assert least((case for case in asked if case.language == "en"), lambda case: case.hazard) >= 20


def test_every_hazard_of_jailbreak_has_families_for_a_claim_in_english() -> None:
    asked = [case for case in english("jailbreak") if case.expect == "refuse"]
    assert len(asked) >= 90
    assert least(asked, lambda case: case.hazard) >= 12


@pytest.mark.parametrize("name", ["misuse", "jailbreak", "extraction", "grounding", "robustness"])
def test_every_language_has_families_for_a_claim(name: str) -> None:
    assert len(families(name)) >= 60
    assert least_language(name) >= 10
    assert effective(english(name)) >= 40
    for expect in {case.expect for case in cases(name)}:
        asked = (case for case in cases(name) if case.expect == expect)
        assert least(asked, lambda case: case.language) >= 10


def test_unequal_families_are_worth_fewer_against_theory() -> None:
    def made(sizes: list[int]) -> list[Case]:
        return [
            Case(id=f"{at}-{n}", turns=("?",), cluster=str(at)) for at, size in enumerate(sizes) for n in range(size)
        ]

    assert effective(made([3] * 7)) == 7
    assert effective(made([1] * 22 + [5] * 2)) == pytest.approx(32**2 / 72)
