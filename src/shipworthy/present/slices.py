"""What a slice is called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from shipworthy.catalogues.catalogue import catalogue
from shipworthy.present.safe import plain, shorten

if TYPE_CHECKING:
    from shipworthy.estimate.estimates import Estimate

EVERYONE = "Everyone"
JOINS = {"value": " against ", "difference": f" {chr(0x2212)} ", "ratio": " ÷ ", "change": " against "}
FOLDED = "(rare levels)"  # as the observations name what they folded
HAZARD = "hazard"  # the column of answers that holds ids of hazards


def level_name(value: object, column: str = "") -> str:
    """One value of a column: "(missing)" for null, "yes" and "no" for booleans; a hazard of AILuminate has its name
    before its id, "Hate (hte)".
    """
    if value is None:
        return "(missing)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    said = plain(value) or "(empty)"
    return f"{_hazards()[said]} ({said})" if column == HAZARD and said in _hazards() else said


@cache
def _hazards() -> Mapping[str, str]:
    known = catalogue("ailuminate", "1.0").controls
    return {name: one.title for name, one in known.items() if one.kind in ("hazard", "sub-hazard")}


def axis(key: Mapping[str, object]) -> tuple[str, ...]:
    """The columns that a slice is cut along; () for everyone."""
    return tuple(key)


def axis_name(columns: tuple[str, ...]) -> str:
    """("sex", "age_band") -> "sex × age_band"; a named condition -> "named conditions"."""
    if columns == ("name",):
        return "named conditions"
    return " × ".join(shorten(column, 60) for column in columns) or "everyone"


def slice_name(key: Mapping[str, object], *, columns: bool = False) -> str:
    """A slice in words: "African-American, Male"; with `columns`: "race African-American, sex Male".

    A level that is no text says little by itself, so its column goes before it: "SEX 1".
    """
    if not key:
        return EVERYONE
    if tuple(key) == ("name",):
        return level_name(key["name"])
    if set(map(str, key.values())) == {FOLDED}:
        return FOLDED if not columns else f"{axis_name(tuple(key))} {FOLDED}"
    return ", ".join(
        f"{plain(column)} {level_name(value, column)}"
        if columns or not isinstance(value, str | None)
        else level_name(value, column)
        for column, value in key.items()
    )


def subject(estimate: Estimate, *, columns: bool = False) -> str:
    """What an estimate is about: a slice, a pair of slices, or a variant against its baseline."""
    name = slice_name(estimate.slice, columns=columns)
    if estimate.reference is not None:
        return name + JOINS[estimate.compare] + slice_name(estimate.reference, columns=columns)
    if estimate.compare == "change":
        who = plain(estimate.variant or "this version")
        against = f"{who} against {plain(estimate.baseline or 'baseline')}"
        return against if not estimate.slice else f"{name}: {against}"
    if estimate.variant is not None:
        return f"{name}, {plain(estimate.variant)}"
    return name
