"""A first plan from a look at the data: roles, slices, promises to start from, and every doubt said in a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from shipworthy.plan.models import Task

Kind: TypeAlias = Literal["bool", "int", "float", "text", "time"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnProfile:
    """What is known of a column without reading a plan."""

    name: str
    kind: Kind
    rows: int  # in the table, nulls included
    nulls: int
    distinct: int  # nulls not counted
    top: tuple[tuple[str, int], ...] = ()  # commonest levels as text, with their rows, commonest first
    minimum: float | None = None  # numbers only
    maximum: float | None = None

    @property
    def words(self) -> frozenset[str]:
        """The words in the name: `isMarried_2` is {is, married, 2}."""
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", self.name)
        return frozenset(word for word in re.split(r"[\W_]+", spaced.casefold()) if word)

    @property
    def is_number(self) -> bool:
        """Whether its values can be compared by size."""
        return self.kind in ("int", "float")


# What names usually mean. A column takes a part only when its content fits too.
_NAMES: dict[str, str] = {
    "label": """label labels target outcome y_true ytrue actual truth ground_truth gold y two_year_recid class default
        defaulted repaid credit is_recid recidivism churn churned fraud is_fraud income relevance credit_risk response
        readmitted survived pass_bar rel relevant""",
    "prediction": """prediction predictions predicted pred preds y_pred ypred yhat y_hat decision approved accepted
        selected shortlisted invited recommended rejected hired granted admitted flagged forecast""",
    "score": """score scores probability prob proba y_score yscore y_prob y_proba risk_score decile_score confidence
        logit likelihood rating risk""",
    "id": "id uuid guid key case case_id application application_id record_id row_id",
    "cluster": """cluster household household_id user user_id customer customer_id patient patient_id family family_id
        person person_id account account_id group_id""",
    "query": "query query_id qid session session_id search_id list_id request_id",
    "weight": "weight weights sample_weight fnlwgt pwgtp survey_weight wt",
    "at": "at time timestamp date datetime decided_at created_at created ts when",
}
# Words that are telling even as a part of a name.
_TELLING: dict[str, str] = {
    "label": "label target outcome truth",
    "prediction": "prediction predicted pred yhat decision shortlisted recommended",
    "score": "score probability prob proba",
    "id": "id uuid guid",
    "cluster": "household user customer patient family",
    "query": "query qid session",
    "weight": "weight",
    "at": "time timestamp date at",
}

# Words that name an attribute on which many laws forbid to discriminate.
_PROTECTED_WORDS = """
    sex gender male female geschlecht sexe sexo genero género genre пол الجنس race races ethnicity ethnic ethnie rasse
    raza age alter edad âge idade возраст العمر disability disabled handicap religion religious belief nationality
    nationalität citizenship citizen foreign migrant immigrant origin birthplace language lang sprache region country
    state county district zip zipcode postcode marital married marriage civil pregnant pregnancy veteran orientation
    caste tribe hispanic color colour sexuality parental
