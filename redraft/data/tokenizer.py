"""The tokenizer: byte-level BPE with Redraft's special tokens at the end of the vocabulary.

Knows bytes, merges and special ids. Any text round-trips; specials never appear from text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIALS = (
    "<|endoftext|>",
    "<|mask|>",
    "<|delete|>",
    "<|insert_1|>",
    "<|insert_2|>",
    "<|insert_3|>",
    "<|insert_4|>",
    "<|edit|>",
    "<|pad|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|reserved_0|>",
    "<|reserved_1|>",
    "<|reserved_2|>",
    "<|reserved_3|>",
    "<|reserved_4|>",
)
CHARACTERS = 256 + len(SPECIALS)  # entries of a `character_tokenizer`


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """Text to ids and back. `text_size` ids are bytes and merges; specials follow."""

    inner: Tokenizer
    text_size: int

    @property
    def vocab_size(self) -> int:
        return self.inner.get_vocab_size(with_added_tokens=True)

    def special(self, name: str) -> int:
        """Id of a special token; ValueError when the tokenizer lacks it."""
        token_id = self.inner.token_to_id(name)
        if token_id is None:
            raise ValueError(f"the tokenizer has no special token {name!r}")
        return int(token_id)

    def encode(self, text: str) -> list[int]:
        """Ids of a text. Text that spells a special token is encoded as plain characters."""
        return list(self.inner.encode(text, add_special_tokens=False).ids)

    def encode_marked(self, text: str) -> list[int]:
        """Ids of what a template wrote: no spelling means a special token here, in a template neither."""
        return self.encode(text)

    def unmarked(self, text: str, *, all_added: bool) -> list[str]:
        """A text in pieces that spell no special token: it is whole, as none of them is ever read from text."""
        return [text]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(e.ids) for e in self.inner.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids, specials left out."""
        return str(self.inner.decode([i for i in ids if i < self.text_size], skip_special_tokens=False))

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """Exact bytes of the ids, also where a character is cut in two."""
        table = _byte_table()
        spelt = "".join(self.inner.id_to_token(int(i)) or "" for i in ids if int(i) < self.text_size)
        return bytes(table[c] for c in spelt)

    def save(self, path: Path) -> None:
        self.inner.save(str(path))


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> TextTokenizer:
    """Byte-level BPE over `texts`, `vocab_size` entries, specials included.

    Raises ValueError when the texts are too few for that many entries: special ids are counted from the end.
    """
    text_size = vocab_size - len(SPECIALS)
    if text_size < 256:
        raise ValueError(f"{vocab_size=} leaves no room for 256 bytes and {len(SPECIALS)} specials")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=text_size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    if inner.get_vocab_size() != text_size:
        most = inner.get_vocab_size() + len(SPECIALS)
        raise ValueError(f"{vocab_size=} is more than these texts give: they make {most} entries, specials included")
    return with_specials(inner)


def character_tokenizer() -> TextTokenizer:
    """A token per byte and nothing learnt: for texts where every character counts, such as puzzles."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return with_specials(inner)


def with_specials(inner: Tokenizer) -> TextTokenizer:
    """Append Redraft's specials; spelt out in text they stay plain characters."""
    text_size = inner.get_vocab_size()
    inner.add_special_tokens(list(SPECIALS))
    inner.encode_special_tokens = True
    return TextTokenizer(inner, text_size)


def load_tokenizer(path: Path, text_size: int) -> TextTokenizer:
    """Read a `tokenizer.json`. Raises ValueError when it is missing, not one, or of another size of vocabulary."""
    try:
        inner = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for missing and malformed files alike
        raise ValueError(f"cannot read tokenizer {path}: {error}") from None
    first = inner.token_to_id(SPECIALS[0])
    if first != text_size:
        raise ValueError(f"{path} has {SPECIALS[0]} at {first}; {text_size=} puts it behind the text")
    inner.encode_special_tokens = True
    return TextTokenizer(inner, text_size)


@cache
def _byte_table() -> dict[str, int]:
    """The GPT-2 byte-to-character map, inverted."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + n): b for n, b in enumerate(shifted)}
