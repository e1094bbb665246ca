"""The page of the programme's indicators."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import FastAPI, Query

from shipworthy.api import indicators
from shipworthy.web.showing import Site, add_page

Day = Annotated[date | None, Query()]


def add_kpis(app: FastAPI, site: Site) -> None:
    """Serve the indicators."""

    def kpis(*, since: Day = None, until: Day = None) -> indicators.KpisPage:
        """How well the programme works, over a window: each indicator with its definition, n and interval."""
        return indicators.kpis_page(site.library, since=since, until=until, now=site.clock())

    add_page(app, site, "/kpis", kpis, "kpis.html.j2")
