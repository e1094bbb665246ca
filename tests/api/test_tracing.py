"""From a plan and a record to the map, with the command line."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.api import mitigations, risks, tracing
from shipworthy.api.recording import actor_of, open_record
from shipworthy.cli import main
from shipworthy.errors import Unusable
from shipworthy.record.documents import Decision

sys.path.insert(0, str(Path(__file__).parent))
from governed import ADA, NOW, register, run, traced, verdict

PLAN = """system: {name: assistant, version: "1", tier: minimal}
evaluations: {decisions: {data: d.csv, roles: {label: y, prediction: p}}}
requirements: [{id: LEAK, metric: accuracy, at_least: 0.9}, {id: ACC, metric: recall, at_least: 0.9}]
"""


@pytest.fixture
def place(tmp_path):
    with open_record(tmp_path / "record.db") as record:
        ada = actor_of(record, ADA)
        register(record, ada, tier="minimal", requirements=("LEAK", "ACC"))
        run(record, ada, "one", [verdict()])
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "d.csv").write_text("y,p\n1,1\n")
    return tmp_path / "record.db"


def test_a_system_is_traced_from_breach_to_verified(place, tmp_path):
    with open_record(place) as record:

        def gaps():
            found = traced(record, "assistant", tmp_path, NOW)
            return [(one.code, one.where) for one in found.gaps if one.code != "TRACE009"]

        assert gaps() == [("TRACE003", "LEAK"), ("TRACE002", "ACC")]  # the run did not judge ACC
        given = {"title": "t", "cause": "c", "harm": "h", "likelihood": 3, "severity": 3, "actor": ADA, "now": NOW}
        risks.add(record, system="assistant", requirements=["LEAK"], owner="team", **given)
        risks.treat(record, "R-1", "mitigate", actor=ADA, now=NOW)
        assert gaps() == [("TRACE006", "R-1"), ("TRACE002", "ACC")]
        mitigations.add(record, system=None, title="t", what="w", risks=["R-1"], actor=ADA, now=NOW)
        assert gaps() == [("TRACE007", "M-1"), ("TRACE002", "ACC")]
        run(record, actor_of(record, ADA), "two", [verdict(said="met"), verdict("ACC", said="met")], days=1)
        mitigations.verify(record, "M-1", "two", actor=ADA, now=NOW + timedelta(1))
        assert gaps() == []
        with pytest.raises(Unusable):
            traced(record, "nobody", tmp_path, NOW)


def test_a_mitigation_is_credited_to_the_requirements_that_it_names_alone(place, tmp_path):
    with open_record(place) as record:
        run(record, actor_of(record, ADA), "two", [verdict(), verdict("ACC")], days=1)
        given = {"title": "t", "cause": "c", "harm": "h", "likelihood": 3, "severity": 3, "actor": ADA, "now": NOW}
        risks.add(record, system="assistant", requirements=["LEAK", "ACC"], owner="team", **given)
        said = {"system": None, "title": "t", "what": "w", "risks": ["R-1"], "actor": ADA, "now": NOW}
        mitigations.add(record, requirements=["LEAK"], **said)
        mitigations.add(record, **said)

        def on(name):
            return [one.text for one in traced(record, "assistant", tmp_path, NOW).on(name, "mitigation")]

        assert on("LEAK") == ["M-1", "M-2"]
        assert on("ACC") == ["M-2"]


def test_a_plan_is_traced_for_its_own_version(place, tmp_path):
    with open_record(place) as record:
        found = tracing.trace_plan(record, tmp_path / "plan.yaml", base=tmp_path, now=NOW)
        assert [(one.code, one.where) for one in found.gaps][:2] == [("TRACE003", "LEAK"), ("TRACE002", "ACC")]
        (tmp_path / "plan.yaml").write_text(PLAN.replace('version: "1"', 'version: "2"'))
        found = tracing.trace_plan(record, tmp_path / "plan.yaml", base=tmp_path, now=NOW)
        assert [one.code for one in found.gaps][:2] == ["TRACE002", "TRACE002"]


def test_a_system_is_traced_by_its_newest_run_and_the_decision_on_another_is_told(place, tmp_path):
    with open_record(place) as record:
        ada = actor_of(record, ADA)
        first = record.runs(run="one")[0].facts
        decided = Decision(
            id="one", system="assistant", version="1", outcome="hold", automated="hold", plan=first.plan_digest,
            runs=(first.digest,),
        )  # fmt: skip
        record.write(ada, NOW, decided)
        assert tracing.decided_elsewhere(record, traced(record, "assistant", tmp_path, NOW)) is None
        newest = run(record, ada, "two", [verdict(said="met")], version="2", days=1)
        found = traced(record, "assistant", tmp_path, NOW)
        assert (found.facts.run, found.facts.version) == (newest, "2")
        assert tracing.decided_elsewhere(record, found).facts.run == "one"
        assert tracing.decided_elsewhere(record, found, version="2") is None
    done = CliRunner(env={"SHIPWORTHY_RECORD": str(place)}).invoke(main, ["trace", "assistant"])
    assert "assistant 2  tier minimal, by run two" in done.output
    assert "rests on another one: run one of version 1" in done.output


def test_the_command_exits_with_1_while_something_is_missing(place, tmp_path):
    def call(*words):
        return CliRunner(env={"SHIPWORTHY_RECORD": str(place)}).invoke(main, ["trace", *words])

    done = call("assistant", "--svg", str(tmp_path / "map.svg"))
    assert done.exit_code == 1
    assert "LEAK (blocker) → decisions → run one → breached → ✗ no risk, no waiver" in done.output
    assert (tmp_path / "map.svg").read_text().startswith("<svg")
    assert "→" not in call("assistant", "--gaps").output
    body = json.loads(call("assistant", "--json").output)
    assert body["schema"] == "shipworthy/trace-graph@1"
    assert body["gaps"][0]["code"] == "TRACE003"
    assert call("nobody").exit_code == 2
    assert call(str(tmp_path / "plan.yaml")).exit_code == 1
    assert call().exit_code == 1  # the one system that there is