"""
_PROTECTED = frozenset(_PROTECTED_WORDS.split())
_CJK = re.compile(r"性别|性別|種族|种族|民族|年龄|年齢|宗教|国籍")
_AGE = frozenset(("age", "alter", "edad", "âge", "idade", "возраст", "العمر"))
YES = frozenset(
    ("1", "true", "yes", "y", "t", "positive", "pos", "approved", "accepted", "good", "repaid", ">50k", "hired")
)
_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))

_METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("accuracy", "balanced_accuracy", "selection_rate", "tpr", "fpr", "precision"),
    "multiclass": ("accuracy", "macro_recall"),
    "regression": ("mae", "rmse"),
    "ranking": ("ndcg@10",),
}
_LEVELS = 20  # a slice by a column with more levels than this says little
_EDGES = (18.0, 30.0, 45.0, 65.0)


_PROMPTS = frozenset(("prompt", "question", "instruction", "user_input", "input", "messages", "conversation"))


def reads_as_prompt(column: ColumnProfile) -> bool:
    """Whether a column holds what somebody asks a system: texts that differ, under a name that says so."""
    return column.kind == "text" and column.distinct > max(_LEVELS, column.rows // 20) and bool(column.words & _PROMPTS)


def draft_plan(columns: Sequence[ColumnProfile], *, data: str, system: str = "my-system") -> str:
    """A commented plan for a table, as YAML that `load_plan` accepts as it stands.

    columns: of the table, in its order; names may be any text that UTF-8 can hold. data: as the plan is to name it.
    system: the name of the system. Nothing is guessed about who is privileged: every pair of groups is compared.
    """
    parts = _assign([column for column in columns if column.name])
    lines = [*_head(columns, data, system), *_roles(parts), *_slices(parts), *_metrics(parts), *_requirements(parts)]
    return "\n".join(lines) + "\n"


@dataclass(kw_only=True)
class _Parts:
    """Which column was given which part, and what else could have had it."""

    columns: list[ColumnProfile]
    roles: dict[str, ColumnProfile] = field(default_factory=dict)
    others: dict[str, list[ColumnProfile]] = field(default_factory=dict)
    protected: list[ColumnProfile] = field(default_factory=list)
    task: Task | None = None
    cut: float | None = None  # the threshold on the score that stands in for a prediction

    @property
    def decides(self) -> bool:
        return "prediction" in self.roles or self.cut is not None


def _fits(role: str, column: ColumnProfile) -> bool:
    """Whether the content of a column lets it play a part."""
    full = column.rows - column.nulls
    match role:
        case "label" | "prediction":
            return column.kind != "time" and column.distinct >= 2 and (column.is_number or column.distinct <= _LEVELS)
        case "score":
            return column.is_number and column.distinct > 2
        case "id":
            return column.kind in ("int", "text") and column.nulls == 0 and full > 0 and column.distinct == full
        case "cluster" | "query":
            return column.kind in ("int", "text") and 2 <= column.distinct < full
        case "weight":
            return column.is_number and column.distinct > 1 and column.minimum is not None and column.minimum >= 0
        case _:
            return column.kind == "time"


def _rank(role: str, column: ColumnProfile) -> int:
    """How well a name fits a part: 0 the whole name, 1 a word of it, 2 not at all."""
    plain = re.sub(r"\W+", "_", column.name.casefold()).strip("_")
    if plain in _NAMES[role].split():
        return 0
    return 1 if column.words & set(_TELLING[role].split()) else 2


def _order(role: str, column: ColumnProfile) -> int:
    """The place of a name among those of a part: the plainest first."""
    plain = re.sub(r"\W+", "_", column.name.casefold()).strip("_")
    names = _NAMES[role].split()
    return names.index(plain) if plain in names else len(names)


def _assign(columns: list[ColumnProfile]) -> _Parts:
    """One column for each part, whole names before words, and each column in one part."""
    parts = _Parts(columns=columns)
    parts.protected = [column for column in columns if _is_protected(column)]
    free = [column for column in columns if column not in parts.protected]
    for wanted in (0, 1):
        for role in _NAMES:
            found = [column for column in free if _rank(role, column) == wanted and _fits(role, column)]
            if role == "at" and wanted and not found:
                found = [column for column in free if column.kind == "time"]
            found.sort(key=lambda column: _order(role, column))
            if found and role not in parts.roles:
                parts.roles[role] = found.pop(0)
                free.remove(parts.roles[role])
            parts.others.setdefault(role, []).extend(found)
    for role, others in parts.others.items():
        taken = list(parts.roles.values())
        parts.others[role] = [column for column in dict.fromkeys(others) if column not in taken]
    _settle(parts)
    return parts


def _settle(parts: _Parts) -> None:
    """The task that these roles make, and a threshold where there is a score but no decision."""
    shape = parts.roles.get("label") or parts.roles.get("prediction")
    score = parts.roles.get("score")
    if shape is None:
        parts.task = None
    elif "query" in parts.roles and score and shape.is_number:
        parts.task = "ranking"
    elif shape.distinct == 2:
        parts.task = "binary"
    else:
        parts.task = "regression" if shape.is_number and shape.distinct > _LEVELS else "multiclass"
    if parts.task == "binary" and "prediction" not in parts.roles and score:
        low, high = score.minimum, score.maximum
        if low is not None and high is not None and low < high:
            middle = 0.5 if 0 <= low <= high <= 1 else (low + high) / 2
            parts.cut = float(f"{middle:.6g}")
    if parts.task == "regression" and "prediction" not in parts.roles and score:
        parts.roles["prediction"] = parts.roles.pop("score")
    prediction, label = parts.roles.get("prediction"), parts.roles.get("label")
    if parts.task == "binary" and prediction and label and prediction.distinct > 2:
        parts.others.setdefault("prediction", []).insert(0, parts.roles.pop("prediction"))


def _is_protected(column: ColumnProfile) -> bool:
    named = bool(column.words & _PROTECTED) or bool(_CJK.search(column.name))
    return named and column.kind != "time" and column.distinct >= 2 and (column.is_number or column.distinct <= 1000)


def quoted(text: str) -> str:
    """Text as a YAML scalar on one line, whatever it holds; bare where every reader agrees on its meaning."""
    if _SAFE.fullmatch(text) and text.casefold() not in _RESERVED:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _sql(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _named(columns: Sequence[ColumnProfile]) -> str:
    listed = ", ".join(quoted(column.name) for column in columns[:5])
    return listed + (", ..." if len(columns) > 5 else "")


def _head(columns: Sequence[ColumnProfile], data: str, system: str) -> Iterator[str]:
    rows = columns[0].rows if columns else 0
    yield f"# A first plan, drafted from {len(columns)} columns and {rows:,} rows. The parts that columns play"
    yield "# were guessed from names and contents: correct them, then lock the plan (`shipworthy lock`) and check it."
    yield ""
    yield "system:"
    yield f"  name: {quoted(system[:200].strip() or 'my-system')}"
    yield '  version: "0.1"                # the version under test'
    yield '  purpose: ""                   # what it decides, about whom, in a sentence'
    yield "  tier: limited                 # minimal | limited | high | critical: how much hangs on it"
    yield '  owner: ""                     # who answers for it'
    yield ""
    yield "evaluations:"
    yield "  decisions:"
    yield f"    data: {quoted(data or 'data.parquet')}"


_MEANING = {
    "label": "what turned out to be true",
    "prediction": "what the system decided",
    "score": "the score behind the decision",
    "id": "one value for each case; pairs runs with each other",
    "cluster": "what was sampled independently; rows that share it are not counted as independent",
    "query": "the list that an item is ranked in",
    "weight": "sampling weight; remove it if it weighs training and not sampling",
    "at": "when it was decided",
}

_WITHOUT = {  # what becomes of the rows that have none
    **dict.fromkeys(("prediction", "score"), "; they count either way"),
    **dict.fromkeys(("label", "cluster", "query", "weight"), "; they are left out, and counted"),
}


def _roles(parts: _Parts) -> Iterator[str]:
    if parts.task:
        yield f"    task: {parts.task}"
    if not parts.roles:
        yield "    roles: {}                   # no name tells: say which column is the label, prediction, score, id"
        yield f"    # columns: {_named(parts.columns)}"
        if candidates := _candidates(parts, "label"):
            yield f"    # label and prediction could be {candidates}"
        return
    yield "    roles:"
    for role, meaning in _MEANING.items():
        if column := parts.roles.get(role):
            doubt = "" if _rank(role, column) == 0 else ", a guess"
            others = [other for other in parts.others.get(role, []) if other != column]
            also = f"; could also be {_named(others)}" if others else ""
            yield f"      {role}: {quoted(column.name)}  # {meaning}{doubt}{also}"
            if column.nulls:
                yield f"      # {column.nulls:,} of {column.rows:,} rows have none{_WITHOUT.get(role, '')}"
        elif role == "prediction" and parts.cut is not None:
            condition = _condition(parts)
            yield f"      prediction: {quoted(condition)}  # DOUBT: no decision was found; put your threshold here"
        elif role in ("label", "prediction") and (candidates := _candidates(parts, role)):
            yield f"      # {role}: not clear; could be {candidates}"
    yield from _positive(parts)


def _candidates(parts: _Parts, role: str) -> str:
    """Columns that could play a part that no name tells of: those of a fitting name, else all that have two values."""
    if parts.others.get(role):
        return _named(parts.others[role])
    taken = [*parts.roles.values(), *parts.protected]
    two = [column for column in parts.columns if column.distinct == 2 and column.kind != "time" and column not in taken]
    told = [f"{quoted(c.name)} ({', '.join(_text(level) for level, _ in c.top[:2])})" for c in two[:5]]
    return "one of two values: " + ", ".join(told) + (", ..." if len(two) > len(told) else "") if told else ""


def _condition(parts: _Parts) -> str:
    """The score above its threshold, as a value of the kind that the label has."""
    above = f"{_sql(parts.roles['score'].name)} >= {parts.cut:g}"
    label = parts.roles.get("label")
    if label is None or label.kind == "bool":
        return above
    if label.is_number:
        values = [_number(label.maximum if label.maximum is not None else 1.0), _number(label.minimum or 0.0)]
    else:
        levels = [level for level, _ in label.top[:2]]
        yes = _yes(levels)
        values = ["'" + level.replace("'", "''") + "'" for level in (yes, *[each for each in levels if each != yes])]
    return f"CASE WHEN {above} THEN {values[0]} ELSE {values[-1]} END" if len(values) == 2 else above


def _yes(levels: Sequence[str]) -> str:
    """The level that reads as a yes, else the rarer one."""
    return next((level for level in levels if level.strip().casefold() in YES), levels[-1] if levels else "")


def _positive(parts: _Parts) -> Iterator[str]:
    column = parts.roles.get("label") or parts.roles.get("prediction")
    if parts.task != "binary" or column is None:
        return
    if column.kind == "bool":
        yield "      positive: true              # the value that counts as a yes"
        return
    if column.is_number:
        high = column.maximum if column.maximum is not None else 1.0
        yield f"      positive: {_number(high)}  # the value that counts as a yes: taken to be the larger one"
        return
    levels = [level for level, _ in column.top[:2]]
    if not levels:
        yield "      # positive: say which value counts as a yes"
        return
    chosen = _yes(levels)
    plain = chosen.strip().casefold() in YES
    doubt = "the value that counts as a yes" if plain else "DOUBT: the rarer value was taken as the yes"
    yield f"      positive: {_text(chosen)}  # {doubt}; the values are {', '.join(map(_text, levels))}"


def _text(level: str) -> str:
    return '"' + "".join(map(_escaped, level)) + '"'


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _slices(parts: _Parts) -> Iterator[str]:
    axes = list(_axes(parts))
    if not axes:
        yield "    slices: []  # no name of a protected attribute was found: add those you must not harm"
        return
    yield "    # Groups to be served alike. Add what your law and your users name; remove what is no such attribute."
    yield "    slices:"
    for _, text, comment in axes:
        yield f"      - {text}{f'  # {comment}' if comment else ''}"
    simple = [text for _, text, _ in axes if not text.startswith("{")]
    if len(simple) >= 2:
        yield f"      - [{simple[0]}, {simple[1]}]  # harm often sits where two meet; expect small groups"


def _axes(parts: _Parts) -> Iterator[tuple[str, str, str]]:
    """For each protected attribute: the axis's name, how the slice is written, and a remark."""
    taken = {column.name for column in parts.columns}
    for column in parts.protected[:6]:
        name = column.name
        if column.is_number and column.distinct > _LEVELS:
            band = _free(name, taken)
            ages = bool(column.words & _AGE) or "年" in name
            span = (column.minimum, column.maximum)
            within = [edge for edge in _EDGES if None not in span and span[0] < edge <= span[1]]  # type: ignore[operator]
            rule = f"edges: [{', '.join(map(_number, within))}]" if ages and within else "quantiles: 4"
            yield band, f"{{{quoted(band)}: {{column: {quoted(name)}, {rule}}}}}", "bins; choose the cuts that matter"
        elif column.distinct > _LEVELS:
            yield name, quoted(name), f"{column.distinct:,} levels: consider broader ones"
        else:
            yield name, quoted(name), ""


