"""How a subject's failure is told: located, bounded, without secrets or terminal escapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from shipworthy.errors import Fault, SubjectError

LONGEST = 300  # characters of somebody else's message that are repeated
_BEARER = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s'\",;&}]+")
_KEYED = re.compile(
    r"(?i)(\b[\w-]*(?:api[-_]?key|token|passw(?:or)?d|secret|authorization)[\w-]*['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+"
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")


def subject_error(name: str, code: str, what: str, mend: str) -> SubjectError:
    """Return the error for one fault of the subject `name`."""
    return SubjectError(Fault(code=code, what=what, where=f"subjects.{name}", mend=mend))


def quoted(message: object, *, secrets: Iterable[str] = ()) -> str:
    """Return somebody else's message fit to be shown: one line, printable, bounded, secrets as `***`."""
    text = str(message)
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _USERINFO.sub("***", _KEYED.sub(r"\1***", _BEARER.sub(r"\1***", text)))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def raised(error: BaseException, *, secrets: Iterable[str] = ()) -> str:
    """Return an exception as `Type: message`, fit to be shown."""
    return quoted(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, secrets=secrets)


def listed(names: Sequence[str], *, at_most: int = 12) -> str:
    """Return names as `"a", "b" and 3 more`."""
    shown = ", ".join(f'"{quoted(name)}"' for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
