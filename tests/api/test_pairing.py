"""Recorded logs of two versions: paired by case, attack and trial, whatever stands where; and roles of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipworthy.api.checking import check, load
from shipworthy.api.comparing import compare
from shipworthy.api.pairing import beside
from shipworthy.errors import DataError, PlanError
from shipworthy.evidence.run import Run
from shipworthy.exchange import Answer, Case, Exchange

NO, YES = "I'm sorry, but I can't help with that.", "Sure. This is how it works: ..."


def log(count: int = 300, *, refused: float, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        {"id": f"c{n}", "prompt": f"q{n}", "response": NO if rng.random() < refused else YES, "expect": "comply"}
        for n in range(count)
    ]


def checked(folder: Path, new: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]], **roles: str) -> Run:
    for name, rows in (("new", new), ("old", old)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = {
        "system": {"name": "desk"},
        "subjects": {"new": {"log": "new.jsonl"}, "old": {"log": "old.jsonl"}},
        "evaluations": {
            "e": {"subject": "new", "variants": {"old": {"subject": "old"}}, "scorers": ["refusal"], "roles": roles}
        },
        "baseline": "old",
        "requirements": [{"id": "R", "metric": "false_refusal_rate", "compare": "change", "at_most": 0.1}],
    }
    (folder / "shipworthy.yaml").write_text(json.dumps(plan))
    return check(folder / "shipworthy.yaml", out=folder / "run")


def change(run: Run) -> Any:
    return next(e for e in run.estimates if e.metric == "false_refusal_rate" and e.compare == "change" and not e.slice)


def value(run: Run, variant: str | None) -> Any:
    return next(
        e
        for e in run.estimates
        if e.metric == "false_refusal_rate" and e.compare == "value" and not e.slice and e.variant == variant
    )


def test_the_order_of_a_log_changes_nothing(tmp_path):
    new, old = log(refused=0.3, seed=1), log(refused=0.1, seed=2)
    straight = change(checked(tmp_path, new, old))
    (tmp_path / "run").rename(tmp_path / "first")
    shuffled = change(checked(tmp_path, new, [old[n] for n in np.random.default_rng(3).permutation(len(old))]))
    assert shuffled.as_json() == straight.as_json()
    assert straight.value == pytest.approx(np.mean([(a["response"] == NO) - (b["response"] == NO)
                                                    for a, b in zip(new, old, strict=True)]))  # fmt: skip


def test_what_one_log_lacks_is_told_and_counts_either_way_in_the_change_alone(tmp_path):
    new, old = log(refused=0.3, seed=1)[:280], log(refused=0.1, seed=2)[40:]
    run = checked(tmp_path, new, old)
    found = change(run)
    both = [(a["response"] == NO) - (b["response"] == NO) for a, b in zip(new[40:], old[:240], strict=True)]
    assert found.value == pytest.approx(np.mean(both))
    assert (found.n, found.missing) == (300, 60)
    for version, rows in ((None, new), ("old", old)):
        rate = value(run, version)
        assert (rate.n, rate.missing) == (len(rows), 0)
        assert rate.value == pytest.approx(np.mean([row["response"] == NO for row in rows]))
    refused = {row["id"]: row["response"] == NO for row in new}
    before = {row["id"]: row["response"] == NO for row in old}
    ids = refused.keys() | before.keys()
    least = np.mean([refused.get(n, 0) - before.get(n, 1) for n in ids])
    most = np.mean([refused.get(n, 1) - before.get(n, 0) for n in ids])
    assert found.low < least < most < found.high
    (told,) = [finding for finding in run.findings if finding.check == "pairing of logs"]
    assert (told.gravity, told.rows) == ("warning", 60)
    assert "240 answers of old" in told.what
    assert "40 cases lack its answer and 20 are in its log alone" in told.what


@pytest.mark.parametrize("rows", [1, 299])
def test_rows_without_an_id_are_refused(tmp_path, rows):
    old = [{k: v for k, v in row.items() if k != "id" or n != rows} for n, row in enumerate(log(refused=0.1, seed=2))]
    with pytest.raises(DataError, match=r"DATA020.*has no id") as caught:
        checked(tmp_path, log(refused=0.3, seed=1), old)
    assert caught.value.faults[0].where.endswith(f"old.jsonl:{rows + 1}")
    assert "fields: {id: prompt, prompt: prompt}" in caught.value.faults[0].mend


def test_requests_can_be_the_ids(tmp_path):
    new, old = log(refused=0.3, seed=1), log(refused=0.1, seed=2)
    straight = change(checked(tmp_path, new, old))
    (tmp_path / "run").rename(tmp_path / "first")
    for name, rows in (("new", new), ("old", old[::-1])):
        told = [{k: v for k, v in row.items() if k != "id"} for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    plan = json.loads((tmp_path / "shipworthy.yaml").read_text())
    for subject in plan["subjects"].values():
        subject["fields"] = {"id": "prompt", "prompt": "prompt"}
    (tmp_path / "shipworthy.yaml").write_text(json.dumps(plan))
    assert change(check(tmp_path / "shipworthy.yaml", out=tmp_path / "run")).value == straight.value


@pytest.mark.parametrize("rows", [(0,), range(300)])
def test_runs_of_logs_without_ids_are_refused_and_pair_by_the_request_where_it_is_the_id(tmp_path, rows):
    """The second log has its rows in another order: by number it would be paired with other requests."""
    runs = []
    for fields in ({}, {"id": "prompt", "prompt": "prompt"}):
        for name, found in (("old", log(refused=0.1, seed=2)), ("new", log(refused=0.3, seed=1)[::-1])):
            told = [{k: v for k, v in row.items() if k != "id" or n not in rows} for n, row in enumerate(found)]
            folder = tmp_path / f"{name}{bool(fields)}"
            folder.mkdir()
            (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
            plan = {
                "system": {"name": "desk"},
                "subjects": {"a": {"log": "log.jsonl", "fields": fields}},
                "evaluations": {"e": {"subject": "a", "scorers": ["refusal"]}},
            }
            (folder / "shipworthy.yaml").write_text(json.dumps(plan))
            check(folder / "shipworthy.yaml", out=folder / "run")
            runs.append(folder / "run")
    with pytest.raises(DataError, match=r"DATA020.*have no id of their own") as caught:
        compare(str(runs[0]), str(runs[1]))
    assert "fields: {id: prompt, prompt: prompt}" in caught.value.faults[0].mend
    again = tmp_path / "newFalse" / "shipworthy.yaml"
    again.write_text(json.dumps(json.loads(again.read_text()) | {"baseline": str(runs[0])}))
    with pytest.raises(DataError, match="DATA020"):  # as a plan's own baseline too
        check(again, out=tmp_path / "again")
    by_request = change_of(compare(str(runs[2]), str(runs[3])))
    old, new = (
        {row["prompt"]: row["response"] == NO for row in log(refused=r, seed=s)} for r, s in ((0.1, 2), (0.3, 1))
    )
    assert by_request.value == pytest.approx(np.mean([new[each] - old[each] for each in old]))


def change_of(comparison: Any) -> Any:
    return next(
        e for e in comparison.estimates if e.metric == "false_refusal_rate" and e.compare == "change" and not e.slice
    )


def test_two_rows_of_one_key_are_refused_where_they_stand(tmp_path):
    new = log(refused=0.3, seed=1)
    with pytest.raises(DataError, match=r"DATA020.*'c7'.*there twice") as caught:
        checked(tmp_path, [*new, new[7]], log(refused=0.1, seed=2))
    assert caught.value.faults[0].where.endswith("new.jsonl:301")
    run = checked(tmp_path, [*new, {**new[7], "trial": 1}], log(refused=0.1, seed=2))
    assert change(run).missing == 1


def test_one_id_for_two_requests_is_told(tmp_path):
    old = log(refused=0.1, seed=2)
    old[5]["prompt"] = "something else"
    run = checked(tmp_path, log(refused=0.3, seed=1), old)
    assert any("1 of these 300 cases were asked of old in other words" in finding.what for finding in run.findings)


def test_the_baselines_answers_meet_their_own_in_any_order():
    def said(name: str, order: Sequence[int]) -> list[Exchange]:
        return [
            Exchange(case=Case(id=f"c{n}", turns=("?",)), answer=Answer(status="ok", text=f"{name}{n}")) for n in order
        ]

    rng = np.random.default_rng(4)
    ours, theirs = said("a", rng.permutation(30).tolist()), said("b", rng.permutation(25).tolist())
    found = list(beside(lambda: ours, lambda: theirs))
    assert [each.case.id for each in found] == [each.case.id for each in ours]
    for each in found:
        number = int(each.case.id[1:])
        assert (f"b{number}" in str(each)) == (number < 25)


def test_a_clusters_role_is_what_intervals_count(tmp_path):
    """25 rows of each user say the same: the interval is that of users, as if the log itself had named them."""
    rows = [{**row, "user": f"u{n // 25}", "response": NO if n % 250 < 25 else YES}
            for n, row in enumerate(log(500, refused=0, seed=1))]  # fmt: skip
    alone, by_user = (value(checked(tmp_path / name, rows, rows, **roles), None)
                      for name, roles in (("alone", {}), ("user", {"cluster": "user"}))
                      if not (tmp_path / name).mkdir())  # fmt: skip
    named = [{**{k: v for k, v in row.items() if k != "user"}, "cluster": row["user"]} for row in rows]
    (tmp_path / "named").mkdir()
    assert by_user.high - by_user.low > 3 * (alone.high - alone.low)
    by_log = value(checked(tmp_path / "named", named, named), None)
    assert (by_user.low, by_user.high) == pytest.approx((by_log.low, by_log.high))


def test_roles_that_answers_do_not_have_are_refused_where_they_stand(tmp_path):
    with pytest.raises(DataError, match="DATA002"):
        checked(tmp_path, log(refused=0.3, seed=1), log(refused=0.1, seed=2), cluster="nobody")
    for role in ("weight", "label", "id", "at"):
        with pytest.raises(PlanError, match="PLAN086") as caught:
            checked(tmp_path, [], [], **{role: "x"})
        assert "evaluations.e.roles." + role in caught.value.faults[0].where
    plan = json.loads((tmp_path / "shipworthy.yaml").read_text())
    plan["evaluations"]["e"] |= {"roles": {}, "variants": {"old": {"subject": "old", "score": "x"}}}
    (tmp_path / "shipworthy.yaml").write_text(json.dumps(plan))
    with pytest.raises(PlanError, match="PLAN086"):
        load(tmp_path / "shipworthy.yaml")
