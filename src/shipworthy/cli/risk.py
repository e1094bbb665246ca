"""`shipworthy risk`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.recorded import DAY, STEP, damaged_of, day, given, on_record, opened, tell, tell_damaged
from shipworthy.cli.shared import F, print_json

if TYPE_CHECKING:
    from shipworthy.record.documents import Risk


@click.group("risk")
def command() -> None:
    """Keep the risk register: what may go wrong, for whom, how badly, and what is done about it.

    A risk's score is likelihood × severity, 1 to 5 each: inherent, before anything is done, and residual, what is left.
    """


def _details(function: F) -> F:
    for option in reversed(
        (
            click.option("--affected", multiple=True, metavar="GROUP", help="Who is affected; may be repeated."),
            click.option("--taxonomy", multiple=True, metavar="ID", help="Catalogue id, as in owasp-llm@2025:LLM01."),
            click.option(
                "--requirement", "requirements", multiple=True, metavar="ID", help="Requirement that tests it."
            ),
            click.option("--owner", help='Who answers for it: a team, or "Ada <ada@example.org>".'),
            click.option("--due", type=DAY, help="The day by which it is treated, and what is left is accepted."),
            click.option("--review", type=DAY, help="The day on which it is looked at again."),
        )
    ):
        function = option(function)
    return function


@command.command("add")
@click.option("--system", required=True, help="The system that it is about.")
@click.option("--title", required=True, help="The risk in one line.")
@click.option("--cause", required=True, help="What may bring it about.")
@click.option("--harm", required=True, help="What it does, and to whom.")
@click.option("--likelihood", required=True, type=STEP, help="1 (rare) to 5 (almost certain), before anything is done.")
@click.option("--severity", required=True, type=STEP, help="1 (negligible) to 5 (severe).")
@click.option("--why", default="", help="Why it is rated so.")
@_details
@on_record(acts=True)
def add(
    *, due: datetime | None, review: datetime | None, owner: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Register a risk, rated by judgement. `risk measure` rates it by a run."""
    from datetime import UTC

    from shipworthy.api import risks

    with opened(record) as found:
        risk = risks.add(found, due=day(due), review=day(review), owner=owner or "", now=datetime.now(UTC), **said)
    tell(risk, _line, as_json=as_json, quiet=quiet)


