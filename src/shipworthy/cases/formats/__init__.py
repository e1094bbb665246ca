"""Case files that people already have: published benchmarks, tables with a column mapping, saved data sets."""

from shipworthy.cases.formats.opening import FormatSuite, detect, open_format
from shipworthy.cases.formats.published import FORMATS, Format

__all__ = ["FORMATS", "Format", "FormatSuite", "detect", "open_format"]
