"""What a run found, as in-toto statements that other tools read: the result with its intervals, the tests, the summary.

Three predicates about the same subjects (the model, data and code that a run used, by digest):

- `eval-result`, ours: follows the names of the proposal in-toto/attestation#575, and adds what a claim rests on:
  interval, method, level, error rates under many looks, seed, and the root over the samples.
- `test-result/v0.1`: names of requirements. Whatever is not met has failed, undecided too: a policy that lets warnings
  pass would let through what nobody knows. Only a waived one is a warning.
- `svr/v0.2`: what was verified, and nothing else.

A requirement passes only when it is met. Fractions are decimal strings, never JSON numbers, so that no reader rounds
them. Absence of a statement, or of a field, promises nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from shipworthy.digest import Json, canonical, file_digest
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.manifest import entries
from shipworthy.integrity import merkle

if TYPE_CHECKING:
    from shipworthy.plan.models import Plan, Requirement

STATEMENT = "https://in-toto.io/Statement/v1"
EVAL_RESULT = "https://shipworthy.dev/attestation/eval-result/v0.1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SVR = "https://in-toto.io/attestation/svr/v0.2"
MODEL = ": model "  # among a run's materials: between an evaluation, and the path of a model's file
ROWS = "shipworthyRows"  # digest of rows as a multiset; not of any file's bytes, so no verifier may take it for one

Assurance: TypeAlias = Literal["self_attested", "third_party", "reproduced", "enclave_attested"]

_OF_GIT = frozenset({".git", ".gitattributes", ".github", ".gitignore"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Something that a run used, by what it contains."""

    name: str  # "model:scorecard", "data:decisions", "code:environment.json"; a hint: verifiers match the digest
    digest: Mapping[str, str]  # algorithm -> hexadecimal; "sha256" is of bytes, or a model's root

    def as_json(self) -> dict[str, Json]:
        """An in-toto ResourceDescriptor."""
        return {"name": self.name, "digest": dict(self.digest)}


def model_digest(path: Path) -> str:
    """The digest of a model, 64 hexadecimal digits: the root that OpenSSF model-signing v1 gives to a folder.

    A folder's is SHA-256 over the raw SHA-256 digests of its regular files, one after the other, files sorted by the
    parts of their relative paths (so `a/b` comes before `a.b`); names enter only by that order. Left out, as by its
    default, are `.git`, `.gitattributes`, `.github` and `.gitignore` at the top; a signature that lies inside counts
    like any file. As by its default, a symbolic link is refused; a folder without a file is too. Serialization
    `{"method": "files", "hash_type": "sha256", "allow_symlinks": false}`. A single file has the SHA-256 of its bytes
    (model-signing would hash that once more), which is what everyone else calls its digest.

    Raises Unusable (ATTS001).
    """
    try:
        if path.is_symlink():
            raise ValueError("it is a symbolic link")
        if path.is_file():
            return file_digest(path).removeprefix("sha256:")
        root = hashlib.sha256()
        files = sorted(_model_files(path), key=lambda file: file.parts)
        if not files:
            raise ValueError("it holds no file")
        for file in files:
            root.update(bytes.fromhex(file_digest(path / file).removeprefix("sha256:")))
        return root.hexdigest()
    except (OSError, ValueError) as error:
        why = str((isinstance(error, OSError) and error.strerror) or error)
        mend = "name a file, or a folder of files without links (copy what the links point to)"
        raise Unusable(
            Fault(code="ATTS001", what=f"the model {path.name!r} has no digest: {why}", where=str(path), mend=mend)
        ) from error


