"""Verification of a package, a log or a run: with no database and no network, and nothing of it is believed or run.

What is found wrong comes in the order in which it was looked at: how the files lie, the manifest and its root, who
signed it, each file, and then whether what the files say of each other is true.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

from shipworthy.digest import Json, digest
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import excerpt
from shipworthy.evidence import manifest as of_run
from shipworthy.evidence import package as layout
from shipworthy.evidence.attestations import EVAL_RESULT, ROWS, STATEMENT
from shipworthy.evidence.container import Container, opened
from shipworthy.evidence.documents.privacy import is_visible
from shipworthy.evidence.package import Item
from shipworthy.gates.verdicts import decided
from shipworthy.integrity import chain, envelope, keys, merkle
from shipworthy.integrity import checkpoints as notes_of
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.envelope import Signed
from shipworthy.integrity.keys import NO_KEYS, Person, PublicKey, Register, Registration
from shipworthy.integrity.reading import read_json

MOST_FAULTS = 1_000
MOST_TEXT = 64 << 20  # bytes of a file that is read and not only hashed
_MEND = "get the package again from who made it"
_SIGN_OFF = "https://shipworthy.dev/attestation/sign-off/v0.1"  # as `api.standing` signs it
_DECISIONS = "gates/decision.json"
_KINDS = ("risk", "mitigation", "waiver", "sign-off", "incident")  # each in risk/, in a file of its own
_UNUSED_KEYS = "The keys were not used: a log is signed by its checkpoints, and none was given (--checkpoint)."
_OWN_KEYS = (
    "Signatures were checked with the keys in the package itself: that shows only that it agrees with itself. "
    "Give --keys, a register that you got elsewhere and trust."
)
_UNSIGNED = (
    "The package is not signed, and no --root was given: that shows only that it agrees with itself, not who made it."
)

Kind: TypeAlias = Literal["package", "log", "run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What the verifier brings along, from where the maker of the evidence cannot reach."""

    register: Register | None = None  # whose keys count; None: what the package says of itself
    threshold: int | None = None  # persons that must have signed; None: 1, where it is signed at all
    checkpoints: tuple[Checkpoint, ...] = ()  # of the log
    root: str | None = None  # sha256:..., of the package


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What verifying found."""

    kind: Kind
    faults: tuple[Fault, ...]  # the first thing wrong first, at most MOST_FAULTS; none: nothing is
    notes: tuple[str, ...]  # how far it reaches, in sentences
    facts: Mapping[str, Json]

    @property
    def headline(self) -> str:
        """What was shown, in one line."""
        if self.faults:
            more = "at least " if len(self.faults) >= MOST_FAULTS else ""
            return f"Not intact: {more}{len(self.faults):,} fault{'s' * (len(self.faults) != 1)}."
        if self.kind == "run":
            return "Intact: every file is as it was written."
        if self.kind == "log":
            entries, covered = self.facts["entries"], self.facts["covered"]
            return f"Intact: {entries:,} entries follow each other; {covered:,} are under a checkpoint."
        withheld = f", {self.facts['withheld']:,} withheld" if self.facts["withheld"] else ""
        by = self.facts["signed_by"]
        signed = f"signed by {', '.join(map(str, by))}" if isinstance(by, list) and by else "not signed"
        log = f"; {self.facts['entries']:,} log entries" if self.facts["entries"] else ""
        return f"Intact: {self.facts['files']:,} files{withheld}{log}; {signed}; root {self.facts['root']}"


def is_package(path: Path) -> bool:
    """Whether a path is meant to be a package: a zip file, or a folder with one of the files that make one."""
    if path.is_file():
        with path.open("rb") as file:
            return path.suffix == ".zip" or file.read(4) == b"PK\x03\x04"
    if any((path / name).exists() for name in (layout.PACKAGE, layout.SEAL)):
        return True
    try:
        with (path / layout.MANIFEST).open("rb") as file:  # whose keys are sorted
            return b'"evidence": "sha256:' in file.read(4096)
    except OSError:
        return False


def verify_run(folder: Path, *, sha256: str | None = None) -> Checked:
    """A run's folder against its manifest; `manifest.verify_manifest` says what is found."""
    faults = of_run.verify_manifest(folder, sha256=sha256)
    if not faults:
        try:
            results = json.loads((folder / "results.json").read_bytes())
        except (ValueError, RecursionError) as error:
            faults = [_fault("PACK022", f"it cannot be read: {str(error)[:200]}", "results.json")]
        else:
            faults = list(_decision(results, "results.json"))
    return Checked(kind="run", faults=tuple(faults), notes=(), facts={})


