"""The risk register in other tools' formats: CSV that comes back unchanged, and issues for GitHub and Jira as files.

What people wrote is inert in all of them: no formula, no markup, no mention, and nothing that ends a hidden comment.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shipworthy.digest import digest
from shipworthy.errors import Fault, Unusable
from shipworthy.present.safe import markdown, plain, shorten
from shipworthy.record.documents import Rating, Risk
from shipworthy.record.reading import read_document

MOST_BYTES = 20_000_000  # of a CSV file
MOST_ROWS = 10_000
_RATING = ("likelihood", "severity", "basis", "run", "why")
_APART = {",": "commas", ";": "semicolons", "\t": "tabs"}  # what may stand between cells
_LISTS = ("affected", "taxonomy", "requirements", "mitigations")
COLUMNS: tuple[str, ...] = (
    "id", "system", "version", "title", "cause", "harm", "affected", "taxonomy",
    *_RATING, *(f"residual_{name}" for name in _RATING),
    "treatment", "status", "accepted_by", "owner", "due", "review", "requirements", "mitigations",
)  # fmt: skip
REQUIRED: tuple[str, ...] = ("system", "title", "cause", "harm", "likelihood", "severity")
_TEXTS = (
    "id",
    "system",
    "version",
    "title",
    "cause",
    "harm",
    "treatment",
    "status",
    "accepted_by",
    "owner",
    "due",
    "review",
)
# A spreadsheet runs what begins like this. Apostrophes before it count, so that writing and reading are inverse.
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_ADDED = re.compile(r"'+\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_NAME = re.compile(r"[RM]-[1-9][0-9]{0,8}")
_SUMMARY = 200  # characters of an issue's title; Jira takes 255
_WORDS = {"open": "open", "treated": "treated, still there", "accepted": "accepted", "closed": "closed"}


def to_csv(risks: Sequence[Risk]) -> str:
    """The register as RFC 4180 CSV under COLUMNS, which `from_csv` reads back to the same risks.

    A list is written with semicolons, or as JSON where an entry has one. A cell that a spreadsheet would run begins
    with an apostrophe. Persons stand in it as commitments.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for risk in risks:
        writer.writerow([_cell(value) for value in _row(risk)])
    return out.getvalue()


def _row(risk: Risk) -> Iterator[str]:
    body = risk.model_dump(mode="json")
    for column in COLUMNS:
        if column in _RATING:
            value = body["inherent"][column]
        elif column.startswith("residual_"):
            value = (body["residual"] or {}).get(column.removeprefix("residual_"))
        else:
            value = body[column]
        yield _listed(value) if column in _LISTS else "" if value is None else str(value)


def _listed(values: Sequence[str]) -> str:
    is_plain = all(one == one.strip() and one and ";" not in one for one in values)
    if is_plain and not (values and values[0].startswith("[")):
        return "; ".join(values)
    return json.dumps(list(values), ensure_ascii=False)


def _cell(text: str) -> str:
    return "'" + text if _FORMULA.match(text) else text


