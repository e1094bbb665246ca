import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.gates.rules import judge
from shipworthy.present import sentences

ORDER = {"breached": 0, "undecided": 1, "met": 2}


def test_three_answers(build):
    floor = build.requirement(at_least=0.5)
    for hits, outcome in ((900, "met"), (500, "undecided"), (100, "breached")):
        verdict = judge(floor, "rows", [build.rates([hits], [1000])])
        assert verdict.outcome == outcome
        assert (verdict.needed is not None) == (outcome == "undecided" and hits != 500)


def test_one_slice_at_clopper_pearson_against_theory(build):
    """Rule of three: 0 of 299 shows less than 1 % at one-sided 95 %, 0 of 298 does not."""
    ceiling = build.requirement(at_most=0.01)
    assert judge(ceiling, "rows", [build.rates([0], [299])]).outcome == "met"
    assert judge(ceiling, "rows", [build.rates([0], [298])]).outcome == "undecided"


def test_why_names_the_smallest_sample_that_could_pass(build):
    """Rule of three: below 299 cases nothing shows a rate under 1 %; nor 50 against 50 cases a gap under 5 points."""
    asked = build.requirement(at_most=0.01)
    assert "even an observed 0 takes 299 independent cases" in judge(asked, "rows", [build.rates([0], [298])]).why
    asked = build.requirement(at_least=0.99)
    assert "even an observed 1 takes 299 independent cases" in judge(asked, "rows", [build.rates([97], [98])]).why
    assert "even an observed" not in judge(asked, "rows", [build.rates([2970], [3000])]).why
    asked = build.requirement(compare="difference", at_most=0.05)
    assert "the smaller takes about 20" in judge(asked, "rows", [build.rates([5, 5], [50, 50])]).why
    assert "even at equal rates" not in judge(asked, "rows", [build.rates([40, 45], [400, 400])]).why
    (arms,) = build.outcomes([[60, 3, 3, 60]], "mcc")
    why = judge(build.requirement(metric="mcc", at_least=0.5), "rows", [arms]).why
    assert "5 cases of every kind of hit and error" in why


def test_empty_scope_is_undecided(build):
    arms = build.rates([50], [100])
    for bound in ({"compare": "difference", "at_most": 0.1}, {"compare": "ratio", "at_least": 0.8}):
        verdict = judge(build.requirement(**bound), "rows", [arms])
        assert (verdict.outcome, verdict.pieces, verdict.estimate) == ("undecided", (), None)
        assert "only one slice" in verdict.why
    assert judge(build.requirement(at_most=0.5), "rows", [arms.only([])]).outcome == "undecided"
    assert judge(build.requirement(at_most=0.5), "rows", []).outcome == "undecided"


@pytest.mark.parametrize("bound", [{"at_least": 0.1}, {"compare": "difference", "at_most": 0.5},
                                   {"compare": "ratio", "at_least": 0.2}])  # fmt: skip
def test_unknown_group_prevents_met(build, bound):
    asked = build.requirement(**bound)
    assert judge(asked, "rows", [build.rates([500, 510], [1000, 1000])]).outcome == "met"
    verdict = judge(asked, "rows", [build.rates([500, 510, 2], [1000, 1000, 3])])
    assert verdict.outcome == "undecided"
    assert "only 3 cases" in verdict.why
    assert verdict.needed is None


def test_unknown_group_does_not_hide_a_breach(build):
    verdict = judge(build.requirement(at_least=0.9), "rows", [build.rates([100, 2], [1000, 3])])
    assert verdict.outcome == "breached"


def test_a_pair_shows_the_order_that_decides(build):
    """0 of 200 against 100 of 200: one order divides by zero and has no value, the other is a clear breach."""
    verdict = judge(build.requirement(compare="ratio", at_least=0.8), "rows", [build.rates([0, 100], [200, 200])])
    assert verdict.outcome == "breached"
    assert verdict.estimate.value == 0
    assert verdict.estimate.slice == {"group": "g0"}
    assert "beyond the bound" in verdict.why


def test_ratio_of_negative_values_says_nothing(build):
    cells = [[5, 45, 45, 5], [30, 20, 20, 30]]  # a negative and a positive correlation
    (arms,) = build.outcomes(cells, "mcc")
    verdict = judge(build.requirement(compare="ratio", at_least=0.8), "rows", [arms])
    assert verdict.outcome == "undecided"
    assert "below zero" in verdict.why


def test_certainty_without_spread_is_not_believed(build):
    """A linearised interval has no width where nothing varies; that is ignorance, and not a proof. What is shown there
    is what twelve cases without an error leave open."""
    (arms,) = build.outcomes([[6, 0, 0, 6]], "mcc")
    verdict = judge(build.requirement(metric="mcc", at_least=0.5), "rows", [arms])
    assert arms.values[0] == pytest.approx(1)
    assert verdict.outcome == "undecided"
    assert verdict.estimate.low == pytest.approx(0.58, abs=0.01)
    assert verdict.estimate.high == 1


