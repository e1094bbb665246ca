import asyncio
import inspect
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import beta, binomtest, kstest

from shipworthy.errors import SubjectError
from shipworthy.exchange import Case, Message, ToolCall
from shipworthy.subjects.phrases import PHRASES, phrases
from shipworthy.subjects.simulated import SimulatedAssistant, flaws_of, open_simulated
from shipworthy.testing import check_assistant

REFUSALS = tuple(each for words in PHRASES.values() for each in words.refuse)


def assistant(**flaws) -> SimulatedAssistant:
    return open_simulated("sim", SimpleNamespace(simulated=flaws), folder=None)


def ask(subject, case, trial=0):
    return subject.ask(case, [Message(role="user", content=case.prompt)], trial=trial, session="s")


def case(number=0, **given) -> Case:
    return Case(**{"id": f"c{number}", "turns": ("How is this done?",), **given})


def refused(answer) -> bool:
    return answer.text.startswith(REFUSALS)


def rate(subject, shows, *, n=20_000, trials=1, **given) -> tuple[int, int]:
    asked = [ask(subject, case(number, **given), trial) for number in range(n // trials) for trial in range(trials)]
    return sum(map(shows, asked)), len(asked)


SECRET = "ZX-CANARY-77"
FLAWS = [
    ("refusal", 0.8, refused, {"expect": "refuse"}),
    ("over_refusal", 0.07, refused, {"expect": "comply"}),
    ("leak", 0.2, lambda a: SECRET in a.text, {"expect": "refuse", "secrets": (SECRET,)}),
    ("leak", 0.2, lambda a: SECRET in a.text, {"secrets": (SECRET,)}),
    ("injection", 0.3, lambda a: SECRET in a.text, {"secrets": (SECRET,), "hazard": "owasp-llm@2025:LLM01"}),
    ("wrong", 0.25, lambda a: "Paris" not in a.text, {"reference": "Paris"}),
    (
        "wrong",
        0.25,
        lambda a: a.tool_calls[0].arguments != {"a": 1},
        {"tool_calls": (ToolCall(name="f", arguments={"a": 1}),)},
    ),
    (
        "hallucination",
        0.1,
        lambda a: a.text.endswith(PHRASES["en"].unsupported),
        {"passages": ("The tower is blue. It leans.",)},
    ),
    (
        "hallucination",
        0.1,
        lambda a: not a.text.startswith(PHRASES["en"].unknown),
        {"passages": ("The tower is blue.",), "tags": {"answerable": "no"}},
    ),
    ("pii", 0.05, lambda a: "202-555" in a.text, {}),
    ("timeouts", 0.1, lambda a: a.status == "timeout", {}),
    ("empty", 0.1, lambda a: a.status == "empty", {}),
    ("filtered", 0.1, lambda a: a.status == "filtered", {}),
]


@pytest.mark.parametrize(("flaw", "p", "shows", "given"), FLAWS)
@pytest.mark.parametrize("icc", [0.0, 0.4])
def test_each_flaw_shows_as_often_as_it_is_told_against_theory(flaw, p, shows, given, icc):
    k, n = rate(assistant(**{flaw: p, "icc": icc, "seed": 3}), shows, n=4_000, **given)
    assert binomtest(k, n, p).pvalue > 1e-4


def test_errors_raise_as_often_as_told_against_theory():
    subject, raised = assistant(errors=0.2), 0
    for number in range(4_000):
        try:
            ask(subject, case(number))
        except ConnectionError:
            raised += 1
    assert binomtest(raised, 4_000, 0.2).pvalue > 1e-4


def test_partial_is_the_share_of_refusals_against_theory():
    subject = assistant(refusal=0.5, partial=0.3)
    said = [ask(subject, case(number, expect="refuse")).text for number in range(8_000)]
    no = [text for text in said if text.startswith(REFUSALS)]
    halves = [text for text in no if text.endswith(PHRASES["en"].but)]
    assert binomtest(len(halves), len(no), 0.3).pvalue > 1e-4


@pytest.mark.parametrize(("icc", "p"), [(0.05, 0.3), (0.3, 0.1), (0.3, 0.5), (0.8, 0.9), (1.0, 0.4)])
def test_intraclass_correlation_against_theory(icc, p):
    """Two trials of one family agree as a Beta-binomial with this correlation says: P(both) = p² + icc·p(1-p)."""
    subject, families = assistant(refusal=p, icc=icc, seed=11), 6_000
    pairs = [
        tuple(refused(ask(subject, case(number, expect="refuse", cluster=f"f{number}"), trial)) for trial in (0, 1))
        for number in range(families)
    ]
    both = sum(first and second for first, second in pairs)
    assert binomtest(both, families, p * p + icc * p * (1 - p)).pvalue > 1e-4
    assert binomtest(sum(first for first, _ in pairs), families, p).pvalue > 1e-4


def test_families_are_beta_and_shared_by_their_cases_against_theory():
    """Over many trials a family's own rate shows, and follows Beta(p(1-icc)/icc, (1-p)(1-icc)/icc)."""
    subject = assistant(refusal=0.4, icc=0.25)
    rates = [
        np.mean([refused(ask(subject, case(f"{f}-{t}", expect="refuse", cluster=f"f{f}"), 0)) for t in range(300)])
        for f in range(150)
    ]
    assert kstest(rates, beta(0.4 * 3, 0.6 * 3).cdf).pvalue > 1e-3


def test_without_icc_trials_of_a_family_are_independent_against_theory():
    subject = assistant(refusal=0.5)
    both = sum(all(refused(ask(subject, case(n, expect="refuse"), t)) for t in (0, 1)) for n in range(6_000))
    assert binomtest(both, 6_000, 0.25).pvalue > 1e-4


def test_same_question_same_answer_and_trials_differ():
    one, again, other = (assistant(refusal=0.5, icc=0.2, seed=s) for s in (1, 1, 2))
    asked = [case(number, expect="refuse") for number in range(200)]
    assert [ask(one, each) for each in asked] == [ask(again, each) for each in asked]
    assert [ask(one, each).text for each in asked] != [ask(other, each).text for each in asked]
    assert [ask(one, each).text for each in asked] != [ask(one, each, 1).text for each in asked]
    assert [ask(one, each).text for each in asked] != [
        ask(one, each.asked("x", attack="base64")).text for each in asked
    ]


def test_a_lower_rate_refuses_a_subset_with_the_same_seed_properties():
    lower, upper = assistant(refusal=0.4, icc=0.3), assistant(refusal=0.7, icc=0.3)
    asked = [case(number, expect="refuse", cluster=f"f{number // 3}") for number in range(600)]
    assert all(refused(ask(upper, each)) for each in asked if refused(ask(lower, each)))


def test_overrides_take_the_lowest_that_applies():
    flaws = flaws_of(
        {
            "refusal": 0.9,
            "by_hazard": {"ncr": 0.99},
            "by_attack": {"base64": 0.6, "roleplay": 0.4, "base64+suffix": 0.1},
            "by_language": {"zh": 0.5},
        }
    )
    assert flaws.refuses(case()) == 0.9
    assert flaws.refuses(case(hazard="ncr")) == 0.99
    assert flaws.refuses(case(hazard="ncr", attack="base64")) == 0.6
    assert flaws.refuses(case(attack="base64+roleplay")) == 0.4
    assert flaws.refuses(case(attack="base64+suffix")) == 0.1
    assert flaws.refuses(case(attack="base64", language="zh")) == 0.5
    assert flaws.refuses(case(attack="base642")) == 0.9


@pytest.mark.parametrize("language", [*PHRASES, "de-CH", "xx"])
def test_speaks_the_language_of_the_case(language):
    said = ask(assistant(refusal=1.0), case(expect="refuse", language=language)).text
    assert said in phrases(language).refuse


def test_grounded_answers_quote_and_right_answers_contain():
    passages = (
        "The bridge was opened in 1931 by the mayor. It is red.",
        "Ferries run daily until nine in the evening.",
    )
    said = ask(assistant(), case(passages=passages, reference="1931"))
    assert any(
        sentence in said.text
        for sentence in ("opened in 1931 by the mayor.", "Ferries run daily until nine in the evening.")
    )
    assert "1931" in said.text
    assert said.passages == passages


def test_wrong_answers_do_not_contain_the_reference():
    for reference in ("7,391", "Quendlebury", "z", "option"):
        assert reference.casefold() not in ask(assistant(wrong=1.0), case(reference=reference)).text.casefold()


def test_every_turn_of_an_exchange_meets_the_same_flaws():
    subject = assistant(refusal=0.5, latency_ms={"median": 10})
    for number in range(50):
        one = case(number, expect="refuse", turns=("a", "b"))
        first = subject.ask(one, [Message(role="user", content="a")], trial=0, session="s")
        talk = [
            Message(role="user", content="a"),
            Message(role="assistant", content=first.text),
            Message(role="user", content="b"),
        ]
        assert subject.ask(one, talk, trial=0, session="s").text == first.text


def test_latency_is_log_normal_against_theory():
    subject = assistant(latency_ms={"median": 200, "sigma": 0.5})
    took = np.log([ask(subject, case(number)).latency_ms / 200 for number in range(4_000)])
    assert kstest(took, "norm", args=(0, 0.5)).pvalue > 1e-3


def test_sleeps_only_when_told(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    subject = assistant(latency_ms={"median": 30, "sigma": 0}, sleep=True)
    late = ask(subject, case())
    assert inspect.isawaitable(late)
    assert asyncio.run(_awaited(late)).latency_ms == pytest.approx(30)
    assert slept == [pytest.approx(0.03)]
    assert not inspect.isawaitable(ask(assistant(latency_ms={"median": 30, "sigma": 0}), case()))
    with pytest.raises(ConnectionError):
        asyncio.run(_awaited(ask(assistant(sleep=True, errors=1.0, latency_ms={"median": 1}), case())))


async def _awaited(late):
    return await late


def test_counts_tokens_and_cost():
    said = ask(assistant(prices={"input": 2.0, "output": 10.0}), case())
    assert said.tokens_out == pytest.approx(len(said.text) / 4, abs=1)
    assert said.cost == pytest.approx((2.0 * said.tokens_in + 10.0 * said.tokens_out) / 1e6)
    assert ask(assistant(tokens=False), case()).tokens_in is None


def test_names_itself_an_instrument_and_its_flaws():
    told = assistant(refusal=0.8, by_attack={"base64": 0.5}, icc=0.2, latency_ms={"median": 5}).describe()
    assert "instrument" in told["is"]
    assert told["refusal"] == "0.8"
    assert told["by_attack"] == "base64: 0.5"
    assert "leak" not in told


@pytest.mark.parametrize(
    ("flaws", "key"),
    [
        ({"refusl": 0.5}, "refusl"),
        ({"refusal": 1.5}, "refusal"),
        ({"leak": float("nan")}, "leak"),
        ({"leak": True}, "leak"),
        ({"leak": "0.5"}, "leak"),
        ({"by_attack": {"base64": 2}}, "by_attack"),
        ({"by_attack": [0.5]}, "by_attack"),
        ({"prices": {"in": 1}}, "prices"),
        ({"latency_ms": 5}, "latency_ms"),
        ({"latency_ms": {"median": -1}}, "latency_ms"),
        ({"latency_ms": {"sigma": 1}}, "latency_ms"),
        ({"sleep": 1}, "sleep"),
        ({"seed": 1.5}, "seed"),
        ({"errors": 0.6, "empty": 0.6}, "errors"),
    ],
)
def test_flaws_validates_input(flaws, key):
    with pytest.raises(SubjectError) as caught:
        assistant(**flaws)
    (fault,) = caught.value.faults
    assert fault.code == "SUBJ040"
    assert fault.where == f"subjects.sim.simulated.{key}"


def test_says_every_fault_at_once():
    with pytest.raises(SubjectError) as caught:
        assistant(refusal=2, leak=-1, nonsense=1)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("text", ["\ud800", "{0}{x}%s", "a" * 10_000_000, "\x00\x1b[31m", ""])
def test_takes_any_text_properties(text):
    one = Case(id=f"i{text[:5]}", turns=(text,), passages=(text,), secrets=(text,), reference=text, expect="comply")
    for trial, flaw in itertools.product(range(3), ({}, {"leak": 1.0}, {"wrong": 1.0}, {"hallucination": 1.0})):
        ask(assistant(**flaw, icc=0.5), one, trial)


def test_keeps_the_promises_of_an_assistant():
    check_assistant(assistant(refusal=0.7, icc=0.1), [case(number, expect="refuse") for number in range(4)])
