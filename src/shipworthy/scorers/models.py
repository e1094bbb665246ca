"""Scorers that are a model of the user's own choice: embedding similarity, text classification, entailment.

Models come from Hugging Face by name or folder and run here, on the processor or device that PyTorch finds; weights
are read as safetensors and no code of a repository is run. Loading happens at the first answer and once a process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from shipworthy.errors import Fault, MissingExtra, Unusable
from shipworthy.exchange import Exchange
from shipworthy.scorers.options import Options
from shipworthy.scorers.protocol import Measure, Range, Score
from shipworthy.scorers.text import encoded, quote

READ: Final = 20_000  # characters of an answer or reference; models read far fewer tokens
SENTENCES: Final = 40
_CUT = re.compile(r"(?<=[.!?])\s+|[。！？]+|\n+")


@lru_cache(maxsize=4)
def _loaded(model: str, head: str) -> tuple[Any, Any]:
    """Tokenizer and model, in evaluation mode. Raises MissingExtra, Unusable (SCORE004)."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(
            package="transformers", extra="huggingface", purpose=f"a scorer with the model {model!r}"
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        found = getattr(transformers, head).from_pretrained(model, trust_remote_code=False, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise Unusable(
            Fault(
                code="SCORE004",
                what=f"the model {model[:120]!r} cannot be loaded: {str(error).splitlines()[0][:200]}",
                where="scorers",
                mend="name a model of Hugging Face, or a folder, with safetensors weights and a tokenizer",
            )
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tokenizer, found.to(device).eval()


def _plain(text: str) -> str:
    return encoded(text[:READ]).decode("utf-8")


def _probabilities(model: str, first: Sequence[str], second: Sequence[str] | None = None) -> list[dict[str, float]]:
    """For each text, or pair, the probability of each of the model's labels, in lower case."""
    tokenizer, network = _loaded(model, "AutoModelForSequenceClassification")
    import torch

    most = min(int(getattr(tokenizer, "model_max_length", 512) or 512), 4096)
    batch = tokenizer(
        list(first),
        list(second) if second else None,
        truncation=True,
        max_length=most,
        padding=True,
        return_tensors="pt",
    ).to(network.device)
    with torch.inference_mode():
        logits = network(**batch).logits
    several = network.config.problem_type == "multi_label_classification"
    shares = logits.sigmoid() if several else logits.softmax(dim=-1)
    labels = [str(network.config.id2label[at]).lower() for at in range(shares.shape[-1])]
    return [dict(zip(labels, map(float, row), strict=True)) for row in shares]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """Cosine similarity of answer and reference, -1 to 1: mean of the last layer's states, as sentence-transformers."""

    name: str
    measures: Measure
    model: str

    @property
    def bounds(self) -> Range:
        """A cosine."""
        return (-1.0, 1.0)

    def score(self, exchange: Exchange) -> Score:
        """The similarity; None without a reference or an answer."""
        reference, text = exchange.case.reference, exchange.answer.text
        if not reference or not text.strip():
            return Score(value=None, why="the answer is blank" if reference else "the case has no reference")
        tokenizer, network = _loaded(self.model, "AutoModel")
        import torch

        batch = tokenizer(
            [_plain(text), _plain(reference)], truncation=True, max_length=512, padding=True, return_tensors="pt"
        ).to(network.device)
        with torch.inference_mode():
            states = network(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1)
        cosine = float(torch.nn.functional.cosine_similarity(means[0], means[1], dim=0))
        return Score(value=max(-1.0, min(cosine, 1.0)))  # single precision may pass 1 by its last digit

    def describe(self) -> Mapping[str, str]:
        """Kind and model."""
        return {"kind": "embedding", "model": self.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """Whether a text-classification model gives the answer one of some labels."""

    name: str
    measures: Measure
    model: str
    labels: tuple[str, ...]
    least: float

    def score(self, exchange: Exchange) -> Score:
        """True when a label's probability reaches `least`; None for a blank answer."""
        if not exchange.answer.text.strip():
            return Score(value=None, why="the answer is blank")
        shares = _probabilities(self.model, [_plain(exchange.answer.text)])[0]
        missing = [label for label in self.labels if label.lower() not in shares]
        if missing:
            return Score(value=None, why=f"the model has no label {missing[0]!r}: it has {', '.join(shares)}"[:300])
        label = max(self.labels, key=lambda one: shares[one.lower()])
        return Score(value=shares[label.lower()] >= self.least, why=f"{label} {shares[label.lower()]:.3f}")

    def describe(self) -> Mapping[str, str]:
        """Kind, model and settings."""
        return {"kind": "classifier", "model": self.model, "labels": ", ".join(self.labels), "least": f"{self.least:g}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entailment:
    """Whether a sentence of the answer follows from no passage, by a model of natural-language inference."""

    name: str
    model: str
    least: float

    @property
    def measures(self) -> Measure:
        """Grounding."""
        return "ungrounded"

    def score(self, exchange: Exchange) -> Score:
        """True (ungrounded) when the weakest sentence is entailed by no passage to `least`; None without passages."""
        passages = [
            _plain(passage) for passage in (*exchange.case.passages, *exchange.answer.passages) if passage.strip()
        ]
        said = [one.strip() for one in _CUT.split(_plain(exchange.answer.text)) if len(one.strip()) > 2][:SENTENCES]
        if not passages or not said:
            return Score(value=None, why="there are no passages" if said else "the answer is blank")
        weakest, lowest = "", 2.0
        for sentence in said:
            shares = _probabilities(self.model, passages, [sentence] * len(passages))
            best = max(
                (share for row in shares for label, share in row.items() if label.startswith("entail")), default=None
            )
            if best is None:
                return Score(value=None, why="the model has no label entailment")
            if best < lowest:
                weakest, lowest = sentence, best
        return Score(value=lowest < self.least, why=f"{lowest:.3f} {quote(weakest)}")

    def describe(self) -> Mapping[str, str]:
        """Kind, model and settings."""
        return {"kind": "entailment", "model": self.model, "least": f"{self.least:g}"}


def _model(options: Options) -> str:
    """The model's name, or its folder where the plan has one of this name."""
    name = options.text(options.kind)
    here: Path = options.folder / name
    return str(here) if here.is_dir() else name


def open_embedding(options: Options) -> Embedding:
    """`{embedding: sentence-transformers/all-MiniLM-L6-v2}`."""
    model, name, measures = _model(options), options.name(), options.measures("quality", "quality", "number")
    options.done()
    return Embedding(name=name, measures=measures, model=model)


def open_classifier(options: Options) -> Classifier:
    """`{classifier: unitary/toxic-bert, labels: [toxic], least: 0.5, measures: violation}`."""
    model, labels = _model(options), options.texts("labels", ())
    least, name = options.number("least", 0.5, low=0.0, high=1.0), options.name()
    measures = options.measures_bool("violation")
    options.done()
    if not labels:
        raise options.fault("it does not say which labels count", "write labels: [toxic]")
    return Classifier(name=name, measures=measures, model=model, labels=labels, least=least)


def open_entailment(options: Options) -> Entailment:
    """`{entailment: cross-encoder/nli-deberta-v3-small, least: 0.5}`."""
    model, least = _model(options), options.number("least", 0.5, low=0.0, high=1.0)
    name = options.name()
    options.measures("ungrounded")
    options.done()
    return Entailment(name=name, model=model, least=least)
