"""Every shared metric of yes-or-no decisions equals scikit-learn's and Fairlearn's, on real rows."""

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from shipworthy.estimate.arms import Context, measure
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.tally import Tally

RATES = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "tpr": fl.true_positive_rate,
    "tnr": fl.true_negative_rate,
    "fpr": fl.false_positive_rate,
    "fnr": fl.false_negative_rate,
    "ppv": sk.precision_score,
    "npv": lambda y, p: sk.precision_score(y, p, pos_label=0),
    "fdr": lambda y, p: 1 - sk.precision_score(y, p),
    "for": lambda y, p: 1 - sk.precision_score(y, p, pos_label=0),
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
    "selection_rate": fl.selection_rate,
    "error_rate": sk.zero_one_loss,
    "base_rate": lambda y, p: np.mean(y),
}
SCORES = {
    "auc": sk.roc_auc_score,
    "auprc": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": sk.brier_score_loss,
}
DECIDED = [name for name in RATES if name not in ("base_rate",)]


@pytest.fixture(scope="module")
def adult(shared_data):
    """Test rows of Adult with a logistic regression's decisions, as a frame with label, prediction, score, sex,
    race.
    """
    rows = pd.read_parquet(shared_data("adult/adults.parquet"))
    label = (rows["class"].astype(str) == ">50K").astype(int)
    numbers = rows[["age", "education-num", "capital-gain", "capital-loss", "hours-per-week"]].astype(float)
    features = np.log1p(numbers)
    x, x_test, y, y_test, _, kept = train_test_split(features, label, rows, test_size=0.3, random_state=3)
    score = LogisticRegression(max_iter=500).fit(x, y).predict_proba(x_test)[:, 1]
    return pd.DataFrame(
        {
            "label": y_test.to_numpy(),
            "prediction": (score > 0.5).astype(int),
            "score": score,
            "sex": kept["sex"].astype(str).to_numpy(),
            "race": kept["race"].astype(str).to_numpy(),
        }
    )


