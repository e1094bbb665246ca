"""Finding a stranger's function: `module:function`, from the plan's folder or from what is installed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from shipworthy.digest import file_digest
from shipworthy.subjects.faults import quoted, raised, subject_error

_OURS: Final = Path(__file__).parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """A function, and what its code was when it was loaded."""

    function: Callable[..., Any]
    digest: str | None  # of the module's source; None when it has no file


def import_function(name: str, target: str, *, folder: Path) -> Imported:
    """Import `module:function` for the subject `name`. Raises SubjectError: SUBJ001 not there, SUBJ002 import failed.

    A top-level module in the plan's folder is executed afresh from its file: what runs is what the digest names.
    """
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
    return Imported(function=function, digest=file_digest(source) if source and source.is_file() else None)


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
        f'module "{quoted(module)}" failed while it was imported: {raised(error)}{place(error)}',
        f"run `python -c 'import {quoted(module)}'` beside the plan",
    )


def place(error: BaseException) -> str:
    """Return ` (file.py, line n)` of the innermost frame in the user's code."""
    frames = list(_frames(error))
    for file, line in reversed(frames):
        if Path(file).parent != _OURS and "site-packages" not in file and not file.startswith("<"):
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
