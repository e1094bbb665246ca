"""Signed statements and sign-offs: who signed them, and whether they are about what is here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipworthy.digest import digest
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import package as layout
from shipworthy.evidence.attestations import EVAL_RESULT, ROWS
from shipworthy.evidence.verifying.outcome import fault, unreadable
from shipworthy.evidence.verifying.reading import DECISIONS, MOST_TEXT, RESULTS, Document, Package, named, statement
from shipworthy.integrity import envelope
from shipworthy.integrity.persons import Person

_SIGN_OFF = "https://shipworthy.dev/attestation/sign-off/v0.1"  # as `api.standing` signs it


def statements(package: Package) -> Iterator[Fault]:
    """Every envelope is signed, its subjects are here, and the bundle is all of them."""
    bundle = b""
    digests = {item.sha256 for item in package.listed.values()}
    measured = _results(package)
    rows = {
        str(one.get("digest")).removeprefix("sha256:")
        for results in measured
        for one in results.get("inputs", ())
        if isinstance(one, dict)
    }
    for path in sorted(package.there("attestations/*.dsse.json")):
        try:
            data = package.container.read(path, most=MOST_TEXT)
            found = envelope.read(data, where=path)
        except ValueError as error:
            yield unreadable("PACK016", "a file", path, error)
            continue
        except Unusable as error:
            yield from error.faults
            continue
        bundle += data
        signed = envelope.verify(found, package.register, where=path)
        if signed.fault is not None:
            yield signed.fault
        told = statement(found.payload)
        if told is None or not isinstance(told.get("subject"), list):
            what = "what was signed is not an in-toto statement, so that nothing says what it is about"
            yield fault("PACK020", what, path)
            continue
        for name in _strangers(told["subject"], digests, rows, with_rows=bool(rows)):
            what = f"it was signed about {name[:100]!r}, and nothing in the package has the digest that it names"
            yield fault("PACK020", what, path)
        about = told.get("predicate")
        if told.get("predicateType") == EVAL_RESULT and isinstance(about, dict):
            known = [(one.get("run"), one.get("decision")) for one in measured]
            if known and (about.get("run"), about.get("decision")) not in known:
                yield fault("PACK022", "it states another run or decision than results.json", path)
    if package.is_there(layout.BUNDLE):
        try:
            same = package.container.read(layout.BUNDLE, most=MOST_TEXT) == bundle
        except ValueError:
            same = False
        if not same:
            what = "it is not the statements beside it (attestations/*.dsse.json), in the order of their names"
            yield fault("PACK021", what, layout.BUNDLE)
    owners: dict[Person, Any] = {}
    for one in package.documents:
        if one.kind == "sign-off":
            yield from _sign_off(package, one, owners)


def _sign_off(package: Package, one: Document, owners: dict[Person, Any]) -> Iterator[Fault]:
    """The envelope of a sign-off, whose it is, and whether it was given for what is here.

    owners: persons that alone signed a sign-off before this one -> the signer that it named.
    """
    body = one.body
    where = f"risk/sign-offs.json, {one.id[:80]}"
    if body and not body.get("envelope"):
        package.notes.append(f"The sign-off {one.id[:80]!r} has no signature: who gave it is what the record says.")
    if body.get("envelope"):
        try:
            found = envelope.read(str(body["envelope"]).encode("utf-8", "replace"), where=where)
        except Unusable as error:
            yield from error.faults
            return
        signed = envelope.verify(found, package.register, where=where)
        wrong = signed.fault
        if wrong is not None and (wrong.code == "SIGN004" or not package.register.keys):
            why = "no key is here to check it with" if not package.register.keys else "its key was revoked since"
            package.notes.append(f"The signature of the sign-off {one.id[:80]!r} counts for nothing: {why}.")
        elif wrong is not None:
            yield wrong
        else:
            whose = ", ".join(map(named, signed.persons))
            package.notes.append(f"The sign-off {one.id[:80]!r} is signed with the key of {whose}.")
            if len(signed.persons) == 1 and not body.get("withdrawn"):
                (person,) = signed.persons
                if owners.setdefault(person, body.get("signer")) != body.get("signer"):
                    what = f"sign-offs of different signers are signed by one person, {named(person)[:200]}"
                    mend = "have each signer sign with a key that is registered as theirs"
                    yield fault("PACK019", what, where, mend=mend)
        if not _says(statement(found.payload), body):
            yield fault("PACK020", "what was signed is not what the sign-off says", where)
    if not body.get("withdrawn") and (stale := _stale(package, body)):
        package.notes.append(f"The sign-off {one.id[:80]!r} was given for {stale} than is here.")


def _stale(package: Package, body: Mapping[str, Any]) -> str:
    """What of that which a sign-off is bound to is another here; empty where nothing is."""
    bound = body.get("bindings")
    gate = package.json(DECISIONS)
    if not isinstance(bound, dict) or bound.get("evidence") != layout.evidence_root(package.listed.values()):
        return "other evidence"
    if not isinstance(gate, dict) or bound.get("policy") != gate.get("plan_digest"):
        return "another plan"
    bodies = [one.body for one in package.documents if one.kind == "decision"]
    return "" if bound.get("decision") in map(_content, bodies) else "another decision"


def _results(package: Package) -> list[dict[str, Any]]:
    found = [package.json(path) for path in package.there(RESULTS)]
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("inputs"), list)]


def _strangers(subjects: Sequence[Any], files: set[str], rows: set[str], *, with_rows: bool) -> Iterator[str]:
    """Names of subjects that are not in the package. Models are not: they are too large."""
    for one in subjects:
        name = str(one.get("name")) if isinstance(one, dict) else "?"
        found = one.get("digest") if isinstance(one, dict) else None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            yield name
        elif ROWS in found:
            if with_rows and found[ROWS] not in rows:
                yield name
        elif not name.startswith("model:") and found.get("sha256") not in files:
            yield name


def _says(told: Mapping[str, Any] | None, body: Mapping[str, Any]) -> bool:
    """Whether what was signed is what a sign-off says: its words, and the digests that it is bound to."""
    if told is None or told.get("predicateType") != _SIGN_OFF:
        return False
    about = told.get("predicate")
    subjects, bound = told.get("subject"), body.get("bindings")
    if not isinstance(about, dict) or not isinstance(subjects, list) or not isinstance(bound, dict):
        return False
    waivers = bound.get("waivers")
    wanted = [bound.get(key) for key in ("decision", "evidence", "policy")]
    wanted += [one.get("digest") for one in waivers if isinstance(one, dict)] if isinstance(waivers, list) else []
    found = [one.get("digest") for one in subjects if isinstance(one, dict)]
    signed = [f"sha256:{one.get('sha256')}" for one in found if isinstance(one, dict)]
    said = ("system", "version", "role", "signer", "verdict", "conditions", "due", "statement")
    return (
        signed == wanted and about.get("signOff") == body.get("id") and all(about.get(k) == body.get(k) for k in said)
    )


def _content(body: Any) -> str | None:
    try:
        return digest(body)
    except ValueError:
        return None
