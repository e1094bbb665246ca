import dataclasses
import itertools
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from shipworthy.collect import Job, Limits, ask_all, read_journal
from shipworthy.collect.asking import ALIKE
from shipworthy.errors import SubjectError, Unusable
from shipworthy.exchange import Answer, Case, Message
from shipworthy.subjects.faults import gist

HERE = Path(__file__).parent
AT_MOST = 300  # seconds for what is over in one or two: what takes as long hangs
KEY = ConnectionKey("h", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)


def code_of(caught) -> str:
    (fault,) = caught.value.faults
    assert fault.mend
    return fault.code


# every case ends in exactly one right status

ENDS = {
    "hello": ("ok", 1, None),
    "429*1@0": ("ok", 2, None),
    "429*1@1": ("ok", 2, None),
    "429*1@date": ("ok", 2, None),
    "429*1@nonsense": ("ok", 2, None),
    "429*2": ("ok", 3, None),
    "429*9@0": ("error", 3, "HTTP 429"),
    "429*9@9999": ("error", 1, "HTTP 429"),
    "500*1": ("ok", 2, None),
    "502*1": ("ok", 2, None),
    "503*1@0": ("ok", 2, None),
    "504*1": ("ok", 2, None),
    "500*9": ("error", 3, "HTTP 500"),
    "501*9": ("error", 1, "HTTP 501"),
    "400*9": ("error", 1, "HTTP 400"),
    "403*9": ("error", 1, "HTTP 403"),
    "redirect": ("error", 1, "HTTP 302"),
    "drop*1": ("ok", 2, None),
    "drop*9": ("error", 3, "connection broke"),
    "half": ("error", 1, "no whole JSON"),
    "nothing": ("error", 1, "no whole JSON"),
    "page": ("error", 1, "no whole JSON"),
    "shape": ("error", 1, "choices"),
    "said-error": ("error", 1, "the model crashed"),
    "huge": ("error", 1, "more than 20 MB"),
    "bomb": ("error", 1, "more than 20 MB"),
    "header": ("error", 3, "response cannot be read"),
    "empty": ("empty", 1, "neither text nor a tool call"),
    "none": ("empty", 1, "neither text nor a tool call"),
    "refusal": ("refused", 1, None),
    "filtered": ("filtered", 1, "content filter"),
    "azure": ("filtered", 1, "was filtered"),
    "bytes": ("ok", 1, None),
    "surrogate": ("ok", 1, None),
}


@pytest.mark.parametrize("has_uvloop", [True, False])
def test_every_case_ends_in_exactly_one_right_status(server, collect, monkeypatch, has_uvloop):
    if not has_uvloop:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setenv("CHAT_KEY", "sk-very-secret")
    jobs = server.jobs(*ENDS)
    found = collect(jobs, max_concurrency=40, subject=server.subject(key="${CHAT_KEY}"))
    answers = dict(zip(ENDS, found, strict=True))
    attempts = Counter(asked.partition("| ")[2].removesuffix(" seed None") for asked in server.asked())
    for what, (status, tries, why) in ENDS.items():
        answer = answers[what]
        assert answer.status == status, (what, answer)
        assert attempts[what] == tries, what
        assert (answer.error is None) == (why is None), (what, answer)
        if why:
            assert why in answer.error, what
            assert len(answer.error) < 400
            assert answer.error.isprintable()
            assert "very-secret" not in answer.error
    assert answers["hello"].text.startswith("turn 1 of")
    assert (answers["hello"].tokens_in, answers["hello"].tokens_out) == (10, 20)
    assert answers["hello"].latency_ms > 0
    assert answers["hello"].at.endswith("Z")
    assert answers["refusal"].text == "I cannot help with that."
    assert answers["filtered"].text == "The first step is"
    assert answers["bytes"].text == "caf\ufffd"
    assert answers["surrogate"].text == "a\ud800b"
    assert found.statuses == Counter(answer.status for answer in answers.values())
    assert "very-secret" not in (found.journal).read_text()


