"""A requirement as a test: the fixture `shipworthy` judges tables, and a plan collects as one test per requirement.

Loaded by every pytest run of an environment that has Shipworthy installed, so nothing heavy is imported before a test
asks.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from shipworthy.api.frames import Evaluation
    from shipworthy.evidence.run import Run
    from shipworthy.gates.verdicts import Verdict
    from shipworthy.plan.models import Requirement

UNDECIDED = ("fail", "skip", "xfail")
_SYSTEM = re.compile(r"^system\s*:", re.MULTILINE)  # every plan has it on its first level


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--shipworthy-undecided` and the ini options."""
    parser.getgroup("shipworthy").addoption(
        "--shipworthy-undecided",
        choices=UNDECIDED,
        help="What an undecided requirement does to its test (default: ini option shipworthy_undecided, else fail).",
    )
    parser.addini(
        "shipworthy_undecided", "fail, skip or xfail: what an undecided requirement does to its test", default="fail"
    )
    parser.addini("shipworthy_plans", "plan files to collect, each requirement one test", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Collect the plans of the ini file where the command line names no path, wherever they lie."""
    if config.getini("shipworthy_undecided") not in UNDECIDED:
        raise pytest.UsageError(f"shipworthy_undecided is one of {', '.join(UNDECIDED)}")
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    roots = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args]
    for plan in config.getini("shipworthy_plans"):
        if not any(plan.resolve().is_relative_to(root) for root in roots):
            config.args.append(str(plan))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PlanFile | None:
    """Collect a plan that the ini file names, or a YAML file named on the command line that reads like a plan."""
    listed = file_path.resolve() in {plan.resolve() for plan in parent.config.getini("shipworthy_plans")}
    if listed or (parent.session.isinitpath(file_path) and _reads_like_a_plan(file_path)):
        found: PlanFile = PlanFile.from_parent(parent, path=file_path)
        return found
    return None


def _reads_like_a_plan(path: Path) -> bool:
    if path.suffix not in (".yaml", ".yml"):
        return False
    return path.name == "shipworthy.yaml" or bool(_SYSTEM.search(path.read_text("utf-8", errors="replace")))


class PlanFile(pytest.File):
    """A plan: checked once, when its first requirement is tested."""

    _run: Run | None = None

    def collect(self) -> Iterable[RequirementItem]:
        """One item for each requirement. A plan with faults is a collection error that lists them all."""
        from shipworthy.api.checking import load
        from shipworthy.errors import Unusable

        try:
            requirements = load(self.path).plan.requirements
        except Unusable as error:
            raise self.CollectError(str(error)) from None
        if not requirements:
            raise self.CollectError(f"{self.path.name} requires nothing, so there is nothing to test")
        for requirement in requirements:
            yield RequirementItem.from_parent(self, name=requirement.id, requirement=requirement)

    def verdict(self, requirement: str) -> Verdict:
        """The verdict on a requirement, by its id. Raises Unusable when the data cannot be used. Writes nothing."""
        from shipworthy.api.checking import check

        if self._run is None:
            with _quiet():
                self._run = check(self.path, write=False)
        return next(one for one in self._run.verdicts if one.requirement.id == requirement)


class RequirementItem(pytest.Item):
    """One requirement of a plan."""

    def __init__(self, *, requirement: Requirement, **more: Any) -> None:
        super().__init__(**more)
        self._requirement = requirement

    def runtest(self) -> None:
        """Judge it."""
        assert isinstance(self.parent, PlanFile)
        _act(self.parent.verdict(self.name), self.config)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The verdict's words, or the faults of data that cannot be used; no traceback."""
        from shipworthy.errors import ShipworthyError

        if isinstance(excinfo.value, ShipworthyError | pytest.fail.Exception):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is and what it promises."""
        return self.path, None, f"{self.name}: {self._requirement.text or self._requirement.metric}"


class Claims:
    """An evaluated table whose claims are tests. `evaluation` holds everything that was measured."""

    def __init__(self, evaluation: Evaluation, config: pytest.Config) -> None:
        self.evaluation, self._config = evaluation, config

    def require(self, metric: str, **claim: Any) -> Verdict:
        """Judge a claim (see `Evaluation.require`); the test fails when it is breached, and goes on when it is met."""
        __tracebackhide__ = True
        from shipworthy.errors import Unusable

        try:
            with _quiet():
                verdict = self.evaluation.require(metric, **claim)
        except Unusable as error:
            faults = str(error)
            pytest.fail(faults)
        _act(verdict, self._config)
        return verdict


class Gate:
    """What the fixture `shipworthy` gives."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def evaluate(self, frame: Any, **settings: Any) -> Claims:
        """Evaluate a pandas, Polars or Arrow table, or a dict of columns: as `shipworthy.evaluate`."""
        __tracebackhide__ = True
        from shipworthy.api.frames import evaluate
        from shipworthy.errors import Unusable

        try:
            with _quiet():
                return Claims(evaluate(frame, **settings), self._config)
        except Unusable as error:
            faults = str(error)
        pytest.fail(faults)


@pytest.fixture(name="shipworthy")
def _shipworthy(request: pytest.FixtureRequest) -> Gate:
    """Evaluate tables and require claims of them: shipworthy.evaluate(frame, ...).require("fpr", at_most=0.1)."""
    return Gate(request.config)


@contextmanager
def _quiet() -> Iterator[None]:
    """Deprecations inside our dependencies are not the user's: a suite that turns warnings into errors still runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _act(verdict: Verdict, config: pytest.Config) -> None:
    """Pass, fail, skip or xfail. A minor requirement stops no release: where it is not met, the test is skipped."""
    __tracebackhide__ = True
    outcome, text = str(verdict.outcome), told(verdict)
    if outcome == "met":
        return
    if verdict.requirement.severity == "minor":
        pytest.skip(f"minor, {text}")
    if verdict.waiver is not None:
        pytest.skip(f"waived until {verdict.waiver.ends}, {text}")
    chosen = config.getoption("shipworthy_undecided") or config.getini("shipworthy_undecided")
    if outcome == "undecided" and chosen != "fail":
        (pytest.skip if chosen == "skip" else pytest.xfail)(text)
    pytest.fail(text)


def told(verdict: Verdict) -> str:
    """A verdict that is not met, for a person who reads a test report: what, estimate, bound, and what is needed."""
    from shipworthy.present import numbers, sentences

    requirement, estimate = verdict.requirement, verdict.estimate
    claim = sentences.claim(requirement)
    lines = [
        f"{verdict.outcome}: {requirement.id}: {sentences.title(requirement)}",
        *([f"  claim     {claim}"] if requirement.text else []),
        f"  estimate  {numbers.estimate(estimate, n=True) if estimate else 'none'}",
        f"  why       {sentences.why(verdict)}",
    ]
    label = "needed" if verdict.outcome == "undecided" else "beyond"
    step = sentences.next_step(verdict)
    return "\n".join([*lines, f"  {label}    {step}"] if step != numbers.NOTHING else lines)
