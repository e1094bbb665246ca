import numpy as np
import pytest
from sklearn import metrics as sk

from shipworthy.metrics.catalogue import lookup

CLASSES = ("ant", "bee", "cat", "d[0]g")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    n = 900
    label = rng.choice(CLASSES, n, p=[0.4, 0.3, 0.2, 0.1])
    scores = rng.dirichlet(np.ones(4), n) + 0.8 * (label[:, None] == np.array(CLASSES))
    scores = scores / scores.sum(axis=1, keepdims=True)
    frame = {"label": label, "prediction": np.array(CLASSES)[scores.argmax(axis=1)], "group": rng.choice(["x", "y"], n)}
    return frame | {f"p_{name}": scores[:, k] for k, name in enumerate(CLASSES)}


@pytest.fixture
def found(rows, evaluate):
    metrics = [
        "accuracy", "error_rate", "micro_f1", "macro_recall", "macro_precision", "macro_f1", "top_k_accuracy@1",
        "top_k_accuracy@2", "top_k_accuracy@3",
        *(f"{statistic}[{name}]" for statistic in ("recall", "precision", "f1", "selection_rate") for name in CLASSES),
    ]  # fmt: skip
    scores = {name: f"p_{name}" for name in CLASSES}
    return evaluate(rows, label="label", prediction="prediction", scores=scores, slices=["group"], metrics=metrics)


@pytest.mark.parametrize("group", [None, "x", "y"])
def test_multiclass_against_reference(rows, found, group):
    chosen = np.ones(len(rows["label"]), dtype=bool) if group is None else rows["group"] == group
    y, p = rows["label"][chosen], rows["prediction"][chosen]
    at = found if group is None else (lambda name: found(name, "group", group))
    for name, value in {
        "accuracy": sk.accuracy_score(y, p),
        "error_rate": sk.zero_one_loss(y, p),
        "micro_f1": sk.f1_score(y, p, average="micro"),
        "macro_recall": sk.recall_score(y, p, average="macro"),
        "macro_precision": sk.precision_score(y, p, average="macro"),
        "macro_f1": sk.f1_score(y, p, average="macro"),
    }.items():
        assert at(name).value == pytest.approx(value, abs=1e-12), name
        assert at(name).low < value < at(name).high
    for statistic, score in (("recall", sk.recall_score), ("precision", sk.precision_score), ("f1", sk.f1_score)):
        for name, value in zip(CLASSES, score(y, p, average=None, labels=CLASSES), strict=True):
            assert at(f"{statistic}[{name}]").value == pytest.approx(value, abs=1e-12)
    scores = np.stack([rows[f"p_{name}"][chosen] for name in CLASSES], axis=1)
    for depth in (1, 2, 3):
        value = sk.top_k_accuracy_score(y, scores, k=depth, labels=CLASSES)
        assert at(f"top_k_accuracy@{depth}").value == pytest.approx(value, abs=1e-12)


def test_ties_count_against_the_true_class(evaluate):
    rows = {"label": ["a", "b"] * 10, "a": [0.5] * 20, "b": [0.5] * 20}
    found = evaluate(rows, label="label", scores={"a": "a", "b": "b"}, metrics=["top_k_accuracy@1", "top_k_accuracy@2"])
    assert (found("top_k_accuracy@1").value, found("top_k_accuracy@2").value) == (0, 1)


def test_a_class_that_a_slice_lacks_leaves_its_mean_undefined(evaluate):
    rows = {
        "label": ["a", "b", "c"] * 10 + ["a", "b"] * 10,
        "prediction": ["a", "b", "c"] * 10 + ["a", "b"] * 10,
        "group": ["x"] * 30 + ["y"] * 20,
    }
    found = evaluate(
        rows, label="label", prediction="prediction", slices=["group"], metrics=["macro_recall", "macro_f1"]
    )
    assert found("macro_recall", "group", "x").value == 1
    assert found("macro_recall", "group", "y").value is None
    assert "recall[c]" in found("macro_recall", "group", "y").reason
    assert found("macro_f1", "group", "y").value is None


def test_macro_interval_against_simulation(evaluate):
    """MOVER over the classes covers the mean recall, and the linearised interval the macro F1, in 95 % of samples."""
    from shipworthy.estimate.arms import Context, measure
    from shipworthy.observations.tally import Tally

    rng = np.random.default_rng(12)
    truth = np.array([[0.30, 0.06, 0.04], [0.03, 0.25, 0.02], [0.05, 0.05, 0.20]])
    f1 = [2 * truth[k, k] / (truth[k].sum() + truth[:, k].sum()) for k in range(3)]
    expected = {"macro_recall": np.mean(np.diag(truth) / truth.sum(axis=1)), "macro_f1": np.mean(f1)}
    terms = tuple((a, b) for a in "abc" for b in "abc")
    draws = rng.multinomial(400, truth.ravel(), size=1500).astype(float)
    rows = draws.sum(axis=1)
    tally = Tally(
        terms=terms, parts=("run",), keys=tuple((k,) for k in range(len(draws))), rows=rows, sums=draws, raw=draws,
        second=draws[:, :, None] * np.eye(9), units=rows, largest=np.ones(len(draws)),
    )  # fmt: skip
    for name, value in expected.items():
        low, high = measure(lookup(name, "multiclass"), tally, Context(evaluation="e", minimum_group=1)).limits(0.95)
        assert np.mean((low <= value) & (value <= high)) == pytest.approx(
            0.95, abs=3 * np.sqrt(0.95 * 0.05 / 1500) + 0.003
        )