def _free(name: str, taken: set[str]) -> str:
    """A name for the bins of a column that no column has."""
    band = f"{name[:60]}_band"
    while band in taken:
        band += "_"
    taken.add(band)
    return band


def _measured(parts: _Parts) -> list[str]:
    """The metrics that these roles can give."""
    labelled, score = "label" in parts.roles, parts.roles.get("score")
    if parts.task is None:
        return []
    if parts.task == "ranking":
        return list(_METRICS["ranking"]) if labelled else []
    found: list[str] = []
    if labelled and parts.decides:
        found += _METRICS[parts.task]
    elif parts.task == "binary":
        found += ["base_rate"] if labelled else ["selection_rate"] if parts.decides else []
    if parts.task == "binary" and labelled and score:
        found += ["auc"] + (["ece"] if _is_probability(score) else [])
    return found


def _is_probability(column: ColumnProfile) -> bool:
    return column.minimum is not None and column.maximum is not None and 0 <= column.minimum <= column.maximum <= 1


def _metrics(parts: _Parts) -> Iterator[str]:
    measured = _measured(parts)
    yield f"    metrics: [{', '.join(map(quoted, measured))}]" + (
        "" if measured else f"  # none {_why_unmeasured(parts)}"
    )
    yield ""


def _why_unmeasured(parts: _Parts) -> str:
    if "label" in parts.roles:
        return "without a score or decision" if "query" in parts.roles else "without a decision beside the label"
    return "without a label beside the decision" if parts.decides else "without a label or decision"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Starter:
    """A promise to start from."""

    id: str
    text: str
    metric: str
    rule: str  # comparison and bound
    severity: str
    why: str
    each_group: bool = False


