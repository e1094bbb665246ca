"""Judge-corrected rates of clustered answers, and their changes: no verdict by luck more often than declared."""

import numpy as np
import pytest

from shipworthy.estimate.arms import Context
from shipworthy.estimate.outcomes import (
    PARTS,
    SAME,
    STRATA,
    VERSIONS,
    measure_corrected_change,
    measure_outcome,
    term,
)
from shipworthy.gates.rules import judge
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally
from shipworthy.plan.models import Requirement
from shipworthy.stats.judged import strat_mover

METRIC = lookup("attack_success_rate")
CONTEXT = Context(evaluation="misuse", minimum_group=5)
TERMS = tuple(term(METRIC, stratum, part) for stratum in STRATA for part in PARTS)
RUNS = 2_000
FIVES, HUNDREDS = np.full(80, 5), np.full(200, 5)
FORTIES = np.repeat([40, 5], [6, 60])
TWENTIES = np.repeat([20, 1], [20, 100])
MANY = np.repeat([20, 1], [20, 400])
FIFTIES = np.repeat([50, 10, 1], [8, 40, 100])
THIRTY = np.full(30, 20)


def error(runs=RUNS, share=0.05):
    """Three Monte Carlo standard errors above the declared error."""
    return share + 3 * np.sqrt(share * (1 - share) / runs)


def tally_of(units) -> Tally:
    """units: (runs, clusters, terms) sums of each cluster; one slice for each run."""
    runs, rows = len(units), units[:, :, [0, 3, 6]].sum(axis=2)
    return Tally(
        terms=TERMS, parts=("run",), keys=tuple((run,) for run in range(runs)), rows=rows.sum(axis=1),
        sums=units.sum(axis=1), raw=units.sum(axis=1), second=np.einsum("rgt,rgu->rtu", units, units),
        units=(rows > 0).sum(axis=1).astype(float), largest=rows.max(axis=1), clustered=bool(rows.max() > 1),
    )  # fmt: skip


def outcomes(rng, sizes, rate, alike):
    """One run. alike: the intraclass correlation of beta-binomial clusters; 1: all of a cluster are the same; below 0:
    the share of rows that take their cluster's outcome.
    """
    cluster, n = np.repeat(np.arange(len(sizes)), sizes), int(sizes.sum())
    if alike == 0:
        return rng.random(n) < rate
    if alike < 0:
        return np.where(rng.random(n) < -alike, (rng.random(len(sizes)) < rate)[cluster], rng.random(n) < rate)
    if alike == 1:
        return (rng.random(len(sizes)) < rate)[cluster]
    scale = (1 - alike) / alike
    return rng.random(n) < rng.beta(rate * scale, (1 - rate) * scale, len(sizes))[cluster]


