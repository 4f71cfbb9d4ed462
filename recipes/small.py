"""small: about 35M parameters for one GPU and half an hour; the sources of tiny, read to the end, books weigh more.

A GPU reads all there is of the simplest texts many times over, so their shares are smaller than in `tiny`.
"""

from recipes.tiny import LABELS, MILLION
from redraft.data.errors import ErrorModel
from redraft.data.mixture import MixtureConfig
from redraft.train.loop import TrainConfig
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe, model_config

MORE_LABELS = LABELS | {"fiction": "tale"}
TEXT = {
    "tinystories": 0.15, "world": 0.12, "fables": 0.08, "pratham": 0.02, "fairytales": 0.06, "children": 0.26,
    "fiction": 0.11, "dialogues": 0.10, "orders": 0.02, "dolly": 0.02, "chat": 0.02, "prompted": 0.03,
    "instructions": 0.01,
}  # fmt: skip
EDITS = {
    "tatoeba": 0.16, "textbooks": 0.12, "dolly_answers": 0.10, "roleplay": 0.10, "wikisplit": 0.10,
    "tinystories": 0.10, "fables": 0.06, "pratham": 0.02, "children": 0.12, "fiction": 0.12,
}  # fmt: skip
CHARACTERS = {
    "tinystories": 6 * MILLION, "fables": 6 * MILLION, "pratham": 2 * MILLION, "fairytales": 4 * MILLION,
    "children": 80 * MILLION, "fiction": 120 * MILLION, "dialogues": 20 * MILLION, "orders": 2 * MILLION,
    "dolly": 3 * MILLION, "dolly_answers": 3 * MILLION, "roleplay": 2 * MILLION, "textbooks": 5 * MILLION,
    "wikisplit": 4 * MILLION, "tatoeba": 8 * MILLION, "world": 24 * MILLION, "chat": 2 * MILLION,
    "prompted": 5 * MILLION, "instructions": MILLION, "disfluent": 2 * MILLION, "splits": 4 * MILLION,
}  # fmt: skip
MIXTURE = MixtureConfig(
    text_rows=6, edit_rows=3, infill_rows=1, min_level=0.2, text=TEXT, edits=EDITS, labels=MORE_LABELS,
    errors=ErrorModel(rate=0.2),
)  # fmt: skip


def small() -> Recipe:
    """Steps, batches and workers are for a GPU; `scripts/gpu_train.sh` measures better ones on the spot."""
    return Recipe(
        name="small",
        model=model_config(
            6144,
            hidden_size=512,
            num_hidden_layers=10,
            num_attention_heads=8,
            num_key_value_heads=4,
            head_dim=64,
            intermediate_size=1536,
            max_position_embeddings=1024,
            labels=tuple(dict.fromkeys(MORE_LABELS.values())),
        ),
        mixture=MIXTURE,
        train=TrainConfig(
            steps=5000,
            optim=OptimConfig(matrix_lr=3e-3, other_lr=2e-3, warmup=100),
            ema=0.998,
            compile=True,
            device="cuda",
            batches=32,
            workers=12,
            checkpoint_every=500,
            log_every=10,
        ),
        characters=CHARACTERS,
    )  # fmt: skip
