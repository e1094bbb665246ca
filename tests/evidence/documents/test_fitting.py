from __future__ import annotations

import copy
import json
import re
from dataclasses import replace

import pytest

from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.fitting import fitted
from shipworthy.evidence.documents.html import to_html
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.documents.markdown import to_markdown
from shipworthy.evidence.documents.pdf import to_pdf
from shipworthy.evidence.documents.shapes import LAUNCH_MEMO, SHAPES

from .conftest import NOW, RECORD, STANDS
from .test_pdf import needs_weasyprint, pages

LONG = "We weighed what this costs and whom, and came to no simple end. " * 60
CASES = {
    "nothing": {},
    "prose": dict.fromkeys(("risk.residual", "decision.options", "decision.taken"), LONG),
    "lines": dict.fromkeys(("risk.residual", "decision.options", "decision.taken"), "One line.\n" * 80),
    "wide": dict.fromkeys(("risk.residual", "decision.options", "decision.taken"), "判断は人が行う。" * 300),
}


def many(files, breached=14, met=30):
    """The files of a run with many requirements: breached blockers first, then what is met."""
    results, plan, environment = copy.deepcopy(files)
    fair, acc = (next(r for r in plan.requirements if r.id == name) for name in ("FAIR-1", "ACC-1"))
    requirements = [
        *(fair.model_copy(update={"id": f"BAD-{i}", "text": "A long promise. " * 20}) for i in range(breached)),
        *(acc.model_copy(update={"id": f"GOOD-{i}"}) for i in range(met)),
    ]
    told = {v["requirement"]: v for v in results["verdicts"]}
    results["verdicts"] = [
        {**told["FAIR-1" if r.id.startswith("BAD") else "ACC-1"], "requirement": r.id} for r in requirements
    ]
    return results, plan.model_copy(update={"requirements": tuple(requirements)}), environment


MUCH = {**RECORD, "risk": RECORD["risk"] * 30}
SIGNED = replace(STANDS, given=tuple(replace(STANDS.given[0], role=f"role {i}") for i in range(6)), missing=("legal",))


def test_every_field_of_a_short_document_stands_whole_in_a_long_one():
    short = {field for shape in SHAPES.values() if shape.most for s in shape.sections for field in s.fields}
    long = {field for shape in SHAPES.values() if not shape.most for s in shape.sections for field in s.fields}
    assert short
    assert short <= long
    assert set(LAUNCH_MEMO.weightiest) == {field for s in LAUNCH_MEMO.sections for field in s.fields}


@pytest.mark.parametrize("answers", ["prose", "lines", "wide"])
def test_an_answer_stands_whole_in_json_and_where_the_memo_says(files, answers):
    filled = fill(*files, CASES[answers], {}, now=NOW)
    memo = document(LAUNCH_MEMO, filled)
    for entry in memo.entries:
        if entry.field.id in CASES[answers]:
            told = json.loads(to_json(memo.as_json()))
            field = next(f for s in told["sections"] for f in s["fields"] if f["id"] == entry.field.id)
            assert "\n".join(field["content"]) == "\n".join(b.text for b in filled.entries[entry.field.id].content)
            shown = next(e for c in fitted(memo) for e in c.entries if e.field.id == entry.field.id)
            kind, number = re.search(r"In full: ([\w-]+), ([\w.]+)\.$", shown.content[-1].text).groups()
            where = next(s for s in SHAPES[kind].sections if s.number == number)
            assert entry.field.id in where.fields


def test_what_fits_is_shown_whole(filled):
    memo = document(LAUNCH_MEMO, filled)
    assert "Not shown here" not in to_markdown(memo)
    assert fitted(memo) == memo.chapters


def test_no_signature_and_no_blocker_is_hidden_and_the_rest_is_counted(files):
    text = to_markdown(document(LAUNCH_MEMO, fill(*many(files), CASES["prose"], MUCH, now=NOW, stands=SIGNED)))
    unsigned = to_markdown(document(LAUNCH_MEMO, fill(*many(files), CASES["prose"], {}, now=NOW)))
    assert all(f"| The decision | role {i} | reject" in text for i in range(6))
    assert "| The decision | legal | not signed |" in text
    assert "| The decision | those whom tier high requires to sign | not signed |" in unsigned
    for memo in (text, unsigned):
        assert "14 of 44 requirements breached" in memo
        assert all(f"BAD-{i}" in memo for i in range(14))
        shown = len(re.findall(r"^\| BAD-", memo, re.MULTILINE))
        assert shown >= 3
        left = f"{44 - shown} further requirements: " + (f"{14 - shown} breached, " if shown < 14 else "") + "30 met"
        assert left in memo
        assert "In full: impact-assessment-nist, MANAGE." in memo


@needs_weasyprint
@pytest.mark.slow
@pytest.mark.parametrize("answers", CASES)
@pytest.mark.parametrize("known", [({}, None), (MUCH, SIGNED)], ids=["bare", "full"])
@pytest.mark.parametrize("most", [0, 14, 40])
def test_a_memo_is_one_page(files, answers, known, most):
    given, (record, stands) = many(files, breached=most) if most else files, known
    made = document(LAUNCH_MEMO, fill(*given, CASES[answers], record, now=NOW, stands=stands))
    made = replace(made, headline=made.headline + ", and more of it than a line of a heading can hold in print")
    assert pages(to_pdf(to_html(made), digest=made.digest)) == 1
