"""What a package withholds in one file is nowhere else in it: a mark is planted into every class, and looked for."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shipworthy.api.changes import content
from shipworthy.api.checking import check
from shipworthy.api.packing import pack
from shipworthy.api.recording import run_digest
from shipworthy.api.standing import evidence_root
from shipworthy.evidence.documents.fields import FIELDS, PRIVACIES
from shipworthy.integrity.persons import Person
from shipworthy.record import documents
from shipworthy.record.store import Record

sys.path.insert(0, str(Path(__file__).parents[1] / "evidence"))
from packable import ADAS, files, registered

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLAN = """\
system: {name: lending, version: "1", purpose: ZQPUBLIC purpose., tier: high, owner: ZQINTERNAL owner}
evaluations:
  decisions:
    data: zqinternal-rows.csv
    roles: {label: repaid, prediction: approved, id: id}
requirements:
  - {id: ACC-1, text: ZQPUBLIC promise., metric: accuracy, at_least: 0.99}
"""


def mark(privacy: str, what: str) -> str:
    return f"ZQ{privacy.upper()} {what}"


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A project whose every text says of which class it is."""
    where = tmp_path_factory.mktemp("marked")
    rows = [f"ZQPERSONAL-{i},{i % 2},{i % 2 if i % 5 else 1 - i % 2}" for i in range(400)]
    (where / "zqinternal-rows.csv").write_text("\n".join(["id,repaid,approved", *rows, ""]))
    (where / "plan.yaml").write_text(PLAN)
    people = [Person(name=f"ZQPERSONAL {name}", email=f"zqpersonal-{name}@example.org") for name in ("ann", "bob")]
    with Record.open(where / "record.db") as record:
        ann, bob = (record.person(one.email, one.name) for one in people)
    check(where / "plan.yaml", out=where / "before", now=NOW, record=where / "record.db", actor=str(people[0]))
    waiver = documents.Waiver(
        id="W-1", system="lending", tier="high", requirement="ACC-1", reason=mark("internal", "reason"),
        control=mark("internal", "control"), requester=ann, approvers=(bob,), owner=mark("internal", "owner"),
        starts=date(2026, 11, 1), ends=date(2026, 12, 1), status="requested",
    )  # fmt: skip
    with Record.open(where / "record.db") as record:
        record.write(ann, NOW, waiver.model_copy(update={"approvers": ()}))
        record.write(bob, NOW, waiver.model_copy(update={"status": "approved"}))
    check(where / "plan.yaml", out=where / "run", now=NOW, record=where / "record.db", actor=str(people[0]))
    digest = run_digest(where / "run")
    with Record.open(where / "record.db") as record:
        facts, kept = record.runs(digest=digest)[0].facts, record.get("waiver", "W-1")
        assert facts.decision == "ship"
        rating = documents.Rating(likelihood=4, severity=4, basis="judged", why=mark("restricted", "rating"))
        risk = documents.Risk(
            id="R-1", system="lending", title=mark("restricted", "title"), cause=mark("restricted", "cause"),
            harm=mark("restricted", "harm"), affected=(mark("restricted", "affected"),), inherent=rating,
            owner=mark("restricted", "owner"), requirements=("ACC-1",),
        )  # fmt: skip
        mend = documents.Mitigation(
            id="M-1", system="lending", title=mark("internal", "title"), what=mark("internal", "what"), risks=("R-1",)
        )
        incident = documents.Incident(
            id="I-1", system="lending", title=mark("restricted", "title"), what=mark("restricted", "what"),
            severity="low", detected=NOW, cause=mark("restricted", "cause"),
            timeline=(documents.Event(at=NOW, what=mark("restricted", "event")),),
            actions=(documents.Action(what=mark("restricted", "action")),),
        )  # fmt: skip
        decision = documents.Decision(
            id=facts.run, system="lending", version="1", outcome="ship", automated="ship", runs=(digest,),
            plan=facts.plan_digest, reason=mark("internal", "reason"),
            waivers=(documents.Bound(id="W-1", digest=content(kept.document)),),
        )  # fmt: skip
        bindings = documents.Bindings(
            decision=content(decision),
            evidence=evidence_root([digest]),
            policy=facts.plan_digest,
            waivers=decision.waivers,
        )
        said = [
            documents.SignOff(
                id=f"{facts.run}:{role}:1", system="lending", version="1", role=role, signer=bob, verdict=verdict,
                statement=mark("restricted", "statement"), bindings=bindings, conditions=conditions,
            )
            for role, verdict, conditions in (
                ("product", "approve with conditions", (mark("restricted", "condition"),)), ("risk", "reject", ()),
            )
        ]  # fmt: skip
        record.write(ann, NOW, risk, mend, incident)
        record.write(bob, NOW, decision, *said)
    return where