_STARTERS: tuple[_Starter, ...] = (
    _Starter(
        id="FAIR-SELECTION", text="No group is selected at less than four fifths of the rate of another.",
        metric="selection_rate", rule="compare: ratio; at_least: 0.8", severity="blocker", each_group=True,
        why="The four-fifths rule of US employment guidelines. Revise it where base rates differ for good reason.",
    ),
    _Starter(
        id="FAIR-TPR", text="Of those who deserve a yes, every group gets it about as often.",
        metric="tpr", rule="compare: difference; at_most: 0.1", severity="major", each_group=True,
        why="Equal opportunity. 0.1 is a convention; ask what a missed yes costs the person.",
    ),
    _Starter(
        id="FAIR-FPR", text="Of those who do not, every group gets it about as often.",
        metric="fpr", rule="compare: difference; at_most: 0.1", severity="major", each_group=True,
        why="With the one above: equalized odds. It outweighs the other where a wrong yes is the harm.",
    ),
    _Starter(
        id="QUALITY-ACCURACY", text="Decisions are clearly better than chance.",
        metric="balanced_accuracy", rule="at_least: 0.6", severity="major",
        why="Chance is 0.5 with two classes. Put the figure of the rule or person that the system replaces here.",
    ),
    _Starter(
        id="QUALITY-RANKING", text="A case that came true is usually scored above one that did not.",
        metric="auc", rule="at_least: 0.65", severity="major",
        why="Chance is 0.5. Ask for what the decision needs.",
    ),
    _Starter(
        id="QUALITY-CALIBRATION", text="Stated probabilities come true about as often as they say.",
        metric="ece", rule="at_most: 0.05", severity="major",
        why="Only for scores that are meant as probabilities; remove it for points and ranks.",
    ),
    _Starter(
        id="QUALITY-ERROR", text="Predictions are off by no more than was promised.",
        metric="mae", rule="at_most: {scale}", severity="major",
        why="In units of the label: a tenth of its range, as a placeholder. Put what a user can live with here.",
    ),
    _Starter(
        id="FAIR-ERROR", text="No group's predictions are off by much more than another's.",
        metric="mae", rule="compare: ratio; at_least: 0.67", severity="major", each_group=True,
        why="Errors at most half as large again. A convention, not a rule of law.",
    ),
    _Starter(
        id="QUALITY-SPREAD", text="Large errors are rare.",
        metric="rmse", rule="at_most: {scale}", severity="minor",
        why="Large errors weigh more here; the same placeholder.",
    ),
    _Starter(
        id="QUALITY-LISTS", text="What is relevant stands near the top of its list.",
        metric="ndcg@10", rule="at_least: 0.5", severity="major",
        why="A placeholder: put the figure of the present ranking here.",
    ),
    _Starter(
        id="FAIR-ACCURACY", text="Every group's decisions are about as often right.",
        metric="accuracy", rule="compare: difference; at_most: 0.1", severity="major", each_group=True,
        why="0.1 is a convention. Equal accuracy can hide unequal kinds of error.",
    ),
    _Starter(
        id="QUALITY-CORRECT", text="Most decisions are right.",
        metric="accuracy", rule="at_least: 0.6", severity="major",
        why="A placeholder: compare with always giving the commonest answer.",
    ),
    _Starter(
        id="FAIR-WORST", text="In every group most decisions are right.",
        metric="accuracy", rule="compare: value; at_least: 0.5", severity="minor", each_group=True,
        why="The group that is served worst decides, whatever the average.",
    ),
)  # fmt: skip