@command.command("update")
@click.argument("id_", metavar="ID")
@click.option("--title", help="The risk in one line.")
@click.option("--cause", help="What may bring it about.")
@click.option("--harm", help="What it does, and to whom.")
@click.option("--likelihood", type=STEP, help="Inherent likelihood; the rating is judged from then on.")
@click.option("--severity", type=STEP, help="Inherent severity; the rating is judged from then on.")
@click.option("--why", help="Why it is rated so.")
@_details
@on_record(acts=True)
def update(
    *, id_: str, likelihood: int | None, severity: int | None, why: str | None, due: datetime | None,
    review: datetime | None, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Change what the risk ID says. A list that is given replaces the one that was there."""
    from datetime import UTC

    from shipworthy.api import risks

    changes = given(due=day(due), review=day(review), **said)
    with opened(record) as found:
        risk = risks.update(
            found, id_, changes, likelihood=likelihood, severity=severity, why=why, actor=actor, now=datetime.now(UTC)
        )
    tell(risk, _line, as_json=as_json, quiet=quiet)


@command.command("treat")
@click.argument("id_", metavar="ID")
@click.argument("treatment", type=click.Choice(["mitigate", "accept", "transfer", "avoid"]))
@click.option("--likelihood", type=STEP, help="Of what is left.")
@click.option("--severity", type=STEP, help="Of what is left.")
@click.option("--why", help="Why what is left is rated so.")
@click.option("--due", type=DAY, help="The day by which it is treated, and what is left is accepted.")
@on_record(acts=True)
def treat(
    *, id_: str, due: datetime | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Say how the risk ID is treated. With a rating of what is left it counts as treated."""
    from datetime import UTC

    from shipworthy.api import risks

    with opened(record) as found:
        risk = risks.treat(found, id_, due=day(due), now=datetime.now(UTC), **said)
    tell(risk, _line, as_json=as_json, quiet=quiet)


@command.command("accept")
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="Why what is left is acceptable.")
@click.option("--likelihood", type=STEP, help="Of what is left; default as it is.")
@click.option("--severity", type=STEP, help="Of what is left; default as it is.")
@click.option("--review", type=DAY, help="The day on which it is looked at again.")
@on_record(acts=True)
def accept(
    *, id_: str, review: datetime | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool, **said: Any,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Accept what is left of the risk ID, under your name; somebody else than its owner does."""
    from datetime import UTC

    from shipworthy.api import risks

    with opened(record) as found:
        risk = risks.accept(found, id_, review=day(review), now=datetime.now(UTC), **said)
    tell(risk, _line, as_json=as_json, quiet=quiet)


@command.command("close")
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="Why it can no longer come about.")
@on_record(acts=True)
def close(
    *, id_: str, why: str, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Close the risk ID, which was treated or accepted before."""
    from datetime import UTC

    from shipworthy.api import risks

    with opened(record) as found:
        risk = risks.close(found, id_, why=why, actor=actor, now=datetime.now(UTC))
    tell(risk, _line, as_json=as_json, quiet=quiet)


@command.command("measure")
@click.argument("id_", metavar="ID")
@click.argument("run")
@click.argument("requirement")
@click.option("--residual", is_flag=True, help="Rate what is left; default the inherent risk.")
@click.option("--severity", type=STEP, help="A run does not measure it; default as it is.")
@on_record(acts=True)
def measure(
    *, id_: str, run: str, requirement: str, residual: bool, severity: int | None, actor: str | None,
    record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Rate the likelihood of the risk ID by REQUIREMENT of RUN (its folder, id, digest, or "latest").

    What counts is the upper limit of the rate of failure: up to 0.1 % of cases is 1, 1 % is 2, 5 % is 3, 20 % is 4, and
    beyond that it is 5.
    """
    from datetime import UTC

    from shipworthy.api import risks
    from shipworthy.present.safe import plain

    with opened(record) as found:
        done = risks.measure(
            found, id_, run, requirement, side="residual" if residual else "inherent", severity=severity, actor=actor,
            now=datetime.now(UTC),
        )  # fmt: skip
    tell(done.risk, _line, as_json=as_json, quiet=quiet)
    if not as_json and not quiet:
        click.echo(f"  {plain(done.said)}")


@command.command("show")
@click.argument("id_", metavar="ID")
@on_record(acts=False)
def show(
    *, id_: str, record: str | None, as_json: bool, quiet: bool,  # noqa: ARG001
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Show the risk ID whole, with who changed it and when."""
    from shipworthy.api import risks
    from shipworthy.api.acting import everyone, shown

    with opened(record) as found:
        _, risk = risks.risk_of(found, id_)
        history, people = found.history("risk", id_), everyone(found)
    if as_json:
        versions = [{"version": one.version, "at": one.at.isoformat(), "actor": one.actor} for one in history]
        print_json({**risk.model_dump(mode="json"), "versions": versions})
        return
    from shipworthy.evidence.register import rating_words
    from shipworthy.present.safe import plain, shorten

    click.echo(_line(risk))
    facts = [
        ("cause", risk.cause), ("harm", risk.harm), ("affected", ", ".join(risk.affected)),
        ("inherent", rating_words(risk.inherent)), ("", risk.inherent.why),
        ("residual", rating_words(risk.residual) if risk.residual else "not rated"),
        ("", risk.residual.why if risk.residual else ""), ("treatment", risk.treatment or "none yet"),
        ("accepted by", shown(people, risk.accepted_by) if risk.accepted_by else ""),
        ("owner", shown(people, risk.owner)), ("due", str(risk.due or "")), ("review", str(risk.review or "")),
        ("requirements", ", ".join(risk.requirements)), ("mitigations", ", ".join(risk.mitigations)),
        ("taxonomy", ", ".join(risk.taxonomy)),
    ]  # fmt: skip
    for name, text in facts:
        if text:
            click.echo(f"  {name:<13}{shorten(text, 2_000)}")
    for one in history:
        click.echo(f"  version {one.version:<5}{one.at:%Y-%m-%d %H:%M}  {plain(shown(people, one.actor))}")


@command.command("list")
@click.option("--system", help="Only of this system.")
@click.option("--overdue", is_flag=True, help="Only those past their due or review day.")
@click.option("--above", type=click.IntRange(0, 25), metavar="SCORE", help="Only those of which more is left.")
@on_record(acts=False)
def listed(
    *, system: str | None, overdue: bool, above: int | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """List risks, those of which most is left first."""
    from datetime import UTC

    from shipworthy.api import risks

    today = datetime.now(UTC).date()
    with opened(record) as found:
        known = risks.risks(found, system=system, overdue=overdue, above=above, today=today, damaged=True)
        damaged = damaged_of(found, "risk", system=system)
    if as_json:
        print_json([*({**one.model_dump(mode="json"), "score": risks.current(one).score} for one in known), *damaged])
        return
    for one in known:
        click.echo(_line(one) + ("  OVERDUE" if risks.is_overdue(one, today) else ""))
    tell_damaged(damaged)
    if not known and not damaged and not quiet:
        click.echo("There is no such risk.", err=True)


@command.command("import")
@click.argument("path", metavar="FILE.csv", type=click.Path(path_type=Path, dir_okay=False))
@on_record(acts=True)
def imported(
    *, path: Path, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Add the risks of a CSV file, and change those that it names by id; all or none."""
    from dataclasses import asdict
    from datetime import UTC

    from shipworthy.api import registering
    from shipworthy.present.safe import plain

    with opened(record) as found:
        done = registering.import_csv(found, path, actor=actor, now=datetime.now(UTC))
    if as_json:
        print_json(asdict(done))
    elif not quiet:
        more = f", and {len(done.new) - 20:,} more" if len(done.new) > 20 else ""
        named = f" ({', '.join(map(plain, done.new[:20]))}{more})" if done.new else ""
        click.echo(f"{len(done.new):,} new{named}, {len(done.changed):,} changed, {done.unchanged:,} as they were.")


@command.command("export")
@click.option("--to", type=click.Choice(["csv", "github", "jira"]), default="csv", show_default=True)
@click.option("--system", help="Only of this system.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file, or the folder for issues; default stdout, and issues/."
)
@click.option("--project", metavar="KEY", help="Of the Jira project that the issues are for.")
@on_record(acts=False)
def export(
    *, to: str, system: str | None, out: Path | None, project: str | None, record: str | None, as_json: bool,
    quiet: bool, verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:  # fmt: skip
    """Write the register as CSV, or each open risk as an issue in a file of its own.

    An issue carries a hidden key that stays, so that whoever sends it finds the one that is there. Nothing is sent:
    create it with `gh issue create --body-file`, or Jira's REST API.
    """
    from datetime import UTC

    from shipworthy.api import registering, risks
    from shipworthy.evidence.files import write_atomically
    from shipworthy.present.safe import plain

    with opened(record) as found:
        known = risks.risks(found, system=system, today=datetime.now(UTC).date())
    if to == "csv":
        text = registering.export_csv(known)
        if out is None:
            shown = "\n".join(map(plain, text.splitlines())) + "\n" if sys.stdout.isatty() else text
            click.echo(shown, nl=False)
        else:
            write_atomically(out, text)
    else:
        done = registering.export_issues(known, out or Path("issues"), to=to, project=project)
        if as_json:
            print_json({"folder": str(done.folder), "written": list(done.written), "left": list(done.left)})
        elif not quiet:
            click.echo(f"{len(done.written):,} issues in {done.folder}")
            if done.left:
                click.echo(f"No longer open, and left there: {', '.join(done.left[:20])}", err=True)


def _line(one: Risk) -> str:
    from shipworthy.api.risks import current
    from shipworthy.present.safe import plain, shorten

    rating = current(one)
    left = "left" if one.residual else "inherent"
    more = f"; more than the {one.inherent.score} before" if rating.score > one.inherent.score else ""
    how = f", to {one.treatment}" if one.treatment and one.status == "open" else ""
    due = f", due {one.due}" if one.due else ""
    return (
        f"{plain(one.id)}  {rating.score:>2} {left} ({rating.likelihood} × {rating.severity}, {rating.basis}{more})  "
        f"{one.status}{how}{due}  {shorten(one.system, 60)}: {shorten(one.title, 100)}"
    )
