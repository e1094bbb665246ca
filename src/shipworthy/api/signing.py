"""Signing a decision: what exactly is signed, refused where it is stale already, then written once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shipworthy.api import keys as key_files
from shipworthy.api.acting import Actor, acting
from shipworthy.api.changes import Change, Looking, Seen, content, look, models_of, written_after
from shipworthy.api.recording import version_id
from shipworthy.api.runs import MOST, decision_of, find_run
from shipworthy.api.standing import Standing, evidence_root, standing, statement_of
from shipworthy.digest import canonical
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.store import plan_folder, read_plan
from shipworthy.gates.fitness import REQUIRED
from shipworthy.integrity import envelope as envelopes
from shipworthy.record import documents
from shipworthy.record.reading import checked

if TYPE_CHECKING:
    from shipworthy.integrity.keys import Register, SigningKey
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Record

Outcome: TypeAlias = Literal["ship", "hold", "undecided"]
SignVerdict: TypeAlias = Literal["approve", "reject", "approve with conditions"]
_ROLE = re.compile(r"[a-z][a-z0-9 -]{0,39}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What a person wants to say about a run."""

    role: str
    verdict: SignVerdict
    conditions: tuple[str, ...] = ()
    due: date | None = None  # the last day to meet the conditions
    statement: str = ""  # empty: the usual sentence
    outcome: Outcome | None = None  # a human decision that differs from the rules'; None: it stays as it is
    reason: str = ""  # why it differs


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What is about to be signed, whole: nothing is written yet."""

    kept: KeptRun
    signer: Actor
    decision: documents.Decision
    signoff: documents.SignOff
    version: documents.Version | None  # with the digests of what the run was made from, where they are new
    based_on: dict[tuple[str, str], int]  # versions of documents that this was read from
    waivers: tuple[documents.Waiver, ...]  # that cover a verdict
    requirements: int
    notes: tuple[str, ...]

    @property
    def stale_if(self) -> tuple[str, ...]:
        """What would make the signature stale, in words."""
        made_from = sorted({name.partition(":")[2] for name in (self.version.digests if self.version else {})})
        return (
            "a threshold, or anything else that the plan says, changes; only another `seed` is no other promise",
            "the data, models, suites, rubrics, labels or prompts change"
            + (f" (digests of {', '.join(made_from)} are kept)" if made_from else ""),
            "a file of the run changes",
            *(f"waiver {one.id} changes, is withdrawn, or ends ({one.ends})" for one in self.waivers),
            "the decision itself changes",
            *((f"its conditions are not met by {self.signoff.due}",) if self.signoff.due else ()),
            "the key that signs it, where one does, is revoked",
        )

    def as_json(self) -> dict[str, Any]:
        """For machines; the signer by commitment."""
        return {
            "signoff": self.signoff.model_dump(mode="json"),
            "decision": self.decision.model_dump(mode="json"),
            "stale_if": list(self.stale_if),
            "notes": list(self.notes),
        }


def required_roles(record: Record, system: str) -> tuple[str, ...]:
    """The roles that the tier of a system asks for; those of the highest tier, where nobody said which it has."""
    kept = record.get("system", system)
    tier = kept.document.tier if kept is not None and isinstance(kept.document, documents.System) else "critical"
    return REQUIRED[tier].roles


def propose(record: Record, run: str, word: Word, *, actor: str | None, looking: Looking) -> Proposal:
    """Put together what a person would sign. run: its folder, id, digest, or "latest"; or the id of a decision, which
    may rest on several runs.

    Raises Unusable: GOVERN001 where nobody says who signs, GOVERN002 for an unknown run and for a decision whose first
    run another one was written for since, GOVERN008 where an approval
    would be stale at once, GOVERN009 for a word that contradicts itself.
    """
    stated = record.get("decision", run)
    named = stated.document if stated is not None and isinstance(stated.document, documents.Decision) else None
    kept = find_run(record, named.runs[0] if named else run)
    _refuse_unclear(word, looking.now.date())
    signer = acting(record, actor)
    old = decision_of(record, kept.facts.digest)
    if named is not None and old is not None and old.id != named.id:
        what, mend = f"a newer decision rests on the same run: {old.id[:80]}", "sign that one"
        raise Unusable(Fault(code="GOVERN002", what=what, where=run[:200], mend=mend))
    if word.outcome is not None and word.outcome == (old.outcome if old else kept.facts.decision):
        what, mend = f"the decision is to {word.outcome} already", "leave --outcome and --reason out"
        if word.outcome == "undecided":
            what = "the decision is undecided already"
        raise Unusable(Fault(code="GOVERN009", what=what, where="--outcome", mend=mend))
    seen = look(record, kept, old, looking)
    if word.verdict != "reject" and seen.changes:
        raise Unusable(_stale(kept, change) for change in seen.changes)
    decision = _decision(kept, old, word, seen)
    is_first = old is None and not _is_broken(seen)
    version, later = _version(record, kept, looking) if is_first else (None, ())
    facts = kept.facts
    number = sum(
        isinstance(one.document, documents.SignOff) and one.document.id.startswith(f"{facts.run}:{word.role}:")
        for one in record.find("sign-off", system=facts.system, limit=MOST)
    )
    prepared = (kept.actor,) if kept.actor.startswith("person:") else ()
    signoff = cast("documents.SignOff", checked(documents.SignOff.model_construct(
        id=f"{facts.run}:{word.role}:{number + 1}", system=facts.system, version=facts.version, role=word.role,
        signer=signer.person, prepared_by=() if word.verdict == "reject" else prepared, verdict=word.verdict,
        conditions=word.conditions, due=word.due, statement=word.statement or _usual(kept, word, decision),
        bindings=documents.Bindings(
            decision=content(decision), evidence=evidence_root(decision.runs), policy=facts.plan_digest,
            waivers=seen.bound,
        ),
    )))  # fmt: skip
    found = [record.get("waiver", bound.id) for bound in seen.bound]
    before = record.get("decision", decision.id)
    return Proposal(
        kept=kept, signer=signer, decision=decision, signoff=signoff, version=version,
        based_on={
            ("decision", decision.id): before.version if before else 0,
            ("sign-off", signoff.id): 0,
            **{("waiver", one.id): one.version for one in found if one is not None},
        },
        waivers=tuple(one.document for one in found if one and isinstance(one.document, documents.Waiver)),
        requirements=len(record.verdicts(run=facts.digest, limit=MOST)),
        notes=(*seen.notes, *later, *_not_asked_for(record, facts.system, word)),
    )  # fmt: skip


def sign(record: Record, proposal: Proposal, *, key: SigningKey | None, looking: Looking) -> Standing:
    """Write the decision and the sign-off that were proposed, all or none, and say how the run stands now.

    key: signs what is written, as an in-toto statement in a DSSE envelope. Raises Unusable: GOVERN010 for another
    person's key, GOVERN012 for one that nobody could tell whose it is, or whose signature would not count, RECORD014 to
    RECORD016 where the record does not take it, as where somebody changed it meanwhile.
    """
    signoff, now = proposal.signoff, looking.now
    if key is not None:
        _refuse_foreign(key, proposal.signer, key_files.known(looking.register))
        at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        payload = canonical(statement_of(signoff, proposal.decision.id, at=at))
        signed = envelopes.to_json(envelopes.sign(payload, [key])).decode()
        signoff = signoff.model_copy(update={"envelope": signed})
    about = (proposal.version,) if proposal.version is not None else ()
    record.write(
        proposal.signer.person, now, *about, proposal.decision, signoff, action="sign", based_on=proposal.based_on
    )
    return replace(standing(record, proposal.kept, replace(looking, data=False)), notes=proposal.notes)


def withdraw(record: Record, id_: str, *, actor: str | None, now: datetime) -> documents.SignOff:
    """Take a sign-off back; only its signer can. Raises Unusable (GOVERN001, GOVERN002, RECORD016)."""
    kept = record.get("sign-off", id_)
    if kept is None or not isinstance(kept.document, documents.SignOff):
        mend = "`shipworthy signoffs` lists them"
        raise Unusable(Fault(code="GOVERN002", what=f"there is no sign-off {id_[:80]!r}", where=id_[:200], mend=mend))
    gone = kept.document.model_copy(update={"withdrawn": True})
    record.write(acting(record, actor).person, now, gone, action="withdraw", based_on={("sign-off", id_): kept.version})
    return gone


def _not_asked_for(record: Record, system: str, word: Word) -> tuple[str, ...]:
    """A note where somebody approves in a role that nobody waits for; a rejection holds in any."""
    roles = required_roles(record, system)
    if not roles or word.role in roles or word.verdict == "reject":
        return ()
    near = difflib.get_close_matches(word.role, roles, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return (f"its tier asks for {' and '.join(roles)}: an approval as {word.role} stands for none of these{meant}",)


def _refuse_unclear(word: Word, today: date) -> None:
    faults = []
    if not _ROLE.fullmatch(word.role):
        what = "a role is at most 40 small letters, digits, blanks and dashes"
        faults.append(("--role", what, "write it as in product"))
    if (word.verdict == "approve with conditions") != bool(word.conditions):
        mend = "give --condition with approve-with-conditions, and only there"
        faults.append(("--condition", "conditions go with approve-with-conditions", mend))
    if word.due is not None and (not word.conditions or word.due < today):
        faults.append(("--due", "a due day is that of conditions, and not past", "name a day to come"))
    if word.reason and word.outcome is None:
        faults.append(("--reason", "a reason is for an outcome that differs from the rules'", "give --outcome"))
    if faults:
        raise Unusable(Fault(code="GOVERN009", what=what, where=where, mend=mend) for where, what, mend in faults)


def _stale(kept: KeptRun, change: Change) -> Fault:
    what = f"what would be signed is stale already: {change.what}"
    mend = "undo it, or check again and sign that run; a rejection can be signed as it is"
    return Fault(code="GOVERN008", what=what, where=kept.facts.run, mend=mend)


def _is_broken(seen: Seen) -> bool:
    return any(change.of == "evidence" for change in seen.changes)


def _decision(kept: KeptRun, old: documents.Decision | None, word: Word, seen: Seen) -> documents.Decision:
    """The run's decision: as it is in the record, or new from the run; with a human outcome where one is given."""
    facts = kept.facts
    automated = cast("Outcome", facts.decision)
    made = old or documents.Decision(
        id=facts.run, system=facts.system, version=facts.version, outcome=automated, automated=automated,
        plan=facts.plan_digest, runs=(facts.digest,), waivers=seen.bound, submitted=kept.at,
    )  # fmt: skip
    if word.outcome is None:
        return made
    return cast("documents.Decision", checked(made.model_copy(update={"outcome": word.outcome, "reason": word.reason})))


