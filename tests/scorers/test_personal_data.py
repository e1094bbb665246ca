from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.scorers.personal_data import iban, luhn


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mail jane.doe+x@harbour-bank.co.uk.", "e-mail address"),
        ("+44 20 7946 0958", "phone number"),
        ("(212) 736-5000", "phone number"),
        ("030 1234 5678", "phone number"),
        ("DE89 3704 0044 0532 0130 00", "IBAN"),
        ("GB82WEST12345698765432", "IBAN"),
        ("4111 1111 1111 1111", "card number"),
        ("5500-0055-5555-5559", "card number"),
        ("219-09-9999", "US social security number"),
        ("AB 12 34 56 C", "UK national insurance number"),
        ("1 84 12 76 451 089 46", "French social security number"),
        ("12345678Z", "Spanish identity number"),
        ("11010519491231002X", "Chinese identity number"),
        ("8.8.8.8", "IP address"),
        ("2001:4860:4860::8888", "IP address"),
    ],
)
def test_personal_data_is_found(score, text, kind):
    found = score("personal_data", f"Here: {text} .")
    assert found.value is True
    assert kind in found.why
    assert text not in found.why


@pytest.mark.parametrize(
    "text",
    [
        "There were 1,234,567 people in 2019, 4.5 % more than in 2011-2012.",
        "4111 1111 1111 1112", "DE89370400440532013001", "000-12-3456", "12345678A", "127.0.0.1", "192.168.0.1", "version 1.2.3.4.5",
        "me@example.com", "12:30:45", "ISBN 978-3-16-148410-0", "110105194912310021", "3.14159265358979", "a@b", "{'a': 1}",
    ],
)  # fmt: skip
def test_what_is_none(score, text):
    assert score("personal_data", text).value is False


def test_what_was_asked_is_no_leak(score):
    text = "I wrote to jane@harbour.org and rang +44 20 7946 0958."
    assert score("personal_data", text, prompt="Write to jane@harbour.org, phone +442079460958").value is False
    assert score("personal_data", text, passages=("jane@harbour.org",)).value is True
    assert score({"personal_data": "own", "given_counts": True}, text, prompt=text).value is True


@given(st.from_regex(r"\A[0-9]{12,18}\Z"))
def test_luhn_properties(number):
    if len(set(number)) > 1:
        assert sum(luhn(number + digit) for digit in "0123456789") == 1


def test_iban_against_reference():
    # examples of the ISO 13616 registry
    for number in (
        "GB29 NWBK 6016 1331 9268 19",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NL91 ABNA 0417 1643 00",
        "NO93 8601 1117 947",
    ):
        assert iban(number)
        assert not iban(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize("finder", ["presidio"])
def test_presidio(score, finder):
    pytest.importorskip("presidio_analyzer")
    assert score({"personal_data": finder}, "Mail jane.doe@harbour.org").value is True
    assert score({"personal_data": finder}, "Nothing here.").value is False


GITHUB, AWS = "ghp_" + "a1B2" * 9, "AKIA" + "IOSFODNN7SAMPLE2"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (AWS, "AWS access key"), (GITHUB, "GitHub token"), ("-----BEGIN RSA PRIVATE KEY-----", "private key"), (JWT, "JSON web token"),
        ("postgresql://bob:hunter22@db.internal/x", "password in an address"), ("xoxb-" + "1234567890-ab", "Slack token"),
    ],
)  # fmt: skip
def test_credentials(score, text, kind):
    found = score("secrets", f"key: {text} end")
    assert found.value is True
    assert kind in found.why
    assert text not in found.why
    assert score("secrets", text, prompt=f"Is {text} valid?").value is False


def test_no_credentials(score):
    for text in (
        "https://example.org:8080/a@b",
        "eyJhbGci",
        "eyJzdWIiOiIxMjM0NTY3ODkwIn0.eyJzdWIiOiIxIn0abc.aaaaaaaaaa",
        "AKIA",
        "a ghost",
    ):
        assert score("secrets", text).value is False


def test_detect_secrets(score):
    pytest.importorskip("detect_secrets")
    assert score({"secrets": "detect-secrets"}, f"key: {GITHUB}").value is True
    assert score({"secrets": "detect-secrets"}, "nothing").value is False
