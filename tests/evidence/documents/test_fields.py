from __future__ import annotations

import re

from shipworthy.evidence.documents.facts import FACTS
from shipworthy.evidence.documents.fields import FIELDS, PRIVACIES
from shipworthy.evidence.documents.shapes import SHAPES, used_in


def test_every_field_is_used_and_every_section_asks_for_known_fields():
    assert set(used_in()) == set(FIELDS)


def test_a_machine_reads_exactly_the_fields_that_name_a_source():
    assert set(FACTS) == {field.id for field in FIELDS.values() if field.source}


def test_fields_are_asked_in_plain_words_of_somebody():
    for field in FIELDS.values():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", field.id)
        assert field.question.endswith("?")
        assert field.role
        assert 1 <= field.weight <= 3
        assert field.privacy in PRIVACIES


def test_titles_differ_within_a_document():
    for shape in SHAPES.values():
        titles = [FIELDS[name].title for section in shape.sections for name in section.fields]
        assert len(titles) == len(set(titles))


def test_annex_iv_has_its_nine_points_and_their_letters_against_reference():
    numbers = [section.number for section in SHAPES["annex-iv"].sections]
    letters = [f"({letter})" for letter in "abcdefgh"]
    expected = ["1", *(f"1{x}" for x in letters), "2", *(f"2{x}" for x in letters), *"3456789"]
    assert numbers == expected


def test_article_27_has_its_six_points_against_reference():
    numbers = [section.number for section in SHAPES["impact-assessment-eu"].sections]
    assert numbers[:6] == [f"27(1)({letter})" for letter in "abcdef"]


def test_map_has_its_five_categories_against_reference():
    numbers = [section.number for section in SHAPES["impact-assessment-nist"].sections]
    assert numbers == ["MAP 1", "MAP 2", "MAP 3", "MAP 4", "MAP 5", "MEASURE", "MANAGE", "GOVERN"]
