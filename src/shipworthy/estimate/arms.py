"""One metric on every slice of an axis, with limits at any level: what claims are judged on.

`Arms` is the meeting point of metrics and statistics. Whatever the metric (a proportion, a mean, an AUC, a paired
change), it becomes values, sample sizes and a function from level to limits; differences, ratios and gates are then the
same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from scipy.special import gammaincinv

from shipworthy.estimate.estimates import Comparison, Estimate, SliceKey
from shipworthy.metrics.kinds import CellFunction, CellMixture, CellRate, Metric, RowFunction, RowMean, Scale
from shipworthy.observations.tally import FOLDED, Array, Key, Tally
from shipworthy.stats.cluster import cluster_wilson, design_effect, least_design_effect
from shipworthy.stats.interval import critical
from shipworthy.stats.proportion import clopper_pearson, wilson

Limits: TypeAlias = Callable[
    [float], tuple[Array, Array]
]  # two-sided level -> limits per slice; infinite where there is none
# slice, bound, error of each one-sided limit, power -> further labels that would probably decide; None: none would
NeededLabels: TypeAlias = Callable[[int, float, float, float], int | None]
FEWEST_CLUSTERS = 10
LARGEST_SUM = 1e300  # of squares; beyond it a sum has overflowed, and what is left of it is no number of the data
FEWEST_IN_CELL = 5  # counts of a kind below which a linearised function of a 2 x 2 table decides nothing
HEAVY = 0.3  # power of 1 + cv^2 of weights, at which claims keep their error where heavy rows differ from others
FEWEST_ERRORS = 20  # errors, equally important, below which a linearised function of many classes decides nothing
NO_SPREAD = "no interval: the cases show no spread, so nothing tells how far off the value may be"
ENDLESS = "beyond any number, for too many of its cases were never answered"
ROUNDING = 1e-13  # a sum of squares this small against what it was computed from is zero
SLIGHT = 1e-12  # a derivative by a count this small against the largest is zero; one by 1 of n cases is 1 / n of it


@dataclass(frozen=True, kw_only=True)
class Arms:
    """One metric on S slices. Where a slice has no value, `reasons` says why, and its limits are infinite."""

    evaluation: str
    metric: str
    slices: tuple[SliceKey, ...]
    values: Array  # (S,) NaN exactly where there is a reason; infinite where a quantile is of what never came
    n: Array  # (S,) cases in the denominator
    effective: Array  # (S,)
    reasons: tuple[str | None, ...]
    method: str
    limits: Limits  # for display
    gate: Limits | None = None  # for a claim about one slice, where another method guarantees its error rate
    gate_method: str | None = None
    gate_reasons: tuple[str | None, ...] | None = None  # why no claim about a slice can be judged, where it has a value
    ends: tuple[Array, Array] | None = None  # (S,) each: values if all that is missing were least, or greatest
    correlation: Array | None = None  # (S, S), where units lie in several slices: with ends of each least (rows) with
    # each greatest (columns), else of the estimates
    straddling: bool = False  # units are known to lie in several slices, whether or not a correlation is
    lowest: float = -np.inf  # range that the quantity can take
    highest: float = np.inf
    compare: Comparison = "value"
    variant: str | None = None
    baseline: str | None = None
    is_proportion: bool = False
    is_clustered: bool = False  # rows of a unit are alike, which the limits shown may take too lightly
    limits_reason: str | None = None  # why a slice with a value has no interval, where it has none
    notes: tuple[str, ...] = ()
    missing: Array | None = None  # (S,) cases of which the outcome is not known, and counts either way
    needed_labels: NeededLabels | None = None  # where a judge is corrected with labels of people

    def estimates(self, level: float) -> list[Estimate]:
        """The slices as records, with two-sided intervals at `level`."""
        low, high = self.limits(level)
        return [
            self._estimate(index, float(low[index]), float(high[index]), level) for index in range(len(self.slices))
        ]

    def only(self, chosen: Sequence[int]) -> Arms:
        """The same metric on some of the slices."""
        at = np.array(chosen, dtype=int)

        def chosen_of(limits: Limits) -> Limits:
            def of(level: float) -> tuple[Array, Array]:
                low, high = limits(level)
                return low[at], high[at]

            return of

        def labels_of(needed: NeededLabels) -> NeededLabels:
            return lambda index, bound, alpha, power: needed(int(at[index]), bound, alpha, power)

        return replace(
            self,
            slices=tuple(self.slices[index] for index in at),
            values=self.values[at],
            n=self.n[at],
            effective=self.effective[at],
            reasons=tuple(self.reasons[index] for index in at),
            limits=chosen_of(self.limits),
            gate=chosen_of(self.gate) if self.gate else None,
            gate_reasons=self.gate_reasons and tuple(self.gate_reasons[index] for index in at),
            ends=self.ends and (self.ends[0][at], self.ends[1][at]),
            correlation=None if self.correlation is None else self.correlation[np.ix_(at, at)],
            missing=None if self.missing is None else self.missing[at],
            needed_labels=labels_of(self.needed_labels) if self.needed_labels else None,
        )

    def reason(self, index: int) -> str | None:
        """Why a slice shows no value, if it does not."""
        return self.reasons[index] or (ENDLESS if np.isinf(self.values[index]) else None)

    def _estimate(self, index: int, low: float, high: float, level: float) -> Estimate:
        reason = self.reason(index)
        return Estimate(
            evaluation=self.evaluation,
            metric=self.metric,
            compare=self.compare,
            slice=self.slices[index],
            variant=self.variant,
            baseline=self.baseline,
            value=None if reason else float(self.values[index]),
            low=None if reason or not np.isfinite(low) else low,
            high=None if reason or not np.isfinite(high) else high,
            level=level,
            n=int(self.n[index]),
            effective_n=None if reason or np.isnan(self.effective[index]) else float(self.effective[index]),
            method=None if reason else self.method,
            reason=reason or (None if np.isfinite(low) or np.isfinite(high) else self.limits_reason),
            missing=0 if self.missing is None else int(self.missing[index]),
        )


@dataclass(frozen=True, kw_only=True)
class Context:
    """What all arms of one evaluation share."""

    evaluation: str
    minimum_group: int
    conditions: frozenset[str] = frozenset()  # names of the attributes that are named conditions
    variant: str | None = None
    proportions: frozenset[str] = frozenset()  # row means whose row expression is a condition


def slice_of(parts: Sequence[str], key: Key, conditions: frozenset[str]) -> SliceKey:
    """The slice as results write it: column -> value; a named condition as {"name": ...}."""
    if len(parts) == 1 and parts[0] in conditions:
        return {"name": parts[0] if key[0] else f"not {parts[0]}"}
    if key and key[0] == FOLDED:
        return dict.fromkeys(parts, FOLDED)
    return dict(zip(parts, key, strict=True))


def measure(metric: Metric, tally: Tally, context: Context) -> Arms:
    """Bind a metric of counts or row sums to its tally."""
    if isinstance(metric, CellRate):
        hit, case = _indicators(metric, tally)
        return proportion(metric, tally, context, hit, case, transform=metric.transform)
    if isinstance(metric, CellMixture):
        return _mixture(metric, tally, context)
    if isinstance(metric, CellFunction):
        classes, cells = _classes(tally), cells_of(tally)
        arms = linearised(
            metric,
            tally,
            context,
            lambda counts: metric.function(dict(zip(cells, counts, strict=True)), classes),
            scale=metric.scale,
            n=tally.raw.sum(axis=1),
        )
        if len(cells[0]) < 2:
            return arms
        arms = replace(arms, limits=_shown(arms, metric, tally))
        return _widened(metric, arms, tally) if len(classes) > 2 else _undecided_where_rare(arms, tally)
    if isinstance(metric, RowMean):
        return _mean(metric, tally, context)
    if isinstance(metric, RowFunction):
        return linearised(
            metric,
            tally,
            context,
            of_sums(metric, tally),
            n=tally.raw[:, tally.terms.index(f"{metric.name}.n")],
            case=np.array([term == f"{metric.name}.n" for term in tally.terms], dtype=float),
        )
    raise TypeError(f"{type(metric).__name__} has no tally")


def of_sums(metric: RowFunction, tally: Tally) -> Callable[[Any], Any]:
    """The function of a tally's sums, in the order of its terms."""
    own = [(i, term.removeprefix(f"{metric.name}.")) for i, term in enumerate(tally.terms)
           if isinstance(term, str) and term.startswith(f"{metric.name}.")]  # fmt: skip
    return lambda sums: metric.function({name: sums[i] for i, name in own})


