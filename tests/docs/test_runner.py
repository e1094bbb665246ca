"""The runner of the documentation's blocks can fail."""

import pytest
from docs_runner import blocks, matches, run


@pytest.mark.parametrize(
    ("expected", "actual", "good"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc\n", False),
        ("a\n...\nz", "a\nb\nc\nz\n", True),
        ("a\n...\nz", "a\nz\n", True),
        ("a\n...", "a\n", True),
        ("...", "what\never", True),
        ("wrote ... in 3 s", "wrote 17 files in 3 s", True),
        ("wrote ... in 3 s", "wrote 17 files in 4 s", False),
        ("ends ...", "ends well", True),
        ("ends ...\nb", "ends well\nb", True),
        ("", "", True),
        ("", "noise", False),
        ("1.5", "1x5", False),
    ],
)
def test_output_is_matched(expected, actual, good):
    assert matches(expected, actual) is good


def test_a_page_runs_in_order_and_its_faults_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# T\n```yaml file=a.yaml\nx: 1\n```\n```python\n"
        "from pathlib import Path\nn = Path('a.yaml').read_text()\nprint(n.strip())\n```\n\n"
        "```text\nx: 1\n```\n"
        "```console\n$ cat a.yaml\nx: 1\n$ false\n$ echo $?\n1\n$ shipworthy chekc\n...\n$ echo $?\n2\n```\n"
        "```console\n$ cat a.yaml\nx: 2\n```\n```python\nprint(n)\n```\n"
    )
    languages = [block.language for block in blocks(page.read_text())]
    assert languages == ["yaml", "python", "text", "console", "console", "python"]
    faults = run(page, tmp_path)
    assert len(faults) == 2
    assert "page.md:25 $ cat a.yaml" in faults[0]
    assert "page.md:29 prints" in faults[1]