def verify_log(path: Path, trust: Trust) -> Checked:
    """A log's file, JSON Lines; `chain.verify_log` says what is found. Raises OSError."""
    with path.open("rb") as file:
        found = chain.verify_log(
            chain.log_lines(file), trust.checkpoints, trust.register or NO_KEYS, where=path.name[:100]
        )
    faults = () if found.fault is None else (found.fault,)
    if not faults and not found.entries:
        what, mend = "the log is empty: it holds no entry that could be verified", "export the log again"
        faults = (Fault(code="LOG001", what=what, where=path.name[:100], mend=mend),)
    notes = [found.caveat]
    if trust.register is not None and not trust.checkpoints:
        notes.append(_UNUSED_KEYS)
    facts: dict[str, Json] = {"entries": found.entries, "head": found.head, "covered": found.covered}
    return Checked(kind="log", faults=faults, notes=tuple(notes), facts=facts)


def verify_package(path: Path, trust: Trust) -> Checked:
    """A package, a folder or a zip file.

    Faults: PACK010 to PACK012 how it lies, PACK013 the manifest, PACK014 the root, PACK015 to PACK018 its files,
    PACK019 and PACK020 the seal and other statements, PACK021 the bundle of statements, PACK022 files that contradict
    each other, PACK023 proofs about the log, PACK025 a checkpoint that cannot be compared; and those of `envelope`,
    `checkpoints`, `chain` and `keys`.
    """
    with opened(path) as container:
        found = _Package(container=container, trust=trust)
        faults = tuple(islice(found.faults(), MOST_FAULTS))
        return Checked(kind="package", faults=faults, notes=tuple(dict.fromkeys(found.notes)), facts=found.told())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Document:
    """A document of the record as a package carries it."""

    kind: str
    id: str
    seq: int  # of the log's entry that tells of it
    told: tuple[str, str, str, str]  # what that entry has to say: object, after, at and actor
    body: dict[str, Any]  # empty where it was forgotten


