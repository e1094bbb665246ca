"""What decision, signatures, waivers and changes add up to."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.gates.fitness import REQUIRED, Decided, Signed, fitness

TODAY = date(2026, 6, 15)
SHIP = Decided(outcome="ship")
HIGH = REQUIRED["high"]


def signed(role, person, verdict="approve", **more):
    return Signed(role=role, person=person, verdict=verdict, **more)


def fit(signoffs=(), *, decision=SHIP, tier="high", waivers=None, today=TODAY):
    return fitness(decision, list(signoffs), REQUIRED[tier], waivers or {}, today)


BOTH = (signed("product", "ada"), signed("risk", "bea"))


def test_each_tier_asks_for_its_roles():
    assert {tier: one.roles for tier, one in REQUIRED.items()} == {
        "minimal": (),
        "limited": ("product",),
        "high": ("product", "risk"),
        "critical": ("product", "risk", "legal"),
    }
    assert [REQUIRED[tier].persons for tier in ("minimal", "limited", "high", "critical")] == [0, 1, 2, 2]


@pytest.mark.parametrize("tier", REQUIRED)
def test_exactly_the_required_signatures_make_it_fit(tier):
    given_ = [signed(role, f"person {i}") for i, role in enumerate(REQUIRED[tier].roles)]
    assert fit(given_, tier=tier).fit == "ship"
    for i, one in enumerate(given_):
        found = fit([*given_[:i], *given_[i + 1 :]], tier=tier)
        assert found.fit == "undecided"
        assert f"{one.role} has not signed" in found.reasons


def test_one_person_in_two_roles_is_one_person():
    found = fit([signed("product", "ada"), signed("risk", "ada")])
    assert (found.fit, found.reasons) == (
        "undecided",
        ("1 of 2 different persons have approved in the roles that its tier asks for",),
    )
    assert fit([signed("product", "ada"), signed("risk", "ada"), signed("risk", "bea")]).fit == "ship"


def test_persons_are_counted_over_the_roles_that_the_tier_asks_for():
    ada = [signed("product", "ada"), signed("risk", "ada")]
    assert fit([*ada, signed("janitor", "bea")]).fit == "undecided"
    assert fit([*ada, signed("legal", "bea")]).fit == "undecided"
    assert fit([*ada, signed("legal", "bea")], tier="critical").fit == "ship"


@pytest.mark.parametrize("role", ["product", "risk", "legal", "somebody"])
def test_a_rejection_holds_in_any_role_and_tier(role):
    for tier in REQUIRED:
        found = fit([*BOTH, signed("legal", "cyd"), signed(role, "dee", "reject")], tier=tier)
        assert found.fit == "hold"
        assert f"{role} rejected it" in found.reasons
        assert found.until is None


def test_who_rejected_may_approve_later_and_the_other_way_round():
    assert fit([signed("risk", "bea", "reject"), *BOTH]).fit == "ship"
    assert fit([*BOTH, signed("risk", "bea", "reject")]).fit == "hold"


@pytest.mark.parametrize(("outcome", "wanted"), [("hold", "hold"), ("undecided", "undecided")])
def test_signatures_do_not_overrule_the_decision(outcome, wanted):
    found = fit(BOTH, decision=Decided(outcome=outcome))
    assert found.fit == wanted
    assert any(f"the rules say {outcome}" in reason for reason in found.reasons)
    (reason,) = fit(BOTH, decision=Decided(outcome=outcome, by_person=True)).reasons
    assert reason.startswith("a person ")
    assert "rules" not in reason


def test_what_is_stale_is_named_with_its_reason():
    old = signed("risk", "bea", stale=("its key was revoked",))
    found = fit([BOTH[0], old])
    assert found.fit == "stale"
    assert "risk signed, and that no longer counts: its key was revoked" in found.reasons
    assert fit([BOTH[0], old, signed("risk", "cyd")]).fit == "ship"


def test_a_stale_decision_is_stale_whatever_else_is_missing_and_a_fresh_rejection_still_holds():
    changed = Decided(outcome="hold", stale=("the data have changed",))
    found = fit(BOTH[:1], decision=changed)
    assert found.fit == "stale"
    assert "the data have changed" in found.reasons
    assert "risk has not signed" in found.reasons
    assert fit([*BOTH, signed("legal", "cyd", "reject")], decision=changed).fit == "hold"
    assert fit([*BOTH, signed("legal", "cyd", "reject", stale=("old",))], decision=changed).fit == "hold"


def test_a_rejection_holds_until_its_signer_takes_it_back():
    old = signed("risk", "cyd", "reject", stale=("the decision was changed after signing",))
    found = fit([*BOTH, old])
    assert (found.fit, found.reasons) == ("hold", ("risk rejected it",))
    assert fit([*BOTH, old, signed("risk", "cyd")]).fit == "ship"
    assert fit([*BOTH, signed("risk", "cyd", "reject", stale=("other",), is_same_version=False)]).fit == "ship"


def test_conditions_are_shown_and_lapse_after_their_day():
    one = signed("risk", "bea", "approve with conditions", conditions=("look weekly",), due=TODAY)
    found = fit([BOTH[0], one])
    assert (found.fit, found.until) == ("ship", TODAY)
    assert "risk approved on a condition, due 2026-06-15: look weekly" in found.reasons
    later = fit([BOTH[0], one], today=TODAY + timedelta(1))
    assert (later.fit, later.until) == ("stale", None)
    assert any("its conditions were due on 2026-06-15" in reason for reason in later.reasons)


def test_a_waiver_that_ends_bounds_it():
    ends = {"W-1": date(2026, 7, 1), "W-2": date(2026, 6, 20)}
    found = fit(BOTH, waivers=ends)
    assert (found.fit, found.until) == ("ship", date(2026, 6, 20))
    assert "waiver W-2 ends on 2026-06-20" in found.reasons
    assert fit(BOTH, waivers=ends, today=date(2026, 6, 20)).fit == "ship"
    over = fit(BOTH, waivers=ends, today=date(2026, 6, 21))
    assert (over.fit, over.until) == ("stale", None)
    assert "waiver W-2 ended on 2026-06-20" in over.reasons


SIGNATURES = st.builds(
    Signed,
    role=st.sampled_from(["product", "risk", "legal", "qa"]),
    person=st.sampled_from(["ada", "bea", "cyd"]),
    verdict=st.sampled_from(["approve", "reject"]),
    stale=st.sampled_from([(), ("changed",)]),
)


@given(
    st.lists(SIGNATURES, max_size=5),
    st.sampled_from(sorted(REQUIRED)),
    st.sampled_from(["ship", "hold", "undecided"]),
    st.sampled_from([(), ("changed",)]),
)
def test_fitness_properties(signoffs, tier, outcome, stale):
    found = fit(signoffs, tier=tier, decision=Decided(outcome=outcome, stale=stale))
    newest = {(one.role, one.person): one for one in signoffs}.values()
    good = [one for one in newest if one.verdict == "approve" and not one.stale]
    may = (
        outcome == "ship"
        and not stale
        and not any(one.verdict == "reject" for one in newest)
        and set(REQUIRED[tier].roles) <= {one.role for one in good}
        and len({one.person for one in good}) >= REQUIRED[tier].persons
    )
    assert (found.fit == "ship") == may
    assert found.fit == "ship" or found.reasons
    assert found.until is None or found.fit == "ship"
    counted = [one for one in signoffs if not one.stale or one.verdict == "reject"]
    without = fit(counted, tier=tier, decision=Decided(outcome=outcome, stale=stale))
    if without.fit == "ship":  # an approval that no longer counts never makes it worse, but by taking back an older one
        assert found.fit in ("ship", "stale", "undecided")


def test_the_order_of_different_people_does_not_matter():
    words = [*BOTH, signed("legal", "cyd"), signed("qa", "dee", "reject", stale=("old",))]
    assert {fit(order, tier="critical").fit for order in permutations(words)} == {"hold"}
