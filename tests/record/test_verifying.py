"""Whatever is changed in the database behind the record's back, its verification says so."""

import json
from datetime import timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from shipworthy.record.artifacts import Artifact
from shipworthy.record.labels import Label
from shipworthy.record.opening import writing
from shipworthy.record.runs import RunFacts

D = "sha256:" + "0" * 64
TABLE = pa.table({"evaluation": ["e"] * 3, "metric": ["m"] * 3, "compare": ["value"] * 3, "slice": ["{}"] * 3})


@pytest.fixture
def filled(record, ann, risk, now):
    """A record with something of everything."""
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
    found = record.verify()
    assert (found.faults, found.objects, found.log.entries) == ((), 10, 11)
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
    "the last line gone": "DELETE FROM audit WHERE seq = 10",
    "lines swapped": "UPDATE audit SET line = (SELECT line FROM audit AS other WHERE other.seq = 3) WHERE seq = 2",
    "a line of the log": None,
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found(filled, what):
    with writing(filled._engine) as connection:
        if TAMPERING[what]:
            assert connection.execute(sa.text(TAMPERING[what])).rowcount > 0
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
