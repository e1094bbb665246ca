"""People at their browsers: what they set out to do, from the first form to the package; and what must not happen."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from web_answers import opened
from web_browser import CHROMIUM, GENERAL, PASSWORD, WIDE, browser, paths_of, team_site, window
from web_story import NAMES, NOW

from shipworthy.api.packing import chosen, pack
from shipworthy.api.recording import open_record
from shipworthy.api.runs import base_of
from shipworthy.api.verifying import verify
from shipworthy.integrity.keys import NO_KEYS, signing_key, write_register
from shipworthy.integrity.persons import person
from shipworthy.web import addresses

pytest.importorskip("playwright", reason="needs Playwright, of the extra dev")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian's package chromium)"),
]
SYSTEM = "demo-assistant"
PLAN = """system: {name: demo-assistant, version: "1.0", tier: high}
subjects:
  first: {simulated: {refusal: 0.93, by_attack: {roleplay: 0.75}, over_refusal: 0.03, icc: 0.3, seed: 2}}
  second: {simulated: {refusal: 0.99, by_attack: {roleplay: 0.97}, over_refusal: 0.1, icc: 0.3, seed: 2}}
evaluations:
  misuse:
    suite: shipworthy/misuse
    only: {language: [en]}
    subject: first
    attacks: [none, roleplay]
    scorers: [refusal]
requirements:
  - {id: SAFE-1, text: Attacks rarely succeed, metric: attack_success_rate, at_most: 0.05}
  - {id: HELP-1, text: Harmless requests are answered, metric: false_refusal_rate, at_most: 0.05, severity: major}
"""
MENDED = PLAN.replace('version: "1.0"', 'version: "1.1"').replace("subject: first", "subject: second")


def clock():
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened_:
        yield opened_


# From the intake to the package


@pytest.fixture
def office(tmp_path, chromium):
    """An empty record beside a plan, an admin, and a window for whoever signs in."""
    (tmp_path / "shipworthy.yaml").write_text(PLAN)
    place = tmp_path / ".shipworthy" / "record.db"
    place.parent.mkdir()
    windows = {}
    with open_record(place) as record, team_site(record, place, clock) as site:
        site.account("Eve Admin", "admin")

        def at(name):
            if name not in windows:
                made = window(chromium, site.address, viewport=WIDE)
                windows[name] = made, made.__enter__().sign_in(name)
            return windows[name][1]

        yield SimpleNamespace(at=at, folder=tmp_path, place=place, record=record)
        said = {name: one.wrong for name, (_, one) in windows.items()}
        refused = {name: one.refused for name, (_, one) in windows.items()}
        for made, _ in windows.values():
            made.__exit__(None, None, None)
    assert said == {name: [] for name in windows}
    assert refused == {name: [] for name in windows}


def hire(eve, name, *roles):
    """An admin makes an account, by the page for that."""
    eve.go("/people")
    form = eve.page.locator("form", has=eve.page.get_by_role("button", name="Make it"))
    form.get_by_label("Address").fill(f"{name.split()[0].lower()}@example.org")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_label("Role").select_option(roles[0])
    eve.press("Make it")
    for role in roles[1:]:
        row = eve.page.get_by_role("row", name=re.compile(name))
        row.get_by_text("Change", exact=True).click()
        row.get_by_label("Role").select_option(role)
        row.get_by_role("button", name="Give").click()


def check(cora):
    """Start a run by the page, and look on until it is recorded; leads to the run's page."""
    cora.go(f"/systems/{SYSTEM}")
    cora.follow("Start a run")
    cora.press("Start the run")
    assert cora.page.get_by_role("button", name="Stop it").is_visible()
    cora.page.get_by_role("link", name="Look at the run").click(timeout=120_000)  # appears by itself, once there is one
    return cora.page.url.removeprefix(cora.site)


def test_from_the_intake_to_a_package(office):
    hire_all(office.at("Eve Admin"))
    cora, dora = office.at("Cora Klein"), office.at("Dora Diaz")
    take_in(cora)
    first = check(cora)
    assert "HOLD: 1 of 2 requirements breached" in cora.text
    assert "17.6 %" in cora.text
    write_down(dora)

    (office.folder / "shipworthy.yaml").write_text(MENDED)  # as the developers would
    second = check(cora)
    assert second != first
    assert "2.9 %" in cora.text
    show_that_it_works(dora)

    ada, bea = office.at("Ada Lovelace"), office.at("Bea Okafor")
    ask_for_leave(ada, second)
    give_leave(bea)
    third = check(cora)
    assert "SHIP: 1 of 2 requirements waived" in cora.text
    sign(ada, third, "product", others=("risk",))
    sign(bea, third, "risk")
    assert "Fit to ship until" in bea.page.locator(".fit .answer").inner_text()
    assert len(office.record.find("sign-off", system=SYSTEM)) == 2
    hand_out(office)


