"""The run's folder: what is written, and how it is read back."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field, ValidationError

from shipworthy.errors import DataError, Fault, Unusable
from shipworthy.evidence import placing
from shipworthy.evidence.files import write_atomically
from shipworthy.evidence.manifest import verify_manifest
from shipworthy.evidence.run import SCHEMA, Run
from shipworthy.evidence.write import write_documents
from shipworthy.observations.answers import OF_CASE
from shipworthy.observations.findings import Finding, Input
from shipworthy.observations.sources import connect
from shipworthy.observations.table import Axis, Observations, missing_of, of_system
from shipworthy.plan.checks import Parts, Sited, check
from shipworthy.plan.loading import LoadedPlan
from shipworthy.plan.lock import lock_path
from shipworthy.plan.models import Evaluation, Plan
from shipworthy.plan.tree import EXACT, parse, read_text
from shipworthy.subjects.recording import MADE_UP

_NUMBER = re.compile(r"\berrno:? (\d+)", re.IGNORECASE)
_FACTS = b"shipworthy"  # key of the rows' own description in their Parquet file


def refuse_target(folder: Path) -> None:
    """Raise Unusable (RUN001) unless a run may be written here: into a new folder, or in place of an older run."""
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return
        faults = verify_manifest(folder) if (folder / "results.json").is_file() else []
    except OSError as error:
        raise _unwritten(error, folder) from error
    strangers = [fault.where for fault in faults if fault.code == "EVID006"]
    if strangers:
        raise _unwritable(f"the folder {folder.name!r} holds {strangers[0]!r}, which no run wrote", folder)
    if not (folder / "manifest.json").is_file() or not (folder / "results.json").is_file():
        raise _unwritable(f"the folder {folder.name!r} holds other things than a run", folder)
    if faults:
        what = f"the run in {folder.name!r} was changed after it was written ({faults[0].what}: {faults[0].where})"
        raise _unwritable(what, folder)


def write_run(
    run: Run,
    folder: Path,
    *,
    loaded: LoadedPlan,
    tables: Mapping[str, Observations],
    journals: Sequence[Path] = (),
    texts: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a run's folder, whole or not at all: into a hidden folder beside it, which then takes its place.

    journals: what was asked and answered, copied as it is. texts: name in the plan -> content of files that decided
    the result and are short enough to keep. An older run in that place goes only after the new one stands.
    Raises Unusable (RUN001) when the folder already holds something that is not a run, or cannot be written.
    """
    refuse_target(folder)
    folder = folder.resolve()
    try:
        with placing.beside(folder) as part:
            whole = part / "run"
            (whole / "observations").mkdir(parents=True)
            write_atomically(whole / "plan.yaml", loaded.source)
            write_atomically(whole / "plan.json", run.plan.model_dump_json(indent=2) + "\n")
            if lock_path(loaded.path).is_file():
                shutil.copyfile(lock_path(loaded.path), whole / "plan.lock.json")
            for name, text in texts.items():
                write_atomically(_kept(whole, name), text)
            environment = {**run.environment, **_plan_place(loaded.path, folder)}
            write_atomically(whole / "environment.json", json.dumps(environment, indent=2) + "\n")
            write_atomically(whole / "results.json", to_json(run))
            pq.write_table(estimates_table(run), whole / "estimates.parquet")
            for name, observations in tables.items():
                if observations.is_embedded:
                    _write_rows(observations, whole / "observations" / f"{_file_name(name)}.parquet")
            for journal in journals:
                (whole / "journal").mkdir(exist_ok=True)
                shutil.copyfile(journal, whole / "journal" / journal.name)
            write_documents(run, whole)
            placing.place(part, folder)
    except (OSError, duckdb.IOException) as error:
        raise _unwritten(error, folder) from error


