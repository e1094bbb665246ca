"""What is sent to be done: bounded, of the kind that it should be, and from a page of this site or by a program."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from shipworthy.errors import Fault, Unusable
from shipworthy.integrity.reading import read_json
from shipworthy.present.safe import shorten
from shipworthy.web.access import checked

MOST_BYTES = 128 << 10  # of what is sent: three long texts of any script, each character written as up to nine
FORM = "application/x-www-form-urlencoded"
FAULTS: dict[str, Any] = {  # what comes back to a program, as OpenAPI has it
    "type": "object", "required": ["faults"],
    "properties": {
        "faults": {"type": "array", "items": {
            "type": "object", "required": ["code", "what", "where", "mend"],
            "properties": {key: {"type": "string"} for key in ("code", "what", "where", "mend")},
        }},
        "changed": {"type": "array", "items": {"type": "object"}, "description": "what others changed since `version`"},
        "version": {"type": "integer", "description": "of the document, as it is now"},
        "proposal": {"type": "object"}, "seal": {"type": "string"},
    },
}  # fmt: skip
REFUSED: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {"application/json": {"schema": FAULTS}}}
    for code, text in {
        400: "Fields are wrong",
        401: "Nobody is signed in",
        403: "Not allowed",
        404: "There is no such thing",
        409: "Others have written since, or it cannot be done as it stands",
        413: "Too large",
        415: "Not JSON",
    }.items()
}
_JSON = "application/json"
Body = TypeVar("Body", bound=BaseModel)


def bounded(request: Request, kind: str) -> Request:
    """The request, whose body is refused where it is of another kind (WEB021) or too large (WEB020)."""
    given = request.headers.get("content-type", "").lower().replace(" ", "")
    if given.partition(";")[0] != kind or given.partition("charset=")[2].strip('"') not in ("", "utf-8"):
        what = f"this takes {kind}, and {shorten(given, 60) or 'nothing of a kind'} came"
        raise Unusable(Fault(code="WEB021", what=what, where="Content-Type", mend=f"send {kind}, as UTF-8"))
    mend = "shorten the texts; keep long ones as files, and name them"
    too_large = Fault(code="WEB020", what=f"more than {MOST_BYTES:,} bytes were sent", where="body", mend=mend)
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > MOST_BYTES:
        raise Unusable(too_large)
    came = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal came
        message = await request.receive()
        came += len(message.get("body", b""))
        if came > MOST_BYTES:
            raise Unusable(too_large)
        return message

    return Request(request.scope, receive)


async def sent_json(request: Request) -> dict[str, Any]:
    """The JSON object that a program sends, or a page of this site. Raises Unusable (WEB012, WEB020 to WEB022)."""
    whole = bounded(request, _JSON)
    checked(request, None)
    try:
        found = read_json(await whole.body(), most=MOST_BYTES)
    except ValueError as error:
        raise Unusable(Fault(code="WEB022", what=f"what was sent cannot be read: {error}"[:300], where="body",
                             mend="send one JSON object")) from None  # fmt: skip
    if not isinstance(found, dict):
        what = "what was sent is not a JSON object"
        raise Unusable(Fault(code="WEB022", what=what, where="body", mend="send an object of fields"))
    return found


def read_as(model: type[Body], found: dict[str, Any]) -> Body:
    """What a program sent, in the form that it should have. Raises Unusable (WEB024)."""
    try:
        return model.model_validate(found)
    except ValidationError as error:
        mend = f"it takes {', '.join(model.model_fields)}"
        raise Unusable(
            Fault(code="WEB024", what=shorten(one["msg"], 200), where=".".join(map(str, one["loc"]))[:100] or "body",
                  mend=mend)
            for one in error.errors(include_url=False, include_input=False)[:20]
        ) from None  # fmt: skip


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """What a program sends, as OpenAPI has it."""
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": model.model_json_schema()}}}}
