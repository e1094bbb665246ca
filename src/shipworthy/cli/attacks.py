"""`shipworthy attacks`."""

from __future__ import annotations

import click

from shipworthy.cli.shared import guarded, print_json


@click.command("attacks")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@guarded
def command(name: str | None, as_json: bool) -> None:
    """List the attacks there are, or explain the one called NAME; `a+b` is one after the other."""
    from shipworthy.cases.attacks.catalogue import attack, built_in

    facts = [
        {
            "name": one.name,
            "title": one.title,
            "kind": one.kind,
            "what": one.what,
            "technique": one.technique,
            "source": one.source,
            "misleads": one.misleads,
        }
        for one in ([attack(name)] if name else built_in())
    ]
    if as_json:
        print_json(facts)
        return
    for fact in facts:
        click.echo(f"{fact['name']:<24} {fact['what']}")
        if name:
            for key in ("kind", "technique", "source", "misleads"):
                click.echo(f"  {key:<10} {fact[key]}")
