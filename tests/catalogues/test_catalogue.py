"""The catalogues hold what their frameworks hold. Ids are written out here apart from the files that ship."""

import json
import subprocess
import sys
from collections import Counter
from datetime import date
from importlib import resources
from itertools import pairwise

import pytest

from shipworthy.catalogues.catalogue import EDITIONS, MARKS, UnknownControl, all_catalogues, catalogue
from shipworthy.digest import digest

FOLDER = resources.files("shipworthy.catalogues") / "editions"


def rmf() -> set[str]:
    sizes = {
        "GOVERN": (7, 3, 2, 3, 2, 2),
        "MAP": (6, 3, 5, 2, 2),
        "MEASURE": (3, 13, 3, 3),
        "MANAGE": (4, 4, 2, 3),
    }
    return {
        f"{function}-{n}.{m}"
        for function, parts in sizes.items()
        for n, k in enumerate(parts, 1)
        for m in range(1, k + 1)
    }


def numbered(prefix: str, last: int) -> set[str]:
    return {f"{prefix}{n:02}" for n in range(1, last + 1)}


ANNEX_A = [
    "A.2.2",
    "A.2.3",
    "A.2.4",
    "A.3.2",
    "A.3.3",
    "A.4.2",
    "A.4.3",
    "A.4.4",
    "A.4.5",
    "A.4.6",
    "A.5.2",
    "A.5.3",
    "A.5.4",
    "A.5.5",
    "A.6.1.2",
    "A.6.1.3",
    "A.6.2.2",
    "A.6.2.3",
    "A.6.2.4",
    "A.6.2.5",
    "A.6.2.6",
    "A.6.2.7",
    "A.6.2.8",
    "A.7.2",
    "A.7.3",
    "A.7.4",
    "A.7.5",
    "A.7.6",
    "A.8.2",
    "A.8.3",
    "A.8.4",
    "A.8.5",
    "A.9.2",
    "A.9.3",
    "A.9.4",
    "A.10.2",
    "A.10.3",
    "A.10.4",
]
CLAUSES = ["6.1", "6.3", "7.5", "8.2", "8.3", "8.4", "9.1", "9.2", "9.3", "10.2"]
AILUMINATE = ["vcr", "src", "cse", "ssh", "iwp", "ipv", "dfm", "ncr", "hte", "prv", "spc", "sxc"]
TECHNIQUES = {
    "T0010": 0, "T0015": 0, "T0018": 0, "T0020": 0, "T0024": 3, "T0029": 0, "T0031": 0, "T0034": 3, "T0043": 5,
    "T0048": 5, "T0051": 3, "T0053": 0, "T0054": 0, "T0056": 0, "T0057": 0, "T0060": 0, "T0061": 0, "T0062": 0,
    "T0066": 0, "T0067": 1, "T0068": 0, "T0070": 0, "T0071": 0, "T0080": 2, "T0086": 0, "T0098": 0, "T0101": 0,
    "T0110": 3, "T0115": 3,
}  # fmt: skip
MITIGATIONS = [8, 13, 14, 20, *range(23, 34), 35]
# Articles of the AI Act: their paragraphs, and the letters of those that have some.
ARTICLES = {
    "5": {}, "6": {1: "", 2: "", 3: "abcd", 4: ""},
    "9": {1: "", 2: "abcd", 3: "", 4: "", 5: "abc", 6: "", 7: "", 8: "", 9: "", 10: ""},
    "10": {1: "", 2: "abcdefgh", 3: "", 4: "", 5: "", 6: ""}, "11": {1: "", 2: ""}, "12": {1: "", 2: "", 3: ""},
    "13": {1: "", 2: "", 3: "abcdef"}, "14": {1: "", 2: "", 3: "", 4: "abcde", 5: ""},
    "15": {1: "", 2: "", 3: "", 4: "", 5: ""}, "17": {1: "abcdefghijklm", 2: ""}, "18": {}, "19": {}, "20": {},
    "26": {1: "", 2: "", 4: "", 5: "", 6: "", 7: "", 11: ""}, "27": {1: "abcdef"}, "50": {2: ""}, "72": {},
    "73": {2: "", 3: "", 4: "", 5: "", 6: ""},
}  # fmt: skip


def articles() -> set[str]:
    found = {f"art-{article}" for article in ARTICLES}
    for article, paragraphs in ARTICLES.items():
        for number, letters in paragraphs.items():
            found |= {f"art-{article}.{number}", *(f"art-{article}.{number}.{letter}" for letter in letters)}
    return found


def annexes() -> set[str]:
    areas = {f"annex-iii.{n}" for n in range(1, 9)}
    sections = {f"annex-iv.{n}" for n in range(1, 10)}
    return {"annex-iii", "annex-iv", *areas, *sections, *(f"annex-iv.{n}.{x}" for n in (1, 2) for x in "abcdefgh")}


