"""Verification of a run's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shipworthy.errors import Fault
from shipworthy.evidence import manifest as of_run
from shipworthy.evidence.verifying.outcome import Checked, fault, unreadable
from shipworthy.evidence.verifying.reading import RESULTS_SCHEMA
from shipworthy.gates.verdicts import decided
from shipworthy.integrity.reading import following


def verify_run(folder: Path, *, sha256: str | None = None) -> Checked:
    """A run's folder against its manifest; `manifest.verify_manifest` says what is found."""
    faults = of_run.verify_manifest(folder, sha256=sha256)
    if not faults:
        try:
            results = following(json.loads((folder / "results.json").read_bytes()), RESULTS_SCHEMA)
        except (ValueError, RecursionError) as error:
            faults = [unreadable("PACK022", "this file", "results.json", error)]
        else:
            faults = list(decision(results, "results.json"))
    return Checked(kind="run", faults=tuple(faults), notes=(), facts={})


def decision(results: Any, where: str) -> Iterator[Fault]:
    """A fault where a run states another decision than its verdicts and waivers give."""
    found = results if isinstance(results, dict) else {}
    if found.get("decision") != (given := decided(found)):
        what = f"it states the decision {str(found.get('decision'))[:40]!r}, and its verdicts give {given.value!r}"
        yield fault("PACK022", what, where)
