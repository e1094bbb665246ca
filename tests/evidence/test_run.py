"""The decision in one line."""

from types import SimpleNamespace

import pytest

from shipworthy.evidence.run import Run


@pytest.mark.parametrize(
    ("decision", "standings", "said"),
    [
        ("ship", ["met"] * 7, "SHIP: 7 of 7 requirements met"),
        ("ship", ["met"] * 6 + ["undecided-"], "SHIP: 1 of 7 requirements undecided, which is minor; 6 are met"),
        (
            "ship",
            ["met", "breached-", "undecided-"],
            "SHIP: 1 of 3 requirements breached, 1 undecided, both minor; 1 is met",
        ),
        (
            "ship",
            ["undecided-", "undecided-", "waived", *["met"] * 4],
            "SHIP: 2 of 7 requirements undecided, both minor; 1 is waived, 4 are met",
        ),
        ("ship", ["undecided-"] * 3 + ["waived"], "SHIP: 3 of 4 requirements undecided, all minor; 1 is waived"),
        ("ship", ["waived", "met"], "SHIP: 1 of 2 requirements waived"),
        ("ship", ["undecided-"], "SHIP: 1 of 1 requirement undecided; none of them can stop a release"),
        ("hold", ["met", "breached", "waived"], "HOLD: 1 of 3 requirements breached, 1 waived"),
        ("undecided", [], "UNDECIDED: the plan requires nothing"),
    ],
)
def test_what_is_open_where_it_ships_says_why(decision, standings, said):
    """A dash marks a requirement that is minor; of what is waived nothing is said but that it is."""
    verdicts = tuple(
        SimpleNamespace(
            standing=one.rstrip("-"), requirement=SimpleNamespace(severity="minor" if one.endswith("-") else "blocker")
        )
        for one in standings
    )
    run = SimpleNamespace(verdicts=verdicts, decision=SimpleNamespace(value=decision))
    assert Run.headline.fget(run) == said
