"""YAML 1.2 text as a tree that remembers where each value stands, within limits that no file can break.

Scalars follow the core schema of YAML 1.2, so `no`, `on` and `2026-11-01` are text. Built from the parser's events
rather than its objects: that is what keeps positions, counts aliases, and stops a hostile file early.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from shipworthy.errors import Fault, PlanError

Loc: TypeAlias = tuple[str | int, ...]  # the way from the top of a file to a value: keys and indices
Scalar: TypeAlias = bool | int | float | str | None

MAX_BYTES = 5_000_000
_SHORT = 20_000  # characters of a text whose tree is kept for a while
MAX_DEPTH = 32
MAX_VALUES = 100_000  # counted after aliases are followed
EXACT = 2**53 - 1  # the largest whole number that JSON readers agree on

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_VARIABLE = re.compile(r"\$\{")  # a brace that YAML takes for one of its own
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and where it starts. Mappings keep each key as a node of its own."""

    value: Scalar | list[Node] | dict[str, tuple[Node, Node]]
    line: int  # from 1
    column: int  # from 1
    size: int = 1  # values in it, itself included

    def plain(self) -> Any:
        """The value without its positions: what `json.loads` would give."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, (_, node) in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value

    def child(self, step: str | int) -> Node | None:
        """The value under a key or an index, if there is one."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value[step][1] if step in self.value else None
        if isinstance(self.value, list) and isinstance(step, int):
            return self.value[step] if step < len(self.value) else None
        return None

    def key(self, step: str | int) -> Node | None:
        """The key itself, where a mapping has it."""
        return self.value[step][0] if isinstance(self.value, dict) and step in self.value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that was read: its name as the user gave it, its text, its tree."""

    file: str
    text: str
    root: Node

    def where(self, loc: Loc, *, key: bool = False) -> str:
        """`file:line:column  path` of a value, or of its key; of the nearest thing around it where it is missing."""
        node = self.root
        for depth, step in enumerate(loc):
            if key and depth == len(loc) - 1 and (name := node.key(step)):
                node = name
            elif (inner := node.child(step)) is not None:
                node = inner
            else:
                break
        return place(self.file, node.line, node.column, loc)


def place(file: str, line: int, column: int, loc: Loc = ()) -> str:
    """`file:line:column  path`, as every fault of a plan gives it."""
    return f"{file}:{line}:{column}  {path_text(loc)}".rstrip()


def path_text(loc: Loc) -> str:
    """The way to a value as people write it: `evaluations.decisions.slices[2]`."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(text: str) -> str:
    """Text in quotes on one line, with whatever cannot be seen written as an escape, fit for a message."""
    short = text if len(text) <= 80 else text[:77] + "..."
    quoted = json.dumps(short, ensure_ascii=False)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in quoted)


