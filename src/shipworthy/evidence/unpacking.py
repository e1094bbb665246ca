"""The runs inside of a package, verified first, as folders that can be measured again."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from shipworthy.errors import Fault, Stale, Unusable
from shipworthy.evidence import manifest as of_run
from shipworthy.evidence import package as layout
from shipworthy.evidence.container import opened
from shipworthy.evidence.verifying import Trust, is_package, verify_package


def runs_inside(path: Path, scratch: Path) -> tuple[Path, ...]:
    """The folders of the runs that a package holds, read in place or unzipped into `scratch`; any other path as it is.

    Raises Stale for a package that is not intact, Unusable (PACK024) for one that holds no whole run.
    """
    if not path.exists() or not is_package(path):
        return (path,)
    if faults := verify_package(path, Trust()).faults:
        raise Stale(str(faults[0]))
    with opened(path) as package:
        data = package.read(layout.MANIFEST, most=layout.MOST_MANIFEST)
        listed, _ = layout.read_manifest(data)
        own = [item for item in listed.values() if item.path.startswith("runs/")]
        runs = sorted({PurePosixPath(item.path).parts[1] for item in own})
        if not runs or any(f"runs/{name}/{of_run.NAME}" not in listed for name in runs):
            raise _no_run("holds no whole run")
        if withheld := sum(item.withheld for item in own):
            raise _no_run(f"withholds {withheld} files of its runs, which nobody can measure again without them")
        if path.is_dir():
            return tuple(path / "runs" / name for name in runs)
        for item in own:
            target = scratch / item.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with package.open(item.path) as file, target.open("wb") as copy:
                shutil.copyfileobj(file, copy)
    return tuple(scratch / "runs" / name for name in runs)


def _no_run(why: str) -> Unusable:
    mend = "ask for a package for readers of class personal, or reproduce from a run's folder"
    return Unusable(Fault(code="PACK024", what=f"the package {why}", mend=mend))
