"""Separation of duties: what only the person concerned may write, and what nobody may change any more.

`documents` refuses what one document shows to be wrong. These rules compare a document with the version before it, with
its system and with who writes it, so that no face of the product can be talked past them.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy.errors import Fault
from shipworthy.record.documents import Document, Risk, SignOff, System, Waiver


def breaches(before: Document | None, after: Document, *, actor: str, system: System | None) -> list[Fault]:
    """Every rule that writing `after` breaks (RECORD016).

    before: the version that it follows. system: the document of the system that it is about, where there is one.
    """
    where = f"{after.kind} {after.id!r}"
    return [Fault(code="RECORD016", what=what, where=where, mend=mend) for what, mend in _broken(
        before, after, actor=actor, system=system
    )]  # fmt: skip


def _broken(
    before: Document | None, after: Document, *, actor: str, system: System | None
) -> Iterator[tuple[str, str]]:
    if before is not None and getattr(before, "system", None) != getattr(after, "system", None):
        yield "a document does not move to another system", "write a new one there"
    if isinstance(after, Waiver):
        yield from _waiver(before if isinstance(before, Waiver) else None, after, actor, system)
    elif isinstance(after, SignOff):
        yield from _sign_off(before if isinstance(before, SignOff) else None, after, actor)
    elif isinstance(after, Risk):
        yield from _risk(before if isinstance(before, Risk) else None, after, actor)


def _risk(before: Risk | None, after: Risk, actor: str) -> Iterator[tuple[str, str]]:
    known = before.accepted_by if before is not None else None
    if after.accepted_by not in (None, known, actor):
        yield "`accepted_by` names another person than the one who writes", "let that person accept the risk"
    if before is None or after.status != "accepted" or after.accepted_by == actor:
        return
    # Somebody else accepted this: what they accepted is what was left then, treated as it was then.
    more = (after.residual or after.inherent).score > (before.residual or before.inherent).score
    if before.status == "accepted" and (more or after.treatment != before.treatment):
        what = "more is left of the risk" if more else "the risk is treated otherwise"
        yield f"{what} than was accepted, so that its acceptance has ended", "write it as treated; it is accepted anew"


def _waiver(before: Waiver | None, after: Waiver, actor: str, system: System | None) -> Iterator[tuple[str, str]]:
    asked = before.requester if before else actor
    if after.requester != asked:
        yield "`requester` is another person than the one who asked for it", "let that person ask"
    if system is not None and system.tier != after.tier:
        yield f"the waiver says tier {after.tier}, and its system has tier {system.tier}", f"write {system.tier}"
    # Who approved other terms approved another waiver.
    agreed = set(before.approvers) if before is not None and before.terms() == after.terms() else set()
    if set(after.approvers) - agreed - {actor}:
        what = "`approvers` names a person who did not approve these terms"
        yield what, "let each approver write the approval; after a change of terms all approve anew"
    if before is not None and before.status in ("refused", "withdrawn") and after.status != before.status:
        yield f"the waiver was {before.status}", "ask for a new one that `renews` it"


def _sign_off(before: SignOff | None, after: SignOff, actor: str) -> Iterator[tuple[str, str]]:
    if after.signer != actor:
        yield "`signer` is another person than the one who writes", "let that person sign"
    if before is None:
        return
    same = {"withdrawn"}
    if before.model_dump(exclude=same) != after.model_dump(exclude=same) or (before.withdrawn and not after.withdrawn):
        yield "a signature is not changed, only withdrawn", "withdraw it, and sign anew under another id"
