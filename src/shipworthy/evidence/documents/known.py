"""What a machine knows when it fills in documents: a run, read back from its files, and the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from shipworthy.errors import Fault, Unusable
from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.documents.standing import Stands
from shipworthy.evidence.run import SCHEMA, Run
from shipworthy.gates.verdicts import Decision, Outcome, Verdict
from shipworthy.gates.waivers import Waiver
from shipworthy.observations.findings import Exclusion, Finding, Input
from shipworthy.plan.models import Plan, Requirement
from shipworthy.plan.tree import EXACT
from shipworthy.present.safe import plain, shorten

RecordFacts = Mapping[str, Sequence[Mapping[str, object]]]  # kind -> bodies of its documents


@dataclass(frozen=True, kw_only=True)
class Known:
    """Everything that a machine may fill in from."""

    run: Run
    record: RecordFacts  # a kind that is absent was not looked up; one without bodies is empty
    now: datetime  # UTC; tells which waivers are in force
    stands: Stands | None = None  # how the decision stands now; None: the record was not asked, or has not this run

    def bodies(self, kind: str) -> Sequence[Mapping[str, object]] | None:
        """The bodies of a kind of document; None where the record was not asked for them."""
        found = self.record.get(kind)
        return None if found is None else [body for body in found if isinstance(body, Mapping)]

    def waiver(self, verdict: Verdict) -> Waiver | None:
        """The waiver that the decision counted for a verdict, while it holds."""
        return None if verdict.outcome is Outcome.MET or self.ended(verdict) else verdict.waiver

    def ended(self, verdict: Verdict) -> str:
        """What became of the waiver that the decision counted: "was withdrawn on 2026-11-30"; "" while it holds."""
        if (waiver := verdict.waiver) is None:
            return ""
        if self.stands is not None and (why := self.stands.ended.get(waiver.id)):
            return why
        today = self.now.astimezone(UTC).date()
        if waiver.ends < today:
            return f"ended on {waiver.ends}"
        return f"starts on {waiver.starts}" if today < waiver.starts else ""

    def since(self, verdict: Verdict) -> Waiver | None:
        """A waiver of the record that is in force now and covers a verdict, and that the decision did not count.

        Results keep no pieces of a verdict, so that a waiver of one slice covers it only where the decision said so.
        """
        if verdict.outcome is Outcome.MET or self.waiver(verdict) is not None:
            return None
        today = self.now.astimezone(UTC).date()
        approved = (_waiver(body) for body in self.bodies("waiver") or () if body.get("status") == "approved")
        version = self.run.plan.system.version
        counted = verdict.waiver.id if verdict.waiver else None
        found = [w for w in approved if w and w.id != counted and w.covers(verdict, version=version, today=today)]
        return max(found, key=lambda waiver: (waiver.ends, waiver.id), default=None)


def _waiver(body: Mapping[str, object]) -> Waiver | None:
    """A waiver of the record; None where it is not one that can be applied."""
    scope = body.get("scope")
    narrowed = scope if isinstance(scope, Mapping) else {}
    version, evaluation, cut = (narrowed.get(key) for key in ("version", "evaluation", "slice"))
    try:
        return _WAIVER.validate_python(
            {
                **{key: text(body, key, 2_000) for key in ("id", "requirement", "starts", "ends", "reason", "control")},
                "version": version,
                "evaluation": evaluation,
                "slice": cut,
            }
        )
    except ValidationError:
        return None


def text(body: Mapping[str, object], key: str, width: int = 300) -> str:
    """A value of a body as one line of visible text; "" where there is none."""
    value = body.get(key)
    if value is None or value == "":
        return ""
    if isinstance(value, (list, tuple)):
        return shorten(", ".join(plain(item) for item in value), width)
    return shorten(value, width)


def run_of(results: Mapping[str, object], plan: Plan, environment: Mapping[str, str]) -> Run:
    """A run as `results.json`, its plan and its environment tell it: without curves, pieces of verdicts, transcripts
    and judges' cards, which are not in there.

    Raises Unusable (DOC003) when the results are not whole, or do not belong to the plan.
    """
    try:
        if results.get("schema") != SCHEMA:
            raise _not_results(f"its schema is not {SCHEMA}")
        requirements = {requirement.id: requirement for requirement in plan.requirements}
        locked = results.get("plan_locked_at")
        system = TypeAdapter(dict[str, str]).validate_python(results["system"])
        if (system.get("name"), system.get("version")) != (plan.system.name, plan.system.version):
            raise _not_results("they are of another system or version than the plan")
        estimates = _ESTIMATES.validate_python(results["estimates"])
        if any(not 0 <= e.n <= EXACT for e in estimates):
            raise ValueError("an estimate has an impossible n")
        return Run(
            id=_TEXT.validate_python(results["run"]),
            created=_MOMENT.validate_python(results["created"]),
            plan=plan,
            plan_digest=_TEXT.validate_python(results["plan_digest"]),
            locked_at=None if locked is None else _MOMENT.validate_python(locked),
            decision=Decision(_TEXT.validate_python(results["decision"])),
            verdicts=tuple(_verdict(found, requirements) for found in _VERDICTS.validate_python(results["verdicts"])),
            estimates=tuple(estimates),
            curves=(),
            inputs=tuple(_INPUTS.validate_python(results["inputs"])),
            excluded=tuple(_EXCLUDED.validate_python(results["excluded"])),
            findings=tuple(_FINDINGS.validate_python(results.get("findings", []))),
            environment={str(name): str(version) for name, version in environment.items()},
            baseline=plan.baseline or next((e.baseline for e in estimates if e.baseline), None),
        )
    except (ValidationError, KeyError, ValueError) as error:
        raise _not_results(shorten(_reason(error), 200)) from error


_TEXT = TypeAdapter(str)
_WAIVER = TypeAdapter(Waiver)
_MOMENT = TypeAdapter(datetime)
_ESTIMATES = TypeAdapter(list[Estimate])
_INPUTS = TypeAdapter(list[Input])
_EXCLUDED = TypeAdapter(list[Exclusion])
_FINDINGS = TypeAdapter(list[Finding])
_VERDICTS = TypeAdapter(list[dict[str, object]])
_ESTIMATE = TypeAdapter(Estimate | None)
_COUNT = TypeAdapter(int | None)
_SLICES = TypeAdapter(tuple[dict[str, str | int | float | bool | None], ...] | None)
_LIMITS = TypeAdapter(tuple[float | None, ...])
_CORRECTED = TypeAdapter(tuple[str, ...])


def _verdict(found: Mapping[str, object], requirements: Mapping[str, Requirement]) -> Verdict:
    name = found["requirement"]
    if not isinstance(name, str) or name not in requirements:
        raise ValueError("a verdict answers a requirement that the plan does not have")
    estimate = _ESTIMATE.validate_python(found["estimate"])
    requirement = requirements[name]
    return Verdict(
        requirement=requirement,
        evaluation=(estimate.evaluation if estimate else requirement.evaluation) or "",
        outcome=Outcome(_TEXT.validate_python(found["verdict"])),
        estimate=estimate,
        pieces=(),
        needed=_COUNT.validate_python(found.get("needed")),
        needed_of=_SLICES.validate_python(found.get("needed_of")),
        needed_labels=_COUNT.validate_python(found.get("needed_labels")),
        why=_TEXT.validate_python(found.get("why", "")),
        limits=_LIMITS.validate_python(found.get("limits", ())),
        corrected=_CORRECTED.validate_python(found.get("corrected", ())),
        waiver=None if found.get("waiver") is None else _applied(found["waiver"], name),
    )


def _applied(waiver: object, requirement: str) -> Waiver:
    """The waiver that a decision counted, as results carry it."""
    if not isinstance(waiver, Mapping):
        raise ValueError("a waiver is not an object")
    return _WAIVER.validate_python({**waiver, "requirement": requirement})


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _not_results(reason: str) -> Unusable:
    return Unusable(
        Fault(
            code="DOC003",
            what=f"the results cannot be used for documents: {reason}",
            where="results.json",
            mend="name a run that `shipworthy check` wrote, with the plan that it followed",
        )
    )
