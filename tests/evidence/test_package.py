from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import sys
import zipfile
import zlib
from itertools import pairwise, product
from pathlib import Path

import pytest

from shipworthy.api.standing import SIGN_OFF
from shipworthy.digest import canonical
from shipworthy.errors import Stale, Unusable
from shipworthy.evidence import excerpt
from shipworthy.evidence import package as layout
from shipworthy.evidence.attestations import ROWS
from shipworthy.evidence.container import opened
from shipworthy.evidence.unpacking import runs_inside
from shipworthy.evidence.verifying import Trust, verify_log, verify_package
from shipworthy.integrity import checkpoints, envelope, merkle
from shipworthy.integrity.keys import Register
from shipworthy.integrity.persons import Person

sys.path.insert(0, str(Path(__file__).parent))
from packable import (
    ADA,
    ADAS,
    ADAS_OTHER,
    BOB,
    BOBS,
    EVES,
    NOW,
    TRUSTED,
    edit,
    files,
    loosen,
    packed,
    registered,
    relist,
    reseal,
)
from packable import workshop as build

EVE = Person(name="Eve", email="eve@example.org")
STRICT = Trust(register=TRUSTED, threshold=2)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return build(tmp_path_factory.mktemp("lending"))


@pytest.fixture(scope="module")
def pristine(workshop, tmp_path_factory):
    """A package with everything in it, signed by two persons, that no test changes."""
    return packed(workshop, tmp_path_factory.mktemp("pristine") / "package")


@pytest.fixture
def package(pristine, tmp_path):
    return Path(shutil.copytree(pristine, tmp_path / "package"))


def codes(path: Path, trust: Trust = STRICT) -> list[str]:
    return [fault.code for fault in verify_package(path, trust).faults]


def places(path: Path, trust: Trust = STRICT) -> set[str]:
    return {fault.where for fault in verify_package(path, trust).faults}


# What an untouched package shows


def test_an_untouched_package_verifies_without_a_network(pristine, monkeypatch):
    def refuse(*args, **more):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    found = verify_package(pristine, STRICT)
    assert found.faults == ()
    assert found.facts["signed_by"] == [str(ADA), str(BOB)]
    assert found.facts["entries"] == len((pristine / excerpt.LOG).read_text().splitlines()) > 5
    assert not any("agrees with itself" in note for note in found.notes)
    assert "signed by Ada" in found.headline
    assert "\n" not in found.headline


def test_everything_that_the_design_names_is_in_it(pristine):
    names = files(pristine)
    heads = {name.split("/")[0] for name in names}
    assert heads == {
        "package.json", "manifest.json", "README.md", "plan", "runs", "gates", "risk", "docs", "trace", "bom",
        "attestations", "audit", "keys",
    }  # fmt: skip
    for name in ("docs/report.html", "docs/launch-memo.md", "docs/annex-iv.html", "risk/waivers.json", layout.BUNDLE):
        assert name in names
    listed, said = layout.read_manifest((pristine / "manifest.json").read_bytes())
    assert set(names) - set(listed) == layout.UNLISTED
    assert all(line["role"] and line["media_type"] and line["class"] for line in said["files"])


def test_the_root_against_an_independent_tree(pristine):
    """RFC 6962, section 2.1, as it is written there: by recursion."""

    def mth(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()

    said = json.loads((pristine / "manifest.json").read_text())
    paths = [line["path"] for line in said["files"]]
    assert paths == sorted(paths, key=lambda path: path.encode())
    leaves = {
        path: json.dumps([path, len(data), hashlib.sha256(data).hexdigest()], separators=(",", ":")).encode()
        for path in paths
        for data in [(pristine / path).read_bytes()]
    }
    assert said["root"] == f"sha256:{mth([leaves[path] for path in paths]).hex()}"
    (run,) = [
        leaf
        for path, leaf in leaves.items()
        if path.startswith("runs/") and path.count("/") == 2 and path.endswith("/manifest.json")
    ]
    digest = f'"sha256:{json.loads(run)[2]}"'
    assert said["evidence"] == f"sha256:{mth([digest.encode()]).hex()}"


def test_envelopes_against_securesystemslib(pristine):
    dsse, signer = pytest.importorskip("securesystemslib.dsse"), pytest.importorskip("securesystemslib.signer")
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    keys = [
        signer.SSlibKey.from_crypto(load_pem_public_key((pristine / f"keys/{one.public.id}.pub").read_bytes()))
        for one in (ADAS, BOBS)
    ]
    found = sorted(pristine.glob("attestations/*.dsse.json"))
    assert len(found) == 4
    for path in found:
        theirs = dsse.Envelope.from_dict(json.loads(path.read_text()))
        assert len(theirs.verify(keys, 2)) == 2
    statement = json.loads(dsse.Envelope.from_dict(json.loads((pristine / layout.SEAL).read_text())).payload)
    manifest = hashlib.sha256((pristine / "manifest.json").read_bytes()).hexdigest()
    assert statement["subject"] == [{"name": "manifest.json", "digest": {"sha256": manifest}}]
    lines = (pristine / layout.BUNDLE).read_bytes().splitlines(keepends=True)
    assert lines == [path.read_bytes() for path in found if path.name != "package.dsse.json"]


# Tampering: files

FLIPS = (lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data[:-1] + bytes([data[-1] ^ 0x20]))


def tampered(package: Path, name: str):
    """Every way to tamper with one file of a package, done and undone."""
    path = package / name
    data = path.read_bytes()
    changes = {
        "first byte": FLIPS[0](data),
        "last byte": FLIPS[1](data),
        "middle": data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0xFF]) + data[len(data) // 2 + 1 :],
        "truncated": data[:-1],
        "emptied": b"",
        "doubled": data + data,
    }
    for how, content in changes.items():
        path.write_bytes(content)
        yield how
    path.unlink()
    yield "dropped"
    elsewhere = package.parent / "elsewhere"
    elsewhere.write_bytes(data)
    path.symlink_to(elsewhere)
    yield "replaced by a link to the same bytes"
    path.unlink()
    path.mkdir()
    yield "replaced by a folder"
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        yield "replaced by a pipe"
        path.unlink()
    path.write_bytes(data)
    copy = path.with_name(f"{path.name}.copy")
    copy.write_bytes(data)
    yield "copied beside itself"
    copy.unlink()
    other = path.with_name(path.name.swapcase())
    other.write_bytes(data)
    yield "copied under a name in other case"
    other.unlink()