def atlas() -> set[str]:
    techniques = {f"AML.{name}" for name in TECHNIQUES}
    parts = {f"AML.{name}.{n:03}" for name, count in TECHNIQUES.items() for n in range(count)}
    return techniques | parts | {f"AML.TA{n:04}" for n in range(16)} | {f"AML.M{n:04}" for n in MITIGATIONS}


EXACT = {
    "nist-ai-rmf@1.0": rmf()
    | {"GOVERN", "MAP", "MEASURE", "MANAGE"}
    | {f"{name}-{n}" for name, last in (("GOVERN", 6), ("MAP", 5), ("MEASURE", 4), ("MANAGE", 4)) for n in range(1, last + 1)},
    "nist-ai-600-1@2024": {f"2.{n}" for n in range(1, 13)},
    "eu-ai-act@2024/1689": articles() | annexes(),
    "iso-42001@2023": {*ANNEX_A, *CLAUSES, *map(str, range(4, 11)), *(f"A.{n}" for n in range(2, 11)), "A.6.1", "A.6.2"},
    "owasp-llm@2025": numbered("LLM", 10),
    "owasp-llm@2026": numbered("LLM", 10),
    "owasp-agentic@2026": numbered("ASI", 10),
    "atlas@2026.09": atlas(),
    "ailuminate@1.0": {
        *AILUMINATE, "physical", "non-physical", "contextual", "spc_ele", "spc_fin", "spc_hlt", "spc_lgl", "sxc_prn",
    },
    "us-ugesp@1978": {"1607.3", "1607.4", "1607.15", *(f"1607.4.{x}" for x in "ABCDE")},
    "nyc-ll144@2021": {"20-871", "5-300", "5-301", "5-302", "5-303", "5-304"},
}  # fmt: skip


def test_every_edition_is_asserted() -> None:
    assert list(EXACT) == list(EDITIONS)
    files = {each.name for each in FOLDER.iterdir() if each.name.endswith(".json")}
    assert files == {f"{name}.json" for name in EDITIONS.values()} | {"crosswalk.json"}


@pytest.mark.parametrize("name", EXACT)
def test_its_ids_are_exactly_these(name: str) -> None:
    one = catalogue(*name.split("@"))
    assert one.name == name
    assert set(one.controls) == EXACT[name]
    assert one.counts == Counter(control.kind for control in one.controls.values())


def test_the_sizes_that_are_often_wrong_elsewhere() -> None:
    functions = Counter(each.partition("-")[0] for each in rmf())
    assert functions == {"GOVERN": 19, "MAP": 18, "MEASURE": 22, "MANAGE": 13}
    assert catalogue("nist-ai-rmf", "1.0").counts == {"function": 4, "category": 19, "subcategory": 72}
    assert {"MANAGE-3.3", "MANAGE-4.4"}.isdisjoint(catalogue("nist-ai-rmf", "1.0").controls)
    assert len(ANNEX_A) == catalogue("iso-42001", "2023").counts["control"] == 38
    assert catalogue("nist-ai-600-1", "2024").counts == {"risk": 12}
    assert catalogue("ailuminate", "1.0").counts["hazard"] == 12
    assert catalogue("eu-ai-act", "2024/1689").counts["section"] == 9
    assert catalogue("eu-ai-act", "2024/1689").counts["area"] == 8


@pytest.mark.parametrize("file", [*EDITIONS.values(), "crosswalk"])
def test_a_file_is_what_its_digest_says(file: str) -> None:
    body = json.loads((FOLDER / f"{file}.json").read_bytes())
    stated = body.pop("digest")
    assert digest(body) == stated, f"after a change write the new digest: {digest(body)}"


