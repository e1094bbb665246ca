import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import NotEstimable
from shipworthy.stats.agreement import (
    brennan_prediger,
    category_counts,
    cohen_kappa,
    dawid_skene,
    fleiss_kappa,
    gwet_ac,
    krippendorff_alpha,
    percent_agreement,
    scott_pi,
    votes,
    weight_matrix,
)

NO = np.nan
# Four raters, twelve units: Krippendorff's reference data, `cac.raw4raters` of R irrCAC.
REFERENCE = [
    [1, 1, NO, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [NO, 5, 5, 5], [NO, NO, 1, 1], [NO, NO, 3, NO],
]  # fmt: skip
# Krippendorff's three coders, fifteen units.
THREE = [
    [NO, 1, NO], [NO, NO, NO], [NO, 2, 2], [NO, 1, 1], [NO, 3, 3], [3, 3, 4], [4, 4, 4], [1, 3, NO],
    [2, NO, 2], [1, NO, 1], [1, NO, 1], [3, NO, 3], [3, NO, 3], [NO, NO, NO], [3, NO, 4],
]  # fmt: skip
ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]
# `distrib.6raters` of R irrCAC: fifteen patients, six raters each, five diagnoses.
SIX_RATERS = [
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
]  # fmt: skip
# Ten subjects, fourteen raters, five categories: the worked example of Fleiss' kappa.
TEN = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Dawid and Skene (1979), table 1: each patient's grades by observer 1 (three times), 2, 3, 4 and 5.
ANAESTHETISTS = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212
1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111
1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111
2322222 1211111 2222222
""".split()  # noqa: SIM905


def counts(ratings):
    return category_counts(ratings)[0]


def spread_out(table):
    eye = np.eye(len(table))
    pairs = [eye[i] + eye[j] for i, row in enumerate(table) for j, times in enumerate(row) for _ in range(times)]
    return np.array(pairs)


def test_agreement_validates_input():
    with pytest.raises(ValueError, match="items, raters"):
        category_counts([1, 2])
    with pytest.raises(ValueError, match="one of the categories"):
        category_counts([[1, 2]], [1, 3])
    with pytest.raises(ValueError, match="one of the categories"):
        category_counts([[NO, NO]])
    with pytest.raises(ValueError, match="raters per item"):
        gwet_ac([[1, -1]])
    with pytest.raises(ValueError, match="2 x 2 matrix"):
        gwet_ac([[1, 1], [2, 0]], weights=np.ones((3, 3)))
    with pytest.raises(ValueError, match="weights must be"):
        weight_matrix([1, 2], "cubic")
    with pytest.raises(ValueError, match="square"):
        cohen_kappa([[1, 2]])
    with pytest.raises(ValueError, match="scale must be"):
        krippendorff_alpha(TEN, scale="cubic")
    with pytest.raises(ValueError, match="name every column"):
        krippendorff_alpha(TEN, categories=[1, 2])
    with pytest.raises(ValueError, match="shape"):
        dawid_skene([[1, 2]])
    with pytest.raises(ValueError, match="start must be"):
        dawid_skene(np.ones((2, 2, 2)), start=[1])


def test_undefined_is_said():
    one = np.array([[2, 0]] * 9)
    for coefficient in (fleiss_kappa, krippendorff_alpha):
        with pytest.raises(NotEstimable, match="cannot be told from chance"):
            coefficient(one)
    assert gwet_ac(one).value == 1  # the second category was on offer
    with pytest.raises(NotEstimable, match="2 categories"):
        gwet_ac([[2]] * 9)
    with pytest.raises(NotEstimable, match="one at least with 2 ratings"):
        gwet_ac([[1, 0], [0, 1]])
    with pytest.raises(NotEstimable, match="only 2 items"):
        krippendorff_alpha([[1, 1], [2, 0], [1, 0]])
    with pytest.raises(NotEstimable, match="cannot be told from chance"):
        cohen_kappa([[9, 0], [0, 0]])
    for broken in (lambda: cohen_kappa([[9, 1], [0, 0]]), lambda: krippendorff_alpha([*[[2, 0]] * 9, [1, 1]])):
        with pytest.raises(NotEstimable, match="one item alone"):
            broken()
    with pytest.raises(NotEstimable, match="item without a vote"):
        dawid_skene(np.zeros((2, 2, 2)))


@pytest.mark.parametrize(
    ("scale", "four", "three"),
    [("nominal", 0.743421, 0.691358), ("ordinal", 0.815388, None), ("interval", 0.849107, 0.810845), ("ratio", 0.797403, None)],
)  # fmt: skip
def test_krippendorff_alpha_against_reference(scale, four, three):
    for ratings, expected in ((REFERENCE, four), (THREE, three)):
        table, categories = category_counts(ratings)
        if expected is not None:
            assert round(krippendorff_alpha(table, categories=categories, scale=scale).value, 6) == expected


def test_missing_ratings_against_reference():
    # R irrCAC on the raw ratings: coefficient, standard error, items
    table = counts(REFERENCE)
    for coefficient, value, se in [
        (percent_agreement, 0.8181818, 0.12561), (gwet_ac, 0.77544, 0.14295), (fleiss_kappa, 0.76117, 0.15302),
        (brennan_prediger, 0.77273, 0.14472),
    ]:  # fmt: skip
        found = coefficient(table)
        assert (found.value, found.se, found.items) == pytest.approx((value, se, 12), abs=6e-6)
    assert np.round(gwet_ac(table).interval, 3).tolist() == [0.461, 1]
    alpha = krippendorff_alpha(table)
    assert alpha.items == 11
    assert alpha.se == pytest.approx(0.14548, rel=0.01)  # theirs is linearised, ours the jackknife


def test_two_raters_against_reference():
    # R irrCAC on the cross table; its standard errors for AC1 and Brennan-Prediger divide by n, ours by n - 1
    kappa = cohen_kappa(ABSTRACTORS)
    assert (kappa.value, kappa.se) == pytest.approx((0.7964094, 0.05891072), abs=5e-8)
    ratings = spread_out(ABSTRACTORS)
    ac1, bp = gwet_ac(ratings), brennan_prediger(ratings)
    correction = np.sqrt(100 / 99)
    assert (ac1.value, ac1.se) == pytest.approx((0.8493305, 0.04321747 * correction), abs=5e-8)
    assert (bp.value, bp.se) == pytest.approx((0.835, 0.04693346 * correction), abs=5e-8)
    assert scott_pi(ABSTRACTORS).value == pytest.approx(0.7962397, abs=5e-8)
    assert krippendorff_alpha(ratings).value == pytest.approx(0.7972585, abs=5e-8)
    assert percent_agreement(ratings).value == pytest.approx(0.89)


def test_many_raters_against_reference():
    found = fleiss_kappa(SIX_RATERS)
    assert (found.value, found.se) == pytest.approx((0.4139265, 0.08119291), abs=5e-8)
    found = gwet_ac(SIX_RATERS)
    assert (found.value, found.se) == pytest.approx((0.4448007, 0.08418757), abs=5e-8)
    assert np.round(found.interval, 3).tolist() == [0.264, 0.625]
    assert krippendorff_alpha(SIX_RATERS).value == pytest.approx(0.4204384, abs=5e-8)
    assert brennan_prediger(SIX_RATERS).value == pytest.approx(0.4388889, abs=5e-8)
    assert round(fleiss_kappa(TEN).value, 5) == 0.20993


def test_fleiss_diagnoses_against_reference():
    # Fleiss (1971): thirty patients, six psychiatrists
    inter_rater = pytest.importorskip("statsmodels.stats.tests.test_inter_rater")
    assert fleiss_kappa(counts(inter_rater.diagnoses)).value == pytest.approx(0.4302445, abs=5e-8)


def test_kappa_against_reference():
    # Fleiss (1981), table 13.1
    found = cohen_kappa([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert (round(found.value, 5), round(found.se, 5), round(found.null_se, 5)) == (0.67647, 0.08770, 0.07619)


def test_weighted_kappa_against_reference():
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    table = np.array([[11, 4, 1, 0], [3, 9, 5, 1], [1, 2, 12, 4], [0, 1, 3, 10]])
    for kind in ("linear", "quadratic"):
        found = cohen_kappa(table, weights=weight_matrix([1, 2, 3, 4], kind))
        theirs = inter_rater.cohens_kappa(table, wt=kind)
        assert (found.value, found.se, found.null_se) == pytest.approx(
            (theirs.kappa, theirs.std_kappa, theirs.std_kappa0)
        )


def test_weights_against_theory():
    values = [1, 2, 3, 4, 5]
    assert weight_matrix(values, "linear")[0].tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert weight_matrix(values, "quadratic")[0].tolist() == [1, 1 - 1 / 16, 1 - 4 / 16, 1 - 9 / 16, 0]
    assert weight_matrix(values, "ordinal")[0].tolist() == pytest.approx([1, 0.9, 0.7, 0.4, 0])
    # Scott's pi with quadratic weights, and enough items, is alpha on the interval scale
    table, scale = category_counts(np.random.default_rng(1).integers(1, 6, (4000, 2)) // 2)
    weighted = fleiss_kappa(table, weights=weight_matrix(scale, "quadratic"))
    assert weighted.value == pytest.approx(
        krippendorff_alpha(table, categories=scale, scale="interval").value, abs=3e-4
    )


def test_jackknife_against_theory():
    # for percent agreement both are the standard error of a mean; for Fleiss on full data alpha's is close
    table = np.random.default_rng(2).multinomial(3, [0.5, 0.3, 0.2], size=400)
    assert krippendorff_alpha(table).se == pytest.approx(fleiss_kappa(table).se, rel=0.01)
    cells = np.array([[60, 9], [7, 24]])
    kappa = cohen_kappa(cells)
    low, high = kappa.interval
    assert (high - low) / 2 == pytest.approx(1.984 * kappa.se, rel=0.03)


@settings(max_examples=40)
@given(st.data())
def test_agreement_properties(data):
    items, raters = data.draw(st.integers(4, 12)), data.draw(st.integers(2, 4))
    rating = st.sampled_from([1.0, 2.0, 3.0, NO])
    ratings = np.array(
        data.draw(st.lists(st.lists(rating, min_size=raters, max_size=raters), min_size=items, max_size=items))
    )
    if np.isnan(ratings).all():
        return
    table, _ = category_counts(ratings, [1, 2, 3])
    for coefficient in (percent_agreement, gwet_ac, fleiss_kappa, brennan_prediger, krippendorff_alpha):
        try:
            found = coefficient(table)
        except NotEstimable:
            continue
        low, high = found.interval
        assert low <= found.value <= high <= 1 + 1e-12
        assert low >= min(-1, found.value)
        wide = coefficient(table, level=0.99).interval
        assert wide.low <= low <= high <= wide.high
        shuffled = coefficient(table[data.draw(st.permutations(range(items)))])
        renamed = coefficient(table[:, data.draw(st.permutations(range(3)))])
        for again in (shuffled, renamed):
            assert (again.value, again.se) == pytest.approx((found.value, found.se), abs=1e-9)


def two_raters(rng, items, rate, accuracy, runs):
    truth = rng.random((runs, items)) < rate
    right = rng.random((2, runs, items)) < accuracy
    first, second = truth == right[0], truth == right[1]
    return np.stack(
        [(first & second).sum(1), (first & ~second).sum(1), (~first & second).sum(1), (~first & ~second).sum(1)], 1
    )


def test_coverage_against_simulation():
    # 50 items, 95 % prevalence: the large-sample error of kappa covers too little, AC1 and the jackknife do better
    runs, rate, accuracy = 2000, 0.95, 0.95
    cells = two_raters(np.random.default_rng(3), 50, rate, accuracy, runs)
    expected = two_raters(np.random.default_rng(4), 4_000_000, rate, accuracy, 1)[0].reshape(2, 2)
    kappa = cohen_kappa(expected).value
    agree = expected.trace() / expected.sum()
    share = (expected.sum(0) + expected.sum(1))[0] / (2 * expected.sum())
    ac1 = (agree - 2 * share * (1 - share)) / (1 - 2 * share * (1 - share))
    hits = {"large": [], "jackknife": [], "ac1": []}
    both = np.array([[2, 0], [1, 1], [1, 1], [0, 2]])
    for row in cells:
        found = gwet_ac(np.repeat(both, row, axis=0))
        hits["ac1"].append(found.interval.low <= ac1 <= found.interval.high)
        try:
            found = cohen_kappa(row.reshape(2, 2))
        except NotEstimable:
            continue
        hits["large"].append(abs(found.value - kappa) <= 1.96 * found.se)
        hits["jackknife"].append(found.interval.low <= kappa <= found.interval.high)
    share = {name: np.mean(values) for name, values in hits.items()}
    assert share["large"] == pytest.approx(0.85, abs=0.02)
    assert share["jackknife"] == pytest.approx(0.87, abs=0.02)
    assert share["ac1"] == pytest.approx(0.91, abs=0.02)


def test_raters_who_never_differ_against_theory():
    """Ten of ten alike leave open what an exact limit on none of ten does; nothing is certain."""
    alike, share = np.repeat([[2.0, 0.0], [0.0, 2.0]], 5, axis=0), 1 - 0.025**0.1
    assert tuple(percent_agreement(alike).interval) == pytest.approx((1 - share, 1))
    for coefficient in (gwet_ac, fleiss_kappa):
        assert tuple(coefficient(alike).interval) == pytest.approx((1 - 2 * share, 1))
    for low, high in (krippendorff_alpha(alike).interval, cohen_kappa([[5, 0], [0, 5]]).interval):
        assert low == pytest.approx(1 - 2 * share, abs=0.06)
        assert high == 1
    apart = gwet_ac(np.full((10, 2), 1.0)).interval
    assert tuple(apart) == pytest.approx((-1, -1 + 2 * share))
    some = np.r_[alike[:9], [[1.0, 1.0]]]  # where raters differ, nothing changes
    assert tuple(percent_agreement(some).interval) == pytest.approx((0.9 - 2.262157 * 0.1, 1))


def test_percent_agreement_of_few_items_against_simulation():
    """Of ten items, .35 of samples show no difference at .9: they had the interval 1 to 1, and .65 were covered."""
    rng, runs = np.random.default_rng(4), 500
    found = [percent_agreement(np.where(rng.random((10, 1)) < 0.9, [2.0, 0.0], [1.0, 1.0])) for _ in range(runs)]
    assert np.mean([one.interval.low <= 0.9 <= one.interval.high for one in found]) > 0.93


def test_prevalence_against_theory():
    # the same two raters, 95 % right: kappa collapses with prevalence, AC1 stays
    found = {}
    for rate in (0.5, 0.95):
        table = two_raters(np.random.default_rng(5), 1_000_000, rate, 0.95, 1)[0]
        both = np.array([[2, 0], [1, 1], [1, 1], [0, 2]])
        found[rate] = cohen_kappa(table.reshape(2, 2)).value, gwet_ac(np.repeat(both, table // 100, axis=0)).value
    assert found[0.5][0] - found[0.95][0] > 0.3
    assert abs(found[0.5][1] - found[0.95][1]) < 0.1


def test_dawid_skene_against_reference():
    grades = np.array([[int(grade) for grade in patient] for patient in ANAESTHETISTS])
    ballots, scale = votes(grades)
    observers = np.concatenate([ballots[:, :3].sum(axis=1, keepdims=True), ballots[:, 3:]], axis=1)
    found = dawid_skene(observers)
    assert found.converged
    assert scale.tolist() == [1, 2, 3, 4]
    assert found.log_likelihood == pytest.approx(-192.891, abs=6e-4)
    assert np.round(found.prior, 3).tolist() == [0.400, 0.422, 0.112, 0.067]
    assert np.round(np.diag(found.confusion[0]), 3).tolist() == [0.889, 0.876, 0.661, 0.444]


def test_dawid_skene_against_simulation():
    # three good raters, one who says the same to everything, missing votes
    rng = np.random.default_rng(6)
    truth = rng.random(1500) < 0.3
    skill = np.array([0.95, 0.9, 0.8])
    ratings = np.where(rng.random((1500, 3)) < skill, truth[:, None], ~truth[:, None]).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = NO
    ratings = np.column_stack([ratings, np.ones(1500)])
    found = dawid_skene(votes(ratings, [0, 1])[0])
    assert found.prior[1] == pytest.approx(truth.mean(), abs=0.03)
    for rater, expected in enumerate(skill):
        assert np.diag(found.confusion[rater]) == pytest.approx([expected] * 2, abs=0.05)
    assert found.confusion[3].tolist() == [[0, 1], [0, 1]]
    majority = np.nanmean(ratings, axis=1) > 0.5
    assert np.mean((found.posterior[:, 1] > 0.5) == truth) > np.mean(majority == truth) + 0.05
    assert found.posterior.sum(axis=1) == pytest.approx(1)


def test_a_share_that_agrees_has_no_limit_below_0():
    found = percent_agreement([[2, 0], [1, 1], [1, 1], [1, 1]])
    assert found.value == pytest.approx(0.25)
    assert found.interval.low == 0
    assert fleiss_kappa([[2, 0], [1, 1], [1, 1], [0, 2]]).interval.low < 0
