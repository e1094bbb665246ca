"""What the manifest of a package says of a file by its path alone, its role, media type and class, in each version of
the manifest's format.

Whoever verifies a package writes these again and compares, so the tables are part of the format, and docs/formats.md
has them for verifiers of one's own. They never change: what needs another table is another version of the manifest,
which stands here beside those before it, so that a package verifies for as long as there is a Shipworthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from types import MappingProxyType

from shipworthy.evidence.documents.fields import Privacy

SCHEMA = "shipworthy/package-manifest@1"  # of packages that are written now


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One version of what a path stands for. Paths are `is_safe`, with forward slashes."""

    classes: tuple[tuple[str, Privacy], ...]  # the first pattern that fits decides; `*` crosses folders
    roles: Mapping[str, str]  # by the first folder, or the name of a file in none
    run_roles: Mapping[str, str]  # by the path inside a run's folder, or the first folder of it
    media_types: Mapping[str, str]  # by suffix

    def privacy(self, path: str) -> Privacy:
        """The class of a file. What is not known is restricted."""
        return next((privacy for pattern, privacy in self.classes if fnmatchcase(path, pattern)), "restricted")

    def role(self, path: str) -> str:
        """What a file is for."""
        head, *rest = path.split("/")
        if head == "runs" and len(rest) > 1:
            inside = self.run_roles.get("/".join(rest[1:])) or self.run_roles.get(rest[1], "other")
            return f"run: {inside}"
        return self.roles.get(head, "package")

    def media_type(self, path: str) -> str:
        """The type of what a file holds."""
        return self.media_types.get(PurePosixPath(path).suffix, "application/octet-stream")


_ONE = Format(
    classes=(
        ("manifest.json", "public"),
        ("package.json", "public"),
        ("README.md", "public"),
        ("keys/*.pub", "public"),
        ("keys/*", "personal"),  # the register says whose key is whose
        ("attestations/*", "public"),
        ("bom/*", "internal"),
        ("trace/*", "internal"),
        ("gates/*", "internal"),
        ("plan/*", "internal"),
        ("audit/*", "internal"),
        ("risk/waivers.json", "internal"),  # who works with a breach may read why it is let through, as in the run
        ("risk/*", "restricted"),
        ("docs/model_card.*", "public"),
        ("docs/launch-memo.*", "restricted"),
        ("docs/report.*", "restricted"),  # as in the run
        ("docs/*", "internal"),
        ("runs/*/observations/*", "personal"),
        ("runs/*/journal/*", "personal"),
        ("runs/*/report.html", "restricted"),  # shows transcripts; patterns take out most of what is personal, not all
        ("runs/*/report.pdf", "restricted"),
        ("runs/*", "internal"),
    ),
    roles=MappingProxyType(
        {
            "plan": "plan", "gates": "gate", "risk": "risk register", "docs": "document", "trace": "traceability",
            "bom": "bill of materials", "attestations": "attestation", "audit": "audit log", "keys": "keys",
        }
    ),
    run_roles=MappingProxyType(
        {
            "plan.yaml": "plan", "plan.lock.json": "plan lock", "environment.json": "environment",
            "results.json": "results", "estimates.parquet": "estimates", "report.html": "report",
            "model_card.md": "model card", "datasheet.md": "datasheet", "memo.md": "memo", "summary.md": "summary",
            "junit.xml": "export", "report.sarif": "export", "observations": "observations", "journal": "journal",
            "plan": "plan", "docs": "document", "audit": "audit log",
        }
    ),
    media_types=MappingProxyType(
        {
            ".css": "text/css", ".csv": "text/csv", ".html": "text/html", ".json": "application/json",
            ".jsonl": "application/jsonl", ".md": "text/markdown", ".parquet": "application/vnd.apache.parquet",
            ".pdf": "application/pdf", ".pub": "application/x-pem-file", ".sarif": "application/sarif+json",
            ".txt": "text/plain", ".xml": "application/xml", ".yaml": "application/yaml",
        }
    ),
)  # fmt: skip

FORMATS: Mapping[str, Format] = MappingProxyType({SCHEMA: _ONE})
CURRENT = FORMATS[SCHEMA]
