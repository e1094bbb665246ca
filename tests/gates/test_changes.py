"""Claims about paired changes, by simulation exactly at the margin: each verdict is wrong at most as often as declared.

Every slice of a tally is one sample, and its gate is asked for a one-sided 5 % limit.
"""

from itertools import product

import numpy as np
import pytest

from shipworthy.estimate.changes import measure_auc_change, measure_change
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Rows, Tally

CELLS = tuple(product((0, 1), repeat=3))  # label, old prediction, new prediction
LOSSES, MIXED = (0.0, 0.04, 0.0, 0.02), (0.02, 0.06, 0.01, 0.03)


def shares(moves, positives=0.4):
    """Shares of the joint cells. moves: gained and lost among positives, gained and lost among negatives."""
    gained, lost, spared, alarmed = moves
    p, q = positives, 1 - positives
    cells = {
        (1, 0, 1): p * gained, (1, 1, 0): p * lost, (1, 1, 1): p * (0.8 - lost), (1, 0, 0): p * (0.2 - gained),
        (0, 1, 0): q * spared, (0, 0, 1): q * alarmed, (0, 0, 0): q * (0.9 - alarmed), (0, 1, 1): q * (0.1 - spared),
    }  # fmt: skip
    return np.array([cells[cell] for cell in CELLS])


def clustered(per_cluster):
    """A tally of clusters: counts of shape (slices, clusters, cells)."""
    per = per_cluster.astype(float)
    sums = per.sum(axis=1)
    return Tally(
        terms=CELLS, parts=("group",), keys=tuple((k,) for k in range(len(sums))), rows=sums.sum(axis=1), sums=sums,
        raw=sums, second=np.einsum("sgt,sgu->stu", per, per), units=np.full(len(sums), float(per.shape[1])),
        largest=per.sum(axis=2).max(axis=1), clustered=True,
    )  # fmt: skip


def false_verdicts(arms, truth, *, display=False):
    """How often the limits call the change better, and worse, than it is."""
    low, high = (arms.limits if display else arms.gate)(0.9)
    return float((low > truth + 1e-9).mean()), float((high < truth - 1e-9).mean())


