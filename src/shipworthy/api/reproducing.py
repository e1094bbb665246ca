"""Run a check again from what it pinned, and hold every estimate against the recorded one."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shipworthy.api.asking import Asked, ask, refuse_unaskable
from shipworthy.api.checking import DISPLAY_LEVEL, environment, plan_verdicts, requirements_of
from shipworthy.api.evaluating import Evaluated, evaluate_rows, metrics_for, valued
from shipworthy.api.materials import materials
from shipworthy.api.measuring import measure_all
from shipworthy.api.recording import run_digest
from shipworthy.errors import DataError, Fault, Unusable
from shipworthy.evidence import package as layout
from shipworthy.evidence.attestations import MODEL
from shipworthy.evidence.container import opened
from shipworthy.evidence.manifest import verify_manifest
from shipworthy.evidence.store import plan_folder, read_plan, read_results, reopen
from shipworthy.evidence.unpacking import runs_inside
from shipworthy.evidence.verifying import is_package
from shipworthy.gates.verdicts import decide
from shipworthy.gates.waivers import Waiver
from shipworthy.integrity.reading import read_bytes, read_json
from shipworthy.plan.loading import LoadedPlan
from shipworthy.present.safe import shorten

_NOT_THERE = ("DATA001", "RECD001")  # the data, or the recording, that the rows came from
_MOST_TOLD = 1 << 20  # bytes of package.json
TOLERANCE = 1e-9  # relative: the same numbers on another processor, thread count or order of rows


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that did not come out as recorded."""

    what: str
    recorded: Any
    found: Any

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"what": self.what, "recorded": self.recorded, "found": self.found}


@dataclass(frozen=True, kw_only=True, repr=False)
class Reproduction:
    """What running again showed."""

    run: str
    rows_from: dict[str, str]  # evaluation -> "source" or "the run's own rows"
    compared: int  # estimates
    differences: tuple[Difference, ...]
    versions: tuple[Difference, ...] = ()  # of what computed the run, and of what is installed here

    def __repr__(self) -> str:
        found = "reproduced" if self.reproduced else f"{len(self.differences):,} differences"
        return f"<Reproduction of {self.run}: {found}, {self.compared:,} estimates>"

    @property
    def reproduced(self) -> bool:
        """Every estimate came out as recorded."""
        return not self.differences

    @property
    def other_versions(self) -> tuple[Difference, ...]:
        """Those that are not the same here."""
        return tuple(one for one in self.versions if one.recorded != one.found)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "run": self.run,
            "reproduced": self.reproduced,
            "rows_from": self.rows_from,
            "compared": self.compared,
            "differences": [one.as_json() for one in self.differences],
            "versions": [one.as_json() for one in self.versions],
        }


def reproduce(folder: Path | str, *, root: Path | str | None = None) -> Reproduction:
    """Re-execute a run and compare each estimate within TOLERANCE.

    Answers are scored again from the run's journals: nobody is asked anything. Where a suite, a rubric, labels, a
    system prompt or an attack is another than the run's, that is the difference, and nothing is measured.
    root: the folder that relative paths of the plan start from; default where the plan lay, as the run recorded it.
    Where the data are not there, the rows that the run kept are used.
    Of a package every run is executed; what is found is told of each by its name.
    Raises Unusable when the folder is not a run, and RUN003 where what answers are scored with is not there.
    """
    with tempfile.TemporaryDirectory(prefix="shipworthy-") as scratch:
        found = []
        for number, one in enumerate(runs_inside(Path(folder), Path(scratch) / "package")):
            (own := Path(scratch) / str(number)).mkdir()
            found.append(replace(_again(one, root, own), versions=_versions(one)))
        return found[0] if len(found) == 1 else _together(found)


def about(path: Path | str) -> str:
    """What the record calls that which is reproduced: `run/<digest>`, or `decision/<id>` for a package of one.

    Raises Unusable (RUN002) where it is neither a run nor a package.
    """
    path = Path(path)
    if not path.exists() or not is_package(path):
        read_results(path)
        return f"run/{run_digest(path)}"
    try:
        with opened(path) as package:
            told = read_json(package.read(layout.PACKAGE, most=_MOST_TOLD))
        named = told.get("decided_as")
        return f"decision/{named}" if isinstance(named, str) else f"run/{told['run_digest']}"
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        what, mend = f"{path.name!r} is no package that can be read", "`shipworthy verify` says what is wrong with it"
        raise Unusable(Fault(code="RUN002", what=what, where=str(path), mend=mend)) from error


