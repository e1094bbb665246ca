"""One peer asks a local OpenAI-compatible endpoint the same cases, the way its documentation tells its users to.

    python peers.py NAME BASE_URL CASES.jsonl CONCURRENCY FOLDER

Each runs in an environment that has the peer, asks every case once, scores each answer by whether it contains a word,
keeps what the peer keeps by default, and prints how many results the peer itself says that it has.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORD = "help"
Driver = Callable[[str, Path, int, Path], int]


def inspect(base: str, cases: Path, concurrency: int, folder: Path) -> int:
    """A task with the `includes` scorer, asked of the provider for OpenAI-compatible servers."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import FieldSpec, json_dataset
    from inspect_ai.model import get_model
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    task = Task(
        dataset=json_dataset(str(cases), FieldSpec(input="prompt", target="word", id="id")),
        solver=generate(),
        scorer=includes(),
    )
    (log,) = eval(
        task,
        model=get_model("openai-api/local/local", base_url=base, api_key="none"),
        max_connections=concurrency,
        max_samples=concurrency,
        log_dir=str(folder),
        display="none",
    )
    assert log.results is not None, log.error
    return int(log.results.completed_samples)


def deepeval(base: str, cases: Path, concurrency: int, folder: Path) -> int:
    """It leaves asking to its users, so the quickest way there is; then `evaluate` with a metric of one's own."""
    import aiohttp
    from deepeval import evaluate
    from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig
    from deepeval.metrics import BaseMetric
    from deepeval.test_case import LLMTestCase

    class Contains(BaseMetric):  # type: ignore[misc]
        threshold = 0.5

        def measure(self, test_case: Any, *_: Any, **__: Any) -> float:
            self.score = float(WORD in test_case.actual_output)
            self.success = self.score >= self.threshold
            return self.score

        async def a_measure(self, test_case: Any, *_: Any, **__: Any) -> float:
            return self.measure(test_case)

        def is_successful(self) -> bool:
            return bool(self.success)

    os.chdir(folder)

    async def answers(prompts: list[str]) -> list[Any]:
        waiting = iter(prompts)
        found = []

        async def work(session: aiohttp.ClientSession) -> None:
            for prompt in waiting:
                body = {"model": "local", "messages": [{"role": "user", "content": prompt}]}
                async with session.post(base + "/chat/completions", json=body) as response:
                    said = await response.json()
                found.append(LLMTestCase(input=prompt, actual_output=said["choices"][0]["message"]["content"]))

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(work(session) for _ in range(concurrency)))
        return found

    said = asyncio.run(answers([case["prompt"] for case in _read(cases)]))
    found = evaluate(
        said,
        [Contains()],
        async_config=AsyncConfig(max_concurrent=concurrency),
        display_config=DisplayConfig(show_indicator=False, print_results=False, inspect_after_run=False),
        cache_config=CacheConfig(write_cache=False),
    )
    return sum(bool(result.metrics_data) for result in found.test_results)


def garak(base: str, cases: Path, concurrency: int, folder: Path) -> int:
    """A probe with our prompts and a string detector, asked of the generator for OpenAI-compatible servers."""
    options = {"openai": {"OpenAICompatible": {"uri": base + "/", "model": "local"}}}
    (folder / "options.json").write_text(json.dumps(options))
    start = (
        "import json, sys\n"
        "import garak.probes.test, garak.detectors.always\n"
        "from garak.detectors.base import StringDetector\n"
        f"garak.probes.test.Blank.prompts = [json.loads(line)['prompt'] for line in open({str(cases)!r})]\n"
        "garak.probes.test.Blank.primary_detector = 'always.Fail'\n"
        "found = StringDetector.detect\n"
        "def detect(self, attempt):\n"
        f"    self.substrings, self.matchtype, self.case_sensitive, self.normalize = [{WORD!r}], 'str', False, None\n"
        "    return found(self, attempt)\n"
        "garak.detectors.always.Fail.detect = detect\n"
        "from garak import cli\n"
        "cli.main(sys.argv[1:])\n"
    )
    arguments = ["--target_type", "openai.OpenAICompatible", "--target_name", "local", "--probes", "test.Blank"]
    arguments += ["--generator_option_file", str(folder / "options.json"), "--generations", "1"]
    arguments += ["--parallel_attempts", str(concurrency), "--report_prefix", str(folder / "garak")]
    _run([sys.executable, "-c", start, *arguments], folder)
    rows = _read(folder / "garak.report.jsonl")
    return sum(row.get("entry_type") == "attempt" and bool(row.get("detector_results")) for row in rows)