def _kept(whole: Path, name: str) -> Path:
    """Where a file that the plan names is kept under `plan/`: by its own path, without what leads out of a folder."""
    path = whole / "plan" / Path(*(part for part in Path(name).parts if part not in ("..", Path(name).anchor)))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _plan_place(plan: Path, folder: Path) -> dict[str, str]:
    """Where the plan lies, from the run's folder; nothing where both share no folder but the root: a path that leads
    over the root tells of the machine, and is of no use on another.
    """
    plan = plan.resolve()
    try:
        shared = os.path.commonpath((plan, folder))
    except ValueError:  # on two drives
        return {}
    return {} if shared == plan.anchor else {"plan": Path(os.path.relpath(plan, folder)).as_posix()}


def plan_folder(folder: Path) -> Path:
    """The folder that the relative paths of a run's plan start from, as the run recorded it; else above
    `.shipworthy/runs` for a run in its default place, else the folder that the run lies in.
    """
    folder = folder.resolve()
    try:
        said = str(json.loads((folder / "environment.json").read_text("utf-8"))["plan"])
        return (folder / said).resolve().parent
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return folder.parents[2] if folder.parent.parent.name == ".shipworthy" else folder.parent


def _unwritten(error: Exception, folder: Path) -> Unusable:
    """Why a run cannot be written: DuckDB and Arrow name the system's number of an error in words alone."""
    said = str(error)
    number = getattr(error, "errno", None) or int((_NUMBER.search(said) or ["", "0"])[1])
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "no space left" in said.lower():
        what, mend = "the run cannot be written: the disk is full", "make room, or give --out a folder on another disk"
        return Unusable(Fault(code="RUN001", what=what, where=str(folder), mend=mend))
    reason = os.strerror(number) if number else said.splitlines()[0]
    return _unwritable(f"the run cannot be written: {reason.lower()}", folder)


def _unwritable(what: str, folder: Path) -> Unusable:
    return Unusable(Fault(code="RUN001", what=what, where=str(folder), mend="give --out a new folder"))


def to_json(run: Run) -> str:
    """`results.json` of a run."""
    return json.dumps(run.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def estimates_table(run: Run) -> pa.Table:
    """All estimates of a run as an Arrow table, one row each; slices as JSON objects."""
    rows = []
    for estimate in run.estimates:
        row = estimate.as_json()
        row["slice"] = json.dumps(row["slice"], ensure_ascii=False)
        row["reference"] = json.dumps(row["reference"], ensure_ascii=False) if "reference" in row else None
        row.setdefault("baseline", None)
        rows.append(row)
    text, number = pa.string(), pa.float64()
    schema = pa.schema(
        {
            **dict.fromkeys(("evaluation", "metric", "compare", "slice", "reference", "variant", "baseline"), text),
            **dict.fromkeys(("value", "low", "high", "level"), number),
            "n": pa.int64(),
            "effective_n": number,
            "method": text,
            "reason": text,
        }
    )
    return pa.Table.from_pylist(rows, schema=schema)


def read_results(folder: Path) -> dict[str, Any]:
    """Read `results.json` of a run's folder. Raises Unusable (RUN002) when it is not one."""
    path = folder / "results.json"
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a file")
        found = json.loads(path.read_text("utf-8"), parse_constant=_no_number)
        if isinstance(found, dict) and found.get("schema") == SCHEMA and _is_whole(found):
            return found
        reason = f"it does not follow {SCHEMA}"
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error.strerror or error) if isinstance(error, OSError) else "it is not JSON"
    raise Unusable(
        Fault(
            code="RUN002",
            what=f"{folder.name!r} is not a run: results.json: {reason}",
            where=str(path),
            mend="name a folder that `shipworthy check` wrote",
        )
    )


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


_Count = Annotated[int, Field(ge=0, le=EXACT)]
_Level: TypeAlias = str | int | float | bool | None


class _Estimate(BaseModel):
    evaluation: str
    metric: str
    compare: str
    slice: dict[str, _Level]
    variant: str | None
    baseline: str | None = None
    value: float | None
    low: float | None
    high: float | None
    level: float
    n: _Count


