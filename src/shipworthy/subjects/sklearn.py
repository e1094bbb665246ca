"""A scikit-learn model file as a subject: skops, which cannot run code, or joblib, which can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shipworthy.digest import file_digest
from shipworthy.errors import MissingExtra
from shipworthy.subjects.faults import listed, raised, subject_error
from shipworthy.subjects.files import found
from shipworthy.subjects.predictions import tabulate
from shipworthy.subjects.protocol import Declaration


@dataclass(frozen=True, kw_only=True, slots=True)
class SklearnSubject:
    """A fitted estimator. A classifier answers its class and, where it can, one probability per class."""

    name: str
    file: str  # as the plan writes it
    digest: str
    estimator: Any
    features: tuple[str, ...]  # columns handed over, in order; empty: all of them

    def predict(self, rows: pa.Table) -> pa.Table:
        """Answer `prediction`; for classifiers also `score[<class>]`, with two classes `score`, that of the second.

        A two-class model without probabilities answers its decision function as `score`.
        Raises SubjectError: SUBJ005 features missing, SUBJ006 the model raised.
        """
        missing = [feature for feature in self.features if feature not in rows.column_names]
        if missing:
            raise subject_error(
                self.name,
                "SUBJ005",
                f"the data lack columns that the model was fitted on: {listed(missing)}",
                "add them to the data, or list `features:` in the order of the model",
            )
        chosen = rows.select(list(self.features)) if self.features else rows
        frame: Any = chosen.to_pandas()
        if getattr(self.estimator, "feature_names_in_", None) is None:
            frame = frame.to_numpy()  # fitted without names: it would warn about them
        try:
            columns = self._answer(frame)
        except Exception as error:
            raise subject_error(
                self.name, "SUBJ006", f"the model raised {raised(error)}", "check the types of the feature columns"
            ) from error
        return tabulate(columns, rows=rows.num_rows, name=self.name)

    def _answer(self, frame: Any) -> dict[str, Any]:
        columns: dict[str, Any] = {"prediction": self.estimator.predict(frame)}
        classes = [str(label) for label in getattr(self.estimator, "classes_", ())]
        if not classes:
            return columns
        if hasattr(self.estimator, "predict_proba"):
            chances = self.estimator.predict_proba(frame)
            columns |= {f"score[{label}]": chances[:, place] for place, label in enumerate(classes)}
            if len(classes) == 2:
                columns["score"] = chances[:, 1]
        elif hasattr(self.estimator, "decision_function") and len(classes) == 2:
            columns["score"] = self.estimator.decision_function(frame)
        return columns

    def describe(self) -> Mapping[str, str]:
        """Kind, file, digest, class, the version that loaded it, features and classes."""
        import sklearn

        kind = type(self.estimator)
        facts = {
            "kind": "sklearn",
            "file": self.file,
            "digest": self.digest,
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "scikit-learn": str(sklearn.__version__),
        }
        if self.features:
            facts["features"] = ", ".join(self.features)
        if len(getattr(self.estimator, "classes_", ())):
            facts["classes"] = ", ".join(str(label) for label in self.estimator.classes_)
        return facts


def open_model(name: str, declared: Declaration, *, folder: Path) -> SklearnSubject:
    """Load a model file.

    Raises SubjectError: SUBJ001 no file, SUBJ002 cannot be loaded, and without `trust: true` SUBJ003 a skops file with
    types that skops does not vouch for (a tree's, say), SUBJ004 a format that can run any code.
    Raises MissingExtra without the extra `sklearn`.
    """
    stated = declared.sklearn or ""
    path = found(name, stated, folder=folder)
    if path.suffix == ".skops":
        estimator = _load_skops(name, path, trust=declared.trust)
    elif path.suffix in {".joblib", ".pkl", ".pickle"}:
        estimator = _load_joblib(name, path, trust=declared.trust)
    else:
        raise subject_error(
            name, "SUBJ002", f'"{path.suffix}" is no known model format', "save the model as .skops (or .joblib)"
        )
    if not hasattr(estimator, "predict"):
        raise subject_error(
            name,
            "SUBJ002",
            f"the file holds a {type(estimator).__name__}, which predicts nothing",
            "save the estimator",
        )
    fitted_on = tuple(str(feature) for feature in getattr(estimator, "feature_names_in_", ()))
    return SklearnSubject(
        name=name, file=stated, digest=file_digest(path), estimator=estimator, features=declared.features or fitted_on
    )


def _load_skops(name: str, path: Path, *, trust: bool) -> Any:
    try:
        from skops import io
    except ImportError as error:
        raise MissingExtra(package="skops", extra="sklearn", purpose="a scikit-learn model (.skops)") from error
    try:
        unknown = sorted(io.get_untrusted_types(file=path))
        if trust or not unknown:
            return io.load(path, trusted=unknown)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise anything
        raise _unreadable(name, error) from error
    raise subject_error(
        name,
        "SUBJ003",
        f"the file needs types that skops does not vouch for, so it was not loaded: {listed(unknown)}",
        "say `trust: true` if you know these types and the file's maker, or build the model without them",
    )


def _load_joblib(name: str, path: Path, *, trust: bool) -> Any:
    if not trust:
        raise subject_error(
            name,
            "SUBJ004",
            f'"{path.name}" is a pickle: loading it can run any code',
            "save the model as .skops, or say `trust: true` if you made the file yourself",
        )
    try:
        import joblib
    except ImportError as error:
        raise MissingExtra(package="joblib", extra="sklearn", purpose="a scikit-learn model (.joblib)") from error
    try:
        return joblib.load(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise anything
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: BaseException) -> Exception:
    return subject_error(
        name,
        "SUBJ002",
        f"the model file cannot be loaded: {raised(error)}",
        "save it again with the installed scikit-learn, or install the version that saved it",
    )
