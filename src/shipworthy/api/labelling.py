"""Labels of people: which answers of a run to read next, and the file that the labels go into.

Proposed are as many answers that the judge passed as it failed, and of what it gave no verdict on: that is where labels
buy most precision, and only of what the plan's requirements count, since no other label moves a verdict. Within one
verdict every hazard, attack and language gets its share, so that a rate corrected with these labels is right for all
answers and for each of those slices.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from hashlib import blake2b
from operator import or_
from pathlib import Path
from typing import Any, BinaryIO

import ibis
import numpy as np

from shipworthy.api.evaluating import metrics_of
from shipworthy.api.judging import is_asked, judged_scorers, own, said_yes
from shipworthy.api.measuring import of_version
from shipworthy.errors import DataError, Fault, Unusable
from shipworthy.evidence.store import plan_folder, read_plan, reopen
from shipworthy.metrics.kinds import OutcomeRate
from shipworthy.observations.labels import COLUMNS, SKIP, Vocabulary, quoted, response_digest, unquoted
from shipworthy.observations.table import Observations
from shipworthy.plan.models import Evaluation, Plan
from shipworthy.scorers.catalogue import open_scorer
from shipworthy.scorers.judge import rubric_of
from shipworthy.scorers.protocol import AskedScorer, Scorer
from shipworthy.stats.labelling import allocate_labels

LONGEST_CELL = 30_000  # characters; a spreadsheet's cell holds 32,767
_SLICED = ("hazard", "attack", "language")
Key = tuple[str, str, int, str | None]  # case, attack, trial, version


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One answer to label. Its texts are hostile."""

    case: str
    attack: str
    trial: int
    variant: str | None
    response: str  # digest of the answer
    messages: tuple[tuple[str, str], ...]  # (speaker, text), without the answer
    answer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sitting:
    """What to label next, and with which words."""

    evaluation: str
    scorer: str
    rubric: str | None  # the file that says what to decide, as the plan names it
    criteria: str  # what it says; "" where the file is not there any more
    vocabulary: Vocabulary
    questions: tuple[Question, ...]
    file: Path  # of the labels
    known: frozenset[Key]  # answers that somebody labelled already
    judged: int
    claims: tuple[str, ...]  # metrics that requirements bound with this judge's word; none: all answers are proposed
    counted: int  # judged answers that these metrics count

    @property
    def labelled(self) -> int:
        """How many answers somebody labelled already."""
        return len(self.known)


def propose(
    run: Path,
    *,
    labels: Path | None,
    rater: str,
    count: int,
    evaluation: str | None = None,
    scorer: str | None = None,
    second: bool = False,
) -> Sitting:
    """The answers of a run's folder that are worth `count` labels more.

    labels: the file of labels, which may be there already; None: labels/<judge>.csv. rater: who labels; nothing that
    this rater labelled or skipped is proposed again. second: propose what others labelled and this rater did not, to
    see how people agree.
    Raises Unusable: RUN002 for the folder, LABEL001 and LABEL003 for the file of labels, LABEL004 where the run has no
    such evaluation or judge.
    """
    observations, name = _open(run, evaluation, scorer)
    file = labels or Path("labels") / f"{name}.csv"
    given = _given(file)
    plan = read_plan(run).plan
    model = plan.evaluations[observations.evaluation]
    instrument = _instrument(run, model, name)
    vocabulary = _vocabulary(observations, name, instrument)
    claims = _claims(plan, observations, name, instrument)
    rows = _keys(observations, name, claims)
    known = _still_known(observations, rows, given)
    mine = {key for key, raters in known.items() if rater in raters}
    others = {key for key, raters in known.items() if any(word != SKIP for word in raters.values())}
    others |= {key for key, row in rows.items() if row["labelled"]}
    if second:
        open_rows = {key: row for key, row in rows.items() if key in others and key not in mine}
        chosen = sorted(open_rows, key=_drawn)[:count]
    else:
        counted = {key: row for key, row in rows.items() if row["counts"]}
        said = {key: {_meaning(word, vocabulary) for word in words.values()} for key, words in known.items()}
        chosen = _allocated(counted, others, mine, said, count)
    rubric = rubric_of(instrument)
    return Sitting(
        evaluation=observations.evaluation,
        scorer=name,
        rubric=_rubric(model, name),
        criteria=rubric.criteria if rubric is not None else "",
        vocabulary=vocabulary,
        questions=tuple(_questions(observations, chosen)),
        file=file,
        known=frozenset(others),
        judged=len(rows),
        claims=tuple(metric.name for metric in claims),
        counted=sum(bool(row["counts"]) for row in rows.values()),
    )