class _Input(BaseModel):
    evaluation: str
    source: str
    digest: str
    rows: _Count


class _Exclusion(BaseModel):
    evaluation: str
    reason: str
    rows: _Count


class _Verdict(BaseModel):
    requirement: str
    verdict: str


class _Results(BaseModel):
    """What reading results back relies on; other keys are there for others."""

    run: str
    decision: str
    plan_digest: str
    estimates: list[_Estimate]
    inputs: list[_Input]
    excluded: list[_Exclusion]
    verdicts: list[_Verdict]
    materials: dict[str, str] = {}


def _is_whole(found: dict[str, Any]) -> bool:
    """Whether results hold every key that reading them back relies on, of its type."""
    try:
        _Results.model_validate(found, strict=True)
    except ValidationError:
        return False
    return True


def read_plan(folder: Path) -> LoadedPlan:
    """The plan that a run followed, as it was resolved then: neither packs nor a baseline have to be there any more.

    Raises Unusable (RUN002) when it cannot be read.
    """
    path = folder / "plan.yaml"
    try:
        plan = Plan.model_validate_json((folder / "plan.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _no_plan(folder, f"cannot be read: {type(error).__name__}") from error
    file = parse(read_text(path, path.name), path.name)
    sites = tuple(
        Sited(requirement=requirement, source=file, loc=("requirements", index))
        for index, requirement in enumerate(plan.requirements)
    )
    parts = Parts(
        source=file,
        folder=folder,
        declared=frozenset(plan.evaluations),
        subjects=frozenset(plan.subjects),
        variants=frozenset(name for model in plan.evaluations.values() for name in model.variants),
        evaluations=plan.evaluations,
        requirements=sites,
        baseline=plan.baseline,
    )
    if faults := [fault for fault in check(parts) if fault.code not in _ELSEWHERE]:
        raise _no_plan(folder, f"is at odds with itself: {faults[0].what}")
    return LoadedPlan(plan=plan, path=path, source=file.text, notes=(), file=file, sites=())


_ELSEWHERE = ("PLAN028", "PLAN030", "PLAN085")  # about what need not be there any more: baselines, catalogues


def _no_plan(folder: Path, why: str) -> Unusable:
    return Unusable(
        Fault(
            code="RUN002",
            what=f"the plan of the run {folder.name!r} {why}",
            where=str(folder / "plan.json"),
            mend="name a folder that `shipworthy check` wrote, with all its files",
        )
    )


def rows_path(folder: Path, evaluation: str) -> Path:
    """Where a run keeps the rows of an evaluation."""
    return folder / "observations" / f"{_file_name(evaluation)}.parquet"


def reopen(
    folder: Path, name: str, model: Evaluation, *, axes: Sequence[str | tuple[str, ...] | None] = ()
) -> tuple[Observations, Input]:
    """Open the rows that a run kept, as they were evaluated. axes: what they have to be sliced by.

    Raises Unusable (RUN002).
    """
    results = read_results(folder)
    path = rows_path(folder, name)
    try:
        kept = pq.read_schema(path).metadata or {}
        facts = json.loads(bytes.fromhex(kept[_FACTS].decode()))
        source = next(Input(**entry) for entry in results["inputs"] if entry["evaluation"] == name)
        backend = connect()
        table = backend.read_parquet(glob.escape(str(path)))
        ranges = {column: (float(low), float(high)) for column, (low, high) in facts["score_ranges"].items()}
        observations = Observations(
            evaluation=name,
            task=facts["task"],
            table=table,
            backend=backend,
            axes=tuple(
                Axis(name=a["name"], parts=tuple(a["parts"]), is_condition=a["is_condition"]) for a in facts["axes"]
            ),
            rows=facts["rows"],
            scope=facts["rows"],
            exclusions=(),
            variants=tuple(facts["variants"]),
            roles=frozenset(table.columns),
            score_ranges=ranges,
            minimum_group=model.minimum_group,
            fold_below=model.fold_below,
            judged=frozenset(facts.get("judged", ())),
            missing={} if facts["task"] == "generative" else missing_of(table, backend),
        )
        for axis in axes:
            observations.axis(axis)
    except (*_UNREADABLE, StopIteration) as error:
        raise _no_rows(name, path) from error
    return observations, source


def _no_rows(evaluation: str, path: Path) -> Unusable:
    return Unusable(
        Fault(
            code="RUN002",
            what=f"the run kept no rows of {evaluation!r} that can be read",
            where=str(path),
            mend="run the check again",
        )
    )


_UNREADABLE = (OSError, LookupError, AttributeError, ValueError, TypeError, pa.ArrowException, duckdb.Error)


def open_baseline(folder: Path, observations: Observations, *, where: str) -> tuple[Observations, Finding]:
    """Join the predictions of a baseline run to the same cases here, as the variant `baseline`.

    Cases that only the baseline has come last, with nothing of this run's own: what it would have said there counts
    either way in a change, so that no change is met by leaving cases out.

    Raises DataError (DATA020) where cases cannot be told apart or do not meet, and where rows of a log have no ids.
    """
    read_results(folder)
    path = rows_path(folder, observations.evaluation)
    if not path.is_file():
        raise DataError(
            Fault(
                code="DATA020",
                what=f"the baseline run has no evaluation {observations.evaluation!r}",
                where=where,
                mend="compare runs of plans that share the evaluation",
            )
        )
    try:
        old = observations.backend.read_parquet(glob.escape(str(path)))
    except duckdb.Error as error:
        raise _no_rows(observations.evaluation, path) from error
    if "case" not in observations.roles or "case" not in old.columns:
        raise DataError(
            Fault(
                code="DATA020",
                what="cases of the two runs cannot be paired without an id",
                where=where,
                mend="add id: <column> under roles in both plans",
            )
        )
    generative = observations.task == "generative"
    if generative:
        _refuse_made_up(observations, old, where)
    keys = ("case", "attack", "trial") if generative else ("case",)
    roles = [c for c in old.columns if "@" not in c and _differs(c)] if generative else ["prediction", "score"]
    moved = {f"{role}@baseline": old[role] for role in roles if role in old.columns}
    paired = {f"{key} of old": old[key].cast("string") for key in keys}
    same = [(observations.table[key].cast("string"), f"{key} of old") for key in keys]
    matched = observations.table.join(old.select(**paired, **moved), same).drop(*paired)
    one = matched[list(keys)].distinct().count().name("cases")
    found = observations.backend.to_pyarrow(matched.aggregate(n=matched.count())).to_pylist()[0]
    cases = observations.backend.to_pyarrow(one).as_py()
    if not found["n"] or found["n"] != cases:
        raise DataError(
            Fault(
                code="DATA020",
                what="no case of the baseline run is in these data"
                if not found["n"]
                else "an id stands for several rows, so cases cannot be paired",
                where=where,
                mend="name a baseline over the same cases, with one row per id",
            )
        )
    gone = old.anti_join(observations.table, [old[key].cast("string") == observations.table[key].cast("string")
                                              for key in keys])  # fmt: skip
    lost = observations.backend.to_pyarrow(gone.count()).as_py()
    if lost:
        matched = matched.union(_only_old(gone, matched, list(moved), generative=generative))
    joined = replace(
        observations,
        table=matched,
        cells=None,
        rows=observations.backend.to_pyarrow(matched.count()).as_py() if lost else found["n"],
        variants=(*observations.variants, "baseline"),
        roles=observations.roles | set(moved),
        score_ranges={**observations.score_ranges, **_range(matched, observations)},
        missing={} if generative else missing_of(matched, observations.backend),
    )
    left = observations.rows - found["n"]
    return joined, Finding(
        evaluation=observations.evaluation,
        check="pairing with the baseline",
        gravity="warning" if left or lost else "ok",
        what=f"{found['n']:,} of {observations.rows:,} cases are in the baseline run; changes are measured on them"
        + (f"; {left:,} cases of this run are not in the baseline and are left out of changes" if left else "")
        + (f"; {lost:,} cases of the baseline are not in this run and count either way in changes" if lost else ""),
        rows=left + lost,
    )


def _refuse_made_up(observations: Observations, old: Any, where: str) -> None:
    """The number of a row in one log is no name of what was asked: in another log it may be another request."""
    for table, of in ((observations.table, "this run"), (old, "the baseline run")):
        made_up = table["case"].cast("string").re_search(rf"^{MADE_UP}[0-9]{{7,}}$").fill_null(False)
        rows = int(observations.backend.to_pyarrow(table.aggregate(n=made_up.sum())).to_pylist()[0]["n"] or 0)
        if rows:
            raise DataError(
                Fault(
                    code="DATA020",
                    what=f"{rows:,} rows of {of} have no id of their own, only their number in a log, by which they "
                    "cannot be paired with another log's",
                    where=where,
                    mend="give every row an id, or pair by what was asked, under the subject of both plans: "
                    "fields: {id: prompt, prompt: prompt}; then check both again",
                )
            )


def _only_old(gone: Any, matched: Any, moved: Sequence[str], *, generative: bool) -> Any:
    """Rows that only the baseline has, in the columns of the pairs: what they are about, and the baseline's word."""
    columns = {}
    for column, kind in matched.schema().items():
        role = column.removesuffix("@baseline") if column in moved else column
        is_own = column not in moved and ("@" in column or (_differs(column) if generative else of_system(column)))
        known = role in gone.columns and not is_own
        value = gone[role] if known else ibis.null(kind)
        columns[column] = value if value.type() == kind else value.try_cast(kind)
    rows = gone.select(**columns)
    return rows.filter([rows[c].notnull() for c in ("case", "label", "weight", "cluster", "query") if c in columns])


def _differs(column: str) -> bool:
    """Whether a column of answers is a version's own, and not the case's."""
    return column not in OF_CASE and not column.startswith("slice.")


def _range(matched: Any, observations: Observations) -> dict[str, tuple[float, float]]:
    if "score@baseline" not in matched.columns:
        return {}
    column = matched["score@baseline"]
    found = observations.backend.to_pyarrow(matched.aggregate(low=column.min(), high=column.max())).to_pylist()[0]
    return {} if found["low"] is None else {"score@baseline": (found["low"], found["high"])}


def _write_rows(observations: Observations, path: Path) -> None:
    """Write the rows, with what reading them back needs in the file's own metadata."""
    facts = {
        "task": observations.task,
        "rows": observations.rows,
        "variants": list(observations.variants),
        "axes": [{"name": a.name, "parts": list(a.parts), "is_condition": a.is_condition} for a in observations.axes],
        "judged": sorted(observations.judged),
        "score_ranges": {column: list(pair) for column, pair in observations.score_ranges.items()},
    }
    told = json.dumps(facts).encode().hex()  # names may hold quotes, which SQL would trip over
    options: dict[str, Any] = {"KV_METADATA": {_FACTS.decode(): told}}
    if observations.task == "generative":  # answers are long: one thread, with few rows at once, keeps memory flat
        observations.backend.raw_sql("SET threads = 1")
        options["ROW_GROUP_SIZE"] = 20_000
    observations.backend.to_parquet(observations.table, str(path), **options)


def _file_name(evaluation: str) -> str:
    """A file name for an evaluation: its own where that is plain, else a digest of it."""
    from shipworthy.digest import digest

    plain = evaluation.isascii() and evaluation.replace("-", "").replace("_", "").isalnum() and len(evaluation) < 80
    return evaluation if plain else digest(evaluation).removeprefix("sha256:")[:16]
