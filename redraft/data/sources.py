"""Sources: the public text files a recipe reads, each as plain documents with its licence; and texts that are made.

Knows file formats and licences. The folder is named by the user (`--data-dir`); nothing is redistributed. A document of
a source of pairs has two lines: what is given, and what it is to become.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from redraft.data import world
from redraft.data.prompts import prompted

Reader = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Source:
    """One file of records. `read` turns a record into a document, or None to skip it.

    A source with `make` has no file: it makes documents without end.
    """

    name: str
    file: str
    licence: str
    origin: str
    read: Reader
    make: Callable[[], Iterator[str]] | None = None


def documents(source: Source, folder: Path) -> Iterator[str]:
    """Every document of a source, in file order; without end where they are made.

    Raises ValueError when the file is missing.
    """
    if source.make is not None:
        yield from source.make()
        return
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


def _split_pair(record: dict[str, str]) -> str | None:
    """A long sentence, and the two it can be told in."""
    from redraft.data.sentences import detokenize

    complex_, simple = (clean(detokenize(record[side])) for side in ("complex", "simple"))
    odd = any(mark in complex_ + simple for mark in ("''", "(", "[", "  ", "\n")) or not complex_[:1].isupper()
    before, after = (set(re.findall(r"\w+", side.lower())) for side in (complex_, simple))
    faithful = len(before & after) > 0.75 * len(after)  # what was added nobody could know
    return None if odd or not faithful or len(complex_) > 300 else f"{complex_}\n{simple}"


def _disfluent(record: dict[str, str]) -> str | None:
    """A question as it was said, and as it was meant. Only the training split."""
    pair = clean(record["disfluent"]), clean(record["clean"])
    return "\n".join(pair) if record["split"] == "train" and all(pair) else None


def _french(line: str) -> str | None:
    """A short English sentence and one in French; none that the translation tasks ask."""
    english, french = (clean(side) for side in line.split("\t")[:2])
    asked = int.from_bytes(hashlib.sha256(line.split("\t")[0].encode()).digest()[:4], "big") % 128 == 0
    return None if asked or len(english) > 60 or not french else f"{english}\n{french}"


def _chat(record: dict[str, str]) -> str | None:
    """A short question with a short answer in plain words."""
    text = _instruction(record)
    if text is None:
        return None
    words = text.split()
    hard = sum(len(word.strip(".,!?;:\"'")) > 11 for word in words)
    odd = any(mark in text for mark in ("http", "```", "{", "|", "=", "<", "\\"))
    return None if odd or len(words) > 110 or hard > 0.06 * len(words) else text


def _lines_chat(record: dict[str, str]) -> str | None:
    """The same for answers that must not be looked up: no lists of facts about the world, which are soon wrong."""
    return _chat(record) if len((record.get("output") or "").split()) > 2 else None


def _prompted(record: dict[str, str]) -> str | None:
    """A real story with a request that it answers."""
    text = clean(record["text"])
    return prompted(text, Random(zlib.crc32(text.encode()))) if text.count(" ") > 40 else None


def _made(record: Any) -> str | None:
    raise ValueError(f"a made source reads no records, not {record!r}")


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
    Source("instructions", "rasbt_instruction_1100.jsonl", "Apache-2.0", "rasbt/LLMs-from-scratch", _lines_chat),
    Source("chat", "dolly_subset.jsonl.gz", "CC BY-SA 3.0", "databricks-dolly-15k", _chat),
    Source("characters", "gpteacher_roleplay.jsonl.gz", "MIT", "teknium1/GPTeacher", _chat),
    Source("prompted", "tinystories_fragments.jsonl", "CDLA-Sharing-1.0", "TinyStories", _prompted),
    Source("disfluent", "disfl_qa.jsonl.gz", "CC BY 4.0", "google-research-datasets/Disfl-QA", _disfluent),
    Source("splits", "wikisplit_15k.jsonl.gz", "CC BY-SA 4.0", "google-research-datasets/wiki-split", _split_pair),
    Source("french", "tatoeba_fra_eng.tsv.gz", "CC BY 2.0 FR", "Tatoeba / manythings", _french),
    Source("world", "", "made by redraft.data.world", "redraft.data.world", _made, world.documents),
    Source("tatoeba", "tatoeba_fra_eng.tsv.gz", "CC BY 2.0 FR", "Tatoeba / manythings", _english),
)  # fmt: skip
