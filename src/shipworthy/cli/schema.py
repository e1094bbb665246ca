"""`shipworthy schema`."""

from __future__ import annotations

import click

from shipworthy.cli.shared import guarded, print_json


@click.command("schema")
@guarded
def command() -> None:
    """Print the JSON Schema of the plan file, for editors and validators."""
    from shipworthy.plan.schema import plan_schema

    print_json(plan_schema())
