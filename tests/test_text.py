"""Tokenizers of open checkpoints, read from whatever files a folder has."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, processors

from redraft.text import ends_of, load_open_tokenizer, read_wording
from tests.open_model import TEXT, make_tokenizer

SPECIALS = {"<|begin|>": 300, "<|end|>": 301}
SENTENCES = [
    TEXT[0][:60],
    "Zoë's  déjà-vu,\n\n  2024 apples—it'll do!\t\r\n",
    "",
    " ",
    "日本語 e\u0301 😀",
    "a<|end|>b",
]


def save(folder: Path, inner: Tokenizer | None = None, **config: object) -> Path:
    (inner or make_tokenizer(SPECIALS)).save(str(folder / "tokenizer.json"))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def split(folder: Path, **config: object) -> Path:
    """The vocabulary alone, as vocab.json and merges.txt, and special tokens in tokenizer_config.json."""
    values = json.loads(make_tokenizer(SPECIALS).to_str())
    (folder / "vocab.json").write_text(json.dumps(values["model"]["vocab"]))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in values["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    added = {str(i): {"content": name, **flags} for name, i in SPECIALS.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added, **config}))
    return folder


@pytest.mark.parametrize("text", SENTENCES)
def test_any_text_comes_back_and_none_of_it_is_a_special_token(tmp_path: Path, text: str) -> None:
    tokenizer = load_open_tokenizer(save(tmp_path), 320, [])
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert max(ids, default=0) < 300
    assert tokenizer.decode([300, *ids, 301]) == text


@pytest.mark.parametrize("text", SENTENCES[:-1])
@pytest.mark.parametrize("name", ["Qwen2Tokenizer", "GPT2Tokenizer"])
def test_a_vocabulary_alone_cuts_words_as_its_own_tokenizer_does(tmp_path: Path, name: str, text: str) -> None:
    transformers = pytest.importorskip("transformers")
    folder = split(tmp_path, tokenizer_class=name)
    theirs = getattr(transformers, name)(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    assert load_open_tokenizer(folder, 320, []).encode(text) == theirs(text)["input_ids"]


def test_special_tokens_of_a_vocabulary_alone_have_the_ids_they_are_said_to_have(tmp_path: Path) -> None:
    tokenizer = load_open_tokenizer(split(tmp_path), 320, [])
    assert tokenizer.encode_marked("<|end|>") == [301] == [tokenizer.special("<|end|>")]
    values = json.loads((tmp_path / "tokenizer_config.json").read_text())
    values["added_tokens_decoder"]["310"] = {"content": "<|far|>", "special": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"'<\|far\|>' is no token 310"):
        load_open_tokenizer(tmp_path, 320, [])


def test_what_a_tokenizer_puts_around_a_text_leads_it_and_never_closes_it(tmp_path: Path) -> None:
    inner = make_tokenizer(SPECIALS)
    inner.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A <|end|>", special_tokens=[("<|begin|>", 300), ("<|end|>", 301)]
    )
    assert load_open_tokenizer(save(tmp_path, inner), 320, []).lead == (300,)
    assert load_open_tokenizer(save(tmp_path), 320, []).lead == ()
    asked = save(tmp_path, bos_token={"content": "<|begin|>"}, add_bos_token=True)
    assert load_open_tokenizer(asked, 320, []).lead == (300,)


def test_a_template_is_found_wherever_it_may_lie(tmp_path: Path) -> None:
    assert read_wording(tmp_path).template is None
    (tmp_path / "chat_template.json").write_text('{"chat_template": "json"}')
    assert read_wording(tmp_path).template == "json"
    named = [{"name": "tool_use", "template": "b"}, {"name": "default", "template": "a"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert read_wording(tmp_path).template == "a"
    (tmp_path / "chat_template.jinja").write_text("own")
    assert read_wording(tmp_path).template == "own"


def test_the_end_of_a_text_is_what_the_files_say(tmp_path: Path) -> None:
    tokenizer = load_open_tokenizer(save(tmp_path, eos_token="<|end|>"), 320, [])
    assert ends_of(tmp_path, tokenizer) == (301,)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 301]}')
    assert ends_of(tmp_path, tokenizer) == (5, 301)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": "<|end|>"}')
    with pytest.raises(ValueError, match=r"eos_token_id='<\|end\|>'"):
        ends_of(tmp_path, tokenizer)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "neither tokenizer.json nor vocab.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot read tokenizer"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[1]"), "not a JSON object but list"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("{"), "is not JSON"),
        (lambda folder: save(folder, make_tokenizer({"<|far|>": 319})), "has a token 319, and the model 310 tokens"),
    ],
)
def test_a_damaged_tokenizer_is_refused_by_file(tmp_path: Path, spoil, said: str) -> None:
    save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ValueError, match=said):
        load_open_tokenizer(tmp_path, 310, [])
