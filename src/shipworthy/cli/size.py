"""`shipworthy size`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from shipworthy.cli.shared import command_options, guarded, print_json


@click.command("size")
@click.argument("plan", type=click.Path(path_type=Path), default="shipworthy.yaml")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, min_open=True),
    help="Assumed of a judge with human_labels: the share of hits that it calls one.  [default: 0.85]",
)
@click.option(
    "--specificity",
    type=click.FloatRange(0, 1, min_open=True),
    help="Assumed likewise: the share of the others that it calls none.  [default: 0.95]",
)
@command_options
@guarded
def command(
    plan: Path, *, sensitivity: float | None, specificity: float | None, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Say how many cases each requirement of PLAN needs, per slice, before any data exist.

    Where a judge is corrected with labels of people (human_labels), also how many of them, on each of its verdicts.
    """
    from rich.console import Console
    from rich.table import Table

    from shipworthy.api.foreseeing import foresee, told_of
    from shipworthy.api.sizing import open_plan, size
    from shipworthy.present.safe import plain, shorten

    given = {"sensitivity": sensitivity, "specificity": specificity}
    sizes = size(plan, **{name: value for name, value in given.items() if value is not None})
    if not quiet:
        for said in told_of(foresee(open_plan(plan, labels=False))):
            click.echo(plain(said), err=True)
    if as_json:
        print_json([asdict(one) for one in sizes])
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    with_labels = any(one.labels for one in sizes)
    columns = ["Requirement", "Slice", "Cases", "Rows in all", *["Labels a verdict"][: int(with_labels)]]
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < 2 else "right")

    def add(name: str, part: str, *numbers: int | None) -> None:
        table.add_row(name, part, *(f"{number:,}" if number else "" for number in numbers[: len(columns) - 2]))

    for one in sizes:
        name = plain(one.requirement)
        if one.reason:
            table.add_row(name, shorten(one.reason, 300), *["–"] * (len(columns) - 2))
        elif not one.slices:
            add(name, f"everyone, {one.among}", one.cases, one.total, one.labels)
        for index, part in enumerate(one.slices if not one.reason else ()):
            shown = f"{shorten(part.level, 40)}, {one.among}"
            add(name if index == 0 else "", shown, part.cases, part.total, part.labels)
    console = Console()
    console.print(table)
    if not quiet:
        assumed = list(dict.fromkeys(text for one in sizes for text in one.assumes))
        for text in assumed:
            console.print(f"Assumed: {plain(text)}", style="dim", markup=False)
    if verbose:
        console.print("Power and error rates are those of each requirement (power, confidence).", style="dim")
