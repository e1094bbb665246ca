"""What decides a result beside the plan and the data: suites, rubrics, labels, prompts, attacks, files of models.

A plan names them, and its digest does not change with them. A lock and a run record their digests, so that a changed
rubric or model is named as what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipworthy.cases.attacks.catalogue import apply_attack
from shipworthy.cases.suite import Suite, open_suite
from shipworthy.digest import digest, file_digest
from shipworthy.evidence.attestations import MODEL
from shipworthy.exchange import Case
from shipworthy.plan.loading import LoadedPlan
from shipworthy.plan.models import Evaluation

_PROBE = Case(id="probe", turns=("Tell me how to open a door when the key is lost.",))
_ROLES: Mapping[str, str] = {"judge": "rubric", "pairwise": "rubric", "human_labels": "labels"}
_PROMPTS = (".md", ".txt")  # a system prompt of this ending is a file
_LONGEST_PATH = 1_000


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Digests of what a plan's evaluations rest on, and the rubrics themselves."""

    digests: Mapping[str, str]  # "misuse: rubric rubrics/harm.md" -> sha256:...
    rubrics: Mapping[str, bytes]  # path in the plan -> content


def materials(loaded: LoadedPlan) -> Materials:
    """Find and digest what the plan names. A file that is not there has no digest; who needs it says so.

    Raises Unusable where a suite or an attack cannot be used, OSError where a file cannot be read.
    """
    digests: dict[str, str] = {}
    rubrics: dict[str, bytes] = {}
    folder = loaded.path.parent
    for name, model in loaded.plan.evaluations.items():
        if not model.is_generative:
            digests |= {
                f"{name}{MODEL}{path} of {who}": file_digest(file) for who, path, file in _models(model, loaded)
            }
            continue
        suites = _suites(model, folder, loaded.locate(("evaluations", name, "suite")))
        for called, suite in suites.items():
            digests[f"{name}: suite {called}"] = digest([_cases_digest(suite), [repr(each) for each in suite.scorers]])
        for each in model.attacks:
            if each != "none":
                digests[f"{name}: attack {each}"] = _attack_digest(each, loaded.plan.seed)
        specs = list(model.scorers or (spec for suite in suites.values() for spec in suite.scorers))
        for role, path in _files(specs, folder):
            digests[f"{name}: {role} {path}"] = file_digest(folder / path)
            if role == "rubric":
                rubrics[path] = (folder / path).read_bytes()
        for subject in _subjects(model, specs):
            prompt = loaded.plan.subjects[subject].system if subject in loaded.plan.subjects else None
            if prompt is not None and prompt.endswith(_PROMPTS) and _is_file(folder, prompt):
                digests[f"{name}: system prompt {prompt} of {subject}"] = file_digest(folder / prompt)
    return Materials(digests=digests, rubrics=rubrics)


def _models(model: Evaluation, loaded: LoadedPlan) -> Iterator[tuple[str, str, Path]]:
    """Each subject that is a file: its name, the path in the plan, and the file."""
    for name in _subjects(model, ()):
        subject = loaded.plan.subjects.get(name)
        path = (subject.sklearn or subject.onnx) if subject is not None else None
        if path is not None and _is_file(loaded.path.parent, path):
            yield name, path, loaded.path.parent / path


def _suites(model: Evaluation, folder: Path, where: str) -> dict[str, Suite]:
    named = model.suite if isinstance(model.suite, tuple) else (model.suite,) if model.suite else ()
    found = {}
    for each in named:
        called = each if isinstance(each, str) else str(each.get("path", each.get("inspect")))
        found[called] = open_suite(each, folder=folder, where=where)
    return found


def _cases_digest(suite: Suite) -> str:
    if suite.files:
        return suite.digest()
    content = hashlib.sha256()  # cases that come from somebody's code
    for case in suite:
        content.update(repr(case).encode("utf-8", "backslashreplace"))
    return f"sha256:{content.hexdigest()}"


def _attack_digest(name: str, seed: int) -> str:
    """What an attack makes of one case: its parameters, its wording and its examples all show there."""
    asked = repr(apply_attack(name, _PROBE, seed=seed)).encode("utf-8", "backslashreplace")
    return f"sha256:{hashlib.sha256(asked).hexdigest()}"


def _files(specs: Sequence[Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Each setting of a scorer that is the path of a file beside the plan, and what the file is to it."""
    for spec in specs:
        if isinstance(spec, Mapping):
            for key, value in spec.items():
                if isinstance(value, str) and _is_file(folder, value):
                    yield _ROLES.get(key, key), value
                elif isinstance(value, Mapping):  # settings may stand one step deeper
                    yield from _files([value], folder)


def _subjects(model: Evaluation, specs: Sequence[Any]) -> Iterator[str]:
    """Everybody who is asked: the system, its variants, and judges."""
    asked = [model.subject, *(variant.subject for variant in model.variants.values())]
    asked += [spec["subject"] for spec in specs if isinstance(spec, Mapping) and isinstance(spec.get("subject"), str)]
    return (each for each in dict.fromkeys(asked) if each is not None)


def _is_file(folder: Path, text: str) -> bool:
    try:
        return len(text) <= _LONGEST_PATH and "\n" not in text and (folder / text).is_file()
    except (OSError, ValueError):  # a null character
        return False
