import dataclasses
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest

from shipworthy.errors import SubjectError
from shipworthy.subjects import http
from shipworthy.subjects.http import ATTEMPTS, IN_FLIGHT
from shipworthy.subjects.predictions import MOST_CLASSES
from shipworthy.testing import check_subject


@pytest.fixture
def waits():
    return []


@pytest.fixture
def scorer(endpoint, load, waits):
    """A subject that notes how long it would have slept."""

    def make(**declared):
        subject = load(http=declared.pop("url", endpoint.url), **declared)
        return dataclasses.replace(subject, inner=dataclasses.replace(subject.inner, sleep=waits.append))

    return make


def fault_of(subject, rows):
    with pytest.raises(SubjectError) as caught:
        subject.predict(rows)
    (fault,) = caught.value.faults
    assert fault.where == "subjects.scorer"
    assert fault.mend
    return fault


def test_batches_go_out_and_come_back_in_order(scorer, endpoint, rows):
    predicted = scorer(batch=7, features=("debt", "region")).predict(rows)
    assert predicted["score"].to_pylist() == rows["debt"].to_pylist()
    assert sorted(len(body["rows"]) for body in endpoint.asked) == [4] + [7] * 8
    assert set(endpoint.asked[0]["rows"][0]) == {"debt", "region"}
    check_subject(scorer(batch=7), rows)


def test_a_few_batches_are_on_their_way_at_once(scorer, endpoint, rows):
    together, here, most = threading.Barrier(IN_FLIGHT, timeout=60), [], []

    def meeting(body):
        here.append(body)
        together.wait()
        most.append(len(here))
        together.wait()
        here.remove(body)
        return endpoint.score(body)

    endpoint.replies = [meeting]
    assert scorer(batch=5, timeout=90).predict(rows).num_rows == 60  # 12 batches, each waiting for three others
    assert set(most) == {IN_FLIGHT}


def test_scores_by_class_and_text_predictions(scorer, endpoint, rows):
    answer = {"predictions": ["a", "b"] * 30, "scores": [{"a": 0.25, "b": 0.75}, None] * 30}
    endpoint.replies = [endpoint.status(200, json.dumps(answer))]
    predicted = scorer().predict(rows)
    assert set(predicted.column_names) == {"prediction", "score[a]", "score[b]"}
    assert predicted["score[b]"].to_pylist() == [0.75, None] * 30


def test_rows_are_plain_json(scorer, endpoint):
    row = {
        "at": [datetime(2026, 1, 2, tzinfo=UTC)],
        "nan": [float("nan")],
        "tags": [["a"]],
        "raw": [{"deep": 1.5}],
        "none": pa.array([None], pa.int64()),
        "yes": [True],
    }
    endpoint.replies = [endpoint.status(200, '{"predictions": [1]}')]
    scorer().predict(pa.table(row))
    assert endpoint.asked[0]["rows"] == [
        {"at": "2026-01-02T00:00:00+00:00", "nan": None, "tags": ["a"], "raw": {"deep": 1.5}, "none": None, "yes": True}
    ]


def test_infinity_validates_input(scorer):
    assert "infinity" in fault_of(scorer(), pa.table({"x": [float("inf")]})).what


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_passing_failures_are_asked_again(code, scorer, endpoint, rows, waits):
    endpoint.replies = [endpoint.status(code), endpoint.status(code), endpoint.score]
    assert scorer().predict(rows)["score"].to_pylist() == rows["debt"].to_pylist()
    assert waits == [0.5, 1.0]


def test_retry_after_is_honoured_in_seconds_and_as_a_date(scorer, endpoint, rows, waits, monkeypatch):
    now = datetime(2026, 11, 21, 23, 59, 50, tzinfo=UTC)
    monkeypatch.setattr(http, "datetime", SimpleNamespace(now=now.astimezone))
    until = format_datetime(now + timedelta(seconds=30), usegmt=True)
    endpoint.replies = [
        endpoint.status(429, Retry_After="7"),
        endpoint.status(503, Retry_After=until),
        endpoint.status(429, Retry_After="?"),
        endpoint.score,
    ]
    scorer().predict(rows)
    assert waits == [7, 30, 2.0]


