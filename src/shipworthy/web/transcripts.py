"""The pages of answers: a list with filters, and an address for each answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Path

from shipworthy.api import transcripts
from shipworthy.api.transcripts import Place, Shelf, Wanted
from shipworthy.web.showing import Name, Page, Site, Word, add_page

Trial = Annotated[int, Path(ge=0, le=2**31)]


def wanted(
    *, evaluation: Word = None, version: Word = None, hazard: Word = None, attack: Word = None, language: Word = None,
    status: Word = None, said: Word = None, people: Word = None, text: Word = None,
) -> Wanted:  # fmt: skip
    """Which answers are meant, as the query says."""
    return Wanted(
        evaluation=evaluation, version=version, hazard=hazard, attack=attack, language=language, status=status,
        said=said, people=people, text=text,
    )  # fmt: skip


Asked = Annotated[Wanted, Depends(wanted)]


def add_transcripts(app: FastAPI, site: Site) -> None:
    """Serve the answers of runs."""
    shelf = Shelf(site.library)

    def listed(digest: Name, which: Asked, page: Page = 1) -> transcripts.TranscriptsPage:
        """The answers of a run: what was asked, what came back, what judges and people say of it."""
        return transcripts.transcripts_page(shelf, digest, which, page=page)

    def one(*, digest: Name, of: Name, case: Name, by: Name, trial: Trial, which: Asked) -> transcripts.TranscriptPage:
        """One answer with everything that led to it."""
        meant = transcripts.of_evaluation(which, of)
        return transcripts.transcript_page(shelf, digest, Place(case=case, attack=by, trial=trial), meant)

    add_page(app, site, "/runs/{digest}/transcripts", listed, "transcripts.html.j2")
    # The names of an evaluation and an attack are in the query as well: filters keep them.
    add_page(app, site, "/runs/{digest}/transcripts/{of}/{case}/{by}/{trial}", one, "transcript.html.j2")
