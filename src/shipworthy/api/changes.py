"""What a run was made from, looked at again: folder, plan, data, models, materials and waivers; each change in words.

Nothing that a plan names is executed here, no database asked and no endpoint called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from shipworthy.api.checking import load
from shipworthy.api.materials import materials
from shipworthy.api.recording import approvers_today, version_id
from shipworthy.api.runs import worst
from shipworthy.digest import digest
from shipworthy.errors import ShipworthyError, Unusable
from shipworthy.evidence.attestations import model_digest
from shipworthy.evidence.manifest import NAME as MANIFEST
from shipworthy.evidence.manifest import verify_manifest
from shipworthy.evidence.store import plan_folder, read_plan, read_results, reopen
from shipworthy.gates.waivers import lies_in, terms_of
from shipworthy.observations.fingerprints import UNAVAILABLE, fingerprint
from shipworthy.observations.sources import connect, file_digest, open_source
from shipworthy.observations.table import prepare
from shipworthy.plan.loading import LoadedPlan, plan_digest
from shipworthy.plan.models import Plan, Requirement
from shipworthy.present import sentences
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.integrity.keys import Register
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

_BRIEF = 80  # characters of a value that is quoted
_NAMED = 5  # changed files that are named; the others are counted
K = TypeVar("K")
_TRUSTED = {MANIFEST, "results.json", "plan.json", "plan.yaml", "environment.json"}  # what the rest is read from

What: TypeAlias = Literal[
    "threshold", "plan", "data", "model", "material", "report", "waiver", "decision", "evidence", "key", "condition"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is no longer what it was."""

    of: What
    what: str  # a sentence; may quote outside text

    def as_json(self) -> dict[str, str]:
        """For machines."""
        return {"of": self.of, "what": self.what}


