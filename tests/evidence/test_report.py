from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from shipworthy.evidence.report import MOST_ROWS, SHOWN_ROWS, render_report

VOID = {"meta", "br", "col"}
SVG_VOID = {"line", "circle", "path", "rect", "polygon", "polyline"}


class Page(HTMLParser):
    """Collects what a browser would see, and fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


RUNS = ["compas", "hostile", "empty", "variants", "huge", "answers", "hostile_answers"]


@pytest.fixture(params=RUNS)
def page(request) -> Page:
    return Page(render_report(request.getfixturevalue(request.param)))


def test_no_page_runs_or_loads_anything(page):
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "footer",
        "nav",
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "a",
        "dl",
        "dt",
        "dd",
        "div",
        "span",
        "ul",
        "li",
        "table",
        "caption",
        "colgroup",
        "col",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "br",
        "bdi",
        "code",
        "pre",
        "details",
        "summary",
        "figure",
        "figcaption",
        "strong",
        "svg",
        "g",
        "text",
    } | SVG_VOID
    assert {tag for tag, _ in page.tags} <= allowed
    for _, attributes in page.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc", "formaction")
        ]
        assert (attributes.get("href") or "#").startswith("#")


def test_content_security_policy_allows_only_its_own_style(compas):
    text = render_report(compas)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy[1].replace("&#43;", "+").replace("&#39;", "'")
    assert "unsafe" not in policy[1]
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_every_link_leads_somewhere_once(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(attributes["href"])[1:] for _, attributes in page.tags if "href" in attributes]
    assert set(links) <= set(ids)


def test_ten_seconds_decision_comes_first(compas):
    text = Page(render_report(compas)).text
    assert text.index("HOLD : 2 of 6 requirements breached") < text.index("FAIR-2")
    assert "locked first, 2026-11-20 16:00 UTC" in text
    assert "recidivism-screening , version 2016.1" in text


def test_one_minute_requirements_worst_first_with_what_next(compas):
    text = Page(render_report(compas)).text
    table = text[text.index("Estimate against the bound") : text.index("Content digest")]
    order = [table.index(name) for name in ("FAIR-2", "PERF-2", "FAIR-3", "CAL-1", "FAIR-1", "PERF-1")]
    assert order == sorted(order)
    assert "the gap is about 250 per 1,000 negative cases too wide" in table
    assert "about 2,300 more cases" in table


def test_ten_minutes_every_slice_with_its_n_and_interval(compas):
    text = Page(render_report(compas)).text
    for row in (
        "African-American 1,795",
        "Caucasian 1,488",
        "Hispanic 405",
        "Native American 8",
        "Other 244",
        "Asian 23",
    ):
        assert row in text
    assert "44.8 % (42.6 to 47.2)" in text
    assert "African-American − Caucasian 3,283" in text
    assert "Spread between the slices beyond chance (standard deviation): 11.8 points (8.3 to 21.2)" in text
    assert "too few: needs" in text
    for section in (
        "Calibration",
        "Data checks and exclusions",
        "What is not known",
        "Methods and sources",
        "How to repeat",
    ):
        assert section in text
    assert "unknown: fewer than 10 negatives" in text
    assert "Wilson (1927)" in text
    assert "Tango" not in text  # a method that was not used


def test_an_hour_command_digests_environment(compas):
    text = Page(render_report(compas)).text
    for fact in (compas.command, compas.plan_digest, compas.inputs[0].digest, "2.3.1", "estimates.parquet", "Seed"):
        assert fact in text


def test_every_drawn_estimate_has_a_text_twin(compas):
    page = Page(render_report(compas))
    labels = [str(a["aria-label"]) for tag, a in page.tags if tag == "svg" and a.get("class") == "bar"]
    assert len(labels) > 40
    for label in labels:
        said = label.rpartition("; ")[0] or label
        assert said.partition(": ")[2].split("; ")[0] in page.text


def test_changes_are_sorted_and_only_those_beyond_noise_are_loud(variants):
    text = Page(render_report(variants)).text
    changes = text[text.index("What changed since") : text.index("Content digest")]
    order = [changes.index(name) for name in ("−4.1 points", "+2.0 points", "+0.6 points", "+0.004")]
    assert order == sorted(order)
    assert changes.count("within noise") == 2
    assert "worse" in changes
    assert "minor: it is reported and stops no release" in text


def test_hostile_strings_are_text(hostile):
    html = render_report(hostile)
    page = Page(html)
    assert "<script" not in html
    assert "<script>alert(1)</script>" in page.text
    assert not set(html) & set("\x1b\u202e\u0000")


def test_an_empty_run_tells_the_next_step(empty):
    text = Page(render_report(empty)).text
    assert "UNDECIDED : the plan requires nothing" in text
    assert "Add a requirement to the plan" in text


def test_size_is_bounded_and_what_is_left_out_is_counted(huge):
    html = render_report(huge)
    page = Page(html)
    assert len(html) < 700_000
    assert f"{MOST_ROWS - SHOWN_ROWS} more of 2,000" in page.text
    assert f"{2000 - MOST_ROWS:,} further rows are in the run's table of estimates" in page.text
    bars = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("class") == "bar"]
    assert len(bars) < 500


def test_reports_are_deterministic(compas):
    assert render_report(compas) == render_report(compas)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_colours_reach_contrast_aa_in_both_themes_against_theory(compas):
    style = render_report(compas)
    light, dark = (
        dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", block))
        for block in re.findall(r":root\{([^}]*--paper[^}]*--none[^}]*)\}", style)[:2]
    )
    for theme in (light, dark):
        paper = luminance(theme["paper"])
        for name in ("ink", "quiet", "met", "breached", "undecided", "waived", "none"):
            ink = luminance(theme[name])
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, name
