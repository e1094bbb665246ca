"""When the next request may go out: rates a minute, and pauses that the subject asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from shipworthy.collect.limits import Bucket, Limits
from shipworthy.exchange import Answer

CHARACTERS_A_TOKEN: Final = 4  # about; a guess that is corrected by what the answer says
_WEIGHT: Final = 0.1  # of the newest answer in the running mean of answers' lengths


class Pace:
    """Shared by all requests to one subject. time: the event loop's clock, in seconds."""

    def __init__(self, limits: Limits, *, time: Callable[[], float]) -> None:
        self._time = time
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        self._requests = None if requests is None else Bucket(requests, now=time())
        self._tokens = None if tokens is None else Bucket(tokens, now=time())
        self._mean_out = 0.0  # tokens of an answer
        self._quiet_until = 0.0

    async def wait(self, tokens_in: float) -> float:
        """Wait for a turn with a request of about so many tokens; the tokens that were taken for it."""
        if self._requests is not None or self._tokens is not None:
            now = self._time()
            taken = tokens_in + self._mean_out
            wait = max(
                0.0 if self._requests is None else self._requests.take(1, now=now),
                0.0 if self._tokens is None else self._tokens.take(taken, now=now),
            )
            if wait > 0:
                await asyncio.sleep(wait)
        else:
            taken = 0.0
        while (quiet := self._quiet_until - self._time()) > 0:
            await asyncio.sleep(quiet)
        return taken

    def quiet(self, seconds: float) -> None:
        """Let nothing out for so long."""
        self._quiet_until = max(self._quiet_until, self._time() + seconds)

    def correct(self, answer: Answer, taken: float) -> None:
        """Learn what an answer really took."""
        if self._tokens is None or answer.tokens_in is None or answer.tokens_out is None:
            return
        self._tokens.correct(answer.tokens_in + answer.tokens_out - taken)
        self._mean_out += _WEIGHT * (answer.tokens_out - self._mean_out)
