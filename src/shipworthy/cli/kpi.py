"""`shipworthy kpi`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipworthy.cli.recorded import DAY, on_record
from shipworthy.cli.shared import print_json

if TYPE_CHECKING:
    from shipworthy.evidence.kpis import Definition, Figure, Kpi

_NEVER = "not reached"
_NO_LIMITS = "no limits"  # so little is over that neither exists


@click.command("kpi")
@click.option("--since", type=DAY, help="First day of the window (UTC); default 90 days before its end.")
@click.option("--until", type=DAY, help="Last day of the window (UTC); default today.")
@click.option("--explain", metavar="NAME", help="Print what an indicator is, and how it is read.")
@on_record(acts=False)
def command(
    *, since: datetime | None, until: datetime | None, explain: str | None, record: str | None, as_json: bool,
    quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Show how well the programme works: coverage, decisions, signatures, waivers, risks, incidents.

    Each indicator has its n, what was left out, and its interval at 95 %. What is still open counts as open.
    """
    from datetime import UTC, timedelta

    from shipworthy.api import kpis
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of
    from shipworthy.evidence.kpis import SCHEMA, settings

    if explain is not None:
        _explained(kpis.explain(explain), as_json=as_json)
        return
    now = datetime.now(UTC)
    start = since.replace(tzinfo=UTC) if since else None
    end = until.replace(tzinfo=UTC) if until else None
    if end is not None:
        end = (
            now
            if end.date() == now.date()
            else min(end, datetime.max.replace(tzinfo=UTC) - timedelta(days=1)) + timedelta(days=1)
        )
    over, place = kpis.window(start, end, now), place_of(Path(), record)
    with open_record(place, create=False) as opened:
        found = kpis.kpis(opened, over, base=base_of(place), now=now)
    if as_json:
        shown = {"since": over.since.isoformat(), "until": over.until.isoformat()}
        print_json({"schema": SCHEMA, **shown, "settings": settings(), "kpis": [one.as_json() for one in found]})
        return
    if not quiet:
        click.echo(f"{over.since:%Y-%m-%d} to {over.until:%Y-%m-%d %H:%M} UTC")
    for one in found if verbose else (each for each in found if _speaks(each)):
        for line in _lines(one, verbose=verbose):
            click.echo(line)
    if (silent := [one.title for one in found if not _speaks(one)]) and not (quiet or verbose):
        click.echo(f"{len(silent)} more have nothing to say in this window; --verbose shows each with its reason.")


def _speaks(one: Kpi) -> bool:
    """Whether it has a number, or left something out that it could have had one of."""
    return not one.reason or bool(one.excluded)


def _explained(one: Definition, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": one.name, "title": one.title, "definition": one.definition, "note": one.note})
        return
    click.echo(f"{one.name}  {one.title}")
    click.echo(f"  is     {one.definition}")
    if one.note:
        click.echo(f"  read   {one.note}")


def _lines(one: Kpi, *, verbose: bool) -> Iterator[str]:
    said = one.reason or "; ".join(_figure(one, figure) for figure in one.figures)
    is_told = all(figure.unit == "ratio" for figure in one.figures)  # n stands beside the share itself
    counts = [] if one.reason or is_told else [f"n = {one.n:,}"]
    counts += [f"{one.open:,} still open"] if one.open else []
    counts += [f"left out: {number:,} ({why})" for why, number in one.excluded.items()]
    yield f"{one.title:<33}{said}" + (f"  [{', '.join(counts)}]" if counts else "")
    if verbose:
        yield f"  {one.definition}"
        if one.note:
            yield f"  {one.note}"


def _figure(kpi: Kpi, one: Figure) -> str:
    """ "100 % (34.2 to 100; n = 2)"; of a full count, which is no sample, "7 of 53 (13.2 %)"; else with its unit."""
    label = "" if one.label == "share" else f"{one.label} "
    value = _number(one.value, one.unit)
    if one.unit == "ratio" and one.hits is not None and kpi.is_full_count:
        return f"{label}{one.hits:,} of {one.of or 0:,} ({value} %)"
    limits = "" if one.low is None else f"{_number(one.low, one.unit)} to {_number(one.high, one.unit)}"
    limits = _NO_LIMITS if one.low == float("-inf") else limits
    if one.unit == "ratio":
        return f"{label}{value} % ({'; '.join(filter(None, [limits, f'n = {one.of or kpi.n:,}']))})"
    unit = {"points": "", "days": " day" if value == "1" else " days"}.get(one.unit, f" {one.unit}")
    unit = "" if value == _NEVER else unit
    return f"{label}{value}{unit}" + (f" ({limits})" if limits else "")


def _number(value: float | None, unit: str) -> str:
    if value is None or value in (float("inf"), float("-inf")):
        return _NEVER
    shown = f"{value * 100:.1f}" if unit == "ratio" else f"{value:,.0f}" if unit == "points" else f"{value:,.1f}"
    return shown.removesuffix(".0")
