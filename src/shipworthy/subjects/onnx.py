"""An ONNX model file as a subject, run by ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipworthy.digest import file_digest
from shipworthy.errors import MissingExtra
from shipworthy.subjects.faults import listed, quoted, raised, subject_error
from shipworthy.subjects.files import found
from shipworthy.subjects.predictions import tabulate
from shipworthy.subjects.protocol import Declaration

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One input or output of the graph."""

    name: str
    type: str
    shape: tuple[Any, ...]  # int, a symbol, or None per dimension


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxSubject:
    """A graph whose inputs are the features: one column per input, or one matrix of all of them."""

    name: str
    file: str  # as the plan writes it
    digest: str
    session: Any
    features: tuple[str, ...]  # empty: the graph's inputs by name, or all columns for one matrix
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def predict(self, rows: pa.Table) -> pa.Table:
        """Run the graph once.

        Integer, text and boolean outputs are the `prediction`, and so is one float per row whose output is not named
        like a probability or a score. Matrices, and the lists of maps that ZipMap makes, are `score[<class>]`, with two
        classes also `score`, that of the second. Classes of a matrix are numbered from 0.

        Raises SubjectError: SUBJ005 columns missing, SUBJ006 the runtime raised, SUBJ014 a column does not fit.
        """
        feed = self._feed(rows)
        try:
            answers = self.session.run(None, feed)
        except Exception as error:
            raise subject_error(
                self.name, "SUBJ006", f"ONNX Runtime raised {raised(error)}", "check the order and types of `features`"
            ) from error
        columns: dict[str, Any] = {}
        for port, answer in zip(self.outputs, answers, strict=True):
            columns |= _columns(port.name, answer)
        return tabulate(columns, rows=rows.num_rows, name=self.name)

    def _feed(self, rows: pa.Table) -> dict[str, Any]:
        by_name = len(self.inputs) > 1 or self.inputs[0].name in rows.column_names
        wanted = [port.name for port in self.inputs] if by_name else list(self.features or rows.column_names)
        missing = [column for column in wanted if column not in rows.column_names]
        if missing:
            raise subject_error(
                self.name,
                "SUBJ005",
                f"the data lack columns that the graph takes: {listed(missing)}",
                "rename the columns as the graph's inputs are named, or list `features:` for a graph with one matrix",
            )
        if by_name:
            return {port.name: self._shaped(rows[port.name], port) for port in self.inputs}
        matrix = self.inputs[0]
        width = matrix.shape[1] if len(matrix.shape) == 2 else None
        if isinstance(width, int) and width != len(wanted):
            raise subject_error(
                self.name,
                "SUBJ014",
                f'input "{quoted(matrix.name)}" takes {width} columns and would get {len(wanted)}',
                "list `features:` in the order of the model",
            )
        return {matrix.name: np.column_stack([self._values(rows[column], column, matrix) for column in wanted])}

    def _shaped(self, column: pa.ChunkedArray, port: Port) -> Any:
        values = self._values(column, port.name, port)
        return values.reshape(-1, 1) if len(port.shape) == 2 else values

    def _values(self, column: pa.ChunkedArray, title: str, port: Port) -> Any:
        wanted = _TYPES[port.type]
        if column.null_count and wanted not in {np.float32, np.float64}:
            raise self._misfit(title, port, f"{column.null_count} of its values are null")
        if wanted is np.object_:
            return np.asarray(pc.cast(column, pa.string()).to_pylist(), dtype=np.object_)
        try:
            return column.to_numpy().astype(wanted, casting="unsafe")
        except (TypeError, ValueError, pa.ArrowException) as error:
            raise self._misfit(title, port, quoted(error)) from error

    def _misfit(self, title: str, port: Port, why: str) -> Exception:
        return subject_error(
            self.name,
            "SUBJ014",
            f'column "{quoted(title)}" does not fit input "{quoted(port.name)}", a {port.type}: {why}',
            "convert the column, or fill in what is missing, as it was done for training",
        )

    def describe(self) -> Mapping[str, str]:
        """Kind, file, digest, and the graph's inputs and outputs."""
        return {
            "kind": "onnx",
            "file": self.file,
            "digest": self.digest,
            "inputs": ", ".join(f"{port.name} {port.type}" for port in self.inputs),
            "outputs": ", ".join(f"{port.name} {port.type}" for port in self.outputs),
        }


def open_model(name: str, declared: Declaration, *, folder: Path) -> OnnxSubject:
    """Load a graph.

    Raises SubjectError: SUBJ001 no file, SUBJ002 cannot be loaded, SUBJ014 an input of a type that no column has.
    Raises MissingExtra without the extra `onnx`.
    """
    stated = declared.onnx or ""
    path = found(name, stated, folder=folder)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(package="onnxruntime", extra="onnx", purpose="an ONNX model") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # faults come as exceptions
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise subject_error(
            name, "SUBJ002", f"the graph cannot be loaded: {raised(error)}", "export it again, or update onnxruntime"
        ) from error
    inputs = _ports(session.get_inputs())
    strange = [f"{port.name} {port.type}" for port in inputs if port.type not in _TYPES]
    if strange or not inputs:
        raise subject_error(
            name,
            "SUBJ014",
            f"the graph takes what no column holds: {listed(strange)}" if strange else "the graph takes no input",
            f"export it with inputs of type {', '.join(_TYPES)}",
        )
    return OnnxSubject(
        name=name,
        file=stated,
        digest=file_digest(path),
        session=session,
        features=declared.features,
        inputs=inputs,
        outputs=_ports(session.get_outputs()),
    )


def _ports(nodes: Sequence[Any]) -> tuple[Port, ...]:
    return tuple(Port(name=node.name, type=node.type, shape=tuple(node.shape or ())) for node in nodes)


def _columns(name: str, answer: Any) -> dict[str, Any]:
    if isinstance(answer, list):  # ZipMap: one map from class to probability per row
        classes = list(answer[0]) if answer else []
        return _scores([str(label) for label in classes], [[row[label] for row in answer] for label in classes])
    if answer.ndim == 2 and answer.shape[1] == 1:
        answer = answer[:, 0]
    if answer.ndim == 2:
        return _scores([str(place) for place in range(answer.shape[1])], list(answer.T))
    told = name.lower()
    if answer.dtype.kind == "f" and ("prob" in told or "score" in told):
        return {"score": answer}
    return {"prediction": answer}


def _scores(classes: list[str], columns: Sequence[Any]) -> dict[str, Any]:
    scores = {f"score[{label}]": np.asarray(column) for label, column in zip(classes, columns, strict=True)}
    return scores | {"score": np.asarray(columns[1])} if len(classes) == 2 else scores