def write_label(path: Path, question: Question, label: str, *, rater: str) -> None:
    """Add one label to the file, as one whole line that is on disk when this returns.

    Raises DataError (LABEL005) where it cannot be written.
    """
    line = _line(_cells(question, label, rater))
    with _written(path), path.open("ab+") as file:
        _lock(file)  # several raters at once: whoever comes first writes the header, and no line falls into another
        if file.seek(0, os.SEEK_END) == 0:
            line = _line(COLUMNS) + line
        else:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a line that was broken off
                line = "\n" + line
        file.write(line.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())


def _lock(file: BinaryIO) -> None:
    """Wait until no other process or thread writes to the file; closing it lets go."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 62)  # a byte that is never written
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        what = f"the labels cannot be written: {error.strerror or error}"
        raise DataError(Fault(code="LABEL005", what=what, where=str(path), mend="name another file")) from error


def export(path: Path, sitting: Sitting, *, rater: str, force: bool = False) -> None:
    """Write the proposed answers with an empty label each, for labelling elsewhere; the file is then read as labels.

    force: replace a file that holds labels, or something else.
    Raises DataError: LABEL006 where the file holds labels, LABEL001 and LABEL003 where it holds something else,
    LABEL005 where it cannot be written.
    """
    if not force and (labels := sum(len(words) for given in _given(path).values() for words in given.values())):
        raise DataError(
            Fault(
                code="LABEL006",
                what=f"the file holds {labels:,} {'label' if labels == 1 else 'labels'} of people, which an export "
                "would replace",
                where=str(path),
                mend="name another file, and this one as --out, so that what it holds is not asked again; or add "
                "--force, and lose them",
            )
        )
    lines = [_line((*COLUMNS, "conversation", "answer"))]
    for question in sitting.questions:
        said = "\n\n".join(f"{speaker}: {text[:LONGEST_CELL]}" for speaker, text in question.messages)
        texts = (quoted(text[:LONGEST_CELL]) for text in (_visible(said), _visible(question.answer)))
        lines.append(_line((*_cells(question, "", rater), *texts)))
    part = path.with_name(f".{path.name}.part")
    with _written(path):
        part.write_bytes("".join(lines).encode("utf-8", "replace"))
        part.replace(path)


def _visible(text: str) -> str:
    return "".join(char for char in text if char.isprintable() or char == "\n")


def _cells(question: Question, label: str, rater: str) -> tuple[str, ...]:
    cells = {
        "case": question.case,
        "attack": question.attack,
        "trial": str(question.trial),
        "variant": question.variant or "",
        "response": question.response,
        "label": label,
        "rater": rater,
    }
    return tuple(quoted(cells[column]) for column in COLUMNS)


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(cells))
    return text.getvalue()


def _open(run: Path, evaluation: str | None, scorer: str | None) -> tuple[Observations, str]:
    """The rows and the judge that are meant."""
    plan = read_plan(run).plan
    found: dict[tuple[str, str], Observations] = {}
    for name, model in plan.evaluations.items():
        if model.is_generative and evaluation in (None, name):
            observations, _ = reopen(run, name, model)
            found |= {(name, each): observations for each in _labelled_scorers(observations) if scorer in (None, each)}
    if len(found) == 1:
        ((_, name), observations), *_ = found.items()
        return observations, name
    there = ", ".join(f"{each} of {of}" for of, each in found) or "no judge that says yes or no"
    raise DataError(
        Fault(
            code="LABEL004",
            what="it is not clear which judge's answers to label" if found else "there is nothing to label here",
            where=str(run),
            mend=f"name it with --scorer and --evaluation; the run has {there}",
        )
    )


def _instrument(run: Path, model: Evaluation, scorer: str) -> Scorer | AskedScorer | None:
    """The scorer, opened again from the plan's folder; None where what it needs is not there any more."""
    for spec in model.scorers:
        asked = (
            {key: value for key, value in spec.items() if key != "human_labels"} if isinstance(spec, Mapping) else spec
        )
        with suppress(Unusable):
            opened = open_scorer(asked, folder=plan_folder(run), where="scorers")
            if opened.name == scorer:
                return opened
    return None


