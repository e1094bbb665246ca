"""Systems: what they are, answered once; from the answers the tier, the packs and who must sign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from shipworthy.api.acting import acting
from shipworthy.api.recording import actor_of, version_id
from shipworthy.api.runs import MOST
from shipworthy.errors import Fault, PlanError, Unusable
from shipworthy.evidence.files import write_atomically
from shipworthy.gates.fitness import REQUIRED, Required
from shipworthy.gates.tiers import Intake, Tiering, is_below, tiering
from shipworthy.plan.faults import validated, validation_faults
from shipworthy.plan.models import Tier
from shipworthy.plan.tree import parse, read_text
from shipworthy.record.documents import Answers, System

if TYPE_CHECKING:
    from shipworthy.record.store import Record

QUESTIONNAIRE = "intake@1"

_EXAMPLE: dict[str, str] = {
    "name": "lending-decisions",
    "purpose": "Rank personal-loan applications for manual review.",
    "owner": "credit-risk",
    "output": "decisions",
    "banned_practice": "false",
    "safety_component": "false",
    "areas": "[essential-services]",
    "profiling": "true",
    "exits": "[]",
    "exit_reason": '""',
    "exposure": "customers",
    "autonomy": "advises",
    "affected": "[consumers]",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A system as the record has it, beside what its answers come to."""

    system: System
    answers: Intake | None  # None: no intake, as where a check made the system known
    tiering: Tiering | None
    versions: tuple[str, ...]

    @property
    def required(self) -> Required:
        """Who must sign, by the tier that it has."""
        return REQUIRED[self.system.tier]

    @property
    def is_overridden(self) -> bool:
        """Whether somebody set another tier than the answers give."""
        return self.tiering is not None and self.tiering.tier != self.system.tier

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "system": self.system.model_dump(mode="json"),
            "answers": self.answers.model_dump(mode="json") if self.answers else None,
            "tiering": self.tiering.as_json() if self.tiering else None,
            "overridden": self.is_overridden,
            "required": {"roles": list(self.required.roles), "persons": self.required.persons},
            "versions": list(self.versions),
        }


def questionnaire() -> str:
    """The intake questionnaire as commented YAML, filled with an example's answers."""
    return "\n".join(
        ["# Intake (intake@1). Change the answers, then: shipworthy system intake FILE", *_questions(), ""]
    )


def _questions() -> Iterator[str]:
    for name, field in Intake.model_fields.items():
        yield ""
        yield f"# {field.description}"
        choices = [str(one) for one in _choices(field.annotation)]
        if choices:
            yield (
                f"# One of: {', '.join(choices)}"
                if "tuple" not in str(field.annotation)
                else (f"# Any of: {', '.join(choices)}")
            )
        yield f"{name}: {_EXAMPLE[name]}"


def _choices(annotation: Any) -> Iterator[Any]:
    """The words that an answer may be, where it is not free."""
    for one in get_args(annotation):
        if isinstance(one, str):
            yield one
        else:
            yield from _choices(one)


def write_questionnaire(path: Path) -> None:
    """Write the questionnaire to a new file. Raises Unusable (GOVERN004) where that cannot be done."""
    if path.exists() or path.is_symlink():
        what, mend = f"{path.name!r} is there already", "answer that one, or give --out another name"
        raise Unusable(Fault(code="GOVERN004", what=what, where=str(path), mend=mend))
    try:
        write_atomically(path, questionnaire())
    except OSError as error:
        what, mend = f"the questionnaire cannot be written: {error.strerror}", "give --out a place of your own"
        raise Unusable(Fault(code="GOVERN004", what=what, where=str(path), mend=mend)) from error


def read_intake(path: Path) -> Intake:
    """The answers in a file. Raises PlanError with every fault, each with its line (the codes of a plan's file), and
    GOVERN014 where the system is still the questionnaire's example.
    """
    source = parse(read_text(path, str(path)), str(path))
    found = validated(Intake, source.root.plain())
    if isinstance(found, ValidationError):
        mend = "`shipworthy system intake --out NEW` writes every question, with what may be answered"
        raise PlanError(validation_faults(source, found, Intake, mend=mend))
    if (found.name, found.purpose) == (_EXAMPLE["name"], _EXAMPLE["purpose"]):
        what = f"the name and the purpose are still the example's: {found.name!r}"
        mend = "write those of your system, and read each other answer: all are the example's at first"
        raise PlanError([Fault(code="GOVERN014", what=what, where=source.where(("name",)), mend=mend)])
    return found


def intake(
    record: Record, answers: Intake, *, tier: Tier | None = None, reason: str = "", actor: str | None, now: datetime
) -> Known:
    """Keep the answers, and give the system the tier that they come to, or a stated one.

    tier: overrides what the answers give; one below it needs a reason, and a person who answers for that.
    Raises Unusable (GOVERN001, GOVERN003).
    """
    found = tiering(answers)
    given = tier or found.tier
    if is_below(given, found.tier) and not reason.strip():
        what = f"the answers give tier {found.tier}, and {given} asks for less"
        raise Unusable(Fault(code="GOVERN003", what=what, where="--tier", mend="say why with --reason"))
    by = acting(record, actor).person if given != found.tier else actor_of(record, actor)
    old = record.get("system", answers.name)
    before = old.document if old is not None and isinstance(old.document, System) else None
    why = "; ".join(found.reasons)
    if given != found.tier:
        why = f"set to {given}, where the answers give {found.tier} ({why}): {reason.strip() or 'as stated'}"
    system = System(
        id=answers.name, purpose=answers.purpose, tier=given, tier_reason=why,
        owner=answers.owner or (before.owner if before else ""),
        status=before.status if before else "active", areas=answers.areas, affected=answers.affected,
    )  # fmt: skip
    kept = Answers(
        id=version_id(QUESTIONNAIRE, answers.name), system=answers.name, questionnaire=QUESTIONNAIRE,
        status="complete", owner=system.owner, answers=answers.model_dump(mode="json"),
    )  # fmt: skip
    record.write(by, now, system, kept, action="intake", based_on={("system", system.id): old.version if old else 0})
    return system_of(record, answers.name)


def system_of(record: Record, name: str) -> Known:
    """A system with its answers. Raises Unusable (GOVERN002)."""
    kept = record.get("system", name)
    if kept is None or not isinstance(kept.document, System):
        mend = "`shipworthy system list` names them; `shipworthy system intake` makes one known"
        raise Unusable(Fault(code="GOVERN002", what=f"there is no system {name[:80]!r}", where=name[:200], mend=mend))
    return _known(record, kept.document)


def systems(record: Record, *, damaged: bool = False) -> list[Known]:
    """Every system, by name. damaged: passing over those that cannot be read, which else are refused."""
    found = [one.document for one in record.find("system", limit=MOST, damaged=damaged)]
    return [_known(record, one) for one in found if isinstance(one, System)]


def _known(record: Record, system: System) -> Known:
    kept = record.get("answers", version_id(QUESTIONNAIRE, system.id))
    answers = None
    if kept is not None and isinstance(kept.document, Answers):
        read = validated(Intake, kept.document.model_dump(mode="json")["answers"])
        answers = read if isinstance(read, Intake) else None
    versions = [str(getattr(one.document, "version", "")) for one in record.find("version", system=system.id)]
    return Known(
        system=system, answers=answers, tiering=tiering(answers) if answers else None, versions=tuple(versions)
    )
