"""Which documents there are, in which order they say things, and where that order comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ANNEX_IV = "Regulation (EU) 2024/1689, Annex IV"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading and the fields beneath it. A number with a letter is a section inside of the one before."""

    number: str
    title: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The outline of one document."""

    kind: str  # its file name, without ending
    title: str
    basis: str  # where its order comes from
    sections: tuple[Section, ...]
    most: int | None = None  # where the document has to stay one page: rows and points that each field is sure of
    weightiest: tuple[str, ...] = ()  # of such a one, the fields by who gets the room that is left first


def _section(number: str, title: str, *fields: str) -> Section:
    return Section(number=number, title=title, fields=fields)


_GENERAL = (
    _section(
        "1(a)", "Purpose, provider, version", "system.name", "system.version", "system.purpose", "system.provider"
    ),
    _section("1(b)", "Interactions with other hardware and software", "system.interactions"),
    _section("1(c)", "Software and firmware versions, updates", "system.software"),
    _section("1(d)", "Forms in which it is supplied", "system.forms"),
    _section("1(e)", "Hardware it runs on", "system.hardware"),
    _section("1(f)", "As part of a product: pictures", "system.pictures"),
    _section("1(g)", "User interface for the deployer", "system.interface"),
    _section("1(h)", "Instructions for use", "system.instructions"),
)

ANNEX_IV_OUTLINE = Shape(
    kind="annex-iv",
    title="Technical documentation, outline",
    basis=ANNEX_IV + ", points 1 to 9; headings in our own words",
    sections=(
        _section("1", "General description"),
        *_GENERAL,
        _section("2", "Elements and development"),
        _section(
            "2(a)",
            "Methods and steps; pre-trained systems and tools of others",
            "design.methods",
            "components.subjects",
            "components.third_party",
        ),
        _section("2(b)", "Design: logic, choices, what is optimised, trade-offs", "design.logic", "use.excluded"),
        _section(
            "2(c)", "Architecture and computing resources", "design.architecture", "design.flows", "design.compute"
        ),
        _section(
            "2(d)",
            "Data: origin, scope, choice, labels, cleaning",
            "data.training",
            "data.labels",
            "data.representative",
            "data.evaluation",
            "data.exclusions",
            "data.checks",
        ),
        _section("2(e)", "Human oversight, and what helps to interpret outputs", "oversight.measures"),
        _section("2(f)", "Changes determined in advance", "changes.planned"),
        _section(
            "2(g)",
            "Validation and testing; logs and reports dated and signed",
            "tests.procedure",
            "tests.results",
            "tests.overall",
            "tests.groups",
            "tests.red_team",
            "tests.identity",
            "tests.signed",
        ),
        _section("2(h)", "Cybersecurity", "security.measures"),
        _section(
            "3",
            "Monitoring, functioning and control",
            "limits.known",
            "limits.outcomes",
            "limits.failures",
            "use.input",
            "use.users",
            "use.misuse",
        ),
        _section("4", "Appropriateness of the performance metrics", "metrics.definitions", "metrics.why"),
        _section(
            "5",
            "Risk management system (Art. 9)",
            "system.tier",
            "risk.process",
            "risk.register",
            "risk.waivers",
            "risk.residual",
            "safeguards.list",
        ),
        _section("6", "Relevant changes over the lifecycle", "changes.log"),
        _section("7", "Harmonised standards, or other solutions", "standards.list", "standards.controls"),
        _section("8", "EU declaration of conformity", "declaration.conformity"),
        _section("9", "Post-market evaluation (Art. 72) and its plan", "monitoring.plan", "monitoring.incidents"),
    ),
)

SYSTEM_CARD = Shape(
    kind="system-card",
    title="System card",
    basis=f"The order of {ANNEX_IV}, with what system cards say beyond it",
    sections=(
        _section(
            "1",
            "The system",
            "system.purpose",
            "system.owner",
            "system.tier",
            "system.tasks",
            "system.provider",
            "system.forms",
            "system.instructions",
        ),
        _section("1.1", "Intended and excluded uses", "use.users", "use.context", "use.excluded", "use.misuse"),
        _section("2", "How it is made"),
        _section(
            "2.1",
            "Components, versions and architecture",
            "components.subjects",
            "components.third_party",
            "design.architecture",
            "design.logic",
        ),
        _section("2.2", "Data and its flows", "design.flows", "data.training", "data.evaluation", "data.exclusions"),
        _section("3", "How it does"),
        _section(
            "3.1",
            "Evaluations, with intervals",
            "tests.procedure",
            "tests.results",
            "tests.overall",
            "tests.groups",
            "tests.identity",
        ),
        _section("3.2", "Red-team results", "tests.red_team"),
        _section("3.3", "Safeguards and their measured effect", "safeguards.list", "safeguards.effect"),
        _section("3.4", "Human oversight", "oversight.measures", "use.input"),
        _section("3.5", "Known failures and limits", "limits.failures", "limits.outcomes", "limits.known"),
        _section("4", "Why these metrics", "metrics.definitions", "metrics.why"),
        _section("5", "Risks", "risk.register", "risk.waivers", "risk.residual"),
        _section("6", "Change log", "changes.log", "changes.planned"),
        _section("7", "Standards", "standards.list", "standards.controls"),
        _section("8", "Declaration of conformity", "declaration.conformity"),
        _section("9", "Monitoring after launch", "monitoring.plan", "monitoring.incidents", "impact.complaints"),
    ),
)

IMPACT_NIST = Shape(
    kind="impact-assessment-nist",
    title="Impact assessment",
    basis="NIST AI RMF 1.0: MAP 1 to 5, then what MEASURE, MANAGE and GOVERN add to it",
    sections=(
        _section(
            "MAP 1",
            "Context",
            "system.purpose",
            "use.context",
            "use.users",
            "impact.process",
            "use.alternatives",
            "impact.tolerance",
        ),
        _section("MAP 2", "What the system is", "system.tasks", "components.subjects", "design.logic", "limits.known"),
        _section(
            "MAP 3",
            "Benefits, costs, scope and oversight",
            "use.benefits",
            "use.costs",
            "use.excluded",
            "use.misuse",
            "oversight.measures",
        ),
        _section("MAP 4", "Components of others", "components.third_party", "security.measures"),
        _section(
            "MAP 5",
            "Impacts on people",
            "impact.groups",
            "impact.groups_measured",
            "impact.harms",
            "impact.measured",
            "impact.engagement",
        ),
        _section(
            "MEASURE",
            "What was measured, and what was not",
            "tests.procedure",
            "tests.results",
            "tests.groups",
            "risk.unmeasured",
        ),
        _section(
            "MANAGE",
            "What is done about it, and whether it should proceed",
            "decision.rule",
            "decision.why",
            "decision.paths",
            "decision.options",
            "decision.acceptance",
            "decision.risks",
            "risk.register",
            "safeguards.list",
            "safeguards.effect",
            "risk.waivers",
            "risk.residual",
            "impact.response",
            "impact.complaints",
            "impact.retire",
            "monitoring.plan",
        ),
        _section("GOVERN", "Who answers for it", "system.owner", "system.tier", "impact.roles", "decision.taken"),
    ),
)

IMPACT_EU = Shape(
    kind="impact-assessment-eu",
    title="Fundamental rights impact assessment",
    basis="Regulation (EU) 2024/1689, Article 27(1)(a) to (f) and 27(2) to (4); headings in our own words",
    sections=(
        _section("27(1)(a)", "The deployer's process", "system.purpose", "impact.process", "use.context"),
        _section("27(1)(b)", "Period and frequency of use", "impact.period"),
        _section(
            "27(1)(c)", "People and groups affected", "impact.groups", "impact.groups_measured", "impact.engagement"
        ),
        _section(
            "27(1)(d)",
            "Specific risks of harm",
            "impact.harms",
            "impact.measured",
            "tests.groups",
            "limits.known",
            "risk.register",
        ),
        _section("27(1)(e)", "Human oversight", "oversight.measures", "system.instructions"),
        _section(
            "27(1)(f)",
            "If a risk materialises: measures, governance, complaints",
            "impact.response",
            "impact.roles",
            "impact.complaints",
            "monitoring.plan",
            "monitoring.incidents",
        ),
        _section("27(2)", "First use and review", "impact.update"),
        _section("27(3)", "Notice to the authority", "impact.authority"),
        _section("27(4)", "Data protection impact assessment", "impact.data_protection"),
    ),
)

LAUNCH_MEMO = Shape(
    kind="launch-memo",
    title="Launch memo",
    basis="One page: the decision, why, what is left, the options, who must accept what",
    most=1,
    weightiest=(
        "decision.rule",
        "decision.acceptance",
        "decision.why",
        "decision.taken",
        "decision.risks",
        "risk.residual",
        "decision.options",
        "decision.paths",
    ),
    sections=(
        _section("1", "Decision", "decision.rule"),
        _section("2", "Why", "decision.why"),
        _section("3", "Residual risk", "decision.risks", "risk.residual"),
        _section("4", "Options", "decision.paths", "decision.options"),
        _section("5", "Who must accept what", "decision.acceptance", "decision.taken"),
    ),
)

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {shape.kind: shape for shape in (LAUNCH_MEMO, SYSTEM_CARD, IMPACT_NIST, IMPACT_EU, ANNEX_IV_OUTLINE)}
)


def used_in() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Field id -> the document kinds and section numbers that use it."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for shape in SHAPES.values():
        for section in shape.sections:
            for field in section.fields:
                found[field].append((shape.kind, section.number))
    return {field: tuple(places) for field, places in found.items()}
