import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipworthy.errors import PlanError
from shipworthy.plan.loading import LoadedPlan, load_plan
from shipworthy.plan.lock import Lock, lock_path, read_lock, write_lock

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PLAN = """\
system: {name: s}
evaluations:
  d: {data: x.csv, slices: [sex]}
requirements:
  - {id: A, metric: tpr, across: sex, compare: ratio, at_least: 0.8}
  - {id: B, metric: auc, at_least: 0.7, confidence: 0.9, severity: minor}
"""


def load(folder: Path, text: str = PLAN) -> LoadedPlan:
    path = folder / "plan.yaml"
    path.write_text(text)
    return load_plan(path)


def locked(folder: Path) -> Lock:
    write_lock(load(folder), now=NOW, inputs={"d": "sha256:aa"})
    lock = read_lock(folder / "plan.lock.json")
    assert lock is not None
    return lock


def test_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    written = write_lock(loaded, now=NOW, inputs={"d": "sha256:aa"})
    assert read_lock(lock_path(loaded.path)) == written
    assert written.plan_digest == loaded.digest
    value = json.loads((tmp_path / "plan.lock.json").read_text())
    assert value["schema"] == "shipworthy/lock@1"
    assert value["locked_at"] == "2026-11-21T09:30:00Z"
    assert value["seed"] == loaded.plan.seed
    assert value["requirements"][1] == {
        "id": "B", "metric": "auc", "bound": {"at_least": 0.7}, "confidence": 0.9, "severity": "minor"
    }  # fmt: skip


def test_lock_covers_what_it_was_made_from(tmp_path: Path) -> None:
    lock = locked(tmp_path)
    assert lock.covers(load(tmp_path), inputs={"d": "sha256:aa", "e": "sha256:bb"}) == []
    lines = PLAN.splitlines(keepends=True)
    assert lock.covers(load(tmp_path, "# moved\n" + "".join([*lines[:4], lines[5], lines[4]]))) == []


@pytest.mark.parametrize(
    ("old", "new", "what", "at"),
    [
        (
            "at_least: 0.8",
            "at_least: 0.7",
            "requirements.A.at_least was 0.8 when the plan was locked, and is 0.7",
            "5:65",
        ),
        ("confidence: 0.9", "confidence: 0.8", "requirements.B.confidence was 0.9", "6:53"),
        (
            ", severity: minor",
            "",
            'requirements.B.severity was "minor" when the plan was locked, and is "blocker"',
            "6:5",
        ),
        ("[sex]", "[sex, race]", 'evaluations.d.slices was ["sex"]', "3:28"),
        ("name: s", "name: t", 'system.name was "s"', "1:16"),
        ("id: B", "id: C", "requirements.B was removed", "5:3"),
        ("id: B", "id: C", "requirements.C was added", "6:5"),
        ("  d: {", "  e: {data: y.csv}\n  d: {", "evaluations.e was added", "3:6"),
    ],
)
def test_changes_are_named_key_by_key(old: str, new: str, what: str, at: str, tmp_path: Path) -> None:
    lock = locked(tmp_path)
    text = (
        PLAN.replace(old, new).replace("{id: B,", "{id: B, evaluation: d,").replace("{id: A,", "{id: A, evaluation: d,")
    )
    before = PLAN.replace("{id: B,", "{id: B, evaluation: d,").replace("{id: A,", "{id: A, evaluation: d,")
    write_lock(load(tmp_path, before), now=NOW)
    lock = read_lock(tmp_path / "plan.lock.json") or lock
    found = lock.covers(load(tmp_path, text))
    assert {fault.code for fault in found} == {"PLAN062"}
    match = [fault for fault in found if fault.what.startswith(what)]
    assert len(match) == 1
    shift = 0 if not at.startswith(("5:6", "6:53")) else len("evaluation: d, ")
    line, column = at.split(":")
    assert match[0].where.startswith(f"{tmp_path}/plan.yaml:{line}:{int(column) + shift}  ")


def test_other_data_are_seen(tmp_path: Path) -> None:
    (fault,) = locked(tmp_path).covers(load(tmp_path), inputs={"d": "sha256:bb"})
    assert fault.code == "PLAN063"
    assert fault.where.endswith("plan.yaml:3:13  evaluations.d.data")


def test_a_key_of_a_later_release_at_its_default_is_no_change(tmp_path: Path) -> None:
    lock = locked(tmp_path)
    older = json.loads(json.dumps(lock.plan))
    del older["requirements"][0]["power"], older["evaluations"]["d"]["fold_below"], older["seed"]
    del older["evaluations"]["d"]["roles"]["at"]
    from shipworthy.digest import digest

    earlier = lock.model_copy(update={"plan": older, "plan_digest": digest(older)})
    assert earlier.covers(load(tmp_path)) == []
    changed = load(tmp_path, PLAN.replace("data: x.csv", "data: x.csv, fold_below: 3"))
    assert [fault.what for fault in earlier.covers(changed)] == [
        "evaluations.d.fold_below was added since the plan was locked"
    ]


def test_edited_lock_is_seen(tmp_path: Path) -> None:
    locked(tmp_path)
    path = tmp_path / "plan.lock.json"
    for old, new in (('"at_least": 0.8', '"at_least": 0.7'), ('"seed": 20250101\n', '"seed": 1e400\n')):
        path.write_text(path.read_text().replace(old, new))
        lock = read_lock(path)
        assert lock is not None
        assert [fault.code for fault in lock.covers(load(tmp_path))] == ["PLAN061"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"schema": "shipworthy/lock@2"}', "[" * 100_000, "\ud800"]
)
def test_damaged_lock_validates_input(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.lock.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PlanError, match="PLAN060"):
        read_lock(path)


def test_no_lock_is_none_and_a_clock_needs_a_zone(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "plan.lock.json") is None
    with pytest.raises(ValueError, match="time zone"):
        write_lock(load(tmp_path), now=datetime(2026, 1, 1))


def test_a_long_list_is_shown_where_it_changed(tmp_path: Path) -> None:
    slices = ", ".join(f"attribute_{n}" for n in range(12))
    plan = PLAN.replace("slices: [sex]", f"slices: [sex, {slices}]")
    write_lock(load(tmp_path, plan), now=NOW)
    lock = read_lock(tmp_path / "plan.lock.json")
    assert lock is not None
    (fault,) = lock.covers(load(tmp_path, plan.replace("attribute_9", "other_9")))
    was, _, now = fault.what.partition(", and is ")
    assert "attribute_9" in was
    assert "other_9" in now
