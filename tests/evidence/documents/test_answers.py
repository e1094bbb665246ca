from __future__ import annotations

import pytest

from shipworthy.errors import Unusable
from shipworthy.evidence.documents.answers import MAX_BYTES, load_answers
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.questionnaire import questionnaire

from .conftest import NOW


def test_answers_are_read_from_yaml(tmp_path, files):
    path = tmp_path / "answers.yaml"
    path.write_text(
        "use.excluded: |\n  Weapons.\n  Mortgages.\n"
        "impact.groups: {text: Applicants, by: anna@example.org, at: 2026-11-20}\n"
        "system.pictures: {not_applicable: It is a service.}\n"
        "use.users:\n"
    )
    filled = fill(*files, load_answers(path), {}, now=NOW)
    assert [block.text for block in filled.entries["use.excluded"].content] == ["Weapons.", "Mortgages."]
    assert filled.entries["impact.groups"].at == "2026-11-20"
    assert filled.entries["system.pictures"].state == "not applicable"
    assert filled.entries["use.users"].state == "missing"


@pytest.mark.parametrize(
    "content",
    [
        b"- a\n",
        b"a: [\n",
        b"\xff\xfe\x00",
        b"a: 1\na: 2\n",
        b"a: !!python/object:os.system x\n",
        b"x" * (MAX_BYTES + 1),
    ],
    ids=["list", "syntax", "bytes", "twice", "tag", "large"],
)
def test_load_answers_validates_input(tmp_path, content):
    path = tmp_path / "answers.yaml"
    path.write_bytes(content)
    with pytest.raises(Unusable) as caught:
        load_answers(path)
    assert {fault.code for fault in caught.value.faults} == {"DOC001"}
    assert str(tmp_path) not in str(caught.value)


def test_aliases_that_multiply_are_refused(tmp_path):
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "answers.yaml").write_text("\n".join(["l0: &l0 [a, a]", *levels]))
    with pytest.raises(Unusable, match="DOC001"):
        load_answers(tmp_path / "answers.yaml")


def test_links_folders_and_nothing_are_refused(tmp_path):
    (tmp_path / "real.yaml").write_text("use.users: x\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    for name in ("link.yaml", ".", "absent.yaml"):
        with pytest.raises(Unusable, match="DOC001"):
            load_answers(tmp_path / name)


def test_the_questionnaire_asks_for_exactly_what_is_missing_and_reads_back(tmp_path, files, bare):
    path = tmp_path / "answers.yaml"
    path.write_text(questionnaire(bare.entries.values()))
    asked = load_answers(path)
    assert set(asked) == {name for name, entry in bare.entries.items() if entry.state == "missing"}
    assert set(asked.values()) == {None}
    assert fill(*files, asked, {}, now=NOW).completeness == bare.completeness
    for name in asked:
        path.write_text(path.read_text().replace(f"\n{name}:\n", f"\n{name}: Somebody thought about it.\n"))
    assert fill(*files, load_answers(path), {}, now=NOW).completeness.score == 1