def _vocabulary(observations: Observations, scorer: str, instrument: Scorer | AskedScorer | None) -> Vocabulary:
    """The words of a label: the rubric's where it is there, else the usual ones for what the column holds."""
    if instrument is None:
        value = own(observations, scorer, None)
        return Vocabulary(measures="refusal" if value is not None and value.type().is_string() else "violation")
    rubric = rubric_of(instrument)
    return Vocabulary(measures=instrument.measures, own=rubric.labels if rubric is not None else {})


def _claims(
    plan: Plan, observations: Observations, scorer: str, instrument: Scorer | AskedScorer | None
) -> tuple[OutcomeRate, ...]:
    """The metrics that requirements bound and that this scorer has a word in."""
    spoken = {f"outcome.{instrument.measures}"} if instrument is not None else observations.judged
    if instrument is not None and instrument.measures in ("leak", "refusal"):  # each can be a violation
        spoken |= {"outcome.violation"} & observations.judged
    found: dict[str, OutcomeRate] = {}
    for requirement in plan.requirements:
        if (requirement.evaluation or next(iter(plan.evaluations))) != observations.evaluation:
            continue
        with suppress(Unusable):  # a metric of a package that is not installed here
            for metric in metrics_of(requirement, observations.task)[0]:
                if isinstance(metric, OutcomeRate) and metric.outcome in {scorer, *spoken}:
                    found[metric.name] = metric
    return tuple(found.values())


def _rubric(model: Evaluation, scorer: str) -> str | None:
    """The rubric of a judge, where the plan or its file's name tells which it is."""
    judges = [spec for spec in model.scorers if isinstance(spec, Mapping) and isinstance(spec.get("judge"), str)]
    named = {str(spec.get("name") or Path(str(spec["judge"])).stem): str(spec["judge"]) for spec in judges}
    return named.get(scorer) or (next(iter(named.values())) if len(named) == 1 and len(model.scorers) == 1 else None)


def _labelled_scorers(observations: Observations) -> Iterator[str]:
    for name in judged_scorers(observations):
        value = own(observations, name, None)
        if value is not None and not value.type().is_floating():
            yield name


def _keys(observations: Observations, scorer: str, claims: Sequence[OutcomeRate]) -> dict[Key, dict[str, Any]]:
    """Every judged answer of every version, with what the judge said of it, its slices, and whether a claim counts it:
    all count where there is no claim.
    """
    found: dict[Key, dict[str, Any]] = {}
    table = observations.table
    versions: list[str | None] = [None, *observations.variants]
    for version in versions:
        value = own(observations, scorer, version)
        if value is None:
            continue
        human = own(observations, f"{scorer}.human", version)
        mine = of_version(table, version)
        cases = [ibis.literal(True) if m.case is None else m.case(mine).fill_null(False) for m in claims]
        rows = table.select(
            case=table["case"].cast("string"),
            attack=table["attack"].cast("string"),
            trial=table["trial"].cast("int64"),
            asked=is_asked(observations, scorer, version),
            counts=reduce(or_, cases) if cases else ibis.literal(True),
            verdict=ibis.cases((value.isnull(), 2), (said_yes(value), 0), else_=1),
            labelled=ibis.literal(False) if human is None else human.notnull(),
            positive=ibis.literal(False) if human is None else said_yes(human).fill_null(False),
            **{f"slice {name}": table[name].cast("string") for name in _SLICED if name in table.columns},
        )
        for row in observations.backend.to_pyarrow(rows.filter(rows["asked"])).to_pylist():
            found[row["case"], row["attack"], row["trial"], version] = row
    return found


def _given(path: Path) -> dict[Key, dict[str, dict[str, str]]]:
    """Labels of the file: key -> digest -> rater -> word."""
    found: dict[Key, dict[str, dict[str, str]]] = {}
    if not path.exists() or path.stat().st_size == 0:
        return found
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ())[: len(COLUMNS)] != COLUMNS:
                raise DataError(
                    Fault(
                        code="LABEL003",
                        what="the file holds something else than labels that this command wrote",
                        where=str(path),
                        mend=f"name another file, or one whose columns begin with {', '.join(COLUMNS)}",
                    )
                )
            for row in reader:
                cells = {name: unquoted(row.get(name) or "") for name in COLUMNS}
                if cells["label"] and cells["trial"].isdecimal():
                    key = (cells["case"], cells["attack"], int(cells["trial"]), cells["variant"] or None)
                    found.setdefault(key, {}).setdefault(cells["response"], {})[cells["rater"]] = cells["label"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            Fault(code="LABEL001", what=f"the labels cannot be read: {error}", where=str(path), mend="name a CSV file")
        ) from error
    return found