def cells_of(tally: Tally) -> list[tuple[Any, ...]]:
    """The tally's terms that are cells of outcomes."""
    return [cell for cell in tally.terms if not isinstance(cell, str)]


def _classes(tally: Tally) -> list[Any]:
    return sorted({value for cell in cells_of(tally) for value in cell}, key=str)


def _indicators(metric: CellRate, tally: Tally) -> tuple[Array, Array]:
    cells = [cell if len(cell) == 2 else (cell[0], cell[0]) for cell in cells_of(tally)]
    case = np.array([bool(metric.case(*cell)) for cell in cells], dtype=float)
    hit = np.array([bool(metric.hit(*cell)) for cell in cells], dtype=float) * case
    return hit, case


def few(n: Array, tally: Tally, context: Context, *, case: Array | None = None) -> list[str | None]:
    """Why a slice shows no rate, if it does not. case: which terms make up the denominator; None: all rows do."""
    reasons: list[str | None] = []
    units = tally.units if case is None else effective_units(tally, case)
    weights = np.ones(len(n)) if case is None else tally.sums @ case
    for cases, clusters, weight in zip(n, units, weights, strict=True):
        if cases < 1:
            reasons.append("no cases")
        elif cases < context.minimum_group:
            reasons.append(
                f"only {int(cases)} case{'s' if cases > 1 else ''}: fewer than {context.minimum_group} show no rate"
            )
        elif weight <= 0:
            reasons.append("the weights of its cases add up to zero")
        elif not tally.is_simple and clusters < FEWEST_CLUSTERS:
            unit = "clusters" if tally.clustered else "weighted cases"
            reasons.append(f"worth only {clusters:.3g} equal {unit}: an interval needs {FEWEST_CLUSTERS}")
        else:
            reasons.append(None)
    return reasons


