from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipworthy.digest import canonical
from shipworthy.errors import Unusable
from shipworthy.evidence import attestations as att
from shipworthy.evidence.attestations import Samples, Subject, model_digest
from shipworthy.evidence.run import Run
from shipworthy.integrity import merkle
from shipworthy.plan.loading import plan_digest
from shipworthy.plan.models import Plan, Requirement, System

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
SUBJECTS = (Subject(name="model:m", digest={"sha256": "a" * 64}),)
SAMPLES = Samples(root="sha256:" + "b" * 64, files=2)
URI = "https://example.org/evaluator/v1"


def made(*outcomes: str, waived: str = "", locked: bool = False) -> tuple[dict[str, Any], Plan]:
    """A run of one requirement for each outcome."""
    requirements = tuple(
        Requirement(id=f"R-{n}", metric="selection_rate", across="sex", compare="ratio", within=(0.8, 1.25)) if outcome == "both"
        else Requirement(id=f"R-{n}", metric="fpr", at_most=0.05)
        for n, outcome in enumerate(outcomes)
    )  # fmt: skip
    plan = Plan(system=System(name="lending", version="1"), requirements=requirements, seed=2**52)
    estimate = {"evaluation": "decisions", "metric": "fpr", "compare": "value", "slice": {"sex": "f"}, "variant": None, "value": 0.1, "low": 1e-07, "high": 0.3, "level": 0.95, "n": 40, "effective_n": 33.5, "method": "wilson", "reason": None}  # fmt: skip
    verdicts = [
        {"requirement": f"R-{n}", "verdict": "met" if outcome == "both" else outcome, "severity": "blocker", "estimate": estimate, "waiver": {"id": "W-1"} if waived == f"R-{n}" else None}
        for n, outcome in enumerate(outcomes)
    ]  # fmt: skip
    results = {
        "schema": "shipworthy/results@1", "run": "r1", "created": "2026-11-21T09:30:00.5+01:00", "plan_digest": plan_digest(plan), "decision": "ship" if set(outcomes) <= {"met", "both"} else "hold",
        "plan_locked_at": "2026-11-20T08:00:00+00:00" if locked else None, "verdicts": verdicts, "estimates": [], "inputs": [{"evaluation": "decisions", "source": "x", "digest": "sha256:" + "c" * 64, "rows": 40}], "excluded": [],
    }  # fmt: skip
    return results, plan


@pytest.mark.parametrize(
    ("outcomes", "waived", "result", "failed"),
    [
        (["met", "met"], "", "PASSED", []),
        (["met", "breached"], "", "FAILED", ["R-1"]),
        (["met", "undecided"], "", "FAILED", ["R-1"]),
        (["met", "breached"], "R-1", "WARNED", []),
        (["undecided", "breached"], "R-1", "FAILED", ["R-0"]),
        ([], "", "FAILED", []),
    ],
)
def test_test_result_never_lets_the_undecided_pass(
    outcomes: list[str], waived: str, result: str, failed: list[str]
) -> None:
    results, plan = made(*outcomes, waived=waived)
    predicate = att.tests_statement(results, plan, subjects=SUBJECTS)["predicate"]
    assert isinstance(predicate, dict)
    assert predicate["result"] == result
    assert predicate["failedTests"] == failed
    assert predicate["configuration"] == [{"name": "plan", "digest": {"sha256": plan_digest(plan)[7:]}}]
    assert sorted([*predicate["passedTests"], *predicate["warnedTests"], *predicate["failedTests"]]) == [
        r.id for r in plan.requirements
    ]


def test_eval_result_carries_what_a_claim_rests_on() -> None:
    results, plan = made("met", "undecided", "both", locked=True)
    statement = att.eval_statement(
        results, plan, subjects=SUBJECTS, samples=SAMPLES, evaluator=URI, commitments={"model": "d" * 64}
    )
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == att.EVAL_RESULT
    assert statement["subject"] == [{"name": "model:m", "digest": {"sha256": "a" * 64}}]
    predicate: Any = statement["predicate"]
    assert predicate["evaluatedAt"] == "2026-11-21T08:30:00Z"
    assert predicate["seed"] == str(2**52)
    assert predicate["sampleSize"] == 40
    assert predicate["samples"] == {"algorithm": "rfc6962-sha256", "root": "b" * 64, "files": 2}
    assert predicate["preRegistration"]["value"] == plan_digest(plan)[7:]
    assert predicate["commitments"] == {"model": {"alg": "sha256", "value": "d" * 64, "salted": True}}
    first, second, low, high = predicate["claims"]
    assert (first["comparator"], first["threshold"], first["passed"]) == ("<=", "0.05", True)
    assert (second["passed"], second["verdict"]) == (False, "undecided")
    assert [(one["comparator"], one["threshold"], one["requirement"]) for one in (low, high)] == [
        (">=", "0.8", "R-2"),
        ("<=", "1.25", "R-2"),
    ]
    assert first["estimate"]["interval"] == {"low": "0.0000001", "high": "0.3"}
    assert (first["estimate"]["method"], first["estimate"]["level"], first["estimate"]["n"]) == ("wilson", "0.95", 40)
    assert low["multiplicity"] == {"family": ["sex"], "met": "intersection-union", "breached": None}  # they do not say
    assert json.loads(canonical(statement)) == statement  # no number that a reader could round


