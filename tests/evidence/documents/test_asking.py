from __future__ import annotations

import pytest

from shipworthy.evidence.documents.asking import PROMPTS, answered, asked
from shipworthy.evidence.documents.datasheet import datasheet
from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.fields import FIELDS
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.markdown import to_markdown
from shipworthy.evidence.documents.model_card import model_card
from shipworthy.evidence.documents.shapes import SHAPES, used_in

from .conftest import NOW

MARK = {name: f"Said of {name.replace('_', ' ')} by a person." for name in FIELDS}


@pytest.fixture
def papers(compas):
    """What a run's folder has before anybody answered."""
    plan = compas.plan.model_copy(
        update={"system": compas.plan.system.model_copy(update={"owner": "", "purpose": ""})}, deep=True
    )
    object.__setattr__(compas, "plan", plan)
    return {"model card": model_card(compas), "datasheet": datasheet(compas)}


def test_one_answer_fills_every_document_that_asks_for_it(files, papers):
    results, plan, environment = files
    bare = plan.model_copy(update={"system": plan.system.model_copy(update={"owner": "", "purpose": ""})})
    filled = fill(results, bare, environment, MARK, {}, now=NOW)
    texts = {kind: to_markdown(document(shape, filled)) for kind, shape in SHAPES.items()}
    for field, places in used_in().items():
        for kind, _ in places:
            if not (SHAPES[kind].most and len(places) > 1):  # a short document may say where it stands
                assert MARK[field] in texts[kind], (field, kind)
    own = {name: answered(text, filled.entries, "personal") for name, text in papers.items()}
    for field in PROMPTS:
        assert any(asked(field) in text for text in papers.values()), field
        for name, text in papers.items():
            assert asked(field) not in own[name]
            assert text.count(asked(field)) == own[name].count(MARK[field])


def test_what_an_audience_may_not_read_is_withheld_in_sight(files, papers):
    filled = fill(*files, MARK, {}, now=NOW)
    text = answered(papers["model card"], filled.entries, "public")
    assert MARK["use.users"] in text
    assert MARK["oversight.measures"] not in text
    assert "- Human oversight: ▒ Withheld: of class internal" in text


def test_what_nobody_answered_stays_asked_for(files, papers):
    filled = fill(*files, {"use.excluded": {"text": "*No* <b>loans</b>."}, "metrics.why": "TODO"}, {}, now=NOW)
    text = answered(papers["model card"], filled.entries, "personal")
    assert r"- Out of scope: \*No\* &lt;b&gt;loans&lt;/b&gt;." in text
    assert asked("metrics.why") in text
    forged = "\\[Missing: who works with its output\\]"
    assert answered(forged, fill(*files, MARK, {}, now=NOW).entries, "personal").startswith(forged)
