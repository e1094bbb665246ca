from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from shipworthy.evidence.documents.datasheet import datasheet
from shipworthy.evidence.documents.memo import memo
from shipworthy.evidence.documents.model_card import model_card
from shipworthy.evidence.github import step_summary
from shipworthy.evidence.junit import junit
from shipworthy.evidence.limits import limits
from shipworthy.evidence.markdown import count_missing
from shipworthy.evidence.methods import used
from shipworthy.evidence.sarif import sarif
from shipworthy.gates.verdicts import Decision, Outcome, decide

RUNS = ["compas", "hostile", "empty", "variants", "huge", "answers", "hostile_answers"]
MARKDOWN = {"memo": memo, "model_card": model_card, "datasheet": datasheet, "summary": step_summary}


@pytest.fixture(params=RUNS)
def run(request):
    return request.getfixturevalue(request.param)


def body(text: str) -> str:
    return text.split("\n---\n", 1)[1] if text.startswith("---\n") else text


@pytest.mark.parametrize("document", MARKDOWN.values(), ids=MARKDOWN)
def test_markdown_holds_no_foreign_markup(document, run):
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body(document(run)))
    flat = [*tokens, *(child for token in tokens for child in token.children or ())]
    html = [t.content for t in flat if t.type in ("html_inline", "html_block")]
    assert all(re.sub(r"</?(details|summary)>|What is not known|\s", "", content) == "" for content in html)
    assert not [t for t in flat if t.type in ("link_open", "image", "code_inline", "fence", "code_block", "hr")]


@pytest.mark.parametrize("document", [*MARKDOWN.values(), junit], ids=[*MARKDOWN, "junit"])
def test_nothing_invisible_gets_into_a_document(document, run):
    assert not set(document(run)) & set("\x1b\u202e\x00\r")


