from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipworthy.metrics.catalogue import lookup
from shipworthy.plan.drafting import ColumnProfile, draft_plan
from shipworthy.plan.drafting_answers import draft_plan_of_answers
from shipworthy.plan.loading import LoadedPlan, load_plan
from shipworthy.plan.models import Bins


def column(name: str, kind: str = "text", distinct: int = 2, rows: int = 1000, **more: object) -> ColumnProfile:
    return ColumnProfile(**{"name": name, "kind": kind, "rows": rows, "nulls": 0, "distinct": distinct, **more})  # type: ignore[arg-type]


def number(name: str, low: float, high: float, distinct: int, kind: str = "int") -> ColumnProfile:
    return column(name, kind, distinct, minimum=low, maximum=high)


LENDING = [
    column("application", distinct=1000),
    number("age", 19, 80, 60),
    column("sex", top=(("m", 600), ("f", 400))),
    column("Ethnicity", distinct=5),
    column("household_id", distinct=700),
    number("repaid", 0, 1, 2),
    number("approved", 0, 1, 2),
    number("score", 0.01, 0.99, 900, "float"),
    column("decided_at", "time", distinct=900),
    number("sample_weight", 0.2, 3.0, 40, "float"),
    number("amount", 100, 9000, 800),
]


def drafted(
    columns: list[ColumnProfile], folder: Path, data: str = "data/loans.parquet", system: str = "lending"
) -> LoadedPlan:
    path = folder / "shipworthy.yaml"
    path.write_text(draft_plan(columns, data=data, system=system), encoding="utf-8")
    return load_plan(path)


def uncommented(loaded: LoadedPlan, folder: Path) -> LoadedPlan:
    """The plan as a person leaves it who takes the promises out of their comments."""
    assert loaded.plan.requirements == ()
    begin, end = loaded.source.index("\n#   # "), loaded.source.index("\nrequirements: []")
    promises = loaded.source[begin:end].replace("\n# ", "\n")
    path = folder / "shipworthy.yaml"
    path.write_text(loaded.source.replace("\nrequirements: []", "\nrequirements:" + promises))
    return load_plan(path)


PREDICTED = number("prediction", 0, 9e5, 900, "float")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([column("sex"), number("approved", 0, 1, 2)], "no column holds what turned out to be true"),
        ([column("sex"), number("repaid", 0, 1, 2)], "no column holds a decision"),
        ([column("sex"), number("repaid", 0, 1, 2), number("score", 0, 1, 90, "float")], "the threshold 0.5"),
        ([column("sex"), number("target", 0, 9e5, 900, "float"), PREDICTED], "how large an error"),
        ([column("query_id", distinct=90), number("relevance", 0, 4, 5), number("score", 0, 9, 80)], "how good"),
        ([column("a"), column("b")], "name one as the role `label`"),
    ],
)
def test_what_only_a_person_can_say_keeps_a_draft_from_shipping(
    columns: list[ColumnProfile], said: str, tmp_path: Path
) -> None:
    loaded = drafted(columns, tmp_path)
    assert said in loaded.source.partition("# Nothing is promised yet")[2]
    assert uncommented(loaded, tmp_path).plan.requirements


def test_roles_slices_and_promises_of_a_lending_table(tmp_path: Path) -> None:
    plan = drafted(LENDING, tmp_path).plan
    evaluation = plan.evaluations["decisions"]
    assert evaluation.roles.model_dump(exclude_defaults=True) == {
        "label": "repaid", "prediction": "approved", "score": "score", "positive": 1, "id": "application",
        "cluster": "household_id", "weight": "sample_weight", "at": "decided_at",
    }  # fmt: skip
    assert evaluation.task == "binary"
    assert evaluation.slices == (
        {"age_band": Bins(column="age", edges=(30.0, 45.0, 65.0))}, "sex", "Ethnicity", ("sex", "Ethnicity"),
    )  # fmt: skip
    assert 3 <= len(plan.requirements) <= 6
    assert {each.reference for each in plan.requirements} == {None}  # nobody is taken for the privileged group
    for name in (*evaluation.metrics, *(each.metric for each in plan.requirements)):
        assert lookup(str(name), "binary")


def test_score_without_decision_gets_a_threshold_and_a_doubt(tmp_path: Path) -> None:
    columns = [column("race", distinct=6), number("two_year_recid", 0, 1, 2), number("is_recid", 0, 1, 2)]
    columns += [number("decile_score", 1, 10, 10)]
    loaded = drafted(columns, tmp_path)
    roles = loaded.plan.evaluations["decisions"].roles
    assert (roles.label, roles.score) == ("two_year_recid", "decile_score")
    assert roles.prediction == 'CASE WHEN "decile_score" >= 5.5 THEN 1 ELSE 0 END'
    assert "DOUBT" in loaded.source
    assert "could also be is_recid" in loaded.source
    assert not any(each.metric == "ece" for each in loaded.plan.requirements)  # points are no probabilities


