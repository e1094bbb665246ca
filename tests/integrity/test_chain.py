from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import ADA, BOB, NOW, ORIGIN, SALT, checkpoint, key, registered, write_log

from shipworthy.digest import canonical
from shipworthy.integrity import chain, checkpoints, merkle
from shipworthy.integrity.chain import LogCheck, verify_log
from shipworthy.integrity.keys import NO_KEYS, Register

LOG = write_log(24)
KEYS = registered((key(1), ADA))
WHOLE = checkpoint(LOG, key(1))


def check(
    lines: list[bytes], *, covered: tuple[checkpoints.Checkpoint, ...] = (WHOLE,), register: Register = KEYS
) -> LogCheck:
    return verify_log([line + b"\n" for line in lines], covered, register, where="audit.jsonl")


def code(found: LogCheck) -> str | None:
    return found.fault.code if found.fault else None


def test_whole_log_is_whole() -> None:
    found = check(LOG)
    assert found.fault is None
    assert found.entries == found.covered == 24
    assert found.head == chain.entry_hash(LOG[-1])
    assert found.tree.root() == WHOLE.root == merkle.root(map(merkle.leaf_hash, LOG))
    assert "every entry" in found.caveat


def test_entry_is_the_agreed_line_against_theory() -> None:
    line = LOG[3]
    record = json.loads(line)
    assert canonical(record) == line
    assert sorted(record) == ["action", "actor", "after", "at", "before", "details", "object", "previous", "seq"]
    import hashlib

    assert record["previous"] == "sha256:" + hashlib.sha256(b"\x00" + LOG[2]).hexdigest()
    assert json.loads(LOG[0])["previous"] is None
    assert record["actor"] == "person:" + hashlib.sha256(SALT + b'{"email":"ada@example.org","name":"Ada"}').hexdigest()
    body = f'{{"body":{{"n":4}},"salt":"{SALT.hex()}"}}'.encode()
    assert record["after"] == "sha256:" + hashlib.sha256(body).hexdigest()
    assert record["at"] == "2026-11-21T08:30:03.000000Z"


def test_commitment_opens_only_for_its_person() -> None:
    actor = json.loads(LOG[0])["actor"]
    assert chain.opens(actor, ADA.name, ADA.email, salt=SALT)
    assert not chain.opens(actor, BOB.name, BOB.email, salt=SALT)
    assert not chain.opens(actor, ADA.name, ADA.email, salt=SALT[::-1])
    assert b"example.org" not in b"".join(LOG)


