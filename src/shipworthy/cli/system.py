"""`shipworthy system`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipworthy.cli.recorded import damaged_of, tell_damaged
from shipworthy.cli.shared import command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.api.systems import Known
    from shipworthy.gates.fitness import Required
    from shipworthy.plan.models import Tier

_RECORD = click.option(
    "--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db."
)


@click.group("system")
def command() -> None:
    """Say what a system is and does; from that its risk tier, the policy packs that fit, and who must sign."""


@command.command("intake")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="intake.yaml", show_default=True,
              help="Where the questionnaire is written.")  # fmt: skip
@click.option("--tier", type=click.Choice(["minimal", "limited", "high", "critical"]), help="Another tier than given.")
@click.option("--reason", default="", metavar="TEXT", help="Why the tier is another; a lower one needs it.")
@click.option("--as", "actor", metavar="PERSON", help='Who answers: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@_RECORD
@command_options
@guarded
def intake(
    *,
    file: Path | None,
    out: Path,
    tier: Tier | None,
    reason: str,
    actor: str | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Keep the answers in FILE, and say what they come to. Without FILE, write the questionnaire."""
    from datetime import UTC, datetime

    from shipworthy.api import systems
    from shipworthy.api.recording import open_record, place_of

    if file is None:
        systems.write_questionnaire(out)
        if as_json:
            print_json({"questionnaire": str(out)})
        elif not quiet:
            click.echo(f"Answer the questions in {out}, then: shipworthy system intake {out}")
        return
    answers = systems.read_intake(file)
    place = place_of(Path(), record)
    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)
    with open_record(place) as opened:
        known = systems.intake(opened, answers, tier=tier, reason=reason, actor=actor, now=datetime.now(UTC))
    if as_json:
        print_json(known.as_json())
    elif not quiet:
        click.echo("\n".join(_shown(known)))


@command.command("answer")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--as", "actor", metavar="PERSON", help='Who answers: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@_RECORD
@command_options
@guarded
def answer(
    *,
    name: str,
    file: Path,
    actor: str | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Keep what only people can say of the system NAME, for every package of it to come.

    FILE is YAML, `field.id: answer` a line, such as `docs/questions.yaml` of a package. Answers that are there stay as
    they are where FILE says nothing of them; an empty one, `field.id: ""`, takes back what was said.
    """
    from datetime import UTC, datetime

    from shipworthy.api.answering import keep_answers
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.evidence.documents.answers import load_answers

    given = load_answers(file)
    with open_record(place_of(Path(), record), create=False) as opened:
        found = keep_answers(opened, name, given, actor=actor, now=datetime.now(UTC))
    if as_json:
        print_json(found.as_json())
    elif not quiet:
        taken = f", {len(found.withdrawn)} taken back" if found.withdrawn else ""
        total = len(found.answers)
        click.echo(f"{len(found.changed)} new or changed{taken}; {total} {'answer' if total == 1 else 'answers'} kept.")


@command.command("show")
@click.argument("name")
@_RECORD
@command_options
@guarded
def show(*, name: str, record: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Tell about the system NAME: its tier and why, its packs, who must sign."""
    from shipworthy.api import systems
    from shipworthy.api.recording import open_record, place_of

    with open_record(place_of(Path(), record), create=False) as opened:
        known = systems.system_of(opened, name)
    if as_json:
        print_json(known.as_json())
    else:
        click.echo("\n".join(_shown(known)))


@command.command("list")
@_RECORD
@command_options
@guarded
def listed(*, record: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """List the systems that the record knows."""
    from shipworthy.api import systems
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.present.safe import shorten

    with open_record(place_of(Path(), record), create=False) as opened:
        found = systems.systems(opened, damaged=True)
        damaged = damaged_of(opened, "system")
    if as_json:
        print_json([*(one.as_json() for one in found), *damaged])
        return
    for one in found:
        state = "" if one.answers else "  no intake yet"
        state = "  overridden" if one.is_overridden else state
        click.echo(f"{shorten(one.system.id, 60)}  {one.system.tier}{state}  {shorten(one.system.purpose, 100)}")
    tell_damaged(damaged)
    if not found and not damaged and not quiet:
        click.echo("The record knows no system yet: shipworthy system intake", err=True)


def _shown(known: Known) -> Iterator[str]:
    from shipworthy.present.safe import shorten

    one = known.system
    set_by_hand = "  OVERRIDDEN" if known.is_overridden else ""
    yield f"{shorten(one.id, 80)}: tier {one.tier}{set_by_hand}"
    yield f"  {shorten(one.purpose, 300)}" if one.purpose else "  no purpose stated"
    yield f"  why       {shorten(one.tier_reason, 600)}"
    if known.tiering is None:
        yield "  answers   none yet: shipworthy system intake"
    else:
        yield f"  extends   {', '.join(known.tiering.packs)}"
    yield f"  sign      {_signers(known.required)}"
    if known.versions:
        yield f"  versions  {', '.join(shorten(version, 40) for version in known.versions[:10])}"


def _signers(required: Required) -> str:
    if not required.roles:
        return "nobody has to"
    apart = f", by {required.persons} different persons at least" if required.persons > 1 else ""
    return f"{', '.join(required.roles)}{apart}"
