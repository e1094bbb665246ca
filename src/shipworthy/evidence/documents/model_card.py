"""The model card: Mitchell et al.'s sections, with front matter that Hugging Face reads; every number with its
interval.

Source: Mitchell et al. (2019), Model Cards for Model Reporting, FAT*; the `model-index` fields of the Hugging Face
model card
specification, which has no field for an interval, a sample size or a slice: they go into each metric's `args`.
"""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence import answers
from shipworthy.evidence import limits as unknown
from shipworthy.evidence.documents.asking import asked
from shipworthy.evidence.documents.facts import tells_of_attacks
from shipworthy.evidence.markdown import missing, table, verdict_table
from shipworthy.evidence.run import Run
from shipworthy.plan.models import Evaluation, Requirement
from shipworthy.present import numbers, sentences, slices
from shipworthy.present.safe import markdown, plain, shorten
from shipworthy.present.vocabulary import words

_MOST_METRICS = 200  # in the front matter, which sites load whole
_MOST_ROWS = 60  # of each table
_TAGS = {ord(sign): f"\\x{ord(sign):02X}" for sign in "<>&"}  # in double quotes, where alone YAML writes them here
_TASKS = {
    "binary": "tabular-classification",
    "multiclass": "tabular-classification",
    "regression": "tabular-regression",
    "ranking": "other",
}


def model_card(run: Run) -> str:
    """The model card of a run as Markdown. What only a person can say is asked for as "[Missing: ...]"."""
    return "\n".join(
        [*_front_matter(run), *_details(run), *_factors(run), *_data(run), *_analyses(run), *_closing(run), ""]
    )


def _front_matter(run: Run) -> list[str]:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    index = [{"name": shorten(run.plan.system.name, 200), "results": results}] if (results := _results(run)) else []
    head = {
        "tags": ["shipworthy", f"decision-{run.decision.value}", f"risk-tier-{run.plan.system.tier}"],
        "metrics": list(dict.fromkeys(plain(e.metric) for e in _published(run))),
    }
    stream = io.StringIO()

    class Inert(SafeRepresenter):
        """Writes what HTML would take for a tag as escapes, for those who show this without reading it as YAML."""

    def text(inert: Any, value: str) -> Any:
        style = '"' if set(value) & set("<>&") else None
        return inert.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Inert.add_representer(str, text)
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = Inert
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 4096
    yaml.dump(head | ({"model-index": index} if index else {}), stream)
    written = stream.getvalue().rstrip("\n")
    return ["---", *(line.translate(_TAGS) for line in written.split("\n")), "---", ""]


def _published(run: Run) -> list[Estimate]:
    """What goes into the front matter: everything overall, then every slice that something was claimed of; bounded."""
    claimed = {
        (v.evaluation, metric, _across(v.requirement))
        for v in run.verdicts
        for metric in sentences.metrics_of(v.requirement)
    }
    measured = [e for e in run.estimates if e.compare == "value" and not tells_of_attacks(e)]
    known = [e for e in measured if e.value is not None and math.isfinite(e.value)]
    overall = [e for e in known if not e.slice]
    by_slice = [e for e in known if e.slice and (e.evaluation, e.metric, slices.axis(e.slice)) in claimed]
    return (overall + by_slice)[:_MOST_METRICS]


def _across(requirement: Requirement) -> tuple[str, ...]:
    across = requirement.across
    return () if across is None else (across,) if isinstance(across, str) else tuple(across)


def _results(run: Run) -> list[dict[str, object]]:
    grouped: dict[str, list[Estimate]] = defaultdict(list)
    for e in _published(run):
        grouped[e.evaluation].append(e)
    found: list[dict[str, object]] = []
    for name, estimates in grouped.items():
        plan = run.plan.evaluations.get(name)
        read = [i for i in run.inputs if i.evaluation == name]
        dataset: dict[str, object] = {"type": _identifier(name), "name": shorten(name, 120)}
        if read:
            dataset["args"] = {"digest": shorten(read[0].digest, 120), "rows": sum(i.rows for i in read)}
        task = _task(plan)
        found.append({"task": {"type": task}, "dataset": dataset, "metrics": [_metric(e) for e in estimates]})
    return found


def _task(plan: Evaluation | None) -> str:
    if plan is not None and plan.is_generative:
        return "text-generation"
    return _TASKS.get(plan.task, "other") if plan and plan.task else "tabular-classification"


