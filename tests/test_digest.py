import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.digest import canonical, digest, file_digest

# RFC 8785, appendix B: IEEE 754 bits and what ECMAScript prints.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize("bits", NUMBERS)
def test_numbers_against_reference(bits: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number).decode() == NUMBERS[bits]


def test_structure_against_reference() -> None:
    value = {
        "€": "Euro",
        "\r": "CR",
        "\ufb33": "Hebrew",
        "1": "One",
        "😀": "Emoji",
        "\x80": "Control",
        "ö": "O",
    }  # RFC 8785, 3.2.3
    order = ["CR", "One", "Control", "O", "Euro", "Emoji", "Hebrew"]
    assert list(json.loads(canonical(value)).values()) == order
    assert (
        canonical({"b": [1, 1.0, None, True], "a": '\x0f\n"\\/€'})
        == '{"a":"\\u000f\\n\\"\\\\/€","b":[1,1,null,true]}'.encode()
    )


def test_known_digest() -> None:
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest({"a": 1, "b": 2}) == digest({"b": 2.0, "a": 1})
    assert digest([1, 2]) == digest((1, 2)) != digest([2, 1])


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), 2**53, -(2**53), "\ud800", {"\udfff": 1}, {1: 2}, b"x", object()],
)
def test_digest_validates_input(value: object) -> None:
    with pytest.raises(ValueError, match="not a JSON value"):
        digest([value])  # type: ignore[list-item]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_canonical_properties(value: object) -> None:
    text = canonical(value)  # type: ignore[arg-type]
    read = json.loads(text, parse_int=float)  # as ECMAScript reads numbers
    assert read == value
    assert canonical(read) == text


def test_file_digest(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    assert file_digest(path) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path.write_bytes(b"abc" * 1_000_000)
    import hashlib

    assert file_digest(path) == "sha256:" + hashlib.sha256(b"abc" * 1_000_000).hexdigest()
