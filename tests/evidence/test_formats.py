"""A package that was written once verifies with every later version: what the verifier computes is part of the format."""

import hashlib
import itertools
import json
import re
import shutil
import sys
import zipfile
from base64 import b64decode
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipworthy.cli import main
from shipworthy.digest import digest
from shipworthy.evidence import formats
from shipworthy.evidence import package as layout
from shipworthy.evidence.documents.fields import PRIVACIES
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.formats import CURRENT, FORMATS
from shipworthy.evidence.manifest import SCHEMA as RUN_SCHEMA
from shipworthy.evidence.manifest import verify_manifest, write_manifest
from shipworthy.evidence.verifying import Trust, verify_package, verify_run
from shipworthy.gates.verdicts import decided

sys.path.insert(0, str(Path(__file__).parent))
from packable import edit, files, packed, relist
from packable import workshop as build

CHANGED = "this changes the format: raise SCHEMA and keep the table of the one before"
GOLDEN = Path(__file__).parent / "golden"
ROOTS = {"2026-11": "sha256:daf8522307887ed511ead960b4becb54df53ae062a42f0a380f71b8256e979b5"}
HELD = {  # versions of the formats -> the golden package that holds them
    "shipworthy/package-manifest@1": "2026-11", "shipworthy/package@1": "2026-11", "shipworthy/manifest@1": "2026-11",
    "shipworthy/results@1": "2026-11", "shipworthy/gate@1": "2026-11", "shipworthy/policy@1": "2026-11",
    "shipworthy/risks@1": "2026-11", "shipworthy/mitigations@1": "2026-11", "shipworthy/waivers@1": "2026-11",
    "shipworthy/sign-offs@1": "2026-11", "shipworthy/incidents@1": "2026-11", "shipworthy/document@1": "2026-11",
    "shipworthy/trace@1": "2026-11", "shipworthy/log-proofs@1": "2026-11", "shipworthy/key-register@1": "2026-11",
    "https://shipworthy.dev/attestation/eval-result/v0.1": "2026-11",
    "https://shipworthy.dev/attestation/package/v0.1": "2026-11",
    "https://shipworthy.dev/attestation/sign-off/v0.1": "2026-11",
}  # fmt: skip


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return build(tmp_path_factory.mktemp("lending"))


@pytest.fixture(scope="module")
def pristine(workshop, tmp_path_factory):
    return packed(workshop, tmp_path_factory.mktemp("pristine") / "package", audience="internal", sign_with=())


@pytest.fixture
def package(pristine, tmp_path):
    """A package that nobody signed, for internal readers."""
    return Path(shutil.copytree(pristine, tmp_path / "package"))


def found(path, trust=None):
    return [(fault.code, fault.where) for fault in verify_package(path, trust or Trust()).faults]


# The tables


def tables(form):
    return {
        "classes": [list(pair) for pair in form.classes],
        "roles": dict(form.roles),
        "run_roles": dict(form.run_roles),
        "media_types": dict(form.media_types),
    }


def test_the_tables_of_a_version_never_change():
    assert {schema: digest(tables(form)) for schema, form in FORMATS.items()} == {
        "shipworthy/package-manifest@1": "sha256:16648c97ba22292c92c9e0acf92d2a32473aaff24239f802db69b92b0edeb47f"
    }, CHANGED
    assert PRIVACIES == ("public", "internal", "restricted", "personal"), CHANGED
    written = to_json({"b": [1, 0.5, None, True], "a": {"é": "<&>"}, "c": []})
    assert written == (
        '{\n  "a": {\n    "\\u00e9": "\\u003c\\u0026\\u003e"\n  },\n  "b": [\n    1,\n    0.5,\n    null,\n    true\n  ],\n'
        '  "c": []\n}\n'
    ), CHANGED


def test_the_tables_are_those_of_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    page = page[page.index("**What a path stands for.**") : page.index("**Signed statements**")]
    *_, classes, roles, run_roles, types = re.split(r"\n\n(?=\|)", page)
    assert [tuple(pair) for pair in cells(classes)] == list(CURRENT.classes)
    assert dict(cells(roles)) == dict(CURRENT.roles)
    assert dict(cells(run_roles)) == dict(CURRENT.run_roles)
    assert dict(cells(types)) == dict(CURRENT.media_types)


