"""Answers of the intake questionnaire and the tier they come to."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shipworthy.gates.tiers import RULES, TIERS, VULNERABLE, Area, Exit, Group, Intake, is_below, tiering
from shipworthy.plan.packs import our_packs

PLAIN = {
    "name": "s", "purpose": "p", "output": "decisions", "banned_practice": False, "safety_component": False,
    "areas": (), "profiling": False, "exposure": "internal", "autonomy": "advises", "affected": (),
}  # fmt: skip


def tier(**changes):
    return tiering(Intake(**{**PLAIN, **changes}))


EXIT = {"exits": ("prepares-only",), "exit_reason": "It sorts the post."}


def test_annex_iii_has_its_eight_areas_and_article_6_3_its_four_exits():
    assert len(get_args(Area)) == 8
    assert len(get_args(Exit)) == 4
    assert set(get_args(Group)) > VULNERABLE


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, "minimal"),
        ({"affected": ("consumers",)}, "minimal"),
        ({"affected": ("minors",)}, "limited"),
        ({"profiling": True}, "limited"),
        ({"output": "content"}, "minimal"),
        ({"output": "content", "exposure": "customers"}, "limited"),
        ({"autonomy": "alone"}, "minimal"),
        ({"autonomy": "alone", "exposure": "public"}, "limited"),
        ({"autonomy": "alone", "exposure": "public", "affected": ("patients",)}, "high"),
        ({"areas": ("employment",)}, "high"),
        ({"areas": ("employment",), **EXIT}, "limited"),
        ({"areas": ("employment",), "profiling": True, **EXIT}, "high"),
        ({"safety_component": True}, "high"),
        ({"areas": ("migration",), "autonomy": "supervised"}, "high"),
        ({"areas": ("migration",), "autonomy": "supervised", "affected": ("migrants",)}, "critical"),
        ({"areas": ("biometrics",), "autonomy": "alone"}, "critical"),
        ({"areas": ("biometrics",), "autonomy": "alone", **EXIT}, "limited"),
        ({"banned_practice": True}, "critical"),
    ],
)
def test_answers_give_their_tier(changes, wanted):
    found = tier(**changes)
    assert found.tier == wanted
    assert found.reasons
    assert all(found.reasons)


def test_the_reasons_are_those_of_the_tier_and_name_the_answers():
    found = tier(areas=("employment", "education"), profiling=True, affected=("minors",))
    assert found.reasons == ("used in employment and education (Article 6(2), Annex III)",)


@pytest.mark.parametrize(
    ("changes", "packs"),
    [
        ({}, ["baseline-quality"]),
        ({"output": "content"}, ["generative-safety"]),
        ({"areas": ("employment",)}, ["baseline-quality", "high-risk", "employment-four-fifths"]),
        ({"areas": ("education",), "output": "both"}, ["baseline-quality", "high-risk", "generative-safety"]),
    ],
)
def test_packs_fit_what_comes_out_and_are_there(changes, packs):
    found = tier(**changes)
    assert list(found.packs) == [f"shipworthy/{name}" for name in packs]
    assert set(found.packs) <= set(our_packs())


@pytest.mark.parametrize("changes", [{"exits": ("prepares-only",), "exit_reason": "x"}, {"areas": ("employment",), "exits": ("prepares-only",)}])  # fmt: skip
def test_an_exit_validates_input(changes):
    with pytest.raises(ValidationError, match="exit"):
        Intake(**{**PLAIN, **changes})


def subsets(of):
    return st.lists(st.sampled_from(get_args(of)), unique=True, max_size=3).map(tuple)


ANSWERS = st.fixed_dictionaries(
    {
        "output": st.sampled_from(["decisions", "content", "both"]),
        "banned_practice": st.booleans(),
        "safety_component": st.booleans(),
        "areas": subsets(Area),
        "profiling": st.booleans(),
        "exposure": st.sampled_from(["internal", "customers", "public"]),
        "autonomy": st.sampled_from(["advises", "supervised", "alone"]),
        "affected": subsets(Group),
    }
)


@given(ANSWERS)
def test_tiers_properties(answers):
    found = tier(**answers)
    given_ = [rule.tier for rule in RULES if rule.when(Intake(**{**PLAIN, **answers}))]
    assert not any(is_below(found.tier, each) for each in given_)
    if answers["areas"] or answers["safety_component"] or answers["banned_practice"]:
        assert not is_below(found.tier, "high")  # without an exit, Article 6 never comes out lower
    worse = {**answers, "autonomy": "alone", "profiling": True, "exposure": "public"}
    assert not is_below(tier(**worse).tier, found.tier)  # more of what is feared never lowers it
    assert found.required.roles == tier(**answers).required.roles
    assert found.tier in TIERS
