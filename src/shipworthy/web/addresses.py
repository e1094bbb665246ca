"""The address of everything that has a page. Names are outside text, and may hold whatever a name may hold.

A name is one segment of a path: what would part it, end it or walk up (slashes, dots, a question mark) is written as
`~` and two hexadecimal digits, so that no browser, proxy or router takes it for something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

_BOUND = re.compile(r"[\x00-\x1f\x7f/\\~%?#;]")
_WRITTEN = re.compile(r"~([0-9A-F]{2})")


def segment(name: str) -> str:
    """A name as one segment of a path."""
    escaped = _BOUND.sub(lambda found: f"~{ord(found[0]):02X}", name)
    if set(escaped) == {"."} or escaped.endswith(".json"):
        escaped = escaped.replace(".", "~2E")
    return quote(escaped, safe="~@:+,=()' ".replace(" ", ""))


def named(segment_: str) -> str:
    """The name that a segment stands for."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), segment_)


def system(name: str, part: str = "") -> str:
    """The page of a system, or one of its parts."""
    return f"/systems/{segment(name)}" + (f"/{part}" if part else "")


def run(digest: str) -> str:
    """The page of a run."""
    return f"/runs/{segment(digest)}"


def answer(digest: str, evaluation: str, place: tuple[str, str, int], wanted: Mapping[str, object]) -> str:
    """The page of an answer of a run. place: case, attack and trial; wanted: what it was found by."""
    parts = "/".join(segment(str(part)) for part in (evaluation, *place))
    return with_query(f"{run(digest)}/transcripts/{parts}", **wanted)


def packages(digest: str, root: str = "") -> str:
    """The packages of a run, or the file of one of them."""
    return f"{run(digest)}/packages" + (f"/{segment(root)}" if root else "")


def job(id_: str, **query: object) -> str:
    """The page of a run that was started from the pages."""
    return with_query(f"/jobs/{segment(id_)}", **query)


def requirement(of: str, id_: str) -> str:
    """The page of a requirement."""
    return f"/systems/{segment(of)}/requirements/{segment(id_)}"


def document(kind: str, id_: str) -> str:
    """The page of a document."""
    return f"/documents/{segment(kind)}/{segment(id_)}"


def with_query(path: str, **query: object) -> str:
    """A path with a query; what is None or empty is left out."""
    told = {key: value for key, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(told)}" if told else path


def of_hit(kind: str, id_: str, of: str) -> str:
    """The page of something that a search has found."""
    if kind == "system":
        return system(id_)
    if kind == "run":
        return run(id_)
    return requirement(of, id_) if kind == "requirement" else document(kind, id_)
