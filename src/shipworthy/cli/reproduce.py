"""`shipworthy reproduce`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from shipworthy.cli.shared import SHIP, STALE, command_options, guarded, print_json


@click.command("reproduce")
@click.argument("run")
@click.option("--root", type=click.Path(path_type=Path), help="Folder that the plan's relative paths start from.")
@click.option("--record", metavar="FILE|URL", help="Keep what came out in this record, for `shipworthy kpi`.")
@click.option("--as", "actor", metavar="PERSON", help='Who reproduces it: "Ada <ada@example.org>".')
@command_options
@guarded
def command(
    *, run: str, root: Path | None, record: str | None, actor: str | None, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Run the check RUN (its folder, id, digest, or "latest") again and hold every estimate against the recorded one.

    RUN may be a package, a folder or a zip file, too: it is verified first, and each of its runs is executed.

    Uses the source data where they are found, and otherwise the rows that the run kept. Packages of other versions
    than computed the run are told; with --verbose all of them. Exits with 0 when every estimate came out as recorded,
    4 when one did not or the data have changed.
    """
    from shipworthy.api import handing
    from shipworthy.api.reproducing import about, reproduce
    from shipworthy.errors import Unusable
    from shipworthy.present.safe import plain

    folder = _folder(run, record)
    named = about(folder) if record is not None else ""
    try:
        found = reproduce(folder, root=root)
    except Unusable as error:  # an attempt that cannot be run is one that failed
        if record is not None:
            _keep(record, handing.failed(error), named, actor)
        raise
    if record is not None:
        _keep(record, found.as_json(), named, actor)
    if as_json:
        print_json(found.as_json())
    if not quiet:
        for evaluation, origin in found.rows_from.items():
            click.echo(f"{plain(evaluation)}: rows from {origin}", err=True)
        most = len(found.differences) if verbose else 20
        for difference in found.differences[:most]:
            click.echo(f"  {plain(difference.what)}: recorded {difference.recorded}, now {difference.found}", err=True)
        if len(found.differences) > most:
            click.echo(f"  … and {len(found.differences) - most} more (--verbose lists them)", err=True)
        for one in found.versions if verbose else found.other_versions:
            same = "the same here" if one.recorded == one.found else f"here {one.found}"
            click.echo(f"Computed with {plain(one.what)} {plain(one.recorded)}, {same}", err=True)
    if not as_json:
        click.echo(
            f"Reproduced: {found.compared} estimates came out as recorded."
            if found.reproduced
            else f"Not reproduced: {len(found.differences)} differences over {found.compared} estimates."
        )
    sys.exit(SHIP if found.reproduced else STALE)


def _folder(named: str, stated: str | None) -> Path:
    """What is named: a folder or a package, else a run that the record knows."""
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of, find_run

    place = place_of(Path(), stated)
    try:
        is_here = Path(named).exists()
    except (OSError, ValueError):  # too long for a name
        is_here = False
    if is_here or (isinstance(place, Path) and not place.exists()):
        return Path(named)
    with open_record(place, create=False) as opened:
        return base_of(place) / find_run(opened, named).facts.place


def _keep(record: str, told: dict[str, Any], about: str, actor: str | None) -> None:
    from datetime import UTC, datetime

    from shipworthy.api.handing import keep_reproduction
    from shipworthy.api.recording import place_of

    keep_reproduction(place_of(Path(), record), told, about=about, actor=actor, now=datetime.now(UTC))
