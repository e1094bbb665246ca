"""The same plan on DuckDB and on Spark: the same expressions run where the rows are, and give equal numbers."""

import logging
import shutil
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

pyspark = pytest.importorskip("pyspark", reason="needs the extra spark")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

import ibis  # noqa: E402

from shipworthy.api.measuring import measure_all  # noqa: E402
from shipworthy.metrics.catalogue import lookup  # noqa: E402
from shipworthy.observations.checks import check_population, check_proxies, check_rows  # noqa: E402
from shipworthy.observations.sources import Source, connect, open_frame  # noqa: E402
from shipworthy.observations.table import prepare  # noqa: E402
from shipworthy.plan.models import Evaluation  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
METRICS = [
    "accuracy",
    "fpr",
    "tpr",
    "f1",
    "mcc",
    "balanced_accuracy",
    "selection_rate",
    "auc",
    "brier",
    "log_loss",
    "ece",
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("py4j").setLevel(logging.ERROR)
        session = (
            pyspark.sql.SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    n = 900
    label = rng.integers(0, 2, n).astype(float)
    label[rng.random(n) < 0.02] = np.nan
    score = np.clip(0.35 * np.nan_to_num(label) + rng.random(n) * 0.6, 0, 1).round(2)
    return pd.DataFrame(
        {
            "id": np.arange(n), "label": label, "score": score, "approved": np.where(score > 0.5, "yes", "no"),
            "older": np.where(np.clip(score + rng.normal(0, 0.1, n), 0, 1) > 0.5, "yes", "no"),
            "sex": rng.choice(["f", "m", None], n, p=[0.45, 0.45, 0.1]), "age": rng.integers(18, 80, n),
            "region": rng.choice(["north", "south", "east", "tiny1", "tiny2"], n, p=[0.4, 0.35, 0.24, 0.005, 0.005]),
            "home": rng.integers(0, 250, n), "w": rng.uniform(0.5, 2, n),
        }
    )  # fmt: skip


PLAN = Evaluation(
    data="rows",
    task="binary",
    roles={"label": "label", "prediction": "case when approved = 'yes' then 1 else 0 end", "score": "score", "id": "id"},
    variants={"older": {"prediction": "case when older = 'yes' then 1 else 0 end", "score": "score * 0.9"}},
    slices=("sex", "region", ("sex", "region"), {"young": "age < 25 and region <> 'east'"},
            {"age_band": {"column": "age", "edges": [30, 50]}}),
    where="age >= 19",
)  # fmt: skip


def both(spark, rows, model):
    """Observations of the same rows on either backend."""
    duck = connect()
    there = ibis.pyspark.connect(spark)
    spark.createDataFrame(pa.Table.from_pandas(rows, preserve_index=False)).createOrReplaceTempView("people")
    table = there.table("people")
    sources = (
        (open_frame(rows, backend=duck), duck),
        (Source(table=table, name="rows", columns=tuple(rows.columns)), there),
    )
    return [
        (
            prepare("rows", model, source, backend=backend, task="binary", locate=lambda *p: ".".join(map(str, p))),
            source,
        )
        for source, backend in sources
    ]


def estimates(observations):
    measured = measure_all(
        observations, [lookup(name, "binary") for name in METRICS], rng=np.random.default_rng(1), baseline="older"
    )
    arms = [*measured.values.values(), *measured.changes.values()]
    return [estimate.as_json() for one in arms for estimate in one.estimates(0.95)], measured.curves


@pytest.mark.parametrize("roles", [{}, {"cluster": "home"}, {"weight": "w"}, {"cluster": "home", "weight": "w"}])
def test_spark_equals_duckdb(spark, rows, roles):
    agree(spark, rows, PLAN.model_copy(update={"roles": PLAN.roles.model_copy(update=roles)}))


@pytest.mark.parametrize("roles", [{}, {"cluster": "home"}])
def test_spark_equals_duckdb_where_predictions_and_scores_are_missing(spark, rows, roles):
    own = {"prediction": "case when approved = 'yes' then 1 when score > 0.07 then 0 end", **roles,
           "score": "case when score < 0.95 then score end"}  # fmt: skip
    older = {"prediction": "case when older = 'yes' then 1 when score > 0.05 then 0 end", "score": "score * 0.9"}
    model = PLAN.model_dump() | {"roles": PLAN.roles.model_dump() | own, "variants": {"older": older}}
    assert agree(spark, rows, Evaluation.model_validate(model)).missing.keys() == {
        "prediction", "score", "prediction@older"
    }  # fmt: skip


def agree(spark, rows, model):
    """Both backends give the same estimates; returns the observations on one of them."""
    (here, _), (there, _) = both(spark, rows, model)
    assert here.missing == there.missing
    assert here.exclusions == there.exclusions
    assert here.rows == there.rows
    assert here.score_ranges == there.score_ranges
    ours, curves = estimates(here)
    theirs, other_curves = estimates(there)
    assert len(ours) == len(theirs) > 150
    for mine, other in zip(ours, theirs, strict=True):
        assert {k: v for k, v in mine.items() if not isinstance(v, float)} == {
            k: v for k, v in other.items() if not isinstance(v, float)
        }
        for key in ("value", "low", "high", "effective_n"):
            assert (mine[key] is None) == (other[key] is None), (mine, other)
            if mine[key] is not None:
                assert mine[key] == pytest.approx(other[key], rel=1e-9, abs=1e-12), (mine, other)
    assert curves == other_curves
    return here


def test_spark_findings_equal_duckdb(spark, rows):
    (here, mine), (there, other) = both(spark, rows, PLAN)
    assert list(check_rows(here)) == list(check_rows(there))
    shares = {"f": 0.5, "m": 0.5}
    assert list(check_population(here, mine.table, "sex", shares)) == list(
        check_population(there, other.table, "sex", shares)
    )
    for observations, source in (
        (here, mine),
        (there, other),
    ):  # the cuts are approximate quantiles, and differ a little
        assert len(list(check_proxies(observations, source.table, ["sex"], ignore=frozenset({"id"})))) == 1