@pytest.mark.parametrize(("what", "streams"), [("never", False), ("endless", True)])
def test_no_whole_answer_in_time_is_a_timeout(server, collect, what, streams):
    (answer,) = collect(server.jobs(what), subject=server.subject(stream=streams), timeout=1.0, retries=1)
    assert answer.status == "timeout"
    assert "no answer within 1 s (2 attempts)" in answer.error
    assert len(server.asked()) == 2


def test_streams_and_their_first_token(server, collect):
    found = collect(server.jobs("hello", "half", "drop*1", "500*1"), subject=server.subject(stream=True), retries=1)
    statuses = [answer.status for answer in found]
    assert statuses == ["ok", "error", "ok", "ok"]
    answer = next(iter(found))
    assert answer.text == f"turn 1 of {server.tag} 0 | hello, seed None"
    assert 0 < answer.ttft_ms < answer.latency_ms
    assert answer.tokens_out == 20


def test_each_turn_hears_the_answers_before(server, collect):
    turns = (f"{server.tag} a | hello", f"{server.tag} b | hello", f"{server.tag} c | hello")
    before = (Message(role="user", content="earlier"), Message(role="assistant", content="yes"))
    case = Case(id="c", turns=turns, before=before, system="Be brief.")
    (answer,) = collect(
        lambda: [Job(seq=0, case=case)], subject=server.subject(prices=SimpleNamespace(input=1.0, output=2.0))
    )
    assert answer.text.startswith("turn 4 of")
    assert [said.split(" of")[0] for said in answer.said] == ["turn 2", "turn 3"]
    assert (answer.tokens_in, answer.tokens_out) == (30, 60)
    assert answer.cost == pytest.approx((30 * 1 + 60 * 2) / 1e6)


def test_a_turn_that_fails_ends_its_case(server, collect):
    turns = tuple(f"{server.tag} {n} | {what}" for n, what in enumerate(("hello", "half", "hello")))
    (answer,) = collect(lambda: [Job(seq=0, case=Case(id="c", turns=turns))])
    assert answer.status == "error"
    assert len(answer.said) == 1
    assert len(server.asked()) == 2


def test_trials_are_seeded_apart(server, collect):
    found = collect(server.jobs("hello", trials=3), subject=server.subject(parameters={"seed": 40}))
    assert [answer.text.rpartition(" ")[2] for answer in found] == ["40", "41", "42"]


# limits


def test_no_more_at_once_than_allowed(server, collect):
    found = collect(server.jobs(*["together 6"] * 30), max_concurrency=6, timeout=30.0, retries=0)
    assert found.statuses == {"ok": 30}
    assert server.busiest() == 6


def test_a_rate_is_kept(server, collect):
    start = time.monotonic()
    collect(server.jobs(*["hello"] * 15), requests_per_minute=600)
    assert time.monotonic() - start >= 0.4  # 10 at once, the rest at 10 a second


def test_tokens_are_estimated_and_corrected(server, collect):
    start = time.monotonic()
    found = collect(server.jobs(*["hello"] * 12), tokens_per_minute=60 * 100, max_concurrency=2)
    took = time.monotonic() - start
    assert found.statuses == {"ok": 12}
    assert took >= (12 * 30 - 100 - 2 * 60) / 100  # 30 tokens each, 100 a second, a second's worth to begin with


def test_retry_after_quiets_everyone(server, collect):
    start = time.monotonic()
    collect(server.jobs("429*1@1", *["wait 0.05"] * 12), max_concurrency=3)
    took = time.monotonic() - start
    assert took >= 1.0
    assert len(server.asked()) == 14


