"""Shipworthy: is it fit to ship, and how do you know?

    import shipworthy as sw

    run = sw.check("shipworthy.yaml")            # a plan in, a decision out
    seen = sw.evaluate(frame, label="repaid", prediction="approved", slices=["sex"])
    seen.to_pandas()                             # every estimate with its interval and n
    seen.require("fpr", across="sex", compare="difference", at_most=0.05)

Names are loaded when they are first used, so that importing costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from shipworthy.version import __version__

if TYPE_CHECKING:
    from shipworthy.api.checking import check
    from shipworthy.api.comparing import compare
    from shipworthy.api.frames import Evaluation, evaluate
    from shipworthy.api.reproducing import reproduce
    from shipworthy.api.sizing import size
    from shipworthy.errors import ShipworthyError, Unusable
    from shipworthy.metrics.catalogue import custom as metric

_HOMES = {
    "check": "shipworthy.api.checking",
    "compare": "shipworthy.api.comparing",
    "evaluate": "shipworthy.api.frames",
    "Evaluation": "shipworthy.api.frames",
    "reproduce": "shipworthy.api.reproducing",
    "size": "shipworthy.api.sizing",
    "metric": "shipworthy.metrics.catalogue",
    "ShipworthyError": "shipworthy.errors",
    "Unusable": "shipworthy.errors",
}
__all__ = [
    "Evaluation",
    "ShipworthyError",
    "Unusable",
    "__version__",
    "check",
    "compare",
    "evaluate",
    "metric",
    "reproduce",
    "size",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return getattr(module, "custom" if name == "metric" else name)


def __dir__() -> list[str]:
    return list(__all__)