@dataclass(frozen=True, kw_only=True, slots=True)
class Looking:
    """Where to look, and how far."""

    base: Path  # the folder that places of runs start from
    now: datetime
    plan: Path | None = None  # where the plan lies now; default: where it lay when the run was made
    register: Path | Register | None = None  # of keys, or the file that it lies in
    data: bool = True  # read the data again


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a look at a run and everything that it was made from has shown."""

    changes: tuple[Change, ...]
    waivers: Mapping[str, date]  # in force
    bound: tuple[documents.Bound, ...]  # the waivers that cover a verdict, as they are now
    notes: tuple[str, ...]


def look(record: Record, runs: Sequence[KeptRun], decision: documents.Decision | None, looking: Looking) -> Seen:
    """What has changed since runs were made that one decision rests on, or will: their folders, plans, data, models,
    materials and waivers. A change that is not one of all of them names its runs.

    Of several, `looking.plan` stands in for the plans that no longer lie where they did.
    """
    seen = [_look(record, kept, runs, decision, looking) for kept in runs]
    waivers = {id_: end for one in seen for id_, end in one.waivers.items()}
    bound = {each.id: each for one in seen for each in one.bound}
    names = [one.facts.run for one in runs]
    told = _said_of(names, [[(change.of, change.what) for change in one.changes] for one in seen])
    changes = (*(Change(of=of, what=what) for of, what in told), *_unlike(runs, decision))
    notes = tuple(note for _, note in _said_of(names, [[(None, note) for note in one.notes] for one in seen]))
    return Seen(changes=changes, waivers=waivers, bound=tuple(bound.values()), notes=notes)


def _look(
    record: Record,
    kept: KeptRun,
    runs: Sequence[KeptRun],
    decision: documents.Decision | None,
    looking: Looking,
) -> Seen:
    folder = looking.base / kept.facts.place
    notes: list[str] = []
    changes = list(_files(folder, kept.facts.digest))
    broken = [change for change in changes if change.of == "evidence"]
    waivers: dict[str, date] = {}
    bound: tuple[documents.Bound, ...] = ()
    if not broken:
        results, then = read_results(folder), read_plan(folder)
        now = _plan_now(folder, looking.plan, is_alone=len(runs) == 1)
        then = replace(then, path=(now.parent if now else plan_folder(folder)) / then.path.name)
        changes += _plan(then, now, kept.facts.version, notes)
        if looking.data:
            changes += _data(folder, results, then, notes)
        else:
            notes.append("the data were not read again")
        changes += _materials(results, then)
        changes += _models(record, kept, decision, then)
        on_waivers, waivers, bound = _waivers(record, kept, results, then.plan, looking.now.date())
        changes += on_waivers
        system = record.get("system", kept.facts.system)
        if system is not None and (known := getattr(system.document, "tier", None)) != then.plan.system.tier:
            notes.append(f"the plan said tier {then.plan.system.tier}, and the record says {known}, which counts")
    changes += _newer(record, kept, runs)
    return Seen(changes=tuple(changes), waivers=waivers, bound=bound, notes=tuple(notes))


def _files(folder: Path, name: str) -> Iterator[Change]:
    """Files of the run that are not as they were written; "evidence" where nothing that is read from them counts."""
    if not folder.is_dir():
        yield Change(of="evidence", what=f"the run's folder {folder.name} is gone")
        return
    faults = verify_manifest(folder, sha256=name)
    for fault in faults[:_NAMED]:
        of: What = "evidence" if fault.where in _TRUSTED else "report"
        yield Change(of=of, what=f"{fault.where} of the run: {fault.what}")
    if len(faults) > _NAMED:
        lost = any(fault.where in _TRUSTED for fault in faults[_NAMED:])
        what = f"{len(faults) - _NAMED:,} more files of the run are not as they were written"
        yield Change(of="evidence" if lost else "report", what=what)


def _plan_file(folder: Path) -> Path | None:
    """Where the plan of a run lay, as the run recorded it."""
    said = json.loads((folder / "environment.json").read_text("utf-8")).get("plan")
    return (folder / said).resolve() if isinstance(said, str) else None


def _plan_now(folder: Path, stated: Path | None, *, is_alone: bool) -> Path | None:
    """Where the plan of a run lies now: as stated, of several runs only where it is gone from where it lay."""
    lay = _plan_file(folder)
    return stated if stated is not None and (is_alone or lay is None or not lay.is_file()) else lay


def _plan(then: LoadedPlan, path: Path | None, version: str, notes: list[str]) -> Iterator[Change]:
    if path is None:
        notes.append("the plan was not looked at: the run does not say where it lies; name it")
        return
    try:
        now = load(path).plan
    except Unusable as error:
        yield Change(of="plan", what=f"the plan cannot be read any more: {error.faults[0].what}")
        return
    if now.system.version != version:
        yield Change(of="plan", what=f"the plan is about version {now.system.version} by now, and this is {version}")
        return
    yield from plan_changes(then.plan, now)


def plan_changes(then: Plan, now: Plan) -> Iterator[Change]:
    """What a plan promises otherwise than it did. Another seed is no other promise."""
    now = now.model_copy(update={"seed": then.seed})
    if then.model_dump_json() == now.model_dump_json() or plan_digest(then) == plan_digest(now):
        return
    mine = {one.id: one for one in then.requirements}
    theirs = {one.id: one for one in now.requirements}
    for id_, one in mine.items():
        if id_ not in theirs:
            yield Change(of="threshold", what=f"the requirement {id_} was dropped")
            continue
        other = theirs[id_]
        if one.bound != other.bound:
            what = f"the threshold of {id_} was {sentences.bound(one)}, and is {sentences.bound(other)}"
            yield Change(of="threshold", what=what)
        of_bound = {"at_least", "at_most", "within"}
        yield from _fields(f"of {id_}", one.model_dump(mode="json"), other.model_dump(mode="json"), of_bound)
    yield from (Change(of="threshold", what=f"the requirement {id_} was added") for id_ in theirs if id_ not in mine)
    old, new = then.model_dump(mode="json", exclude={"requirements"}), now.model_dump(mode="json")
    for part in ("evaluations", "subjects"):
        before, after = old.pop(part), new.pop(part)
        for name in dict.fromkeys([*before, *after]):
            if name not in after or name not in before:
                done = "dropped" if name in before else "added"
                yield Change(of="plan", what=f"{part.removesuffix('s')} {name} was {done}")
            else:
                yield from _fields(f"of {part.removesuffix('s')} {name}", before[name], after[name], set())
    yield from _fields("of the plan", old, {key: new[key] for key in old}, set())


def _fields(whose: str, old: Mapping[str, Any], new: Mapping[str, Any], but: set[str]) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        if key not in but:
            for path, was, is_ in differences(key, old.get(key), new.get(key)):
                yield Change(of="plan", what=f"{path} {whose} {was_and_is(was, is_)}")


def differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost values of two JSON values that differ, each with its path such as `system.name` or `slices[2]`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from differences(f"{path}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        for index, (was, is_) in enumerate(zip(old, new, strict=True)):
            yield from differences(f"{path}[{index}]", was, is_)
    elif old != new:
        yield path, old, new


def was_and_is(old: Any, new: Any) -> str:
    """Two JSON values that differ, in a clause; of long ones the part where they begin to differ."""
    was, is_ = (json.dumps(one, ensure_ascii=False) for one in (old, new))
    apart = (at for at, (one, other) in enumerate(zip(was, is_, strict=False)) if one != other)
    same = next(apart, min(len(was), len(is_)))
    start = max(0, same - 20) if max(len(was), len(is_)) > _BRIEF else 0
    was, is_ = (("…" if start else "") + _cut(one[start:]) for one in (was, is_))
    return f"was {was}, and is {is_}"


def brief(value: Any) -> str:
    """A JSON value on one line, cut where it is long."""
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 1]}…"


def _data(folder: Path, results: Mapping[str, Any], then: LoadedPlan, notes: list[str]) -> Iterator[Change]:
    """Rows that are not those of the run. Nothing that a plan names is executed for it, and no database asked."""
    recorded = {one["evaluation"]: one["digest"] for one in results["inputs"]}
    for name, model in then.plan.evaluations.items():
        if model.data is None:
            continue
        if model.subject is not None:
            continue  # its rows hold what the model answered: `models_of` looks at both
        if model.connection is not None or recorded.get(name) in (None, UNAVAILABLE):
            notes.append(f"the data of {name} were not read again: they stay in their own backend")
            continue
        try:
            found = _fingerprint(folder, name, then)
        except ShipworthyError as error:
            why = error.faults[0].what if isinstance(error, Unusable) else str(error)
            yield Change(of="data", what=f"the data of {name} cannot be read any more: {why}")
            continue
        if found != recorded[name]:
            yield Change(of="data", what=f"the data of {name} have changed: other rows than the run read")


def _fingerprint(folder: Path, name: str, then: LoadedPlan) -> str:
    """The digest of the rows as a check of the run's own plan would read them now."""
    model = then.plan.evaluations[name]
    task = reopen(folder, name, model)[0].task
    backend = connect()
    backend.raw_sql(f"SET file_search_path = '{str(then.path.parent).replace(chr(39), chr(39) * 2)}'")

    def locate(*path: str | int) -> str:
        return then.locate(("evaluations", name, *path))

    source = open_source(then.resolve(str(model.data)), connection=None, backend=backend, where=locate("data"))
    axes = [
        one.across
        for one in then.plan.requirements
        if one.across is not None and (one.evaluation or next(iter(then.plan.evaluations))) == name
    ]
    observations = prepare(name, model, source, backend=backend, task=task, locate=locate, extra_axes=axes)
    table = observations.table
    if task == "ranking" and "cluster" not in observations.roles:  # as a check does: a list is one cluster
        table = table.mutate(cluster=table["query"])
    return fingerprint(table, backend)