def sweep(package: Path, names: list[str]) -> None:
    for name in names:
        for how in tampered(package, name):
            assert codes(package), f"{name}: {how}"
            assert codes(package, Trust()), f"{name}: {how}, with the package's own keys"
    assert codes(package) == []


def test_tampering_with_the_most_telling_files_is_found(package):
    sweep(package, ["manifest.json", layout.SEAL, excerpt.LOG])


@pytest.mark.slow
def test_tampering_with_every_file_is_found(package):
    sweep(package, files(package))


def test_the_first_fault_names_the_file(package):
    for name in ("docs/annex-iv.md", "plan/plan.yaml", "README.md"):
        data = (package / name).read_bytes()
        (package / name).write_bytes(FLIPS[0](data))
        first = verify_package(package, STRICT).faults[0]
        assert (first.code, first.where) == ("PACK016", name)
        (package / name).write_bytes(data)


def test_files_that_changed_places_are_found(package):
    names = files(package)
    for one, other in pairwise(names):
        a, b = (package / one).read_bytes(), (package / other).read_bytes()
        if a == b:
            continue
        (package / one).write_bytes(b)
        (package / other).write_bytes(a)
        assert codes(package), (one, other)
        (package / one).write_bytes(a)
        (package / other).write_bytes(b)
    assert codes(package) == []


def test_a_manifest_that_was_rewritten_to_match_is_found_through_the_signed_root(package):
    for name in files(package):
        if name in layout.UNLISTED:
            continue
        data, manifest = (package / name).read_bytes(), (package / "manifest.json").read_bytes()
        (package / name).write_bytes(data + b" ")
        relist(package)
        assert "PACK020" in codes(package), name
        (package / name).write_bytes(data)
        (package / "manifest.json").write_bytes(manifest)
    assert codes(package) == []


def test_a_file_is_not_withheld_by_saying_so(package):
    """Who drops a file may not pass it off as withheld, not even with a root that stays the same."""
    manifest = json.loads((package / "manifest.json").read_text())
    next(line for line in manifest["files"] if line["path"] == "gates/decision.json")["withheld"] = True
    (package / "manifest.json").write_text(layout.to_json(manifest))
    (package / "gates/decision.json").unlink()
    found = verify_package(package, Trust(root=manifest["root"]))
    assert {"PACK018", "PACK020"} <= {fault.code for fault in found.faults}


@pytest.mark.parametrize("name", ["eval-result", "svr", "test-result", "package"])
def test_an_envelope_signed_by_another_is_found(package, name):
    path = package / f"attestations/{name}.dsse.json"
    old = envelope.read(path.read_bytes(), where="x")
    path.write_bytes(envelope.to_json(envelope.sign(old.payload, [EVES])))
    for trust in (STRICT, Trust()):
        assert codes(package, trust)
    if name != "package":  # and somebody made everything else fit
        bundle = sorted(p for p in package.glob("attestations/*.dsse.json") if p.name != "package.dsse.json")
        (package / layout.BUNDLE).write_bytes(b"".join(p.read_bytes() for p in bundle))
        reseal(package, ADAS, BOBS)
        assert set(codes(package)) == {"SIGN003"}


def test_a_package_that_eve_made_her_own_is_found_with_a_trusted_register_alone(package):
    eves = registered((EVES, EVE))
    for path in package.glob("keys/*"):
        path.unlink()
    for name, data in layout.key_files(eves).items():
        (package / name).write_bytes(data)
    for path in sorted(package.glob("attestations/*.dsse.json")):
        old = envelope.read(path.read_bytes(), where="x")
        path.write_bytes(envelope.to_json(envelope.sign(old.payload, [EVES])))
    bundle = sorted(p for p in package.glob("attestations/*.dsse.json") if p.name != "package.dsse.json")
    (package / layout.BUNDLE).write_bytes(b"".join(p.read_bytes() for p in bundle))
    for path in package.glob("audit/checkpoints/*"):
        old = checkpoints.read(path.read_bytes(), where="x")
        tree = merkle.Tree()
        for line in (package / excerpt.LOG).read_bytes().splitlines():
            tree.append(merkle.leaf_hash(line))
        path.write_bytes(checkpoints.to_text(checkpoints.sign(old.origin, tree, EVES)))
    edit(package / "package.json", lambda found: found.update(signers=[EVES.public.id]))
    edit(package / "risk/sign-offs.json", lambda found: found["documents"][0]["body"].update(envelope=None))
    loosen(package, "risk/sign-offs.json")
    reseal(package, EVES)
    alone = verify_package(package, Trust())
    assert alone.faults == ()  # this is what a package's own keys are worth, and it says so
    assert any("agrees with itself" in note for note in alone.notes)
    assert {"SIGN003", "CHKP002"} <= set(codes(package))


