"""`shipworthy lock`."""

from __future__ import annotations

from pathlib import Path

import click

from shipworthy.cli.shared import command_options, guarded, print_json


@click.command("lock")
@click.argument("plan", type=click.Path(path_type=Path), default="shipworthy.yaml")
@click.option("--force", is_flag=True, help="Replace a lock that no longer covers the plan.")
@command_options
@guarded
def command(*, plan: Path, force: bool, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Write PLAN's lock beside it: what is promised, before the first case is looked at.

    It holds the digests of the suites, rubrics, labels, system prompts and attacks that decide a generative result.

    A check then says whether its plan was locked first, and a changed plan no longer counts as locked.
    """
    from dataclasses import replace
    from datetime import UTC, datetime

    from shipworthy.api.checking import load
    from shipworthy.api.materials import materials
    from shipworthy.errors import Unusable
    from shipworthy.plan.lock import lock_path, read_lock, write_lock
    from shipworthy.present.safe import plain

    loaded = load(plan)
    rests_on = materials(loaded).digests
    older = read_lock(lock_path(plan))
    changed = older.covers(loaded, materials=rests_on) if older is not None else []
    if changed and not force:
        mend = "restore the plan, or --force to promise anew: what was looked at before counts as exploration"
        raise Unusable(replace(fault, mend=mend) for fault in changed)
    lock = write_lock(loaded, now=datetime.now(UTC), inputs=rests_on)
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
