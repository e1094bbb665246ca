import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.observations.fingerprints import fingerprint
from shipworthy.observations.sources import connect, open_frame

ROWS = st.lists(st.tuples(st.none() | st.text(max_size=5), st.none() | st.integers(-9, 9)), min_size=1, max_size=12)


def digest(rows, names=("a", "b"), cut=None):
    backend = connect()
    columns = list(zip(*rows, strict=True))
    table = pa.table({names[0]: pa.array(columns[0], pa.string()), names[1]: pa.array(columns[1], pa.int64())})
    if cut:
        table = pa.concat_tables([table.slice(cut), table.slice(0, cut)])
    return fingerprint(open_frame(table, backend=backend).table, backend)


@settings(max_examples=25)
@given(rows=ROWS, data=st.data())
def test_fingerprint_properties(rows, data):
    """Order and chunks of rows do not matter; a changed, lost or repeated row does, and so does a column's name."""
    base = digest(rows)
    assert base == digest(data.draw(st.permutations(rows)), cut=data.draw(st.integers(0, len(rows))))
    index = data.draw(st.integers(0, len(rows) - 1))
    text, number = rows[index]
    changed = [*rows[:index], ((text or "") + "!", number), *rows[index + 1 :]]
    assert digest(changed) != base
    assert digest([*rows, rows[index]]) != base
    assert digest(rows, names=("a", "c")) != base


def test_null_is_not_its_name():
    assert digest([("null", 1)]) != digest([(None, 1)])
    assert digest([("", 1)]) != digest([(None, 1)])


def test_swapped_values_between_rows_are_seen():
    assert digest([("x", 1), ("y", 2)]) != digest([("x", 2), ("y", 1)])