def read_text(path: Path, file: str) -> str:
    """The text of a plan file. Raises PlanError where there is none."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PlanError(
            Fault(
                code="PLAN001",
                what=f"cannot read the plan: {reason.lower()}",
                where=file,
                mend="check the path, or write a first plan with `shipworthy init DATA`",
            )
        ) from error
    if len(content) > MAX_BYTES:
        raise PlanError(
            Fault(
                code="PLAN002",
                what=f"the file is larger than {MAX_BYTES:,} bytes",
                where=file,
                mend="a plan names its data by path; keep data out of it",
            )
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", errors="replace")) + 1
        raise PlanError(
            Fault(
                code="PLAN003",
                what=f"byte 0x{error.object[error.start]:02x} is not UTF-8 text",
                where=place(file, line, column),
                mend="save the file as UTF-8",
            )
        ) from error


def parse(text: str, file: str) -> Source:
    """The tree of a YAML text. Raises PlanError with every fault that can be told from the text alone."""
    known = _known(text) if len(text) <= _SHORT else None
    return Source(file=file, text=text, root=known or _tree(text, file))


@lru_cache(maxsize=8)
def _known(text: str) -> Node | None:
    """The tree of a text: a plan is read again as the copy in its run's folder. None where it has faults, which name
    the file."""
    try:
        return _tree(text, "")
    except PlanError:
        return None


def _tree(text: str, file: str) -> Node:
    builder = _Builder(file=file)
    events = _events(text, file)
    root: Node | None = None
    try:
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise PlanError(builder.fault("PLAN007", event, (), *_SEVERAL))
                root = builder.build(next(events), events, ())
    except PlanError as stopped:
        raise PlanError([*builder.faults, *stopped.faults]) from stopped.__cause__
    if root is None or not isinstance(root.value, dict):
        empty = root is None or root.value is None
        what = "the file holds no plan" if empty else "a plan is a mapping of keys to values"
        line, column = (root.line, root.column) if root else (1, 1)
        mend = "start with `system:` and `name:` under it, or write a first plan with `shipworthy init DATA`"
        builder.faults.append(Fault(code="PLAN006", what=what, where=place(file, line, column), mend=mend))
    if builder.faults or root is None:
        raise PlanError(builder.faults)
    return root


_SEVERAL = ("a second document starts here", "one file holds one plan: remove the `---`, or split the file")


def _events(text: str, file: str) -> Iterator[Event]:
    """The parser's events, with each way that it can fail turned into a fault with a place."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise PlanError(
            Fault(
                code="PLAN003",
                what="a character that YAML does not allow",
                where=place(file, line, column),
                mend="remove it; in double quotes it can be written as an escape such as \\x07",
            )
        ) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(filter(None, (error.context, error.problem))) or "the text is not YAML"
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        mend = _syntax_mend(what)
        if mark and "flow" in what and _VARIABLE.search("".join(text.splitlines()[mark.line : mark.line + 1])):
            mend = 'put ${...} in quotes inside braces: "${NAME}"'
        raise PlanError(
            Fault(code="PLAN004", what=f"not YAML: {what}", where=place(file, line, column), mend=mend)
        ) from error
    except Exception as error:  # the scanner has unguarded corners (bad escapes, bad directives); all mean one thing
        raise PlanError(
            Fault(code="PLAN004", what=f"not YAML: {error}", where=place(file, 1, 1), mend=_syntax_mend(""))
        ) from error


def _syntax_mend(problem: str) -> str:
    if "\\t" in problem:
        return "indent with spaces; YAML allows no tab there"
    if "mapping values are not allowed" in problem:
        return "put text that holds `: ` in quotes, and check the indentation of this line"
    if "could not find expected ':'" in problem:
        return "write `key: value`; a key stands on one line"
    if "expected <block end>" in problem:
        return "line the key up with the others of its block"
    if "end of stream" in problem or "expected ',' or" in problem:
        return "close what was opened: a quote, a bracket or a brace"
    return "put text with special characters (: # { } [ ] , & * ! | > ' \" % @ `) in quotes, and check the indentation"


