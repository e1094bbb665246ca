"""The answers of a run, to be found and read: by what was asked, what came of it, and what judges and people say.

What can be filtered by is held in memory, a few dozen bytes an answer; the texts stay in the run's file, and of them
only what a page shows is read. Personal data, credentials and long numbers are taken out as the report takes them out.
"""

from __future__ import annotations

import glob
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from shipworthy.api.acting import everyone
from shipworthy.api.intact import plan_of, rows_of, unreadable
from shipworthy.api.pages import Library, RunRow, absent, find, run_row
from shipworthy.errors import Unusable
from shipworthy.evidence.answers import Turn
from shipworthy.present.redact import redact
from shipworthy.present.safe import passage, shorten

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from shipworthy.observations.table import Observations

PAGE = 25  # answers of a page
MOST_TURNS = 200
MOST_SAID = 20_000  # characters of a turn that are shown
MOST_SCORES = 40
_READ = 200_000  # characters of a turn that are looked at
_MOST_MESSAGES = 16 << 20  # characters of a conversation that is read at all
_EXCERPT = 240
_MOST_OPENED = 4
_MOST_CHOICES = 200
_OF_ROW = ("hazard", "attack", "language", "status")
_OUTCOMES = ("violation", "leak", "ungrounded", "refusal", "correct")
_FAILED = "failed: "
_OF_VERSION = "FROM answers WHERE version IS NOT DISTINCT FROM $version"
_WORDS = "('yes', 'no', 'full', 'partial', 'none')"  # that a scorer and people can differ on

Key: TypeAlias = tuple[str, str, int, str | None]  # case, attack, trial, version


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which answers to show. None: whichever."""

    evaluation: str | None = None
    version: str | None = None  # None: what was under test
    hazard: str | None = None
    attack: str | None = None
    language: str | None = None
    status: str | None = None
    said: str | None = None  # "scorer=word"
    people: str | None = None  # "labelled", "unlabelled", "differ", or "scorer=word"
    text: str | None = None  # that the answer, what was asked, or the case's id holds


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One way to filter, and how many answers it leaves."""

    value: str
    name: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A scorer's word on an answer, and people's."""

    scorer: str
    word: str
    people: str | None  # as the run knew it
    differ: bool  # people say otherwise
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """An answer in one line."""

    case: str
    attack: str
    trial: int
    version: str | None
    hazard: str | None
    language: str | None
    status: str
    asked: str
    answer: str
    said: list[Said]


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptsPage:
    """Some of the answers of an evaluation."""

    run: RunRow
    evaluations: list[str]  # that have answers
    versions: list[str]
    wanted: Wanted
    choices: dict[str, list[Choice]]
    lines: list[Line]
    total: int  # of the version
    matching: int
    page: int
    has_more: bool
    why: str = ""  # why there are no answers at all


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The address of an answer."""

    case: str
    attack: str
    trial: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptPage:
    """One answer with everything that led to it."""

    run: RunRow
    wanted: Wanted  # what it was found by
    line: Line
    turns: list[Turn]
    left_out: int  # turns in the middle
    redacted: int
    error: str
    before: Place | None  # among those that were wanted
    after: Place | None