def test_threshold_speaks_the_values_of_the_label(tmp_path: Path) -> None:
    label = column("income", top=(("<=50K", 700), (">50K", 300)))
    roles = drafted([label, number("prob", 0, 1, 900, "float")], tmp_path).plan.evaluations["decisions"].roles
    assert roles.positive == ">50K"
    assert roles.prediction == """CASE WHEN "prob" >= 0.5 THEN '>50K' ELSE '<=50K' END"""


@pytest.mark.parametrize(
    ("columns", "task", "metric"),
    [
        ([number("target", 0, 9e5, 900, "float"), number("prediction", 0, 9e5, 900, "float")], "regression", "mae"),
        ([column("label", distinct=7), column("prediction", distinct=7)], "multiclass", "accuracy"),
        (
            [column("query_id", distinct=90), number("relevance", 0, 4, 5), number("score", 0, 9, 800, "float")],
            "ranking",
            "ndcg@10",
        ),
    ],
)  # fmt: skip
def test_task_is_told_from_the_columns(columns: list[ColumnProfile], task: str, metric: str, tmp_path: Path) -> None:
    loaded = drafted([*columns, column("gender", distinct=3)], tmp_path)
    assert loaded.plan.evaluations["decisions"].task == task
    plan = loaded.plan if task == "multiclass" else uncommented(loaded, tmp_path).plan
    assert metric in [each.metric for each in plan.requirements]
    assert all(lookup(each.metric, task) for each in plan.requirements)


def test_nothing_telling_promises_nothing(tmp_path: Path) -> None:
    loaded = drafted([column("a"), number("b", 0, 9, 10)], tmp_path)
    assert loaded.plan.requirements == ()
    assert "no column holds a decision" in loaded.source
    assert drafted([], tmp_path).plan.evaluations["decisions"].data == "data/loans.parquet"


def test_what_a_check_of_a_draft_comes_to_is_said_as_it_is(tmp_path: Path) -> None:
    assert "a check of this plan stops with DATA016" in drafted([column("a"), number("b", 0, 9, 10)], tmp_path).source
    assert "a check of this plan ends undecided" in drafted([column("a"), number("score", 0, 9, 10)], tmp_path).source
    target = drafted([number("target", 0, 9e5, 900, "float")], tmp_path).source
    assert "metrics: []  # none without a decision beside the label" in target
    lists = [column("query_id", distinct=90), number("rel", 0, 4, 5)]
    assert "for ranked lists: name the column that orders them" in drafted(lists, tmp_path).source
    ranked = drafted([*lists, number("score", 0, 9, 80)], tmp_path)
    assert ranked.plan.evaluations["decisions"].metrics == ("ndcg@10",)
    assert "no column holds a decision" not in ranked.source


def test_label_alone_is_described_and_examples_stand_in_comments(tmp_path: Path) -> None:
    loaded = drafted([column("sex"), number("repaid", 0, 1, 2)], tmp_path)
    assert loaded.plan.evaluations["decisions"].metrics == ("base_rate",)
    assert len(uncommented(loaded, tmp_path).plan.requirements) >= 3


@pytest.mark.parametrize(
    "name", ["性別", "Пол", "الجنس", "Geschlecht", "isMarried", "race/ethnicity", "SEX", "home-language"]
)
def test_protected_names_in_many_spellings(name: str, tmp_path: Path) -> None:
    assert name in drafted([column(name), number("approved", 0, 1, 2)], tmp_path).plan.evaluations["decisions"].slices


@pytest.mark.parametrize("name", ["message", "sextant", "passage_no", "embrace", "averages"])
def test_names_that_only_contain_a_protected_word_are_left_alone(name: str, tmp_path: Path) -> None:
    assert drafted([column(name)], tmp_path).plan.evaluations["decisions"].slices == ()


def ending(word: str) -> st.SearchStrategy[str]:
    return st.text(max_size=8).map(lambda text: f"{text} {word}")


WEIRD = st.one_of(
    st.sampled_from(
        ["no", "null", "~", "1", "1.5", "true", "", " ", "2026-11-21", ".inf", "0x1F", "select", "each-protected"]
    ),
    st.sampled_from(
        ["a: b", "- a", "#", "a\nb", "\r\n", "\t", '"', "'", "\\", "{}", "[x]", "&a", "*a", "!t", "%", "@", "`"]
    ),
    st.sampled_from(["|", ">", "<<", "---", "...", "?", "FAIR-1", "age_band", "sex'; DROP TABLE t; --", "sex "]),
    st.sampled_from(
        ["🙂 sex", "👩‍👧 age", "\u202etxet sex", "שלום race", "\x00sex", "\x85 sex", "\u2028 age", "\ufeffsex", "𝓼𝓮𝔁"]
    ),
    st.sampled_from(["label", "score", "prediction", "age", "sex", "id", "query_id", "weight", "relevance"]),
    st.sampled_from(["x" * 3000 + " sex", "x" * 3000 + " age"]),
    st.text(max_size=12),
    *map(ending, ("sex", "score", "label", "age")),
)


