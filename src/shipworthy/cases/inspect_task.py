"""An Inspect task as a suite: the samples of its dataset and their targets become cases.

Solvers, scorers, tools and sandboxes of the task are not run: the plan's own subject answers, and the plan's scorers
judge. A sample that only means something in a sandbox is therefore a fault, and not asked. Loading a task runs the code
of the package or file that defines it, as naming a Python subject does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

from shipworthy.cases.reading import plain
from shipworthy.cases.suite import Suite
from shipworthy.errors import DataError, Fault, MissingExtra
from shipworthy.exchange import Case, Message, Speaker

LONGEST_TAG: Final = 200  # characters; longer metadata is content, not a column to slice by
LIMITS: Final = "only the task's dataset and targets are used: its solvers, tools, sandboxes and scorers are not run"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True)
class InspectTask(Suite):
    """An Inspect task, as a suite. Its cases are read from the loaded dataset."""

    samples: tuple[Any, ...]
    where: str
    purpose: str = ""
    licence: str = ""
    made: str = "by the authors of the Inspect task"
    checked: str = ""
    limits: str = LIMITS
    files: tuple[Path, ...] = ()

    def __iter__(self) -> Iterator[Case]:
        """Its cases, in the dataset's order. Raises DataError (SUITE003) for a sample that cannot be one."""
        for number, sample in enumerate(self.samples, 1):
            yield _case(sample, number, self.where)

    def digest(self) -> str:
        """sha256 over its cases, in their JSON form."""
        total = hashlib.sha256()
        for case in self:
            total.update(json.dumps(plain(case), sort_keys=True).encode() + b"\n")
        return f"sha256:{total.hexdigest()}"


def open_inspect_task(spec: str, *, folder: Path, where: str = "") -> InspectTask:
    """The suite of an Inspect task: `package/task` as installed, or `file.py@task` beside the plan in `folder`.

    where: its place in the plan, for messages. Raises MissingExtra without inspect_ai, DataError (SUITE003) where there
    is no such task or it cannot be loaded.
    """
    try:
        from inspect_ai._eval.loader import load_tasks  # Inspect offers no public function that only loads a task
    except ImportError as error:
        raise MissingExtra(package="inspect_ai", extra="inspect", purpose="running an Inspect task") from error
    file, at, task = spec.partition("@")
    path = folder / file
    if at and not path.is_file():
        raise _fault(f"there is no file {file[:120]!r}", where, "name a file beside the plan, as file.py@task")
    try:
        found = load_tasks([f"{path.resolve()}@{task}" if at else spec])
    except Exception as error:  # the task is a stranger's code, and may raise anything
        what = f"the Inspect task {spec[:120]!r} cannot be loaded: {type(error).__name__}: {str(error)[:200]}"
        raise _fault(what, where, "load it with Inspect first: `inspect list tasks`") from error
    if len(found) != 1:
        what = f"there is no Inspect task {spec[:120]!r}" if not found else f"{spec[:120]!r} names {len(found)} tasks"
        raise _fault(what, where, "write package/task of an installed package, or file.py@task")
    (one,) = found
    return InspectTask(
        name=str(one.name), version=str(one.version), samples=tuple(one.dataset), where=where, title=str(one.name)
    )


def _fault(what: str, where: str, mend: str) -> DataError:
    return DataError(Fault(code="SUITE003", what=what, where=where, mend=mend))


def _case(sample: Any, number: int, where: str) -> Case:
    name = str(sample.id) if sample.id is not None else f"sample-{number:05d}"
    if sample.sandbox is not None or sample.files or sample.setup:
        raise _fault(f"sample {name[:80]!r} needs a sandbox", where, "run the task with Inspect, and name its log")
    messages = [Message(role="user", content=sample.input)] if isinstance(sample.input, str) else _messages(sample)
    system = messages.pop(0).content if messages and messages[0].role == "system" else None
    if not messages or messages[-1].role != "user":
        raise _fault(f"sample {name[:80]!r} does not end with the user's words", where, "leave such samples out")
    target = sample.target if isinstance(sample.target, str) else next(iter(sample.target), "")
    return Case(
        id=name,
        turns=(messages[-1].content + _choices(sample.choices),),
        before=tuple(messages[:-1]),
        system=system,
        reference=target or None,
        tags=_tags(sample.metadata),
    )


def _messages(sample: Any) -> list[Message]:
    """The conversation; of each message its text."""
    return [
        Message(role=cast("Speaker", each.role), content=each.text)
        for each in sample.input
        if each.role in get_args(Speaker)
    ]


def _choices(choices: list[str] | None) -> str:
    """The choices as lettered lines, since a target of such a sample is a letter."""
    if not choices or len(choices) > len(_LETTERS):
        return ""
    lines = [f"{letter}) {choice}" for letter, choice in zip(_LETTERS, choices, strict=False)]
    return "\n\n" + "\n".join(lines) + "\n\nAnswer with the letter of the right choice."


def _tags(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    found = {}
    for key, value in (metadata or {}).items():
        text = json.dumps(value) if isinstance(value, bool) else str(value)
        if isinstance(value, str | int | float) and text and len(text) <= LONGEST_TAG:
            found[str(key)] = text
    return found
