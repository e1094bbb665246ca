from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest

from shipworthy.evidence.bom import MOST_METRICS, Artifact, bom
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.machine import to_json

from .documents.conftest import ANSWERS, NOW, RECORD
from .documents.conftest import files as files  # noqa: PLC0414 - a fixture
from .documents.conftest import run_folder as run_folder  # noqa: PLC0414 - a fixture
from .documents.test_rendering import hostile_record

SHA = "sha256:" + "ab" * 32
ARTIFACTS = (
    Artifact(kind="model", name="scorecard", digest=SHA, version="3"),
    Artifact(kind="code", name="scoring.py", digest="sha256:" + "cd" * 32),
    Artifact(kind="data", name="train.parquet", digest="sha256:" + "ef" * 32),
)


def problems(text):
    json_validator = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    try:
        return json_validator.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text)
    except Exception as error:  # its own error for an absent extra
        if type(error).__name__ == "MissingOptionalDependencyException":
            pytest.skip("cyclonedx-python-lib[json-validation] is not installed")
        raise


@pytest.fixture
def made(files):
    return bom(fill(*files, ANSWERS, RECORD, now=NOW), artifacts=ARTIFACTS)


def card(found):
    return found["metadata"]["component"]["modelCard"]


def test_a_real_run_validates_against_reference(made):
    assert problems(to_json(made)) is None


@pytest.mark.parametrize("run", ["compas", "hostile", "empty", "variants", "answers", "hostile_answers"])
def test_every_kind_of_run_validates_against_reference(run, request):
    run = request.getfixturevalue(run)
    filled = fill(
        run.as_json(), run.plan, run.environment, {"use.users": "<script>\x1b[31m\u202e"}, hostile_record(), now=NOW
    )
    text = to_json(
        bom(filled, artifacts=[Artifact(kind="data", name="<b>\x00\u202e", digest=SHA)], audience="personal")
    )
    assert problems(text) is None
    assert not set(text) & set("<>&\x00\x1b\u202e")
    assert "\\u202e" not in text


def test_the_validator_can_fail_against_reference(made):
    broken = copy.deepcopy(made)
    card(broken)["quantitativeAnalysis"]["performanceMetrics"][0]["interval"] = [0, 1]
    assert problems(to_json(broken)) is not None


def test_every_estimate_has_its_slice_and_interval(made, files):
    estimates = [e for e in files[0]["estimates"] if e["compare"] == "value"]
    metrics = card(made)["quantitativeAnalysis"]["performanceMetrics"]
    about = [json.loads(p["value"]) for p in card(made)["properties"] if p["name"] == "shipworthy:metric"]
    assert len(metrics) == len(estimates) == len(about) > 6
    for e, metric, more in zip(estimates, metrics, about, strict=True):
        assert metric["type"] == e["metric"] == more["metric"]
        assert float(metric["value"]) == e["value"]
        assert float(metric["confidenceInterval"]["lowerBound"]) == e["low"]
        assert float(metric["confidenceInterval"]["upperBound"]) == e["high"]
        assert (more["n"], more["level"], more["method"], more["slice"]) == (
            e["n"],
            e["level"],
            e["method"],
            e["slice"],
        )
    assert "decisions: sex female" in {metric["slice"] for metric in metrics}


def test_an_estimate_without_a_value_says_why(files):
    results, plan, environment = copy.deepcopy(files)
    results["estimates"][0] |= {"value": None, "low": None, "high": None, "reason": "no case"}
    found = card(bom(fill(results, plan, environment, {}, {}, now=NOW)))
    metric = found["quantitativeAnalysis"]["performanceMetrics"][0]
    assert "value" not in metric
    assert "confidenceInterval" not in metric
    assert json.loads(found["properties"][0]["value"])["reason"] == "no case"


def test_a_limit_that_does_not_exist_is_left_out(compas):
    results = compas.as_json()
    results["estimates"][0] |= {"high": float("inf")}
    metric = card(bom(fill(results, compas.plan, {}, {}, {}, now=NOW)))["quantitativeAnalysis"]["performanceMetrics"][0]
    assert set(metric["confidenceInterval"]) == {"lowerBound"}


