"""Logs that Inspect, promptfoo, garak and lm-eval wrote (see fixtures/README.md) become exchanges, and every number that
they state about themselves comes out of their samples again."""

from __future__ import annotations

import json
import random
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from shipworthy.api.importing import hold, recompute
from shipworthy.errors import DataError
from shipworthy.exchange import Exchange
from shipworthy.subjects.imports import inspect_log
from shipworthy.subjects.imports.claims import Claim
from shipworthy.subjects.imports.detecting import tool_of
from shipworthy.subjects.recording import open_recording

LOGS = Path(__file__).parent / "fixtures"
EVAL, JSON = LOGS / "inspect/capitals.eval", LOGS / "inspect/capitals.json"
PROMPTFOO, GARAK = LOGS / "promptfoo/results.json", LOGS / "garak/small.report.jsonl"
(CHOICE,), (GENERATED,) = (list((LOGS / "lm_eval").glob(f"samples_facts_{kind}_*")) for kind in ("choice", "gen"))
ALL = {
    "Inspect eval": EVAL,
    "Inspect json": JSON,
    "promptfoo": PROMPTFOO,
    "garak": GARAK,
    "choice": CHOICE,
    "gen": GENERATED,
}
STATED = {EVAL: 12, JSON: 12, PROMPTFOO: 19, GARAK: 8, CHOICE: 2, GENERATED: 2}


def read(path: Path) -> list[Exchange]:
    return list(open_recording(path).exchanges())


