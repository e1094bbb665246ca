"""`shipworthy sign`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipworthy.cli.recorded import REGISTER
from shipworthy.cli.shared import command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.api.signing import Proposal

_SHOWN = 50  # requirements that stop a release; the others are counted
_VERDICTS = {
    "approve": "approve",
    "reject": "reject",
    "approve-with-conditions": "approve with conditions",
}


@click.command("sign")
@click.argument("runs", metavar="RUN...|DECISION", nargs=-1, required=True)
@click.option("--role", required=True, help="In which role you sign: product, risk, legal, ...")
@click.option("--verdict", required=True, type=click.Choice(list(_VERDICTS)), help="What you say.")
@click.option("--condition", "conditions", multiple=True, metavar="TEXT", help="A condition; may be given repeatedly.")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), help="The last day to meet the conditions.")
@click.option("--statement", default="", metavar="TEXT", help="In your own words; default: the usual sentence.")
@click.option("--outcome", type=click.Choice(["ship", "hold", "undecided"]), help="Decide otherwise than the rules.")
@click.option("--reason", default="", metavar="TEXT", help="Why the outcome differs from the rules'.")
@click.option("--key", metavar="NAME", help="Sign with this key of yours.")
@click.option("--as", "actor", metavar="PERSON", help='Who signs: "Ada <ada@example.org>"; default SHIPWORTHY_ACTOR.')
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--no-data", is_flag=True, help="Do not read the data again before signing.")
@REGISTER
@click.option("--record", metavar="FILE|URL", help="Record; default SHIPWORTHY_RECORD, or .shipworthy/record.db.")
@command_options
@guarded
def command(
    *,
    runs: tuple[str, ...],
    role: str,
    verdict: str,
    conditions: tuple[str, ...],
    due: datetime | None,
    statement: str,
    outcome: str | None,
    reason: str,
    key: str | None,
    actor: str | None,
    yes: bool,
    no_data: bool,
    register: Path | None,
    record: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Sign the decision of RUN: its folder, id, digest, or "latest". DECISION, by its id, may rest on several runs.

    More than one RUN, such as one for fairness and one for attacks, of one version of a system: one decision over all
    of them is written and signed. It is the worst of theirs: hold, else undecided, else ship. Who names the same runs
    after that, in any order, signs the same decision.

    Shows what is signed and what would make it stale, and asks. An approval of what has changed since the run is
    refused. The signature is bound to digests of the decision, the evidence, the plan and the waivers.
    """
    from datetime import UTC
    from typing import cast

    from shipworthy.api import keys, signing
    from shipworthy.api.changes import Looking
    from shipworthy.api.recording import open_record
    from shipworthy.api.runs import base_of
    from shipworthy.cli.keys import ask_passphrase
    from shipworthy.cli.status import lines

    place = place_near(runs[0], record)
    looking = Looking(base=base_of(place), now=datetime.now(UTC), register=register, data=not no_data)
    word = signing.Word(
        role=role, verdict=cast("signing.SignVerdict", _VERDICTS[verdict]), conditions=conditions,
        due=due.date() if due else None, statement=statement, outcome=cast("signing.Outcome | None", outcome),
        reason=reason,
    )  # fmt: skip
    with open_record(place, create=False) as opened:
        proposal = signing.propose(opened, runs[0], word, others=runs[1:], actor=actor, looking=looking)
        if not quiet:
            click.echo("\n".join(_shown(proposal)), err=True)
        _confirm(yes=yes)
        opened_key = keys.open_key(key, passphrase=ask_passphrase()) if key else None
        after = signing.sign(opened, proposal, key=opened_key, looking=looking)
    if as_json:
        print_json({**proposal.as_json(), "standing": after.as_json()})
    elif not quiet:
        click.echo("\n".join(["Signed.", *lines(after, verbose=verbose)]))


def place_near(run: str, stated: str | None) -> str | Path:
    """The record of a run: that beside its plan where the run lies in its usual place, else that of this folder."""
    from shipworthy.api.recording import place_of
    from shipworthy.api.runs import folder_of

    folder = folder_of(run)
    is_usual = folder is not None and folder.resolve().parent.parent.name == ".shipworthy"
    return place_of(folder.resolve().parents[2] if folder is not None and is_usual else Path(), stated)


def _confirm(*, yes: bool) -> None:
    from shipworthy.errors import Fault, Unusable

    if yes:
        return
    if not sys.stdin.isatty():
        what, mend = (
            "a signature is confirmed, and there is no terminal to ask on",
            "read what is signed, then add --yes",
        )
        raise Unusable(Fault(code="GOVERN011", what=what, where="--yes", mend=mend))
    try:
        if click.confirm("Sign this?", err=True):
            return
    except click.Abort:
        raise KeyboardInterrupt from None
    raise Unusable(Fault(code="GOVERN011", what="not signed: you said no", mend="sign once you agree"))


def _shown(proposal: Proposal) -> Iterator[str]:
    """What is about to be signed, with its digests, and what would make it stale."""
    from shipworthy.present.safe import plain, shorten

    one, decision = proposal.signoff, proposal.decision
    yield f"You sign as {plain(one.role)}, as {shorten(proposal.signer.shown, 80)}: {one.verdict}"
    yield f'  "{shorten(one.statement, 2_000)}"'
    for condition in one.conditions:
        yield f"  on the condition{f' (due {one.due})' if one.due else ''}: {shorten(condition, 500)}"
    yield ""
    said = "as the rules say" if decision.outcome == decision.automated else f"the rules say {decision.automated}"
    yield f"  decision  {one.bindings.decision}  {decision.outcome}, {said}"
    if decision.reason:
        yield f"            because: {shorten(decision.reason, 500)}"
    runs = [each.facts for each in proposal.runs]
    if len(runs) > 1:
        yield f"            {'written now, ' if proposal.is_new else ''}on {len(runs):,} runs: the worst of theirs"
    of = f"{proposal.requirements:,} requirement{'' if proposal.requirements == 1 else 's'}"
    which = f"run {plain(runs[0].run)}" if len(runs) == 1 else f"{len(runs):,} runs"
    yield f"  evidence  {one.bindings.evidence}  {which}, {of}"
    for each in runs if len(runs) > 1 else ():
        yield f"  run       {each.digest}  {plain(each.run)}: {plain(each.decision)}"
    whose = "the plan" if len(runs) == 1 else f"the plan of {plain(runs[0].run)}; each other run holds its own"
    yield f"  policy    {one.bindings.policy}  {whose}, packs resolved"
    for waiver, bound in zip(proposal.waivers, one.bindings.waivers, strict=True):
        yield f"  waiver    {bound.digest}  {plain(waiver.id)} of {plain(waiver.requirement)}, until {waiver.ends}"
    if proposal.against:
        yield ""
        yield "These stop a release"
    for verdict in proposal.against[:_SHOWN]:
        whose = f", run {plain(verdict.name)}" if len(runs) > 1 else ""
        yield f"  {plain(verdict.requirement)}  {plain(verdict.verdict)}, {plain(verdict.severity)}{whose}"
    if len(proposal.against) > _SHOWN:
        yield f"  and {len(proposal.against) - _SHOWN:,} more"
    yield ""
    yield "It goes stale when"
    yield from (f"  {plain(why)}" for why in proposal.stale_if)
    yield from (f"note: {plain(note)}" for note in proposal.notes)
