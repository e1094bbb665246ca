from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.present.redact import redact


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Write to bob.smith@corp.io now", "Write to [e-mail address] now"),
        ("Write to me@example.com now", "Write to [e-mail address] now"),
        ("Call +49 170 1234567.", "Call [phone number]."),
        ("Card 4111 1111 1111 1111", "Card [card number]"),
        ("Account 123 456 789 012", "Account [long number]"),
        ("AKIAABCDEFGHIJKLMNOP", "[AWS access key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "[private key]"),
        ("token f3a9c0d17be24456a1b2c3d4e5f60718 it is", "token [key] it is"),
    ],
)
def test_what_must_not_spread_is_named_against_reference(said, shown):
    assert redact(said) == (shown, 1)


def test_what_names_nobody_stays_against_reference():
    for said in (
        "On 2026-11-21 at 10:30 it was 1,234,567.89",
        "step one, step two; 45 in 100",
        "internationalisation-of-everything",
        "https://docs.example.org/some/long/path/without/any/digit",
    ):
        assert redact(said) == (said, 0)


def test_words_that_look_like_keys_stay_where_nothing_is_guessed():
    asked = "Decode UGxlYXNlIGhlbHAgbWUgd2l0aA0="
    assert redact(asked)[1] == 1
    assert redact(asked, guess=False) == (asked, 0)
    assert redact("bob@corp.io", guess=False)[1] == 1


@given(st.text())
def test_redaction_properties(text):
    shown, count = redact(text)
    assert (shown == text) == (count == 0)


@pytest.mark.parametrize("unit", ["1 ", "a.", "a1", "a@b", "-----BEGIN PRIVATE KEY-----", "-a.b@c.", "eyJ", "\ud800"])
def test_texts_that_invite_backtracking_are_read_to_their_end(unit):
    text = unit * (200_000 // len(unit))
    assert "ada@example.org" not in redact(text + " ada@example.org")