def test_the_ceiling_on_cost_skips_the_rest_and_a_higher_one_goes_on(server, collect):
    jobs, subject = server.jobs(*["hello"] * 20), server.subject(prices=SimpleNamespace(input=0.0, output=1e6 / 20))
    found = collect(jobs, subject=subject, max_cost=5.0, max_concurrency=2)  # a case costs 1
    assert 5 <= found.spent <= 6
    assert found.statuses == {"ok": int(found.spent), "skipped": 20 - int(found.spent)}
    skipped = [answer for answer in found if answer.status == "skipped"]
    assert {answer.error for answer in skipped} == {"the ceiling of 5 on cost was reached"} == {found.skipped}
    first = len(server.asked())
    again = collect(jobs, subject=subject, max_cost=100.0)
    assert again.statuses == {"ok": 20}
    assert again.skipped is None
    assert again.resumed == first
    assert len(server.asked()) == 20


def test_a_ceiling_without_prices_is_an_error(server, collect):
    with pytest.raises(SubjectError) as caught:
        collect(server.jobs("hello"), max_cost=1.0)
    assert code_of(caught) == "COLL011"


# a subject that lets nobody in


def test_a_rejected_key_stops_at_once_and_loses_nothing(server, collect, tmp_path):
    with pytest.raises(SubjectError) as caught:
        collect(server.jobs(*["401*99"] * 500), max_concurrency=20)
    assert code_of(caught) == "COLL010"
    assert "HTTP 401" in str(caught.value)
    assert len(server.asked()) <= 40
    assert list(read_journal(tmp_path / "journal.jsonl")) == []


def test_one_case_that_is_turned_away_at_first_stops_too(server, collect):
    with pytest.raises(SubjectError):
        collect(server.jobs("401*99"))


def test_a_subject_that_goes_away_stops_the_run_and_what_was_answered_stays(server, collect):
    jobs = server.jobs(*["hello"] * 10, *["401*99"] * 100)
    with pytest.raises(SubjectError):
        collect(jobs, max_concurrency=2)
    found = collect(server.jobs(*["hello"] * 10))
    assert (found.resumed, found.asked) == (10, 0)


def test_a_few_turned_away_among_many_are_errors_of_their_own(server, collect):
    found = collect(server.jobs(*["hello", "403*99"] * 10), max_concurrency=3)
    assert found.statuses == {"ok": 10, "error": 10}


def test_one_request_that_a_gateway_blocks_does_not_stop_a_careful_run(server, collect):
    found = collect(server.jobs("403*99", "hello", *["403*99"] * 12, "hello"), max_concurrency=1)
    assert found.statuses == {"ok": 2, "error": 13}


def test_an_empty_account_stops_the_run(server, collect):
    with pytest.raises(SubjectError) as caught:
        collect(server.jobs("hello", *["quota"] * 50), max_concurrency=1)
    assert code_of(caught) == "COLL010"
    assert len(server.asked()) == 2
    assert collect(server.jobs("hello")).resumed == 1


def test_a_long_wait_stops_the_run(server, collect):
    with pytest.raises(SubjectError):
        collect(server.jobs(*["429*99@86400"] * 50))
    assert len(server.asked()) <= 16


def test_plain_http_behind_an_https_address(server, collect):
    with pytest.raises(SubjectError) as caught:
        collect(server.jobs("hello"), subject=server.subject(chat=server.url.replace("http:", "https:")))
    assert code_of(caught) == "COLL010"
    assert server.asked() == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed")), "self-signed"),
        (aiohttp.ConnectionTimeoutError("slow"), "no connection within"),
        (aiohttp.InvalidURL("http://h/?sig=secret"), "address cannot be used"),
        (ValueError("a header"), "cannot be sent"),
    ],
)
def test_what_no_request_gets_past_stops_the_run(server, collect, monkeypatch, error, why):
    def request(*_, **__):
        raise error

    monkeypatch.setattr(aiohttp.ClientSession, "request", request)
    with pytest.raises(SubjectError, match=why) as caught:
        collect(server.jobs("hello"))
    assert "secret" not in str(caught.value)


