"""Fills a record with everything that has a page: real runs, and texts that mean harm."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipworthy.api.checking import check
from shipworthy.api.recording import open_record
from shipworthy.integrity import checkpoints, keys
from shipworthy.record.documents import (
    Action,
    Bindings,
    Decision,
    Incident,
    Mitigation,
    Rating,
    Risk,
    SignOff,
    System,
    Version,
    Waiver,
)
from shipworthy.record.runs import RunFacts
from shipworthy.record.store import Record

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
SCRIPT = "<script>document.title='owned'</script>"
HOSTILE = f"\"'><img src=x onerror=alert(1)>{SCRIPT}</title></style>{{{{7*7}}}} \u202egnp.exe"
NAMES = (  # of systems, each of which has a page
    f"evil {SCRIPT}", "../../etc/passwd", "..", ".", "a/b?c=d#e", "x.json", "100%~2F", "javascript:alert(1)", "лінія ☃ 线",
    "w" * 200, "tab\there",
)  # fmt: skip
DIGEST = "sha256:" + "ab" * 32
PLAN = """system:
  name: lending-decisions
  version: "{version}"
  tier: high
  owner: credit-risk
  purpose: Rank personal-loan applications for manual review by a person.
evaluations:
  decisions: {{data: d.parquet, roles: {{label: repaid, prediction: approved}}, slices: [sex, region]}}
requirements:
  - {{id: FAIR-1, text: Approvals are alike for women and men, metric: selection_rate, across: sex, compare: difference,
     at_most: 0.05, controls: ["nist-ai-rmf@1.0:MEASURE-2.11"]}}
  - {{id: ACC-1, text: At least eight in ten decisions are right, metric: accuracy, at_least: 0.8, controls: ["nist-ai-rmf@1.0:MEASURE-2.5"]}}
  - {{id: ACC-2, text: Decisions are right in every region, metric: accuracy, across: region, compare: value, at_least: 0.72}}
  - {{id: FAIR-2, metric: fpr, across: sex, compare: ratio, at_least: 0.8, severity: major, controls: ["x-acme@1:DATA-3"]}}
