"""Where a decision stands today: who signed what, whether that still is what it was, and whether it is fit to ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shipworthy.api import keys as key_files
from shipworthy.api.acting import Actor, everyone, shown
from shipworthy.api.changes import Change, Looking, Seen, content, differences, look, was_and_is
from shipworthy.api.runs import MOST, decision_of, decisions, runs_of, worst
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

State: TypeAlias = Literal["withdrawn", "superseded", "stale", "counts"]
SIGN_OFF = "https://shipworthy.dev/attestation/sign-off/v0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """One sign-off, and whether it still counts: every face reads it here."""

    document: documents.SignOff
    at: datetime
    signer: str  # name
    identity: str  # what persons are counted by
    own: tuple[Change, ...]  # what has changed of its own bindings, key and conditions
    stale: tuple[Change, ...]  # why it does not count: its own, and what concerns everybody who signed
    superseded: bool = False  # the same person has signed again in the same role

    @property
    def state(self) -> State:
        """Whether it counts today. A rejection of this version does, whatever has changed since but its own key."""
        if self.document.withdrawn:
            return "withdrawn"
        return "superseded" if self.superseded else "stale" if self.stale else "counts"

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
            "state": self.state,
            "stale": [change.as_json() for change in self.stale],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A decision today."""

    run: KeptRun  # the first of `runs`
    runs: tuple[KeptRun, ...]  # that the decision rests on; before anybody has signed, the one that was asked about
    tier: documents.Tier
    required: Required
    decision: documents.Decision | None  # None: nobody has signed yet
    outcome: Literal["ship", "hold", "undecided"]
    changes: tuple[Change, ...]  # that concern everybody who signed
    signatures: tuple[Signature, ...]  # the oldest first
    waivers: Mapping[str, date]  # in force, that the decision rests on: id -> last day
    fitness: Fitness
    notes: tuple[str, ...]  # what was not looked at, and what one should know

    @property
    def missing(self) -> tuple[str, ...]:
        """The required roles in which nobody's word counts today."""
        given = {one.document.role for one in self.signatures if one.state == "counts"}
        return tuple(role for role in self.required.roles if role not in given)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        facts = self.run.facts
        return {
            "system": facts.system,
            "version": facts.version,
            "tier": self.tier,
            "run": facts.run,
            "run_digest": facts.digest,
            "runs": [
                {"run": one.facts.run, "run_digest": one.facts.digest, "decision": one.facts.decision}
                for one in self.runs
            ],
            "decision": self.decision.id if self.decision is not None else None,
            "outcome": self.outcome,
            "required": {"roles": list(self.required.roles), "persons": self.required.persons},
            **self.fitness.as_json(),
            "changes": [change.as_json() for change in self.changes],
            "signoffs": [one.as_json() for one in self.signatures],
            "waivers": {id_: end.isoformat() for id_, end in self.waivers.items()},
            "notes": list(self.notes),
        }


def standing(record: Record, kept: KeptRun, looking: Looking) -> Standing:
    """Compute every binding of the newest decision on a run, and of its sign-offs, again, and add up whether it is fit
    to ship. All the runs that the decision rests on are looked at."""
    decision = decision_of(record, kept.facts.digest)
    runs = runs_of(record, decision) if decision is not None else (kept,)
    kept, facts = runs[0], runs[0].facts
    tier = _tier(record, facts.system)
    rules = worst(one.facts.decision for one in runs)
    outcome = decision.outcome if decision is not None else cast("Any", rules)
    seen = look(record, runs, decision, looking)
    register = key_files.known(looking.register)
    signatures = tuple(_signatures(record, kept, decision, seen=seen, register=register, today=looking.now.date()))
    fit = fitness(
        Decided(outcome=outcome, by_person=outcome != rules, stale=tuple(change.what for change in seen.changes)),
        [
            Signed(
                role=one.document.role,
                person=one.identity,
                verdict=one.document.verdict,
                conditions=one.document.conditions,
                due=one.document.due,
                stale=tuple(change.what for change in one.own if change.of != "condition"),
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
    newest = record.runs(system=facts.system, limit=1)[0].facts
    later = f"the newest run of the system is another one: {newest.run} of version {newest.version}, {newest.decision}"
    newer = [later] if newest.created > max(one.facts.created for one in runs) else []
    keyless = ["the signatures by key were not checked: there is no register of keys"] if unchecked else []
    return Standing(
        run=kept, runs=runs, tier=tier, required=REQUIRED[tier], decision=decision, outcome=outcome,
        changes=seen.changes, signatures=signatures, waivers=seen.waivers, fitness=fit,
        notes=(*newer, *seen.notes, *keyless),
    )  # fmt: skip


def _tier(record: Record, system: str) -> documents.Tier:
    kept = record.get("system", system)
    return kept.document.tier if kept is not None and isinstance(kept.document, documents.System) else "critical"


def decision_signed(record: Record, one: documents.SignOff) -> documents.Decision | None:
    """The decision that a sign-off is about: by its id, else by the digest that it is bound to."""
    found = decisions(record, one.system)[::-1]
    by_id = next((each for each in found if one.id.startswith(f"{each.id}:")), None)
    return by_id or next((each for each in found if one.bindings.decision in _contents(record, each)), None)


def _contents(record: Record, decision: documents.Decision) -> frozenset[str]:
    """The digests of all versions of a decision."""
    return frozenset(content(one.document) for one in record.history("decision", decision.id) if one.document)


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
    today: date,
) -> Iterator[Signature]:
    if decision is None:
        return
    of_decision = _contents(record, decision)
    found = [
        one.document
        for one in record.find("sign-off", system=kept.facts.system, limit=MOST)
        if isinstance(one.document, documents.SignOff)
        and (one.document.bindings.decision in of_decision or one.id.startswith(f"{decision.id}:"))
    ]
    people, begun = everyone(record, [one.signer for one in found]), record.begun("sign-off", kept.facts.system)
    found.sort(key=lambda one: begun[one.id])
    identity = {one.id: by.identity if (by := people.get(one.signer)) else one.signer for one in found}
    newest = {(one.role, identity[one.id]): one.id for one in found if not one.withdrawn}
    for document in found:
        own = (
            *_bindings(record, kept, decision, seen, document), *_key(document, people, register),
            *_conditions(document, today),
        )  # fmt: skip
        holds = document.verdict == "reject" and document.version == kept.facts.version
        yield Signature(
            document=document,
            at=begun[document.id][1],
            signer=shown(people, document.signer),
            identity=identity[document.id],
            superseded=newest.get((document.role, identity[document.id]), document.id) != document.id,
            own=own,
            stale=tuple(change for change in own if change.of == "key") if holds else (*own, *seen.changes),
        )


def _conditions(one: documents.SignOff, today: date) -> Iterator[Change]:
    """That the day of an approval's conditions has passed."""
    if one.conditions and one.due is not None and one.due < today:
        yield Change(of="condition", what=f"its conditions were due on {one.due}")


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
    said = [f"other {key}" for key in people if old.get(key) != new.get(key)]
    said += [
        f"{path} {was_and_is(was, is_)}"
        for key in old
        if key not in people
        for path, was, is_ in differences(key, old[key], new[key])
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
