"""`shipworthy serve`."""

from __future__ import annotations

from pathlib import Path

import click

from shipworthy.cli.shared import guarded


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="An address of this machine alone.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8300, show_default=True, help="0: any that is free.")
@click.option("--record", help="The record: a file or a database's URL. [default: .shipworthy/record.db]")
@click.option("-v", "--verbose", is_flag=True, help="Tell every request.")
@guarded
def command(host: str, port: int, record: str | None, verbose: bool) -> None:
    """Show the record as web pages, to you alone: systems, runs, risks, waivers, sign-offs, the audit log.

    The pages only read. They work without JavaScript, and each is also JSON. Stop with Ctrl-C.
    """
    from shipworthy.api.recording import place_of
    from shipworthy.web.serving import serve

    def say(address: str) -> None:
        click.echo(f"The record is at {address}  (stop with Ctrl-C)", err=True)

    serve(host, port, place_of(Path(), record), say=say, verbose=verbose)
