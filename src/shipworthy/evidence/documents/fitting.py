"""A document of one page: what of each field fits, those in front first; what does not is counted, with its place.

Heights are reckoned from counts of characters, with the widest of the fonts that pages are printed in, so that the same
document is cut in the same way in every rendering and on every machine.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from shipworthy.evidence.documents.content import Block, Content, Paragraph, Points, Table
from shipworthy.evidence.documents.document import Chapter, Document
from shipworthy.evidence.documents.filling import Entry
from shipworthy.evidence.documents.shapes import SHAPES, used_in
from shipworthy.present import verdicts
from shipworthy.present.safe import shorten

_PAGE = 262.0  # millimetres of A4 between its margins, less what the reckoning may be off
_WIDTH = 178.0
_TERM = 39.0  # of that, the column with the names of fields
_LETTER, _LINE = 1.5, 3.55  # millimetres of text
_CELL_LETTER, _CELL_LINE, _GAP = 1.42, 3.3, 3.0  # and of tables
_TIGHT = 24  # characters of a cell that stay on one line
_STEP = 90  # characters: a line of a paragraph
_POINT = 180  # characters of a point that has little room
_KEPT = 20  # rows that a table may insist on
_CELL, _PROMISE = 200, 72  # characters of a cell, and of one that repeats a promise


def fitted(document: Document) -> tuple[Chapter, ...]:
    """The chapters of a document as they are shown: whole, or what fits on the one page of a short one."""
    least = document.shape.most
    if least is None:
        return document.chapters
    whole = {entry.field.id: entry for entry in document.entries}
    order = [name for name in document.shape.weightiest if name in whole]
    sizes = dict.fromkeys(whole, least)
    for kept in range(_KEPT, 0, -1):
        shown = {name: _cut(entry, least, kept) for name, entry in whole.items()}
        room = _PAGE - _frame(document) - sum(map(_height, shown.values()))
        if room >= 0:
            break
    while order:
        for name in list(order):
            larger = _cut(whole[name], sizes[name] + 1, kept)
            cost = _height(larger) - _height(shown[name])
            if cost > room or sizes[name] >= _longest(whole[name].content):
                order.remove(name)
            else:
                shown[name], sizes[name], room = larger, sizes[name] + 1, room - cost
    return tuple(
        replace(chapter, entries=tuple(shown[entry.field.id] for entry in chapter.entries))
        for chapter in document.chapters
    )


def _longest(content: Content) -> int:
    """The size at which no more of a field can be shown."""
    sizes = [0, sum(_steps(block.text) for block in content if isinstance(block, Paragraph))]
    for block in content:
        if isinstance(block, Points):
            sizes += [len(block.items), *map(_steps, block.items)]
        elif isinstance(block, Table):
            sizes.append(len(block.rows))
    return max(sizes)


def _steps(text: str) -> int:
    return max(1, math.ceil(len(text) / _STEP))


def _cut(entry: Entry, size: int, kept: int) -> Entry:
    """An entry in `size` lines, points or rows, of a table of verdicts `kept` where it insists on more; what is left
    out is told beneath, and where it stands."""
    content, hidden = brief(entry.content, size, kept)
    if hidden:
        content = (*content, Paragraph(text=f"Not shown here: {', '.join(hidden)}. {_place(entry.field.id)}"))
    return replace(entry, by=shorten(entry.by, 72), at=shorten(entry.at, 24), content=content)


def _place(field: str) -> str:
    """Where a field of a short document stands in full."""
    found = next((place for place in used_in()[field] if SHAPES[place[0]].most is None), None)
    return f"In full: {found[0]}, {found[1]}." if found else "In full: the JSON of this document."


def brief(content: Content, size: int, kept: int) -> tuple[Content, tuple[str, ...]]:
    """The same in little room, and what was left out of it: characters, points, or rows by their verdict."""
    found: list[Block] = []
    hidden: list[str] = []
    room, cut = size, 0
    for block in content:
        if isinstance(block, Paragraph):
            text = shorten(block.text, room * _STEP) if room else ""
            room -= min(room, _steps(block.text))
            cut += len(block.text) - len(text)
            found += [Paragraph(text=text)] if text else []
        elif isinstance(block, Points):
            shown = tuple(shorten(item, max(_POINT, size * _STEP)) for item in block.items[:size])
            cut += sum(len(item) - len(short) for item, short in zip(block.items, shown, strict=False))
            found.append(Points(items=shown))
            if left := len(block.items) - len(shown) + block.more:
                hidden.append(f"{left:,} more point{'s' if left > 1 else ''}")
        else:
            widths = [_PROMISE if name == "Promise" else _CELL for name in block.header]
            rows = tuple(
                tuple(shorten(text, width) for text, width in zip(row, widths, strict=True))
                for row in block.rows[: max(size, min(block.kept, _KEPT if block.marked is None else kept))]
            )
            found.append(replace(block, rows=rows, more=0))
            if left := len(block.rows) - len(rows) + block.more:
                hidden.append(_left_out(block, left, len(rows)))
    if cut:
        hidden.append(f"{cut:,} more characters")
    return tuple(found), tuple(hidden)


def _left_out(block: Table, left: int, shown: int) -> str:
    if block.marked is None:
        return f"{left:,} further row{'s' if left > 1 else ''}"
    counts = Counter(verdicts.read(row[block.marked]).word for row in block.rows[shown:])
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    return f"{left:,} further requirement{'s' if left > 1 else ''}: {told}"


def _frame(document: Document) -> float:
    """What stands around the fields: the heading, the facts beneath it, the titles of sections, the foot."""
    heading = 5.0 * _lines(f"{document.shape.title}: {document.system}, version {document.version}", 105)
    decision = 6.5 * _lines(document.headline, 60)
    facts = 4.0 + _LINE * (1 + _lines(document.score, 50)) + (2 * _LINE if document.audience != "personal" else 0)
    foot = 4.0 + 3.2 * 3
    withheld = (8.0 + 7.0 * len(document.withheld)) if document.withheld else 0.0
    return heading + decision + facts + foot + withheld + 7.8 * len(document.chapters)


def _height(entry: Entry) -> float:
    """The height of a field in print, in millimetres."""
    tables = [block for block in entry.content if isinstance(block, Table)]
    is_wide = bool(tables) and len(tables[0].header) >= 4
    width = _WIDTH if is_wide else _WIDTH - _TERM
    said = sum(_block(block, width) for block in entry.content)
    if entry.state in ("missing", "withheld", "not applicable"):
        text = f"Not applicable {entry.field.question} Asked of: {entry.field.role}. {entry.note} {entry.digest or ''}"
        said = _block(Paragraph(text=text), width) + (2 * _LINE if entry.digest else 0.0)
    signed = _LINE if entry.by or entry.at else 0.0
    term = _LINE * _lines(entry.field.title, 20)
    term += 3.2 * _lines(entry.field.source, 24) if entry.state == "known" and entry.field.source else 0.0
    said += signed
    return 1.6 + (said + (2 * _LINE) if is_wide else max(said, term))


def _block(block: Block, width: float) -> float:
    letters = width / _LETTER
    if isinstance(block, Paragraph):
        return 0.6 + _LINE * _lines(block.text, letters)
    if isinstance(block, Points):
        return sum(_LINE * _lines(item, letters - 4) for item in block.items)
    columns = list(zip(block.header, *block.rows, strict=True))
    widths = _columns(columns, (width - _GAP * len(columns)) / _CELL_LETTER)
    rows = (block.header, *block.rows)
    return sum(
        0.8 + _CELL_LINE * max(_lines(cell, wide) for cell, wide in zip(row, widths, strict=True)) for row in rows
    )


def _columns(columns: Sequence[Sequence[str]], letters: float) -> list[float]:
    """The widths that columns get: what they cannot do without, and of the rest by how much they would like."""
    wanted = [max(map(_wide, column)) for column in columns]
    needed = [max(_unbroken(cell) for cell in column) for column in columns]
    if sum(wanted) <= letters:
        return [float(one) for one in wanted]
    if sum(needed) >= letters:
        return [max(4.0, letters * one / sum(needed)) for one in needed]
    rest = (letters - sum(needed)) / sum(most - least for most, least in zip(wanted, needed, strict=True))
    return [least + rest * (most - least) for most, least in zip(wanted, needed, strict=True)]


def _unbroken(cell: str) -> int:
    wide = _wide(cell)
    return wide if wide <= _TIGHT else max(map(_wide, cell.split()), default=0)


def _wide(text: str) -> int:
    """Letters that a text takes; those of East Asia take two."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def _lines(text: str, letters: float) -> int:
    """Lines that a text takes; words are not broken, which leaves some room at the ends."""
    wide = _wide(text)
    return 1 if wide <= letters else math.ceil(wide * 1.05 / max(letters, 1.0))