class Shelf:
    """The evaluations that were looked at last, opened."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._lock = Lock()
        self._opened: OrderedDict[tuple[str, str, tuple[int, ...]], _Opened] = OrderedDict()

    def open(self, digest: str, evaluation: str | None) -> tuple[RunRow, list[str], _Opened]:
        """A run, its evaluations of answers, and the one that is meant, else the first.

        Raises Unusable: WEB001 where there is no such run or evaluation, WEB007 where its rows are not what they were.
        """
        kept, folder, plan = plan_of(self.library, digest)
        names = [name for name, model in plan.evaluations.items() if model.is_generative]
        if not names or evaluation not in (None, *names):
            what = "this run asked nobody for answers" if not names else "this run has no such evaluation of answers"
            raise absent(what, "the run's page says what it evaluated")
        name = evaluation or names[0]
        path = rows_of(folder, kept.facts.digest, name)
        found = path.stat()
        key = (str(path), kept.facts.digest, (found.st_ino, found.st_size, found.st_mtime_ns))
        with self._lock:
            opened = self._opened.pop(key, None)
            if opened is None:
                from shipworthy.evidence.store import reopen

                observations, _ = reopen(folder, name, plan.evaluations[name])
                opened = _Opened.of(observations, str(path), digest)
            self._opened[key] = opened
            while len(self._opened) > _MOST_OPENED:
                self._opened.popitem(last=False)
        return run_row(kept, everyone(self.library.record)), names, opened


def transcripts_page(shelf: Shelf, digest: str, wanted: Wanted, *, page: int = 1) -> TranscriptsPage:
    """The answers of a run that are wanted, in the order in which they were asked.

    Raises Unusable: WEB001 where there is no such run, or nothing of a name that is wanted.
    """
    try:
        run, names, opened = shelf.open(digest, wanted.evaluation)
    except Unusable as error:
        if wanted.evaluation is not None:
            raise
        return _nothing(shelf.library, digest, error.faults[0].what)
    where, given = opened.where(wanted)
    with opened.cursor() as database:
        total, matching = database.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {where}) {_OF_VERSION}",
            given,
        ).fetchall()[0]
        rows = database.execute(
            f"SELECT * {_OF_VERSION} AND {where} ORDER BY row LIMIT {PAGE} OFFSET {(page - 1) * PAGE}",
            given,
        )
        found = _named(rows)
        texts = opened.texts(database, [one["row"] for one in found], wanted.version)
        choices = opened.choices(database, wanted.version)
    return TranscriptsPage(
        run=run, evaluations=names, versions=list(opened.versions), wanted=_settled(wanted, opened), choices=choices,
        lines=[opened.line(one, texts.get(one["row"], ("", ""))) for one in found],
        total=total, matching=matching, page=page, has_more=matching > page * PAGE,
    )  # fmt: skip


def transcript_page(shelf: Shelf, digest: str, place: Place, wanted: Wanted) -> TranscriptPage:
    """One answer of a run, whole, inert and redacted; with those before and after it among the wanted ones."""
    run, _, opened = shelf.open(digest, wanted.evaluation)
    where, given = opened.where(wanted)
    with opened.cursor() as database:
        row = opened.find(database, place, wanted.version)
        texts = opened.texts(database, [row["row"]], wanted.version)
        whole = opened.whole(database, row["row"], wanted.version)
        beside = [
            _named(
                database.execute(
                    'SELECT "case", attack, trial FROM answers WHERE version IS NOT DISTINCT FROM $version AND '
                    f"{where} AND row {side} ORDER BY row {order} LIMIT 1",
                    {**given, "row": row["row"]},
                )
            )
            for side, order in (("< $row", "DESC"), ("> $row", "ASC"))
        ]
    said = [(str(one.get("role", "")), str(one.get("content", ""))) for one in whole.messages]
    said.append(("answer", whole.response))
    turns, redacted = _turns(said)
    before, after = (Place(**one[0]) if one else None for one in beside)
    return TranscriptPage(
        run=run, wanted=_settled(wanted, opened), line=opened.line(row, texts.get(row["row"], ("", "")), whole.whys),
        turns=turns, left_out=max(0, len(said) - MOST_TURNS), redacted=redacted,
        error=shorten(redact(whole.error[:2_000])[0], 400), before=before, after=after,
    )  # fmt: skip


def of_evaluation(wanted: Wanted, evaluation: str) -> Wanted:
    """The same, in one evaluation."""
    return replace(wanted, evaluation=evaluation)


def answer_of(shelf: Shelf, digest: str, evaluation: str, key: Key) -> str:
    """The whole text of an answer, as it was given. Raises Unusable (WEB001) where there is none."""
    _, _, opened = shelf.open(digest, evaluation)
    case, attack, trial, version = key
    with opened.cursor() as database:
        row = opened.find(database, Place(case=case, attack=attack, trial=trial), version)
        return opened.response(database, row["row"], version)


def turns_of(messages: Sequence[tuple[str, str]], answer: str) -> tuple[list[Turn], int]:
    """A conversation with its answer last, inert and redacted; how many pieces were taken out."""
    return _turns([*messages, ("answer", answer)])


def _settled(wanted: Wanted, opened: _Opened) -> Wanted:
    return replace(wanted, evaluation=opened.evaluation)


def _nothing(library: Library, digest: str, why: str) -> TranscriptsPage:
    run = run_row(find(library.record, digest), everyone(library.record))
    return TranscriptsPage(
        run=run, evaluations=[], versions=[], wanted=Wanted(), choices={}, lines=[], total=0, matching=0, page=1,
        has_more=False, why=why,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Whole:
    messages: list[dict[str, Any]]
    response: str
    error: str
    whys: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """One evaluation's answers: what they are found by in the table `answers`, their texts in the file."""

    evaluation: str
    path: str
    digest: str
    connection: DuckDBPyConnection
    versions: tuple[str, ...]
    columns: frozenset[str]
    scorers: tuple[str, ...]
    marks: frozenset[str]  # scorers that give numbers, which are not filtered by
    outcomes: tuple[str, ...]
    people: tuple[str, ...]  # scorers that people checked
    backend: Any = field(repr=False)  # whoever lets go of it closes the connection
    counted: dict[str | None, dict[str, list[Choice]]] = field(default_factory=dict, repr=False)  # by version

    @classmethod
    def of(cls, observations: Observations, path: str, digest: str) -> _Opened:
        """Read what answers are found by."""
        columns = frozenset(observations.table.columns)
        kinds = {name: str(kind) for name, kind in observations.table.schema().items()}
        bases = {name.partition("@")[0] for name in columns}
        scorers = tuple(sorted(one for one in bases if f"{one}_why" in bases))
        opened = cls(
            evaluation=observations.evaluation, path=path, digest=digest, connection=observations.backend.con,
            versions=tuple(observations.variants), columns=columns, scorers=scorers, backend=observations.backend,
            marks=frozenset(one for one in scorers if kinds.get(one, "").startswith("float")),
            outcomes=tuple(one for one in _OUTCOMES if f"outcome.{one}" in columns),
            people=tuple(one for one in scorers if f"{one}.human" in bases),
        )  # fmt: skip
        parts = [opened._index(version) for version in (None, *opened.versions)]
        told = " UNION ALL BY NAME ".join(part for part in parts if part)
        if not told:
            raise unreadable("it kept no answers", digest)
        opened.connection.execute(f"CREATE TABLE answers AS {told}")
        return opened

    def cursor(self) -> DuckDBPyConnection:
        """A connection of one's own to the same tables: requests come at once."""
        return self.connection.cursor()

    def where(self, wanted: Wanted) -> tuple[str, dict[str, Any]]:
        """SQL of what is wanted beside the version, and what is given to it. Raises Unusable (WEB001)."""
        if wanted.version not in (None, *self.versions):
            raise absent(f"this run has no version {shorten(wanted.version, 60)!r}", "choose one that the page offers")
        given: dict[str, Any] = {"version": wanted.version}
        parts = ["true"]
        for name in _OF_ROW:
            if (value := getattr(wanted, name)) is not None:
                given[name] = value
                parts.append(f"{name} = ${name}")
        if wanted.said is not None:
            scorer, _, word = wanted.said.partition("=")
            column = {**self._columns("s", self.scorers), **self._columns("o", self.outcomes, "outcome.")}.get(scorer)
            given |= {"said": word} if column else {}
            parts.append(f"{column} = $said" if column else "false")
        if wanted.people in ("labelled", "unlabelled"):
            some = " OR ".join(f"h{at} IS NOT NULL" for at in range(len(self.people))) or "false"
            parts.append(f"({some})" if wanted.people == "labelled" else f"NOT ({some})")
        elif wanted.people == "differ":
            parts.append(f"({' OR '.join(self._differ(one) for one in self.people) or 'false'})")
        elif wanted.people is not None:
            scorer, _, word = wanted.people.partition("=")
            column = self._columns("h", self.people).get(scorer)
            given |= {"people": word} if column else {}
            parts.append(f"{column} = $people" if column else "false")
        if wanted.text is not None:
            given["text"] = wanted.text.casefold()
            searched = {self._own(name, wanted.version) for name in ("response", "messages", "error", "case")}
            texts = [f"lower(CAST({_q(name)} AS VARCHAR))" for name in sorted(searched & self.columns)]
            held = " OR ".join(f"contains({text}, $text)" for text in texts)
            parts.append(f"row IN (SELECT file_row_number FROM {self._file()} WHERE {held})")
        return " AND ".join(parts), given

    def choices(self, database: DuckDBPyConnection, version: str | None) -> dict[str, list[Choice]]:
        """What can be filtered by, with how many answers of the version each has, the most first; counted once."""
        if version not in self.counted:
            names = (*_OF_ROW, "said", "people")
            self.counted[version] = {name: self._choices(database, name, version) for name in names}
        return self.counted[version]

    def _choices(self, database: DuckDBPyConnection, name: str, version: str | None) -> list[Choice]:
        given = {"version": version}

        def counted(column: str, most: int) -> str:
            known = f"{_OF_VERSION} AND {column} IS NOT NULL"
            return f"SELECT {column}, count(*) {known} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}"

        if name in _OF_ROW:
            asked = counted(name, _MOST_CHOICES)
            return [Choice(value=v, name=shorten(v, 60), count=n) for v, n in database.execute(asked, given).fetchall()]
        found = []
        columns = self._columns("h", self.people)
        if name == "said":
            plain = tuple(one for one in self.scorers if one not in self.marks)
            columns = {**self._columns("o", self.outcomes, "outcome."),
                       **{one: f"s{self.scorers.index(one)}" for one in plain}}  # fmt: skip
        for scorer, column in columns.items():
            asked = counted(column, 20)
            told = "people on " if name == "people" else ""
            found += [
                Choice(value=f"{scorer}={v}", name=f"{told}{shorten(scorer, 40)}: {shorten(v, 30)}", count=n)
                for v, n in database.execute(asked, given).fetchall()
            ]
        if name == "people" and self.people:
            some = " OR ".join(f"h{at} IS NOT NULL" for at in range(len(self.people)))
            differ = " OR ".join(self._differ(one) for one in self.people)
            parts = ", ".join(f"count(*) FILTER (WHERE {part})" for part in (some, f"NOT ({some})", differ))
            ((labelled, unlabelled, differing),) = database.execute(f"SELECT {parts} {_OF_VERSION}", given).fetchall()
            found[:0] = [
                Choice(value="labelled", name="labelled by people", count=labelled),
                Choice(value="unlabelled", name="not labelled", count=unlabelled),
                Choice(value="differ", name="judge and people differ", count=differing),
            ]
        return found

    def find(self, database: DuckDBPyConnection, place: Place, version: str | None) -> dict[str, Any]:
        """What is known of one answer beside its texts. Raises Unusable (WEB001)."""
        asked = (
            'SELECT * FROM answers WHERE version IS NOT DISTINCT FROM $version AND "case" = $case '
            "AND attack = $attack AND trial = $trial ORDER BY row LIMIT 1"
        )
        given = {"version": version, "case": place.case, "attack": place.attack, "trial": place.trial}
        found = _named(database.execute(asked, given))
        if not found:
            raise absent(
                f"this run has no such answer of the case {shorten(place.case, 60)!r}", "the list has them all"
            )
        return found[0]

    def texts(
        self, database: DuckDBPyConnection, rows: Sequence[int], version: str | None
    ) -> dict[int, tuple[str, str]]:
        """The beginnings of what was asked last and of what was answered, by row."""
        if not rows:
            return {}
        messages, response = (_q(self._own(name, version)) for name in ("messages", "response"))
        last = (
            f"CASE WHEN length({messages}) < {_MOST_MESSAGES} AND json_valid({messages}) "
            f"THEN json_extract_string({messages}, '$[#-1].content') END"
        )
        asked = (
            f"SELECT file_row_number, substr({last}, 1, 4000), substr({response}, 1, 4000) FROM {self._file()} "
            f"WHERE file_row_number IN ({', '.join(str(int(row)) for row in rows)})"
        )
        return {row: (said or "", answer or "") for row, said, answer in database.execute(asked).fetchall()}

    def whole(self, database: DuckDBPyConnection, row: int, version: str | None) -> _Whole:
        """The texts of one answer."""
        names = {name: self._own(name, version) for name in ("messages", "response", "error")}
        named = {name: own for name, own in names.items() if own in self.columns}
        whys = {one: own for one in self.scorers if (own := self._own(f"{one}_why", version)) in self.columns}
        cut = {"messages": _MOST_MESSAGES, "response": _READ, "error": 4_000}
        parts = [f"substr(CAST({_q(own)} AS VARCHAR), 1, {cut[name]})" for name, own in named.items()]
        parts += [f"substr(CAST({_q(own)} AS VARCHAR), 1, 4000)" for own in whys.values()]
        read = f"SELECT {', '.join(parts)} FROM {self._file()} WHERE file_row_number = {int(row)}"
        values = database.execute(read).fetchall()[0]
        texts = dict(zip(named, values, strict=False))
        try:
            messages = json.loads(texts.get("messages") or "[]")
        except (ValueError, RecursionError):
            messages = [{"role": "user", "content": "(what was asked is too long, or too deep, to be shown)"}]
        return _Whole(
            messages=[one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else [],
            response=texts.get("response") or "", error=texts.get("error") or "",
            whys={one: text or "" for one, text in zip(whys, values[len(named) :], strict=True)},
        )  # fmt: skip

    def response(self, database: DuckDBPyConnection, row: int, version: str | None) -> str:
        """One answer, whole."""
        read = f"SELECT {_q(self._own('response', version))} FROM {self._file()} WHERE file_row_number = {int(row)}"
        return database.execute(read).fetchall()[0][0] or ""

    def line(self, row: Mapping[str, Any], texts: tuple[str, str], whys: Mapping[str, str] | None = None) -> Line:
        """A row as it is shown."""
        asked, answer = texts
        return Line(
            case=row["case"], attack=row["attack"], trial=row["trial"], version=row["version"], hazard=row["hazard"],
            language=row["language"], status=row["status"] or "", said=list(self._said(row, whys or {}))[:MOST_SCORES],
            asked=shorten(redact(asked[:2_000], guess=False)[0], _EXCERPT),
            answer=shorten(redact(answer[:2_000])[0], _EXCERPT),
        )  # fmt: skip

    def _said(self, row: Mapping[str, Any], whys: Mapping[str, str]) -> Iterator[Said]:
        people = self._columns("h", self.people)
        for at, scorer in enumerate(self.scorers):
            human = row[people[scorer]] if scorer in people else None
            if (word := row[f"s{at}"]) is None and human is None:
                continue
            why = shorten(redact(whys.get(scorer, "")[:2_000])[0], 400)
            yield Said(scorer=scorer, word=word or "no verdict", people=human, differ=_differ(word, human), why=why)

    def _differ(self, scorer: str) -> str:
        """SQL of where people say otherwise than a scorer, as `_differ` has it."""
        word, human = f"s{self.scorers.index(scorer)}", self._columns("h", self.people)[scorer]
        says, say = (f"({one} IN ('yes', 'full'))" for one in (word, human))
        return f"({human} IS NOT NULL AND {word} IN {_WORDS} AND {says} <> {say})"

    def _columns(self, prefix: str, names: Sequence[str], before: str = "") -> dict[str, str]:
        return {f"{before}{name}": f"{prefix}{at}" for at, name in enumerate(names)}

    def _own(self, name: str, version: str | None) -> str:
        return name if version is None or name == "case" else f"{name}@{version}"

    def _file(self) -> str:
        return f"read_parquet({_text(_escaped(self.path))}, file_row_number = true)"

    def _index(self, version: str | None) -> str:
        """SQL of what one version's answers are found by; "" where it has none."""
        if self._own("response", version) not in self.columns:
            return ""

        def text(name: str, of: str | None = None) -> str:
            return f"CAST({_q(name)} AS VARCHAR)" if name in self.columns else f"CAST({of or 'NULL'} AS VARCHAR)"

        def word(name: str, why: str = "") -> str:
            own = self._own(name, version)
            if own not in self.columns:
                return "CAST(NULL AS VARCHAR)"
            value = f"CAST({_q(own)} AS VARCHAR)"
            said = f"CASE {value} WHEN 'true' THEN 'yes' WHEN 'false' THEN 'no' ELSE {value} END"
            if why and (reason := self._own(why, version)) in self.columns:
                failed = f"starts_with(CAST({_q(reason)} AS VARCHAR), {_text(_FAILED)})"
                return f"coalesce({said}, CASE WHEN {failed} THEN 'no verdict' END)"
            return said

        status = self._own("status", version)
        parts = [
            "file_row_number AS row", f"{_text(version) if version else 'CAST(NULL AS VARCHAR)'} AS version",
            f'{text("case")} AS "case"', f"coalesce({text('attack')}, 'none') AS attack", "coalesce(trial, 0) AS trial",
            f"{text('hazard')} AS hazard", f"{text('language')} AS language", f"{text(status)} AS status",
            *(f"{word(one, f'{one}_why')} AS s{at}" for at, one in enumerate(self.scorers)),
            *(f"{word(f'{one}.human')} AS h{at}" for at, one in enumerate(self.people)),
            *(f"{word(f'outcome.{one}')} AS o{at}" for at, one in enumerate(self.outcomes)),
        ]  # fmt: skip
        asked = f" WHERE {_q(status)} IS NOT NULL" if status in self.columns else ""
        return f"SELECT {', '.join(parts)} FROM {self._file()}{asked}"


def _turns(said: Sequence[tuple[str, str]]) -> tuple[list[Turn], int]:
    first, last = said[: MOST_TURNS // 2], said[max(MOST_TURNS // 2, len(said) - MOST_TURNS // 2) :]
    turns, redacted = [], 0
    shown = [*first, *last]
    for index, (speaker, text) in enumerate(shown):
        clean, found = redact(text[: 2 * MOST_SAID], guess=speaker not in ("user", "system"))
        redacted += found
        lines, cut = passage(clean, MOST_SAID)
        cut += max(0, len(text) - 2 * MOST_SAID)
        turns.append(Turn(speaker=shorten(speaker, 20), lines=lines, cut=cut, is_answer=index == len(shown) - 1))
    return turns, redacted


def _differ(word: str | None, human: str | None) -> bool:
    """Whether people say otherwise: of a refusal, whether it is one in full."""
    if human is None or word not in ("yes", "no", "full", "partial", "none"):
        return False
    return (word in ("yes", "full")) != (human in ("yes", "full"))


def _named(found: DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [one[0] for one in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _escaped(path: str) -> str:
    """A path in which nothing is a pattern."""
    return glob.escape(path)