def _metric(e: Estimate) -> dict[str, object]:
    about = f", {slices.subject(e, columns=True)}" if e.slice else f", {plain(e.variant)}" if e.variant else ""
    args: dict[str, object] = {
        "low": _finite(e.low),
        "high": _finite(e.high),
        "level": e.level,
        "n": e.n,
        "method": shorten(e.method or "", 80),
    }
    if standing := numbers.judged(e):
        args["judge"] = standing.removeprefix("judge ")
    if e.missing:
        args["missing"] = e.missing
    if e.slice:
        args["slice"] = {
            plain(column): plain(value) if isinstance(value, str) else value for column, value in e.slice.items()
        }
    return {
        "type": plain(e.metric),
        "value": float(e.value or 0.0),
        "name": shorten(words(e.metric).title + about, 200),
        "args": args,
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _identifier(name: str) -> str:
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in shorten(name, 60)).strip("-")
        or "evaluation"
    )


def _details(run: Run) -> list[str]:
    system = run.plan.system
    return [
        f"# Model card: {markdown(system.name, 160)} {markdown(system.version, 80)}",
        "",
        f"**{markdown(run.headline)}.** Decided {run.created:%Y-%m-%d} from run {markdown(run.id, 80)}; plan "
        + ("locked before the run." if run.locked_at else "not locked before the run."),
        "",
        "## Model details",
        "",
        *table(
            ("Field", "Value"),
            (
                ("Name", markdown(system.name, 160)),
                ("Version", markdown(system.version, 120)),
                (
                    "Owner",
                    markdown(system.owner, 160) if system.owner else asked("system.owner"),
                ),
                ("Risk tier", system.tier),
                ("Type of model", asked("design.architecture")),
                ("Licence", missing("terms of use")),
                ("Contact", missing("where to send questions")),
            ),
        ),
        "",
        "## Intended use",
        "",
        markdown(system.purpose, 600) if system.purpose else asked("system.purpose"),
        "",
        f"- Intended users: {asked('use.users')}",
        f"- Out of scope: {asked('use.excluded')}",
        "",
    ]


def _factors(run: Run) -> list[str]:
    lines = ["## Factors", ""]
    for name, plan in list(run.plan.evaluations.items())[:_MOST_ROWS]:
        axes = list(
            dict.fromkeys(
                slices.axis_name(slices.axis(e.slice)) for e in run.estimates if e.evaluation == name and e.slice
            )
        )
        said = ", ".join(markdown(axis, 60) for axis in axes[:20]) or "none"
        declared = ", ".join(markdown(column, 60) for column in plan.protected[:20])
        lines.append(
            f"- {markdown(name, 80)}: measured by {said}" + (f"; declared as protected: {declared}" if declared else "")
        )
    lines += [
        "- Factors that matter and were not recorded: "
        f"{missing('groups, instruments or environments without a column')}",
        "",
    ]
    used = list(dict.fromkeys(e.metric for e in run.estimates))
    lines += ["## Metrics", ""]
    lines += [f"- {_definition(metric)}" for metric in used[:_MOST_ROWS]] or ["No metric was measured."]
    lines += ["", f"Why these metrics and bounds: {asked('metrics.why')}", ""]
    return lines


def _definition(metric: str) -> str:
    speak = words(metric)
    title = f"**{markdown(speak.title, 120)}**"
    return title + (f": how many {markdown(speak.among)} {markdown(speak.event, 120)}" if speak.among else "")


def _data(run: Run) -> list[str]:
    lines = ["## Evaluation data", ""]
    rows = [
        (markdown(i.evaluation, 80), markdown(i.source, 120), numbers.count(i.rows), markdown(shorten(i.digest, 30)))
        for i in run.inputs[:_MOST_ROWS]
    ]
    lines += table(("Evaluation", "Source", "Rows", "Digest"), rows, right=(2,)) if rows else ["No data was read."]
    for name, plan in list(run.plan.evaluations.items())[:_MOST_ROWS]:
        if plan.is_generative:
            facts = "; ".join(f"{label}: {text}" for label, text in answers.asked(run, plan))
            lines += ["", f"{markdown(name, 80)}: {markdown(facts, 900)}."]
    lines += [
        "",
        *(
            f"- {markdown(e.evaluation, 80)}: {numbers.count(e.rows)} rows excluded: {markdown(e.reason, 160)}"
            for e in [e for e in run.excluded if e.rows][:_MOST_ROWS]
        ),
    ]
    if lines[-1]:
        lines.append("")
    lines += ["## Training data", ""]
    trained = [plan.train for plan in run.plan.evaluations.values() if plan.train]
    lines += [f"- {markdown(source, 160)}" for source in trained[:_MOST_ROWS]] or [asked("data.training")]
    return [*lines, ""]


