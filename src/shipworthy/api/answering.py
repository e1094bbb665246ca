"""What only people can say of a system, kept in the record for every package of it to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from shipworthy.api.recording import actor_of, version_id
from shipworthy.api.systems import system_of
from shipworthy.evidence.documents.answers import read_answers
from shipworthy.record.documents import Answers

if TYPE_CHECKING:
    from shipworthy.record.store import Record

QUESTIONNAIRE = "documents@1"  # of the record's answers that documents ask for


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What was kept."""

    system: str
    answers: Mapping[str, object]  # field -> what was said, all that the record has by now
    changed: tuple[str, ...]  # fields that were answered anew, or otherwise
    withdrawn: tuple[str, ...]  # fields whose answer was taken back

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "system": self.system, "answers": dict(self.answers), "changed": list(self.changed),
            "withdrawn": list(self.withdrawn),
        }  # fmt: skip


def kept(record: Record, system: str) -> Answers:
    """The document that holds what was said of a system; an empty one before anybody said anything."""
    id_ = version_id(QUESTIONNAIRE, system)
    found = record.get("answers", id_)
    if found is not None and isinstance(found.document, Answers):
        return found.document
    return Answers(id=id_, system=system, questionnaire=QUESTIONNAIRE)


def answers_of(record: Record, system: str) -> Mapping[str, object]:
    """What was said of a system: field -> answer, as `evidence.documents.answers` reads it."""
    return kept(record, system).answers


def keep_answers(
    record: Record, system: str, given: Mapping[str, object], *, actor: str | None, now: datetime
) -> Answered:
    """Keep answers about a system beside those that are there; an empty one takes back what was said.

    given: field -> text, or {text, by, at, privacy}, or {not_applicable}.
    Raises Unusable (DOC002, GOVERN001, GOVERN002, RECORD018).
    """
    read_answers(given)
    system_of(record, system)
    id_ = version_id(QUESTIONNAIRE, system)
    old = record.get("answers", id_)
    before = answers_of(record, system)
    now_said = {name: said for name, said in {**before, **given}.items() if said not in (None, "", [], {})}
    changed = tuple(name for name in now_said if now_said[name] != before.get(name))
    withdrawn = tuple(name for name in before if name not in now_said)
    if changed or withdrawn:
        document = Answers(
            id=id_, system=system, questionnaire=QUESTIONNAIRE, status="complete", answers=cast("Any", now_said)
        )
        base = {("answers", id_): old.version if old else 0}
        record.write(actor_of(record, actor), now, document, action="answer", based_on=base)
    return Answered(system=system, answers=now_said, changed=changed, withdrawn=withdrawn)
