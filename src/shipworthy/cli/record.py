"""`shipworthy record`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from shipworthy.cli.recorded import on_record, opened
from shipworthy.cli.shared import SHIP, SHOWN_FAULTS, STALE, print_json


@click.group("record")
def command() -> None:
    """Look after the record: its runs, its log, its people.

    The record lies in .shipworthy/record.db, or where SHIPWORTHY_RECORD or --record says: a file, or the URL of a
    PostgreSQL database.
    """


@command.command("add")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@on_record(acts=True)
def add(
    *,
    runs: tuple[Path, ...],
    record: str | None,
    actor: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001
) -> None:
    """Record RUNS that were checked elsewhere, or with --no-record. One that is known is left as it is."""
    from shipworthy.api.keeping import add_runs
    from shipworthy.api.recording import place_of

    kept = add_runs(place_of(Path(), record), runs, actor=actor, now=datetime.now(UTC))
    if as_json:
        print_json([{"run": one.facts.run, "digest": one.facts.digest, "new": one.is_new} for one in kept])
    elif not quiet:
        for one in kept:
            click.echo(f"{'recorded' if one.is_new else 'known already'}  {one.facts.run}  {one.facts.digest[:19]}")


@command.command("log")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@on_record(acts=False)
def log(*, output: Path, record: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Export the audit log to OUTPUT as JSON Lines; `shipworthy verify OUTPUT` checks it with no database."""
    from shipworthy.api.keeping import export_log

    with opened(record) as found:
        lines = export_log(found, output)
    if as_json:
        print_json({"file": str(output), "entries": lines})
    elif not quiet:
        click.echo(f"{lines:,} entries in {output}. Check them with: shipworthy verify {output}")


@command.command("checkpoint")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", required=True, metavar="NAME", help="The key that signs; see `shipworthy keys`.")
@click.option("--origin", metavar="NAME", help="The log's name in its checkpoints; default that of the newest one.")
@on_record(acts=False)
def checkpoint(
    *,
    output: Path,
    key: str,
    origin: str | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001
) -> None:
    """Sign the log as it is now, and write the checkpoint to OUTPUT.

    A chain shows changes inside the log; that its end was cut off only a checkpoint shows which was kept elsewhere.
    """
    from shipworthy.api import keys
    from shipworthy.api.keeping import sign_log
    from shipworthy.cli.keys import ask_passphrase
    from shipworthy.evidence.files import write_atomically

    with opened(record) as found:
        signing = keys.open_key(key, passphrase=ask_passphrase())
        note = sign_log(found, signing, origin=origin, now=datetime.now(UTC))
    write_atomically(output, note)
    if as_json:
        print_json({"file": str(output), "checkpoint": note.decode()})
    elif not quiet:
        click.echo(f"Signed. Keep {output} where nobody who can write the record can change it.")


@command.command("verify")
@click.option(
    "--keys",
    "--register",
    "register",
    metavar="REGISTER",
    type=click.Path(path_type=Path),
    help="Register of keys whose checkpoints count.",
)
@on_record(acts=False)
def verify(*, register: Path | None, record: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Check that the record is what its log says was written. Exits with 4 when it is not."""
    from shipworthy.api.keeping import verify_record
    from shipworthy.present.safe import plain

    with opened(record) as found:
        checked = verify_record(found, register)
    facts: dict[str, Any] = {"intact": not checked.faults, "entries": checked.log.entries, "objects": checked.objects}
    if as_json:
        print_json({**facts, "faults": [{"code": f.code, "what": f.what, "where": f.where} for f in checked.faults]})
    elif not quiet:
        for fault in checked.faults[:SHOWN_FAULTS]:
            click.echo(f"{fault.code}  {plain(fault.what)}: {plain(fault.where)}", err=True)
        if not checked.faults:
            click.echo(f"Intact: {checked.log.entries:,} entries, {checked.objects:,} objects as the log has them.")
        if checked.log.caveat:
            click.echo(checked.log.caveat, err=True)
    sys.exit(STALE if checked.faults else SHIP)


@command.command("copy")
@click.argument("target", metavar="FILE|URL")
@on_record(acts=False)
def copy(*, target: str, record: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Copy the whole record into a new one, as from a file to PostgreSQL. The log stays line for line the same."""
    from shipworthy.api.keeping import move
    from shipworthy.api.recording import place_of

    rows = move(place_of(Path(), record), target if "://" in target else Path(target))
    if as_json:
        print_json({"rows": rows})
    elif not quiet:
        click.echo(f"{rows:,} rows copied. Check them with: shipworthy record verify --record NEW")


@command.command("erase")
@click.argument("email")
@on_record(acts=True)
def erase(
    *,
    email: str,
    record: str | None,
    actor: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001
) -> None:
    """Forget the person with the address EMAIL. The log stays whole, and nobody can tell any more whom it names."""
    from shipworthy.api.keeping import erase as forget

    with opened(record) as found:
        people = forget(found, email, actor=actor, now=datetime.now(UTC))
    if as_json:
        print_json({"erased": people})
    elif not quiet:
        click.echo(f"Erased: {people}. What documents say about them in words is not touched.")
