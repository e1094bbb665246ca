from pathlib import Path

import pytest

from shipworthy.errors import PlanError
from shipworthy.plan.loading import LoadedPlan, load_plan
from shipworthy.plan.models import Evaluation
from shipworthy.plan.packs import id_part, our_packs, protected_axes

PLAN = """\
system: {name: s}
extends: [EXTENDS]
evaluations:
  d: {data: x.csv, roles: {label: y, prediction: p, score: s}, slices: [sex, {age_band: {column: age, quantiles: 4}}]}
requirements: [OWN]
"""
ANSWERS = """\
system: {name: s}
subjects: {m: {python: "m:f"}}
extends: [EXTENDS]
evaluations:
  a: {suite: x, subject: m}
requirements: [OWN]
"""
PACK = """\
defaults: {confidence: 0.9, severity: major}
requirements:
  - {id: A, metric: tpr, across: each-protected, compare: difference, at_most: 0.1}
  - {id: B, metric: auc, needs: [score], at_least: 0.7, confidence: 0.99}
"""


def load(folder: Path, extends: str, own: str = "", plan: str = PLAN, **packs: str) -> LoadedPlan:
    for name, text in packs.items():
        (folder / f"{name}.yaml").write_text(text)
    path = folder / "plan.yaml"
    path.write_text(plan.replace("EXTENDS", extends).replace("OWN", own))
    return load_plan(path)


def codes(folder: Path, *args: str, **packs: str) -> list[tuple[str, str]]:
    with pytest.raises(PlanError) as caught:
        load(folder, *args, **packs)
    return [(fault.code, fault.where.removeprefix(f"{folder}/").split()[0]) for fault in caught.value.faults]


def test_templates_expand_to_each_protected_attribute(tmp_path: Path) -> None:
    loaded = load(tmp_path, "pack.yaml", pack=PACK)
    found = {each.id: each for each in loaded.plan.requirements}
    assert list(found) == ["A:sex", "A:age_band", "B"]
    assert (found["A:age_band"].across, found["A:age_band"].evaluation) == ("age_band", "d")
    assert (found["A:sex"].confidence, found["A:sex"].severity) == (0.9, "major")
    assert found["B"].confidence == 0.99  # stated in the requirement, so the default does not count
    assert loaded.locate(("requirements", 0, "at_most")).startswith(f"{tmp_path}/pack.yaml:3:80  requirements[0]")


def test_several_evaluations_get_a_requirement_each(tmp_path: Path) -> None:
    plan = PLAN.replace("requirements:", "  e: {data: z.csv, roles: {score: s}, protected: [race]}\nrequirements:")
    loaded = load(tmp_path, "pack.yaml", plan=plan, pack=PACK)
    assert [each.id for each in loaded.plan.requirements] == ["A:d:sex", "A:d:age_band", "A:e:race", "B:d", "B:e"]
    loaded = load(tmp_path, "pack.yaml", plan=plan.replace("protected: [race]", "task: binary"), pack=PACK)
    assert loaded.notes == ('A of pack.yaml asks nothing of "e"',)


