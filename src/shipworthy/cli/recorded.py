"""What every command about the record's documents shares: where the record lies, and who acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shipworthy.cli.shared import F, command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.record.documents import Document, Kind
    from shipworthy.record.store import Record

D = TypeVar("D", bound="Document")
MOST = 10_000  # documents that a list looks at
DAY = click.DateTime(["%Y-%m-%d"])
STEP = click.IntRange(1, 5)
REGISTER = click.option(
    "--register",
    "--keys",
    "register",
    metavar="REGISTER",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Register of keys; default keys.json.",
)


def on_record(*, acts: bool) -> Callable[[F], F]:
    """Add --record, --as for commands that write, and what every command has; errors become messages."""

    def decorate(function: F) -> F:
        decorated = command_options(guarded(function))
        place = "Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db."
        decorated = click.option("--record", metavar="FILE|URL", help=place)(decorated)
        if acts:
            who = 'You: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.'
            decorated = click.option("--as", "actor", metavar="PERSON", help=who)(decorated)
        return decorated

    return decorate


@contextmanager
def opened(record: str | None, near: Path | None = None) -> Iterator[Record]:
    """The record that is meant, which has to be there. near: the folder that it is looked for in; default this one."""
    from shipworthy.api.recording import open_record, place_of

    with open_record(place_of(near or Path(), record), create=False) as found:
        yield found


def damaged_of(record: Record, kind: Kind, *, system: str | None = None) -> list[dict[str, str]]:
    """The documents of a kind that cannot be read, for machines: a list shows them beside the others."""
    return [
        {"kind": kind, "id": one.id, "status": "unreadable", "what": one.fault.what, "mend": one.fault.mend}
        for one in record.find(kind, system=system, limit=MOST, damaged=True)
        if one.fault is not None
    ]


def tell_damaged(found: Iterable[dict[str, str]]) -> None:
    """The documents that cannot be read, each in a line."""
    from shipworthy.present.safe import plain

    for one in found:
        click.echo(f"{plain(one['id'])}  unreadable: {plain(one['mend'])}")


def day(moment: datetime | None) -> date | None:
    """A day as click reads it."""
    return None if moment is None else moment.date()


def given(**values: Any) -> dict[str, Any]:
    """Only the options that were given: None and () were not."""
    return {name: value for name, value in values.items() if value is not None and value != ()}


def tell(document: D, line: Callable[[D], str], *, as_json: bool, quiet: bool) -> None:
    """A document that was written: whole for machines, in one line for people."""
    if as_json:
        print_json(document.model_dump(mode="json"))
    elif not quiet:
        click.echo(line(document))
