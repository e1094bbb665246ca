"""`shipworthy check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.shared import EXIT_OF_DECISION, command_options, guarded, print_json, talker


@click.command("check")
@click.argument("plan", type=click.Path(path_type=Path), default="shipworthy.yaml")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; default .shipworthy/runs/<run>.")
@click.option("--fresh", is_flag=True, help="Ask everything again, also what a check that was broken off had answered.")
@click.option("--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db.")
@click.option("--no-record", is_flag=True, help="Leave the record alone: no waiver counts, and the run is not kept.")
@click.option("--as", "actor", metavar="PERSON", help='Who checks: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything drawn; default the plan's.")
@command_options
@guarded
def command(
    *,
    plan: Path,
    out: Path | None,
    fresh: bool,
    record: str | None,
    no_record: bool,
    actor: str | None,
    seed: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Evaluate what PLAN names, judge what it requires, decide, and write the evidence.

    Exits with 0 to ship, 1 to hold, 3 when the data cannot tell, 2 when the plan or the data cannot be used.
    """
    from rich.console import Console

    from shipworthy.api.checking import check, run_folder
    from shipworthy.api.recording import place_of
    from shipworthy.cli.printing import print_run
    from shipworthy.present.safe import plain

    say = talker(quiet=quiet)

    def tell(words: str) -> None:
        if not quiet:
            click.echo(plain(words), err=True)

    kept = None if no_record else place_of(plan.parent, record)
    try:
        run = check(plan, out=out, seed=seed, fresh=fresh, record=kept, actor=actor, progress=say, tell=tell)
    except KeyboardInterrupt:
        say("")
        click.echo("Stopped. No run was written; what was answered is kept, and the same command goes on.", err=True)
        sys.exit(130)
    finally:
        say("")
    folder = run_folder(run, plan, out)
    if as_json:
        print_json(run.as_json())
    if quiet and not as_json:
        click.echo(run.headline)
    elif not quiet:
        print_run(run, console=Console(stderr=as_json), folder=str(folder), verbose=verbose)
    sys.exit(EXIT_OF_DECISION[run.decision.value])
