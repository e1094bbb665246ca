"""Facts into HTML: one environment for all templates, in which outside text is made visible and escaped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from shipworthy.api.incidents import harm_in_words
from shipworthy.api.pages import score
from shipworthy.charts import history, svg
from shipworthy.present import numbers, safe, verdicts, vocabulary
from shipworthy.present.verdicts import Mark
from shipworthy.version import __version__
from shipworthy.web import addresses, pictures

_FITS = {
    "ship": "Fit to ship",
    "hold": "Hold",
    "undecided": "Undecided",
    "stale": "Stale",
    "unknown": "Not known",
}
# Unicode's pictures of control characters; a field shows tabs and line breaks itself.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {127: 0x2421}
_PICTURES |= dict.fromkeys(range(128, 160), 0xFFFD)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d{1,6})?Z")
_STALE = Mark(shape="◐", word="stale", style="undecided", terminal="yellow")


def render(template: str, facts: Mapping[str, Any]) -> str:
    """A page. facts: what the template reads, beside `path`, the address of the page without its query."""
    return _environment().get_template(template).render(facts)


@cache
def style() -> str:
    """The one style sheet: that of the report, of its pictures, and what pages have beside."""
    report = resources.files("shipworthy.evidence").joinpath("templates/report.css").read_text("utf-8")
    own = resources.files("shipworthy.web").joinpath("templates")
    pages, forms, work = (own.joinpath(name).read_text("utf-8") for name in ("pages.css", "forms.css", "work.css"))
    return report + svg.STYLE + history.STYLE + pages + forms + work


@cache
def edition() -> str:
    """A short name of the style sheet as it is now."""
    return hashlib.sha256(style().encode()).hexdigest()[:12]


def fit_mark(fit: str) -> Mark:
    """The mark of "fit to ship?"."""
    return _STALE if fit == "stale" else verdicts.decision_mark(fit)


def day(at: date | datetime | None) -> str:
    """A day, as 2026-11-21."""
    return f"{at:%Y-%m-%d}" if at is not None else numbers.NOTHING


def moment(at: datetime | None) -> str:
    """A time, as 2026-11-21 09:30 UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else numbers.NOTHING


def minutes(text: str) -> str:
    """A text; one that is a time, as JSON writes it, as `moment` shows it."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]} UTC" if found else text


def typed(text: str) -> Markup:
    """What somebody typed, as it comes back to them: as it was, but for control characters, which are made visible."""
    return escape(text.translate(_PICTURES))


def _visible(value: object) -> object:
    return safe.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _rating(body: Mapping[str, Any], key: str) -> str:
    one = body.get(key)
    return f"{one['likelihood']} × {one['severity']} = {one['likelihood'] * one['severity']}" if one else "–"


@cache
def _environment() -> Environment:
    page = Environment(
        loader=PackageLoader("shipworthy.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {
        "shorten": safe.shorten,
        "typed": typed,
        "count": numbers.count,
        "day": day,
        "moment": moment,
        "minutes": minutes,
        "fit_word": lambda fit: _FITS.get(fit, fit),
        "score": score,
        "rating": _rating,
        "harm": harm_in_words,
        "estimate": numbers.estimate,
        "about": numbers.about,
        "level": numbers.level,
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    page.globals |= {
        "to": addresses,
        "bar": svg.bar,
        "ends": svg.ends,
        "shape": svg.shape,
        "mark_of": verdicts.mark,
        "decided": verdicts.decision_mark,
        "fit_mark": fit_mark,
        "claim_of": pictures.claim,
        "over_runs": pictures.over_runs,
        "forest_of": pictures.of_slices,
        "share_of": pictures.share,
        "scale": svg.scale,
        "words": vocabulary.words,
        "edition": edition(),
        "tool": __version__,
    }
    return page