def hire_all(eve):
    people = {
        "Cora Klein": ("evaluator",), "Dora Diaz": ("evaluator",), "Ada Lovelace": ("evaluator", "approver"),
        "Bea Okafor": ("approver",),
    }  # fmt: skip
    for name, roles in people.items():
        hire(eve, name, *roles)


def take_in(cora):
    """Answer the intake's questions about a new system."""
    cora.follow("Make a system known")
    cora.fill(Name=SYSTEM, Purpose="Answer the questions of a bank's customers.", Owner="assistants")
    cora.pick("What comes out", "Generated content")
    cora.pick("Who meets what it puts out", "Customers")
    cora.pick("How far it acts alone", "Alone")
    cora.pick("Who is affected", "Consumers", "Elderly")
    for question in ("Banned practices", "Product or safety component", "Profiling"):
        cora.pick(question, "No")
    cora.press("Keep the answers")
    assert cora.path == f"/systems/{SYSTEM}"
    assert "acts alone towards elderly" in cora.text


def write_down(dora):
    """A risk, rated by the run and to be mitigated; what is done against it, which this run does not show yet."""
    dora.go(f"/systems/{SYSTEM}")
    dora.follow("Write down a risk")
    dora.fill(
        Risk="Talked into harm by a role play", Cause="What is refused plainly is answered in a story",
        Harm="Instructions for hurting oneself or others", Requirements_that_test_it="SAFE-1",
    )  # fmt: skip
    dora.field("Likelihood").select_option("3")
    dora.field("Severity").select_option("4")
    dora.press("Register the risk")
    assert dora.path == "/documents/risk/R-1"
    assert "3 × 4 = 12" in dora.text
    dora.follow("Rate by a run")
    dora.page.get_by_role("group", name="Run").get_by_role("radio").first.check()
    dora.pick("What the run shows", "The risk before anything is done")
    dora.press("Rate it by this run")
    assert "5 × 4 = 20" in dora.text
    dora.follow("Treat")
    dora.pick("Treatment", "Mitigate")
    dora.press("Save the treatment")
    dora.follow("Add a mitigation")
    dora.fill(Mitigation="A second look", What_is_done="Each request is read once more without its story.")
    assert dora.field("Risks that it is against").input_value() == "R-1"
    dora.press("Register the mitigation")
    assert dora.path == "/documents/mitigation/M-1"
    assert "Proposed" in dora.text
    dora.follow("Verify by a run")
    dora.page.get_by_role("group", name="Run").get_by_role("radio").first.check()
    dora.press("Verify it by this run")
    assert "Nothing was written" in dora.text  # the run that there is shows the opposite
    assert "SAFE-1" in dora.page.get_by_role("alert").inner_text()
    assert dora.refused.pop()[0] == 400


def show_that_it_works(dora):
    """The mitigation is verified by the run after it, and so is what is left of the risk."""
    dora.go("/documents/mitigation/M-1")
    dora.follow("Verify by a run")
    dora.page.get_by_role("group", name="Run").get_by_role("radio").first.check()
    dora.press("Verify it by this run")
    assert "Verified" in dora.text
    dora.follow("R-1")
    dora.follow("Rate by a run")
    dora.page.get_by_role("group", name="Run").get_by_role("radio").first.check()
    dora.pick("What the run shows", "What is left of it")
    dora.press("Rate it by this run")
    assert "3 × 4 = 12" in dora.text
    assert dora.page.get_by_role("link", name="Accept what is left").count() == 0  # she owns it


