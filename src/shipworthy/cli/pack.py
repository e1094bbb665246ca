"""`shipworthy pack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from shipworthy.cli.recorded import REGISTER
from shipworthy.cli.shared import command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.api.packing import Chosen, Packed
    from shipworthy.evidence.documents.fields import Privacy


@click.command("pack")
@click.argument("run", metavar="RUN|DECISION")
@click.option("--out", type=click.Path(path_type=Path), help="Where to; default: .shipworthy/packages/<run>.")
@click.option("--zip", "zipped", is_flag=True, help="Write one zip file instead of a folder.")
@click.option("--key", "names", multiple=True, help="Sign with this key of yours; may be given several times.")
@REGISTER
@click.option("--answers", type=click.Path(path_type=Path), help="What only people can say: a YAML file.")
@click.option(
    "--audience",
    type=click.Choice(["public", "internal", "restricted", "personal"]),
    default="internal",
    show_default=True,
    help="The strictest class of information that readers may see; what is stricter is shown as withheld.",
)
@click.option("--record", help="The record's file or URL; default: SHIPWORTHY_RECORD, or the one beside the plan.")
@click.option("--no-record", is_flag=True, help="Pack nothing from a record, and write nothing into it.")
@click.option("--as", "actor", metavar="PERSON", help='Who packs: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@click.option("--model", "models", multiple=True, metavar="NAME=PATH", help="A model that the run used, by its digest.")
@click.option("--pdf", is_flag=True, help="Print the documents as PDF, too.")
@command_options
@guarded
def command(
    *,
    run: str,
    out: Path | None,
    zipped: bool,
    names: tuple[str, ...],
    register: Path | None,
    answers: Path | None,
    audience: str,
    record: str | None,
    no_record: bool,
    actor: str | None,
    models: tuple[str, ...],
    pdf: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Pack RUN (its folder, id, digest, or "latest") with all that stands behind its decision, so that anyone can
    verify it. DECISION, by its id, is packed with all the runs that it rests on.

    The record keeps who packed what, and when. Tells how complete the documents are, and who has to answer what is
    missing. Exits with 4 when a run was changed after it was written.
    """
    from datetime import UTC, datetime

    from shipworthy.api import keys
    from shipworthy.api.handing import keep_package
    from shipworthy.api.packing import pack
    from shipworthy.cli.keys import ask_passphrase

    phrase = ask_passphrase() if names else ""
    opened = [keys.open_key(name, passphrase=phrase) for name in names]
    wanted = _chosen(run, record, no_record=no_record)
    place, now = None if no_record else _place(wanted.folders[0], record), datetime.now(UTC)
    packed = pack(
        wanted.folders[0],
        others=wanted.folders[1:],
        decision=wanted.decision,
        out=out,
        record=place,
        answers=answers,
        sign_with=opened,
        register=keys.registered(register or keys.REGISTER),
        audience=cast("Privacy", audience),
        models=_models(models),
        pdf=pdf,
        zipped=zipped,
        now=now,
    )
    if place is not None:
        keep_package(place, packed.path, root=packed.root, about=wanted.about, actor=actor, now=now)
    if as_json:
        print_json(packed.as_json())
    else:
        _tell(packed, quiet=quiet, verbose=verbose)


def _chosen(named: str, stated: str | None, *, no_record: bool) -> Chosen:
    """What is named: a run's folder, else a decision or a run that the record knows."""
    from shipworthy.api.packing import Chosen, chosen
    from shipworthy.api.recording import open_record, place_of
    from shipworthy.api.runs import base_of, folder_of

    if no_record or folder_of(named) or Path(named).exists():
        return Chosen(folders=(Path(named),), decision=None)
    place = place_of(Path(), stated)
    with open_record(place, create=False) as opened:
        return chosen(opened, named, base_of(place))


def _place(run: Path, stated: str | None) -> str | Path | None:
    """The record that was named, or the one beside the plan where there is one."""
    from shipworthy.api.recording import place_of
    from shipworthy.evidence.store import plan_folder

    place = place_of(plan_folder(run), stated)
    return None if isinstance(place, Path) and not place.exists() else place


def _models(given: tuple[str, ...]) -> dict[str, Path]:
    from shipworthy.errors import Fault, Unusable

    found = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not (name and equals and path) or name in found:
            what = f"{one[:80]!r} does not name one model and where it lies"
            raise Unusable(Fault(code="PACK026", what=what, where="--model", mend="write NAME=PATH, each name once"))
        found[name] = Path(path)
    return found


def _tell(packed: Packed, *, quiet: bool, verbose: bool) -> None:
    from shipworthy.present.safe import plain

    if not quiet:
        score = "nothing applies" if packed.score is None else f"{100 * packed.score:.0f} % complete"
        click.echo(f"Documents: {score}, {len(packed.missing)} answers are missing", err=True)
        if roles := ", ".join(f"{role} {len(asked)}" for role, asked in packed.asked().items()):
            click.echo(f"  by {roles}; docs/questions.yaml asks them", err=True)
        for role, asked in packed.asked().items() if verbose else ():
            click.echo(f"  {role}", err=True)
            for entry in asked:
                click.echo(f"    {entry.field.id}: {entry.field.question}", err=True)
        for note in packed.notes:
            click.echo(plain(note), err=True)
    signed = (
        f"signed with {len(packed.signers)} key{'s' * (len(packed.signers) != 1)}" if packed.signers else "not signed"
    )
    click.echo(f"Packed: {packed.files:,} files, {packed.withheld:,} of them withheld, {signed}")
    click.echo(f"Root    {packed.root}")
    trust = "--keys REGISTER" if packed.signers else f"--root {packed.root}"
    click.echo(f"Verify  shipworthy verify {plain(packed.path)} {trust}")
