"""What a subject is: something with a name that turns a table of rows into a table of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Predictor(Protocol):
    """A system that predicts. Its promises are what `shipworthy.testing.check_subject` checks."""

    @property
    def name(self) -> str:
        """Its name in the plan."""

    def predict(self, rows: pa.Table) -> pa.Table:
        """Predict for `rows`: as many rows, in the same order.

        Columns are among `prediction` (what it decided), `score` (the number behind it; for two classes, that of the
        second) and `score[<class>]` (one per class). Null means no answer; NaN and infinity are not answers.
        The answer for a row depends on that row alone, and `rows` stays as it was.
        """

    def describe(self) -> Mapping[str, str]:
        """What an audit needs to name it again: kind, address, and `digest` (`sha256:...`) where it is a file."""


class Declaration(Protocol):
    """How the plan declares a subject (`plan.models.Subject`; this floor lies below the plan)."""

    python: str | None
    sklearn: str | None
    onnx: str | None
    http: str | None
    features: tuple[str, ...]
    trust: bool
    batch: int
    timeout: float
    headers: dict[str, str]
