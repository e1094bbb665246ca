"""`shipworthy mitigation`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.recorded import DAY, damaged_of, day, given, on_record, opened, tell, tell_damaged
from shipworthy.cli.shared import print_json

if TYPE_CHECKING:
    from shipworthy.record.documents import Mitigation


@click.group("mitigation")
def command() -> None:
    """Say what is done against risks, and show by a run that it works."""


@command.command("add")
@click.option("--title", required=True, help="What is done, in one line.")
@click.option("--what", required=True, help="What is done, in full.")
@click.option("--risk", "risks", multiple=True, metavar="ID", help="A risk that it is against; may be repeated.")
@click.option("--requirement", "requirements", multiple=True, metavar="ID", help="A requirement that shows it.")
@click.option("--system", help="The system; default that of its risks.")
@click.option("--owner", default="", help='Who answers for it: a team, or "Ada <ada@example.org>".')
@click.option("--due", type=DAY, help="The day by which it is in place.")
@on_record(acts=True)
def add(
    *, due: datetime | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Register a mitigation; its risks name it from then on."""
    from datetime import UTC

    from shipworthy.api import mitigations

    with opened(record) as found:
        one = mitigations.add(found, due=day(due), now=datetime.now(UTC), **said)
    tell(one, _line, as_json=as_json, quiet=quiet)


@command.command("update")
@click.argument("id_", metavar="ID")
@click.option("--title", help="What is done, in one line.")
@click.option("--what", help="What is done, in full.")
@click.option(
    "--status", type=click.Choice(["proposed", "in progress", "implemented", "abandoned"]), help="How far it is."
)
@click.option("--risk", "risks", multiple=True, metavar="ID", help="A risk that it is against; replaces the list.")
@click.option("--requirement", "requirements", multiple=True, metavar="ID", help="A requirement; replaces the list.")
@click.option("--owner", help='Who answers for it: a team, or "Ada <ada@example.org>".')
@click.option("--due", type=DAY, help="The day by which it is in place.")
@on_record(acts=True)
def update(
    *, id_: str, due: datetime | None, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Change what the mitigation ID says. To change what is done undoes its verification."""
    from datetime import UTC

    from shipworthy.api import mitigations

    with opened(record) as found:
        changes = given(due=day(due), **said)
        one = mitigations.update(found, id_, changes, actor=actor, now=datetime.now(UTC))
    tell(one, _line, as_json=as_json, quiet=quiet)


@command.command("verify")
@click.argument("id_", metavar="ID")
@click.argument("run")
@click.option("--before", metavar="RUN", help="The run to compare with; default the one before.")
@on_record(acts=True)
def verify(
    *, id_: str, run: str, before: str | None, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Show by RUN (its folder, id, digest, or "latest") that the mitigation ID works.

    It is verified only where RUN meets each of its requirements, and an earlier run, held against the same bound, did
    not. A waived requirement is not met.
    """
    from datetime import UTC

    from shipworthy.api import mitigations
    from shipworthy.present.safe import plain

    with opened(record) as found:
        done = mitigations.verify(found, id_, run, before=before, actor=actor, now=datetime.now(UTC))
    if as_json:
        compared = [
            {"requirement": c.requirement, "before": _verdict(c.before), "after": _verdict(c.after)}
            for c in done.compared
        ]
        print_json({**done.mitigation.model_dump(mode="json"), "compared": compared})
        return
    tell(done.mitigation, _line, as_json=False, quiet=quiet)
    for one in done.compared:
        before_word, after_word = one.before.verdict, one.after.verdict
        if not quiet:
            click.echo(
                f"  {plain(one.requirement)}: {before_word} in {one.before.name}, {after_word} in {one.after.name}"
            )


def _verdict(one: Any) -> dict[str, Any]:
    estimate = one.body.get("estimate") or {}
    return {
        "run": one.name,
        "verdict": one.verdict,
        **{key: estimate.get(key) for key in ("value", "low", "high", "n")},
    }


@command.command("list")
@click.option("--system", help="Only of this system.")
@on_record(acts=False)
def listed(
    *, system: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """List mitigations."""
    from shipworthy.api import mitigations

    with opened(record) as found:
        known = mitigations.mitigations(found, system=system, damaged=True)
        damaged = damaged_of(found, "mitigation", system=system)
    if as_json:
        print_json([*(one.model_dump(mode="json") for one in known), *damaged])
        return
    for one in known:
        click.echo(_line(one))
    tell_damaged(damaged)
    if not known and not damaged and not quiet:
        click.echo("There is no such mitigation.", err=True)


def _line(one: Mitigation) -> str:
    from shipworthy.present.safe import plain, shorten

    against = f" (against {plain(', '.join(one.risks))[:200]})" if one.risks else ""
    due = f", due {one.due}" if one.due and one.status in ("proposed", "in progress") else ""
    return f"{plain(one.id)}  {one.status}{due}  {shorten(one.system, 60)}: {shorten(one.title, 100)}{against}"