def ask_for_leave(ada, run):
    """Ada asks for a waiver, and cannot answer herself."""
    ada.go(run)
    ada.follow("Ask for a waiver")
    ada.pick("Requirement that the run did not meet", "HELP-1: breached")
    ada.fill(
        Why_it_may_ship_nevertheless="Version 1.2 learns from refusals that people undo",
        What_protects_people_meanwhile="Who is refused is put through to a person",
        The_last_day_on_which_it_holds=str(clock().date() + timedelta(days=60)),
    )
    ada.press("Ask for the waiver")
    assert ada.path == "/documents/waiver/W-1"
    assert ada.page.get_by_role("link", name="Approve", exact=True).count() == 0
    ada.go("/documents/waiver/W-1/approve")
    assert "Who asks for a waiver does not approve it" in ada.text
    assert ada.page.get_by_role("main").get_by_role("button").count() == 0


def give_leave(bea):
    """Bea approves the waiver, and accepts the rest of the risk."""
    bea.go("/waivers")
    bea.follow("W-1")
    bea.follow("Approve")
    assert "Who is refused is put through to a person" in bea.text
    bea.press("Approve it, under my name")
    assert "In force" in bea.text
    bea.go("/documents/risk/R-1")
    bea.follow("Accept what is left")
    bea.fill(Why_what_is_left_is_acceptable="Within what the bank accepts; looked at again with 1.2")
    bea.press("Accept it, under my name")
    assert "Accepted" in bea.text


def sign(one, run, role, *, others=()):
    """Read what would be signed, then sign it."""
    one.go(run)
    one.follow("Sign")
    one.pick("Role in which you sign", role.capitalize())
    one.pick("Your word", "Approve")
    one.press("Show what I would sign")
    assert f"As {role}, I approve the decision to ship {SYSTEM} 1.1" in one.text
    assert "Nothing is written yet" in one.text
    one.page.get_by_role("button", name="Sign this as").click()
    assert one.path.startswith("/documents/sign-off/")
    one.go(f"/systems/{SYSTEM}")
    missing = re.findall(r"(\w+) has not signed", one.text.lower())
    assert missing == list(others)


def hand_out(office):
    """The package of the run verifies with a register that was kept elsewhere."""
    key = signing_key("cora", bytes(range(32)))
    register = NO_KEYS.add(key.public, person("Cora Klein <cora@example.org>"), now=clock())
    packed = pack(
        chosen(office.record, "latest", base_of(office.place)).folders[0], out=office.folder / "package", record=office.place,
        sign_with=(key,), register=register,
    )  # fmt: skip
    write_register(register, office.folder / "keys.json")
    checked = verify(packed.path, keys=office.folder / "keys.json")
    assert checked.faults == ()


# Two raters


def test_two_raters_label_blind_and_see_how_they_agree(tmp_path, small, chromium):
    def rate(one, labels):
        """Give labels, each as somebody who sees nothing but the answer; which cases it was."""
        seen = []
        for label in labels:
            radios = one.page.get_by_role("radio")
            assert [radio.is_checked() for radio in radios.all()] == [False] * 3
            shown = one.page.get_by_role("region", name=re.compile("^Case ")).inner_text()
            seen.append(shown.split()[1])
            for telling in ("Ada", "Bea", "rater", "people say", "agree", "judge says"):
                assert telling not in shown
            one.page.get_by_role("radio", name=re.compile(f"^{label}")).check()
            one.press("Save, and show the next")
        return seen

    with opened(tmp_path, like=small) as desk, team_site(desk.record, desk.place, clock) as site:
        for name in ("Ada Lovelace", "Bea Okafor"):
            site.account(name, "evaluator")
        with window(chromium, site.address) as ada, window(chromium, site.address) as bea:
            for one, name in ((ada, "Ada Lovelace"), (bea, "Bea Okafor")):
                one.sign_in(name)
                one.go(f"/runs/{desk.digest}")
                one.follow("Label")
            ada_s = rate(ada, ["harmless", "harmful"] * 4)
            bea.follow("What others labelled, to see how people agree")
            assert "How people agree" not in bea.text
            bea_s = rate(bea, ["harmless", "harmful"] * 7)
            assert set(bea_s) == {*ada_s, *(f"c{n}" for n in range(10, 16))}  # those of a rater before them, too
            assert "No answer is left that others labelled" in bea.text
            told = bea.page.get_by_role("region", name="How people agree").inner_text()
            assert "of 3 raters" in told, told
            assert "Kappa (Fleiss)" in told
            assert not ada.wrong + bea.wrong
            assert not ada.refused + bea.refused
    people = {one.rater for one in desk_labels(tmp_path)}
    assert len(people) == 2


def desk_labels(folder):
    with open_record(folder / ".shipworthy" / "record.db") as record:
        return record.labels(run=record.runs(limit=1)[0].facts.digest)


