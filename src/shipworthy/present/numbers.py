"""How a value, an interval, a count and a p-value are written. Formatted here once, for every face."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shipworthy.present.vocabulary import Kind, words

if TYPE_CHECKING:
    from shipworthy.estimate.estimates import Comparison, Estimate

MINUS = "−"
NOTHING = "–"


def count(n: float | None) -> str:
    """1795 -> "1,795"; None -> "–"."""
    return NOTHING if n is None or not math.isfinite(n) else f"{round(n):,}"


def about(n: int) -> str:
    """A count that is itself an estimate: 1134 -> "about 1,200"."""
    return f"about {rounded(n)}"


def rounded(n: int) -> str:
    """A count to two significant figures, upwards: 1134 -> "1,200"; small ones stay exact."""
    size: int = 10 ** max(0, len(str(abs(n))) - 2)
    return f"{-(-n // size) * size:,}"


def probability(p: float) -> str:
    """A p-value: "p < 0.001", "p = 0.032"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if text.strip("-0.,") == "":
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def _significant(value: float, figures: int = 3) -> str:
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 9:
        return _fixed(value, max(0, figures - 1 - size))
    return f"{value:.{figures - 1}e}".replace("-", MINUS)


def _decimals(kind: Kind, comparison: Comparison, scale: float) -> int | None:
    """Decimals that keep neighbours comparable; None: significant figures instead."""
    if comparison == "ratio":
        return 2
    if kind == "share":  # in percent or points
        return 2 if 0 < scale < 0.01 else 1
    return 3 if kind == "score" else None


def _write(value: float, *, kind: Kind, comparison: Comparison, scale: float, signed: bool = False) -> str:
    if not math.isfinite(value):
        return NOTHING
    decimals = _decimals(kind, comparison, scale)
    shown = value * 100 if kind == "share" and comparison != "ratio" else value
    text = _significant(shown) if decimals is None else _fixed(shown, decimals)
    return "+" + text if signed and shown > 0 and text.strip("0.,") else text


def _unit(kind: Kind, comparison: Comparison) -> str:
    if kind == "duration" and comparison != "ratio":
        return " ms"
    if kind != "share" or comparison == "ratio":
        return ""
    return " %" if comparison == "value" else " points"


def unit(metric: str, comparison: Comparison = "value") -> str:
    """The unit after a number, with its space: " %", " points", " ms", or nothing."""
    return _unit(words(metric).kind, comparison)


def value(
    number: float | None,
    metric: str,
    comparison: Comparison = "value",
    *,
    signed: bool | None = None,
    scale: float | None = None,
    apart: float | None = None,
) -> str:
    """One number with its unit: "44.9 %", "+21.4 points", "0.64", "0.702".

    signed: whether a plus sign is written; default: for differences and changes. scale: the size that sets the
    decimals of numbers
    written side by side; default: the number's own. apart: a bound that it must not look equal to, where it is not.
    """
    if number is None:
        return NOTHING
    kind = words(metric).kind
    sign = comparison in ("difference", "change") if signed is None else signed
    scale = abs(number) if scale is None else scale
    said = _write(number, kind=kind, comparison=comparison, scale=scale, signed=sign)
    if (
        apart is not None
        and apart != number
        and said == _write(apart, kind=kind, comparison=comparison, scale=scale, signed=sign)
    ):
        said = _told_apart(number, apart, percent=kind == "share" and comparison != "ratio", signed=sign)
    return said + _unit(kind, comparison)


def _told_apart(number: float, bound: float, *, percent: bool, signed: bool) -> str:
    """A number with as many decimals as it takes to tell it from a bound, which it is not."""
    one, other = (100 * each if percent else each for each in (number, bound))
    decimals = next((d for d in range(2, 12) if _fixed(one, d) != _fixed(other, d)), 3)
    return "+" * (signed and one > 0) + _fixed(one, decimals)


def bound_value(number: float, metric: str, comparison: Comparison = "value") -> str:
    """A bound as the plan means it, without trailing zeros: "5 points", "20 %", "0.8"."""
    kind = words(metric).kind
    shown = number * 100 if kind == "share" and comparison != "ratio" else number
    return f"{round(shown, 10):,.10g}".replace("-", MINUS) + _unit(kind, comparison)


def _size(estimate: Estimate) -> float:
    """The largest of the three numbers of an estimate, which are written with the same decimals."""
    return max(abs(x) for x in (estimate.value, estimate.low, estimate.high, 0.0) if x is not None and math.isfinite(x))


def limits(estimate: Estimate) -> str:
    """The interval without brackets: "42.6 to 47.2"; a side without limit says so; "" when there is no interval at
    all."""
    low = estimate.low if estimate.low is not None and math.isfinite(estimate.low) else None
    high = estimate.high if estimate.high is not None and math.isfinite(estimate.high) else None
    if estimate.value is None or (low is None and high is None):
        return ""
    kind = words(estimate.metric).kind
    signed = estimate.compare in ("difference", "change")

    scale = _size(estimate)

    def side(number: float) -> str:
        return _write(number, kind=kind, comparison=estimate.compare, scale=scale, signed=signed)

    if low is None:
        return f"no lower limit, up to {side(high)}" if high is not None else ""
    return f"{side(low)} to {side(high)}" if high is not None else f"from {side(low)}, no upper limit"


def judged(it: Estimate) -> str:
    """How far the word of a judge can be trusted: "judge uncorrected", "judge corrected with 120 labels"; "" where no
    judge had a say."""
    method = it.method or ""
    if "judge uncorrected" in method:
        return "judge uncorrected"
    if "strat-mover" not in method:
        return ""
    if it.effective_n is None or not math.isfinite(it.effective_n):
        return "judge corrected with labels"
    said = f"judge corrected with {count(it.effective_n)} labels"
    return f"{said} a version or more" if it.compare == "change" else said


def duration(milliseconds: float) -> str:
    """A time for people: 43.2 -> "43 ms", 1292 -> "1.3 s", 75000 -> "75 s"."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 10_000 else f"{milliseconds / 1000:,.0f} s"


def point(it: Estimate) -> str:
    """The value of an estimate without its interval, with the decimals that the two have together."""
    return NOTHING if it.value is None else value(it.value, it.metric, it.compare, scale=_size(it))


def estimate(it: Estimate, *, named: bool = False, n: bool = False) -> str:
    """An estimate as text: "44.9 % (42.6 to 47.2)", or "unknown: <reason>".

    One that rests on a judge says so: "4.4 % (2.1 to 8.0; judge uncorrected)".
    named: the metric's short name goes first. n: the count goes last, as in "FPR 44.9 % (42.6 to 47.2), n = 1,795".
    """
    if it.value is None:
        text = f"unknown: {it.reason}" if it.reason else "unknown"
    else:
        inside = "; ".join(part for part in (limits(it) or "no interval", judged(it)) if part)
        text = f"{point(it)} ({inside})"
    if named:
        text = f"{words(it.metric).short} {text}"
    return f"{text}, n = {count(it.n)}" if n else text


def level(confidence: float) -> str:
    """A confidence level: 0.95 -> "95 %"."""
    return f"{round(confidence * 100, 4):g} %"
