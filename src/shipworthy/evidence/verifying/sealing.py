"""The manifest of a package and its root; the keys in it, and who signed it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any

from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import package as layout
from shipworthy.evidence.verifying.outcome import fault, unreadable
from shipworthy.evidence.verifying.reading import MOST_TEXT, Package, statement
from shipworthy.integrity import envelope, keys
from shipworthy.integrity.keys import PublicKey, Register, Registration
from shipworthy.integrity.persons import Person

_OWN_KEYS = (
    "Signatures were checked with the keys in the package itself: that shows only that it agrees with itself. "
    "Give --keys, a register that you got elsewhere and trust."
)
_UNSIGNED = (
    "The package is not signed, and no --root was given: that shows only that it agrees with itself, not who made it."
)


def manifest(package: Package, said: Mapping[str, Any]) -> Iterator[Fault]:
    """The root that the manifest states, and every byte of it, are what its format says for the files in it."""
    items = list(package.listed.values())
    found = layout.root(items)
    if package.trust.root is not None and found != package.trust.root:
        what = f"the root of this package is {found}, and you gave {package.trust.root[:80]}"
        yield fault("PACK014", what, layout.MANIFEST)
    if said.get("root") != found or said.get("evidence") != layout.evidence_root(items):
        what = (
            "the manifest states another root, or another root of its runs, than follows from the files that it lists"
        )
        yield fault("PACK014", what, layout.MANIFEST)
    if package.manifest != (right := layout.to_manifest(items, package.schema)):
        lines = zip_longest(package.manifest.split(b"\n"), right.split(b"\n"))
        number = next(number for number, (here, due) in enumerate(lines, 1) if here != due)
        what = f"a line of the manifest is not as {package.schema} has it for the files that it lists"
        yield fault("PACK013", what, f"{layout.MANIFEST}, line {number:,}")


def key_files(package: Package) -> Iterator[Fault]:
    """The package's own keys, and which register counts."""
    own: dict[str, Registration] = {}
    for path in package.there("keys/*.pub"):
        try:
            public = _public(package.container.read(path, most=4096))
        except ValueError as error:
            yield unreadable("PACK022", "a public key", path, error)
            continue
        if PurePosixPath(path).stem != public.id:
            yield fault("PACK022", "the file is named after another key than the one in it", path)
        own[public.id] = _unnamed(public)
    package.register = Register(keys=own)
    if package.is_there(layout.REGISTER):
        try:
            stated = keys.parse_register(package.container.read(layout.REGISTER, most=MOST_TEXT), where=layout.REGISTER)
        except Unusable as error:
            yield from error.faults
        except ValueError as error:
            yield unreadable("PACK016", "a file", layout.REGISTER, error)
        else:
            if stated.keys.keys() != own.keys():
                what = "the register names other keys than the files keys/*.pub beside it hold"
                yield fault("PACK022", what, layout.REGISTER)
            package.register = stated
    if package.trust.register is not None:
        package.register = package.trust.register


def seal(package: Package) -> Iterator[Fault]:
    """Who signed the manifest, and whether it was this one."""
    stated = package.json(layout.PACKAGE)
    named = stated.get("signers") if isinstance(stated, dict) else None
    signers = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
    if layout.SEAL not in package.container.sizes:
        if signers:
            what = f"the seal is gone: package.json names {len(signers)} of the keys that signed the package"
            yield fault("PACK019", what, layout.SEAL)
        elif package.trust.register is not None or package.trust.threshold is not None:
            what = "the package is not signed, and signatures were asked for (--keys, --threshold)"
            mend = "ask its maker for a signed package, or verify it with the --root that they told you"
            yield fault("PACK019", what, layout.SEAL, mend=mend)
        elif package.trust.root is None:
            package.notes.append(_UNSIGNED)
        return
    try:
        data = package.container.read(layout.SEAL, most=MOST_TEXT)
        found = envelope.read(data, where=layout.SEAL)
    except ValueError as error:
        yield unreadable("PACK019", "the seal", layout.SEAL, error)
        return
    except Unusable as error:
        yield from error.faults
        return
    if data != envelope.to_json(found):  # nothing else vouches for bytes that no signature covers
        yield fault("PACK019", "the seal holds something that no signature covers, or is laid out anew", layout.SEAL)
    if package.trust.register is None:
        package.notes.append(_OWN_KEYS)
        if (package.trust.threshold or 1) > 1 and not package.is_there(layout.REGISTER):
            what = "persons cannot be counted: whose keys these are is withheld from this package"
            mend = "give --keys, a register that says whose they are"
            yield fault("PACK019", what, layout.SEAL, mend=mend)
    signed = envelope.verify(found, package.register, where=layout.SEAL, threshold=package.trust.threshold or 1)
    if signed.fault is not None:
        yield signed.fault
    package.signers = signed.persons
    missing = set(signers) - {one.keyid for one in found.signatures}
    if missing:
        what = f"{len(missing)} of the {len(signers)} signatures that the package was made with are gone"
        yield fault("PACK019", what, layout.SEAL)
    told = statement(found.payload)
    subject = told.get("subject") if told else None
    right = [{"name": layout.MANIFEST, "digest": {"sha256": hashlib.sha256(package.manifest).hexdigest()}}]
    if told is None or told.get("predicateType") != layout.SEAL_TYPE or subject != right:
        yield fault("PACK020", "the seal was signed for another manifest than the one that is here", layout.SEAL)
        return
    about = told.get("predicate")
    if not isinstance(about, dict) or about.get("root") != layout.root(package.listed.values()):
        yield fault("PACK020", "the seal was signed for another root than that of these files", layout.SEAL)


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
