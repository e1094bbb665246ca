"""Whether the tools that were called are those that the case expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from shipworthy.exchange import Exchange, ToolCall
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Score
from shipworthy.scorers.text import quote, squeezed

MOST_CALLS: Final = 200  # of one answer; more are never right
DEEPEST: Final = 50  # levels of an argument that are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalls:
    """Whether the calls match: each expected call made once, nothing else called.

    arguments: `equal`, `subset` (the expected ones are among them), or `ignore`. Texts are compared but for case and
    white space, numbers by value.
    """

    name: str
    measures: Measure
    arguments: Literal["equal", "subset", "ignore"]
    ordered: bool
    extra: bool  # further calls are allowed

    def score(self, exchange: Exchange) -> Score:
        """True when they match. A case that expects no calls is right when none is made."""
        wanted, made = exchange.case.tool_calls, exchange.answer.tool_calls
        if len(made) > MOST_CALLS:
            return Score(value=False, why=f"it makes {len(made)} calls")
        missing = self._in_order(wanted, made) if self.ordered else self._in_any_order(wanted, made)
        if missing is not None:
            return Score(value=False, why=f"no call matches the expected {quote(missing.name, most=60)}")
        if len(made) > len(wanted) and not self.extra:
            return Score(value=False, why=f"it makes {len(made)} calls where {len(wanted)} are expected")
        return Score(value=True)

    def _in_order(self, wanted: Sequence[ToolCall], made: Sequence[ToolCall]) -> ToolCall | None:
        left = iter(made)
        return next((call for call in wanted if not any(self._same(call, one) for one in left)), None)

    def _in_any_order(self, wanted: Sequence[ToolCall], made: Sequence[ToolCall]) -> ToolCall | None:
        """The first expected call that no pairing can serve: a bipartite matching by augmenting paths."""
        fits = [[at for at, one in enumerate(made) if self._same(call, one)] for call in wanted]
        taken: dict[int, int] = {}

        def place(number: int, seen: set[int]) -> bool:
            for at in fits[number]:
                if at not in seen:
                    seen.add(at)
                    if at not in taken or place(taken[at], seen):
                        taken[at] = number
                        return True
            return False

        return next((call for number, call in enumerate(wanted) if not place(number, set())), None)

    def _same(self, wanted: ToolCall, made: ToolCall) -> bool:
        if wanted.name != made.name:
            return False
        match self.arguments:
            case "ignore":
                return True
            case "subset":
                return all(
                    key in made.arguments and _equal(value, made.arguments[key])
                    for key, value in wanted.arguments.items()
                )
            case "equal":
                return _equal(dict(wanted.arguments), dict(made.arguments))

    def describe(self) -> Mapping[str, str]:
        """Kind and settings."""
        return {
            "kind": "tool_calls",
            "arguments": self.arguments,
            "ordered": str(self.ordered).lower(),
            "extra": str(self.extra).lower(),
        }


def _equal(first: Any, second: Any, depth: int = 0) -> bool:
    if depth > DEEPEST:
        return False
    if isinstance(first, str) and isinstance(second, str):
        return first == second or squeezed(first) == squeezed(second)
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_equal(first[key], second[key], depth + 1) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(_equal(a, b, depth + 1) for a, b in zip(first, second, strict=True))
    return bool(first == second)


def open_tool_calls(options: Options) -> ToolCalls:
    """`tool_calls`, `{tool_calls: subset, ordered: true, extra: true}`."""
    arguments = cast(
        "Literal['equal', 'subset', 'ignore']", options.choice("tool_calls", "equal", ("equal", "subset", "ignore"))
    )
    ordered, extra = options.flag("ordered", False), options.flag("extra", False)
    name, measures = options.name("calls_match"), options.measures_bool("correct")
    options.done()
    return ToolCalls(name=name, measures=measures, arguments=arguments, ordered=ordered, extra=extra)
