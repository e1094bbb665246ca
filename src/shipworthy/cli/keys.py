"""`shipworthy keys`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shipworthy.cli.shared import command_options, guarded, print_json

_REGISTER = click.option(
    "--register",
    "--keys",
    "path",
    metavar="REGISTER",
    type=click.Path(path_type=Path, dir_okay=False),
    default="keys.json",
    help="Register of keys; default keys.json.",
)


@click.group("keys")
def command() -> None:
    """Make the keys that sign, and say whose they are.

    Private keys lie encrypted in ~/.config/shipworthy/keys, or in the folder that SHIPWORTHY_KEYS names. The passphrase
    is asked for, or taken from SHIPWORTHY_PASSPHRASE.
    """


def ask_passphrase(*, confirm: bool = False) -> str:
    """The passphrase from SHIPWORTHY_PASSPHRASE, else from who sits at the terminal. Raises Unusable (KEYS013)."""
    from shipworthy.api import keys
    from shipworthy.errors import Fault, Unusable

    if (kept := keys.passphrase()) is not None:
        return kept
    if not sys.stdin.isatty():
        what = "the key needs a passphrase, and there is no terminal to ask for it"
        raise Unusable(Fault(code="KEYS013", what=what, mend="set SHIPWORTHY_PASSPHRASE"))
    try:
        asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    except click.Abort:
        raise KeyboardInterrupt from None
    return asked


@command.command("new")
@click.argument("name")
@click.option("--person", help='Whose key it is: "Ada <ada@example.org>".')
@command_options
@guarded
def new(*, name: str, person: str | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Make the key NAME. Its passphrase cannot be recovered."""
    from shipworthy.api import keys

    made = keys.new(name, passphrase=ask_passphrase(confirm=True), person=person)
    if as_json:
        print_json({**made.as_json(), "folder": str(keys.folder())})
    elif not quiet:
        click.echo(f"Key {made.name} {made.public.id[:16]} is in {keys.folder()}")
        click.echo(f"Say whose it is: shipworthy keys register {made.name}", err=True)


@command.command("list")
@_REGISTER
@command_options
@guarded
def listed(*, path: Path, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """List your own keys, and those of the register."""
    from shipworthy.api import keys
    from shipworthy.present.safe import plain

    own, known = keys.listed(), keys.registered(path).keys
    if as_json:
        print_json({"own": [one.as_json() for one in own], "registered": [one.as_json() for one in known.values()]})
        return
    for one in own:
        state = "" if one.public.id in known else "  not registered"
        click.echo(f"{one.public.id[:16]}  {one.name}  {plain(one.person or 'no person')}{state}")
    mine = {one.public.id for one in own}
    for key, entry in known.items():
        gone = f"  revoked {entry.revoked:%Y-%m-%d}: {plain(entry.reason or '')}" if entry.revoked else ""
        if key not in mine or gone:
            click.echo(f"{key[:16]}  registered  {plain(entry.person)}{gone}")
    if not own and not known and not quiet:
        click.echo("There are no keys yet: shipworthy keys new NAME makes one.", err=True)


@command.command("export")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file ending in .json; default: stdout.")
@command_options
@guarded
def export(*, name: str, out: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Write what is public of the key NAME, for others to register."""
    from shipworthy.api import keys

    found = keys.export(name, out=out)
    if out is None or as_json:
        print_json(found.as_json())
    elif not quiet:
        click.echo(f"The public half of {found.name} is in {out}")


@command.command("register")
@click.argument("key")
@click.option("--person", help='Whose key it is: "Ada <ada@example.org>"; default: whom the key names.')
@_REGISTER
@command_options
@guarded
def register(
    *,
    key: str,
    person: str | None,
    path: Path,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Add KEY, a name of yours or an exported file, to the register. Keep the register where you trust it."""
    from shipworthy.api import keys
    from shipworthy.present.safe import plain

    added = keys.register(key, path=path, person=person)
    if as_json:
        print_json(added.as_json())
    elif not quiet:
        click.echo(f"Registered {added.public.id[:16]} of {plain(added.person)} in {path}")


@command.command("revoke")
@click.argument("key")
@click.option("--reason", required=True, help="Why, for those who read the register later.")
@_REGISTER
@command_options
@guarded
def revoke(*, key: str, reason: str, path: Path, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Withdraw KEY (its id, at least 8 digits of it, or a name of yours): what it signs counts for nothing any more."""
    from shipworthy.api import keys
    from shipworthy.present.safe import plain

    gone = keys.revoke(key, reason=reason, path=path)
    if as_json:
        print_json(gone.as_json())
    elif not quiet:
        click.echo(f"Revoked {gone.public.id[:16]} of {plain(gone.person)} in {path}")
