"""Runs a page of the documentation, block by block, in one folder.

```yaml file=NAME     any block with `file=` is written to that file
```python             is run; what it prints has to be the ```text block right after it
```console            lines with `$ ` are commands; the lines beneath are what they print (stdout and stderr)
```

In expected output a line `...` stands for any lines, and `...` inside a line for any text.
With SHIPWORTHY_UPDATE_DOCS=1 the pages are rewritten to what came out, for the author to read.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

DOCS = Path(__file__).parents[2] / "docs"
UPDATE = os.environ.get("SHIPWORTHY_UPDATE_DOCS") == "1"
WIDTH = 100
# A command of ours alone: words, quoted or not, that a shell takes as they are, over one line or several.
_OURS = re.compile(r"""shipworthy(?= |$)(?:[^|;&<>"'$()\\`*?~#\n]|\\\n|"[^"$`\\]*")*""")
_FENCE = re.compile(r"^```(\w*)(?: +file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    file: str | None
    text: str
    line: int
    span: tuple[int, int]  # of the text, in the page


def blocks(page: str) -> list[Block]:
    return [Block(m[1], m[2], m[3], page.count("\n", 0, m.start()) + 1, m.span(3)) for m in _FENCE.finditer(page)]


def matches(expected: str, actual: str) -> bool:
    """Whether output is as the page shows it; trailing blanks do not count."""
    wanted, found = ([line.rstrip() for line in text.strip().splitlines()] for text in (expected, actual))
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*?") + r"\n" for line in wanted
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in found)) is not None


def run(path: Path, folder: Path) -> list[str]:
    """Run a page in a folder. Returns what did not come out as shown; rewrites the page instead when UPDATE is set."""
    page = path.read_text("utf-8")
    faults, edits = [], []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    found = blocks(page)
    for block, after in zip(found, [*found[1:], None], strict=False):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, "utf-8")
            continue
        if block.language == "python":
            printed = _python(block, namespace, path)
            shown = _shown(page, block, after)
            if not matches(shown, printed):
                faults.append(f"{path.name}:{block.line} prints\n{printed}\nand the page shows\n{shown}")
                if shown and after:
                    edits.append((after.span, printed.rstrip() + "\n"))
        elif block.language == "console":
            text = ""
            for command, shown, printed in _console(block, folder):
                good = matches(shown, printed)
                if not good:
                    faults.append(f"{path.name}:{block.line} $ {command}\n{printed}\nand the page shows\n{shown}")
                kept = shown if good else "\n".join(line.rstrip() for line in printed.strip().splitlines())
                text += f"$ {command}\n" + (kept.rstrip() + "\n" if kept.strip() else "")
            edits.append((block.span, text))
    if not UPDATE:
        return faults
    for (start, end), text in sorted(edits, reverse=True):
        page = page[:start] + text + page[end:]
    path.write_text(page, "utf-8")
    return []


def _shown(page: str, block: Block, after: Block | None) -> str:
    """The ```text block right after a block of Python."""
    between = page[block.span[1] : after.span[0]].split() if after else []
    return after.text if after and between == ["```", "```text"] else ""


def _python(block: Block, namespace: dict[str, Any], path: Path) -> str:
    out = io.StringIO()
    code = compile("\n" * block.line + block.text, str(path), "exec")
    with contextlib.redirect_stdout(out):
        exec(code, namespace)
    return out.getvalue()


def _console(block: Block, folder: Path) -> Iterator[tuple[str, str, str]]:
    status = 0
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        while command.endswith("\\"):
            more, _, shown = shown.partition("\n")
            command += "\n" + more
        status, printed = _command(command, folder, status)
        yield command, shown, printed


def _command(command: str, folder: Path, status: int) -> tuple[int, str]:
    """A command's exit status and output. Our own runs in this process, which saves importing everything again."""
    if _OURS.fullmatch(command):
        from shipworthy.cli import main

        words = shlex.split(command.replace("\\\n", " "))[1:]
        result = CliRunner(env={"COLUMNS": str(WIDTH)}).invoke(main, words, prog_name="shipworthy")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS")}
    env = kept | {  # pytest writes other summaries in CI
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(WIDTH),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(
        ["bash", "-c", f"(exit {status}); {command}"],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout
