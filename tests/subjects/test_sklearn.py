import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from shipworthy.api.evaluating import evaluate_rows
from shipworthy.errors import DataError, SubjectError
from shipworthy.plan.models import Evaluation, Subject
from shipworthy.testing import check_subject


def shouting(frame):
    return frame


def labels(rows: pa.Table) -> np.ndarray:
    return (rows["debt"].to_numpy() > 0.5).astype(int)


@pytest.fixture
def pipeline(rows):
    columns = make_column_transformer((OneHotEncoder(), ["region"]), (StandardScaler(), ["income", "debt"]))
    return make_pipeline(columns, LogisticRegression()).fit(rows.to_pandas(), labels(rows))


def test_skops_pipeline_against_reference(pipeline, rows, load, tmp_path):
    skops.io.dump(pipeline, tmp_path / "model.skops")
    subject = load(sklearn="model.skops", batch=17)
    shuffled = rows.select(["region", "debt", "income"])  # columns come by name, wherever they stand
    predicted = subject.predict(shuffled)
    chances = pipeline.predict_proba(rows.to_pandas())
    assert predicted.column_names == ["prediction", "score[0]", "score[1]", "score"]
    np.testing.assert_array_equal(predicted["prediction"], pipeline.predict(rows.to_pandas()))
    np.testing.assert_allclose(predicted["score"], chances[:, 1])
    np.testing.assert_allclose(predicted["score[0]"], chances[:, 0])
    described = subject.describe()
    assert described["class"] == "sklearn.pipeline.Pipeline"
    assert described["digest"].startswith("sha256:")
    assert described["classes"] == "0, 1"
    assert described["features"] == "income, debt, region"
    check_subject(subject, rows)


def test_three_text_classes_against_reference(rows, load, tmp_path):
    three = np.array(["low", "mid", "high"])[np.digitize(rows["debt"].to_numpy(), [0.3, 0.6])]
    matrix = rows.select(["income", "debt"]).to_pandas().to_numpy()
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(matrix, three)
    skops.io.dump(model, tmp_path / "model.skops")
    predicted = load(sklearn="model.skops", features=("income", "debt"), trust=True).predict(rows)
    assert set(predicted.column_names) == {"prediction", "score[high]", "score[low]", "score[mid]"}
    assert predicted["prediction"].to_pylist() == model.predict(matrix).tolist()
    np.testing.assert_allclose(predicted["score[low]"], model.predict_proba(matrix)[:, 1])


def test_decision_function_and_regression_against_reference(rows, load, tmp_path):
    frame = rows.select(["income", "debt"]).to_pandas()
    margin = LinearSVC(random_state=0).fit(frame, labels(rows))
    skops.io.dump(margin, tmp_path / "svm.skops")
    np.testing.assert_allclose(load(sklearn="svm.skops").predict(rows)["score"], margin.decision_function(frame))
    line = LinearRegression().fit(frame, frame["debt"] * 3)
    skops.io.dump(line, tmp_path / "line.skops")
    predicted = load(sklearn="line.skops").predict(rows)
    assert predicted.column_names == ["prediction"]
    np.testing.assert_allclose(predicted["prediction"], rows["debt"].to_numpy() * 3)


def test_joblib_loads_only_with_trust(pipeline, rows, load, tmp_path):
    joblib.dump(pipeline, tmp_path / "model.joblib")
    with pytest.raises(SubjectError, match="SUBJ004"):
        load(sklearn="model.joblib")
    assert load(sklearn="model.joblib", trust=True).predict(rows).num_rows == 60


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


def test_without_trust_nothing_is_executed(load, tmp_path):
    joblib.dump(Bomb(), tmp_path / "bomb.pkl")
    with pytest.raises(SubjectError, match="SUBJ004"):
        load(sklearn="bomb.pkl")


def test_unknown_types_of_skops_are_listed_and_not_loaded_without_trust(load, tmp_path):
    model = make_pipeline(FunctionTransformer(shouting), LinearRegression()).fit(np.ones((4, 1)), np.ones(4))
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(SubjectError) as caught:
        load(sklearn="model.skops")
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == ("SUBJ003", "subjects.scorer")
    assert "shouting" in fault.what
    assert load(sklearn="model.skops", trust=True).predict(pa.table({"x": [1.0, 2.0]})).num_rows == 2


def test_missing_features_validate_input(pipeline, rows, load, tmp_path):
    skops.io.dump(pipeline, tmp_path / "model.skops")
    with pytest.raises(SubjectError) as caught:
        load(sklearn="model.skops").predict(rows.drop_columns(["region"]))
    assert caught.value.faults[0].code == "SUBJ005"
    assert '"region"' in caught.value.faults[0].what