def from_csv(
    data: bytes, where: str, known: Callable[[str], Mapping[str, Any]] = lambda _: {}
) -> dict[str, dict[str, Any]]:
    """The bodies of risks in a CSV file, in its order, by their lines; each has passed the rules of a risk once it had
    an id.

    Columns are those of COLUMNS in any order, apart by commas, semicolons or tabs, as the header has them. known: from
    an id to the risk's body as it was, empty where there is none. What is left out of a row stays as it was; a new risk
    has the REQUIRED columns, and the defaults of the others. A row without an id is a new risk: its body has none.
    Raises Unusable (RISK008) with every fault, each with its line.
    """
    if len(data) > MOST_BYTES:
        raise Unusable(_wrong(where, f"it has more than {MOST_BYTES:,} bytes", "split it"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable(_wrong(where, "it is not UTF-8", "save it as CSV in UTF-8")) from None
    mark = max(_APART, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    bodies, faults = dict[str, dict[str, Any]](), list[Fault]()
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, where)
        for cells in reader:
            if not any(cells):
                continue
            if len(bodies) >= MOST_ROWS:
                raise Unusable(_wrong(where, f"it has more than {MOST_ROWS:,} risks", "split it"))
            at = f"{where}:{reader.line_num}"
            if len(cells) != len(header):
                what = f"it has {len(cells)} cells under {len(header)} columns"
                faults.append(_wrong(at, what, f"quote {_APART[mark]}"))
                continue
            try:
                row = dict(zip(header, map(_read, cells), strict=True))
                bodies[at] = _body(row, known(row["id"]) if row.get("id") else {}, at)
            except Unusable as error:
                faults += error.faults
    except csv.Error as error:
        raise Unusable(_wrong(f"{where}:{reader.line_num}", f"it is not CSV: {error}", "quote as RFC 4180")) from None
    if faults:
        raise Unusable(faults)
    return bodies


def _check_header(header: Sequence[str], where: str) -> None:
    faults = []
    if strange := [name for name in header if name not in COLUMNS]:
        named = ", ".join(repr(plain(name)[:40]) for name in strange[:10])
        faults.append(_wrong(f"{where}:1", f"no such column: {named}", f"columns are {', '.join(COLUMNS)}"))
    if "id" not in header and (missing := [name for name in REQUIRED if name not in header]):
        faults.append(_wrong(f"{where}:1", f"columns are missing: {', '.join(missing)}", "add them"))
    if len(set(header)) < len(header):
        faults.append(_wrong(f"{where}:1", "a column stands there twice", "drop one"))
    if faults:
        raise Unusable(faults)


def _read(cell: str) -> str:
    return cell[1:] if _ADDED.match(cell) else cell


def _body(row: Mapping[str, str], old: Mapping[str, Any], at: str) -> dict[str, Any]:
    if not old and (missing := [name for name in REQUIRED if name not in row]):
        what = f"the columns of a new risk are missing: {', '.join(missing)}"
        raise Unusable(_wrong(at, what, "add them, or name a risk that is there"))
    body: dict[str, Any] = {**old, "kind": "risk"}
    for name in row.keys() & {*_TEXTS, *_LISTS}:
        field = Risk.model_fields[name]
        body.pop(name, None)
        if row[name]:
            body[name] = _entries(row[name], at, name) if name in _LISTS else row[name]
        elif not field.is_required():
            body[name] = field.default
    body["inherent"] = _rating(row, old.get("inherent") or {}, "", at)
    if any(row.get(f"residual_{name}") for name in _RATING):
        body["residual"] = _rating(row, old.get("residual") or {}, "residual_", at)
    elif "residual_likelihood" in row:
        body["residual"] = None
    try:
        read_document("risk", {"id": "new", **body})
    except Unusable as error:
        mend = "write it as `shipworthy risk export` does"
        raise Unusable(
            _wrong(at, f"{fault.where}: {fault.what}" if fault.where else fault.what, fault.mend or mend)
            for fault in error.faults
        ) from None
    return body


def _entries(cell: str, at: str, name: str) -> list[str]:
    if not cell.startswith("["):
        return [one.strip() for one in cell.split(";") if one.strip()]
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Unusable(_wrong(at, f"{name} is no list of texts", 'write a; b, or JSON such as ["a;b"]'))
    return found


def _rating(row: Mapping[str, str], old: Mapping[str, Any], prefix: str, at: str) -> dict[str, Any]:
    """The rating of a row; what has no column there stays as it was."""
    said = {name: row.get(prefix + name, str(old.get(name) or "")) for name in _RATING}
    rating: dict[str, Any] = {"basis": said["basis"] or "judged", "why": said["why"], "run": said["run"] or None}
    for name in ("likelihood", "severity"):
        step = said[name].strip()
        if not re.fullmatch(r"[1-5]", step, re.ASCII):
            raise Unusable(_wrong(at, f"{prefix}{name} is {step[:40]!r}, which is no step", "write 1, 2, 3, 4 or 5"))
        rating[name] = int(step)
    return rating


def key(risk: Risk) -> str:
    """What an issue is known by, whatever its title and text become: 32 hexadecimal digits."""
    return digest(["risk", risk.system, risk.id]).removeprefix("sha256:")[:32]


def to_github(risks: Sequence[Risk]) -> dict[str, str]:
    """One Markdown file for each open risk: its title as heading, its text, and a comment with its key.

    Returns file name -> content; the same risks give the same bytes.
    """
    return {f"{_file(risk)}.md": _markdown(risk) for risk in risks if risk.status != "closed"}


def _markdown(risk: Risk) -> str:
    rows = [f"| {name} | {markdown(value)} |" for name, value in _facts(risk)]
    cause, harm = ("\n".join(map(markdown, text.splitlines())) for text in (risk.cause, risk.harm))
    return "\n".join(
        [
            f"# {markdown(risk.title, _SUMMARY)}", "", "**Cause.** " + cause, "", "**Harm.** " + harm, "",
            "| | |", "|---|---|", *rows, "", f"<!-- shipworthy-risk: {key(risk)} -->", "",
        ]
    )  # fmt: skip


def to_jira(risks: Sequence[Risk], project: str) -> dict[str, str]:
    """One JSON file for each open risk: the body of `POST /rest/api/3/issue` of Jira Cloud, its key as a label.

    project: key of the Jira project, such as RISK. Returns file name -> content; the same risks give the same bytes.
    """
    return {
        f"{_file(risk)}.json": json.dumps(_jira(risk, project), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        for risk in risks
        if risk.status != "closed"
    }


def _jira(risk: Risk, project: str) -> dict[str, Any]:
    said = [("Cause", risk.cause), ("Harm", risk.harm), *_facts(risk)]
    fields: dict[str, Any] = {
        "project": {"key": project},
        "issuetype": {"name": "Task"},
        "summary": shorten(risk.title, _SUMMARY),
        "description": {"type": "doc", "version": 1, "content": [_paragraph(name, text) for name, text in said]},
        "labels": ["shipworthy-risk", f"shipworthy-{key(risk)}"],
    }
    if risk.due is not None:
        fields["duedate"] = risk.due.isoformat()
    return {"fields": fields}


def _paragraph(name: str, text: str) -> dict[str, Any]:
    """Of Atlassian's document format: text nodes are shown as they are."""
    strong = {"type": "text", "text": f"{name}: ", "marks": [{"type": "strong"}]}
    return {"type": "paragraph", "content": [strong, {"type": "text", "text": plain(text) or "–"}]}


def _facts(risk: Risk) -> Iterator[tuple[str, str]]:
    yield "System", risk.system if risk.version is None else f"{risk.system} {risk.version}"
    yield "Inherent", rating_words(risk.inherent)
    if risk.residual is not None:
        yield "Residual", rating_words(risk.residual)
    yield "Treatment", f"{risk.treatment or 'none yet'}; {_WORDS[risk.status]}"
    for name in ("affected", "requirements", "mitigations", "taxonomy"):
        if values := getattr(risk, name):
            yield name.capitalize(), ", ".join(values)
    if risk.owner:
        yield "Owner", risk.owner[:23] if risk.owner.startswith("person:") else risk.owner
    yield "Due", risk.due.isoformat() if risk.due else "–"
    yield "Review", risk.review.isoformat() if risk.review else "–"
    yield "Risk", risk.id


def rating_words(rating: Rating) -> str:
    """A rating in words: "likelihood 3 × severity 4 = 12, judged"."""
    of = f" by run {rating.run[:19]}" if rating.run else ""
    return f"likelihood {rating.likelihood} × severity {rating.severity} = {rating.score}, {rating.basis}{of}"


def _file(risk: Risk) -> str:
    """A file's name without its end: the id where it is one of ours, else the key; never what an import wrote."""
    return risk.id if _NAME.fullmatch(risk.id) else f"risk-{key(risk)}"


def is_ours(name: str) -> bool:
    """Whether a file is called as an exported issue is."""
    return re.fullmatch(r"(R-[1-9][0-9]{0,8}|risk-[0-9a-f]{32})\.(md|json)", name) is not None


def _wrong(where: str, what: str, mend: str) -> Fault:
    return Fault(code="RISK008", what=what, where=where, mend=mend)