@dataclass(kw_only=True)
class _Package:
    """A package while it is verified."""

    container: Container
    trust: Trust
    manifest: bytes = b""
    listed: dict[str, Item] = field(default_factory=dict)
    register: Register = NO_KEYS
    signers: tuple[Person, ...] = ()
    documents: tuple[_Document, ...] = ()
    entries: int = 0
    notes: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[Fault]:
        """Everything that is wrong, the most basic first."""
        yield from self.container.faults
        try:
            self.manifest = self.container.read(layout.MANIFEST, most=layout.MOST_MANIFEST)
            self.listed, said = layout.read_listing(self.manifest, layout.SCHEMA)
        except ValueError as error:
            yield _fault("PACK013", f"the manifest cannot be read: {error}", layout.MANIFEST)
            return
        yield from self._root(said)
        yield from self._keys()
        yield from self._seal()
        yield from self._files()
        yield from self._runs()
        yield from self._kept()
        yield from self._statements()
        yield from self._documents()
        yield from self._agreement()
        yield from self._log()

    def told(self) -> dict[str, Json]:
        """What a verification without faults has shown."""
        return {
            "files": len(self.listed),
            "withheld": sum(item.withheld for item in self.listed.values()),
            "root": layout.root(self.listed.values()),
            "evidence": layout.evidence_root(self.listed.values()),
            "signed_by": [_named(one) for one in self.signers],
            "entries": self.entries,
        }

    # The manifest

    def _root(self, said: Mapping[str, Any]) -> Iterator[Fault]:
        items = list(self.listed.values())
        root = layout.root(items)
        if self.trust.root is not None and root != self.trust.root:
            yield _fault("PACK014", f"the root is {root}, not {self.trust.root[:80]}", layout.MANIFEST)
        if said.get("root") != root or said.get("evidence") != layout.evidence_root(items):
            yield _fault("PACK014", "the root that the manifest states is not that of its files", layout.MANIFEST)
        if self.manifest != layout.to_manifest(items):
            yield _fault("PACK013", "the manifest is not written as it would be for these files", layout.MANIFEST)

    # Who signed

    def _keys(self) -> Iterator[Fault]:
        """The package's own keys, and which register counts."""
        own: dict[str, Registration] = {}
        for path in self._there("keys/*.pub"):
            try:
                public = _public(self.container.read(path, most=4096))
            except ValueError as error:
                yield _fault("PACK022", f"a public key cannot be read: {error}", path)
                continue
            if PurePosixPath(path).stem != public.id:
                yield _fault("PACK022", "a public key is not the one that its name says", path)
            own[public.id] = _unnamed(public)
        self.register = Register(keys=own)
        if self._is_there(layout.REGISTER):
            try:
                stated = keys.parse_register(
                    self.container.read(layout.REGISTER, most=MOST_TEXT), where=layout.REGISTER
                )
            except Unusable as error:
                yield from error.faults
            except ValueError as error:
                yield _fault("PACK016", f"a file cannot be read: {error}", layout.REGISTER)
            else:
                if stated.keys.keys() != own.keys():
                    yield _fault("PACK022", "the register and the public keys are not the same keys", layout.REGISTER)
                self.register = stated
        if self.trust.register is not None:
            self.register = self.trust.register

    def _seal(self) -> Iterator[Fault]:
        stated = self._json(layout.PACKAGE) if self._is_there(layout.PACKAGE) else None
        named = stated.get("signers") if isinstance(stated, dict) else None
        signers = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
        needed = bool(signers) or self.trust.register is not None or self.trust.threshold is not None
        if layout.SEAL not in self.container.sizes:
            if needed:
                yield _fault("PACK019", "the package is not signed, and it has to be", layout.SEAL)
            elif self.trust.root is None:
                self.notes.append(_UNSIGNED)
            return
        try:
            data = self.container.read(layout.SEAL, most=MOST_TEXT)
            found = envelope.read(data, where=layout.SEAL)
        except ValueError as error:
            yield _fault("PACK019", f"the seal cannot be read: {error}", layout.SEAL)
            return
        except Unusable as error:
            yield from error.faults
            return
        if data != envelope.to_json(found):  # nothing else vouches for bytes that no signature covers
            yield _fault("PACK019", "the seal is not written as it would be", layout.SEAL)
        if self.trust.register is None:
            self.notes.append(_OWN_KEYS)
            if (self.trust.threshold or 1) > 1 and not self._is_there(layout.REGISTER):
                what = "persons cannot be counted: whose keys these are is withheld from this package"
                mend = "give --keys, a register that says whose they are"
                yield Fault(code="PACK019", what=what, where=layout.SEAL, mend=mend)
        signed = envelope.verify(found, self.register, where=layout.SEAL, threshold=self.trust.threshold or 1)
        yield from _first(signed)
        self.signers = signed.persons
        missing = set(signers) - {one.keyid for one in found.signatures}
        if missing:
            what = f"{len(missing)} of the {len(signers)} signatures that the package was made with are gone"
            yield _fault("PACK019", what, layout.SEAL)
        statement = _statement(found.payload)
        subject = statement.get("subject") if statement else None
        right = [{"name": layout.MANIFEST, "digest": {"sha256": hashlib.sha256(self.manifest).hexdigest()}}]
        if statement is None or statement.get("predicateType") != layout.SEAL_TYPE or subject != right:
            yield _fault("PACK020", "it was signed for another manifest than the one that is here", layout.SEAL)
            return
        about = statement.get("predicate")
        root = layout.root(self.listed.values())
        if not isinstance(about, dict) or about.get("root") != root:
            yield _fault("PACK020", "it was signed for another root than that of these files", layout.SEAL)

    # The files

    def _files(self) -> Iterator[Fault]:
        audience = self._audience()
        for path, item in self.listed.items():
            there = path in self.container.sizes
            if item.withheld:
                if there:
                    yield _fault("PACK018", "a file is said to be withheld, and is here", path)
                elif audience is None or is_visible(item.privacy, audience):
                    yield _fault("PACK018", "a file is withheld that the readers of this package may read", path)
                continue
            if not there:
                yield _fault("PACK015", "a file is missing", path)
                continue
            try:
                size, found = self.container.hashed(path, most=item.size)
            except ValueError as error:
                yield _fault("PACK016", f"a file cannot be read: {error}", path)
                continue
            if size != item.size:
                stated = self.container.sizes[path]
                yield _fault("PACK016", f"a file has changed: {stated:,} bytes instead of {item.size:,}", path)
            elif found != item.sha256:
                yield _fault("PACK016", "a file has changed: its digest differs", path)
        for path in sorted(self.container.sizes.keys() - self.listed.keys() - layout.UNLISTED):
            yield _fault("PACK017", "a file is not listed in the manifest", path)

    def _audience(self) -> Any:
        stated = self._json(layout.PACKAGE) if self._is_there(layout.PACKAGE) else None
        audience = stated.get("audience") if isinstance(stated, dict) else None
        return audience if audience in ("public", "internal", "restricted", "personal") else None

    def _runs(self) -> Iterator[Fault]:
        """Every run's own manifest against the package's."""
        for path in self._there("runs/*/manifest.json"):
            folder = path.removesuffix(of_run.NAME)
            try:
                inside, _ = layout.read_listing(self.container.read(path, most=MOST_TEXT), of_run.SCHEMA)
            except ValueError as error:
                yield _fault("PACK022", f"the run's manifest cannot be read: {error}", path)
                continue
            for name, one in inside.items():
                here = self.listed.get(folder + name)
                if here is None or (here.size, here.sha256) != (one.size, one.sha256):
                    yield _fault("PACK022", "the run's own manifest says otherwise", (folder + name))
            others = {p.removeprefix(folder) for p in self.listed if p.startswith(folder)} - inside.keys()
            for name in sorted(others - {of_run.NAME}):
                yield _fault("PACK022", "the run's own manifest does not list it", (folder + name))

    # What files say of each other

    def _statements(self) -> Iterator[Fault]:
        bundle = b""
        digests = {item.sha256 for item in self.listed.values()}
        measured = self._results()
        rows = {
            str(one.get("digest")).removeprefix("sha256:")
            for results in measured
            for one in results.get("inputs", ())
            if isinstance(one, dict)
        }
        for path in sorted(self._there("attestations/*.dsse.json")):
            try:
                data = self.container.read(path, most=MOST_TEXT)
                found = envelope.read(data, where=path)
            except ValueError as error:
                yield _fault("PACK016", f"a file cannot be read: {error}", path)
                continue
            except Unusable as error:
                yield from error.faults
                continue
            bundle += data
            yield from _first(envelope.verify(found, self.register, where=path))
            statement = _statement(found.payload)
            if statement is None or not isinstance(statement.get("subject"), list):
                yield _fault("PACK020", "its payload is not an in-toto statement", path)
                continue
            for name in _strangers(statement["subject"], digests, rows, with_rows=bool(rows)):
                yield _fault("PACK020", f"its subject {name[:100]!r} is not what is in the package", path)
            about = statement.get("predicate")
            if statement.get("predicateType") == EVAL_RESULT and isinstance(about, dict):
                known = [(one.get("run"), one.get("decision")) for one in measured]
                if known and (about.get("run"), about.get("decision")) not in known:
                    yield _fault("PACK022", "it states another run or decision than results.json", path)
        if self._is_there(layout.BUNDLE):
            try:
                same = self.container.read(layout.BUNDLE, most=MOST_TEXT) == bundle
            except ValueError:
                same = False
            if not same:
                yield _fault("PACK021", "the bundle is not the envelopes beside it, by name", layout.BUNDLE)
        owners: dict[Person, Any] = {}
        for one in self.documents:
            if one.kind == "sign-off":
                yield from self._sign_off(one, owners)

    def _sign_off(self, one: _Document, owners: dict[Person, Any]) -> Iterator[Fault]:
        """The envelope of a sign-off, whose it is, and whether it was given for what is here.

        owners: persons that alone signed a sign-off before this one -> the signer that it named.
        """
        body = one.body
        where = f"risk/sign-offs.json, {one.id[:80]}"
        if body.get("envelope"):
            try:
                found = envelope.read(str(body["envelope"]).encode("utf-8", "replace"), where=where)
            except Unusable as error:
                yield from error.faults
                return
            signed = envelope.verify(found, self.register, where=where)
            fault = signed.fault
            if fault is not None and (fault.code == "SIGN004" or not self.register.keys):
                why = "no key is here to check it with" if not self.register.keys else "its key was revoked since"
                self.notes.append(f"The signature of the sign-off {one.id[:80]!r} counts for nothing: {why}.")
            elif fault is not None:
                yield fault
            else:
                whose = ", ".join(map(_named, signed.persons))
                self.notes.append(f"The sign-off {one.id[:80]!r} is signed with the key of {whose}.")
                if len(signed.persons) == 1 and not body.get("withdrawn"):
                    (person,) = signed.persons
                    if owners.setdefault(person, body.get("signer")) != body.get("signer"):
                        what = f"sign-offs of different signers are signed by one person, {_named(person)[:200]}"
                        mend = "have each signer sign with a key that is registered as theirs"
                        yield Fault(code="PACK019", what=what, where=where, mend=mend)
            if not _says(_statement(found.payload), body):
                yield _fault("PACK020", "its signature is about something else than what it says", where)
        if not body.get("withdrawn") and (stale := self._stale(body)):
            self.notes.append(f"The sign-off {one.id[:80]!r} was given for {stale} than is here.")

    def _stale(self, body: Mapping[str, Any]) -> str:
        """What of that which a sign-off is bound to is another here; empty where nothing is."""
        bound = body.get("bindings")
        gate = self._json(_DECISIONS)
        if not isinstance(bound, dict) or bound.get("evidence") != layout.evidence_root(self.listed.values()):
            return "other evidence"
        if not isinstance(gate, dict) or bound.get("policy") != gate.get("plan_digest"):
            return "another plan"
        bodies = [one.body for one in self.documents if one.kind == "decision"]
        return "" if bound.get("decision") in map(_content, bodies) else "another decision"

    def _documents(self) -> Iterator[Fault]:
        """Every rendering of a document shows the digest of what machines read."""
        for path in self._there("docs/*.json"):
            found = self._json(path)
            if not isinstance(found, dict):
                yield _fault("PACK022", "a document is not a JSON object", path)
                continue
            try:
                shown = digest(found).encode()
            except ValueError as error:
                yield _fault("PACK022", f"a document has no digest: {error}", path)
                continue
            for suffix in (".html", ".md"):
                page = path.removesuffix(".json") + suffix
                if self._is_there(page) and shown not in self._bytes(page):
                    yield _fault("PACK022", f"it does not show the digest of {path}", page)

    def _agreement(self) -> Iterator[Fault]:
        """Runs, decision and plan are the same wherever they are stated."""
        found: dict[str, dict[str, Any]] = {}
        for name in sorted({PurePosixPath(path).parts[1] for path in self.listed if path.startswith("runs/")}):
            results = self._json(f"runs/{name}/results.json")
            listing = self.listed.get(f"runs/{name}/{of_run.NAME}")
            if not isinstance(results, dict) or listing is None:
                continue
            yield from _decision(results, f"runs/{name}/results.json")
            found[name] = {"run": results.get("run"), "run_digest": f"sha256:{listing.sha256}"}
            found[name] |= {key: results.get(key) for key in ("decision", "plan_digest")}
        if not found:
            return
        package = self._json(layout.PACKAGE)
        said = package if isinstance(package, dict) else {}
        if isinstance(stood := said.get("stands"), dict) and stood.get("fit") != said.get("decision"):
            self.notes.append(f"When it was packed, the decision stood so: {str(said.get('headline'))[:400]}")
        first = next((name for name, one in found.items() if one["run_digest"] == said.get("run_digest")), min(found))
        for path in (layout.PACKAGE, _DECISIONS):
            told = self._json(path)
            for key, value in found[first].items() if isinstance(told, dict) else ():
                if told.get(key) != value:
                    yield _fault("PACK022", f"it states another {key.replace('_', ' ')} than the run", path)
        listed = said.get("runs", [{key: said.get(key) for key in found[first]}])  # older packages hold one run
        if package is not None and not _same_runs(listed, found.values()):
            yield _fault("PACK022", "it states other runs than those that are here", layout.PACKAGE)
        for kept in ("plan.yaml", "plan.json", "plan.lock.json"):
            one, other = self.listed.get(f"plan/{kept}"), self.listed.get(f"runs/{first}/{kept}")
            if (one and one.sha256) != (other and other.sha256):
                yield _fault("PACK022", "it is not the plan that the run followed", f"plan/{kept}")

    # The log

    def _log(self) -> Iterator[Fault]:
        own = []
        for path in sorted(self._there(f"{excerpt.CHECKPOINTS}*.txt")):
            try:
                own.append(notes_of.read(self._bytes(path), where=path))
            except Unusable as error:
                yield from error.faults
        if not self._is_there(excerpt.PROOFS):
            if self.trust.checkpoints:
                what = "a checkpoint was given, and this package holds no log that can be compared"
                yield _fault("PACK025", what, excerpt.PROOFS)
            return
        try:
            told, proofs = excerpt.read_proofs(self._bytes(excerpt.PROOFS))
        except ValueError as error:
            yield _fault("PACK023", f"the proofs cannot be read: {error}", excerpt.PROOFS)
            return
        root = bytes.fromhex(told["root"])
        if told["complete"]:
            yield from self._whole_log(own, told["size"], root)
        else:
            about = told.get("about")
            cut = type(about) is int and about > len(proofs)
            yield from self._part_of_log(own, told["size"], root, proofs, cut=cut)
        for proof in proofs:
            if not merkle.verify_inclusion(proof.leaf, proof.seq, told["size"], proof.steps, root):
                yield _fault("PACK023", f"the proof of entry {proof.seq:,} does not lead to the root", excerpt.PROOFS)

    def _whole_log(self, own: Sequence[Checkpoint], size: int, root: bytes) -> Iterator[Fault]:
        promised = {one.seq for one in self.documents}
        seen: dict[int, Mapping[str, Any]] = {}

        def told(lines: Iterable[bytes]) -> Iterator[bytes]:
            for number, line in enumerate(lines):
                if number in promised:
                    seen[number] = _object(line)
                yield line

        try:
            with self.container.open(excerpt.LOG) as file:
                found = chain.verify_log(
                    told(chain.log_lines(file)),  # type: ignore[arg-type]
                    [*own, *self.trust.checkpoints],
                    self.register,
                    where=excerpt.LOG,
                )
        except ValueError as error:
            yield _fault("PACK016", f"a file cannot be read: {error}", excerpt.LOG)
            return
        self.entries = found.entries
        self.notes.append(found.caveat)
        if found.fault is not None:
            yield found.fault
            return
        if (found.tree.size, found.tree.root()) != (size, root):
            yield _fault("PACK023", "the proofs are about another log than the one that is here", excerpt.PROOFS)
        yield from self._told_of(seen)

    def _told_of(self, entries: Mapping[int, Mapping[str, Any]], first: int = 0) -> Iterator[Fault]:
        """Every document against the log's entry of its number; those before the number `first` are left out."""
        for one in self.documents:
            entry = entries.get(one.seq, {})
            if one.seq >= first and tuple(entry.get(key) for key in ("object", "after", "at", "actor")) != one.told:
                what = f"{one.kind} {one.id[:80]!r} is not what entry {one.seq} of the log tells of"
                yield _fault("PACK022", what, "risk")

    def _part_of_log(
        self, own: Sequence[Checkpoint], size: int, root: bytes, proofs: Sequence[excerpt.Proof], *, cut: bool
    ) -> Iterator[Fault]:
        """cut: the oldest entries about the system were left out, for there are too many."""
        given = self.trust.checkpoints
        if other := [one for one in given if one.size != size]:
            what = f"a checkpoint of {other[0].size:,} entries cannot be compared with a part of a log of {size:,}"
            mend = "ask for the whole log, or give the checkpoint of that size"
            yield Fault(code="PACK025", what=what, where=excerpt.ENTRIES, mend=mend)
        for one in (*own, *(one for one in given if one.size == size)):
            fault = notes_of.verify(one, self.register, where=excerpt.CHECKPOINTS).fault
            if fault is not None:
                yield fault
            elif (one.size, one.root) != (size, root):
                yield _fault("PACK023", "the proofs are about another log than the checkpoint", excerpt.PROOFS)
        covered = size if own or given else 0
        self.notes.append(
            "This is a part of the log: that these entries are in it is proven, and not that there are no others"
            + ("." if covered else "; no checkpoint stands behind its root.")
        )
        try:
            with self.container.open(excerpt.ENTRIES) as file:
                lines = list(chain.log_lines(file))  # type: ignore[arg-type]
        except ValueError as error:
            yield _fault("PACK016", f"a file cannot be read: {error}", excerpt.ENTRIES)
            return
        self.entries = len(lines)
        if len(lines) != len(proofs):
            yield _fault("PACK023", f"{len(lines):,} entries and {len(proofs):,} proofs", excerpt.PROOFS)
        seen: dict[int, Mapping[str, Any]] = {}
        for line, proof in zip(lines, proofs, strict=False):
            entry = seen[proof.seq] = _object(line)
            if line[-1:] != b"\n" or merkle.leaf_hash(line[:-1]) != proof.leaf or entry.get("seq") != proof.seq:
                what = f"an entry is not the one that was proven: {proof.seq:,}"
                yield _fault("PACK023", what, excerpt.ENTRIES)
        first = min(seen, default=size) if cut else 0
        if older := sum(one.seq < first for one in self.documents):
            self.notes.append(f"{older:,} documents are older than this part of the log, and were not compared.")
        yield from self._told_of(seen, first)

    # Reading

    def _is_there(self, path: str) -> bool:
        return path in self.listed and path in self.container.sizes and not self.listed[path].withheld

    def _there(self, pattern: str) -> list[str]:
        depth = pattern.count("/")
        return [
            path
            for path in self.listed
            if path.count("/") == depth and fnmatchcase(path, pattern) and self._is_there(path)
        ]

    def _bytes(self, path: str) -> bytes:
        """The bytes of a file; none where it cannot be read, which `_files` has told."""
        try:
            return self.container.read(path, most=MOST_TEXT)
        except ValueError:
            return b""

    def _json(self, path: str) -> Any:
        """A file's JSON; None where it is withheld, or cannot be read."""
        if not self._is_there(path):
            return None
        try:
            return read_json(self._bytes(path), most=MOST_TEXT)
        except ValueError:
            return None

    def _results(self) -> list[dict[str, Any]]:
        found = [self._json(path) for path in self._there("runs/*/results.json")]
        return [one for one in found if isinstance(one, dict) and isinstance(one.get("inputs"), list)]

    def _kept(self) -> Iterator[Fault]:
        """Read every document of the record that the package holds; what has not the form of one is left out."""
        places = [(kind, f"risk/{kind}s.json", "documents") for kind in _KINDS]
        kept: dict[int, _Document] = {}
        for kind, path, key in (*places, ("decision", _DECISIONS, "decisions")):
            if not self._is_there(path):
                continue
            found = self._json(path)
            listed = found.get(key) if isinstance(found, dict) else None
            if not isinstance(listed, list):
                yield _fault("PACK022", "it holds no list of documents", path)
                continue
            for one in listed:
                try:
                    document = _document(kind, one)
                except ValueError as error:
                    yield _fault("PACK022", f"a document is not one of the record: {error}", path)
                    continue
                if kept.setdefault(document.seq, document) is not document:
                    what = f"entry {document.seq} of the log can tell of one document, and two name it"
                    yield _fault("PACK022", what, path)
        self.documents = tuple(kept.values())


