"""The decision in one line."""

from types import SimpleNamespace

import pytest

from shipworthy.evidence.run import Run


@pytest.mark.parametrize(
    ("decision", "standings", "can_stop", "said"),
    [
        ("ship", ["met"] * 7, True, "SHIP: 7 of 7 requirements met"),
        ("ship", ["met"] * 6 + ["undecided"], True, "SHIP: 1 of 7 requirements undecided, which is minor; 6 are met"),
        (
            "ship",
            ["met", "breached", "undecided"],
            True,
            "SHIP: 1 of 3 requirements breached, 1 undecided, which are all minor; 1 is met",
        ),
        ("hold", ["met", "breached"], True, "HOLD: 1 of 2 requirements breached"),
        ("undecided", [], False, "UNDECIDED: the plan requires nothing"),
    ],
)
def test_what_is_open_where_it_ships_says_why(decision, standings, can_stop, said):
    verdicts = tuple(SimpleNamespace(standing=standing) for standing in standings)
    run = SimpleNamespace(verdicts=verdicts, can_stop=can_stop, decision=SimpleNamespace(value=decision))
    assert Run.headline.fget(run) == said
