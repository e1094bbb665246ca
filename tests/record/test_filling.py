"""The benchmark's record is one that the store could have written: it verifies, and its pages have something to show."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

from shipworthy.record.store import Record

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.mark.slow
def test_a_filled_record_verifies(tmp_path):
    import filling

    with Record.open(tmp_path / "record.db") as record:
        filled = filling.fill(record, tmp_path, 4, date(2026, 11, 21))
        found = record.verify()
        assert found.faults == ()
        assert record.size() == filled.size == 4 * filling.EVENTS == found.log.entries
        assert len(filled.runs) == record.count_runs("system-0000") * 4 == 4 * filling.RUNS
        assert {record.count_estimates(one) for one in filled.runs[::37]} == {filling.ESTIMATES}
        # A row that the loader had got wrong would show: one changed byte does.
        with record._engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE documents SET body = replace(body, 'refused', 'REFUSED') WHERE id = 'R-1-7'"
            )
        assert [one.code for one in record.verify().faults] == ["RECORD020"] * 4  # it has four versions
