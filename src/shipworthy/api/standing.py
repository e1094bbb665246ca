"""Where a decision stands today: who signed what, whether that still is what it was, and whether it is fit to ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from shipworthy.api import keys as key_files
from shipworthy.api.acting import Actor, everyone, shown
from shipworthy.api.changes import Change, Looking, Seen, brief, content, look
from shipworthy.api.runs import MOST, decision_of
from shipworthy.digest import Json, canonical
from shipworthy.errors import Unusable
from shipworthy.gates.fitness import REQUIRED, Decided, Fitness, Required, Signed, fitness
from shipworthy.integrity import envelope as envelopes
from shipworthy.integrity import merkle
from shipworthy.integrity.reading import read_json
from shipworthy.record import documents

if TYPE_CHECKING:
    from shipworthy.integrity.keys import Register
    from shipworthy.record.runs import KeptRun
    from shipworthy.record.store import Kept, Record

SIGN_OFF = "https://shipworthy.dev/attestation/sign-off/v0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """One sign-off, and whether it still counts."""

    document: documents.SignOff
    at: datetime
    signer: str  # name
    identity: str  # what persons are counted by
    changes: tuple[Change, ...]  # of its own bindings and key, beside what has changed for all

    def as_json(self) -> dict[str, Any]:
        """For machines; persons by commitment."""
        one = self.document
        return {
            "id": one.id,
            "role": one.role,
            "signer": one.signer,
            "verdict": one.verdict,
            "conditions": list(one.conditions),
            "due": one.due.isoformat() if one.due else None,
            "at": self.at.isoformat(),
            "withdrawn": one.withdrawn,
            "with_key": one.envelope is not None,
            "stale": [change.as_json() for change in self.changes],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A run's decision today."""

    run: KeptRun
    tier: documents.Tier
    required: Required
    decision: documents.Decision | None  # None: nobody has signed yet
    outcome: Literal["ship", "hold", "undecided"]
    changes: tuple[Change, ...]  # that concern everybody who signed
    signatures: tuple[Signature, ...]  # the oldest first
    waivers: Mapping[str, date]  # in force, that the decision rests on: id -> last day
    fitness: Fitness
    notes: tuple[str, ...]  # what was not looked at, and what one should know

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        facts = self.run.facts
        return {
            "system": facts.system,
            "version": facts.version,
            "tier": self.tier,
            "run": facts.run,
            "run_digest": facts.digest,
            "outcome": self.outcome,
            "required": {"roles": list(self.required.roles), "persons": self.required.persons},
            **self.fitness.as_json(),
            "changes": [change.as_json() for change in self.changes],
            "signoffs": [one.as_json() for one in self.signatures],
            "waivers": {id_: end.isoformat() for id_, end in self.waivers.items()},
            "notes": list(self.notes),
        }


def standing(record: Record, kept: KeptRun, looking: Looking) -> Standing:
    """Compute every binding of a run's decision and sign-offs again, and add up whether it is fit to ship."""
    facts = kept.facts
    tier = _tier(record, facts.system)
    decision = decision_of(record, facts.digest)
    outcome = decision.outcome if decision is not None else cast("Any", facts.decision)
    seen = look(record, kept, decision, looking)
    register = key_files.known(looking.register)
    signatures = tuple(_signatures(record, kept, decision, seen=seen, register=register))
    fit = fitness(
        Decided(outcome=outcome, stale=tuple(change.what for change in seen.changes)),
        [
            Signed(
                role=one.document.role,
                person=one.identity,
                verdict=one.document.verdict,
                conditions=one.document.conditions,
                due=one.document.due,
                stale=tuple(change.what for change in one.changes),
                is_same_version=one.document.version == facts.version,
            )
            for one in signatures
            if not one.document.withdrawn
        ],
        REQUIRED[tier],
        seen.waivers,
        looking.now.date(),
    )
    unchecked = [one for one in signatures if one.document.envelope and register is None]
    keyless = ["the signatures by key were not checked: there is no register of keys"] if unchecked else []
    return Standing(
        run=kept, tier=tier, required=REQUIRED[tier], decision=decision, outcome=outcome, changes=seen.changes,
        signatures=signatures, waivers=seen.waivers, fitness=fit, notes=(*seen.notes, *keyless),
    )  # fmt: skip


def _tier(record: Record, system: str) -> documents.Tier:
    kept = record.get("system", system)
    return kept.document.tier if kept is not None and isinstance(kept.document, documents.System) else "critical"


def evidence_root(runs: Sequence[str]) -> str:
    """The RFC 6962 root over the digests of runs' manifests, sorted, each as canonical JSON."""
    leaves = [merkle.leaf_hash(canonical(one)) for one in sorted(runs)]
    return f"sha256:{merkle.root(leaves).hex()}"