def _model_files(folder: Path) -> list[PurePosixPath]:
    if not folder.is_dir():
        raise ValueError("there is no such file or folder")
    found: list[PurePosixPath] = []
    for where, folders, files in os.walk(folder, followlinks=False, onerror=_raise):
        here, own = PurePosixPath(Path(where).relative_to(folder).as_posix()), files
        if here == PurePosixPath():
            folders[:] = [name for name in folders if name not in _OF_GIT]
            own = [name for name in files if name not in _OF_GIT]
        for name in (*folders, *own):
            if (Path(where) / name).is_symlink():
                raise ValueError(f"{(here / name).as_posix()[:200]!r} is a symbolic link")
        for name in own:
            if not (Path(where) / name).is_file():
                raise ValueError(f"{(here / name).as_posix()[:200]!r} is not a regular file")
        found += [here / name for name in own]
    return found


def _raise(error: OSError) -> None:
    raise error


def models_in(results: Mapping[str, Any]) -> dict[str, str]:
    """The files of models that a run used: name of the subject -> sha256 digest, as the run recorded them."""
    found = {}
    for name, value in (results.get("materials") or {}).items():
        if MODEL in name and value.startswith("sha256:"):
            found[name.rpartition(" of ")[2]] = value
    return found


def subjects_of(
    folder: Path, results: Mapping[str, Any], models: Mapping[str, Path] | None = None
) -> tuple[Subject, ...]:
    """What a run used, from its folder: models by name (`model_digest`; and those that the run recorded), the data of
    each evaluation (the rows as read, and the kept rows' files), the code by the environment's file, and the run's own
    results.

    Data that stayed in their own backend have no digest and are no subject. Raises Unusable (ATTS001).
    """
    known = models_in(results) | {name: model_digest(path) for name, path in (models or {}).items()}
    found = [Subject(name=f"model:{name}", digest={"sha256": _hex(value)}) for name, value in known.items()]
    for source in results["inputs"]:
        algorithm, _, value = str(source.get("digest", "")).partition(":")
        if algorithm == "sha256" and len(value) == 64:
            found.append(Subject(name=f"data:{source.get('evaluation')}", digest={ROWS: value}))
    for entry in _entries(folder):
        head = PurePosixPath(entry.path).parts[0]
        kind = {"observations": "data", "environment.json": "code", "results.json": "run"}.get(head)
        if kind is not None:
            found.append(Subject(name=f"{kind}:{entry.path}", digest={"sha256": entry.sha256}))
    return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """The samples that a run rests on, as one hash."""

    root: str  # sha256:..., RFC 6962 over leaves canonical([path, size, sha256]), by path
    files: int


def samples_of(folder: Path) -> Samples:
    """The root over the kept rows and journals of a run: any one file can be shown to belong, and the rest withheld.

    Raises Unusable (ATTS001).
    """
    kept = [e for e in _entries(folder) if PurePosixPath(e.path).parts[0] in ("observations", "journal")]
    leaves = [merkle.leaf_hash(canonical([e.path, e.size, e.sha256])) for e in sorted(kept, key=lambda e: e.path)]
    return Samples(root=f"sha256:{merkle.root(leaves).hex()}", files=len(leaves))


def _entries(folder: Path) -> list[Any]:
    try:
        return list(entries(folder))
    except (OSError, ValueError) as error:
        what = f"the run {folder.name!r} cannot be attested: {error}"
        raise Unusable(
            Fault(code="ATTS001", what=what, where=str(folder), mend="name a folder that `shipworthy check` wrote")
        ) from error