def effective_units(tally: Tally, case: Array) -> Array:
    """(S,) how many equal units the cases of each slice are worth: the number of units, or fewer where cases crowd in
    some.

    Source: Kish (1965), Survey Sampling, section 11.7, on the cases of units; as degrees of freedom it follows Carter,
    Schnepel & Steigerwald (2017), Rev. Econ. Stat. 99, 698-709.
    """
    squares = _quadratic(np.broadcast_to(case, (len(tally.keys), len(case))), tally.second)
    worth = np.divide((tally.sums @ case) ** 2, squares, out=np.zeros(len(tally.keys)), where=squares > 0)
    return np.asarray(np.minimum(np.round(worth, 9), tally.units))


def _spread(values: Array, fill: float, ok: Array) -> Array:
    full = np.full(len(ok), fill)
    full[ok] = values
    return full


def _quadratic(vectors: Array, second: Array) -> Array:
    return np.asarray(np.einsum("st,stu,su->s", vectors, second, vectors))


def proportion(
    metric: Metric,
    tally: Tally,
    context: Context,
    hit: Array,
    case: Array,
    *,
    transform: Callable[[Any], Any] | None = None,
) -> Arms:
    """A share of counts. hit, case: (T,) 1 for the terms that are hits, and that make up the denominator."""
    n = tally.raw @ case
    reasons = few(n, tally, context, case=case)
    ok = np.array([reason is None for reason in reasons])
    hits, cases, raw = (tally.sums @ hit)[ok], (tally.sums @ case)[ok], n[ok]
    p = np.clip(hits / cases, 0, 1)
    move = transform or (lambda value: value)
    deff, least, correlation = np.ones(len(raw)), np.ones(len(raw)), None
    if not tally.is_simple:
        second, units = tally.second[ok], tally.units[ok]
        residual = hit[None, :] - p[:, None] * case[None, :]
        squares = _quadratic(residual, second)
        se = np.sqrt(np.maximum(squares, 0) * units / np.maximum(units - 1, 1)) / cases
        ceiling = raw * _quadratic(np.broadcast_to(case, residual.shape), second) / cases**2
        largest = np.maximum(np.maximum(tally.largest[ok], ceiling), 1.0)
        if tally.weighted:  # weights that go with the outcome can cost more than the largest unit
            largest = np.where((p > 0) & (p < 1), np.maximum(raw, 1.0), largest)
        deff = np.asarray(design_effect(p, raw, se, largest))
        if not tally.clustered:  # Kish (1965): 1 + cv^2 of the weights, where few hits cannot show what they cost
            deff = np.maximum(deff, ceiling)
            least = deff * np.maximum(ceiling, 1) ** HEAVY  # of a claim alone: what a sample without the heaviest hides
        elif tally.weighted:  # halfway, in logarithms, from clusters of unlike rows to clusters of rows all alike
            deff = np.maximum(deff, ceiling * np.sqrt(tally.units[ok] / raw))
        if tally.clustered:
            scale = raw / cases
            of_hits, of_cases = (np.broadcast_to(term, residual.shape) for term in (hit, case))
            hh, hc, cc = (
                scale**2 * np.einsum("st,stu,su->s", left, second, right)
                for left, right in ((of_hits, of_hits), (of_hits, of_cases), (of_cases, of_cases))
            )
            most = np.maximum(tally.largest[ok] * raw / tally.rows[ok], ceiling)  # of its cases, in one unit
            least = np.asarray(least_design_effect(p * raw, raw, hh, hc, cc, most))
        correlation = correlated(tally, ok, residual, squares)
    effective = raw / deff
    worth = effective_units(tally, case)[ok]

    def limits(level: float) -> tuple[Array, Array]:
        if tally.is_simple:
            low, high = wilson(hits, cases, level=level)
        else:
            low, high = cluster_wilson(p, raw, deff, worth, level=level)
        return _spread(move(np.asarray(low)), -np.inf, ok), _spread(move(np.asarray(high)), np.inf, ok)

    def exact(level: float) -> tuple[Array, Array]:
        sure = raw / np.maximum(deff, least)
        if not tally.is_simple:  # Korn & Graubard (1998): as much smaller as Student's t is wider than the normal
            sure = sure * (critical(level) / np.asarray(critical(level, worth - 1))) ** 2
        low, high = clopper_pearson(np.clip(p * sure, 0, sure), sure, level=level)
        return _spread(move(np.asarray(low)), -np.inf, ok), _spread(move(np.asarray(high)), np.inf, ok)

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=_spread(move(p), np.nan, ok),
        n=n,
        effective=_spread(effective, np.nan, ok),
        reasons=tuple(reasons),
        method=("wilson" if tally.is_simple else "cluster-wilson" if tally.clustered else "weighted-wilson"),
        limits=limits if ok.any() else _nowhere(len(ok)),
        gate=exact if ok.any() else None,
        gate_method="clopper-pearson" if tally.is_simple else "korn-graubard",
        correlation=correlation,
        lowest=0.0,
        highest=1.0,
        variant=context.variant,
        is_proportion=transform is None,
        is_clustered=tally.clustered,
    )


