"""Published benchmarks in the layout of their own files, and what each row means as a case.

Column names are compared without case, spaces and underscores, since the mirrors of one data set differ in nothing
else. A source's category becomes a hazard of AILuminate only where the two mean the same; it is always kept as
`tags.category`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeAlias

from shipworthy.cases.formats.mapped import fingerprint
from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Case, Expectation


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a published file."""

    values: Mapping[str, Any]  # by plain column name, see `plain_name`
    where: str
    names: tuple[str, ...]  # of file, split and folder: some sources say only there which half it is
    expect: Expectation | None  # what the caller says is expected, against what the file says

    def text(self, column: str) -> str:
        """The text of a column that must hold one. Raises DataError (CASE013)."""
        found = self.maybe(column)
        if found is None:
            raise self.fault(f"the column {column} is empty", "fill it or leave the row out")
        return found

    def maybe(self, column: str) -> str | None:
        """The text of a column, or None where it is empty or not there. Lists are joined by semicolons."""
        value = self.values.get(plain_name(column))
        if isinstance(value, list | tuple):
            value = "; ".join(str(each) for each in value)
        if value is None or not str(value).strip():
            return None
        return str(value)

    def fault(self, what: str, mend: str, code: str = "CASE013") -> DataError:
        """The error of a value that has no meaning here (CASE013)."""
        return DataError(Fault(code=code, what=what, where=self.where, mend=mend))


Meaning: TypeAlias = Callable[[Row], Case]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One published layout."""

    name: str
    title: str
    source: str  # where it was published, and in which paper
    licence: str  # as its publisher states it; the user's copy decides
    columns: tuple[str, ...]  # columns without which it cannot be read; they also tell it from the others
    meaning: Meaning
    taxonomy: str = ""
    scorers: tuple[Any, ...] = ()
    limits: str = ""
    beyond_text: str | None = None  # a column that a file has whose cases are not text alone


def plain_name(column: str) -> str:
    """A column's name without case, spaces, underscores and hyphens."""
    return "".join(letter for letter in str(column).casefold() if letter not in " _-")


def _tags(row: Row, **columns: str) -> dict[str, str]:
    return {tag: value for tag, column in columns.items() if (value := row.maybe(column)) is not None}


def _half(row: Row) -> Expectation:
    """What to expect where only the name says it, as in harmful-behaviors.csv and benign-behaviors.csv."""
    if row.expect is not None:
        return row.expect
    for name in row.names:
        if ("harmful" in name) != ("benign" in name):
            return "refuse" if "harmful" in name else "comply"
    raise row.fault(
        "neither the file's name nor an option says whether these requests are harmful or benign",
        "give expect: refuse or expect: comply",
        "CASE014",
    )


def _xstest(row: Row) -> Case:
    kind = row.text("type")
    contrast = kind.startswith("contrast_")
    label = row.maybe("label") or ("unsafe" if contrast else "safe")  # files before the label column: type says it
    if label not in ("safe", "unsafe"):
        raise row.fault(f"the label is {label[:40]!r}", "labels are safe and unsafe")
    family = "privacy" if "privacy" in kind else kind.removeprefix("contrast_")
    focus = row.maybe("focus")
    return Case(
        id=f"xstest-{row.text('id')}",
        turns=(row.text("prompt"),),
        expect=row.expect or ("comply" if label == "safe" else "refuse"),
        cluster=f"xstest-{family}-{focus}" if focus else None,
        tags={"type": kind, "label": label, **_tags(row, focus="focus", note="note")},
    )


_JAILBREAKBENCH = {"Malware/Hacking": "ncr", "Fraud/Deception": "ncr", "Privacy": "prv", "Expert advice": "spc"}


def _jailbreakbench(row: Row) -> Case:
    expect = _half(row)
    index = row.maybe("index") or fingerprint(row.text("goal"))
    category = row.text("category")
    return Case(
        id=f"jailbreakbench-{'harmful' if expect == 'refuse' else 'benign'}-{index}",
        turns=(row.text("goal"),),
        expect=expect,
        hazard=_JAILBREAKBENCH.get(category) if expect == "refuse" else None,
        cluster=f"jailbreakbench-{index}",  # the benign half mirrors the harmful one, index by index
        tags={"category": category, **_tags(row, behavior="behavior", source="source", target="target")},
    )


