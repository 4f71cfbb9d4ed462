"""DiT exports: the words and tensor names that MDLM, BD3-LM, UDLM and Duo share, read into facts and places.

Knows the `backbone.` layout of their Hugging Face exports. A family states its attention and its noise itself.
"""

from redraft.models.architecture import AttentionFacts, FeedFacts, LayerFacts, Rope, same_layers
from redraft.models.dit import DiTFacts
from redraft.models.family import Place, Places, Values, need, take

# The frequencies of the rotary positions, which follow from their size, and the ends of a training schedule.
BUFFERS = ("backbone.rotary_emb.", "sampling_eps_")


def dit_of(values: Values, *, timed: bool) -> DiTFacts:
    """The network of a config.json; `timed` is what a missing `time_conditioning` means."""
    width, heads = need(values, "hidden_dim"), need(values, "n_heads")
    if heads < 1 or width % heads:
        raise ValueError(f"config.json says hidden_dim={width}, which {heads} heads cannot share")
    attention = AttentionFacts(num_heads=heads, num_key_heads=heads, head_dim=width // heads, rope=Rope())
    feed = FeedFacts(width=4 * width, activation="gelu_tanh", bias=True, gated=False)
    modulated = take(values, "adaln", True, bool)
    return DiTFacts(
        vocab_size=need(values, "vocab_size"),
        hidden_size=width,
        layers=same_layers(need(values, "n_blocks"), LayerFacts(attention=attention, feed=feed)),
        max_positions=need(values, "model_length"),
        norm_eps=1e-5,
        head_bias=True,
        condition_size=need(values, "cond_dim") if modulated else None,
        timed=modulated and take(values, "time_conditioning", timed, bool),
    )


def refuse(values: Values, name: str, wanted: bool, default: bool) -> None:
    """Raise ValueError unless a flag is as wanted."""
    if take(values, name, default, bool) is not wanted:
        raise ValueError(f"config.json says {name}={values.get(name)}; only {wanted} is known")


def dit_places(facts: DiTFacts) -> Places:
    """Every tensor of a DiT."""
    places = {"vocab_embed.embedding": Place("embed.weight"), "output_layer.norm_final.weight": Place("norm.weight")}
    places |= _linear("output_layer.linear", "head")
    if facts.condition_size is not None:
        places |= _linear("sigma_map.mlp.0", "level.inner") | _linear("sigma_map.mlp.2", "level.outer")
        places |= _linear("output_layer.adaLN_modulation", "modulation.project")
    for number in range(len(facts.layers)):
        found = _block_places(facts.condition_size is not None)
        places |= {
            f"blocks.{number}.{theirs}": place._replace(parameter=f"layers.{number}.{place.parameter}")
            for theirs, place in found.items()
        }
    return {f"backbone.{name}": place for name, place in places.items()}


def _block_places(modulated: bool) -> Places:
    places = {
        "norm1.weight": Place("attention_norm.weight"),
        "attn_qkv.weight": Place("attention.qkv.weight"),
        "attn_out.weight": Place("attention.out.weight"),
        "norm2.weight": Place("feed_norm.weight"),
    }
    places |= _linear("mlp.0", "feed.up") | _linear("mlp.2", "feed.down")
    return places | _linear("adaLN_modulation", "modulation.project") if modulated else places


def _linear(theirs: str, ours: str) -> Places:
    return {f"{theirs}.{kind}": Place(f"{ours}.{kind}") for kind in ("weight", "bias")}