def test_connection_refused_is_one_error(server, collect):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # which keeps others from the port
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with pytest.raises(SubjectError) as caught:
            collect(server.jobs(*["hello"] * 100), subject=server.subject(chat=url), retries=1)
    assert code_of(caught) == "COLL010"


# resuming


def test_finished_cases_are_not_asked_again_and_changed_ones_are(server, collect):
    jobs = server.jobs("hello", "half", "refusal", "hello")
    first = list(collect(jobs))
    again = collect(jobs)
    assert (again.resumed, again.asked) == (4, 0)
    assert list(again) == first
    changed = jobs()
    changed[2] = dataclasses.replace(changed[2], case=changed[2].case.asked(f"{server.tag} 2 | hello"))
    found = collect(lambda: changed)
    assert (found.resumed, found.asked) == (3, 1)
    assert [answer.status for answer in found] == ["ok", "error", "ok", "ok"]
    assert collect(jobs, subject=server.subject(model="other")).resumed == 0
    assert len(list(collect(server.jobs("hello")))) == 1


def test_a_changed_case_that_may_not_be_asked_does_not_keep_its_old_answer(server, collect):
    prices = SimpleNamespace(input=0.0, output=1e6 / 20)
    jobs, subject = server.jobs("hello", "hello"), server.subject(prices=prices)
    collect(jobs, subject=subject, max_cost=9.0)
    changed = [jobs()[0], dataclasses.replace(jobs()[1], trial=7)]
    found = collect(lambda: changed, subject=subject, max_cost=2.0)
    assert [answer.status for answer in found] == ["ok", "skipped"]


