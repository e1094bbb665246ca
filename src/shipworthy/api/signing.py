"""Signing a decision: what exactly is signed, refused where it is stale already, then written once."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shipworthy.api import keys as key_files
from shipworthy.api.acting import Actor, acting
from shipworthy.api.changes import Change, Looking, Seen, content, look, made_by, models_of, written_after
from shipworthy.api.recording import version_id
from shipworthy.api.runs import MOST, decision_of, decisions, find_run, runs_of, worst
from shipworthy.api.standing import Standing, evidence_root, standing, statement_of
from shipworthy.digest import canonical, digest
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence.store import plan_folder, read_plan
from shipworthy.gates.fitness import REQUIRED
from shipworthy.integrity import envelope as envelopes
from shipworthy.record import documents
from shipworthy.record.reading import checked

if TYPE_CHECKING:
    from shipworthy.integrity.keys import Register, SigningKey
    from shipworthy.record.runs import KeptRun, KeptVerdict
    from shipworthy.record.store import Record

Outcome: TypeAlias = Literal["ship", "hold", "undecided"]
SignVerdict: TypeAlias = Literal["approve", "reject", "approve with conditions"]
MOST_RUNS = 20  # that one decision is written over at once
LONGEST_ID = 200
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

    runs: tuple[KeptRun, ...]  # that the decision rests on
    signer: Actor
    decision: documents.Decision
    signoff: documents.SignOff
    version: documents.Version | None  # with the digests of what the run was made from, where they are new
    based_on: dict[tuple[str, str], int]  # versions of documents that this was read from
    waivers: tuple[documents.Waiver, ...]  # that cover a verdict
    requirements: int  # of all the runs
    against: tuple[KeptVerdict, ...]  # those that stop a release and are neither met nor waived, of all the runs
    notes: tuple[str, ...]

    @property
    def is_new(self) -> bool:
        """Whether the decision is written by this signature."""
        return not self.based_on["decision", self.decision.id]

    @property
    def stale_if(self) -> tuple[str, ...]:
        """What would make the signature stale, in words."""
        made_from = sorted({name.partition(":")[2] for name in (self.version.digests if self.version else {})})
        return (
            "a threshold, or anything else that the plan says, changes; only another `seed` is no other promise",
            "the data, models, suites, rubrics, labels or prompts change"
            + (f" (digests of {', '.join(made_from)} are kept)" if made_from else ""),
            "a file of the run changes" if len(self.runs) == 1 else "a file of one of the runs changes",
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
            "runs": [
                {"run": one.facts.run, "run_digest": one.facts.digest, "decision": one.facts.decision}
                for one in self.runs
            ],
            "against": [
                {"requirement": one.requirement, "verdict": one.verdict, "severity": one.severity, "run": one.name}
                for one in self.against
            ],
            "stale_if": list(self.stale_if),
            "notes": list(self.notes),
        }


def required_roles(record: Record, system: str) -> tuple[str, ...]:
    """The roles that the tier of a system asks for; those of the highest tier, where nobody said which it has."""
    kept = record.get("system", system)
    tier = kept.document.tier if kept is not None and isinstance(kept.document, documents.System) else "critical"
    return REQUIRED[tier].roles


def propose(
    record: Record, run: str, word: Word, *, others: Sequence[str] = (), actor: str | None, looking: Looking
) -> Proposal:
    """Put together what a person would sign. run: its folder, id, digest, or "latest"; or the id of a decision, which
    may rest on several runs. others: further runs, for one decision over all of them; where there is one over exactly
    these, in whatever order, that one is signed.

    Raises Unusable: GOVERN001 where nobody says who signs, GOVERN002 for an unknown run and for a decision that another
    one was written for since, GOVERN008 where an approval would be stale at once, GOVERN009 for a word that contradicts
    itself, GOVERN013 for runs on which no one decision can rest.
    """
    stated = record.get("decision", run) if not others else None
    named = stated.document if stated is not None and isinstance(stated.document, documents.Decision) else None
    runs = runs_of(record, named) if named else tuple(find_run(record, one) for one in (run, *others))
    if not named:
        _refuse_unlike(runs)
    _refuse_unclear(word, looking.now.date())
    signer = acting(record, actor)
    if (old := _old(record, runs, named)) is not None:
        runs = runs_of(record, old)  # in its own order, whatever order they were named in
    rules = cast("Outcome", worst(one.facts.decision for one in runs))
    if word.outcome is not None and word.outcome == (old.outcome if old else rules):
        what, mend = f"the decision is to {word.outcome} already", "leave --outcome and --reason out"
        if word.outcome == "undecided":
            what = "the decision is undecided already"
        raise Unusable(Fault(code="GOVERN009", what=what, where="--outcome", mend=mend))
    seen = look(record, runs, old, looking)
    if word.verdict != "reject" and seen.changes:
        raise Unusable(_stale(runs[0], change) for change in seen.changes)
    decision = _decision(runs, old, word, seen, rules)
    is_first = old is None and not _is_broken(seen)
    version, later = _version(record, runs, looking) if is_first else (None, ())
    facts = runs[0].facts
    said = [
        one.document
        for one in record.find("sign-off", system=facts.system, limit=MOST)
        if isinstance(one.document, documents.SignOff)
    ]
    prepared = tuple(dict.fromkeys(one.actor for one in runs if one.actor.startswith("person:")))
    signoff = cast("documents.SignOff", checked(documents.SignOff.model_construct(
        id=_numbered(decision, word.role, said), system=facts.system, version=facts.version, role=word.role,
        signer=signer.person, prepared_by=() if word.verdict == "reject" else prepared, verdict=word.verdict,
        conditions=word.conditions, due=word.due, statement=word.statement or _usual(runs[0], word, decision),
        bindings=documents.Bindings(
            decision=content(decision), evidence=evidence_root(decision.runs), policy=facts.plan_digest,
            waivers=seen.bound,
        ),
    )))  # fmt: skip
    found = [record.get("waiver", bound.id) for bound in seen.bound]
    before = record.get("decision", decision.id)
    verdicts = record.verdicts_of(*(one.facts.digest for one in runs))
    return Proposal(
        runs=runs, signer=signer, decision=decision, signoff=signoff, version=version,
        based_on={
            ("decision", decision.id): before.version if before else 0,
            ("sign-off", signoff.id): 0,
            **{("waiver", one.id): one.version for one in found if one is not None},
        },
        waivers=tuple(one.document for one in found if one and isinstance(one.document, documents.Waiver)),
        requirements=len(verdicts),
        against=tuple(
            one for one in verdicts if one.severity != "minor" and one.verdict != "met" and not one.body.get("waiver")
        ),
        notes=(*seen.notes, *later, *_not_asked_for(record, facts.system, word)),
    )  # fmt: skip


def _refuse_unlike(runs: Sequence[KeptRun]) -> None:
    """Raise Unusable (GOVERN013) for runs on which no one decision can rest."""
    about = {(one.facts.system, one.facts.version) for one in runs}
    twice = [one.facts.run for one, count in Counter(runs).items() if count > 1]
    if len(runs) > MOST_RUNS:
        what = f"{len(runs):,} runs are named, and one decision is signed over at most {MOST_RUNS}"
        mend = "name those that the decision has to rest on"
    elif twice:
        what, mend = f"the run {twice[0][:80]} is named twice", "name each run once"
    elif len(about) > 1:
        (one, of_one), (other, of_other) = sorted(about)[:2]
        what = f"the runs are of {one[:80]} {of_one[:40]} and of {other[:80]} {of_other[:40]}"
        mend = "name runs of one version of one system"
    else:
        return
    raise Unusable(Fault(code="GOVERN013", what=what, where="RUN", mend=mend))


def _old(record: Record, runs: Sequence[KeptRun], named: documents.Decision | None) -> documents.Decision | None:
    """The decision that rests on exactly these runs; None where it has to be written.

    Raises Unusable: GOVERN002 where another one was written for one of them since, GOVERN013 where one rests on further
    runs, which it would leave out.
    """
    wanted = {one.facts.digest for one in runs}
    newest = {one.id: one for run in runs if (one := decision_of(record, run.facts.digest)) is not None}
    known = named or next(
        (one for one in reversed(decisions(record, runs[0].facts.system)) if set(one.runs) == wanted), None
    )
    if known is not None and (later := [one for id_, one in newest.items() if id_ != known.id]):
        what, mend = f"a newer decision rests on the same run: {later[0].id[:80]}", "sign that one"
        raise Unusable(Fault(code="GOVERN002", what=what, where=known.id[:200], mend=mend))
    if known is None and (wider := next((one for one in newest.values() if wanted < set(one.runs)), None)):
        what = f"the decision {wider.id[:80]} rests on {'this run' if len(runs) == 1 else 'these runs'} and on others"
        mend = f"sign {wider.id[:80]}, or name all of its runs: {', '.join(_names(record, wider))}"
        raise Unusable(Fault(code="GOVERN013", what=what, where=runs[0].facts.run[:200], mend=mend))
    return known


def _names(record: Record, decision: documents.Decision) -> list[str]:
    return [one.facts.run[:80] for one in runs_of(record, decision)[:MOST_RUNS]]


def _numbered(decision: documents.Decision, role: str, said: Sequence[documents.SignOff]) -> str:
    """The id of a sign-off: the decision's, the role, and which one it is."""
    start = f"{decision.id}:{role}:"
    whole = f"{start}{sum(one.id.startswith(start) for one in said) + 1}"
    return whole if len(whole) <= LONGEST_ID else digest([whole])


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
    return replace(standing(record, proposal.runs[0], replace(looking, data=False)), notes=proposal.notes)


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


