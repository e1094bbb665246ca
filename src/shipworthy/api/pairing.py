"""Which answers of several versions belong together: those to the same case, under the same attack, in the same trial.

What is asked a suite is asked the same of every version. Recorded logs are not: their rows may stand in another order,
and some in one log alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Case, Exchange
from shipworthy.observations.answers import storable
from shipworthy.observations.conditions import shorten
from shipworthy.observations.findings import Finding
from shipworthy.scorers.pairwise import held_against, without_other
from shipworthy.subjects.recording import Recording

Key = tuple[str, str, int, str]
Exchanges = Callable[[], Iterable[Exchange]]


def key_of(exchange: Exchange) -> Key:
    """What names an answer in every version: case, attack, trial, and the draw of an attack that samples."""
    case = exchange.case
    return storable(case.id), storable(case.attack), exchange.trial, case.tags.get("draw", "")


def check_logs(evaluation: str, logs: Mapping[str | None, Recording]) -> Iterator[Finding]:
    """Refuse logs whose rows cannot be told apart, and say where two of them differ in what was asked.

    logs: one for each version, the main one first. Each is read once; memory holds 16 bytes of each row, and its key.
    Raises DataError: DATA020 where a row has no id, or the key of another; RECD001 and RECD002 as reading does.
    """
    first: dict[Key, bytes] = {}
    for number, (version, log) in enumerate(logs.items()):
        seen: set[Key] = set()
        reworded = 0
        for exchange in log.exchanges():
            key = key_of(exchange)
            if log.unnamed:
                raise _unpaired("the row has no id, so it cannot be paired with another version's", log.where, _IDS)
            if key in seen:
                case, attack, trial, _ = key
                what = f"the case {shorten(case, 60)!r} (attack {shorten(attack, 60)}, trial {trial}) is there twice"
                raise _unpaired(what, log.where, "give each row its own id, or number its repeats under trial")
            seen.add(key)
            asked = _asked(exchange.case)
            if not number:
                first[key] = asked
            reworded += first.get(key, asked) != asked
        if number:
            both = len(seen & first.keys())
            yield _met(evaluation, version, both, left=len(first) - both, added=len(seen) - both)
            if reworded:
                what = f"{reworded:,} of these {both:,} cases were asked of {version} in other words; compare the ids"
                yield Finding(
                    evaluation=evaluation, check="pairing of logs", gravity="warning", what=what, rows=reworded
                )


_IDS = "give every row an id, or pair by what was asked: fields: {id: prompt, prompt: prompt}"


def _met(evaluation: str, version: str | None, both: int, *, left: int, added: int) -> Finding:
    what = f"{both:,} answers of {version} are to the same cases"
    if left or added:
        what += (
            f"; {left:,} cases lack its answer and {added:,} are in its log alone: a rate is of the version's own "
            "answers, and in a change what one version did not answer counts either way"
        )
    return Finding(
        evaluation=evaluation,
        check="pairing of logs",
        gravity="warning" if left or added else "ok",
        what=what,
        rows=left + added,
    )


def beside(exchanges: Exchanges, others: Exchanges | None) -> Iterator[Exchange]:
    """Exchanges with the baseline's answer as the one to compare with; the baseline's own, and what it was not asked,
    have none. Memory holds what has not met its pair yet: nothing, where both come in one order.
    """
    coming = iter(()) if others is None else iter(others())
    waiting: dict[Key, Exchange] = {}
    for exchange in exchanges():
        key = key_of(exchange)
        while key not in waiting and (other := next(coming, None)) is not None:
            waiting[key_of(other)] = other
        found = waiting.pop(key, None)
        yield without_other(exchange) if found is None else held_against(exchange, found)


def _asked(case: Case) -> bytes:
    said = "\0".join(case.turns)
    return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16).digest()


def _unpaired(what: str, where: str, mend: str) -> DataError:
    return DataError(Fault(code="DATA020", what=what, where=where, mend=mend))


__all__ = ["beside", "check_logs", "key_of"]
