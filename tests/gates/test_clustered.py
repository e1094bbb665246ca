"""Clusters and weights: coverage and the gate's promise where plain linearisation breaks them, by simulation."""

import numpy as np
import pytest

from shipworthy.estimate.arms import Context, measure
from shipworthy.estimate.pairs import all_pairs
from shipworthy.estimate.scores import measure_scores
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Histogram, Histograms, Rows, Tally

CONTEXT = Context(evaluation="rows", minimum_group=1)
CONFUSION = ((0, 0), (0, 1), (1, 0), (1, 1))
CHOICE = ((0,), (1,))


def tally_of(terms, units, raw=None, *, clustered=True, crossed=False):
    """Slices from what each unit adds to each term: units has shape (slices, units, terms)."""
    units = np.asarray(units, dtype=float)
    raw = units if raw is None else raw
    present = raw.sum(axis=2)
    return Tally(
        terms=terms, parts=("run",), keys=tuple((k,) for k in range(len(units))), rows=present.sum(axis=1),
        sums=units.sum(axis=1), raw=raw.sum(axis=1), second=np.einsum("sgt,sgu->stu", units, units),
        units=(present > 0).sum(axis=1).astype(float), largest=present.max(axis=1), clustered=clustered,
        weighted=raw is not units, cross=np.einsum("sgt,rgu->stru", units, units) if crossed else None,
    )  # fmt: skip


def arms_of(metric, tally):
    return measure(lookup(metric, "binary"), tally, CONTEXT)


def error(share, runs):
    """Three Monte Carlo standard errors."""
    return 3 * np.sqrt(share * (1 - share) / runs)


def households(rng, runs, *, positive, clusters=40, size=10):
    """Counts of TN, FP, FN, TP by cluster: `positive` of the clusters hold positives alone, the others negatives."""
    right = rng.binomial(size, rng.beta(4.5, 0.5, (runs, clusters)))
    wrong, none = size - right, np.zeros((runs, clusters))
    holds = np.arange(clusters) < positive
    return np.stack([np.where(holds, a, b) for a, b in ((none, right), (none, wrong), (wrong, none), (right, none))], 2)


@pytest.mark.slow
def test_balanced_accuracy_of_clusters_against_simulation():
    """Positives in 12 of 40 clusters: the mean of both rates rests on 12, not on 40."""
    runs, truth = 3000, 0.9
    arms = arms_of("balanced_accuracy", tally_of(CONFUSION, households(np.random.default_rng(1), runs, positive=12)))
    low, high = arms.limits(0.95)
    assert np.isfinite(low).all()
    assert high.max() <= 1
    assert np.mean((low <= truth) & (truth <= high)) >= 0.93 - error(0.93, runs)
    assert np.mean(arms.gate(0.9)[0] > truth) <= 0.05 + error(0.05, runs)
    assert np.mean(arms.gate(0.9)[1] < truth) <= 0.05 + error(0.05, runs)


@pytest.mark.slow
def test_matthews_near_one_against_simulation():
    """Hardly any error of either kind: no claim is decided on a linearisation that has next to nothing to go by."""
    rng, runs = np.random.default_rng(2), 3000
    for n, rate in ((50, 0.98), (500, 0.98), (200, 0.9)):
        cells = rng.multinomial(n, np.array([rate, 1 - rate, 1 - rate, rate]) / 2, size=runs)
        tally = Tally(
            terms=CONFUSION, parts=("run",), keys=tuple((k,) for k in range(runs)), rows=cells.sum(axis=1), sums=cells * 1.0,
            raw=cells * 1.0, second=cells[:, :, None] * np.eye(4), units=cells.sum(axis=1), largest=np.ones(runs),
        )  # fmt: skip
        arms = arms_of("mcc", tally)
        low, high = (arms.gate or arms.limits)(0.9)
        assert np.mean(low > 2 * rate - 1) <= 0.05 + error(0.05, runs), (n, rate)
        assert np.mean(high < 2 * rate - 1) <= 0.05 + error(0.05, runs), (n, rate)
        if rate == 0.9:
            assert np.isfinite(low).mean() > 0.9  # where there is enough of every kind, claims are decided