def _together(found: Sequence[Reproduction]) -> Reproduction:
    """Several runs as one: their names stand before whatever is told of them."""
    return Reproduction(
        run=", ".join(one.run for one in found),
        rows_from={f"{one.run}: {name}": origin for one in found for name, origin in one.rows_from.items()},
        compared=sum(one.compared for one in found),
        differences=tuple(replace(each, what=f"{one.run}: {each.what}") for one in found for each in one.differences),
        versions=tuple(replace(each, what=f"{one.run}: {each.what}") for one in found for each in one.versions),
    )


def _versions(folder: Path) -> tuple[Difference, ...]:
    """What computed the run, beside what is installed here."""
    try:
        recorded = read_json(read_bytes(folder / "environment.json", most=_MOST_TOLD))
    except (OSError, ValueError):  # the run's manifest, which is held against its files, tells of it
        recorded = {}
    said = recorded if isinstance(recorded, dict) else {}
    return tuple(
        Difference(what=name, recorded=shorten(said.get(name, "not recorded"), 80), found=version)
        for name, version in environment().items()
    )


def _again(folder: Path, root: Path | str | None, scratch: Path) -> Reproduction:
    results = read_results(folder)
    differences = [
        Difference(what=fault.what, recorded="manifest", found=fault.where) for fault in verify_manifest(folder)
    ]
    if differences:  # nothing of a run that was changed is executed
        return Reproduction(run=str(results.get("run")), rows_from={}, compared=0, differences=tuple(differences))
    loaded = read_plan(folder)
    if results["plan_digest"] != loaded.digest:
        differences.append(Difference(what="the plan", recorded=results["plan_digest"], found=loaded.digest))
    start = Path(root) if root is not None else plan_folder(folder)
    located = replace(loaded, path=start / loaded.path.name)  # paths of the plan start there
    if any(model.is_generative for model in loaded.plan.evaluations.values()):
        with _scorable(start):
            refuse_unaskable(located)
            rests_on = materials(located).digests
        differences += _changed(*(_without_models(one) for one in (results.get("materials", {}), rests_on)))
        if differences:  # another rubric gives other numbers: each of them would say the same
            return Reproduction(run=results["run"], rows_from={}, compared=0, differences=tuple(differences))
    seeds = np.random.SeedSequence(loaded.plan.seed).spawn(len(loaded.plan.evaluations) + 1)
    found: dict[str, dict[str, Any]] = {}
    rows_from: dict[str, str] = {}
    evaluated: dict[str, Evaluated] = {}
    for (name, model), own in zip(loaded.plan.evaluations.items(), seeds, strict=False):
        variant = loaded.plan.baseline if loaded.plan.baseline in model.variants else None
        requirements = requirements_of(loaded, name)
        try:
            with _scorable(start):
                asked = _replayed(name, folder, located, scratch) if model.is_generative else None
            one = evaluate_rows(
                name,
                model,
                resolve=located.resolve,
                locate=lambda *path, name=name: loaded.locate(("evaluations", name, *path)),
                rng=np.random.default_rng(own),
                requirements=requirements,
                subjects=dict(loaded.plan.subjects),
                folder=start,
                baseline=variant,
                checks=False,
                asked=asked,
            )
            rows_from[name] = "source" if asked is None else "the run's journal"
            recorded = next((entry["digest"] for entry in results["inputs"] if entry["evaluation"] == name), None)
            if one.source.digest != recorded:
                differences.append(Difference(what=f"the data of {name}", recorded=recorded, found=one.source.digest))
        except DataError as error:
            if all(fault.code not in _NOT_THERE for fault in error.faults):
                raise
            observations, source = reopen(folder, name, model, axes=[each.across for each in requirements])
            metrics = metrics_for(
                model, requirements, observations.task, valued(observations.table, observations.backend)
            )
            measured = measure_all(
                observations, metrics, rng=np.random.default_rng(own), baseline=variant, with_curves=False
            )
            rows_from[name] = "the run's own rows"
            one = Evaluated(
                name=name,
                model=model,
                observations=observations,
                measured=measured,
                metrics=tuple(metrics),
                findings=(),
                source=source,
            )
        evaluated[name] = one
        for arms in (*one.measured.values.values(), *one.measured.changes.values()):
            found |= {_key(estimate.as_json()): estimate.as_json() for estimate in arms.estimates(DISPLAY_LEVEL)}
    compared = 0
    for entry in results["estimates"]:
        if entry.get("baseline") == "baseline":
            continue
        compared += 1
        differences += _differences(entry, found.get(_key(entry)))
    recorded_keys = {_key(entry) for entry in results["estimates"]}
    differences += [
        Difference(what=f"an estimate of {entry['metric']}", recorded="not recorded", found=entry["value"])
        for key, entry in found.items()
        if key not in recorded_keys
    ]
    differences += _judged_again(results, loaded, evaluated, np.random.default_rng(seeds[-1]))
    return Reproduction(run=results["run"], rows_from=rows_from, compared=compared, differences=tuple(differences))