def _nowhere(size: int) -> Limits:
    return lambda level: (np.full(size, -np.inf), np.full(size, np.inf))


def correlated(
    tally: Tally, ok: Array, residual: Array, squares: Array, other: tuple[Array, Array] | None = None
) -> Array | None:
    """(S, S) correlation of the estimates where units lie in several slices; None where none is known to.

    residual: (known slices, T) of each estimate, linearised; squares: its sum of squares over units. other: residual
    and squares of what stands in the columns, where that is another estimate of the same slices.
    """
    if tally.cross is None:
        return None
    at = np.flatnonzero(ok)
    cross = tally.cross[at][:, :, at]
    across, across_squares = other or (residual, squares)
    covariance = np.einsum("st,stru,ru->sr", residual, cross, across)
    scale, across_scale = np.sqrt(np.maximum(squares, 1e-300)), np.sqrt(np.maximum(across_squares, 1e-300))
    full = np.zeros((len(ok), len(ok)))
    full[np.ix_(at, at)] = np.clip(covariance / scale[:, None] / across_scale[None, :], -1, 1)
    np.fill_diagonal(full, 1.0)
    return full


def _design_effect(tally: Tally, gradient: Array) -> Array:
    """(S,) variance of a smooth function of counts over what as many independent, equally weighted rows would give it.

    gradient: (S, T) of the function, whose value does not change when all counts grow alike. At least 1; where no case
    moves the value, the cost of units whose rows are all alike. Source: Kish (1965), Survey Sampling, section 8.2.
    """
    if tally.is_simple:
        return np.ones(len(gradient))
    rows, weight = tally.raw.sum(axis=1), tally.sums.sum(axis=1)
    every = np.ones(gradient.shape)
    with np.errstate(all="ignore"):
        alike = rows * _quadratic(every, tally.second) / weight**2
        design = _quadratic(gradient, tally.second) * tally.units / np.maximum(tally.units - 1, 1)
        independent = weight * (tally.sums * gradient**2).sum(axis=1) / rows
        effect = np.where(independent > 0, design / independent, np.maximum(alike, tally.largest))
    if not tally.clustered:
        effect = np.maximum(effect, alike)
    return np.asarray(np.maximum(effect, 1.0))


