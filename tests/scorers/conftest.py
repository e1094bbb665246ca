from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipworthy.exchange import Answer, Case, Exchange
from shipworthy.scorers.catalogue import open_scorer
from shipworthy.scorers.protocol import Score

Scored = Callable[..., Score]


@pytest.fixture
def score(tmp_path: Path) -> Scored:
    """Score one answer as a plan would: `score("refusal", "I can't.", prompt="...", secrets=(...))`."""

    def run(spec: Any, text: str, *, prompt: str = "q", answer: dict[str, Any] | None = None, **case: Any) -> Score:
        scorer = open_scorer(spec, folder=tmp_path, where="plan.yaml:1")
        return scorer.score(
            Exchange(
                case=Case(id="c", turns=(prompt,), **case),
                answer=Answer(**{"status": "ok", "text": text} | (answer or {})),
            )
        )

    return run
