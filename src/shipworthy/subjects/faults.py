"""How a subject's failure is told: located, bounded, without secrets or terminal escapes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from shipworthy.errors import Fault, SubjectError

LONGEST = 300  # characters of somebody else's message that are repeated
_READ = 10_000  # characters of it that are looked at
_SHORTEST = 8  # characters; a shorter beginning of a secret gives nothing away, and may be a word
_BEARER = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s'\",;&}]+")
_KEYED = re.compile(
    r"(?i)(\b[\w-]*(?:api[-_]?key|token|passw(?:or)?d|secret|authorization)[\w-]*['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+"
)
_QUOTED = re.compile(r"(?<!\w)('[^']*'|\"[^\"]*\")")
_RAISED = re.compile(r"\b[A-Z]\w*(?=: |$)")  # the name of an exception
_NUMBER = re.compile(r"\d+")
_USERINFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_PARAMETER = re.compile(r"(?i)([?&](?:key|sig|signature|code|auth)=)[^\s'\",;&}#]+")
_SECRETIVE = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASS(?:WORD|WD|PHRASE)|CREDENTIALS?)$", re.IGNORECASE)


def subject_error(name: str, code: str, what: str, mend: str) -> SubjectError:
    """Return the error for one fault of the subject `name`."""
    return SubjectError(Fault(code=code, what=what, where=f"subjects.{name}", mend=mend))


def quoted(message: object, *, secrets: Iterable[str] = (), at_most: int = LONGEST) -> str:
    """Return somebody else's message fit to be shown: one line, printable, secrets as `***`, and only then cut short.

    message: a text, or anything that has one; bytes are read as UTF-8. secrets: beside those of the environment.
    """
    secrets = (*(secret for secret in secrets if secret), *secrets_around())
    if isinstance(message, bytes | bytearray):
        text = bytes(message[: 4 * _READ]).decode("utf-8", "replace")
    else:
        text = str(message)
    if len(text) > _READ:
        text = _without_start_of(text[:_READ], secrets)
    text = without(text, secrets)
    text = _PARAMETER.sub(r"\1***", _USERINFO.sub("***", _KEYED.sub(r"\1***", _BEARER.sub(r"\1***", text))))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= at_most else text[: at_most - 1] + "…"


def secrets_around() -> tuple[str, ...]:
    """What variables of the environment hold that are named like secrets (..._KEY, ..._TOKEN), but for paths."""
    return tuple(
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and _SECRETIVE.search(name) and not os.path.lexists(value)
    )


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with `***` in place of secrets, and of a secret's beginning where somebody cut it short.

    A beginning counts from a third of the secret on, and from eight characters.
    """
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        least = min(len(secret), max(_SHORTEST, len(secret) // 3))
        kept, end = [], 0
        while (start := text.find(secret[:least], end)) >= 0:
            kept.append(text[end:start])
            said = text[start : start + len(secret)]
            end = start + next((n for n, char in enumerate(said) if char != secret[n]), len(said))
        text = "***".join((*kept, text[end:])) if kept else text
    return text


def _without_start_of(text: str, secrets: Sequence[str]) -> str:
    """A text that we cut short, without the beginning of a secret, however short, that stands at its end."""
    starts = (n for secret in secrets for n in range(len(secret), 0, -1) if text.endswith(secret[:n]))
    return text[: len(text) - max(starts, default=0)]


def gist(message: str) -> str:
    """What failures of the same kind have in common: the reason, without what it repeats, counts or names.

    `HTTP 400: {"message": "no model x"}` and `HTTP 400: bad request` have the gist `HTTP 400`.
    """
    names = [match.end() for match in _RAISED.finditer(message[:LONGEST])] if message.startswith("it raised ") else []
    reason = message[: names[-1]] if names else message.partition(": ")[0]
    return reason if reason.startswith("HTTP ") else _NUMBER.sub("#", _QUOTED.sub("…", reason.strip()))[:120]


def raised(error: BaseException, *, secrets: Iterable[str] = ()) -> str:
    """Return an exception as `Type: message`, fit to be shown."""
    return quoted(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, secrets=secrets)


def listed(names: Sequence[str], *, at_most: int = 12) -> str:
    """Return names as `"a", "b" and 3 more`."""
    shown = ", ".join(f'"{quoted(name)}"' for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
