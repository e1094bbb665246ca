"""`shipworthy trace`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipworthy.cli.recorded import on_record
from shipworthy.cli.shared import HOLD, SHIP, print_json

if TYPE_CHECKING:
    from shipworthy.api.handing import Handed
    from shipworthy.evidence.trace import Trace
    from shipworthy.record.runs import KeptRun


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
    from functools import partial

    from shipworthy.api import tracing
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of, systems
    from shipworthy.evidence.files import write_atomically
    from shipworthy.present.safe import shorten

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
            stand = partial(tracing.stand_of, opened, base=base_of(place), now=now)
            found = tracing.trace_system(opened, target or known[0], stand=stand, today=now.date())
        decided = tracing.decided_elsewhere(opened, found, version=found.facts.version if plan else None)
        handed = tracing.packages_of(opened, found.facts.system, found.facts.version)
    if svg is not None:
        write_atomically(svg, tracing.picture(found))
    if as_json:
        print_json({**found.as_json(), "packages": [one.as_json() for one in handed]})
    else:
        if not gaps and not quiet:
            click.echo("\n".join(_map(found, decided, handed, base_of(place))))
        for gap in found.gaps:
            click.echo(f"{gap.code}  {shorten(gap.where, 80)}: {shorten(gap.what, 300)}")
            if not quiet:
                click.echo(f"  mend   {gap.mend}")
        if not found.gaps and not quiet:
            click.echo("Nothing is missing." if gaps else "  nothing is missing")
    sys.exit(HOLD if found.gaps else SHIP)


def _map(found: Trace, decided: KeptRun | None, handed: Sequence[Handed], base: Path) -> Iterator[str]:
    """The map in lines. decided: the run that the system's decision rests on, where that is another one."""
    from shipworthy.cli.status import packed
    from shipworthy.evidence.trace import lines
    from shipworthy.present.safe import plain, shorten

    facts, asked = found.facts, found.facts.controls
    run = f", by run {plain(facts.runs[facts.run])}" if facts.run else ""
    run += "".join(f" and {plain(facts.runs[one])}" for one in facts.beside)
    yield f"{shorten(facts.system, 60)} {shorten(facts.version or '', 30)}  tier {facts.tier}{run}"
    if decided is not None:
        at = f"run {plain(decided.facts.run)} of version {shorten(decided.facts.version, 30)}"
        yield f"  the decision that `shipworthy status` looks at rests on another one: {at}"
    for line in lines(found):
        yield f"  {shorten(line, 400)}"
    for one in facts.signatures:
        said = shorten(one.said, 80) or "nobody has approved"
        yield f"  sign-off {plain(one.role)}: {'' if one.counts else '✗ '}{said}"
    if handed:
        yield packed(handed, base)
    waived = f", {len(asked.waived)} waived" if asked.waived else ""
    yield f"  controls of its tier and plan: evidence for {len(asked.covered)} of {asked.required}{waived}"
