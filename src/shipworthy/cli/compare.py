"""`shipworthy compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.shared import EXIT_OF_DECISION, command_options, guarded, print_json, talker


@click.command("compare")
@click.argument("old")
@click.argument("new")
@click.option("--plan", type=click.Path(path_type=Path), help="OLD and NEW are versions or columns of this plan.")
@click.option("--margin", type=float, default=0.02, show_default=True, help="How much worse still counts as not worse.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report and the results into this folder.")
@command_options
@guarded
def command(
    *, old: str, new: str, plan: Path | None, margin: float, out: Path | None, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Compare NEW with OLD on the same cases: two run folders, or with --plan two versions of it.

    A version is a variant's name, "main" (or its subject) for the one that the plan is about, or a prediction column.

    Every metric with a good direction has to be not worse by more than the margin. Exits with 0 when all are shown
    to be,
    1 when one is shown to be worse, 3 when the data cannot tell.
    """
    from rich.console import Console

    from shipworthy.api.comparing import compare
    from shipworthy.cli.printing import print_run

    say = talker(quiet=quiet)
    try:
        run = compare(old, new, plan=plan, margin=margin, out=out, progress=say)
    finally:
        say("")
    if as_json:
        print_json(run.as_json())
    if quiet and not as_json:
        click.echo(run.headline)
    elif not quiet:
        print_run(run, console=Console(stderr=as_json), folder=str(out) if out else None, verbose=verbose)
    sys.exit(EXIT_OF_DECISION[run.decision.value])