def test_what_fits_nothing_is_noted_and_a_pack_that_fits_nothing_is_an_error(tmp_path: Path) -> None:
    plan = PLAN.replace(", score: s", "")
    loaded = load(tmp_path, "pack.yaml", plan=plan, pack=PACK)
    assert loaded.notes == ("B of pack.yaml fits no evaluation: it needs the role score",)
    bare = PLAN.replace(", slices: [sex, {age_band: {column: age, quantiles: 4}}]", "")
    assert codes(tmp_path, "pack.yaml", "", bare, pack=PACK) == [("PLAN044", "plan.yaml:2:11")]
    assert codes(tmp_path, "shipworthy/high-risk", "", bare) == [("PLAN044", "plan.yaml:2:11")] * 5  # one a template
    empty = "system: {name: s}\nextends: [EXTENDS]\n"
    assert codes(tmp_path, "pack.yaml", "", empty, pack=PACK) == [("PLAN044", "plan.yaml:2:11")]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("at_most: 0.1", None),
        ("at_most: 0.05", None),
        ("within: [-0.05, 0.05]", None),
        ("at_most: 0.05, confidence: 0.99, severity: blocker", None),
        ("at_most: 0.11", "at_most"),
        ("within: [-0.2, 0.2]", "within"),
        ("at_least: -0.1", "at_least"),
        ("at_most: 0.1, confidence: 0.8", "confidence"),
        ("at_most: 0.1, severity: minor", "severity"),
        ("at_most: 0.1, reference: f", "reference"),
    ],
)
def test_a_plan_may_tighten_and_never_loosen(change: str, key: str | None, tmp_path: Path) -> None:
    own = f"{{id: 'A:sex', metric: tpr, across: sex, compare: difference, {change}}}"
    if key is None:
        loaded = load(tmp_path, "pack.yaml", own, pack=PACK)
        assert [each.id for each in loaded.plan.requirements] == ["A:sex", "A:age_band", "B"]
        assert loaded.locate(("requirements", 0)).startswith(f"{tmp_path}/plan.yaml:5:")
        return
    with pytest.raises(PlanError) as caught:
        load(tmp_path, "pack.yaml", own, pack=PACK)
    (fault,) = caught.value.faults
    assert fault.code == "PLAN042"
    assert '"A:sex"' in fault.what
    assert '"A" of the pack pack.yaml' in fault.what
    assert fault.where.endswith(f"requirements[0].{key}")


def test_the_id_of_a_template_is_not_for_use(tmp_path: Path) -> None:
    own = "{id: A, metric: tpr, at_least: 0.1}"
    assert codes(tmp_path, "pack.yaml", own, pack=PACK) == [("PLAN042", "plan.yaml:5:21")]


def test_packs_extend_packs_and_rings_are_found(tmp_path: Path) -> None:
    above = "extends: [pack.yaml]\nrequirements:\n"
    above += "  - {id: B, metric: auc, needs: [score], at_least: 0.8, confidence: 0.99}\n"
    loaded = load(tmp_path, "above.yaml, pack.yaml", above=above, pack=PACK)
    assert [(each.id, each.low) for each in loaded.plan.requirements][-1] == ("B", 0.8)
    weaker = above.replace("0.99", "0.98")
    assert codes(tmp_path, "above.yaml", above=weaker, pack=PACK) == [("PLAN042", "above.yaml:3:69")]
    ring = {"a": "extends: [b.yaml]\n" + PACK, "b": "extends: [a.yaml]\n" + PACK}
    assert codes(tmp_path, "a.yaml", **ring) == [("PLAN041", "b.yaml:1:11")]
    assert codes(tmp_path, "c.yaml", c="extends: [c.yaml]\n" + PACK) == [("PLAN041", "c.yaml:1:11")]


def test_faults_of_a_pack_are_placed_in_the_pack(tmp_path: Path) -> None:
    assert codes(tmp_path, "p.yaml", p="requirements:\n  - {id: A, metric: m}\n") == [("PLAN016", "p.yaml:2:5")]
    assert codes(tmp_path, "p.yaml", p="system: {name: s}\n" + PACK) == [("PLAN012", "p.yaml:1:1")]
    assert codes(tmp_path, "p.yaml", p="defaults: {confidence: 2}\n" + PACK[45:]) == [("PLAN015", "p.yaml:1:24")]
    assert codes(tmp_path, "p.yaml", p="requirements: []\n") == [("PLAN016", "p.yaml:1:15")]
    assert codes(tmp_path, "p.yaml, none.yaml", p="- 1\n") == [("PLAN006", "p.yaml:1:1"), ("PLAN040", "plan.yaml:2:19")]
    loose = "requirements:\n  - {id: A, metric: m, compare: ratio, at_least: 0.8}\n"
    assert codes(tmp_path, "p.yaml", p=loose) == [("PLAN035", "p.yaml:2:33")]


