"""Translation: captions of Multi30k and short sentences of Tatoeba; corpus BLEU and chrF by sacrebleu."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from redraft.evals.corpora import chrf, translation_counts
from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict

LANGUAGES = {"en": "English", "de": "German", "fr": "French", "cs": "Czech"}
QUESTION = "Translate from {0} into {1}. Answer with the translation alone.\n\n{2}"
PROMPT = "{0}: {2}\n{1}:"
TEST = ("test", "test_2016_flickr")
HELD_OUT = 128  # of the sentences of Tatoeba one in so many is asked


def multi30k(source: str, target: str) -> Callable[[Sequence[Row]], list[Example]]:
    """Makes examples of the test split, from one language into another."""

    def examples(rows: Sequence[Row]) -> list[Example]:
        test = [row for row in rows if row["split"] in TEST]
        return [_example(f"{n}", source, target, row[source], [row[target]]) for n, row in enumerate(test)]

    return examples


def tatoeba(source: str, target: str) -> Callable[[Sequence[Row]], list[Example]]:
    """Makes examples of pairs (English, French), held out by a hash; all translations of a sentence are right."""

    def examples(rows: Sequence[Row]) -> list[Example]:
        pairs: dict[str, list[str]] = {}
        for row in rows:
            english, french = row["columns"][:2]
            one, other = (english, french) if source == "en" else (french, english)
            if held_out(english):
                pairs.setdefault(one, []).append(other)
        return [_example(f"{n}", source, target, one, others) for n, (one, others) in enumerate(pairs.items())]

    return examples


def held_out(english: str) -> bool:
    """Whether a pair is for evaluation: it depends on the English sentence alone."""
    return int.from_bytes(hashlib.sha256(english.encode()).digest()[:4], "big") % HELD_OUT == 0


def _example(name: str, source: str, target: str, text: str, references: Sequence[str]) -> Example:
    languages = LANGUAGES[source], LANGUAGES[target]
    return Example(
        id=f"{source}-{target}/{name}", prompt=PROMPT.format(*languages, text),
        question=QUESTION.format(*languages, text), target=list(references),
    )  # fmt: skip


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    parts = translation_counts(" ".join(answer.split()), example.target)
    return Verdict(chrf([parts]), "", parts)


EN_DE = Task(
    name="multi30k_en_de",
    title="Multi30k, English to German",
    version="1",
    split="test 2016, 1000 captions",
    source="https://github.com/multi30k/dataset",
    licence="captions of Flickr30k: research",
    files=("multi30k.jsonl.gz", "multi30k.jsonl"),
    examples=multi30k("en", "de"),
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=96,
    stop=("\n",),
    metric="bleu",
    also=("chrf",),
)
DE_EN = replace(EN_DE, name="multi30k_de_en", title="Multi30k, German to English", examples=multi30k("de", "en"))
EN_FR = replace(EN_DE, name="multi30k_en_fr", title="Multi30k, English to French", examples=multi30k("en", "fr"))
FR_EN = replace(EN_DE, name="multi30k_fr_en", title="Multi30k, French to English", examples=multi30k("fr", "en"))
EN_CS = replace(EN_DE, name="multi30k_en_cs", title="Multi30k, English to Czech", examples=multi30k("en", "cs"))
CS_EN = replace(EN_DE, name="multi30k_cs_en", title="Multi30k, Czech to English", examples=multi30k("cs", "en"))
TATOEBA_EN_FR = replace(
    EN_DE,
    name="tatoeba_en_fr",
    title="Tatoeba, English to French",
    split="one English sentence in 128, by its hash",
    source="https://www.manythings.org/anki/ (fra-eng)",
    licence="CC BY 2.0 FR",
    files=("tatoeba_fra_eng.tsv.gz", "fra.txt", "fra-eng.tsv"),
    examples=tatoeba("en", "fr"),
)
TATOEBA_FR_EN = replace(
    TATOEBA_EN_FR, name="tatoeba_fr_en", title="Tatoeba, French to English", examples=tatoeba("fr", "en")
)