def test_signatures_count_by_persons(workshop, tmp_path):
    twice = packed(workshop, tmp_path / "twice", sign_with=(ADAS, ADAS_OTHER))
    assert codes(twice, Trust(register=TRUSTED, threshold=1)) == []
    assert codes(twice, STRICT) == ["SIGN005"]
    assert codes(twice, Trust(threshold=2)) == ["SIGN005"]


def test_persons_are_not_counted_by_keys_where_their_names_are_withheld(workshop, tmp_path):
    bare = packed(workshop, tmp_path / "bare", audience="internal", sign_with=(ADAS, ADAS_OTHER))
    assert codes(bare, Trust()) == []
    assert codes(bare, Trust(threshold=2)) == ["PACK019"]
    assert codes(bare, STRICT) == ["SIGN005"]


def test_a_revoked_key_counts_for_nothing(pristine):
    gone = TRUSTED.revoke(ADAS.public.id, now=NOW, reason="lost")
    assert "SIGN005" in codes(pristine, Trust(register=gone, threshold=2))


def test_a_signature_that_was_taken_off_is_found(package):
    path = package / layout.SEAL
    found = json.loads(path.read_text())
    found["signatures"] = found["signatures"][:1]
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    assert codes(package, Trust(register=TRUSTED)) == ["PACK019"]
    path.unlink()
    assert codes(package, Trust()) == ["PACK019"]


def test_the_seal_takes_further_signatures(package):
    found = envelope.read((package / layout.SEAL).read_bytes(), where="x")
    (package / layout.SEAL).write_bytes(envelope.to_json(envelope.sign_also(found, EVES)))
    three = Register(keys={**TRUSTED.keys, **registered((EVES, EVE)).keys})
    assert codes(package, Trust(register=three, threshold=3)) == []
    assert codes(package, Trust(register=TRUSTED, threshold=3)) == ["SIGN005"]


# Tampering: what files say of each other, where the manifest was signed anew by the very signers


@pytest.mark.parametrize(
    ("name", "change", "code", "where"),
    [
        ("gates/decision.json", lambda f: f.update(decision="ship"), "PACK022", "gates/decision.json"),
        ("package.json", lambda f: f.update(run="another"), "PACK022", "package.json"),
        ("package.json", lambda f: f["system"].update(version="99"), "PACK022", "package.json"),
        ("docs/annex-iv.json", lambda f: f.update(headline="SHIP"), "PACK022", "docs/annex-iv.html"),
        ("plan/plan.json", lambda f: f.update(seed=7), "PACK022", "plan/plan.json"),
        (
            "risk/risks.json",
            lambda f: f["documents"][0].update(digest="sha256:" + "0" * 64),
            "PACK022",
            "risk/risks.json",
        ),
        ("audit/proofs.json", lambda f: f["entries"][0].update(hash="0" * 64), "PACK023", "audit/proofs.json"),
        ("audit/proofs.json", lambda f: f.update(root="0" * 64), "PACK023", "audit/proofs.json"),
        ("keys/register.json", lambda f: f["keys"].pop(), "PACK022", "keys/register.json"),
    ],
)
def test_files_that_contradict_each_other_are_found(package, name, change, code, where):
    edit(package / name, change)
    reseal(package, ADAS, BOBS)
    found = verify_package(package, STRICT).faults
    assert (code, where) in {(fault.code, fault.where) for fault in found}
    assert {fault.code for fault in found} == {code}


def test_a_run_that_was_changed_is_found_by_its_own_manifest(package):
    (results,) = package.glob("runs/*/summary.md")
    results.write_text("All is well.\n")
    (results.parent / "extra.txt").write_text("x")
    reseal(package, ADAS, BOBS)
    said = {str(p.relative_to(package)) for p in (results, results.parent / "extra.txt")}
    assert places(package) == said


def test_statements_about_another_run_are_found(package):
    path = package / "attestations/eval-result.dsse.json"
    statement = json.loads(envelope.read(path.read_bytes(), where="x").payload)
    statement["predicate"]["decision"] = "ship"
    next(s for s in statement["subject"] if s["name"].startswith("run:"))["digest"]["sha256"] = "0" * 64
    path.write_bytes(envelope.to_json(envelope.sign(canonical(statement), [ADAS])))
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK020", "PACK022", "PACK021"]