@pytest.mark.parametrize("name", our_packs())
def test_our_packs_load_and_say_where_their_numbers_come_from(name: str, tmp_path: Path) -> None:
    from shipworthy.metrics.catalogue import lookup

    loaded = load(tmp_path, name, plan=ANSWERS if name == "shipworthy/generative-safety" else PLAN)
    assert loaded.plan.requirements
    assert loaded.notes == ()
    for site in loaded.sites:
        assert lookup(site.requirement.metric)
        assert site.requirement.text
    text = loaded.sites[0].source.text
    assert "# Source:" in text.replace("  # ", "# ")
    assert "Misleads:" in text


def test_there_are_four_packs() -> None:
    names = ("baseline-quality", "employment-four-fifths", "generative-safety", "high-risk")
    assert our_packs() == tuple(f"shipworthy/{name}" for name in names)


# What our packs may cite. NIST: the 22 subcategories of MEASURE; EU: the points of Articles 10 and 15 as published.
CONTROLS = {
    "nist-ai-rmf@1.0": {f"MEASURE-2.{n}" for n in range(1, 14)},
    "eu-ai-act@2024/1689": {*(f"art-10.2.{point}" for point in "abcdefgh"), *(f"art-15.{n}" for n in range(1, 6))},
    "owasp-llm@2025": {f"LLM{n:02}" for n in range(1, 11)},
    "us-ugesp@1978": {"1607.4.D"},  # 29 CFR 1607.4(D): the four-fifths rule
    "nyc-ll144@2021": {"5-301"},  # 6 RCNY 5-301: the bias audit
}


@pytest.mark.parametrize("name", our_packs())
def test_our_packs_cite_controls_that_exist(name: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, name, plan=ANSWERS if name == "shipworthy/generative-safety" else PLAN)
    cited = [control for requirement in loaded.plan.requirements for control in requirement.controls]
    for control in cited:
        framework, _, identity = control.partition(":")
        assert identity in CONTROLS[framework], control


def test_packs_about_answers_and_about_rows_keep_apart(tmp_path: Path) -> None:
    both = ANSWERS.replace(
        "requirements:", "  d: {data: x.csv, roles: {label: y, prediction: p, score: s}, slices: [sex]}\nrequirements:"
    )
    loaded = load(tmp_path, "shipworthy/generative-safety, shipworthy/high-risk", plan=both)
    for requirement in loaded.plan.requirements:
        assert requirement.evaluation == ("a" if requirement.id.startswith("GEN-") else "d"), requirement.id
    assert codes(tmp_path, "shipworthy/high-risk", "", ANSWERS) == [("PLAN044", "plan.yaml:3:11")]
    assert codes(tmp_path, "shipworthy/generative-safety", "", PLAN) == [("PLAN044", "plan.yaml:2:11")]


def test_a_requirement_about_scorers_fits_answers_that_one_of_them_judges(tmp_path: Path) -> None:
    plan = ANSWERS.replace("suite: x", "suite: x, scorers: [refusal, {leak: {secrets: [s]}}]")
    loaded = load(tmp_path, "shipworthy/generative-safety", plan=plan)
    assert [each.id for each in loaded.plan.requirements] == ["GEN-ATTACK", "GEN-OVERBLOCKING", "GEN-LEAK"]
    assert loaded.notes == (
        "GEN-GROUNDING of shipworthy/generative-safety fits no evaluation: "
        "it needs task generative, answers judged by grounding or entailment",
    )


def test_protected_axes_prefer_what_is_declared() -> None:
    evaluation = Evaluation(data="x", slices=("sex", ("sex", "race"), {"young": "age < 25"}), protected=("race", "age"))
    assert protected_axes(evaluation) == ("race", "age")
    assert protected_axes(evaluation.model_copy(update={"protected": ()})) == ("sex",)


def test_id_parts_are_legal_and_differ() -> None:
    assert id_part("sex") == "sex"
    parts = [id_part(name) for name in ("性別", "性 別", "a b", "a-b", "a/b", "", "x" * 100, "x" * 101)]
    assert len(set(parts)) == len(parts)
    assert all(part.isascii() and " " not in part for part in parts)


def test_ids_of_strange_columns_load(tmp_path: Path) -> None:
    plan = PLAN.replace("sex", '"性別 🙂"')
    loaded = load(tmp_path, "pack.yaml", plan=plan, pack=PACK)
    assert loaded.plan.requirements[0].across == "性別 🙂"
