"""A causal language model of the Hugging Face library in this process: a folder, or the name of a model that is
downloaded or cached. No code of a model's repository is run, and pickled weights are loaded with `trust` only.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from shipworthy.digest import digest, file_digest
from shipworthy.errors import MissingExtra
from shipworthy.exchange import Answer, Case, Message
from shipworthy.subjects.faults import quoted, raised, subject_error

_WEIGHTS: Final = ("*.safetensors", "*.bin", "config.json", "generation_config.json", "tokenizer*.json", "*.jinja")

PARAMETERS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "revision": str,  # commit or tag of a named model
    "device": str,  # "cpu", "cuda", "cuda:1", "mps"
    "max_tokens": int,  # longest answer
    "temperature": (int, float),  # 0: greedy
    "top_p": (int, float),
    "seed": int,
}


class Declaration(Protocol):
    """How the plan declares a local model."""

    huggingface: str | None  # folder beside the plan, or name of a model
    parameters: Mapping[str, Any]  # among PARAMETERS
    system: str | None  # for cases that bring none
    trust: bool  # load pickled weights, which can execute code


@dataclass(frozen=True, kw_only=True, slots=True)
class HuggingFaceModel:
    """A `Function` that generates with one model, one answer at a time."""

    name: str
    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    max_tokens: int
    temperature: float  # 0: greedy
    top_p: float
    seed: int
    system: str | None = field(repr=False)
    facts: Mapping[str, str]
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)  # the generator of torch is global

    def ask(
        self,
        case: Case,
        conversation: Sequence[Message],
        *,
        trial: int,
        session: str,  # noqa: ARG002  it has no memory
    ) -> Answer:
        """Generate the next message. The seed depends on `seed`, the case, its attack, the turn and the trial."""
        import torch

        with self._turn, torch.inference_mode():
            if self.system is not None and not (conversation and conversation[0].role == "system"):
                conversation = [Message(role="system", content=self.system), *conversation]
            inputs = self._inputs(case, conversation)
            asked = int(inputs["input_ids"].shape[-1])
            room = _room(self.model)
            if room is not None and asked >= room:
                why = f"the conversation has {asked} tokens and the model reads {room}"
                return Answer(status="error", error=why, tokens_in=asked)
            torch.manual_seed(_seed(self.seed, case, len(conversation), trial))
            options: dict[str, Any] = {"do_sample": self.temperature > 0}
            if self.temperature > 0:
                options |= {"temperature": self.temperature, "top_p": self.top_p}
            longest = self.max_tokens if room is None else min(self.max_tokens, room - asked)
            made = self.model.generate(
                **inputs, max_new_tokens=longest, pad_token_id=_padding(self.tokenizer), **options
            )
            new = made[0][asked:]
        text = str(self.tokenizer.decode(new, skip_special_tokens=True))
        return Answer(status="ok" if text.strip() else "empty", text=text, tokens_in=asked, tokens_out=len(new))

    def _inputs(self, case: Case, conversation: Sequence[Message]) -> Any:
        if self.tokenizer.chat_template:
            messages = [{"role": message.role, "content": _readable(message.content)} for message in conversation]
            found = self.tokenizer.apply_chat_template(
                messages,
                tools=[dict(tool) for tool in case.tools] or None,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            text = "".join(f"{message.role}: {_readable(message.content)}\n" for message in conversation) + "assistant:"
            found = self.tokenizer(text, return_tensors="pt")
        return found.to(self.model.device)

    def describe(self) -> Mapping[str, str]:
        """Kind, model, revision or digest of its files, and how it generates."""
        return self.facts


def open_huggingface(name: str, declared: Declaration, *, folder: Path) -> HuggingFaceModel:
    """Load a model. Raises MissingExtra, SubjectError (SUBJ045: it cannot be loaded, or has no such parameters)."""
    given = {"device": "cpu", "max_tokens": 512, "temperature": 0.0, "top_p": 1.0, "seed": 0, **declared.parameters}
    for key, value in given.items():
        if key not in PARAMETERS or not isinstance(value, PARAMETERS[key]) or isinstance(value, bool):
            what = f"the parameter {quoted(key)}: {quoted(value)} means nothing here"
            raise subject_error(name, "SUBJ045", what, f"the parameters are {', '.join(PARAMETERS)}")
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        package = (error.name or "transformers").partition(".")[0]
        raise MissingExtra(package=package, extra="huggingface", purpose="a local Hugging Face model") from error
    said = declared.huggingface or ""
    beside = folder / said
    local = beside.is_dir()
    source = str(beside) if local else said
    common = (
        {"revision": given.get("revision"), "trust_remote_code": False} if not local else {"trust_remote_code": False}
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, use_safetensors=None if declared.trust else True, **common
        )
        model = model.to(torch.device(given["device"])).eval()
    except Exception as error:  # the library raises many kinds
        raise subject_error(
            name,
            "SUBJ045",
            f'the model "{quoted(said)}" cannot be loaded: {raised(error)}',
            "name a folder with config.json, tokenizer and .safetensors, or a model of the hub; pickles need trust",
        ) from error
    temperature = float(given["temperature"])
    facts = {
        "kind": "huggingface",
        "model": said,
        "parameters": str(model.num_parameters()),
        "template": "chat" if tokenizer.chat_template else "none: role and content line by line",
        "decoding": "greedy" if not temperature else f"temperature {temperature:g}, top_p {given['top_p']:g}",
        "max_tokens": str(given["max_tokens"]),
        "seed": str(given["seed"]),
    }
    if declared.system is not None:
        facts["system"] = digest(_readable(declared.system))
    if local:
        facts["digest"] = _folder_digest(beside)
    else:
        facts["revision"] = str(getattr(model.config, "_commit_hash", None) or given.get("revision", "unknown"))
    return HuggingFaceModel(
        name=name,
        model=model,
        tokenizer=tokenizer,
        max_tokens=given["max_tokens"],
        temperature=temperature,
        top_p=float(given["top_p"]),
        seed=given["seed"],
        system=declared.system,
        facts=facts,
    )


def _folder_digest(folder: Path) -> str:
    """sha256 over the names and digests of the files that make the model."""
    files = sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)})
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _seed(seed: int, case: Case, turn: int, trial: int) -> int:
    key = f"{seed}\0{case.id}\0{case.attack}\0{turn}\0{trial}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) >> 1


def _readable(text: str) -> str:
    """Text without lone surrogates, which tokenizers refuse: each becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _room(model: Any) -> int | None:
    """Tokens that the model reads at most, where it says so."""
    found = getattr(model.config, "max_position_embeddings", None)
    return found if isinstance(found, int) else None


def _padding(tokenizer: Any) -> int | None:
    found = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return None if found is None else int(found)