def _materials(results: Mapping[str, Any], then: LoadedPlan) -> Iterator[Change]:
    """Suites, rubrics, labels, prompts and attacks that are not those of the run."""
    recorded: Mapping[str, str] = results.get("materials") or {}
    if not recorded:
        return
    try:
        found = materials(then).digests
    except (ShipworthyError, OSError) as error:
        why = error.faults[0].what if isinstance(error, Unusable) else str(error)
        yield Change(of="material", what=f"what the run was asked and judged with cannot be read any more: {why}")
        return
    for name, was in recorded.items():
        if name not in found:
            yield Change(of="material", what=f"{name} is gone")
        elif found[name] != was:
            yield Change(of="material", what=f"{name} has changed")


def models_of(loaded: LoadedPlan) -> dict[str, str]:
    """What a plan's subjects are made from, and the data that they predict for: name -> sha256 digest of the files.

    An endpoint has none. A file that is not there is left out. Raises Unusable (ATTS001), OSError.
    """
    return {
        name: f"sha256:{model_digest(files[0])}" if name.startswith("model:") else file_digest(files)
        for name, files in _made_from(loaded).items()
        if files
    }


def made_by(name: str, kept: KeptRun) -> str:
    """What a digest of `models_of` is kept under where runs of one decision are made from other files of one name."""
    return f"{name} of {kept.facts.plan_digest[7:19]}"


def written_after(loaded: LoadedPlan, moment: datetime) -> list[str]:
    """Those of `models_of` with a file that was written after a moment, as far as the file system tells."""
    return [
        name
        for name, paths in _made_from(loaded).items()
        if any(
            file.stat().st_mtime > moment.timestamp()
            for path in paths
            for file in (path, *path.rglob("*"))
            if file.is_file()
        )
    ]


