"""What a notebook shows: every number with its interval and n, nothing that a column's values could run."""

from html.parser import HTMLParser

import pytest

import shipworthy as sw
from shipworthy.charts.vega import MIME
from shipworthy.notebook import display

ROWS = {
    "group": ["a", "b", "<script>alert(1)</script>"] * 60 + ["tiny"] * 3,
    "y": [0, 1, 1, 0] * 45 + [1, 1, 0],
    "p": [0, 1, 0, 0, 1] * 36 + [1, 1, 1],
}


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def parsed(html):
    cells = Cells()
    cells.feed(html)
    assert not cells.open
    return cells


@pytest.fixture(scope="module")
def seen():
    return sw.evaluate(ROWS, label="y", prediction="p", slices=["group"], metrics=["fpr", "accuracy"], fold_below=0)


def test_every_value_stands_with_its_interval_and_n(seen):
    shown = seen._repr_mimebundle_()
    assert shown["text/plain"] == "<Evaluation of 183 rows: fpr, accuracy>"
    texts = parsed(shown["text/html"]).texts
    everyone = next(e for e in seen.estimates if e.metric == "fpr" and not e.slice)
    assert texts[:5] == ["Evaluation of 183 rows: fpr, accuracy", "FPR", "Accuracy", "Everyone", "40.7 %"]
    assert texts[5] == f"{everyone.low:.1%} to {everyone.high:.1%}, n = 91".replace("%", "", 2)


def test_a_value_that_is_not_known_says_why(seen):
    texts = parsed(seen._repr_mimebundle_()["text/html"]).texts
    assert "unknown" in texts
    unknown = next(e for e in seen.estimates if e.metric == "fpr" and e.slice == {"group": "tiny"})
    assert unknown.reason
    assert f"{unknown.reason}, n = 1" in texts


def test_a_level_cannot_run_in_the_page(seen):
    html = seen._repr_mimebundle_()["text/html"]
    assert "&lt;script&gt;" in html
    assert set(parsed(html).tags) <= {"p", "table", "thead", "tbody", "tr", "th", "td", "div"}


def test_a_long_table_says_how_many_rows_it_leaves_out():
    rows = {"g": [f"g{i % 150}" for i in range(3000)], "y": [0, 1] * 1500, "p": [0, 1, 1] * 1000}
    seen = sw.evaluate(rows, label="y", prediction="p", slices=["g"], metrics=["accuracy"], fold_below=0)
    cells = parsed(seen._repr_mimebundle_()["text/html"])
    assert cells.tags.count("tr") == 1 + display.MOST_ROWS
    assert cells.texts[-1] == "51 further slices are not shown; to_pandas() has them all."


def test_the_chart_is_a_forest_plot_of_one_metric_on_one_axis(seen):
    shown = seen.chart("fpr", "group")._repr_mimebundle_()
    rows = shown[MIME]["data"]["values"]
    assert shown["text/plain"] == "False positive rate"
    assert rows[0]["name"] == "Everyone  (n = 91)"
    assert len(rows) == 5
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["value"] is not None)
    assert len(seen.chart("fpr").spec["data"]["values"]) == 1


def test_a_chart_of_nothing_validates_input(seen):
    with pytest.raises(ValueError, match="nothing to draw"):
        seen.chart("tpr")
    with pytest.raises(sw.Unusable):
        seen.chart("fpr", "age")
