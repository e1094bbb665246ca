from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import Fault, PlanError
from shipworthy.plan.loading import LoadedPlan, load_plan
from shipworthy.plan.tree import MAX_BYTES

GOOD = """\
system: {name: lending, version: "2026.11"}
subjects:
  scorecard: {python: "scoring:predict"}
evaluations:
  decisions:
    data: data/loans.parquet
    subject: scorecard
    roles: {label: repaid, prediction: "score >= 0.5", score: score, positive: no}
    slices:
      - sex
      - [sex, region]
      - {young-rural: "age < 25 and region = 'rural'", age_band: {column: age, edges: [25, 60]}}
    metrics: [tpr, {python: "costs:regret"}]
    variants: {repaired: {prediction: repaired}}
    population: {sex: {f: 0.5, m: 0.5}}
baseline: repaired
requirements:
  - id: FAIR-1
    metric: tpr
    across: sex
    compare: ratio
    at_least: 0.8
    controls: ["nist-ai-rmf@1.0:MEASURE-2.11"]
  - {id: NEW-1, metric: tpr, compare: change, at_least: -0.01}
  - {id: COST-1, metric: regret, across: [sex, undeclared], at_most: 2}
"""


def load(folder: Path, text: str | bytes) -> LoadedPlan:
    path = folder / "plan.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return load_plan(path, known_metric=lambda name: None if name in ("tpr", "fpr", "ece") else "see the list")


def outcome(folder: Path, text: str) -> tuple[Fault, ...] | None:
    """The faults, or None when it loads. Anything else that is raised fails the test."""
    try:
        load(folder, text)
    except PlanError as error:
        return error.faults
    return None


def faults(folder: Path, text: str | bytes) -> list[tuple[str, int, int]]:
    with pytest.raises(PlanError) as caught:
        load(folder, text)
    found = []
    for fault in caught.value.faults:
        position = fault.where.partition("  ")[0]
        assert position.startswith(str(folder / "plan.yaml"))
        assert fault.mend
        _, line, column = position.rsplit(":", 2)
        found.append((fault.code, int(line), int(column)))
    return found


def test_good_plan_loads(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD)
    assert loaded.plan.evaluations["decisions"].roles.positive == "no"  # YAML 1.2: text, not false
    assert [requirement.id for requirement in loaded.plan.requirements] == ["FAIR-1", "NEW-1", "COST-1"]
    assert loaded.source == GOOD
    assert loaded.digest.startswith("sha256:")
    file = tmp_path / "plan.yaml"
    assert loaded.locate(("requirements", 0, "at_least")) == f"{file}:22:15  requirements[0].at_least"
    assert loaded.locate(("requirements", 0, "reference")) == f"{file}:18:5  requirements[0].reference"
    assert loaded.locate(("evaluations", "decisions", "slices", 2, "young-rural")).startswith(f"{file}:12:23  ")
    assert loaded.locate(()) == f"{file}:1:1"


def test_digest_ignores_spelling_and_sees_meaning(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD).digest
    assert load(tmp_path, "# a comment\n" + GOOD.replace("at_least: 0.8", "at_least: 0.80")).digest == first
    assert load(tmp_path, GOOD.replace("metric: tpr\n", "metric: tpr\n    confidence: 0.95\n")).digest == first
    assert load(tmp_path, GOOD.replace("at_least: 0.8", "at_least: 0.81")).digest != first


