from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from shipworthy.digest import digest
from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.fields import FIELDS
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.html import to_html
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.documents.markdown import to_markdown
from shipworthy.evidence.documents.shapes import SHAPES
from shipworthy.evidence.markdown import count_missing
from shipworthy.present.sentences import BOUND

from .conftest import NOW

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31mred\x1b[0m \u202egnp.exe \u2066x\u2069 [a](javascript:alert(3)) "
    "![i](http://evil.example/x.png) | `x` **b** &lt;b&gt; {{ 7*7 }} {% raw %} \"' onload='x' -->]]></style> \u05e9\u05dc\u05d5\u05dd \x00\x07\n---\n# h\n- l\n"
    "[Missing: pretend] ```\n" + "n" * 300 + "\U000e0041\u200b"
)  # fmt: skip
TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "p",
        "h1",
        "h2",
        "h3",
        "dl",
        "div",
        "dt",
        "dd",
        "span",
        "main",
        "section",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "bdi",
        "code",
        "footer",
        "svg",
        "circle",
        "path",
    ]
)


def hostile_record():
    h = HOSTILE
    rating = {"likelihood": 3, "severity": 3, "basis": h}
    return {
        "risk": [{"title": h, "cause": h, "harm": h, "affected": [h], "inherent": rating, "residual": rating, "owner": h, "status": h}],
        "waiver": [{"requirement": "X-1", "reason": h, "control": h, "starts": "2026-01-01", "ends": "2026-12-31", "status": "approved", "approvers": [h], "scope": {}}],
        "sign-off": [{"role": h, "signer": h, "verdict": h, "conditions": [h]}],
        "mitigation": [{"title": h, "what": h, "status": h, "risks": [h]}],
        "incident": [{"title": h, "severity": h, "detected": h}],
        "version": [{"version": h, "status": h, "notes": h}],
        "decision": [{"version": h[:180], "outcome": h, "automated": h, "reason": h}],
    }  # fmt: skip


@pytest.fixture
def attacked(hostile):
    answer = HOSTILE.replace("[Missing: pretend]", "")  # which would count as placeholder text
    answers = {name: {"text": answer, "by": HOSTILE, "at": HOSTILE} for name in FIELDS}
    answers["system.pictures"] = {"not_applicable": answer}
    results = json.loads(json.dumps(hostile.as_json()))
    return fill(results, hostile.plan, hostile.environment, answers, hostile_record(), now=NOW)


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.inside = tag

    def handle_data(self, data):
        if self.inside != "style":
            self.text.append(data)


def test_html_holds_only_our_tags_whatever_comes_in(attacked, shape):
    page = Page(to_html(document(shape, attacked)))
    assert set(page.tags) <= TAGS
    assert page.tags.count("style") == page.tags.count("title") == 1
    assert not [a for a in page.attributes if a[1].startswith("on") or a[1] in ("src", "href", "style")]
    assert not set("".join(page.text)) & set("\x00\x07\x1b\u202e\u2066\u2069\u200b\U000e0041")
    assert "alert(1)" in "".join(page.text)  # shown, as text
    assert "49" not in re.findall(r"\{\{ (\d+)", "".join(page.text))


def test_markdown_holds_only_our_markup_whatever_comes_in(attacked, shape):
    text = to_markdown(document(shape, attacked))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    flat = [*tokens, *(child for token in tokens for child in token.children or ())]
    assert not [
        t
        for t in flat
        if t.type in ("html_inline", "html_block", "link_open", "image", "code_inline", "fence", "hr", "code_block")
    ]
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert len(headings) == 1 + len(shape.sections)
    assert not set(text) & set("\x00\x07\x1b\u202e\u2066\u2069\u200b\r\U000e0041")


def test_json_is_inert_whatever_comes_in(attacked, shape):
    text = to_json(document(shape, attacked).as_json())
    assert text.isascii()
    assert not set(text) & set("<>&\x00\x1b")
    json.loads(text)
    for code in ("\\u202e", "\\u001b", "\\u0000", "\\u200b"):
        assert code not in text


def test_hostile_answers_add_nothing_to_what_is_missing(attacked, shape):
    made = document(shape, attacked)
    assert count_missing(to_markdown(made)) == made.completeness.counts["missing"] == 0


