"""From a path to cases: which format it is, and a suite that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from shipworthy.cases.formats.mapped import ASKS, advice, by_name, check_mapping, mapped_case, missing
from shipworthy.cases.formats.published import FORMATS, Format, Row, names_of, plain_name
from shipworthy.cases.formats.tables import Table, open_table
from shipworthy.cases.suite import Suite
from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Case, Expectation

TABLE = "table"  # the format of anything that comes with a column mapping
OPTIONS = ("columns", "values", "expect", "language", "split")


@dataclass(frozen=True, kw_only=True)
class FormatSuite(Suite):
    """A suite whose cases stand in somebody else's format. It is read anew on each pass."""

    table: Table = field(repr=False, compare=False)
    published: Format | None = None  # None: by `mapping`
    mapping: Mapping[str, str] | None = None  # key of a case -> column; None: columns carry the keys' names
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # key of a case -> word in the file -> word
    expect: Expectation | None = None
    language: str | None = None
    split: str | None = None

    def __iter__(self) -> Iterator[Case]:
        """Its cases, in order. Raises DataError (CASE002, CASE010, CASE013, CASE014), also for an id that comes twice
        (CASE003).
        """
        seen: set[str] = set()
        for values, where in self.table.read():
            case = self._case(values, where)
            if case.id in seen:
                raise DataError(
                    Fault(
                        code="CASE003",
                        what=f"the id {case.id[:80]!r} comes twice",
                        where=where,
                        mend="give each row its own id, and leave out rows that repeat another",
                    )
                )
            seen.add(case.id)
            yield case

    def _case(self, values: Mapping[str, Any], where: str) -> Case:
        changes: dict[str, Any] = {"language": self.language} if self.language else {}
        if self.published is None:
            case = mapped_case(values, where, self.mapping or by_name(values), self.values)
            if self.expect is not None:
                changes["expect"] = self.expect
        else:
            plain = {plain_name(column): value for column, value in values.items()}
            lacking = [column for column in self.published.columns if plain_name(column) not in plain]
            if lacking:  # a JSON object may lack what the first one had
                raise DataError(missing(where, lacking, tuple(map(str, values))))
            names = names_of(self.table.files[0], self.split)
            case = self.published.meaning(Row(values=plain, where=where, names=names, expect=self.expect))
        return case.asked(*case.turns, **changes) if changes else case


def detect(path: Path) -> str | None:
    """The published format of a file or folder by its columns, or None where it is none of them.

    Never raises: what cannot be read is no format that could be told, and reading it says why.
    """
    try:
        return _detected(open_table(path))
    except DataError:
        return None


def _detected(table: Table) -> str | None:
    have = {plain_name(column) for column in table.columns}
    for name, each in FORMATS.items():
        if have >= {plain_name(column) for column in each.columns}:
            return name
    return None


def open_format(path: Path, format: str | None = None, **options: Any) -> FormatSuite:
    """A suite from a file or folder in a published format, or from any table by a column mapping.

    format: a name of FORMATS, `table`, or None to tell by the columns.
    options: `columns` (key of a case -> column) and `values` (key -> word in the file -> word) for `table`;
        `expect` and `language` for all cases; `split` of a saved DatasetDict.
    Raises DataError (CASE010 unreadable, CASE011 no such format, CASE012 missing columns, CASE014 an option that cannot
    be used, CASE016 no rows); what is wrong with one row shows when it is read.
    """
    _check_options(path, options)
    expect = cast("Expectation | None", options.get("expect"))
    language, split = options.get("language"), options.get("split")
    table = open_table(path, split=split)
    columns = options.get("columns")
    if format is None:
        format = TABLE if columns is not None else _detected(table)
    if format is None and any(key in table.columns for key in ASKS):
        format = TABLE
    if format != TABLE and format not in FORMATS:
        raise DataError(
            Fault(
                code="CASE011",
                what="the columns are those of no known format"
                if format is None
                else f"there is no format {format[:60]!r}",
                where=str(path),
                mend=f"give columns: {{prompt: <column>}}, where {advice(table.columns)}, "
                f"or format: one of {', '.join((*FORMATS, TABLE))}",
            )
        )
    published = FORMATS.get(format)
    if published is None:
        check_mapping(table, columns)
        return FormatSuite(
            **_described(path, None), table=table, files=table.files, mapping=columns,
            values=options.get("values") or {}, expect=expect, language=language, split=split,
        )  # fmt: skip
    _check_layout(path, published, table, options)
    return FormatSuite(
        **_described(path, published), table=table, files=table.files, published=published,
        expect=expect, language=language, split=split,
    )  # fmt: skip


def _described(path: Path, published: Format | None) -> dict[str, Any]:
    unsaid = {"version": "unversioned", "checked": ""}
    if published is None:
        return {**unsaid, "name": path.stem, "title": path.stem, "purpose": "", "licence": "", "made": ""}
    return {
        **unsaid,
        "name": published.name,
        "title": published.title,
        "purpose": published.title,
        "licence": published.licence,
        "made": f"published: {published.source}",
        "taxonomy": published.taxonomy,
        "scorers": published.scorers,
        "limits": published.limits,
    }


def _check_layout(path: Path, published: Format, table: Table, options: Mapping[str, Any]) -> None:
    faults = []
    names = [plain_name(column) for column in table.columns]
    lacking = [column for column in published.columns if plain_name(column) not in names]
    if lacking:
        faults.append(missing(str(path), lacking, table.columns))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults.append(
            Fault(
                code="CASE015",
                what=f"several columns read as {', '.join(map(repr, twice))}",
                where=str(path),
                mend="rename all but one; case, spaces, underscores and hyphens do not count",
            )
        )
    if published.beyond_text and plain_name(published.beyond_text) in names:
        faults.append(
            Fault(
                code="CASE011",
                what=f"{published.name} with pictures cannot be asked",
                where=str(path),
                mend="use the file of text behaviours",
            )
        )
    faults += [
        _option(path, f"the option {key} has no meaning for {published.name}", f"leave it out, or give format: {TABLE}")
        for key in ("columns", "values")
        if options.get(key) is not None
    ]
    if faults:
        raise DataError(faults)


def _check_options(path: Path, options: Mapping[str, Any]) -> None:
    faults = [
        _option(path, f"there is no option {key[:60]!r}", f"options are {', '.join(OPTIONS)}")
        for key in options
        if key not in OPTIONS
    ]
    if options.get("expect") not in (None, *get_args(Expectation)):
        faults.append(_option(path, f"expect is {str(options['expect'])[:40]!r}", "write comply or refuse"))
    faults += [
        _option(path, f"{key} must be text", "write it in quotes")
        for key in ("language", "split")
        if not isinstance(options.get(key), str | None)
    ]
    columns, values = options.get("columns"), options.get("values")
    if columns is not None and not _texts(columns):
        faults.append(_option(path, "columns must map keys to columns", "write columns: {prompt: question}"))
    if values is not None and not (isinstance(values, Mapping) and all(_texts(words) for words in values.values())):
        faults.append(
            _option(path, "values must map keys to words", "write values: {expect: {safe: comply, unsafe: refuse}}")
        )
    if faults:
        raise DataError(faults)


def _texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)


def _option(path: Path, what: str, mend: str) -> Fault:
    return Fault(code="CASE014", what=what, where=str(path), mend=mend)