def test_reference_compares_with_one_slice_alone(build):
    arms = build.rates([500, 480, 300], [1000, 1000, 1000])
    asked = build.requirement(compare="difference", at_most=0.1)
    verdict = judge(asked, "rows", [arms], reference=arms.slices[2])
    assert {tuple(piece.estimate.reference.values()) for piece in verdict.pieces} == {("g2",)}
    assert verdict.outcome == "breached"
    # the sign counts: the reference's own rate is higher nowhere
    assert (
        judge(build.requirement(compare="difference", at_least=-0.1), "rows", [arms], reference=arms.slices[2]).outcome
        == "met"
    )


@pytest.mark.slow
def test_a_reference_is_breached_by_luck_as_rarely_as_declared_against_simulation(build, shares):
    """Five slices of 60 against one of 2,000, all at 5 %: Wilson's limits are breached in 8 % of samples and more."""
    n = [2000] + [60] * 5
    seen = shares(
        lambda rng: [build.rates(rng.binomial(n, 0.05), n)], runs=300, reference=0, compare="difference", at_most=1e-9
    )
    assert seen["breached"] <= 0.05


def test_clusters_are_not_breached_on_the_limits_that_are_shown(build):
    """Limits that are wider for a claim than those shown decide it where rows of a cluster may be alike."""
    arms = build.rates([62, 36], [400, 400])
    asked = build.requirement(compare="difference", at_most=0.01)
    low, high = arms.limits(0.95)
    wide = replace(arms, gate=lambda _: (low - 0.05, high + 0.05))
    assert judge(asked, "rows", [wide]).outcome == "breached"
    assert judge(asked, "rows", [replace(wide, is_clustered=True)]).outcome == "undecided"


def test_needed_grows_with_closeness(build):
    asked = build.requirement(at_most=0.1)
    near, far = (judge(asked, "rows", [build.rates([hits], [100])]).needed for hits in (8, 6))
    assert near > far > 0
    assert judge(asked, "rows", [build.rates([10], [100])]).needed is None  # on the bound: nobody can tell


def test_needed_of_a_probable_breach_is_that_of_the_clearest(build):
    verdict = judge(build.requirement(at_most=0.1), "rows", [build.rates([14, 8], [100, 100])])
    first = next(piece for piece in verdict.pieces if piece.estimate.value == 0.14)
    assert verdict.needed == first.needed


def test_needed_of_pairs_counts_every_slice(build):
    """Four slices: all of them need more cases, and not only the two that are furthest apart."""
    verdict = judge(build.requirement(compare="difference", at_most=0.05), "rows", [build.rates([20] * 4, [60] * 4)])
    assert verdict.outcome == "undecided"
    largest = max(piece.needed for piece in verdict.pieces)
    assert verdict.needed == pytest.approx(2 * largest, rel=0.02)


COUNTS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=6)
BOUNDS = st.sampled_from(
    [("value", "at_most"), ("value", "at_least"), ("difference", "at_most"), ("difference", "at_least"),
     ("ratio", "at_least"), ("ratio", "at_most")]
)  # fmt: skip


def groups(draw_counts):
    hits = np.array([h for h, _ in draw_counts])
    return hits, hits + np.array([m for _, m in draw_counts])


def loosened(side, bound, step):
    return bound + step if side == "at_most" else bound - step


@settings(max_examples=150)
@given(counts=COUNTS, kind=BOUNDS, bound=st.floats(-0.5, 1.5), step=st.floats(0, 0.5))
def test_verdict_properties(build, counts, kind, bound, step):
    compare, side = kind
    hits, n = groups(counts)
    arms = build.rates(hits, n)
    verdict = judge(build.requirement(compare=compare, **{side: bound}), "rows", [arms])

    # a looser bound never turns a verdict for the worse
    looser = judge(build.requirement(compare=compare, **{side: loosened(side, bound, step)}), "rows", [arms])
    assert ORDER[looser.outcome] >= ORDER[verdict.outcome]

    # other names and another order of the groups change nothing
    order = np.random.default_rng(len(counts)).permutation(len(hits))
    other = judge(build.requirement(compare=compare, **{side: bound}), "rows", [build.rates(hits[order], n[order])])
    assert other.outcome == verdict.outcome
    assert other.needed == verdict.needed
    assert [p.estimate.value for p in other.pieces] == pytest.approx([p.estimate.value for p in verdict.pieces])

    # an unknown group always prevents met
    if (n < 5).any():
        assert verdict.outcome != "met"

    # nothing that is written is NaN or infinite
    for record in [verdict.as_json(), *(piece.estimate.as_json() for piece in verdict.pieces)]:
        json.dumps(record, allow_nan=False)
    for piece in verdict.pieces:
        for limit in (piece.met_low, piece.met_high, piece.breach_low, piece.breach_high):
            assert limit is None or math.isfinite(limit)
        assert (piece.estimate.value is not None) or piece.estimate.reason

    # outcome and pieces agree
    said = {piece.outcome for piece in verdict.pieces}
    if len(verdict.pieces) == verdict.looked_at:
        expected = "breached" if "breached" in said else "met" if said == {"met"} else "undecided"
        assert verdict.outcome == expected
    assert verdict.why