@settings(max_examples=300)
@given(st.data())
def test_any_flipped_byte_is_found_properties(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(LOG) - 1))
    place = data.draw(st.integers(0, len(LOG[number]) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(LOG[number])
    changed[place] ^= mask
    found = check([*LOG[:number], bytes(changed), *LOG[number + 1 :]])
    assert found.fault is not None
    assert found.entries in (number, number + 1) or number == len(LOG) - 1
    if found.fault.code == "CHKP004":  # only the last entry is left to the checkpoint
        assert number == len(LOG) - 1
    else:
        assert found.fault.where in (f"audit.jsonl, line {number + 1}", f"audit.jsonl, line {number + 2}")


@pytest.mark.parametrize("number", range(24))
def test_any_dropped_entry_is_found(number: int) -> None:
    found = check([*LOG[:number], *LOG[number + 1 :]])
    assert code(found) == ("CHKP005" if number == 23 else "LOG002")
    if number < 23:
        assert found.fault
        assert found.fault.what.startswith(f"entry {number} is missing")


@pytest.mark.parametrize("number", range(24))
def test_any_doubled_entry_is_found(number: int) -> None:
    found = check([*LOG[: number + 1], LOG[number], *LOG[number + 1 :]])
    assert code(found) == "LOG002"
    assert found.entries == number + 1


@settings(max_examples=80)
@given(st.permutations(range(12)))
def test_any_other_order_is_found_properties(order: list[int]) -> None:
    first = next((n for n, place in enumerate(order) if n != place), None)
    found = check([LOG[n] for n in order] + LOG[12:])
    assert code(found) == (None if first is None else "LOG002")
    if first is not None:
        assert found.entries == first
        assert found.fault
        assert found.fault.where == f"audit.jsonl, line {first + 1}"


@pytest.mark.parametrize("kept", range(24))
def test_truncation_is_found_by_a_checkpoint_and_by_nothing_else(kept: int) -> None:
    assert code(check(LOG[:kept])) == "CHKP005"
    alone = check(LOG[:kept], covered=())
    assert alone.fault is None
    assert alone.covered == 0
    assert "cut off its end" in alone.caveat


def rewritten(start: int) -> list[bytes]:
    """The log with another entry at `start`, and everything after it chained anew."""
    lines = LOG[:start]
    for seq in range(start, len(LOG)):
        record = json.loads(LOG[seq])
        record["previous"] = chain.entry_hash(lines[-1]) if lines else None
        record["action"] = "risk.accepted" if seq == start else record["action"]
        lines.append(canonical(record))
    return lines


@pytest.mark.parametrize("start", range(24))
def test_log_written_anew_is_found_by_a_checkpoint_and_by_nothing_else(start: int) -> None:
    lines = rewritten(start)
    assert code(check(lines)) == "CHKP004"
    assert check(lines, covered=()).fault is None
    resigned = checkpoint(lines, key(9))  # whoever can write the log, but does not hold the log's key
    assert code(check(lines, covered=(resigned,))) == "CHKP002"
    assert code(check(lines, covered=(replace(resigned, signatures=WHOLE.signatures),))) == "CHKP002"


def test_checkpoints_narrow_down_what_changed() -> None:
    at = tuple(checkpoint(LOG[:n], key(1)) for n in (24, 8, 16))
    found = check(rewritten(10), covered=at)
    assert code(found) == "CHKP004"
    assert found.fault
    assert "entries 8 to 15" in found.fault.what
    assert (found.entries, found.covered) == (16, 8)
    changed = LOG[:8] + rewritten(7)[8:]
    found = check(changed, covered=at)
    assert found.fault
    assert found.fault.what.startswith("entry 8 has changed")


def test_partly_covered_log_says_so() -> None:
    found = check(LOG, covered=(checkpoint(LOG[:10], key(1)),))
    assert found.fault is None
    assert found.covered == 10
    assert "first 10 of 24" in found.caveat


def test_checkpoint_of_an_empty_log() -> None:
    empty = checkpoint([], key(1))
    assert check([], covered=(empty,)).fault is None
    assert code(check([], covered=(WHOLE,))) == "CHKP005"
    forged = checkpoints.sign_also(replace(empty, root=b"x" * 32, signatures=()), key(1), name=ORIGIN)
    assert code(check(LOG, covered=(forged,))) == "CHKP004"


def test_checkpoint_of_another_log_is_refused() -> None:
    other = checkpoint(LOG, key(1), origin="example.org/other")
    assert code(check(LOG, covered=(WHOLE, other))) == "CHKP003"
    assert code(verify_log([], [other], KEYS, where="x", origin=ORIGIN)) == "CHKP003"


def test_revoked_or_unregistered_keys_vouch_for_nothing() -> None:
    revoked = KEYS.revoke(key(1).public.id, now=NOW, reason="lost")
    assert code(check(LOG, register=revoked)) == "CHKP002"
    assert code(check(LOG, register=NO_KEYS)) == "CHKP002"


HASH = "sha256:" + "a" * 64
FIRST = {"action": "a", "actor": "person:" + "b" * 64, "after": HASH, "at": "2026-11-21T08:30:00.000000Z", "before": None, "object": "o", "previous": None, "seq": 0}  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        canonical({k: v for k, v in FIRST.items() if k != "after"}),
        canonical(FIRST | {"extra": 1}),
        canonical(FIRST | {"seq": "0"}),
        canonical(FIRST | {"seq": True}),
        canonical(FIRST | {"seq": -1}),
        canonical(FIRST | {"actor": "Ada <ada@example.org>"}),
        canonical(FIRST | {"actor": "person:" + "b" * 63}),
        canonical(FIRST | {"at": "2026-11-21T08:30:00Z"}),
        canonical(FIRST | {"at": "2026-13-21T08:30:00.000000Z"}),
        canonical(FIRST | {"after": "a" * 64}),
        canonical(FIRST | {"after": HASH + "\n"}),
        canonical(FIRST | {"object": ""}),
        canonical(FIRST | {"object": "x" * 257}),
        canonical(FIRST | {"action": 7}),
        canonical(FIRST | {"details": None}),
        canonical(FIRST | {"details": [1]}),
        canonical(FIRST | {"details": {"x": "y" * 70_000}}),
        json.dumps(FIRST, sort_keys=True).encode(),
        canonical(FIRST).replace(b'"seq":0', b'"seq":1,"seq":0'),
        canonical(FIRST).replace(b'"a"', b'"\\u0061"'),
        canonical(FIRST).replace(b'"a"', b'"\\ud800"'),
        canonical(FIRST | {"details": {"n": 1}}).replace(b'{"n":1}', b'{"n":1.0}'),
        canonical(FIRST | {"details": {"n": 1}}).replace(b'{"n":1}', b'{"n":' + b"[" * 900 + b"]" * 900 + b"}") + b" ",
        canonical(FIRST | {"details": {"n": 1}}).replace(b'{"n":1}', b'{"n":99999999999999999}'),
        canonical(FIRST | {"details": {"n": 1}}).replace(b'{"n":1}', b'{"n":-9223372036854776000}'),
        canonical(FIRST) + b"\r",
        canonical(FIRST) + b"\n",
    ],
)
def test_hostile_lines_are_named(line: bytes) -> None:
    for lines in ([line + b"\n"], list(chain.log_lines(io.BytesIO(line + b"\n")))):
        found = verify_log(lines, where="audit.jsonl")
        assert code(found) == "LOG001"
        assert found.fault
        assert "line " in found.fault.where
        assert len(str(found.fault)) < 1000


