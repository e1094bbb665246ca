"""Estimates as a notebook shows them: a compact table, and a forest plot that the notebook draws itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from shipworthy.charts import forest, vega
from shipworthy.estimate.estimates import Estimate
from shipworthy.present import numbers, slices
from shipworthy.present.safe import shorten
from shipworthy.present.vocabulary import words

MOST_ROWS = 100  # of the table; a notebook cell is read, not searched

# Colours come from the notebook's own theme; only weight and opacity are ours.
_STYLE = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;vertical-align:top"
_FAINT = Markup('<div style="opacity:.65;font-size:85%">{}</div>')


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A picture as a Vega-Lite specification: JupyterLab, VS Code and Colab draw it; `spec` can be saved or changed."""

    spec: Mapping[str, Any]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        return vega.mimebundle(self.spec)


def bundle(estimates: Sequence[Estimate], text: str) -> dict[str, Any]:
    """What a notebook displays for an evaluation: `text`, and a table of slices (rows) by metrics (columns).

    estimates: values, not gaps or changes. Every cell holds the value, its 95 % interval and n, or why there is none.
    """
    return {"text/plain": text, "text/html": str(_table(estimates, text))}


def chart(estimates: Sequence[Estimate], *, title: str | None = None) -> Chart:
    """The forest plot of the estimates of one metric: everyone first, then the slices, worst first.

    Raises ValueError when there is none.
    """
    if not estimates:
        raise ValueError("there is nothing to draw")
    ordered = sorted(estimates, key=lambda e: (bool(e.slice), forest.worst_first(e)))
    return Chart(spec=vega.forest(forest.of_estimates(ordered, title=title or words(ordered[0].metric).title)))


def _table(estimates: Sequence[Estimate], text: str) -> Markup:
    metrics = list(dict.fromkeys(e.metric for e in estimates))
    rows: dict[tuple[str, str], dict[str, Estimate]] = {}
    for estimate in estimates:
        rows.setdefault((_axis(estimate), slices.subject(estimate)), {})[estimate.metric] = estimate
    head = Markup("").join(
        Markup('<th style="text-align:right" title="{}">{}</th>').format(words(m).title, words(m).short)
        for m in metrics
    )
    shown = list(rows.items())[:MOST_ROWS]
    body = Markup("\n").join(
        Markup('<tr><td style="text-align:left;vertical-align:top">{}{}</td>{}</tr>').format(
            shorten(name, 80), _FAINT.format(axis) if axis else "", _cells(found, metrics)
        )
        for (axis, name), found in shown
    )
    left = len(rows) - len(shown)
    more = Markup("<p>{} further slices are not shown; to_pandas() has them all.</p>").format(f"{left:,}")
    return Markup("<p>{}</p>\n<table><thead><tr><th></th>{}</tr></thead><tbody>\n{}\n</tbody></table>{}").format(
        escape(text.strip("<>")), head, body, more if left else ""
    )


def _cells(found: Mapping[str, Estimate], metrics: Sequence[str]) -> Markup:
    return Markup("").join(_cell(found.get(metric)) for metric in metrics)


def _cell(estimate: Estimate | None) -> Markup:
    if estimate is None:
        return Markup("<td></td>")
    facts = f"n = {numbers.count(estimate.n)}"
    if estimate.value is None:
        return Markup('<td style="{}">unknown{}</td>').format(
            _STYLE, _FAINT.format(f"{shorten(estimate.reason or '', 60)}, {facts}")
        )
    inside = numbers.limits(estimate) or "no interval"
    return Markup('<td style="{}">{}{}</td>').format(
        _STYLE, numbers.value(estimate.value, estimate.metric), _FAINT.format(f"{inside}, {facts}")
    )


def _axis(estimate: Estimate) -> str:
    return slices.axis_name(tuple(estimate.slice)) if estimate.slice else ""
