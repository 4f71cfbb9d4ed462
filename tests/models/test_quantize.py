"""Quantising: how far int8 and int4 weights move a model's logits, and what is left as it was.

Bounds are about twice what was measured. Random networks amplify every error (a trained model's are far smaller).
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import redraft
from benchmarks.parity.golden import whole
from redraft.models.architecture import Architecture, AttentionFacts, ExpertFacts, FeedFacts, LayerFacts, Rope
from redraft.models.loading import inspect, load
from redraft.models.network import Network
from redraft.models.quantize import Quantised, Stack, quantize
from redraft.models.writing import write_folder
from tests.models.golden_folders import FOLDERS, LLADA

pytest.importorskip("torchao")

TEXT = (
    "Once upon a time, there was a little fox. He lived in the forest with his mother. One day, the fox went to play "
    "with his friend, a big bear. They saw a bird in a tree and it was very sad."
)


class Agreement(NamedTuple):
    """Quantised logits beside exact ones: relative error, the same first choice, and nats of KL per position."""

    relative: float
    argmax: float
    nats: float


def agreement(ours: Tensor, exact: Tensor) -> Agreement:
    kept = exact.isfinite() & ours.isfinite()
    ours, exact = (logits.float().masked_fill(~kept, -1e4) for logits in (ours, exact))
    relative = float((ours - exact).norm() / exact.masked_fill(~kept, 0).norm())
    log_p, log_q = exact.log_softmax(-1), ours.log_softmax(-1)
    nats = float((log_p.exp() * (log_p - log_q)).sum(-1).mean())
    return Agreement(relative, float((ours.argmax(-1) == exact.argmax(-1)).float().mean()), nats)


def logits_of(network: Network) -> Tensor:
    tokens = torch.arange(24).view(2, 12) % network.vocab_size
    place = torch.arange(12).expand(2, 12)
    return network.logits(network.hidden(network.embed_tokens(tokens), place))


def random_network(dtype: torch.dtype = torch.float32, **changes: Any) -> Network:
    torch.manual_seed(0)
    attention = AttentionFacts(num_heads=4, num_key_heads=2, head_dim=32, rope=Rope())
    layer = replace(LayerFacts(attention=attention, feed=FeedFacts(width=256)), **changes)
    facts = Architecture(vocab_size=200, hidden_size=128, layers=(layer, layer), max_positions=64)
    network = Network(facts)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return network.to(dtype).eval().requires_grad_(False)


EXPERTS = ExpertFacts(num_experts=6, num_chosen=2, width=64, shared_width=64, shared_gated=True, biased=True)


# ------------------------------------------------------------------ agreement


@pytest.mark.parametrize(("kind", "argmax", "nats"), [("int8", 0.98, 2e-4), ("int4", 0.85, 0.03)])
def test_the_model_in_the_package_says_nearly_the_same(kind: str, argmax: float, nats: float) -> None:
    model = redraft.load()
    tokens = torch.tensor([[model.eos_id, *model.tokenizer.encode(TEXT)]])
    exact = model.network.score(tokens)[0]
    quantize(model.network, kind)
    found = agreement(model.network.score(tokens)[0], exact)
    assert found.argmax >= argmax
    assert 0 < found.nats < nats


@pytest.mark.parametrize("source", FOLDERS, ids=lambda folder: folder.name)
def test_every_family_runs_with_int8_weights(source: Path) -> None:
    checkpoint = inspect(source)
    if checkpoint.facts.attention not in ("full", "block_causal"):
        pytest.skip("its denoiser takes more than a canvas")
    length = checkpoint.facts.block_length or 16
    tokens = torch.arange(2 * length).view(2, length) % 250
    exact, ours = (load(source, quantize=kind)[0].scores(whole(tokens)) for kind in (None, "int8"))
    found = agreement(ours, exact)
    assert 0 < found.relative < 0.3
    assert found.argmax > 0.75
    assert found.nats < 0.4


@pytest.mark.parametrize(("kind", "bound"), [("int8", 0.05), ("int4", 0.5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("experts", [None, EXPERTS], ids=["dense", "experts"])
def test_a_random_network_moves_by_the_rounding_and_no_more(
    kind: str, bound: float, dtype: torch.dtype, experts: ExpertFacts | None
) -> None:
    network = random_network(dtype, **({} if experts is None else {"feed": None, "experts": experts}))
    exact = logits_of(network)
    quantize(network, kind)
    assert 0 < agreement(logits_of(network), exact).relative < bound * (2 if experts else 1)


@pytest.mark.parametrize(("kind", "bound"), [("int8", 0.01), ("int4", 0.1)])
def test_one_matrix_is_off_by_half_a_step(kind: str, bound: float) -> None:
    torch.manual_seed(0)
    owner = nn.Sequential(nn.Linear(128, 96))
    x = torch.randn(7, 128)
    exact = owner(x)
    quantize(owner, kind)
    assert 0 < float((owner(x) - exact).norm() / exact.norm()) < bound


def test_rows_of_a_batch_do_not_change_each_other() -> None:
    network = random_network()
    quantize(network, "int8")
    tokens = torch.arange(24).view(2, 12)
    place = torch.arange(12)[None]
    both = network.hidden(network.embed_tokens(tokens), place.expand(2, 12))
    alone = network.hidden(network.embed_tokens(tokens[1:]), place)
    assert torch.allclose(both[1:], alone, atol=1e-5)


# ------------------------------------------------------------------ what is left


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_embedding_head_routers_and_norms_keep_every_bit(kind: str) -> None:
    network = random_network(feed=None, experts=EXPERTS)
    before = copy.deepcopy(dict(network.named_parameters()))
    quantize(network, kind)
    plain = {name: p for name, p in network.named_parameters() if type(p.data) is Tensor}
    kept = ("embed.weight", "head.weight", "norm.weight", "router.score.weight", "router.bias", "shared_gate.weight")
    assert {name for name in before if name.endswith(kept)} == set(plain)
    assert all(torch.equal(parameter, before[name]) for name, parameter in plain.items())


def test_what_was_quantised_is_counted() -> None:
    network = random_network(feed=None, experts=EXPERTS)
    whole_size = sum(parameter.numel() for parameter in network.parameters())
    said = quantize(network, "int8")
    matrices = 2 * (128 * (8 * 32 + 4 * 32) + 6 * 3 * 64 * 128 + 3 * 64 * 128)
    assert said == Quantised("int8", matrices, whole_size - matrices, ())
    stack = network.transformer.layers[0].experts.experts.gate_up
    assert isinstance(stack, Stack)
    assert stack.shape == (6, 128, 128)


def test_a_matrix_that_no_int4_kernel_takes_is_left_and_named() -> None:
    network = nn.Sequential(nn.Linear(48, 64), nn.Linear(64, 40), nn.Linear(64, 48))
    said = quantize(network, "int4")
    assert said.misfits == ("0.weight", "1.weight")
    assert said.num_quantised == 64 * 48


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown quantisation 'int2'; choose from int8, int4"):
        quantize(random_network(), "int2")


def test_without_torchao_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ValueError, match=r"redraft\[quant\]"):
        quantize(random_network(), "int8")


def test_a_quantised_network_is_not_written(tmp_path: Path) -> None:
    denoiser, checkpoint = load(LLADA, quantize="int8")
    with pytest.raises(ValueError, match="is quantised and cannot be written"):
        write_folder(denoiser.network, checkpoint, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_a_gpu_quantises_too(kind: str) -> None:
    network = random_network(torch.bfloat16).to("cuda")
    tokens, place = torch.arange(12, device="cuda")[None], torch.arange(12, device="cuda")[None]
    exact = network.logits(network.hidden(network.embed_tokens(tokens), place))
    quantize(network, kind)
    ours = network.logits(network.hidden(network.embed_tokens(tokens), place))
    assert 0 < agreement(ours, exact).relative < 0.25