def judged(
    rng, sizes, rate, alike, *, sensitivity=0.8, specificity=0.9, labels=100, errs_alike=0.0, whole=False, runs=RUNS
):
    """(runs, clusters, terms). labels: half of them from each verdict. errs_alike: share of rows on which the judge
    errs as on the rest of the cluster. whole: people label whole clusters instead.
    """
    cluster, n = np.repeat(np.arange(len(sizes)), sizes), int(sizes.sum())
    starts, units = np.cumsum(sizes) - sizes, np.zeros((runs, len(sizes), len(TERMS)))
    for run in range(runs):
        truth, luck = outcomes(rng, sizes, rate, alike), rng.random(n)
        luck = np.where(rng.random(n) < errs_alike, rng.random(len(sizes))[cluster], luck)
        says = np.where(truth, luck < sensitivity, luck < 1 - specificity)
        seen = np.zeros(n, dtype=bool)
        if whole:
            order = rng.permutation(len(sizes))
            seen = np.isin(cluster, order[: np.searchsorted(np.cumsum(sizes[order]), labels) + 1])
        else:
            for verdict in (says, ~says):
                there = np.flatnonzero(verdict)
                seen[rng.choice(there, min(len(there), labels // 2), replace=False)] = True
        columns = [part for verdict in (says, ~says) for part in (verdict, verdict & seen, verdict & seen & truth)]
        units[run, :, :6] = np.add.reduceat(np.stack(columns, axis=1).astype(float), starts, axis=0)
    return units


def measured(units):
    return measure_outcome(METRIC, tally_of(units), CONTEXT, judged=True, labelled=True)


CLUSTERS = {
    "forties": (FORTIES, 0.1, 1, {"specificity": 0.95, "labels": 400}),
    "twenties": (TWENTIES, 0.06, 1, {"specificity": 0.95, "labels": 200}),
    "twenties, all labelled": (TWENTIES, 0.1, 1, {"specificity": 0.95, "labels": 1000}),
    "twenties, partly alike": (TWENTIES, 0.1, -0.7, {"specificity": 0.95, "labels": 500}),
    "twenties among many": (MANY, 0.1, 1, {"specificity": 0.95, "labels": 400}),
    "forties, errors shared": (FORTIES, 0.15, -0.7, {"errs_alike": 0.9}),
    "forties, errors all shared": (FORTIES, 0.2, 0.3, {"errs_alike": 1.0}),
    "forties, errors independent": (FORTIES, 0.2, 0.3, {}),
    "fifties": (FIFTIES, 0.1, 0.1, {"labels": 200}),
    "thirty of 20": (THIRTY, 0.05, 0.5, {"labels": 200}),
    "trials, errors shared": (FIVES, 0.15, -0.9, {"errs_alike": 0.9}),
    "trials": (FIVES, 0.15, 0.5, {}),
    "trials, independent": (FIVES, 0.15, 0, {}),
    "trials, all alike": (FIVES, 0.1, 1, {"specificity": 0.95, "labels": 400}),
    "trials, half": (FIVES, 0.5, 1, {}),
    "trials, nearly all": (FIVES, 0.97, 0.5, {"labels": 60}),
    "20 labels": (FIVES, 0.2, 0.5, {"labels": 20}),
    "40 labels": (FIVES, 0.1, 0.5, {"labels": 40}),
    "60 labels": (FIVES, 0.3, 0.5, {"labels": 60}),
    "60 labels of a rare outcome": (FIVES, 0.05, 0.5, {"labels": 60}),
    "1 in 100": (np.full(400, 5), 0.01, 0.5, {"specificity": 0.98, "labels": 200}),
    "2 in 100": (HUNDREDS, 0.02, 0.5, {"specificity": 0.95, "labels": 200}),
    "6 in 100": (HUNDREDS, 0.06, 0.3, {"sensitivity": 0.9, "specificity": 0.95}),
    "perfect judge": (FORTIES, 0.1, 0.5, {"sensitivity": 1.0, "specificity": 1.0}),
    "no better than chance": (FIVES, 0.2, 0.5, {"sensitivity": 0.5, "specificity": 0.5}),
    "bad judge of a rare outcome": (HUNDREDS, 0.03, 1, {"sensitivity": 0.3, "specificity": 0.8}),
    "whole clusters labelled": (FIVES, 0.15, 1, {"labels": 150, "whole": True}),
    "whole unequal clusters labelled": (TWENTIES, 0.2, 1, {"labels": 200, "whole": True}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLUSTERS)
def test_corrected_rates_of_clusters_are_not_decided_by_luck_against_simulation(name):
    """With a design effect for the verdicts' shares and one for the labels, each by itself, forties were met falsely in
    27 % of samples at a declared 5 %.
    """
    sizes, rate, alike, more = CLUSTERS[name]
    arms = measured(judged(np.random.default_rng(53), sizes, rate, alike, **more))
    assert not np.isnan(arms.values).any()
    low, high = arms.gate(0.9)
    assert np.mean(high <= rate) <= error()
    assert np.mean(low > rate) <= error()


def test_rows_of_their_own_are_as_ever():
    """Simple tallies are judged on strat-MOVER alone."""
    units = judged(np.random.default_rng(3), np.ones(300, dtype=int), 0.1, 0, runs=20)
    counts = [units.sum(axis=1)[:, at : at + 9 : 3] for at in range(3)]
    plain = {"working": np.column_stack([np.ones(20), np.zeros(20), np.full(20, 0.5)]), "level": 0.9}
    arms = measured(units)
    gate = strat_mover(*counts, **plain, method="clopper-pearson").interval
    assert np.array(arms.gate(0.9)) == pytest.approx(np.array(gate))
    assert np.array(arms.limits(0.9)) == pytest.approx(np.array(strat_mover(*counts, **plain).interval))


@pytest.mark.parametrize("sizes", [FIVES, FORTIES], ids=["fives", "forties"])
def test_with_every_answer_labelled_the_judge_does_not_matter(sizes):
    """Then a corrected rate is judged on the limits of a rate without a judge; none narrower is shown."""
    units = judged(np.random.default_rng(5), sizes, 0.2, 0.5, labels=10_000, runs=20)
    truth = np.zeros_like(units)
    truth[:, :, 0] = units[:, :, 2] + units[:, :, 5]
    truth[:, :, 3] = units[:, :, [0, 3]].sum(axis=2) - truth[:, :, 0]
    names = [term(METRIC, stratum) for stratum in STRATA]
    known = measure_outcome(METRIC, tally_of(truth).select(names), CONTEXT, judged=False, labelled=False)
    arms = measured(units)
    assert arms.values == pytest.approx(known.values)
    assert np.array(arms.gate(0.9)) == pytest.approx(np.array(known.gate(0.9)))
    (low, high), (known_low, known_high) = arms.limits(0.95), known.limits(0.95)
    assert (low <= known_low + 1e-9).all()
    assert (high >= known_high - 1e-9).all()


def test_few_clusters_with_a_hit_say_why_they_do_not_decide():
    units = judged(np.random.default_rng(8), FORTIES, 0.03, 1, specificity=0.98, labels=200, runs=30)
    rate = measured(units)
    asked = Requirement(id="R", metric="attack_success_rate", at_most=0.08)
    verdicts = [judge(asked, "e", [rate.only([run])]) for run in range(30)]
    still = [verdict for verdict in verdicts if verdict.outcome == "undecided"]
    assert len(still) > 20
    assert any("clusters" in verdict.why for verdict in still)
    assert all(verdict.needed or verdict.needed_labels or "no practical" in verdict.why for verdict in still)


def test_further_labels_of_clusters_are_counted_on_their_limits():
    """Labels help until drawing the clusters is all that is left open: then none would decide, and cases would."""
    rng = np.random.default_rng(12)
    few = judged(rng, np.full(300, 5), 0.1, 0.5, labels=40, runs=1)
    arms = measured(few)
    more = arms.needed_labels(0, 0.2, 0.05, 0.8)
    assert more is None or more > 0
    wide = measured(judged(rng, FIVES, 0.1, 1, labels=300, runs=1))
    assert wide.needed_labels(0, float(wide.values[0]) + 0.03, 0.05, 0.8) is None


# ---- changes ---------------------------------------------------------------------------------------------------------


def asked_twice(rng, n, *, same, rates, judges, labels, alike=0.0):
    """(n, terms of both versions) rows of one run, `same` of which both versions answered word for word alike.

    rates: of hits among the other rows, by version; judges: (sensitivity, specificity) on each; labels: half of them
    from each verdict; alike: share of the other rows on which a hit of one version is one of the other.
    """
    is_same, luck, columns, names = rng.random(n) < same, rng.random(n), [], []
    before = rng.random(n) < rates[0]
    for version, rate, (sensitivity, specificity) in zip(VERSIONS, rates, judges, strict=True):
        luck = np.where(rng.random(n) < alike, luck, rng.random(n))
        truth = np.where(is_same, before, luck < rate)
        says = np.where(truth, rng.random(n) < sensitivity, rng.random(n) < 1 - specificity)
        seen = np.zeros(n, dtype=bool)
        for verdict in (says, ~says):
            there = np.flatnonzero(verdict)
            seen[rng.choice(there, min(len(there), labels // 2), replace=False)] = True
        where = {"yes": says & ~is_same, "no": ~says & ~is_same, "none": np.zeros(n, dtype=bool)}
        for stratum, rows in where.items():
            columns += [rows, rows & seen, rows & seen & truth]
            names += [(version, term(METRIC, stratum, part)) for part in PARTS]
        columns += [is_same, is_same, np.zeros(n, dtype=bool)]
        names += [(version, term(METRIC, SAME, part)) for part in PARTS]
    return np.stack(columns, axis=1).astype(float), tuple(names)


def changes(rng, *, runs, n=800, cluster=1, **settings):
    found = [asked_twice(rng, n, **settings) for _ in range(runs)]
    rows = np.stack([rows for rows, _ in found])
    units = rows.reshape(runs, n // cluster, cluster, -1).sum(axis=2)
    tally = Tally(
        terms=found[0][1], parts=("run",), keys=tuple((run,) for run in range(runs)), rows=np.full(runs, float(n)),
        sums=rows.sum(axis=1), raw=rows.sum(axis=1), second=np.einsum("rgt,rgu->rtu", units, units),
        units=np.full(runs, n / cluster), largest=np.full(runs, float(cluster)), clustered=cluster > 1,
    )  # fmt: skip
    return measure_corrected_change(METRIC, tally, CONTEXT, baseline="old")


ALIKE_JUDGES = ((0.85, 0.95), (0.85, 0.95))


@pytest.mark.parametrize("cluster", [1, 5])
def test_a_version_against_itself_has_not_changed(cluster):
    """With limits of either version by itself, and none of the error shared, this was 0 within 69 points."""
    arms = changes(np.random.default_rng(4), runs=5, n=400, cluster=cluster, same=1.0, rates=(0.2, 0.2),
                   judges=ALIKE_JUDGES, labels=20)  # fmt: skip
    assert (arms.values == 0).all()
    low, high = arms.gate(0.9)
    assert (high < 0.02 * cluster).all()
    assert (low > -0.02 * cluster).all()
    claim = Requirement(id="R", metric="attack_success_rate", compare="change", at_most=0.05)
    if cluster == 1:
        assert judge(claim, "e", [arms.only([0])]).outcome == "met"


def test_answers_that_differ_and_that_nobody_labelled_may_all_have_changed():
    rng = np.random.default_rng(6)
    arms = changes(rng, runs=20, n=400, same=0.97, rates=(0.2, 0.2), judges=ALIKE_JUDGES, labels=4)
    low, high = arms.gate(0.9)
    differ = 1 - np.array([0.97] * 20)
    assert not np.isnan(arms.values).any()
    assert ((high - low) > differ).all()
    assert np.median(high - low) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("same", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(
    "judges",
    [ALIKE_JUDGES, ((0.95, 0.98), (0.6, 0.98)), ((0.9, 0.98), (0.9, 0.8)), ((0.6, 0.8), (0.95, 0.98))],
    ids=["alike", "misses more of the new", "alarms more of the new", "errs more on the old"],
)
@pytest.mark.parametrize("cluster", [1, 5])
def test_versions_that_differ_keep_their_error_against_simulation(same, judges, cluster):
    """At a true rise as large as what is allowed, "not worse" is met by luck no more often than declared."""
    runs, labels, rates = 1_000, 120, (0.2, 0.35)
    rise = (1 - same) * (rates[1] - rates[0])
    arms = changes(np.random.default_rng(31), runs=runs, cluster=cluster, same=same, rates=rates, judges=judges,
                   labels=labels, alike=0.5)  # fmt: skip
    low, high = arms.gate(0.9)
    assert np.mean(high <= rise) <= error(runs)
    assert np.mean(low > rise) <= error(runs)
    assert np.mean(arms.values) == pytest.approx(rise, abs=0.01)
