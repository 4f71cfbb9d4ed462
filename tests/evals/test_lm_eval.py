"""The adapter for lm-eval: likelihoods are those of `redraft score`, and answers and scores those of `redraft eval`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'redraft[lm-eval]'")

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

from redraft.evals import runner
from redraft.evals.askers import Own
from redraft.evals.data import load_examples
from redraft.evals.lm_eval import RedraftLM
from redraft.evals.registry import get_task
from redraft.evals.summary import summarise
from redraft.library import Model, load
from redraft.results import Result
from redraft.sampling.policies import Threshold
from tests.evals.conftest import write_rows
from tests.open_model import llada

TEXT = "The quick brown fox jumps over the lazy dog. She went to school yesterday."


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load(checkpoint)


def ask(kind: str, *arguments: Any) -> Instance:
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)  # type: ignore[arg-type]


# ------------------------------------------------------------------ likelihood


def test_it_is_found_by_name(checkpoint: Path) -> None:
    assert get_model("redraft") is RedraftLM
    made = RedraftLM.create_from_arg_string(f"pretrained={checkpoint},likelihood=nelbo,samples=4,policy=threshold:0.5")
    assert (made.likelihood, made.samples, made.recommended.policy) == ("nelbo", 4, Threshold(0.5))


def test_whole_texts_have_the_likelihood_that_score_says(model: Model) -> None:
    said = model.score(TEXT, num_samples=8, seed=3)
    (exact,) = RedraftLM(model).loglikelihood_rolling([ask("loglikelihood_rolling", TEXT)])
    (bound,) = RedraftLM(model, likelihood="nelbo", samples=8, seed=3).loglikelihood_rolling(
        [ask("loglikelihood_rolling", TEXT)]
    )
    assert said.autoregressive_nats is not None
    assert exact == pytest.approx(-said.autoregressive_nats, rel=1e-5)
    assert bound == -said.nelbo_nats


def test_a_continuation_is_what_it_adds_to_its_context(model: Model) -> None:
    context, behind = "The quick brown fox", " jumps over the lazy dog."
    pairs = [
        ask("loglikelihood", context, behind),
        ask("loglikelihood", "", context),
        ask("loglikelihood", "She", " x"),
    ]
    found = RedraftLM(model, batch_size=2).loglikelihood(pairs)
    whole, head = (model.score(text, num_samples=2).autoregressive_nats or 0 for text in (context + behind, context))
    assert found[0][0] == pytest.approx(head - whole, rel=1e-4)
    assert found[1][0] == pytest.approx(-head, rel=1e-5)
    alone = [RedraftLM(model).loglikelihood([pair])[0][0] for pair in pairs]
    assert [nats for nats, _ in found] == pytest.approx(alone, rel=1e-5)
    spaced = RedraftLM(model).loglikelihood([ask("loglikelihood", context + " ", behind[1:])])
    assert spaced[0][0] == pytest.approx(found[0][0], rel=1e-6)  # the space belongs to the word behind it


def test_greedy_is_what_greedy_decoding_writes(model: Model) -> None:
    adapter = RedraftLM(model)
    ids = [*model.voice.start, *model.tokenizer.encode("The fox")]
    tail = list(model.generate(ids, mode="ar", max_tokens=4, temperature=0.0).tokens)
    wrong = [*tail[:-1], tail[-1] ^ 1]
    assert [sure for _, sure in adapter._scored([(ids, tail), (ids, wrong)], greedy=True)] == [True, False]
    bound = RedraftLM(model, likelihood="nelbo", samples=2)
    from redraft.evals.baselines import reference

    slow, _ = reference("one-per-step", replace(bound.recommended, temperature=0.0), 4)
    tail = list(model.generate(ids, decoding=slow, canvas=4, max_tokens=4).tokens)
    if len(tail) == 4:  # else it ended, and the end is no text
        assert bound._scored([(ids, tail)], greedy=True)[0][1]
        assert not bound._scored([(ids, [tail[0] ^ 1, *tail[1:]])], greedy=True)[0][1]


def test_a_text_that_is_longer_than_the_model_is_read_in_windows(model: Model) -> None:
    adapter = RedraftLM(model)
    ids = model.tokenizer.encode(TEXT * 12)
    pairs = list(adapter._windows(ids))
    assert len(pairs) > 1
    assert [token for _, tail in pairs for token in tail] == ids
    assert all(len(head) + len(tail) <= model.voice.room for head, tail in pairs)
    (whole,) = adapter.loglikelihood_rolling([ask("loglikelihood_rolling", TEXT * 12)])
    assert whole == pytest.approx(sum(nats for nats, _ in adapter._scored(pairs, greedy=False)))


def test_a_model_without_a_causal_mode_has_a_bound_alone(tmp_path: Path) -> None:
    other = load(llada(tmp_path))
    adapter = RedraftLM(other, samples=4)
    assert adapter.likelihood == "nelbo"
    said = other.score("The fox", num_samples=4)
    assert adapter.loglikelihood_rolling([ask("loglikelihood_rolling", "The fox")]) == [-said.nelbo_nats]
    with pytest.raises(ValueError, match="has no causal mode"):
        RedraftLM(other, likelihood="exact")


# ------------------------------------------------------------------ the same numbers as redraft eval

LETTERS = "ABCD"
# Per task: its file, rows of it, how an answer spells the right choice, and how the harness finds it in a text.
SHARED: dict[str, tuple[str, list[dict[str, Any]], str, str]] = {
    "gsm8k": (
        "gsm8k_test.jsonl", [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(8)],
        "It is {}.", r"(-?\d+)",
    ),
    "aime25": (
        "aime25.jsonl", [{"problem": f"What is {n}?", "answer": str(n), "id": n} for n in range(8)],
        r"So \boxed{{{}}}", r"boxed\{(\d+)\}",
    ),
    "gpqa_diamond": (
        "gpqa_diamond.jsonl",
        [{"prompt": f"What is {n}?", "answer": rf"\boxed{{{LETTERS[n % 4]}}}"} for n in range(8)],
        r"\boxed{{{}}}", r"boxed\{([A-D])\}",
    ),
}  # fmt: skip


def harness(name: str, examples: Any, folder: Path, adapter: RedraftLM, max_tokens: int, find: str) -> dict[str, Any]:
    """The task as lm-eval runs it: our prompts from a local file, its own generation, filter and metric."""
    rows = [{"prompt": e.prompt, "target": str(e.target)} for e in examples]
    write_rows(folder / f"{name}.harness.jsonl", rows)
    config = {
        "task": f"redraft_{name}", "dataset_path": "json", "test_split": "train", "output_type": "generate_until",
        "dataset_kwargs": {"data_files": str(folder / f"{name}.harness.jsonl"), "cache_dir": str(folder / "cache")},
        "doc_to_text": "{{prompt}}", "doc_to_target": "{{target}}", "num_fewshot": 0,
        "generation_kwargs": {"until": list(get_task(name).stop), "max_gen_toks": max_tokens, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "filter_list": [{"name": "found", "filter": [
            {"function": "regex", "regex_pattern": find, "group_select": -1}, {"function": "take_first"}]}],
    }  # fmt: skip
    found = simple_evaluate(
        model=adapter, tasks=[config], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0,
        log_samples=True, verbosity=None,
    )  # fmt: skip
    assert found is not None
    return found


@pytest.mark.parametrize("name", SHARED)
def test_the_harness_gives_the_answers_and_the_score_that_eval_gives(
    name: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, rows, spelt, find = SHARED[name]
    write_rows(tmp_path / file, rows)
    task = get_task(name)
    examples = load_examples(task, tmp_path)[0]
    own = model.generate
    numbers = {example.prompt: number for number, example in enumerate(examples)}

    def generate(prompt: Any, **options: Any) -> Result:
        """What the model writes, and behind it the right answer to three in four."""
        written = own(prompt, **options)
        asked = prompt if isinstance(prompt, str) else model.tokenizer.decode(prompt)
        number = numbers[asked]
        target = str(examples[number].target)
        return replace(written, text=f"{written.text} {spelt.format(target)}") if number % 4 else written

    monkeypatch.setattr(model, "generate", generate)
    decoding = replace(model.defaults.generate, temperature=0.0)
    asker = Own(model, "diffusion", decoding, max_tokens=6, asked="complete")
    about = runner.header(task, asker.manner(task), data="x", samples=1, seed=0)
    run = runner.run(task, examples, asker, tmp_path / "run.jsonl", about)
    adapter = RedraftLM(model, mode="diffusion")
    found = harness(name, examples, tmp_path, adapter, 6, find)
    samples = found["samples"][f"redraft_{name}"]
    answers = [sample["resps"][0][0] for sample in sorted(samples, key=lambda s: s["doc_id"])]
    assert answers == [record.output for record in run.records]
    score = summarise(run).score.value
    assert score == 0.75
    assert found["results"][f"redraft_{name}"]["exact_match,found"] == score


def test_choices_are_ranked_by_the_exact_likelihood(model: Model, tmp_path: Path) -> None:
    choices = [" dog.", " fox.", " ball."]
    write_rows(
        tmp_path / "q.jsonl", [{"text": f"The {word}", "gold": n} for n, word in enumerate(["big", "red", "it"])]
    )
    config = {
        "task": "ranked", "dataset_path": "json", "test_split": "train", "output_type": "multiple_choice",
        "dataset_kwargs": {"data_files": str(tmp_path / "q.jsonl"), "cache_dir": str(tmp_path / "cache")},
        "doc_to_text": "{{text}}", "doc_to_choice": choices, "doc_to_target": "gold", "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    found = simple_evaluate(
        model=RedraftLM(model), tasks=[config], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0,
        log_samples=True, verbosity=None,
    )  # fmt: skip
    assert found is not None
    right = 0
    for sample in found["samples"]["ranked"]:
        text = sample["doc"]["text"]
        nats = [model.score(text + choice, num_samples=2).autoregressive_nats or 0 for choice in choices]
        right += min(range(3), key=nats.__getitem__) == sample["doc"]["gold"]
    assert found["results"]["ranked"]["acc,none"] == pytest.approx(right / 3)


# ------------------------------------------------------------------ requests


def test_a_conversation_goes_through_the_models_own_template(model: Model) -> None:
    adapter = RedraftLM(model, mode="ar")
    messages = [{"role": "user", "content": "Hello <|endoftext|>\nthere"}]
    line = adapter.apply_chat_template(messages)
    assert adapter._prompt(line) == model.chat_ids(messages)
    begun = adapter.apply_chat_template(
        [*messages, {"role": "assistant", "content": "Oh"}], add_generation_prompt=False
    )
    assert adapter._prompt(begun) == [*model.chat_ids(messages), *model.tokenizer.encode("Oh")]
    options = {"until": [], "max_gen_toks": 6}
    assert adapter.generate_until([ask("generate_until", line, options)]) == [
        model.generate(
            model.chat_ids(messages), mode="ar", temperature=0.0, max_tokens=6, stop=model.voice.chat.stops  # type: ignore[union-attr]
        ).text
    ]  # fmt: skip


def test_sampling_is_asked_for_or_it_is_greedy(model: Model) -> None:
    adapter = RedraftLM(model)
    assert adapter._asked({}).temperature == 0
    assert adapter._asked({"do_sample": False, "temperature": 0.8}).temperature == 0
    hot = adapter._asked({"do_sample": True, "temperature": 0.8, "top_p": 0.9, "top_k": 0})
    assert (hot.temperature, hot.top_p, hot.top_k) == (0.8, 0.9, None)
    with pytest.raises(ValueError, match="the task asks for num_beams"):
        adapter.generate_until([ask("generate_until", "a", {"num_beams": 4})])
    for options in ({"likelihood": "exakt"}, {"policy": "threshold:0.9", "decoding": "{}"}):
        with pytest.raises(ValueError, match=r"likelihood=|both say"):
            RedraftLM(model, **options)  # type: ignore[arg-type]


def test_the_command_line_knows_the_model(model: Model, checkpoint: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    write_rows(tmp_path / "q.jsonl", [{"text": "The fox"}])
    (tmp_path / "tiny.yaml").write_text(json.dumps({
        "task": "tiny", "dataset_path": "json", "test_split": "train", "output_type": "loglikelihood_rolling",
        "dataset_kwargs": {"data_files": str(tmp_path / "q.jsonl"), "cache_dir": str(tmp_path / "cache")},
        "doc_to_text": "", "doc_to_target": "{{text}}", "metric_list": [{"metric": "bits_per_byte"}],
    }))  # fmt: skip
    command = ["run", "--model", "redraft", "--model_args", f"pretrained={checkpoint}", "--tasks", "tiny"]
    options = ["--include_path", str(tmp_path), "--output_path", str(tmp_path / "out")]
    program = [sys.executable, "-m", "redraft.evals.lm_eval"]
    done = subprocess.run([*program, *command, *options], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (file,) = (tmp_path / "out").rglob("results_*.json")
    bits = json.loads(file.read_text())["results"]["tiny"]["bits_per_byte,none"]
    assert bits == pytest.approx(
        model.score("The fox", num_samples=2).to_json()["autoregressive_bits_per_byte"], rel=1e-4
    )
