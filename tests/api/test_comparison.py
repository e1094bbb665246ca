"""Two runs side by side: what stands worse, what was dropped or added, and what decides on each side."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shipworthy.api.pages import Library, comparison
from shipworthy.api.recording import actor_of, open_record

sys.path.insert(0, str(Path(__file__).parent))
import governed
from governed import ADA, register, verdict


@pytest.fixture
def library(tmp_path):
    place = tmp_path / ".shipworthy" / "record.db"
    with open_record(place) as record:
        register(record, actor_of(record, ADA))
        yield Library(record=record, place=place)


def run(record, name, verdicts, **more):
    return governed.run(record, actor_of(record, ADA), name, verdicts, **more)


def gap(said, one, other, *, value, low, high, **more):
    """A verdict on the false positive rates of two groups."""
    found = verdict("FPR", said, value=value, low=low, high=high, metric="fpr", compare="difference", **more)
    found["estimate"] |= {"slice": {"race": one}, "reference": {"race": other}}
    return found


WAIVER = {"id": "W-1", "ends": "2026-12-31"}


def test_dropped_and_added_requirements_are_counted_as_such(library):
    first = run(library.record, "a", [verdict("A", "met"), verdict("B", "breached"), verdict("GAP", "met")])
    second = run(library.record, "b", [verdict("A", "breached"), verdict("B", "breached")], version="2", days=1)
    found = comparison(library, first, second)
    said = "Of 2 requirements that both runs have, 1 stands worse than before, 0 better, 1 as it was"
    assert found.summary == f"{said}; 1 was dropped."
    assert comparison(library, second, first).summary == (
        "Of 2 requirements that both runs have, 0 stand worse than before, 1 better, 1 as it was; 1 was added."
    )
    third = run(library.record, "c", [verdict("X"), verdict("Y")], system="other", version="2", days=2)
    other = comparison(library, first, third)
    assert other.summary == "No requirement is in both runs: 3 were dropped, 2 were added."
    assert other.names == ("assistant 1", "other 2")


def test_a_waived_breach_is_a_breach_and_another_pair_is_said(library):
    wide, narrow = {"value": 0.3, "low": 0.22, "high": 0.36}, {"value": 0.12, "low": -0.16, "high": 0.2}
    before = run(library.record, "a", [gap("breached", "A", "O", waiver=WAIVER, **wide)])
    after = run(library.record, "b", [gap("undecided", "N", "S", **narrow)], days=1)
    pair = comparison(library, before, after).pairs[0]
    assert (pair.before.verdict, pair.before.outcome, pair.way) == ("waived", "breached", "better")
    assert pair.changed == ["no longer waived", "another pair decides"]
    assert comparison(library, after, before).pairs[0].way == "worse"


def test_a_waiver_alone_changes_no_outcome_but_is_loud(library):
    wide = {"value": 0.3, "low": 0.22, "high": 0.36}
    before = run(library.record, "a", [gap("breached", "A", "O", **wide)])
    after = run(library.record, "b", [gap("breached", "A", "O", waiver=WAIVER, bound={"at_most": 0.1}, **wide)])
    pair = comparison(library, before, after).pairs[0]
    assert (pair.way, pair.changed, pair.is_loud) == ("same", ["now waived", "another bound"], True)


def test_intervals_of_two_pairs_are_not_called_moved(library):
    far, near = {"value": 0.3, "low": 0.25, "high": 0.36}, {"value": 0.12, "low": 0.1, "high": 0.2}
    first = run(library.record, "a", [gap("breached", "A", "O", **far)])
    other = run(library.record, "b", [gap("breached", "N", "S", **near)])
    same = run(library.record, "c", [gap("breached", "A", "O", **near)])
    pair, moved = comparison(library, first, other).pairs[0], comparison(library, first, same).pairs[0]
    assert (pair.changed, pair.is_loud) == (["another pair decides"], False)
    assert (moved.changed, moved.is_loud) == (["moved, with the same outcome"], True)


def test_two_runs_of_one_version_are_told_apart(library):
    days = [run(library.record, name, [verdict()], days=day) for name, day in (("a", 0), ("b", 0), ("c", 3))]
    assert comparison(library, days[0], days[1]).names == ("a", "b")
    assert comparison(library, days[0], days[2]).names == ("1 of 2026-06-15", "1 of 2026-06-18")
