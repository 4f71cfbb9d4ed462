"""Text: the tokenizer that an open checkpoint brings, and what its small files say of special tokens.

Knows tokenizer.json, or vocab.json and merges.txt of the byte-level kind, and their configurations. Refuses to know
models and how a conversation is written. A text that spells a special token does not become one; a template's may.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

# How Qwen2's tokenizer cuts a text before byte pairs are merged, where a folder holds its vocabulary alone.
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ROLES = ("bos_token", "eos_token", "pad_token", "unk_token", "mask_token", "sep_token", "cls_token")


@dataclass(frozen=True, slots=True)
class OpenTokenizer:
    """Text to ids and back.

    marked  reads special tokens that a text spells out
    plain   takes them for characters
    hidden  ids that are never text
    lead    what the tokenizer puts in front of every text
    added   ids of added tokens, and whether they are special: `<|im_end|>` is, `<think>` may not be
    """

    marked: Tokenizer
    plain: Tokenizer
    hidden: frozenset[int]
    lead: tuple[int, ...]
    added: Mapping[int, bool]

    @property
    def vocab_size(self) -> int:
        return int(self.marked.get_vocab_size(with_added_tokens=True))

    def special(self, name: str) -> int:
        """Id of a token by its spelling; ValueError when the tokenizer lacks it."""
        token_id = self.marked.token_to_id(name)
        if token_id is None:
            raise ValueError(f"the tokenizer has no token {name!r}")
        return int(token_id)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, nothing put in front. Text that spells a special token is encoded as plain characters."""
        return list(self.plain.encode(text, add_special_tokens=False).ids)

    def encode_marked(self, text: str) -> list[int]:
        """Ids of a text in which spelt-out special tokens are meant."""
        return list(self.marked.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids, whatever is not text left out."""
        return str(self.marked.decode([i for i in ids if i not in self.hidden], skip_special_tokens=True))

    def unmarked(self, text: str, *, all_added: bool) -> list[str]:
        """The text in pieces, none of which spells a special token (or, with `all_added`, any added one).

        Raises ValueError for a token of one character, which cannot be cut.
        """
        done: list[str] = []
        left = [text]
        while left:
            part = left.pop()
            span = self._first_added(part, all_added)
            if span is None:
                done.append(part)
                continue
            start, end = span
            if end - start < 2:
                raise ValueError(f"{part[start:end]!r} is a control token of this model and cannot be said")
            left += [part[start + 1 :], part[: start + 1]]
        return done

    def _first_added(self, text: str, all_added: bool) -> tuple[int, int] | None:
        encoding = self.marked.encode(text, add_special_tokens=False)
        for token, span in zip(encoding.ids, encoding.offsets, strict=True):
            if self.added.get(token, False) or (all_added and token in self.added):
                return span
        return None


@dataclass(frozen=True, slots=True)
class Wording:
    """What a folder's small files say beside the vocabulary: special tokens by role, and the chat template."""

    names: Mapping[str, str]
    template: str | None


def load_open_tokenizer(folder: Path, vocab_size: int, hidden: Iterable[int]) -> OpenTokenizer:
    """The tokenizer of a checkpoint folder; `hidden` are further ids that are never text.

    Raises ValueError where there is none, or where it has more tokens than the model.
    """
    settings = _settings(folder)
    marked, plain = _read(folder, settings), _read(folder, settings)
    plain.encode_special_tokens = True
    added = {i: bool(token.special) for i, token in marked.get_added_tokens_decoder().items()}
    largest = max(marked.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= vocab_size:
        raise ValueError(f"the tokenizer of {folder} has a token {largest}, and the model {vocab_size} tokens")
    unseen = {i for i, special in added.items() if special} | set(hidden)
    return OpenTokenizer(marked, plain, frozenset(unseen), _lead(marked, settings), added)


def read_wording(folder: Path) -> Wording:
    """Special tokens by role, and the template of conversations where the folder brings one."""
    settings = _settings(folder)
    named = {**_json(folder / "special_tokens_map.json"), **settings}
    names = {role: _spelling(named[role]) for role in ROLES if named.get(role) is not None}
    return Wording(names, _template(folder, settings))


def ends_of(folder: Path, tokenizer: OpenTokenizer) -> tuple[int, ...]:
    """The ids that the folder's files call the end of a text."""
    stated = _json(folder / "generation_config.json").get("eos_token_id")
    found = stated if isinstance(stated, list) else [] if stated is None else [stated]
    spelt = read_wording(folder).names.get("eos_token")
    named = None if spelt is None else tokenizer.marked.token_to_id(spelt)
    for token in found:
        if type(token) is not int:
            raise ValueError(f"{folder / 'generation_config.json'} says eos_token_id={stated!r}")
    return tuple(dict.fromkeys([*found, *([] if named is None else [named])]))


def _settings(folder: Path) -> dict[str, Any]:
    return _json(folder / "tokenizer_config.json")


def _read(folder: Path, settings: Mapping[str, Any]) -> Tokenizer:
    path = folder / "tokenizer.json"
    if path.exists():
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for malformed files
            raise ValueError(f"cannot read tokenizer {path}: {error}") from None
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        return _byte_level(folder, settings)
    raise ValueError(
        f"{folder} has neither tokenizer.json nor vocab.json and merges.txt; name a folder that has (tokenizer=...)"
    )


def _byte_level(folder: Path, settings: Mapping[str, Any]) -> Tokenizer:
    """Byte-level BPE from its vocabulary: GPT-2's way to cut a text into words if it says so, else Qwen2's."""
    try:
        inner = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    except Exception as error:  # the library raises bare Exception for malformed files
        raise ValueError(f"cannot read the vocabulary in {folder}: {error}") from None
    inner.decoder = decoders.ByteLevel()
    if "GPT2" in str(settings.get("tokenizer_class")):
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        inner.normalizer = normalizers.NFC()
        words = pre_tokenizers.Split(Regex(QWEN_WORDS), "isolated")
        inner.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(False, use_regex=False)])
    for token_id, token in sorted(_added_tokens(folder, settings).items()):
        inner.add_special_tokens([token]) if token.special else inner.add_tokens([token])
        if inner.token_to_id(token.content) != token_id:
            raise ValueError(f"{folder}: {token.content!r} is no token {token_id}: the vocabulary ends elsewhere")
    return inner


