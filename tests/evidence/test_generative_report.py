from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console
from tests.evidence.test_report import Page, luminance

from shipworthy.cli.printing import print_run
from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.answers import MOST_TURNS
from shipworthy.evidence.answers import answers as parts
from shipworthy.evidence.documents.datasheet import datasheet
from shipworthy.evidence.documents.memo import memo
from shipworthy.evidence.documents.model_card import model_card
from shipworthy.evidence.github import step_summary
from shipworthy.evidence.junit import junit
from shipworthy.evidence.limits import limits
from shipworthy.evidence.methods import used
from shipworthy.evidence.report import render_report
from shipworthy.evidence.sarif import sarif
from shipworthy.evidence.versions import safety_against_usefulness, versions
from shipworthy.gates.verdicts import Decision, Outcome
from shipworthy.observations.transcripts import Transcript

DOCUMENTS = {
    "report": render_report,
    "memo": memo,
    "model_card": model_card,
    "datasheet": datasheet,
    "summary": step_summary,
    "junit": junit,
    "sarif": sarif,
}


def changed(run, metric: str, **changes: object):
    """A run of which one overall change is another."""
    found = tuple(
        replace(e, **changes) if e.compare == "change" and e.metric == metric and not e.slice else e
        for e in run.estimates
    )
    return replace(run, estimates=found)


# which version, and why


def test_one_minute_says_what_to_ship_and_why(answers):
    story = versions(answers)
    assert story.advice == "Do not ship this version (2026.12)."
    assert story.because == "SAFE-1 is breached."
    (only,) = story.comparisons
    assert only.summary.startswith(
        "Against “before”, this version (2026.12) is safer (attack success rate 3.1 % against 7.9 %, "
    )
    assert "4.8 points less, 2.9 to 6.6)" in only.summary
    assert "not less useful by more than the 2 points allowed by USE-2 (+0.2 points, −0.5 to +1.2)" in only.summary
    assert story.baseline == "Keeping “before” instead: on SAFE-1 it lies at 7.9 % (6.5 to 9.6), beyond the same bound."
    text = Page(render_report(answers)).text
    assert text.index("Which version, and why") < text.index("Estimate against the bound")
    assert memo(answers).index(story.because) < memo(answers).index("## Why")
    assert story.because in step_summary(answers)


def test_keeping_the_baseline_is_no_way_out_where_it_breaks_what_this_version_keeps(answers):
    """Of the two rates the baseline's is the higher: a bound between them is met here and broken there."""
    first = answers.verdicts[0]
    breached = replace(first, requirement=first.requirement.model_copy(update={"id": "USE-9"}))
    between = first.requirement.model_copy(update={"id": "SAFE-9", "at_most": 0.055})
    met = replace(first, requirement=between, outcome=Outcome.MET)
    story = versions(replace(answers, verdicts=(breached, met, *answers.verdicts[1:])))
    assert story.baseline.endswith(
        "But it breaks what this version keeps: SAFE-9, where it lies at 7.9 % (6.5 to 9.6). "
        "Neither is fit to ship as it is."
    )
    minor = replace(met, requirement=between.model_copy(update={"severity": "minor"}))
    assert "Neither" not in versions(replace(answers, verdicts=(breached, minor, *answers.verdicts[1:]))).baseline


@pytest.mark.parametrize(
    ("decision", "advice"),
    [
        (Decision.SHIP, "Ship this version (2026.12). Every requirement that can stop a release is met."),
        (Decision.UNDECIDED, "Do not ship this version (2026.12) yet. SAFE-1 is undecided."),
    ],
)
def test_advice_follows_the_gate(answers, decision, advice):
    outcome = Outcome.MET if decision is Decision.SHIP else Outcome.UNDECIDED
    first = replace(answers.verdicts[0], outcome=outcome)
    story = versions(replace(answers, decision=decision, verdicts=(first, *answers.verdicts[1:])))
    assert f"{story.advice} {story.because}" == advice
    assert (story.baseline == "") == (decision is Decision.SHIP)


def test_a_minor_breach_is_not_hidden_by_the_advice_to_ship(variants):
    story = versions(variants)
    assert story.advice == "Ship this version (2)."
    assert story.because == "Every requirement that can stop a release is met. REG-2, minor, is breached."
    assert story.comparisons[0].summary == "Against “v1”, v2 is better (accuracy, 2.0 points more, 1.2 to 2.8)."