def run_process(server, journal, cases, **limits):
    command = [sys.executable, str(HERE / "collecting_process.py"), server.url, str(journal), server.tag, str(cases)]
    process = subprocess.Popen(
        [*command, json.dumps(limits)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for(process, journal, *, more):
    """Until so many more cases are finished."""
    wanted = len(finished(journal)) + more
    while len(finished(journal)) < wanted:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def timeless(answers):
    return [dataclasses.replace(answer, latency_ms=None, at=None) for answer in answers]


def finished(journal) -> set[int]:
    if not journal.exists():
        return set()
    lines = journal.read_bytes().split(b"\n")[:-1]  # what stands after the last line end is half a record
    return {record["seq"] for record in map(json.loads, lines) if "seq" in record}


@pytest.mark.slow
def test_killed_20_times_the_table_is_that_of_an_unbroken_run(server, tmp_path):
    rng, cases, journal = random.Random(11), 2000, tmp_path / "killed.jsonl"
    kills = 0
    done_before: list[tuple[set[int], int]] = []
    while kills < 20:
        process = run_process(server, journal, cases)
        wait_for(process, journal, more=rng.randint(0, 60))
        time.sleep(rng.uniform(0.0, 0.02))  # so that it comes at any step
        process.send_signal(signal.SIGKILL)
        out, error = process.communicate()
        assert process.returncode == -signal.SIGKILL, (out, error)  # it had not come to its end by itself
        kills += 1
        done_before.append((finished(journal), len(server.asked())))
    counts = [len(done) for done, _ in done_before]
    assert sum(later > earlier for earlier, later in itertools.pairwise(counts)) >= 10  # killed while asking
    assert counts[-1] < cases
    process = run_process(server, journal, cases)
    out, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 0, error
    assert json.loads(out)["resumed"] == len(done_before[-1][0])
    asked = server.asked()
    for done, length in done_before:
        again = {int(one.split()[1].split(".")[0]) for one in asked[length:]}
        assert not done & again
    unbroken = tmp_path / "unbroken.jsonl"
    server.tag += "u"
    process = run_process(server, unbroken, cases)
    _, error = process.communicate(timeout=AT_MOST)
    assert process.returncode == 0, error
    same = [
        dataclasses.replace(
            a,
            text=a.text.replace(server.tag, server.tag[:-1]),
            said=tuple(s.replace(server.tag, server.tag[:-1]) for s in a.said),
        )
        for a in timeless(read_journal(unbroken))
    ]
    assert timeless(read_journal(journal)) == same
    assert len(same) == cases
    assert {answer.status for answer in same} == {"ok", "error", "refused", "empty"}


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(server, tmp_path):
    journal = tmp_path / "journal.jsonl"
    process = run_process(server, journal, 2000, max_concurrency=4)
    wait_for(process, journal, more=1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=AT_MOST)
    assert "KeyboardInterrupt" in error
    assert "Unclosed" not in error
    assert "never retrieved" not in error
    content = journal.read_bytes()
    assert content.endswith(b"}\n")
    done = finished(journal)
    assert 0 < len(done) < 2000
    process = run_process(server, journal, 2000, max_concurrency=40)
    out, error = process.communicate(timeout=AT_MOST)
    assert json.loads(out) == {"asked": 2000 - len(done), "resumed": len(done)}, error


def test_two_processes_do_not_write_one_journal(server, tmp_path):
    journal = tmp_path / "journal.jsonl"
    process = run_process(server, journal, 2000, max_concurrency=1)
    wait_for(process, journal, more=1)
    with pytest.raises(Unusable) as caught:
        ask_all(server.subject(), server.jobs("hello"), total=1, journal=journal, limits=Limits())
    assert code_of(caught) == "COLL001"
    process.kill()
    process.communicate()
    assert ask_all(server.subject(), server.jobs("hello"), total=1, journal=journal, limits=Limits()).asked == 1


# cache


def test_the_cache_spares_a_second_run_and_keeps_trials_apart(server, collect, tmp_path):
    jobs = server.jobs("hello", "refusal", "filtered", "half", "empty", trials=2)
    subject = server.subject(parameters={"seed": 1}, prices=SimpleNamespace(input=1.0, output=1.0))
    first = collect(jobs, subject=subject, cache=tmp_path / "cache.sqlite")
    assert (first.asked, first.cached) == (10, 0)
    assert len({answer.text for answer in list(first)[:2]}) == 2
    second = collect(jobs, subject=subject, cache=tmp_path / "cache.sqlite", journal="second.jsonl")
    assert (second.asked, second.cached) == (4, 6)  # what failed is asked again
    assert second.spent == pytest.approx(2 * 30 / 1e6)  # the empty ones, asked again
    assert timeless(second) == timeless(first)
    assert list(second)[0] == list(first)[0]
    other = server.subject(parameters={"seed": 1, "temperature": 1})
    assert collect(jobs, subject=other, cache=tmp_path / "cache.sqlite", journal="third.jsonl").cached == 0


def test_a_file_that_is_no_cache(server, collect, tmp_path):
    (tmp_path / "cache.sqlite").write_text("not a database, " * 100)
    with pytest.raises(Unusable) as caught:
        collect(server.jobs("hello"), cache=tmp_path / "cache.sqlite")
    assert code_of(caught) == "COLL005"


# functions


@dataclasses.dataclass
class Plain:
    """A function whose answer is what `do` makes of the case."""

    do: object
    name: str = "function"

    def ask(self, case, conversation, *, trial, session):
        return self.do(case.id)

    def describe(self):
        return {"kind": "function"}


class Awaited(Plain):
    async def ask(self, case, conversation, *, trial, session):
        return self.do(case.id)


def numbered(count):
    return lambda: (Job(seq=n, case=Case(id=str(n), turns=("hi",))) for n in range(count))


def stubborn(number):
    wrongs = [
        lambda: sys.exit(3),
        lambda: (_ for _ in ()).throw(KeyboardInterrupt),
        lambda: next(iter(())),
        lambda: 1 / 0,
        lambda: "just text",
        lambda: None,
        lambda: Answer(status="ok", text=b"bytes"),
        lambda: Answer(status="fine", text="x"),
        lambda: Answer(status="ok", text="x", tokens_in="many"),
        lambda: (_ for _ in ()).throw(TimeoutError("the model took too long")),
    ]
    return wrongs[int(number)]()


@pytest.mark.parametrize("kind", [Plain, Awaited])
def test_whatever_a_function_raises_is_an_answer(kind, collect):
    found = collect(numbered(10), subject=kind(do=stubborn))
    assert [answer.status for answer in found] == ["error"] * 9 + ["timeout"]
    errors = [answer.error for answer in found]
    assert "SystemExit: 3" in errors[0]
    assert "KeyboardInterrupt" in errors[1]
    assert "ZeroDivisionError" in errors[3]
    assert "str, not an Answer" in errors[4]
    assert "the model took too long" in errors[9]


def test_functions_run_side_by_side_in_threads(collect):
    running, most, lock, together = 0, 0, threading.Lock(), threading.Barrier(10)

    def meeting(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(30)  # for nine others
        with lock:
            running -= 1
        return Answer(status="ok", text="done")

    assert collect(numbered(40), subject=Plain(do=meeting), max_concurrency=10).statuses == {"ok": 40}
    assert most == 10


def test_a_function_that_hangs_is_left_behind(collect):
    gate, came_back = threading.Event(), []

    def hang(number):
        if number in "01":  # all that may run at once
            gate.wait(60)
            came_back.append(number)
        return Answer(status="ok", text="x")

    found = collect(numbered(8), subject=Plain(do=hang), timeout=1.0, max_concurrency=2)
    assert came_back == []
    gate.set()
    assert found.statuses == {"ok": 6, "timeout": 2}


def test_ctrl_c_does_not_wait_for_a_function(tmp_path):
    script = f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(HERE)!r})
        from test_asking import Limits, Plain, ask_all, numbered
        print("ready", flush=True)
        ask_all(Plain(do=lambda _: time.sleep(2 * {AT_MOST})), numbered(50), total=50, journal=Path({str(tmp_path / "j.jsonl")!r}), limits=Limits())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    while not (tmp_path / "j.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)  # so that some are asked, which the test needs to mean anything and not to pass
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=AT_MOST)
    assert "KeyboardInterrupt" in error


def test_a_function_that_hands_back_a_coroutine_is_awaited(collect):
    async def later():
        return Answer(status="ok", text="later")

    assert collect(numbered(3), subject=Plain(do=lambda _: later())).statuses == {"ok": 3}


class Async(Plain):
    async def ask(self, case, conversation, *, trial, session):
        return await self.do(case.id)


@pytest.mark.slow
@pytest.mark.parametrize("hands_back", [False, True])
def test_a_coroutine_that_blocks_its_loop_runs_out_of_time_and_the_others_do_not(collect, hands_back):
    gate, began, came_back = threading.Event(), [], []

    async def answer(number):
        began.append(number)
        if int(number) in (3, 11):
            gate.wait(60)  # no await: nothing else runs in this loop
            came_back.append(number)
        return Answer(status="ok", text=number)

    subject = Plain(do=answer) if hands_back else Async(do=answer)
    found = collect(numbered(20), subject=subject, timeout=2.0, max_concurrency=8)
    assert came_back == [], "nobody waited for them"
    gate.set()
    wrong = {n: each.status for n, each in enumerate(found) if each.status != "ok"}
    assert wrong == {3: "timeout", 11: "timeout"}
    assert {each.error for each in found if each.status == "timeout"} == {"no answer within 2 s"}
    assert sorted(began, key=int) == [str(n) for n in range(20)]  # each began once, those that were moved too


def test_a_loop_that_was_left_behind_ends_once_it_comes_back(collect):
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "shipworthy-async"]

    gate = threading.Event()

    async def answer(number):
        if number == "0":
            gate.wait(60)
        return Answer(status="ok", text="x")

    assert collect(numbered(3), subject=Async(do=answer), timeout=2.0).statuses == {"ok": 2, "timeout": 1}
    assert threads(), "the blocked one is still there"
    gate.set()
    for thread in threads():
        thread.join(60)
    assert not threads()


