"""Duo (arXiv:2506.10892): UDLM's network and noise, trained with a curriculum and distilled to few steps.

The names of fields and tensors are those of copies of its export, not of an official file: a checkpoint that differs
is refused, naming what differs. Its curriculum and its Psi-samplers are not here.
"""

from redraft.families.udlm import decoding, uniform_state
from redraft.models.dit import DiT
from redraft.models.dit_export import BUFFERS, dit_places, refuse
from redraft.models.family import Family, ModelFacts, Values

VOCAB = 50258


def read(values: Values) -> ModelFacts:
    """config.json. It says nothing of time, which the network is told."""
    refuse(values, "causal", False, default=False)
    return uniform_state(values)


FAMILY = Family(
    name="duo",
    title="Duo",
    checkpoints=("s-sahoo/duo", "s-sahoo/duo-distilled"),
    model_type="DUO",
    read=read,
    places=dit_places,
    ignored=BUFFERS,
    network=DiT,
    decoding=decoding(VOCAB),
    proven="the same network as UDLM's; names of fields and tensors not compared with an official file",
)
