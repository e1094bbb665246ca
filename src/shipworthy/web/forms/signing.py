"""Signing: what a person is about to put their name to, shown whole; then written, if it is still exactly that.

A page signs without a key: keys stay with people, who sign with them on the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shipworthy.api import signing
from shipworthy.api.changes import Looking
from shipworthy.api.pages.folders import is_outside
from shipworthy.api.pages.measured import Leave, leaves
from shipworthy.api.runs import runs_with
from shipworthy.errors import Fault, ShipworthyError, Unusable
from shipworthy.present.safe import shorten
from shipworthy.record.documents import Document, Risk, SignOff
from shipworthy.web import addresses
from shipworthy.web.forms import offering
from shipworthy.web.forms.fields import Choice, Field
from shipworthy.web.writing import Act, Ask, Fact, Proposal, Values

if TYPE_CHECKING:
    from shipworthy.record.runs import KeptVerdict

_RUNS = 30  # that are offered to be signed along


def _others(ask: Ask) -> tuple[Choice, ...]:
    """The other runs of this version, the newest first, and those that the decision rests on already."""
    record, kept = ask.record, ask.of_run()
    found = record.runs(system=kept.facts.system, version=kept.facts.version, limit=_RUNS + 1)
    known = {one.facts.digest: one for one in (*found, *runs_with(record, kept))}
    known.pop(kept.facts.digest, None)
    return tuple(
        Choice(
            value=one.facts.digest, help=f"run {shorten(one.facts.run, 40)}",
            label=f"{one.facts.created:%Y-%m-%d %H:%M} UTC: {shorten(one.facts.decision, 12)}",
        )
        for one in known.values()
        if not is_outside(ask.library, one)
    )  # fmt: skip


def _beside(ask: Ask) -> tuple[str, ...]:
    """The runs that the newest decision on this one rests on with it."""
    kept = ask.of_run()
    found = (one.facts.digest for one in runs_with(ask.record, kept))
    return tuple(one for one in found if one != kept.facts.digest)


def _roles(ask: Ask) -> tuple[Choice, ...]:
    """The roles that have to sign."""
    return tuple(Choice(value=role) for role in signing.required_roles(ask.record, ask.of_run().facts.system))


def _propose(ask: Ask, values: Values) -> Proposal:
    run = ask.of_run()
    outcome = None if values["outcome"] in (None, "") else values["outcome"]
    word = signing.Word(
        role=values["role"], verdict=values["verdict"], conditions=values["conditions"], due=values["due"],
        statement=values["statement"], outcome=outcome, reason=values["reason"],
    )  # fmt: skip
    looking = Looking(base=ask.library.start, now=ask.now)
    try:
        found = signing.propose(
            ask.record, run.facts.digest, word, others=values["others"] or (), actor=ask.actor, looking=looking
        )
    except Unusable:
        raise
    except (ShipworthyError, OSError, ValueError) as error:
        what, mend = (
            f"the run cannot be looked at again: {shorten(error, 200)}",
            "`shipworthy verify` says why",
        )
        raise Unusable(Fault(code="WEB026", what=what, where=run.facts.run[:200], mend=mend)) from error

    def write() -> Document:
        signing.sign(ask.record, found, key=None, looking=looking)
        kept = ask.record.get("sign-off", found.signoff.id)
        return kept.document if kept is not None and kept.document is not None else found.signoff

    risks, unmet = _left(ask), _unmet(ask, found)
    body = {
        **found.as_json(), "run": run.facts.digest, "signer": found.signer.person,
        "versions": {f"{kind} {id_}": version for (kind, id_), version in found.based_on.items()},
        "residual_risks": [one.model_dump(mode="json") for one in risks],
        "unmet": [
            {"requirement": one.requirement, "run": one.run, "verdict": one.verdict, "severity": one.severity,
             "waiver": leave.waiver if leave else None}
            for one, leave in unmet
        ],
    }  # fmt: skip
    facts = {"it": found, "risks": risks, "run": run, "unmet": unmet}
    return Proposal(template="sign.html.j2", facts=facts, body=body, write=write)


def _unmet(ask: Ask, found: signing.Proposal) -> list[tuple[KeptVerdict, Leave | None]]:
    """What the runs did not meet, each with the waiver that covers it today."""
    judged = ask.record.verdicts_of(*(run.facts.digest for run in found.runs))
    verdicts = [one for one in judged if one.verdict != "met"]
    leave = leaves(ask.record, found.decision.system, verdicts, today=ask.now.date())
    return [(one, leave.get((one.run, one.requirement))) for one in verdicts]


def _left(ask: Ask) -> list[Risk]:
    """The risks of the system that are not closed, the worst first."""
    from shipworthy.api import risks

    known = risks.risks(ask.record, system=ask.of_run().facts.system, today=ask.now.date())
    return [one for one in known if one.status != "closed"]


def _about(ask: Ask) -> Sequence[Fact]:
    facts = ask.of_run().facts
    verdicts = ask.record.verdicts(run=facts.digest, limit=offering.MOST)
    words = ["waived" if one.body.get("waiver") else one.verdict for one in verdicts]
    count = {word: words.count(word) for word in ("breached", "undecided", "waived", "met")}
    roles = ", ".join(one.value for one in _roles(ask)) or "nobody has to"
    return (
        Fact(label="System", text=f"{facts.system}, version {facts.version}", address=addresses.system(facts.system)),
        Fact(label="Run", text=offering.run_words(facts), address=addresses.run(facts.digest)),
        Fact(label="Requirements", text=", ".join(f"{n} {word}" for word, n in count.items() if n) or "none"),
        Fact(label="Its tier asks for", text=roles),
    )


def _closed(ask: Ask) -> str:
    """A run whose folder cannot be looked at is not signed from here, and no decision that rests on one."""
    if any(is_outside(ask.library, one) for one in runs_with(ask.record, ask.of_run())):
        return "the run's folder lies outside of the project's, and is not looked at from a page: `shipworthy sign`"
    return ""


def _withdrawn(ask: Ask) -> str:
    one = ask.about(SignOff)
    if one.withdrawn:
        return "it was withdrawn already"
    return "" if ask.actor is None or offering.is_me(ask, one.signer) else "only who signed takes the word back"


def _signed(ask: Ask) -> Sequence[Fact]:
    one = ask.about(SignOff)
    facts: list[tuple[str, Any, str]] = [
        ("System", f"{one.system}, version {one.version}", addresses.system(one.system)),
        ("Signed by", f"{offering.names(ask, [one.signer])}, as {one.role}", ""),
        ("Verdict", one.verdict, ""),
        ("Statement", one.statement, ""),
        *(("Condition", text, "") for text in one.conditions),
    ]
    return tuple(Fact(label=label, text=text, address=address) for label, text, address in facts)


ACTS: tuple[Act, ...] = (
    Act(
        name="sign", path="/runs/{digest}/sign", title="Sign the decision", does="Show what I would sign", menu="Sign",
        says=(
            "First the page shows exactly what would be signed, with its digests and what would make it stale. "
            "Nothing is written until you confirm that."
        ),
        permission="approve", writes=SignOff, about="run", do=_propose, is_proposed=True, tells=_about, closed=_closed,
        choices=lambda ask: {"role": _roles(ask), "others": _others(ask)},
        start=lambda ask: {"others": _beside(ask)},
        fields=(
            Field(name="role", label="Role in which you sign", is_needed=True, longest=40, is_open=True,
                  help="Those that its tier asks for, or another one in small letters, as in legal."),
            Field(name="verdict", label="Your word", kind="choice", is_needed=True, choices=(
                Choice(value="approve", label="Approve"),
                Choice(value="approve with conditions", label="Approve with conditions"),
                Choice(value="reject", label="Reject"),
            )),
            Field(name="conditions", label="Conditions", kind="lines", longest=2_000, also=("condition",),
                  help="One to a line; only where you approve with conditions."),
            Field(name="due", label="Conditions met by", kind="day", help="The last day to meet them."),
            Field(name="statement", label="In your own words", kind="text", help="Left open, the usual sentence."),
            Field(name="others", label="Runs to sign along", kind="many", group="What the decision rests on",
                  also=("GOVERN013",),
                  help="Other runs of this version, such as one against attacks. One decision is signed over this run "
                       "and those that are ticked; the worst of theirs counts."),
            Field(name="outcome", label="Decide otherwise than the rules", kind="choice", group="The decision itself",
                  help="Left open, the decision stays as it is.",
                  choices=tuple(Choice(value=one) for one in ("ship", "hold", "undecided"))),
            Field(name="reason", label="Why it differs", kind="text", help="Needed where you decide otherwise."),
        ),
    ),
    Act(
        name="sign-withdraw", path="/documents/sign-off/{id}/withdraw", title="Take the signature back",
        does="Take it back", menu="Withdraw", permission="approve", writes=SignOff, about="sign-off", fields=(),
        says="It no longer counts, at once. That it was given, and that it was taken back, stays in the record.",
        tells=_signed, closed=_withdrawn,
        do=lambda ask, values: signing.withdraw(ask.record, ask.about(SignOff).id, actor=ask.actor, now=ask.now),
    ),
)  # fmt: skip