def test_a_long_retry_after_is_not_waited_for(scorer, endpoint, rows, waits):
    endpoint.replies = [endpoint.status(429, Retry_After="3600")]
    fault = fault_of(scorer(), rows)
    assert fault.code == "SUBJ010"
    assert "3600 s" in fault.what
    assert waits == []


def test_it_gives_up_after_bounded_attempts(scorer, endpoint, rows, waits):
    endpoint.replies = [endpoint.status(503, "overloaded")]
    fault = fault_of(scorer(), rows)
    assert fault.code == "SUBJ010"
    assert f"{ATTEMPTS} attempts: HTTP 503: overloaded" in fault.what
    assert len(endpoint.asked) == ATTEMPTS
    assert len(waits) == ATTEMPTS - 1


def test_a_timeout_is_located(scorer, endpoint, rows):
    over = threading.Event()

    def asleep(body):
        over.wait(60)
        return endpoint.score(body)

    endpoint.replies = [asleep]
    fault = fault_of(scorer(timeout=0.05), rows)
    over.set()
    assert fault.code == "SUBJ010"
    assert "no answer within 0.05 s" in fault.what


def test_a_failure_cancels_what_has_not_been_sent(scorer, endpoint, rows, monkeypatch):
    cancelled = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *given, **more):  # is called once what has not begun was cancelled
            cancelled.set()
            super().shutdown(*given, **more)

    def refusal(body):
        if body["rows"] != first:
            cancelled.wait(60)
        return endpoint.status(400)(body)

    monkeypatch.setattr(http, "ThreadPoolExecutor", Pool)
    first = rows.slice(0, 1).to_pylist()
    endpoint.replies = [refusal]
    assert fault_of(scorer(batch=1, timeout=90), rows).code == "SUBJ011"
    assert len(endpoint.asked) <= IN_FLIGHT + 1 < rows.num_rows


def test_nobody_listening_is_located(scorer, rows):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # which keeps others from the port
        fault = fault_of(scorer(url=f"http://127.0.0.1:{free.getsockname()[1]}/"), rows)
    assert fault.code == "SUBJ010"
    assert "refused" in fault.what


@pytest.mark.parametrize(("code", "mend"), [(400, "expects"), (401, "headers"), (302, "redirects"), (413, "batch")])
def test_refusals_are_not_asked_again(code, mend, scorer, endpoint, rows):
    endpoint.replies = [endpoint.status(code, "no such model", Location="http://127.0.0.1:1/elsewhere")]
    fault = fault_of(scorer(), rows)
    assert fault.code == "SUBJ011"
    assert f"HTTP {code}: no such model" in fault.what
    assert mend in fault.mend
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("<html>", "SUBJ012"),
        ("", "SUBJ012"),
        ("\xff\xfe", "SUBJ012"),
        ("[]", "SUBJ012"),
        ('{"detail": 1}', "SUBJ012"),
        ('{"predictions": 3}', "SUBJ012"),
        ('{"predictions": [1, 2]}', "SUBJ007"),
        ('{"predictions": {"0": 1}}', "SUBJ012"),
        ('{"scores": ["high"]}', "SUBJ008"),
        ('{"predictions": [[1]]}', "SUBJ008"),
        ('{"scores": [NaN]}', "SUBJ009"),
        ('{"scores": [1e999]}', "SUBJ009"),
        ('{"predictions": null, "scores": null}', "SUBJ008"),
    ],
)
def test_answers_validate(said, code, scorer, endpoint):
    endpoint.replies = [endpoint.status(200, said)]
    assert fault_of(scorer(), pa.table({"debt": [0.5]})).code == code


def test_a_list_that_is_too_short_is_told_in_rows(scorer, endpoint):
    endpoint.replies = [endpoint.status(200, '{"predictions": ["yes", "no"], "scores": [0.5]}')]
    fault = fault_of(scorer(), pa.table({"debt": [0.5, 0.25]}))
    assert fault.code == "SUBJ007"
    assert 'it was given 2 rows and answered columns of other lengths: "prediction" 2, "score" 1' in fault.what


def test_a_missing_feature_validates_input(scorer, rows):
    assert fault_of(scorer(features=("wealth",)), rows).code == "SUBJ005"


