"""`shipworthy init`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.shared import UNUSABLE, command_options, guarded, print_json


@click.command("init")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    default=Path("shipworthy.yaml"),
    show_default=True,
    help="Where to write the plan.",
)
@click.option("--force", is_flag=True, help="Overwrite a plan that is there.")
@command_options
@guarded
def command(*, data: Path, plan: Path, force: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Look at the file DATA and write a commented plan for it: roles, slices, metrics and requirements to start from.

    Read it before relying on it: what a column means is guessed from its name and its values, and every guess says so.
    """
    from shipworthy.api.drafting import draft

    if plan.exists() and not force:
        click.echo(f"CALL004  {plan} is there already", err=True)
        click.echo("  mend   give --plan another name, or --force to overwrite it", err=True)
        sys.exit(UNUSABLE)
    text, columns = draft(data, plan)
    if as_json:
        print_json({"plan": str(plan), "text": text, "columns": columns})
    elif not quiet:
        click.echo(f"Wrote {plan} for {columns} columns. Read it, correct it, then: shipworthy check {plan}")
        if "\nrequirements: []" in text:
            click.echo("It promises nothing yet, and cannot end in a decision: what a person has to say stands there.")
    if verbose:
        click.echo(text, err=True)
