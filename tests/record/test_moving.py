"""From one database into another: what arrives is what left."""

import pyarrow as pa
import pytest
import sqlalchemy as sa

from shipworthy.errors import Unusable
from shipworthy.record.artifacts import Artifact
from shipworthy.record.labels import Label
from shipworthy.record.runs import RunFacts
from shipworthy.record.schema import metadata
from shipworthy.record.store import Record

D = "sha256:" + "0" * 64
TABLE = pa.table(
    {
        "evaluation": ["e"] * 3,
        "metric": ["m"] * 3,
        "compare": ["value"] * 3,
        "slice": ["{}"] * 3,
        "value": [0.1, None, 1e-300],
    }
)


def rows(record):
    with record._engine.connect() as connection:
        return {t.name: {tuple(row) for row in connection.execute(sa.select(t))} for t in metadata.sorted_tables}


def test_a_record_moves_whole(place, tmp_path, risk, now):
    with Record.open(tmp_path / "old.db") as old, Record.open(place) as new:
        ann = old.person("ann@example.org", "Ann ☂")
        old.write(ann, now, risk(), risk(title="🙂"))
        run = RunFacts(digest=D, run="r", system="s", version="1", plan_digest=D, created=now, decision="hold")
        old.add_run(ann, now, run, [{"requirement": "F", "verdict": "met", "severity": "minor"}], TABLE,
                    [{"evaluation": "e", "source": "a", "digest": None, "rows": 3}])  # fmt: skip
        old.add_labels(ann, now, [Label(run=D, evaluation="e", case="1", scorer="s", label="full", rater=ann)])
        old.add_artifacts(ann, now, Artifact(digest=D, size=1, role="model", name="m"))
        copied = old.copy_to(new)
        assert rows(new) == rows(old)
        assert copied == sum(map(len, rows(old).values())) > 15
        assert list(new.log()) == list(old.log())
        assert new.verify().faults == ()
        new.write(ann, now, risk(title="after"))
        with pytest.raises(Unusable, match="RECORD019"):
            old.copy_to(new)
        assert new.verify().faults == ()
