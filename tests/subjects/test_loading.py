import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import SubjectError
from shipworthy.subjects.loading import GuardedSubject, predict_batches


class Doubling:
    name = "doubling"

    def __init__(self):
        self.calls = []

    def predict(self, rows):
        self.calls.append(rows.num_rows)
        return pa.table({"prediction": [2 * x for x in rows["x"].to_pylist()]})

    def describe(self):
        return {"kind": "test"}


@given(
    sizes=st.lists(st.integers(0, 9), max_size=8),
    held=st.integers(1, 12),
    batch=st.none() | st.integers(1, 5),
)
def test_streamed_predictions_properties(sizes, held, batch):
    inner = Doubling()
    subject = GuardedSubject(inner=inner, batch=batch)
    start, stream = 0, []
    for size in sizes:
        stream.append(pa.record_batch({"x": pa.array(range(start, start + size), pa.int64())}))
        start += size
    told = list(predict_batches(subject, stream, rows=held))
    assert [x for rows, _ in told for x in rows["x"].to_pylist()] == list(range(start))
    assert [y for _, answers in told for y in answers["prediction"].to_pylist()] == [2 * x for x in range(start)]
    assert all(rows.num_rows == answers.num_rows <= held for rows, answers in told)
    assert max(inner.calls, default=0) <= (batch or held)


def test_the_stream_is_read_only_as_far_as_needed():
    read = []

    def stream():
        for start in range(5):
            read.append(start)
            yield pa.table({"x": [start]})

    told = predict_batches(GuardedSubject(inner=Doubling()), stream(), rows=2)
    next(told)
    assert read == [0, 1]


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("answers", [[1, "a"], [1, 2]], ids=["type", "column"])
def test_answers_that_change_between_batches_validate(batch, answers):
    class Fickle(Doubling):
        def predict(self, rows):
            answer = answers[rows["x"][0].as_py()]
            return pa.table({"score" if answer == 2 else "prediction": [answer] * rows.num_rows})

    stream = [pa.table({"x": [0]}), pa.table({"x": [1]})]
    with pytest.raises(SubjectError, match="between batches"):
        list(predict_batches(GuardedSubject(inner=Fickle(), batch=batch), stream, rows=2 if batch else 1))


def test_an_answer_without_values_takes_the_type_of_the_others():
    class Late(Doubling):
        def predict(self, rows):
            return pa.table({"prediction": [None if x == 0 else "a" for x in rows["x"].to_pylist()]})

    told = GuardedSubject(inner=Late(), batch=1).predict(pa.table({"x": [0, 1]}))
    assert told["prediction"].to_pylist() == [None, "a"]


def test_no_rows_validates_input():
    with pytest.raises(SubjectError, match="no rows"):
        GuardedSubject(inner=Doubling()).predict(pa.table({"x": pa.array([], pa.int64())}))


def test_a_strangers_exception_is_wrapped_and_its_answer_checked():
    class Broken(Doubling):
        def predict(self, rows):
            raise KeyError("x")

    class Short(Doubling):
        def predict(self, rows):
            return super().predict(rows).slice(1)

    with pytest.raises(SubjectError, match="SUBJ006"):
        GuardedSubject(inner=Broken()).predict(pa.table({"x": [1]}))
    with pytest.raises(SubjectError, match="SUBJ007"):
        GuardedSubject(inner=Short()).predict(pa.table({"x": [1, 2]}))


def test_a_missing_extra_prints_the_install_line(load, tmp_path, monkeypatch):
    from shipworthy.errors import MissingExtra

    for package, kind, file in (("onnxruntime", "onnx", "m.onnx"), ("skops", "sklearn", "m.skops")):
        (tmp_path / file).write_bytes(b"")
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(MissingExtra, match=rf'pip install "shipworthy\[{kind}\]"'):
            load(**{kind: file})
