"""What an evaluation of answers cannot show, from its own facts: who was asked, what, how often, and who judged it."""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy.estimate.estimates import Estimate
from shipworthy.evidence.answers import STATUS, suites
from shipworthy.evidence.limit import Limit
from shipworthy.evidence.run import Run
from shipworthy.plan.models import Evaluation
from shipworthy.present import numbers, slices
from shipworthy.present.safe import plain, shorten

_LISTED = 8
_FEW_TRIALS = 5
_JUDGING = ("judge", "classifier", "moderation", "entailment")  # scorers that can tell harm from a mere answer


def unasked(run: Run, name: str) -> list[Limit]:
    """The limits of one evaluation of answers, the gravest first."""
    plan = run.plan.evaluations[name]
    estimates = [e for e in run.estimates if e.evaluation == name]
    said = [
        *_instrument(run, plan),
        *_judged(estimates),
        *_unanswered(run, name),
        *_scored(plan, estimates),
        *_covered(plan, estimates),
        *_repeated(plan),
    ]
    return [Limit(evaluation=name, title=title, text=text) for title, text in said]


def _instrument(run: Run, plan: Evaluation) -> Iterator[tuple[str, str]]:
    asked = dict.fromkeys([plan.subject, *(variant.subject for variant in plan.variants.values())])
    known = {name: run.plan.subjects[name] for name in asked if name is not None and name in run.plan.subjects}
    if simulated := [name for name, subject in known.items() if subject.kind == "simulated"]:
        yield (
            "No real system was asked",
            f"Simulated: {_listed(simulated)}. A simulated assistant is an instrument: it errs as often as its "
            "parameters say. These numbers test the measuring, not a product.",
        )
    if recorded := [name for name, subject in known.items() if subject.kind == "log"]:
        yield (
            "Answers were recorded elsewhere",
            f"{_listed(recorded)} is a log: who was asked, with which settings, and what was left out of it, this run "
            "cannot know.",
        )


def _judged(estimates: list[Estimate]) -> Iterator[tuple[str, str]]:
    raw = {e.metric for e in estimates if numbers.judged(e) == "judge uncorrected"}
    if raw:
        yield (
            "A judge that nobody has checked",
            f"{_listed(sorted(raw))} rest on the word of a model that was not compared with people. Its mistakes are "
            "in no interval here; a judge that errs more on one version invents a difference.",
        )


def _unanswered(run: Run, name: str) -> Iterator[tuple[str, str]]:
    failed = [
        plain(f.what)
        for f in run.findings
        if f.evaluation == name and f.check.startswith(STATUS) and f.gravity == "warning"
    ]
    if failed:
        yield (
            "Requests without an answer",
            f"{'; '.join(shorten(what, 100) for what in failed[:_LISTED])}. Intervals are wider for it: "
            "no answer is not counted as a safe one.",
        )


def _scored(plan: Evaluation, estimates: list[Estimate]) -> Iterator[tuple[str, str]]:
    kinds = {
        str(value)
        for spec in plan.scorers
        for value in ((*spec, spec.get("measures", "")) if isinstance(spec, dict) else (spec,))
    }
    success = any(e.metric.partition("[")[0] in ("attack_success_rate", "violation_rate") for e in estimates)
    if plan.scorers and success and not kinds & {*_JUDGING, "violation"}:
        yield (
            "Harm was not judged",
            "An answer counts as a success of the attack when it is no refusal, or gives away what it must keep. "
            "Whether it would help anybody to do harm was not looked at.",
        )


def _covered(plan: Evaluation, estimates: list[Estimate]) -> Iterator[tuple[str, str]]:
    asked = suites(plan)
    hazards = _levels(estimates, "hazard")
    about = f" It asks about {_listed(hazards)}." if hazards else ""
    if asked:
        yield (
            "Only what the suite asks",
            f"{_listed(asked)} {'is' if len(asked) == 1 else 'are'} no sample of what people will ask.{about} "
            "Of other hazards, wordings and longer conversations nothing is known; no rate here is one of real use.",
        )
    attacks = [attack for attack in plan.attacks if attack != "none"]
    if asked and not attacks:
        yield (
            "No attack was tried",
            "Requests were asked as they are. People who want to misuse a system will not stop there.",
        )
    elif attacks:
        yield (
            "Attacks are templates",
            f"{numbers.count(len(attacks))} fixed {'way' if len(attacks) == 1 else 'ways'} of asking were tried "
            f"({_listed(attacks)}). Somebody who adapts to this system's answers will succeed more often.",
        )
    languages = _levels(estimates, "language") or list(plan.only.get("language", ()))
    if len(languages) > 1:
        yield ("Languages", f"Asked in {_listed(languages)}; in every other language nothing is known.")
    else:
        only = f"Only {plain(languages[0])} was asked" if languages else "Answers were not compared by language"
        yield ("Languages", f"{only}, and safety often differs between languages.")


def _repeated(plan: Evaluation) -> Iterator[tuple[str, str]]:
    if plan.suite is None:
        return
    if plan.trials == 1:
        yield ("Each case was asked once", "How much answers vary from one time to the next is not known.")
    elif plan.trials < _FEW_TRIALS:
        yield (
            "Few trials",
            f"Each case was asked {plan.trials} times. Rates are of one try; somebody who tries often enough gets the "
            "worst answer of many, which happens more often.",
        )


def _levels(estimates: list[Estimate], column: str) -> list[str]:
    found = (slices.level_name(e.slice[column], column) for e in estimates if tuple(e.slice) == (column,))
    return list(dict.fromkeys(found))


def _listed(names: list[str]) -> str:
    shown = [shorten(name, 60) for name in names[:_LISTED]]
    return ", ".join(shown) + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")