def _still_known(
    observations: Observations, rows: Mapping[Key, Any], given: Mapping[Key, Mapping[str, Mapping[str, str]]]
) -> dict[Key, dict[str, str]]:
    """Labels that are about this run's answers: rater -> word."""
    there = [key for key in given if key in rows]
    digests = {_key(question): question.response for question in _questions(observations, there)}
    return {key: {**given[key].get("", {}), **given[key].get(digests[key], {})} for key in there}


def _key(question: Question) -> Key:
    return question.case, question.attack, question.trial, question.variant


def _allocated(
    rows: Mapping[Key, Mapping[str, Any]],
    others: set[Key],
    mine: set[Key],
    known: Mapping[Key, set[object]],
    count: int,
) -> list[Key]:
    """Answers that nobody labelled, from each version and verdict as many as its labels are worth, in random order."""
    versions = list(dict.fromkeys(key[3] for key in rows))
    strata: dict[tuple[int, int], list[Key]] = {(v, h): [] for v in range(len(versions)) for h in range(3)}
    judged, labelled, positive = (np.zeros((len(versions), 3)) for _ in range(3))
    for key, row in rows.items():
        place = versions.index(key[3]), row["verdict"]
        judged[place] += 1
        if key in others:
            labelled[place] += 1
            positive[place] += bool(row["positive"] or known.get(key, set()) & {True, "full"})
        elif key not in mine:
            strata[place].append(key)
    if not versions:
        return []
    chosen: list[Key] = []
    for place, extra in np.ndenumerate(allocate_labels(count, judged, labelled, positive)):
        chosen += _spread(strata[place[0], place[1]], rows, int(extra))
    return sorted(chosen, key=_drawn)[:count]


def _meaning(word: str, vocabulary: Vocabulary) -> object:
    """What a label says; None where it says nothing, which reading the labels reports."""
    try:
        return vocabulary.value(word)
    except ValueError:
        return None


def _spread(keys: list[Key], rows: Mapping[Key, Mapping[str, Any]], count: int) -> list[Key]:
    """`count` of the answers at even steps through their slices: a random sample with each slice in its share."""

    def place(key: Key) -> tuple[object, ...]:
        return (*(str(rows[key].get(f"slice {name}")) for name in _SLICED), _drawn(key))

    ordered = sorted(keys, key=place)
    if count >= len(ordered):
        return ordered
    start = int.from_bytes(_drawn(("start", str(len(ordered)), count, None))[:4], "big") / 2**32
    return [ordered[int((start + step) * len(ordered) / count)] for step in range(count)]


def _drawn(key: Key) -> bytes:
    """A number that is random over answers, and the same in every sitting."""
    return blake2b("\x00".join(map(str, key)).encode("utf-8", "replace"), digest_size=8).digest()


def _questions(observations: Observations, keys: Iterable[Key]) -> Iterator[Question]:
    """The texts of some answers, in their order."""
    wanted = list(keys)
    found: dict[Key, Question] = {}
    table = observations.table
    for version in dict.fromkeys(key[3] for key in wanted):
        cases = sorted({key[0] for key in wanted if key[3] == version})
        response, messages = (own(observations, name, version) for name in ("response", "messages"))
        assert response is not None
        assert messages is not None
        for start in range(0, len(cases), 500):
            rows = table.select(
                case=table["case"].cast("string"),
                attack=table["attack"].cast("string"),
                trial=table["trial"].cast("int64"),
                response=response,
                messages=messages,
            )
            some = rows.filter(rows["case"].isin(cases[start : start + 500]))
            for row in observations.backend.to_pyarrow(some).to_pylist():
                key = (row["case"], row["attack"], row["trial"], version)
                said = json.loads(row["messages"] or "[]")
                found[key] = Question(
                    case=row["case"],
                    attack=row["attack"],
                    trial=row["trial"],
                    variant=version,
                    response=response_digest(row["response"] or ""),
                    messages=tuple((str(one["role"]), str(one["content"])) for one in said),
                    answer=row["response"] or "",
                )
    return (found[key] for key in wanted)
