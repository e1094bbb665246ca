"""How a run looks on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shipworthy.evidence.run import Run
from shipworthy.evidence.versions import versions
from shipworthy.gates.verdicts import Verdict
from shipworthy.present import numbers, sentences, verdicts
from shipworthy.present.safe import plain, shorten

_STYLES = {
    "met": "green",
    "breached": "bold red",
    "undecided": "yellow",
    "waived": "magenta",
    "ship": "bold green",
    "hold": "bold red",
}


def print_run(run: Run, *, console: Console, folder: str | None, verbose: bool) -> None:
    """The decision, the requirements worst first, and what the data checks found."""
    console.print(Text(plain(run.headline), style=_STYLES.get(run.decision.value, "bold yellow")))
    lock = f"plan locked {run.locked_at:%Y-%m-%d %H:%M}" if run.locked_at else "plan not locked before the run"
    if run.command.startswith("shipworthy compare"):  # what it promises is no plan's
        lock = "judged by the margin of this call"
    console.print(
        Text(f"{shorten(run.plan.system.name, 60)} {shorten(run.plan.system.version, 30)} · {lock}", style="dim")
    )
    console.print()
    if (story := versions(run)) is not None:
        for line in story.lines:
            console.print(Text(shorten(line, 600)))
        console.print()
    if run.verdicts:
        console.print(_requirements(run.verdicts, narrow=console.width < 90))
    warned = [finding for finding in run.findings if finding.gravity == "warning" or verbose]
    excluded = [exclusion for exclusion in run.excluded if exclusion.rows]
    if warned or excluded:
        console.print(Text("Data", style="bold"))
    for exclusion in excluded:
        console.print(Text(f"  {exclusion.rows:,} rows left out: {plain(exclusion.reason)}"))
    several = len({finding.evaluation for finding in run.findings}) > 1
    for finding in warned:
        of = f"{shorten(finding.evaluation, 40)}: " if several else ""
        console.print(Text(f"  {of}{plain(finding.what)}", style="yellow" if finding.gravity == "warning" else ""))
    if folder is not None:
        console.print()
        console.print(Text.assemble(("Report  ", "bold"), f"{folder}/report.html"), soft_wrap=True)


def _requirements(judged: tuple[Verdict, ...], *, narrow: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=not narrow, header_style="dim")
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Requirement")
    if not narrow:
        table.add_column("n", justify="right", no_wrap=True)
    for verdict in judged:
        label = Text(str(verdicts.mark(verdict.standing)), style=_STYLES[verdict.standing])
        requirement = verdict.requirement
        words = Text.assemble(
            (shorten(requirement.id, 40), "bold"),
            f"  {shorten(sentences.title(requirement), 160)}",
            (f"  {requirement.severity}", "dim"),
            "\n",
            plain(sentences.why(verdict)),
        )
        step = sentences.next_step(verdict)
        if step not in ("–", "") and verdict.standing in ("undecided", "waived"):
            words.append(f"\n{plain(step)}", style="dim")
        cells = [label, words]
        if not narrow:
            cells.append(Text(numbers.count(verdict.estimate.n) if verdict.estimate else "–"))
        table.add_row(*cells)
    return table