def _added_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[int, AddedToken]:
    stated = settings.get("added_tokens_decoder")
    if isinstance(stated, dict):
        return {int(i): _added_token(values) for i, values in stated.items()}
    plain = _json(folder / "added_tokens.json")
    return {i: AddedToken(content, special=True, normalized=False) for content, i in plain.items()}


def _added_token(values: Mapping[str, Any]) -> AddedToken:
    flags = {name: bool(values.get(name)) for name in ("lstrip", "rstrip", "normalized", "single_word", "special")}
    return AddedToken(values["content"], **flags)


def _lead(marked: Tokenizer, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """What stands in front of a text: what the tokenizer puts there, or the token its configuration asks for."""
    encoding = marked.encode("a", add_special_tokens=True)
    first = next((n for n, added in enumerate(encoding.special_tokens_mask) if not added), 0)
    if first == 0 and settings.get("add_bos_token") is True and settings.get("bos_token") is not None:
        token = marked.token_to_id(_spelling(settings["bos_token"]))
        return () if token is None else (token,)
    return tuple(encoding.ids[:first])


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """chat_template.jinja, else what a JSON file says; of several named templates the one called default."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    stated = settings.get("chat_template", _json(folder / "chat_template.json").get("chat_template"))
    if isinstance(stated, list):
        stated = {entry.get("name"): entry.get("template") for entry in stated}.get("default")
    if stated is not None and not isinstance(stated, str):
        raise ValueError(f"{folder}: the chat template is no text but {type(stated).__name__}")
    return stated


def _spelling(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; {} where there is no such file."""
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a JSON object but {type(values).__name__}")
    return values
