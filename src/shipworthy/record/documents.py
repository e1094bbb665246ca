"""The small things people answer for: models of every kind of document that the record keeps, strict and bounded.

A document says nothing about when it was written and by whom: the record adds that. What one document alone can show to
be wrong is refused here; what needs the version before it, or who writes, is refused by `separation`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Kind: TypeAlias = Literal[
    "system", "version", "plan", "decision", "risk", "mitigation", "waiver", "sign-off", "incident", "answers"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Tier: TypeAlias = Literal["minimal", "limited", "high", "critical"]
LONGEST_WAIVER = timedelta(days=366)  # a waiver that would run longer is a change of the requirement
CRITICAL_APPROVERS = 2

Name = Annotated[str, Field(min_length=1, max_length=200)]  # ids and names, compared exactly
Line = Annotated[str, Field(max_length=500)]
Prose = Annotated[str, Field(max_length=20_000)]
Said = Annotated[str, Field(min_length=1, max_length=20_000)]  # prose that may not be missing
Person = Annotated[str, Field(pattern=r"^person:[0-9a-f]{64}$")]  # a commitment of `people`, never a name
Owner = Annotated[str, Field(max_length=320)]  # a person's commitment, or a team; a name here outlives erasure
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Control = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*@[^:\s]+:\S+$", max_length=200)]  # framework@edition:id
Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Names = Annotated[tuple[Name, ...], Field(max_length=1_000)]
People = Annotated[tuple[Person, ...], Field(max_length=100)]


class Contradiction(ValueError):
    """Parts of a document that cannot both be, and how to mend it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


class Part(BaseModel):
    """A part of a document: frozen, unknown keys are errors, nothing is converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Document(Part):
    """What every kind has in common: an id within its kind, and the columns that are searched."""

    kind: Kind
    id: Name

    def heading(self) -> dict[str, Any]:
        """The searched columns of this document: system, status, owner, due (an ISO date) and score."""
        return {column: _plain(getattr(self, column, None)) for column in _HEADING}


_HEADING = ("system", "status", "owner", "due", "score")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        value = value.date()
    return value.isoformat() if isinstance(value, date) else value


class System(Document):
    """A system that is, or will be, in use. Its id is its name in plans."""

    kind: Literal["system"] = "system"

    purpose: Prose = ""
    tier: Tier
    tier_reason: Prose = ""
    owner: Owner = ""
    status: Literal["proposed", "active", "retired"] = "active"
    areas: Names = ()  # of use, as the intake questionnaire names them
    affected: Names = ()  # groups of people

    @property
    def system(self) -> str:
        """Its own id: a search for a system finds its document too."""
        return self.id


class Version(Document):
    """One version of a system, by the digests of what it is made from."""

    kind: Literal["version"] = "version"

    system: Name
    version: Name
    status: Literal["candidate", "released", "retired"] = "candidate"
    digests: Annotated[dict[Name, Digest], Field(max_length=1_000)] = {}  # "model", "data", "code", ... -> digest
    released: Moment | None = None
    notes: Prose = ""


class Plan(Document):
    """A plan as it was promised; `body` is the plan itself, which the record keeps and does not read."""

    kind: Literal["plan"] = "plan"

    system: Name
    digest: Digest
    locked: Moment | None = None
    requirements: Names = ()
    body: dict[str, JsonValue] = {}

    @property
    def status(self) -> str:
        """Whether it was locked."""
        return "open" if self.locked is None else "locked"


class Bound(Part):
    """A document at the state that something else rests on."""

    id: Name
    digest: Digest


class Decision(Document):
    """What was decided about a version, on which runs."""

    kind: Literal["decision"] = "decision"

    system: Name
    version: Name
    outcome: Literal["ship", "hold", "undecided"]
    automated: Literal["ship", "hold", "undecided"]  # what the rules said
    reason: Prose = ""
    plan: Digest
    policy: Digest | None = None
    runs: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=1_000)]
    evidence: Digest | None = None  # root of the package
    waivers: Annotated[tuple[Bound, ...], Field(max_length=1_000)] = ()
    submitted: Moment | None = None
    due: date | None = None  # decided anew by then

    @property
    def status(self) -> str:
        """Its outcome."""
        return self.outcome

    @model_validator(mode="after")
    def _an_override_has_a_reason(self) -> Decision:
        if self.outcome != self.automated and not self.reason.strip():
            raise Contradiction(f"the rules said {self.automated}", f"say in `reason` why it is {self.outcome}")
        return self


class Rating(Part):
    """How bad a risk is."""

    likelihood: Annotated[int, Field(ge=1, le=5)]
    severity: Annotated[int, Field(ge=1, le=5)]
    basis: Literal["measured", "judged"]
    run: Digest | None = None  # the run that measured it
    why: Prose = ""

    @property
    def score(self) -> int:
        """Likelihood × severity, 1 to 25."""
        return self.likelihood * self.severity

    @model_validator(mode="after")
    def _what_is_measured_names_its_run(self) -> Rating:
        if self.basis == "measured" and self.run is None:
            raise Contradiction("a measured rating names the `run` that measured it", "name it, or say `judged`")
        return self


STILL_OPEN = ("open", "treated", "accepted")  # a risk is open until it is closed, whoever accepted what is left of it


class Risk(Document):
    """What may go wrong, for whom, how badly, and what is done about it."""

    kind: Literal["risk"] = "risk"

    system: Name
    version: Name | None = None
    title: Annotated[str, Field(min_length=1, max_length=500)]
    cause: Said
    harm: Said
    affected: Names = ()
    taxonomy: Annotated[tuple[Control, ...], Field(max_length=200)] = ()
    inherent: Rating
    residual: Rating | None = None
    treatment: Literal["mitigate", "accept", "transfer", "avoid"] | None = None
    status: Literal["open", "treated", "accepted", "closed"] = "open"
    accepted_by: Person | None = None
    owner: Owner = ""
    due: date | None = None
    review: date | None = None
    requirements: Names = ()
    mitigations: Names = ()

    @property
    def score(self) -> int:
        """Likelihood × severity of what is left of it, 1 to 25; of all of it, where nobody rated what is left."""
        return (self.residual or self.inherent).score

    @model_validator(mode="after")
    def _what_is_settled_says_how(self) -> Risk:
        if self.status != "open" and self.residual is None:
            raise Contradiction(f"a risk that is {self.status} says what is left of it", "give its `residual` rating")
        if self.status != "open" and self.treatment is None:
            raise Contradiction(f"a risk that is {self.status} says how it was treated", "give its `treatment`")
        if self.status == "accepted" and self.accepted_by is None:
            raise Contradiction("an accepted risk names who accepts it", "give `accepted_by`")
        if self.status in ("open", "treated") and self.accepted_by is not None:
            raise Contradiction(f"nobody accepts a risk that is {self.status}", "leave out `accepted_by`")
        if self.status == "accepted" and self.accepted_by == self.owner:
            raise Contradiction("who owns a risk does not accept it", "let another person than its owner accept it")
        return self


class Mitigation(Document):
    """What is done against risks, and the run that shows that it works."""

    kind: Literal["mitigation"] = "mitigation"

    system: Name
    title: Annotated[str, Field(min_length=1, max_length=500)]
    what: Said
    risks: Names = ()
    requirements: Names = ()
    status: Literal["proposed", "in progress", "implemented", "verified", "abandoned"] = "proposed"
    verification: Digest | None = None  # run
    owner: Owner = ""
    due: date | None = None

    @model_validator(mode="after")
    def _what_is_verified_names_its_run(self) -> Mitigation:
        if self.status == "verified" and self.verification is None:
            raise Contradiction("a verified mitigation names the run that shows it", "give its `verification`")
        return self


class Scope(Part):
    """Where a waiver holds; what is left out is not narrowed."""

    version: Name | None = None
    evaluation: Name | None = None
    slice: Annotated[dict[Name, str | int | float | bool], Field(max_length=20)] | None = None
    requirement_digest: Digest | None = None  # of what the requirement asked for, by `gates.waivers.terms_of`

    @model_serializer(mode="wrap")
    def _as_before_where_unknown(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Older waivers know no digest of their requirement, and keep their own."""
        return {key: value for key, value in write(self).items() if key != "requirement_digest" or value is not None}


