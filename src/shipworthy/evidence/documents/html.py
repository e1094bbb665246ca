"""Documents as HTML: one page without script or foreign file, which is also what PDF is made from."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shipworthy.charts import svg
from shipworthy.evidence.documents.content import Paragraph, Points
from shipworthy.evidence.documents.document import Document
from shipworthy.evidence.documents.fitting import fitted
from shipworthy.present import safe, verdicts
from shipworthy.version import __version__

_WIDE = 4  # columns from which a table takes the whole width
_TIGHT = 24  # characters of a cell that stay on one line


def to_html(document: Document) -> str:
    """The document as a self-contained page; everything that came from outside is escaped, and nothing in it is
    invisible."""
    style = _style()
    return (
        _environment()
        .get_template("document.html.j2")
        .render(
            document=document,
            chapters=fitted(document),
            style=Markup(style),
            style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            headline=document.headline.partition(":"),
            decided=verdicts.decision_mark(document.fit),
            counts=document.completeness.counts,
            tool=__version__,
        )
    )


def _style() -> str:
    report = resources.files("shipworthy.evidence").joinpath("templates/report.css").read_text("utf-8")
    own = resources.files("shipworthy.evidence.documents").joinpath("templates/document.css").read_text("utf-8")
    return report + svg.STYLE + own


def _kind(block: object) -> str:
    return "paragraph" if isinstance(block, Paragraph) else "points" if isinstance(block, Points) else "table"


def _verdict(cell: str) -> str:
    """The style of the verdict that a cell begins with."""
    return verdicts.read(cell).style


def _visible(value: object) -> object:
    return safe.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    page = Environment(
        loader=PackageLoader("shipworthy.evidence.documents", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {"kind": _kind, "verdict_style": _verdict}
    page.globals |= {"shape": svg.shape, "wide": _WIDE, "tight": _TIGHT}
    return page
