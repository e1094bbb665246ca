import re
from pathlib import Path

import pytest

from shipworthy.errors import PlanError
from shipworthy.plan.loading import load_plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
CODE = re.compile(
    r"\b(PLAN|DATA|EXTRA|SUBJ|CALL|RUN|REG|EVID|SUITE|CASE|ATTACK|SCORE|RUBRIC|LABEL|COLL|RECD|IMPT|EXPO|CATALOGUE|RECORD|KEYS|SIGN|CHKP|LOG|ATTS|DOC|PACK|KEEP|GOVERN|RISK|TRACE|KPI|WEB|ACCOUNT|JOB)\d{3}\b"
)
DOCUMENTED_PREFIXES = tuple(re.findall("[A-Z]+", CODE.pattern))
SECTIONS = dict(re.findall(r"^## (\w+): [^\n]+\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
EXAMPLES = {
    code: match[1]
    for code, text in SECTIONS.items()
    if code.startswith("PLAN") and (match := re.search(r"```yaml\n(.*?)```", text, re.DOTALL))
}


def used_codes() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    return {match[0] for text in texts for match in CODE.finditer(text)}


def test_every_code_has_a_section() -> None:
    used = {code for code in used_codes() if code.startswith(DOCUMENTED_PREFIXES)}
    assert len(used) > 30
    assert used - set(SECTIONS) == set()


def test_every_section_is_of_a_code_in_use() -> None:
    assert set(SECTIONS) - used_codes() == set()
    assert len(re.findall(r"^## ", PAGE, flags=re.MULTILINE)) == len(SECTIONS)


@pytest.mark.parametrize("code", SECTIONS)
def test_sections_have_the_fixed_headings(code: str) -> None:
    for heading in ("**What it means.**", "**Example.**", "**How to mend.**"):
        assert heading in SECTIONS[code]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_gives_its_code_and_no_other(code: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(EXAMPLES[code], encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_plan(path, known_metric=lambda name: 'did you mean "recall"?' if name == "recal" else None)
    assert {fault.code for fault in caught.value.faults} == {code}
    assert all(fault.where and fault.mend for fault in caught.value.faults)
