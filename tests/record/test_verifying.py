"""Whatever is changed in the database behind the record's back, its verification says so."""

import contextlib
import json
import sqlite3
from datetime import timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from shipworthy.errors import Damaged, Unusable
from shipworthy.integrity import checkpoints
from shipworthy.integrity.keys import signing_key
from shipworthy.record import audit
from shipworthy.record.accounts import Accounts
from shipworthy.record.artifacts import Artifact
from shipworthy.record.labels import Label
from shipworthy.record.opening import writing
from shipworthy.record.runs import RunFacts
from shipworthy.record.schema import metadata
from shipworthy.record.store import Record

D = "sha256:" + "0" * 64
TABLE = pa.table({"evaluation": ["e"] * 3, "metric": ["m"] * 3, "compare": ["value"] * 3, "slice": ["{}"] * 3})


@pytest.fixture
def filled(record, ann, risk, now):
    """A record with something of everything."""
    return fill(record, ann, risk, now)


def fill(record, ann, risk, now):
    for i in range(3):
        record.write(ann, now, risk(title=f"T{i}"), risk("R-2", title=f"U{i}", owner="team"))
    run = RunFacts(digest=D, run="r", system="lending", version="1", plan_digest=D, created=now, decision="hold")
    verdicts = [{"requirement": f"F-{i}", "verdict": "met", "severity": "minor"} for i in range(3)]
    inputs = [{"evaluation": "e", "source": "a.csv", "digest": None, "rows": 3}]
    record.add_run(ann, now, run, verdicts, TABLE, inputs)
    label = Label(run=D, evaluation="e", case="1", scorer="s", label="full", rater=ann)
    record.add_labels(ann, now, [label, label])
    record.add_artifacts(ann, now, Artifact(digest=D, size=1, role="model", name="m"))
    record.forget(ann, now, "risk", "R-2", 1)
    record.write(ann, now + timedelta(days=1), risk(title="last"))
    record.erase(ann, now, record.person("cy@example.org", "Cy"))
    accounts = Accounts(record)
    account = accounts.create(ann, now, email="ann@example.org", name="Ann", password="hash", given=[("admin", "*")])
    token = {"name": "ci", "scopes": ["read", "run"], "system": "*", "ends": now + timedelta(days=9)}
    for digest in ("one", "two"):
        kept = accounts.add_token(ann, now, account.id, digest, **token)
    accounts.revoke(ann, now, kept.id)
    accounts.grant(ann, now, account.id, "lending", "viewer")
    accounts.begin(account.id, "session", now=now, ends=now + timedelta(hours=1))
    key = signing_key("log", bytes(32))
    record.checkpoint(lambda tree: checkpoints.to_text(checkpoints.sign("example.org/log", tree, key)), now)
    found = record.verify()
    assert (found.faults, found.objects, found.log.entries) == ((), 10, 17)
    return record


