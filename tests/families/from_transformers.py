"""Small random models that transformers makes and writes, beside the same weights as we read them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from redraft.models.causal import CausalModel
from redraft.models.loading import Checkpoint, load, tensors_of
from redraft.sampling.autoregressive import left_to_right

SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "attn_implementation": "eager", "pad_token_id": 0,
    "eos_token_id": None, "bos_token_id": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """Their module, our model of what it wrote, and the folder."""

    theirs: Any
    ours: CausalModel
    checkpoint: Checkpoint


def make_pair(folder: Path, kind: str, config: str = "", **changes: Any) -> Pair:
    """`kind` is the name of a class without its ForCausalLM. Weights are large enough that every difference shows."""
    transformers = pytest.importorskip("transformers")
    made = getattr(transformers, config or f"{kind}Config")(**(SIZES | changes))
    torch.manual_seed(0)
    module = getattr(transformers, f"{kind}ForCausalLM")(made).eval().requires_grad_(False)
    for name, parameter in module.named_parameters():
        spread = 0.3 if parameter.dim() == 1 else 1.3 * parameter.shape[-1] ** -0.5
        parameter.add_(torch.randn_like(parameter) * spread if "norm" in name or "bias" in name else 0)
        if parameter.dim() > 1:
            parameter.normal_(std=spread)
    module.save_pretrained(folder)
    ours, checkpoint = load(folder)
    assert isinstance(ours, CausalModel)
    return Pair(module, ours, checkpoint)


def text(rows: int, length: int, seed: int = 1) -> Tensor:
    return torch.randint(1, SIZES["vocab_size"], (rows, length), generator=torch.Generator().manual_seed(seed))


def agrees_in_logits(pair: Pair, length: int = 24) -> None:
    """Scores that are far from all the same."""
    tokens_BL = text(2, length)
    theirs_BLV = pair.theirs(tokens_BL).logits
    assert float(theirs_BLV.std()) > 0.1
    torch.testing.assert_close(pair.ours.score(tokens_BL)[0], theirs_BLV, atol=1e-4, rtol=0)


def agrees_in_pieces(pair: Pair, length: int = 24) -> None:
    """A text read in pieces, token by token at last, scores as it does read at once."""
    tokens_BL = text(2, length)
    whole_BLV, _ = pair.ours.score(tokens_BL)
    context, scores = None, []
    for piece in tokens_BL.split([7, 1, length - 11, 1, 1, 1], 1):
        piece_BLV, context = pair.ours.score(piece, context)
        scores.append(piece_BLV)
    torch.testing.assert_close(torch.cat(scores, 1), whole_BLV, atol=2e-5, rtol=0)


def agrees_when_padded(pair: Pair, lengths: tuple[int, ...] = (24, 9, 1)) -> None:
    """Rows of a batch, padded on the left, score and go on as each does alone."""
    rows = [text(1, length, seed=length) for length in lengths]
    width = max(lengths)
    padded_BL = torch.cat([torch.nn.functional.pad(row, (width - row.shape[1], 0)) for row in rows])
    pad_B = torch.tensor([width - length for length in lengths])
    together_BLV, context = pair.ours.score(padded_BL, pad_B=pad_B)
    next_BV, _ = pair.ours.next_logits(padded_BL[:, -1:], context)
    for number, row in enumerate(rows):
        alone_BLV, alone = pair.ours.score(row)
        torch.testing.assert_close(together_BLV[number, pad_B[number] :], alone_BLV[0], atol=2e-5, rtol=0)
        alone_BV, _ = pair.ours.next_logits(row[:, -1:], alone)
        torch.testing.assert_close(next_BV[number], alone_BV[0], atol=2e-5, rtol=0)


def agrees_in_text(pair: Pair, number: int = 24) -> None:
    """The most probable continuation, token for token. With windows it outgrows them."""
    tokens_BL = text(2, 9)
    options = {"do_sample": False, "max_new_tokens": number, "min_new_tokens": number}
    theirs = pair.theirs.generate(tokens_BL, attention_mask=torch.ones_like(tokens_BL), **options)
    *_, ours = left_to_right(pair.ours, tokens_BL, None, max_tokens=number)
    assert ours.tokens == theirs[:, 9:].tolist()


def gives_back_every_tensor(pair: Pair) -> None:
    stored = load_file(pair.checkpoint.folder / "model.safetensors")
    ours = tensors_of(pair.ours.network, pair.checkpoint.places)
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


CLAIMS = (agrees_in_logits, agrees_in_pieces, agrees_when_padded, agrees_in_text, gives_back_every_tensor)
