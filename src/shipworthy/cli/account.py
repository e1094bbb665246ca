"""`shipworthy account`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipworthy.cli.shared import command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.record.accounts import Account, Accounts, Status, Token
    from shipworthy.record.store import Record

_RECORD = click.option(
    "--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db."
)
_AS = click.option("--as", "actor", metavar="PERSON", help='You: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
_SYSTEM = click.option("--system", default="*", show_default=True, help="The system; * for all of them.")
_ROLE = click.Choice(["viewer", "evaluator", "approver", "auditor", "admin"])
_SCOPE = click.Choice(["read", "run", "write", "approve", "pack", "audit", "administer"])


@click.group("account")
def command() -> None:
    """Say who may sign in to the pages of a team, and what they may do.

    Whoever can write to the record's database can call this: it makes the first admin, and helps where nobody can sign
    in any more. Every change stands in the audit log.
    """


@command.command("add")
@click.argument("email")
@click.option("--name", required=True, help="How the person is called.")
@click.option("--role", "roles", multiple=True, type=_ROLE, help="What they may do; may be repeated.")
@click.option("--no-password", is_flag=True, help="They sign in by OpenID Connect alone.")
@_SYSTEM
@_AS
@_RECORD
@command_options
@guarded
def add(
    *,
    email: str,
    name: str,
    roles: tuple[str, ...],
    no_password: bool,
    system: str,
    actor: str | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Make an account for EMAIL. The password is asked for, or taken from SHIPWORTHY_PASSWORD."""
    from shipworthy.api import accounts as verbs

    with _opened(record, begins=True) as (opened, accounts):
        password = None if no_password else _password()
        one = verbs.create(
            accounts, actor=_actor(opened, actor), email=email, name=name, password=password, roles=roles,
            system=system, now=_now(),
        )  # fmt: skip
    _told(one, as_json=as_json, quiet=quiet)


@command.command("list")
@_RECORD
@command_options
@guarded
def listed(*, record: str | None, as_json: bool, quiet: bool, **_more: Any) -> None:
    """List who may sign in, with their roles."""
    with _opened(record) as (_, accounts):
        found = accounts.all()
    if as_json:
        print_json([_shown(one) for one in found])
        return
    for one in found:
        click.echo(_line(one))
    if not found and not quiet:
        click.echo('There is no account: shipworthy account add EMAIL --name "..." --role admin', err=True)