def test_missing_fields_are_asked_for_and_counted_in_every_rendering(made):
    counts = made.completeness.counts
    assert counts["missing"] > 0
    text, page = to_markdown(made), Page(to_html(made))
    placed = [entry for chapter in made.chapters for entry in chapter.entries if entry.state == "missing"]
    assert count_missing(text) == len(placed) == page.text.count("Missing")
    for entry in placed:
        assert entry.field.question in text
        assert entry.field.question in " ".join(page.text)
    found = json.loads(to_json(made.as_json()))
    states = {field["id"]: field["state"] for section in found["sections"] for field in section["fields"]}
    assert (
        sum(state == "missing" for state in states.values())
        == counts["missing"]
        == found["completeness"]["fields"]["missing"]
    )
    assert f"{counts['missing']} missing" in text


def test_three_renderings_carry_one_digest(made):
    assert made.digest == digest(json.loads(to_json(made.as_json())))
    assert made.digest in to_markdown(made)
    assert made.digest in to_html(made)


def test_renderings_say_the_same(made):
    shown = " ".join(Page(to_html(made)).text)
    text = re.sub(r"\\(.)", r"\1", to_markdown(made)).replace("&#64;", "@").replace("&#58;", ":")
    for chapter in made.chapters:
        assert chapter.section.title in shown
        assert chapter.section.title in text
        for entry in chapter.entries:
            for block in entry.content:
                pieces = (
                    getattr(block, "items", None)
                    or [c for row in getattr(block, "rows", ()) for c in row]
                    or [block.text]
                )
                for piece in pieces:
                    assert piece in shown
                    assert piece in text


def test_same_input_gives_the_same_bytes(files, shape):
    one, other = (document(shape, fill(*files, {}, {}, now=NOW)) for _ in range(2))
    for render in (to_html, to_markdown, lambda d: to_json(d.as_json())):
        assert render(one) == render(other)


def test_tables_in_markdown_have_one_width(made):
    for block in re.findall(r"(?:^\|.*\n)+", to_markdown(made), re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_the_memo_says_decision_why_risk_options_and_who_accepts(filled):
    text = to_markdown(document(SHAPES["launch-memo"], filled))
    assert [line[5:] for line in text.splitlines() if line.startswith("## ")] == [
        "Decision",
        "Why",
        "Residual risk",
        "Options",
        "Who must accept what",
    ]
    assert "HOLD: 1 of 2 requirements breached" in text
    assert (
        "| FAIR-1 breached, blocker | credit-risk&#64;example.org | open: waiver W1 came after the decision |" in text
    )
    assert "| The decision | model risk | reject (2026-11-21) |" in text
    assert "| Risk: Women are approved less often | another person than its owner | open |" in text


@pytest.mark.parametrize("run", ["compas", "huge", "answers", "variants", "empty", "hostile_answers"])
def test_every_kind_of_run_fits_every_document(run, shape, request):
    run = request.getfixturevalue(run)
    made = document(shape, fill(run.as_json(), run.plan, run.environment, {}, {}, now=NOW))
    assert count_missing(to_markdown(made)) == sum(e.state == "missing" for c in made.chapters for e in c.entries)
    assert len(to_html(made)) < 400_000
    json.loads(to_json(made.as_json()))


def test_attacks_are_shown_where_answers_were_evaluated(answers):
    filled = fill(answers.as_json(), answers.plan, answers.environment, {}, {}, now=NOW)
    assert filled.entries["tests.red_team"].state == "known"
    assert filled.entries["safeguards.effect"].state == "known"


def test_the_limit_that_decides_stands_beside_every_verdict_with_an_interval(filled, run_folder):
    """The two-sided interval may cross the bound of a requirement that is met: what decides is one-sided."""
    (limit,) = next(v.limits for v in filled.known.run.verdicts if v.requirement.id == "ACC-1")
    said = f"at least 60 % (one-sided 95 % limit: {100 * limit:.1f} %)"
    (breach,) = next(v.limits for v in filled.known.run.verdicts if v.requirement.id == "FAIR-1")
    beyond = f"at most 5 points (limit that breaches: +{100 * breach:.1f} points)"
    texts = [to_markdown(document(shape, filled)) for shape in SHAPES.values()]
    texts += [(run_folder / name).read_text() for name in ("model_card.md", "memo.md", "summary.md")]
    shown = [text for text in texts if "● met" in text]
    assert len(shown) == 7
    assert all(said in text and beyond in text and BOUND in text for text in shown)
    assert re.sub(r"<[^>]+>", "", (run_folder / "report.html").read_text()).count(said[9:]) >= 1
