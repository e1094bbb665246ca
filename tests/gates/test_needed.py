"""How many more cases an open claim waits for: enough, and not many more than enough, by the gate's own limits."""

import numpy as np
import pytest

from shipworthy.gates import needed
from shipworthy.gates.needed import PRACTICAL, further_cases
from shipworthy.gates.rules import judge
from shipworthy.stats.power import n_for_exact_bound
from shipworthy.stats.proportion import clopper_pearson

POWER = 0.8


def further(hits, n, *, low=None, high=None, worth=None, confidence=0.95, power=POWER):
    """On Clopper and Pearson's limits of n cases that are worth `worth` independent ones."""
    size = worth or n
    limits = tuple(map(float, clopper_pearson(hits / n * size, size, level=2 * confidence - 1)))
    return further_cases(
        hits / n, n=n, met=limits, breach=limits, low=low, high=high, confidence=confidence, power=power, exact=True
    )


OPEN = [(4, 100, 0.05), (2, 100, 0.05), (0, 100, 0.02), (2, 200, 0.02), (24, 300, 0.1), (12, 100, 0.1), (3, 100, 0.02),
        (25, 50, 0.6), (1, 100, 0.03), (1, 20, 0.06)]  # fmt: skip


@pytest.mark.parametrize(("hits", "n", "bound"), OPEN)
def test_further_cases_against_enumeration(hits, n, bound):
    """The square-root rule asked 2 of 100 for 340 more cases where 186 do, and 3 of 100 for 984 where 1,511 do."""
    exact = n_for_exact_bound(hits / n, bound, power=POWER) - n
    found = further(hits, n, high=bound)
    assert exact <= found + 1
    assert found <= 1.06 * exact + 10
    assert further(n - hits, n, low=1 - bound) == pytest.approx(found, rel=0.01, abs=1)


def test_clusters_and_stricter_levels_ask_for_more():
    alone, clustered = further(2, 100, high=0.05), further(2, 100, high=0.05, worth=40)
    assert (clustered + 100) / (alone + 100) == pytest.approx(2.5, rel=0.02)
    assert further(2, 100, high=0.05, confidence=0.99) > alone
    assert further(2, 100, high=0.05, power=0.95) > alone
    both = further(30, 100, low=0.2, high=0.5)
    assert both >= max(further(30, 100, low=0.2), further(30, 100, high=0.5))


def test_nobody_can_tell_on_the_bound():
    assert further(5, 100, high=0.05) is None
    assert further(100, 100, low=1.0) is None
    limits = (0.0, 0.1)
    near = further_cases(
        0.05 - 1e-9, n=100, met=limits, breach=limits, low=None, high=0.05, confidence=0.95, power=0.8, exact=True
    )
    assert near is None
    assert further(49, 100, high=0.4901) < PRACTICAL


def test_a_claim_takes_few_limits(monkeypatch):
    """A plan may make ten thousand claims, and a limit takes microseconds."""
    asked, limit = [], needed.betaincc
    monkeypatch.setattr(needed, "betaincc", lambda *given: (asked.append(given), limit(*given))[1])
    for hits in range(1, 201):
        before = len(asked)
        further(hits, 2000, high=0.11)
        assert len(asked) - before <= 20
    assert len(asked) > 200


@pytest.mark.slow
@pytest.mark.parametrize(("hits", "n", "bound"), OPEN)
def test_further_cases_decide_as_often_as_promised_against_simulation(build, hits, n, bound):
    """Through the gate: with these cases it decides with the power asked for, and not with far more."""
    asked, rng, runs = build.requirement(at_most=bound, power=POWER), np.random.default_rng(41), 800
    first = judge(asked, "rows", [build.rates([hits], [n])])
    assert first.outcome == "undecided"
    total = n + first.needed
    draws = rng.binomial(total, hits / n, size=runs)
    decided = np.mean([judge(asked, "rows", [build.rates([x], [total])]).outcome != "undecided" for x in draws])
    assert decided >= POWER - 3 * np.sqrt(POWER * (1 - POWER) / runs)
    assert hits == 0 or decided <= 0.93


def test_a_verdict_does_not_say_both_never_and_soon(build):
    """A gap of 10 points against a bound of 1e-9: what it takes is a breach, not a sample of a billion."""
    verdict = judge(build.requirement(compare="difference", at_most=1e-9), "rows", [build.rates([20, 30], [100, 100])])
    assert verdict.outcome == "undecided"
    assert verdict.needed < 2_000
    assert "1,000,000,000" not in verdict.why
    assert f"about {verdict.needed:,} more cases" in verdict.why
    close = judge(build.requirement(compare="difference", at_most=1e-9), "rows", [build.rates([20, 20], [100, 100])])
    assert close.needed is None
    assert "more cases" not in close.why
    rare = judge(build.requirement(at_most=1e-10), "rows", [build.rates([0], [100])])
    assert rare.needed is None
    assert "more cases would probably" not in rare.why


@pytest.mark.parametrize("away", [5e-324, 1e-300, 1e-160, 1e-12, 1e-9, 2e-9])
def test_a_bound_next_to_the_rate_asks_for_no_number(away):
    given = {"n": 400, "met": (0.0, 0.1), "breach": (0.0, 0.1), "confidence": 0.95, "power": 0.8, "exact": True}
    assert further_cases(0.0, low=None, high=away, **given) is None
    given = {"n": 400, "met": (-0.1, 0.1), "breach": (-0.1, 0.1), "confidence": 0.95, "power": 0.8}
    assert further_cases(0.0, low=None, high=away, **given) is None


def test_a_verdict_says_of_which_slices_the_further_cases_are(build):
    asked = build.requirement(compare="difference", at_most=0.05)
    verdict = judge(asked, "rows", [build.rates([20, 27, 230], [100, 100, 1_000])])
    assert verdict.outcome == "undecided"
    (piece,) = [one for one in verdict.pieces if one.needed == verdict.needed]
    assert verdict.needed_of == (piece.estimate.slice, piece.estimate.reference)
    assert verdict.as_json()["needed_of"] == [dict(one) for one in verdict.needed_of]
    whole = judge(build.requirement(at_most=0.05), "rows", [build.rates([4], [100])])
    assert (whole.outcome, whole.needed_of) == ("undecided", None)