EV = "evaluations: {d: {data: x.csv, slices: [sex]}}\n"
SYS = "system: {name: s}\n"
R = SYS + EV + "requirements:\n"
MALFORMED: dict[str, tuple[str | bytes, list[tuple[str, int, int]]]] = {
    "empty": ("", [("PLAN006", 1, 1)]),
    "only a comment": ("# nothing\n", [("PLAN006", 1, 1)]),
    "null": ("~\n", [("PLAN006", 1, 1)]),
    "scalar": ("hello\n", [("PLAN006", 1, 1)]),
    "list": ("\n- system\n", [("PLAN006", 2, 1)]),
    "two documents": (SYS + "---\n" + SYS, [("PLAN007", 2, 1)]),
    "latin-1": (b"system:\n  name: caf\xe9\n", [("PLAN003", 2, 12)]),
    "utf-16": ("system: {name: s}".encode("utf-16"), [("PLAN003", 1, 1)]),
    "bell": (b"system:\n  name: a\x07b\n", [("PLAN003", 2, 10)]),
    "surrogate": ('system: {name: "\\ud800"}', [("PLAN003", 1, 16)]),
    "tab": ("system:\n\tname: s\n", [("PLAN004", 2, 1)]),
    "open quote": ('system: {name: "s}\n', [("PLAN004", 2, 1)]),
    "open brace": ("system: {name: s\n", [("PLAN004", 2, 1)]),
    "colon in text": ("system:\n  name: a: b\n", [("PLAN004", 2, 10)]),
    "bad indent": ("system:\n    name: s\n  owner: o\n", [("PLAN004", 3, 3)]),
    "duplicate key": ("system:\n  name: a\n  name: b\n", [("PLAN005", 3, 3)]),
    "duplicate evaluation": (SYS + "evaluations:\n  d: {data: x}\n  d: {data: y}\n", [("PLAN005", 4, 3)]),
    "number key": (SYS + "subjects:\n  1: {python: 'a:b'}\n", [("PLAN008", 3, 3)]),
    "null key": (SYS + "~: 1\n", [("PLAN008", 2, 1)]),
    "true key": (SYS + "true: 1\n", [("PLAN008", 2, 1)]),
    "list key": (SYS + "? [a, b]\n: 1\n", [("PLAN008", 2, 3)]),
    "mapping key": (SYS + "? {a: b}\n: 1\n", [("PLAN008", 2, 3)]),
    "merge key": ("system:\n  <<: {name: s}\n", [("PLAN008", 2, 3)]),
    "tag": ("system: {name: !!python/name:os.system x}\n", [("PLAN009", 1, 16)]),
    "unknown alias": ("system: {name: *x}\n", [("PLAN010", 1, 16)]),
    "recursive alias": ("system: &s {name: *s}\n", [("PLAN010", 1, 19)]),
    "nan": (R + "  - {id: A, metric: tpr, at_least: .nan}\n", [("PLAN011", 4, 36)]),
    "infinity": (R + "  - {id: A, metric: tpr, at_least: -.inf}\n", [("PLAN011", 4, 36)]),
    "overflow": (R + "  - {id: A, metric: tpr, at_least: 1e999}\n", [("PLAN011", 4, 36)]),
    "huge integer": (SYS + "seed: " + "9" * 6000 + "\n", [("PLAN011", 2, 7)]),
    "unknown top key": (SYS + "requirement: []\n", [("PLAN012", 2, 1)]),
    "role outside roles": (SYS + "evaluations: {d: {data: x, label: y}}\n", [("PLAN012", 2, 28)]),
    "unknown key in bins": (
        SYS + "evaluations: {d: {data: x, slices: [{a: {colunm: c, edges: [1]}}]}}\n",
        [("PLAN013", 2, 41), ("PLAN012", 2, 42)],
    ),
    "no system": (EV, [("PLAN013", 1, 1)]),
    "no name": ("system: {owner: o}\n", [("PLAN013", 1, 9)]),
    "system is a list": ("system: []\n", [("PLAN014", 1, 9)]),
    "name is a number": ("system: {name: 5}\n", [("PLAN014", 1, 16)]),
    "bound is text": (R + "  - {id: A, metric: tpr, at_least: '0.8'}\n", [("PLAN014", 4, 36)]),
    "slices is text": (SYS + "evaluations: {d: {data: x, slices: sex}}\n", [("PLAN014", 2, 36)]),
    "slice is a number": (SYS + "evaluations: {d: {data: x, slices: [sex, 5]}}\n", [("PLAN014", 2, 42)]),
    "across is a mapping": (R + "  - {id: A, metric: tpr, across: {a: b}, at_least: 0}\n", [("PLAN014", 4, 34)]),
    "requirements is empty": (SYS + "requirements:\n", [("PLAN014", 2, 1)]),
    "trust is text": (SYS + "subjects: {a: {sklearn: m, trust: yes}}\n", [("PLAN014", 2, 35)]),
    "edges of text": (
        SYS + "evaluations: {d: {data: x, slices: [{a: {column: c, edges: [1, b]}}]}}\n",
        [("PLAN014", 2, 64)],
    ),
    "unknown severity": (R + "  - {id: A, metric: tpr, at_least: 0, severity: Blocker}\n", [("PLAN015", 4, 49)]),
    "confidence": (R + "  - {id: A, metric: tpr, at_least: 0, confidence: 95}\n", [("PLAN015", 4, 51)]),
    "odd id": (R + "  - {id: 'a b', metric: tpr, at_least: 0}\n", [("PLAN015", 4, 10)]),
    "within one": (R + "  - {id: A, metric: tpr, within: [0]}\n", [("PLAN015", 4, 34)]),
    "no bound": (R + "  - {id: A, metric: tpr}\n", [("PLAN016", 4, 5)]),
    "two bounds": (R + "  - {id: A, metric: tpr, at_least: 0, at_most: 1}\n", [("PLAN016", 4, 5)]),
    "within reversed": (R + "  - {id: A, metric: tpr, within: [1, 0]}\n", [("PLAN016", 4, 34)]),
    "subject of two kinds": (SYS + "subjects: {a: {python: 'a:b', onnx: m}}\n", [("PLAN016", 2, 15)]),
    "edges descend": (
        SYS + "evaluations: {d: {data: x, slices: [{a: {column: c, edges: [2, 1]}}]}}\n",
        [("PLAN016", 2, 41)],
    ),
    "unknown evaluation": (R + "  - {id: A, evaluation: e, metric: tpr, at_least: 0}\n", [("PLAN020", 4, 25)]),
    "no evaluation": (SYS + "requirements:\n  - {id: A, metric: tpr, at_least: 0}\n", [("PLAN021", 3, 5)]),
    "unknown subject": (SYS + "evaluations: {d: {data: x, subject: s}}\n", [("PLAN022", 2, 37)]),
    "id twice": (
        R + "  - {id: A, metric: tpr, at_least: 0}\n  - {id: A, metric: fpr, at_least: 0}\n",
        [("PLAN023", 5, 10)],
    ),
    "reference": (R + "  - {id: A, metric: tpr, reference: f, at_least: 0}\n", [("PLAN024", 4, 37)]),
    "no baseline": (R + "  - {id: A, metric: tpr, compare: change, at_least: 0}\n", [("PLAN025", 4, 35)]),
    "ratio of nothing": (
        R + "  - {id: A, metric: tpr, across: sex, compare: ratio, reference: f, at_most: -1}\n",
        [("PLAN026", 4, 78)],
    ),
    "difference both ways": (
        R + "  - {id: A, metric: tpr, across: sex, compare: difference, within: [0.1, 0.2]}\n",
        [("PLAN026", 4, 68)],
    ),
    "baseline is nowhere": (SYS + "baseline: runs/none\n", [("PLAN028", 2, 11)]),
    "baseline with a null": (SYS + 'baseline: "a\\0b"\n', [("PLAN028", 2, 11)]),
    "baseline too long": (SYS + f"baseline: {'x' * 5000}\n", [("PLAN028", 2, 11)]),
    "unknown variant": (R + "  - {id: A, metric: tpr, variant: v, at_least: 0}\n", [("PLAN029", 4, 35)]),
    "control": (R + "  - {id: A, metric: tpr, at_least: 0, controls: [x@1:y, x]}\n", [("PLAN030", 4, 57)]),
    "unknown metric": (R + "  - {id: A, metric: tprr, at_least: 0}\n", [("PLAN050", 4, 21)]),
    "unknown pack": (SYS + "extends: [shipworthy/none]\n", [("PLAN040", 2, 11)]),
    "pack is a folder": (SYS + "extends: [.]\n", [("PLAN040", 2, 11)]),
    "pack with a null": (SYS + 'extends: ["a\\0"]\n', [("PLAN040", 2, 11)]),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_plan_gives_located_faults(name: str, tmp_path: Path) -> None:
    text, expected = MALFORMED[name]
    assert faults(tmp_path, text) == expected


def test_limits(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"PLAN002.*larger"):
        load(tmp_path, "#" * (MAX_BYTES + 1))
    assert faults(tmp_path, SYS + "x: " + "[" * 100_000)[0][0] == "PLAN002"
    assert faults(tmp_path, SYS + "x:\n" + "".join(" " * n + "- \n" for n in range(1, 200)))[0][0] == "PLAN002"
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert faults(tmp_path, laughs)[0][0] == "PLAN002"


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / ("x" * 5000), Path("a\0b")):
        with pytest.raises(PlanError, match="PLAN001"):
            load_plan(path)


