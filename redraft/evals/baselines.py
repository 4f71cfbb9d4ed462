"""Baselines: what a number is to be compared with. Reference decodings of the same weights by name, and any causal
model of transformers.

Knows how each baseline decodes and where that is published. Refuses to know tasks' contents and who wins.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from redraft.evals.askers import Asker, Manner, Own, Reply, choose
from redraft.evals.task import Ask, Example, Task
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import LeftToRight, Policy, TopK
from redraft.sampling.stops import AllAccepted

if TYPE_CHECKING:
    from redraft.library import Model

LLADA_BLOCK = 32
MOST = 4096  # tokens of an answer that is one canvas
# Name -> what it is. All but the first are diffusion at one token per forward: slow, and what faster ones are held to.
REFERENCES: Mapping[str, str] = {
    "ar": "the autoregressive mode of the same weights",
    "one-per-step": "diffusion, the most confident token per step, on the canvas the checkpoint recommends",
    "left-to-right": "diffusion in autoregressive order, one token per step",
    "llada": "the schedule of LLaDA's authors: greedy, low confidence, blocks of 32, as many steps as tokens "
    "(arXiv:2502.09992)",
}


def baseline(name: str, own: Own, canvas: int | None = None) -> Asker:
    """An asker for a reference decoding of `own`'s model by name, or for a folder or hub name of transformers.

    Raises ValueError where the model has no such mode, or there is no such baseline.
    """
    if name == "ar":
        _need(own.model, "ar", name)
        return replace(own, mode="ar", setting="")
    if name in REFERENCES:
        _need(own.model, "diffusion", name)
        length = canvas or own.canvas or own.model.defaults.block_length
        decoding, length = reference(name, own.decoding, length)
        return replace(own, mode="diffusion", decoding=decoding, canvas=length, setting=name)
    if not Path(name).exists() and "/" not in name:
        known = ", ".join(REFERENCES)
        raise ValueError(f"no baseline {name!r}: there are {known}, and folders or hub names of transformers models")
    return load_transformers(name, own)


def reference(name: str, decoding: Decoding, canvas: int | None) -> tuple[Decoding, int | None]:
    """A decoding that writes one token per forward, and the tokens it denoises at once (None: all of an answer)."""
    policy: Policy = LeftToRight() if name == "left-to-right" else TopK(count=1)
    if name == "llada":
        slow = replace(decoding, policy=policy, stop=AllAccepted(), temperature=0.0, max_steps=LLADA_BLOCK)
        return slow, LLADA_BLOCK
    steps = max(decoding.max_steps, canvas or MOST)
    return replace(decoding, policy=policy, stop=AllAccepted(), max_steps=steps), canvas


def _need(model: "Model", mode: str, name: str) -> None:
    if mode not in model.voice.modes:
        raise ValueError(f"baseline {name!r} needs the mode {mode!r}; {model.name} has {', '.join(model.voice.modes)}")


# ------------------------------------------------------------------ transformers


@dataclass(frozen=True, slots=True)
class Transformers:
    """A causal language model of transformers, one token per forward, its keys and values kept.

    `temperature` 0 is greedy. A prompt that is too long for the model is an error of that reply.
    """

    name: str
    module: Any
    tokenizer: Any
    temperature: float = 0.0
    max_tokens: int | None = None
    asked: Ask | None = None

    def manner(self, task: Task) -> Manner:
        chat = None if getattr(self.tokenizer, "chat_template", None) else f"{self.name} has no chat template"
        other = "a causal model completes and chats"
        able: dict[Ask, str | None] = dict.fromkeys(get_args(Ask), other)
        able |= {"complete": None, "chat": chat}
        way = choose(task, self.asked, able)
        most = self.max_tokens or task.max_tokens
        return Manner(
            self.name, "transformers", way, {"temperature": self.temperature}, most, Path(self.name).name
        )  # fmt: skip

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        manner, began = self.manner(task), time.perf_counter()
        ids = self._ids(example, manner.ask)
        room = getattr(self.module.config.get_text_config(), "max_position_embeddings", None)
        if room is not None and len(ids) + manner.max_tokens > room:
            asked = len(ids) + manner.max_tokens
            return Reply("", 0.0, error=f"the prompt and the answer come to {asked} tokens, more than {room}")
        written = self._write(ids, manner.max_tokens, task.stop if manner.ask == "complete" else (), seed)
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        return Reply(text, time.perf_counter() - began, len(written), len(written))

    def _ids(self, example: Example, way: Ask) -> list[int]:
        if way == "complete":
            return list(self.tokenizer(example.prompt)["input_ids"])
        messages = [{"role": "user", "content": example.question}]
        found = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
        return list(found["input_ids"])

    def _write(self, ids: Sequence[int], most: int, stop: Sequence[str], seed: int) -> list[int]:
        import torch
        from transformers import set_seed

        heat: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if self.temperature:
            set_seed(seed)
            heat = {"do_sample": True, "temperature": self.temperature, "top_p": None, "top_k": 0}
        stops = {"stop_strings": list(stop), "tokenizer": self.tokenizer} if stop else {}
        row = torch.tensor([ids], device=self.module.device)
        with torch.inference_mode():
            out = self.module.generate(row, attention_mask=torch.ones_like(row), max_new_tokens=most, **heat, **stops)
        return out[0, len(ids) :].tolist()


def load_transformers(name: str, own: Own | None = None) -> Transformers:
    """A causal model by transformers' own loaders, asked as `own` is. Raises ValueError where they cannot."""
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError:
        raise ValueError(f"{name} is read by transformers: pip install 'redraft[hf]'") from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        module = AutoModelForCausalLM.from_pretrained(name, dtype="auto").eval()
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"transformers cannot read {name}: {reason}") from None
    if own is None:
        return Transformers(name, module, tokenizer)
    heat = own.decoding.temperature
    if not isinstance(heat, int | float):
        raise ValueError(f"a transformers model needs a constant temperature, not {heat}")
    module = module.to(own.model.network.device)
    return Transformers(name, module, tokenizer, float(heat), own.max_tokens, own.asked)