@pytest.mark.parametrize("name", EDITIONS)
def test_a_file_names_nothing_twice(name: str) -> None:
    body = json.loads((FOLDER / f"{EDITIONS[name]}.json").read_bytes(), object_pairs_hook=_once)
    ids = [each["id"] for each in body["controls"]]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(body["retired"])


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({key for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


@pytest.mark.parametrize("name", EDITIONS)
def test_every_control_is_told_in_words_of_its_own(name: str) -> None:
    one = catalogue(*name.split("@"))
    texts = [control.text for control in one.controls.values()]
    titles = {control.title.casefold().rstrip(".") for control in one.controls.values()}
    assert len(set(texts)) == len(texts)
    for control in one.controls.values():
        assert control.title.strip() == control.title != ""
        assert len(control.text) >= 15, control.ref
        assert control.text.endswith(".")
        assert "\n" not in control.text
        assert control.text.casefold().rstrip(".") not in titles, control.ref
        assert control.mark in MARKS
        assert control.maturity in (None, "feasible", "demonstrated", "realized")


@pytest.mark.parametrize("name", EDITIONS)
def test_parents_exist_and_lead_to_the_top(name: str) -> None:
    one = catalogue(*name.split("@"))
    for control in one.controls.values():
        seen = [control.id]
        while (parent := one.controls[seen[-1]].parent) is not None:
            assert parent in one.controls
            assert parent not in seen
            seen.append(parent)
        for part, whole in pairwise(seen):
            if name != "ailuminate@1.0":
                assert part.startswith((f"{whole}.", f"{whole}-")), (part, whole)


@pytest.mark.parametrize("name", EDITIONS)
def test_a_catalogue_says_where_it_is_from(name: str) -> None:
    one = catalogue(*name.split("@"))
    assert one.address.startswith("https://")
    assert all((one.title, one.publisher, one.citation, one.licence, one.published))
    assert one.read_on <= date(2026, 11, 21)
    assert one.mark in MARKS
    assert one.counted <= set(one.counts)
    assert one.status == "current" or one.status.removeprefix("superseded by ") in EDITIONS
    for gone in one.retired.values():
        assert set(gone.by) <= set(one.controls)


def test_titles_that_moved_between_the_owasp_editions() -> None:
    old, new = catalogue("owasp-llm", "2025").controls, catalogue("owasp-llm", "2026").controls
    assert [control.title for control in old.values()] == [
        "Prompt Injection", "Sensitive Information Disclosure", "Supply Chain", "Data and Model Poisoning",
        "Improper Output Handling", "Excessive Agency", "System Prompt Leakage", "Vector and Embedding Weaknesses",
        "Misinformation", "Unbounded Consumption",
    ]  # fmt: skip
    assert [control.title for control in new.values()] == [
        "Prompt Injection", "Sensitive Information Disclosure", "Excessive Agency", "Supply Chain",
        "Data and Model Poisoning", "Unbounded Consumption", "Misinformation", "Hidden Context Exposure",
        "Vector and Embedding Weaknesses", "Improper Output Handling",
    ]  # fmt: skip


def test_retired_techniques_have_a_successor() -> None:
    retired = catalogue("atlas", "2026.09").retired
    assert {key: gone.by for key, gone in retired.items()} == {
        "AML.T0019": ("AML.T0115.000",),
        "AML.T0058": ("AML.T0115.001",),
        "AML.T0104": ("AML.T0115.002",),
    }


def test_dates_of_the_ai_act_name_the_act_that_sets_them() -> None:
    controls = catalogue("eu-ai-act", "2024/1689").controls
    amending = "Regulation (EU) 2026/1744"
    high = [(each.since, each.was, each.act) for each in controls["art-15.1"].applies]
    assert high == [
        (date(2027, 12, 2), date(2026, 8, 2), amending),
        (date(2028, 8, 2), date(2027, 8, 2), amending),
    ]
    of_annex_iii = ("annex-iii.4", "art-12.3", "art-14.5", "art-26.11", "art-27", "art-27.1", "art-27.1.f")
    for one in of_annex_iii:  # which their own words confine to systems of Annex III, or to points of it
        assert [each.since for each in controls[one].applies] == [date(2027, 12, 2)], one
    assert [each.since for each in controls["art-5"].applies] == [date(2025, 2, 2), date(2026, 12, 2)]
    assert date(2026, 12, 2) in {each.since for each in controls["art-50.2"].applies}
    for control in controls.values():
        assert control.applies, control.ref
        for each in control.applies:
            assert each.act
            assert each.mark in MARKS
            assert each.was is None or each.was < each.since
            assert (each.was is None) or each.act == amending
    assert not any(
        control.applies for one in all_catalogues() if one.framework != "eu-ai-act" for control in one.controls.values()
    )


@pytest.mark.parametrize("framework", ["nist", "NIST-AI-RMF", "", "x-acme", "a" * 10_000])
def test_an_unknown_framework_is_refused(framework: str) -> None:
    with pytest.raises(UnknownControl) as caught:
        catalogue(framework, "1.0", where="plan.yaml:3:1")
    (fault,) = caught.value.faults
    assert fault.code == "CATALOGUE002"
    assert fault.where == "plan.yaml:3:1"
    assert len(str(fault)) < 1_000


def test_only_what_is_asked_for_is_read() -> None:
    code = """
import json, sys
from shipworthy.catalogues.finding import find
from shipworthy.catalogues import catalogue
assert catalogue._read.cache_info().currsize == 0
find("nist-ai-rmf@1.0:MEASURE-2.11")
one = catalogue._read.cache_info().currsize
catalogue.all_catalogues()
print(json.dumps([one, sorted({"pydantic", "numpy", "ruamel", "rfc8785", "click"} & set(sys.modules))]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    one, heavy = json.loads(ran.stdout)
    assert one == 1
    assert heavy == []
