"""`shipworthy label`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipworthy.cli.shared import command_options, guarded, print_json

if TYPE_CHECKING:
    from shipworthy.api.labelling import Question, Sitting

LINES = 40  # of a page
WIDTH = 100
LONGEST = 200_000  # characters of one message that are paged through


@click.command("label")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File of labels; default labels/<judge>.csv."
)
@click.option("--scorer", help="The judge whose verdicts are checked; may be left out where there is one.")
@click.option("--evaluation", help="The evaluation; may be left out where there is one.")
@click.option("--rater", default="", help="Who labels: a name or a pseudonym, written beside each label.")
@click.option("--count", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many answers.")
@click.option("--second", is_flag=True, help="Read what others labelled, to see how people agree.")
@click.option(
    "--export",
    "export_to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the answers here, to label elsewhere.",
)
@command_options
@guarded
def command(
    *,
    run: Path,
    out: Path | None,
    scorer: str | None,
    evaluation: str | None,
    rater: str,
    count: int,
    second: bool,
    export_to: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  read by `guarded`
) -> None:
    """Label answers of the run in the folder RUN by hand, to correct its judge.

    It proposes the answers whose labels buy most precision, shows each without the judge's verdict, and writes every
    label at once: stop whenever you like, and the same command goes on. Name the file as `human_labels:` of the judge.
    """
    from shipworthy.api.labelling import export, propose, write_label

    sitting = propose(run, labels=out, rater=rater, count=count, evaluation=evaluation, scorer=scorer, second=second)
    told = {"evaluation": sitting.evaluation, "scorer": sitting.scorer, "judged": sitting.judged}
    if export_to is not None:
        export(export_to, sitting, rater=rater)
        said = f"{len(sitting.questions)} answers to label are in {export_to}; fill in the column label."
        print_json({**told, "proposed": len(sitting.questions), "file": str(export_to)}) if as_json else click.echo(
            said
        )
        return
    given = 0
    if not quiet:
        by = f"Decide as {sitting.rubric} says.\n" if sitting.rubric else ""
        words = ", ".join(f"{key} {label}" for key, label in sitting.choices.items())
        click.echo(
            f"{sitting.scorer}: {len(sitting.questions)} answers proposed; {sitting.labelled} of {sitting.judged} have "
            f"a label.\n{by}Keys: {words}, s skip, b back, m more, q quit.",
            err=True,
        )
    with suppress(KeyboardInterrupt):  # what was labelled is on disk
        for question, label in _labels(sitting):
            write_label(sitting.file, question, label, rater=rater)
            given += label != "skip"
    if as_json:
        print_json({**told, "labelled": given, "file": str(sitting.file)})
    else:
        click.echo(f"{given} labels written to {sitting.file}" if given else "No label was given.", err=not quiet)


def _labels(sitting: Sitting) -> Iterator[tuple[Question, str]]:
    """What the rater says of each answer, as it is said."""
    place, questions = 0, sitting.questions
    while place < len(questions):
        pages = _pages(questions[place], place, len(questions))
        shown = 0
        click.echo(pages[0], err=True)
        while True:
            left = len(pages) - shown - 1
            key = _key(f"[{'/'.join(sitting.choices)}/s/b{'/m' if left else ''}/q] ")
            if key in ("q", ""):
                return
            if key == "m" and left:
                shown += 1
                click.echo(pages[shown], err=True)
            elif key == "b":
                place = max(place - 1, 0)
                break
            elif key == "s" or key in sitting.choices:
                yield questions[place], sitting.choices.get(key, "skip")
                place += 1
                break
            else:
                click.echo("not one of the keys", err=True)


def _key(prompt: str) -> str:
    """One key on a terminal, one line elsewhere; "" at the end of input."""
    if sys.stdin.isatty():
        click.echo(prompt, nl=False, err=True)
        try:
            key = click.getchar().casefold()
        except EOFError:
            key = "q"
        click.echo(key if key.isprintable() else "", err=True)
        return "q" if key in ("\x03", "\x04", "\x1b") else key
    line = sys.stdin.readline()
    return line.strip().casefold()[:1] or ("?" if line else "")


def _pages(question: Question, place: int, of: int) -> list[str]:
    """An answer in its conversation, inert and wrapped; the verdict of the judge is not in it."""
    from shipworthy.present.safe import plain

    lines = ["", f"── {place + 1} of {of} " + "─" * 40]
    for speaker, text in (*question.messages, ("answer", question.answer)):
        lines.append(f"{plain(speaker)[:20].upper()}")
        for line in text[:LONGEST].splitlines() or ["(nothing)"]:
            shown = plain(line)
            lines += [f"  {shown[start : start + WIDTH]}" for start in range(0, max(len(shown), 1), WIDTH)]
        if len(text) > LONGEST:
            lines.append(f"  … {len(text) - LONGEST:,} more characters are not shown")
    pages = [lines[start : start + LINES] for start in range(0, len(lines), LINES)]
    more = [f"(page {number} of {len(pages)}; m shows the next)" for number in range(1, len(pages))]
    return ["\n".join([*page, *more[number : number + 1]]) for number, page in enumerate(pages)]