def test_all_faults_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = dedent("""\
        system: {nam: s, version: 1}
        evaluations:
          d: {data: x, subject: none, metrics: [tpr, recal]}
          e: {slices: [3]}
        requirements:
          - {id: A, evaluation: d, metric: tpr, at_least: 0, severty: minor}
          - {id: B, evaluation: e, metric: tpr, at_least: 0}
          - {id: B, evaluation: f, metric: tpr, across: x, compare: ratio, at_least: 2}
          - {id: C, metric: tpr, at_least: 0}
          - {id: D, evaluation: g, metric: recal, at_least: 0, severity: high}
        """)
    assert faults(tmp_path, text) == [
        ("PLAN013", 1, 9),
        ("PLAN012", 1, 10),
        ("PLAN014", 1, 27),
        ("PLAN022", 3, 25),
        ("PLAN050", 3, 46),
        ("PLAN014", 4, 16),
        ("PLAN012", 6, 54),
        ("PLAN023", 8, 10),
        ("PLAN020", 8, 25),
        ("PLAN026", 8, 78),
        ("PLAN021", 9, 5),
        ("PLAN020", 10, 25),
        ("PLAN050", 10, 36),
        ("PLAN015", 10, 66),
    ]


def test_a_fault_does_not_breed_others(tmp_path: Path) -> None:
    text = dedent("""\
        system: {name: s}
        baseline: v
        evaluations:
          d: {data: 5, subjet: m, variants: {v: {prediction: p}, w: {score: s}}, metrics: [{python: "a:c"}]}
        requirements:
          - {id: A, metric: c, variant: w, compare: change, at_least: 0}
          - {id: B, metric: tpr, evaluation: d, across: sex, compare: ratoi, reference: f, at_least: 1.2}
          - {id: C, metric: tpr, across: 5, compare: ratio, at_least: 0.8}
        """)
    assert faults(tmp_path, text) == [("PLAN014", 4, 13), ("PLAN012", 4, 16), ("PLAN015", 7, 63), ("PLAN014", 8, 34)]


