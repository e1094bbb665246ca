"""`shipworthy metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.shared import guarded, print_json

if TYPE_CHECKING:
    from shipworthy.metrics.kinds import Metric, Summary


@click.command("metrics")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@guarded
def command(name: str | None, as_json: bool) -> None:
    """List the metrics there are, or explain the one called NAME."""
    from shipworthy.metrics.catalogue import all_metrics, lookup
    from shipworthy.metrics.fairness import SUMMARIES

    found: list[Metric | Summary] = [lookup(name)] if name else [*all_metrics(), *SUMMARIES.values()]
    facts = [_facts(one) for one in found]
    if as_json:
        print_json(facts)
        return
    for fact in facts:
        click.echo(f"{fact['name']:<38} {fact['meaning']}")
        if name:
            click.echo(f"  needs {', '.join(fact['needs'])}; for {', '.join(fact['tasks'])}")


def _facts(one: Metric | Summary) -> dict[str, Any]:
    from shipworthy.metrics.kinds import Metric

    about: dict[str, Any] = {"name": one.name, "title": one.title}
    if isinstance(one, Metric):
        return {**about, "meaning": one.meaning, "tasks": sorted(one.tasks), "needs": sorted(one.needs)}
    meaning = f"The {one.compare} of {' and '.join(one.metrics)} between slices."
    return {**about, "meaning": meaning, "tasks": ["binary"], "needs": ["label", "prediction"]}
