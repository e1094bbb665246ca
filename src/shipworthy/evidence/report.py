"""The report: one self-contained HTML page that says the decision, why, how sound it is, and how to repeat it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from shipworthy.charts import heatmap, svg
from shipworthy.evidence import limits as unknown
from shipworthy.evidence import methods
from shipworthy.evidence.answers import MOST_TURNS, STATUS
from shipworthy.evidence.outline import Claim, outline
from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Decision
from shipworthy.plan.models import Evaluation
from shipworthy.present import numbers, safe, sentences, verdicts
from shipworthy.present.vocabulary import words
from shipworthy.version import __version__

FIRST_CHANGES = 12  # before the others fold
SHOWN_ROWS = 60  # of a picture before it folds
MOST_ROWS = 240  # of a picture at all
MOST_OTHER = 40  # rows of a picture that nothing was claimed of, and of lists of findings
MOST_CLAIMS = 300
MOST_CHAPTERS = 30
MOST_LIMITS = 60

_MARKS = (verdicts.BREACHED, verdicts.UNDECIDED, verdicts.WAIVED, verdicts.MET, verdicts.NOT_EVALUATED)
_WAIVED = (
    "Not every requirement is met. Those that are not may stay so for a while: the table says why each is waived, and "
    "until when."
)
_LEADS = {
    Decision.SHIP: (
        "Every requirement that can stop a release is met: the limit that each is judged on, not only the "
        "estimate, lies on the good side of its bound."
    ),
    Decision.HOLD: (
        "At least one requirement is breached beyond chance. The table below says which, by how much, and "
        "what is still open."
    ),
    Decision.UNDECIDED: "The data cannot tell whether every requirement is met. The table below says what is missing.",
}


def _lead(run: Run) -> str:
    if not run.verdicts:
        return "Nothing was required of this system, so there is nothing to decide."
    if not run.can_stop:
        return "Every requirement is minor and stops no release, so there is nothing to decide."
    if run.decision is Decision.SHIP and any(verdict.waiver for verdict in run.verdicts):
        return _WAIVED
    return _LEADS[run.decision]


def render_report(run: Run) -> str:
    """The report of a run as HTML: no script, no foreign file; everything that came from outside is escaped.

    Its size is bounded whatever the number of slices: long tables fold, then end with a count of what is not shown.
    """
    laid_out = outline(run)
    style = _style()
    word, _, rest = run.headline.partition(":")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            outline=laid_out,
            limits=unknown.limits(run),
            methods=methods.used(run),
            style=Markup(style),
            style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            headline=(word, ":" + rest if rest else ""),
            marks=[
                m
                for m in _MARKS
                if m in {verdicts.mark(c.verdict.standing if c.verdict else None) for c in laid_out.claims}
            ],
            lead=_lead(run),
            asked=any(chapter.answers for chapter in laid_out.chapters),
            decided=verdicts.decision_mark(run.decision),
            environment=sorted(run.environment.items()),
            tool=__version__,
        )
    )


def _style() -> str:
    return resources.files("shipworthy.evidence").joinpath("templates/report.css").read_text("utf-8") + svg.STYLE


def _caption(claim: Claim) -> str:
    compare = sentences.compare_of(claim.requirement)
    parts = {"value": "Each slice", "change": "Each change"}.get(compare, "Each pair")
    together = (
        ""
        if compare in ("value", "change") or claim.requirement.reference
        else "; these intervals hold together, for all pairs at once"
    )
    shown, judged = (len(claim.verdict.pieces), claim.verdict.looked_at) if claim.verdict else (0, 0)
    some = f"; the worst {shown:,} of {judged:,}" if judged > shown else ""
    return f"{parts} against the bound, worst first{together}{some}"


def _tested(plan: Evaluation) -> str:
    roles = plan.roles
    named = {
        "label": roles.label,
        "prediction": roles.prediction,
        "score": roles.score,
        "case": roles.id,
        "cluster": roles.cluster,
        "weight": roles.weight,
        "time": roles.at,
    }
    facts = [f"{role}: {safe.shorten(column, 80)}" for role, column in named.items() if column]
    if plan.subject:
        facts.insert(0, f"predictions by {safe.shorten(plan.subject, 60)}")
    if plan.where:
        facts.append(f"only rows where {safe.shorten(plan.where, 160)}")
    if plan.variants:
        facts.append(f"variants: {safe.shorten(', '.join(plan.variants), 160)}")
    return "; ".join(facts)


def _visible(value: object) -> object:
    """What every expression of the template goes through before it is escaped: no invisible characters get in."""
    return safe.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    page = Environment(
        loader=PackageLoader("shipworthy.evidence", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {
        "shorten": safe.shorten,
        "count": numbers.count,
        "level": numbers.level,
        "spread": sentences.spread,
        "why": sentences.why,
        "title": sentences.title,
        "claim_text": sentences.claim,
        "axis_of": sentences.axis_of,
        "next_step": sentences.next_step,
        "metric_title": lambda metric: words(metric).title,
        "verbatim": escape,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "status": lambda check: safe.shorten(check.removeprefix(STATUS), 40),
        "short": lambda metric: words(metric).short,
    }
    page.globals |= {
        "bar": svg.bar,
        "scale": svg.scale,
        "ends": svg.ends,
        "curve": svg.curve,
        "drawn_tradeoff": svg.tradeoff,
        "shape": svg.shape,
        "breached": verdicts.BREACHED,
        "value_of": numbers.point,
        "limits_of": numbers.limits,
        "steps": heatmap.STEPS,
        "cut_after": MOST_TURNS // 2,
        "first_changes": FIRST_CHANGES,
        "mark_of": verdicts.mark,
        "caption_of": _caption,
        "tested": _tested,
        "gravity": {"ok": "met", "note": "none", "warning": "undecided"},
        "shown_rows": SHOWN_ROWS,
        "most_rows": MOST_ROWS,
        "most_other": MOST_OTHER,
        "most_claims": MOST_CLAIMS,
        "most_chapters": MOST_CHAPTERS,
        "most_limits": MOST_LIMITS,
    }
    return page
