from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from shipworthy.charts.axis import axis

VALUES = st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9), st.just(math.inf), st.just(math.nan)), max_size=20)


def test_axis_against_reference():
    it = axis([0.12, 0.47], floor=0.0, ceiling=1.0, include=(0.0,))
    assert (it.low, it.high) == (0.0, 0.5)
    assert it.ticks == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert it.at(0.25) == 50
    assert axis([]).low < axis([]).high


@given(VALUES)
def test_axis_properties(values):
    it = axis(values)
    assert it.low < it.high
    assert 1 <= len(it.ticks) <= 14
    assert list(it.ticks) == sorted(it.ticks)
    finite = [v for v in values if v is not None and math.isfinite(v)]
    slack = 1e-6 * max([abs(v) for v in finite], default=1.0) + 1e-6
    assert all(it.low - slack <= v <= it.high + slack for v in finite)
    assert all(0 <= it.at(v) <= 100 for v in finite)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_axis_never_leaves_the_scale_properties(values):
    it = axis([min(1.0, max(0.0, v)) for v in values], floor=0.0, ceiling=1.0)
    assert it.low >= 0.0
    assert it.high <= 1.0
