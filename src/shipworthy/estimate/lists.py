"""Metrics that need row values: quantiles, and the quality of ranked lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shipworthy.errors import NotEstimable
from shipworthy.estimate.arms import FEWEST_CLUSTERS, NO_SPREAD, ROUNDING, Arms, Context, slice_of
from shipworthy.estimate.means import MOST_BETS, shuffled, skewed_limits
from shipworthy.metrics.kinds import ListMean, Metric, RowQuantile
from shipworthy.observations.tally import Array, Rows
from shipworthy.stats.interval import Interval, critical
from shipworthy.stats.mean import betting
from shipworthy.stats.proportion import clopper_pearson
from shipworthy.stats.quantile import clustered_quantile_interval, quantile_interval


def measure_rows(
    metric: RowQuantile | ListMean, rows: Rows, context: Context, *, unranked: float | None = None
) -> Arms:
    """Bind a quantile (column `value`) or a list metric (columns `label` and `score`, units are queries) to row
    arrays.

    A claim about a list metric is judged as one about any bounded mean: on the limits of `betting` below MOST_BETS
    independent queries, else on `skewed_limits`, on queries or on clusters. unranked: the quality of a list with an
    item that has no score (NaN); None leaves such lists out.
    """
    per_slice = [
        _quantile(metric, rows, s) if isinstance(metric, RowQuantile) else _list(metric, rows, s, unranked)
        for s in range(len(rows.keys))
    ]
    reasons = [
        reason
        or (
            f"only {n} {_unit(metric)}: fewer than {context.minimum_group} show no value"
            if n < context.minimum_group
            else None
        )
        for _, n, _, _, reason in per_slice
    ]

    def each(level: float, found: Sequence[_Limits | None]) -> tuple[Array, Array]:
        pairs = [
            of(level) if of and not why else Interval(-np.inf, np.inf) for of, why in zip(found, reasons, strict=True)
        ]
        return np.array([float(pair.low) for pair in pairs]), np.array([float(pair.high) for pair in pairs])

    n = np.array([n for _, n, _, _, _ in per_slice])
    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(rows.parts, key, context.conditions) for key in rows.keys),
        values=np.array([np.nan if why else value for (value, *_), why in zip(per_slice, reasons, strict=True)]),
        n=n,
        effective=n.astype(float),
        reasons=tuple(reasons),
        method=_method(metric, rows),
        limits=lambda level: each(level, [shown for _, _, shown, _, _ in per_slice]),
        gate=lambda level: each(level, [judged for _, _, _, judged, _ in per_slice]),
        gate_method="betting or skewness-corrected t" if isinstance(metric, ListMean) else _method(metric, rows),
        ends=_ends(metric, rows) if isinstance(metric, RowQuantile) else None,
        lowest=0.0 if isinstance(metric, ListMean) else -np.inf,
        highest=1.0 if isinstance(metric, ListMean) else np.inf,
        variant=context.variant,
        limits_reason=NO_SPREAD,
    )


_Limits = Callable[[float], Interval]
_Found = tuple[float, int, "_Limits | None", "_Limits | None", "str | None"]  # value, n, limits: shown, judged; reason


def _method(metric: RowQuantile | ListMean, rows: Rows) -> str:
    if isinstance(metric, ListMean):
        return "t over queries"
    return "order statistics" if rows.unit is None else "clustered order statistics"


def _unit(metric: Metric) -> str:
    return "queries" if isinstance(metric, ListMean) else "cases"


def _quantile(metric: RowQuantile, rows: Rows, index: int) -> _Found:
    """The quantile of one slice: of what is known (NaN: not known), with limits that hold whatever the rest is."""
    mine = rows.slice == index
    values = rows.columns["value"][mine]
    missing = np.isnan(values)
    if missing.all():
        return np.nan, 0, None, None, "no value is known" if len(values) else "no cases"
    value = _endless(values[~missing], metric.quantile)
    units = None if rows.unit is None else rows.unit[mine]
    if units is not None and (clusters := len(np.unique(units))) < FEWEST_CLUSTERS:
        return value, len(values), None, None, f"only {clusters} clusters: an interval needs {FEWEST_CLUSTERS}"
    least, most = (np.where(missing, end, values) for end in (-np.inf, np.inf))

    def of(completed: Array, level: float) -> Interval:
        if units is None:
            return quantile_interval(completed, metric.quantile, level=level)
        return clustered_quantile_interval(completed, units, metric.quantile, level=level)

    def limits(level: float) -> Interval:
        return Interval(of(least, level).low, of(most, level).high)

    return value, len(values), limits, limits, None


def _ends(metric: RowQuantile, rows: Rows) -> tuple[Array, Array] | None:
    """(S,) each: the quantiles with all that is not known below any value, and above; None where all is known."""
    values = rows.columns["value"]
    if not np.isnan(values).any():
        return None
    least, most = (np.where(np.isnan(values), end, values) for end in (-np.inf, np.inf))
    slices = [rows.slice == s for s in range(len(rows.keys))]

    def of(completed: Array) -> Array:
        return np.array([_endless(completed[mine], metric.quantile) if mine.any() else np.nan for mine in slices])

    return of(least), of(most)


def _endless(values: Array, q: float) -> float:
    """The q quantile of values of which some may be infinite, as is then what lies between a number and them."""
    if np.isfinite(values).all():
        return float(np.quantile(values, q))
    place = q * (len(values) - 1)
    below, above = np.sort(values)[[int(np.floor(place)), int(np.ceil(place))]]
    if np.isfinite(below) and np.isfinite(above):
        return float(below + (above - below) * (place % 1))
    return float(above if place % 1 and np.isfinite(below) else below)


def _list(metric: ListMean, rows: Rows, index: int, unranked: float | None) -> _Found:
    mine = rows.slice == index
    if not mine.any():
        return np.nan, 0, None, None, "no cases"
    assert rows.unit is not None  # a ranking's clusters are its queries, or hold several of them
    query = rows.columns["query"][mine]
    try:
        values, known = list_values(metric, rows.columns["label"][mine], rows.columns["score"][mine], query)
    except NotEstimable as error:
        return np.nan, 0, None, None, str(error)
    values = np.clip(values, 0, 1)  # a sum of discounts may round to more than the best one
    whole = ranked(rows.columns["score"][mine], query)
    if unranked is None:
        values, known = values[whole[known]], known & whole
    else:
        values = np.where(whole[known], values, unranked)
    count = len(values)
    _, first = np.unique(query, return_index=True)
    _, cluster = np.unique(rows.unit[mine][first][known], return_inverse=True)
    units = int(cluster.max()) + 1 if count else 0
    if 1 < units < min(count, FEWEST_CLUSTERS) or (units == 1 and count > 1):
        return np.nan, count, None, None, f"only {units} clusters: an interval needs {FEWEST_CLUSTERS}"
    if count < 2:
        return np.nan, count, None, None, "only 1 query: a mean needs 2" if count else "no query has a relevant item"
    mean = float(values.mean())
    sums = np.bincount(cluster, values - mean)
    se = 0.0 if np.ptp(values) < ROUNDING else float(np.sqrt(units / (units - 1) * (sums @ sums)) / count)
    mean = float(values[0]) if se == 0 else mean

    def shown(level: float) -> Interval:
        if se == 0 and mean in (
            0.0,
            1.0,
        ):  # all lists at an edge: P(at the edge) bounds a mean in [0, 1], so Clopper-Pearson holds
            return clopper_pearson(round(mean * units), units, level=level)
        if se == 0:
            return Interval(-np.inf, np.inf)
        half = float(critical(level, units - 1)) * se
        return Interval(max(0.0, mean - half), min(1.0, mean + half))

    def judged(level: float) -> Interval:
        if units == count < MOST_BETS:
            return betting(shuffled(values), bounds=(0.0, 1.0), level=level)
        if se == 0:
            return shown(level)
        skewness = float(np.mean(sums**3) / np.mean(sums**2) ** 1.5)
        low, high = skewed_limits(
            *(np.array([moment]) for moment in (units, mean, se * np.sqrt(units), skewness)), level=level
        )
        return Interval(max(0.0, float(low[0])), min(1.0, float(high[0])))

    return mean, count, shown, judged, None


def measure_list_change(
    metric: ListMean,
    rows: Rows,
    context: Context,
    *,
    baseline: str,
    old: str,
    new: str,
    unranked: tuple[float, float] | None = None,
) -> Arms:
    """Change of a list metric on the same queries: Student's t on the differences, by cluster where there are any.

    old, new: score columns of `rows`. A claim is judged on t moved outwards by skewness (`skewed_limits`), and not at
    all below FEWEST_CLUSTERS queries (clusters). unranked: the quality of the baseline's and of the variant's lists
    with an item that has no score (NaN); None leaves such queries out.
    Source: Smucker, Allan & Carterette (2007), CIKM, 623-632.
    """
    size = len(rows.keys)
    n, reasons = np.zeros(size), [""] * size
    mean, sd, skewness, units = (np.full(size, np.nan) for _ in range(4))
    assert rows.unit is not None
    for s in range(size):
        mine = rows.slice == s
        label, query, unit = rows.columns["label"][mine], rows.columns["query"][mine], rows.unit[mine]
        try:
            after, known = list_values(metric, label, rows.columns[new][mine], query)
            before, _ = list_values(metric, label, rows.columns[old][mine], query)
        except NotEstimable as error:
            reasons[s] = str(error)
            continue
        was, now = (ranked(rows.columns[column][mine], query) for column in (old, new))
        if unranked is None:
            before, after, known = before[(was & now)[known]], after[(was & now)[known]], known & was & now
        else:
            before = np.where(was[known], before, unranked[0])
            after = np.where(now[known], after, unranked[1])
        n[s] = len(after)
        _, cluster = np.unique(unit[np.unique(query, return_index=True)[1]][known], return_inverse=True)
        units[s] = int(cluster.max()) + 1 if len(after) else 0
        if len(after) < context.minimum_group:
            reasons[s] = f"only {len(after)} queries: fewer than {context.minimum_group} show no value"
        elif units[s] < FEWEST_CLUSTERS:
            what = "queries" if units[s] == len(after) else "clusters"
            reasons[s] = f"only {int(units[s])} {what}: an interval needs {FEWEST_CLUSTERS}"
        else:
            mean[s] = float(np.mean(after - before))
            residual = np.bincount(cluster, after - before - mean[s])
            square = float(np.mean(residual**2))
            sd[s] = units[s] * np.sqrt(square * units[s] / (units[s] - 1)) / n[s] if np.ptp(after - before) > 0 else 0
            skewness[s] = np.mean(residual**3) / square**1.5 if sd[s] > 0 else 0
    known_slices = ~np.isnan(mean)

    def t(level: float) -> tuple[Array, Array]:
        half = critical(level, np.where(known_slices, units - 1, 1)) * sd / np.sqrt(units)
        open_ended = ~known_slices | (sd == 0)
        return np.where(open_ended, -np.inf, mean - half), np.where(open_ended, np.inf, mean + half)

    return Arms(
        evaluation=context.evaluation,
        metric=metric.name,
        slices=tuple(slice_of(rows.parts, key, context.conditions) for key in rows.keys),
        values=mean,
        n=n,
        effective=np.where(known_slices, units, np.nan),
        reasons=tuple(reason or None for reason in reasons),
        method="paired t over queries",
        limits=t,
        gate=lambda level: skewed_limits(np.nan_to_num(units), mean, np.nan_to_num(sd), skewness, level=level),
        gate_method="skewness-corrected paired t over queries",
        compare="change",
        variant=context.variant,
        baseline=baseline,
        lowest=-1.0,
        highest=1.0,
        limits_reason=NO_SPREAD,
    )


def ranked(score: Array, query: Array) -> NDArray[np.bool_]:
    """Which queries, in sorted order, have a score for every item of their list."""
    _, codes = np.unique(query, return_inverse=True)
    return np.asarray(np.bincount(codes, np.isnan(score)) == 0)


def list_values(metric: ListMean, label: Array, score: Array, query: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The quality of every query's list, shape (known queries,), and which of the queries, in sorted order, have one:
    those with a relevant item.

    label: relevance, >= 0; score: higher ranks first; query: which list a row belongs to. All of shape (rows,).
    Tied scores share their places for nDCG (as scikit-learn does); elsewhere the less relevant of two tied items comes
    first.
    Source: Järvelin & Kekäläinen (2002), ACM TOIS 20, 422-446; Voorhees (1999), TREC-8, for MRR.
    """
    if (label < 0).any():
        raise NotEstimable("a relevance below 0 has no place in a ranking")
    _, codes = np.unique(query, return_inverse=True)
    order = np.lexsort((label, -score, codes))
    q, y, s = codes[order], label[order], score[order]
    first = np.flatnonzero(np.r_[True, q[1:] != q[:-1]])
    place = np.arange(len(q)) - np.repeat(first, np.diff(np.r_[first, len(q)]))
    size = len(first)
    depth = metric.depth or len(q)
    top, relevant = place < depth, y > 0
    per_query = np.bincount(q, relevant, size)
    known = per_query > 0
    if metric.statistic == "ndcg":
        discount = np.where(top, 1 / np.log2(place + 2), 0.0)
        tie = np.cumsum(np.r_[True, (q[1:] != q[:-1]) | (s[1:] != s[:-1])]) - 1
        shared = (np.bincount(tie, discount) / np.bincount(tie))[tie]
        ideal = np.lexsort((-label, codes))
        best = np.bincount(codes[ideal], label[ideal] * discount, size)
        return np.asarray((np.bincount(q, y * shared, size) / np.where(best > 0, best, 1))[known]), known
    if metric.statistic == "mrr":
        reciprocal = np.where(relevant & top, 1 / (place + 1), 0.0)
        out = np.zeros(size)
        np.maximum.at(out, q, reciprocal)
        return out[known], known
    if metric.statistic == "map":
        before: NDArray[np.int64] = (
            np.cumsum(relevant) - relevant
        )  # relevant items of earlier rows, other lists included
        seen: NDArray[np.int64] = before + relevant - np.repeat(before[first], np.diff(np.r_[first, len(q)]))
        precision = np.bincount(q, np.where(relevant, seen / (place + 1), 0.0), size)
        return np.asarray((precision / np.maximum(per_query, 1))[known]), known
    hits = np.bincount(q, relevant & top, size)
    return np.asarray((hits / (np.maximum(per_query, 1) if metric.statistic == "recall" else depth))[known]), known
