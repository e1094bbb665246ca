"""Who a person is: what a name and an address may hold, and which spellings are one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import Unusable
from shipworthy.integrity.persons import Person, identity, person, why_no_address, why_no_name

HIDDEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u180b\u180e\u200b\u202e\u2061\u2800\u3164\ufe0f\ufeff\uffa0\U000e0041\U000e0100"
)


@pytest.mark.parametrize("char", HIDDEN, ids=lambda char: f"U+{ord(char):04X}")
def test_what_nobody_sees_makes_no_second_person(char: str) -> None:
    for text in (f"Ada <ada@example.org{char}>", f"Ada <a{char}da@example.org>", f"A{char}da <ada@example.org>"):
        with pytest.raises(Unusable, match="KEYS001"):
            person(text)
    assert identity(f"a{char}da@exa{char}mple.org") == "ada@example.org"  # as a record of before may have it


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "@example.org", "ada@", "ada@example..org", "ada@.org", "a b@example.org", "a\tb@example.org",
        "аda@example.org", "ada@exаmple.org", "аԁа@example.org", "ada@example.оrg", "αda@example.org",
        "a\u0301\u0302\u0303da@example.org", "ada\u0337@example.org", "ａｄａ@example.org", "ⓐda@example.org",
        "ada\N{MODIFIER LETTER APOSTROPHE}@example.org", "ada@exa_mple.org", "ada@[127.0.0.1]", "ada١@example.org",
        "a,b@example.org", "\ud800@example.org", "a\0@example.org", "x" * 65 + "@example.org", "a@" + "x" * 256,
    ],
)  # fmt: skip
def test_addresses_validate_input(email: str) -> None:
    assert why_no_address(email)


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.org", "Ada.Lovelace+x_1@Example.ORG", "o'neil@a-b.example.org", "zoë@exämple.org", "ada@localhost",
        "иван@пример.рф", "иван@xn--e1afmkfd.xn--p1ai", "用户@例え.テスト", "사용자@한국.kr".replace("kr", "한국"),
        "zoe\u0308@example.org", "ada@xn--exmple-cua.org", "1@2.3",
    ],
)  # fmt: skip
def test_addresses_of_one_script_are_taken(email: str) -> None:
    assert not why_no_address(email)
    made = person(f"Ada <{email}>")
    assert made.identity == identity(unicodedata.normalize("NFD", email.upper()))


def test_a_domain_is_one_whichever_way_it_is_written() -> None:
    assert identity("ada@exämple.org") == identity("ADA@xn--exmple-cua.org") == "ada@xn--exmple-cua.org"
    assert identity("ada@example.org") != identity("аda@example.org")


@pytest.mark.parametrize("name", ["Ada Lovelace", "Zoë", "अदा", "阿达", "Nguyễn Văn A", "O'Neil, Jr. (QA)"])
def test_names_are_prose(name: str) -> None:
    assert not why_no_name(name)


@given(st.text(max_size=20), st.text(max_size=20))
def test_whoever_is_taken_is_read_again_as_the_same(name: str, email: str) -> None:
    try:
        made = person(f"{name} <{email}>")
    except Unusable as error:
        assert [fault.code for fault in error.faults] == ["KEYS001"]
    else:
        assert person(str(made)) == made == Person(name=made.name, email=made.email)
    identity(email)
