"""The datasheet of the evaluation data: what a machine can know, filled in; what only a person can say, asked for.

Source: Gebru et al. (2021), Datasheets for Datasets, Commun. ACM 64(12), 86–92; its seven groups of questions.
"""

from __future__ import annotations

from shipworthy.evidence import answers
from shipworthy.evidence.documents.asking import asked
from shipworthy.evidence.markdown import missing, table
from shipworthy.evidence.run import Run
from shipworthy.plan.models import Bins, Evaluation
from shipworthy.present import numbers, slices
from shipworthy.present.safe import markdown

_MOST = 60


def datasheet(run: Run) -> str:
    """The datasheets of all evaluation data of a run, as Markdown."""
    system = run.plan.system
    lines = [
        f"# Datasheet: evaluation data of {markdown(system.name, 160)} {markdown(system.version, 80)}",
        "",
        f"Filled in from run {markdown(run.id, 80)} on {run.created:%Y-%m-%d}. Fields marked as missing "
        "are for people who know the data.",
        "",
    ]
    names = list(dict.fromkeys([*run.plan.evaluations, *(i.evaluation for i in run.inputs)]))
    if not names:
        lines += ["The plan names no data.", ""]
    for name in names[:30]:
        lines += _sheet(run, name, run.plan.evaluations.get(name))
    return "\n".join(lines)


def _sheet(run: Run, name: str, plan: Evaluation | None) -> list[str]:
    return [
        f"## {markdown(name, 100)}",
        "",
        "### Motivation",
        "",
        f"- Used here to evaluate: {markdown(run.plan.system.purpose, 400) or markdown(run.plan.system.name, 160)}",
        f"- Why the data set was created: {missing('purpose, who created it, who paid for it')}",
        "",
        "### Composition",
        "",
        *_composition(run, name, plan),
        "- What a row stands for: one case, asked in one way in one trial, and its answer; it is no sample of use"
        if plan is not None and plan.is_generative
        else f"- What a row stands for: {missing('a person, a decision, an event; is it a sample, and of what')}",
        f"- Whom the data stand for: {asked('data.representative')}",
        f"- Sensitive content: {missing('anything confidential, offensive or identifying')}",
        "",
        "### Collection process",
        "",
        *_source(run, name, plan),
        f"- How it was collected: {missing('instruments, sampling, time frame, who was involved')}",
        f"- Consent and review: {missing('were people told, did they agree, was there an ethics review')}",
        "",
        "### Preprocessing, cleaning, labelling",
        "",
        *_preparation(run, name, plan),
        f"- Labels, and what came before: {asked('data.labels')}",
        f"- Is the raw data kept: {missing('where, and by whom')}",
        "",
        "### Uses",
        "",
        f"- Here: {_metrics(run, name)}",
        f"- Elsewhere, and what it should not be used for: {missing('other uses, unsuitable uses')}",
        "",
        "### Distribution",
        "",
        f"- Who may have it: {missing('licence, restrictions, where it can be had')}",
        "",
        "### Maintenance",
        "",
        f"- Who keeps it, and for how long: {missing('contact, updates, retention, erasure on request')}",
        "",
    ]


def _composition(run: Run, name: str, plan: Evaluation | None) -> list[str]:
    read = [i for i in run.inputs if i.evaluation == name]
    lines = [f"- Rows: {numbers.count(sum(i.rows for i in read))}" if read else "- Rows: none were read"]
    columns = list(dict.fromkeys(c for i in read for c in i.columns))
    if columns:
        shown = ", ".join(markdown(c, 60) for c in columns[:_MOST])
        lines.append(f"- Columns ({len(columns)}): {shown}" + (" and more" if len(columns) > _MOST else ""))
    if plan is not None and plan.is_generative:
        lines += [f"- {label}: {markdown(text, 400)}" for label, text in answers.asked(run, plan)]
    if plan is not None:
        roles = {role: column for role, column in plan.roles.model_dump().items() if isinstance(column, str)}
        lines += [f"- {role.capitalize()}: {markdown(column, 120)}" for role, column in roles.items()]
        if plan.protected:
            lines.append(f"- Protected attributes: {', '.join(markdown(c, 60) for c in plan.protected[:_MOST])}")
        for column, levels in list(plan.population.items())[:_MOST]:
            shares = ", ".join(
                f"{markdown(level, 40)} {100 * share:.1f} %" for level, share in list(levels.items())[:20]
            )
            lines.append(f"- Reference population by {markdown(column, 60)}: {shares}")
    return lines + _sizes(run, name)


def _sizes(run: Run, name: str) -> list[str]:
    """The largest denominator seen of each slice: the metric that the most of its cases enter."""
    largest: dict[tuple[tuple[str, ...], str], int] = {}
    for e in run.estimates:
        if e.evaluation == name and e.slice and e.compare == "value":
            key = (slices.axis(e.slice), slices.slice_name(e.slice))
            largest[key] = max(e.n, largest.get(key, 0))
    if not largest:
        return []
    rows = [
        (markdown(slices.axis_name(columns), 60), markdown(level, 80), numbers.count(n))
        for (columns, level), n in sorted(largest.items(), key=lambda item: (item[0][0], -item[1]))
    ]
    more = [f"{len(rows) - _MOST:,} further slices are in estimates.parquet.", ""] if len(rows) > _MOST else []
    return ["", *table(("Attribute", "Slice", "Cases (most of any metric)"), rows[:_MOST], right=(2,)), "", *more]


def _source(run: Run, name: str, plan: Evaluation | None) -> list[str]:
    lines = [
        f"- Read from: {markdown(i.source, 200)}; content digest {markdown(i.digest, 120)}"
        for i in run.inputs
        if i.evaluation == name
    ]
    if plan is not None and plan.roles.at is None and not plan.is_generative:
        lines.append("- When the decisions were made is not recorded.")
    return lines or ["- Nothing was read."]


def _preparation(run: Run, name: str, plan: Evaluation | None) -> list[str]:
    lines = []
    if plan is not None and plan.where:
        lines.append(f"- Only rows where: {markdown(plan.where, 300)}")
    cuts = [
        cut
        for s in (plan.slices if plan is not None else ())
        if isinstance(s, dict)
        for cut in s.values()
        if isinstance(cut, Bins)
    ]
    lines += [
        f"- {markdown(cut.column, 60)} was cut at "
        f"{', '.join(f'{e:g}' for e in cut.edges) or f'{cut.quantiles} quantiles'}"
        for cut in cuts[:_MOST]
    ]
    lines += [
        f"- {numbers.count(e.rows)} rows left out: {markdown(e.reason, 200)}"
        for e in run.excluded[:_MOST]
        if e.evaluation == name and e.rows
    ]
    lines += [
        f"- Check, {markdown(f.check, 80)} ({f.gravity}): {markdown(f.what, 300)}"
        for f in run.findings[:_MOST]
        if f.evaluation == name
    ]
    return lines or ["- Nothing was changed or left out by this run."]


def _metrics(run: Run, name: str) -> str:
    used = list(dict.fromkeys(e.metric for e in run.estimates if e.evaluation == name))
    return ", ".join(markdown(metric, 60) for metric in used[:_MOST]) or "nothing was measured"
