"""Verification of a package.

What is found wrong comes in the order in which it was looked at: how the files lie, the manifest and its root, who
signed it, each file, and then whether what the files say of each other is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shipworthy.errors import Fault
from shipworthy.evidence import package as layout
from shipworthy.evidence.container import opened
from shipworthy.evidence.verifying.agreement import agreement, renderings
from shipworthy.evidence.verifying.files import files, runs
from shipworthy.evidence.verifying.log import log_inside
from shipworthy.evidence.verifying.outcome import Checked, Trust, fault, told, unreadable
from shipworthy.evidence.verifying.reading import Package, schemas
from shipworthy.evidence.verifying.records import kept
from shipworthy.evidence.verifying.sealing import key_files, manifest, seal
from shipworthy.evidence.verifying.statements import statements


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


def verify_package(path: Path, trust: Trust) -> Checked:
    """A package, a folder or a zip file.

    Faults: PACK010 to PACK012 how it lies, PACK013 the manifest, PACK014 the root, PACK015 to PACK018 its files,
    PACK019 and PACK020 the seal and other statements, PACK021 the bundle of statements, PACK022 files that contradict
    each other, PACK023 proofs about the log, PACK025 a checkpoint that cannot be compared; and those of `envelope`,
    `checkpoints`, `chain` and `keys`.
    """
    with opened(path) as container:
        found = Package(container=container, trust=trust)
        faults = told(_faults(found))
        return Checked(kind="package", faults=faults, notes=tuple(dict.fromkeys(found.notes)), facts=found.told())


def _faults(package: Package) -> Iterator[Fault]:
    """Everything that is wrong, the most basic first."""
    yield from package.container.faults
    if layout.MANIFEST not in package.container.sizes:
        yield fault("PACK013", "there is no manifest, so nothing says which files belong here", layout.MANIFEST)
        return
    try:
        package.manifest = package.container.read(layout.MANIFEST, most=layout.MOST_MANIFEST)
        package.listed, said = layout.read_manifest(package.manifest)
    except ValueError as error:
        yield unreadable("PACK013", "the manifest", layout.MANIFEST, error)
        return
    package.schema = said["schema"]
    yield from manifest(package, said)
    for step in (key_files, seal, files, schemas, runs, kept, statements, renderings, agreement, log_inside):
        yield from step(package)