def promptfoo(base: str, cases: Path, concurrency: int, folder: Path) -> int:
    """A configuration with a `contains` assertion, asked of the OpenAI provider, without its cache."""
    provider = {"id": "openai:chat:local", "config": {"apiBaseUrl": base, "apiKey": "none"}}
    tests = [
        {"vars": {"prompt": case["prompt"]}, "assert": [{"type": "contains", "value": WORD}]} for case in _read(cases)
    ]
    config = {"prompts": ["{{prompt}}"], "providers": [provider], "tests": tests}
    (folder / "promptfooconfig.json").write_text(json.dumps(config))
    command = [str(_promptfoo()), "eval", "-c", "promptfooconfig.json", "--no-cache", "--no-table", "--no-progress-bar"]
    _run([*command, "-j", str(concurrency), "-o", "results.json"], folder)
    found = json.loads((folder / "results.json").read_text("utf-8"))["results"]
    return sum(bool(row.get("response", {}).get("output")) for row in found["results"])


def lm_eval(base: str, cases: Path, concurrency: int, folder: Path) -> int:
    """A task that generates and matches exactly, asked of `local-chat-completions`."""
    import lm_eval as library
    from lm_eval.tasks import TaskManager

    task = {
        "task": "answers",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(cases)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{word}}",
        "generation_kwargs": {"until": [], "max_gen_toks": 200},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (folder / "answers.yaml").write_text(json.dumps(task))
    found = library.simple_evaluate(
        model="local-chat-completions",
        model_args={
            "model": "local",
            "base_url": base + "/chat/completions",
            "num_concurrent": concurrency,
            "tokenized_requests": False,
            "tokenizer_backend": None,
        },
        tasks=["answers"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    assert found is not None
    return sum(bool(sample["filtered_resps"][0]) for sample in found["samples"]["answers"])


def mlflow(base: str, cases: Path, concurrency: int, folder: Path) -> int:
    """`genai.evaluate` with a predict function on the openai client and a scorer of one's own."""
    os.environ["MLFLOW_GENAI_EVAL_MAX_WORKERS"] = str(concurrency)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    import mlflow as library
    from mlflow.genai.scorers import scorer
    from openai import OpenAI

    client = OpenAI(base_url=base, api_key="none")

    def answer(prompt: str) -> str:
        said = client.chat.completions.create(model="local", messages=[{"role": "user", "content": prompt}])
        return str(said.choices[0].message.content)

    @scorer  # type: ignore[untyped-decorator]
    def contains(outputs: str) -> bool:
        return WORD in outputs

    library.set_experiment("answers")
    data = [{"inputs": {"prompt": case["prompt"]}} for case in _read(cases)]
    found = library.genai.evaluate(data=data, scorers=[contains], predict_fn=answer)
    assert found.result_df is not None
    return int(found.result_df["contains/value"].notna().sum())


DRIVERS: dict[str, Driver] = {
    "lm_eval": lm_eval,
    "deepeval": deepeval,
    "garak": garak,
    "promptfoo": promptfoo,
    "inspect": inspect,
    "mlflow": mlflow,
}
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DO_NOT_TRACK": "1",
    "GRPC_VERBOSITY": "ERROR",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OPENAICOMPATIBLE_API_KEY": "none",
    "OPENAI_API_KEY": "none",
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
}


def _promptfoo() -> Path:
    return Path(sys.prefix) / "npm" / "node_modules" / ".bin" / "promptfoo"


def version(name: str) -> str | None:
    """Which version is installed here; None where it is not."""
    from importlib import metadata

    if name == "promptfoo":
        about = _promptfoo().parents[1] / "promptfoo" / "package.json"
        return str(json.loads(about.read_text("utf-8"))["version"]) if about.is_file() else None
    try:
        return metadata.version({"inspect": "inspect-ai", "lm_eval": "lm-eval"}.get(name, name))
    except metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=sys.stderr, check=False)
    if done.returncode not in (0, 100):  # promptfoo ends with 100 where an assertion failed
        raise SystemExit(f"it ended with exit code {done.returncode}")


def main() -> None:
    if sys.argv[1] == "versions":
        json.dump({name: version(name) for name in DRIVERS}, sys.stdout)
        return
    name, base, cases, concurrency, folder = sys.argv[1:]
    os.environ.update(QUIET | {"HOME": folder, "XDG_DATA_HOME": folder, "XDG_CACHE_HOME": folder})
    kept = os.dup(1)
    os.dup2(2, 1)  # what a peer prints is not the result
    results = DRIVERS[name](base, Path(cases), int(concurrency), Path(folder))
    os.write(kept, json.dumps({"results": results}).encode())


if __name__ == "__main__":
    main()
