"""Fixture checkpoints with a tokenizer beside them, as somebody would download a model."""

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PARITY = Path(__file__).parent / "fixtures" / "parity"
TEXT = ["The quick brown fox jumps over the lazy dog. She went to school yesterday. He has a big red ball. " * 4]
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tokenizer(specials: dict[str, int], thoughts: bool = False) -> Tokenizer:
    """Byte-level BPE whose special tokens stand at given ids; ids between them are filled up."""
    first = min(specials.values())
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    inner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=first, initial_alphabet=alphabet, show_progress=False)
    )
    assert inner.get_vocab_size() == first
    named = {token: name for name, token in specials.items()}
    for token in range(first, max(named) + 1):
        inner.add_special_tokens([named.get(token, f"<|extra_{token}|>")])
    if thoughts:
        inner.add_tokens(["<think>"])
    return inner


def open_model(family: str, folder: Path, specials: dict[str, int], config: dict[str, Any] | None = None) -> Path:
    """A copy of a family's fixture with a tokenizer that has `specials`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(PARITY / family / name, folder / name)
    make_tokenizer(specials).save(str(folder / "tokenizer.json"))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def llada(folder: Path, config: dict[str, Any] | None = None) -> Path:
    """LLaDA's fixture: end of text 317, mask 318."""
    specials = {
        "<|startoftext|>": 310, "<|start_header_id|>": 311, "<|end_header_id|>": 312, "<|eot_id|>": 313,
        "<|endoftext|>": 317, "<|mdm_mask|>": 318,
    }  # fmt: skip
    return open_model("llada", folder, specials, config)


def sdar(folder: Path) -> Path:
    """SDAR's fixture: end of text 315, mask 317."""
    specials = {"<|im_start|>": 313, "<|im_end|>": 314, "<|endoftext|>": 315, "<|MASK|>": 317}
    return open_model("sdar", folder, specials, {"chat_template": CHATML, "eos_token": "<|endoftext|>"})


def dream(folder: Path) -> Path:
    """Dream's fixture: end of text 315, mask 318, no template."""
    specials = {"<|im_start|>": 313, "<|im_end|>": 314, "<|endoftext|>": 315, "<|mask|>": 318}
    return open_model("dream", folder, specials)
