"""Every document of a run in every format, as the files of a package's `docs/`."""

from __future__ import annotations

from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.filling import Filled
from shipworthy.evidence.documents.html import to_html
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.documents.markdown import to_markdown
from shipworthy.evidence.documents.pdf import to_pdf
from shipworthy.evidence.documents.privacy import redact
from shipworthy.evidence.documents.shapes import SHAPES


def bundle(filled: Filled, *, audience: Privacy, salt: bytes, pdf: bool) -> dict[str, bytes]:
    """File name -> content of all documents, as an audience may read them.

    audience: the strictest class that it may read. salt: at least 16 random bytes that stay with the whole documents;
    opens what is withheld. pdf: whether to print them, too. Raises as `to_pdf` does where it cannot.
    """
    found: dict[str, bytes] = {}
    for kind, shape in SHAPES.items():
        made = redact(document(shape, filled), audience, salt=salt)
        page = to_html(made)
        found[f"{kind}.md"] = to_markdown(made).encode("utf-8")
        found[f"{kind}.html"] = page.encode("utf-8")
        found[f"{kind}.json"] = to_json(made.as_json()).encode("ascii")
        if pdf:
            found[f"{kind}.pdf"] = to_pdf(page, digest=made.digest)
    return found
