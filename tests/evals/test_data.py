"""Data is read in the formats it is published in; what is missing or broken is said."""

import gzip
import json
from pathlib import Path

import pytest

from redraft.evals.data import load_examples, read_rows
from redraft.evals.registry import get_task

ROW = {"question": "How\u2028many?", "answer": "#### 3"}


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    line = json.dumps(ROW, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(f"{line}\n{line}\n".encode()))
    (tmp_path / "c.json").write_text(f"[{line}, {line}]")
    (tmp_path / "d.json").write_text(json.dumps({"x": ROW, "y": ROW}))
    (tmp_path / "e.csv").write_text("question,answer\n" + "How\u2028many?,#### 3\n" * 2)
    for path in sorted(tmp_path.iterdir()):
        assert read_rows(path) == [ROW, ROW], path.name


def test_a_file_that_is_not_there_is_named_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gsm8k needs gsm8k_test.jsonl or test.jsonl in .*github.com/openai"):
        load_examples(get_task("gsm8k"), tmp_path)
    with pytest.raises(ValueError, match=r"mbpp: name a folder with mbpp.jsonl by --data-dir"):
        load_examples(get_task("mbpp"), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{broken", "is not JSON"), ("[1, 2]", "must hold objects"), ('{"q": 1}', "is not data of gsm8k: KeyError")],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "gsm8k_test.jsonl").write_text(text)
    with pytest.raises(ValueError, match=said):
        load_examples(get_task("gsm8k"), tmp_path)


def test_two_examples_of_one_name_are_refused(tmp_path: Path) -> None:
    row = {"sample_id": "a", "question": "?", "answer": "A"} | {f"option_{x}": x for x in "abcd"}
    (tmp_path / "global_mmlu_dev_en.json").write_text(f"{json.dumps(row)}\n" * 2)
    with pytest.raises(ValueError, match="1 examples of global_mmlu_dev have an identifier of another"):
        load_examples(get_task("global_mmlu_dev"), tmp_path)