def test_secrets_come_from_the_environment_and_stay_out_of_every_message(scorer, endpoint, rows, monkeypatch):
    monkeypatch.setenv("SCORER_KEY", "s3cr3t-value")
    endpoint.replies = [endpoint.status(500, "bad key s3cr3t-value")]
    subject = scorer(headers={"X-Key": "Bearer ${SCORER_KEY}"}, url=endpoint.url + "?sig=hidden-too")
    fault = fault_of(subject, rows)
    assert endpoint.headers[0]["X-Key"] == "Bearer s3cr3t-value"
    for shown in (str(fault), repr(subject), str(subject.describe())):
        assert "s3cr3t-value" not in shown
    assert "hidden-too" not in str(fault) + str(subject.describe())
    assert subject.describe()["headers"] == "X-Key"


@pytest.mark.parametrize(("value", "told"), [(None, "not set"), ("two\nlines", "line break")])
def test_header_variables_validate_input(value, told, load, monkeypatch):
    monkeypatch.delenv("SCORER_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SCORER_KEY", value)
    with pytest.raises(SubjectError) as caught:
        load(http="http://127.0.0.1:1/", headers={"X-Key": "${SCORER_KEY}"})
    (fault,) = caught.value.faults
    assert fault.code == "SUBJ013"
    assert told in fault.what


@pytest.mark.parametrize("url", ["localhost:80", "file:///etc/passwd", "ftp://host/x", "", "http://"])
def test_addresses_validate_input(url, load):
    with pytest.raises(SubjectError, match="SUBJ001"):
        load(http=url)


KEY = "sk-VERYSECRETKEY0123456789abcdefghijklmnop"


def test_nothing_goes_to_a_proxy_of_the_environment(scorer, endpoint, rows, monkeypatch):
    monkeypatch.setenv("TOKEN", KEY)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, endpoint.url.removesuffix("/score"))
    monkeypatch.delenv("no_proxy", raising=False)
    nowhere = scorer(url="http://127.0.0.1:9/score", headers={"Authorization": "Bearer ${TOKEN}"})
    assert fault_of(nowhere, rows).code == "SUBJ010"
    assert endpoint.asked == []


@pytest.mark.parametrize("code", [200, 400, 500])
@pytest.mark.parametrize("before", [*range(30, 330, 7), 970, 990])
@pytest.mark.parametrize("cut", [len(KEY), 30, 15])
def test_no_part_of_a_key_that_the_endpoint_repeats_is_shown(scorer, endpoint, code, before, cut, monkeypatch):
    monkeypatch.setenv("TOKEN", KEY)
    endpoint.replies = [endpoint.status(code, "x" * before + " " + KEY[:cut])]
    subject = scorer(headers={"X-Api-Key": "${TOKEN}"})
    assert KEY[:8] not in str(fault_of(subject, pa.table({"debt": [0.5]})))


def trickle(said, forever):
    """A server on a port of its own that says something, and then a byte now and then."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(client,), daemon=True).start()

    def drip(client):
        try:
            with client:
                client.sendall(said)
                for _ in range(500):  # ten seconds, and a timeout for each piece never strikes
                    client.sendall(forever)
                    time.sleep(0.02)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("said", "forever"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 400 No\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_the_timeout_is_for_the_whole_of_the_answer(scorer, said, forever, rows):
    with trickle(said, forever) as server:
        fault = fault_of(scorer(url=f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.2), rows)
    assert (fault.code, "within 0.2 s" in fault.what) == ("SUBJ010", True)


def test_scores_of_a_world_of_classes_are_refused_before_a_table_is_made(scorer, endpoint, monkeypatch):
    scores = [{str(n): 0.5 for n in range(MOST_CLASSES + 1)}, {}]
    endpoint.replies = [endpoint.status(200, json.dumps({"scores": scores}))]
    monkeypatch.setattr(http, "tabulate", None)  # a column for each class, as long as the batch
    assert fault_of(scorer(), pa.table({"debt": [0.5, 0.5]})).code == "SUBJ012"


def test_user_and_password_of_the_address_are_sent_as_such(scorer, endpoint, rows):
    scorer(url=endpoint.url.replace("//", "//ana:${P}@")).predict(rows)
    assert endpoint.headers[0]["Authorization"] == "Basic YW5hOiR7UH0="


@pytest.mark.parametrize("url", ["http://[::1", "http://h:99999999/", "http://h:x/"])
def test_an_address_that_is_none_is_located(load, url):
    with pytest.raises(SubjectError, match="SUBJ001"):
        load(http=url)