TAMPERING = {
    "a body": "UPDATE documents SET body = replace(body, 'T1', 'T9') WHERE version = 2 AND id = 'R-1'",
    "a body and its digest": f"UPDATE documents SET digest = '{D}' WHERE version = 2 AND id = 'R-1'",
    "a salt": f"UPDATE documents SET salt = '{'0' * 64}' WHERE version = 2 AND id = 'R-1'",
    "a version gone": "DELETE FROM documents WHERE version = 2 AND id = 'R-1'",
    "a body gone unsaid": "UPDATE documents SET body = NULL, salt = NULL WHERE version = 2 AND id = 'R-1'",
    "a version added": "INSERT INTO documents SELECT kind, id, 9, body, salt, digest, previous, at, actor, 99 "
    "FROM documents WHERE version = 4",
    "a document under another id": "UPDATE documents SET id = 'R-9' WHERE id = 'R-1'",
    "a head set back": "UPDATE heads SET version = 1 WHERE id = 'R-1'",
    "a head gone": "DELETE FROM heads WHERE id = 'R-1'",
    "a head's status": "UPDATE heads SET status = 'closed' WHERE id = 'R-1'",
    "a head's owner": "UPDATE heads SET owner = NULL WHERE id = 'R-2'",
    "a decision of a run": "UPDATE runs SET decision = 'ship'",
    "a run's body": "UPDATE runs SET body = replace(body, 'hold', 'ship'), decision = 'ship'",
    "a verdict": "UPDATE verdicts SET verdict = 'breached' WHERE position = 1",
    "a verdict's body": "UPDATE verdicts SET body = replace(body, 'minor', 'major'), severity = 'major' WHERE position = 1",
    "a verdict gone": "DELETE FROM verdicts WHERE position = 2",
    "an input": "UPDATE inputs SET rows = 4",
    "an estimate gone": "DELETE FROM estimates WHERE position = 0",
    "a label": "UPDATE labels SET label = 'none' WHERE position = 1",
    "a label gone": "DELETE FROM labels WHERE position = 1",
    "all labels gone": "DELETE FROM labels",
    "a label added": 'INSERT INTO labels SELECT 77, position, run, evaluation, "case", attack, trial, variant, response, '
    "scorer, label, why, rater FROM labels WHERE position = 0",
    "an artifact": "UPDATE artifacts SET size = 2",
    "an artifact gone": "DELETE FROM artifacts",
    "the first line gone": "DELETE FROM audit WHERE seq = 0",
    "a line gone": "DELETE FROM audit WHERE seq = 4",
    "the last line gone": "DELETE FROM audit WHERE seq = 16",
    "lines swapped": "UPDATE audit SET line = (SELECT line FROM audit AS other WHERE other.seq = 3) WHERE seq = 2",
    "a version forgotten that is there": "UPDATE documents SET body = '{}', salt = '00' WHERE id = 'R-2' AND version = 1",
    "a head of no document": "INSERT INTO heads (kind, id, version, digest, words, at) SELECT 'policy', id, version, "
    "digest, words, at FROM heads WHERE id = 'R-1'",
    "a person gone": "UPDATE people SET salt = NULL, email = NULL, name = NULL WHERE name = 'Ann'",
    "an erased person back": "UPDATE people SET email = 'cy@example.org', name = 'Cy' WHERE email IS NULL",
    "a role given": "INSERT INTO grants SELECT account, 'lending', 'approver' FROM accounts",
    "a role taken": "DELETE FROM grants WHERE role = 'viewer'",
    "an account enabled again": "UPDATE accounts SET status = 'disabled'",
    "a token added": "INSERT INTO tokens SELECT 'token-x', 'x', account, name, scopes, system, created, ends, used FROM tokens",
    "a token gone": "DELETE FROM tokens",
    "a checkpoint's tree": None,
    "a line of the log": None,
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found(filled, what):
    with writing(filled._engine) as connection:
        if TAMPERING[what]:
            assert connection.execute(sa.text(TAMPERING[what])).rowcount > 0
        elif what == "a checkpoint's tree":
            connection.execute(sa.update(metadata.tables["checkpoints"]).values(tree=bytes(64)))
        else:
            line = connection.execute(sa.text("SELECT line FROM audit WHERE seq = 4")).scalar()
            changed = bytes(line).replace(b"risk.update", b"risk.accept")
            connection.execute(sa.text("UPDATE audit SET line = :line WHERE seq = 4"), {"line": changed})
    found = filled.verify()
    assert found.faults
    assert {fault.code for fault in found.faults} <= {"RECORD020", "LOG001", "LOG002", "LOG003"}
    assert all(fault.mend and fault.where for fault in found.faults)


def test_what_estimates_say_is_proven_by_the_run_folder_alone(filled):
    """Said in docs/record.md: their numbers are an index of a file whose digest is in the log."""
    with writing(filled._engine) as connection:
        connection.execute(sa.text("UPDATE estimates SET value = 1 WHERE position = 1"))
    assert filled.verify().faults == ()
    assert json.loads(list(filled.log())[6])["object"] == f"run/{D}"


# What no line of the log proves, as docs/record.md says; everything else does.
UNPROVEN = {
    "runs": {"place"},
    "series": {"series"},  # the rest by its own key alone, which no line tells of
    "estimates": {"position", "series", "value", "low", "high", "n", "effective_n", "reason"},
    "checkpoints": {"at"},
    "accounts": {"password", "login"},
    "sessions": {"digest", "account", "created", "seen", "ends"},
    "tokens": {"digest", "name", "used"},
}  # fmt: skip
COLUMNS = [(table.name, column.name) for table in metadata.sorted_tables for column in table.c]


@pytest.fixture(scope="module")
def kept(tmp_path_factory, now, risk):
    """The file of a record with something of everything."""
    place = tmp_path_factory.mktemp("kept") / "record.db"
    with Record.open(place) as record:
        fill(record, record.person("ann@example.org", "Ann"), risk, now)
    return place


def changed(kept, folder, statement, *values):
    """A copy of a record in which somebody has changed something without it."""
    copied = folder / "record.db"
    with contextlib.closing(sqlite3.connect(kept)) as raw, contextlib.closing(sqlite3.connect(copied)) as copy:
        raw.backup(copy)
        assert copy.execute(statement, values).rowcount > 0
        copy.commit()
    return copied


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=map(".".join, COLUMNS))
def test_every_column_is_proven_or_named(kept, tmp_path, table, column):
    """One cell of it is changed: the verification says so, unless docs/record.md says that it cannot."""
    row = f'rowid = (SELECT max(rowid) FROM "{table}")'
    if not metadata.tables[table].dialect_options["sqlite"]["with_rowid"]:
        keys = [
            f'"{key.name}" = (SELECT max("{key.name}") FROM "{table}")' for key in metadata.tables[table].primary_key
        ]
        row = keys[0] if table == "grants" else " AND ".join(keys)
    other = "'x'" if isinstance(metadata.tables[table].c[column].type, sa.Text) else 9
    place = changed(
        kept, tmp_path,
        f"""UPDATE "{table}" SET "{column}" = CASE typeof("{column}") WHEN 'integer' THEN "{column}" + 1000
        WHEN 'real' THEN 9.0 WHEN 'blob' THEN x'00' WHEN 'null' THEN {other} ELSE "{column}" || 'x' END WHERE {row}""",
    )  # fmt: skip
    with Record.open(place) as record:
        found = record.verify()
    assert bool(found.faults) == (column not in UNPROVEN.get(table, ())), found.faults


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=map(".".join, COLUMNS))
@pytest.mark.parametrize("value", [b"\xff\xfe", 10**12, "[]", ""], ids=repr)
def test_whatever_a_cell_holds_is_told_and_not_tripped_over(kept, tmp_path, table, column, value):
    text = isinstance(value, bytes) and column not in ("line", "note", "tree")
    cell = "CAST(? AS TEXT)" if text else "?"
    try:
        place = changed(kept, tmp_path, f'UPDATE OR IGNORE "{table}" SET "{column}" = {cell}', value)
    except (AssertionError, sqlite3.IntegrityError):
        pytest.skip("the database itself refuses it")
    try:
        with Record.open(place) as record:
            told = record.verify().faults
    except Unusable as error:
        told = error.faults
    assert all(fault.code and fault.where and fault.mend for fault in told)
    assert told or column in UNPROVEN.get(table, ()) or value == ""