def test_a_sign_off_with_another_signature_is_found(package):
    def change(found: dict) -> None:
        body = found["documents"][0]["body"]
        old = envelope.read(body["envelope"].encode(), where="x")
        body["envelope"] = envelope.to_json(envelope.sign(old.payload, [EVES])).decode()

    edit(package / "risk/sign-offs.json", change)
    loosen(package, "risk/sign-offs.json")
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["SIGN003"]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(verdict="approve"),
        lambda body: body.update(statement="Ship it."),
        lambda body: body.update(signer="person:" + "0" * 64),
        lambda body: body["bindings"].update(decision="sha256:" + "0" * 64),
        lambda body: body["bindings"].update(waivers=[{"id": "W-1", "digest": "sha256:" + "0" * 64}]),
    ],
)
def test_a_sign_off_that_says_something_else_than_was_signed_is_found(package, change):
    edit(package / "risk/sign-offs.json", lambda found: change(found["documents"][0]["body"]))
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK022", "PACK020"]
    loosen(package, "risk/sign-offs.json")
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK020"]


def test_a_sign_off_of_other_evidence_is_told(pristine, package):
    told = [note for note in verify_package(pristine, STRICT).notes if "sign-off" in note]
    assert len(told) == 1
    assert told[0].endswith(f":model risk:1' is signed with the key of {BOB}.")

    def without_envelope(found: dict) -> None:
        body = found["documents"][0]["body"]
        body["envelope"] = None
        body["bindings"]["evidence"] = "sha256:" + "0" * 64

    edit(package / "risk/sign-offs.json", without_envelope)
    reseal(package, ADAS, BOBS)
    notes = verify_package(package, STRICT).notes
    assert any("model risk:1" in note and "other evidence" in note for note in notes)
    assert any("model risk:1" in note and "has no signature" in note for note in notes)


def test_a_sign_off_of_another_decision_is_told(package):
    edit(package / "gates/decision.json", lambda found: found["decisions"][0]["body"].update(reason="else"))
    loosen(package, "gates/decision.json", "decisions")
    reseal(package, ADAS, BOBS)
    found = verify_package(package, STRICT)
    assert found.faults == ()
    assert any("model risk:1" in note and "another decision" in note for note in found.notes)
    assert any("1 documents is not bound to the log" in note for note in found.notes)


def test_sign_offs_of_two_signers_by_one_persons_key_are_found(package):
    def second(found: dict) -> None:
        other = copy.deepcopy(found["documents"][0])
        body, other["id"], other["seq"] = other["body"], "S-2", 90
        body.update(id="S-2", signer="person:" + "0" * 64)
        statement = json.loads(envelope.read(body["envelope"].encode(), where="x").payload)
        statement["predicate"].update(signOff="S-2", signer=body["signer"])
        body["envelope"] = envelope.to_json(envelope.sign(canonical(statement), [BOBS])).decode()
        found["documents"].append(other)

    edit(package / "risk/sign-offs.json", second)
    loosen(package, "risk/sign-offs.json")
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK019", "PACK022"]


def test_a_sign_off_whose_signature_is_a_statement_of_another_kind_is_found(package):
    def change(found: dict) -> None:
        body = found["documents"][0]["body"]
        statement = json.loads(envelope.read(body["envelope"].encode(), where="x").payload)
        assert statement["predicateType"] == SIGN_OFF
        statement["predicateType"] = layout.SEAL_TYPE
        body["envelope"] = envelope.to_json(envelope.sign(canonical(statement), [BOBS])).decode()

    edit(package / "risk/sign-offs.json", change)
    loosen(package, "risk/sign-offs.json")
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK020"]


def test_a_sign_off_that_was_left_out_is_found_even_where_its_proof_was_left_out_too(package):
    """A rejection cannot be dropped from the list: the whole log tells of it, by the id of the decision."""

    def drop(found: dict) -> None:
        found["documents"].clear()

    def unproven(found: dict) -> None:
        lines = (package / excerpt.LOG).read_bytes().splitlines()
        kept = [one for one in found["entries"] if b'"sign-off/' not in lines[one["seq"]]]
        assert len(kept) < len(found["entries"])
        found["entries"] = kept

    edit(package / "risk/sign-offs.json", drop)
    edit(package / excerpt.PROOFS, unproven)
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK022"]


def invented(found: dict) -> None:
    """Another document before one, under the same number."""
    one = copy.deepcopy(found["documents"][0])
    one["id"] = one["body"]["id"] = "R-0"
    found["documents"].insert(0, one)


@pytest.mark.parametrize("most_log", [50_000, 3])
def test_documents_that_the_log_does_not_tell_of_are_found(workshop, tmp_path, most_log):
    package = packed(workshop, tmp_path / "part", most_log=most_log)
    changes = [
        ("risk/risks.json", invented),
        ("risk/risks.json", lambda found: found["documents"][0].update(at="2026-11-20T12:00:00+00:00")),
        ("risk/waivers.json", lambda found: found["documents"][0].update(actor="person:" + "0" * 64)),
        ("risk/waivers.json", lambda found: found["documents"][0].update(seq=900)),
        ("gates/decision.json", lambda found: found["decisions"][0].update(digest="sha256:" + "0" * 64)),
        ("risk/risks.json", lambda found: found["documents"].clear()),
        ("risk/sign-offs.json", lambda found: found["documents"].clear()),
        ("risk/risks.json", lambda found: found["documents"][0]["body"].update(title="Nothing can go wrong")),
        ("risk/waivers.json", lambda found: found["documents"][0].update(salt="0" * 64)),
    ]
    for name, change in changes:
        data = (package / name).read_bytes()
        edit(package / name, change)
        reseal(package, ADAS, BOBS)
        assert set(codes(package)) == {"PACK022"}, name
        (package / name).write_bytes(data)