@pytest.mark.parametrize(
    ("claim", "metric", "compare", "breached"),
    [
        ({"metric": "accuracy", "at_least": 0.5}, "accuracy", "value", []),
        ({"metric": "accuracy", "within": (0.5, 0.95)}, "accuracy", "value", ["bonferroni over 2 ends"]),
        ({"metric": "accuracy", "across": "g", "at_least": 0.5}, "accuracy", "value", ["holm over 3 slices"]),
        ({"metric": "accuracy", "across": "g", "within": (0.5, 0.95)}, "accuracy", "value",
         ["holm over 3 slices", "bonferroni over 2 ends"]),
        ({"metric": "equalized_odds_difference", "across": "g", "at_most": 0.3}, "tpr", "difference",
         ["studentized range over 3 slices", "bonferroni over 2 metrics"]),
        ({"metric": "accuracy", "across": "g", "compare": "difference", "reference": "a", "within": (-0.3, 0.3)},
         "accuracy", "difference", ["bonferroni over 2 comparisons", "bonferroni over 2 ends"]),
    ],
)  # fmt: skip
def test_statement_and_gate_name_one_correction(
    claim: dict[str, Any], metric: str, compare: str, breached: list[str]
) -> None:
    """What a breach pays for is told by the gate that paid; it used to be guessed from the plan."""
    import numpy as np

    import shipworthy as sw

    label = np.tile([0, 1], 180)
    wrong = np.random.default_rng(1).random(360) < np.where(label == 1, 0.1, 0.25)
    rows = {"g": np.repeat(list("abc"), 120), "y": label, "p": np.where(wrong, 1 - label, label)}
    seen = sw.evaluate(rows, label="y", prediction="p", slices=["g"], metrics=["accuracy", "fpr", "tpr"])
    settings = dict(claim)
    verdict = seen.require(settings.pop("metric"), **settings)
    results, _ = made("met")
    requirement = Requirement(id="R-0", **claim)
    plan = Plan(system=System(name="lending", version="1"), requirements=(requirement,))
    told = json.loads(json.dumps(verdict.as_json())) | {"requirement": "R-0"}
    assert told["corrected"] == breached
    results |= {"plan_digest": plan_digest(plan), "verdicts": [told]}
    predicate: Any = att.eval_statement(results, plan, subjects=SUBJECTS, samples=SAMPLES, evaluator=URI)["predicate"]
    for one in predicate["claims"]:
        assert one["multiplicity"]["breached"] == breached
        assert (one["estimate"]["metric"], one["compare"], one["estimate"]["compare"]) == (metric, compare, compare)
        assert ("studentized range" in one["estimate"]["method"]) == ("studentized" in "".join(breached))


def test_summary_holds_only_what_was_verified() -> None:
    results, plan = made("met", "undecided", locked=True)
    predicate: Any = att.summary_statement(results, plan, subjects=SUBJECTS, verifier=URI, now=NOW)["predicate"]
    assert predicate["properties"] == ["SHIPWORTHY_MET_R-0", "SHIPWORTHY_PLAN_LOCKED_FIRST"]
    assert predicate["verifier"]["policies"][0]["digest"] == {"sha256": plan_digest(plan)[7:]}
    results, plan = made("met")
    predicate = att.summary_statement(results, plan, subjects=SUBJECTS, verifier=URI, now=NOW)["predicate"]
    assert "SHIPWORTHY_DECISION_SHIP" in predicate["properties"]


def test_a_real_run_is_attested(compas: Run) -> None:
    results: Any = json.loads(json.dumps(compas.as_json())) | {"plan_digest": plan_digest(compas.plan)}
    statement: Any = att.eval_statement(results, compas.plan, subjects=SUBJECTS, samples=SAMPLES, evaluator=URI)
    assert {one["requirement"] for one in statement["predicate"]["claims"]} == {r.id for r in compas.plan.requirements}
    assert canonical(statement)


