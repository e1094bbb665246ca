"""`shipworthy serve`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from shipworthy.cli.shared import guarded


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="An address of this machine; others with --team.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8300, show_default=True, help="0: any that is free.")
@click.option("--record", help="The record: a file or a database's URL. [default: .shipworthy/record.db]")
@click.option("--as", "actor", metavar="PERSON", help='You: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@click.option("--team", is_flag=True, help="Serve all who have an account (see `shipworthy account`): they sign in.")
@click.option("--public-url", metavar="URL", help="With --team: the address that browsers open, https://...")
@click.option("--behind-proxy", is_flag=True, help="With --team: a proxy before this server speaks TLS.")
@click.option("--tls-cert", type=click.Path(dir_okay=False, path_type=Path), help="With --team: the certificates, PEM.")
@click.option("--tls-key", type=click.Path(dir_okay=False, path_type=Path), help="With --team: their key, PEM.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every request.")
@guarded
def command(
    *,
    host: str,
    port: int,
    record: str | None,
    actor: str | None,
    team: bool,
    public_url: str | None,
    behind_proxy: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    verbose: bool,
) -> None:
    """Show the record as web pages: systems, runs, risks, waivers, sign-offs, the audit log.

    To you alone, on this machine, without a login; or to a --team, in which everyone signs in, by password or by
    OpenID Connect (SHIPWORTHY_OIDC_ISSUER, SHIPWORTHY_OIDC_CLIENT_ID, SHIPWORTHY_OIDC_CLIENT_SECRET). They work without
    JavaScript, and each is also JSON. Stop with Ctrl-C.
    """
    from shipworthy.api.recording import place_of
    from shipworthy.web.serving import Reach, serve

    for name, value in (("public-url", public_url), ("behind-proxy", behind_proxy), ("tls-cert", tls_cert)):
        if value and not team:
            raise click.UsageError(f"--{name} takes --team.")
    if team and actor:
        raise click.UsageError("With --team everyone acts under their own name: leave --as out.")

    def say(address: str) -> None:
        click.echo(f"The record is at {address}  (stop with Ctrl-C)", err=True)

    reach = Reach(public_url=public_url, is_behind=behind_proxy, cert=tls_cert, key=tls_key) if team else None
    begun = partial(click.echo, err=True)
    serve(host, port, place_of(Path(), record), say=say, begun=begun, verbose=verbose, actor=actor, team=reach)
