"""`shipworthy status`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipworthy.cli.recorded import REGISTER
from shipworthy.cli.shared import EXIT_OF_DECISION, STALE, command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.api.handing import Handed
    from shipworthy.api.standing import Signature, Standing

EXIT_OF_FIT = {**EXIT_OF_DECISION, "stale": STALE}
_WORST = ("ship", "undecided", "hold", "stale")


@click.command("status")
@click.argument("target", metavar="[PLAN|SYSTEM]", required=False)
@click.option("--no-data", is_flag=True, help="Do not read the data again.")
@REGISTER
@click.option("--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db.")
@command_options
@guarded
def command(
    *,
    target: str | None,
    no_data: bool,
    register: Path | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say whether a system is fit to ship now, who signed it, and what has changed since.

    PLAN or SYSTEM names it; default shipworthy.yaml, else every system of the record. Nothing that a plan names is
    executed, and nothing is asked of a model.

    Exits with 0 where it is fit, 1 to hold, 3 where something is missing, 4 where something has changed since it was
    signed, 2 where that cannot be told.
    """
    from datetime import UTC, datetime

    from shipworthy.api.changes import Looking
    from shipworthy.api.checking import load
    from shipworthy.api.handing import packages
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of, current, systems
    from shipworthy.api.standing import standing

    if target is None and Path("shipworthy.yaml").is_file():
        target = "shipworthy.yaml"
    plan = Path(target) if target is not None and _is_plan(target) else None
    place = place_of(plan.parent if plan else Path(), record)
    looking = Looking(base=base_of(place), now=datetime.now(UTC), plan=plan, register=register, data=not no_data)
    with open_record(place, create=False) as opened:
        if plan is not None:
            system = load(plan).plan.system
            found = [standing(opened, current(opened, system.name, system.version), looking)]
        else:
            names = systems(opened) if target is None else [target]
            known = [name for name in names if target is not None or opened.runs(system=name, limit=1)]
            found = [standing(opened, current(opened, name), looking) for name in known]
        handed = [packages(opened, one.run.facts.digest, one.decision.id if one.decision else None) for one in found]
    if as_json:
        told = [
            {**one.as_json(), "packages": [each.as_json() for each in out]}
            for one, out in zip(found, handed, strict=True)
        ]
        print_json(told[0] if target is not None else told)
    else:
        for index, one in enumerate(found):
            click.echo("\n".join([*([""] if index else []), *lines(one, quiet=quiet, verbose=verbose)]))
            if handed[index] and not quiet:
                click.echo(packed(handed[index], base_of(place)))
        if not found and not quiet:
            click.echo("The record has no run yet: shipworthy check makes one.", err=True)
    sys.exit(EXIT_OF_FIT[max((one.fitness.fit for one in found), key=_WORST.index, default="undecided")])


def packed(handed: Sequence[Handed], base: Path) -> str:
    """The newest package that was handed out, and how many there were before.

    base: the folder that places start from; where it lies is told as seen from here.
    """
    from shipworthy.present.safe import plain, shorten

    one, before = handed[0], len(handed) - 1
    older = f"; {before:,} before it" if before else ""
    where = plain(os.path.relpath(base / one.place))
    return f"  package: {one.root[:19]}, {shorten(one.by, 60)}, {one.at:%Y-%m-%d}, {where}{older}"


def _is_plan(target: str) -> bool:
    return target.endswith((".yaml", ".yml"))


def lines(one: Standing, *, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
    """How a standing looks: the answer, why, and who signed. Everything from outside is made harmless."""
    from shipworthy.present.safe import plain, shorten
    from shipworthy.present.verdicts import decision_mark

    facts, fit = one.run.facts, one.fitness
    until = f", until {fit.until}" if fit.until else ""
    word = "FIT TO SHIP" if fit.fit == "ship" else fit.fit.upper()
    yield f"{decision_mark(fit.fit).shape} {word}{until}  {shorten(facts.system, 60)} {shorten(facts.version, 30)}"
    if quiet:
        return
    for reason in fit.reasons:
        yield f"  {shorten(reason, 400)}"
    said = f"run {plain(facts.run)} of {facts.created:%Y-%m-%d}: the rules said {plain(facts.decision)}"
    yield f"  tier {one.tier}, {said}"
    if one.decision is not None and one.decision.id != facts.run:
        number = len(one.decision.runs)
        yield f"  decision {plain(one.decision.id)}, on {number:,} run{'s' * (number != 1)}"
    for other in one.runs[1:]:
        said = f"run {plain(other.facts.run)} of {other.facts.created:%Y-%m-%d}"
        yield f"  and on {said}: the rules said {plain(other.facts.decision)}"
    if one.decision is not None and one.decision.outcome != one.decision.automated:
        yield f"  a person decided {one.decision.outcome}: {shorten(one.decision.reason, 300)}"
    for each in one.signatures:
        yield from _signature(each)
    for note in one.notes if verbose or not one.signatures else one.notes[:3]:
        yield f"  note: {plain(note)}"


def _signature(one: Signature) -> Iterator[str]:
    from shipworthy.present.safe import plain, shorten

    said = one.document
    key = ", with a key" if said.envelope else ""
    who = f"{shorten(one.signer, 60)}, {one.at:%Y-%m-%d}{key}, {plain(said.id)}"
    yield f"  {plain(said.role)}: {said.verdict}, {who}  [{one.state}]"
    for condition in said.conditions:
        due = f" (due {said.due})" if said.due else ""
        yield f"    on the condition{due}: {shorten(condition, 200)}"
    for change in one.own:  # what concerns everybody stands above
        yield f"    {shorten(change.what, 300)}"