def _made_from(loaded: LoadedPlan) -> dict[str, tuple[Path, ...]]:
    """The files of each model and of the data that it predicts for; none where they are gone."""
    found: dict[str, tuple[Path, ...]] = {}
    asked = {name for model in loaded.plan.evaluations.values() for name in _subjects(model) if name is not None}
    for name, subject in loaded.plan.subjects.items():
        if name not in asked:
            continue
        said = subject.sklearn or subject.onnx or subject.huggingface or subject.log
        if subject.python is not None:
            said = f"{subject.python.partition(':')[0].replace('.', '/')}.py"
        if said:
            path = Path(loaded.resolve(said))
            found[f"model:{name}"] = (path,) if path.exists() else ()
    for name, model in loaded.plan.evaluations.items():
        if model.data is not None and model.subject is not None:
            found[f"data:{name}"] = _paths(loaded.resolve(model.data))
    return found


def _subjects(model: Any) -> Iterator[str | None]:
    yield model.subject
    yield from (variant.subject for variant in model.variants.values())
    yield from (spec["subject"] for spec in model.scorers if isinstance(spec, Mapping) and _is_text(spec, "subject"))


def _is_text(spec: Mapping[str, Any], key: str) -> bool:
    return isinstance(spec.get(key), str)


def _paths(data: str) -> tuple[Path, ...]:
    try:
        path = Path(data)
        return (path,) if path.is_file() else _matching(path)
    except (OSError, ValueError):  # a SELECT, too long for a name
        return ()


def _matching(path: Path) -> tuple[Path, ...]:
    """The files of a glob in the last part of a path; wider ones are not followed."""
    return tuple(sorted(one for one in path.parent.glob(path.name) if one.is_file())) if path.name else ()


def _models(record: Record, kept: KeptRun, decision: documents.Decision | None, then: LoadedPlan) -> Iterator[Change]:
    """Models that are not those that were there when the decision was first signed."""
    if decision is None:
        return
    decided = record.history("decision", decision.id)[0].seq
    versions = record.history("version", version_id(kept.facts.system, kept.facts.version))
    known = [one.document for one in versions if one.seq <= decided and isinstance(one.document, documents.Version)]
    kept_digests = known[-1].digests if known else {}
    recorded = {  # what a run of another plan was made from is no concern of this one
        name: kept_digests[key]
        for name in _made_from(then)
        if (key := next((one for one in (made_by(name, kept), name) if one in kept_digests), None)) is not None
    }
    if not recorded:
        return
    try:
        found = models_of(then)
    except (Unusable, OSError) as error:
        yield Change(of="model", what=f"a model cannot be read any more: {str(error).splitlines()[0]}")
        return
    for name, was in recorded.items():
        kind, _, who = name.partition(":")
        if found.get(name) == was:
            continue
        of: What = "model" if kind == "model" else "data"
        whose = f"the model of subject {who}" if kind == "model" else f"the data of {who}"
        has, is_ = ("has", "is") if kind == "model" else ("have", "are")
        yield Change(of=of, what=f"{whose} {has} changed" if name in found else f"{whose} {is_} gone")


def _waivers(
    record: Record, kept: KeptRun, results: Mapping[str, Any], plan: Plan, today: date
) -> tuple[list[Change], dict[str, date], tuple[documents.Bound, ...]]:
    """The waivers that cover a verdict: what ended them, those in force, and each with its digest now."""
    changes, force, bound = list[Change](), dict[str, date](), list[documents.Bound]()
    covers: dict[str, list[Mapping[str, Any]]] = {}
    for verdict in results["verdicts"]:
        if verdict.get("waiver"):
            covers.setdefault(str(verdict["waiver"].get("id")), []).append(verdict)
    asked = {one.id: one for one in plan.requirements}
    least = approvers_today(record, kept.facts.system)
    for id_, verdicts in covers.items():
        known = record.get("waiver", id_)
        again = f"{', '.join(str(one['requirement']) for one in verdicts)} counts as not met again"
        if known is None or not isinstance(known.document, documents.Waiver):
            changes.append(Change(of="waiver", what=f"waiver {id_} is not in the record: {again}"))
            continue
        one = known.document
        bound.append(documents.Bound(id=id_, digest=content(one)))
        if one.status != "approved":
            said = one.status if one.status in ("refused", "withdrawn") else "put back to be approved"
            changes.append(Change(of="waiver", what=f"waiver {id_} was {said}: {again}"))
        elif not one.starts <= today <= one.ends:
            when = f"ended on {one.ends}" if one.ends < today else f"starts on {one.starts}"
            changes.append(Change(of="waiver", what=f"waiver {id_} {when}: {again}"))
        elif len(one.approvers) < least:
            few = f"was approved by {len(one.approvers)}, and the system's tier asks for {least} by now"
            changes.append(Change(of="waiver", what=f"waiver {id_} {few}: {again}"))
        elif others := [why for entry in verdicts if (why := _is_of_another(one, entry, kept, asked))]:
            changes.append(Change(of="waiver", what=f"waiver {id_} {others[0]}: {again}"))
        else:
            force[id_] = one.ends
    return changes, force, tuple(bound)


