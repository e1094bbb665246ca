"""What can be named: built-ins and strangers' extensions, found by entry points and loaded one at a time."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from shipworthy.errors import Fault, Unusable

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind: TypeAlias = Literal["subjects", "suites", "attacks", "scorers", "metrics", "exporters"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def names(kind: Kind) -> tuple[str, ...]:
    """Return every name registered for `kind`, sorted. Nothing is imported."""
    return tuple(sorted({point.name for point in _points(kind)}))


def owners(kind: Kind, name: str) -> tuple[str, ...]:
    """Return the packages that register `name`, sorted. Nothing is imported."""
    return tuple(sorted({_owner(point) for point in _points(kind) if point.name == name}))


def load(kind: Kind, name: str, *, where: str = "") -> Any:
    """Import and return the one object registered under `name`; no other extension is imported.

    where: what asked for it (a place in the plan), for the error message.
    Raises Unusable: REG001 nothing has this name, REG002 two packages claim it, REG003 its import failed.
    """
    points = [point for point in _points(kind) if point.name == name]
    if not points:
        raise Unusable(_unknown(kind, name, where))
    claimants = sorted({_owner(point) for point in points})
    if len(claimants) > 1:
        raise Unusable(
            Fault(
                code="REG002",
                what=f"{' and '.join(claimants)} both register {kind} {name!r}",
                where=where,
                mend="uninstall one of them, or ask its authors to choose another name",
            )
        )
    try:
        return points[0].load()
    except Exception as error:
        raise Unusable(
            Fault(
                code="REG003",
                what=f"{kind} {name!r} of {claimants[0]} cannot be imported: {type(error).__name__}: {error}"[:500],
                where=where or points[0].value,
                mend=f"reinstall {claimants[0]}, or tell its authors",
            )
        ) from error


def _points(kind: Kind) -> Iterable[EntryPoint]:
    from importlib import metadata

    return _read(kind, metadata.entry_points, tuple(sys.path))


@functools.lru_cache(maxsize=32)
def _read(kind: Kind, entry_points: Callable[..., Iterable[EntryPoint]], path: tuple[str, ...]) -> Iterable[EntryPoint]:  # noqa: ARG001
    """Reading them opens a file of every installed package: once for each kind, and for each path that is looked at."""
    return tuple(entry_points(group=f"shipworthy.{kind}"))


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unnamed package"


def _unknown(kind: Kind, name: str, where: str) -> Fault:
    from difflib import get_close_matches

    known = names(kind)
    close = get_close_matches(name, known, n=1)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return Fault(
        code="REG001",
        what=f"nothing registers {kind} {name!r}",
        where=where,
        mend=f"{hint}there are: {', '.join(known) or 'none'}",
    )
