"""Pack a run with everything that stands behind its decision, so that a stranger can verify it a year later."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipworthy.api.answering import answers_of
from shipworthy.api.changes import Looking
from shipworthy.api.keeping import sign_log
from shipworthy.api.recording import MOST, open_record, run_digest
from shipworthy.api.runs import base_of, find_run, folder_of
from shipworthy.api.standing import Signature, standing
from shipworthy.digest import Json, canonical
from shipworthy.errors import Fault, Stale, Unusable
from shipworthy.evidence import attestations, excerpt, placing
from shipworthy.evidence import package as layout
from shipworthy.evidence.bom import Artifact, bom
from shipworthy.evidence.documents.answers import load_answers
from shipworthy.evidence.documents.asking import answered
from shipworthy.evidence.documents.bundle import bundle
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.filling import Entry, Filled, fill
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.documents.privacy import is_visible
from shipworthy.evidence.documents.questionnaire import questionnaire
from shipworthy.evidence.documents.standing import Given, Stands
from shipworthy.evidence.formats import CURRENT
from shipworthy.evidence.manifest import verify_manifest
from shipworthy.evidence.package import Item
from shipworthy.evidence.store import plan_folder, read_plan, read_results
from shipworthy.evidence.trace import trace_run as trace
from shipworthy.evidence.verifying import Trust, verify_package
from shipworthy.integrity import checkpoints, envelope
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.keys import NO_KEYS, Register, SigningKey
from shipworthy.integrity.reading import read_bytes
from shipworthy.plan.models import Plan
from shipworthy.present.safe import markdown, shorten
from shipworthy.record.documents import Decision, Waiver
from shipworthy.version import __version__

if TYPE_CHECKING:
    from shipworthy.record.documents import Kind
    from shipworthy.record.store import Kept, Record

EVALUATOR = f"https://shipworthy.dev/shipworthy/v{__version__}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_KINDS: tuple[Kind, ...] = ("risk", "mitigation", "waiver", "sign-off", "incident")
_MOST_SEARCHED = 16 << 20  # bytes of a file in which paths of this machine are looked for


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed."""

    path: Path
    root: str  # sha256:..., of the package
    evidence: str  # sha256:..., over the runs alone; what a sign-off binds to
    files: int
    withheld: int
    signers: tuple[str, ...]  # key ids
    score: float | None  # completeness of the documents, 0 to 1
    missing: tuple[Entry, ...]  # fields that wait for a person
    notes: tuple[str, ...]  # what the reader of the package should be told, in sentences

    def asked(self) -> dict[str, list[Entry]]:
        """What is missing, by who has to answer; who has most to say first, the weightiest question first."""
        found: dict[str, list[Entry]] = {}
        for entry in sorted(self.missing, key=lambda one: (-one.field.weight, one.field.id)):
            found.setdefault(entry.field.role, []).append(entry)
        return dict(sorted(found.items(), key=lambda pair: (-sum(e.field.weight for e in pair[1]), pair[0])))

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        return {
            "package": str(self.path),
            "root": self.root,
            "evidence": self.evidence,
            "files": self.files,
            "withheld": self.withheld,
            "signers": list(self.signers),
            "completeness": self.score,
            "missing": {role: [entry.field.id for entry in asked] for role, asked in self.asked().items()},
            "notes": list(self.notes),
        }