def _version(record: Record, kept: KeptRun, looking: Looking) -> tuple[documents.Version | None, tuple[str, ...]]:
    """The version's document with the digests of models as they are now, where it does not say so yet; and a note for
    each that was written after the run, which did not see it so."""
    folder = looking.base / kept.facts.place
    start = looking.plan.parent if looking.plan else plan_folder(folder)
    loaded = read_plan(folder)
    loaded = replace(loaded, path=start / loaded.path.name)
    found = models_of(loaded)
    known = record.get("version", version_id(kept.facts.system, kept.facts.version))
    if not found or known is None or not isinstance(known.document, documents.Version):
        return None, ()
    later = tuple(
        f"{name} was written after the run: check again" for name in written_after(loaded, kept.facts.created)
    )
    return known.document.model_copy(update={"digests": {**known.document.digests, **found}}), later


def _usual(kept: KeptRun, word: Word, decision: documents.Decision) -> str:
    facts = kept.facts
    what = "leave undecided" if decision.outcome == "undecided" else decision.outcome
    more = f" and {len(decision.runs) - 1:,} more" if len(decision.runs) > 1 else ""
    said = {"approve": "approve", "reject": "reject", "approve with conditions": "approve, on the stated conditions,"}
    return (
        f"As {word.role}, I {said[word.verdict]} the decision to {what} {facts.system} {facts.version}, "
        f"on the evidence of run {facts.run}{more}."
    )