@pytest.mark.parametrize("document", MARKDOWN.values(), ids=MARKDOWN)
def test_tables_have_one_width(document, run):
    rows = [line for line in body(document(run)).split("\n") if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    starts = [i for i, line in enumerate(rows) if set(line) <= set("|-: ")]
    ends = [*starts[1:], len(rows) + 1]
    for start, end in zip(starts, ends[: len(starts)], strict=True):
        assert len(set(widths[start - 1 : end - 1])) == 1


def test_memo_stays_one_page(run):
    assert len(memo(run).splitlines()) < 70


def test_memo_says_what_would_change_it(compas):
    text = memo(compas)
    assert text.startswith("# ▲ HOLD: 2 of 6 requirements breached")
    assert "Do not ship this version" in text
    assert "the gap is about 250 per 1,000 negative cases too wide" in text
    assert count_missing(text) == 3


def test_summary_stays_below_the_limit_of_the_host(huge):
    assert len(step_summary(huge).encode()) < 1_000_000


# Hugging Face


def test_model_card_is_read_by_hugging_face_against_reference(run, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(model_card(run), ignore_metadata_errors=False)
    wanted = [e for e in run.estimates if e.compare == "value" and e.value is not None and not e.slice]
    results = card.data.eval_results or []
    assert len(results) >= len(wanted) > 0 or not wanted
    assert len(results) <= 200


def test_the_head_of_a_model_card_is_inert_and_says_the_same(compas):
    name = '<img src=x onerror=alert(1)> & \\x3C "é"'
    system = compas.plan.system.model_copy(update={"name": name})
    card = model_card(replace(compas, plan=compas.plan.model_copy(update={"system": system})))
    head = card.split("---\n")[1]
    assert not set(head) & set("<>&")
    assert YAML(typ="safe", pure=True).load(head)["model-index"][0]["name"] == name


def test_model_card_intervals_survive_hugging_face_against_reference(compas):
    hub = pytest.importorskip("huggingface_hub")
    results = hub.ModelCard(model_card(compas)).data.eval_results
    black = next(
        r
        for r in results
        if r.metric_type == "fpr" and (r.metric_args or {}).get("slice") == {"race": "African-American"}
    )
    assert black.metric_value == pytest.approx(0.4485, abs=1e-4)
    assert black.metric_args["low"] == pytest.approx(0.4256, abs=1e-4)
    assert black.metric_args["high"] == pytest.approx(0.4713, abs=1e-3)
    assert black.metric_args["n"] == 1795
    assert black.dataset_args["digest"] == compas.inputs[0].digest


def test_model_card_has_mitchells_sections_and_asks_people(compas):
    text = model_card(compas)
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]
    assert "| African-American | 44.8 % (42.6 to 47.2) | 1,795 |" in text
    assert count_missing(text) >= 8


def test_datasheet_has_the_seven_groups(compas):
    text = datasheet(compas)
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == [
        "Motivation",
        "Composition",
        "Collection process",
        "Preprocessing, cleaning, labelling",
        "Uses",
        "Distribution",
        "Maintenance",
    ]
    assert "- Rows: 7,214" in text
    assert "| race | African-American | 3,696 |" in text
    assert "112 rows left out: label missing" in text
    assert count_missing(text) == 11


def test_outsiders_cannot_add_to_what_is_missing(compas):
    sly = compas.plan.model_copy(
        update={"system": compas.plan.system.model_copy(update={"purpose": "[Missing: everything]"})}
    )
    assert count_missing(model_card(replace(compas, plan=sly))) == count_missing(model_card(compas))


# JUnit


def test_junit_is_green_exactly_when_the_decision_is_to_ship(run):
    root = ET.fromstring(junit(run))
    red = [case for case in root.iter("testcase") if case.find("failure") is not None or case.find("error") is not None]
    assert (not red) == (run.decision is Decision.SHIP)
    assert int(root.get("tests")) == len(list(root.iter("testcase")))
    assert int(root.get("failures")) + int(root.get("errors")) == len(red)
    for suite in root.iter("testsuite"):
        assert int(suite.get("tests")) == len(suite.findall("testcase"))


@pytest.mark.parametrize("severity", ["blocker", "major", "minor"])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_junit_agrees_with_the_gate_properties(variants, severity, outcome):
    verdict = replace(
        variants.verdicts[1],
        outcome=outcome,
        requirement=variants.verdicts[1].requirement.model_copy(update={"severity": severity}),
    )
    run = replace(variants, verdicts=(verdict,), decision=decide([verdict]))
    root = ET.fromstring(junit(run))
    assert (int(root.get("failures")) + int(root.get("errors")) == 0) == (run.decision is Decision.SHIP)
    if outcome is not Outcome.MET:
        assert outcome.value in junit(run)


# SARIF


def test_sarif_has_what_the_standard_requires(run):
    log = json.loads(sarif(run))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (it,) = log["runs"]
    rules = [rule["id"] for rule in it["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    for result in it["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["kind"] in ("pass", "fail", "open", "notApplicable")
        assert (result["level"] == "none") == (result["kind"] != "fail")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        assert place["region"]["startLine"] >= 1


def test_sarif_kinds_and_lines_against_reference(compas):
    plan = "system: {name: x}\nrequirements:\n  - id: FAIR-1\n    metric: x\n  - {id: FAIR-2, metric: y}\n"
    plan += "  - id: 'FAIR-3'\n"
    results = {
        r["ruleId"]: r
        for r in json.loads(sarif(compas, plan_uri="policy/shipworthy.yaml", plan_text=plan))["runs"][0]["results"]
    }
    assert {name: r["kind"] for name, r in results.items()} == {
        "FAIR-2": "fail",
        "PERF-2": "fail",
        "FAIR-3": "open",
        "CAL-1": "open",
        "FAIR-1": "pass",
        "PERF-1": "pass",
    }
    lines = {name: r["locations"][0]["physicalLocation"]["region"]["startLine"] for name, r in results.items()}
    assert (lines["FAIR-1"], lines["FAIR-2"], lines["FAIR-3"], lines["PERF-1"]) == (3, 5, 6, 1)
    assert results["FAIR-2"]["properties"]["estimate"]["low"] > 0.05


def test_sarif_locates_the_plan_by_a_uri_validates_input(compas):
    result = json.loads(sarif(compas, plan_uri="my plans/a#b.yaml"))["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20plans/a%23b.yaml"


def test_a_requirement_without_a_verdict_is_not_applicable(compas):
    run = replace(compas, verdicts=compas.verdicts[1:])
    kinds = {r["ruleId"]: r["kind"] for r in json.loads(sarif(run))["runs"][0]["results"]}
    assert kinds["FAIR-2"] == "notApplicable"
    assert "○ not evaluated" in memo(run)


# limits and methods


def test_limits_come_from_the_facts_of_the_run(compas, variants, empty):
    titles = [limit.title for limit in limits(compas)]
    for title in (
        "FAIR-3 is undecided",
        "Metrics without a result",
        "Estimates that do not exist",
        "Small groups",
        "Excluded rows",
        "Independence is assumed",
        "Time is not known",
        "Intersections were not examined",
        "Protected attributes without slices",
        "No comparison",
        "Doubts about the data",
        "What no interval covers",
    ):
        assert title in titles
    assert "Not pre-registered" not in titles
    texts = {limit.title: limit.text for limit in limits(compas)}
    assert texts["Metrics without a result"] == "Planned and not measured: brier."
    assert "age_cat" in texts["Protected attributes without slices"]
    assert "only of labelled cases" in texts["Excluded rows"]
    others = [limit.title for limit in limits(variants)]
    for absent in ("Independence is assumed", "Time is not known", "Intersections were not examined", "No comparison"):
        assert absent not in others
    assert next(limit.title for limit in limits(empty)) == "Nothing was promised"


def test_only_methods_that_were_used_are_described(compas, variants, empty):
    names = {method.name for method in used(compas)}
    assert "Wilson score interval" in names
    assert "DeLong's variance, logit scale" in names
    assert "Paired comparison" not in names
    assert "Paired comparison" in {method.name for method in used(variants)}
    assert used(empty) == []


def test_every_method_that_the_engine_records_is_described(compas):
    recorded = [
        "wilson",
        "cluster-wilson",
        "weighted-wilson",
        "mover-wilson",
        "delta",
        "delta-logit",
        "t",
        "cluster-t",
        "t over queries",
        "order statistics",
        "paired delong",
        "tango",
        "logit-delong",
        "logit-delong, clustered (Obuchowski)",
        "logit-binomial",
        "debiased, test inversion",
        "wald (Cox)",
        "mover, studentized range on wilson",
        "mover, Bonferroni on wilson",
        "mover on delta",
        "double-corrected bootstrap",
        "cluster-wilson, missing counted either way",
        "tango, missing counted either way, judge uncorrected",
        "wilson, judge uncorrected",
        "strat-mover",
        "mover on strat-mover",
    ]
    for method in recorded:
        run = replace(compas, verdicts=(), curves=(), estimates=(replace(compas.estimates[0], method=method),))
        assert all(found.source for found in used(run)), method


def test_what_was_left_out_is_told_by_evaluation_and_only_where_it_was(compas):
    none = [replace(each, reason="cluster missing", rows=0) for each in compas.excluded]
    run = replace(compas, excluded=(*compas.excluded, *none))
    assert "112 rows excluded: label missing" in model_card(run)
    assert re.search(r"^- \w[^:]*: 112 rows excluded", model_card(run), re.MULTILINE)
    for text in (model_card(run), datasheet(run)):
        assert "cluster missing" not in text