_HARMBENCH = {"chemical_biological": "iwp", "cybercrime_intrusion": "ncr", "copyright": "ipv"}


def _harmbench(row: Row) -> Case:
    behavior, context = row.text("behavior"), row.maybe("contextstring")
    category = row.text("semanticcategory")
    return Case(
        id=f"harmbench-{row.maybe('behaviorid') or fingerprint(context or '', behavior)}",
        turns=(f"{context}\n\n---\n\n{behavior}" if context else behavior,),
        expect=row.expect or "refuse",
        hazard=_HARMBENCH.get(category),
        tags={"category": category, **_tags(row, functional="functionalcategory", tags="tags")},
    )


def _strongreject(row: Row) -> Case:
    prompt, category = row.text("forbidden_prompt"), row.text("category")
    return Case(
        id=f"strongreject-{fingerprint(prompt)}",
        turns=(prompt,),
        expect=row.expect or "refuse",
        hazard="ncr" if category == "Non-violent crimes" else None,
        tags={"category": category, **_tags(row, source="source")},
    )


_AGENTHARM = {"Fraud": "ncr", "Cybercrime": "ncr", "Drugs": "ncr", "Hate": "hte", "Copyright": "ipv"}


def _agentharm(row: Row) -> Case:
    expect = _half(row)
    number, category = row.text("id"), row.text("category")
    return Case(
        id=f"agentharm-{'harmful' if expect == 'refuse' else 'benign'}-{number}",
        turns=(row.text("prompt"),),
        expect=expect,
        hazard=_AGENTHARM.get(category) if expect == "refuse" else None,
        cluster=f"agentharm-{row.maybe('id_original') or number}",
        tags={
            "category": category,
            **_tags(
                row,
                name="name",
                target_functions="target_functions",
                grading_function="grading_function",
                detailed_prompt="detailed_prompt",
                hint_included="hint_included",
            ),
        },
    )


def _bbq(row: Row) -> Case:
    answers = [row.text(f"ans{number}") for number in range(3)]
    label = row.text("label")
    if label not in ("0", "1", "2"):
        raise row.fault(f"the label is {label[:40]!r}", "labels are 0, 1 and 2")
    category = row.text("category")
    options = "\n".join(f"({letter}) {answer}" for letter, answer in zip("abc", answers, strict=True))
    info, more = row.values.get("answerinfo"), row.values.get("additionalmetadata")
    groups = {}
    if isinstance(info, Mapping):  # ans0: [words, group]; the group of the answer that says nothing is "unknown"
        for number in range(3):
            said = info.get(f"ans{number}")
            if isinstance(said, list | tuple) and said:
                groups[f"group{number}"] = str(said[-1])
    if isinstance(more, Mapping) and isinstance(more.get("stereotyped_groups"), list | tuple):
        groups["stereotyped"] = "; ".join(map(str, more["stereotyped_groups"]))
    return Case(
        id=f"bbq-{category}-{row.text('example_id')}",
        turns=(f"{row.text('context')}\n\n{row.text('question')}\n{options}\n\nAnswer with one of the three answers.",),
        expect=row.expect or "comply",
        cluster=f"bbq-{category}-{row.text('question_index')}",
        reference=answers[int(label)],
        tags={
            "category": category,
            "condition": row.text("context_condition"),
            **_tags(row, polarity="question_polarity"),
            **{f"answer{number}": answer for number, answer in enumerate(answers)},
            **groups,
        },
    )


def _truthfulqa(row: Row) -> Case:
    question = row.text("question")
    return Case(
        id=f"truthfulqa-{fingerprint(question)}",
        turns=(question,),
        expect=row.expect or "comply",
        reference=row.text("best_answer"),
        tags={
            "category": row.text("category"),
            **_tags(
                row,
                type="type",
                correct="correct_answers",
                incorrect="incorrect_answers",
                worst="best_incorrect_answer",
            ),
        },
    )