def test_hostile_types_are_faults_and_never_a_traceback(package):
    for key, value in (("body", [1]), ("body", "x"), ("seq", [1]), ("seq", "1"), ("digest", {}), ("at", 1), ("id", []),
                       ("salt", 5), ("salt", "zz"), ("salt", "00")):  # fmt: skip
        for name, listed in (("risk/sign-offs.json", "documents"), ("gates/decision.json", "decisions")):
            data = (package / name).read_bytes()
            edit(package / name, lambda found, at=listed, k=key, v=value: found[at][0].update({k: v}))
            reseal(package, ADAS, BOBS)
            assert set(codes(package)) == {"PACK022"}, (name, key, value)
            (package / name).write_bytes(data)
    path = package / "attestations/eval-result.dsse.json"
    statement = json.loads(envelope.read(path.read_bytes(), where="x").payload)
    statement["subject"] = [{"name": "a", "digest": {"sha256": []}}, {"name": "b", "digest": {ROWS: {}}}]
    path.write_bytes(envelope.to_json(envelope.sign(canonical(statement), [ADAS])))
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["PACK020", "PACK020", "PACK021"]


def test_a_log_alone_says_that_its_keys_are_unused_and_is_not_empty(pristine, tmp_path):
    unused = "The keys were not used"
    assert any(unused in note for note in verify_log(pristine / excerpt.LOG, Trust(register=TRUSTED)).notes)
    assert not any(unused in note for note in verify_log(pristine / excerpt.LOG, Trust()).notes)
    (tmp_path / "log.jsonl").touch()
    assert [fault.code for fault in verify_log(tmp_path / "log.jsonl", Trust()).faults] == ["LOG001"]


# Tampering: lines of the log


def broken_logs(lines: list[bytes]):
    for n, line in enumerate(lines):
        half = len(line) // 2
        yield f"flip {n}", [*lines[:n], line[:half] + bytes([line[half] ^ 1]) + line[half + 1 :], *lines[n + 1 :]]
        yield f"drop {n}", lines[:n] + lines[n + 1 :]
        yield f"double {n}", lines[: n + 1] + lines[n:]
        yield f"truncate {n}", lines[:n]
        yield f"cut {n}", [*lines[:n], line[:-5]]
        if n:
            yield f"swap {n}", [*lines[: n - 1], line, lines[n - 1], *lines[n + 1 :]]


def test_every_broken_line_of_the_log_is_found(package, tmp_path):
    path = package / excerpt.LOG
    lines = path.read_bytes().splitlines(keepends=True)
    (note,) = package.glob("audit/checkpoints/*.txt")
    outside = Trust(register=TRUSTED, checkpoints=(checkpoints.read(note.read_bytes(), where="x"),))
    alone = tmp_path / "log.jsonl"
    for how, broken in broken_logs(lines):
        path.write_bytes(b"".join(broken))
        assert codes(package)[0] == "PACK016", how
        alone.write_bytes(b"".join(broken))
        assert verify_log(alone, outside).faults, how
    path.write_bytes(b"".join(lines))
    assert codes(package) == []


def test_every_broken_line_is_found_even_where_the_package_was_signed_anew(package):
    path = package / excerpt.LOG
    lines = path.read_bytes().splitlines(keepends=True)
    for how, broken in broken_logs(lines):
        path.write_bytes(b"".join(broken))
        reseal(package, ADAS, BOBS)
        found = codes(package)
        assert found, how
        assert found[0][:4] in ("LOG0", "CHKP"), how


def test_a_log_without_its_end_is_found_by_a_checkpoint_from_elsewhere(workshop, pristine, tmp_path):
    """The keeper of the log cuts it, and packs again: only what lies elsewhere can tell."""
    (note,) = pristine.glob("audit/checkpoints/*.txt")
    later = checkpoints.read(note.read_bytes(), where="x")
    lines = (pristine / excerpt.LOG).read_bytes().splitlines(keepends=True)[:-1]
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(lines))
    assert verify_log(log, Trust()).faults == ()
    assert any("No checkpoint" in told for told in verify_log(log, Trust()).notes)
    assert [f.code for f in verify_log(log, Trust(register=TRUSTED, checkpoints=(later,))).faults] == ["CHKP005"]
    bare = packed(workshop, tmp_path / "bare", sign_with=(), record=None)
    assert "PACK025" in codes(bare, Trust(checkpoints=(later,)))


def test_a_checkpoint_signed_by_another_is_found(package):
    (path,) = package.glob("audit/checkpoints/*.txt")
    tree = merkle.Tree()
    for line in (package / excerpt.LOG).read_bytes().splitlines():
        tree.append(merkle.leaf_hash(line))
    origin = checkpoints.read(path.read_bytes(), where="x").origin
    path.write_bytes(checkpoints.to_text(checkpoints.sign(origin, tree, EVES)))
    reseal(package, ADAS, BOBS)
    assert codes(package) == ["CHKP002"]


def test_inclusion_proofs_against_the_tree():
    for size in range(1, 40):
        leaves = [merkle.leaf_hash(bytes([n])) for n in range(size)]
        found = excerpt.inclusion_proofs(leaves, range(size))
        assert found == [merkle.inclusion_proof(leaves, n) for n in range(size)]


