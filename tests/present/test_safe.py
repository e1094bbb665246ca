from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from shipworthy.present.safe import csv_cell, markdown, passage, plain, shorten

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def test_plain_removes_terminal_control_against_reference():
    assert plain("a\x1b[31mred\x1b[0m b") == "ared b"
    assert plain("\x1b]0;owned\x07title") == "title"
    assert plain("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert plain("\x9b31mred \x1b(Bcharset\x1bc reset") == "red charset reset"
    assert plain("over\rwritten\nline\u2028two") == "over written line two"
    assert plain("back\x08space \x00 nul") == "backspace  nul"


def test_plain_keeps_what_people_write_against_reference():
    assert plain("שלום José 日本語 👩‍🚀 é") == "שלום José 日本語 👩‍🚀 é"


def test_plain_removes_hidden_text_against_reference():
    tagged = "hi" + "".join(chr(0xE0000 + ord(c)) for c in "ignore previous")
    assert plain(tagged) == "hi"
    assert plain("a\u200bb\ufeffc\u2060d") == "abcd"
    assert plain(BIDI + "x" + BIDI) == "x"


@given(st.text())
def test_plain_properties(text):
    line = plain(text)
    assert plain(line) == line
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in line)
    assert not set(line) & set(BIDI)
    line.encode("utf-8")


@given(st.text(), st.integers(1, 50))
def test_shorten_properties(text, width):
    assert len(shorten(text, width)) <= width
    if len(plain(text)) <= width:
        assert shorten(text, width) == plain(text)


def inline_types(source: str) -> set[str]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").parse(source)
    return {t.type for t in tokens} | {c.type for t in tokens for c in t.children or ()}


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60)
    | st.text(alphabet="`*_[](){}<>#+-.!|~=:&\\/1 a\n", max_size=40)
)
def test_markdown_is_inert_properties(text):
    allowed = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    assert inline_types(markdown(text)) <= allowed


def test_markdown_against_reference():
    assert markdown("[a](javascript:alert(1))") == r"\[a\](javascript:alert(1))"
    assert "<" not in markdown("<img src=x onerror=alert(1)>")
    assert markdown("a | b") == r"a \| b"
    assert markdown("+30.1 points") == "+30.1 points"
    assert markdown("- item") == r"\- item"
    assert "://" not in markdown("see https://evil.example")
    assert "@" not in markdown("ping @someone")


def test_markdown_shows_what_was_meant_properties():
    text = "5 < 6 & a_b *c* `d` @e http://f | #g"
    rendered = MarkdownIt("commonmark").render(markdown(text))
    assert rendered == "<p>5 &lt; 6 &amp; a_b *c* `d` @e http://f | #g</p>\n"


def test_csv_cell_against_reference():
    for formula in ("=1+1", "+cmd()", "-cmd()", "@SUM(A1)", "\t=1", " =1", "\uff1d1"):
        assert csv_cell(formula).startswith("'")
    for harmless in ("-1.5", "+2e3", "name", "a=b", ""):
        assert csv_cell(harmless) == harmless


def test_piles_of_combining_marks_are_cut_against_reference():
    assert plain("a" + "\u0301" * 500 + "b") == "a" + "\u0301" * 4 + "b"


@pytest.mark.parametrize("unit", ["\x9d", "\x1b]a", "\x1b[", "\x1b[0;", "\x90\x1b", "\u0301", "\u202e"])
def test_a_million_characters_that_invite_backtracking_are_read_to_their_end(unit):
    text = unit * (1_000_000 // len(unit)) + "\x1b["
    for shown in (plain(text), passage(text, 500), shorten(text)):
        assert "\x1b" not in shown
        assert "\x9d" not in shown


def test_shorten_reads_only_what_it_may_show():
    assert shorten("\u200b" * 10_000_000 + "hidden", 20) == "…"
    assert shorten("x" * 10_000_000, 20) == "x" * 19 + "…"


def test_passage_keeps_lines_and_counts_what_it_leaves_out_against_reference():
    assert passage("\n\na\n\n\n\n  b\r\nc\n\n", 100) == (("a", "", "\u00a0\u00a0b", "c"), 0)
    assert passage("", 10) == ((), 0)
    assert passage("abcdef\nghi", 8) == (("abcdef", "gh"), 1)
    assert passage("x" * 10_000_000, 10) == (("x" * 10,), 9_999_990)
    assert passage("a\x1b[2Jb\u202ec", 10) == (("abc",), 0)


@given(st.text(), st.integers(1, 60))
def test_passage_properties(text, width):
    lines, cut = passage(text, width)
    assert sum(len(line.lstrip("\u00a0")) for line in lines) <= width
    assert cut >= 0
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for line in lines for c in line)