def test_places_hold_for_odd_folder_names(tmp_path: Path) -> None:
    folder = tmp_path / "my  plans:1:2"
    folder.mkdir()
    text = R + "  - {id: A, metric: tpr, at_least: 0}\n  - {id: A, metric: fpr, at_least: 0}\nx: 1\n"
    with pytest.raises(PlanError) as caught:
        load(folder, text)
    assert [fault.code for fault in caught.value.faults] == ["PLAN023", "PLAN012"]
    assert caught.value.faults[0].what.endswith(f"at {folder}/plan.yaml:4:10")


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("system: {name: s, verison: x}", 'did you mean "version"?'),
        (SYS + "evaluations: {d: {data: x, label: y}}", "under `roles`"),
        ("system: {name: s, version: 1.0}", 'put it in quotes: "1.0"'),
        (SYS + "evaluations: {d: {data: x, slices: sex}}", 'write a list: ["sex"]'),
        (R + "  - {id: A, metric: tpr, at_least: 0, severity: Blocker}", 'did you mean "blocker"?'),
        (R + "  - {id: A, evaluation: D, metric: tpr, at_least: 0}", 'did you mean "d"?'),
        (SYS + "extends: [shipworthy/high_risk]", 'did you mean "shipworthy/high-risk"?'),
    ],
)
def test_mend_names_the_way_out(text: str, mend: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        load(tmp_path, text)
    assert mend in caught.value.faults[0].mend


def test_baseline_may_be_a_folder_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "runs" / "2026-10").mkdir(parents=True)
    assert load(tmp_path, SYS + "baseline: runs/2026-10\n").plan.baseline == "runs/2026-10"


