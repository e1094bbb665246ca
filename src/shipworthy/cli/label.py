"""`shipworthy label`."""

from __future__ import annotations

import sys
import textwrap
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
@click.option(
    "--rater",
    default="unnamed",
    show_default=True,
    help="Who labels: a name or a pseudonym, written beside each label.",
)
@click.option("--count", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many answers.")
@click.option("--second", is_flag=True, help="Read what others labelled, to see how people agree.")
@click.option(
    "--export",
    "export_to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the answers here, to label elsewhere.",
)
@click.option("--force", is_flag=True, help="Let --export replace a file that holds labels.")
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
    force: bool,
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
    words = sitting.vocabulary.told
    told = {
        "evaluation": sitting.evaluation,
        "scorer": sitting.scorer,
        "judged": sitting.judged,
        "counted": sitting.counted,
        "claims": list(sitting.claims),
    }
    if export_to is not None:
        export(export_to, sitting, rater=rater, force=force)
        said = f"{len(sitting.questions)} answers to label are in {export_to}; fill in the column label: {words}."
        if as_json:
            print_json({**told, "proposed": len(sitting.questions), "labels": words, "file": str(export_to)})
        else:
            click.echo(said + (f"\n{_counted(sitting)}" if sitting.counted < sitting.judged else ""))
        return
    given: dict[tuple[object, ...], str] = {}  # the last word on each answer
    if not quiet:
        click.echo("\n".join(_opening(sitting)), err=True)
    with suppress(KeyboardInterrupt):  # what was labelled is on disk
        for question, label in _labels(sitting):
            write_label(sitting.file, question, label, rater=rater)
            given[question.case, question.attack, question.trial, question.variant] = label
    count = sum(label != "skip" for label in given.values())
    if as_json:
        print_json({**told, "labelled": count, "file": str(sitting.file)})
    else:
        have = "1 answer has" if count == 1 else f"{count} answers have"
        done = f"{have} your label, in {sitting.file}" if count else "No label was given."
        click.echo(done, err=not quiet)


def _counted(sitting: Sitting) -> str:
    """Which answers are proposed, and why no others are."""
    return (
        f"Only answers that the plan's requirements count are proposed: {sitting.counted} of {sitting.judged}, for "
        f"{' and '.join(sitting.claims)}."
    )


def _opening(sitting: Sitting) -> list[str]:
    """What a rater has to know before the first answer: how many there are, what to decide, and with which keys."""
    lines = [
        f"{sitting.scorer}: {len(sitting.questions)} answers proposed; {sitting.labelled} of {sitting.judged} have a "
        "label."
    ]
    if sitting.counted < sitting.judged:
        lines.append(_counted(sitting))
    if sitting.rubric:
        lines.append(f"Decide as {sitting.rubric} says" + (":" if sitting.criteria else "."))
    rubric = [shown for line in sitting.criteria.splitlines() for shown in _wrapped(line)]
    lines += rubric[:LINES]
    if len(rubric) > LINES:
        lines.append(f"  … {len(rubric) - LINES} more lines are in {sitting.rubric}")
    keys = ", ".join(f"{key} {label}" for key, label in sitting.vocabulary.keys.items())
    return [*lines, f"Keys: {keys}, s skip, b back, m more, q quit."]


def _wrapped(line: str) -> list[str]:
    """A line of a text that came from outside: inert, indented, and broken between words."""
    from shipworthy.present.safe import plain

    shown = plain(line)
    return textwrap.wrap(shown, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False) or [""]


def _labels(sitting: Sitting) -> Iterator[tuple[Question, str]]:
    """What the rater says of each answer, as it is said."""
    place, questions, choices = 0, sitting.questions, sitting.vocabulary.keys
    while place < len(questions):
        pages = _pages(questions[place], place, len(questions))
        shown = 0
        click.echo(pages[0], err=True)
        while True:
            left = len(pages) - shown - 1
            offered = ", ".join(f"{key} {label}" for key, label in choices.items())
            key = _key(f"[{offered}, s, b{', m' if left else ''}, q] ")
            if key in ("q", ""):
                return
            if key == "m" and left:
                shown += 1
                click.echo(pages[shown], err=True)
            elif key == "b":
                place = max(place - 1, 0)
                break
            elif key == "s" or key in choices:
                yield questions[place], choices.get(key, "skip")
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
            lines += _wrapped(line)
        if len(text) > LONGEST:
            lines.append(f"  … {len(text) - LONGEST:,} more characters are not shown")
    pages = [lines[start : start + LINES] for start in range(0, len(lines), LINES)]
    more = [f"(page {number} of {len(pages)}; m shows the next)" for number in range(1, len(pages))]
    return ["\n".join([*page, *more[number : number + 1]]) for number, page in enumerate(pages)]
