"""What a field says: paragraphs, points and tables of plain text, the same for every rendering."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shipworthy.digest import Json
from shipworthy.present.safe import passage, plain, shorten

MOST_ROWS = 40  # of a table or list; what is beyond is counted
CELL = 400  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Paragraph:
    """One paragraph of visible text."""

    text: str

    def as_json(self) -> Json:
        """The paragraph as its text."""
        return self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Short statements, and how many more there are that are not shown."""

    items: tuple[str, ...]
    more: int = 0

    def as_json(self) -> Json:
        """The points as a list, with the count of what was left out."""
        return {"points": list(self.items), "more": self.more}


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of cells under a header; every row is as long as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()  # columns of numbers
    marked: int | None = None  # the column that holds verdicts
    more: int = 0  # rows that are not shown
    kept: int = 0  # the first of them, which are shown however little room there is

    def as_json(self) -> Json:
        """The table as objects by column."""
        rows = [dict(zip(self.header, row, strict=True)) for row in self.rows]
        return {"columns": list(self.header), "rows": rows, "more": self.more}


Block: TypeAlias = "Paragraph | Points | Table"
Content: TypeAlias = tuple[Block, ...]


def paragraph(text: object, width: int = 1_200) -> Paragraph:
    """A paragraph of at most `width` visible characters."""
    return Paragraph(text=shorten(text, width))


def said(text: object) -> Content:
    """A value as the one paragraph of a field; nothing where the value is empty."""
    return (paragraph(text),) if plain(text) else ()


def written(text: str, width: int) -> Content:
    """What a person wrote: each line a paragraph, nothing invisible; what goes beyond `width` is counted."""
    lines, left = passage(text, width)
    found: list[Block] = [Paragraph(text=line.strip("\u00a0 ")) for line in lines if line.strip("\u00a0 ")]
    return (*found, Paragraph(text=f"… and {left:,} more characters.")) if left else tuple(found)


def points(items: Iterable[object], *, most: int = MOST_ROWS, width: int = CELL) -> Content:
    """A list of statements; nothing where there is none."""
    found = list(items)
    shown = tuple(shorten(item, width) for item in found[:most])
    return (Points(items=shown, more=max(0, len(found) - most)),) if found else ()


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[int] = (),
    marked: int | None = None,
    most: int = MOST_ROWS,
    kept: int = 0,
) -> Content:
    """A table of at most `most` rows; nothing where there is no row."""
    found = list(rows)
    shown = tuple(tuple(shorten(cell, CELL) for cell in row) for row in found[:most])
    more = max(0, len(found) - most)
    if not found:
        return ()
    return (Table(header=tuple(header), rows=shown, right=tuple(right), marked=marked, more=more, kept=kept),)


def as_json(content: Content) -> Json:
    """Content as JSON: a list of paragraphs, points and tables."""
    return [block.as_json() for block in content]