def test_legal_oddities_load(tmp_path: Path) -> None:
    text = SYS + dedent("""\
        evaluations:
          "日 本: x": {data: "SELECT 1", roles: {prediction: "a > 1; drop table x"}, slices: ["🙂", "no", no, null_]}
        requirements:
          - {id: A, metric: tpr, across: sex, compare: ratio, reference: f, at_least: 1.2}
          - {id: B, metric: tpr, across: sex, compare: difference, within: [-0.1, 0.1]}
        """).replace('"no", no', "no")
    loaded = load(tmp_path, "\ufeff" + text)
    assert loaded.plan.evaluations["日 本: x"].slices == ("🙂", "no", "null_")
    assert load(tmp_path, text.replace("\n", "\r\n")).digest == loaded.digest


@pytest.mark.parametrize(
    "text",
    ["s3://b/x.parquet", "https://h/x.csv", "gs://b/*.parquet", "/data/x.csv", "SELECT * FROM t", " select\n1",
     "with a as (select 1) from a", "(select 1)", "simplecache::s3://b/x", "FROM t select 1"],
)  # fmt: skip
def test_resolve_leaves_what_is_no_relative_path(text: str, tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).resolve(text) == text


@pytest.mark.parametrize(
    "text", ["data/loans.parquet", "../x.csv", "data/*.parquet", "selected.csv", "with.csv", "from.csv"]
)
def test_resolve_starts_at_the_plan(text: str, tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).resolve(text) == str(tmp_path / text)


CLUTTER = st.one_of(
    st.sampled_from(
        ["&a", "*a", "<<", "!!", "!", "!<tag:x>", "!!int a", "%YAML 1.3", "%TAG ! x", "%YAML 99999999999999.1"]
    ),
    st.sampled_from(["---", "...", "? ", ": ", "- ", "|", ">", "|9", "{", "[", "]", "}", "#", "@", "`", "~", '"', "'"]),
    st.sampled_from(["\t", "\n", "\r", "\x00", "\ufeff", "\u2028", "\ud800", "0x", "1e9999"]),
    st.sampled_from(['"\\xZZ"', '"\\U99999999"', '"\\U00110000"', '"\\ud800"', "\\U00110000"]),
)


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_any_bytes_give_faults_properties(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PlanError):
        load(tmp_path, content)


@settings(max_examples=600)
@given(st.lists(st.one_of(CLUTTER, st.text(max_size=4)), min_size=1, max_size=4), st.data())
def test_any_change_of_a_good_plan_loads_or_gives_faults_properties(
    tmp_path: Path, pieces: list[str], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    cut = data.draw(st.integers(0, 12))
    found = outcome(tmp_path, GOOD[:at] + "".join(pieces) + GOOD[at + cut :])
    assert found is None or (found and all(fault.code.startswith("PLAN") and fault.where for fault in found))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def test_a_text_that_was_read_lately_is_told_of_by_the_name_of_its_own_file() -> None:
    from shipworthy.plan.tree import parse

    plan, copy = (parse(GOOD, name) for name in ("plan.yaml", "copy.yaml"))
    assert plan.root is copy.root
    assert (plan.where(("system",)), copy.where(("system",))) == ("plan.yaml:1:9  system", "copy.yaml:1:9  system")
    for name in ("plan.yaml", "copy.yaml"):
        with pytest.raises(PlanError) as caught:
            parse("a: 1\na: 2\n", name)
        assert [fault.where for fault in caught.value.faults] == [f"{name}:2:1  a"]


@settings(max_examples=400)
@given(st.data())
def test_any_value_at_any_place_loads_or_gives_located_faults_properties(tmp_path: Path, data: st.DataObject) -> None:
    import json

    from shipworthy.plan.tree import parse

    plan = parse(GOOD, "x").root.plain()
    here: object = plan
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))  # type: ignore[call-overload]
        key = data.draw(st.sampled_from(keys))
        inner = here[key]  # type: ignore[index]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            here[key] = data.draw(JSON)  # type: ignore[index]
            break
        here = inner
    text = json.dumps(plan, ensure_ascii=False)
    found = outcome(tmp_path, text)
    assert found is None or all(fault.where.startswith(f"{tmp_path / 'plan.yaml'}:1:") for fault in found)


