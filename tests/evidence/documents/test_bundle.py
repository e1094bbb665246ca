from __future__ import annotations

import json

import pytest

from shipworthy.evidence.documents.bundle import bundle
from shipworthy.evidence.documents.privacy import SHORTEST_SALT
from shipworthy.evidence.documents.shapes import SHAPES

SALT = bytes(SHORTEST_SALT)


def test_every_document_comes_in_every_format(filled):
    found = bundle(filled, audience="internal", salt=SALT, pdf=False)
    assert set(found) == {f"{kind}.{ending}" for kind in SHAPES for ending in ("md", "html", "json")}
    for kind in SHAPES:
        assert json.loads(found[f"{kind}.json"])["audience"] == "internal"
        assert b"anna@example.org" not in found[f"{kind}.md"] + found[f"{kind}.html"] + found[f"{kind}.json"]


@pytest.mark.slow
def test_printed_as_well(bare):
    from .test_pdf import WHY

    if WHY:
        pytest.skip(WHY)
    found = bundle(bare, audience="public", salt=SALT, pdf=True)
    assert all(found[f"{kind}.pdf"].startswith(b"%PDF") for kind in SHAPES)
