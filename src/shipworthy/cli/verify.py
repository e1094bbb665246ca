"""`shipworthy verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.shared import SHIP, SHOWN_FAULTS, STALE, command_options, guarded, print_json


@click.command("verify")
@click.argument("evidence", type=click.Path(path_type=Path))
@click.option(
    "--keys",
    "--register",
    "keys",
    metavar="REGISTER",
    type=click.Path(path_type=Path),
    help="Register of keys that you got elsewhere, and trust.",
)
@click.option("--threshold", type=click.IntRange(min=1), help="How many persons must have signed the package.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A signed checkpoint of the log that was kept elsewhere: shows entries that were cut off.",
)
@click.option("--root", help="Root of the package, as you were told it elsewhere.")
@click.option("--sha256", help="Digest of a run's manifest.json that was kept elsewhere.")
@command_options
@guarded
def command(
    *,
    evidence: Path,
    keys: Path | None,
    threshold: int | None,
    checkpoint: tuple[Path, ...],
    root: str | None,
    sha256: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Check that EVIDENCE is what was written: a package (folder or zip), an exported log, or a run's folder.

    Needs no database and no network. Tells the first thing that is wrong, then the others, and how far the check
    reaches. Exits with 4 when anything is wrong.
    """
    from shipworthy.api.verifying import verify
    from shipworthy.present.safe import plain

    found = verify(evidence, keys=keys, threshold=threshold, checkpoint=checkpoint, root=root, sha256=sha256)
    faults = found.faults
    if as_json:
        told = [{"what": f.what, "where": f.where, "code": f.code, "mend": f.mend} for f in faults]
        print_json(
            {
                "intact": not faults, "of": found.kind, **found.facts, "notes": list(found.notes),
                "faults": told,
            }
        )  # fmt: skip
    if not quiet:
        for fault in faults[:SHOWN_FAULTS]:
            click.echo(f"{fault.code}  {plain(fault.what)}: {plain(fault.where)}", err=True)
        if len(faults) > SHOWN_FAULTS:
            click.echo(f"… and {len(faults) - SHOWN_FAULTS:,} more faults (--json lists them all)", err=True)
        for mend in dict.fromkeys(fault.mend for fault in faults[:SHOWN_FAULTS]):
            click.echo(f"  mend   {plain(mend)}", err=True)
        for note in found.notes:
            click.echo(plain(note), err=True)
    if not as_json:
        click.echo(plain(found.headline))
    sys.exit(STALE if faults else SHIP)
