"""Checkpoints: a plain Hugging Face folder in and out.

    config.json  model.safetensors  tokenizer.json  generation_config.json  README.md (the model card)

Knows names and files. Every weight is checked by name and shape before anything is kept, and a folder
is written under another name first, so that a reader never sees half of one.
Exported `to_qwen3` the extras are left out and the folder *is* a Qwen3 checkpoint.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from redraft.models.config import ModelConfig
from redraft.models.folders import replace_folder
from redraft.models.headers import read_header, read_json
from redraft.models.three_mode import ThreeModeModel

MODEL_TYPE = "redraft"
FILES = {  # what a checkpoint folder may hold
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "README.md",
}  # fmt: skip
Weights = dict[str, Tensor]


def save_checkpoint(
    model: ThreeModeModel,
    folder: Path,
    *,
    tokenizer_file: Path,
    generation: dict[str, Any] | None = None,
    card: str | None = None,
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Write a Redraft checkpoint folder. Refuses to overwrite a folder that holds something else."""
    config = {"model_type": MODEL_TYPE, "architectures": ["ThreeModeModel"]} | model.config.to_json()

    def fill(partial: Path) -> None:
        _write_json(partial / "config.json", config)
        if generation is not None:
            _write_json(partial / "generation_config.json", generation)
        if card is not None:
            (partial / "README.md").write_text(card)
        shutil.copyfile(tokenizer_file, partial / "tokenizer.json")
        weights = {name: p.detach().to(dtype).contiguous() for name, p in model.named_parameters()}
        save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})

    replace_folder(folder, fill, _belongs)


def load_checkpoint(folder: Path, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> ThreeModeModel:
    """Read a Redraft checkpoint folder, in evaluation mode and without gradients.

    Raises ValueError, naming the file and the reason, when anything is missing, truncated or does not fit.
    """
    config = read_config(folder)
    path = folder / "model.safetensors"
    _check_sizes(path, config)
    with torch.device("meta"):
        model = ThreeModeModel(config)
    weights = read_weights(path, {n: p.shape for n, p in model.named_parameters()})
    return _materialise(config, weights, dtype, device).eval().requires_grad_(False)


def _check_sizes(path: Path, config: ModelConfig) -> None:
    """What makes building slow where it is wrong, even on the meta device: a million layers, a million words."""
    shapes = read_shapes(path)
    layers = {name.split(".")[2] for name in shapes if name.startswith("transformer.layers.")}
    if len(layers) != config.num_hidden_layers:
        raise ValueError(f"{path} holds {len(layers)} layers, but its config.json says {config.num_hidden_layers=}")
    embed, wanted = shapes.get("embed.weight"), [config.vocab_size, config.hidden_size]
    if embed != wanted:
        raise ValueError(f"{path} does not fit its config.json: embed.weight is {embed}, not {wanted}")


def _materialise(config: ModelConfig, weights: Weights, dtype: torch.dtype, device: str) -> ThreeModeModel:
    with torch.device(device):
        model = ThreeModeModel(config).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights.pop(name))
    return model


def read_config(folder: Path) -> ModelConfig:
    """The `ModelConfig` of a folder. Raises ValueError when it is not a Redraft checkpoint."""
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not a checkpoint folder: it has no config.json")
    values = read_json(path)
    kind = values.pop("model_type", None)
    values.pop("architectures", None)
    if kind != MODEL_TYPE:
        raise ValueError(f"{path} says model_type={kind!r}; this version loads {MODEL_TYPE!r}")
    return ModelConfig.from_json(values)


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Names and shapes of a safetensors file's tensors, from its header alone."""
    return {name: list(held.shape) for name, held in read_header(path).items()}


def read_weights(path: Path, shapes: dict[str, torch.Size]) -> Weights:
    """Every tensor of a safetensors file, which must be exactly those named in `shapes`."""
    _compare(path, {n: list(s) for n, s in shapes.items()}, read_shapes(path))
    return load_file(path)


def _compare(path: Path, wanted: dict[str, list[int]], found: dict[str, list[int]]) -> None:
    problems = [f"missing {n}" for n in sorted(wanted.keys() - found.keys())]
    problems += [f"unknown {n}" for n in sorted(found.keys() - wanted.keys())]
    problems += [
        f"{n} is {found[n]}, not {wanted[n]}" for n in sorted(wanted.keys() & found.keys()) if wanted[n] != found[n]
    ]
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise ValueError(f"{path} does not fit its config.json: {'; '.join(problems[:5])}{more}")


# ------------------------------------------------------------------ Qwen3


def to_qwen3(model: ThreeModeModel, folder: Path, *, tokenizer_file: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write the causal mode as a Qwen3 checkpoint that transformers, llama.cpp and vLLM read."""

    def fill(partial: Path) -> None:
        _write_json(partial / "config.json", qwen3_config(model.config, dtype))
        _write_json(partial / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
        shutil.copyfile(tokenizer_file, partial / "tokenizer.json")
        weights = {n: w.to(dtype).contiguous() for n, w in qwen3_weights(model).items()}
        save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})

    replace_folder(folder, fill, _belongs)


def qwen3_config(config: ModelConfig, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """The Hugging Face Qwen3 configuration of the causal mode."""
    shared = (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
        "intermediate_size", "max_position_embeddings", "rope_theta", "rms_norm_eps", "initializer_range",
    )  # fmt: skip
    return {name: getattr(config, name) for name in shared} | {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": True,
        "eos_token_id": config.eos_token_id,
        "bos_token_id": config.eos_token_id,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def qwen3_weights(model: ThreeModeModel) -> Weights:
    """The causal mode's weights under Qwen3's names; fused matrices come apart."""
    config = model.config
    query, key = (n * config.head_dim for n in (config.num_attention_heads, config.num_key_value_heads))
    weights: Weights = {
        "model.embed_tokens.weight": model.embed.weight,
        "model.norm.weight": model.transformer.norm.weight,
    }
    for number, layer in enumerate(model.transformer.layers):
        named = dict(layer.named_parameters())
        q, k, v = named["attention.qkv.weight"].split([query, key, key])
        gate, up = named["feed.gate_up.weight"].chunk(2)
        parts = {"self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v}
        parts |= {"mlp.gate_proj": gate, "mlp.up_proj": up}
        parts |= {theirs: named[f"{ours}.weight"] for ours, theirs in _LAYER_NAMES.items()}
        weights |= {f"model.layers.{number}.{name}.weight": w for name, w in parts.items()}
    return {name: w.detach() for name, w in weights.items()}


_LAYER_NAMES = {
    "attention.out": "self_attn.o_proj",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "attention_norm": "input_layernorm",
    "feed_norm": "post_attention_layernorm",
    "feed.down": "mlp.down_proj",
}


# ------------------------------------------------------------------ files


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")


def _belongs(file: Path) -> bool:
    return file.name in FILES
