from __future__ import annotations

from dataclasses import replace

import pytest

from shipworthy.estimate.estimates import Estimate
from shipworthy.gates.verdicts import Outcome, Verdict
from shipworthy.plan.models import Requirement
from shipworthy.present import sentences, slices, verdicts


def estimate(metric: str = "fpr", value: float | None = 0.4485, **changes: object) -> Estimate:
    given: dict[str, object] = {
        "evaluation": "e",
        "metric": metric,
        "slice": {"race": "A"},
        "value": value,
        "low": 0.42,
        "high": 0.47,
        "level": 0.95,
        "n": 1795,
        "effective_n": None,
        "method": "wilson",
    }
    return Estimate(**(given | changes))


def test_frequency_against_reference():
    assert [sentences.frequency(x) for x in (0, 0.4, 0.449, 0.03, 0.0031, 0.99, 0.999, 1)] == [
        "none",
        "4 in 10",
        "45 in 100",
        "3 in 100",
        "3 in 1,000",
        "99 in 100",
        "999 in 1,000",
        "all",
    ]


def test_rates_in_words_against_reference():
    assert sentences.said(estimate()) == "45 in 100 negative cases were flagged"
    assert sentences.said(estimate("auc", 0.7)) == ""
    assert sentences.said(estimate(value=None)) == ""
    assert sentences.pair(estimate(), estimate(value=0.2345, slice={"race": "B"})) == (
        "45 in 100 negative cases were flagged for A; 23 in 100 for B"
    )


def test_claims_against_reference():
    gap = Requirement(id="F", metric="fpr", across="race", compare="difference", at_most=0.05)
    assert sentences.claim(gap) == "False positive rate, difference between any two of race: at most 5 points"
    assert sentences.title(gap) == sentences.claim(gap)
    ratio = Requirement(id="F", metric="disparate_impact", across=("sex", "age"), at_least=0.8, reference="m")
    assert sentences.claim(ratio) == "Selection rate, ratio between each of sex × age and m: at least 0.8"
    assert sentences.bound(Requirement(id="F", metric="fpr", within=(0.1, 0.2))) == "within 10 % to 20 %"


def verdict(outcome: Outcome, it: Estimate | None, requirement: Requirement, needed: int | None = None) -> Verdict:
    return Verdict(
        requirement=requirement,
        evaluation="e",
        outcome=outcome,
        estimate=it,
        pieces=(),
        needed=needed,
        why="nothing is in scope",
        looked_at=15,
    )


def test_what_next_against_reference():
    gap = Requirement(id="F", metric="fpr", across="race", compare="difference", at_most=0.05)
    it = estimate(value=0.2139, low=0.1821, high=0.245, compare="difference", reference={"race": "B"})
    assert (
        sentences.next_step(verdict(Outcome.BREACHED, it, gap))
        == "the gap is about 160 per 1,000 negative cases too wide"
    )
    assert sentences.next_step(verdict(Outcome.UNDECIDED, it, gap, 1134)) == "about 1,200 more cases"
    assert sentences.next_step(verdict(Outcome.UNDECIDED, it, gap)) == "no practical number of cases would decide it"
    assert sentences.next_step(verdict(Outcome.MET, it, gap)) == "–"
    assert sentences.next_step(verdict(Outcome.UNDECIDED, None, gap)).startswith("nothing was in scope")
    unknown = estimate(value=None, reason="only 2 cases", compare="difference", reference={"race": "B"})
    assert sentences.next_step(verdict(Outcome.UNDECIDED, unknown, gap)) == "cannot be shown: only 2 cases"
    floor = Requirement(id="F", metric="tpr", at_least=0.8)
    assert (
        sentences.excess(floor, estimate("tpr", 0.7))
        == "about 100 fewer per 1,000 positive cases were caught than allowed"
    )
    assert sentences.excess(floor, estimate("tpr", 0.9)) == ""


def test_why_against_reference():
    gap = Requirement(id="F", metric="fpr", across="race", compare="difference", at_most=0.05)
    it = estimate(value=0.2139, low=0.1821, high=0.245, compare="difference", reference={"race": "B"})
    said = "False positive rate of A − B: +21.4 points (+18.2 to +24.5)"
    assert sentences.why(verdict(Outcome.BREACHED, it, gap)).startswith(
        f"{said} lies beyond the bound of at most 5 points (beyond it:"
    )
    assert (
        sentences.why(verdict(Outcome.MET, it, gap))
        == f"{said} clears the bound of at most 5 points; it is the closest of 15 comparisons."
    )
    assert sentences.why(verdict(Outcome.UNDECIDED, None, gap)) == "nothing is in scope."


def test_spread_is_on_the_scale_of_its_metric_against_reference():
    it = estimate("sd between slices of fpr", 0.118, low=0.083, high=0.212)
    assert sentences.spread(it) == "11.8 points (8.3 to 21.2)"


