"""`shipworthy scorers`."""

from __future__ import annotations

from typing import Any

import click

from shipworthy.cli.shared import guarded, print_json


@click.command("scorers")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@guarded
def command(name: str | None, as_json: bool) -> None:
    """List the scorers there are, or explain the one called NAME."""
    from shipworthy.scorers.catalogue import kinds, unknown_kind

    if name and name not in kinds():
        raise unknown_kind(name)
    facts = [_facts(kind) for kind in ([name] if name else kinds())]
    if as_json:
        print_json(facts)
        return
    for fact in facts:
        click.echo(f"{fact['name']:<16} {fact['meaning']}")
        if name and fact["measures"]:
            own, *others = fact["measures"]
            click.echo(f"  measures  {own}" + (f"; or, by measures:, {', '.join(others)}" if others else ""))
            click.echo(f"  example   scorers: [{fact['example']}]")


def _facts(kind: str) -> dict[str, Any]:
    from shipworthy.scorers.catalogue import OURS

    if (about := OURS.get(kind)) is None:
        return {"name": kind, "meaning": "Of another package, which says more.", "measures": [], "example": kind}
    return {"name": kind, "meaning": about.meaning, "measures": list(about.measures), "example": about.example}
