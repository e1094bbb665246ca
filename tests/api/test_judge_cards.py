"""A judge's card under labels that were drawn unequally from its verdicts, as `shipworthy label` draws them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from shipworthy.api.judging import agreement_finding, position_finding
from shipworthy.estimate.instruments import Counts, JudgeCard, Reading, across_versions, compared, read_card


def draw(rng: np.random.Generator, *, sensitivity: float, specificity: float, share: tuple[float, float], n: int = 600):
    """Counts of a judge with known errors at a prevalence of 20 %, of whose verdicts `share` are labelled; and how
    right it was on these very answers, which is what a card is about.
    """
    truth = rng.random(n) < 0.2
    said = np.where(truth, rng.random(n) < sensitivity, rng.random(n) >= specificity)
    judged, labelled, positive = [], [], []
    for verdict, part in zip((True, False), share, strict=True):
        there = np.flatnonzero(said == verdict)
        seen = rng.permutation(there)[: round(part * len(there))]
        judged.append(len(there))
        labelled.append(len(seen))
        positive.append(int(truth[seen].sum()))
    realised = {"sensitivity": float(said[truth].mean()), "specificity": float(1 - said[~truth].mean())}
    return Counts(judged=(*judged, 7), labelled=(*labelled, 0), positive=(*positive, 0)), realised


def card(counts: Counts, **slice_: str) -> JudgeCard:
    return read_card(counts, evaluation="e", scorer="harm", variant=None, slice_=slice_)


def reading(found: JudgeCard, name: str):
    return next(each for each in found.readings if each.name == name)


@pytest.mark.slow
def test_figures_cover_the_truth_where_naive_shares_do_not_against_simulation():
    rng, runs, naive = np.random.default_rng(5), 300, 0
    hits = {"sensitivity": 0, "specificity": 0}
    for _ in range(runs):
        counts, truth = draw(rng, sensitivity=0.8, specificity=0.9, share=(0.7, 0.2))
        found = card(counts)
        for name in hits:
            one = reading(found, name)
            hits[name] += one.low <= truth[name] <= one.high
        share = counts.positive[0] / sum(counts.positive)
        naive += abs(share - 0.8) < 1.96 * np.sqrt(share * (1 - share) / sum(counts.positive))
    for name, count in hits.items():
        assert binomtest(count, runs, 0.95, alternative="less").pvalue > 1e-3, name
    assert naive < 0.6 * runs


def test_agreement_is_one_for_a_perfect_judge_and_none_for_a_coin():
    perfect = card(Counts(judged=(200, 300, 0), labelled=(40, 40, 0), positive=(40, 0, 0)))
    assert reading(perfect, "kappa").value == reading(perfect, "AC1").value == pytest.approx(1)
    coin = card(Counts(judged=(250, 250, 0), labelled=(40, 40, 0), positive=(20, 20, 0)))
    assert reading(coin, "kappa").value == pytest.approx(0)
    assert any("coin" in note for note in coin.notes)


def test_kappa_weighs_back_to_the_published_table_against_theory():
    """Cohen's kappa of the whole table (yes-yes 20, yes-no 5, no-yes 10, no-no 15) is .4, however labels were drawn."""
    whole = card(Counts(judged=(25, 25, 0), labelled=(25, 25, 0), positive=(20, 10, 0)))
    assert reading(whole, "kappa").value == pytest.approx(0.4)
    part = card(Counts(judged=(250, 250, 0), labelled=(50, 10, 0), positive=(40, 4, 0)))
    assert reading(part, "kappa").value == pytest.approx(0.4)


def test_what_nobody_labelled_has_no_figure_and_a_reason():
    none = card(Counts(judged=(10, 10, 2), labelled=(0, 0, 0), positive=(0, 0, 0)))
    assert (none.readings, none.failed, none.judged) == ((), 2, 22)
    assert "uncorrected" in none.notes[0]
    half = card(Counts(judged=(10, 90, 0), labelled=(10, 0, 0), positive=(9, 0, 0)))
    assert reading(half, "sensitivity").value is None
    assert reading(half, "precision of no").value is None
    assert "called no" in half.notes[0]
    json.dumps([none.as_json(), half.as_json()], allow_nan=False)


@pytest.mark.slow
def test_slices_that_differ_are_named_and_equal_ones_are_not_against_simulation():
    rng, false, found = np.random.default_rng(8), 0, 0
    for _ in range(200):
        for worse in (0.85, 0.3):
            counts = [
                draw(rng, sensitivity=sensitivity, specificity=0.9, share=(0.7, 0.3))[0]
                for sensitivity in (0.85, worse, 0.85)
            ]
            cards = [card(each, hazard=f"S{place}") for place, each in enumerate(counts)]
            notes = compared(cards, counts, "hazard")
            if worse == 0.85:
                false += bool(notes)
            else:
                found += any("sensitivity differs by hazard" in note and "on S1" in note for note in notes)
    assert binomtest(false, 200, 0.02, alternative="greater").pvalue > 1e-3
    assert found > 180


def test_versions_that_are_judged_unlike_are_named():
    rng = np.random.default_rng(9)
    good = card(draw(rng, sensitivity=0.9, specificity=0.98, share=(1.0, 1.0))[0])
    bad = card(draw(rng, sensitivity=0.9, specificity=0.7, share=(1.0, 1.0))[0])
    (note,) = across_versions(good, bad)
    assert note.startswith("its specificity differs by version")
    assert across_versions(good, good) == ()


def test_raters_and_orders_are_told_for_few_items_too():
    assert agreement_finding("e", "harm", [[True, True]] * 20).gravity == "ok"
    assert "about 0% of single labels" in agreement_finding("e", "harm", [[True, True], [False, False]] * 9).what
    weak = agreement_finding("e", "harm", [[True, False, True], [False, True]] * 9)
    assert weak.gravity == "warning"
    assert agreement_finding("e", "harm", [[True, False]]).gravity == "warning"
    few = position_finding("e", "better", "v2", [(1, 1)] * 4, ["f"] * 4)
    assert few.gravity == "warning"
    assert "cannot be told" in few.what


def test_an_upper_limit_of_zero_is_a_limit():
    """0 is not "unknown": a judge that never finds anything on one version and half on the other errs differently."""

    def of(variant: str | None, value: float, high: float) -> JudgeCard:
        found = Reading(name="sensitivity", value=value, low=max(2 * value - high, 0), high=high, n=900)
        return JudgeCard(
            evaluation="e", scorer="harm", variant=variant, slice={}, judged=900, failed=0, labelled=900,
            readings=(found,),
        )  # fmt: skip

    assert across_versions(of(None, 0.5, 0.6), of("old", 0.0, 0.0))
    assert across_versions(of(None, 0.0, 0.0), of("old", 0.5, 0.6))
