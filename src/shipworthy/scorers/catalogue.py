"""Which scorer a plan means: a name, or a mapping with the kind first and its settings after it.

    scorers: [refusal, {contains: reference}, {regex: "[0-9]{3}-[0-9]{4}", measures: leak, name: phone}]

`OURS` is what `shipworthy.scorers` registers for us; a stranger's package registers under the same group a function of
the same form, `open(options: Options) -> Scorer`, or a scorer's class that needs no settings.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from shipworthy import registry
from shipworthy.errors import Fault, Unusable
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import AskedScorer, Scorer

_ROOM = "shipworthy.scorers"
OURS: Mapping[str, str] = {  # kind -> module:function
    "bleu": f"{_ROOM}.overlap:open_bleu",
    "canary": f"{_ROOM}.leaks:open_leak",
    "citations": f"{_ROOM}.citations:open_citations",
    "classifier": f"{_ROOM}.models:open_classifier",
    "contains": f"{_ROOM}.matching:open_contains",
    "embedding": f"{_ROOM}.models:open_embedding",
    "entailment": f"{_ROOM}.models:open_entailment",
    "equals": f"{_ROOM}.matching:open_equals",
    "grounding": f"{_ROOM}.grounding:open_grounding",
    "judge": f"{_ROOM}.judge:open_judge",
    "json_schema": f"{_ROOM}.structure:open_json_schema",
    "json_valid": f"{_ROOM}.structure:open_json_valid",
    "language": f"{_ROOM}.shape:open_language",
    "leak": f"{_ROOM}.leaks:open_leak",
    "length": f"{_ROOM}.shape:open_length",
    "moderation": f"{_ROOM}.moderation:open_moderation",
    "pairwise": f"{_ROOM}.pairwise:open_pairwise",
    "personal_data": f"{_ROOM}.personal_data:open_personal_data",
    "prompt_overlap": f"{_ROOM}.leaks:open_prompt_overlap",
    "recorded": f"{_ROOM}.recorded:open_recorded",
    "refusal": f"{_ROOM}.refusal:open_refusal",
    "regex": f"{_ROOM}.matching:open_regex",
    "rouge_l": f"{_ROOM}.overlap:open_rouge_l",
    "rouge_n": f"{_ROOM}.overlap:open_rouge_n",
    "secrets": f"{_ROOM}.credentials:open_secrets",
    "token_f1": f"{_ROOM}.overlap:open_token_f1",
    "tool_calls": f"{_ROOM}.tool_calls:open_tool_calls",
}


def kinds() -> tuple[str, ...]:
    """Every kind of scorer that a plan may name, ours and strangers', sorted. Nothing is imported."""
    return tuple(sorted({*OURS, *registry.names("scorers")}))


def open_scorer(spec: str | Mapping[str, Any], *, folder: Path, where: str) -> Scorer | AskedScorer:
    """The scorer that a plan in `folder` means by `spec`; `where` is its place in the plan, for messages.

    Raises Unusable: SCORE001 no scorer of this kind, SCORE002 and SCORE003 its settings, whatever the registry says of
    a stranger's; MissingExtra.
    """
    kind, argument, given = _read(spec, where)
    opener = _opener(kind, where)
    options = Options(kind, argument, given, folder=folder, where=where)
    if isinstance(opener, type):
        options.done()
        return cast("Scorer | AskedScorer", opener())
    return opener(options)


def _read(spec: Any, where: str) -> tuple[str, Any, dict[str, Any]]:
    """Kind, its argument (None if it stands alone) and further settings."""
    if isinstance(spec, str):
        return spec, None, {}
    if not isinstance(spec, Mapping) or not spec or not all(isinstance(key, str) for key in spec):
        raise _unknown(str(spec), where)
    known = kinds()
    kind = next((key for key in spec if key in known), None)
    if kind is None:
        raise _unknown(next(iter(spec)), where)
    rest = {key: value for key, value in spec.items() if key != kind}
    argument = spec[kind]
    if isinstance(argument, Mapping) and not rest:  # {leak: {secrets: [...]}}: settings may stand one step deeper
        return kind, None, dict(argument)
    return kind, argument, rest


def _opener(kind: str, where: str) -> Callable[[Options], Scorer | AskedScorer]:
    if kind in OURS:
        module, function = OURS[kind].split(":")
        return cast("Callable[[Options], Scorer | AskedScorer]", getattr(import_module(module), function))
    if kind in registry.names("scorers"):
        return cast("Callable[[Options], Scorer | AskedScorer]", registry.load("scorers", kind, where=where))
    raise _unknown(kind, where)


def _unknown(kind: str, where: str) -> Unusable:
    known = kinds()
    close = difflib.get_close_matches(kind[:80], known, n=1)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return Unusable(
        Fault(
            code="SCORE001",
            what=f"there is no scorer {kind[:80]!r}",
            where=where,
            mend=f"{hint}there are: {', '.join(known)}",
        )
    )