"""


def data(path: Path, *, gap: float, right: float, n: int, seed: int) -> None:
    """Decisions on applications, with a gap between women and men."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], n)
    good = rng.random(n) < 0.62
    hit = rng.random(n) < right
    approved = np.where(hit, good, ~good)
    lifted = (sex == "male") & (rng.random(n) < gap)
    columns = {
        "repaid": good.astype(int), "approved": (approved | lifted).astype(int), "sex": sex,
        "region": rng.choice(["north", "south", "coast", "islands"], n, p=[0.5, 0.3, 0.17, 0.03]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)


def fill(folder: Path) -> Path:
    """A project with runs and a filled record; where the record lies."""
    place = folder / ".shipworthy" / "record.db"
    story = (
        ("2026.06", 0.30, 0.78, 700),
        ("2026.08", 0.22, 0.84, 900),
        ("2026.10", 0.09, 0.87, 2400),
        ("2026.11", 0.08, 0.9, 3000),
    )
    for i, (version, gap, right, n) in enumerate(story):
        data(folder / "d.parquet", gap=gap, right=right, n=n, seed=i)
        (folder / "plan.yaml").write_text(PLAN.format(version=version))
        at = NOW - timedelta(days=150 - 45 * i)
        check(
            folder / "plan.yaml",
            now=at,
            out=folder / "runs" / version,
            record=place,
            actor="Ada Lovelace <ada@example.org>",
        )
    with open_record(place) as record:
        _people(record, folder)
        _harm(record)
    return place


def _people(record: Record, folder: Path) -> None:
    name = "lending-decisions"
    ada, bea = record.person("ada@example.org", "Ada Lovelace"), record.person("bea@example.org", "Bea Okafor")
    runs = record.runs(system=name)
    newest, first = runs[0].facts, runs[-1].facts
    released = Version(
        id=f"{name} 2026.10", system=name, version="2026.10", status="released", released=NOW - timedelta(days=50)
    )
    risk = Risk(
        id="R-1", system=name, title="Women are refused loans that men are granted",
        cause="Income history is shorter for women in the training data.",
        harm="Qualified applicants are denied credit because of their sex.", affected=("women who apply",),
        inherent=Rating(likelihood=4, severity=5, basis="judged"),
        residual=Rating(likelihood=3, severity=5, basis="measured", run=newest.digest), treatment="mitigate",
        owner=ada, due=TODAY - timedelta(days=6), requirements=("FAIR-1", "FAIR-2"), mitigations=("M-1",),
    )  # fmt: skip
    other = Risk(
        id="R-2", system=name, title="Few cases from the islands", cause="Three in a hundred applications.",
        harm="Errors there would not be noticed.", inherent=Rating(likelihood=2, severity=3, basis="judged"),
        owner="credit-risk", due=TODAY + timedelta(days=20),
    )  # fmt: skip
    mitigation = Mitigation(
        id="M-1", system=name, title="Separate thresholds by group", what="Thresholds that even out approvals.",
        risks=("R-1",), status="verified", verification=first.digest, owner=bea,
    )  # fmt: skip
    incident = Incident(
        id="I-1", system=name, title="Coastal applications were scored twice", severity="medium",
        detected=NOW - timedelta(days=70), closed=NOW - timedelta(days=60),
        actions=(Action(what="Refuse doubled ids"),),
    )  # fmt: skip
    record.write(ada, NOW - timedelta(days=40), released, risk, other, mitigation, incident)
    waiver = Waiver(
        id="W-1", system=name, tier="high", requirement="FAIR-1", reason="The new thresholds ship in December.",
        control="Every refusal of a woman is read by a person.", risk="R-1", requester=ada,
        starts=TODAY - timedelta(days=20), ends=TODAY + timedelta(days=12),
    )  # fmt: skip
    asked = waiver.model_copy(
        update={"id": "W-2", "requirement": "FAIR-2", "starts": TODAY, "ends": TODAY + timedelta(days=60)}
    )
    record.write(ada, NOW - timedelta(days=20), waiver, asked)
    record.write(bea, NOW - timedelta(days=19), waiver.model_copy(update={"status": "approved", "approvers": (bea,)}))
    decision = Decision(
        id=f"decision {newest.run}"[:200], system=name, version=newest.version, outcome=newest.decision,
        automated=newest.decision, plan=newest.plan_digest, runs=(newest.digest,),
    )  # fmt: skip
    record.write(ada, NOW, decision)
    kept = record.get("decision", decision.id)
    assert kept is not None
    from shipworthy.api.changes import content
    from shipworthy.api.standing import evidence_root

    bindings = Bindings(decision=content(decision), evidence=evidence_root(decision.runs), policy=newest.plan_digest)
    record.write(
        bea, NOW,
        SignOff(id="S-1", system=name, version=newest.version, role="product", signer=bea, verdict="approve with conditions",
                conditions=("Refusals are read by a person until the thresholds ship.",), due=TODAY + timedelta(days=30),
                statement="I have read the report.", bindings=bindings),
    )  # fmt: skip
    key = keys.signing_key("audit", bytes(32))
    record.checkpoint(lambda tree: checkpoints.to_text(checkpoints.sign("example.org/lending/audit", tree, key)), NOW)


def _harm(record: Record) -> None:
    tool = "tool:shipworthy/0.1.0"
    eve = record.person("eve@example.org", "Eve \"' onerror=alert(1) {{7*7}}")  # no name hides more
    for name in NAMES:
        record.write(eve, NOW, System(id=name, tier="limited", purpose=HOSTILE, owner=HOSTILE[:200]))
    evil = NAMES[0]
    rating = Rating(likelihood=1, severity=1, basis="judged", why=HOSTILE)
    risk = Risk(
        id="../R?#/" + SCRIPT, system=evil, title=HOSTILE, cause=HOSTILE, harm=HOSTILE, inherent=rating, owner=eve,
        affected=(HOSTILE[:200],), requirements=("../" + SCRIPT,), due=date(2026, 1, 1), mitigations=(SCRIPT,),
    )  # fmt: skip
    waiver = Waiver(
        id="W/" + SCRIPT, system=evil, tier="limited", requirement="../" + SCRIPT, reason=HOSTILE, control=HOSTILE,
        requester=eve, starts=TODAY, ends=TODAY,
    )  # fmt: skip
    incident = Incident(
        id="I?" + SCRIPT, system=evil, title=HOSTILE, what=HOSTILE, severity="low", detected=NOW - timedelta(days=2),
        cause=HOSTILE, owner=eve, harms=(HOSTILE[:200],), risks=("../R?#/" + SCRIPT,),
    )  # fmt: skip
    record.write(eve, NOW, risk, waiver, incident)
    estimate = {
        "evaluation": HOSTILE, "metric": HOSTILE, "compare": "value", "slice": {HOSTILE: HOSTILE}, "variant": HOSTILE,
        "value": 0.4, "low": 0.3, "high": None, "level": 0.95, "n": 10, "effective_n": 10, "method": HOSTILE, "reason": None,
    }  # fmt: skip
    verdicts = [
        {"requirement": "../" + SCRIPT, "verdict": SCRIPT, "severity": HOSTILE, "estimate": estimate, "why": HOSTILE,
         "bound": {"at_most": 0.2, HOSTILE: 1}, "controls": [HOSTILE], "needed": 3, "waiver": {"id": HOSTILE, "ends": HOSTILE}},
        {"requirement": "odd", "verdict": "undecided", "severity": "major", "estimate": {"value": "x"}, "bound": [], "controls": 3},
        {"requirement": "bare", "verdict": "breached", "severity": "major"},
    ]  # fmt: skip
    table = pa.table({name: pa.array([], pa.string()) for name in ("evaluation", "metric", "compare", "slice")})
    for i, place in enumerate(("../../../../etc", "file:///etc", "/etc", "../runs")):
        facts = RunFacts(
            digest="sha256:" + f"{i}e" * 32, run=HOSTILE + str(i), system=evil, version=HOSTILE, plan_digest=DIGEST,
            created=NOW - timedelta(days=i), decision=SCRIPT if i else "hold", place=place,
        )  # fmt: skip
        record.add_run(tool, NOW, facts, verdicts, table, [])
