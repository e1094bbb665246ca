"""From what a system does to its risk tier: a small table of rules, and what each tier asks for.

The questions follow the EU AI Act (Regulation 2024/1689: Article 5, Article 6 with Annexes I and III, Article 50), and
add how far the system acts alone and on whom. The tier steers effort inside an organisation. It is no legal opinion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from shipworthy.gates.fitness import REQUIRED, Required
from shipworthy.plan.models import Model, Tier

TIERS: tuple[Tier, ...] = get_args(Tier)  # the lowest first

Area: TypeAlias = Literal[
    "biometrics",
    "critical-infrastructure",
    "education",
    "employment",
    "essential-services",
    "law-enforcement",
    "migration",
    "justice-and-democracy",
]
Exit: TypeAlias = Literal["narrow-task", "improves-human-work", "detects-patterns", "prepares-only"]
Group: TypeAlias = Literal[
    "minors",
    "elderly",
    "people-with-disabilities",
    "patients",
    "migrants",
    "people-in-need",
    "detainees",
    "workers",
    "students",
    "consumers",
    "public",
]
VULNERABLE = frozenset(get_args(Group)[:7])


class Intake(Model):
    """Answers to the intake questionnaire, `intake@1`."""

    name: str = Field(min_length=1, max_length=200, description="Stable name of the system, as its plans have it.")
    purpose: str = Field(min_length=1, max_length=20_000, description="What it is for, in a sentence or two.")
    owner: str = Field(default="", max_length=320, description="The team that answers for it.")
    output: Literal["decisions", "content", "both"] = Field(
        description="What comes out: decisions and scores, generated content, or both."
    )
    banned_practice: bool = Field(
        description="Does it do what Article 5 bans: manipulate, exploit weakness, score people socially, ...?"
    )
    safety_component: bool = Field(
        description="Is it a product under Annex I, or a safety component of one, that others have to assess?"
    )
    areas: tuple[Area, ...] = Field(max_length=8, description="Areas of Annex III that it is used in; [] for none.")
    profiling: bool = Field(description="Does it profile persons: judge who they are from data about them?")
    exits: tuple[Exit, ...] = Field(
        default=(),
        max_length=4,
        description="Article 6(3), (a) to (d) in this order: why it poses no significant risk although in an area.",
    )
    exit_reason: str = Field(
        default="", max_length=20_000, description="Article 6(4): the assessment behind `exits`, which must be kept."
    )
    exposure: Literal["internal", "customers", "public"] = Field(description="Who meets what it puts out.")
    autonomy: Literal["advises", "supervised", "alone"] = Field(
        description="A person decides; it acts and a person can step in; or it acts alone."
    )
    affected: tuple[Group, ...] = Field(max_length=11, description="Who is affected; [] for nobody.")

    @model_validator(mode="after")
    def _an_exit_is_documented(self) -> Intake:
        if self.exits and not self.areas:
            raise ValueError("`exits` lead out of `areas`, and none is named: drop them, or name the area")
        if self.exits and not self.exit_reason.strip():
            raise ValueError("`exits` need `exit_reason`: Article 6(4) asks for the documented assessment")
        return self

    @property
    def is_high_risk(self) -> bool:
        """As Article 6 has it: Annex I, or Annex III without an exit; profiling closes every exit."""
        return self.safety_component or (bool(self.areas) and (self.profiling or not self.exits))

    @property
    def vulnerable(self) -> tuple[str, ...]:
        """Those among the affected who can defend themselves least."""
        return tuple(group for group in self.affected if group in VULNERABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One line of the table."""

    tier: Tier  # at least this one
    when: Callable[[Intake], bool]
    because: Callable[[Intake], str]


def _said(words: str) -> Callable[[Intake], str]:
    return lambda _: words