def test_same_input_gives_the_same_bytes_and_only_time_moves_the_timestamp(files):
    filled = fill(*files, ANSWERS, RECORD, now=NOW)
    later = fill(*files, ANSWERS, RECORD, now=NOW + timedelta(minutes=1))
    one, again, other = bom(filled), bom(filled), bom(later)
    assert to_json(one) == to_json(again)
    assert one["serialNumber"] == other["serialNumber"]
    assert one["metadata"]["timestamp"] == "2026-11-21T12:00:00Z"
    assert other["metadata"]["timestamp"] == "2026-11-21T12:01:00Z"
    assert bom(filled, artifacts=ARTIFACTS)["serialNumber"] != one["serialNumber"]


def test_components_by_digest_and_what_kind_of_digest_it_is(made):
    by_name = {part["name"]: part for part in made["components"]}
    assert by_name["scorecard"]["type"] == "machine-learning-model"
    assert by_name["scorecard"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    rows = by_name["rows of decisions"]
    assert "hashes" not in rows  # a fingerprint of rows is no hash of a file
    assert rows["properties"][0]["name"] == "shipworthy:content-digest"
    assert {"ref": rows["bom-ref"]} in card(made)["modelParameters"]["datasets"]
    references = [part["bom-ref"] for part in made["components"]]
    assert len(references) == len(set(references))
    assert set(made["dependencies"][0]["dependsOn"]) == set(references)


def test_libraries_are_those_of_the_environment(files):
    packageurl = pytest.importorskip("packageurl")
    results, plan, _ = files
    environment = {
        "python": "3.11.7",
        "platform": "linux x86_64",
        "numpy": "2.4.6",
        "Ibis_Framework": "12.0",
        "x": "not installed",
        "plan": "2026.yaml",
        "a b": "1",
    }
    found = bom(fill(results, plan, environment, {}, {}, now=NOW))
    libraries = [part for part in found["components"] if part["type"] == "library"]
    urls = [packageurl.PackageURL.from_string(part["purl"]) for part in libraries if "purl" in part]
    assert {(u.type, u.name, u.version) for u in urls} == {
        ("pypi", "numpy", "2.4.6"),
        ("pypi", "ibis-framework", "12.0"),
    }
    assert [part["name"] for part in libraries if "purl" not in part] == ["a b"]
    assert problems(to_json(found)) is None


def test_fairness_names_group_harm_and_what_is_done(made):
    assessment = card(made)["considerations"]["fairnessAssessments"][0]
    assert assessment["groupAtRisk"] == "sex male − sex female"
    assert "FAIR-1 breached" in assessment["harms"]
    assert assessment["mitigationStrategy"] == "the gap is about 150 per 1,000 cases too wide"


def test_an_audience_reads_only_its_classes(files):
    filled = fill(*files, {**ANSWERS, "use.users": {"text": "Anna and Ben.", "privacy": "personal"}}, RECORD, now=NOW)
    internal, everyone = to_json(bom(filled)), to_json(bom(filled, audience="personal"))
    assert "Women are approved less often" not in internal
    assert "Anna and Ben" not in internal
    assert "Women are approved less often" in everyone
    assert "Second review" in everyone
    assert "Anna and Ben" in everyone


def test_too_many_metrics_are_counted(files, monkeypatch):
    monkeypatch.setattr("shipworthy.evidence.bom.MOST_METRICS", 2)
    found = card(bom(fill(*files, {}, {}, now=NOW)))
    total = len([e for e in files[0]["estimates"] if e["compare"] == "value"])
    assert len(found["quantitativeAnalysis"]["performanceMetrics"]) == 2 < MOST_METRICS
    assert {"name": "shipworthy:metrics-left-out", "value": str(total - 2)} in found["properties"]


@pytest.mark.parametrize("digest", ["", "sha256:xyz", "md5:" + "ab" * 32, "ab" * 32])
def test_bom_validates_input(files, digest):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        bom(fill(*files, {}, {}, now=NOW), artifacts=[Artifact(kind="model", name="m", digest=digest)])
