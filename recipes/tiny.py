"""tiny: about 6M parameters, trained in hours on two CPU cores; the model in the package."""

from redraft.data.errors import ErrorModel
from redraft.data.mixture import MixtureConfig
from redraft.train.loop import TrainConfig
from redraft.train.recipe import Recipe, model_config

MILLION = 1_000_000

LABELS = {
    "tinystories": "story",
    "world": "story",
    "own": "story",
    "pratham": "story",
    "fables": "fable",
    "fairytales": "tale",
    "children": "tale",
    "dialogues": "dialogue",
    "orders": "dialogue",
    "dolly": "answer",
}


def tiny() -> Recipe:
    """The shipped model's recipe: simple stories, dialogues and correction of English."""
    return Recipe(
        name="tiny",
        model=model_config(
            6144,
            hidden_size=256,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=64,
            intermediate_size=768,
            max_position_embeddings=1024,
            labels=tuple(dict.fromkeys(LABELS.values())),
        ),
        mixture=MixtureConfig(
            row_length=512,
            text_rows=6,
            edit_rows=8,
            infill_rows=1,
            min_level=0.2,
            text={
                "tinystories": 0.38, "world": 0.25, "fables": 0.08, "pratham": 0.04, "fairytales": 0.03,
                "children": 0.04, "dialogues": 0.12, "orders": 0.03, "dolly": 0.03,
            },
            edits={
                "textbooks": 0.20, "dolly_answers": 0.16, "wikisplit": 0.16, "roleplay": 0.14, "tatoeba": 0.12,
                "tinystories": 0.10, "fables": 0.05, "pratham": 0.03, "children": 0.02, "fiction": 0.02,
            },
            labels=LABELS,
            errors=ErrorModel(rate=0.2),
        ),
        train=TrainConfig(steps=1450, batches=2, compile=True, checkpoint_every=50),
        characters={
            "tinystories": 6 * MILLION, "fables": 6 * MILLION, "pratham": 2 * MILLION, "fairytales": 4 * MILLION,
            "children": 14 * MILLION, "fiction": 8 * MILLION, "dialogues": 10 * MILLION, "orders": 2 * MILLION,
            "dolly": 3 * MILLION, "dolly_answers": 3 * MILLION, "roleplay": 2 * MILLION, "textbooks": 5 * MILLION,
            "wikisplit": 4 * MILLION, "tatoeba": 8 * MILLION, "world": 12 * MILLION,
        },
        passage_tokens=250,
    )  # fmt: skip