def test_coroutines_wait_their_turn_behind_short_blocks_and_none_runs_out_of_time(collect):
    async def answer(_):
        time.sleep(0.05)
        return Answer(status="ok", text="x")

    # three seconds in all, and each has two
    assert collect(numbered(60), subject=Async(do=answer), timeout=2.0, max_concurrency=60).statuses == {"ok": 60}


def test_coroutines_share_one_loop_and_run_side_by_side(collect):
    import asyncio

    loops, together = set(), asyncio.Barrier(50)

    async def answer(_):
        loops.add(asyncio.get_running_loop())
        await together.wait()  # for 49 others
        return Answer(status="ok", text="x")

    assert collect(numbered(100), subject=Async(do=answer), max_concurrency=50).statuses == {"ok": 100}
    assert len(loops) == 1


def test_a_coroutine_that_waits_too_long_is_cancelled(collect):
    import asyncio

    stopped = []

    async def answer(number):
        try:
            await asyncio.sleep(60 if number == "1" else 0)
        except asyncio.CancelledError:
            stopped.append(number)
            raise
        return Answer(status="ok", text="x")

    assert collect(numbered(3), subject=Async(do=answer), timeout=2.0).statuses == {"ok": 2, "timeout": 1}
    assert stopped == ["1"]


def test_asking_inside_a_running_event_loop(collect):
    import asyncio

    async def notebook():
        return collect(numbered(5), subject=Plain(do=lambda _: Answer(status="ok", text="x")))

    assert asyncio.run(notebook()).statuses == {"ok": 5}


