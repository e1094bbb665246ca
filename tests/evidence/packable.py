"""A small real run with its record, and keys that are made at once, to pack and to tamper with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from shipworthy.api.changes import content
from shipworthy.api.checking import check
from shipworthy.api.packing import pack
from shipworthy.api.recording import run_digest
from shipworthy.api.standing import evidence_root, statement_of
from shipworthy.digest import canonical
from shipworthy.evidence import package as layout
from shipworthy.evidence.documents.machine import to_json
from shipworthy.integrity import envelope
from shipworthy.integrity.keys import NO_KEYS, Register, SigningKey, signing_key
from shipworthy.integrity.persons import Person
from shipworthy.record.documents import Bindings, Decision, Mitigation, Rating, Risk, SignOff, Waiver
from shipworthy.record.store import Record

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ADA, BOB = Person(name="Ada", email="ada@example.org"), Person(name="Bob", email="bob@example.org")
ADAS, ADAS_OTHER, BOBS, EVES = (signing_key(f"key-{n}", bytes([n]) * 32) for n in range(1, 5))
PLAN = """\
system: {name: lending, version: "2026.11", purpose: Rank loan applications., tier: high, owner: risk@example.org}
evaluations:
  decisions:
    data: loans.csv
    roles: {label: repaid, prediction: approved, score: score, id: id}
    slices: [sex]
    metrics: [accuracy, selection_rate]
requirements:
  - {id: FAIR-1, text: Rates are alike., metric: selection_rate, across: sex, compare: difference, at_most: 0.05}
  - {id: ACC-1, metric: accuracy, at_least: 0.6, controls: ["nist-ai-rmf@1.0:MEASURE-2.5"]}
"""
ANSWERS = {"security.measures": "Signed model files.", "use.excluded": {"text": "No minors.", "by": "Cy Secretive"}}


def registered(*pairs: tuple[SigningKey, Person]) -> Register:
    register = NO_KEYS
    for key, owner in pairs:
        register = register.add(key.public, owner, now=NOW)
    return register


TRUSTED = registered((ADAS, ADA), (ADAS_OTHER, ADA), (BOBS, BOB))


def workshop(where: Path) -> Path:
    """A folder with a plan, its data, a run in `run` and a record that holds something of every kind."""
    rng = np.random.default_rng(3)
    rows = ["id,sex,repaid,approved,score"]
    for i in range(600):
        woman, repaid = rng.random() < 0.5, rng.random() < 0.7
        score = min(1.0, max(0.0, 0.35 + 0.3 * repaid + 0.2 * (not woman) + rng.normal(0, 0.15)))
        rows.append(f"{i},{'female' if woman else 'male'},{int(repaid)},{int(score > 0.5)},{score:.4f}")
    (where / "loans.csv").write_text("\n".join(rows) + "\n")
    (where / "plan.yaml").write_text(PLAN)
    check(where / "plan.yaml", out=where / "run", now=NOW, record=where / "record.db", actor=str(ADA))
    digest = run_digest(where / "run")
    with Record.open(where / "record.db") as record:
        ada, bob = record.person(ADA.email, ADA.name), record.person(BOB.email, BOB.name)
        risk = Risk(
            id="R-1", system="lending", title="Women are refused", cause="few cases", harm="no loan",
            inherent=Rating(likelihood=4, severity=4, basis="measured", run=digest), treatment="mitigate",
            requirements=("FAIR-1",), mitigations=("M-1",),
        )  # fmt: skip
        mend = Mitigation(id="M-1", system="lending", title="Second look", what="A person looks", risks=("R-1",))
        waiver = Waiver(
            id="W-1", system="lending", tier="high", requirement="FAIR-1", reason="retraining", control="second look",
            requester=ada, starts=date(2026, 11, 1), ends=date(2026, 12, 1), risk="R-1",
        )  # fmt: skip
        record.write(ada, NOW, risk, mend, waiver)
        facts = record.runs(digest=digest)[0].facts
        decision = Decision(
            id=facts.run, system="lending", version="2026.11", outcome="hold", automated="hold", runs=(digest,),
            plan=facts.plan_digest,
        )  # fmt: skip
        bindings = Bindings(decision=content(decision), evidence=evidence_root([digest]), policy=facts.plan_digest)
        said = SignOff(
            id=f"{decision.id}:model risk:1", system="lending", version="2026.11", role="model risk", signer=bob, verdict="reject",
            statement="Not like this.", bindings=bindings,
        )  # fmt: skip
        payload = canonical(statement_of(said, decision.id, at="2026-11-21T12:00:00Z"))
        signed = envelope.to_json(envelope.sign(payload, [BOBS])).decode()
        record.write(bob, NOW, decision, said.model_copy(update={"envelope": signed}))
    return where


def packed(where: Path, out: Path, **more: object) -> Path:
    given = {
        "record": where / "record.db", "answers": ANSWERS, "sign_with": (ADAS, BOBS), "register": TRUSTED,
        "audience": "personal", "now": NOW,
    }  # fmt: skip
    return pack(where / "run", out=out, **(given | more)).path


def files(package: Path) -> list[str]:
    return sorted(path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file())


def relist(package: Path) -> bytes:
    """Rewrite the manifest so that it fits the files again, as somebody would who may write to the package."""
    import hashlib

    old, _ = layout.read_manifest((package / "manifest.json").read_bytes())
    items = [item for item in old.values() if item.withheld]
    for path in files(package):
        if path not in layout.UNLISTED:
            data = (package / path).read_bytes()
            items.append(layout.Item(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    data = layout.to_manifest(items)
    (package / "manifest.json").write_bytes(data)
    return data


def reseal(package: Path, *keys: SigningKey) -> None:
    """Rewrite the manifest, and sign it with other keys."""
    data = relist(package)
    listed, _ = layout.read_manifest(data)
    statement = layout.seal_statement(data, list(listed.values()), {})
    (package / layout.SEAL).write_bytes(envelope.to_json(envelope.sign(statement, keys)))


def edit(path: Path, change: Callable[[dict], object]) -> None:
    """Change a JSON file of a package, and write it as a package has it."""
    found = json.loads(path.read_text())
    change(found)
    path.write_text(to_json(found))


def loosen(package: Path, name: str, key: str = "documents") -> None:
    """Take the salts from documents, as packages were before they had them: only digests hold their texts then."""
    edit(package / name, lambda found: [one.update(salt=None) for one in found[key]])