def _mixture(metric: CellMixture, tally: Tally, context: Context) -> Arms:
    """A mean of proportions by MOVER on the limits of each, correlated as the units make them.

    Source: Zou, Huang & Zhang (2009), Comput. Stat. Data Anal. 53, 1080-1085, for a sum of several; the correlation of
    ratio means by linearisation, Cochran (1977), Sampling Techniques, section 6.3.
    """
    rates = list(metric.parts(_classes(tally)))
    indicators = [_indicators(rate, tally) for rate in rates]
    parts = [proportion(rate, tally, context, *pair) for rate, pair in zip(rates, indicators, strict=True)]
    values = np.mean([part.values for part in parts], axis=0)
    ok = ~np.isnan(values)
    reasons = tuple(
        next((f"{part.metric}: {part.reasons[s]}" for part in parts if part.reasons[s]), None)
        for s in range(len(tally.keys))
    )
    n = np.sum([part.n for part in parts], axis=0)
    one = np.eye(len(parts))
    rho, correlation, deff = np.broadcast_to(one, (len(n), *one.shape)).copy(), None, np.ones(len(n))
    if not tally.is_simple and ok.any():
        at = [(hit - part.values[ok, None] * case, tally.sums[ok] @ case)
              for part, (hit, case) in zip(parts, indicators, strict=True)]  # fmt: skip
        residual = np.stack([left for left, _ in at], axis=1)  # (S, K, T)
        covariance = residual @ tally.second[ok] @ residual.transpose(0, 2, 1)
        scale = np.sqrt(np.maximum(np.einsum("skk->sk", covariance), 1e-300))
        rho[ok] = np.where(one, 1, np.clip(covariance / scale[:, :, None] / scale[:, None, :], -1, 1))
        together = np.zeros(tally.sums.shape)
        together[ok] = np.mean([left / cases[:, None] for left, cases in at], axis=0)
        correlation = correlated(tally, ok, together[ok], _quadratic(together[ok], tally.second[ok]))
        deff = _design_effect(tally, together)

    def combined(level: float, which: Callable[[Arms], Limits]) -> tuple[Array, Array]:
        limits = [which(part)(level) for part in parts]
        below = np.stack([part.values - low for part, (low, _) in zip(parts, limits, strict=True)], axis=1)
        above = np.stack([high - part.values for part, (_, high) in zip(parts, limits, strict=True)], axis=1)
        below, above = (np.where(ok[:, None], distance, 0) for distance in (below, above))
        below, above = (np.sqrt(np.maximum(np.einsum("sk,skl,sl->s", d, rho, d), 0)) for d in (below, above))
        low, high = values - below / len(parts), values + above / len(parts)
        return np.where(ok, np.maximum(low, 0), -np.inf), np.where(ok, np.minimum(high, 1), np.inf)

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=parts[0].slices,
        values=values,
        n=n,
        effective=np.where(ok, n / deff, np.nan),
        reasons=reasons,
        method=f"mover-{parts[0].method}",
        limits=lambda level: combined(level, lambda part: part.limits),
        gate=lambda level: combined(level, lambda part: part.gate or part.limits),
        gate_method=f"mover-{parts[0].gate_method}",
        correlation=correlation,
        lowest=0.0,
        highest=1.0,
        variant=context.variant,
    )


