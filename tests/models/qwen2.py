"""A random Qwen2 of transformers under another family's configuration: what two families were before conversion."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM


def qwen2(**changes: Any) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 96, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
        "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "tie_word_embeddings": False, "attn_implementation": "sdpa",
    }  # fmt: skip
    model = Qwen2ForCausalLM(Qwen2Config(**(sizes | changes))).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            parameter.normal_(std=1.3 * parameter.shape[-1] ** -0.5)
    return model


def save_as(model: Qwen2ForCausalLM, folder: Path, **changes: Any) -> Path:
    """The checkpoint with its config.json changed; None takes a field out."""
    model.save_pretrained(folder)
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    return folder