@contextlib.contextmanager
def _scorable(start: Path) -> Iterator[None]:
    """Say of whatever is missing to score answers again where it was looked for, and how to name another place.

    A recording that is not there is no such thing: what it came to stands in the run's own rows.
    """
    try:
        yield
    except Unusable as error:
        first = error.faults[0]
        if first.code in _NOT_THERE:
            raise
        raise Unusable(
            Fault(
                code="RUN003",
                what=f"the answers of the run cannot be scored again: {first.code}: {first.what}",
                where=f"{first.where}, looked for from {start}" if first.where else str(start),
                mend="name the folder that the plan lay in with --root",
            )
        ) from error


def _changed(recorded: Mapping[str, str], found: Mapping[str, str]) -> list[Difference]:
    """What the run rested on that is another now, or is not there."""
    return [
        Difference(what=name, recorded=recorded.get(name, "not recorded"), found=found.get(name, "not there"))
        for name in dict.fromkeys((*recorded, *found))
        if recorded.get(name) != found.get(name)
    ]


def _without_models(digests: Mapping[str, str]) -> dict[str, str]:
    """Models answer for rows, and those of the run are kept: another one shows in its own rows, and one may be gone."""
    return {name: value for name, value in digests.items() if MODEL not in name}


def _replayed(name: str, folder: Path, loaded: LoadedPlan, scratch: Path) -> Asked:
    """The answers of a run, scored again from its journals: nobody is asked anything."""
    if (folder / "journal").is_dir():
        shutil.copytree(folder / "journal", scratch, dirs_exist_ok=True)
    return ask(name, loaded, folder=scratch, say=lambda _: None, replays=True)


def _judged_again(
    results: Mapping[str, Any], loaded: LoadedPlan, evaluated: Mapping[str, Evaluated], rng: np.random.Generator
) -> list[Difference]:
    """Every verdict and the decision, judged afresh; a change against a baseline run needs that run and is left out."""
    of_run = loaded.plan.baseline is not None and not any(
        loaded.plan.baseline in model.variants for model in loaded.plan.evaluations.values()
    )
    requirements = tuple(r for r in loaded.plan.requirements if not (of_run and r.compare == "change"))
    plan = loaded.plan.model_copy(update={"requirements": requirements})
    judged = {v.requirement.id: v for v in plan_verdicts(plan, evaluated, {}, loaded.locate, rng)}
    recorded = {entry["requirement"]: entry["verdict"] for entry in results["verdicts"]}
    waivers = {  # leave given at that time: it stands in the record, and is not asked for again
        entry["requirement"]: Waiver.from_json(entry["waiver"], requirement=entry["requirement"])
        for entry in results["verdicts"]
        if entry["waiver"] is not None
    }
    ids = {requirement.id for requirement in loaded.plan.requirements}
    differences = [
        Difference(what=f"the verdict on {name}", recorded=recorded.get(name), found=verdict.outcome.value)
        for name, verdict in judged.items()
        if recorded.get(name) != verdict.outcome.value
    ]
    differences += [
        Difference(what=f"a verdict on {n}", recorded=v, found=None) for n, v in recorded.items() if n not in ids
    ]
    decision = decide(replace(verdict, waiver=waivers.get(name)) for name, verdict in judged.items()).value
    if len(requirements) == len(loaded.plan.requirements) and results["decision"] != decision:
        differences.append(Difference(what="the decision", recorded=results["decision"], found=decision))
    return differences


def _key(entry: dict[str, Any]) -> str:
    parts = (
        entry["evaluation"],
        entry["metric"],
        entry["compare"],
        sorted(entry["slice"].items(), key=str),
        entry["variant"],
    )
    return repr((*parts, entry.get("baseline")))


def _differences(recorded: dict[str, Any], found: dict[str, Any] | None) -> list[Difference]:
    name = f"{recorded['evaluation']}, {recorded['metric']}, {recorded['slice'] or 'everyone'}"
    if found is None:
        return [Difference(what=name, recorded=recorded["value"], found="not measured")]
    return [
        Difference(what=f"{name}: {part}", recorded=recorded[part], found=found[part])
        for part in ("value", "low", "high", "n")
        if not _same(recorded[part], found[part])
    ]


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