def test_a_changed_document_is_named_and_the_listing_says_where_it_is(kept, tmp_path):
    statement = "UPDATE documents SET body = replace(body, 'open', 'ajar') WHERE id = 'R-1' AND version = 4"
    with Record.open(changed(kept, tmp_path, statement)) as record:
        assert {fault.where for fault in record.verify().faults} == {"risk/R-1"}
        with pytest.raises(Unusable) as caught:
            record.find("risk")
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == ("RECORD009", "risk/R-1")
    assert "shipworthy record verify" in fault.mend


SWAP = "UPDATE people SET email = CASE email WHEN 'ann@example.org' THEN 'bo@example.org' ELSE 'ann@example.org' END"


def test_people_who_were_exchanged_can_neither_act_nor_be_shown_as_the_other(tmp_path, now, risk):
    place = tmp_path / "first.db"
    with Record.open(place) as record:
        ann, bo = record.person("ann@example.org", "Ann"), record.person("bo@example.org", "Bo")
        record.write(ann, now, risk())
        record.write(bo, now, risk("R-2"))
        assert record.verify().faults == ()
    with Record.open(changed(place, tmp_path, SWAP)) as record:
        assert {fault.where for fault in record.verify().faults} == {ann, bo}
        assert {one.email for one in record.people().values()} == {None}
        for act in (lambda: record.person("ann@example.org", "Ann"), lambda: record.write(bo, now, risk("R-3"))):
            with pytest.raises(Unusable) as caught:
                act()
            assert [fault.code for fault in caught.value.faults] == ["RECORD022"]


