import math

import duckdb
import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import DataError
from shipworthy.observations.conditions import columns_in, refuse_broken, suggest, translate

ROWS = {
    "age": [17, 25, None, 64, 0, -3],
    "score": [0.5, None, float("nan"), 1.0, -2.25, 1e300],
    "region": ["north", "South", None, "", "a%b_c", "it's 🚢"],
    "member": [True, False, None, True, False, None],
    "odd \"name\" שלום": [1, 2, 3, 4, 5, 6],
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    connection = ibis.duckdb.connect()
    import pyarrow as pa

    connection.con.register("rows", pa.table(ROWS))
    return connection.table("rows")


def evaluate(table, text):
    backend = table.get_backend()
    return backend.to_pyarrow(table.select(answer=translate(text, table, where="here")))["answer"].to_pylist()


def duck(table, text):
    return [row[0] for row in table.get_backend().con.execute(f"SELECT ({text}) FROM rows").fetchall()]


SAME = [
    "age >= 18",
    "age < 25 and region = 'north'",
    "not (age = 25) or member",
    "age between 0 and 25",
    "age not between 0 and 25",
    "region in ('north', 'it''s 🚢')",
    "region not in ('north')",
    "age in (17, 64, 0.0)",
    "region is null",
    "region is not null and age is null",
    "member is true",
    "member is not true",
    "member is false",
    "member is not false",
    "member = true",
    "region like 'n%'",
    "region ilike 'S%'",
    "region not like '%o%'",
    "lower(region) = 'south'",
    "length(region) > 1",
    "coalesce(age, 18) >= 18",
    "case when age < 18 then 'young' when age is null then null else 'grown' end",
    "case when member then 1 else 0 end",
    "case region when 'north' then 1 else 2 end",
    "age + 1",
    "age / 2",
    "age % 2 = 1",
    "-age",
    "abs(age)",
    "round(score, 1)",
    "cast(age as double)",
    "cast(region as varchar)",
    "age::varchar",
    "age <> 25",
    "age != 25",
    "score > 0.5",
    "score = 1",
    "1 = 1",
    "null",
    "'text'",
    "3",
    "age is distinct from 25",
    "age is not distinct from null",
    '"odd ""name"" שלום" > 3',
    "age = null",
    "null and member",
    "not null",
    "age > -5",
]


@pytest.mark.parametrize("text", SAME)
def test_translation_against_reference(table, text):
    """The backend's own reading of the same text, row by row, missing values included."""
    ours, theirs = evaluate(table, text), duck(table, text)
    assert [_same(value) for value in ours] == [_same(value) for value in theirs]


def _same(value):
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return float(value) if isinstance(value, int | float) or hasattr(value, "as_tuple") else value


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "age >", "age = 1; drop table rows", "select 1", "(select max(age) from rows) > 1",
        "age in (select age from rows)", "exists (select 1)", "read_text('/etc/passwd') = ''", "getenv('HOME') = ''",
        "age > 1 -- and more\n; select 1", "count(*) > 1", "sum(age) > 1", "row_number() over () = 1", "rows.age > 1",
        "other.age > 1", "agee > 1", "cast(age as blob)", "age = ?", "age = $1", "age = :name", "* > 1", "[1, 2]",
        "{'a': 1}", "age -> 1", "lambda x: x", "region = 1 + 'a'", "region and member", "age like 'x'", "not region",
        "lower(age) = 'x'", "age between 'a' and 'b'", "((((", "1" * 5000, "(" * 3000 + "1" + ")" * 3000,
        "region like age", "coalesce(age, 'x') > 1", "case when age then 1 end", "cast('x' as double) > 1 and",
        "pragma version", "attach 'x'", "copy rows to 'x'", "'a", "\x00", "🚢", "age = 1 limit 1", "*", "age, score",
    ],
)  # fmt: skip
def test_translate_validates_input(table, text):
    with pytest.raises(DataError) as caught:
        translate(text, table, where="plan.yaml:3:5  roles.label")
    (fault,) = caught.value.faults
    assert fault.code in ("DATA002", "DATA003")
    assert fault.where
    assert fault.mend
    assert len(str(fault)) < 1500


def test_column_names_that_look_like_code(table):
    assert evaluate(table, 'odd "name" שלום') == [1, 2, 3, 4, 5, 6]


def test_a_name_with_dots_is_read_without_quotes():
    import pyarrow as pa

    connection = ibis.duckdb.connect()
    connection.con.register("rows", pa.table({"subject.prediction": ["approve", "no", None], "x": [1, 2, 3]}))
    table = connection.table("rows")
    assert evaluate(table, "subject.prediction = 'approve'") == [True, False, None]
    with pytest.raises(DataError, match=r"did you mean 'subject\.prediction'"):
        translate("subject.predictions = 'approve'", table, where="")
    with pytest.raises(DataError, match=r"there is no column 'subject\.x'"):
        translate("subject.x = 1", table, where="")