def test_results_of_another_plan_are_refused() -> None:
    results, plan = made("met", "met")
    other = plan.model_copy(update={"seed": 1})
    fewer = results | {"verdicts": results["verdicts"][:1]}
    twice = results | {"verdicts": [*results["verdicts"], results["verdicts"][0]]}
    for given, with_plan, subjects in ((results, other, SUBJECTS), (fewer, plan, SUBJECTS), (twice, plan, SUBJECTS), (results, plan, ()), (results | {"created": "noon"}, plan, SUBJECTS), (results | {"created": "2026-11-21T08:30:00"}, plan, SUBJECTS)):  # fmt: skip
        with pytest.raises(Unusable, match="ATTS002"):
            att.eval_statement(given, with_plan, subjects=subjects, samples=SAMPLES, evaluator=URI)


def model(folder: Path) -> Path:
    for name, text in {"a/b": "1", "a.b": "2", "a/c/d": "3", "config.json": "{}", "Z": "4", "é.bin": "5", "a/.gitignore": "6", ".gitignore": "7", ".git/x": "8", ".github/y": "9", ".gitattributes": "0"}.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_model_digest_against_reference(tmp_path: Path) -> None:
    """The root that model-signing 1.1.1 computed for the same folder (`hashing.Config().hash(folder)`)."""
    assert model_digest(model(tmp_path)) == "16386aa73a5e8d5ed6b3cb0d393ca0d05494d7af6a652a6fc969df46b1f5deb5"


def test_model_digest_against_theory(tmp_path: Path) -> None:
    model(tmp_path)
    order = ["Z", "a/.gitignore", "a/b", "a/c/d", "a.b", "config.json", "é.bin"]
    digests = b"".join(hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in order)
    assert model_digest(tmp_path) == hashlib.sha256(digests).hexdigest()
    assert model_digest(tmp_path / "Z") == hashlib.sha256(b"4").hexdigest()
    before = model_digest(tmp_path)
    (tmp_path / ".git/x").write_text("changed")
    assert model_digest(tmp_path) == before
    (tmp_path / "a/c/d").write_text("changed")
    assert model_digest(tmp_path) != before


@pytest.mark.parametrize("kind", ["file link", "folder link", "itself", "empty", "none", "pipe"])
def test_model_digest_refuses(tmp_path: Path, kind: str) -> None:
    import os

    folder = tmp_path / "m"
    folder.mkdir()
    if kind == "file link":
        (folder / "x").symlink_to("/etc/passwd")
    elif kind == "folder link":
        (folder / "x").symlink_to("/etc")
    elif kind == "itself":
        (tmp_path / "l").symlink_to(folder)
        folder = tmp_path / "l"
    elif kind == "none":
        folder = tmp_path / "gone"
    elif kind == "pipe":
        os.mkfifo(folder / "x")
    with pytest.raises(Unusable, match="ATTS001"):
        model_digest(folder)


def test_subjects_and_samples_of_a_run(tmp_path: Path) -> None:
    for name in (
        "results.json",
        "environment.json",
        "observations/decisions.parquet",
        "journal/a.jsonl",
        "report.html",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "m.onnx").write_bytes(b"model")
    results, _ = made("met")
    results["inputs"].append(
        {"evaluation": "remote", "digest": "unavailable: the data stay in their own backend", "rows": 1}
    )
    found = {one.name: dict(one.digest) for one in att.subjects_of(tmp_path, results, {"m": tmp_path / "m.onnx"})}
    assert found == {
        "model:m": {"sha256": hashlib.sha256(b"model").hexdigest()},
        "data:decisions": {"shipworthyRows": "c" * 64},  # a fingerprint of rows is no digest of bytes
        **{f"{kind}:{name}": {"sha256": hashlib.sha256(name.encode()).hexdigest()} for kind, name in (("data", "observations/decisions.parquet"), ("code", "environment.json"), ("run", "results.json"))},
    }  # fmt: skip
    leaves = [
        merkle.leaf_hash(canonical([name, len(name), hashlib.sha256(name.encode()).hexdigest()]))
        for name in ("journal/a.jsonl", "observations/decisions.parquet")
    ]
    assert att.samples_of(tmp_path) == Samples(root="sha256:" + merkle.root(leaves).hex(), files=2)
    (tmp_path / "observations/link").symlink_to("/etc/passwd")
    with pytest.raises(Unusable, match="ATTS001"):
        att.samples_of(tmp_path)
