"""tiny: about 6M parameters, trained in hours on two CPU cores; the model in the package."""

from redraft.data.errors import ErrorModel
from redraft.data.mixture import MixtureConfig
from redraft.train.loop import TrainConfig
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe, model_config

MILLION = 1_000_000

LABELS = {
    "tinystories": "story",
    "world": "story",
    "prompted": "story",
    "pratham": "story",
    "fables": "fable",
    "fairytales": "tale",
    "children": "tale",
    "dialogues": "dialogue",
    "orders": "dialogue",
    "dolly": "answer",
    "chat": "answer",
    "instructions": "answer",
}
PAIRS = {"spoken": 0.14, "disfluent": 0.06, "splits": 0.04}  # of edit examples: transcripts, questions, long sentences


def tiny() -> Recipe:
    """The shipped model's recipe: simple stories, dialogues and correction of English.

    The shipped weights began with 1,900 steps of an earlier recipe; docs/log.md has the stages.
    """
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
                "tinystories": 0.34, "world": 0.22, "fables": 0.08, "pratham": 0.04, "fairytales": 0.03,
                "children": 0.04, "dialogues": 0.10, "orders": 0.02, "dolly": 0.02, "chat": 0.04, "prompted": 0.04,
                "instructions": 0.03,
            },
            edits={
                "textbooks": 0.20, "dolly_answers": 0.16, "wikisplit": 0.16, "roleplay": 0.14, "tatoeba": 0.12,
                "tinystories": 0.10, "fables": 0.05, "pratham": 0.03, "children": 0.02, "fiction": 0.02,
            },
            pairs=PAIRS,
            labels=LABELS,
            errors=ErrorModel(rate=0.25),
        ),
        train=TrainConfig(
            steps=2400, batches=2, compile=True, checkpoint_every=50, optim=OptimConfig(decay_share=0.2)
        ),
        characters={
            "tinystories": 6 * MILLION, "fables": 6 * MILLION, "pratham": 2 * MILLION, "fairytales": 4 * MILLION,
            "children": 14 * MILLION, "fiction": 8 * MILLION, "dialogues": 10 * MILLION, "orders": 2 * MILLION,
            "dolly": 3 * MILLION, "dolly_answers": 3 * MILLION, "roleplay": 2 * MILLION, "textbooks": 5 * MILLION,
            "wikisplit": 4 * MILLION, "tatoeba": 8 * MILLION, "world": 12 * MILLION,
            "chat": 2 * MILLION, "prompted": 5 * MILLION, "instructions": MILLION, "disfluent": 2 * MILLION,
            "splits": 4 * MILLION,
        },
        passage_tokens=250,
    )  # fmt: skip
