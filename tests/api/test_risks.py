"""The risk register and its mitigations, from Python and from the command line."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.api import mitigations, registering, risks
from shipworthy.api.recording import actor_of, open_record
from shipworthy.cli import main
from shipworthy.errors import Unusable
from shipworthy.evidence import register as formats
from shipworthy.record.documents import Rating, Risk

sys.path.insert(0, str(Path(__file__).parent))
from governed import ADA, BEA, NOW, register, run, verdict

TODAY = NOW.date()
HOSTILE = "=cmd|'/c calc'!A0 --> <script>alert(1)</script> [x](javascript:y) @team \x1b[31m | `x`\n\n# big\n+1"


@pytest.fixture
def place(tmp_path):
    with open_record(tmp_path / "record.db") as made:
        register(made, actor_of(made, ADA), requirements=("LEAK", "ACC"))
    return tmp_path / "record.db"


@pytest.fixture
def record(place):
    with open_record(place) as opened:
        yield opened


@pytest.fixture
def ada(record):
    return actor_of(record, ADA)


def add(record, **more):
    given = {
        "system": "assistant", "title": "Leaks", "cause": "Long prompts", "harm": "Private data get out", "likelihood": 3,
        "severity": 4, "actor": ADA, "now": NOW,
    }  # fmt: skip
    return risks.add(record, **{**given, **more})


def fault(error):
    return [one.code for one in error.value.faults]


def test_risks_are_numbered_and_taxonomy_ids_are_written_in_full(record):
    one = add(record, taxonomy=("atlas@2026.09:AML.T0057", "MEASURE-2.10", "x-acme@1:D-3"), requirements=("LEAK",))
    assert (one.id, add(record).id) == ("R-1", "R-2")
    assert one.taxonomy == ("atlas@2026.09:AML.T0057", "nist-ai-rmf@1.0:MEASURE-2.10", "x-acme@1:D-3")
    assert (one.inherent.basis, one.inherent.score, one.status) == ("judged", 12, "open")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"taxonomy": ("owasp-llm@2025:LLM99",)}, "CATALOGUE003"),
        ({"taxonomy": ("LLM01",)}, "CATALOGUE004"),
        ({"system": "other"}, "GOVERN002"),
        ({"requirements": ("LEEK",)}, "RISK003"),
        ({"owner": "ann@example.org"}, "RISK002"),
        ({"severity": 6}, "RECORD010"),
        ({"cause": ""}, "RECORD010"),
    ],
)
def test_adding_validates_input(record, more, code):
    with pytest.raises(Unusable) as error:
        add(record, **more)
    assert fault(error) == [code]
    assert record.find("risk") == ()


def test_a_risk_goes_from_open_to_closed_and_its_owner_does_not_accept_it(record):
    one = add(record, owner=ADA)
    assert one.owner == actor_of(record, ADA)  # the commitment, never the name
    with pytest.raises(Unusable) as error:
        risks.close(record, one.id, why="gone", actor=ADA, now=NOW)
    assert fault(error) == ["RISK004"]
    assert risks.treat(record, one.id, "mitigate", actor=ADA, now=NOW).status == "open"
    left = risks.treat(record, one.id, "mitigate", likelihood=1, actor=ADA, now=NOW)
    assert (left.status, left.residual.likelihood, left.residual.severity) == ("treated", 1, 4)
    with pytest.raises(Unusable) as error:
        risks.accept(record, one.id, why="small", actor=ADA, now=NOW)
    assert fault(error) == ["RECORD014"]
    accepted = risks.accept(record, one.id, why="small", actor=BEA, now=NOW)
    assert (accepted.status, accepted.accepted_by, accepted.residual.score) == ("accepted", actor_of(record, BEA), 4)
    assert risks.close(record, one.id, why="retired", actor=ADA, now=NOW).status == "closed"
    with pytest.raises(Unusable):
        risks.treat(record, one.id, "avoid", actor=ADA, now=NOW)
    assert record.verify().faults == ()


def test_what_is_treated_stays_due_until_it_is_accepted_and_the_worst_comes_first(record):
    yesterday, today = (NOW - timedelta(1)).date(), NOW.date()
    add(record)
    worse = add(record, due=today, likelihood=1, severity=1)
    treated = risks.treat(record, worse.id, "mitigate", likelihood=5, severity=5, actor=ADA, now=NOW)
    assert risks.is_overdue(treated, (NOW + timedelta(1)).date())
    assert [one.id for one in risks.risks(record, today=today)] == [worse.id, "R-1"]
    accepted = risks.accept(record, worse.id, why="known", actor=BEA, now=NOW)
    assert not risks.is_overdue(accepted, (NOW + timedelta(1)).date())
    assert risks.is_overdue(accepted.model_copy(update={"review": yesterday}), today)
    risks.close(record, worse.id, why="gone", actor=ADA, now=NOW)
    assert [one.id for one in risks.risks(record, today=today)] == ["R-1", worse.id]  # closed ones last


def test_an_acceptance_ends_where_more_is_left_than_was_accepted(record, ada, tmp_path):
    one = add(record, likelihood=3, requirements=("LEAK",))
    risks.accept(record, one.id, why="small", actor=BEA, now=NOW)
    run(record, ada, "one", [verdict(high=0.02)])
    same = risks.measure(record, one.id, "one", "LEAK", side="residual", actor=ADA, now=NOW).risk
    assert (same.status, same.residual.score) == ("accepted", 12)
    run(record, ada, "two", [verdict(high=0.3)], days=1)
    more = risks.measure(record, one.id, "two", "LEAK", side="residual", actor=ADA, now=NOW).risk
    assert (more.status, more.accepted_by, more.residual.score) == ("treated", None, 20)
    risks.accept(record, one.id, why="even so", actor=BEA, now=NOW)
    changed = risks.treat(record, one.id, "avoid", actor=ADA, now=NOW)
    assert (changed.status, changed.accepted_by) == ("treated", None)
    accepted = risks.accept(record, one.id, why="even so", likelihood=1, actor=BEA, now=NOW)
    body = formats.to_csv(
        [accepted.model_copy(update={"residual": accepted.residual.model_copy(update={"severity": 5})})]
    )
    (tmp_path / "r.csv").write_text(body, newline="")
    registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert record.get("risk", one.id).document.status == "treated"


@pytest.mark.parametrize("first", [None, "mitigate"])
def test_a_risk_that_was_only_accepted_is_open_once_it_is_to_be_treated_otherwise(record, first):
    one = add(record, likelihood=3)
    if first:
        risks.treat(record, one.id, first, actor=ADA, now=NOW)
    risks.accept(record, one.id, why="small", actor=BEA, now=NOW)
    again = risks.treat(record, one.id, "avoid", actor=ADA, now=NOW)
    assert (again.status, again.residual, again.accepted_by, again.treatment) == ("open", None, None, "avoid")
    assert risks.treat(record, one.id, "avoid", likelihood=1, actor=ADA, now=NOW).status == "treated"


def test_update_changes_what_is_named_and_nothing_else(record):
    one = add(record)
    new = risks.update(record, one.id, {"due": date(2026, 7, 1)}, severity=5, actor=ADA, now=NOW)
    assert new == one.model_copy(
        update={"due": date(2026, 7, 1), "inherent": one.inherent.model_copy(update={"severity": 5})}
    )
    with pytest.raises(Unusable) as error:
        risks.update(record, one.id, {}, actor=ADA, now=NOW)
    assert fault(error) == ["RISK004"]


@pytest.mark.parametrize(
    ("rate", "step"),
    [(0.0, 1), (0.001, 1), (0.0011, 2), (0.01, 2), (0.02, 3), (0.05, 3), (0.051, 4), (0.2, 4), (0.21, 5), (1.0, 5)],
)
def test_likelihood_against_the_table(rate, step):
    assert risks.likelihood(rate) == step


@given(st.floats(0, 1), st.floats(0, 1))
def test_likelihood_properties(one, other):
    low, high = sorted((one, other))
    assert 1 <= risks.likelihood(low) <= risks.likelihood(high) <= 5


def test_a_run_measures_a_risk_by_the_upper_limit_of_the_failures(record, ada):
    digest = run(record, ada, "one", [verdict(), verdict("ACC", value=0.99, low=0.985, high=0.995, metric="accuracy")])
    one = add(record)
    done = risks.measure(record, one.id, "one", "LEAK", actor=ADA, now=NOW)
    assert (done.rate, done.likelihood) == (0.06, 4)  # the estimate alone, 0.04, would have been 3
    assert done.risk.inherent == Rating(likelihood=4, severity=4, basis="measured", run=digest, why=done.said)
    assert "at most 6 % of cases" in done.said
    assert "n = 800" in done.said
    left = risks.measure(record, one.id, "one", "ACC", side="residual", actor=ADA, now=NOW)
    assert (left.rate, left.likelihood) == (pytest.approx(0.015), 3)  # one minus the lower limit of what succeeds
    assert left.risk.inherent == done.risk.inherent
    assert left.risk.requirements == ("LEAK", "ACC")
    assert left.risk.status == "open"  # nobody has said how it is treated


def test_a_risk_whose_treatment_was_said_is_treated_once_a_run_says_what_is_left(record, ada):
    run(record, ada, "one", [verdict()])
    one = add(record)
    risks.treat(record, one.id, "mitigate", actor=ADA, now=NOW)
    assert risks.measure(record, one.id, "one", "LEAK", actor=ADA, now=NOW).risk.status == "open"  # inherent
    left = risks.measure(record, one.id, "one", "LEAK", side="residual", actor=ADA, now=NOW).risk
    assert (left.status, left.residual.basis) == ("treated", "measured")
    risks.accept(record, one.id, why="w", actor="Eve <eve@example.org>", now=NOW)
    again = risks.measure(record, one.id, "one", "LEAK", side="residual", actor=ADA, now=NOW).risk
    assert again.status == "accepted"


@pytest.mark.parametrize(
    "unfit",
    [
        {"compare": "difference"},
        {"metric": "f1"},  # no share of cases
        {"metric": "selection_rate"},  # neither end is a failure
        {"metric": "mine:metric"},
        {"high": None},
        {"requirement": "OTHER"},
        {"estimate": None},
    ],
)
def test_what_is_no_rate_of_failures_measures_nothing(record, ada, unfit):
    run(record, ada, "one", [verdict(**unfit)])
    one = add(record)
    with pytest.raises(Unusable) as error:
        risks.measure(record, one.id, "one", "LEAK", actor=ADA, now=NOW)
    assert fault(error) == ["RISK005"]
    assert record.get("risk", one.id).version == 1


def test_another_systems_run_measures_nothing(record, ada):
    register(record, ada, system="lending")
    run(record, ada, "one", [verdict()], system="lending")
    one = add(record)
    with pytest.raises(Unusable) as error:
        risks.measure(record, one.id, "one", "LEAK", actor=ADA, now=NOW)
    assert fault(error) == ["RISK005"]


def test_the_list_puts_the_highest_score_first_and_knows_what_is_overdue(record):
    then = NOW - timedelta(1)
    low, high = add(record, likelihood=1), add(record, likelihood=5, due=TODAY - timedelta(1), now=then)
    late = add(record, likelihood=2, due=TODAY, review=TODAY - timedelta(1), now=then)
    assert [one.id for one in risks.risks(record, today=TODAY)] == [high.id, late.id, low.id]
    assert [one.id for one in risks.risks(record, overdue=True, today=TODAY)] == [high.id, late.id]
    assert [one.id for one in risks.risks(record, above=8, today=TODAY)] == [high.id]
    risks.treat(record, high.id, "avoid", likelihood=1, actor=ADA, now=NOW)
    assert [one.id for one in risks.risks(record, today=TODAY)] == [late.id, low.id, high.id]


# Mitigations


def test_a_mitigation_is_verified_where_a_run_meets_what_the_one_before_did_not(record, ada):
    one = add(record, requirements=("LEAK",))
    made = mitigations.add(record, system=None, title="Filter", what="Filter names", risks=[one.id], actor=ADA, now=NOW)
    assert (made.id, made.system) == ("M-1", "assistant")
    assert record.get("risk", one.id).document.mitigations == ("M-1",)
    run(record, ada, "one", [verdict()])
    after = run(record, ada, "two", [verdict(said="met", high=0.04)], days=1)
    done = mitigations.verify(record, "M-1", "two", actor=ADA, now=NOW)
    assert (done.mitigation.status, done.mitigation.verification) == ("verified", after)
    assert [(c.before.name, c.after.name) for c in done.compared] == [("one", "two")]
    run(record, ada, "three", [verdict(said="met", high=0.03)], days=2)
    with pytest.raises(Unusable, match="met before"):
        mitigations.verify(record, "M-1", "three", actor=ADA, now=NOW)
    assert mitigations.verify(record, "M-1", "three", before="one", actor=ADA, now=NOW).compared[0].before.name == "one"
    undone = mitigations.update(record, "M-1", {"what": "Filter more"}, actor=ADA, now=NOW)
    assert (undone.status, undone.verification) == ("implemented", None)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([], verdict(said="met"), "no earlier run"),
        ([verdict()], verdict(said="breached"), "it is breached"),
        ([verdict()], verdict(said="breached", waiver={"id": "W-1"}), "it is breached"),
        ([verdict()], verdict(said="undecided"), "it is undecided"),
        ([verdict(said="met")], verdict(said="met"), "met before"),
        ([verdict()], verdict(said="met", bound={"at_most": 0.5}), "another bound"),
        ([verdict()], verdict(said="met", metric="violation_rate"), "another bound, metric"),
        ([verdict()], verdict("ACC", said="met"), "no such requirement"),
    ],
)
def test_a_mitigation_stays_unverified(record, ada, before, after, why):
    mitigations.add(record, system="assistant", title="F", what="F", requirements=["LEAK"], actor=ADA, now=NOW)
    for body in before:
        run(record, ada, "one", [body])
    run(record, ada, "two", [after], days=1)
    with pytest.raises(Unusable, match=why) as error:
        mitigations.verify(record, "M-1", "two", actor=ADA, now=NOW)
    assert fault(error) == ["RISK007"]
    assert record.get("mitigation", "M-1").document.status == "proposed"


def test_every_requirement_of_a_mitigation_has_to_be_shown(record, ada):
    made = {"system": "assistant", "title": "F", "what": "F", "actor": ADA, "now": NOW}
    mitigations.add(record, **made, requirements=["LEAK", "ACC"])
    run(record, ada, "one", [verdict(), verdict("ACC")])
    run(record, ada, "two", [verdict(said="met"), verdict("ACC")], days=1)
    with pytest.raises(Unusable, match="breached"):
        mitigations.verify(record, "M-1", "two", actor=ADA, now=NOW)
    with pytest.raises(Unusable) as error:
        mitigations.add(record, **{**made, "system": None})
    assert fault(error) == ["RISK006"]


# In and out

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40)
RATINGS = st.builds(
    Rating, likelihood=st.integers(1, 5), severity=st.integers(1, 5), basis=st.just("measured"),
    run=st.just("sha256:" + "a" * 64), why=WORDS,
)  # fmt: skip
RISKS = st.builds(
    Risk, id=WORDS, system=WORDS, version=st.none() | WORDS, title=WORDS, cause=WORDS, harm=WORDS,
    affected=st.lists(WORDS, max_size=3).map(tuple), inherent=RATINGS, residual=RATINGS,
    treatment=st.sampled_from(["mitigate", "avoid"]), status=st.sampled_from(["open", "treated", "closed"]),
    owner=st.just("") | WORDS, due=st.none() | st.dates(), requirements=st.lists(WORDS, max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(RISKS, max_size=3))
def test_csv_round_trip_properties(given_ones):
    text = formats.to_csv(given_ones)
    bodies = formats.from_csv(text.encode(), "risks.csv")
    assert [Risk.model_validate_json(json.dumps(body)) for body in bodies.values()] == given_ones
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(re.match(r"\s*[=+\-@\t\r＝＋－＠]", cell) for cell in row)


def test_an_export_comes_back_and_changes_nothing(record, tmp_path):
    add(record, title=HOSTILE, owner=BEA, due=TODAY, affected=("a; b", "c"))
    risks.treat(record, "R-1", "mitigate", likelihood=1, actor=ADA, now=NOW)
    add(record, title="'tis")
    (tmp_path / "r.csv").write_text(registering.export_csv(risks.risks(record, today=TODAY)), newline="")
    size = record.size()
    done = registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert (done.new, done.changed, done.unchanged, record.size()) == ((), (), 2, size)


def test_a_spreadsheet_adds_and_changes_all_or_none(record, tmp_path):
    add(record, due=TODAY, review=TODAY)
    past = TODAY - timedelta(1)
    head = "id,system,title,cause,harm,likelihood,severity,due\n"
    row = "assistant,Leaks,Long prompts,Private data get out,3,5,\n"
    (tmp_path / "r.csv").write_text(f"\ufeff{head}R-1,{row},{row}X-9,{row}")
    done = registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert (done.new, done.changed) == (("R-2", "X-9"), ("R-1",))
    after = record.get("risk", "R-1").document
    assert (after.inherent.severity, after.due, after.review) == (5, None, TODAY)  # an empty cell empties
    (tmp_path / "r.csv").write_text(f"{head},{row},{row.replace('3,5', '3,9')}")
    with pytest.raises(Unusable, match=r"r\.csv:3"):
        registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert len(record.find("risk")) == 3
    (tmp_path / "r.csv").write_text(f"{head}X-9,{row.replace('5,', f'5,{past}')}")
    registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert record.get("risk", "X-9").document.due == past  # an old register keeps its days


def test_an_import_says_no_more_of_the_record_than_add_and_measure_do(record, ada, tmp_path):
    digest = run(record, ada, "one", [verdict()])  # likelihood 4
    head = "system,title,cause,harm,likelihood,severity,basis,run,requirements,mitigations\n"
    for row, code in (
        (f"3,4,measured,sha256:{'0' * 64},LEAK,", "RISK005"),  # a run that the record lacks
        (f"3,4,measured,{digest},LEAK,", "RISK005"),  # another likelihood than it gives
        (f"4,4,measured,{digest},ACC,", "RISK005"),  # by a requirement that is not this risk's
        ("3,4,,,NOREQ,", "RISK003"),
        ("3,4,,,,M-9", "RISK001"),
    ):
        (tmp_path / "r.csv").write_text(f"{head}assistant,t,c,h,{row}\n")
        with pytest.raises(Unusable) as error:
            registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
        assert fault(error) == [code]
        assert error.value.faults[0].where == "r.csv:2"
    assert record.find("risk") == ()
    (tmp_path / "r.csv").write_text(f"{head}assistant,t,c,h,4,4,measured,{digest},LEAK,\n")
    assert registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW).new == ("R-1",)
    less = "id,residual_likelihood,residual_severity,residual_basis,residual_run,treatment,status\n"
    (tmp_path / "r.csv").write_text(f"{less}R-1,1,5,measured,{digest},mitigate,treated\n")
    with pytest.raises(Unusable, match="it gives 4 by LEAK"):
        registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)


def test_what_is_left_out_of_a_row_stays_and_a_number_that_nobody_gave_changes_nothing(record, tmp_path):
    add(record, why="so", owner="team", due=TODAY)
    before = record.get("risk", "R-1").document
    (tmp_path / "r.csv").write_text("id;title\nR-1;Other words; and more\n".replace("; and", ", and"))
    assert registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW).changed == ("R-1",)
    assert record.get("risk", "R-1").document == before.model_copy(update={"title": "Other words, and more"})
    (tmp_path / "r.csv").write_text("id\tseverity\nR-1\t1\n")
    registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert record.get("risk", "R-1").document.inherent == before.inherent.model_copy(update={"severity": 1})
    for text, code, why in (
        ("id,title\nX-7,t\n", "RISK008", "a new risk are missing: system, cause"),
        ("id,system,title,cause,harm,likelihood,severity\nR-77,assistant,t,c,h,1,1\n", "RISK001", "R-77"),
    ):
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(Unusable, match=why) as error:
            registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
        assert fault(error) == [code]


def test_a_new_day_is_not_past(record):
    past = TODAY - timedelta(1)
    with pytest.raises(Unusable) as error:
        add(record, due=past, review=past)
    assert [(one.code, one.where) for one in error.value.faults] == [("RISK011", "--due"), ("RISK011", "--review")]
    add(record, due=TODAY, review=TODAY)
    for act in (
        lambda: risks.treat(record, "R-1", "mitigate", due=past, actor=ADA, now=NOW),
        lambda: risks.accept(record, "R-1", why="w", review=past, actor=BEA, now=NOW),
        lambda: mitigations.add(record, system="assistant", title="t", what="w", due=past, actor=ADA, now=NOW),
    ):
        with pytest.raises(Unusable) as error:
            act()
        assert fault(error) == ["RISK011"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "columns are missing"),
        ("system,title,cause,harm,likelihood,severity,colour\n", "colour"),
        ("system,title,cause,harm,likelihood,severity,system\n", "twice"),
        ("system,title,cause,harm,likelihood,severity\na,b,c,d,1\n", "5 cells"),
        ("system,title,cause,harm,likelihood,severity\na,b,c,d,1.5,1\n", "no step"),
        ("system,title,cause,harm,likelihood,severity\na,,c,d,1,1\n", "missing"),
        ('system,title,cause,harm,likelihood,severity\n"a,b,c,d,1,1\n', "not CSV"),
        ("system,title,cause,harm,likelihood,severity,affected\na,b,c,d,1,1,[3]\n", "no list"),
        (f"system,title,cause,harm,likelihood,severity\na,{'b' * 140_000},c,d,1,1\n", "not CSV|500 characters"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_import_validates_input(record, tmp_path, text, why):
    (tmp_path / "r.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Unusable, match=why) as error:
        registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert set(fault(error)) == {"RISK008"}
    assert record.find("risk") == ()


def test_an_import_is_bounded_in_bytes_and_rows(record, tmp_path, monkeypatch):
    row = "assistant,t,c,h,1,1\n"
    (tmp_path / "r.csv").write_text("system,title,cause,harm,likelihood,severity\n" + 3 * row)
    for name, most, why in (("MOST_ROWS", 2, "more than 2 risks"), ("MOST_BYTES", 50, "50 bytes")):
        with monkeypatch.context() as patch:
            patch.setattr(formats, name, most)
            with pytest.raises(Unusable, match=why):
                registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
            with pytest.raises(Unusable, match=why):
                formats.from_csv((tmp_path / "r.csv").read_bytes(), "r.csv")
    assert record.find("risk") == ()


def test_an_import_neither_follows_links_nor_accepts_for_others(record, tmp_path):
    add(record)
    risks.accept(record, "R-1", why="small", actor=BEA, now=NOW)
    text = registering.export_csv(risks.risks(record, today=TODAY)).replace("R-1", "X-5")
    (tmp_path / "r.csv").write_text(text, newline="")
    (tmp_path / "link.csv").symlink_to(tmp_path / "r.csv")
    with pytest.raises(Unusable) as error:
        registering.import_csv(record, tmp_path / "link.csv", actor=ADA, now=NOW)
    assert fault(error) == ["RISK008"]
    with pytest.raises(Unusable) as error:
        registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    assert fault(error) == ["RECORD016"]


def test_issues_are_inert_keyed_and_the_same_each_time(record, tmp_path):
    add(record, title=HOSTILE, cause=HOSTILE, harm=HOSTILE, affected=(HOSTILE[:80],), owner=BEA, due=TODAY)
    gone = add(record)
    for to in ("github", "jira"):
        folder = tmp_path / to
        done = registering.export_issues(risks.risks(record, today=TODAY), folder, to=to, project="RISK")
        first = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert set(first) == set(done.written)
        registering.export_issues(risks.risks(record, today=TODAY), folder, to=to, project="RISK")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    text = (tmp_path / "github" / "R-1.md").read_text()
    hidden = f"<!-- shipworthy-risk: {formats.key(record.get('risk', 'R-1').document)} -->"
    assert text.count("-->") == text.count("<!--") == text.count(hidden) == 1
    assert not re.search(r"<script|\x1b|(?<!\\)\]\(java|@team|example\.org", text)
    assert [line for line in text.splitlines() if line.startswith("#")] == [text.splitlines()[0]]
    fields = json.loads((tmp_path / "jira" / "R-1.json").read_text())["fields"]
    assert (fields["project"], fields["duedate"]) == ({"key": "RISK"}, "2026-06-15")
    assert len(fields["summary"]) <= 255
    assert "\n" not in fields["summary"]
    risks.treat(record, gone.id, "avoid", likelihood=1, actor=ADA, now=NOW)
    risks.close(record, gone.id, why="switched off", actor=ADA, now=NOW)
    again = registering.export_issues(risks.risks(record, today=TODAY), tmp_path / "github", to="github")
    assert (again.written, again.left) == (("R-1.md",), ("R-2.md",))


def test_an_id_from_a_file_names_no_place_outside_the_folder(record, tmp_path):
    head = "id,system,title,cause,harm,likelihood,severity\n"
    (tmp_path / "r.csv").write_text(
        f"{head}../../evil,assistant,t,c,h,1,1\n{head and ''}R-1/../x,assistant,t,c,h,1,1\n"
    )
    registering.import_csv(record, tmp_path / "r.csv", actor=ADA, now=NOW)
    done = registering.export_issues(risks.risks(record, today=TODAY), tmp_path / "deep" / "issues", to="github")
    assert all(re.fullmatch(r"risk-[0-9a-f]{32}\.md", name) for name in done.written)
    with pytest.raises(Unusable) as error:
        registering.export_issues([], tmp_path, to="jira", project="../x")
    assert fault(error) == ["RISK009"]


# The command line


def test_the_command_line_takes_a_risk_through_its_life(place, tmp_path):
    def call(*words, code=0):
        done = CliRunner(env={"SHIPWORTHY_RECORD": str(place), "SHIPWORTHY_ACTOR": ADA}).invoke(main, words)
        assert done.exit_code == code, done.output
        return done.output

    with open_record(place) as record:
        ada = actor_of(record, ADA)
        run(record, ada, "one", [verdict()])
        run(record, ada, "two", [verdict(said="met", high=0.009)], days=1)
    said = ("--title", "Leaks \x1b[31m", "--cause", "c", "--harm", "h", "--likelihood", "3", "--severity", "4")
    assert "R-1  12 inherent (3 × 4, judged)  open" in call("risk", "add", "--system", "assistant", *said)
    assert "RISK001" in call("risk", "show", "R-7", code=2)
    assert "R-1  16 inherent (4 × 4, measured)" in call("risk", "measure", "R-1", "one", "LEAK")
    assert "M-1" in call(
        "mitigation", "add", "--title", "Filter", "--what", "w", "--risk", "R-1", "--requirement", "LEAK"
    )
    assert "breached in one, met in two" in call("mitigation", "verify", "M-1", "two")
    assert "R-1   8 left (2 × 4, measured)" in call("risk", "measure", "R-1", "two", "LEAK", "--residual")
    assert "treated" not in call("risk", "update", "R-1", "--due", "2024-01-01")
    assert "OVERDUE" in call("risk", "list", "--overdue")
    shown = call("risk", "show", "R-1")
    assert "Ada Lovelace" in shown
    assert "\x1b" not in shown
    assert json.loads(call("risk", "list", "--json"))[0]["score"] == 8
    call("risk", "export", "--out", str(tmp_path / "r.csv"))
    assert "0 new, 0 changed, 1 as they were." in call("risk", "import", str(tmp_path / "r.csv"))
    assert "1 issues in" in call("risk", "export", "--to", "github", "--out", str(tmp_path / "issues"))
    assert "RISK009" in call("risk", "export", "--to", "jira", "--out", str(tmp_path / "issues"), code=2)
    assert "accepted" in call("risk", "accept", "R-1", "--why", "small", "--as", BEA)
