"""Write a golden package with the code of today: `python tests/evidence/golden/write.py tests/evidence/golden/<month>.zip`.

What was written once stays as it is, and has to verify with every later version.
"""

import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from packable import ADA, ADAS, BOB, BOBS, NOW, TRUSTED

from shipworthy.api.changes import content
from shipworthy.api.checking import check
from shipworthy.api.packing import pack
from shipworthy.api.recording import run_digest
from shipworthy.api.standing import evidence_root, statement_of
from shipworthy.digest import canonical
from shipworthy.integrity import envelope
from shipworthy.record.documents import Bindings, Decision, Mitigation, Rating, Risk, SignOff, Waiver
from shipworthy.record.store import Record

PLAN = """\
system: {name: lending, version: "2026.11", purpose: Rank loan applications., tier: minimal, owner: risk@example.org}
evaluations:
  decisions: {data: loans.csv, roles: {label: repaid, prediction: approved, id: id}, slices: [sex]}
requirements:
  - {id: FAIR-1, text: Rates are alike., metric: selection_rate, across: sex, compare: difference, at_most: 0.05}
  - {id: ACC-1, metric: accuracy, at_least: 0.6, controls: ["nist-ai-rmf@1.0:MEASURE-2.5"]}
"""


def write(target: Path, where: Path) -> None:
    """A run that ships by a waiver, with sign-offs of two persons, packed for readers who may see everything."""
    rng = np.random.default_rng(3)
    rows = ["id,sex,repaid,approved"]
    for i in range(200):
        woman, repaid = rng.random() < 0.5, rng.random() < 0.7
        rows.append(f"{i},{'female' if woman else 'male'},{int(repaid)},{int(repaid and not (woman and i % 2))}")
    (where / "loans.csv").write_text("\n".join(rows) + "\n")
    (where / "plan.yaml").write_text(PLAN)
    place = where / "record.db"
    with Record.open(place) as record:
        ada, bob = record.person(ADA.email, ADA.name), record.person(BOB.email, BOB.name)
        waiver = Waiver(
            id="W-1", system="lending", tier="minimal", requirement="FAIR-1", reason="retraining",
            control="second look", requester=ada, approvers=(bob,), status="approved", starts=date(2026, 11, 1),
            ends=date(2026, 12, 1), risk="R-1",
        )  # fmt: skip
        record.write(ada, NOW, waiver.model_copy(update={"approvers": (), "status": "requested"}))
        record.write(bob, NOW, waiver)
    check(where / "plan.yaml", out=where / "run", now=NOW, record=place, actor=str(ADA))
    digest = run_digest(where / "run")
    with Record.open(place) as record:
        risk = Risk(
            id="R-1", system="lending", title="Women are refused", cause="few cases", harm="no loan",
            inherent=Rating(likelihood=4, severity=4, basis="measured", run=digest), treatment="mitigate",
            requirements=("FAIR-1",), mitigations=("M-1",),
        )  # fmt: skip
        mend = Mitigation(id="M-1", system="lending", title="Second look", what="A person looks", risks=("R-1",))
        record.write(ada, NOW, risk, mend)
        facts = record.runs(digest=digest)[0].facts
        decision = Decision(
            id=facts.run, system="lending", version="2026.11", outcome=facts.decision, automated=facts.decision,
            runs=(digest,), plan=facts.plan_digest,
        )  # fmt: skip
        record.write(bob, NOW, decision)
        bindings = Bindings(decision=content(decision), evidence=evidence_root([digest]), policy=facts.plan_digest)
        for number, (who, key, role) in enumerate(((ada, ADAS, "product"), (bob, BOBS, "model risk")), 1):
            said = SignOff(
                id=f"S-{number}", system="lending", version="2026.11", role=role, signer=who, verdict="approve",
                statement="With a second look.", bindings=bindings,
            )  # fmt: skip
            payload = canonical(statement_of(said, decision.id, at="2026-11-21T12:00:00Z"))
            signed = envelope.to_json(envelope.sign(payload, [key])).decode()
            record.write(who, NOW, said.model_copy(update={"envelope": signed}))
    made = pack(
        where / "run", out=target.absolute(), record=place, sign_with=(ADAS, BOBS), register=TRUSTED,
        audience="personal", zipped=True, now=NOW,
    )  # fmt: skip
    print(made.root, *made.notes, sep="\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write(Path(sys.argv[1]), Path(folder))
