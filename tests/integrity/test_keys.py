from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from ledger import ADA, BOB, NOW, key, registered

from shipworthy.cli import main
from shipworthy.errors import Unusable
from shipworthy.integrity import keys
from shipworthy.integrity.keys import NO_KEYS, PublicKey
from shipworthy.integrity.persons import Person, person

PHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("keys") / "own"
    keys.new_key("ada", folder=where, passphrase=PHRASE, now=NOW, owner=ADA)
    return where


def fault(error: pytest.ExceptionInfo[Unusable]) -> str:
    (one,) = error.value.faults
    assert one.mend
    return one.code


def test_new_key_opens_and_signs(folder: Path) -> None:
    opened = keys.open_key("ada", folder=folder, passphrase=PHRASE)
    assert opened.public.verify(opened.sign(b"x"), b"x")
    assert not opened.public.verify(opened.sign(b"x"), b"y")
    assert keys.list_keys(folder) == [keys.KeyFile(name="ada", public=opened.public, person=ADA, created=NOW)]
    assert "PRIVATE" not in repr(opened)
    assert opened.private.private_bytes_raw().hex() not in repr(opened) + str(opened)


def test_private_file_is_its_owners_and_encrypted(folder: Path) -> None:
    assert (folder / "ada.pem").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["ada.pem", "ada.pub.json"]
    opened = keys.open_key("ada", folder=folder, passphrase=PHRASE)
    secret = opened.private.private_bytes_raw()
    assert secret not in (folder / "ada.pem").read_bytes()
    private = serialization.load_pem_private_key((folder / "ada.pem").read_bytes(), PHRASE.encode())
    assert private.private_bytes_raw() == secret  # type: ignore[union-attr]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_private_file_against_openssl(folder: Path) -> None:
    read = subprocess.run(
        ["openssl", "pkey", "-in", folder / "ada.pem", "-passin", f"pass:{PHRASE}", "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    assert read.stdout[-32:] == keys.read_key("ada", folder=folder).public.raw


@pytest.mark.parametrize("phrase", ["", "wrong", PHRASE + " ", PHRASE.upper(), "x" * 10_000, "\ud800" * 20])
def test_wrong_passphrase_is_named(folder: Path, phrase: str) -> None:
    with pytest.raises(Unusable) as error:
        keys.open_key("ada", folder=folder, passphrase=phrase)
    assert fault(error) == "KEYS007"


@pytest.mark.parametrize("phrase", ["", "short", "x" * 11, "\ud800" * 20])
def test_new_key_wants_a_passphrase(tmp_path: Path, phrase: str) -> None:
    with pytest.raises(Unusable) as error:
        keys.new_key("a", folder=tmp_path, passphrase=phrase, now=NOW)
    assert fault(error) == "KEYS004"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "A", "ä", "-x", "x" * 65, "a\n", "a\0"])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    for call in (
        lambda: keys.new_key(name, folder=tmp_path, passphrase=PHRASE, now=NOW),
        lambda: keys.open_key(name, folder=tmp_path, passphrase=PHRASE),
        lambda: keys.read_key(name, folder=tmp_path),
    ):
        with pytest.raises(Unusable) as error:
            call()
        assert fault(error) == "KEYS002"


def test_a_key_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    before = (folder / "ada.pem").read_bytes()
    with pytest.raises(Unusable) as error:
        keys.new_key("ada", folder=folder, passphrase=PHRASE, now=NOW)
    assert fault(error) == "KEYS003"
    assert (folder / "ada.pem").read_bytes() == before
    (tmp_path / "b.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable) as error:
        keys.new_key("b", folder=tmp_path, passphrase=PHRASE, now=NOW)
    assert fault(error) == "KEYS003"
    assert not (tmp_path / "elsewhere").exists()


def test_files_that_do_not_belong_together(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "k")
    other = keys.KeyFile(name="ada", public=key(9).public, person=None, created=NOW)
    (tmp_path / "k/ada.pub.json").write_text(json.dumps(other.as_json()))
    with pytest.raises(Unusable) as error:
        keys.open_key("ada", folder=tmp_path / "k", passphrase=PHRASE)
    assert fault(error) == "KEYS008"
    wrong_kind = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PHRASE.encode()),
    )
    (tmp_path / "k/ada.pem").write_bytes(wrong_kind)
    with pytest.raises(Unusable) as error:
        keys.open_key("ada", folder=tmp_path / "k", passphrase=PHRASE)
    assert fault(error) == "KEYS008"