def _is_of_another(
    waiver: documents.Waiver, entry: Mapping[str, Any], kept: KeptRun, asked: Mapping[str, Requirement]
) -> str | None:
    """In what a waiver of the record is not the leave that a verdict of a run takes from it; None where it is."""
    scope, said = waiver.scope, entry["waiver"]
    requirement, estimate = asked.get(str(entry["requirement"])), entry.get("estimate") or {}
    if waiver.system != kept.facts.system:
        return f"is of the system {waiver.system}, and not of {kept.facts.system}"
    if requirement is None or waiver.requirement != requirement.id:
        return f"is of {waiver.requirement}, and not of {entry['requirement']}"
    if scope.version not in (None, kept.facts.version):
        return f"is of version {scope.version}, and not of {kept.facts.version}"
    evaluation = entry.get("evaluation") or estimate.get("evaluation")
    if scope.evaluation not in (None, evaluation):
        return f"is of the evaluation {scope.evaluation}, and not of {evaluation}"
    if scope.requirement_digest not in (None, terms_of(requirement)):
        return f"is of {requirement.id} as it was before it asked for something else"
    is_named = requirement.reference is not None
    if scope.slice is not None and not lies_in(
        scope.slice, estimate.get("slice") or {}, estimate.get("reference"), is_named=is_named
    ):
        return "is of another slice"
    for name, value in (("ends", waiver.ends.isoformat()), ("reason", waiver.reason), ("control", waiver.control)):
        if said.get(name) != value:
            return f"is not as the run has it: {name} is {brief(value)}, and the run says {brief(said.get(name))}"
    return None


def _newer(record: Record, kept: KeptRun, runs: Sequence[KeptRun]) -> Iterator[Change]:
    """A later check of the same version and plan that came out otherwise, and that the decision does not rest on."""
    facts = kept.facts
    newest = record.runs(system=facts.system, version=facts.version, plan_digest=facts.plan_digest, limit=1)[0].facts
    if any(one.facts.digest == newest.digest for one in runs):
        return
    if newest.created > facts.created and newest.decision != facts.decision:
        what = f"a later run of the same plan, {newest.run}, says {newest.decision}; this one said {facts.decision}"
        yield Change(of="decision", what=what)


def _said_of(names: Sequence[str], told: Sequence[Sequence[tuple[K, str]]]) -> Iterator[tuple[K, str]]:
    """What is told of each run, with its kind, each once; what is not told of all of them names its runs."""
    of: dict[tuple[K, str], list[str]] = {}
    for name, said in zip(names, told, strict=True):
        for one in dict.fromkeys(said):
            of.setdefault(one, []).append(name)
    for (kind, what), whose in of.items():
        yield kind, what if len(whose) == len(names) else f"{what} (run {', '.join(whose)})"


def _unlike(runs: Sequence[KeptRun], decision: documents.Decision | None) -> Iterator[Change]:
    """What a decision says of its runs that the record does not."""
    if decision is None:
        return
    known = {one.facts.digest for one in runs}
    for gone in [one for one in decision.runs if one not in known][:_NAMED]:
        yield Change(of="evidence", what=f"a run that the decision rests on is not in the record: {gone[:26]}")
    rules = worst([decision.automated, *(one.facts.decision for one in runs)])
    if rules != decision.automated:
        what = f"the decision has it that the rules said {decision.automated}, and of its runs one says {rules}"
        yield Change(of="decision", what=what)


def content(document: documents.Document) -> str:
    """The digest of what a document says: of its canonical JSON. Equal again once a change is undone."""
    return digest(document.model_dump(mode="json"))