def codes(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    (fault,) = caught.value.faults
    assert fault.where
    assert fault.mend
    return f"{fault.code} {fault.what}"


# The numbers of the tools themselves.


@pytest.mark.parametrize("path", ALL.values(), ids=ALL)
def test_every_number_that_a_tool_states_is_recomputed_from_its_samples_against_reference(path):
    found = recompute(path)
    assert len(found) == STATED[path]
    assert [each for each in found if not each.agrees] == []


def test_inspects_own_results_are_these_against_reference():
    """The numbers that Inspect printed when it made the log, so that the reader of claims is held too."""
    stated = {each.claim.title: each.claim.value for each in recompute(EVAL)}
    assert stated["includes accuracy, mean of epochs"] == 0.5
    assert stated["includes accuracy, mode of epochs"] == 0.375
    assert stated["includes accuracy, at_least_2 of epochs"] == 0.25
    assert stated["graded accuracy, mean of epochs"] == 0.28125
    assert {each.claim.value for each in recompute(CHOICE)} == {0.25}


@pytest.mark.parametrize("path", [JSON, PROMPTFOO, GARAK, GENERATED], ids=["Inspect", "promptfoo", "garak", "lm-eval"])
def test_a_number_that_its_samples_do_not_give_is_found(path, tmp_path):
    """Each tool's samples with one score changed: the claims stay, and one of them no longer agrees."""
    changed = tmp_path / path.name
    text = path.read_text()
    old, new = {
        JSON: ('"includes":{"value":"C"', '"includes":{"value":"I"'),
        PROMPTFOO: ('"success":true', '"success":false'),
        GARAK: ('"encoding.DecodeMatch": [0.0, 1.0]', '"encoding.DecodeMatch": [0.0, 0.0]'),
        GENERATED: ('"exact_match": 1.0', '"exact_match": 0.0'),
    }[path]
    assert old in text
    at = text.rindex(old)
    changed.write_text(text[:at] + new + text[at + len(old) :])
    for results in path.parent.glob("results_*"):
        (tmp_path / results.name).write_bytes(results.read_bytes())
    assert not all(each.agrees for each in recompute(changed))


def test_parts_of_a_composite_score_are_told_from_whole_ones(tmp_path):
    """Inspect lists metrics by part, or plain ones and such by part together; both name the same scores."""
    log = json.loads(JSON.read_text())
    (style,) = [each for each in log["eval"]["scorers"] if each["name"] == "style"]
    style["metrics"] = [style["metrics"]]
    mixed = tmp_path / "a.json"
    mixed.write_text(json.dumps(log))
    assert recompute(mixed) == recompute(JSON)


def test_a_recording_of_another_kind_states_nothing(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"prompt": "a", "response": "b"}\n')
    assert tool_of(path) is None
    with pytest.raises(DataError, match="IMPT003"):
        recompute(path)


@pytest.mark.parametrize(
    ("reducer", "value"), [("mean", 0.5), ("median", 0.5), ("max", 1.0), ("mode", 1.0), ("at_least_3", 0.0)]
)
def test_epochs_are_reduced_against_theory(reducer, value):
    (one,) = [exchange for exchange in read(EVAL) if exchange.case.id == "c0" and exchange.trial == 0]
    trials = [one.case.tags | {"score.x": told} for told in ("C", "C", "N", "I")]
    exchanges = [
        Exchange(case=one.case.asked("?", tags=tags), answer=one.answer, trial=n) for n, tags in enumerate(trials)
    ]
    (found,) = hold([Claim(title="x", value=value, how="mean", score="x", reducer=reducer)], exchanges)
    assert found.agrees, found


# What becomes of a log.


def test_an_inspect_sample_becomes_an_exchange():
    talk = next(exchange for exchange in read(EVAL) if exchange.case.id == "talk")
    assert talk.case.system == "Be short."
    assert [message.role for message in talk.case.before] == ["system", "user"]
    assert talk.case.prompt.startswith("The capital of Austria? Think of music.")
    assert talk.case.reference == "Vienna"
    first = read(EVAL)[0]
    assert (first.case.id, first.trial, first.case.reference) == ("c0", 0, "Paris")
    assert first.case.hazard == "south"  # metadata named category, as in any recording
    assert first.case.tags["grade"] == "0"
    assert first.answer.tokens_in == 12
    assert first.answer.latency_ms is not None
    assert {key for key in first.case.tags if key.startswith("score.")} == {
        "score.includes", "score.graded", "score.style.short", "score.style.polite"
    }  # fmt: skip


def test_both_formats_of_inspect_hold_the_same():
    def told(path: Path) -> list[object]:
        return [(e.case.id, e.trial, e.case.turns, e.case.tags, e.answer.text, e.answer.status) for e in read(path)]

    assert told(EVAL) == told(JSON)
    assert len(told(EVAL)) == 32


def test_what_inspect_could_not_score_says_so_and_a_filter_is_its_own_status():
    exchanges = read(EVAL)
    assert any(exchange.case.tags["score.graded"] == "unscored" for exchange in exchanges)
    assert {e.answer.status for e in exchanges if e.answer.text == "R."} == {"filtered"}
    assert {e.answer.status for e in exchanges if not e.answer.text} == {"ok"}  # Inspect took it as an answer


def test_promptfoo_results_become_exchanges():
    exchanges = read(PROMPTFOO)
    assert len(exchanges) == 96
    assert Counter(exchange.answer.status for exchange in exchanges) == {"ok": 92, "error": 4}
    assert len({(e.case.id, e.trial) for e in exchanges}) == 96
    assert len({e.case.family for e in exchanges}) == 12  # tests, whatever the prompt, provider and repeat
    assert {e.trial for e in exchanges} == {0, 1}
    assert {e.case.tags["provider"] for e in exchanges} == {"echo", "shop-assistant"}
    broken = next(e for e in exchanges if e.answer.status == "error")
    assert broken.answer.error == "the assistant broke down"
    assert "score.success" not in broken.case.tags
    failed = next(e for e in exchanges if e.case.tags.get("score.success") == "false")
    assert failed.answer.error is None  # an assertion that failed is no error of the assistant's


def test_garak_attempts_become_exchanges():
    exchanges = read(GARAK)
    assert len({(e.case.id, e.trial) for e in exchanges}) == len(exchanges) == 50
    assert {e.case.attack for e in exchanges} == {"test.Test", "encoding.InjectBase64", "goodside.ThreatenJSON"}
    assert {e.case.hazard for e in exchanges} == {"test", "encoding", "goodside"}
    assert "empty" in {e.answer.status for e in exchanges}


def test_lm_eval_samples_become_exchanges():
    chosen = read(CHOICE)[1]
    assert chosen.case.turns == ("Q: Capital of France?\nA:",)
    assert chosen.case.reference == "Paris"
    assert chosen.answer.text in ("Paris", "Rome")
    strict, loose = (next(e for e in read(GENERATED) if e.case.tags["filter"] == name) for name in ("strict", "loose"))
    assert strict.case.family == loose.case.family == "facts_gen/0"
    assert strict.case.id != loose.case.id
    assert (strict.answer.text, strict.case.reference) == (" 4", "4")


def test_columns_of_metadata_can_be_named_as_in_any_recording():
    exchanges = list(open_recording(EVAL, fields={"language": "grade"}).exchanges())
    assert exchanges[0].case.language == "0"


# Versions that are not known, and files that are not what they seem.


def rewritten(path: Path, target: Path, change) -> Path:
    """A zip with the same JSON members, deflated, after a change."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for member in source.infolist():
            name, value = change(member.filename, inspect_log._member(path, member))
            if name:
                out.writestr(name, json.dumps(value))
    return target


def test_unknown_versions_are_refused_by_name(tmp_path):
    newer = rewritten(EVAL, tmp_path / "a.eval", lambda n, v: (n, v | {"version": 3} if n == "header.json" else v))
    assert codes(newer).startswith("IMPT001 Inspect: version '3'")
    json_log = tmp_path / "a.json"
    json_log.write_text(JSON.read_text().replace('"version":2', '"version":1', 1))
    assert codes(json_log).startswith("IMPT001 Inspect: version '1'")
    results = tmp_path / "b.json"
    results.write_text(PROMPTFOO.read_text().replace('"version":3', '"version":5', 1))
    assert codes(results).startswith("IMPT001 promptfoo: version '5'")
    report = tmp_path / "c.jsonl"
    report.write_text(GARAK.read_text().replace('"garak_version": "0.17.1"', '"garak_version": "0.99"'))
    assert codes(report).startswith("IMPT001 garak: version '0.99'")
    samples = tmp_path / "d.jsonl"
    samples.write_text(CHOICE.read_text().replace('"filtered_resps"', '"filtered"'))
    assert codes(samples).startswith("IMPT001 lm-eval: version 'without filtered_resps'")


def test_chunked_samples_are_refused(tmp_path):
    def change(name, value):
        return name.replace(".json", "/sample.json") if name.startswith("samples/c0") else name, value

    assert "chunked" in codes(rewritten(EVAL, tmp_path / "a.eval", change))


def test_a_deflated_log_without_its_end_is_read(tmp_path):
    """A run that was killed leaves the journal's start, and no header."""
    killed = rewritten(EVAL, tmp_path / "a.eval", lambda n, v: (None if n == "header.json" else n, v))
    assert len(read(killed)) == 32


def test_a_run_that_did_not_succeed_says_so_in_every_row(tmp_path):
    log = tmp_path / "a.json"
    log.write_text(JSON.read_text().replace('"status":"success"', '"status":"cancelled"', 1))
    assert {exchange.case.tags["log_status"] for exchange in read(log)} == {"cancelled"}


def bomb(path: Path, packed: bytes, *, size: int, method: int) -> Path:
    """A zip of one member that claims to be small; the standard library writes no zstd, so it is written by hand."""
    name = b"header.json"
    sizes = struct.pack("<III", 0, len(packed), size)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 63, 0, method, 0, 0) + sizes + struct.pack("<HH", len(name), 0) + name
    central = b"PK\x01\x02" + struct.pack("<HHHHHH", 63, 63, 0, method, 0, 0) + sizes
    central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    offset = len(local) + len(packed)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), offset, 0)
    path.write_bytes(local + packed + central + end)
    return path