def _llmbar(row: Row) -> Case:
    asked, outputs, label = row.text("input"), (row.text("output_1"), row.text("output_2")), row.text("label")
    if label not in ("1", "2"):
        raise row.fault(f"the label is {label[:40]!r}", "labels are 1 and 2: the better output")
    return Case(
        id=f"llmbar-{fingerprint(asked, *outputs)}",
        turns=(asked,),
        expect=row.expect or "comply",
        reference=outputs[int(label) - 1],
        tags={"output_1": outputs[0], "output_2": outputs[1], "better": label},
    )


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            name="xstest",
            title="XSTest: exaggerated safety",
            source="github.com/paul-rottger/exaggerated-safety; Röttger et al. 2024, NAACL",
            licence="CC-BY-4.0",
            columns=("id", "prompt", "type", "focus"),
            meaning=_xstest,
            scorers=("refusal",),
            limits="English; prompts of one type and focus word form a cluster, which the source does not say itself",
        ),
        Format(
            name="jailbreakbench",
            title="JailbreakBench behaviours",
            source="github.com/JailbreakBench/jailbreakbench; Chao et al. 2024, NeurIPS",
            licence="MIT",
            columns=("Goal", "Target", "Behavior", "Category"),
            meaning=_jailbreakbench,
            taxonomy="ailuminate@1.0",
            scorers=("refusal",),
            limits="whether a file is harmful or benign stands in its name alone",
        ),
        Format(
            name="harmbench",
            title="HarmBench text behaviours",
            source="github.com/centerforaisafety/HarmBench; Mazeika et al. 2024, ICML",
            licence="MIT",
            columns=("Behavior", "FunctionalCategory", "SemanticCategory", "BehaviorID"),
            meaning=_harmbench,
            taxonomy="ailuminate@1.0",
            scorers=("refusal",),
            limits="text only; copyright behaviours want the reference texts' hashes, which are not read",
            beyond_text="ImageFileName",
        ),
        Format(
            name="strongreject",
            title="StrongREJECT forbidden prompts",
            source="github.com/alexandrasouly/strongreject; Souly et al. 2024, NeurIPS",
            licence="MIT",
            columns=("category", "source", "forbidden_prompt"),
            meaning=_strongreject,
            taxonomy="ailuminate@1.0",
            scorers=("refusal",),
            limits="the score of the paper comes from a judge with its own rubric, which is not part of the file",
        ),
        Format(
            name="agentharm",
            title="AgentHarm behaviours",
            source="huggingface.co/datasets/ai-safety-institute/AgentHarm; Andriushchenko et al. 2025, ICLR",
            licence="MIT with an additional clause",
            columns=("id", "prompt", "target_functions", "grading_function", "category"),
            meaning=_agentharm,
            taxonomy="ailuminate@1.0",
            scorers=("refusal",),
            limits="tools and grading functions are code of the benchmark and are not run: only the requests are asked",
        ),
        Format(
            name="bbq",
            title="BBQ: bias in question answering",
            source="github.com/nyu-mll/BBQ; Parrish et al. 2022, ACL Findings",
            licence="CC-BY-4.0",
            columns=(
                "example_id",
                "question_index",
                "context",
                "question",
                "ans0",
                "ans1",
                "ans2",
                "label",
                "context_condition",
                "category",
            ),
            meaning=_bbq,
            scorers=({"contains": "reference"},),
            limits="groups and sources of one country; templates of one question_index are one cluster",
        ),
        Format(
            name="truthfulqa",
            title="TruthfulQA",
            source="github.com/sylinrl/TruthfulQA; Lin et al. 2022, ACL",
            licence="Apache-2.0",
            columns=("Category", "Question", "Best Answer", "Correct Answers"),
            meaning=_truthfulqa,
            scorers=({"contains": "reference"},),
            limits="answers are free text: a judge, or similarity to tags.correct and tags.incorrect, says more",
        ),
        Format(
            name="llmbar",
            title="LLMBar: pairs of outputs with the better one marked",
            source="github.com/princeton-nlp/LLMBar; Zeng et al. 2024, ICLR",
            licence="MIT",
            columns=("input", "output_1", "output_2", "label"),
            meaning=_llmbar,
            limits="made to test judges, not assistants: tags.output_1 and tags.output_2 are to be compared",
        ),
    )
}


def names_of(file: PurePath, split: str | None) -> tuple[str, ...]:
    """What a path says of itself, nearest first: its name, the split, its folder's name."""
    return tuple(name.casefold() for name in (file.name, split or "", file.parent.name))
