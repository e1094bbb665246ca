from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from shipworthy.api.evaluating import Evaluated
    from shipworthy.estimate.estimates import Estimate
    from shipworthy.gates.verdicts import Verdict

# The same examples in every run, so that what was green stays green; HYPOTHESIS_PROFILE=new draws others. No example
# fails for being slow, which would be the machine's doing.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.register_profile("same", PATIENT, derandomize=True)
settings.register_profile("new", PATIENT, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

HANGS: Final = 180  # seconds of the processor: what takes a hundred times as long as it should has no end

SHARED = Path(__file__).parents[2] / "shared" / "data"
Evaluate = Callable[..., "Measured"]


@pytest.fixture
def ends() -> Iterator[None]:
    """Fails a test whose work has no end, as where time grows with the square of what somebody sends.

    It counts what the process itself computes, so that neither other work nor a slow machine comes near.
    """

    def stop(*_: object) -> None:
        raise AssertionError(f"after {HANGS} seconds of computing there was no end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGS)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The path of a public data set that lies beside the repository, e.g.
    `compas/compas-two-years-deidentified.csv`.
    """

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"the public data set {name} is not in ../shared/data")
        return path

    return find


class Measured:
    """What one evaluation found, looked up the way a test asks for it."""

    def __init__(self, evaluated: Evaluated) -> None:
        self.evaluated = evaluated

    def __call__(
        self, metric: str, across: str = "", level: Any = None, *, at: float = 0.95, variant: str | None = None
    ) -> Estimate:
        """The estimate of a metric for everyone, or for one level (or tuple of levels) of an axis."""
        wanted = level if isinstance(level, tuple) else (level,)
        for estimate in self.evaluated.measured.values[variant, metric, across].estimates(at):
            if not across or tuple(estimate.slice.values()) == wanted:
                return estimate
        raise KeyError(level)

    def values(self, metric: str, across: str) -> dict[Any, float | None]:
        """Level -> value."""
        arms = self.evaluated.measured.values[None, metric, across]
        return {next(iter(e.slice.values())): e.value for e in arms.estimates(0.95)}

    def change(self, metric: str, variant: str, across: str = "", *, at: float = 0.95) -> list[Estimate]:
        """Estimates of a paired change, one for each slice."""
        return self.evaluated.measured.changes[variant, metric, across].estimates(at)

    def judge(self, metric: str, across: str = "", *metrics: str, **bound: Any) -> Verdict:
        """The verdict on a requirement about the metric (or several)."""
        from shipworthy.gates.rules import judge
        from shipworthy.plan.models import Requirement

        requirement = Requirement(id="R", metric=metric, across=across or None, **bound)
        arms = [self.evaluated.measured.values[requirement.variant, name, across] for name in (metric, *metrics)]
        return judge(requirement, "rows", arms)


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """Evaluate a file or a table in memory: `evaluate(data, label=..., prediction=..., slices=..., metrics=...)`."""

    from shipworthy.api.evaluating import evaluate_rows
    from shipworthy.plan.models import Evaluation

    def run(data: Any, *, baseline: str | None = None, seed: int = 7, **settings: Any) -> Measured:
        roles = {
            role: settings.pop(role)
            for role in ("label", "prediction", "score", "scores", "lower", "upper", "positive", "id", "cluster",
                         "query", "weight")
            if role in settings
        }  # fmt: skip
        for key in ("metrics", "slices"):
            settings[key] = tuple(settings.get(key, ()))
        frame = None if isinstance(data, str | Path) else data
        model = Evaluation(data=str(data) if frame is None else "table", roles=roles, **settings)
        evaluated = evaluate_rows(
            "rows",
            model,
            frame=frame,
            resolve=lambda path: path,
            locate=lambda *path: ".".join(map(str, path)),
            rng=np.random.default_rng(seed),
            baseline=baseline,
            checks=False,
            digest=False,
            curves=False,
        )
        return Measured(evaluated)

    return run
