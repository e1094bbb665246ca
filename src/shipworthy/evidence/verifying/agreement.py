"""What the files of a package say of each other: documents in their renderings; runs, plan and decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from shipworthy.digest import digest
from shipworthy.errors import Fault
from shipworthy.evidence import manifest as of_run
from shipworthy.evidence import package as layout
from shipworthy.evidence.verifying.outcome import fault
from shipworthy.evidence.verifying.reading import DECISIONS, Package
from shipworthy.evidence.verifying.run import decision


def renderings(package: Package) -> Iterator[Fault]:
    """Every rendering of a document shows the digest of what machines read."""
    for path in package.there("docs/*.json"):
        found = package.json(path)
        if not isinstance(found, dict):
            yield fault("PACK022", "a document is not a JSON object", path)
            continue
        try:
            shown = digest(found).encode()
        except ValueError as error:
            yield fault("PACK022", f"a document has no digest: {error}", path)
            continue
        for suffix in (".html", ".md"):
            page = path.removesuffix(".json") + suffix
            if package.is_there(page) and shown not in package.data(page):
                yield fault("PACK022", f"the page does not show the digest of {path}: one of the two is another", page)


def agreement(package: Package) -> Iterator[Fault]:
    """Runs, decision and plan are the same wherever they are stated."""
    found: dict[str, dict[str, Any]] = {}
    systems: dict[str, Any] = {}
    for name in sorted({PurePosixPath(path).parts[1] for path in package.listed if path.startswith("runs/")}):
        results = package.json(f"runs/{name}/results.json")
        listing = package.listed.get(f"runs/{name}/{of_run.NAME}")
        if not isinstance(results, dict) or listing is None:
            continue
        yield from decision(results, f"runs/{name}/results.json")
        found[name] = {"run": results.get("run"), "run_digest": f"sha256:{listing.sha256}"}
        found[name] |= {key: results.get(key) for key in ("decision", "plan_digest")}
        systems[name] = results.get("system")
    if not found:
        return
    stated = package.json(layout.PACKAGE)
    said = stated if isinstance(stated, dict) else {}
    if isinstance(stood := said.get("stands"), dict) and stood.get("fit") != said.get("decision"):
        package.notes.append(f"When it was packed, the decision stood so: {str(said.get('headline'))[:400]}")
    first = next((name for name, one in found.items() if one["run_digest"] == said.get("run_digest")), min(found))
    for path in (layout.PACKAGE, DECISIONS):
        told = package.json(path)
        for key, value in found[first].items() if isinstance(told, dict) else ():
            if told.get(key) != value:
                yield fault("PACK022", f"it states another {key.replace('_', ' ')} than the run in runs/{first}", path)
    if not _same_system(said.get("system"), systems[first]):
        yield fault("PACK022", f"it states another system than the run in runs/{first}", layout.PACKAGE)
    listed = said.get("runs", [{key: said.get(key) for key in found[first]}])  # older packages hold one run
    if stated is not None and not _same_runs(listed, found.values()):
        yield fault("PACK022", "it states other runs than those that are in runs/", layout.PACKAGE)
    for kept in ("plan.yaml", "plan.json", "plan.lock.json"):
        one, other = package.listed.get(f"plan/{kept}"), package.listed.get(f"runs/{first}/{kept}")
        if (one and one.sha256) != (other and other.sha256):
            yield fault("PACK022", f"it is not the plan that the run in runs/{first} followed", f"plan/{kept}")


def _same_system(said: Any, measured: Any) -> bool:
    """Whether a package is about the system, in name and version, that was measured."""
    both = [one if isinstance(one, dict) else {} for one in (said, measured)]
    return all(both[0].get(key) == both[1].get(key) for key in ("name", "version"))


def _same_runs(listed: Any, found: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a list of runs names those that were found, each once, and nothing else."""
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        return False

    def key(one: Mapping[str, Any]) -> str:
        return repr([one.get(name) for name in ("run", "run_digest", "decision", "plan_digest")])

    return sorted(map(key, listed)) == sorted(map(key, found))
