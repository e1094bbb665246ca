"""Every code that a subject or the registry can raise has a page."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_code_has_a_page_and_every_page_a_code():
    sources = [*(ROOT / "src/shipworthy/subjects").glob("*.py"), *(ROOT / "src/shipworthy").glob("*.py")]
    used = set(re.findall(r'"((?:SUBJ|REG|EXTRA)\d{3})"', "".join(path.read_text() for path in sources)))
    pages = set(re.findall(r"^## ((?:SUBJ|REG|EXTRA)\d{3}): ", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    assert used == pages