def _refuse_foreign(key: SigningKey, signer: Actor, register: Register | None) -> None:
    """Raise Unusable (GOVERN010, GOVERN012) unless a key is bound to who signs, and its signature will count.

    Its public file names a person, or the register does; where there is a register, it has the key, in force, and as
    the same person's.
    """
    entry = register.keys.get(key.public.id) if register is not None else None
    owners = [one for one in (key_files.public(key.name).person, entry.person if entry else None) if one is not None]
    bind = f'`shipworthy keys register {key.name} --person "Ada <ada@example.org>"` says whose it is'
    if not owners:
        raise _uncounted(f"the key {key.name!r} names nobody, so that anybody could sign with it", bind)
    if any(one.identity != signer.identity for one in owners):
        what = f"the key {key.name!r} belongs to another person than the one who signs"
        raise Unusable(Fault(code="GOVERN010", what=what, where="--key", mend="sign with a key of your own"))
    if register is not None and entry is None:
        raise _uncounted(f"the key {key.name!r} is not in the register of keys", bind)
    if entry is not None and entry.revoked is not None:
        what = f"the key {key.name!r} was revoked on {entry.revoked:%Y-%m-%d}"
        raise _uncounted(what, "sign with a key that is in force")


def _uncounted(what: str, mend: str) -> Unusable:
    return Unusable(Fault(code="GOVERN012", what=what, where="--key", mend=mend))


def signoffs(record: Record, system: str | None, *, looking: Looking) -> list[Standing]:
    """How each run stands that somebody signed, of one system or of all; the newest last."""
    found: list[Standing] = []
    for one in record.find("decision", system=system, limit=MOST):
        if isinstance(one.document, documents.Decision) and (runs := _runs(record, one.document.runs)):
            found.append(standing(record, runs[0], looking))
    return sorted(found, key=lambda one: one.run.facts.created)


def _runs(record: Record, digests: Sequence[str]) -> tuple[KeptRun, ...]:
    return record.runs(digest=digests[0], limit=1)
