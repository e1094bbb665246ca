"""`shipworthy verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.shared import SHIP, SHOWN_FAULTS, STALE, command_options, guarded, print_json


@click.command("verify")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--sha256", help="Digest of manifest.json that was kept elsewhere.")
@command_options
@guarded
def command(run: Path, sha256: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Check every file of the folder RUN against its manifest. Exits with 4 when one was changed, added or removed."""
    from shipworthy.errors import Fault, Unusable
    from shipworthy.evidence.manifest import verify_manifest
    from shipworthy.present.safe import plain

    if not run.is_dir():
        raise Unusable(
            Fault(code="RUN002", what=f"{run.name!r} is not a run: there is no such folder", where=str(run),
                  mend="name a folder that `shipworthy check` wrote")
        )  # fmt: skip
    faults = verify_manifest(run, sha256=sha256)
    if as_json:
        print_json(
            {"intact": not faults, "faults": [{"what": f.what, "where": f.where, "code": f.code} for f in faults]}
        )
    if not quiet:
        for fault in faults[:SHOWN_FAULTS]:
            click.echo(f"{fault.code}  {plain(fault.what)}: {plain(fault.where)}", err=True)
        if len(faults) > SHOWN_FAULTS:
            click.echo(f"… and {len(faults) - SHOWN_FAULTS:,} more faults (--json lists them all)", err=True)
    if not as_json:
        count = f"{len(faults):,} fault{'' if len(faults) == 1 else 's'}"
        click.echo(f"Not intact: {count}." if faults else "Intact: every file is as it was written.")
    sys.exit(STALE if faults else SHIP)