def test_a_second_commitment_for_one_address_is_found_and_cannot_act(tmp_path, now):
    place = tmp_path / "first.db"
    with Record.open(place) as record:
        record.person("ann@example.org", "Ann")
    salt = "00" * 32
    second = audit.commitment(salt, "ANN@example.org", "Ann")
    place = changed(place, tmp_path, "INSERT INTO people VALUES (?, ?, 'ANN@example.org', 'Ann')", second, salt)
    with Record.open(place) as record:
        assert len(record.verify().faults) == 1
        with pytest.raises(Unusable) as caught:
            record.person("ann@example.org", "Ann")
    assert [fault.code for fault in caught.value.faults] == ["RECORD022"]


READ_AS_WRITTEN = {
    "a rating that is another document": "UPDATE documents SET body = replace(body, '\"last\"', '\"best\"') WHERE version = 4",
    "an actor": "UPDATE documents SET actor = 'tool:x' WHERE version = 4",
    "a time": "UPDATE documents SET at = '2020-01-01T00:00:00.000000Z' WHERE version = 4",
    "a salt": f"UPDATE documents SET salt = '{'0' * 64}' WHERE version = 4",
    "body, salt and digest": "UPDATE documents SET (body, salt, digest) = (SELECT body, salt, digest FROM documents WHERE "
    "id = 'R-1' AND version = 2) WHERE id = 'R-1' AND version = 4",
    "a line that is none": "UPDATE audit SET line = x'00' WHERE seq = (SELECT seq FROM documents WHERE version = 4)",
}


@pytest.mark.parametrize("statement", READ_AS_WRITTEN.values(), ids=READ_AS_WRITTEN)
def test_a_document_is_believed_only_as_the_log_tells_of_it(kept, tmp_path, statement):
    with Record.open(changed(kept, tmp_path, statement)) as record:
        for ask in (
            lambda: record.get("risk", "R-1"),
            lambda: record.history("risk", "R-1"),
            lambda: record.find("risk"),
        ):
            with pytest.raises(Damaged, match="RECORD020") as caught:
                ask()
            assert caught.value.faults[0].where == "risk/R-1"
        told = record.find("risk", damaged=True)
        assert [one.fault is not None for one in told] == [True, False]
        assert told[0].document is None


OF_A_RUN = {
    "a decision": "UPDATE runs SET decision = 'ship'",
    "a decision and its body": """UPDATE runs SET decision = 'ship', body = replace(body, '"hold"', '"ship"')""",
    "a salt": "UPDATE audit SET salt = '00' WHERE object LIKE 'run/%'",
}
OF_VERDICTS = {
    "a verdict": "UPDATE verdicts SET verdict = 'breached' WHERE position = 1",
    "a verdict and its body": """UPDATE verdicts SET verdict = 'x', body = replace(body, '"met"', '"x"')""",
    "one verdict less": "DELETE FROM verdicts WHERE position = 1",
    "no JSON": "UPDATE verdicts SET body = 'zz' WHERE position = 1",
}