def _undecided_where_rare(arms: Arms, tally: Tally) -> Arms:
    """No limits for a claim where a kind of hit or error hardly occurs, since linearisation then promises too much."""
    cells = [index for index, term in enumerate(tally.terms) if not isinstance(term, str)]
    with np.errstate(invalid="ignore"):
        fewest = tally.raw[:, cells].min(axis=1) * arms.effective / arms.n
    enough = (len(cells) == 4) & (fewest >= FEWEST_IN_CELL)

    def gate(level: float) -> tuple[Array, Array]:
        low, high = arms.limits(level)
        return np.where(enough, low, -np.inf), np.where(enough, high, np.inf)

    few = f"a claim about it needs {FEWEST_IN_CELL} cases of every kind of hit and error"
    return replace(
        arms,
        gate=gate,
        gate_method=f"{arms.method}, {FEWEST_IN_CELL} cases of every kind or more",
        gate_reasons=tuple(None if sure or why else few for sure, why in zip(enough, arms.reasons, strict=True)),
    )


def _widened(metric: CellFunction, arms: Arms, tally: Tally) -> Arms:
    """Limits for a claim about a function of many classes, wider as an exact limit of a Poisson count is than its
    normal one.

    The count is of the errors, or of as many equal ones as they are worth by what each moves the metric; below
    FEWEST_ERRORS there are no limits.
    Source: Garwood (1936), Biometrika 28, 437-442, for the count; Kish (1965), section 11.7, for its worth.
    """
    cells, classes = cells_of(tally), _classes(tally)
    wrong = np.flatnonzero([cell[0] != cell[-1] for cell in cells])
    count = np.zeros(len(tally.keys))
    for s in np.flatnonzero(~np.isnan(arms.values)):

        def value(added: Array, sums: Array = tally.sums[s]) -> float:
            counts = dict(zip(cells, sums + added, strict=True))
            return complex(_quietly(lambda given: metric.function(given, classes), counts)).real

        moves = np.array([value(one) for one in np.eye(len(cells))[wrong]]) - value(np.zeros(len(cells)))
        squares, n = moves**2, tally.raw[s, wrong]
        count[s] = np.nan_to_num((n @ squares) ** 2 / max(n @ squares**2, 1e-300)) * arms.effective[s] / arms.n[s]
    enough = count >= FEWEST_ERRORS
    held = np.where(enough, count, FEWEST_ERRORS)

    def gate(level: float) -> tuple[Array, Array]:
        low, high = arms.limits(level)
        wider = (gammaincinv(held + 1, (1 + level) / 2) - held) / (critical(level) * np.sqrt(held))
        usable = enough & np.isfinite(low) & np.isfinite(high)
        half = np.where(usable, high - low, np.inf) / 2 * np.maximum(wider, 1)
        centre = np.where(usable, arms.values, 0)
        return centre - half, centre + half

    few = f"a claim about it needs {FEWEST_ERRORS} equally important errors to judge by"
    return replace(
        arms,
        gate=gate,
        gate_method=f"{arms.method}, widened to exact counts",
        gate_reasons=tuple(None if sure or why else few for sure, why in zip(enough, arms.reasons, strict=True)),
    )