def test_thousands_of_faults_are_all_told(tmp_path: Path) -> None:
    from shipworthy.api.checking import load as load_known

    head = "system: {name: s}\nevaluations:\n  d: {data: x.csv, roles: {label: y}}\nrequirements:\n"
    path = tmp_path / "many.yaml"
    path.write_text(head + "".join(f"  - {{id: R{i}, metric: m{i}, at_most: 1, sevrity: x}}\n" for i in range(1_000)))
    with pytest.raises(PlanError) as caught:
        load_known(path)
    assert len(caught.value.faults) == 2_000


OPENAI = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    "subject",
    [
        f"{{chat: 'http://h/v1?key={OPENAI}', model: m}}",
        "{http: 'http://h/x?api_key=hunter2hunter2'}",
        "{http: 'http://h/x?a=1&access_token=abc%20defgh'}",
        "{http: 'http://ana:hunter22@h/x'}",
        f"{{chat: 'http://h/v1', model: m, parameters: {{api_key: {OPENAI}}}}}",
        "{chat: 'http://h/v1', model: m, parameters: {extra_body: {client: {clientSecret: hunter22}}}}",
        f"{{chat: 'http://h/v1', model: m, headers: {{X-Custom: {OPENAI}}}}}",
        "{http: 'http://h', request: {q: '{prompt}', auth: {password: hunter22}}, response: {answer: a}}",
        "{http: 'http://h', request: {q: '{prompt}', key: a1b2c3d4e5f6a7b8}, response: {answer: a}}",
        f"{{http: 'http://h', request: ['{{prompt}}', {{x: 'Bearer {OPENAI}'}}], response: {{answer: a}}}}",
        f"{{http: 'http://h', request: '{{prompt}} {OPENAI}', response: {{answer: a}}}}",
    ],
)
def test_a_key_that_is_written_out_is_refused_wherever_it_stands(tmp_path, subject):
    faults = outcome(tmp_path, f"system: {{name: x}}\nsubjects:\n  bot: {subject}\n")
    assert [fault.code for fault in faults] == ["PLAN016"]
    assert "secret" in faults[0].what or "password" in faults[0].what
    assert "hunter" not in str(faults[0])
    assert OPENAI not in str(faults[0])


@pytest.mark.parametrize(
    "subject",
    [
        "{http: 'http://h/x?api-version=2024-02-01&key=name&model=gpt-4o-2024-08-06'}",
        "{http: 'http://h/x?api_key=${API_KEY}', request: {q: '{prompt}', token: '${API_KEY}'}, response: {answer: a}}",
        "{http: 'http://${USER}:${PASSWORD}@h/x'}",
        "{chat: 'http://h/v1', model: m, parameters: {api_key: EMPTY, max_tokens: 100, stop: ['<|endoftext|>']}}",
        "{chat: 'http://h/v1', model: m, parameters: {pad_token: '<pad>', keywords: [a], monkey: see-monkey-do-1234567}}",
        "{http: 'http://h', request: {filter: {key: region, sort_key: created_at}, password: '{session}', q: '{prompt}'},"
        " response: {answer: a}}",
    ],
)
def test_what_only_sounds_like_a_key_may_stand_in_a_plan(tmp_path, subject):
    assert outcome(tmp_path, f"system: {{name: x}}\nsubjects:\n  bot: {subject}\n") is None


@pytest.mark.parametrize(
    "subject",
    ["{chat: 'http://h/v1', model: m, key: ${K}}", "{http: h, headers: {Authorization: Bearer ${K}}}", "[a, ${K}]"],
)
def test_a_variable_in_braces_is_said_to_need_quotes(tmp_path, subject):
    (fault,) = outcome(tmp_path, f"system: {{name: x}}\nsubjects:\n  bot: {subject}\n")
    assert (fault.code, fault.mend) == ("PLAN004", 'put ${...} in quotes inside braces: "${NAME}"')


@pytest.mark.parametrize(("seed", "is_fine"), [(2**53 - 1, True), (2**53, False), (2**70, False)])
def test_a_seed_is_a_number_that_every_reader_of_json_keeps(tmp_path: Path, seed: int, is_fine: bool) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(f"system: {{name: s}}\nseed: {seed}\n", encoding="utf-8")
    if is_fine:
        assert load_plan(path).plan.seed == seed
    else:
        with pytest.raises(PlanError):
            load_plan(path)
