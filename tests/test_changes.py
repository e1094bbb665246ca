"""Change notes keep to changes/README.md."""

import re
from pathlib import Path

import pytest

CHANGES = Path(__file__).parents[1] / "changes"
NOTES = sorted(path for path in CHANGES.iterdir() if path.name != "README.md")


@pytest.mark.parametrize("note", NOTES, ids=lambda path: path.name)
def test_a_note_is_one_sentence_under_a_known_kind(note):
    assert re.fullmatch(r"\d+(\.[a-z-]+)?\.(added|changed|fixed|removed|numbers)\.md", note.name)
    text = note.read_text().strip()
    assert re.fullmatch(r"[A-Z`].+\.", text, re.DOTALL)
    assert not re.search(r"\.\s+[A-Z]", text)