def test_good_line_of_that_table_is_good() -> None:
    assert verify_log([canonical(FIRST) + b"\n"], where="x").fault is None
    nested = canonical(FIRST | {"details": {"é": [1.5, {"b": None}]}, "actor": "tool:shipworthy/check"})
    assert verify_log([nested + b"\n"], where="x").fault is None


def test_missing_line_end_and_endless_line() -> None:
    whole = b"".join(line + b"\n" for line in LOG)
    assert verify_log(chain.log_lines(io.BytesIO(whole)), [WHOLE], KEYS, where="x").fault is None
    cut = verify_log(chain.log_lines(io.BytesIO(whole[:-1])), [WHOLE], KEYS, where="x")
    assert code(cut) == "LOG001"
    assert cut.entries == 23

    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1) -> bytes:  # type: ignore[override]
            assert size is not None
            assert 0 < size < 1 << 20
            return b"x" * size

    assert code(verify_log(chain.log_lines(Endless()), where="x")) == "LOG001"  # type: ignore[arg-type]


GOOD = {
    "seq": 0,
    "previous": None,
    "at": NOW,
    "actor": "tool:x",
    "action": "a",
    "object": "o",
    "before": None,
    "after": None,
}


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(max_size=8)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.lists(st.integers(0, 9), max_size=3),
        max_size=5,
    ),
    st.text(min_size=1, max_size=20),
)
def test_what_entry_writes_is_what_verify_reads_properties(details: dict[str, object], name: str) -> None:
    """The quick way to canonical JSON agrees with the slow one, for any text and any details."""
    record = GOOD | {"action": name, "object": name, "details": details}
    try:
        line = chain.entry(**record)  # type: ignore[arg-type]
    except ValueError:  # half a character, or a number that would be read back as another
        assert (
            any(isinstance(v, float) and abs(v) >= 2**53 for v in details.values())
            or not name.isascii()
            or not repr(details).isascii()
            or "ud" in repr((name, details))
        )
        return
    assert canonical(json.loads(line)) == line
    assert verify_log([line + b"\n"], where="x").fault is None


@pytest.mark.parametrize(
    "wrong",
    [{"seq": -1}, {"previous": "x"}, {"at": datetime(2026, 1, 1)}, {"actor": "ada@example.org"}, {"action": ""}, {"object": "o" * 257}, {"after": "x"}, {"details": {"x": "y" * 70_000}}, {"object": "\ud800"}],
)  # fmt: skip
def test_entry_validates_input(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        chain.entry(**(GOOD | wrong))  # type: ignore[arg-type]
    assert chain.entry(**(GOOD | {"at": NOW.astimezone(UTC)}))  # type: ignore[arg-type]


def test_salts_are_not_short() -> None:
    with pytest.raises(ValueError, match="salt"):
        chain.commitment("Ada", "a@x", salt=b"short")
    with pytest.raises(ValueError, match="salt"):
        chain.body_digest({}, salt=b"")


def many(count: int) -> Iterator[bytes]:
    previous = None
    for seq in range(count):
        line = canonical(FIRST | {"seq": seq, "previous": previous})
        previous = chain.entry_hash(line)
        yield line + b"\n"


def test_a_long_log_takes_no_more_memory(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with file.open("wb") as out:
        out.writelines(many(20_000))

    def peak(count: int) -> int:
        tracemalloc.start()
        with file.open("rb") as lines:
            found = verify_log((line for _, line in zip(range(count), chain.log_lines(lines), strict=False)), where="x")
            assert found.entries == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(20_000) < peak(200) + 20_000  # bytes: a hundred times the log, no more memory