RULES: tuple[Rule, ...] = (
    Rule(
        tier="critical",
        when=lambda a: a.banned_practice,
        because=_said("a practice that Article 5 bans: no tier makes it lawful, stop and ask counsel"),
    ),
    Rule(
        tier="critical",
        when=lambda a: a.is_high_risk and a.autonomy == "alone",
        because=_said("high-risk, and acts alone: nobody looks before it takes effect"),
    ),
    Rule(
        tier="critical",
        when=lambda a: a.is_high_risk and a.autonomy == "supervised" and bool(a.vulnerable),
        because=lambda a: f"high-risk, acts before a person looks, and affects {_listed(a.vulnerable)}",
    ),
    Rule(
        tier="high",
        when=lambda a: a.safety_component,
        because=_said("a product under Annex I, or a safety component of one (Article 6(1))"),
    ),
    Rule(
        tier="high",
        when=lambda a: bool(a.areas) and not a.exits,
        because=lambda a: f"used in {_listed(a.areas)} (Article 6(2), Annex III)",
    ),
    Rule(
        tier="high",
        when=lambda a: bool(a.areas) and bool(a.exits) and a.profiling,
        because=lambda a: f"used in {_listed(a.areas)}, and profiling closes every exit (Article 6(3), last sentence)",
    ),
    Rule(
        tier="high",
        when=lambda a: a.autonomy == "alone" and a.exposure != "internal" and bool(a.vulnerable),
        because=lambda a: f"acts alone towards {_listed(a.vulnerable)}",
    ),
    Rule(
        tier="limited",
        when=lambda a: bool(a.areas) and bool(a.exits) and not a.profiling,
        because=lambda a: f"used in {_listed(a.areas)}, and left by {_listed(a.exits)} (Article 6(3)); keep why",
    ),
    Rule(tier="limited", when=lambda a: a.profiling, because=_said("profiles persons")),
    Rule(
        tier="limited",
        when=lambda a: a.output != "decisions" and a.exposure != "internal",
        because=_said("people outside meet generated content (Article 50: they have to be told)"),
    ),
    Rule(
        tier="limited",
        when=lambda a: a.autonomy == "alone" and a.exposure != "internal",
        because=_said("acts alone towards people outside"),
    ),
    Rule(tier="limited", when=lambda a: bool(a.vulnerable), because=lambda a: f"affects {_listed(a.vulnerable)}"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiering:
    """What answers come to."""

    tier: Tier
    reasons: tuple[str, ...]  # those that give the tier; lower ones say nothing more
    packs: tuple[str, ...]  # policy packs for `extends:`
    required: Required  # who must sign

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "tier": self.tier,
            "reasons": list(self.reasons),
            "packs": list(self.packs),
            "required": {"roles": list(self.required.roles), "persons": self.required.persons},
        }


def tiering(answers: Intake) -> Tiering:
    """The highest tier that any rule gives, with every reason for it; minimal where none applies."""
    given = [(rule.tier, rule.because(answers)) for rule in RULES if rule.when(answers)]
    tier = max((tier for tier, _ in given), key=TIERS.index, default=TIERS[0])
    reasons = tuple(because for each, because in given if each == tier) or ("no rule asks for more",)
    return Tiering(tier=tier, reasons=reasons, packs=packs_for(answers, tier), required=REQUIRED[tier])


def packs_for(answers: Intake, tier: Tier) -> tuple[str, ...]:
    """The policy packs that fit what comes out, where it is used and how much hangs on it."""
    found = []
    if answers.output != "content":
        found.append("shipworthy/baseline-quality")
        if tier in ("high", "critical"):
            found.append("shipworthy/high-risk")
        if "employment" in answers.areas:
            found.append("shipworthy/employment-four-fifths")
    if answers.output != "decisions":
        found.append("shipworthy/generative-safety")
    return tuple(found)


def is_below(tier: Tier, other: Tier) -> bool:
    """Whether a tier asks for less than another."""
    return TIERS.index(tier) < TIERS.index(other)


def _listed(names: tuple[str, ...]) -> str:
    words = [name.replace("-", " ") for name in names]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
