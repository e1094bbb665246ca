"""`shipworthy waiver`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.recorded import DAY, damaged_of, on_record, opened, tell_damaged
from shipworthy.cli.shared import F, print_json
from shipworthy.cli.sign import place_near

if TYPE_CHECKING:
    from shipworthy.api.waivers import Answer
    from shipworthy.record.documents import Waiver


@click.group("waiver")
def command() -> None:
    """Ask for leave to ship although a requirement is not met, give it, or take it back.

    Who asks does not approve; at tier critical two persons approve. A waiver ends by itself, and what it covers stays
    visible as waived. The next check counts it.
    """


@command.command("request")
@click.argument("run")
@click.argument("requirement")
@click.option("--reason", required=True, help="Why it may ship nevertheless.")
@click.option("--control", required=True, help="What protects people meanwhile.")
@click.option("--ends", required=True, type=DAY, help="The last day on which it holds; at most 366 days away.")
@click.option("--starts", type=DAY, help="The first day; default today.")
@click.option("--slice", "slices", multiple=True, metavar="COL=VALUE", help="Only this slice; may be repeated.")
@click.option("--risk", metavar="ID", help="The registered risk that it leaves open.")
@click.option("--any-version", is_flag=True, help="It also holds for other versions than the run's.")
@on_record(acts=True)
def request(
    *,
    run: str,
    requirement: str,
    reason: str,
    control: str,
    ends: datetime,
    starts: datetime | None,
    slices: tuple[str, ...],
    risk: str | None,
    any_version: bool,
    actor: str | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Ask for a waiver of REQUIREMENT, which RUN (its folder, id, digest, or "latest") did not meet."""
    from datetime import UTC

    from shipworthy.api import waivers
    from shipworthy.api.recording import open_record

    pairs = [text.partition("=") for text in slices]
    if any(not (sign and column) for column, sign, _ in pairs):
        raise click.BadParameter("write column=level", param_hint="--slice")
    wanted = waivers.Wanted(
        requirement=requirement, reason=reason, control=control, ends=ends.date(),
        starts=starts.date() if starts else None, slice={column: level for column, _, level in pairs} or None,
        risk=risk, any_version=any_version,
    )  # fmt: skip
    now = datetime.now(UTC)
    with open_record(place_near(run, record), create=False) as found:
        _told(waivers.request(found, run, wanted, actor=actor, now=now), as_json=as_json, quiet=quiet)


def _answering(said: Answer, about: str) -> Callable[[F], click.Command]:
    """The command that gives one answer."""

    @command.command(said, help=about)
    @click.argument("id_", metavar="ID")
    @on_record(acts=True)
    def answer(*, id_: str, actor: str | None, record: str | None, as_json: bool, quiet: bool, **_: Any) -> None:
        from datetime import UTC

        from shipworthy.api import waivers

        with opened(record) as found:
            after = waivers.answer(found, id_, said, actor=actor, now=datetime.now(UTC))
        _told(after, as_json=as_json, quiet=quiet)

    return answer


approve = _answering("approve", "Approve the waiver ID; somebody else than who asked for it.")
refuse = _answering("refuse", "Refuse the waiver ID.")
withdraw = _answering("withdraw", "Take the waiver ID back; what it covered counts as not met again.")


@command.command("list")
@click.option("--system", help="Only of this system.")
@click.option("--ending", type=click.IntRange(min=0), metavar="DAYS", help="Only those that end within so many days.")
@on_record(acts=False)
def listed(
    *,
    system: str | None,
    ending: int | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """List waivers, by the day on which they end."""
    from datetime import UTC

    from shipworthy.api import waivers

    today = datetime.now(UTC).date()
    with opened(record) as kept:
        found = waivers.waivers(kept, system=system, ending=ending, today=today, damaged=True)
        damaged = damaged_of(kept, "waiver", system=system)
    if as_json:
        shown = ({**one.model_dump(mode="json"), "state": waivers.state(one, today)} for one in found)
        print_json([*shown, *damaged])
        return
    for one in found:
        click.echo(_line(one, today))
    tell_damaged(damaged)
    if not found and not damaged and not quiet:
        click.echo("There is no such waiver.", err=True)


def _told(waiver: Waiver, *, as_json: bool, quiet: bool) -> None:
    from datetime import UTC

    if as_json:
        print_json(waiver.model_dump(mode="json"))
    elif not quiet:
        click.echo(_line(waiver, datetime.now(UTC).date()))


def _line(one: Waiver, today: Any) -> str:
    from shipworthy.api.waivers import state
    from shipworthy.present.safe import plain, shorten

    where = [f"version {shorten(one.scope.version, 40)}"] if one.scope.version else []
    where += [f"{shorten(column, 40)} = {shorten(level, 40)}" for column, level in (one.scope.slice or {}).items()]
    scope = f" ({', '.join(where)})" if where else ""
    about = f"{shorten(one.system, 60)}: {plain(one.requirement)}{scope}"
    return f"{plain(one.id)}  {about}  {state(one, today)}, until {one.ends}  {shorten(one.reason, 100)}"
