"""`shipworthy lock`."""

from __future__ import annotations

from pathlib import Path

import click

from shipworthy.cli.shared import command_options, guarded, print_json


@click.command("lock")
@click.argument("plan", type=click.Path(path_type=Path), default="shipworthy.yaml")
@click.option("--force", is_flag=True, help="Replace a lock that no longer covers the plan.")
@click.option("--as", "actor", metavar="PERSON", help='You: "Ada <ada@example.org>"; the record keeps who promised.')
@click.option("--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db.")
@command_options
@guarded
def command(
    *, plan: Path, force: bool, actor: str | None, record: str | None, as_json: bool, quiet: bool,
    verbose: bool,  # noqa: ARG001
) -> None:  # fmt: skip
    """Write PLAN's lock beside it: what is promised, before the first case is looked at.

    It holds the digests of the suites, rubrics, labels, system prompts, attacks and files of models that decide a
    result. With --as the record, too, keeps the plan, and who locked it.

    A check then says whether its plan was locked first, and a changed plan no longer counts as locked.
    """
    from dataclasses import replace
    from datetime import UTC, datetime

    from shipworthy.api.checking import load
    from shipworthy.api.foreseeing import foresee, refuse_broken_conditions, told_of
    from shipworthy.api.materials import materials
    from shipworthy.errors import Unusable
    from shipworthy.plan.lock import lock_path, read_lock, write_lock
    from shipworthy.present.safe import plain

    if record is not None and actor is None:
        raise click.UsageError("--record needs --as: the record keeps who locked the plan.")
    loaded = load(plan)
    refuse_broken_conditions(loaded)
    if not quiet:
        for said in told_of(foresee(loaded)):
            click.echo(plain(said), err=True)
    rests_on = materials(loaded).digests
    older = read_lock(lock_path(plan))
    changed = older.covers(loaded, materials=rests_on) if older is not None else []
    if changed and not force:
        mend = "restore the plan, or --force to promise anew: what was looked at before counts as exploration"
        raise Unusable(replace(fault, mend=mend) for fault in changed)
    lock = write_lock(loaded, now=datetime.now(UTC), inputs=rests_on)
    if actor is not None:
        from shipworthy.api.recording import keep_lock, place_of

        keep_lock(place_of(plan.parent, record), loaded, locked=lock.locked_at, actor=actor, now=lock.locked_at)
    if as_json:
        print_json(
            {
                "plan_digest": lock.plan_digest,
                "locked_at": lock.locked_at.isoformat(),
                "file": lock_path(plan).name,
                "inputs": lock.inputs,
            }
        )
    elif not quiet:
        click.echo(f"Locked {len(lock.requirements)} requirements in {lock_path(plan)}")
        for name in lock.inputs:
            click.echo(f"  with {plain(name)}")
        click.echo(lock.plan_digest)