def _same_runs(listed: Any, found: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a list of runs names those that were found, each once, and nothing else."""
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        return False

    def key(one: Mapping[str, Any]) -> str:
        return repr([one.get(name) for name in ("run", "run_digest", "decision", "plan_digest")])

    return sorted(map(key, listed)) == sorted(map(key, found))


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


def _says(statement: Mapping[str, Any] | None, body: Mapping[str, Any]) -> bool:
    """Whether what was signed is what a sign-off says: its words, and the digests that it is bound to."""
    if statement is None or statement.get("predicateType") != _SIGN_OFF:
        return False
    about = statement.get("predicate")
    subjects, bound = statement.get("subject"), body.get("bindings")
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


def _document(kind: str, one: Any) -> _Document:
    """A document from outside. Raises ValueError."""
    if not isinstance(one, dict) or not isinstance(one.get("body"), dict):
        raise ValueError("it has no body")
    if type(one.get("seq")) is not int or not 0 <= one["seq"] < 2**53:
        raise ValueError("its seq is not the number of an entry")
    if not all(isinstance(one.get(key), str) for key in ("id", "digest", "at", "actor")):
        raise ValueError("its id, digest, time or actor is not text")
    one["id"].encode()
    if (body := one["body"]) and (body.get("kind"), body.get("id")) != (kind, one["id"]):
        raise ValueError("its body is that of another")
    try:
        at = datetime.fromisoformat(one["at"]).astimezone(UTC)
    except OverflowError:
        raise ValueError("its time is none") from None
    when = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = (f"{kind}/{one['id']}", one["digest"], when, one["actor"])
    return _Document(kind=kind, id=one["id"], seq=one["seq"], told=told, body=body)


def _named(person: Person) -> str:
    """A person as a note names one: without an address where there is none."""
    return person.name if person.email.endswith("@withheld.invalid") else str(person)


def _content(body: Any) -> str | None:
    try:
        return digest(body)
    except ValueError:
        return None


def _statement(payload: bytes) -> dict[str, Any] | None:
    try:
        found = read_json(payload, most=MOST_TEXT)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("_type") == STATEMENT else None


def _decision(results: Any, where: str) -> Iterator[Fault]:
    """A fault where a run states another decision than its verdicts and waivers give."""
    found = results if isinstance(results, dict) else {}
    if found.get("decision") != (given := decided(found)):
        what = f"it states the decision {str(found.get('decision'))[:40]!r}, and its verdicts give {given.value!r}"
        yield _fault("PACK022", what, where)


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = read_json(line, most=chain.MOST_LINE + 2)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _public(pem: bytes) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is not PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("it is not an Ed25519 key")
    return PublicKey(raw=key.public_bytes_raw())


def _unnamed(public: PublicKey) -> Registration:
    """A key whose owner is withheld: it stands for itself."""
    owner = Person(name=f"key {public.id[:16]}, whose owner is withheld", email=f"{public.id}@withheld.invalid")
    return Registration(public=public, person=owner, registered=datetime(1970, 1, 1, tzinfo=UTC))


def _first(signed: Signed) -> Iterator[Fault]:
    if signed.fault is not None:
        yield signed.fault


def _fault(code: str, what: str, where: str) -> Fault:
    return Fault(code=code, what=what, where=where[:300], mend=_MEND)