def pack(
    run_folder: Path | str,
    *,
    others: Sequence[Path] = (),
    decision: str | None = None,
    out: Path | str | None = None,
    record: Path | str | None = None,
    answers: Path | Mapping[str, object] | None = None,
    sign_with: Sequence[SigningKey] = (),
    register: Register = NO_KEYS,
    audience: Privacy = "internal",
    models: Mapping[str, Path] | None = None,
    pdf: bool = False,
    zipped: bool = False,
    now: datetime | None = None,
    most_log: int = excerpt.MOST_WHOLE,
) -> Packed:
    """Write the evidence package of a run, whole or not at all; the same input and `now` give the same bytes.

    others: folders of further runs that the decision rests on, as `chosen` finds them; documents and gates are those of
    the first run. decision: id of the decision that is packed. out: a folder, or a file with `zipped`; default
    `.shipworthy/packages/<run>`. record: the file or URL of the record, whose risks, waivers, sign-offs and log go in;
    None: none of it. answers: what only people can say, as a mapping or a YAML file; answers that the record keeps come
    beneath them. sign_with: opened keys, which the register names; the log gets a checkpoint signed by the first.
    audience: the strictest class that readers may see. models: name -> file or folder of a model that the run used.
    most_log: entries of the log up to which it is packed whole.

    Raises Stale where a run was changed after it was written, Unusable: RUN002, PACK002 to PACK006, DOC001 to DOC004,
    ATTS001 and ATTS002, RECORD001 to RECORD009.
    """
    folder, moment = Path(run_folder), now or datetime.now(UTC)
    runs = tuple(_packable(one) for one in (folder, *others))
    results, plan = runs[0].results, runs[0].plan
    _refuse_strangers(sign_with, register)
    target = Path(out) if out is not None else _default(folder, zipped=zipped)
    _refuse_target(target)
    digest = runs[0].digest
    kept = _Kept()
    if record is not None:
        with open_record(record, create=False) as opened:
            kept = _read_record(opened, runs, sign_with, register, base=base_of(record), now=moment, most=most_log)
    told: dict[str, object] = {**kept.answers, **_answers(answers)}
    filled = fill(results, plan, _environment(folder), told, kept.facts, now=moment, stands=kept.stands)
    parts = _parts(runs, filled, kept, register, models=models or {})
    parts |= _documents(folder, filled, audience=audience, salt=_salt(folder, digest, audience), pdf=pdf)
    parts |= _statements(runs, sign_with, models or {}, now=moment)
    about = _about(runs, filled, sign_with, decision=decision, audience=audience, now=moment)
    parts[layout.PACKAGE] = to_json(about).encode()
    parts["README.md"] = layout.readme(
        title=markdown(f"{plan.system.name} {plan.system.version}, {_headline(filled, audience)}", 600),
        version=__version__,
        signed=bool(sign_with),
        with_log=bool(kept.log),
        audience=audience,
    )
    items = _write(target, runs, parts, sign_with, about, register=register, audience=audience, zipped=zipped)
    return Packed(
        path=target,
        root=layout.root(items),
        evidence=layout.evidence_root(items),
        files=len(items),
        withheld=sum(item.withheld for item in items),
        signers=tuple(key.public.id for key in sign_with),
        score=filled.completeness.score,
        missing=tuple(entry for entry in filled.entries.values() if entry.state == "missing"),
        notes=(*kept.notes, *_told_of_others(runs), *(note for one in runs for note in _told_of_machine(one.folder))),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """A run that goes into a package."""

    folder: Path
    results: Mapping[str, Any]
    plan: Plan
    digest: str

    @property
    def name(self) -> str:
        """Of its folder in the package."""
        said = str(self.results["run"])
        return said if _NAME.fullmatch(said) else f"run-{self.digest.removeprefix('sha256:')[:16]}"

    def told(self) -> dict[str, Json]:
        """What `package.json` says of it."""
        said = {key: str(self.results[key]) for key in ("run", "plan_digest", "decision")}
        return {"run": said["run"], "run_digest": self.digest, **said}


def _packable(folder: Path) -> _Run:
    results = read_results(folder)
    _refuse_changed(folder)
    return _Run(folder=folder, results=results, plan=read_plan(folder).plan, digest=run_digest(folder))


def _told_of_others(runs: Sequence[_Run]) -> list[str]:
    if len(runs) == 1:
        return []
    return [f"The decision rests on {len(runs)} runs, which are all here. Documents and gates tell of {runs[0].name}."]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """What is to be packed."""

    folders: tuple[Path, ...]  # of the runs, that which the decision names first before the others
    decision: str | None  # its id; None where the run alone was named

    @property
    def about(self) -> str:
        """What the record calls it by: decision/<id> or run/<digest>."""
        return f"run/{run_digest(self.folders[0])}" if self.decision is None else f"decision/{self.decision}"


def chosen(record: Record, named: str, base: Path) -> Chosen:
    """All the runs of the decision of this id; else the one run of that id or digest, or the "latest".

    base: the folder that places of runs start from. Raises Unusable: GOVERN002 where the record has neither, PACK007
    where a run of the decision is no longer where the record has it.
    """
    kept = record.get("decision", named)
    if kept is None or not isinstance(kept.document, Decision):
        return Chosen(folders=(base / find_run(record, named).facts.place,), decision=None)
    folders = []
    for digest in kept.document.runs:
        known = record.runs(digest=digest, limit=1)
        folder = base / known[0].facts.place if known else None
        if folder is None or folder_of(str(folder)) is None or run_digest(folder) != digest:
            what = f"a run that the decision rests on is not where the record has it: {digest[:26]}"
            mend = "bring the run's folder back; a package of a decision holds all of its runs"
            raise Unusable(Fault(code="PACK007", what=what, where=str(folder or named)[:200], mend=mend))
        folders.append(folder)
    return Chosen(folders=tuple(folders), decision=named)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What the record knows of a run and its system."""

    stands: Stands | None = None  # None: the record does not know the run
    facts: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    documents: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    decisions: Sequence[Json] = ()
    answers: Mapping[str, object] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)
    log: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _read_record(
    record: Record,
    packed: Sequence[_Run],
    sign_with: Sequence[SigningKey],
    register: Register,
    *,
    base: Path,
    now: datetime,
    most: int,
) -> _Kept:
    """Read the record, after a checkpoint of its log was signed. base: the folder that places of runs start from."""
    system, version = packed[0].plan.system.name, packed[0].plan.system.version
    digests = {one.digest for one in packed}
    stands = _stands(record, packed[0], Looking(base=base, now=now, register=register))
    found = {kind: record.find(kind, system=system, limit=MOST) for kind in _KINDS}
    found["sign-off"] = tuple(one for one in found["sign-off"] if _body(one).get("version") == version)
    runs = {one.facts.digest: one.facts.run for one in record.runs(system=system, limit=MOST)}
    found_decisions = record.find("decision", system=system, limit=MOST)
    decisions = [one for one in found_decisions if set(_runs(one)) & set(digests)]
    if sign_with and record.size():
        sign_log(record, sign_with[0], origin=None, now=now)
    names = {f"{one.kind}/{one.id}" for kept in found.values() for one in kept}
    names |= {f"run/{one}" for one in runs} | {f"system/{system}"}
    for kind in ("version", "plan", "decision", "answers"):
        names |= {f"{kind}/{one.id}" for one in record.find(kind, system=system, limit=MOST)}
    believed = [
        one
        for one in (checkpoints.read(note, where="record") for note in record.checkpoints())
        if checkpoints.verify(one, register, where="record").fault is None
    ]
    lines = islice(record.log(), believed[-1].size if sign_with and believed else None)
    notes = (
        []
        if digests <= runs.keys()
        else ["The record does not know this run: it was checked with another record, or none."]
    )
    if stands is not None and stands.fit not in (packed[0].results["decision"], "undecided"):
        notes.append(f"How the decision stands now, as the package says: {stands.fit}; {'; '.join(stands.against)}.")
    return _Kept(
        stands=stands,
        facts={kind: [_body(one) for one in kept] for kind, kept in found.items()},
        documents={kind: [_line(one) for one in kept] for kind, kept in found.items()},
        decisions=[_line(one) for one in decisions],
        answers=dict(answers_of(record, system)),
        runs=runs,
        log=excerpt.excerpt(lines, names.__contains__, _of_one_log(believed), most=most),
        notes=tuple(notes),
    )


def _stands(record: Record, packed: _Run, looking: Looking) -> Stands | None:
    """How the decision on a run stands now; None where the record does not know the run."""
    known = record.runs(digest=packed.digest, limit=1)
    if not known:
        return None
    now = standing(record, known[0], looking)
    counted = {verdict["waiver"]["id"] for verdict in packed.results["verdicts"] if verdict.get("waiver")}
    lost = counted - now.waivers.keys() if any(change.of == "waiver" for change in now.changes) else set()
    return Stands(
        fit=now.fitness.fit,
        until=now.fitness.until,
        against=now.fitness.against,
        given=tuple(_given(one) for one in now.signatures),
        missing=now.missing,
        ended={id_: _ended(record.get("waiver", id_)) for id_ in sorted(lost)},
    )


def _given(one: Signature) -> Given:
    said = one.document
    return Given(
        id=said.id, role=said.role, person=said.signer, name=one.signer, at=one.at, verdict=said.verdict,
        conditions=said.conditions, due=said.due, statement=said.statement, state=one.state,
        why=tuple(change.what for change in one.stale),
    )  # fmt: skip


def _ended(kept: Kept | None) -> str:
    """What became of a waiver that no longer holds."""
    if kept is None or not isinstance(kept.document, Waiver):
        return "is not in the record"
    said = kept.document
    return "no longer holds" if said.status == "approved" else f"was {said.status} on {kept.at:%Y-%m-%d}"


def _of_one_log(found: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints in the name that the newest has."""
    return [one for one in found if one.origin == found[-1].origin]


def _body(kept: Kept) -> dict[str, Any]:
    return {} if kept.document is None else kept.document.model_dump(mode="json")


def _runs(kept: Kept) -> Sequence[str]:
    found: Sequence[str] = _body(kept).get("runs", ())
    return found


def _line(kept: Kept) -> dict[str, Json]:
    """A document of the record as a package carries it: what it says, and where in the log it stands."""
    return {
        "id": kept.id,
        "version": kept.version,
        "digest": kept.digest,
        "salt": kept.salt,
        "previous": kept.previous,
        "at": kept.at.astimezone(UTC).isoformat(),
        "actor": kept.actor,
        "seq": kept.seq,
        "body": _body(kept),
    }


def _parts(
    runs: Sequence[_Run],
    filled: Filled,
    kept: _Kept,
    register: Register,
    *,
    models: Mapping[str, Path],
) -> dict[str, bytes]:
    """Everything but documents and statements: path -> content."""
    first, run = runs[0], filled.known.run
    found = {
        f"plan/{name}": (first.folder / name).read_bytes()
        for name in ("plan.yaml", "plan.json", "plan.lock.json")
        if (first.folder / name).is_file()
    }
    machine: dict[str, Mapping[str, Json]] = {
        "gates/policy.json": layout.policy(run.plan, run.plan_digest),
        "gates/decision.json": layout.gate(
            first.results, run_digest=first.digest, headline=run.headline, decisions=kept.decisions,
            stands=kept.stands.as_json(with_reasons=True) if kept.stands else None,
        ),
        "trace/trace.json": trace(
            filled.known, first.results, run_digest=first.digest, known_runs=kept.runs
        ),
        "bom/bom.cdx.json": bom(
            filled,
            artifacts=[
                Artifact(kind="model", name=name, digest=value)
                for name, value in {
                    **{name: value for one in runs for name, value in attestations.models_in(one.results).items()},
                    **{name: f"sha256:{attestations.model_digest(path)}" for name, path in models.items()},
                }.items()
            ],
        ),
    }  # fmt: skip
    for kind, documents in kept.documents.items():
        machine[f"risk/{kind}s.json"] = {"schema": f"shipworthy/{kind}s@1", "documents": list(documents)}
    if "sign-off" in kept.documents:  # of every run of the version; what was said of this one is named
        ours: list[Json] = [{"id": one.id, "state": one.state} for one in kept.stands.given] if kept.stands else []
        machine["risk/sign-offs.json"] = {**machine["risk/sign-offs.json"], "on_this_decision": ours}
    found |= {path: to_json(value).encode() for path, value in machine.items()}
    return {**found, **kept.log, **layout.key_files(register)}


def _documents(folder: Path, filled: Filled, *, audience: Privacy, salt: bytes, pdf: bool) -> dict[str, bytes]:
    made = bundle(filled, audience=audience, salt=salt, pdf=pdf)
    found = {f"docs/{name}": content for name, content in made.items()}
    found["docs/questions.yaml"] = questionnaire(filled.entries.values()).encode()
    report = folder / "report.html"
    if report.is_file() and is_visible(CURRENT.privacy("runs/run/report.html"), audience):
        found["docs/report.html"] = report.read_bytes()
    for name in ("model_card.md", "datasheet.md"):  # as the run has them, with what was said and done since
        if (folder / name).is_file():
            text, ruled = (folder / name).read_text("utf-8"), f"**{markdown(filled.known.run.headline)}.**"
            text = text.replace(ruled, f"**{markdown(_headline(filled, audience))}.**", 1)
            found[f"docs/{name}"] = answered(text, filled.entries, audience).encode()
    return found


def _statements(
    runs: Sequence[_Run], sign_with: Sequence[SigningKey], models: Mapping[str, Path], *, now: datetime
) -> dict[str, bytes]:
    """The signed statements about each run, one envelope each, and all of them in one file; none without a key."""
    if not sign_with:
        return {}
    found: dict[str, bytes] = {}
    for index, one in enumerate(runs):
        of = f"{one.name}." if index else ""
        for name, statement in _stated(one, models, now=now).items():
            signed = envelope.sign(canonical(statement), sign_with)
            found[f"attestations/{of}{name}.dsse.json"] = envelope.to_json(signed)
    return {**found, layout.BUNDLE: b"".join(found[path] for path in sorted(found))}


def _stated(one: _Run, models: Mapping[str, Path], *, now: datetime) -> dict[str, dict[str, Json]]:
    subjects = attestations.subjects_of(one.folder, one.results, models)
    samples = attestations.samples_of(one.folder)
    return {
        "eval-result": attestations.eval_statement(
            one.results, one.plan, subjects=subjects, samples=samples, evaluator=EVALUATOR
        ),
        "svr": attestations.summary_statement(one.results, one.plan, subjects=subjects, verifier=EVALUATOR, now=now),
        "test-result": attestations.tests_statement(one.results, one.plan, subjects=subjects),
    }


def _headline(filled: Filled, audience: Privacy) -> str:
    """What the rules said and how the decision stands, as readers may see it."""
    run, stands = filled.known.run, filled.known.stands
    shown = is_visible("internal", audience)
    return stands.headline(run.headline, run.decision.value, with_reasons=shown) if stands else run.headline


def _about(
    runs: Sequence[_Run],
    filled: Filled,
    sign_with: Sequence[SigningKey],
    *,
    decision: str | None,
    audience: Privacy,
    now: datetime,
) -> dict[str, Json]:
    """`package.json`."""
    system, stands = runs[0].plan.system, filled.known.stands
    return {
        "schema": layout.PACKAGE_SCHEMA,
        "system": {"name": system.name, "version": system.version, "tier": system.tier},
        **runs[0].told(),
        "runs": [one.told() for one in runs],
        "decided_as": decision,
        "headline": _headline(filled, audience),
        "stands": stands.as_json(with_reasons=is_visible("internal", audience)) if stands else None,
        "created": now.astimezone(UTC).isoformat(),
        "tool": f"shipworthy {__version__}",
        "audience": audience,
        "signers": [key.public.id for key in sign_with],
        "completeness": filled.completeness.as_json(),
    }


def _write(
    target: Path,
    runs: Sequence[_Run],
    parts: Mapping[str, bytes],
    sign_with: Sequence[SigningKey],
    about: Mapping[str, Json],
    *,
    register: Register,
    audience: Privacy,
    zipped: bool,
) -> list[Item]:
    """Write the package into a hidden folder beside its place, then let it take that place."""
    target = target.absolute()
    placing.recover(target.parent)
    try:
        with placing.beside(target) as part:
            whole = part / "run" / "package" if zipped else part / "run"
            whole.mkdir(parents=True)
            items = [item for one in runs for item in layout.write_run(whole, one.name, one.folder, audience=audience)]
            items += [layout.write_part(whole, path, parts[path], audience=audience) for path in sorted(parts)]
            manifest = layout.to_manifest(items)
            (whole / layout.MANIFEST).write_bytes(manifest)
            if sign_with:
                signed = envelope.sign(layout.seal_statement(manifest, items, about), sign_with)
                (whole / layout.SEAL).parent.mkdir(exist_ok=True)
                (whole / layout.SEAL).write_bytes(envelope.to_json(signed))
            _refuse_unverifiable(whole, Trust(register=register if sign_with else None))
            if zipped:
                layout.to_zip(whole, part / "run" / "package.zip")
                (part / "run" / "package.zip").replace(target)
            else:
                placing.place(part, target)
    except OSError as error:
        raise _unwritable(f"the package cannot be written: {error.strerror or error}", target) from error
    return items


# What may not be packed, and where


def _refuse_changed(folder: Path) -> None:
    if faults := verify_manifest(folder):
        first = faults[0]
        what = f"the run was changed after it was written ({first.code}: {first.what}: {first.where})"
        mend = "get the run again, or repeat the check; a changed run is no evidence"
        raise Stale(str(Fault(code="PACK001", what=what, where=str(folder), mend=mend)))


def _refuse_strangers(sign_with: Sequence[SigningKey], register: Register) -> None:
    for key in sign_with:
        known = register.keys.get(key.public.id)
        if known is None or known.revoked is not None:
            state = "is not in the register" if known is None else "was revoked"
            what = f"the key {key.name!r} {state}, so nobody could say who signed"
            mend = f"shipworthy keys register {key.name}" if known is None else "sign with a key in force"
            raise Unusable(Fault(code="PACK004", what=what, where="--key", mend=mend))


def _refuse_target(target: Path) -> None:
    """Raise Unusable (PACK002) unless a package may be written here: in a new place, or over one that is whole."""
    try:
        if target.is_symlink():
            raise _unwritable(f"{target.name!r} is a symbolic link", target)
        if not target.exists() or (target.is_dir() and not any(target.iterdir())):
            return
        if (target.is_file() and target.suffix == ".zip") or (target / layout.PACKAGE).is_file():
            faults = verify_package(target, Trust()).faults
            if not faults:
                return
            raise _unwritable(f"the package in {target.name!r} is not as it was written: {faults[0].what}", target)
    except OSError as error:
        raise _unwritable(f"the place cannot be looked at: {error.strerror}", target) from error
    raise _unwritable(f"{target.name!r} holds other things than a package", target)


def _refuse_unverifiable(whole: Path, trust: Trust) -> None:
    """Raise Unusable (PACK006) for a package that its readers would refuse, before it takes its place."""
    if faults := verify_package(whole, trust).faults:
        what = f"the package would not verify ({faults[0].code}: {faults[0].what}: {faults[0].where})"
        mend = "register the keys of all who signed, and see that the record is whole"
        raise Unusable(Fault(code="PACK006", what=what, where="pack", mend=mend))


def _unwritable(what: str, target: Path) -> Unusable:
    return Unusable(Fault(code="PACK002", what=what, where=str(target), mend="give --out a new place"))


def _default(folder: Path, *, zipped: bool) -> Path:
    """Beside `runs` for a run in its default place, else beside the run."""
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    is_default = folder.parent.name == "runs" and folder.parent.parent.name == ".shipworthy"
    place = folder.parent.parent / "packages" / folder.name if is_default else folder.parent / f"{folder.name}-package"
    return place.with_name(f"{place.name}.zip") if zipped else place


def _environment(folder: Path) -> dict[str, str]:
    import json

    try:
        found = json.loads((folder / "environment.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        mend = "name a folder that `shipworthy check` wrote, with all its files"
        what = f"{folder.name!r} is not a run: environment.json cannot be read"
        raise Unusable(Fault(code="RUN002", what=what, where=str(folder), mend=mend))
    return {str(name): str(version) for name, version in found.items()}


def _answers(answers: Path | Mapping[str, object] | None) -> Mapping[str, object]:
    return load_answers(answers) if isinstance(answers, Path) else answers or {}


def _told_of_machine(folder: Path) -> list[str]:
    """What of the run tells where it lay on this machine, which a plan with absolute paths does."""
    places = {str(place).encode() for place in (plan_folder(folder), Path.home()) if len(place.parts) > 2}
    found = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size <= _MOST_SEARCHED and any(p in path.read_bytes() for p in places)
    ]
    if not found:
        return []
    named = ", ".join(shorten(name, 60) for name in found[:5])
    return [f"Files of the run tell of folders on this machine: {named}. Name data by relative paths in the plan."]


def _salt(folder: Path, digest: str, audience: Privacy) -> bytes:
    """What hides withheld answers of this run's documents: made from a secret that stays beside the plan, so that its
    keeper can open them, and that packing again gives the same package. Raises Unusable (PACK005)."""
    if audience == "personal":  # nothing is withheld
        return bytes(32)
    place = plan_folder(folder) / ".shipworthy" / "packing.secret"
    try:
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            _make_secret(place)
        secret = read_bytes(place, most=64)
        if len(secret) != 32:
            raise ValueError("it has not 32 bytes")
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        what = f"the secret that hides withheld answers cannot be used: {why}"
        mend = "restore the file, or move it away; without it withheld answers can never be opened"
        raise Unusable(Fault(code="PACK005", what=what, where=str(place), mend=mend)) from error
    return hmac.new(secret, digest.encode(), hashlib.sha256).digest()


def _make_secret(place: Path) -> None:
    """Write the secret for its owner alone, unless another process was first."""
    part = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        if not place.exists():
            os.link(part, place)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)