def _shown(arms: Arms, metric: CellFunction, tally: Tally) -> Limits:
    """Limits for display: linearised ones, and where no case moves the value, as in perfect predictions, those that the
    number of cases leaves open.

    Of the cases that a sample stands for, as many may be of another kind as an exact limit on none of n leaves open (1
    - (alpha / 2)^(1/n)): all of the kind that moves the value most, the others as they are here. Simulated with two
    classes and a correlation of .90 to .99 or -.98, n = 20 to 200: covers .93 to .98 at level .95.
    Source: Clopper & Pearson (1934), Biometrika 26, 404-413; Korn & Graubard (1998), Surv. Methodol. 24, 193-201, for
    n and Student's t under clusters or weights.
    """
    cells, classes = cells_of(tally), _classes(tally)
    kinds = [(label, prediction) for label in classes for prediction in classes]
    units = effective_units(tally, np.ones(len(tally.terms)))
    ends = (-1.0, 1.0) if metric.scale == "atanh" else (-np.inf, np.inf)

    def moved(s: int, share: float, kind: Any) -> float:
        counts = {cell: n * (1 - share) for cell, n in zip(cells, tally.sums[s], strict=True)}
        counts[kind] = counts.get(kind, 0.0) + share * float(tally.sums[s].sum())
        return complex(_quietly(lambda given: metric.function(given, classes), counts)).real

    def limits(level: float) -> tuple[Array, Array]:
        low, high = (np.array(side, dtype=float) for side in arms.limits(level))
        for s in map(int, np.flatnonzero(~np.isnan(arms.values) & np.isinf(low) & np.isinf(high))):
            share = unseen_share(tally, float(units[s]), level)
            with np.errstate(all="ignore"):
                found = [moved(s, share, kind) for kind in kinds]
            if np.isfinite(found).all():
                found = [*found, float(arms.values[s])]
                low[s], high[s] = np.clip([min(found), max(found)], *ends)
        return low, high

    return limits


def unseen_share(tally: Tally, units: float, level: float) -> float:
    """The largest share of cases of a kind that is not among the cases of so many units."""
    if not tally.is_simple:
        units *= float(critical(level) / critical(level, units - 1)) ** 2
    return float(clopper_pearson(0, units, level=level).high)


def linearised(
    metric: Metric,
    tally: Tally,
    context: Context,
    function: Callable[[Any], Any],
    *,
    scale: Scale = "identity",
    n: Array,
    case: Array | None = None,
) -> Arms:
    """A smooth function of sums: its variance by linearisation.

    case: which term counts the rows, where terms are sums of values; None where they are counts of cells.
    """
    reasons = few(n, tally, context)
    size, count = tally.sums.shape
    values, se = np.full(size, np.nan), np.full(size, np.nan)
    gradients, spread = np.zeros((size, count)), np.zeros(size)
    forward, backward = _SCALES[scale]
    with np.errstate(all="ignore"):
        for s in range(size):
            if reasons[s] is not None:
                continue
            value, gradient = differentiated(function, tally.sums[s])
            if case is None:  # cells are counted in one unit: a derivative this small beside the others is rounding
                gradient = np.where(np.abs(gradient) <= SLIGHT * np.abs(gradient).max(), 0.0, gradient)
            squares = float(gradient @ tally.second[s] @ gradient)
            if squares <= ROUNDING * float(np.abs(gradient) @ np.abs(tally.second[s]) @ np.abs(gradient)):
                squares = 0.0
            variance = squares * tally.units[s] / max(tally.units[s] - 1, 1)
            if not np.isfinite(value.real) or not np.isfinite(variance):
                reasons[s] = "undefined here: a count that it divides by is zero"
                continue
            values[s], se[s] = value.real, np.sqrt(max(variance, 0.0))
            gradients[s], spread[s] = gradient, max(squares, 0.0)
    if scale == "atanh":
        values = np.clip(values, -1, 1)
    ok = se > 0
    inner = np.clip(values, -1 + 1e-12, 1 - 1e-12) if scale == "atanh" else values
    derivative = 1 / (1 - inner**2) if scale == "atanh" else np.ones(size)
    if case is None:
        effective = n / _design_effect(tally, gradients)
    else:
        effective = n if tally.is_simple else np.minimum(n, effective_units(tally, case))
    known = ~np.isnan(values)

    def limits(level: float) -> tuple[Array, Array]:
        with np.errstate(invalid="ignore"):
            half = critical(level, np.maximum(tally.units - 1, 1)) * se * derivative
            low, high = backward(forward(inner) - half), backward(forward(inner) + half)
        return np.where(ok, low, -np.inf), np.where(ok, high, np.inf)

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=values,
        n=n,
        effective=np.where(known, effective, np.nan),
        reasons=tuple(reasons),
        method="delta" if scale == "identity" else f"delta-{scale}",
        limits=limits,
        correlation=correlated(tally, known, gradients[known], spread[known]),
        variant=context.variant,
        limits_reason=NO_SPREAD,
    )


