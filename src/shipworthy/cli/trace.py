"""`shipworthy trace`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.recorded import on_record
from shipworthy.cli.shared import HOLD, SHIP, print_json


@click.command("trace")
@click.argument("target", metavar="[PLAN|SYSTEM]", required=False)
@click.option("--gaps", is_flag=True, help="Print only what is missing.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Also write the map as a picture.")
@on_record(acts=False)
def command(
    *, target: str | None, gaps: bool, svg: Path | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Follow each requirement to its test, verdict, risk, mitigation, verification and signature.

    PLAN or SYSTEM names what; default shipworthy.yaml, else the one system of the record. Exits with 1 where something
    is missing.
    """
    from datetime import UTC, datetime

    from shipworthy.api import tracing
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of, systems
    from shipworthy.cli.status import packed
    from shipworthy.evidence import trace as graph
    from shipworthy.evidence.files import write_atomically
    from shipworthy.present.safe import plain, shorten

    if target is None and Path("shipworthy.yaml").is_file():
        target = "shipworthy.yaml"
    plan = Path(target) if target is not None and target.endswith((".yaml", ".yml")) else None
    place, now = place_of(plan.parent if plan else Path(), record), datetime.now(UTC)
    with open_record(place, create=False) as opened:
        if plan is not None:
            found = tracing.trace_plan(opened, plan, base=base_of(place), now=now)
        else:
            known = systems(opened)
            if target is None and len(known) != 1:
                raise click.UsageError(f"The record has {len(known)} systems: name one, or a plan.")
            found = tracing.trace_system(opened, target or known[0], base=base_of(place), now=now)
        handed = tracing.packages_of(opened, found.facts.system, found.facts.version)
    if svg is not None:
        write_atomically(svg, tracing.picture(found))
    if as_json:
        print_json({**found.as_json(), "packages": [one.as_json() for one in handed]})
    else:
        facts = found.facts
        if not gaps and not quiet:
            click.echo(f"{shorten(facts.system, 60)} {shorten(facts.version or '', 30)}  tier {facts.tier}")
            for line in graph.lines(found):
                click.echo(f"  {shorten(line, 400)}")
            for one in facts.signatures:
                said = shorten(one.said, 80) or "nobody has approved"
                click.echo(f"  sign-off {plain(one.role)}: {'' if one.counts else '✗ '}{said}")
            if handed:
                click.echo(packed(handed))
            asked = facts.controls
            waived = f", {len(asked.waived)} waived" if asked.waived else ""
            click.echo(f"  controls: evidence for {len(asked.covered)} of {asked.required}{waived}")
        for gap in found.gaps:
            click.echo(f"{gap.code}  {shorten(gap.where, 80)}: {shorten(gap.what, 300)}")
            if not quiet:
                click.echo(f"  mend   {gap.mend}")
        if not found.gaps and not quiet:
            click.echo("Nothing is missing." if gaps else "  nothing is missing")
    sys.exit(HOLD if found.gaps else SHIP)