@pytest.mark.parametrize(
    "text",
    ["day < TIMESTAMP '2025-06-01'", "day < cast('2025-06-01' as timestamp)", "day < '2025-06-01 00:00'::timestamp"],
)
def test_times_are_compared_with_times(text):
    import pyarrow as pa

    days = pa.array(["2025-01-01T00:00:00", "2025-07-01T12:00:00", None]).cast(pa.timestamp("us"))
    connection = ibis.duckdb.connect()
    connection.con.register("rows", pa.table({"day": days}))
    assert evaluate(connection.table("rows"), text) == [True, False, None]


def test_columns_that_differ_in_case_are_told_by_the_names_they_have_here():
    import pyarrow as pa

    connection = ibis.duckdb.connect()
    connection.con.register("rows", pa.table({"p": [1], "P": [2]}))
    table = connection.table("rows")
    with pytest.raises(DataError, match="write 'P_1': names that differ only in case, such as 'p' and 'P'"):
        translate("P", table, where="")
    assert evaluate(table, "P_1") == [2]


def test_near_names_are_suggested(table):
    with pytest.raises(DataError, match="did you mean 'region'"):
        translate("regin = 'north'", table, where="")


VALUES = st.one_of(
    st.sampled_from(["age", "score", "region", "member", "null", "true", "false", "''", "'north'", "'%o%'", "0", "25"]),
    st.integers(-100, 100).map(str),
    st.floats(-50, 50, allow_nan=False).map(lambda value: f"{value:.3f}"),
)
BINARY = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "and", "or", "like", "ilike"]


def _combine(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(BINARY), inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("({} is {})".format, inner, st.sampled_from(["null", "not null", "true", "not true", "false"])),
        st.builds("({} {} ({}, {}))".format, inner, st.sampled_from(["in", "not in"]), inner, inner),
        st.builds("({} between {} and {})".format, inner, inner, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("(case when {} then {} else {} end)".format, inner, inner, inner),
        st.builds("{}({})".format, st.sampled_from(["lower", "upper", "length", "abs", "trim", "floor"]), inner),
        st.builds("cast({} as {})".format, inner, st.sampled_from(["double", "boolean", "bigint"])),
    )


EXPRESSIONS = st.recursive(VALUES, _combine, max_leaves=6)


@settings(max_examples=150)
@given(text=EXPRESSIONS)
def test_translation_properties(table, text):
    """Nothing but a DataError; and where the backend reads the same text too, the same answers."""
    try:
        expression = translate(text, table, where="")
    except DataError:
        return
    backend = table.get_backend()
    try:
        ours = backend.to_pyarrow(table.select(answer=expression))["answer"].to_pylist()
        theirs = duck(table, text)
    except (duckdb.Error, ibis.IbisError):
        return  # a value that does not convert while the query runs is told where the rows are read
    for mine, other in zip(ours, theirs, strict=True):
        assert (
            _same(mine) == pytest.approx(_same(other))
            if isinstance(_same(mine), float)
            else _same(mine) == _same(other)
        )


@settings(max_examples=300)
@given(text=st.text(max_size=60))
def test_any_text_properties(table, text):
    try:
        translate(text, table, where="")
    except DataError as error:
        assert all(fault.code in ("DATA002", "DATA003") for fault in error.faults)


@pytest.mark.parametrize("name", ["call", "comment", "show", "use", "Alter", "select", "date"])
@pytest.mark.parametrize("text", ["{} >= 2", "region = 'w' and {} >= 2", "cast({} as double) >= 2"])
def test_a_column_is_meant_where_sql_has_a_word_of_that_name(name, text):
    table = ibis.memtable({name: [1, 2], "region": ["w", "w"]})
    assert ibis.duckdb.connect().to_pyarrow(table.select(a=translate(text.format(name), table, where="")))[
        "a"
    ].to_pylist() == [False, True]
    assert name in columns_in(text.format(name), table.columns)


def test_what_does_not_parse_is_said_in_our_words(table):
    with pytest.raises(DataError) as error:
        translate("age >= 18 and nix call 3", table, where="")
    (fault,) = error.value.faults
    assert "sqlglot" not in str(fault)
    assert "Token" not in str(fault)
    assert "double quotes" in fault.mend


def test_a_broken_comparison_is_refused_before_there_are_columns():
    for text in ("age >= 18 and (", "p = 0 and nix call 2", "age = 1; drop table x"):
        with pytest.raises(DataError, match="DATA003"):
            refuse_broken(text, where="plan.yaml:3")
    for text in ("call >= 3", "Alter > 1 and use in (1, 2)", "cast(x as double) > 1", "is new?", "Stadt (Sitz)"):
        refuse_broken(text, where="plan.yaml:3")


def test_the_nearest_of_many_columns_are_shown():
    columns = [*(f"feature_{n}" for n in range(30)), "Wohnort (Stadt)"]
    assert "'Wohnort (Stadt)'" in suggest("Ort", columns)