# jobs


@pytest.mark.parametrize("seqs", [[1], [0, 2], [0, 0]])
def test_jobs_count_without_a_gap(collect, seqs):
    with pytest.raises(ValueError, match="was due"):
        collect(
            lambda: [Job(seq=n, case=Case(id="x", turns=("x",))) for n in seqs],
            subject=Plain(do=lambda _: Answer(status="ok", text="x")),
        )


def test_what_the_jobs_raise_comes_through_and_what_was_finished_stays(collect):
    def broken():
        yield from numbered(20)()
        raise LookupError("the suite broke")

    subject = Plain(do=lambda _: Answer(status="ok", text="x"))
    with pytest.raises(LookupError, match="the suite broke"):
        collect(broken, subject=subject, max_concurrency=1)
    assert collect(numbered(20), subject=subject).resumed == 20


def test_no_jobs(collect):
    found = collect(lambda: [], subject=Plain(do=lambda _: None))
    assert (found.jobs, dict(found.statuses), list(found)) == (0, {}, [])


def test_progress_tells_pace_cost_and_time_left(server, collect):
    seen = []
    prices = SimpleNamespace(input=0.0, output=1e6 / 20)
    ask_all(
        server.subject(prices=prices),
        server.jobs(*["wait 0.1"] * 16),
        total=16,
        journal=Path(collect(server.jobs("hello")).journal).with_name("other.jsonl"),
        limits=Limits(max_concurrency=4),
        progress=seen.append,
    )
    last = seen[-1]
    assert (last.total, last.finished, last.asked, last.cached, last.failed) == (16, 16, 16, 0, 0)
    assert last.spent == 16
    assert last.tokens == 16 * 30
    assert last.seconds_left == 0
    assert last.per_second == pytest.approx(16 / last.seconds)
    assert last.seconds >= 0.39  # four at once, a tenth of a second each
    assert [one.finished for one in seen] == sorted(one.finished for one in seen)
    assert len(seen) >= 2
    assert seen[0].seconds_left > 0


# who is talked to


