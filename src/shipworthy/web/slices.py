"""The slice explorer: choose what to look at, and see value, interval and n of every slice at once."""

from __future__ import annotations

from fastapi import FastAPI

from shipworthy.api import slicing
from shipworthy.api.slicing import Order, View
from shipworthy.estimate.estimates import Comparison
from shipworthy.web.showing import Name, Site, Word, add_page


def add_slices(app: FastAPI, site: Site) -> None:
    """Serve the slices of runs."""

    def explored(
        *, digest: Name, evaluation: Word = None, metric: Word = None, compare: Comparison = "value",
        by: Word = None, across: Word = None, version: Word = None, order: Order = "worst",
    ) -> slicing.SlicesPage:  # fmt: skip
        """A metric of a run by one or two attributes, each slice with its interval and n."""
        view = View(
            evaluation=evaluation, metric=metric, compare=compare, by=by, across=across, version=version, order=order
        )
        return slicing.slices_page(site.library, digest, view)

    add_page(app, site, "/runs/{digest}/slices", explored, "slices.html.j2")