@dataclass(kw_only=True)
class _Builder:
    """Turns events into nodes, collecting faults that do not stop it."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)  # None while the anchored value is being built
    values: int = 0

    def fault(self, code: str, event: Event | Node, loc: Loc, what: str, mend: str) -> Fault:
        line, column = _position(event)
        return Fault(code=code, what=what, where=place(self.file, line, column, loc), mend=mend)

    def build(self, event: Event, events: Iterator[Event], loc: Loc) -> Node:
        if len(loc) > MAX_DEPTH:
            what = f"values are nested deeper than {MAX_DEPTH} levels"
            raise PlanError(self.fault("PLAN002", event, (), what, "no part of a plan is that deep"))
        if isinstance(event, AliasEvent):
            return self._alias(event, loc)
        anchor = event.anchor if isinstance(event, NodeEvent) else None
        if anchor:
            self.anchors[anchor] = None
        node = self._fresh(event, events, loc)
        if anchor:
            self.anchors[anchor] = node
        return node

    def _fresh(self, event: Event, events: Iterator[Event], loc: Loc) -> Node:
        line, column = _position(event)
        self._count(1, event)
        self._check_tag(event, loc)
        if isinstance(event, MappingStartEvent):
            mapping = self._mapping(events, loc)
            size = 1 + sum(node.size for _, node in mapping.values())
            return Node(value=mapping, line=line, column=column, size=size)
        if isinstance(event, SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(inner := next(events), SequenceEndEvent):
                items.append(self.build(inner, events, (*loc, len(items))))
            return Node(value=items, line=line, column=column, size=1 + sum(node.size for node in items))
        assert isinstance(event, ScalarEvent)
        return Node(value=self._scalar(event, loc), line=line, column=column)

    def _mapping(self, events: Iterator[Event], loc: Loc) -> dict[str, tuple[Node, Node]]:
        mapping: dict[str, tuple[Node, Node]] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            known = len(self.faults)
            key = self.build(event, events, (*loc, "?"))
            name = key.value
            if not isinstance(name, str):
                kind = "a list" if isinstance(name, list) else "a mapping" if isinstance(name, dict) else "not text"
                spelled = str(event.value) if isinstance(event, ScalarEvent) else ""
                mend = f"quote it: {shown(spelled)}" if spelled else "a key is a piece of text"
                del self.faults[known:]  # what is wrong inside a key that cannot be a key is noise
                self.faults.append(self.fault("PLAN008", key, loc, f"a key is {kind}", mend))
                name = f"?{len(mapping)}"
            elif name == "<<" and isinstance(event, ScalarEvent) and not event.style:
                mend = "write the keys out, or share requirements with `extends`"
                self.faults.append(self.fault("PLAN008", key, loc, "merge keys `<<` are not part of YAML 1.2", mend))
            elif name in mapping:
                what = f"the key {shown(name)} stands here a second time; the first is on line {mapping[name][0].line}"
                self.faults.append(self.fault("PLAN005", key, (*loc, name), what, "keep one of the two"))
            value = self.build(next(events), events, (*loc, name))
            if value.value is None:
                value = replace(
                    value, line=key.line, column=key.column
                )  # nothing stands nowhere: the key speaks for it
            mapping.setdefault(name, (key, value))
        return mapping

    def _scalar(self, event: ScalarEvent, loc: Loc) -> Scalar:
        text = str(event.value)
        if _SURROGATE.search(text):
            mend = "write the character itself, or its full \\U escape of eight digits"
            self.faults.append(self.fault("PLAN003", event, loc, "half of a character (a lone surrogate)", mend))
            return ""
        if event.style or event.tag in _TEXT_TAGS:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return self._whole(text, event, loc)
        if _NOT_FINITE.fullmatch(text):
            return self._inexact(event, loc, f"{text} is not a finite number")
        if _FLOAT.fullmatch(text):
            number = float(text)
            return number if abs(number) != float("inf") else self._inexact(event, loc, f"{shown(text)} is too large")
        return text

    def _whole(self, text: str, event: ScalarEvent, loc: Loc) -> Scalar:
        if len(text) <= 20:
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            number = int(text[2:] if base != 10 else text, base)
            if abs(number) <= EXACT:
                return number
        return self._inexact(event, loc, f"{shown(text)} is beyond ±{EXACT:,}, where JSON loses digits")

    def _inexact(self, event: ScalarEvent, loc: Loc, what: str) -> Scalar:
        self.faults.append(self.fault("PLAN011", event, loc, what, "write a finite number, or quote it as text"))
        return 0

    def _alias(self, event: AliasEvent, loc: Loc) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            inside = event.anchor in self.anchors
            what = "stands inside the value that it names" if inside else "names nothing"
            what = f"the alias {shown(str(event.anchor))} {what}"
            self.faults.append(self.fault("PLAN010", event, loc, what, "name a value with & before it is used with *"))
            line, column = _position(event)
            return Node(value="", line=line, column=column)
        self._count(node.size, event)
        return node

    def _count(self, size: int, event: Event) -> None:
        self.values += size
        if self.values > MAX_VALUES:
            what = f"more than {MAX_VALUES:,} values, aliases followed"
            raise PlanError(self.fault("PLAN002", event, (), what, "a plan needs far fewer"))

    def _check_tag(self, event: Event, loc: Loc) -> None:
        tag = getattr(event, "tag", None)
        if tag and tag not in _TEXT_TAGS + _PLAIN_TAGS:
            what = f"the tag {shown(str(tag))} asks for a type that a plan has not"
            self.faults.append(self.fault("PLAN009", event, loc, what, "remove the tag"))


def _position(event: Event | Node) -> tuple[int, int]:
    if isinstance(event, Node):
        return event.line, event.column
    return event.start_mark.line + 1, event.start_mark.column + 1
