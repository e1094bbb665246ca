"""`shipworthy account`, and what `serve --team` refuses."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("argon2", reason="needs the extra web")

from shipworthy.api.recording import open_record
from shipworthy.cli import main

PASSWORD = "four words drawn by chance"


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPWORTHY_PASSWORD", PASSWORD)
    for name in ("SHIPWORTHY_ACTOR", "SHIPWORTHY_RECORD", "SHIPWORTHY_OIDC_ISSUER"):
        monkeypatch.delenv(name, raising=False)
    open_record(tmp_path / ".shipworthy" / "record.db").close()

    def invoke(*words, code=0, **more):
        done = CliRunner().invoke(main, [str(word) for word in words], **more)
        assert done.exit_code == code, done.output
        return done

    return invoke


def test_an_account_from_first_to_last(call):
    call("account", "add", "ada@example.org", "--name", "Ada", "--role", "admin")
    made = call("account", "add", "bob@example.org", "--name", "Bob", "--role", "viewer", "--system", "loans", "--json",
                "--as", "Ada <ada@example.org>").stdout  # fmt: skip
    assert json.loads(made)["grants"] == {"loans": ["viewer"]}
    call("account", "role", "bob@example.org", "evaluator")
    call("account", "role", "bob@example.org", "viewer", "--system", "loans", "--take-away")
    call("account", "password", "bob@example.org")
    call("account", "disable", "bob@example.org")
    assert call("account", "list").stdout.splitlines() == [
        "ada@example.org  Ada  admin", "bob@example.org  Bob  evaluator  disabled",
    ]  # fmt: skip
    call("account", "enable", "bob@example.org")
    assert json.loads(call("account", "list", "--json").stdout)[1]["status"] == "active"
    call("record", "verify")


def test_a_token_is_printed_once_and_can_be_revoked(call):
    call("account", "add", "ada@example.org", "--name", "Ada", "--role", "admin")
    done = call("account", "token", "ada@example.org", "--name", "ci", "--scope", "read", "--days", "7")
    assert re.fullmatch(r"swt_[A-Za-z0-9_-]{43}\n", done.stdout)
    listed = json.loads(call("account", "tokens", "--json").stdout)
    assert done.stdout.strip() not in str(listed)
    assert listed[0]["id"] in call("account", "tokens", "ada@example.org").stdout
    call("account", "revoke", listed[0]["id"])
    assert "no token" in call("account", "tokens").stderr
    call("account", "revoke", listed[0]["id"], code=2)
    call("account", "token", "ada@example.org", "--name", "ci", "--scope", "read", "--days", "367", code=2)
    call("account", "token", "ada@example.org", "--name", "ci", code=2)


def test_the_password_is_asked_for_and_never_shown(call, monkeypatch):
    monkeypatch.delenv("SHIPWORTHY_PASSWORD")
    words = ("account", "add", "ada@example.org", "--name", "Ada", "--role", "admin")
    done = call(*words, input=f"{PASSWORD}\nanother\n{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in done.output
    call("account", "add", "bob@example.org", "--name", "Bob", "--no-password")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["list"], 0),
        (["role", "nobody@example.org", "viewer"], 2),
        (["role", "ada@example.org", "king"], 2),
        (["disable", "ada@example.org"], 2),
        (["add", "ada@example.org", "--name", "Ada"], 2),
        (["add", "x", "--name", "Ada"], 2),
        (["role", "ada@example.org", "approver", "--as", "Ada <ada@example.org>"], 2),
    ],
)
def test_what_cannot_be_is_said(call, words, code):
    call("account", "add", "ada@example.org", "--name", "Ada", "--role", "admin")
    done = call("account", *words, code=code)
    assert code == 0 or "ACCOUNT00" in done.output or "king" in done.output


def test_a_record_that_is_not_there_is_not_made(call, tmp_path):
    done = call("account", "list", "--record", tmp_path / "none.db", code=2)
    assert "RECORD001" in done.output
    assert not (tmp_path / "none.db").exists()


def test_the_first_account_begins_the_record_of_an_empty_folder(call, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("SHIPWORTHY_RECORD", raising=False)
    call("account", "list", code=2)
    done = call("account", "add", "ada@example.org", "--name", "Ada", "--no-password")
    assert "a new one was begun" in done.output
    assert "Ada" in call("account", "list").output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--host", "0.0.0.0", "--public-url", "https://x.example"], "in the clear"),
        (["--host", "0.0.0.0", "--public-url", "http://x.example", "--behind-proxy"], "one of http"),
        (["--public-url", "http://x.example"], "one of http"),
        (["--public-url", "http://127.0.0.1:8300", "--behind-proxy"], "one of http"),
        (["--public-url", "https://x.example"], "nothing here speaks TLS"),
        (["--public-url", "https://x.example/path", "--behind-proxy"], "without a path"),
        (["--public-url", "https://x.example:99999", "--behind-proxy"], "without a path"),
        (["--public-url", "https://u:p@x.example", "--behind-proxy"], "without a path"),
        (["--public-url", "ftp://x.example", "--behind-proxy"], "without a path"),
        ([], "without a path"),
        (["--public-url", "https://x.example", "--tls-cert", "c.pem"], "certificate and its key"),
        (["--public-url", "https://x.example", "--tls-cert", "c.pem", "--tls-key", "k.pem"], "cannot be read"),
        (["--host", "example.org", "--public-url", "https://x.example", "--behind-proxy"], "no address"),
        (["--public-url", "https://x.example", "--behind-proxy", "--port", "0"], "no account"),
    ],
)
def test_a_team_is_not_served_where_others_could_listen_in(call, words, says):
    done = call("serve", "--team", *words, code=2)
    assert "WEB018" in done.output
    assert says in done.output


def test_what_is_for_teams_is_for_teams(call):
    assert "--team" in call("serve", "--public-url", "https://x.example", code=2).output
    assert "--as" in call("serve", "--team", "--as", "Ada <ada@example.org>", code=2).output
    assert "KEYS001" in call("serve", "--as", "Ada", code=2).output


@pytest.mark.slow
def test_a_team_signs_in_over_tls(call, tmp_path):
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    call("account", "add", "ada@example.org", "--name", "Ada", "--role", "viewer")
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=here")
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    Path("c.pem").write_bytes(cert.public_bytes(pem))
    Path("k.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    import socket

    held = socket.socket()  # keeps others from the port, and not the server, which says the same of its own
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    command = [
        Path(sys.executable).with_name("shipworthy"), "serve", "--team", "--host", "0.0.0.0", "--port", str(port), "-v",
        "--public-url", f"https://127.0.0.1:{port}", "--tls-cert", "c.pem", "--tls-key", "k.pem",
    ]  # fmt: skip
    with held, subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "The record is at" in line:
                    break
            context = ssl.create_default_context(cafile="c.pem")
            address = f"https://127.0.0.1:{port}/login?next=/secret"
            with urllib.request.urlopen(address, timeout=120, context=context) as answer:
                assert "max-age" in answer.headers["strict-transport-security"]
                assert "__Host-shipworthy-login=" in answer.headers["set-cookie"]
                assert "Secure" in answer.headers["set-cookie"]
        finally:
            process.terminate()
        out, more = process.communicate(timeout=120)
    assert "/login" in out
    assert "secret" not in out + more + "".join(lines)
