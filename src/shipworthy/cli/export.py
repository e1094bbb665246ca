"""`shipworthy export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from shipworthy.cli.shared import command_options, guarded, print_json


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(["inspect", "csv", "jsonl"]), required=True, help="Format.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; left out: stdout.")
@click.option("--evaluation", help="Which evaluation; may be left out when there is one.")
@click.option("--variant", help="Answers of another version than the main one.")
@command_options
@guarded
def command(
    *,
    run: Path,
    to: Any,
    output: Path | None,
    evaluation: str | None,
    variant: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001
) -> None:
    """Write the rows of RUN for another tool: an Inspect log, CSV that spreadsheets can open safely, or JSON Lines."""
    from shipworthy.api.exporting import export, write

    exported = export(run, to=to, evaluation=evaluation, variant=variant)
    if output is None:
        sys.stdout.buffer.writelines(  # as it is: echo would take escape sequences out of the data
            piece.encode("utf-8", "replace") for piece in exported.pieces
        )
        return
    write(exported, output)
    if as_json:
        print_json({"evaluation": exported.evaluation, "rows": exported.rows, "file": output.name, "format": to})
    elif not quiet:
        click.echo(f"Wrote {exported.rows:,} rows of {exported.evaluation} to {output}")
