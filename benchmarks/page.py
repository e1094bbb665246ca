"""docs/performance.md: each benchmark writes its own section, between markers, and leaves the other's as it is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def write(section: str, text: str) -> None:
    """Put a section's text in the place of what stood there."""
    page = PAGE.read_text("utf-8")
    start, end = f"<!-- {section}: written by make bench -->", f"<!-- end of {section} -->"
    found = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(found.findall(page)) != 1:
        raise SystemExit(f"{PAGE} lacks the markers of its section {section}")
    PAGE.write_text(found.sub(lambda _: f"{start}\n\n{text.strip()}\n\n{end}", page), "utf-8")
    print(text)


def machine(*packages: str) -> str:
    """Machine and versions."""
    names = (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    model = next(names, ": an unnamed processor").split(":", 1)[1].strip()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("shipworthy", *packages))
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}; {versions}"
