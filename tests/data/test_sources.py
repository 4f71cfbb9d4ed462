"""Sources: each reader on a made-up record, and what each skips."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from redraft.data.passages import corpus
from redraft.data.sources import SOURCES, clean, documents
from redraft.evals.tasks.translation.task import held_out

BY_NAME = {source.name: source for source in SOURCES}
BOOK = "CHAPTER ONE\n\n# Down the hole\n\nAlice was tired.\n\nShe sat."

# name, record, the document it makes; None where the record is skipped
RECORDS: list[tuple[str, Any, str | None]] = [
    ("tinystories", {"text": " One day,\r\n\r\n a dog ran. "}, "One day,\na dog ran."),
    ("tinystories", {"text": "  \n "}, None),
    ("fables", {"text": "A fox\u2019s tale \u2014 \u201cgrapes\u201d"}, 'A fox\'s tale - "grapes"'),
    ("pratham", {"text": "Mum and I"}, "Mum and I"),
    ("fairytales", {"text": "Once\u2026"}, "Once..."),
    ("children", {"text": BOOK}, "Alice was tired.\nShe sat."),
    ("fiction", {"text": BOOK}, "Alice was tired.\nShe sat."),
    ("dialogues", {"turns": [["USER", "Hi  there"], ["SYSTEM", "Hello."]]}, "User: Hi there\nAssistant: Hello."),
    ("dialogues", {"turns": [["USER", "  "], ["SYSTEM", "Hello."]]}, "Assistant: Hello."),
    ("dialogues", {"turns": []}, None),
    ("orders", {"turns": [["user", "A tea"], ["assistant", "Sure"]]}, "User: A tea\nAssistant: Sure"),
    ("orders", {"turns": [["cook", "It is ready"]]}, "cook: It is ready"),
    ("dolly", {"instruction": "Why?", "output": "Because."}, "User: Why?\nAssistant: Because."),
    ("dolly", {"instruction": "Sum up", "input": "a text", "output": "Text."}, "User: Sum up a text\nAssistant: Text."),
    ("dolly", {"instruction": "Given the text, why?", "output": "Because."}, None),
    ("dolly", {"instruction": "Read the Passage. Why?", "output": "Because."}, None),
    ("dolly", {"instruction": "Why?", "output": ""}, None),
    ("dolly", {"instruction": "Why?", "output": None}, None),
    ("dolly_answers", {"instruction": "Why?", "output": " Because. "}, "Because."),
    ("dolly_answers", {"instruction": "Why?"}, None),
    ("roleplay", {"instruction": "Be a cat", "output": "Meow."}, "Meow."),
    ("textbooks", {"text": "Cells\u00a0divide."}, "Cells divide."),
    ("wikisplit", {"simple": "He did n't go , he said ."}, "He didn't go, he said."),
    ("wikisplit", {"simple": "he went ."}, None),
    ("wikisplit", {"simple": "He ( Bob ) went ."}, None),
    ("instructions", {"instruction": "Why?", "input": "", "output": "Because it is."},
        "User: Why?\nAssistant: Because it is."),
    ("instructions", {"instruction": "Why?", "input": "", "output": "Because."}, None),
    ("chat", {"instruction": "Why?", "output": "Because."}, "User: Why?\nAssistant: Because."),
    ("chat", {"instruction": "Why?", "output": "See https://example.org"}, None),
    ("chat", {"instruction": "Why?", "output": "word " * 200}, None),
    ("chat", {"instruction": "Why?", "output": "Internationalization notwithstanding."}, None),
    ("characters", {"instruction": "Be a cat", "output": "Meow."}, "User: Be a cat\nAssistant: Meow."),
    ("prompted", {"text": "Too short."}, None),
    ("disfluent", {"split": "train", "disfluent": "Who no what is it?", "clean": "What is it?"},
        "Who no what is it?\nWhat is it?"),
    ("disfluent", {"split": "test", "disfluent": "Who no what is it?", "clean": "What is it?"}, None),
    ("splits", {"complex": "He ate , and he slept .", "simple": "He ate . He slept ."},
        "He ate, and he slept.\nHe ate. He slept."),
    ("splits", {"complex": "He ate .", "simple": "The old king of the land was hungry . He ate ."}, None),
    ("splits", {"complex": "He ( Bob ) ate .", "simple": "He ate ."}, None),
    ("french", "Go on.\tContinue.\tCC-BY 2.0", "Go on.\nContinue."),
    ("french", f"{'long ' * 20}\tlong", None),
    ("tatoeba", "Go on.\tContinue.\tCC-BY 2.0", "Go on."),
    ("tatoeba", "", None),
]  # fmt: skip


def write(folder: Path, file: str, records: list[Any]) -> None:
    content = "".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in records)
    path = folder / file
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())


@pytest.mark.parametrize(("name", "record", "expected"), RECORDS)
def test_a_record_becomes_its_document(tmp_path: Path, name: str, record: Any, expected: str | None) -> None:
    write(tmp_path, BY_NAME[name].file, [record])
    assert list(documents(BY_NAME[name], tmp_path)) == ([] if expected is None else [expected])


def test_every_source_has_a_record_here() -> None:
    assert {name for name, _, _ in RECORDS} == {name for name, source in BY_NAME.items() if source.make is None}


def test_a_made_source_needs_no_file(tmp_path: Path) -> None:
    found = list(corpus(tmp_path, {"world": 20_000}))
    assert {name for name, _ in found} == {"world"}
    assert 20_000 <= sum(len(text) for _, text in found) < 24_000
    assert found == list(corpus(tmp_path, {"world": 20_000}))


def test_documents_to_keep_away_from_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, BY_NAME["pratham"].file, [{"text": "A fawn ran."}, {"text": "A king sat."}])
    assert list(corpus(tmp_path, {"pratham": 100}, away={"A king sat."})) == [("pratham", "A fawn ran.")]


def test_no_pair_to_translate_is_one_that_is_asked(tmp_path: Path) -> None:
    lines = [f"Sentence {n}.\tPhrase {n}." for n in range(1000)]
    write(tmp_path, BY_NAME["french"].file, lines)
    kept = {text.split("\n")[0] for text in documents(BY_NAME["french"], tmp_path)}
    assert kept == {line.split("\t")[0] for line in lines if not held_out(line.split("\t")[0])}
    assert 900 < len(kept) < 1000


def test_a_prompted_story_is_the_story_with_a_request(tmp_path: Path) -> None:
    text = "The dog ran to the river and saw a boat there. " * 5
    write(tmp_path, BY_NAME["prompted"].file, [{"text": text}])
    (found,) = documents(BY_NAME["prompted"], tmp_path)
    assert found.startswith("User: ")
    assert found.endswith(f"\nAssistant: {text.strip()}")


def test_documents_come_in_file_order_without_those_skipped(tmp_path: Path) -> None:
    write(tmp_path, BY_NAME["roleplay"].file, [{"output": text} for text in ("one", "", "two")])
    assert list(documents(BY_NAME["roleplay"], tmp_path)) == ["one", "two"]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.make is None], ids=lambda source: source.name)
def test_a_missing_file_is_named_with_where_it_comes_from(tmp_path: Path, source: Any) -> None:
    with pytest.raises(ValueError, match=f"{source.file} is missing; {source.name} comes from {source.origin}"):
        next(documents(source, tmp_path))


def test_every_source_states_its_licence_and_has_a_name_of_its_own() -> None:
    assert all(source.licence and source.origin for source in SOURCES)
    assert len(BY_NAME) == len(SOURCES)


def test_clean_text_is_left_alone() -> None:
    text = 'He said: "Don\'t - please."\nThen he left...'
    assert clean(text) == text