@settings(max_examples=100)
@given(counts=COUNTS, low=st.floats(-0.2, 0.9), width=st.floats(0.01, 0.8))
def test_within_properties(build, counts, low, width):
    """Met within both ends exactly when met at each; and a breach within is a breach of one of them."""
    arms = build.rates(*groups(counts))

    def outcome(**bound):
        return judge(build.requirement(**bound), "rows", [arms]).outcome

    both, floor, ceiling = (
        outcome(within=(low, low + width)), outcome(at_least=low), outcome(at_most=low + width),
    )  # fmt: skip
    assert (both == "met") == (floor == "met" and ceiling == "met")
    if both == "breached":
        assert "breached" in (floor, ceiling)


@settings(max_examples=50)
@given(
    counts=st.lists(st.tuples(st.integers(5, 100), st.integers(5, 100)), min_size=2, max_size=5),
    times=st.integers(2, 50),
)
def test_more_of_the_same_properties(build, counts, times):
    """The same rates on more cases never lose a verdict that is right for the point estimates."""
    hits, n = groups(counts)
    asked = build.requirement(compare="difference", at_most=0.15)
    before = judge(asked, "rows", [build.rates(hits, n)]).outcome
    after = judge(asked, "rows", [build.rates(hits * times, n * times)]).outcome
    assert before in ("undecided", after)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "n", "bound"), [(0.07, 200, 0.1), (0.03, 100, 0.06), (0.14, 150, 0.1), (0.17, 80, 0.12)]
)
def test_further_cases_against_simulation(build, rate, n, bound):
    """After as many further cases as were asked for, the claim is decided about as often as promised."""
    asked = build.requirement(at_most=bound, power=0.8)
    first = judge(asked, "rows", [build.rates([round(rate * n)], [n])])
    assert first.outcome == "undecided"
    total, rng = n + first.needed, np.random.default_rng(5)
    decided = [judge(asked, "rows", [build.rates([rng.binomial(total, rate)], [total])]).outcome for _ in range(1500)]
    share = sum(outcome != "undecided" for outcome in decided) / len(decided)
    assert 0.68 < share < 0.96
    wrong = "breached" if rate < bound else "met"
    assert decided.count(wrong) == 0


@pytest.mark.slow
def test_further_cases_of_a_pair_against_simulation(build):
    asked = build.requirement(compare="difference", at_most=0.1, power=0.8)
    first = judge(asked, "rows", [build.rates([30, 36], [150, 150])])
    assert first.outcome == "undecided"
    each, rng = 150 + first.needed // 2, np.random.default_rng(5)
    draws = [rng.binomial(each, (0.2, 0.24)) for _ in range(1500)]
    met = [judge(asked, "rows", [build.rates(hits, [each, each])]).outcome == "met" for hits in draws]
    assert 0.72 < np.mean(met) < 0.9


@pytest.mark.parametrize(
    ("bound", "told"), [({"at_least": 0.9}, True), ({"at_least": 0.97}, False), ({"at_most": 0.5}, False)]
)
def test_the_limit_that_decides_is_told_where_the_interval_shown_would_decide_otherwise(evaluate, bound, told):
    """Almost all lists are perfect: Student's t shows .95 or more, and betting limits less than .9."""
    rng = np.random.default_rng(4)
    relevant = (rng.random((60, 8)) < 0.4).astype(int)
    relevant[:, 0] = 1
    score = 1.6 * relevant + rng.normal(0, 1, relevant.shape)
    rows = {"y": relevant.ravel(), "s": score.ravel(), "q": np.repeat(np.arange(60), 8)}
    verdict = evaluate(rows, label="y", score="s", query="q", metrics=["mrr"]).judge("mrr", **bound)
    (piece,) = verdict.pieces
    said = f"(the limit that decides is {piece.met_low or 0:.4g})"
    assert (said in verdict.why) == told
    shown = sentences.why(verdict)
    assert (
        f"(the limit that decides, more careful than the interval shown, is {piece.met_low or 0:.3f})" in shown
    ) == told
    if told:
        assert piece.met_low < 0.9 < piece.estimate.low


def test_an_exact_limit_that_decides_is_told(build):
    """Wilson's interval of 4 in 15 starts above .1, the exact limit, at the same 95 %, does not."""
    verdict = judge(build.requirement(at_most=0.1), "rows", [build.rates([4], [15])])
    (piece,) = verdict.pieces
    assert piece.estimate.low > 0.1 > piece.breach_low
    assert f"(the limit that decides is {piece.breach_low:.4g})" in verdict.why


def test_a_verdict_names_the_limits_that_decided(build):
    """Of a range both limits show that a claim is met, and one alone that it is breached; results carry them."""
    inside = build.requirement(within=(0.3, 0.7))
    met = judge(inside, "rows", [build.rates([500], [1000])])
    low, high = met.limits
    assert 0.3 < met.estimate.low < low < 0.5 < high < met.estimate.high < 0.7  # one-sided: nearer than the interval
    assert met.as_json()["limits"] == [low, high]
    (limit,) = judge(inside, "rows", [build.rates([900], [1000])]).limits
    assert 0.7 < limit < 0.9
    assert judge(inside, "rows", [build.rates([70], [100])]).limits == ()