def test_a_part_of_a_longer_log_is_proven_line_by_line(workshop, tmp_path):
    part = packed(workshop, tmp_path / "part", most_log=3)
    assert not (part / excerpt.LOG).exists()
    path = part / excerpt.ENTRIES
    lines = path.read_bytes().splitlines(keepends=True)
    found = verify_package(part, STRICT)
    assert found.faults == ()
    assert found.facts["entries"] == len(lines)
    assert any("part of the log" in note for note in found.notes)
    for how, broken in broken_logs(lines):
        path.write_bytes(b"".join(broken))
        reseal(part, ADAS, BOBS)
        assert "PACK023" in codes(part), how
    path.write_bytes(b"".join(lines))
    (note,) = part.glob("audit/checkpoints/*.txt")
    edit(part / excerpt.PROOFS, lambda told: told.update(root="1" * 64))
    reseal(part, ADAS, BOBS)
    assert set(codes(part)) == {"PACK023"}
    note.write_text(note.read_text() + "x")
    assert "CHKP001" in codes(part)


# Withheld files


def test_withheld_files_are_proven_and_not_there(workshop, tmp_path):
    bare = packed(workshop, tmp_path / "bare", audience="internal")
    found = verify_package(bare, Trust(register=TRUSTED, threshold=2))
    assert found.faults == ()
    assert found.facts["withheld"] == sum(
        item.withheld for item in layout.read_manifest((bare / "manifest.json").read_bytes())[0].values()
    )
    assert not list(bare.glob("runs/*/observations"))
    assert [path.name for path in (bare / "risk").iterdir()] == ["waivers.json"]
    assert not (bare / layout.REGISTER).exists()
    (rows,) = (workshop / "run/observations").iterdir()
    listed = json.loads((bare / "manifest.json").read_text())["files"]
    (line,) = [line for line in listed if line["path"].endswith(f"observations/{rows.name}")]
    assert (line["withheld"], line["sha256"]) == (True, hashlib.sha256(rows.read_bytes()).hexdigest())
    (bare / line["path"]).parent.mkdir()
    shutil.copyfile(rows, bare / line["path"])
    assert codes(bare) == ["PACK018"]


def test_withheld_names_of_persons_are_in_no_file(workshop, tmp_path):
    bare = packed(workshop, tmp_path / "bare", audience="internal")
    for name in files(bare):
        data = (bare / name).read_bytes()
        assert b"Cy Secretive" not in data, name
        assert b"bob@example.org" not in data, name


# Zip files


def rezip(source: Path, target: Path, change=lambda info, data: [(info, data)], extra=()) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            for name, data in change(info.filename, old.read(info)):
                new.writestr(name, data)
        for name, data in extra:
            new.writestr(name, data)
    return target


@pytest.fixture(scope="module")
def zipped(workshop, tmp_path_factory):
    return packed(workshop, tmp_path_factory.mktemp("zip") / "package.zip", zipped=True)


def test_a_zip_is_the_same_package(pristine, zipped):
    found = verify_package(zipped, STRICT)
    assert found.faults == ()
    assert found.facts == verify_package(pristine, STRICT).facts
    with zipfile.ZipFile(zipped) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == files(pristine)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "docs/../../evil",
        "a\\..\\evil",
        "C:evil",
        "README.MD",
        "docs/ANNEX-IV.md",
        "e\u0301vil\x07",
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_lead_out_or_collide_are_refused(zipped, tmp_path, name):
    bad = rezip(zipped, tmp_path / "bad.zip", extra=[(name, b"x")])
    assert codes(bad)[0] == "PACK011"
    assert not (tmp_path.parent / "evil").exists()


def test_bytes_in_front_of_or_between_the_files_of_a_zip_are_found(zipped, tmp_path):
    bad, data = tmp_path / "bad.zip", zipped.read_bytes()
    bad.write_bytes(b"#!/bin/sh\n" + data)
    assert codes(bad) == ["PACK010"]
    with zipfile.ZipFile(zipped) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        new.writestr("hidden.html", b"hidden")
        new.filelist.pop()  # its bytes stay, and no list names them
    assert codes(bad) == ["PACK010"]


class Pipe(io.RawIOBase):
    """A file that is written from its beginning to its end."""

    data = b""

    def write(self, piece):
        self.data += bytes(piece)
        return len(piece)


def test_a_zip_that_was_written_to_a_pipe_is_read(zipped, tmp_path):
    pipe = Pipe()
    with zipfile.ZipFile(zipped) as old, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    (tmp_path / "piped.zip").write_bytes(pipe.data)
    assert codes(tmp_path / "piped.zip") == []


def small_zip(path: Path) -> bytes:
    """A zip with two files, stored and deflated, and a folder; as Python writes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, way in (("a", zipfile.ZIP_STORED), ("docs/", zipfile.ZIP_STORED), ("docs/é", zipfile.ZIP_DEFLATED)):
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = way, (0o40755 << 16 if name.endswith("/") else 0o100644 << 16)
            archive.writestr(info, b"" if name.endswith("/") else name.encode() * 40)
    return path.read_bytes()


def piped_zip(path: Path) -> bytes:
    """A zip whose sizes stand behind its file, as it is written where nothing can be gone back to."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("docs/a", b"some text " * 40)
    path.write_bytes(pipe.data)
    return pipe.data


def as_read(path: Path):
    """Every file of a container with what it holds; None where anything is wrong with it."""
    with opened(path) as found:
        try:
            return None if found.faults else {name: found.hashed(name, most=1 << 20) for name in found.sizes}
        except ValueError:
            return None