def most(runs):
    return 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def change(build, metric, counts):
    return measure_change(lookup(metric, "binary"), build.tally_of(CELLS, counts), build.context, baseline="old")


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1", "ppv", "mcc"])
@pytest.mark.parametrize("moves", [LOSSES, MIXED], ids=["losses", "mixed"])
@pytest.mark.parametrize("n", [500, 1000, 2000])
def test_linearised_change_at_the_margin_against_simulation(build, metric, moves, n):
    runs = 1500
    cells = shares(moves)
    truth = change(build, metric, [1e9 * cells]).values[0]
    arms = change(build, metric, np.random.default_rng(n).multinomial(n, cells, size=runs))
    assert max(false_verdicts(arms, truth)) <= most(runs)
    if metric in ("balanced_accuracy", "f1") and n == 500 and moves == LOSSES:
        assert max(false_verdicts(arms, truth, display=True)) > most(runs)  # the plain limits would not do


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "tpr", "balanced_accuracy"])
@pytest.mark.parametrize("moves", [LOSSES, MIXED], ids=["losses", "mixed"])
@pytest.mark.parametrize(("n", "size"), [(500, 5), (2000, 5), (1000, 20)])
def test_clustered_change_at_the_margin_against_simulation(build, metric, moves, n, size):
    """Clusters whose shares scatter: Dirichlet-multinomial with an intraclass correlation of .2."""
    runs = 600
    cells, rng = shares(moves), np.random.default_rng(n)
    truth = change(build, metric, [1e9 * cells]).values[0]
    scatter = rng.gamma(np.maximum(4 * cells, 1e-9), size=(runs, n // size, len(CELLS)))
    counts = rng.multinomial(size, scatter / scatter.sum(axis=2, keepdims=True))
    arms = measure_change(lookup(metric, "binary"), clustered(counts), build.context, baseline="old")
    assert max(false_verdicts(arms, truth)) <= most(runs)
    if metric == "accuracy" and moves == LOSSES and n < 2000:
        assert max(false_verdicts(arms, truth, display=True)) > most(runs)


@pytest.mark.slow
@pytest.mark.parametrize(("positives", "negatives"), [(20, 180), (50, 450), (100, 100)])
@pytest.mark.parametrize(("old", "new", "shared"), [(0.9, 0.85, 0.3), (0.95, 0.9, 0.8), (0.8, 0.78, 0.8)])
def test_auc_change_at_the_margin_against_simulation(build, positives, negatives, old, new, shared):
    runs = 400
    found = measure_auc_change(
        lookup("auc", "binary"), scores(runs, positives, negatives, old, new, shared), build.context,
        baseline="old", old="old", new="new",
    )  # fmt: skip
    assert max(false_verdicts(found, new - old)) <= most(runs)
    assert np.isfinite(found.gate(0.9)).all()


@pytest.mark.slow
@pytest.mark.parametrize(("positives", "negatives"), [(20, 20), (50, 500)])
@pytest.mark.parametrize("moved", ["up", "down", "either"])
def test_coarse_auc_change_against_simulation(build, positives, negatives, moved):
    """Two scores, and few cases that the versions put apart: a change was false in up to .36 of samples."""
    from shipworthy.stats.discrimination import auc

    rng, runs = np.random.default_rng(14), 300
    of_positives = {"up": [0.2, 0.03, 0.0, 0.77], "down": [0.2, 0.0, 0.03, 0.77], "either": [0.9, 0.02, 0.02, 0.06]}
    of_negatives = {"up": [0.8, 0.0, 0.02, 0.18], "down": [0.8, 0.02, 0.0, 0.18], "either": [0.97, 0.0, 0.01, 0.02]}
    sides = of_positives[moved], of_negatives[moved]  # old and new low, new alone high, old alone high, both high
    of_new, of_old = ([[1 - s[at] - s[3], s[at] + s[3]] for s in sides] for at in (1, 2))
    label = np.tile(np.repeat([1.0, 0.0], [positives, negatives]), runs)
    cell = np.where(label == 1, *(rng.choice(4, size=len(label), p=side) for side in sides))
    columns = {"label": label, "old": (cell >= 2) * 1.0, "new": (cell % 2) * 1.0}
    where = np.repeat(np.arange(runs), positives + negatives)
    rows = Rows(parts=("group",), keys=tuple((k,) for k in range(runs)), slice=where, columns=columns, unit=None)
    found = measure_auc_change(lookup("auc", "binary"), rows, build.context, baseline="old", old="old", new="new")
    assert max(false_verdicts(found, auc(*of_new) - auc(*of_old))) <= most(runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "size", "shared", "old", "new", "whole"),
    [(60, 8, 1.0, 1.5, 1.5, True), (30, 10, 2.0, 1.5, 1.5, False), (20, 20, 1.5, 1.0, 2.0, False),
     (40, 20, 2.5, 1.0, 2.0, False)],
)  # fmt: skip
def test_clustered_auc_change_against_simulation(build, clusters, size, shared, old, new, whole):
    """Each version errs alike on the rows of a cluster; labels vary within clusters, or belong to whole ones."""
    from scipy.special import ndtr

    rng, runs, n = np.random.default_rng(12), 600, clusters * size
    unit = np.tile(np.repeat(np.arange(clusters), size), runs)
    label = (unit < clusters // 3 if whole else rng.random(len(unit)) < 0.3).astype(float)
    each = rng.normal(0, 0.7, len(unit))  # what makes a case hard for both versions
    columns = {"label": label}
    for name, apart in (("old", old), ("new", new)):
        of_cluster = np.repeat(rng.normal(0, shared, runs * clusters), size)
        columns[name] = of_cluster + each + rng.normal(0, 0.7, len(unit)) + apart * label
    rows = Rows(parts=("group",), keys=tuple((k,) for k in range(runs)), slice=np.repeat(np.arange(runs), n),
                columns=columns, unit=unit)  # fmt: skip
    found = measure_auc_change(lookup("auc", "binary"), rows, build.context, baseline="old", old="old", new="new")
    noise = np.sqrt(2 * (shared**2 + 2 * 0.7**2))
    assert max(false_verdicts(found, ndtr(new / noise) - ndtr(old / noise))) <= most(runs)
    assert np.isfinite(found.gate(0.9)).mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("n", "spread", "gained", "lost"), [(200, 1.0, 0.02, 0.05), (200, 1.5, 0.1, 0.15)])
def test_weighted_change_against_simulation(build, n, spread, gained, lost):
    rng, runs = np.random.default_rng(13), 2000
    weights, fate = np.exp(rng.normal(0, spread, (runs, n))), rng.random((runs, n))
    raw = np.stack([fate < gained, (fate >= gained) & (fate < gained + lost), fate >= gained + lost], axis=2) * 1.0
    heavy = raw * weights[:, :, None]
    tally = Tally(
        terms=((1, 0, 1), (1, 1, 0), (1, 1, 1)), parts=("run",), keys=tuple((k,) for k in range(runs)),
        rows=np.full(runs, n), sums=heavy.sum(axis=1), raw=raw.sum(axis=1), weighted=True,
        second=np.einsum("sgt,sgu->stu", heavy, heavy), units=np.full(runs, float(n)), largest=np.ones(runs),
    )  # fmt: skip
    arms = measure_change(lookup("accuracy", "binary"), tally, build.context, baseline="old")
    assert max(false_verdicts(arms, gained - lost)) <= most(runs)


def scores(runs, positives, negatives, old, new, shared):
    """Two normal scores with the AUCs `old` and `new` whose noise correlates by `shared`; every slice is a sample."""
    from scipy.special import ndtri

    rng = np.random.default_rng(5)
    label = np.tile(np.r_[np.ones(positives), np.zeros(negatives)], runs)
    first, second = rng.normal(size=(2, len(label)))
    columns = {
        "label": label,
        "old": first + label * np.sqrt(2) * ndtri(old),
        "new": shared * first + np.sqrt(1 - shared**2) * second + label * np.sqrt(2) * ndtri(new),
    }
    where = np.repeat(np.arange(runs), positives + negatives)
    return Rows(parts=("group",), keys=tuple((k,) for k in range(runs)), slice=where, columns=columns, unit=None)


def test_claims_on_too_few_cases_stay_open(build):
    """Ten positives decide nothing about an AUC, nor do ten cases that differ about F1; both still show an interval."""
    found = measure_auc_change(
        lookup("auc", "binary"), scores(1, 10, 90, 0.8, 0.7, 0.5), build.context, baseline="o", old="old", new="new"
    )
    assert np.isfinite(found.limits(0.9)).all()
    assert np.isinf(found.gate(0.9)).all()
    few = dict.fromkeys(CELLS, 0) | {(0, 0, 0): 250, (1, 1, 1): 230, (1, 0, 0): 10, (1, 1, 0): 6, (0, 0, 1): 4}
    arms = change(build, "f1", [list(few.values())])
    assert np.isfinite(arms.limits(0.9)).all()
    assert np.isinf(arms.gate(0.9)).all()


def test_gates_are_wider_than_the_display(build):
    counts = np.random.default_rng(1).multinomial(4000, shares(MIXED), size=50)
    for metric in ("balanced_accuracy", "f1", "ppv", "mcc"):
        arms = change(build, metric, counts)
        (low, high), (inner_low, inner_high) = arms.gate(0.9), arms.limits(0.9)
        assert np.all(low < inner_low)
        assert np.all(high > inner_high)
        assert np.median((high - low) / (inner_high - inner_low)) < 1.2