def cells(table):
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(
    ("path", "privacy", "role", "media_type"),
    [
        ("package.json", "public", "package", "application/json"),
        ("README.md", "public", "package", "text/markdown"),
        ("keys/owner.pub", "public", "keys", "application/x-pem-file"),
        ("keys/register.json", "personal", "keys", "application/json"),
        ("runs/r1/results.json", "internal", "run: results", "application/json"),
        ("runs/r1/manifest.json", "internal", "run: other", "application/json"),
        ("runs/r1/plan/prompt.txt", "internal", "run: plan", "text/plain"),
        ("runs/r1/observations/d.parquet", "personal", "run: observations", "application/vnd.apache.parquet"),
        ("runs/r1/journal/a/b.jsonl", "personal", "run: journal", "application/jsonl"),
        ("runs/r1/report.html", "restricted", "run: report", "text/html"),
        ("risk/waivers.json", "internal", "risk register", "application/json"),
        ("risk/risks.json", "restricted", "risk register", "application/json"),
        ("docs/model_card.md", "public", "document", "text/markdown"),
        ("docs/system-card.pdf", "internal", "document", "application/pdf"),
        ("docs/launch-memo.md", "restricted", "document", "text/markdown"),
        ("runs/notes", "internal", "package", "application/octet-stream"),
        ("surprise.bin", "restricted", "package", "application/octet-stream"),
    ],
)
def test_what_a_path_stands_for(path, privacy, role, media_type):
    one = FORMATS["shipworthy/package-manifest@1"]
    assert (one.privacy(path), one.role(path), one.media_type(path)) == (privacy, role, media_type), CHANGED


def test_the_decision_that_verdicts_give_never_changes():
    """As docs/formats.md tells it of `shipworthy/results@1`."""
    kinds = list(
        itertools.product(("blocker", "major", "minor"), ("met", "breached", "undecided"), (None, {"id": "W"}))
    )
    verdicts = [dict(zip(("severity", "verdict", "waiver"), kind, strict=True)) for kind in kinds]
    for some in itertools.chain.from_iterable(itertools.combinations(verdicts, n) for n in range(4)):
        grave = [one for one in some if one["severity"] != "minor"]
        left = {one["verdict"] for one in grave if one["waiver"] is None}
        expected = "hold" if "breached" in left else "ship" if grave and left <= {"met"} else "undecided"
        assert decided({"verdicts": list(some)}) == expected, CHANGED.replace("SCHEMA", "`shipworthy/results@1`")


def test_versions_live_beside_each_other(package, monkeypatch):
    """A table that changed is another version: what follows the one before verifies, and so does what is new."""
    import dataclasses

    later = dataclasses.replace(CURRENT, roles={}, media_types={}, classes=(("*", "public"),))
    second = "shipworthy/package-manifest@2"
    for module in (formats, layout, sys.modules["shipworthy.evidence.verifying.files"]):
        monkeypatch.setattr(module, "FORMATS", {**FORMATS, second: later})
    assert found(package) == []
    listed, _ = layout.read_manifest((package / "manifest.json").read_bytes())
    (package / "manifest.json").write_bytes(layout.to_manifest(list(listed.values()), second))
    assert {code for code, _ in found(package)} == {"PACK018"}  # for everything is public there, and some is withheld


# Nothing of a manifest goes unlooked at


def test_every_byte_of_the_manifest_of_an_unsigned_package_is_looked_at(package):
    """Role, class and media type are not under the root; only the format vouches for them."""
    path = package / "manifest.json"
    data = path.read_bytes()
    (root,) = re.findall(rb'"root": "(sha256:[0-9a-f]+)"', data)
    assert found(package, Trust(root=root.decode())) == []
    first = data.index(b'"files"')
    for at in (*range(0, first + 700), *range(first + 700, len(data), 97), *range(len(data) - 20, len(data))):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert layout_faults(path), at


def layout_faults(path):
    """What is wrong with a manifest by itself, as the verifier looks at it."""
    from shipworthy.evidence.verifying.reading import Package
    from shipworthy.evidence.verifying.sealing import manifest

    data = path.read_bytes()
    try:
        listed, said = layout.read_manifest(data)
    except ValueError:
        return ["unreadable"]
    package = Package(container=None, trust=Trust(), manifest=data, schema=said["schema"], listed=listed)
    return list(manifest(package, said))


@pytest.mark.parametrize("key", ["role", "class", "media_type", "withheld", "note"])
def test_a_line_that_says_something_else_than_its_format_is_found_and_named(package, key):
    edit(package / "manifest.json", lambda said: said["files"][0].update({key: "personal" if key == "class" else "x"}))
    (first, *_) = found(package)
    assert first[0] == "PACK013"
    if key != "withheld":
        number = int(first[1].removeprefix("manifest.json, line "))
        lines = (package / "manifest.json").read_text().splitlines()
        assert any(key in line for line in lines[number - 1 : number + 2])


def test_a_file_of_a_stricter_class_than_its_readers_is_found(package):
    """Who packs it for internal readers may not leave a restricted file in, not even in a package that fits itself."""
    (package / "risk/risks.json").write_text(to_json({"schema": "shipworthy/risks@1", "documents": []}))
    manifest = json.loads((package / "manifest.json").read_text())
    manifest["files"] = [line for line in manifest["files"] if line["path"] != "risk/risks.json"]
    (package / "manifest.json").write_text(to_json(manifest))
    relist(package)
    assert found(package)[0] == ("PACK018", "risk/risks.json")


