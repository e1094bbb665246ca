"""HTML of ours as PDF, by WeasyPrint: fonts embedded, page numbers, and the digest of the document on every page."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from shipworthy.errors import Fault, MissingExtra, Unusable
from shipworthy.evidence.documents.ink import ink

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def to_pdf(html: str, *, digest: str) -> bytes:
    """A page of ours as a tagged PDF; the same page gives the same bytes on the same machine.

    html: what `to_html` or `render_report` gave, or the text of such a file. digest: `sha256:<64 hex digits>` of what
    is printed, for the footer. Nothing is fetched: not from the network, not from disk, not from data URLs.
    Raises MissingExtra (EXTRA001) without WeasyPrint, Unusable (DOC004) where the libraries that it stands on are
    missing, ValueError for what is no digest.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a digest is written as sha256: and 64 hexadecimal digits")
    weasyprint = _weasyprint()
    document = weasyprint.HTML(string=html, url_fetcher=_refusing(), media_type="print")
    root = document.etree_element
    ink(root)
    # Into the page itself: a style sheet handed over beside it would yield to the page's own.
    style = root.makeelement("style", {})
    paper = resources.files("shipworthy.evidence.documents").joinpath("templates/page.css").read_text("utf-8")
    style.text = f'{paper}@page{{@bottom-left{{content:"{digest}"}}}}'
    (root if (head := root.find("head")) is None else head).append(style)
    pdf: bytes = document.write_pdf(pdf_tags=True, pdf_identifier=bytes.fromhex(digest.removeprefix("sha256:")))
    return pdf


def _refusing() -> Any:
    """A fetcher that gives nothing; WeasyPrint then goes on without what a page asked for."""
    from weasyprint.urls import URLFetcher

    class Refusing(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: object = None) -> Any:  # noqa: ARG002 - its signature
            return _refuse(url)

    return Refusing()


def _refuse(url: str) -> Any:
    raise ValueError(f"documents fetch nothing, and not {url[:80]!r}")


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError as error:
        raise MissingExtra(package="weasyprint", extra="pdf", purpose="writing PDF") from error
    except OSError as error:
        raise Unusable(
            Fault(
                code="DOC004",
                what="PDF cannot be written: a library that WeasyPrint needs is not on this machine",
                where="Pango",
                mend="install Pango (on Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0), or leave PDF out",
            )
        ) from error
    return weasyprint
