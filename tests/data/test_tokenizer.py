"""The tokenizer: any text comes back, and no text becomes a special token."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.data.tokenizer import SPECIALS, load_tokenizer, train_tokenizer
from tests.data.tiny import TEXT, VOCAB, stories, tokenizer

anything = st.text(st.characters(exclude_categories=["Cs"]))  # lone surrogates are not text
spelling = st.lists(st.one_of(anything, st.sampled_from(SPECIALS), st.just("🦊👩‍👩‍👧 naïve")), max_size=4).map("".join)


@settings(deadline=None)
@given(spelling)
def test_any_text_round_trips_and_never_becomes_a_special_token(text: str) -> None:
    ids = tokenizer().encode(text)
    assert all(0 <= i < TEXT for i in ids)
    assert tokenizer().decode(ids) == text
    assert tokenizer().decode_bytes(ids) == text.encode()


@settings(deadline=None, max_examples=30)
@given(spelling)
def test_the_bytes_of_every_prefix_are_a_prefix_of_the_bytes(text: str) -> None:
    ids = tokenizer().encode(text)
    for end in range(len(ids) + 1):
        assert tokenizer().decode_bytes(ids[:end]) + tokenizer().decode_bytes(ids[end:]) == text.encode()


def test_a_character_cut_in_two_is_exact_in_bytes() -> None:
    ids = tokenizer().encode("🦊")
    assert len(ids) == 4
    assert tokenizer().decode_bytes(ids[:2]) == "🦊".encode()[:2]
    assert tokenizer().decode(ids[:2]) == "\ufffd"


def test_every_byte_has_an_entry_of_its_own() -> None:
    singles = {tokenizer().decode_bytes([i]) for i in range(TEXT)}
    assert len(singles) == TEXT
    assert {bytes([b]) for b in range(256)} <= singles


def test_specials_sit_behind_the_text_in_order_and_decode_to_nothing() -> None:
    made = tokenizer()
    assert [made.special(name) for name in SPECIALS] == list(range(TEXT, VOCAB))
    assert (made.text_size, made.vocab_size) == (TEXT, VOCAB)
    ids = made.encode("a dog")
    assert made.decode([TEXT, *ids, *range(TEXT, VOCAB)]) == "a dog"
    assert made.decode_bytes([TEXT, *ids, *range(TEXT, VOCAB)]) == b"a dog"


def test_merges_make_familiar_words_short() -> None:
    assert len(tokenizer().encode(" garden")) == 1


def test_a_batch_is_its_texts_alone() -> None:
    texts = [*stories(3), "", "<|mask|> 🦊"]
    assert tokenizer().encode_batch(texts) == [tokenizer().encode(text) for text in texts]


def test_a_saved_tokenizer_is_the_same_tokenizer(tmp_path: Path) -> None:
    tokenizer().save(tmp_path / "tokenizer.json")
    back = load_tokenizer(tmp_path / "tokenizer.json", TEXT)
    for text in ("The dog sees the cat.", "<|mask|><|endoftext|>", "🦊\n"):
        assert back.encode(text) == tokenizer().encode(text)
        assert back.decode(back.encode(text)) == text
    assert back.vocab_size == VOCAB


def test_training_is_deterministic() -> None:
    again = train_tokenizer(stories(200), VOCAB)
    assert again.inner.to_str() == tokenizer().inner.to_str()


def test_an_unknown_special_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no special token '<\|nonsense\|>'"):
        tokenizer().special("<|nonsense|>")


def test_a_vocabulary_without_room_for_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="vocab_size=271 leaves no room"):
        train_tokenizer(["text"], 271)
    assert train_tokenizer(["text"], 272).text_size == 256


def test_a_vocabulary_that_the_texts_cannot_fill_is_refused() -> None:
    """Else the special tokens would sit at other ids than the model takes them for."""
    with pytest.raises(ValueError, match=r"vocab_size=400 is more than these texts give: they make 27[0-9] entries"):
        train_tokenizer(["a dog"], 400)


def test_a_tokenizer_of_another_size_is_refused(tmp_path: Path) -> None:
    tokenizer().save(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match=f"at {TEXT}; text_size={TEXT - 1}"):
        load_tokenizer(tmp_path / "tokenizer.json", TEXT - 1)


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", "not json"])
def test_a_file_that_is_no_tokenizer_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"cannot read tokenizer .*tokenizer\.json"):
        load_tokenizer(path, TEXT)