# What a later version wrote


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("manifest.json", "PACK013"),
        ("package.json", "PACK022"),
        ("gates/decision.json", "PACK022"),
        ("runs/*/results.json", "PACK022"),
        ("runs/*/manifest.json", "PACK022"),
        ("risk/waivers.json", "PACK022"),
        ("audit/proofs.json", "PACK023"),
    ],
)
def test_what_a_newer_version_wrote_is_told_as_that(package, name, code):
    (path,) = package.glob(name)
    edit(path, lambda said: said.update(schema=said["schema"].replace("@1", "@2")))
    if name != "manifest.json":
        relist(package)
    told = verify_package(package, Trust()).faults
    (fault,) = [one for one in told if "newer Shipworthy" in one.what]
    assert (fault.code, fault.where) == (code, path.relative_to(package).as_posix())
    assert "@2" in fault.what
    assert fault.mend == "install a newer Shipworthy, and verify again"
    edit(path, lambda said: said.update(schema="someone/else@2"))
    if name != "manifest.json":
        relist(package)
    assert not any("newer" in one.what for one in verify_package(package, Trust()).faults)
    assert code in {one.code for one in verify_package(package, Trust()).faults}


def test_a_run_of_a_newer_version_is_told_as_that(tmp_path):
    (tmp_path / "results.json").write_text('{"schema": "shipworthy/results@7", "decision": "ship"}')
    write_manifest(tmp_path, run="r")
    (fault,) = verify_run(tmp_path).faults
    assert (fault.code, fault.where) == ("PACK022", "results.json")
    assert "newer Shipworthy" in fault.what
    text = (tmp_path / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(text.replace(RUN_SCHEMA, "shipworthy/manifest@2"))
    (fault,) = verify_manifest(tmp_path)
    assert fault.code == "EVID003"
    assert "newer Shipworthy" in fault.what
    assert "newer" in fault.mend


def test_roles_and_types_of_a_runs_own_manifest_follow_no_table(pristine, tmp_path, monkeypatch):
    """They are told and not computed again: a run of an earlier version stays what it was."""
    run = Path(shutil.copytree(next(pristine.glob("runs/*")), tmp_path / "run"))
    write_manifest(run, run="r")
    monkeypatch.setattr("shipworthy.evidence.manifest._ROLES", {})
    monkeypatch.setattr("shipworthy.evidence.manifest._TYPES", {".json": "x/y"})
    assert verify_manifest(run) == []


# Golden packages: written once by the code of their time


@pytest.mark.parametrize("name", ROOTS)
def test_a_golden_package_verifies(name):
    path = GOLDEN / f"{name}.zip"
    checked = verify_package(path, Trust(threshold=2, root=ROOTS[name]))
    assert checked.faults == ()
    assert checked.facts["entries"] > 5
    assert any("S-1" in note and "signed with the key of Ada" in note for note in checked.notes)
    assert not any("was given for" in note or "not bound to the log" in note for note in checked.notes)
    assert path.stat().st_size < 300_000
    with zipfile.ZipFile(path) as archive:
        (results,) = [one for one in archive.namelist() if one.startswith("runs/") and one.endswith("/results.json")]
        verdicts = json.loads(archive.read(results))["verdicts"]
    assert [one["waiver"]["id"] for one in verdicts if one["waiver"]] == ["W-1"]


def test_every_golden_package_is_named_and_none_was_replaced():
    assert {path.stem for path in GOLDEN.glob("*.zip")} == ROOTS.keys()
    hashes = {name: hashlib.sha256((GOLDEN / f"{name}.zip").read_bytes()).hexdigest() for name in ROOTS}
    assert hashes == {"2026-11": "5f69f519e7ff49bccf254a50c41829ff9220021b6b5f70bad1ab4c4e8a0ced3c"}, (
        "a golden package is added, and never replaced"
    )


def test_the_command_says_what_to_do_about_each_fault():
    args = ["verify", str(GOLDEN / "2026-11.zip"), "--root", "sha256:" + "0" * 64]
    told = CliRunner().invoke(main, args)
    assert told.exit_code == 4
    assert "mend   compare the root with whoever told it to you" in told.stderr
    (fault,) = json.loads(CliRunner().invoke(main, [*args, "--json"]).stdout)["faults"]
    assert fault["mend"].startswith("compare the root")


def versions(read, names):
    """Every version of a format of ours that the files of a package name."""
    said = set()
    for name in names:
        if name.endswith(".json"):
            whole = json.loads(read(name))
            envelopes = [whole] if "payload" in whole else []
            envelopes += [
                json.loads(one["body"]["envelope"])
                for one in whole.get("documents", ())
                if isinstance(one, dict) and one["body"].get("envelope")
            ]
            said |= {whole.get("schema")}
            said |= {json.loads(b64decode(one["payload"]))["predicateType"] for one in envelopes}
    return {one for one in said if one and "shipworthy" in one}


@pytest.mark.parametrize("name", ROOTS)
def test_which_versions_a_golden_package_holds(name):
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        assert versions(archive.read, archive.namelist()) == {one for one, where in HELD.items() if where == name}


def test_every_version_that_is_written_today_is_in_a_golden_package(workshop, tmp_path):
    whole = packed(workshop, tmp_path / "whole")
    written = versions(lambda name: (whole / name).read_bytes(), files(whole))
    assert written <= HELD.keys(), "a version was raised: add a golden package (tests/evidence/golden/write.py)"
