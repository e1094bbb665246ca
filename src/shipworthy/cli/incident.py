"""`shipworthy incident`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.recorded import damaged_of, given, on_record, opened, tell_damaged
from shipworthy.cli.shared import print_json

if TYPE_CHECKING:
    from shipworthy.record.documents import Incident

_MOMENT = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"])
_CLASS = click.Choice(["general", "death", "widespread", "critical-infrastructure"])


@click.group("incident")
def command() -> None:
    """Keep the record of what went wrong in use, and by when an authority has to hear of it.

    With --reportable an incident gets the clock of Article 73 of the EU AI Act, from detection: 15 days (general), 10
    (death), 2 (widespread, critical-infrastructure). Whether it is reportable, people decide. Times are UTC.
    """


@command.command("open")
@click.option("--system", required=True, help="The system that it happened to.")
@click.option("--title", required=True, help="What happened, in one line.")
@click.option("--severity", required=True, type=click.Choice(["critical", "high", "medium", "low"]))
@click.option("--what", default="", help="What happened, in full.")
@click.option("--version", help="The version in use.")
@click.option("--detected", type=_MOMENT, help="When somebody became aware of it; default now.")
@click.option("--started", type=_MOMENT, help="When it began, as far as is known.")
@click.option("--source", default="", help="How it was found: user report, audit, monitor ...")
@click.option("--affected", multiple=True, metavar="GROUP", help="Who is affected; may be repeated.")
@click.option("--harm", "harms", multiple=True, metavar="CLASS", help="What kind of harm; may be repeated.")
@click.option("--risk", "risks", multiple=True, metavar="ID", help="The risk that came about; may be repeated.")
@click.option("--reportable", type=_CLASS, help="Its class of Article 73.")
@click.option("--owner", default="", help='Who answers for it: a team, or "Ada <ada@example.org>".')
@on_record(acts=True)
def open_(
    *, detected: datetime | None, started: datetime | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Register an incident."""
    from datetime import UTC

    from shipworthy.api import incidents

    now = datetime.now(UTC)
    with opened(record) as found:
        one = incidents.open_incident(found, detected=_utc(detected), started=_utc(started), now=now, **said)
    _told(one, now, as_json=as_json, quiet=quiet)


@command.command("update")
@click.argument("id_", metavar="ID")
@click.option("--title", help="What happened, in one line.")
@click.option("--what", help="What happened, in full.")
@click.option("--severity", type=click.Choice(["critical", "high", "medium", "low"]))
@click.option("--cause", help="The root cause.")
@click.option("--factor", "factors", multiple=True, help="What contributed; replaces the list.")
@click.option("--signature", help="Failure, component and cause, by which a repeat is known.")
@click.option("--test", "regression_tests", multiple=True, metavar="ID", help="Requirement that now watches for it.")
@click.option("--risk", "risks", multiple=True, metavar="ID", help="The risk that came about; replaces the list.")
@click.option("--owner", help='Who answers for it: a team, or "Ada <ada@example.org>".')
@click.option("--acknowledged", type=_MOMENT, help="When somebody took it on.")
@click.option("--mitigated", type=_MOMENT, help="When it did no more harm.")
@click.option("--resolved", type=_MOMENT, help="When its cause was mended.")
@click.option("--reported", type=_MOMENT, help="When the authority was told.")
@click.option("--reportable", type=_CLASS, help="Its class of Article 73.")
@click.option("--note", help="A line for its timeline, at this moment.")
@on_record(acts=True)
def update(
    *, id_: str, reportable: Any, note: str | None, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Change what the incident ID says, and note the steps that were reached."""
    from datetime import UTC

    from shipworthy.api import incidents

    now, changes = datetime.now(UTC), given(**said)
    steps = {name: moment for name in incidents.STEPS if (moment := _utc(changes.pop(name, None))) is not None}
    with opened(record) as found:
        one = incidents.update(
            found, id_, changes, steps=steps, reportable=reportable, event=note, actor=actor, now=now
        )
    _told(one, now, as_json=as_json, quiet=quiet)


@command.command("close")
@click.argument("id_", metavar="ID")
@click.option("--at", type=_MOMENT, help="When; default now.")
@on_record(acts=True)
def close(
    *, id_: str, at: datetime | None, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Close the incident ID: it was resolved, its cause is written down, and it was reported where it has to be."""
    from datetime import UTC

    from shipworthy.api import incidents

    now = datetime.now(UTC)
    with opened(record) as found:
        one = incidents.close(found, id_, at=_utc(at), actor=actor, now=now)
    _told(one, now, as_json=as_json, quiet=quiet)


@command.command("list")
@click.option("--system", help="Only of this system.")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@on_record(acts=False)
def listed(
    *, system: str | None, only_open: bool, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """List incidents, the newest first, with their clocks."""
    from datetime import UTC

    from shipworthy.api import incidents

    now = datetime.now(UTC)
    with opened(record) as found:
        known = incidents.incidents(found, system=system, only_open=only_open, damaged=True)
        damaged = damaged_of(found, "incident", system=system)
    if as_json:
        print_json([*(_body(one) for one in known), *damaged])
        return
    for one in known:
        click.echo(_line(one, now))
    tell_damaged(damaged)
    if not known and not damaged and not quiet:
        click.echo("There is no such incident.", err=True)


def _utc(moment: datetime | None) -> datetime | None:
    from datetime import UTC

    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _body(one: Incident) -> dict[str, Any]:
    from shipworthy.api.incidents import class_of, report_due

    due = report_due(one)
    clock = {"class": class_of(one), "report_due": due.isoformat() if due else None}
    return {**one.model_dump(mode="json"), "status": one.status, **clock}


def _told(one: Incident, now: datetime, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(_body(one))
    elif not quiet:
        click.echo(_line(one, now))


def _line(one: Incident, now: datetime) -> str:
    from shipworthy.api.incidents import clock
    from shipworthy.present.safe import plain, shorten

    report = clock(one, now)
    return (
        f"{plain(one.id)}  {one.severity}  {one.status}, detected {one.detected:%Y-%m-%d}"
        f"{f', {report}' if report else ''}  {shorten(one.system, 60)}: {shorten(one.title, 100)}"
    )