def approvers_at(tier: Tier) -> int:
    """How many must approve a waiver of a system of this tier."""
    return CRITICAL_APPROVERS if tier == "critical" else 1


class Waiver(Document):
    """Leave to breach one requirement for a while. It ends by itself."""

    kind: Literal["waiver"] = "waiver"

    system: Name
    tier: Tier  # of the system, which says how many must approve
    requirement: Name
    scope: Scope = Scope()
    reason: Said
    control: Said  # what protects people meanwhile
    risk: Name | None = None  # id of the risk that it leaves open
    decision: Digest | None = None  # that it was asked for
    requester: Person
    approvers: People = ()
    owner: Owner = ""
    starts: date
    ends: date  # last day on which it holds
    status: Literal["requested", "approved", "refused", "withdrawn"] = "requested"
    renews: Name | None = None  # id of the waiver that it follows

    @property
    def due(self) -> date:
        """When it ends."""
        return self.ends

    @property
    def needed(self) -> int:
        """How many approvers it takes."""
        return approvers_at(self.tier)

    def terms(self) -> dict[str, Any]:
        """What approvers agree to: everything but who approved and how far it got."""
        return self.model_dump(mode="json", exclude={"approvers", "status", "owner"})

    @model_validator(mode="after")
    def _ends_and_is_approved_by_others(self) -> Waiver:
        if self.ends < self.starts:
            raise Contradiction("`ends` is before `starts`", "name a later day")
        if self.ends - self.starts > LONGEST_WAIVER:
            raise Contradiction(f"a waiver runs for at most {LONGEST_WAIVER.days} days", "bring `ends` nearer")
        if self.requester in self.approvers:
            raise Contradiction("who asks for a waiver does not approve it", "let another person approve it")
        if len(set(self.approvers)) < len(self.approvers):
            raise Contradiction("a person approves once", "let another person approve it")
        if self.status == "approved" and len(self.approvers) < self.needed:
            raise Contradiction(
                f"at tier {self.tier} a waiver takes {self.needed} approver{'s' * (self.needed > 1)}, and `approvers` "
                f"has {len(self.approvers)}", "let another person approve it",
            )  # fmt: skip
        return self


