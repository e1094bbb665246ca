"""A workshop for attacks: a sound plan and rows, one thing spoilt at a time, run through the real command line."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

PLAN: dict[str, Any] = {
    "system": {"name": "lending"},
    "evaluations": {
        "decisions": {
            "data": "rows.csv",
            "roles": {"label": "y", "prediction": "p", "score": "s"},
            "slices": ["sex"],
            "metrics": ["accuracy", "tpr", "selection_rate"],
        }
    },
    "requirements": [{"id": "R1", "metric": "tpr", "across": "sex", "compare": "difference", "at_most": 0.2}],
}
CODE = re.compile(r"^[A-Z]+\d{3}(?=  )", re.MULTILINE)


def rows(n: int = 120, header: str = "y,p,s,sex") -> str:
    """A sound CSV: binary labels and predictions, scores in [0, 1), two sexes."""
    lines = (f"{i % 2},{i // 2 % 2},{i % 10 / 10},{'fm'[i // 3 % 2]}" for i in range(n))
    return "\n".join([header, *lines]) + "\n"


@dataclass
class Outcome:
    """What a run of the command line did."""

    result: Result
    folder: Path  # the run's, which may not be there
    left: set[str]  # what else it left behind

    @property
    def code(self) -> int:
        return self.result.exit_code

    @property
    def codes(self) -> list[str]:
        return CODE.findall(self.result.stderr)

    @property
    def results(self) -> dict[str, Any]:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} in results.json")

        return json.loads((self.folder / "results.json").read_text("utf-8"), parse_constant=refuse)

    def sound(self) -> Outcome:
        """Whatever happened, it was meant to: an exit code that is documented, no traceback, nothing half-written."""
        told = self.result.stdout + self.result.stderr
        assert self.result.exception is None or isinstance(self.result.exception, SystemExit), told
        assert self.code in (0, 1, 2, 3), told
        assert "Traceback" not in told, told
        assert "CALL001" not in told, told
        assert self.left <= (set() if self.code == 2 else {".shipworthy"}), self.left  # the record of a run
        if self.code == 2:
            assert self.codes, told
            assert "  mend   " in self.result.stderr, told
            assert "  where  " in self.result.stderr, told
            assert not (self.folder / "results.json").exists(), told
        else:
            assert self.results["schema"] == "shipworthy/results@1"
            for estimate in self.results["estimates"]:
                assert (estimate["value"] is None) == (estimate["reason"] is not None) or estimate["low"] is None, (
                    estimate
                )
        return self

    def refused(self, *codes: str) -> Outcome:
        """It was refused with exactly these codes, in this order."""
        self.sound()
        assert self.code == 2, self.result.stdout
        assert self.codes == list(codes), self.result.stderr
        return self


class Workshop:
    """Spoil, run, look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.write("rows.csv", rows())

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def plan(
        self, *, requirements: list[Any] | None = None, top: dict[str, Any] | None = None, **evaluation: Any
    ) -> Path:
        plan = copy.deepcopy(PLAN) | (top or {})
        decisions = plan["evaluations"]["decisions"]
        decisions |= evaluation
        for key in [key for key, value in decisions.items() if value is None]:
            del decisions[key]
        if requirements is not None:
            plan["requirements"] = requirements
        text = json.dumps(plan, ensure_ascii=False)  # YAML, but for characters that YAML wants as escapes
        return self.write(
            "plan.yaml", re.sub("[\x7f-\x9f\u202a-\u202e]", lambda found: f"\\u{ord(found[0]):04x}", text)
        )

    def run(self, plan: str | bytes | None = None, *arguments: str, **evaluation: Any) -> Outcome:
        """Run `shipworthy check` in this process."""
        from shipworthy.cli import main

        path = self.plan(**evaluation) if plan is None else self.write("plan.yaml", plan)
        before = {entry.name for entry in self.folder.iterdir()}
        result = CliRunner().invoke(main, ["check", str(path), "--out", str(self.out), *arguments])
        left = {entry.name for entry in self.folder.iterdir()} - before - {"out", "__pycache__"}
        return Outcome(result, self.out, left)


def claim(across: Any = "sex", **more: Any) -> list[dict[str, Any]]:
    """One requirement: the gap in true positive rates along an axis."""
    return [{"id": "R1", "metric": "tpr", "across": across, "compare": "difference", "at_most": 0.2} | more]
