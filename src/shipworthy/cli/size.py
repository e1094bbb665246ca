"""`shipworthy size`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from shipworthy.cli.shared import command_options, guarded, print_json


@click.command("size")
@click.argument("plan", type=click.Path(path_type=Path), default="shipworthy.yaml")
@command_options
@guarded
def command(plan: Path, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Say how many cases each requirement of PLAN needs, per slice, before any data exist."""
    from rich.console import Console
    from rich.table import Table

    from shipworthy.api.sizing import size
    from shipworthy.present.safe import plain, shorten

    sizes = size(plan)
    if as_json:
        print_json([asdict(one) for one in sizes])
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (("Requirement", "left"), ("Slice", "left"), ("Cases", "right"), ("Rows in all", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for one in sizes:
        if one.reason:
            table.add_row(plain(one.requirement), shorten(one.reason, 300), "–", "–")
        elif not one.slices:
            table.add_row(
                plain(one.requirement),
                f"everyone, {one.among}",
                f"{one.cases:,}",
                f"{one.total:,}" if one.total else "",
            )
        for index, part in enumerate(one.slices if not one.reason else ()):
            name = plain(one.requirement) if index == 0 else ""
            table.add_row(
                name,
                f"{shorten(part.level, 40)}, {one.among}",
                f"{part.cases:,}",
                f"{part.total:,}" if part.total else "",
            )
    console = Console()
    console.print(table)
    if not quiet:
        assumed = list(dict.fromkeys(text for one in sizes for text in one.assumes))
        for text in assumed:
            console.print(f"Assumed: {plain(text)}", style="dim", markup=False)
    if verbose:
        console.print("Power and error rates are those of each requirement (power, confidence).", style="dim")