def _signatures(
    record: Record,
    kept: KeptRun,
    decision: documents.Decision | None,
    *,
    seen: Seen,
    register: Register | None,
) -> Iterator[Signature]:
    if decision is None:
        return
    people = everyone(record)
    of_decision = {content(one.document) for one in record.history("decision", decision.id) if one.document}
    found = [
        one.document
        for one in record.find("sign-off", system=kept.facts.system, limit=MOST)
        if isinstance(one.document, documents.SignOff)
        and (one.document.bindings.decision in of_decision or one.id.startswith(f"{decision.id}:"))
    ]
    first = {one.id: record.history("sign-off", one.id)[0] for one in found}
    for document in sorted(found, key=lambda one: first[one.id].seq):
        by = people.get(document.signer)
        yield Signature(
            document=document,
            at=first[document.id].at,
            signer=shown(people, document.signer),
            identity=by.identity if by else document.signer,
            changes=(*_bindings(record, kept, decision, seen, document), *_key(document, people, register)),
        )


def _bindings(
    record: Record, kept: KeptRun, decision: documents.Decision, seen: Seen, one: documents.SignOff
) -> Iterator[Change]:
    """What a sign-off is bound to, compared with what is there now."""
    bindings = one.bindings
    if bindings.decision != content(decision):
        yield Change(of="decision", what=f"the decision was changed after signing{_how(record, decision, bindings)}")
    if bindings.evidence != evidence_root(decision.runs):
        yield Change(of="evidence", what="the decision rests on other runs than those that were signed")
    if bindings.policy != kept.facts.plan_digest:
        yield Change(of="plan", what="another plan was signed than the one that the run followed")
    now = {bound.id: bound.digest for bound in seen.bound}
    for bound in bindings.waivers:
        if now.get(bound.id, bound.digest) != bound.digest:
            kept_one = record.get("waiver", bound.id)
            how = _how(record, kept_one.document, bound) if kept_one and kept_one.document else ""
            yield Change(of="waiver", what=f"waiver {bound.id} was changed after signing{how}")


def _how(record: Record, now: documents.Document, bound: documents.Bindings | documents.Bound) -> str:
    """Field by field, where the version that was signed is still known: ": ends was 2026-07-01, and is 2026-08-01"."""
    wanted = bound.decision if isinstance(bound, documents.Bindings) else bound.digest
    versions: tuple[Kept, ...] = record.history(now.kind, now.id)
    then = next((one.document for one in versions if one.document and content(one.document) == wanted), None)
    if then is None:
        return ""
    old, new = then.model_dump(mode="json"), now.model_dump(mode="json")
    people = ("approvers", "requester", "owner")
    said = [
        f"other {key}" if key in people else f"{key} was {brief(old[key])}, and is {brief(new[key])}"
        for key in old
        if old[key] != new[key]
    ]
    return f": {'; '.join(said)}" if said else ""


def statement_of(one: documents.SignOff, decision: str, *, at: str) -> dict[str, Json]:
    """What a key signs: an in-toto statement about the decision, the evidence and the policy, by their digests.

    decision: its id. at: when it was signed, as 2026-11-21T09:30:00Z.
    """
    bound = one.bindings
    subjects: list[Json] = [
        {"name": name, "digest": {"sha256": value.removeprefix("sha256:")}}
        for name, value in (
            (f"decision:{decision}", bound.decision),
            ("evidence", bound.evidence),
            ("policy", bound.policy),
            *((f"waiver:{waiver.id}", waiver.digest) for waiver in bound.waivers),
        )
    ]
    predicate: dict[str, Json] = {
        "signOff": one.id,
        "system": one.system,
        "version": one.version,
        "role": one.role,
        "signer": one.signer,
        "verdict": one.verdict,
        "conditions": list(one.conditions),
        "due": one.due.isoformat() if one.due else None,
        "statement": one.statement,
        "signedAt": at,
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": SIGN_OFF,
        "predicate": predicate,
    }


def _key(one: documents.SignOff, people: dict[str, Actor], register: Register | None) -> Iterator[Change]:
    """What is wrong with a signature by key: revoked, not registered, another person's, or about something else."""
    if one.envelope is None or register is None:
        return
    try:
        envelope = envelopes.read(one.envelope.encode(), where=one.id)
        payload = read_json(envelope.payload)
        name = str(payload["subject"][0]["name"]).removeprefix("decision:")
        expected = canonical(statement_of(one, name, at=str(payload["predicate"]["signedAt"])))
    except (Unusable, ValueError, LookupError, TypeError):
        yield Change(of="key", what="the signature's envelope cannot be read")
        return
    if envelope.payload != expected:
        yield Change(of="key", what="the key signed something else than this sign-off says")
    signed = envelopes.verify(envelope, register, where=one.id)
    if signed.fault is not None and signed.fault.code == "SIGN004":
        gone = next(known for key in signed.keys if (known := register.keys[key]).revoked is not None)
        why = f": {gone.reason}" if gone.reason else ""
        yield Change(of="key", what=f"its key {gone.public.id[:16]} was revoked on {gone.revoked:%Y-%m-%d}{why}")
    elif signed.fault is not None:
        yield Change(of="key", what=f"its signature does not count: {signed.fault.what}")
    elif (
        (by := people.get(one.signer))
        and by.identity != by.person  # an erased person can no longer be compared
        and by.identity not in {person.identity for person in signed.persons}
    ):
        yield Change(of="key", what="its key belongs to another person than the signer")