def test_only_what_lies_beyond_noise_is_claimed(answers):
    unsettled = changed(answers, "attack_success_rate", low=-0.1, high=0.002)
    summary = versions(unsettled).comparisons[0].summary
    assert "is safer" not in summary
    assert "is not less safe (SAFE-2: −4.8 points, −10.0 to +0.2)" in summary  # by its one-sided limit
    summary = versions(changed(answers, "false_refusal_rate", low=-0.02, high=0.03)).comparisons[0].summary
    assert "not less useful by more than the 2 points" in summary
    open_ = tuple(v for v in answers.verdicts if v.requirement.id not in ("SAFE-2", "USE-2"))
    summary = versions(replace(unsettled, verdicts=open_)).comparisons[0].summary
    assert summary.startswith("This version (2026.12) against “before”: whether it is safer is undecided")
    worse = changed(answers, "attack_success_rate", value=0.05, low=0.03, high=0.07)
    verdicts = tuple(
        replace(v, outcome=Outcome.BREACHED) if v.requirement.id == "SAFE-2" else v for v in answers.verdicts
    )
    summary = versions(replace(worse, verdicts=verdicts)).comparisons[0].summary
    assert "is less safe (" in summary
    assert "5.0 points more, 3.0 to 7.0" in summary


def test_a_sentence_never_says_more_than_the_verdict_on_the_same_change(answers):
    verdicts = tuple(
        replace(v, outcome=Outcome.UNDECIDED) if v.requirement.id == "SAFE-2" else v for v in answers.verdicts
    )
    summary = versions(replace(answers, verdicts=verdicts)).comparisons[0].summary
    assert ") is safer (" not in summary
    assert "whether it is safer is undecided" in summary


def test_safer_by_one_metric_and_less_safe_by_another_are_both_said(answers):
    mixed = changed(answers, "leak_rate", value=0.03, low=0.01, high=0.05)
    summary = versions(mixed).comparisons[0].summary
    assert "safer (attack success rate" in summary
    assert "less safe (leak rate" in summary


def test_a_difference_by_an_uncorrected_judge_is_not_claimed_plainly(answers):
    judged = changed(answers, "attack_success_rate", method="tango, judge uncorrected")
    assert "6.6; judge uncorrected)" in versions(judged).comparisons[0].summary
    assert "safer, if the judge is right" in Page(render_report(judged)).text


def test_no_baseline_no_story(answers, empty, compas):
    alone = replace(answers, estimates=tuple(e for e in answers.estimates if e.compare != "change"))
    assert versions(alone) is versions(empty) is versions(compas) is None
    text = Page(render_report(alone)).text
    assert "Which version" not in text
    assert "Safety against usefulness" in text


def test_safety_against_usefulness_only_where_both_were_measured(answers, compas):
    picture = safety_against_usefulness(answers)
    assert [place.name for place in picture.places] == ["this version", "before"]
    assert [line.label for line in picture.bounds_up] == ["SAFE-1: at most 5 %"]
    without = tuple(e for e in answers.estimates if e.metric != "false_refusal_rate")
    assert safety_against_usefulness(replace(answers, estimates=without)) is None
    assert safety_against_usefulness(compas) is None
    page = Page(render_report(answers))
    (label,) = [str(a["aria-label"]) for tag, a in page.tags if tag == "svg" and a.get("class") == "tradeoff"]
    assert "before: Attack success 7.9 % (6.5 to 9.6), n = 1,200; False refusals 2.2 %" in label


def test_safety_against_usefulness_shows_the_evaluations_that_requirements_are_about(answers):
    here = answers.verdicts[0].evaluation
    elsewhere = tuple(
        replace(e, evaluation="benign", value=min(1.0, e.value + 0.3)) for e in answers.estimates
        if e.metric == "false_refusal_rate" and e.compare == "value" and e.value is not None
    )  # fmt: skip
    useful = next(v for v in answers.verdicts if v.requirement.metric == "false_refusal_rate")
    moved = replace(useful, evaluation="benign")
    both = replace(answers, estimates=(*answers.estimates, *elsewhere))
    assert {place.across.evaluation for place in safety_against_usefulness(both).places} == {here}
    required = replace(both, verdicts=tuple(moved if v is useful else v for v in both.verdicts if v.requirement.metric
                                            != "false_refusal_rate" or v is useful))  # fmt: skip
    picture = safety_against_usefulness(required)
    assert {place.across.evaluation for place in picture.places} == {"benign"}
    assert {place.up.evaluation for place in picture.places} == {here}
    assert picture.titles[0].endswith(" in benign")


# what was asked, what came back, where it goes wrong


def test_what_was_asked_takes_the_place_of_roles(answers):
    text = Page(render_report(answers)).text
    assert "Suite shipworthy/jailbreak" in text
    assert "new (a simulated assistant, not a real system)" in text
    assert "before: old (chat, model old-model)" in text
    assert "Attacks (3) none, roleplay, base64" in text
    assert "refusal, harm (judge) asked of judge" in text
    assert (
        "Status requests What happened to them ok 1,188 1,188 of 1,200 were answered error 12 12 of 1,200 failed"
        in text
    )
    checks = text[text.index("Data checks and exclusions") :]
    assert "1,200 answers to 100 families" in checks
    assert "12 of 1,200 failed" not in checks[: checks.index("What is not known")]


