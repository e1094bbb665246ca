"""What is measured, each task in a process of its own: `python tasks.py NAME PATH` prints CPU seconds, wall seconds and
peak memory.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

TEN = ("accuracy", "selection_rate", "tpr", "fpr", "fnr", "ppv", "npv", "f1", "balanced_accuracy", "error_rate")


def ours(metrics: tuple[str, ...], axis: Any, claims: int) -> Callable[[str], None]:
    """Shipworthy: every metric on everyone and on every slice, with intervals, and calibrated gap claims."""
    import numpy as np

    from shipworthy.api.checking import plan_verdicts
    from shipworthy.api.evaluating import evaluate_rows
    from shipworthy.plan.models import Evaluation, Plan, Requirement

    def run(path: str) -> None:
        requirements = [
            Requirement(id="GAP", metric=metrics[-1], across=axis, compare="difference", at_most=0.05),
            Requirement(id="RATIO", metric=metrics[0], across=axis, compare="ratio", at_least=0.8),
        ][:claims]
        model = Evaluation(
            data=path,
            roles={"label": "label", "prediction": "prediction"} | ({"score": "score"} if "auc" in metrics else {}),
            slices=(axis,),
            metrics=metrics,
        )
        one = evaluate_rows(
            "decisions", model, resolve=str, locate=lambda *p: "plan", rng=np.random.default_rng(0),
            requirements=requirements, checks=False, digest=False, curves=False,
        )  # fmt: skip
        for arms in one.measured.values.values():
            arms.estimates(0.95)
        plan = Plan(system={"name": "benchmark"}, evaluations={"decisions": model}, requirements=tuple(requirements))
        plan_verdicts(plan, {"decisions": one}, {}, lambda loc: "plan", np.random.default_rng(0))

    return run


def floor_duckdb(columns: str, connection: list[Any] = []) -> Callable[[str], None]:  # noqa: B006 - opened once
    """Bare grouped confusion counts in DuckDB."""
    import duckdb

    connection.append(duckdb.connect())
    query = (
        "SELECT {}, count(*), sum(label * prediction), sum(label), sum(prediction) FROM read_parquet('{}') GROUP BY ALL"
    )
    return lambda path: connection[0].sql(query.format(columns, path)).fetchall()


def floor_polars() -> Callable[[str], None]:
    """Bare grouped confusion counts in Polars."""
    import polars as pl

    def run(path: str) -> None:
        c = pl.col
        pl.scan_parquet(path).group_by("race", "sex").agg(
            pl.len(), (c("label") * c("prediction")).sum().alias("tp"), c("label").sum(), c("prediction").sum()
        ).collect()  # fmt: skip

    return run


def fairlearn(draws: int | None) -> Callable[[str], None]:
    """Fairlearn's MetricFrame with four metrics (fewer than ours), with or without its bootstrap."""
    import pandas as pd
    from fairlearn import metrics as fm
    from sklearn.metrics import accuracy_score

    chosen = {
        "accuracy": accuracy_score,
        "tpr": fm.true_positive_rate,
        "fpr": fm.false_positive_rate,
        "selection_rate": fm.selection_rate,
    }
    more = {"n_boot": draws, "ci_quantiles": [0.025, 0.975], "random_state": 0} if draws else {}

    def run(path: str) -> None:
        frame = pd.read_parquet(path)
        seen = fm.MetricFrame(
            metrics=chosen, y_true=frame["label"], y_pred=frame["prediction"],
            sensitive_features=frame[["race", "sex"]], **more,
        )  # fmt: skip
        _ = seen.by_group, seen.difference()

    return run


def aequitas() -> Callable[[str], None]:
    """Aequitas' disparities with significance, on the two attributes joined into one."""
    import pandas as pd
    from aequitas.bias import Bias
    from aequitas.group import Group

    def run(path: str) -> None:
        frame = pd.read_parquet(path)
        joined = pd.DataFrame(
            {"score": frame["prediction"], "label_value": frame["label"], "cell": frame["race"] + " " + frame["sex"]}
        )
        counts, _ = Group().get_crosstabs(joined, attr_cols=["cell"])
        Bias().get_disparity_major_group(
            counts, original_df=joined, alpha=0.05, check_significance=True, mask_significance=True
        )  # fmt: skip

    return run


TASKS: dict[str, Callable[[], Callable[[str], None]]] = {
    "ours-counts": lambda: ours(TEN, ("race", "sex"), 2),
    "ours-scores": lambda: ours(("ece", "auc"), ("race", "sex"), 1),
    "ours-units": lambda: ours(TEN, "unit", 2),
    "floor-duckdb": lambda: floor_duckdb("race, sex"),
    "floor-units": lambda: floor_duckdb("unit"),
    "floor-polars": floor_polars,
    "fairlearn": lambda: fairlearn(None),
    "fairlearn-boot-2": lambda: fairlearn(2),
    "fairlearn-boot-10": lambda: fairlearn(10),
    "fairlearn-boot-100": lambda: fairlearn(100),
    "aequitas": aequitas,
}


def main() -> None:
    warnings.simplefilter("ignore")
    name, path, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
    run = TASKS[name]()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if repeats > 1:
        run(path)  # warm-up: imports and the page cache
    cpu, wall = [], []
    for _ in range(repeats):
        before, start = time.process_time(), time.perf_counter()
        run(path)
        cpu.append(time.process_time() - before)
        wall.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump(
        {
            "cpu": statistics.median(cpu),
            "wall": statistics.median(wall),
            "peak": peak / 1024,
            "above": (peak - base) / 1024,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