@pytest.fixture
def found(adult, evaluate):
    return evaluate(
        adult, label="label", prediction="prediction", score="score", slices=["sex", "race", ["sex", "race"]],
        metrics=[*RATES, *SCORES],
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:Precision is ill-defined")
@pytest.mark.parametrize("across", ["sex", "race", "sex × race"])
def test_adult_by_group_against_reference(adult, found, across):
    columns = across.split(" × ")
    frame = fl.MetricFrame(
        metrics=RATES, y_true=adult.label, y_pred=adult.prediction, sensitive_features=adult[columns]
    )
    scored = fl.MetricFrame(metrics=SCORES, y_true=adult.label, y_pred=adult.score, sensitive_features=adult[columns])
    for name in [*RATES, *SCORES]:
        expected = (frame if name in RATES else scored).by_group[name]
        assert len(expected) > 1
        for level, value in expected.items():
            estimate = found(name, across, level)
            if estimate.value is None:  # where scikit-learn puts a 0 we say that nothing was flagged, or too few were
                mine = adult[(adult[columns] == list(level)).all(axis=1)]
                assert estimate.reason, name
                assert min(mine.label.sum(), mine.prediction.sum()) < 5
            else:
                assert estimate.value == pytest.approx(value, abs=1e-9), (name, level)
        assert found(name).value == pytest.approx((frame if name in RATES else scored).overall[name], abs=1e-9)


@pytest.mark.parametrize("name", DECIDED)
def test_adult_largest_gap_against_reference(adult, found, name):
    frame = fl.MetricFrame(
        metrics=RATES[name], y_true=adult.label, y_pred=adult.prediction, sensitive_features=adult.race
    )
    gaps = found.judge(name, "race", compare="difference", at_most=0.0).pieces
    assert max(abs(p.estimate.value) for p in gaps) == pytest.approx(frame.difference(), abs=1e-9)
    ratios = found.judge(name, "race", compare="ratio", at_least=1.0).pieces
    assert min(min(p.estimate.value, 1 / p.estimate.value) for p in ratios) == pytest.approx(frame.ratio(), abs=1e-9)


@pytest.mark.parametrize("across", ["sex", "race"])
def test_adult_fairness_summaries_against_reference(adult, found, across):
    y, p, group = adult.label, adult.prediction, adult[across]

    def worst(compare, *metrics):
        pieces = found.judge(metrics[0], across, *metrics[1:], compare=compare, at_least=-9.0).pieces
        values = [piece.estimate.value for piece in pieces]
        return max(map(abs, values)) if compare == "difference" else min(min(v, 1 / v) for v in values)

    assert lookup("demographic_parity_difference").metrics == ("selection_rate",)
    assert worst("difference", "selection_rate") == pytest.approx(
        fl.demographic_parity_difference(y, p, sensitive_features=group), abs=1e-12
    )
    assert worst("ratio", "selection_rate") == pytest.approx(
        fl.demographic_parity_ratio(y, p, sensitive_features=group), abs=1e-12
    )
    odds = lookup("equalized_odds_difference").metrics
    assert worst("difference", *odds) == pytest.approx(
        fl.equalized_odds_difference(y, p, sensitive_features=group), abs=1e-12
    )
    assert worst("ratio", *odds) == pytest.approx(fl.equalized_odds_ratio(y, p, sensitive_features=group), abs=1e-12)
    assert worst("difference", "tpr") == pytest.approx(
        fl.equal_opportunity_difference(y, p, sensitive_features=group), abs=1e-12
    )


def guide() -> dict[str, list[object]]:
    """Rows with the printed counts: TPR .5/.6/.4, FPR 1/0/.667, selection .75/.5/.5 in groups of 4, 6 and 8."""
    cells = {"a": (0, 2, 1, 1), "b": (1, 0, 2, 3), "c": (1, 2, 3, 2)}  # TN, FP, FN, TP
    rows = [
        (group, label, prediction)
        for group, counts in cells.items()
        for (label, prediction), count in zip(((0, 0), (0, 1), (1, 0), (1, 1)), counts, strict=True)
        for _ in range(count)
    ]
    group, label, prediction = zip(*rows, strict=True)
    return {"group": list(group), "label": list(label), "prediction": list(prediction)}


def test_fairlearn_guide_against_reference(evaluate):
    frame = guide()
    found = evaluate(
        frame, label="label", prediction="prediction", slices=["group"], metrics=["tpr", "fpr", "selection_rate"],
        minimum_group=1, fold_below=0,
    )  # fmt: skip
    assert len(frame["group"]) == 18
    printed = {"tpr": (0.5, 0.6, 0.4), "fpr": (1.0, 0.0, 0.667), "selection_rate": (0.75, 0.5, 0.5)}
    overall = {"tpr": 0.5, "fpr": 0.6667, "selection_rate": 0.5556}
    differences = {"tpr": 0.20, "fpr": 1.00, "selection_rate": 0.25}
    ratios = {"tpr": 0.667, "fpr": 0.0, "selection_rate": 0.667}
    for name, values in printed.items():
        assert [round(v, 3) for v in found.values(name, "group").values()] == list(values)
        assert round(found(name).value, 4) == overall[name]
        pieces = found.judge(name, "group", compare="difference", at_most=0.0).pieces
        assert max(abs(p.estimate.value) for p in pieces) == pytest.approx(differences[name])
        values = [p.estimate.value for p in found.judge(name, "group", compare="ratio", at_least=1.0).pieces]
        known = [min(v, 1 / v) if v else 0.0 for v in values if v is not None]
        assert round(min(known), 3) == ratios[name]


COUNTS = st.lists(st.integers(0, 40), min_size=4, max_size=4)


def tally_of(*cells: list[int]) -> Tally:
    sums = np.array(cells, dtype=float)
    rows = sums.sum(axis=1)
    return Tally(
        terms=((0, 0), (0, 1), (1, 0), (1, 1)), parts=("g",), keys=tuple((k,) for k in range(len(sums))), rows=rows,
        sums=sums, raw=sums, second=sums[:, :, None] * np.eye(4), units=rows, largest=np.ones(len(sums)),
    )  # fmt: skip


@settings(max_examples=200)
@given(COUNTS)
def test_binary_metrics_properties(counts):
    tn, fp, fn, tp = counts
    context = Context(evaluation="e", minimum_group=1)
    label = np.repeat([0, 0, 1, 1], counts)
    prediction = np.repeat([0, 1, 0, 1], counts)
    for name, reference in RATES.items():
        (estimate,) = measure(lookup(name, "binary"), tally_of(counts), context).estimates(0.95)
        assert (estimate.value is None) == (estimate.reason is not None and "no interval" not in estimate.reason)
        if estimate.value is None:
            continue
        if name == "mcc" and 0 in (tn + fp, fn + tp, tn + fn, fp + tp):
            raise AssertionError("the correlation is undefined with an empty margin")
        assert estimate.value == pytest.approx(reference(label, prediction), abs=1e-9), name
        if estimate.low is not None:
            assert estimate.low <= estimate.value + 1e-12 <= estimate.high + 2e-12


def test_names_validates_input():
    assert lookup("recall", "binary").name == "recall"
    with pytest.raises(Exception, match="did you mean") as caught:
        lookup("recal", "binary")
    assert caught.value.faults[0].code == "PLAN050"
    for name in ("ndcg@0", "pinball@1", "pinball@x", "recall@-1", "recal[spam]", "", "@", "[]", "🚢"):
        with pytest.raises(Exception, match="PLAN050"):
            lookup(name)