@pytest.mark.parametrize(
    ("metric", "change", "word"),
    [("fpr", 0.1, "worse"), ("fpr", -0.1, "better"), ("tpr", 0.1, "better"), ("selection_rate", 0.1, "")],
)
def test_better_or_worse_against_reference(metric, change, word):
    assert sentences.better(metric, change) == word


def test_slice_names_against_reference():
    assert slices.slice_name({}) == "Everyone"
    assert slices.slice_name({"race": "A", "sex": None}) == "A, (missing)"
    assert slices.slice_name({"race": "A", "old": True}, columns=True) == "race A, old yes"
    assert slices.slice_name({"name": "young-rural"}) == "young-rural"
    assert slices.subject(estimate(compare="ratio", reference={"race": "B"})) == "A ÷ B"
    assert slices.subject(estimate(compare="change", slice={}, variant="v2", baseline="v1")) == "v2 against v1"


def test_every_verdict_has_its_own_shape_and_word_properties():
    marks = [verdicts.mark(x) for x in ("met", "breached", "undecided", "waived", None)]
    assert [str(m) for m in marks] == ["● met", "▲ breached", "◐ undecided", "◇ waived", "○ not evaluated"]
    assert len({m.shape for m in marks}) == len({m.style for m in marks}) == 5
    assert verdicts.decision_mark("hold") is verdicts.BREACHED


def test_a_change_is_said_as_a_movement_only_where_it_is_one():
    def change(value: float, low: float | None, high: float | None, **more: object) -> str:
        return sentences.moved(estimate("leak_rate", value, low=low, high=high, compare="change", slice={}, **more))

    assert change(-0.048, -0.066, -0.029) == "4.8 points less, 2.9 to 6.6"
    assert change(0.05, 0.03, 0.07) == "5.0 points more, 3.0 to 7.0"
    assert change(0.002, -0.005, 0.012) == "+0.2 points, −0.5 to +1.2"
    assert change(0.002, None, None) == "+0.20 points, no interval"
    assert change(-0.05, None, -0.02) == "−5.0 points, no lower limit, up to −2.0"
    assert change(-0.048, -0.066, -0.029, method="tango, judge uncorrected").endswith("6.6; judge uncorrected")


def test_what_makes_a_version_has_its_own_word():
    assert sentences.better("attack_success_rate", -0.1) == "safer"
    assert sentences.better("pass_rate", -0.1) == "less useful"
    assert sentences.better("latency_p95", 40) == "slower"
    assert sentences.better("refusal_rate", 0.1) == ""
    assert sentences.missing(estimate(missing=1200)) == "1,200 without an outcome"
    assert sentences.said(estimate("latency_p50", 480.0)) == "half of the requests were answered within 480 ms"


def test_a_hazard_has_its_name_before_its_id():
    """Only in its own column; an id that no catalogue has, and a group of hazards, stay as they are."""
    named = slices.slice_name({"hazard": "spc_hlt", "attack": "roleplay"})
    assert named == "Health advice (spc_hlt), roleplay"
    assert slices.slice_name({"hazard": "hte"}, columns=True) == "hazard Hate (hte)"
    assert slices.slice_name({"team": "hte"}) == "hte"
    assert [slices.level_name(one, "hazard") for one in ("S1", "physical", None)] == ["S1", "physical", "(missing)"]


def test_a_clustered_rate_without_a_hit_says_what_it_takes_for_granted():
    def said(value: float, **more: object) -> str:
        return sentences.counted_as_alike(estimate(value=value, n=72, effective_n=12.0, **more))

    assert said(0.0, method="cluster-wilson, missing counted either way") == "no hit: a cluster counts once"
    assert said(1.0, method="cluster-wilson") == "no miss: a cluster counts once"
    assert said(0.1, method="cluster-wilson") == said(0.0, method="wilson") == ""


def test_the_bound_names_the_limit_that_decides_against_reference():
    floor = Requirement(id="F", metric="tpr", at_least=0.788)
    it = estimate("tpr", 0.81, low=0.785, high=0.833)

    def judged(outcome: Outcome, *limits: float | None) -> str:
        return sentences.judged(replace(verdict(outcome, it, floor), limits=limits))

    assert judged(Outcome.MET, 0.79) == "at least 78.8 % (one-sided 95 % limit: 79.0 %)"
    assert judged(Outcome.BREACHED, 0.75) == "at least 78.8 % (limit that breaches: 75.0 %)"
    assert judged(Outcome.UNDECIDED) == "at least 78.8 %"
    assert judged(Outcome.UNDECIDED, None) == "at least 78.8 % (there is no limit to decide on)"
    assert judged(Outcome.UNDECIDED, 0.78).endswith("more careful than the interval shown, is 78.0 %)")


def test_of_whom_the_further_cases_are():
    assert sentences.needed_of(None) == ""
    assert sentences.needed_of([]) == " over all open slices"
    assert sentences.needed_of([{"race": "A"}]) == " of A"
    assert sentences.needed_of([{"race": "A"}, {"race": "B"}]) == " of A and B together, in their present proportion"
