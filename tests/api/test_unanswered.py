"""Requests without an answer, and answers without a value: neither makes a version look faster, better or cheaper."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from shipworthy.api.checking import check
from shipworthy.api.measuring import measure_all
from shipworthy.estimate.arms import ENDLESS
from shipworthy.estimate.pairs import all_pairs
from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Outcome
from shipworthy.metrics.catalogue import lookup
from shipworthy.observations.table import Axis, Observations
from shipworthy.stats.mean import mean_t
from shipworthy.stats.quantile import quantile_interval

Row = dict[str, Any]
Checked = Callable[..., Run]
RNG = np.random.default_rng(1)
TOOK = np.round(RNG.lognormal(6.5, 0.3, 600), 1)  # .95 quantile about 1,090 ms
MARKS = np.round(0.9 + RNG.random(600) * 0.05, 3)


def rows(failed: Sequence[int], *, status: str = "timeout", quick: float | None = None, **more: Any) -> list[Row]:
    """600 requests, of which some failed; `quick`: how long a failure took, where that is known."""
    found = []
    for i in range(600):
        row: Row = {"id": f"c{i}", "prompt": "q", "channel": ["web", "phone"][i % 2]} | more
        if i in failed:
            row |= {"status": status} | ({} if quick is None else {"latency_ms": quick})
        else:
            row |= {"response": "Sure.", "latency_ms": float(TOOK[i]), "score.q": float(MARKS[i]), "tokens_out": i % 7}
        found.append(row)
    return found


@pytest.fixture
def checked(tmp_path) -> Checked:
    def run(logged: list[Row], *requirements: dict[str, Any]) -> Run:
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in logged), "utf-8")
        plan = {
            "system": {"name": "desk"},
            "subjects": {"a": {"log": "a.jsonl"}},
            "evaluations": {
                "e": {
                    "subject": "a",
                    "slices": ["channel"],
                    "scorers": [{"recorded": "q", "measures": "quality", "name": "q"}],
                }
            },
            "requirements": [{"id": f"R{number}"} | one for number, one in enumerate(requirements)],
        }
        (tmp_path / "shipworthy.yaml").write_text(json.dumps(plan), "utf-8")
        return check(tmp_path / "shipworthy.yaml", out=tmp_path / "run", fresh=True)

    return run


def of(run: Run, metric: str):
    return next(e for e in run.estimates if e.metric == metric and not e.slice and e.compare == "value")


FAST = {"metric": "latency_p95", "at_most": 2000}
HALF = {"metric": "latency_p50", "at_most": 2000}
SHORT = {"metric": "tokens_out_mean", "at_most": 4}
CHEAP = {"metric": "cost_per_1000", "at_most": 30}
GOOD = {"metric": "mean[q]", "at_least": 0.85}


@pytest.mark.parametrize(("status", "quick"), [("timeout", None), ("error", 5.0), ("empty", 5.0)])
def test_a_third_without_an_answer_is_not_fast(checked, status, quick):
    run = checked(rows(range(180), status=status, quick=quick), FAST, HALF)
    fast, half = run.verdicts
    assert fast.outcome is Outcome.BREACHED
    assert (fast.estimate.value, fast.estimate.reason) == (None, ENDLESS)
    assert "beyond any bound" in fast.why
    assert half.outcome is Outcome.MET
    assert half.estimate.value > np.median(TOOK[180:])
    json.dumps(run.as_json(), allow_nan=False)


def test_a_few_without_an_answer_are_the_slowest_against_reference(checked):
    run = checked(rows(range(6), quick=5.0), FAST)
    took = np.concatenate([np.full(6, np.inf), TOOK[6:]])
    found, (low, high) = of(run, "latency_p95"), quantile_interval(took, 0.95)
    assert found.value == pytest.approx(np.sort(took)[569] * 0.95 + np.sort(took)[568] * 0.05, rel=0.02)
    assert (found.low, found.high, found.n) == (low, high, 600)
    assert run.verdicts[0].outcome is Outcome.MET


def test_nearly_as_many_as_the_quantile_leaves_out_keep_it_undecided(checked):
    """22 of 600 gone, 3.7 %: nobody knows whether it is more than 5 % of all."""
    run = checked(rows(range(22)), FAST)
    found = of(run, "latency_p95")
    assert found.value is not None
    assert found.high is None
    assert run.verdicts[0].outcome is Outcome.UNDECIDED


def test_a_difference_of_latencies_that_never_end_is_open(checked):
    gap = {"metric": "latency_p95", "across": "channel", "compare": "difference", "at_most": 500}
    run = checked(rows(range(0, 600, 2)), gap)
    (verdict,) = run.verdicts
    assert verdict.outcome is Outcome.UNDECIDED
    assert ENDLESS in verdict.why


def test_an_answer_whose_latency_nobody_wrote_down_counts_either_way(checked):
    logged = rows(())
    for row in logged[:20]:
        del row["latency_ms"]
    run = checked(logged, FAST)
    found = of(run, "latency_p95")
    ends = [np.concatenate([np.full(20, end), TOOK[20:]]) for end in (-np.inf, np.inf)]
    assert found.low == quantile_interval(ends[0], 0.95).low
    assert found.value == pytest.approx(np.quantile(TOOK[20:], 0.95))
    high = quantile_interval(ends[1], 0.95).high
    assert found.high == (high if np.isfinite(high) else None)


def test_marks_that_are_missing_leave_a_mean_without_a_known_range_undecided(checked):
    run = checked(rows(range(180)), GOOD)
    (verdict,) = run.verdicts
    assert verdict.outcome is Outcome.UNDECIDED
    assert "no known range" in verdict.why
    assert (verdict.estimate.low, verdict.estimate.high, verdict.estimate.missing) == (None, None, 180)
    assert checked(rows(()), GOOD).verdicts[0].outcome is Outcome.MET


def test_failures_cost_what_they_cost_and_send_no_tokens(checked):
    run = checked(rows(range(60), cost=0.01), CHEAP, SHORT)
    assert of(run, "cost_per_1000").value == pytest.approx(10)
    assert (of(run, "cost_per_1000").n, of(run, "cost_per_1000").missing) == (600, 0)
    told = np.array([i % 7 for i in range(60, 600)], float)
    found = of(run, "tokens_out_mean")
    assert (found.low, found.high) == pytest.approx(tuple(mean_t(told.mean(), told.std(ddof=1), 540)))
    assert run.verdicts[1].outcome is Outcome.MET


def test_a_cost_that_nobody_knows_has_a_lower_limit_only(checked):
    logged = rows(range(60))
    for row in logged[60:]:
        row["cost"] = 0.01 + 0.001 * len(row["id"])
    run = checked(logged, CHEAP)
    found = of(run, "cost_per_1000")
    assert found.high is None
    assert 0 < found.low < 0.9 * found.value  # the failures may have cost nothing
    assert run.verdicts[0].outcome is Outcome.UNDECIDED


def test_a_difference_of_quantiles_holds_for_every_completion_properties():
    """Marks of which 3 % are missing in both halves: at best in one, at worst in the other."""
    metric = lookup("p50[q]", "generative")
    marks: list[float | None] = [None if i % 30 < 2 else float(MARKS[i]) for i in range(600)]
    filled = [(float(i % 2) if mark is None else mark) for i, mark in enumerate(marks)]  # the second half has the best
    found, full = (all_pairs(measured(x, metric=metric).values[None, "p50[q]", "half"], "difference")
                   for x in (marks, filled))  # fmt: skip
    (low, high), (inner_low, inner_high) = found.limits(0.9), full.limits(0.9)
    assert low[0] == pytest.approx(inner_low[0])
    assert high[1] == pytest.approx(inner_high[1])
    assert (low <= inner_low + 1e-12).all()
    assert (high >= inner_high - 1e-12).all()


# ---- a mean over a range that is known ------------------------------------------------------------------------------

MEAN = replace(lookup("mean[q]", "generative"), bounds=(0.0, 1.0))  # type: ignore[call-arg]


def measured(
    marks: list[float | None], *, metric: Any = MEAN, judged: frozenset[str] = frozenset(), **columns: list[Any]
):
    backend = ibis.duckdb.connect()
    table = pa.table({"q": marks, "applies.q": [True] * len(marks), "slice.half": [i % 2 for i in range(len(marks))],
                      "status": ["ok"] * len(marks)} | columns)  # fmt: skip
    held = backend.create_table("rows", table)
    observations = Observations(
        evaluation="e",
        task="generative",
        table=held,
        backend=backend,
        axes=(Axis(name="half", parts=("half",)),),
        rows=len(marks),
        scope=len(marks),
        exclusions=(),
        variants=("old",) if any("@" in name for name in columns) else (),
        roles=frozenset(table.column_names),
        judged=judged,
    )
    return measure_all(observations, [metric], rng=np.random.default_rng(0), baseline="old" if columns else None)


@pytest.mark.parametrize("end", [0.0, 1.0])
@pytest.mark.parametrize("axis", ["", "half"])
def test_a_bounded_mean_holds_for_every_completion_properties(end, axis):
    marks: list[float | None] = [None if i % 9 == 0 else float(MARKS[i]) for i in range(400)]
    arms = measured(marks).values[None, "mean[q]", axis]
    full = measured([end if mark is None else mark for mark in marks]).values[None, "mean[q]", axis]
    for one, other in ((arms.limits(0.9), full.limits(0.9)), (arms.gate(0.9), full.gate(0.9))):
        assert (one[0] <= other[0] + 1e-12).all()
        assert (one[1] >= other[1] - 1e-12).all()
        side = int(end)
        assert one[side] == pytest.approx(other[side])  # and no wider than the worst of them
    assert arms.missing.sum() == 45
    assert arms.ends[int(end)] == pytest.approx(full.values)


def test_a_mean_of_truth_values_has_a_range_of_its_own():
    said: list[Any] = [None if i % 9 == 0 else i % 4 > 0 for i in range(400)]
    metric = lookup("mean[q]", "generative")
    arms = measured(said, metric=metric).values[None, "mean[q]", ""]
    low, high = arms.gate(0.9)
    assert 0.5 < low[0] < 2 / 3 < 0.75 < high[0] < 0.85
    assert arms.gate_method.startswith("clopper-pearson")


def test_a_change_of_means_counts_pairs_with_a_gap_either_way():
    now: list[float | None] = [None if i % 9 == 0 else float(MARKS[i]) for i in range(400)]
    before: list[Any] = [float(MARKS[i + 100]) for i in range(400)]
    columns = {"q@old": before, "applies.q@old": [True] * 400, "status@old": ["ok"] * 400}
    found = measured(now, **columns)
    arms = found.changes[None, "mean[q]", ""]
    assert arms.missing.sum() == 45
    low, high = arms.gate(0.9)
    assert low[0] < arms.values[0] - 0.1
    assert high[0] > arms.values[0] + 0.1


def test_a_corrected_change_is_of_the_cases_that_both_versions_were_asked():
    """The old version was asked half of the cases; on the rest the new one does harm, which is no change."""
    size, metric = 400, lookup("violation_rate", "generative")
    harm = [i % 10 == 0 if i < 200 else True for i in range(size)]
    columns: dict[str, list[Any]] = {"applies.q@old": [True] * size}
    for suffix, asked in (("", [True] * size), ("@old", [i < 200 for i in range(size)])):
        columns[f"outcome.violation{suffix}"] = harm
        columns[f"judged.violation{suffix}"] = asked
        columns[f"outcome.violation.human{suffix}"] = harm
    marks: list[float | None] = [1.0] * size
    found = measured(marks, metric=metric, judged=frozenset({"outcome.violation"}), **columns)
    arms = found.changes[None, "violation_rate", ""]
    assert arms.n == 200
    assert arms.values == pytest.approx(0)
    assert found.values[None, "violation_rate", ""].values == pytest.approx(0.55)