def _analyses(run: Run) -> list[str]:
    lines = [
        "## Quantitative analyses",
        "",
        "Every value stands with its interval; n is the number of cases behind it.",
        "",
    ]
    lines += ["### Requirements", "", *verdict_table(run, most=_MOST_ROWS, with_reasons=False), ""]
    for name in list(run.plan.evaluations)[:30]:
        lines += _evaluation(run, name)
    return lines + _judges(run)


def _judges(run: Run) -> list[str]:
    """What the judges' verdicts are worth, for everyone's answers; a judge without labels stands out."""
    rows = [
        (
            f"{markdown(card.scorer, 60)}, {markdown(card.variant or 'this version', 60)}",
            f"corrected with {numbers.count(card.labelled)} labels" if card.labelled else "**uncorrected**",
            numbers.count(card.judged),
            numbers.count(card.failed),
            markdown(
                "; ".join(f"{reading.name} {answers.read(reading, card.labelled)}" for reading in card.readings), 300
            ),
        )
        for card in run.judges
        if not card.slice
    ]
    if not rows:
        return []
    header = ("Judge", "Standing", "Judged", "No verdict", "Agreement with people (interval)")
    return ["### Judges", "", *table(header, rows[:_MOST_ROWS], right=(2, 3)), ""]


def _evaluation(run: Run, name: str) -> list[str]:
    mine = [e for e in run.estimates if e.evaluation == name]
    overall = [e for e in mine if e.compare == "value" and not e.slice]
    changes = [e for e in mine if e.compare == "change"]
    claimed = {
        (metric, _across(v.requirement))
        for v in run.verdicts
        if v.evaluation == name
        for metric in sentences.metrics_of(v.requirement)
    }
    lines = [f"### {markdown(name, 100)}", ""]
    lines += _table(overall, ("Metric", "Estimate (interval)", "n")) if overall else ["Nothing was measured.", ""]
    groups: dict[tuple[str, tuple[str, ...]], list[Estimate]] = defaultdict(list)
    for e in mine:
        if e.compare == "value" and not tells_of_attacks(e) and (e.metric, slices.axis(e.slice)) in claimed and e.slice:
            groups[e.metric, slices.axis(e.slice)].append(e)
    for (metric, columns), estimates in groups.items():
        lines += [f"#### {markdown(words(metric).title, 120)} by {markdown(slices.axis_name(columns), 120)}", ""]
        lines += _table(estimates, ("Slice", "Estimate (interval)", "n"))
    if any(tells_of_attacks(e) for e in mine):
        lines += ["How often misuse works by attack and hazard is in the system card, and not for everybody.", ""]
    if changes:
        lines += ["#### Changes against the baseline", "", *_table(changes, ("Change", "Estimate (interval)", "n"))]
    return lines


def _table(estimates: Iterable[Estimate], header: tuple[str, str, str]) -> list[str]:
    found = list(estimates)
    rows = []
    for e in found[:_MOST_ROWS]:
        speak = words(e.metric)
        variant = f" ({markdown(e.variant, 60)})" if e.variant else ""
        subject = markdown(slices.subject(e), 100)
        named = {
            "Metric": markdown(speak.title, 120) + variant,
            "Slice": subject,
            "Change": f"{markdown(speak.title, 120)}, {subject}",
        }
        rows.append((named[header[0]], markdown(numbers.estimate(e), 160), numbers.count(e.n)))
    more = (
        [f"{len(found) - _MOST_ROWS:,} further rows are in estimates.parquet.", ""] if len(found) > _MOST_ROWS else []
    )
    return [*table(header, rows, right=(2,)), "", *more]


def _closing(run: Run) -> list[str]:
    return [
        "## Ethical considerations",
        "",
        f"- Who may be harmed, and how: {asked('impact.harms')}",
        f"- What was done about it: {asked('safeguards.list')}",
        f"- Human oversight: {asked('oversight.measures')}",
        "",
        "## Caveats and recommendations",
        "",
        *(
            f"- **{markdown(limit.title, 120)}**: {markdown(limit.text, 400)}"
            for limit in unknown.limits(run)[:_MOST_ROWS]
        ),
        f"- Recommendations: {missing('what users should do and not do in view of these results')}",
    ]
