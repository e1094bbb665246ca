"""One thing to ask once: a case in one of its trials, and the key by which it is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shipworthy.exchange import Case
from shipworthy.subjects.assistants import Assistant


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A case to be asked in trial `trial`. `seq` counts a plan's jobs from 0, without a gap."""

    seq: int
    case: Case
    trial: int = 0


def job_key(job: Job, described: bytes) -> str:
    """32 hex digits that change with anything of the case, with the trial and with the subject (see `described`).

    A record under another key answers another question: it is asked anew.
    """
    content = hashlib.blake2b(described, digest_size=16)
    content.update(b"%d\n" % job.trial)
    content.update(_content(job.case))
    return content.hexdigest()


def described(subject: Assistant) -> bytes:
    """What a subject says of itself, in one spelling."""
    return json.dumps(dict(subject.describe()), sort_keys=True, default=str).encode()


def spelled(moment: datetime) -> str:
    """A moment in UTC as RFC 3339, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _content(case: Case) -> bytes:
    try:
        return orjson.dumps(case, default=_plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # lone surrogates, numbers beyond 64 bits
        return json.dumps(case, default=_plain, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    raise TypeError(f"a case holds {type(value).__name__}, which is no JSON")
