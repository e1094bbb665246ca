import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.collect.limits import LONGEST_WAIT, Bucket, Limits, backoff, retry_after
from shipworthy.collect.pace import Pace
from shipworthy.collect.progress import Progress
from shipworthy.exchange import Answer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@given(
    st.floats(0.5, 6000),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 50)), min_size=1, max_size=40),
)
def test_no_window_lets_more_through_than_its_share_properties(per_minute, arrivals):
    bucket, now, let_through = Bucket(per_minute, now=0.0), 0.0, []
    for pause, amount in arrivals:
        now += pause
        let_through.append((now + bucket.take(amount, now=now), amount))
    rate, most = per_minute / 60, max(1.0, per_minute / 60)
    moments = [moment for moment, _ in let_through]
    assert moments == sorted(moments)  # nobody overtakes
    for first, start in enumerate(moments):
        through = 0.0
        for moment, amount in let_through[first:]:
            through += amount
            largest = amount if first == len(let_through) - 1 else max(a for _, a in let_through[first:])
            assert through <= rate * (moment - start) + most + largest + 1e-6 * (1 + through)


def test_an_idle_bucket_does_not_save_up():
    bucket = Bucket(60, now=0.0)
    assert bucket.take(1, now=1000.0) == 0.0
    assert bucket.take(1, now=1000.0) == pytest.approx(1.0)


def test_a_corrected_estimate_moves_the_next_wait():
    bucket = Bucket(600, now=0.0)  # 10 a second, 10 at once
    assert bucket.take(10, now=0.0) == 0.0
    bucket.correct(20)
    assert bucket.take(0, now=0.0) == pytest.approx(2.0)
    bucket.correct(-1000)
    assert bucket.take(11, now=0.0) == pytest.approx(0.1)


def test_backoff_grows_is_bounded_and_jitters():
    rng = random.Random(3)
    for attempt in range(1, 30):
        waits = [backoff(attempt, base=0.5, rng=rng) for _ in range(200)]
        most = min(LONGEST_WAIT, 0.5 * 2 ** (attempt - 1))
        assert 0 <= min(waits) < 0.2 * most
        assert 0.8 * most < max(waits) <= most


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Mon, 99 Foo 2026", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(said, seconds):
    assert retry_after(said, now=NOW) == seconds


def test_the_pace_learns_how_long_answers_are():
    async def run():
        pace = Pace(Limits(tokens_per_minute=60_000_000), time=asyncio.get_running_loop().time)
        taken = [await pace.wait(10.0)]
        for _ in range(60):
            pace.correct(Answer(status="ok", tokens_in=10, tokens_out=100), taken[-1])
            taken.append(await pace.wait(10.0))
        return taken

    taken = asyncio.run(run())
    assert taken[0] == 10
    assert taken[-1] == pytest.approx(110, rel=0.02)


def test_progress_without_a_pace_tells_no_time_left():
    still = Progress(total=10, finished=0, asked=0, cached=0, failed=0, spent=0.0, tokens=0, seconds=0.0)
    assert still.per_second == 0
    assert still.seconds_left is None
