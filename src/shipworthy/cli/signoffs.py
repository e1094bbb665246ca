"""`shipworthy signoffs`."""

from __future__ import annotations

from pathlib import Path

import click

from shipworthy.cli.recorded import REGISTER
from shipworthy.cli.shared import command_options, guarded, print_json


@click.command("signoffs")
@click.argument("system", required=False)
@click.option("--withdraw", metavar="ID", help="Take a sign-off of your own back; --as says who you are.")
@click.option("--as", "actor", metavar="PERSON", help='Who acts: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@click.option("--no-data", is_flag=True, help="Do not read the data again.")
@REGISTER
@click.option("--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db.")
@command_options
@guarded
def command(
    *,
    system: str | None,
    withdraw: str | None,
    actor: str | None,
    no_data: bool,
    register: Path | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """List who signed what, of SYSTEM or of all, and which of it still counts."""
    from datetime import UTC, datetime

    from shipworthy.api import signing
    from shipworthy.api.changes import Looking
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of
    from shipworthy.cli.status import lines
    from shipworthy.present.safe import plain

    place, now = place_of(Path(), record), datetime.now(UTC)
    looking = Looking(base=base_of(place), now=now, register=register, data=not no_data)
    with open_record(place, create=False) as opened:
        if withdraw is not None:
            gone = signing.withdraw(opened, withdraw, actor=actor, now=now)
            if as_json:
                print_json(gone.model_dump(mode="json"))
            elif not quiet:
                click.echo(f"Withdrawn: {plain(gone.id)}")
            return
        found = signing.signoffs(opened, system, looking=looking)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        click.echo("\n".join(lines(one, quiet=quiet, verbose=verbose)))
    if not found and not quiet:
        click.echo("Nobody has signed anything yet: shipworthy sign RUN --role ROLE --verdict VERDICT", err=True)