def eval_statement(
    results: Mapping[str, Any],
    plan: Plan,
    *,
    subjects: Sequence[Subject],
    samples: Samples,
    evaluator: str,
    evidence: Sequence[Subject] = (),
    assurance: Assurance = "self_attested",
    commitments: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """The statement of what a run measured and decided, claim by claim.

    results: `results.json`. plan: the one it followed. evaluator: URI of who evaluated. evidence: files that show it.
    assurance: how much independent checking stands behind it, as its issuer declares. commitments: salted digests
    (hexadecimal) of what stays private, by name. A requirement with two ends makes two claims, and both pass only when
    it is met. Raises Unusable (ATTS002) where results and plan do not belong together, or nothing is the subject.
    """
    pairs = _judged(results, plan)
    predicate: dict[str, Json] = {
        "evaluator": {"id": evaluator},
        "evaluatedAt": _time(results.get("created")),
        "suite": {"name": plan.system.name, "version": plan.system.version, "digest": _plan(results)["digest"]},
        "claims": [claim for requirement, verdict in pairs for claim in _claims(requirement, verdict)],
        "sampleSize": sum(int(source.get("rows") or 0) for source in results["inputs"]),
        "commitments": {
            name: {"alg": "sha256", "value": value, "salted": True} for name, value in (commitments or {}).items()
        },
        "assuranceLevel": assurance,
        "evidence": [one.as_json() for one in evidence],
        "harness": {"name": "shipworthy", "version": _version()},
        "run": str(results["run"]),
        "decision": str(results["decision"]),
        "seed": str(plan.seed),
        "samples": {
            "algorithm": "rfc6962-sha256",
            "root": samples.root.removeprefix("sha256:"),
            "files": samples.files,
        },
    }
    if results.get("plan_locked_at"):
        locked = _time(results["plan_locked_at"])
        predicate["preRegistration"] = {"alg": "sha256", "value": _hex(results["plan_digest"]), "lockedAt": locked}
    return _statement(EVAL_RESULT, subjects, predicate)


def tests_statement(results: Mapping[str, Any], plan: Plan, *, subjects: Sequence[Subject]) -> dict[str, Json]:
    """The requirements as tests: met passes, a waived one warns, breached and undecided fail; so does a plan that
    requires nothing. Raises Unusable (ATTS002)."""
    passed: list[str] = []
    warned: list[str] = []
    failed: list[str] = []
    for requirement, verdict in _judged(results, plan):
        if verdict["verdict"] == "met":
            passed.append(requirement.id)
        else:
            (warned if verdict.get("waiver") else failed).append(requirement.id)
    outcome = "FAILED" if failed or not (passed or warned) else "WARNED" if warned else "PASSED"
    return _statement(
        TEST_RESULT,
        subjects,
        {
            "result": outcome,
            "configuration": [_plan(results)],
            "passedTests": sorted(passed),
            "warnedTests": sorted(warned),
            "failedTests": sorted(failed),
        },
    )


def summary_statement(
    results: Mapping[str, Any], plan: Plan, *, subjects: Sequence[Subject], verifier: str, now: datetime
) -> dict[str, Json]:
    """The summary: a property for each requirement that is met, one for a plan locked first, one for a decision to
    ship. What is missing was not verified. Raises Unusable (ATTS002)."""
    properties = [f"SHIPWORTHY_MET_{r.id}" for r, verdict in _judged(results, plan) if verdict["verdict"] == "met"]
    if results.get("plan_locked_at"):
        properties.append("SHIPWORTHY_PLAN_LOCKED_FIRST")
    if results["decision"] == "ship":
        properties.append("SHIPWORTHY_DECISION_SHIP")
    predicate: dict[str, Json] = {
        "verifier": {"id": verifier, "policies": [_plan(results)]},
        "timeCreated": _time(now.isoformat()),
        "properties": sorted(properties),
    }
    return _statement(SVR, subjects, predicate)


def _statement(kind: str, subjects: Sequence[Subject], predicate: Mapping[str, Json]) -> dict[str, Json]:
    if not subjects:
        raise _apart("there is no subject: nothing that the run used has a digest")
    listed: list[Json] = [one.as_json() for one in subjects]
    return {"_type": STATEMENT, "subject": listed, "predicateType": kind, "predicate": predicate}


def _judged(results: Mapping[str, Any], plan: Plan) -> list[tuple[Requirement, Mapping[str, Any]]]:
    """Each requirement with its verdict, in the plan's order; every one has exactly one, and its plan is this one."""
    from shipworthy.plan.loading import plan_digest  # here: `verify` reads this module, and no plan

    if results.get("plan_digest") != plan_digest(plan):
        raise _apart("the results were measured under another plan")
    verdicts = {str(verdict["requirement"]): verdict for verdict in results["verdicts"]}
    if len(verdicts) != len(results["verdicts"]) or set(verdicts) != {r.id for r in plan.requirements}:
        raise _apart("the results do not have one verdict for each requirement of the plan")
    return [(requirement, verdicts[requirement.id]) for requirement in plan.requirements]


def _claims(requirement: Requirement, verdict: Mapping[str, Any]) -> list[dict[str, Json]]:
    estimate = verdict.get("estimate") or {}
    told: dict[str, Json] = {
        "requirement": requirement.id,
        "evaluation": estimate.get("evaluation") or requirement.evaluation,
        "metric": requirement.metric,
        "compare": estimate.get("compare") or requirement.compare,  # a summary compares without saying so
        "severity": requirement.severity,
        "passed": verdict["verdict"] == "met",
        "verdict": verdict["verdict"],
        "waived": bool(verdict.get("waiver")),
        "confidence": _decimal(requirement.confidence),
        "estimate": _estimate(estimate),
        "multiplicity": _multiplicity(requirement, verdict),
        "controls": list(requirement.controls),
    }
    ends = ((">=", requirement.low), ("<=", requirement.high))
    return [{**told, "comparator": sign, "threshold": _decimal(end)} for sign, end in ends if end is not None]


def _estimate(found: Mapping[str, Any]) -> Json:
    """The piece that decided, or that keeps it open; null where nothing was in scope."""
    if not found:
        return None
    told: dict[str, Json] = {
        "metric": found.get("metric"),  # of several in a summary, the one that decided
        "compare": found.get("compare"),
        "slice": {str(key): _scalar(value) for key, value in (found.get("slice") or {}).items()},
        "value": _decimal(found.get("value")),
        "interval": {"low": _decimal(found.get("low")), "high": _decimal(found.get("high"))},
        "level": _decimal(found.get("level")),
        "method": found.get("method"),
        "n": found.get("n"),
        "effectiveN": _decimal(found.get("effective_n")),
        "reason": found.get("reason"),
    }
    if found.get("reference") is not None:
        told["reference"] = {str(key): _scalar(value) for key, value in found["reference"].items()}
    return told


def _multiplicity(requirement: Requirement, verdict: Mapping[str, Any]) -> dict[str, Json]:
    """How many looks were paid for, as the gate said with its verdict; null where results do not say (older ones)."""
    across = requirement.across or ()
    corrected = verdict.get("corrected")
    return {
        "family": [across] if isinstance(across, str) else list(across),
        "met": "intersection-union",
        "breached": None if corrected is None else [str(one) for one in corrected],
    }


def _scalar(value: Any) -> Json:
    return _decimal(value) if isinstance(value, float) else value if isinstance(value, str | bool | int) else None


def _decimal(value: Any) -> str | None:
    """A number as plain decimals, every digit of it; null stays null."""
    return None if value is None else format(Decimal(repr(value)), "f")


def _plan(results: Mapping[str, Any]) -> dict[str, Json]:
    """The plan, packs resolved, as a ResourceDescriptor: its digest is over its canonical JSON."""
    return {"name": "plan", "digest": {"sha256": _hex(results["plan_digest"])}}


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _time(text: Any) -> str:
    """A moment as in-toto writes it: UTC, whole seconds, Z."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise _apart(f"{str(text)[:60]!r} is not a time") from error
    if moment.tzinfo is None:
        raise _apart(f"{str(text)[:60]!r} has no time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _version() -> str:
    from shipworthy.version import __version__

    return __version__


def _apart(why: str) -> Unusable:
    mend = "attest a folder that `shipworthy check` wrote, with its own plan"
    return Unusable(Fault(code="ATTS002", what=f"the run cannot be attested: {why}", mend=mend))
