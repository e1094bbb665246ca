from __future__ import annotations

import bz2
import decimal
import gzip
import io
import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workshop import Workshop, claim, rows

HEAD = "y,p,s,sex\n"
SPOILT_CSV: dict[str, tuple[str | bytes, dict[str, Any], tuple[str, ...]]] = {
    "empty file": ("", {}, ("DATA007",)),
    "blank lines": ("\n\n\n", {}, ("DATA007",)),
    "header only": (HEAD, {}, ("DATA007",)),
    "labels all missing": (HEAD + ",1,0.5,f\n" * 20, {}, ("DATA008",)),
    "everything missing": (HEAD + ",,,\n" * 20, {}, ("DATA008", "DATA008")),
    "no label column": (rows(header="a,p,s,sex"), {}, ("DATA002",)),
    "labels of three values": (HEAD + "0,1,0.5,f\n1,1,0.3,m\n2,1,0.2,f\n" * 20, {}, ("DATA009",)),
    "labels in words": (HEAD + "good,0,0.5,f\nbad,1,0.3,m\n" * 20, {}, ("DATA010",)),
    "a positive value that is not there": (
        HEAD + "good,good,0.5,f\nbad,good,0.3,m\n" * 20,
        {"roles": {"label": "y", "prediction": "p", "positive": "great"}},
        ("DATA011",),
    ),
    "a positive value that is no truth value": (
        HEAD + "yes,no,0.5,f\nno,no,0.3,m\n" * 20,
        {"roles": {"label": "y", "prediction": "p", "positive": "maybe"}},
        ("DATA011",),
    ),
    "scores NaN and infinite": (HEAD + "1,1,nan,f\n0,0,inf,m\n" * 20, {"metrics": ["auc", "ece"]}, ("DATA008",)),
    "scores in words": (HEAD + "1,1,high,f\n0,0,low,m\n" * 20, {}, ("DATA012",)),
    "a column twice": (rows(header="y,y,s,sex"), {}, ("DATA005",)),
    "columns that differ in case": (rows(header="y,Y,s,sex"), {}, ("DATA005",)),
    "a line too short": (rows() + "1,1\n", {}, ("DATA001",)),
    "a line too long": (rows() + "1,1,0.3,f,9,9,9\n", {}, ("DATA001",)),
    "a quote left open": (rows() + '1,1,0.3,"f\n', {}, ("DATA001",)),
    "not UTF-8": (rows().encode() + b"1,1,0.2,\xff\xfe\n", {}, ("DATA001",)),
    "UTF-16": (rows().encode("utf-16"), {}, ("DATA001",)),
    "text after 300,000 numbers": (HEAD + "1,0,0.5,f\n" * 300_000 + "x,0,0.5,f\n", {}, ("DATA001",)),
    "a cell of 20 MB": (rows() + "1,1,0.3," + "x" * 20_000_000 + "\n", {}, ("DATA001",)),
    "negative weights": (rows(header="y,p,w,sex").replace("0.3", "-1"),
                         {"roles": {"label": "y", "prediction": "p", "weight": "w"}}, ("DATA014",)),
    "weights that overflow": (rows(header="y,p,w,sex").replace("0.3", "1e308"),
                              {"roles": {"label": "y", "prediction": "p", "weight": "w"}}, ("DATA014",)),
    "clusters all missing": (HEAD + "1,1,,f\n" * 20, {"roles": {"label": "y", "prediction": "p", "cluster": "s"}}, ("DATA007",)),
    "a metric without its role": (rows(), {"roles": {"label": "y", "prediction": "p"}, "metrics": ["auc"]}, ("DATA016",)),
    "a slice that is not there": (rows(), {"slices": ["sxe"], "requirements": []}, ("DATA002",)),
    "a claim across nothing": (rows(), {"requirements": claim("nowhere")}, ("DATA002",)),
    "an unknown reference": (rows(), {"requirements": claim(reference="x")}, ("DATA019",)),
    "bins of text": (rows(), {"slices": [{"q": {"column": "sex", "quantiles": 3}}], "requirements": []}, ("DATA012",)),
    "a variant without its column": (rows(), {"variants": {"b": {"prediction": "nope"}}}, ("DATA002",)),
    "a population of no column": (rows(), {"population": {"sx": {"f": 0.5}}}, ("DATA002",)),
    "a protected column that is not there": (rows(), {"protected": ["sxe"]}, ("DATA002",)),
    "no training file": (rows(), {"train": "none.csv"}, ("DATA001",)),
    "nothing in scope": (rows(), {"where": "y = 5"}, ("DATA007",)),
    "an ending nobody reads": (rows(), {"data": "plan.yaml"}, ("DATA001",)),
    "no file": (rows(), {"data": "none.csv"}, ("DATA001",)),
    "a glob of nothing": (rows(), {"data": "*.parquet"}, ("DATA001",)),
    "a null character in the path": (rows(), {"data": "a\0b.csv"}, ("DATA001",)),
    "a path of 5,000 characters": (rows(), {"data": "a" * 5_000 + ".csv"}, ("DATA001",)),
    "a custom metric that is not there": (rows(), {"metrics": [{"python": "no_such_module:f"}]}, ("PLAN051",)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT_CSV)
def test_spoilt_csv_validates_input(workshop: Workshop, name: str) -> None:
    content, changes, codes = SPOILT_CSV[name]
    workshop.write("rows.csv", content)
    workshop.run(**changes).refused(*codes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (rows() + "1,1\n", "line 122: the header has 4 columns, and this line has 2"),
        (rows() + "1,1,0.3,f,9\n", "line 122: the header has 4 columns, and this line has more"),
        (HEAD + "1,0,0.5,f\n" * 300_000 + "x,0,0.5,f\n", 'line 300002: error when converting column "y"'),
    ],
)
def test_a_spoilt_line_is_named_validates_input(workshop: Workshop, content: str, said: str) -> None:
    workshop.write("rows.csv", content)
    assert said in workshop.run().refused("DATA001").result.stderr