class Bindings(Part):
    """What a signature covers, by digest: when one of these changes, the signature is stale."""

    decision: Digest
    evidence: Digest  # root of the package
    policy: Digest
    waivers: Annotated[tuple[Bound, ...], Field(max_length=1_000)] = ()


class SignOff(Document):
    """One person's word on a decision, bound to what it was given on."""

    kind: Literal["sign-off"] = "sign-off"

    system: Name
    version: Name
    role: Name
    signer: Person
    prepared_by: People = ()  # who made what is signed
    verdict: Literal["approve", "reject", "approve with conditions"]
    conditions: Annotated[tuple[Said, ...], Field(max_length=100)] = ()
    statement: Said
    bindings: Bindings
    envelope: Annotated[str, Field(max_length=500_000)] | None = None  # DSSE, as JSON
    withdrawn: bool = False
    due: date | None = None  # conditions are met by then

    @property
    def status(self) -> str:
        """Its verdict, or that it was withdrawn. Whether it is stale is computed from the bindings, never stored."""
        return "withdrawn" if self.withdrawn else self.verdict

    @property
    def owner(self) -> str:
        """Who signed."""
        return self.signer

    @model_validator(mode="after")
    def _is_independent_and_says_its_conditions(self) -> SignOff:
        if (self.verdict == "approve with conditions") != bool(self.conditions):
            what = "`conditions` are named exactly when the verdict is: approve with conditions"
            raise Contradiction(what, "change one of the two")
        if self.verdict != "reject" and self.signer in self.prepared_by:
            raise Contradiction("who prepared a decision does not approve it", "let another person sign")
        return self


class Action(Part):
    """Something to be done after an incident, and the run that shows that it was."""

    what: Said
    owner: Owner = ""
    due: date | None = None
    verification: Digest | None = None


class Event(Part):
    """A line of an incident's history."""

    at: Moment
    what: Said


_STEPS = ("started", "detected", "acknowledged", "mitigated", "resolved", "closed")


class Incident(Document):
    """What went wrong in use, how it was found and mended, and which tests now watch for it."""

    kind: Literal["incident"] = "incident"

    system: Name
    version: Name | None = None
    title: Annotated[str, Field(min_length=1, max_length=500)]
    what: Prose = ""
    severity: Literal["critical", "high", "medium", "low"]
    source: Line = ""  # how it was found: monitor, user report, audit, ...
    affected: Names = ()
    harms: Names = ()  # classes of harm
    owner: Owner = ""
    due: date | None = None  # reported, or mended, by then
    started: Moment | None = None
    detected: Moment
    acknowledged: Moment | None = None
    mitigated: Moment | None = None
    resolved: Moment | None = None
    closed: Moment | None = None
    reported: Moment | None = None  # to the authority
    timeline: Annotated[tuple[Event, ...], Field(max_length=1_000)] = ()
    cause: Prose = ""
    factors: Annotated[tuple[Said, ...], Field(max_length=100)] = ()
    signature: Line = ""  # technical failure + component + cause, by which a repeat is known
    actions: Annotated[tuple[Action, ...], Field(max_length=200)] = ()
    regression_tests: Names = ()
    risks: Names = ()
    waivers: Names = ()
    decisions: Names = ()

    @property
    def status(self) -> str:
        """The last step that was reached."""
        for step, word in (("closed", "closed"), ("resolved", "resolved"), ("mitigated", "mitigated")):
            if getattr(self, step) is not None:
                return word
        return "acknowledged" if self.acknowledged else "open"

    @model_validator(mode="after")
    def _steps_follow_each_other(self) -> Incident:
        known = [(name, moment) for name in _STEPS if (moment := getattr(self, name)) is not None]
        for (earlier, one), (later, other) in pairwise(known):
            if other < one:
                raise Contradiction(f"`{later}` is before `{earlier}`", "change one of the two")
        return self


class Answers(Document):
    """What only people can say: answers to a questionnaire about a system, a run or a document."""

    kind: Literal["answers"] = "answers"

    system: Name
    questionnaire: Name  # with its edition, such as intake@1
    about: Line = ""  # what the answers are about, where it is not the system
    status: Literal["draft", "complete", "reviewed"] = "draft"
    owner: Owner = ""
    due: date | None = None
    answers: Annotated[dict[Name, JsonValue], Field(max_length=1_000)] = {}


MODELS: dict[Kind, type[Document]] = {
    model.model_fields["kind"].default: model
    for model in (System, Version, Plan, Decision, Risk, Mitigation, Waiver, SignOff, Incident, Answers)
}
