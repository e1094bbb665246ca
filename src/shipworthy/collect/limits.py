"""How hard a subject is asked: how many at once, how many a minute, at what price, and how often again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = 120.0  # seconds; a subject that asks for more is taken as down


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on asking. None: no bound."""

    max_concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_cost: float | None = None  # of all that the journal holds; cases on their way when it is reached are finished
    retries: int = 4  # further attempts after a failure that may pass
    timeout: float = 60.0  # seconds of one attempt, from request to last byte
    backoff: float = 0.5  # seconds; the first wait is drawn from [0, backoff], the n-th from [0, 2**(n-1) backoff]


class Bucket:
    """A token bucket that may go into debt, so that one request larger than the bucket waits instead of failing.

    per_minute: what flows in. It holds what flows in within a second, and at least 1: over any t seconds no more than
    t / 60 * per_minute plus that are let through.
    """

    def __init__(self, per_minute: float, *, now: float) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, self._rate)
        self._level = self._most
        self._at = now

    def take(self, amount: float, *, now: float) -> float:
        """Take `amount` and return the seconds to wait before using it."""
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        self._level -= amount
        return max(0.0, -self._level / self._rate)

    def correct(self, amount: float) -> None:
        """Take `amount` more, or give it back where it is negative: an estimate was off."""
        self._level = min(self._most, self._level - amount)


def backoff(attempt: int, *, base: float, rng: random.Random) -> float:
    """Seconds to wait after failed attempt `attempt`, counted from 1.

    Source: full jitter of Brooker (2015), Exponential Backoff And Jitter, AWS Architecture Blog.
    """
    return rng.uniform(0.0, min(LONGEST_WAIT, base * 2.0 ** (attempt - 1)))


def retry_after(said: str | None, *, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or an HTTP date; None when it says nothing usable."""
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            until = parsedate_to_datetime(said)
        except (ValueError, IndexError, TypeError, OverflowError):
            return None
        seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