def test_hostile_key_files(folder: Path, tmp_path: Path) -> None:
    good = json.loads((folder / "ada.pub.json").read_text())
    where = tmp_path / "k"
    shutil.copytree(folder, where)
    public, private = where / "ada.pub.json", where / "ada.pem"
    for text in (
        "", "[]", "{}", "[" * 9000, json.dumps(good | {"id": "0" * 64}), json.dumps(good | {"public": "zz"}), json.dumps(good | {"person": 3}),
        json.dumps(good | {"person": "Ada"}), json.dumps(good | {"name": "../x"}), json.dumps(good | {"created": "today"}), json.dumps(good | {"schema": "x"}), json.dumps(good)[:-1] + ',"id":"x"}', " " * 20_000,
    ):  # fmt: skip
        public.write_text(text)
        with pytest.raises(Unusable) as error:
            keys.open_key("ada", folder=where, passphrase=PHRASE)
        assert fault(error) == "KEYS006"
    public.write_text(json.dumps(good))
    for data in (b"", b"x" * 20_000, b"-----BEGIN PRIVATE KEY-----\n", b"\xff"):
        private.write_bytes(data)
        with pytest.raises(Unusable) as error:
            keys.open_key("ada", folder=where, passphrase=PHRASE)
        assert fault(error) == "KEYS006"
    private.write_bytes(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(Unusable) as error:
        keys.open_key("ada", folder=where, passphrase=PHRASE)
    assert fault(error) == "KEYS007"
    private.unlink()
    private.symlink_to(folder / "ada.pem")
    with pytest.raises(Unusable) as error:
        keys.open_key("ada", folder=where, passphrase=PHRASE)
    assert fault(error) == "KEYS006"


@pytest.mark.parametrize(
    "text",
    ["Ada", "", "<a@x>", "Ada <a>", "Ada <a@x> <b@y>", "Ada\n<a@x>", "A\u202eda <a@x>", "Ada <a b@x>", "\ud800 <a@x>"],
)
def test_persons_validate_input(text: str) -> None:
    with pytest.raises(Unusable) as error:
        person(text)
    assert fault(error) == "KEYS001"


def test_person_is_read_and_counted_by_address() -> None:
    assert person(" Ada Lovelace <Ada@Example.org> ") == Person(name="Ada Lovelace", email="Ada@Example.org")
    assert person("Ada <ADA@example.org>").identity == ADA.identity


def test_register_counts_persons_and_keeps_revocations(tmp_path: Path) -> None:
    register = registered((key(1), ADA), (key(2), BOB), (key(3), ADA))
    ids = [key(n).public.id for n in (1, 2, 3, 4)]
    assert register.persons(ids) == (ADA, BOB)
    revoked = register.revoke(ids[1][:8], now=NOW, reason="lost")
    assert revoked.persons(ids) == (ADA,)
    assert revoked.persons(ids, at=NOW.replace(hour=1)) == (ADA, BOB)
    keys.write_register(revoked, tmp_path / "new" / "keys.json")
    assert keys.read_register(tmp_path / "new" / "keys.json") == revoked
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["keys.json"]


def test_register_validates_changes() -> None:
    register = registered((key(1), ADA))
    gone = register.revoke(key(1).public.id, now=NOW, reason="lost")
    for change, code in (
        (lambda: register.add(key(1).public, BOB, now=NOW), "KEYS010"),
        (lambda: gone.add(key(1).public, ADA, now=NOW), "KEYS010"),  # a revoked key does not come back
        (lambda: gone.revoke(key(1).public.id, now=NOW, reason="again"), "KEYS011"),
        (lambda: register.revoke("0" * 64, now=NOW, reason="x"), "KEYS011"),
        (lambda: register.revoke(key(1).public.id[:7], now=NOW, reason="x"), "KEYS011"),
        (lambda: register.revoke(key(1).public.id, now=NOW, reason=" "), "KEYS012"),
        (lambda: register.revoke(key(1).public.id, now=NOW, reason="a\nb"), "KEYS012"),
    ):
        with pytest.raises(Unusable) as error:
            change()
        assert fault(error) == code


def test_hostile_registers(tmp_path: Path) -> None:
    good = registered((key(1), ADA)).as_json()
    (one,) = good["keys"]  # type: ignore[misc]
    for record in (
        None, [], {}, good | {"schema": "x"}, good | {"keys": {}}, good | {"keys": [3]}, good | {"keys": [one, one]}, good | {"keys": [one] * 1001},
        *(good | {"keys": [one | change]} for change in ({"id": "0" * 64}, {"public": "00"}, {"public": None}, {"person": None}, {"person": "x"}, {"registered": None}, {"revoked": "2026"}, {"revoked": "2026-99-01T00:00:00Z"}, {"reason": 7})),  # type: ignore[operator]
    ):  # fmt: skip
        with pytest.raises(Unusable) as error:
            keys.parse_register(json.dumps(record).encode(), where="keys.json")
        assert fault(error) == "KEYS009"
    for data in (b"", b"\xff", b"[" * 100_000, b'{"schema":1,"schema":2}'):
        with pytest.raises(Unusable) as error:
            keys.parse_register(data, where="keys.json")
        assert fault(error) == "KEYS009"
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(Unusable) as error:
            keys.read_register(path)
        assert fault(error) == "KEYS009"
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(Unusable) as error:
        keys.read_register(tmp_path / "link")
    assert fault(error) == "KEYS009"


def test_public_key_validates_input() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PublicKey(raw=b"short")
    assert not PublicKey(raw=b"\xff" * 32).verify(b"x" * 64, b"")
    assert NO_KEYS.persons([key(1).public.id]) == ()


def test_keys_folder_comes_from_the_environment(tmp_path: Path) -> None:
    assert keys.keys_folder({"SHIPWORTHY_KEYS": "/k"}, tmp_path) == Path("/k")
    assert keys.keys_folder({}, tmp_path) == tmp_path / ".config/shipworthy/keys"


def test_command_line_from_new_to_revoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPWORTHY_KEYS", str(tmp_path / "own"))
    monkeypatch.setenv("SHIPWORTHY_PASSPHRASE", PHRASE)

    def call(*args: str, status: int = 0) -> str:
        result = CliRunner().invoke(main, ["keys", *args])
        assert result.exit_code == status, result.output
        assert PHRASE not in result.output
        return result.stdout

    made = json.loads(call("new", "ada", "--person", "Ada <ada@example.org>", "--json"))
    assert "registered" in call("list")
    call("export", "ada", "--out", "ada.json")
    assert json.loads(call("export", "ada")) == json.loads(Path("ada.json").read_text())
    call("register", "ada.json")
    call("register", "ada", status=2)
    told = json.loads(call("list", "--json"))
    assert [one["id"] for one in told["own"]] == [one["id"] for one in told["registered"]] == [made["id"]]
    call("revoke", "ada", "--reason", "left the company")
    assert "left the company" in call("list")
    call("revoke", "ada", "--reason", "again", status=2)
    call("new", "ada", status=2)
    call("register", "nobody", status=2)
    monkeypatch.setenv("SHIPWORTHY_PASSPHRASE", "short")
    call("new", "bob", status=2)
    assert keys.read_register(Path("keys.json")).persons([made["id"]]) == ()
    monkeypatch.delenv("SHIPWORTHY_PASSPHRASE")
    assert "KEYS013" in CliRunner().invoke(main, ["keys", "new", "bob"]).stderr
