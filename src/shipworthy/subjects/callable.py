"""A Python function as a subject: `module:function`, from the plan's folder or from what is installed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from shipworthy.digest import file_digest
from shipworthy.errors import MissingExtra
from shipworthy.subjects.faults import quoted, raised, subject_error
from shipworthy.subjects.predictions import tabulate
from shipworthy.subjects.protocol import Declaration

Frame: TypeAlias = Literal["pyarrow", "pandas", "polars"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallableSubject:
    """A function of a table: a pandas or Polars frame where its first annotation says so, else an Arrow table."""

    name: str
    target: str  # module:function, as the plan writes it
    function: Callable[[Any], Any]
    frame: Frame
    digest: str | None  # of the module's source; None when it has no file

    def predict(self, rows: pa.Table) -> pa.Table:
        """Call the function once. What it prints goes to stderr. Raises SubjectError (SUBJ006 to SUBJ009)."""
        handed = _as_frame(rows, self.frame)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = self.function(handed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise anything
            raise subject_error(
                self.name,
                "SUBJ006",
                f"{self.target} raised {raised(error)}{_place(error)}",
                "call it on a few rows of the data by hand",
            ) from error
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise subject_error(self.name, "SUBJ008", f"{self.target} is async", "name a plain function")
        return tabulate(answer, rows=rows.num_rows, name=self.name)

    def describe(self) -> Mapping[str, str]:
        """Kind, target, the frame it takes, and the digest of its module's source."""
        facts = {"kind": "python", "target": self.target, "takes": self.frame}
        return facts if self.digest is None else facts | {"digest": self.digest}


def open_callable(name: str, declared: Declaration, *, folder: Path) -> CallableSubject:
    """Import `module:function`. Raises SubjectError: SUBJ001 not there, SUBJ002 its import failed.

    A top-level module in the plan's folder is executed afresh from its file: what runs is what the digest names.
    """
    target = declared.python or ""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise subject_error(name, "SUBJ001", f'"{quoted(target)}" names no function', "write module:function")
    module = _import(name, module_name, folder)
    function: Any = module
    for part in attribute.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        raise subject_error(
            name,
            "SUBJ001",
            f'module "{quoted(module_name)}" has no function "{quoted(attribute)}"',
            f"it has: {', '.join(_functions(module)) or 'none'}",
        )
    file = getattr(module, "__file__", None)  # built-in modules have none
    source = Path(file) if file else None
    return CallableSubject(
        name=name,
        target=target,
        function=function,
        frame=_wanted_frame(function),
        digest=file_digest(source) if source and source.is_file() else None,
    )


def _import(name: str, module: str, folder: Path) -> ModuleType:
    folder = folder.resolve()
    if str(folder) not in sys.path:  # last: the plan's folder never hides what is installed from anyone else
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    own = folder / f"{module}.py"
    try:
        with contextlib.redirect_stdout(sys.stderr):
            loaded = _execute(own) if own.is_file() else importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _import_failed(name, module, error) from error
        raise subject_error(
            name,
            "SUBJ001",
            f'there is no module "{quoted(module)}"',
            "put it beside the plan, or install the package that holds it",
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise anything
        raise _import_failed(name, module, error) from error
    _refuse_namesake(name, module, loaded, folder)
    return loaded


def _execute(path: Path) -> ModuleType:
    identity = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:16]
    private = f"_shipworthy_subject_{identity}_{path.stem}"  # two plans may each have a scoring.py
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


def _refuse_namesake(name: str, module: str, loaded: ModuleType, folder: Path) -> None:
    beside = folder.joinpath(*module.split("."))
    candidates = [path for path in (beside.with_suffix(".py"), beside / "__init__.py") if path.is_file()]
    file = getattr(loaded, "__file__", None)
    if "." in module and candidates and (file is None or Path(file).resolve() not in candidates):
        raise subject_error(
            name,
            "SUBJ002",
            f'module "{quoted(module)}" lies beside the plan, but another package of that name was imported first',
            "rename the package beside the plan",
        )


def _import_failed(name: str, module: str, error: BaseException) -> Exception:
    return subject_error(
        name,
        "SUBJ002",
        f'module "{quoted(module)}" failed while it was imported: {raised(error)}{_place(error)}',
        f"run `python -c 'import {quoted(module)}'` beside the plan",
    )


def _place(error: BaseException) -> str:
    """Return ` (file.py, line n)` of the innermost frame in the user's code."""
    here = Path(__file__).name
    frames = list(_frames(error))
    for file, line in reversed(frames):
        if Path(file).name != here and "site-packages" not in file and not file.startswith("<"):
            return f" ({Path(file).name}, line {line})"
    return ""


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def _functions(module: ModuleType) -> list[str]:
    return sorted(
        attribute
        for attribute, value in vars(module).items()
        if callable(value) and not attribute.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def _wanted_frame(function: Callable[[Any], Any]) -> Frame:
    try:
        annotations = [parameter.annotation for parameter in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):  # a builtin without a signature
        return "pyarrow"
    first = annotations[0] if annotations else ""
    text = first if isinstance(first, str) else f"{getattr(first, '__module__', '')}.{getattr(first, '__name__', '')}"
    root = text.partition(".")[0]
    if root in {"pandas", "pd"}:
        return "pandas"
    return "polars" if root in {"polars", "pl"} else "pyarrow"


def _as_frame(rows: pa.Table, frame: Frame) -> Any:
    if frame == "pandas":
        return rows.to_pandas()
    if frame == "polars":
        try:
            import polars
        except ImportError as error:
            raise MissingExtra(
                package="polars", extra="polars", purpose="a subject that takes a Polars frame"
            ) from error
        return polars.from_arrow(rows)
    return rows
