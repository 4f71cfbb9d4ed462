"""Passages: nothing is lost in cutting, documents are held out whole, and limits hold."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.data.passages import HELD_OUT, build_passages, corpus, held_out, load_passages
from redraft.data.sources import Source
from tests.data.tiny import TEXT, passages, stories, story, tokenizer

EOS = TEXT
lines = st.text(st.sampled_from("ab .é🦊"), max_size=30).map(str.strip)
document = st.lists(lines, min_size=1, max_size=6).map("\n".join)


@settings(deadline=None)
@given(st.lists(document, min_size=1, max_size=5), st.integers(2, 40))
def test_no_token_is_lost_in_cutting_but_passages_of_one(texts: list[str], most: int) -> None:
    made = build_passages([("made", text) for text in texts], tokenizer(), most)
    assert all(2 <= len(made[n]) <= most for n in range(len(made)))
    apart = [build_passages([("made", text)], tokenizer(), most) for text in texts]
    assert [held[n].tolist() for held in apart for n in range(len(held))] == [
        made[n].tolist() for n in range(len(made))
    ]
    for held, text in zip(apart, texts, strict=True):
        whole = [i for line in text.split("\n") for i in tokenizer().encode(line + "\n")]
        assert comes_from([i for n in range(len(held)) for i in held[n].tolist()], [*whole[:-1], EOS])


def comes_from(kept: list[int], whole: list[int]) -> bool:
    """Whether `kept` is `whole` with some tokens left out, never two in a row."""
    states = {(0, False)}  # (how many of `kept` are matched, whether the last token was left out)
    for token in whole:
        matched = {(n + 1, False) for n, _ in states if n < len(kept) and kept[n] == token}
        states = matched | {(n, True) for n, left_out in states if not left_out}
    return any(n == len(kept) for n, _ in states)


def test_a_document_that_fits_is_one_passage_with_its_text_and_its_end() -> None:
    made = build_passages([("tales", text) for text in stories(20)], tokenizer(), 1000)
    assert len(made) == 20
    for n, text in enumerate(stories(20)):
        assert made[n][-1] == EOS
        assert tokenizer().decode(made[n].tolist()) == text


def test_passages_of_a_long_document_join_to_its_text() -> None:
    text = story(0, lines=40)
    made = build_passages([("tales", text)], tokenizer(), 60)
    assert len(made) > 5
    assert "".join(tokenizer().decode(made[n].tolist()) for n in range(len(made))) == text


def test_cuts_are_at_line_ends_where_lines_fit() -> None:
    made = build_passages([("tales", story(0, lines=40))], tokenizer(), 60)
    assert all(tokenizer().decode(made[n].tolist()).endswith("\n") for n in range(len(made) - 1))
    assert [int((made[n] == EOS).sum()) for n in range(len(made))] == [0] * (len(made) - 1) + [1]


def test_a_line_longer_than_a_passage_is_cut_where_it_must_be() -> None:
    text = " ".join(stories(20, lines=1))
    made = build_passages([("tales", text)], tokenizer(), 16)
    assert [len(made[n]) for n in range(len(made) - 1)] == [16] * (len(made) - 1)
    assert "".join(tokenizer().decode(made[n].tolist()) for n in range(len(made))) == text


def test_passages_keep_their_source() -> None:
    made = passages()
    assert made.names == ("fables", "tales")
    both = np.concatenate([made.of("fables"), made.of("tales")])
    assert sorted(both.tolist()) == list(range(len(made)))
    fables = {tokenizer().decode(made[int(n)].tolist()) for n in made.of("fables")}
    assert fables == {text for n, text in enumerate(stories(40)) if n % 3 == 0}
    with pytest.raises(ValueError, match="no source 'sagas' among fables, tales"):
        made.of("sagas")


def test_saved_passages_are_the_same_passages(tmp_path: Path) -> None:
    passages().save(tmp_path / "p.npz")
    back = load_passages(tmp_path / "p.npz")
    assert back.names == passages().names
    for name in ("tokens", "offsets", "source"):
        assert np.array_equal(getattr(back, name), getattr(passages(), name))
        assert getattr(back, name).dtype == getattr(passages(), name).dtype


def test_there_may_be_no_passage_at_all(tmp_path: Path) -> None:
    """A small corpus holds out nothing."""
    none = build_passages([], tokenizer(), 60)
    assert len(none) == 0
    none.save(tmp_path / "none.npz")
    assert len(load_passages(tmp_path / "none.npz")) == 0


def test_one_document_in_a_hundred_is_held_out_by_its_text_alone() -> None:
    texts = stories(4000)
    share = sum(map(held_out, texts)) / len(set(texts))
    assert abs(share - 1 / HELD_OUT) < 4 * (0.01 * 0.99 / 4000) ** 0.5
    assert [held_out(text) for text in texts[:50]] == [held_out(text) for text in reversed(texts[:50])][::-1]


# ------------------------------------------------------------------ the corpus and its limits


def source(name: str, texts: list[str], folder: Path) -> Source:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return Source(name, f"{name}.jsonl", "MIT", "made up", lambda record: str(record["text"]))


def test_a_source_without_a_limit_is_not_read(tmp_path: Path) -> None:
    wanted = source("wanted", ["one"], tmp_path)
    missing = Source("missing", "missing.jsonl", "MIT", "nowhere", str)
    assert list(corpus(tmp_path, {"wanted": 100}, [wanted, missing])) == [("wanted", "one")]
    assert list(corpus(tmp_path, {"missing": 0}, [wanted, missing])) == []


def test_a_source_is_read_up_to_its_limit_and_the_document_that_reaches_it(tmp_path: Path) -> None:
    texts = [f"{n:03d} " + "x" * 96 for n in range(50)]
    found = [text for _, text in corpus(tmp_path, {"many": 1050}, [source("many", texts, tmp_path)])]
    assert found == texts[:11]


def test_a_document_twice_is_read_once(tmp_path: Path) -> None:
    made = source("many", ["one", "two", "one", "two", "three"], tmp_path)
    assert [text for _, text in corpus(tmp_path, {"many": 100}, [made])] == ["one", "two", "three"]


def test_a_few_long_books_are_taken_evenly(tmp_path: Path) -> None:
    books = [str(n) * 50_000 for n in range(5)]
    found = [text for _, text in corpus(tmp_path, {"books": 20_000}, [source("books", books, tmp_path)])]
    assert found == [book[:4000] for book in books]