def differentiated(function: Callable[[Any], Any], sums: Array) -> tuple[complex, Array]:
    """A function of sums, and its derivative by each of them, by a complex step (Squire & Trapp 1998)."""
    exact = list(sums.astype(complex))
    step = 1e-20 * max(1.0, float(np.abs(sums).max()))
    gradient = np.empty(len(sums))
    for t in range(len(sums)):
        moved = exact.copy()
        moved[t] = moved[t] + 1j * step
        gradient[t] = complex(_quietly(function, moved)).imag / step
    return complex(_quietly(function, exact)), gradient


def _quietly(function: Callable[[Any], Any], counts: Any) -> Any:
    try:
        return function(counts)
    except ZeroDivisionError:
        return complex(np.nan)


_SCALES: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda v: v, lambda v: v),
    "atanh": (np.arctanh, np.tanh),
}


def _mean(metric: RowMean, tally: Tally, context: Context) -> Arms:
    value, one = tally.terms.index(metric.name), tally.terms.index(f"{metric.name}.n")
    hit, case = np.zeros(len(tally.terms)), np.zeros(len(tally.terms))
    hit[value], case[one] = 1.0, 1.0
    if metric.name in context.proportions:
        return proportion(metric, tally, context, hit, case)
    n = tally.raw @ case
    reasons = few(n, tally, context, case=case)
    reasons = [
        reason or ("only 1 case: a mean needs 2" if cases < 2 else "values too large to add up" if huge else None)
        for reason, cases, huge in zip(reasons, n, (tally.second.max(axis=(1, 2)) > LARGEST_SUM).tolist(), strict=True)
    ]
    ok = np.array([reason is None for reason in reasons])
    total, cases = (tally.sums @ hit)[ok], (tally.sums @ case)[ok]
    mean = total / cases
    residual = hit[None, :] - mean[:, None] * case[None, :]
    units, worth = np.minimum(tally.units, n)[ok], effective_units(tally, case)[ok]
    squares = _quadratic(residual, tally.second[ok])
    squares = np.where(squares <= ROUNDING * _quadratic(np.abs(residual), np.abs(tally.second[ok])), 0, squares)
    se = np.sqrt(squares * units / np.maximum(units - 1, 1)) / cases
    move: Callable[[Any], Any] = (lambda v: np.sqrt(np.maximum(v, 0))) if metric.root else (lambda v: v)
    floor, roof = metric.bounds or (-np.inf, np.inf)

    def limits(level: float) -> tuple[Array, Array]:
        half = np.where(se > 0, critical(level, np.maximum(worth - 1, 1)) * se, np.inf)
        low, high = move(np.maximum(mean - half, floor)), move(np.minimum(mean + half, roof))
        return _spread(np.where(se > 0, low, -np.inf), -np.inf, ok), _spread(np.where(se > 0, high, np.inf), np.inf, ok)

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(tally.parts, key, context.conditions) for key in tally.keys),
        values=_spread(move(mean), np.nan, ok),
        n=n,
        effective=_spread(n[ok] if tally.is_simple else np.minimum(n[ok], worth), np.nan, ok),
        reasons=tuple(reasons),
        method="t" if not tally.clustered else "cluster-t",
        limits=limits if ok.any() else _nowhere(len(ok)),
        correlation=correlated(tally, ok, residual, squares),
        lowest=move(floor) if np.isfinite(floor) else floor,
        highest=roof,
        variant=context.variant,
        limits_reason=NO_SPREAD,
    )
