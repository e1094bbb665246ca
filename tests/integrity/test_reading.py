"""Which versions of a file can be read."""

import pytest

from shipworthy.integrity.reading import Newer, following

ONE, TWO = "shipworthy/package@1", "shipworthy/package@2"


@pytest.mark.parametrize("schema", [ONE, TWO])
def test_every_known_version_is_followed(schema):
    assert following({"schema": schema, "more": 1}, ONE, TWO) == {"schema": schema, "more": 1}


def test_a_later_version_is_told_as_that():
    with pytest.raises(Newer, match="written by a newer Shipworthy: it follows shipworthy/package@3"):
        following({"schema": "shipworthy/package@3"}, ONE, TWO)


@pytest.mark.parametrize(
    "found",
    [
        None, [], "x", {}, {"schema": None}, {"schema": [ONE]}, {"schema": {}}, {"schema": "shipworthy/package@0"},
        {"schema": "shipworthy/package@٣"}, {"schema": "shipworthy/package@" + "9" * 5_000}, {"schema": "other@9"},
        {"schema": "shipworthy/package@3\n"},
    ],
)  # fmt: skip
def test_whatever_else_it_says_validates_input(found):
    with pytest.raises(ValueError, match="it does not follow") as caught:
        following(found, ONE, TWO)
    assert not isinstance(caught.value, Newer)
