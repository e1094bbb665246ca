"""A JSON value as a document: every mistake at once, each with its field and how to mend it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shipworthy.digest import canonical
from shipworthy.errors import Damaged, Fault, Unusable
from shipworthy.record.documents import KINDS, MODELS, Contradiction, Document

MOST_BYTES = 1_000_000  # of a document's canonical JSON
MOST_JSON = 12 * MOST_BYTES  # of its JSON in ASCII, where one character may take twelve
DEEPEST = 30
LONGEST_WORDS = 20_000  # characters of a document that are searched
MOST_FAULTS = 50
_EXPONENT = 1e21  # from here on, canonical JSON writes numbers with an exponent
_EXACT = 2**53 - 1  # beyond it, readers of JSON disagree on an integer

_EXPECTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length:,} characters",
    "too_long": "must have at most {max_length:,} entries",
    "too_short": "must have at least {min_length} entries",
    "literal_error": "must be one of {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "timezone_aware": "must be a time with its offset, such as 2026-11-21T09:30:00Z",
}


def read_document(kind: str, body: object) -> Document:
    """A document of a kind from a JSON value, with all its rules checked.

    Raises Unusable: RECORD010 a field is wrong, RECORD011 a text or number that cannot be kept exactly, RECORD012 too
    large or too deep, RECORD013 no such kind, RECORD014 the parts of the document contradict each other.
    """
    if kind not in MODELS:
        raise Unusable(
            Fault(
                code="RECORD013",
                what=f"there is no kind of document {_shown(kind)}",
                where="kind",
                mend=f"the kinds are {', '.join(KINDS)}",
            )
        )
    name = f"{kind} {_shown(body.get('id'))}" if isinstance(body, Mapping) else kind
    if faults := list(unkeepable(body, name)):
        raise Unusable(faults)
    text = json.dumps(body)
    if len(text) > MOST_JSON:
        raise Unusable(_too_large(name, f"it has {len(text):,} characters"))
    try:
        document = MODELS[kind].model_validate_json(text, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise Unusable([_fault(name, MODELS[kind], detail) for detail in details[:MOST_FAULTS]]) from None
    if (size := len(body_bytes(document))) > MOST_BYTES:
        raise Unusable(_too_large(name, f"it has {size:,} bytes"))
    return document


def checked(document: Document) -> Document:
    """The same document, once more through every rule: models can be made without. Raises as `read_document`."""
    return read_document(document.kind, document.model_dump(mode="json", warnings=False))


def body_bytes(document: Document) -> bytes:
    """The document as the record keeps it: canonical JSON."""
    return canonical(document.model_dump(mode="json"))


def kept_document(kind: str, id_: str, body: str) -> Document:
    """A document from a body that the record kept. Raises Damaged (RECORD009) where that is no document."""
    try:
        return MODELS[kind].model_validate_json(body, strict=True)  # type: ignore[index]
    except (KeyError, ValueError) as error:
        what = "a document that the record keeps cannot be read: it was changed there, or another version wrote it"
        mend = "`shipworthy record verify` says which; then restore a backup, or use that version of Shipworthy"
        raise Damaged(Fault(code="RECORD009", what=what, where=f"{kind}/{id_}"[:200], mend=mend)) from error


def words_of(body: object) -> str:
    """What a document is found by: every text of its JSON but digests, case folded, the first LONGEST_WORDS characters.

    `verifying` holds what is kept against it: where this changes, a migration writes it anew.
    """
    found, waiting = list[str](), list[Any]([body])
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and not one.startswith(("sha256:", "person:")):
            found.append(one)
        elif isinstance(one, dict):
            waiting += reversed(one.values())
        elif isinstance(one, list):
            waiting += reversed(one)
    return "\n".join(found).casefold()[:LONGEST_WORDS]


def unkeepable(value: object, where: str) -> Iterator[Fault]:
    """What of a value no database keeps exactly: at most MOST_FAULTS faults (RECORD011, RECORD012)."""
    faults = 0
    waiting: list[tuple[object, str, int]] = [(value, where, 0)]
    while waiting and faults < MOST_FAULTS:
        one, at, depth = waiting.pop()
        what = _why_unkeepable(one)
        if depth > DEEPEST:
            yield _too_large(where, f"it is nested more than {DEEPEST} levels deep")
            return
        if what:
            faults += 1
            yield Fault(code="RECORD011", what=what, where=at, mend="write it otherwise")
        elif isinstance(one, Mapping):
            for key, inner in reversed(list(one.items())):
                bad = "a key that is no text" if not isinstance(key, str) else _why_unkeepable(key)
                if bad:
                    faults += 1
                    yield Fault(code="RECORD011", what=f"{bad}, in a key", where=at, mend="write it otherwise")
                else:
                    waiting.append((inner, f"{at}: {_step(key)}" if at == where else f"{at}.{_step(key)}", depth + 1))
        elif isinstance(one, list | tuple):
            waiting += [(inner, f"{at}[{i}]", depth + 1) for i, inner in reversed(list(enumerate(one)))]


def _why_unkeepable(value: object) -> str:
    if isinstance(value, str):
        if "\0" in value:
            return "a NUL character, which PostgreSQL cannot keep"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "half a character (a lone surrogate), which is no text"
        return ""
    if isinstance(value, bool | None | Mapping | list | tuple):
        return ""
    if isinstance(value, int):
        return "" if abs(value) <= _EXACT else "a whole number beyond 2**53 - 1, which JSON does not keep exactly"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "a number that is not finite, which JSON does not have"
        # Canonical JSON writes these as whole numbers, which are then read as other ones.
        return "a number beyond 2**53 - 1, which JSON does not keep exactly" if _EXACT < abs(value) < _EXPONENT else ""
    return f"a value of type {type(value).__name__}, which is not JSON"


def _fault(name: str, model: type[Document], detail: ErrorDetails) -> Fault:
    path = ".".join(_step(step) for step in detail["loc"])
    where = f"{name}: {path}" if path else name
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        error = context.get("error")
        mend = error.mend if isinstance(error, Contradiction) else "change what it names"
        return Fault(code="RECORD014", what=str(error or detail["msg"]), where=where, mend=mend)
    if kind == "extra_forbidden":
        known = ", ".join(model.model_fields) if len(detail["loc"]) == 1 else ""
        mend = f"the fields are {known}" if known else "remove it"
        return Fault(code="RECORD010", what=f"the field {path!r} is unknown", where=where, mend=mend)
    if kind in _EXPECTED:
        what = f"{path or 'the document'} {_EXPECTED[kind].format(**context)}"
    else:
        what = f"{path or 'the document'}: {detail['msg']}"[:500]
    return Fault(code="RECORD010", what=what, where=where, mend="see the fields of this kind in docs/record.md")


def _too_large(where: str, what: str) -> Fault:
    mend = f"a document has at most {MOST_BYTES:,} bytes: keep long texts as files and name their digests"
    return Fault(code="RECORD012", what=what, where=where, mend=mend)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 82 else f"{text[:80]}…"


def _step(step: object) -> str:
    return str(step).encode("utf-8", "replace").decode()[:80]
