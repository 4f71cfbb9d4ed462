"""IFEval: instructions that a program can check, such as "no commas"; a prompt is followed or it is not."""

from collections.abc import Sequence

from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right
from redraft.evals.tasks.ifeval.instructions import follows, loosely


def examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=f"ifeval/{row.get('key', number)}",
            prompt=f"{row['prompt']}\n\n",
            question=row["prompt"],
            target=[
                [kind, {name: value for name, value in (arguments or {}).items() if value is not None}]
                for kind, arguments in zip(row["instruction_id_list"], row["kwargs"], strict=True)
            ],
        )
        for number, row in enumerate(rows)
    ]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    """Strict decides. Parts: instructions followed, followed loosely, all of them loosely, and how many there are."""
    strict = [follows(kind, answer, given) for kind, given in example.target]
    loose = [any(follows(kind, text, given) for text in loosely(answer)) for kind, given in example.target]
    broken = [kind for (kind, _), followed in zip(example.target, strict, strict=True) if not followed]
    verdict = right(not broken, f"not followed: {', '.join(broken)}")
    return Verdict(verdict.score, verdict.why, (sum(strict), sum(loose), int(all(loose)), len(strict)))


IFEVAL = Task(
    name="ifeval",
    title="IFEval",
    version="1",
    split="541 prompts",
    source="https://huggingface.co/datasets/google/IFEval",
    licence="Apache-2.0",
    files=("ifeval.jsonl", "ifeval_input_data.jsonl"),
    hub=Hub("google/IFEval", "ifeval_input_data.jsonl"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=1280,
    also=("by_instruction", "loose", "loose_by_instruction"),
)
