from __future__ import annotations

import re
import sys

import pytest

from shipworthy.errors import MissingExtra, Unusable
from shipworthy.evidence.documents import pdf as module
from shipworthy.evidence.documents.document import document
from shipworthy.evidence.documents.filling import fill
from shipworthy.evidence.documents.html import to_html
from shipworthy.evidence.documents.pdf import to_pdf
from shipworthy.evidence.documents.shapes import SHAPES
from shipworthy.evidence.report import render_report

from .conftest import NOW, inflated

DIGEST = "sha256:" + "5c" * 32

try:
    import weasyprint  # noqa: F401
except (ImportError, OSError) as error:  # the package, or the native libraries that it loads
    WHY = f"WeasyPrint cannot be loaded: {type(error).__name__}"
else:
    WHY = ""

needs_weasyprint = pytest.mark.skipif(bool(WHY), reason=WHY)


def pages(data):
    return len(re.findall(rb"/Type ?/Page\b", inflated(data)))


@needs_weasyprint
@pytest.mark.slow
def test_documents_print_with_fonts_tags_and_page_numbers(filled):
    made = document(SHAPES["annex-iv"], filled)
    data = to_pdf(to_html(made), digest=made.digest)
    opened = inflated(data)
    assert data.startswith(b"%PDF-1.7")
    assert pages(data) > 3
    fonts = len(re.findall(rb"/Type ?/FontDescriptor", opened))
    assert fonts >= 2
    assert len(re.findall(rb"/FontFile[23]? \d+ 0 R", opened)) == fonts  # every font that is named is embedded
    assert b"/StructTreeRoot" in opened
    assert not re.search(rb"/(URI|Launch|JavaScript|JS|EmbeddedFile)\b", opened)


@needs_weasyprint
@pytest.mark.parametrize("run", ["compas", "empty", pytest.param("hostile", marks=pytest.mark.slow)])
def test_the_launch_memo_is_one_page(run, request):
    run = request.getfixturevalue(run)
    made = document(SHAPES["launch-memo"], fill(run.as_json(), run.plan, run.environment, {}, {}, now=NOW))
    assert pages(to_pdf(to_html(made), digest=made.digest)) == 1


@needs_weasyprint
@pytest.mark.slow
def test_the_fullest_memo_is_one_page(files):
    from .test_rendering import hostile_record

    long = " ".join(["We weighed what this costs and whom, and came to no simple end."] * 60)
    record = {kind: bodies * 40 for kind, bodies in hostile_record().items()}
    filled = fill(*files, dict.fromkeys(("risk.residual", "decision.options", "decision.taken"), long), record, now=NOW)
    made = document(SHAPES["launch-memo"], filled)
    assert pages(to_pdf(to_html(made), digest=made.digest)) == 1


@needs_weasyprint
def test_same_page_gives_the_same_bytes_and_the_digest_is_its_identifier(bare):
    made = document(SHAPES["launch-memo"], bare)
    one, other = (to_pdf(to_html(made), digest=made.digest) for _ in range(2))
    assert one == other
    assert to_pdf(to_html(made), digest=DIGEST) != one


@needs_weasyprint
@pytest.mark.slow
def test_the_report_prints_with_its_colours(compas):
    data = to_pdf(render_report(compas), digest=DIGEST)
    opened = inflated(data)
    assert 3 < pages(data) < 40
    for colour in (
        "00609c",
        "ad3500",
        "6f5600",
        "f3e9e3",
    ):  # met, breached, undecided; the wrong side, drawn in charts alone
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4))
        drawn = [tuple(map(float, m)) for m in re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) (?:rg|RG|scn|SCN)", opened)]
        assert any(abs(r - red) + abs(g - green) + abs(b - blue) < 0.01 for r, g, b in drawn)


@needs_weasyprint
def test_nothing_is_fetched(tmp_path, monkeypatch):
    asked = []

    def refuse(url):
        asked.append(url)
        raise ValueError("refused")

    monkeypatch.setattr(module, "_refuse", refuse)
    secret = tmp_path / "secret.txt"
    secret.write_text("top secret")
    page = (
        f'<html><head><title>t</title><link rel="stylesheet" href="http://evil.example/a.css">'
        f'<link rel="attachment" href="{secret.as_uri()}"><style>@import url({secret.as_uri()});'
        f"p{{background:url(data:image/svg+xml;base64,PHN2Zy8+)}}</style></head>"
        f'<body><p class="system">x</p><img src="{secret.as_uri()}"></body></html>'
    )
    opened = inflated(to_pdf(page, digest=DIGEST))
    assert b"top secret" not in opened
    assert b"/EmbeddedFile" not in opened
    assert {url.partition(":")[0] for url in asked} == {"http", "file", "data"}


def test_what_refuses_refuses():
    with pytest.raises(ValueError, match="fetch nothing"):
        module._refuse("file:///etc/hostname")


@pytest.mark.parametrize("digest", ["", "sha256:12", 'sha256:" url(x)', "sha256:" + "5C" * 32, DIGEST + "\n"])
def test_to_pdf_validates_input(digest):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        to_pdf("<p>x</p>", digest=digest)


def test_without_the_package_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(MissingExtra, match=r"shipworthy\[pdf\]"):
        to_pdf("<p>x</p>", digest=DIGEST)


def test_without_its_libraries_the_mend_is_said(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(Unusable, match="DOC004"):
        to_pdf("<p>x</p>", digest=DIGEST)
