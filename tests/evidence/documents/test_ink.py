from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from shipworthy.charts import svg
from shipworthy.evidence.documents.ink import ink
from shipworthy.present import verdicts

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'


def inked(markup):
    root = ET.fromstring(f"<div>{str(markup).replace('<svg', f'<svg {NAMESPACE}', 1)}</div>")
    ink(root)
    return [element for element in root.iter() if element.tag.startswith("{") and not element.tag.endswith("}svg")]


@pytest.mark.parametrize(
    ("mark", "colour"),
    [(verdicts.MET, "#00609c"), (verdicts.BREACHED, "#ad3500"), (verdicts.UNDECIDED, "#6f5600"), (verdicts.WAIVED, "#7d3a80")],
)  # fmt: skip
def test_a_verdict_is_drawn_in_its_colour_of_paper(mark, colour):
    painted = {value for shape in inked(svg.shape(mark)) for value in shape.attrib.values()}
    assert colour in painted
    assert not [value for value in painted if "var(" in value or value == "currentColor"]


def test_hollow_shapes_are_filled_with_paper():
    assert inked(svg.shape(verdicts.WAIVED))[0].get("fill") == "#fff"


def test_a_shapes_own_attributes_stay():
    assert inked('<svg class="bar"><rect class="wrong" fill="#123456"/></svg>')[0].get("fill") == "#123456"


def test_text_is_sized_for_the_page_and_only_inside_pictures():
    text = inked('<svg class="scale"><text class="bound-label">x</text></svg>')[0]
    assert (text.get("fill"), text.get("font-size")) == ("#000", "10")
    root = ET.fromstring('<p class="met">x</p>')
    ink(root)
    assert root.attrib == {"class": "met"}
