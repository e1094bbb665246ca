"""`shipworthy suites`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.shared import guarded, print_json

if TYPE_CHECKING:
    from shipworthy.cases.suite import Suite


@click.command("suites")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@guarded
def command(name: str | None, as_json: bool) -> None:
    """List the suites of cases that come with Shipworthy, or tell about NAME: one of them, a folder, or a file."""
    from shipworthy.cases.suite import built_in, open_suite
    from shipworthy.present.safe import plain

    facts = [_facts(each, open_suite(each, folder=Path())) for each in ([name] if name else built_in())]
    if as_json:
        print_json(facts)
        return
    for fact in facts:
        if name is None:
            click.echo(f"{fact['name']:<32} {fact['cases']:>5} cases  {', '.join(fact['languages'])}")
            continue
        for key, value in fact.items():
            said = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            click.echo(f"{key:<10} {plain(', '.join(said) if isinstance(said, list) else str(said))}")


def _facts(name: str, suite: Suite) -> dict[str, Any]:
    cases = list(suite)
    counts: dict[str, int] = {}
    for case in cases:
        counts[case.expect or "open"] = counts.get(case.expect or "open", 0) + 1
    return {
        "name": name,
        "version": suite.version,
        "title": suite.title,
        "purpose": suite.purpose,
        "licence": suite.licence,
        "taxonomy": suite.taxonomy,
        "languages": sorted({case.language for case in cases}),
        "cases": len(cases),
        "families": len({case.family for case in cases}),
        "expect": counts,
        "made": suite.made,
        "checked": suite.checked,
        "limits": suite.limits,
        "digest": suite.digest(),
    }