def everything(package: Path) -> dict[str, str]:
    """Each file of a package as text, with what stands in base64 opened."""
    found = {}
    for name in files(package):
        text = (package / name).read_bytes().decode("utf-8", "replace")
        for piece in re.findall(r"[A-Za-z0-9+/]{200,}={0,2}", text):
            text += base64.b64decode(piece + "==").decode("utf-8", "replace")
        found[name] = text
    return found


def marked_answers() -> dict[str, object]:
    """To every question, of the class that its answer has by itself; one of a stricter class."""
    found: dict[str, object] = {
        name: {"text": mark(field.privacy, name), "by": mark("personal", "who"), "at": "2026-11-20"}
        for name, field in FIELDS.items()
    }
    return found | {"use.costs": {"text": mark("restricted", "raised"), "privacy": "restricted"}}


def looked_through(marked: Path, out: Path, audience, **more) -> dict[str, str]:
    keys = registered((ADAS, Person(name="ZQPERSONAL key", email="zqpersonal-key@example.org")))
    given = {"record": marked / "record.db", "answers": marked_answers(), "sign_with": (ADAS,), "register": keys}
    return everything(pack(marked / "run", out=out, now=NOW, audience=audience, **given, **more).path)


@pytest.mark.parametrize("audience", PRIVACIES)
def test_what_is_withheld_in_one_file_is_nowhere_else(marked, tmp_path, audience):
    seen = looked_through(marked, tmp_path / "package", audience)
    for stricter in PRIVACIES[PRIVACIES.index(audience) + 1 :]:
        pattern = re.compile(rf"zq{stricter}.{{0,30}}", re.IGNORECASE)
        assert {name: hit.group(0) for name, text in seen.items() if (hit := pattern.search(text))} == {}
    assert any(re.search(f"zq{audience}", text, re.IGNORECASE) for text in seen.values())


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["internal", "restricted"])
def test_what_is_withheld_is_not_in_print_either(marked, tmp_path, audience):
    pytest.importorskip("weasyprint")
    reader = shutil.which("pdftotext") or pytest.skip("there is no pdftotext")
    given = {"record": marked / "record.db", "answers": marked_answers()}
    package = pack(marked / "run", out=tmp_path / "package", now=NOW, audience=audience, pdf=True, **given).path
    printed = sorted((package / "docs").glob("*.pdf"))
    text = "".join(
        subprocess.run([reader, one, "-"], capture_output=True, text=True, check=True).stdout for one in printed
    )
    assert f"ZQ{audience.upper()}" in text
    for stricter in PRIVACIES[PRIVACIES.index(audience) + 1 :]:
        assert f"ZQ{stricter.upper()}" not in text


def test_a_waived_breach_stays_visible_to_everyone(marked, tmp_path):
    seen = looked_through(marked, tmp_path / "package", "public")
    assert "waived until 2026-12-01 (W-1)" in seen["docs/model_card.md"]
    assert "HOLD: the rules said SHIP: 1 of 1 requirement waived" in seen["docs/model_card.md"]
    assert "Owner | ▒ Withheld: of class internal" in seen["docs/model_card.md"]
    inside = looked_through(marked, tmp_path / "inside", "internal")
    assert "ZQINTERNAL reason" in inside["risk/waivers.json"]
    assert "ZQINTERNAL reason" in inside["docs/annex-iv.md"]
    assert "HOLD: risk rejected it" in inside["docs/model_card.md"]
