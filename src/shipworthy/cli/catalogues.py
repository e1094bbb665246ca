"""`shipworthy catalogues`."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from shipworthy.cli.shared import guarded, print_json

_WIDTH = 100


@click.command("catalogues")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@guarded
def command(name: str | None, as_json: bool) -> None:
    """List the catalogues of controls and hazards, the controls of one, or tell about one control.

    NAME is a catalogue such as nist-ai-rmf@1.0, or a control such as nist-ai-rmf@1.0:MEASURE-2.11.
    """
    from shipworthy.api import cataloguing

    if name is None:
        frameworks = cataloguing.frameworks()
        _show(frameworks, as_json, _frameworks)
    elif cataloguing.names_a_catalogue(name):
        _show(cataloguing.controls_of(name), as_json, _catalogue)
    else:
        _show(cataloguing.explain(name), as_json, _control)


def _show(facts: Any, as_json: bool, words: Any) -> None:
    if as_json:
        print_json(facts)
    else:
        words(facts)


def _frameworks(facts: list[dict[str, Any]]) -> None:
    for each in facts:
        click.echo(f"{each['name']:<22} {each['title']}")
        _line("  holds", _counts(each))
        _line("  source", f"{each['citation']}; read on {each['read_on']} [{each['mark']}]")
        _dates(each)


def _catalogue(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['name']}  {facts['title']}, {facts['publisher']}")
    _line("  source", f"{facts['citation']}; {facts['address']}")
    _line("  licence", facts["licence"])
    _line("  read", f"{facts['read_on']} [{facts['mark']}]; {facts['status']}")
    _line("  holds", _counts(facts))
    _dates(facts)
    for note in facts["notes"]:
        _line("  note", note)
    click.echo()
    width = max(len(each["id"]) for each in facts["controls"])
    for each in facts["controls"]:
        mark = "" if each["mark"] == facts["mark"] else f" [{each['mark']}]"
        click.echo(f"{each['id']:<{width}}  {each['title']}{mark}")
    for each in facts["retired"]:
        click.echo(f"{each['id']:<{width}}  retired in {each['since']}: now {', '.join(each['by'])}")


def _control(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['ref']}  {facts['title']}")
    _line("  is", f"{facts['kind']} of {facts['catalogue']['title']}")
    _line("  means", facts["text"])
    _line("  read", f"{facts['catalogue']['read_on']}; {facts['verification']} [{facts['mark']}]")
    if facts["maturity"]:
        _line("  maturity", facts["maturity"])
    _dates(facts)
    if facts["parts"]:
        _line("  parts", ", ".join(part.partition(":")[2] for part in facts["parts"]))
    for topic in facts["evidence"]:
        _line("  evidence", "; ".join([topic["title"], *_through(topic)]))
    shared: dict[str, list[str]] = {}
    for link in facts["crosswalk"]:
        if link["through"]:
            shared.setdefault(link["to"].partition(":")[0], []).append(
                f"{link['to'].partition(':')[2]} {link['title']}"
            )
        else:
            _line(f"  {link['relation']}", f"{link['to']} {link['title']}")
    for catalogue, controls in shared.items():
        _line("  see also", f"{catalogue}: {'; '.join(controls)}")


def _through(topic: dict[str, Any]) -> list[str]:
    lists = ("metrics", "suites", "scorers", "records")
    return [f"{key} {', '.join(topic[key])}" for key in lists if topic[key]]


def _counts(facts: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {_plural(kind)}" for kind, count in facts["counts"].items())
    return counts if facts["complete"] else f"{counts}; a selection"


def _plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("x") else f"{kind}s"


def _dates(facts: dict[str, Any]) -> None:
    for each in facts["applies_from"]:
        was = f" (was {each['was']})" if each["was"] else ""
        _line("  applies", f"from {each['from']}{was}: {each['scope']}; {each['act']} [{each['mark']}]")


def _line(name: str, words: str) -> None:
    first = f"{name:<15} "
    filled = textwrap.wrap(words, _WIDTH - len(first), break_long_words=False, break_on_hyphens=False)
    click.echo(first + f"\n{' ' * len(first)}".join(filled))
