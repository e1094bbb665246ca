"""The step summary of a CI job, in GitHub's Markdown."""

from __future__ import annotations

from shipworthy.evidence import limits as unknown
from shipworthy.evidence.markdown import verdict_table
from shipworthy.evidence.run import Run
from shipworthy.evidence.versions import versions
from shipworthy.present import verdicts
from shipworthy.present.safe import markdown

_LIMIT = 900_000  # bytes; GitHub refuses a summary beyond 1 MiB


def step_summary(run: Run) -> str:
    """The decision, the requirement table, and what is not known (folded). Never longer than GitHub accepts."""
    system = run.plan.system
    story = versions(run)
    lines = [
        f"## {verdicts.decision_mark(run.decision).shape} {markdown(run.headline)}",
        "",
        f"{markdown(system.name, 120)} {markdown(system.version, 80)}, run {markdown(run.id, 80)}, plan "
        + ("locked before the run." if run.locked_at else "**not** locked before the run."),
        "",
        *(line for each in (story.lines if story else ()) for line in (markdown(each, 700), "")),
        *verdict_table(run),
        "",
        "<details><summary>What is not known</summary>",
        "",
        *(f"- **{markdown(limit.title, 120)}**: {markdown(limit.text, 400)}" for limit in unknown.limits(run)[:40]),
        "",
        "</details>",
        "",
    ]
    text = "\n".join(lines)
    while len(text.encode("utf-8", "replace")) > _LIMIT:
        text = text[: len(text) // 2].rsplit("\n", 1)[0] + "\n\nCut short; see report.html.\n"
    return text
