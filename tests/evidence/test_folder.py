from __future__ import annotations

import json
import os

import pytest

from shipworthy.evidence.files import write_atomically
from shipworthy.evidence.manifest import verify_manifest, write_manifest
from shipworthy.evidence.write import write_documents

FILES = ["datasheet.md", "junit.xml", "memo.md", "model_card.md", "report.html", "report.sarif", "summary.md"]


@pytest.fixture
def folder(compas, tmp_path):
    where = tmp_path / "run"
    (where / "observations").mkdir(parents=True)
    (where / "observations" / "decisions.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    (where / "plan.yaml").write_text("requirements:\n  - id: FAIR-2\n")
    write_documents(compas, where)
    return where


def codes(folder, **more):
    return [(fault.code, fault.where) for fault in verify_manifest(folder, **more)]


def test_everything_is_written_and_verifies(folder):
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == sorted([*FILES, "manifest.json", "plan.yaml"])
    assert verify_manifest(folder) == []


def test_manifest_lists_every_file_with_its_role_and_no_absolute_path(folder):
    record = json.loads((folder / "manifest.json").read_text())
    roles = {item["path"]: item["role"] for item in record["files"]}
    assert set(roles) == {*FILES, "plan.yaml", "observations/decisions.parquet"}
    assert roles["report.html"] == "report"
    assert roles["observations/decisions.parquet"] == "observations"
    assert str(folder.parent) not in (folder / "manifest.json").read_text()
    assert [item["path"] for item in record["files"]] == sorted(roles)


@pytest.mark.parametrize("name", [*FILES, "observations/decisions.parquet"])
def test_one_flipped_byte_is_found(folder, name):
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert codes(folder) == [("EVID005", name)]


def test_missing_extra_and_shortened_files_are_found(folder):
    (folder / "memo.md").unlink()
    (folder / "observations" / "more.parquet").write_bytes(b"x")
    (folder / "junit.xml").write_text("")
    assert sorted(codes(folder)) == [
        ("EVID004", "memo.md"),
        ("EVID005", "junit.xml"),
        ("EVID006", "observations/more.parquet"),
    ]


def test_a_link_does_not_stand_for_a_file(folder, tmp_path):
    copy = tmp_path / "memo.md"
    copy.write_bytes((folder / "memo.md").read_bytes())
    (folder / "memo.md").unlink()
    (folder / "memo.md").symlink_to(copy)
    assert codes(folder) == [("EVID005", "memo.md")]
    with pytest.raises(ValueError, match="symbolic link"):
        write_manifest(folder, run="x")


def test_a_linked_folder_is_found(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("not ours")
    (folder / "extra").symlink_to(tmp_path / "elsewhere")
    assert codes(folder) == [("EVID006", "extra")]


def test_a_rewritten_manifest_is_found_by_its_own_digest(folder):
    digest = write_manifest(folder, run="x")
    assert codes(folder, sha256=digest) == []
    (folder / "memo.md").write_text("all is well")
    write_manifest(folder, run="x")
    assert codes(folder) == []
    assert codes(folder, sha256=digest) == [("EVID002", "manifest.json")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "not json",
        '{"schema":"shipworthy/manifest@1","files":[1]}',
        '{"schema":"shipworthy/manifest@1","files":[{"path":"a"}]}',
        "\x80",
    ],
)
def test_an_unreadable_manifest_is_a_fault_and_no_crash(folder, text):
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    assert codes(folder) == [("EVID003", "manifest.json")]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "C:/x", "a\\..\\b", "./memo.md", "a//b"])
def test_paths_out_of_the_folder_are_refused(folder, path):
    record = json.loads((folder / "manifest.json").read_text())
    record["files"].append({"path": path, "size": 1, "sha256": "0" * 64})
    (folder / "manifest.json").write_text(json.dumps(record))
    assert codes(folder) == [("EVID003", "manifest.json")]


def test_no_manifest_is_a_fault(tmp_path):
    assert codes(tmp_path) == [("EVID001", "manifest.json")]


def test_the_same_run_writes_the_same_bytes(folder, compas):
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    write_documents(compas, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


def test_missing_fields_are_counted(compas, tmp_path):
    assert write_documents(compas, tmp_path).missing > 20


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_hostile_names_write_and_verify(hostile, tmp_path):
    write_documents(hostile, tmp_path)
    assert verify_manifest(tmp_path) == []
