"""JUnit XML: each requirement a test case. It is green exactly when the decision is to ship."""

from __future__ import annotations

from collections import defaultdict
from xml.etree import ElementTree as ET

from shipworthy.evidence.run import Run
from shipworthy.gates.verdicts import Decision, Outcome, Verdict
from shipworthy.present import numbers, sentences
from shipworthy.present.safe import plain, shorten

_SUITE = "shipworthy"


def junit(run: Run) -> str:
    """The verdicts as JUnit XML.

    A breached blocker or major is a failure, an undecided one an error: missing evidence does not pass. A minor
    requirement stops no release, so one that is not met is written as skipped, with what was found.
    """
    suites: dict[str, list[ET.Element]] = defaultdict(list)
    for verdict in run.verdicts:
        suites[plain(verdict.evaluation) or _SUITE].append(_case(verdict))
    judged = {verdict.requirement.id for verdict in run.verdicts}
    for requirement in run.plan.requirements:
        if requirement.id not in judged:
            case = ET.Element("testcase", classname=_SUITE, name=plain(requirement.id), time="0")
            ET.SubElement(case, "skipped", message="not evaluated")
            suites[_SUITE].append(case)
    if run.decision is not Decision.SHIP and not any(
        c.find("failure") is not None or c.find("error") is not None for s in suites.values() for c in s
    ):
        case = ET.Element("testcase", classname=_SUITE, name="decision", time="0")
        ET.SubElement(case, "error", message=plain(run.headline), type="undecided")
        suites[_SUITE].append(case)
    system = run.plan.system
    counts = _counts([case for cases in suites.values() for case in cases])
    root = ET.Element("testsuites", {"name": shorten(f"{system.name} {system.version}", 200), **counts})
    for name, cases in suites.items():
        stamp = run.created.strftime("%Y-%m-%dT%H:%M:%S")
        suite = ET.SubElement(root, "testsuite", {"name": shorten(name, 200), "timestamp": stamp, **_counts(cases)})
        suite.append(_properties({"run": run.id, "plan_digest": run.plan_digest, "decision": run.decision.value}))
        suite.extend(cases)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(verdict: Verdict) -> ET.Element:
    requirement = verdict.requirement
    case = ET.Element(
        "testcase",
        classname=shorten(verdict.evaluation, 200),
        name=shorten(f"{requirement.id}: {sentences.title(requirement)}", 250),
        time="0",
    )
    facts = {"verdict": verdict.outcome.value, "severity": requirement.severity, "bound": sentences.bound(requirement)}
    if verdict.estimate is not None:
        facts["estimate"] = numbers.estimate(verdict.estimate, named=True, n=True)
        if verdict.estimate.missing:
            facts["missing"] = sentences.missing(verdict.estimate)
    if requirement.controls:
        facts["controls"] = ", ".join(requirement.controls)
    case.append(_properties(facts))
    if verdict.outcome is Outcome.MET:
        return case
    found = plain(f"{verdict.outcome.value}: {sentences.why(verdict)}")
    if verdict.waiver is not None:
        ET.SubElement(case, "skipped", message=f"{plain(sentences.next_step(verdict))}; {found}")
    elif requirement.severity == "minor":
        ET.SubElement(case, "skipped", message=f"minor, {found}")
    else:
        kind = "failure" if verdict.outcome is Outcome.BREACHED else "error"
        ET.SubElement(case, kind, message=found, type=verdict.outcome.value).text = plain(
            f"{facts.get('estimate', 'no estimate')}; {sentences.bound(requirement)}; {sentences.next_step(verdict)}"
        )
    return case


def _properties(facts: dict[str, str]) -> ET.Element:
    found = ET.Element("properties")
    for name, value in facts.items():
        ET.SubElement(found, "property", name=name, value=shorten(value, 500))
    return found


def _counts(cases: list[ET.Element]) -> dict[str, str]:
    def having(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    return {
        "tests": str(len(cases)),
        "failures": having("failure"),
        "errors": having("error"),
        "skipped": having("skipped"),
        "time": "0",
    }