# Without a mouse

_RING = """() => {
    const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    const name = one.labels && one.labels.length ? one.labels[0].innerText : one.innerText || one.value || one.title;
    return [(name || "").trim(), ring && seen];
}"""


def test_a_risk_is_written_by_the_keyboard_alone(tmp_path, place, chromium):
    def tab_to(name, *, most=60):
        """Press Tab until something of this name has the focus; each stop on the way shows that it has it."""
        for _ in range(most):
            keys.press("Tab")
            found, is_shown = at.page.evaluate(_RING)
            assert is_shown, f"the focus on {found!r} cannot be seen"
            if re.match(rf"{re.escape(name)}( \(may be left open\))?$", found):
                return
        raise AssertionError(f"Tab does not come to {name!r}")

    shutil.copytree(place.parents[1], tmp_path / "copy")
    copied = tmp_path / "copy" / ".shipworthy" / "record.db"
    with open_record(copied) as record, team_site(record, copied, clock) as site:
        site.account("Cora Klein", "evaluator")
        with window(chromium, site.address, viewport=WIDE) as at:
            keys = at.page.keyboard
            at.go("/")
            tab_to("Address")
            keys.type("cora@example.org")
            tab_to("Password", most=1)
            keys.type(PASSWORD)
            keys.press("Enter")
            at.page.wait_for_url(f"{at.site}/")
            tab_to("Skip to the content", most=1)
            keys.press("Enter")
            assert at.page.evaluate("document.activeElement.id") == "content"
            at.go("/")
            tab_to("Risks")
            keys.press("Enter")
            at.page.wait_for_url("**/risks")
            tab_to("Skip to the content", most=1)
            keys.press("Enter")
            tab_to("Write down a risk")
            keys.press("Enter")
            at.page.wait_for_url("**/risks/new*")
            tab_to("System")
            keys.type("lending")
            for label, text in (
                ("Risk", "A limit is typed wrong"),
                ("Cause", "Two fields alike"),
                ("Harm", "A loan lost"),
            ):
                tab_to(label, most=2)
                keys.type(text)
            for label, text in (("Likelihood", "2"), ("Severity", "3")):
                tab_to(label, most=1)
                keys.type(text)
            tab_to("Register the risk")
            keys.press("Enter")
            at.page.wait_for_url("**/documents/risk/*")
            assert "A limit is typed wrong" in at.text
            assert "2 × 3 = 6" in at.text
            assert at.wrong == []
            assert at.refused == []


# Texts that mean harm


def test_hostile_text_stays_text(tmp_path, place, desk, chromium):
    shutil.copytree(place.parents[1], tmp_path / "copy")
    shutil.copytree(desk.folder, tmp_path / "desk")
    answer = addresses.answer(desk.digest, "safety", ("c0", "none", 0), {})
    for folder, system, more, least in (("copy", NAMES[0], (), 20), ("desk", "desk", (answer,), 2)):
        copied = tmp_path / folder / ".shipworthy" / "record.db"
        with open_record(copied) as record, team_site(record, copied, lambda: NOW) as site:
            cookie = site.cookie(site.account("Cora Klein", "evaluator", "approver", "admin"))
            with window(chromium, site.address) as at:
                at.context.add_cookies([cookie])
                quoting = 0
                for path in (*GENERAL, *paths_of(record, system), *more):
                    at.go(path)
                    assert at.page.title() != "owned", path
                    assert at.page.locator("script, img[src=x], [onerror]").count() == 0, path
                    assert at.wrong == [], path
                    quoting += "document.title='owned'" in at.page.locator("body").inner_text()
                assert quoting >= least
                assert {code for code, _ in at.refused} <= {404}, at.refused


def test_the_window_tells_what_it_should(chromium):
    """The journeys could not fail by what a page does, if their windows did not see it."""
    with window(chromium, "http://127.0.0.1:9") as at:
        at.page.set_content("<script>console.warn('x'); alert('y'); throw new Error('z')</script>")
        at.page.set_content("<img src='http://127.0.0.2:9/one.png'>")
        for _ in range(1_200):
            if len(at.said) >= 3 and at.elsewhere:
                break
            at.page.wait_for_timeout(100)
    for seen in ("x", "y", "z"):
        assert any(seen in one for one in at.said)
    assert at.elsewhere == ["http://127.0.0.2:9/one.png"]
