"""Calls that nobody would make by hand: whatever is sent, the answer is never a defect of ours.

A thousand of them in every test run; SHIPWORTHY_FUZZ_CALLS=10000 makes as many as that.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

pytest.importorskip("schemathesis", reason="needs schemathesis")

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.python import asgi
from web_people import OURS, PASSWORD, ROLES, town
from web_site import HOST

from shipworthy.api.accounts import PERMITTED
from shipworthy.web import addresses
from shipworthy.web.sessions import Limit

CALLS = int(os.environ.get("SHIPWORTHY_FUZZ_CALLS", "1000"))
QUIET = settings(
    database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def site(place, tmp_path_factory):
    with town(place, tmp_path_factory.mktemp("fuzzed")) as made:
        made.team._sent = made.team.tries_of_client = made.team.tries_of_account = Limit(1_000_000, each=0.001)
        yield made


def operations(schema):
    return [one.ok() for one in schema.get_all_operations()]


def test_no_call_that_the_description_allows_or_forbids_breaks_the_server(site):
    token = site.program(site.person("Whole", *ROLES), *PERMITTED).headers["authorization"]
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", site.app, headers={"host": HOST, "authorization": token, "accept": "application/json"}
    )
    found = operations(schema)
    assert {"/people.json", "/account.json"} <= {one.path for one in found}
    run = site.record.runs(system=OURS, limit=1)[0].facts.digest
    real = {"name": OURS, "digest": run, "requirement": "FAIR-1", "kind": "risk"}
    statuses, broken = Counter(), []
    each = CALLS // (4 * len(found)) + 1
    with asgi.get_client(site.app) as client:
        for operation in found:
            kind = operation.path.split("/")[2] if operation.path.startswith("/documents/") else "risk"
            kept = (
                site.record.find(kind, limit=1)
                if kind in ("risk", "mitigation", "waiver", "sign-off", "incident")
                else ()
            )
            known = {**real, "id": kept[0].id if kept else "R-1"}
            named = {
                one.name: addresses.segment(known[one.name]) for one in operation.path_parameters if one.name in known
            }
            for mode in GenerationMode:
                for path in ({}, named):

                    @settings(QUIET, max_examples=each)
                    @given(operation.as_strategy(mode, path_parameters=path or None))
                    def ask(case):
                        headers = {"host": HOST, "authorization": token}
                        answer = case.call(base_url=f"http://{HOST}", session=client, headers=headers)
                        statuses[answer.status_code] += 1
                        if answer.status_code >= 500:
                            broken.append((case.method, case.formatted_path, case.query, case.body, answer.status_code))

                    try:
                        ask()
                    except Exception as error:  # what cannot be generated is not asked
                        if "Unsatisfiable" not in type(error).__name__ and "Invalid" not in type(error).__name__:
                            raise
    assert broken[:5] == []
    assert sum(statuses.values()) >= CALLS * 0.5, statuses
    assert statuses[200] > CALLS * 0.05, statuses
    assert site.record.verify().faults == ()


FORMS = [
    "/people", "/people/{id}/roles", "/people/{id}/status", "/people/{id}/password", "/people/{id}/erase",
    "/account/sessions", "/account/tokens", "/account/tokens/{id}/revoke", "/login", "/logout",
]  # fmt: skip
FIELDS = ["email", "name", "password", "role", "system", "do", "new", "again", "current", "days", "next", "scope-read"]


@pytest.mark.parametrize("path", FORMS)
def test_no_form_breaks_the_server(site, path):
    boss = site.accounts.find("boss@example.org") or site.person("Boss", "admin")
    other = site.person(f"Other {FORMS.index(path)}", "viewer", password=PASSWORD)
    browser = site.browser(boss)
    values = st.one_of(
        st.text(max_size=40), st.sampled_from([*ROLES, "*", OURS, "1", "take", "enable", other.email, PASSWORD])
    )

    @settings(QUIET, max_examples=60)
    @given(
        st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), values, max_size=8),
        st.sampled_from([other.id, "x", "~00"]),
    )
    def send(told, id_):
        told = {
            name.encode("utf-8", "replace").decode(): value.encode("utf-8", "replace").decode()
            for name, value in told.items()
        }
        answer = browser.post(path.replace("{id}", id_), data={**told, "csrf": browser.csrf})
        assert answer.status_code < 500, (told, answer.text[:400])
        if answer.status_code in (303, 401, 403):  # may have ended this very session
            again = site.browser(site.accounts.get(boss.id))
            browser.cookies, browser.csrf = again.cookies, again.csrf

    send()
    assert site.accounts.get(boss.id).grants["*"] >= {"admin"}
    assert site.record.verify().faults == ()
