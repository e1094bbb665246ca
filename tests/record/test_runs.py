"""Runs: kept once, whole, and found again as they were."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from shipworthy.errors import Unusable
from shipworthy.record.runs import RunFacts

INPUTS = [{"evaluation": "decisions", "source": "loans 'x'.csv", "digest": "sha256:" + "3" * 64, "rows": 400}]
VERDICTS = [
    {"requirement": "FAIR-1", "verdict": "breached", "severity": "blocker", "estimate": {"value": 0.5, "n": 3.0}},
    {"requirement": "SAFE-1", "verdict": "met", "severity": "major", "estimate": None, "controls": ["a@1:b"]},
]


def facts(now, i=0, **more):
    given = {
        "digest": f"sha256:{i:064x}", "run": f"run-{i}", "system": "lending", "version": "1",
        "plan_digest": "sha256:" + "1" * 64, "created": now + timedelta(seconds=i), "decision": "hold",
    }  # fmt: skip
    return RunFacts(**{**given, **more})


def estimates(n=7, seed=3):
    rng = np.random.default_rng(seed)
    nothing = rng.random(n) < 0.2
    numbers = {name: pa.array(rng.random(n), mask=nothing) for name in ("value", "low", "high", "effective_n")}
    return pa.table(
        {
            "evaluation": ["decisions"] * n,
            "metric": [f"metric_{i % 5}" for i in range(n)],
            "compare": ["value"] * n,
            "slice": [json.dumps({"group": f"ü'\"{i % 97},\n"}, ensure_ascii=False) for i in range(n)],
            "reference": pa.array([None if i % 2 else "{}" for i in range(n)], pa.string()),
            "variant": pa.array([None if i % 3 else "" for i in range(n)], pa.string()),
            **numbers,
            "level": pa.array([0.95, None] * (n // 2) + [0.99] * (n % 2)),
            "n": pa.array(rng.integers(0, 2**62, n), pa.int64(), mask=nothing),
            "method": ["wilson"] * n,
            "reason": pa.array(['too few, "quoted"\n' if none else None for none in nothing], pa.string()),
        }
    )


@pytest.mark.parametrize("n", [0, 1, 7, 2_500])
def test_estimates_come_back_exactly(record, ann, now, n):
    table = estimates(n)
    kept = record.add_run(ann, now, facts(now), VERDICTS, table, INPUTS)
    assert kept.is_new
    back = record.estimates(run=kept.facts.digest)
    for name in table.column_names:
        assert back[name].to_pylist() == table[name].to_pylist(), name
    assert set(back["baseline"].to_pylist()) <= {None}
    assert record.verify().faults == ()


def test_a_run_is_recorded_once(record, ann, bo, now):
    record.add_run(ann, now, facts(now), VERDICTS, estimates(), INPUTS)
    again = record.add_run(bo, now + timedelta(days=1), facts(now), VERDICTS, estimates(), INPUTS)
    assert (again.is_new, again.actor, again.at, again.facts) == (False, ann, now, facts(now))
    assert (record.size(), len(record.runs()), len(record.estimates())) == (1, 1, 7)


def test_series_are_shared_between_runs(record, ann, now):
    import sqlalchemy as sa

    from shipworthy.record.schema import series

    for i in range(3):
        record.add_run(ann, now, facts(now, i), VERDICTS, estimates(300, seed=i), INPUTS)
    with record._engine.connect() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(series)).scalar()
    one = estimates(300).select(["metric", "slice", "reference", "variant", "level"])
    assert rows == one.group_by(one.column_names).aggregate([]).num_rows


def test_runs_and_verdicts_are_found(record, ann, now):
    for i in range(4):
        more = {"system": "other"} if i == 3 else {}
        verdicts = VERDICTS[: 1 + i % 2]
        record.add_run(
            ann, now, facts(now, i, decision=("ship", "hold")[i % 2], **more), verdicts, estimates(i), INPUTS
        )
    assert [kept.facts.run for kept in record.runs()] == ["run-3", "run-2", "run-1", "run-0"]
    assert [kept.facts.run for kept in record.runs(system="lending", limit=2)] == ["run-2", "run-1"]
    assert [kept.facts.run for kept in record.runs(decision="ship")] == ["run-2", "run-0"]
    since = record.runs(since=now + timedelta(seconds=1), before=now + timedelta(seconds=2))
    assert [kept.facts for kept in since] == [facts(now, 1, decision="hold")]
    assert record.runs(run="run-1") == record.runs(digest=facts(now, 1).digest) == since
    found = record.verdicts(requirement="SAFE-1")
    assert [(v.name, v.system, v.verdict, v.body) for v in found] == [
        ("run-3", "other", "met", VERDICTS[1]), ("run-1", "lending", "met", VERDICTS[1]),
    ]  # fmt: skip
    assert len(record.verdicts(run=facts(now, 1).digest)) == 2
    assert len(record.verdicts(system="lending", verdict="breached")) == 3
    assert record.estimates(system="other", metric="metric_1").num_rows == 1
    assert record.estimates(evaluation="none").num_rows == 0
    assert record.estimates(limit=2).num_rows == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"run": {"digest": "x"}}, "RECORD018"),
        ({"run": {"system": "a\0"}}, "RECORD011"),
        ({"run": {"place": "\ud800"}}, "RECORD011"),
        ({"run": {"version": "x" * 10_000_000}}, "RECORD018"),
        ({"verdicts": [{"requirement": "x"}]}, "RECORD018"),
        ({"verdicts": [{**VERDICTS[0], "estimate": {"value": float("nan")}}]}, "RECORD011"),
        ({"inputs": [{"evaluation": "x"}]}, "RECORD018"),
        ({"inputs": [{**INPUTS[0], "rows": "7"}]}, "RECORD018"),
        ({"estimates": estimates().drop_columns(["slice"])}, "RECORD018"),
        ({"estimates": estimates().set_column(6, "value", pa.array([float("nan")] * 7))}, "RECORD018"),
        ({"estimates": estimates().set_column(6, "value", pa.array(["x"] * 7))}, "RECORD018"),
        ({"estimates": estimates().set_column(1, "metric", pa.array(["a\0"] * 7))}, "RECORD018"),
        ({"estimates": estimates().set_column(1, "metric", pa.array([None] * 7, pa.string()))}, "RECORD018"),
        ({"estimates": estimates().set_column(1, "metric", pa.array(["x" * 30_000] * 7))}, "RECORD018"),
    ],
)
def test_add_run_validates_input(record, ann, now, change, code):
    run = replace(facts(now), **change.get("run", {}))
    given = change.get("verdicts", VERDICTS), change.get("estimates", estimates()), change.get("inputs", INPUTS)
    with pytest.raises(Unusable) as caught:
        record.add_run(ann, now, run, *given)
    assert {fault.code for fault in caught.value.faults} == {code}
    assert all(fault.where.startswith("run") and len(str(fault)) < 1000 for fault in caught.value.faults)
    assert (record.size(), record.runs(), record.estimates().num_rows) == (0, (), 0)


@pytest.mark.slow
def test_many_estimates_at_once(record, ann, now):
    n = 200_000
    record.add_run(ann, now, facts(now), VERDICTS, estimates(n), INPUTS)
    back = record.estimates()
    assert all(back[name].to_pylist() == estimates(n)[name].to_pylist() for name in ("value", "slice", "n", "reason"))
