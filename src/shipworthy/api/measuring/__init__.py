"""From an evaluation's rows to what was measured of them: every metric on every axis, for every version."""

from shipworthy.api.measuring.everything import Measured, measure_all
from shipworthy.api.measuring.roles import unfilled
from shipworthy.api.measuring.versions import of_version

__all__ = ["Measured", "measure_all", "of_version", "unfilled"]