@pytest.mark.slow
@pytest.mark.parametrize(("n", "rate", "spread"), [(60, 0.05, 1.0), (200, 0.02, 1.0), (200, 0.1, 1.2)])
def test_weighted_rate_against_simulation(n, rate, spread):
    """Unequal weights: too few hits to show what the weights cost do not make the limits narrower."""
    rng, runs = np.random.default_rng(3), 4000
    weights, hit = np.exp(rng.normal(0, spread, (runs, n))), rng.random((runs, n)) < rate
    raw = np.stack([~hit, hit], axis=2).astype(float)
    arms = arms_of("selection_rate", tally_of(CHOICE, raw * weights[:, :, None], raw, clustered=False))
    known = np.array([reason is None for reason in arms.reasons])
    low, high = arms.gate(0.9)
    assert np.mean(high[known] < rate) <= 0.05 + error(0.05, runs)
    assert np.mean(low[known] > rate) <= 0.05 + error(0.05, runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "size", "rate", "icc", "spread", "shared"),
    [(20, 10, 0.05, 0.2, 1.0, True), (40, 5, 0.1, 0.3, 1.2, True), (30, 10, 0.95, 0.3, 1.0, True),
     (60, 10, 0.1, 0.3, 1.5, True), (100, 2, 0.05, 0.1, 1.0, False), (40, 5, 0.02, 0.1, 1.0, False)],
)  # fmt: skip
def test_clustered_and_weighted_rate_against_simulation(clusters, size, rate, icc, spread, shared):
    """Weights that the rows of a cluster share, or not: what few hits show of their cost fails by .09 to .14."""
    rng, runs = np.random.default_rng(10), 2000
    scale = 1 / icc - 1
    tendency = rng.beta(rate * scale, (1 - rate) * scale, (runs, clusters, 1))
    hit = rng.random((runs, clusters, size)) < tendency
    weights = np.exp(rng.normal(0, spread, (runs, clusters, 1 if shared else size))) * np.ones(hit.shape)
    raw = np.stack([~hit, hit], axis=3).astype(float)
    arms = arms_of("selection_rate", tally_of(CHOICE, (raw * weights[..., None]).sum(axis=2), raw.sum(axis=2)))
    known = np.array([reason is None for reason in arms.reasons])
    low, high = arms.gate(0.9)
    assert np.mean(high[known] < rate) <= 0.05 + error(0.05, runs)
    assert np.mean(low[known] > rate) <= 0.05 + error(0.05, runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "right", "shares"),
    [(300, 0.98, (1, 1, 1)), (1000, 0.98, (1, 1, 1)), (300, 0.9, (1, 1, 1)), (1000, 0.95, (90, 5, 3, 2)),
     (3000, 0.8, (1, 1, 1))],
)  # fmt: skip
def test_macro_f1_against_simulation(n, right, shares):
    """Near 1 a linearised macro F1 promises too much (.13 at 300 cases and .98): few errors decide nothing."""
    rng, runs, classes = np.random.default_rng(11), 2000, len(shares)
    chances = np.where(np.eye(classes) == 1, right, (1 - right) / (classes - 1))
    joint = np.array(shares)[:, None] / sum(shares) * chances
    cells = rng.multinomial(n, joint.ravel(), size=runs).astype(float)
    names = [f"c{k}" for k in range(classes)]
    tally = Tally(
        terms=tuple((a, b) for a in names for b in names), parts=("run",), keys=tuple((k,) for k in range(runs)),
        rows=cells.sum(axis=1), sums=cells, raw=cells, second=cells[:, :, None] * np.eye(classes**2),
        units=cells.sum(axis=1), largest=np.ones(runs),
    )  # fmt: skip
    arms = measure(lookup("macro_f1", "multiclass"), tally, CONTEXT)
    truth = np.mean(2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1)))
    low, high = arms.gate(0.9)
    assert np.mean(low > truth) <= 0.05 + error(0.05, runs)
    assert np.mean(high < truth) <= 0.05 + error(0.05, runs)
    assert np.isfinite(low).mean() > 0.9 or n * (1 - right) < 21
    assert all((why is None) == bool(np.isfinite(side)) for why, side in zip(arms.gate_reasons, low, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["selection_rate", "balanced_accuracy"])
def test_ratio_of_slices_that_share_clusters_against_simulation(metric):
    """A household pulls its two slices apart, so that their ratio varies more than that of independent slices."""
    rng, runs, clusters, size = np.random.default_rng(4), 1500, 80, 6
    covered = 0
    for _ in range(runs):
        tendency = rng.beta(2, 2, clusters)
        right = rng.binomial(size, np.stack([tendency, 1 - tendency]))
        cells = np.stack([size - right, right], axis=2)
        if metric == "selection_rate":
            tally = tally_of(CHOICE, cells, crossed=True)
        else:
            half = np.arange(clusters)[None, :, None] % 2 == 0
            tally = tally_of(CONFUSION, np.concatenate([cells[:, :, ::-1] * half, cells * ~half], axis=2), crossed=True)
        low, high = all_pairs(arms_of(metric, tally), "ratio").limits(0.95)
        covered += bool(low[0] <= 1 <= high[0])
    assert covered / runs >= 0.95 - error(0.95, runs)


def scored(rng, runs, *, positive, clusters=60, size=8):
    """One set of scored rows per run, positives in the first clusters alone; the AUC that they would have for ever."""
    unit = np.repeat(np.arange(clusters), size)
    label = (unit < positive).astype(float)
    shift = np.repeat(rng.normal(0, 1, (runs, clusters)), size, axis=1)
    return unit, label, np.round(shift + rng.normal(0, 1, (runs, clusters * size)) + 1.5 * label, 9)


def auc_arms(label, scores, unit, metric="auc"):
    """Arms of a score metric on slices, given as rows: scores has shape (slices, rows)."""
    slices = []
    for score in scores:
        distinct, place = np.unique(score, return_inverse=True)
        positives, negatives = (np.bincount(place, label == y, len(distinct)) for y in (1, 0))
        slices.append(Histogram(score=distinct, positives=positives, negatives=negatives, binned=False))
    keys = tuple((k,) for k in range(len(scores)))
    histograms = Histograms(
        parts=("run",), keys=keys, rows=np.full(len(keys), len(label)), slices=tuple(slices), lowest=-9, highest=9
    )
    rows = Rows(
        parts=("run",), keys=keys, slice=np.repeat(np.arange(len(keys)), len(label)),
        columns={"label": np.tile(label, len(keys)), "score": np.concatenate(scores)}, unit=np.tile(unit, len(keys)),
    )  # fmt: skip
    return measure_scores(lookup(metric, "binary"), histograms, CONTEXT, rng=np.random.default_rng(0), rows=rows)


@pytest.mark.slow
def test_auc_of_few_positive_clusters_against_simulation():
    from scipy.special import ndtr

    rng, runs, truth = np.random.default_rng(5), 1500, float(ndtr(1.5 / 2))
    unit, label, scores = scored(rng, runs, positive=10)
    inside = 0
    for at in range(0, runs, 50):
        low, high = auc_arms(label, scores[at : at + 50], unit).limits(0.95)
        inside += int(np.sum((low <= truth) & (truth <= high)))
    assert inside / runs >= 0.95 - error(0.95, runs)


def test_auc_needs_clusters_of_both_kinds():
    unit, label, scores = scored(np.random.default_rng(6), 1, positive=9)
    assert auc_arms(label, scores, unit).reasons == ("only 9 clusters hold a positive: an interval needs 10",)


def test_auc_of_slices_that_share_clusters_properties():
    """The same rows in both slices are perfectly correlated; what is not known is taken at its worst."""
    unit, label, scores = scored(np.random.default_rng(7), 1, positive=30)
    twice = np.concatenate([scores, scores])
    arms = auc_arms(label, twice, unit)
    assert arms.correlation == pytest.approx(np.ones((2, 2)))
    lower, upper = (side[0] for side in arms.limits(0.95))
    skew = abs((upper - arms.values[0]) - (arms.values[0] - lower))
    assert np.ravel(all_pairs(arms, "difference").limits(0.95)) == pytest.approx([-skew, -skew, skew, skew], abs=1e-7)
    unknown = auc_arms(label, twice, unit, metric="auprc")
    assert unknown.correlation is None
    lower, upper = (side[0] for side in unknown.limits(0.95))
    assert all_pairs(unknown, "difference").limits(0.95)[1][0] == pytest.approx(upper - lower)


@pytest.mark.parametrize("copies", [3, 8])
@pytest.mark.parametrize("metric", ["balanced_accuracy", "mcc", "accuracy", "auc", "auprc"])
def test_effective_size_of_copied_rows_against_theory(metric, copies):
    """Every row copied into a cluster of its own: the copies add nothing to what the rows are worth."""
    rng, rows = np.random.default_rng(8), 400
    if metric in {"auc", "auprc"}:
        label = rng.integers(0, 2, rows).astype(float)
        score = rng.normal(0, 1, rows) + label
        copied = [np.repeat(each, copies) for each in (label, score, np.arange(rows))]
        arms = auc_arms(copied[0], copied[1][None], copied[2], metric=metric)
    else:
        arms = arms_of(metric, tally_of(CONFUSION, copies * rng.multinomial(1, [0.4, 0.1, 0.1, 0.4], (1, rows))))
    assert arms.n[0] == rows * copies
    assert arms.effective[0] == pytest.approx(rows, rel=0.01)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "mcc"])
def test_effective_size_under_weights_against_theory(metric):
    """Weights that have nothing to do with the outcome cost 1 + cv^2."""
    rng, rows = np.random.default_rng(9), 20_000
    raw = rng.multinomial(1, [0.4, 0.1, 0.1, 0.4], (1, rows)).astype(float)
    weights = rng.uniform(0.2, 5, (1, rows))
    arms = arms_of(metric, tally_of(CONFUSION, raw * weights[:, :, None], raw, clustered=False))
    assert arms.effective[0] == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=0.05)
