"""Documents for machines: JSON files that are inert wherever they are opened."""

from __future__ import annotations

import json
from collections.abc import Mapping

from shipworthy.digest import Json


def to_json(found: Mapping[str, Json]) -> str:
    """A JSON file: keys sorted, plain ASCII, and no character that a browser could read as markup. The same value
    gives the same bytes."""
    text = json.dumps(found, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n"