def test_wrong_types_validate_input(pipeline, rows, load, tmp_path):
    skops.io.dump(pipeline, tmp_path / "model.skops")
    broken = rows.set_column(0, "income", pa.array(["much"] * 60))
    with pytest.raises(SubjectError) as caught:
        load(sklearn="model.skops").predict(broken)
    assert caught.value.faults[0].code == "SUBJ006"


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("gone.skops", None, "SUBJ001"),
        ("model.skops", b"no zip at all", "SUBJ002"),
        ("model.joblib", b"no pickle at all", "SUBJ002"),
        ("model.h5", b"", "SUBJ002"),
    ],
)
def test_loading_validates_input(file, content, code, load, tmp_path):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(SubjectError) as caught:
        load(sklearn=file, trust=True)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == (code, "subjects.scorer")
    assert fault.mend


def test_a_file_without_a_model_validates_input(load, tmp_path):
    skops.io.dump({"a": 1}, tmp_path / "model.skops")
    with pytest.raises(SubjectError, match="predicts nothing"):
        load(sklearn="model.skops")


LEVELS = {
    "numbers": ([0, 1], None, 1),
    "numbers, the first is positive": ([0, 1], 0, 0),
    "floats, the first is positive": ([0.0, 1.0], 0, 0),
    "truth values": ([False, True], None, True),
    "words": (["bad", "good"], "bad", "bad"),
    "words as conditions": (["bad", "good"], None, "bad"),
}


@pytest.mark.parametrize("case", LEVELS)
def test_a_model_of_two_classes_is_binary_against_reference(case, rows, tmp_path, monkeypatch):
    """The score is that of the positive class, or, where nothing tells which that is, there is none."""
    levels, positive, meant = LEVELS[case]
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(3).normal(0, 0.2, rows.num_rows)
    truth = np.array(levels)[(rows["debt"].to_numpy() + noise > 0.5).astype(int)]
    features = rows.select(["income", "debt"])
    model = LogisticRegression().fit(features.to_pandas(), truth)
    skops.io.dump(model, tmp_path / "model.skops")
    pq.write_table(features.append_column("y", pa.array(truth)), tmp_path / "rows.parquet")
    roles = {"label": "y"} | ({} if positive is None else {"positive": positive})
    if case == "words as conditions":
        roles = {"label": "y = 'bad'", "prediction": "\"subject.prediction\" = 'bad'"}
    metrics = ["tpr"] if case == "words as conditions" else ["tpr", "auc", "brier"]
    found = evaluate_rows(
        "rows", Evaluation(data="rows.parquet", subject="model", roles=roles, metrics=metrics),
        subjects={"model": Subject(sklearn="model.skops", features=("income", "debt"))}, folder=tmp_path,
        resolve=str, locate=lambda *path: ".".join(map(str, path)), rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.observations.task == "binary"
    at = levels.index(meant)
    chances = model.predict_proba(features.to_pandas())[:, at]
    (tpr,) = found.measured.values[None, "tpr", ""].values
    assert tpr == pytest.approx((model.predict(features.to_pandas()) == meant)[truth == meant].mean())
    assert ("score" in found.observations.roles) == ("auc" in metrics)
    if "auc" in metrics:
        assert found.measured.values[None, "auc", ""].values[0] == pytest.approx(roc_auc_score(truth == meant, chances))
        assert found.measured.values[None, "brier", ""].values[0] == pytest.approx(
            np.mean((chances - (truth == meant)) ** 2)
        )


def test_the_task_of_scores_by_class_is_told_from_classes_and_metrics(evaluate):
    three = {"y": [0, 1, 2] * 20, "p": [0, 1, 2] * 20, "a": [0.2] * 60, "b": [0.3] * 60, "c": [0.5] * 60}
    two = {name: three[name] for name in ("a", "b")} | {"y": [0, 1] * 30, "p": [0, 1] * 30}

    def task(rows, scores, metric, **more):
        found = evaluate(rows, label="y", prediction="p", scores=scores, metrics=[metric], **more)
        return found.evaluated.observations.task

    classes = {"0": "a", "1": "b", "2": "c"}
    assert task(three, classes, "accuracy") == "multiclass"
    assert task(three, classes, "tpr", positive=2) == "binary"
    assert task(two, {"0": "a", "1": "b"}, "accuracy") == "binary"
    assert task(two, {"0": "a", "1": "b"}, "top_k_accuracy@1") == "multiclass"
    with pytest.raises(DataError, match="set task: binary"):
        task(three, classes, "tpr", task="multiclass")