def _requirements(parts: _Parts) -> Iterator[str]:
    measured = _measured(parts)
    axes = [name for name, _, _ in _axes(parts)]
    possible = [each for each in _STARTERS if axes or not each.each_group]
    wanted = measured if measured and "label" in parts.roles and parts.decides else _METRICS[parts.task or "binary"]
    fitting = [each for each in possible if each.metric in wanted][:6]
    yield "# What is promised. The bounds are places to start from: set them with those who answer for the system,"
    yield "# before you look at results. A claim that the data cannot settle comes out as undecided, not as passed."
    if not (open_questions := _open_questions(parts)):
        yield "requirements:"
        yield from (line for starter in fitting for line in _promise(starter, parts, axes))
        return
    how = "ends undecided" if parts.roles or axes else "stops with DATA016, for want of a role"
    yield f"# Nothing is promised yet, and a check of this plan {how}, until a person has chosen:"
    yield from (f"#   {question}" for question in open_questions)
    yield "# Then take the promises that fit out of their comments, and remove the line `requirements: []`."
    for starter in fitting:
        yield from (f"# {line}" for line in _promise(starter, parts, axes))
    yield "requirements: []"


def _open_questions(parts: _Parts) -> list[str]:
    """What no look at the data can answer: a plan drafted over it must not be able to end in a decision to ship."""
    asked = []
    if "label" not in parts.roles:
        asked.append("- no column holds what turned out to be true: name one as the role `label`")
    if parts.task != "ranking" and not parts.decides:
        asked.append("- no column holds a decision: name one as the role `prediction`, or declare a system under")
        asked.append("  `subjects` and name it as the evaluation's `subject`")
        if "query" in parts.roles and "score" not in parts.roles:
            asked.append("- for ranked lists: name the column that orders them, highest first, as the role `score`")
    elif parts.cut is not None:
        asked.append(f"- no column holds a decision: the threshold {parts.cut:g} on the score was put in its place")
    if parts.task == "regression":
        asked.append("- how large an error a user can live with, in units of the label")
    if parts.task == "ranking":
        asked.append("- how good the lists have to be: put the figure of the present ranking")
    return asked


def _promise(starter: _Starter, parts: _Parts, axes: Sequence[str]) -> Iterator[str]:
    yield f"  # {starter.why}"
    if starter.each_group and len(axes) > 1:
        yield "  # Repeat it for the other attributes, under ids of their own."
    yield f"  - id: {starter.id}"
    yield f"    text: {starter.text}"
    yield f"    metric: {quoted(starter.metric)}"
    if starter.each_group:
        yield f"    across: {quoted(axes[0])}"
    yield from (f"    {rule}" for rule in starter.rule.replace("{scale}", _scale(parts)).split("; "))
    yield f"    severity: {starter.severity}"


def _scale(parts: _Parts) -> str:
    label = parts.roles.get("label")
    if label is None or label.minimum is None or label.maximum is None or not label.maximum > label.minimum:
        return "1.0"
    tenth = (label.maximum - label.minimum) / 10
    return repr(float(f"{tenth:.3g}")) if 0 < tenth < 1e300 else "1.0"
