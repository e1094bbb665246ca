"""Whether an answer is JSON, and JSON of a schema."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shipworthy.errors import MissingExtra
from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Score
from shipworthy.scorers.text import quote

LONGEST: Final = 2_000_000  # characters of JSON that are parsed
_FENCED = re.compile(r"\A\s*```(?:json|JSON)?[ \t]*\n(.*)\n?```\s*\Z", re.DOTALL)


class _NotJSON(ValueError):
    pass


def parsed(text: str, *, fences: bool) -> Any:
    """The JSON value of an answer. Raises ValueError; NaN, infinities, two values of one key and bare text are none."""
    if len(text) > LONGEST:
        raise _NotJSON(f"it is longer than {LONGEST:,} characters")
    if fences and (inside := _FENCED.match(text)):
        text = inside[1]
    try:
        return json.loads(text, parse_constant=_constant, object_pairs_hook=_pairs)
    except RecursionError as error:
        raise _NotJSON("it is nested too deeply") from error


def _constant(said: str) -> Any:
    raise _NotJSON(f"{said} is not JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotJSON("an object has one key twice")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Json:
    """Whether the whole answer is JSON, and keeps to a schema if there is one."""

    name: str
    measures: Measure
    fences: bool  # a fenced code block around all of it is taken off
    schema: Mapping[str, Any] | None = None
    validator: Any = field(default=None, repr=False, compare=False)

    def score(self, exchange: Exchange) -> Score:
        """True when it is; the first fault as the reason when not."""
        try:
            value = parsed(exchange.answer.text, fences=self.fences)
        except ValueError as error:
            return Score(value=False, why=f"not JSON: {quote(str(error))}")
        if self.validator is None:
            return Score(value=True)
        from referencing.exceptions import Unresolvable

        try:
            fault = next(self.validator.iter_errors(value), None)
        except Unresolvable as error:
            return Score(value=None, why=f"the schema leads nowhere: {quote(str(error))}")
        except RecursionError:
            return Score(value=False, why="it is nested too deeply for the schema")
        if fault is None:
            return Score(value=True)
        return Score(value=False, why=f"{quote(fault.json_path, most=60)}: {quote(fault.message)}")

    def describe(self) -> Mapping[str, str]:
        """Kind, and digest of the schema."""
        if self.schema is None:
            return {"kind": "json_valid", "fences": str(self.fences).lower()}
        text = json.dumps(self.schema, sort_keys=True).encode()
        return {
            "kind": "json_schema",
            "fences": str(self.fences).lower(),
            "schema": f"sha256:{hashlib.sha256(text).hexdigest()}",
        }


def open_json_valid(options: Options) -> Json:
    """`json_valid`, `{json_valid: null, fences: false}`."""
    fences, name, measures = options.flag("fences", True), options.name(), options.measures_bool("correct")
    options.done()
    return Json(name=name, measures=measures, fences=fences)


def open_json_schema(options: Options) -> Json:
    """`{json_schema: schema.json}`: the path of a JSON Schema that needs no other file."""
    try:
        import jsonschema
        from referencing import Registry
    except ImportError as error:
        raise MissingExtra(package="jsonschema", extra="generative", purpose="the scorer json_schema") from error
    said = options.file("json_schema")
    fences, name, measures = options.flag("fences", True), options.name(), options.measures_bool("correct")
    options.done()
    try:
        schema = json.loads(said)
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        validator = kind(schema, registry=Registry())  # an empty one: nothing is fetched
        next(validator.iter_errors({}), None)  # a reference that leads nowhere shows here
    except Exception as error:  # whatever is wrong with a schema, of json, jsonschema or referencing
        raise options.fault(
            f"the schema cannot be used: {str(error).splitlines()[0][:200]}", "mend the schema", code="SCORE003"
        ) from error
    return Json(name=name, measures=measures, fences=fences, schema=schema, validator=validator)
