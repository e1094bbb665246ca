"""Conformance kit: the contract that our own extensions pass, for yours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterator, Sequence
from typing import TYPE_CHECKING

from shipworthy.errors import Fault, SubjectError

if TYPE_CHECKING:
    import pyarrow as pa

    from shipworthy.exchange import Answer, Case, Message
    from shipworthy.subjects.assistants import Assistant, Endpoint, Function
    from shipworthy.subjects.protocol import Predictor

_HOSTILE = (b"", b"{", b"[" * 10_000, b"\xff\xfe\x00", b"null", b"data: {\n\n", b'{"a": "\\ud800"}')
_TOLERANCE = 1e-5  # relative; single-precision models differ by batch size in the last digits


def check_subject(predictor: Predictor, rows: pa.Table) -> None:
    """Check that `predictor` keeps the promises of `shipworthy.subjects.protocol.Predictor` on `rows`.

    rows: at least four rows that it can predict; the more they differ, the sharper the check.
    Raises SubjectError with one fault (SUBJ015) for every broken promise: it names and describes itself, answers in the
    right shape, twice the same, in the order of the rows, whatever the batch, and leaves its input alone.
    """
    if rows.num_rows < 4:
        raise ValueError(f"check_subject needs at least 4 rows, got {rows.num_rows}")
    name = getattr(predictor, "name", None)
    where = f"subjects.{name}" if isinstance(name, str) and name else type(predictor).__name__
    faults = [Fault(code="SUBJ015", what=what, where=where, mend=mend) for what, mend in _broken(predictor, rows)]
    if faults:
        raise SubjectError(faults)


def _broken(predictor: Predictor, rows: pa.Table) -> Iterator[tuple[str, str]]:
    from shipworthy.subjects.predictions import tabulate

    yield from _unnamed(predictor)
    name = getattr(predictor, "name", None)
    before = _copied(rows)
    try:
        first = tabulate(predictor.predict(rows), rows=rows.num_rows, name=str(name))
    except SubjectError as error:
        for fault in error.faults:
            yield f"{fault.code}: {fault.what}", fault.mend
        return
    if not rows.equals(before):
        yield "it changed the rows that it was handed", "copy before writing"
        return
    if not _alike(first, predictor.predict(rows)):
        yield "the same rows got another answer the second time", "fix the seed; predict, do not sample"
        return
    cut = rows.num_rows // 3
    pieces = [predictor.predict(rows.slice(0, cut)), predictor.predict(rows.slice(cut))]
    if not all(_alike(first.slice(start, part.num_rows), part) for start, part in zip((0, cut), pieces, strict=True)):
        yield "a row's answer depends on the rows beside it", "fit on training data, not on the batch"
        return
    backwards = list(range(rows.num_rows))[::-1]
    if not _alike(first.take(backwards), predictor.predict(rows.take(backwards))):
        yield "answers do not follow the order of the rows", "answer in the order of the rows"


def check_assistant(assistant: Assistant, cases: Sequence[Case]) -> None:
    """Check that `assistant` keeps the promises of `shipworthy.subjects.assistants` on `cases`; nothing is sent.

    cases: at least two that it can be asked.
    Raises SubjectError with one fault (SUBJ049) for every broken promise: it names and describes itself, keeps secrets
    to the request, leaves its input alone, and answers by an Answer; an endpoint asks the same thing twice in the same
    words and reads any bytes, wherever they are cut.
    """
    from shipworthy.subjects.assistants import Endpoint

    if len(cases) < 2:
        raise ValueError(f"check_assistant needs at least 2 cases, got {len(cases)}")
    name = getattr(assistant, "name", None)
    where = f"subjects.{name}" if isinstance(name, str) and name else type(assistant).__name__
    broken = [*_unnamed(assistant)]
    if isinstance(assistant, Endpoint):
        broken += _broken_endpoint(assistant, cases)
    else:
        broken += _broken_function(assistant, cases)
    if broken:
        raise SubjectError(Fault(code="SUBJ049", what=what, where=where, mend=mend) for what, mend in broken)


def _unnamed(subject: Assistant | Predictor) -> Iterator[tuple[str, str]]:
    name = getattr(subject, "name", None)
    if not isinstance(name, str) or not name:
        yield "its name is no text", "give it a `name`"
    if not all(isinstance(part, str) for fact in dict(subject.describe()).items() for part in fact):
        yield "describe() holds something else than text", "describe it by a dict of str to str"


def _broken_endpoint(endpoint: Endpoint, cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    from shipworthy.subjects.assistants import Request

    for case in cases:
        said = _conversation(case)
        first, again = (endpoint.request(case, said, trial=0, session="s") for _ in range(2))
        if not isinstance(first, Request) or not isinstance(first.body, bytes):
            yield "request() returned no Request with bytes", "return assistants.Request"
            return
        if first != again:
            yield "the same case and trial gave two requests", "build it from the case, the trial and the session alone"
            return
        told = str(dict(endpoint.describe())) + repr(endpoint)
        if any(secret and secret in told for secret in first.secrets):
            yield "describe() or repr() repeats a secret", "leave it out; repr=False on the field"
            return
        if said != _conversation(case):
            yield "it changed the conversation that it was handed", "copy before writing"
            return
    for raw in _HOSTILE:
        try:
            whole, cut = _read(endpoint, [raw]), _read(endpoint, [raw[n : n + 1] for n in range(min(len(raw), 50))])
        except Exception as error:
            yield f"reading {raw[:20]!r} raised {type(error).__name__}", "make an Answer of status error"
            return
        if not _is_answer(whole) or (len(raw) <= 50 and whole != cut):
            yield f"reading {raw[:20]!r} gave no Answer, or another where it was cut", "hold back what is not whole"
            return


def _read(endpoint: Endpoint, chunks: Sequence[bytes]) -> Answer:
    reader = endpoint.reader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.finish()


def _broken_function(function: Function, cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    for case in cases:
        said = _conversation(case)
        answer = function.ask(case, said, trial=0, session="s")
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
        if not _is_answer(answer):
            yield f"ask() returned {type(answer).__name__}", "return an exchange.Answer with one of its statuses"
            return
        if said != _conversation(case):
            yield "it changed the conversation that it was handed", "copy before writing"
            return


async def _awaited(answer: Awaitable[Answer]) -> Answer:
    return await answer


def _is_answer(answer: object) -> bool:
    from shipworthy.exchange import STATUSES, Answer

    return isinstance(answer, Answer) and answer.status in STATUSES and isinstance(answer.text, str)


def _conversation(case: Case) -> list[Message]:
    from shipworthy.exchange import Message

    system = [] if case.system is None else [Message(role="system", content=case.system)]
    return [*system, *case.before, Message(role="user", content=case.turns[0])]


def _copied(rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return pa.ipc.open_stream(sink.getvalue()).read_all()


def _alike(one: pa.Table, other: pa.Table) -> bool:
    import numpy as np
    import pyarrow as pa

    if one.num_rows != other.num_rows or set(one.column_names) != set(other.column_names):
        return False
    for title in one.column_names:
        left, right = one[title], other[title]
        if pa.types.is_floating(left.type) or pa.types.is_floating(right.type):
            ours, theirs = (np.array(column.to_pylist(), dtype=np.float64) for column in (left, right))
            if not np.allclose(ours, theirs, rtol=_TOLERANCE, atol=1e-7, equal_nan=True):
                return False
        elif left.to_pylist() != right.to_pylist():
            return False
    return True
