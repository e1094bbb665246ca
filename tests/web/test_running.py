"""Runs that are started from the pages: whole, stopped, broken, killed; and only plans of the project's folder."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from web_answers import opened
from web_reader import Page

from shipworthy.api.progress import MOST_WAITING, Yard, watch
from shipworthy.web import addresses

NEW = "/systems/desk/runs/new"
SLOW = (  # one answer comes at once, and the others when nobody waits any more
    "import itertools, time\nasked = itertools.count()\n"
    "def answer(prompt, case):\n    time.sleep(3600 if next(asked) else 0)\n    return 'no'\n"
)
LOUD = (
    "print('<script>alert(1)</script>\\x1b[2J\\u202egnp', flush=True)\nimport sys\n"
    "sys.stdout.buffer.write(b'\\xff\\xfe not UTF-8\\n' + b'x' * 5_000_000 + b'\\nlast line\\n')\nsys.stdout.flush()\n"
)


@pytest.fixture
def yard(tmp_path, small):
    with opened(tmp_path, like=small) as found:
        yield found
        jobs = Yard(found.library)
        for one in jobs.jobs():
            jobs.stop(one.id)
        wait(jobs, lambda all_: all(one.state not in ("running", "stopping", "waiting") for one in all_))


def wait(jobs, holds, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds(found := jobs.jobs()):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def begin(client, plan="shipworthy.yaml", **changed):
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(NEW).text)
    return client.post(NEW, data={"csrf": csrf[1] if csrf else "", "plan": plan} | changed)


def job_of(answer):
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


def slow(desk, text=SLOW, name="answers.py"):
    (desk.folder / name).write_text(text)


@pytest.mark.slow
def test_a_run_is_started_followed_and_recorded(yard):
    ada, jobs = yard.client(), Yard(yard.library)
    (yard.folder / "answers.py").write_text(LOUD + (yard.folder / "answers.py").read_text())
    before = len(yard.record.runs(system="desk"))
    address = job_of(begin(ada))
    wait(jobs, lambda all_: all_[0].state == "done")
    told = ada.get(f"{address}.json").json()
    assert told["job"]["decision"] in ("ship", "hold", "undecided")
    runs = yard.record.runs(system="desk")
    assert len(runs) == before + 1
    assert told["recorded"]["digest"] == runs[0].facts.digest
    people = yard.record.people()
    assert people[runs[0].actor].email == "ada@example.org"
    page = ada.get(address, params={"watch": "true"})
    assert Page(page.text).wrong == []
    assert addresses.run(runs[0].facts.digest) in page.text
    assert "refresh" not in page.text
    assert "last line" in page.text
    assert len(page.content) < 60_000
    assert "<script" not in page.text
    assert not set(page.text) & set("\x1b\u202e")


def test_what_a_job_prints_is_emptied_where_it_grows_too_large(tmp_path):
    output = tmp_path / "output.txt"
    with output.open("ab", buffering=0) as file:  # as a job's process has it
        file.write(b"x" * 5_000)
        threading.Thread(target=watch, args=(output, 4_000, 0.01), daemon=True).start()
        end = time.monotonic() + 120
        while output.stat().st_size and time.monotonic() < end:
            time.sleep(0.01)
        file.write(b"the last line\n")
        time.sleep(0.05)
    assert output.read_bytes() == b"the last line\n"


@pytest.mark.slow
def test_a_run_shows_how_far_it_is_and_stops_as_by_ctrl_c(yard):
    slow(yard)
    ada, jobs = yard.client(), Yard(yard.library)
    address = job_of(begin(ada))
    (job,) = wait(jobs, lambda all_: all_[0].finished is not None and all_[0].finished > 0)
    assert job.total == 30
    page = ada.get(address, params={"watch": "true"})
    assert Page(page.text).wrong == []
    assert '<meta http-equiv="refresh" content="3">' in page.text
    assert "refresh" not in ada.get(address).text
    assert f"of {job.total}" in page.text
    other = job_of(begin(ada))
    assert ada.get(f"{other}.json").json()["job"]["state"] == "waiting"
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    assert ada.post(f"{other}/stop", data={"csrf": csrf}).status_code == 303
    assert ada.get(f"{other}.json").json()["job"]["state"] == "stopped"
    assert ada.post(f"{address}/stop.json", json={}).status_code == 403  # from no page of this site
    assert ada.post(f"{address}/stop.json", json={}, headers={"x-csrf-token": csrf}).status_code == 200
    wait(jobs, lambda all_: all(one.state == "stopped" for one in all_))
    told = ada.get(f"{address}.json").json()
    assert told["job"]["code"] == 130
    assert list((yard.folder / ".shipworthy" / "unfinished").iterdir())
    assert len(yard.record.runs(system="desk")) == 1


@pytest.mark.slow
def test_a_killed_process_is_told_and_the_next_begins(yard):
    slow(yard)
    ada, jobs = yard.client(), Yard(yard.library)
    first, second = job_of(begin(ada)), job_of(begin(ada))
    wait(jobs, lambda all_: all_[1].step)
    folder = jobs.place / first.rpartition("/")[2]
    pid = json.loads((folder / "pid.json").read_text())["pid"]
    assert b"ada@example.org" not in Path(f"/proc/{pid}/cmdline").read_bytes()  # which anyone can read
    os.kill(pid, signal.SIGKILL)
    wait(jobs, lambda all_: all_[1].state == "gone" and all_[0].state == "running")
    page = ada.get(first)
    assert "Broken off" in page.text
    assert Page(page.text).wrong == []
    assert ada.get(f"{second}.json").json()["job"]["state"] == "running"
    # Another server, as after a restart, knows as much and can stop it.
    again = Yard(yard.library)
    again.stop(second.rpartition("/")[2])
    wait(again, lambda all_: all_[0].state == "stopped")


def test_a_program_starts_a_run(yard):
    slow(yard)
    ada, jobs = yard.client(), Yard(yard.library)
    token = {"x-csrf-token": re.search(r'name="csrf" value="([^"]+)"', ada.get(NEW).text)[1]}
    for body, code in (
        ({}, "WEB024"), ({"plan": "shipworthy.yaml", "more": 1}, "WEB024"), ({"plan": 3}, "WEB024"), ([], "WEB022"),
    ):  # fmt: skip
        answer = ada.post(f"{NEW}.json", json=body, headers=token)
        assert (answer.status_code, answer.json()["faults"][0]["code"]) == (400, code)
    assert jobs.jobs() == []
    answer = ada.post(f"{NEW}.json", json={"plan": "shipworthy.yaml"}, headers=token)
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["location"] == addresses.job(told["id"])
    assert told["state"] in ("waiting", "running")
    assert [one.id for one in jobs.jobs()] == [told["id"]]


def test_a_plan_that_cannot_be_used_says_why(yard):
    text = (yard.folder / "shipworthy.yaml").read_text().replace("cases.jsonl", "none.jsonl")
    (yard.folder / "broken.yaml").write_text(text)
    ada, jobs = yard.client(), Yard(yard.library)
    address = job_of(begin(ada, "broken.yaml"))
    wait(jobs, lambda all_: all_[0].state == "failed")
    page = ada.get(address)
    assert "What is wrong" in page.text
    assert Page(page.text).wrong == []
    assert ada.get(f"{address}.json").json()["job"]["code"] == 2


@pytest.mark.parametrize(
    "plan",
    ["../shipworthy.yaml", "/etc/passwd", "sub/plan.yaml", "linked.yaml", "other.yaml", "cases.jsonl", "", "a\0b"],
)
def test_only_plans_of_this_system_in_the_folder_itself_can_be_started(yard, tmp_path_factory, plan):
    text = (yard.folder / "shipworthy.yaml").read_text()
    (yard.folder / "sub").mkdir()
    (yard.folder / "sub" / "plan.yaml").write_text(text)
    (yard.folder / "other.yaml").write_text(text.replace('"desk"', '"else"'))
    outside = tmp_path_factory.mktemp("outside") / "plan.yaml"
    outside.write_text(text)
    (yard.folder / "linked.yaml").symlink_to(outside)
    (yard.folder / "bomb.yaml").write_text(
        "a: &a [" + "x," * 50 + "]\n" + "\n".join(f"b{n}: [*a, *a]" for n in range(50))
    )
    (yard.folder / "noise.yml").write_bytes(b"\xff\xfe\0")
    ada = yard.client()
    assert [one["name"] for one in ada.get(f"{NEW}.json").json()["plans"]] == ["shipworthy.yaml"]
    assert begin(ada, plan).status_code == 404
    assert Yard(yard.library).jobs() == []


def test_so_many_wait_and_no_more(yard):
    jobs = Yard(yard.library)
    jobs.place.mkdir(parents=True)
    for n in range(MOST_WAITING):
        folder = jobs.place / f"20261121T09300{n}-0000000{n}"
        folder.mkdir()
        (folder / "job.json").write_text(
            json.dumps({"system": f"s{n}", "plan": "gone.yaml", "at": "2026-11-21T09:30:00+00:00"})
        )
    ada = yard.client()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Yard, "advance", lambda self: None)
        answer = begin(ada)
    assert answer.status_code == 400
    assert "JOB001" in answer.text
    for one in jobs.jobs():
        jobs.stop(one.id)


def test_starting_takes_a_form_of_this_site(yard):
    ada = yard.client()
    assert begin(ada, csrf="guess").status_code == 403
    assert ada.post(NEW, data={"plan": "shipworthy.yaml"}).status_code == 403
    assert ada.get("/jobs/../../etc").status_code == 404
    assert ada.get("/jobs/20261121T093000-00000000").status_code == 404
    assert ada.post("/jobs/20261121T093000-00000000/stop", data={"csrf": "x"}).status_code == 403
    assert ada.get("/systems/nobody/runs/new").status_code == 404


def test_without_a_plan_the_page_says_what_to_do(client):
    page = client.get("/systems/lending-decisions/runs/new")
    assert page.status_code == 200
    assert Page(page.text).wrong == []
    assert "shipworthy init" in page.text or "plan.yaml" in page.text