# Bits of a line of the list of files (its offset there, the bits) from which no name and no content follows.
IDLE = {
    4: (0xFF, "by which version of its writer it was written"),
    36: (0x01, "whether it is text, which `unzip -a` asks for and nobody else"),
    38: (0x21, "read-only, and to be archived, on Windows"),
    40: (0xFF, "rights of the unpacked file"),
    41: (0x81, "rights of the unpacked file; that it is a plain file, which the rest says as well"),
}
IDLE_OF_FOLDER = {38: (0x31, "that it is a folder, which its name says"), 41: (0x41, "as 38")}


@pytest.mark.parametrize("make", [small_zip, piped_zip])
def test_every_bit_of_a_zip_that_is_no_content_is_looked_at(tmp_path, make):
    data = make(tmp_path / "whole.zip")
    whole = as_read(tmp_path / "whole.zip")
    assert whole
    with zipfile.ZipFile(tmp_path / "whole.zip") as archive:
        start, idle = archive.start_dir, {}
        for info in archive.infolist():
            start = data.index(b"PK\x01\x02", start)
            bits = IDLE | IDLE_OF_FOLDER if info.is_dir() else IDLE
            idle |= {start + at: mask for at, (mask, _) in bits.items()}
            start += 4
            if info.compress_type == zipfile.ZIP_DEFLATED:
                packed = info.header_offset + 30 + len(info.filename.encode()), info.compress_size
    content = range(packed[0], sum(packed))  # its own end may hold bits that no byte is made of
    missed = set()
    for at, bit in product((at for at in range(len(data)) if at not in content), range(8)):
        bad = bytearray(data)
        bad[at] ^= 1 << bit
        (tmp_path / "bad.zip").write_bytes(bad)
        if as_read(tmp_path / "bad.zip") is not None:
            missed.add((at, bit))
    assert missed == {(at, bit) for at, bits in idle.items() for bit in range(8) if bits >> bit & 1}


def patched(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]


def test_what_a_zip_says_twice_is_said_alike(zipped, tmp_path):
    """A list that says one thing, and headers before the files that say another: each reader would unpack its own."""
    data, bad = zipped.read_bytes(), tmp_path / "bad.zip"
    with zipfile.ZipFile(zipped) as archive:
        at, start = archive.getinfo("README.md").header_offset, archive.start_dir
    for place, piece in ((30, b"FORGED.md"), (14, b"\0\0\0\0"), (18, b"\1\0\0\0"), (22, b"\1\0\0\0"),
                         (8, b"\0\0"), (6, b"\x08\0"), (10, b"\1\1"), (4, b"\x2d\0")):  # fmt: skip
        bad.write_bytes(patched(data, at + place, piece))
        assert "PACK010" in codes(bad), place
    assert data.count(b"PK\x05\x06") == 1
    bad.write_bytes(data + b"\0")
    assert "PACK010" in codes(bad)
    bad.write_bytes(data[:-2] + b"\x05\0hello")
    assert "PACK010" in codes(bad)
    assert start


def test_a_folder_that_holds_a_file_is_refused(zipped, tmp_path):
    """`jar x < package.zip` would write README.md from behind the folder's line."""
    data, forged = zipped.read_bytes(), b"# Forged"
    with zipfile.ZipFile(zipped) as archive:
        start, count = archive.start_dir, len(archive.infolist())
    end = data.rfind(b"PK\x05\x06")
    numbers = (zlib.crc32(forged), len(forged), len(forged))
    before = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, *numbers, 9, 0) + b"README.md" + forged
    for crc, inside, size in (numbers, (0, len(forged), 0)):
        line = struct.pack(
            "<4s4B4H3L5H2L",
            b"PK\1\2",
            20,
            3,
            20,
            0,
            0,
            0,
            0,
            33,
            crc,
            inside,
            size,
            5,
            0,
            0,
            0,
            0,
            0o40755 << 16,
            start,
        )
        listed = data[start:end] + line + b"docs/"
        tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count + 1, count + 1, len(listed), start + len(before), 0)
        (tmp_path / "bad.zip").write_bytes(data[:start] + before + listed + tail)
        assert "PACK010" in codes(tmp_path / "bad.zip")


def test_what_follows_the_end_of_a_packed_file_is_found(zipped, tmp_path):
    """Who reads a zip from its beginning takes what follows for the next file."""
    bad, forged = tmp_path / "bad.zip", b"PK\3\4 another file"
    with zipfile.ZipFile(zipped) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        info = new.infolist()[-1]
        new.fp.seek(new.start_dir)
        new.fp.write(forged)
        info.compress_size += len(forged)
        new.start_dir += len(forged)
        new.fp.seek(info.header_offset + 18)
        new.fp.write(struct.pack("<L", info.compress_size))
    assert "PACK016" in codes(bad)


@pytest.mark.parametrize("kind", [0x7075, 0x5455, 0x9999])
def test_fields_beside_a_file_are_refused(zipped, tmp_path, kind):
    """0x7075 is another name, which `unzip` believes."""
    bad, other = tmp_path / "bad.zip", b"../EVIL.md"
    with zipfile.ZipFile(zipped) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            one = zipfile.ZipInfo(info.filename)
            if info.filename == "README.md":
                one.extra = struct.pack("<HHBL", kind, 5 + len(other), 1, zlib.crc32(b"README.md")) + other
            new.writestr(one, old.read(info))
    assert "PACK010" in codes(bad)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(zipped, tmp_path):
    bad = rezip(zipped, tmp_path / "bad.zip", extra=[("README.md", b"another")])
    assert codes(bad)[0] == "PACK011"