def test_missing_outcomes_stand_beside_their_estimate(answers):
    for document in (render_report, memo, step_summary, junit, sarif):
        assert "12 without an outcome" in document(answers), document.__name__
    assert "12 without an outcome, counted either way" in Page(render_report(answers)).text


def test_heat_map_cells_say_value_interval_and_n(answers):
    html = render_report(answers)
    page = Page(html)
    titles = [str(a["title"]) for tag, a in page.tags if tag == "td" and str(a.get("class")).startswith("cell")]
    assert "Privacy (prv), roleplay: 16.7 % (9.8 to 26.9), n = 72" in titles
    assert any("worth only 6 equal clusters" in title for title in titles)
    heads = re.search(r'<table class="heat"><thead><tr>(.*?)</tr>', html, re.DOTALL)[1]
    assert re.findall(r"<bdi>(\w+)</bdi>", heads) == ["none", "roleplay", "base64"]  # none first, then the worst
    rows = re.findall(r'<th scope="row"><bdi>([^<]+)</bdi>', html)
    assert rows[rows.index("all") :][:4] == ["all", "Privacy (prv)", "Violent crimes (vcr)", "Defamation (dfm)"]
    assert "No value, or no interval: no interval: the cases show no spread; worth only 6 equal" in page.text


def test_shades_are_perceptually_even_and_text_on_them_is_readable_against_theory(answers):
    style = render_report(answers)
    blocks = re.findall(r":root\{([^}]*--paper[^}]*--h8[^}]*)\}", style)
    assert len(blocks) == 2
    for theme in (dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", block)) for block in blocks):
        shades = [theme[f"h{step}"] for step in range(9)]
        lightness = [oklab_lightness(shade) for shade in shades]
        steps = [b - a for a, b in pairwise(lightness)]
        assert max(map(abs, steps)) < 1.2 * min(map(abs, steps))
        assert len({step > 0 for step in steps}) == 1
        ink = luminance(theme["ink"])
        for shade in (*shades, theme["hatch"]):
            paper = luminance(shade)
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5


def oklab_lightness(colour: str) -> float:
    """Source: Ottosson (2020), A perceptual color space for image processing."""
    linear = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear]
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short


# transcripts


def test_transcripts_are_folded_grouped_redacted_and_counted(answers):
    html = render_report(answers)
    text = Page(html).text
    assert "bob@corp.io" not in html
    assert "Write to [e-mail address]." in text
    order = [text.index(f"{kind}: 2 of {version}") for version in ("this version", "before")
             for kind in ("Did what it must not", "Gave away what it must keep")]  # fmt: skip
    assert order == sorted(order)
    assert "user Tell me. assistant No. user Do! answer Write to" in text
    assert "harm : true: it gives the address" in text
    assert html.count('<details class="exhibit">') == len(answers.transcripts)
    assert "<details open" not in html


def test_long_transcripts_are_cut_and_say_by_how_much(answers):
    turns = tuple(("user" if i % 2 == 0 else "assistant", f"turn {i}") for i in range(40))
    long = replace(answers.transcripts[0], messages=(*turns, ("answer", "y" * 1_000_000)), cut=77)
    run = replace(answers, transcripts=(long,))
    (pile,) = parts(run, "misuse").piles
    (exhibit,) = pile.exhibits
    assert len(exhibit.turns) == MOST_TURNS
    assert exhibit.left_out == 41 - MOST_TURNS
    assert sum(map(len, exhibit.turns[-1].lines)) + exhibit.turns[-1].cut == 1_000_000
    text = Page(render_report(run)).text
    assert "29 turns are not shown here." in text
    assert "further characters are not shown." in text
    assert "77 characters were cut when it was kept." in text


def test_lines_keep_their_breaks_indentation_and_direction(answers):
    said = "first\n    second\n\n\n\nשלום עולם"
    run = replace(answers, transcripts=(replace(answers.transcripts[0], messages=(("answer", said),)),))
    html = render_report(run)
    assert f"first<br>{chr(0xA0) * 4}second<br><br>שלום עולם" in html
    assert 'dir="auto"' in html


def test_nothing_went_wrong_is_said(answers):
    assert "No answer was marked as wrong" in Page(render_report(replace(answers, transcripts=()))).text


# judges