def _decision(
    runs: Sequence[KeptRun], old: documents.Decision | None, word: Word, seen: Seen, rules: Outcome
) -> documents.Decision:
    """The runs' decision: as it is in the record, or new from them; with a human outcome where one is given.

    A new one is called after its run; one over several after what names them together, in whatever order.
    """
    facts, digests = runs[0].facts, tuple(one.facts.digest for one in runs)
    made = old or documents.Decision(
        id=facts.run if len(runs) == 1 else f"runs-{evidence_root(digests)[7:23]}", system=facts.system,
        version=facts.version, outcome=rules, automated=rules, plan=facts.plan_digest, runs=digests,
        waivers=seen.bound, submitted=max(one.at for one in runs),
    )  # fmt: skip
    if word.outcome is None:
        return made
    return cast("documents.Decision", checked(made.model_copy(update={"outcome": word.outcome, "reason": word.reason})))


def _version(
    record: Record, runs: Sequence[KeptRun], looking: Looking
) -> tuple[documents.Version | None, tuple[str, ...]]:
    """The version's document with the digests of models as they are now, where it does not say so yet; and a note for
    each that was written after the run, which did not see it so."""
    facts = runs[0].facts
    found, later, anew = dict[str, str](), list[str](), set[str]()
    for kept in runs:
        folder = looking.base / kept.facts.place
        loaded = read_plan(folder)
        start = looking.plan.parent if looking.plan and len(runs) == 1 else plan_folder(folder)
        loaded = replace(loaded, path=start / loaded.path.name)
        for name, value in models_of(loaded).items():
            anew.add(made_by(name, kept))
            found[name if found.get(name, value) == value else made_by(name, kept)] = value
        later += written_after(loaded, kept.facts.created)
    known = record.get("version", version_id(facts.system, facts.version))
    if not found or known is None or not isinstance(known.document, documents.Version):
        return None, ()
    notes = tuple(f"{name} was written after the run: check again" for name in dict.fromkeys(later))
    kept_digests = {name: value for name, value in known.document.digests.items() if name not in anew}
    return known.document.model_copy(update={"digests": {**kept_digests, **found}}), notes


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
    """How each decision stands that somebody signed, of one system or of all; the newest last.

    Of several on one run, the newest.
    """
    found: dict[str, Standing] = {}
    for one in record.find("decision", system=system, limit=MOST):
        if isinstance(one.document, documents.Decision) and (runs := record.runs(digest=one.document.runs[0], limit=1)):
            stands = standing(record, runs[0], looking)
            found[stands.decision.id if stands.decision else one.id] = stands
    return sorted(found.values(), key=lambda one: max(run.facts.created for run in one.runs))
