import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper

from shipworthy.errors import SubjectError
from shipworthy.testing import check_subject

WEIGHTS = np.array([[0.5, -2.0], [-0.25, 3.0]], dtype=np.float32)  # income, debt -> logits of classes 0 and 1


def save(path, nodes, inputs, outputs, *, weights=()):
    graph = helper.make_graph(nodes, "scorer", inputs, outputs, list(weights))
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


@pytest.fixture
def classifier(tmp_path):
    """As skl2onnx exports a logistic regression: a matrix in, label and ZipMap out."""
    save(
        tmp_path / "model.onnx",
        [
            helper.make_node("MatMul", ["X", "W"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["chances"]),
            helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
            helper.make_node("ZipMap", ["chances"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]),
        ],
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_value_info(
                "probabilities",
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
                ),
            ),
        ],
        weights=[helper.make_tensor("W", TensorProto.FLOAT, [2, 2], WEIGHTS.ravel())],
    )
    return "model.onnx"


def expected(rows):
    logits = np.column_stack([rows["income"].to_numpy(), rows["debt"].to_numpy()]) @ WEIGHTS
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits.argmax(axis=1), chances / chances.sum(axis=1, keepdims=True)


def test_one_matrix_and_zipmap_against_reference(classifier, rows, load):
    subject = load(onnx=classifier, features=("income", "debt"), batch=17)
    predicted = subject.predict(rows)
    label, chances = expected(rows)
    assert set(predicted.column_names) == {"prediction", "score[0]", "score[1]", "score"}
    np.testing.assert_array_equal(predicted["prediction"], label)
    np.testing.assert_allclose(predicted["score"], chances[:, 1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predicted["score[0]"], chances[:, 0], rtol=1e-4, atol=1e-6)
    assert subject.describe()["inputs"] == "X tensor(float)"
    check_subject(subject, rows)


def test_inputs_by_name_and_a_probability_tensor_against_reference(rows, load, tmp_path):
    save(
        tmp_path / "model.onnx",
        [
            helper.make_node("Sub", ["debt", "income"], ["margin"]),
            helper.make_node("Sigmoid", ["margin"], ["probability"]),
            helper.make_node("Identity", ["region"], ["place_label"]),
        ],
        [
            helper.make_tensor_value_info("income", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("debt", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("region", TensorProto.STRING, [None]),
        ],
        [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("place_label", TensorProto.STRING, [None]),
        ],
    )
    subject = load(onnx="model.onnx")
    predicted = subject.predict(rows.select(["region", "debt", "income"]))
    chance = 1 / (1 + np.exp(rows["income"].to_numpy() - rows["debt"].to_numpy()))
    np.testing.assert_allclose(predicted["score"], chance, rtol=1e-4, atol=1e-7)
    assert predicted["prediction"].to_pylist() == rows["region"].to_pylist()
    check_subject(subject, rows)


@pytest.fixture
def regression(tmp_path):
    save(
        tmp_path / "line.onnx",
        [helper.make_node("ReduceSum", ["X", "axis"], ["variable"], keepdims=1)],
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, None])],
        [helper.make_tensor_value_info("variable", TensorProto.DOUBLE, [None, 1])],
        weights=[helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    return "line.onnx"


def test_one_float_per_row_is_the_prediction(regression, rows, load):
    predicted = load(onnx=regression).predict(rows.select(["income", "debt"]))
    assert predicted.column_names == ["prediction"]
    np.testing.assert_allclose(predicted["prediction"], rows["income"].to_numpy() + rows["debt"].to_numpy())


def test_null_in_a_float_column_reaches_the_graph_as_nan_and_its_nan_is_refused(regression, load):
    with pytest.raises(SubjectError, match="1 NaN"):
        load(onnx=regression).predict(pa.table({"a": [1.0, None], "b": [2, 3]}))


@pytest.mark.parametrize(
    ("features", "code", "told"),
    [
        (("income", "wealth"), "SUBJ005", '"wealth"'),
        (("income",), "SUBJ014", "takes 2 columns and would get 1"),
        (("income", "region"), "SUBJ014", '"region" does not fit input "X"'),
    ],
)
def test_features_validate_input(features, code, told, classifier, rows, load):
    with pytest.raises(SubjectError) as caught:
        load(onnx=classifier, features=features).predict(rows)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == (code, "subjects.scorer")
    assert told in fault.what


def test_missing_named_inputs_and_nulls_validate_input(load, tmp_path):
    save(
        tmp_path / "model.onnx",
        [helper.make_node("Add", ["a", "b"], ["label"])],
        [helper.make_tensor_value_info(name, TensorProto.INT64, [None]) for name in "ab"],
        [helper.make_tensor_value_info("label", TensorProto.INT64, [None])],
    )
    subject = load(onnx="model.onnx")
    assert subject.predict(pa.table({"a": [1], "b": [2]}))["prediction"].to_pylist() == [3]
    with pytest.raises(SubjectError, match="SUBJ005"):
        subject.predict(pa.table({"a": [1]}))
    with pytest.raises(SubjectError, match="1 of its values are null"):
        subject.predict(pa.table({"a": [1, None], "b": [1, 2]}))


def test_loading_validates_input(load, tmp_path):
    with pytest.raises(SubjectError, match="SUBJ001"):
        load(onnx="gone.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(SubjectError, match="SUBJ002"):
        load(onnx="broken.onnx")


def test_an_input_of_a_strange_type_validates_input(load, tmp_path):
    save(
        tmp_path / "model.onnx",
        [helper.make_node("Cast", ["X"], ["label"], to=TensorProto.INT64)],
        [helper.make_tensor_value_info("X", TensorProto.UINT8, [None])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, [None])],
    )
    with pytest.raises(SubjectError) as caught:
        load(onnx="model.onnx")
    assert caught.value.faults[0].code == "SUBJ014"
    assert "uint8" in caught.value.faults[0].what


def test_a_runtime_fault_is_located(load, tmp_path):
    save(
        tmp_path / "model.onnx",
        [helper.make_node("Reshape", ["X", "shape"], ["label"])],
        [helper.make_tensor_value_info("X", TensorProto.INT64, [None])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, [None])],
        weights=[helper.make_tensor("shape", TensorProto.INT64, [1], [7])],
    )
    with pytest.raises(SubjectError) as caught:
        load(onnx="model.onnx").predict(pa.table({"X": [1, 2, 3]}))
    assert caught.value.faults[0].code == "SUBJ006"