def test_a_link_in_a_zip_is_refused(zipped, tmp_path):
    link = zipfile.ZipInfo("docs/link.md")
    link.external_attr = 0o120777 << 16
    bad = rezip(zipped, tmp_path / "bad.zip", extra=[(link, b"/etc/passwd")])
    assert codes(bad)[0] == "PACK012"


def test_a_bomb_is_not_unfolded(tmp_path):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("manifest.json", "w") as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 20
    assert codes(bomb) == ["PACK010", "PACK013"]


def test_a_zip_with_an_endless_list_of_files_is_not_read(zipped, tmp_path, monkeypatch):
    monkeypatch.setattr("shipworthy.evidence.container.MOST_DIRECTORY", 1_000)
    assert codes(zipped) == ["PACK010", "PACK013"]


def test_a_damaged_zip_gives_faults_and_never_a_traceback(zipped, tmp_path):
    data = zipped.read_bytes()
    bad = tmp_path / "bad.zip"
    for end in (0, 1, 21, len(data) // 2, len(data) - 1):
        bad.write_bytes(data[:end])
        assert codes(bad), end
    found = 0
    for at in range(30, len(data), len(data) // 60):
        bad.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        found += bool(codes(bad))
    assert found > 55  # but for bytes that no content depends on, such as times


def test_a_size_that_lies_is_found(zipped, tmp_path):
    def grown(name: str, data: bytes):
        return [(name, data + b"\0" * 5_000_000 if name == "README.md" else data)]

    bad = rezip(zipped, tmp_path / "bad.zip", grown)
    first = verify_package(bad, STRICT).faults[0]
    assert (first.code, first.where) == ("PACK016", "README.md")


# Hostile manifests


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "shipworthy/package-manifest@1", "files": [1]}',
        '{"a": ' * 5_000,
        "\xff",
        '{"files": NaN}',
    ],
)
def test_a_hostile_manifest_is_a_fault(package, text):
    (package / "manifest.json").write_bytes(text.encode("latin-1"))
    assert codes(package) == ["PACK013"]


@pytest.mark.parametrize("path", ["../../x", "/etc/passwd", "a\\b", "C:x", "a/./b", "", "a\0b", "x" * 2_000])
def test_a_manifest_whose_paths_lead_out_is_a_fault(package, path):
    manifest = json.loads((package / "manifest.json").read_text())
    manifest["files"].append({"path": path, "size": 1, "sha256": "0" * 64})
    (package / "manifest.json").write_text(json.dumps(manifest))
    assert codes(package) == ["PACK013"]


@pytest.mark.slow
def test_hostile_json_anywhere_is_a_fault_and_never_a_traceback(package):
    rubbish = [b"", b"[]", b"{}", b"null", b'"x"', b"[" * 10_000, b'{"entries": [{}], "keys": 1, "documents": [1, {}]}']
    for name in files(package):
        if name.endswith((".json", ".pub", ".txt", ".jsonl")) and name != "manifest.json":
            data = (package / name).read_bytes()
            for junk in rubbish:
                (package / name).write_bytes(junk)
                if name not in layout.UNLISTED:
                    reseal(package, ADAS, BOBS)
                found = verify_package(package, STRICT)
                assert isinstance(found.headline, str), name
            (package / name).write_bytes(data)
    reseal(package, ADAS, BOBS)
    assert codes(package) == []


def test_faults_are_bounded(package, monkeypatch):
    monkeypatch.setattr("shipworthy.evidence.verifying.outcome.MOST_FAULTS", 5)
    for name in files(package):
        if name != "manifest.json":
            (package / name).unlink()
    found = verify_package(package, Trust())
    assert len(found.faults) == 5
    assert "at least 5" in found.headline


# The run inside


def test_the_run_inside_is_found_and_verified_first(pristine, zipped, package, tmp_path):
    (inside,) = runs_inside(pristine, tmp_path / "a")
    assert (inside / "results.json").is_file()
    assert not (tmp_path / "a").exists()
    (again,) = runs_inside(zipped, tmp_path / "b")
    assert [p.name for p in sorted(again.rglob("*"))] == [p.name for p in sorted(inside.rglob("*"))]
    assert runs_inside(inside, tmp_path / "c") == (inside,)
    assert runs_inside(tmp_path / "none", tmp_path / "c") == (tmp_path / "none",)
    (package / "README.md").write_text("x")
    with pytest.raises(Stale, match="PACK016"):
        runs_inside(package, tmp_path / "d")


def test_a_run_whose_rows_are_withheld_is_not_measured_again(workshop, tmp_path):
    with pytest.raises(Unusable, match="PACK024"):
        runs_inside(packed(workshop, tmp_path / "bare", audience="internal"), tmp_path / "x")


def test_reading_is_bounded(package):
    with opened(package) as container, pytest.raises(ValueError, match="larger than 10 bytes"):
        container.read("README.md", most=10)
    with opened(package) as container:
        assert container.hashed("README.md", most=10)[0] == 11
