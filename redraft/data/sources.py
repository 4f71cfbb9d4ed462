"""Sources: the public text files a recipe reads, each as plain documents with its licence.

Knows file formats and licences. The folder is named by the user (`--data-dir`); nothing is redistributed.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Reader = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Source:
    """One file of records. `read` turns a record into a document, or None to skip it."""

    name: str
    file: str
    licence: str
    origin: str
    read: Reader


def documents(source: Source, folder: Path) -> Iterator[str]:
    """Every document of a source, in file order. Raises ValueError when the file is missing."""
    path = folder / source.file
    if not path.is_file():
        raise ValueError(f"{path} is missing; {source.name} comes from {source.origin}")
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = line.rstrip("\n") if ".tsv" in source.file else json.loads(line)
            text = source.read(record)
            if text:
                yield text


def clean(text: str) -> str:
    """Straight quotes, plain dashes and spaces, no empty lines: what a small vocabulary spells best."""
    for old, new in _PLAIN:
        text = text.replace(old, new)
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


_PLAIN = (
    ("\r\n", "\n"), ("\u2019", "'"), ("\u2018", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2014", "-"),
    ("\u2013", "-"), ("\u2026", "..."), ("\u00a0", " "), ("\u202f", " "), ("\ufeff", ""), ("  ", " "),
)  # fmt: skip


def _text(record: dict[str, str]) -> str | None:
    return clean(record["text"])


def _unwrapped(record: dict[str, str]) -> str | None:
    """Book text: chapter headings dropped."""
    lines = clean(record["text"]).split("\n")
    return "\n".join(line for line in lines if not line.startswith("#") and not line.isupper())


def _dialogue(record: dict[str, list[list[str]]]) -> str | None:
    names = {"USER": "User", "SYSTEM": "Assistant", "user": "User", "assistant": "Assistant"}
    return "\n".join(f"{names.get(who, who)}: {clean(said)}" for who, said in record["turns"] if said.strip())


def _instruction(record: dict[str, str]) -> str | None:
    question, answer = record["instruction"], record.get("output") or ""
    if record.get("input"):
        question = f"{question} {record['input']}"
    refers = any(
        word in question.lower() for word in ("passage", "reference text", "paragraph below", "given the text")
    )
    return None if refers or not answer else f"User: {clean(question)}\nAssistant: {clean(answer)}"


def _answer(record: dict[str, str]) -> str | None:
    return clean(record.get("output") or "")


def _wikisplit(record: dict[str, str]) -> str | None:
    from redraft.data.sentences import detokenize

    text = clean(detokenize(record["simple"]))
    return text if text[:1].isupper() and "''" not in text and "(" not in text else None


def _english(line: str) -> str | None:
    return clean(line.split("\t")[0])


SOURCES = (
    Source("tinystories", "tinystories_fragments.jsonl", "CDLA-Sharing-1.0", "TinyStories", _text),
    Source("fables", "tinyfabulist_fables.jsonl.gz", "MIT", "klusai/tinyfabulist", _text),
    Source("pratham", "pratham_en.jsonl", "CC BY 4.0 / public domain", "global-asp/pb-source", _text),
    Source("fairytales", "fairytaleqa_stories.jsonl.gz", "Apache-2.0", "uci-soe/FairytaleQAData", _text),
    Source(
        "children", "childrens_and_light_fiction.jsonl.gz", "public domain / CC0", "Standard Ebooks and others",
        _unwrapped,
    ),
    Source(
        "fiction", "readable_fiction.jsonl.gz", "public domain in the US", "Project Gutenberg and others", _unwrapped,
    ),
    Source("dialogues", "sgd_dialogues.jsonl.gz", "CC BY-SA 4.0", "dstc8-schema-guided-dialogue", _dialogue),
    Source("orders", "taskmaster4.jsonl.gz", "CC BY 4.0", "google-research-datasets/Taskmaster", _dialogue),
    Source("dolly", "dolly_subset.jsonl.gz", "CC BY-SA 3.0", "databricks-dolly-15k", _instruction),
    Source("dolly_answers", "dolly_subset.jsonl.gz", "CC BY-SA 3.0", "databricks-dolly-15k", _answer),
    Source("roleplay", "gpteacher_roleplay.jsonl.gz", "MIT", "teknium1/GPTeacher", _answer),
    Source("textbooks", "openstax_ccby.jsonl.gz", "CC BY 4.0", "openstax", _text),
    Source("wikisplit", "wikisplit_15k.jsonl.gz", "CC BY-SA 4.0", "google-research-datasets/wiki-split", _wikisplit),
    Source("tatoeba", "tatoeba_fra_eng.tsv.gz", "CC BY 2.0 FR", "Tatoeba / manythings", _english),
)  # fmt: skip