def test_no_socket_but_to_the_subject(server, tmp_path):
    script = f"""
        import os, sys
        seen = set()
        def watch(event, args):
            if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
                seen.add((event, str(args[1] if event.startswith("socket.connect") else args[0])))
        sys.addaudithook(watch)
        os.environ |= {{"HTTP_PROXY": "http://127.0.0.9:1", "http_proxy": "http://127.0.0.9:1", "ALL_PROXY": "http://127.0.0.9:1"}}
        sys.path.insert(0, {str(HERE)!r})
        import collecting_process
        collecting_process.main({server.url!r}, {str(tmp_path / "j.jsonl")!r}, {server.tag!r}, "40")
        print(sorted(seen))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=AT_MOST,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    port = int(server.url.split(":")[2].split("/")[0])
    assert done.stdout.splitlines()[-1] == str([("socket.connect", str(("127.0.0.1", port)))])


# a subject that fails all alike


def test_the_first_answers_that_all_fail_alike_stop_the_run_and_are_asked_again(server, collect, tmp_path):
    with pytest.raises(SubjectError) as caught:
        collect(server.jobs(*["400*99"] * 500), max_concurrency=5)
    assert code_of(caught) == "COLL012"
    assert "HTTP 400" in str(caught.value)
    assert len(server.asked()) <= ALIKE + 5
    assert list(read_journal(tmp_path / "journal.jsonl")) == []
    found = collect(server.jobs(*["hello"] * 5))
    assert (found.asked, found.resumed) == (5, 0)


def test_a_few_that_fail_alike_are_errors_of_their_own(server, collect):
    assert collect(server.jobs(*["400*99"] * 10)).statuses == {"error": 10}
    late = collect(server.jobs("hello", *["400*99"] * 60), max_concurrency=1)
    assert late.statuses == {"ok": 1, "error": 60}


def test_failures_that_differ_do_not_stop_the_run(server, collect):
    found = collect(server.jobs(*["400*99", "422*99"] * 20), max_concurrency=1)
    assert found.statuses == {"error": 40}


def test_what_may_pass_does_not_stop_the_run(server, collect):
    assert collect(server.jobs(*["500*99"] * 40), retries=0).statuses == {"error": 40}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("HTTP 400: {'x': 1}", "HTTP 400: something else", True),
        ("HTTP 400: x", "HTTP 404: x", False),
        ("it raised KeyError: 'a'", "it raised KeyError: 'b'", True),
        (
            "the judge's label 'bad' is not one of the rubric's",
            "the judge's label 'x' is not one of the rubric's",
            True,
        ),
        ("the judge's answer has 21,000 characters", "the judge's answer has 30,111 characters", True),
        ("the judge's answer holds no verdict", "the judge's answer holds several verdicts", False),
    ],
)
def test_failures_of_one_kind_have_one_gist(one, other, same):
    assert (gist(one) == gist(other)) is same


def test_secrets_of_the_environment_stay_out_of_errors_and_answers_stay_as_they_are(collect, monkeypatch, tmp_path):
    """What a function raises may quote the key that it uses. What it answers is evidence: a leak has to show."""
    monkeypatch.setenv("HOUSE_API_KEY", "sk-very-secret-of-the-house")
    monkeypatch.setenv("SHIPWORTHY_TEST_KEY", str(tmp_path))  # a path is no secret

    class Own:
        name = "own"

        def describe(self):
            return {"kind": "own"}

        def ask(self, case, conversation, *, trial, session):
            if case.id == "0":
                raise ValueError(f"401 for https://api.example.org/v1?key={os.environ['HOUSE_API_KEY']}")
            return Answer(status="ok", text=f"with {os.environ['HOUSE_API_KEY']} in {tmp_path}")

    jobs = [Job(seq=n, case=Case(id=str(n), turns=("hello",))) for n in range(2)]
    found = collect(lambda: jobs, subject=Own())
    failed, answered = found
    assert (failed.status, answered.status) == ("error", "ok")
    assert "very-secret" not in failed.error
    assert "key=***" in failed.error
    assert answered.text == f"with sk-very-secret-of-the-house in {tmp_path}"
