"""Write every document of a run into its folder, then the manifest over all that lies there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shipworthy.evidence.documents.datasheet import datasheet
from shipworthy.evidence.documents.memo import memo
from shipworthy.evidence.documents.model_card import model_card
from shipworthy.evidence.files import write_atomically
from shipworthy.evidence.github import step_summary
from shipworthy.evidence.junit import junit
from shipworthy.evidence.manifest import write_manifest
from shipworthy.evidence.markdown import count_missing
from shipworthy.evidence.report import render_report
from shipworthy.evidence.run import Run
from shipworthy.evidence.sarif import sarif


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What was written."""

    paths: tuple[Path, ...]  # the documents, then the manifest
    manifest_sha256: str  # hexadecimal; worth keeping elsewhere
    missing: int  # fields that still wait for a person, over all documents


def write_documents(run: Run, folder: Path, *, plan_uri: str = "plan.yaml") -> Written:
    """Write the report, cards, memo and exports of a run, each whole or not at all, and the manifest last.

    folder: the run folder, made if it is not there; files that lie in it already enter the manifest as they are.
    plan_uri: where SARIF says that the plan file is; its lines are read from `plan.yaml` in the folder where there
    is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / "plan.yaml"
    documents = {
        "report.html": render_report(run),
        "model_card.md": model_card(run),
        "datasheet.md": datasheet(run),
        "memo.md": memo(run),
        "junit.xml": junit(run),
        "report.sarif": sarif(
            run, plan_uri=plan_uri, plan_text=plan.read_text("utf-8", "replace") if plan.is_file() else ""
        ),
        "summary.md": step_summary(run),
    }
    for name, content in documents.items():
        write_atomically(folder / name, content)
    digest = write_manifest(folder, run=run.id)
    return Written(
        paths=(*(folder / name for name in documents), folder / "manifest.json"),
        manifest_sha256=digest,
        missing=sum(count_missing(text) for name, text in documents.items() if name.endswith(".md")),
    )
