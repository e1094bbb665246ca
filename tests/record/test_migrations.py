"""Every migration, up and down, on data, in both databases."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shipworthy.record import migrations
from shipworthy.record.documents import Rating, System
from shipworthy.record.opening import writing
from shipworthy.record.schema import VERSION, VERSION_TABLE, audit, heads, metadata
from shipworthy.record.store import Record

KNOWN = [step.revision for step in ScriptDirectory(str(migrations.__path__[0])).walk_revisions("base", "heads")][::-1]


def differences(connection):
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
    return compare_metadata(context, metadata)


def test_the_newest_migration_is_the_version_of_the_tables():
    assert KNOWN[-1] == VERSION
    assert sorted(KNOWN) == KNOWN


def test_migrations_make_the_tables_of_the_schema(record):
    with record._engine.connect() as connection:
        assert differences(connection) == []


def test_every_migration_runs_up_and_down_on_data(place, risk, now):
    with Record.open(place) as record:
        ann = record.person("ann@example.org", "Ann")
        record.write(ann, now, risk(), risk(title="B"))
        record.add_labels(ann, now, [])
        for goal in (*KNOWN[-2::-1], "base"):
            with writing(record._engine) as connection:
                migrations.downgrade(connection, goal)
        assert set(sa.inspect(record._engine).get_table_names()) == {VERSION_TABLE}
        for goal in KNOWN:
            with writing(record._engine) as connection:
                migrations.upgrade(connection, goal)
        with record._engine.connect() as connection:
            assert differences(connection) == []
    with Record.open(place) as record:
        ann = record.person("ann@example.org", "Ann")
        record.write(ann, now, risk())
        assert record.verify().faults == ()


def test_scores_are_filled_in_from_risks_that_were_written_before_there_were_any(place, risk, now):
    worst, best = Rating(likelihood=5, severity=4, basis="judged"), Rating(likelihood=1, severity=1, basis="judged")
    with Record.open(place) as record:
        ann = record.person("ann@example.org", "Ann")
        record.write(ann, now, risk("mended", inherent=worst, residual=best), risk("open", inherent=worst))
        record.write(ann, now, System(id="lending", tier="high"))
        for move, goal in ((migrations.downgrade, "0003"), (migrations.upgrade, "0004")):
            with writing(record._engine) as connection:
                move(connection, goal)
        with record._engine.connect() as connection:
            scores = {row.id: row.score for row in connection.execute(sa.select(heads))}
        assert scores == {"mended": 1, "open": 20, "lending": None}
        assert [one.id for one in record.find("risk", order="worst")] == ["open", "mended"]
        with writing(record._engine) as connection:
            migrations.upgrade(connection, VERSION)
        assert record.verify().faults == ()


def test_actions_are_filled_in_from_the_lines_of_the_log(place, risk, now):
    with Record.open(place) as record:
        ann = record.person("ann@example.org", "Ann")
        record.write(ann, now, risk("R-1"), risk("R-2"))
        record.write(ann, now, risk("R-1", title="another"))
        before = record.lines(action="risk.", below=99, farthest=99)
        for move, goal in ((migrations.downgrade, "0004"), (migrations.upgrade, "0005")):
            with writing(record._engine) as connection:
                move(connection, goal)
        with record._engine.connect() as connection:
            told = {row.seq: row.action for row in connection.execute(sa.select(audit))}
        assert sorted(told.values()) == ["risk.create", "risk.create", "risk.update"]
        assert record.lines(action="risk.", below=99, farthest=99) == before
        assert record.verify().faults == ()


def test_a_migration_that_fails_leaves_nothing(place, monkeypatch):
    real = migrations.upgrade

    def halting(connection, version):
        real(connection, version)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrations, "upgrade", halting)
    with pytest.raises(RuntimeError):
        Record.open(place)
    monkeypatch.undo()
    with Record.open(place) as record:
        assert record.size() == 0