@command.command("role")
@click.argument("email")
@click.argument("role_", metavar="ROLE", type=_ROLE)
@click.option("--take-away", is_flag=True, help="Take the role away again.")
@_SYSTEM
@_AS
@_RECORD
@command_options
@guarded
def role(
    *,
    email: str,
    role_: str,
    take_away: bool,
    system: str,
    actor: str | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Give EMAIL a ROLE on a system, or on all of them; their sessions end."""
    from shipworthy.api import accounts as verbs

    with _opened(record) as (opened, accounts):
        one = verbs.account_named(accounts, email)
        verbs.change_role(
            accounts, one, role_, system=system, give=not take_away, actor=_actor(opened, actor), now=_now()
        )
        _told(accounts.get(one.id) or one, as_json=as_json, quiet=quiet)


def _status(name: str, status: Status, about: str) -> click.Command:
    @command.command(name, help=about)
    @click.argument("email")
    @_AS
    @_RECORD
    @command_options
    @guarded
    def change(*, email: str, actor: str | None, record: str | None, as_json: bool, quiet: bool, **_: Any) -> None:
        from shipworthy.api import accounts as verbs

        with _opened(record) as (opened, accounts):
            one = verbs.account_named(accounts, email)
            verbs.change_status(accounts, one, status, actor=_actor(opened, actor), now=_now())
            _told(accounts.get(one.id) or one, as_json=as_json, quiet=quiet)

    return change


disable = _status("disable", "disabled", "Let EMAIL sign in no more; their sessions and tokens end.")
enable = _status("enable", "active", "Let EMAIL sign in again.")


@command.command("password")
@click.argument("email")
@_AS
@_RECORD
@command_options
@guarded
def password(*, email: str, actor: str | None, record: str | None, as_json: bool, quiet: bool, **_: Any) -> None:
    """Give EMAIL a new password, asked for or taken from SHIPWORTHY_PASSWORD; their sessions end."""
    from shipworthy.api import accounts as verbs

    with _opened(record) as (opened, accounts):
        one = verbs.account_named(accounts, email)
        verbs.change_password(accounts, one, actor=_actor(opened, actor), password=_password(), now=_now())
        _told(accounts.get(one.id) or one, as_json=as_json, quiet=quiet)


@command.command("token")
@click.argument("email")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, required=True, type=_SCOPE, help="What it may do; may be repeated.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Until it ends.")
@_SYSTEM
@_RECORD
@command_options
@guarded
def token(
    *,
    email: str,
    name: str,
    scopes: tuple[str, ...],
    days: int,
    system: str,
    record: str | None,
    as_json: bool,
    quiet: bool,  # noqa: ARG001  the token is what was asked for
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Make a token for a program of EMAIL's, and print it this once: `Authorization: Bearer swt_...`."""
    from shipworthy.api import accounts as verbs

    with _opened(record) as (_, accounts):
        one = verbs.account_named(accounts, email)
        made, secret = verbs.new_token(accounts, one, name=name, scopes=scopes, system=system, days=days, now=_now())
    if as_json:
        print_json({**_of_token(made), "secret": secret})
        return
    click.echo(secret)
    click.echo(f"{made.id} ends on {made.ends:%Y-%m-%d}. It is shown this once.", err=True)


@command.command("tokens")
@click.argument("email", required=False)
@_RECORD
@command_options
@guarded
def tokens(*, email: str | None, record: str | None, as_json: bool, quiet: bool, **_more: Any) -> None:
    """List tokens, of EMAIL or of all, without their secrets."""
    from shipworthy.api import accounts as verbs
    from shipworthy.present.safe import shorten

    with _opened(record) as (_, accounts):
        found = accounts.tokens(None if email is None else verbs.account_named(accounts, email).id)
        owners = {one.id: one.email for one in accounts.all()}
    if as_json:
        print_json([_of_token(one) for one in found])
        return
    for one in found:
        scopes = ", ".join(sorted(one.scopes))
        on = shorten(one.system, 60)
        click.echo(f"{one.id}  {shorten(owners.get(one.account, '–'), 60)}  {scopes} on {on}  until "
                   f"{one.ends:%Y-%m-%d}  {shorten(one.name, 80)}")  # fmt: skip
    if not found and not quiet:
        click.echo("There is no token.", err=True)


@command.command("revoke")
@click.argument("token_", metavar="TOKEN")
@_AS
@_RECORD
@command_options
@guarded
def revoke(*, token_: str, actor: str | None, record: str | None, as_json: bool, quiet: bool, **_: Any) -> None:
    """End TOKEN, by the name that `tokens` lists."""
    with _opened(record) as (opened, accounts):
        accounts.revoke(_actor(opened, actor), _now(), token_)
    if as_json:
        print_json({"revoked": token_})
    elif not quiet:
        click.echo("It counts no more.", err=True)


@contextmanager
def _opened(place: str | None, *, begins: bool = False) -> Iterator[tuple[Record, Accounts]]:
    from shipworthy.api.accounts import opened
    from shipworthy.api.recording import open_or_begin, open_record, place_of

    where = place_of(Path(), place)
    with open_or_begin(where, partial(click.echo, err=True)) if begins else open_record(where, create=False) as record:
        yield record, opened(record)


def _actor(record: Record, stated: str | None) -> str:
    from shipworthy.api.accounts import actor_of

    return actor_of(record, stated or os.environ.get("SHIPWORTHY_ACTOR") or None)


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _password() -> str:
    given = os.environ.get("SHIPWORTHY_PASSWORD")
    return given if given is not None else click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)


def _told(one: Account, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(_shown(one))
    elif not quiet:
        click.echo(_line(one))


def _shown(one: Account) -> dict[str, Any]:
    from shipworthy.api.accounts import shown

    return {**asdict(shown(one)), "since": one.at.isoformat()}


def _of_token(one: Token) -> dict[str, Any]:
    return {
        "id": one.id, "account": one.account, "name": one.name, "scopes": sorted(one.scopes), "system": one.system,
        "created": one.created.isoformat(), "ends": one.ends.isoformat(),
        "used": one.used.isoformat() if one.used else None,
    }  # fmt: skip


def _line(one: Account) -> str:
    from shipworthy.present.safe import shorten

    pairs = [(role, system) for system, roles in one.grants.items() for role in sorted(roles)]
    roles = ", ".join(role if system == "*" else f"{role} of {shorten(system, 60)}" for role, system in pairs)
    state = "" if one.status == "active" else f"  {one.status}"
    return f"{shorten(one.email, 80)}  {shorten(one.name, 60)}  {roles or 'no role'}{state}"
