"""A corpus in miniature: made-up stories, a tokenizer trained on them, their passages."""

from functools import cache
from random import Random

from redraft.core.canvas import Controls
from redraft.core.corruption import Hybrid
from redraft.data.passages import Passages, build_passages
from redraft.data.tokenizer import SPECIALS, TextTokenizer, train_tokenizer

VOCAB = 336
TEXT = VOCAB - len(SPECIALS)
NOUNS = ["dog", "cat", "bird", "fish", "tree", "river", "house", "garden", "friend", "mother"]
VERBS = ["sees", "likes", "finds", "wants", "helps", "follows"]
KINDS = ["small", "happy", "old", "green", "quiet", "brave"]


def story(seed: int, lines: int = 4) -> str:
    """A few lines of one or two simple sentences each."""
    rng = Random(seed)

    def sentence() -> str:
        return f"The {rng.choice(KINDS)} {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)}."

    return "\n".join(" ".join(sentence() for _ in range(rng.randint(1, 2))) for _ in range(lines))


def stories(count: int, lines: int = 4) -> list[str]:
    return [story(seed, lines) for seed in range(count)]


@cache
def tokenizer() -> TextTokenizer:
    return train_tokenizer(stories(200), VOCAB)


@cache
def passages(max_tokens: int = 120) -> Passages:
    """Forty stories, two thirds of them called tales, the rest fables."""
    pairs = [("fables" if n % 3 == 0 else "tales", text) for n, text in enumerate(stories(40))]
    return build_passages(pairs, tokenizer(), max_tokens)


def controls() -> Controls:
    return Controls(TEXT + 2, tuple(range(TEXT + 3, TEXT + 7)))


def corruption(uniform_share: float = 0.1) -> Hybrid:
    return Hybrid(mask_id=TEXT + 1, vocab_size=VOCAB, uniform_share=uniform_share, text_size=TEXT)