UNDECIDED: dict[str, tuple[str, dict[str, Any]]] = {
    "one group": (rows().replace(",m\n", ",f\n"), {}),
    "no positive case in a group": (HEAD + "1,0,0.5,f\n0,0,0.5,m\n" * 20, {}),
    "every prediction alike": (HEAD + "1,1,0.5,f\n0,1,0.3,m\n" * 20, {}),
    "a ratio over an empty group": (
        HEAD + "1,0,0.5,f\n0,0,0.5,m\n" * 20,
        {"requirements": [{"id": "R", "metric": "tpr", "across": "sex", "compare": "ratio", "at_least": 0.8}]},
    ),
    "scores that are no probabilities": (
        HEAD + "1,0,5,f\n0,1,-3,m\n" * 20,
        {"requirements": [{"id": "R", "metric": "ece", "at_most": 0.1}]},
    ),
    "weights all zero": (
        rows(),
        {"roles": {"label": "y", "prediction": "p", "weight": "y * 0"}},
    ),
    "one cluster": (rows(), {"roles": {"label": "y", "prediction": "p", "cluster": "cast(y = 5 as text)"}}),
    "quantiles of a constant": (
        HEAD + "1,0,0.5,f\n0,0,0.5,m\n" * 20,
        {"slices": [{"q": {"column": "s", "quantiles": 4}}], "requirements": claim("q")},
    ),
    "edges beyond the data": (
        rows(),
        {"slices": [{"q": {"column": "s", "edges": [10, 20]}}], "requirements": claim("q")},
    ),
    "10,000 groups of one": (HEAD + "".join(f"{i % 2},{i // 2 % 2},0.3,g{i}\n" for i in range(10_000)), {}),
    "a population of other levels": (rows(), {"population": {"sex": {"x": 0.5, "f": 0.5}}}),
    "numbers near the largest": (
        "y,p,sex\n" + "1e308,-1e308,f\n3,4,m\n" * 20,
        {"task": "regression", "roles": {"label": "y", "prediction": "p"}, "metrics": ["mae", "rmse", "r2"],
         "requirements": [{"id": "R", "metric": "mae", "at_most": 3}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDECIDED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_poor_data_leaves_the_claim_open_validates_input(workshop: Workshop, name: str) -> None:
    content, changes = UNDECIDED[name]
    workshop.write("rows.csv", content)
    outcome = workshop.run(**changes).sound()
    assert outcome.code == 3, outcome.result.stdout + outcome.result.stderr


def test_too_many_groups_to_compare_validates_input(workshop: Workshop) -> None:
    workshop.write("rows.csv", HEAD + "".join(f"{i % 2},{i // 2 % 2},0.3,g{i % 2500}\n" for i in range(50_000)))
    workshop.run().refused("PLAN072")


@pytest.mark.parametrize(
    "words", ["yes no", "Yes No", "t f", "T F", "true false", "TRUE FALSE", "y n", "on off", "1 0"]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_the_positive_value_is_the_one_that_is_named(workshop: Workshop, words: str, swapped: bool) -> None:
    a, b = words.split()
    workshop.write(
        "rows.csv", HEAD + f"{a},{a},0.5,x\n{b},{a},0.3,y\n{b},{b},0.3,x\n{b},{a},0.3,y\n{b},{b},0.3,y\n" * 20
    )
    positive = b if swapped else a
    outcome = workshop.run(
        roles={"label": "y", "prediction": "p", "positive": positive}, metrics=["base_rate"], requirements=[]
    ).sound()
    assert outcome.results["estimates"][0]["value"] == pytest.approx(0.8 if swapped else 0.2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", rows().replace(",", ";")),
        ("rows.csv", rows().replace(",", "|")),
        ("rows.tsv", rows().replace(",", "\t")),
        ("rows.csv", rows().replace("\n", "\r\n")),
        ("rows.csv", "\ufeff" + rows()),
        ("rows.csv", rows() + "\n\n"),
        ("rows.csv.gz", gzip.compress(rows().encode())),
        ("rows.csv.bz2", bz2.compress(rows().encode())),
    ],
)
def test_dialects_are_read_alike(workshop: Workshop, name: str, content: str | bytes) -> None:
    if name.endswith("bz2"):
        pytest.skip("DuckDB reads no bzip2")
    workshop.write(name, content)
    assert workshop.run(data=name).sound().results["inputs"][0]["rows"] == 120


def test_lines_that_look_like_comments_count(workshop: Workshop) -> None:
    workshop.write("rows.csv", rows() + "1,1,0.5,#f\n" * 30)
    assert workshop.run().sound().results["inputs"][0]["rows"] == 150


def parquet(**extra: Any) -> bytes:
    n = 60
    columns = {
        "y": [i % 2 for i in range(n)],
        "p": [i // 2 % 2 for i in range(n)],
        "s": [i % 10 / 10 for i in range(n)],
        "sex": ["fm"[i // 3 % 2] for i in range(n)],
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns | extra), buffer)
    return buffer.getvalue()


WHOLE = parquet()
DAMAGED: dict[str, tuple[str, bytes]] = {
    "text called parquet": ("rows.parquet", rows().encode()),
    "truncated": ("rows.parquet", WHOLE[:-50]),
    "a piece cut out": ("rows.parquet", WHOLE[:200] + WHOLE[400:]),
    "bits flipped": ("rows.parquet", WHOLE[:40] + bytes(byte ^ 255 for byte in WHOLE[40:80]) + WHOLE[80:]),
    "gz that is not": ("rows.csv.gz", rows().encode()),
    "gz truncated": ("rows.csv.gz", gzip.compress(rows(20_000).encode())[:-300]),
    "not arrow": ("rows.arrow", b"ARROW1 but no more"),
    "not JSON": ("rows.jsonl", b'{"y": 1}\n{"y": \n'),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_validates_input(workshop: Workshop, name: str) -> None:
    file, content = DAMAGED[name]
    workshop.write(file, content)
    workshop.run(data=file).refused("DATA001")


KINDS: dict[str, pa.Array] = {
    "list": pa.array([[1, 2]] * 60),
    "struct": pa.array([{"a": 1}] * 60),
    "map": pa.array([[("a", 1)]] * 60, type=pa.map_(pa.string(), pa.int64())),
    "decimal": pa.array([decimal.Decimal("1.50")] * 60),
    "timestamp": pa.array([datetime(2020, 1, 1 + i % 3) for i in range(60)]),
    "timestamp with zone": pa.array([datetime(2020, 1, 1 + i % 3, tzinfo=UTC) for i in range(60)]),
    "date": pa.array([date(2020, 1, 1 + i % 3) for i in range(60)]),
    "time": pa.array([time(1, 2)] * 60),
    "duration": pa.array([timedelta(1)] * 60),
    "binary": pa.array([b"a\xff", b"b"] * 30),
    "null": pa.nulls(60),
    "dictionary": pa.array(["a", "b"] * 30).dictionary_encode(),
    "uint64": pa.array([2**64 - 1, 0] * 30, type=pa.uint64()),
    "half": pa.array([1, 0] * 30).cast(pa.float16()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", ["slice", "label", "score", "cluster", "weight"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_columns_of_any_type_validates_input(workshop: Workshop, kind: str, use: str) -> None:
    workshop.write("rows.parquet", parquet(k=KINDS[kind]))
    roles = {"label": "y", "prediction": "p", "score": "s"}
    if use == "slice":
        workshop.run(data="rows.parquet", slices=["k"], requirements=claim("k")).sound()
    else:
        workshop.run(data="rows.parquet", roles=roles | {use: "k"}, metrics=["auc", "tpr"], requirements=[]).sound()


def test_only_files_that_can_be_read_twice_validates_input(workshop: Workshop) -> None:
    os.mkfifo(workshop.folder / "fifo.csv")
    (workshop.folder / "zero.csv").symlink_to("/dev/zero")
    (workshop.folder / "loop.csv").symlink_to(workshop.folder / "loop.csv")
    (workshop.folder / "folder.csv").mkdir()
    for name in ("fifo.csv", "zero.csv", "loop.csv", "folder.csv", "/dev/zero"):
        workshop.run(data=name).refused("DATA001")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_validates_input(workshop: Workshop) -> None:
    path = Path(workshop.write("secret.csv", rows()))
    path.chmod(0)
    workshop.run(data="secret.csv").refused("DATA001")


def test_rare_levels_are_shown_and_are_no_group_in_a_gap(workshop: Workshop) -> None:
    """Of 6 rows in three rare levels none is approved: together they would breach a gap that no group of size shows, and
    a claim about every group is not met without them. That every group has a rate is breached by their mean.
    """
    lines = [f"{i % 2},{i % 2},0.5,{'fm'[i // 2 % 2]}" for i in range(400)] + [f"1,0,0.5,r{i // 2}" for i in range(6)]
    workshop.write("rows.csv", "y,p,s,sex\n" + "\n".join(lines) + "\n")
    gap = {"metric": "accuracy", "across": "sex", "compare": "difference", "at_most": 0.2}
    claims = [{"id": "GAP"} | gap, {"id": "ASKED", "reference": "(rare levels)"} | gap]
    claims += [{"id": "EACH", "metric": "accuracy", "across": "sex", "at_least": 0.5}]
    claims += [{"id": "F1", "metric": "f1", "across": "sex", "at_least": 0.5}]
    claims += [{"id": "OTHER", "metric": "accuracy", "across": "sex", "at_most": 0.9}]
    claims += [{"id": "MET", "metric": "accuracy", "across": "sex", "at_least": 0}]
    found = workshop.run(requirements=claims).sound().results
    verdicts = {verdict["requirement"]: verdict["verdict"] for verdict in found["verdicts"]}
    assert verdicts == {
        "GAP": "undecided", "ASKED": "breached", "EACH": "breached", "F1": "undecided", "OTHER": "breached",
        "MET": "undecided",
    }  # fmt: skip
    for verdict in found["verdicts"]:
        if verdict["verdict"] == "undecided":
            assert "3 levels with few rows, not judged one by one (set fold_below: 1" in verdict["why"]
            assert verdict["estimate"]["value"] is None
    (shown,) = [e for e in found["estimates"] if e["slice"] == {"sex": "(rare levels)"} and e["metric"] == "accuracy"]
    assert (shown["n"], shown["value"]) == (6, 0.0)
    (note,) = [finding for finding in found["findings"] if finding["check"] == "rare levels"]
    assert (note["rows"], note["gravity"]) == (6, "note")