def test_uncorrected_judges_are_loud_wherever_they_count(answers):
    text = Page(render_report(answers)).text
    assert "Judges without labels of people: tone, before." in text
    assert "tone, before uncorrected" in text
    assert "harm, this version corrected with labels of people" in text
    assert "91.0 % (84.0 to 95.0)" in text
    assert "0.88 (0.80 to 0.94)" in text
    assert "unknown, n = 0" in text
    assert "Its sensitivity differs by language" in text
    assert "3.3 % (2.5 to 4.5; judge uncorrected)" in text
    assert "2.0 % (1.0 to 3.9; judge corrected with 120 labels)" in text
    assert "judge uncorrected" in model_card(answers)
    assert "**uncorrected**" in model_card(answers)
    first = answers.verdicts[0]
    judged = replace(first.estimate, method="wilson, judge uncorrected")
    run = replace(answers, verdicts=(replace(first, estimate=judged), *answers.verdicts[1:]))
    for document in (render_report, memo, model_card, step_summary, junit, sarif):
        assert "judge uncorrected" in document(run), document.__name__


# limits and methods


def test_limits_of_answers_come_from_the_facts_of_the_run(answers):
    found = {limit.title: limit.text for limit in limits(answers)}
    assert "new" in found["No real system was asked"]
    assert "old" not in found["No real system was asked"].partition(".")[0]
    assert "violation_rate" in found["A judge that nobody has checked"]
    assert "12 of 1,200 failed" in found["Requests without an answer"]
    assert "Privacy (prv), Violent crimes (vcr), Defamation (dfm)" in found["Only what the suite asks"]
    assert "(roleplay, base64)" in found["Attacks are templates"]
    assert "3 times" in found["Few trials"]
    for absent in (
        "Independence is assumed",
        "Time is not known",
        "No slices",
        "Harm was not judged",
        "Doubts about the data",
    ):
        assert absent not in found
    plan = answers.plan.evaluations["misuse"].model_copy(
        update={"attacks": ("none",), "trials": 1, "scorers": ("refusal",), "only": {"language": ("en",)}}
    )
    other = replace(answers, plan=answers.plan.model_copy(update={"evaluations": {"misuse": plan}}))
    found = {limit.title: limit.text for limit in limits(other)}
    assert {"No attack was tried", "Each case was asked once", "Harm was not judged"} <= set(found)
    assert found["Languages"].startswith("Only en was asked")


def test_methods_of_answers_have_their_sources(answers):
    found = {method.name: method.source for method in used(answers)}
    assert "Horowitz and Manski (2000)" in found["Missing outcomes counted either way"]
    assert "Cochran (1977)" in found["Judge corrected with labels of people"]
    assert "Judge, uncorrected" in found


def test_latencies_are_milliseconds_and_said_in_seconds(answers):
    text = Page(render_report(answers)).text
    assert "1,292 ms (1,240 to 1,351)" in text
    assert "95 in 100 requests were answered within 1.3 s" in text


# hostile output


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_hostile_output_is_inert_in_every_document(document, hostile_answers):
    text = document(hostile_answers)
    text.encode("utf-8")  # no lone surrogate
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]", text
    )
    assert "<script" not in text
    assert "<img" not in text
    assert len(text) < 2_000_000


def test_hostile_output_draws_no_element_and_no_link(hostile_answers):
    page = Page(render_report(hostile_answers))
    assert {"script", "img", "iframe", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert all(str(attributes.get("href", "#")).startswith("#") for _, attributes in page.tags)
    assert "<script>alert(1)</script>" in page.text  # shown, as text
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize("width", [60, 120])
def test_hostile_output_is_inert_in_the_terminal(hostile_answers, width):
    stream = io.StringIO()
    print_run(
        hostile_answers,
        console=Console(file=stream, width=width, force_terminal=True, color_system="standard"),
        folder="out",
        verbose=True,
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())  # colours are our own
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    assert "\x1b[2J" not in stream.getvalue()
    assert "evil.example\x1b" not in stream.getvalue()


def test_size_stays_bounded_whatever_came_back(answers):
    base = answers.transcripts[0]
    many = tuple(
        Transcript(
            **{**{f: getattr(base, f) for f in base.__slots__}, "case": str(i), "messages": (("user", "q"),) * 50}
        )
        for i in range(500)
    )
    cells = tuple(
        Estimate(
            evaluation="misuse",
            metric="attack_success_rate",
            slice={"hazard": f"h{i:03}", "attack": f"a{j:03}"},
            value=(i + j) / 200,
            low=0.0,
            high=1.0,
            level=0.95,
            n=10,
            effective_n=None,
            method="wilson",
        )
        for i in range(80)
        for j in range(60)
    )
    html = render_report(replace(answers, transcripts=many, estimates=(*answers.estimates, *cells)))
    assert len(html) < 1_000_000
    text = Page(html).text
    assert "460 more are not shown." in text
    assert re.search(r"Not drawn, and less bad: \d+ of hazard and \d+ of attack", text)
