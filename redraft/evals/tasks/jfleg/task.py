"""JFLEG: mend a sentence of a learner of English; corpus GLEU against four corrections."""

from collections.abc import Sequence

from redraft.data.sentences import detokenize, tokenize
from redraft.evals.gleu import corpus_gleu, sentence_statistics
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

QUESTION = (
    "Correct the grammar, the spelling and the wording of this sentence, and change nothing else. Answer with the "
    "sentence alone.\n\n{}"
)


def examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(number, row) for number, row in enumerate(rows)]


def _example(number: int, row: Row) -> Example:
    """The set is tokenised; models read plain text."""
    source = row["src"] if "src" in row else row["sentence"]
    references = row["refs"] if "refs" in row else row["corrections"]
    text = detokenize(source)
    return Example(f"jfleg/{number}", text, QUESTION.format(text), {"source": source, "references": list(references)})


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    """A sentence that was left alone counts as its source, exactly: our tokeniser is not the set's."""
    source, references = example.target["source"], example.target["references"]
    mended = source if answer.strip() == example.prompt else tokenize(" ".join(answer.split()))
    parts = sentence_statistics([source], [mended], [references])[0]
    return Verdict(max(corpus_gleu([part]) for part in parts), "unchanged" if mended == source else "", tuple(parts))


JFLEG = Task(
    name="jfleg",
    title="JFLEG",
    version="1",
    split="development, 754 sentences",
    source="https://github.com/keisks/jfleg",
    licence="CC BY-NC-SA 4.0",
    files=("jfleg_dev.jsonl",),
    hub=Hub("jhu-clsp/jfleg", "data/validation-00000-of-00001.parquet"),
    examples=examples,
    judge=judge,
    asks=("edit", "chat"),
    max_tokens=256,
    metric="gleu",
)