@pytest.mark.parametrize("method", [8, 93])
def test_a_zip_bomb_is_refused(tmp_path, monkeypatch, method):
    monkeypatch.setattr(inspect_log, "FREE", 1_000_000)
    monkeypatch.setattr(inspect_log, "LARGEST_RATIO", 10)
    zeros = b"0" * 20_000_000
    if method == 8:
        deflater = zlib.compressobj(wbits=-15)
        packed = deflater.compress(zeros) + deflater.flush()
    else:
        packed = pa.compress(zeros, codec="zstd", asbytes=True)
    said = codes(bomb(tmp_path / "bomb.eval", packed, size=len(zeros), method=method))
    assert said.startswith("IMPT002 Inspect: a member grows beyond 1,000,000 bytes")
    assert codes(bomb(tmp_path / "lies.eval", packed, size=10, method=method)).startswith("IMPT002")


@pytest.mark.parametrize("path", [EVAL, PROMPTFOO, GARAK, GENERATED], ids=["Inspect", "promptfoo", "garak", "lm-eval"])
def test_damaged_logs_are_faults_and_never_crash_properties(path, tmp_path):
    """Bytes changed, cut and inserted at random: exchanges or a located fault, nothing else."""
    rng, whole = random.Random(11), path.read_bytes()[:60_000]
    for number in range(60):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 3, 20])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        if number % 3 == 0:
            del raw[rng.randrange(len(raw)) :]
        damaged = tmp_path / path.name
        damaged.write_bytes(bytes(raw))
        try:
            read(damaged)
        except DataError as error:
            assert all(fault.where for fault in error.faults)


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [None], {"a": None}])
@pytest.mark.parametrize("path", [JSON, PROMPTFOO, GARAK, GENERATED], ids=["Inspect", "promptfoo", "garak", "lm-eval"])
def test_any_field_may_hold_anything_properties(path, value, tmp_path):
    """Each field of a sample in turn holds something else: exchanges or a located fault, nothing else."""

    def samples(document):
        return document["samples"] if path == JSON else document["results"]["results"]

    target = tmp_path / path.name
    if path in (JSON, PROMPTFOO):
        document = json.loads(path.read_text())
        del samples(document)[2:]
        sample, lines = samples(document)[0], None
    else:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        document, sample = None, next(line for line in lines if line.get("status") == 2 or "doc_id" in line)
        lines = [
            line for line in lines if line is sample or line.get("entry_type") in ("start_run setup", "init", "eval")
        ]
    for key in list(sample):
        kept, sample[key] = sample[key], value
        target.write_text(json.dumps(document) if lines is None else "\n".join(map(json.dumps, lines)))
        sample[key] = kept
        try:
            read(target)
            recompute(target)
        except DataError as error:
            assert all(fault.where for fault in error.faults)


def test_hostile_text_passes_through_as_text(tmp_path):
    samples = tmp_path / "samples_x.jsonl"
    row = json.loads(GENERATED.read_text().splitlines()[0])
    row["resps"] = [["\ud800<script>\x1b[31m=1+1\x00"]]
    samples.write_text(json.dumps(row) + "\n")
    (exchange,) = read(samples)
    assert exchange.answer.text == "\ud800<script>\x1b[31m=1+1\x00"
