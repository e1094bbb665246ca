from __future__ import annotations

import json

import pytest

from shipworthy.evidence.documents import content
from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.fields import PRIVACIES
from shipworthy.evidence.documents.html import to_html
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.documents.markdown import to_markdown
from shipworthy.evidence.documents.privacy import (
    commitment,
    is_visible,
    opening,
    redact,
)
from shipworthy.evidence.documents.shapes import SHAPES

SALT = bytes(range(32))


def renderings(made):
    return to_markdown(made), to_html(made), to_json(made.as_json())


@pytest.mark.parametrize("audience", PRIVACIES)
def test_every_field_keeps_its_place_and_no_score_changes(made, audience):
    shown = redact(made, audience, salt=SALT)
    assert [[e.field.id for e in c.entries] for c in shown.chapters] == [
        [e.field.id for e in c.entries] for c in made.chapters
    ]
    assert shown.completeness.score == made.completeness.score
    assert shown.completeness.counts["missing"] == made.completeness.counts["missing"]
    for entry in shown.entries:
        if not is_visible(entry.privacy, audience):
            assert entry.content == ()
            assert entry.state in ("missing", "withheld") or entry.digest


@pytest.mark.parametrize("audience", ["public", "internal"])
def test_what_is_restricted_is_in_no_rendering(filled, audience):
    for shape in SHAPES.values():
        made = document(shape, filled)
        before, after = ("".join(renderings(d)) for d in (made, redact(made, audience, salt=SALT)))
        secrets = [
            s
            for s in (
                "Refused credit",
                "Women are approved less often",
                *(["Retraining is under way"] if audience == "public" else []),
                "rate limits of 20",
                "anna@example.org",
                "person:abab",
            )
            if s in before
        ]
        assert secrets or shape.kind == "impact-assessment-eu"
        assert not [s for s in secrets if s in after and not (s == "person:abab" and audience == "internal")]


def test_withheld_is_shown_as_withheld_with_class_and_digest(filled):
    made = redact(document(SHAPES["annex-iv"], filled), "public", salt=SALT)
    entry = next(e for e in made.entries if e.field.id == "risk.register")
    text, page, machine = renderings(made)
    assert entry.state == "withheld"
    assert entry.digest.startswith("sha256:")
    for rendering in (text, page, machine):
        assert entry.digest in rendering
        assert "of class restricted; this copy shows up to public" in rendering
    found = {f["id"]: f for s in json.loads(machine)["sections"] for f in s["fields"]}
    assert found["risk.register"]["class"] == "restricted"
    assert found["risk.register"]["content"] == []
    assert json.loads(machine)["audience"] == "public"


def test_a_digest_opens_with_its_own_key_and_no_other(filled):
    made = document(SHAPES["annex-iv"], filled)
    whole = {e.field.id: e for e in made.entries}
    for entry in redact(made, "public", salt=SALT).entries:
        if entry.state == "withheld":
            was = whole[entry.field.id]
            body = {"content": content.as_json(was.content), "note": was.note, "state": was.state}
            assert commitment(body, opening(SALT, entry.field.id)) == entry.digest
            assert commitment(body, opening(SALT, "system.name")) != entry.digest
            assert commitment(body, "") != entry.digest


def test_another_salt_gives_other_digests(filled):
    made = document(SHAPES["annex-iv"], filled)
    one, other = ({e.digest for e in redact(made, "public", salt=s).entries if e.digest} for s in (SALT, SALT[::-1]))
    assert one
    assert not one & other


def test_who_answered_is_withheld_in_sight(filled):
    made = redact(document(SHAPES["system-card"], filled), "internal", salt=SALT)
    assert next(e for e in made.entries if e.field.id == "use.excluded").by == "a person, withheld"
    where, digest = made.withheld[0]
    assert where == "who answered 1 of the fields"
    assert digest == commitment("anna@example.org", opening(SALT, "by:anna@example.org"))
    assert digest in to_markdown(made)
    assert digest in to_html(made)


def test_redacting_twice_is_redacting_to_the_stricter_properties(made):
    for one in PRIVACIES:
        for other in PRIVACIES:
            twice = redact(redact(made, one, salt=SALT), other, salt=SALT)
            least = min(one, other, key=PRIVACIES.index)
            once = redact(made, least, salt=SALT)
            assert [e.content for e in twice.entries] == [e.content for e in once.entries]
            assert [e.digest for e in twice.entries] == [e.digest for e in once.entries]
            assert twice.withheld == once.withheld
            assert twice.audience == least


def test_all_classes_see_the_document_unchanged(made):
    assert redact(made, "personal", salt=SALT) == made


def test_a_short_salt_validates_input(made):
    with pytest.raises(ValueError, match="at least 16 bytes"):
        opening(b"short", "x")
