"""SWE-bench Verified: resolve an issue of a real repository by one edit, given the files that the real fix touched.

Two tasks: judged by the official harness in Docker, or only looked at, whether the patch applies and parses.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right
from redraft.evals.tasks.swebench import harness
from redraft.evals.tasks.swebench.checkouts import CLONE, FOLDER, find_clone, read_files
from redraft.evals.tasks.swebench.patches import END, FIND, PUT, form

if TYPE_CHECKING:
    from redraft.evals.records import Run

MOST = 32_768  # tokens of a prompt
PER_TOKEN = 4  # characters: models count with tokens of their own, and a benchmark must ask all the same
QUESTION = """\
Below are an issue of the repository {repository} and the files that have to be changed to resolve it.

<issue>
{issue}
</issue>

{files}

Resolve the issue by editing these files. For every edit write the path of the file on a line of its own, then the \
lines to be replaced exactly as they stand in the file, then what is to stand there instead, as in

path/to/file.py
{find}
lines as they are, enough of them to be found once in the file
{put}
lines as they are to be
{end}

Write edits and nothing else."""


def with_files(rows: Sequence[Row], folder: Path | None) -> Sequence[Row]:
    """Rows with the texts of the files that the real fix touched, from clones beside the data.

    Rows may bring them along as `files`, path -> text. Instances of repositories that are not there get none.
    """
    if all("files" in row for row in rows):
        return rows
    place = Path(FOLDER) if folder is None else folder / FOLDER
    clones = {row["repo"]: find_clone(place, row["repo"]) for row in rows}
    if not any(clones.values()):
        first = CLONE.format(sorted(clones)[0], place)
        raise ValueError(
            f"SWE-bench needs clones of {len(clones)} repositories in {place} ({first}), or rows with `files`"
        )
    return [row if "files" in row else {**row, "files": _files(row, clones[row["repo"]])} for row in rows]


def _files(row: Row, clone: Path | None) -> Mapping[str, str]:
    return {} if clone is None else read_files(clone, row["base_commit"], row["patch"])


def judged_officially(rows: Sequence[Row], folder: Path | None) -> Sequence[Row]:
    """Rows with files, where there is a harness to judge answers."""
    why = harness.lacking()
    if why is not None:
        raise ValueError(
            f"swebench_verified is judged by the official harness, and {why}; swebench_verified_form writes the "
            "predictions file and looks only at the form of patches"
        )
    return with_files(rows, folder)


def examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(row) for row in rows]


def _example(row: Row) -> Example:
    files = dict(row["files"])
    question = QUESTION.format(
        repository=row["repo"], issue=row["problem_statement"].replace("\r\n", "\n").strip(),
        files="\n\n".join(_shown(path, text) for path, text in files.items()), find=FIND, put=PUT, end=END,
    )  # fmt: skip
    return Example(
        id=row["instance_id"], prompt=f"{question}\n\n", question=question, target={"files": files}, group=row["repo"],
        refused=_refusal(row, files, question),
    )  # fmt: skip


def _shown(path: str, text: str) -> str:
    body = text.replace("\r\n", "\n")
    return f'<file path="{path}">\n{body}{"" if body.endswith(chr(10)) else chr(10)}</file>'


def _refusal(row: Row, files: Mapping[str, str], question: str) -> str:
    if not files:
        return f"there is no clone of {row['repo']}"
    tokens = len(question) // PER_TOKEN
    return f"a prompt of some {tokens} tokens, more than {MOST}" if tokens > MOST else ""


def judge_form(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    """Whether the patch applies to the files it was shown and they parse. Not whether it resolves anything."""
    found = form(answer, example.target["files"])
    return right(not found.why, found.why)


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = form(answer, example.target["files"])
    if not found.applies:
        return Verdict(0.0, found.why)
    return right(*harness.resolves(example.id, found.patch))


def write_predictions(examples: Sequence[Example], run: "Run", path: Path) -> str:
    """The predictions file of a run in the harness's format, in a folder beside it; one per sample."""
    by_id = {example.id: example for example in examples}
    folder, written = path.parent / "predictions", []
    folder.mkdir(exist_ok=True)
    for sample in range(run.header.samples):
        name = path.stem if run.header.samples == 1 else f"{path.stem}.{sample}"
        lines = [_prediction(by_id[r.id], r.output, run.header.model) for r in run.records if r.sample == sample]
        written.append(folder / f"{name}.jsonl")
        written[-1].write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    patches = sum(bool(line["model_patch"]) for line in lines)
    told = f"{written[-1]}: {len(lines)} predictions, {patches} with a patch that applies"
    if run.header.task == VERIFIED.name:
        return told
    return f"{told}. Whether they resolve anything says the official harness alone:\n  " + " ".join(
        ["python", *harness.command(written[-1], "redraft")[1:]]
    )


def _prediction(example: Example, answer: str, model: str) -> dict[str, Any]:
    found = form(answer, example.target["files"])
    return harness.prediction(example.id, found.patch, Path(model).name)


VERIFIED = Task(
    name="swebench_verified",
    title="SWE-bench Verified, single edit",
    version="1",
    split="Verified, 500 issues, oracle files",
    source="https://huggingface.co/datasets/SWE-bench/SWE-bench_Verified",
    licence="MIT (SWE-bench); issues and files under the repositories' own licences",
    files=("swebench_verified.jsonl.gz", "swebench_verified.jsonl", "swebench_verified.parquet"),
    hub=Hub("SWE-bench/SWE-bench_Verified", "data/test-00000-of-00001.parquet"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=4096,
    beside=judged_officially,
    finish=write_predictions,
)
FORM = replace(
    VERIFIED,
    name="swebench_verified_form",
    title="SWE-bench Verified, form of the patch only",
    judge=judge_form,
    beside=with_files,
)
