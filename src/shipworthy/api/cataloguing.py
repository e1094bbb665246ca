"""The catalogues of controls and hazards, as facts for a face to show or to print as JSON."""

from __future__ import annotations

from typing import Any

from shipworthy.catalogues.catalogue import (
    EDITIONS,
    MARKS,
    Applies,
    Catalogue,
    Control,
    UnknownControl,
    all_catalogues,
    catalogue,
)
from shipworthy.catalogues.coverage import units
from shipworthy.catalogues.crosswalk import Link, Topic, crosswalk, evidence_for
from shipworthy.catalogues.finding import find
from shipworthy.errors import Fault


def frameworks() -> list[dict[str, Any]]:
    """Every edition of every framework: where it was read, how many controls it has, from when it applies."""
    return [_about(each) for each in all_catalogues()]


def controls_of(name: str) -> dict[str, Any]:
    """One catalogue with all its controls.

    name: `framework@edition`, or a framework that has one edition. Raises UnknownControl (CATALOGUE002).
    """
    framework, _, edition = name.partition("@")
    editions = [each.partition("@")[2] for each in EDITIONS if each.partition("@")[0] == framework]
    if not edition and len(editions) > 1:
        what, mend = f"{framework} has several editions", f"write {' or '.join(f'{framework}@{e}' for e in editions)}"
        raise UnknownControl(Fault(code="CATALOGUE002", what=what, mend=mend))
    one = catalogue(framework, edition or (editions[0] if editions else ""))
    retired = [
        {"id": each.id, "title": each.title, "by": list(each.by), "since": each.since, "mark": each.mark}
        for each in one.retired.values()
    ]
    return {**_about(one), "controls": [_control(each) for each in one.controls.values()], "retired": retired}


def explain(ref: str) -> dict[str, Any]:
    """One control: what it is, what corresponds to it elsewhere, and which evidence of ours speaks to it.

    ref: `framework@edition:id`, or a bare id that one catalogue alone has. Raises UnknownControl.
    """
    control = find(ref)
    one = catalogue(*control.catalogue.split("@", 1))
    parts = [each.ref for each in one.controls.values() if each.parent == control.id]
    return {
        **_control(control),
        "verification": MARKS[control.mark],
        "catalogue": _about(one),
        "parts": parts,
        "crosswalk": [_link(each) for each in crosswalk(control.ref)],
        "evidence": [_topic(each) for each in evidence_for(control.ref)],
    }


def names_a_catalogue(name: str) -> bool:
    """Whether a name is of a catalogue, rather than of a control in one."""
    return ":" not in name and ("@" in name or any(each.partition("@")[0] == name for each in EDITIONS))


def _about(one: Catalogue) -> dict[str, Any]:
    dates = {date for control in one.controls.values() for date in control.applies}
    return {
        "name": one.name,
        "framework": one.framework,
        "edition": one.edition,
        "title": one.title,
        "publisher": one.publisher,
        "published": one.published,
        "citation": one.citation,
        "address": one.address,
        "licence": one.licence,
        "read_on": one.read_on.isoformat(),
        "mark": one.mark,
        "status": one.status,
        "complete": one.complete,
        "counts": dict(one.counts),
        "counted": len(units(one)),
        "applies_from": [_applies(each) for each in sorted(dates, key=lambda each: (each.since, each.scope))],
        "notes": list(one.notes),
        "digest": one.digest,
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "ref": control.ref,
        "id": control.id,
        "kind": control.kind,
        "title": control.title,
        "text": control.text,
        "parent": control.parent,
        "mark": control.mark,
        "maturity": control.maturity,
        "applies_from": [_applies(each) for each in control.applies],
    }


def _applies(each: Applies) -> dict[str, Any]:
    was = each.was.isoformat() if each.was else None
    return {"scope": each.scope, "from": each.since.isoformat(), "was": was, "act": each.act, "mark": each.mark}


def _link(link: Link) -> dict[str, Any]:
    other = find(link.to)
    through = list(link.through)
    return {"to": link.to, "title": other.title, "relation": link.relation, "through": through, "mark": link.mark}


def _topic(topic: Topic) -> dict[str, Any]:
    lists = ("metrics", "suites", "scorers", "records")
    return {
        "id": topic.id,
        "title": topic.title,
        "kind": topic.kind,
        **{key: list(getattr(topic, key)) for key in lists},
    }