@st.composite
def profiles(draw: st.DrawFn) -> list[ColumnProfile]:
    rows = draw(st.sampled_from([0, 1, 2, 1000]))
    found = []
    for name in draw(st.lists(WEIRD, max_size=7, unique=True)):
        kind = draw(st.sampled_from(["bool", "int", "float", "text", "time"]))
        nulls = draw(st.integers(0, rows))
        distinct = draw(st.integers(0, max(0, rows - nulls)) | st.sampled_from([min(2, rows - nulls), rows - nulls]))
        ends = sorted(draw(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2)))
        limits = dict(zip(("minimum", "maximum"), ends, strict=True)) if kind in ("int", "float") and distinct else {}
        top = tuple((level, 1) for level in draw(st.lists(WEIRD, max_size=3, unique=True)))
        found.append(column(name, kind, distinct, rows, nulls=nulls, top=top, **limits))
    return found


@settings(max_examples=400)
@given(profiles(), WEIRD, WEIRD)
@example([column("sex", "float", 25, minimum=-1e308, maximum=1e308), number("score", -1e308, 1e308, 30, "float"),
          number("y", 0, 1e300, 2, "float")], "x", "y")  # fmt: skip
def test_draft_always_loads_properties(tmp_path: Path, columns: list[ColumnProfile], data: str, system: str) -> None:
    loaded = drafted(columns, tmp_path, data, system)
    evaluation = loaded.plan.evaluations["decisions"]
    assert evaluation.data == (data or "data.parquet")
    names = {each.name for each in columns}
    roles = evaluation.roles
    for role in ("label", "score", "id", "cluster", "query", "weight", "at"):
        assert getattr(roles, role) is None or getattr(roles, role) in names
    for part in evaluation.slices:
        used = (
            [part]
            if isinstance(part, str)
            else [bins.column for bins in part.values()]
            if isinstance(part, dict)
            else part
        )  # type: ignore[union-attr]
        assert set(used) <= names
    assert all(each.reference is None for each in loaded.plan.requirements)


ASKED = [column("id", distinct=1000), column("question", distinct=990), column("kind", distinct=4)]


def drafted_of_answers(columns: list[ColumnProfile], folder: Path) -> tuple[str, LoadedPlan]:
    text = draft_plan_of_answers(columns, data="rows.jsonl", system="desk")
    assert text is not None
    path = folder / "shipworthy.yaml"
    path.write_text(text, encoding="utf-8")
    return text, load_plan(path)


def test_prompts_with_answers_are_drafted_as_a_log(tmp_path):
    more = [column("bot_answer", distinct=900), column("wanted", distinct=2), column("contexts", distinct=800)]
    text, loaded = drafted_of_answers([*ASKED, *more], tmp_path)
    subject = loaded.plan.subjects["assistant"]
    assert subject.log == "rows.jsonl"
    assert dict(subject.fields) == {"response": "bot_answer"}  # question and contexts are recognised by themselves
    assert loaded.plan.evaluations["answers"].scorers == ("refusal", "grounding")
    assert loaded.plan.evaluations["answers"].suite is None
    assert "fields: {expect: <column>}" in text
    assert loaded.plan.requirements == ()


@pytest.mark.parametrize(
    "columns",
    [
        [column("prompt", distinct=12, rows=12), column("response", distinct=12, rows=12)],  # a short log
        [column("prompt", distinct=9), column("reply", distinct=990)],  # few prompts, asked often
    ],
)
def test_few_prompts_beside_free_replies_are_a_log(columns, tmp_path):
    _, loaded = drafted_of_answers(columns, tmp_path)
    assert loaded.plan.subjects["assistant"].log == "rows.jsonl"


def test_prompts_alone_are_drafted_as_cases_to_ask(tmp_path):
    text, loaded = drafted_of_answers([*ASKED, column("expect", distinct=2), column("category", distinct=3)], tmp_path)
    assert loaded.plan.subjects["assistant"].chat
    assert "FILL IN" in text
    columns = {"prompt": "question", "id": "id", "expect": "expect", "hazard": "category"}
    assert loaded.plan.evaluations["answers"].suite == {"path": "rows.jsonl", "columns": columns}
    assert "# Harmless" not in text
    assert "metric: false_refusal_rate" in text


@pytest.mark.parametrize(
    "columns",
    [
        LENDING,
        [column("question", distinct=4), column("answer", distinct=2)],  # a survey, not prompts
        [*ASKED, number("score", 0, 1, 90, "float")],  # a table of decisions about texts
        [column("question", distinct=40, rows=5000), column("answer", distinct=5, rows=5000)],
        [],
    ],
)
def test_other_tables_are_no_prompts(columns):
    assert draft_plan_of_answers(columns, data="rows.jsonl") is None


def test_columns_of_two_values_are_candidates_where_no_name_tells(tmp_path):
    hired = column("hired_ok", top=(("bad", 600), ("good", 400)))
    listed = column("picked", top=(("no", 700), ("yes", 300)))
    text = draft_plan([number("model_score", 0, 1, 900, "float"), hired, listed], data="x.csv")
    assert 'label: not clear; could be one of two values: hired_ok ("bad", "good"), picked ("no", "yes")' in text
    assert 'prediction: not clear; could be one of two values: hired_ok ("bad", "good"), picked' in text
    assert "score: model_score" in text
    assert "prediction: shortlisted" in draft_plan([column("shortlisted"), hired], data="x.csv")