@pytest.mark.parametrize("statement", OF_A_RUN.values(), ids=OF_A_RUN)
def test_a_run_is_believed_only_as_the_log_tells_of_it(kept, tmp_path, statement):
    with Record.open(changed(kept, tmp_path, statement)) as record, pytest.raises(Damaged, match="RECORD020"):
        record.runs()


@pytest.mark.parametrize("statement", OF_VERDICTS.values(), ids=OF_VERDICTS)
def test_verdicts_are_believed_only_as_their_run_tells_of_them(kept, tmp_path, statement):
    with Record.open(changed(kept, tmp_path, statement)) as record:
        assert record.runs()
        for ask in (lambda: record.verdicts_of(D), lambda: record.verdicts(run=D)):
            with pytest.raises(Damaged, match="RECORD020"):
                ask()


STRANGERS = {
    "trigger": "CREATE TRIGGER late AFTER INSERT ON heads BEGIN UPDATE heads SET status = 'closed'; END",
    "view": "CREATE VIEW late AS SELECT * FROM heads",
    "table": "CREATE TABLE late (x)",
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_no_record_makes_is_told(kept, tmp_path, kind):
    place = tmp_path / "record.db"
    place.write_bytes(kept.read_bytes())
    with contextlib.closing(sqlite3.connect(place)) as raw:
        raw.execute(STRANGERS[kind])
        raw.commit()
    with Record.open(place) as record:
        (fault,) = record.verify().faults
    assert (fault.code, fault.where) == ("RECORD020", f"{kind} late")


def test_a_trigger_in_a_server_is_told(filled):
    if filled._engine.dialect.name != "postgresql":
        pytest.skip("of PostgreSQL")
    with writing(filled._engine) as connection:
        connection.exec_driver_sql("CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        connection.exec_driver_sql("CREATE TRIGGER late BEFORE INSERT ON heads FOR EACH ROW EXECUTE FUNCTION late()")
    assert [fault.where for fault in filled.verify().faults] == ["trigger late"]


def test_a_salt_has_one_spelling(kept, tmp_path):
    statement = "UPDATE people SET salt = salt || ' ' WHERE salt IS NOT NULL"
    with Record.open(changed(kept, tmp_path, statement)) as record:
        assert [fault.code for fault in record.verify().faults] == ["RECORD020"]


def test_estimates_that_cannot_be_read_are_told(kept, tmp_path):
    with Record.open(changed(kept, tmp_path, "UPDATE estimates SET low = x'00' WHERE position = 1")) as record:
        assert [fault.where for fault in record.verify().faults] == ["table estimates"]
        with pytest.raises(Damaged, match="RECORD009"):
            record.estimates()


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=map(".".join, COLUMNS))
def test_no_column_of_another_type_is_tripped_over(kept, tmp_path, table, column):
    """Whatever a cell holds, whoever reads it gets an answer, or is told of it."""
    for value in (b"\xff\x00", "zz", "[]", 3.5):
        try:
            place = changed(kept, tmp_path, f'UPDATE OR IGNORE "{table}" SET "{column}" = ?', value)
        except (AssertionError, sqlite3.IntegrityError):
            continue
        with contextlib.suppress(Unusable), Record.open(place) as record:
            for ask in (
                lambda r: r.find("risk", damaged=True), lambda r: r.history("risk", "R-1"), lambda r: r.runs(),
                lambda r: r.verdicts(), lambda r: r.verdicts_of(D), lambda r: r.histories("lending", longest=9),
                lambda r: r.estimates(), lambda r: r.labels(), lambda r: r.artifacts(), lambda r: list(r.log()),
                lambda r: r.people(), lambda r: r.checkpoints(), lambda r: r.kinds(), lambda r: r.states("risk"),
                lambda r: r.tally("risk"), lambda r: r.begun("risk", "lending"), lambda r: r.search("T1"),
                lambda r: r.lines(about="risk/R-1", below=99, farthest=99), lambda r: Accounts(r).all(),
                lambda r: Accounts(r).tokens(), lambda r: r.verify(), lambda r: r.touched(0),
            ):  # fmt: skip
                with contextlib.suppress(Unusable):
                    ask(record)
