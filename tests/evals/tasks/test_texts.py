"""Tasks judged without running code: mathematics, instructions, puzzles, restored text, translation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redraft.evals.data import load_examples
from redraft.evals.metrics import METRICS
from redraft.evals.registry import get_task
from redraft.evals.tasks.ifeval import words
from redraft.evals.tasks.ifeval.instructions import follows, loosely
from redraft.evals.tasks.planning.task import wrong_grid, wrong_steps
from redraft.evals.tasks.restoration.task import beginning, stripped
from redraft.evals.tasks.translation.task import held_out
from tests.evals.conftest import write_rows

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("answer", "score"),
    [(r"\boxed{\left(3, \frac{\pi}{2}\right)}", 1), (r"so \boxed{(3, \pi/2)}", 1), (r"\boxed{(3, \pi)}", 0), ("", 0),
     (r"\boxed{(\frac{\pi}{2}, 3)}", 0)],
)  # fmt: skip
def test_math500(judge: Make, answer: str, score: float) -> None:
    pytest.importorskip("math_verify", reason="needs pip install 'redraft[eval]'")
    row = {"problem": "Where?", "answer": r"\left( 3, \frac{\pi}{2} \right)", "level": 2, "unique_id": "test/a/1.json"}
    ask = judge("math500", "math500.jsonl", [row])
    assert ask.examples[0].group == "level 2"
    assert ask(answer).score == score


def test_gsm8k_shows_the_first_eight_problems_of_the_training_split(tmp_path: Path) -> None:
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": "How many?", "answer": "So.\n#### 7"}])
    task = get_task("gsm8k_8shot")
    with pytest.raises(ValueError, match=r"needs gsm8k_train.jsonl or train.jsonl in"):
        load_examples(task, tmp_path)
    write_rows(tmp_path / "gsm8k_train.jsonl", [{"question": f"Q{n}", "answer": f"A{n}\n#### {n}"} for n in range(9)])
    [example] = load_examples(task, tmp_path)[0]
    assert example.prompt.startswith("Question: Q0\nAnswer: A0\n#### 0\n\nQuestion: Q1\n")
    assert example.prompt.endswith("Answer: A7\n#### 7\n\nQuestion: How many?\nAnswer:")
    assert task.asks == ("complete",)


# ------------------------------------------------------------------ IFEval

FOLLOWED: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["cat", "dog"]}, "Cats, DOGS", "cats"),
    ("keywords:frequency", {"keyword": "so ", "frequency": 2, "relation": "at least"}, "so so", "so"),
    ("keywords:frequency", {"keyword": "so", "frequency": 2, "relation": "less than"}, "so", "so so"),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "cats", "a Cat."),
    ("keywords:letter_frequency", {"letter": "A", "let_frequency": 2, "let_relation": "at least"}, "aA", "a"),
    ("language:response_language", {"language": "de"}, "Das ist ein deutscher Satz.", "This is an English one."),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "one two-three", "one two"),
    ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "less than"},
     "Go on. Stop!", "Go on. Stop! Why?"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n***\n***\nb"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\na\n***\nb\n***", "a"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "a", "a\n***\nb"),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Yes"},
     'a\n\n"yes, b', "a\n\nno b"),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a]"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\np. p. s. x", "P.S. x"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye. P. S. x", "ps"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n - b", "** a\n- b"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* *b*", "*a* **"),
    ("detectable_format:multiple_sections", {"section_spliter": "Part", "num_sections": 2},
     "Part 1 a Part 2", "Part 1"),
    ("detectable_format:title", {}, "<<A title>>", "<< >>"),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"),
    ("detectable_format:constrained_response", {}, "My answer is no. Sorry", "my answer is no."),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Do it."}, "do it. Done", "Done"),
    ("combination:two_responses", {}, "a******b", "a******a"),
    ("combination:two_responses", {}, "******a******b", "a******b******c"),
    ("change_case:english_capital", {}, "THIS IS AN ENGLISH SENTENCE, IS IT NOT?", "This is one"),
    ("change_case:english_lowercase", {}, "this is an english sentence, is it not?", "this Is one"),
    ("change_case:capital_word_frequency", {"capital_frequency": 3, "capital_relation": "at least"},
     "IT'S A-B", "IT is"),
    ("punctuation:no_comma", {}, "a b", "a, b"),
    ("startend:end_checker", {"end_phrase": "Any questions?"}, 'So. any questions?"', "Any questions? No."),
    ("startend:quotation", {}, ' "a" ', '"a" b'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "good", "bad"), FOLLOWED, ids=lambda value: str(value)[:24])
def test_an_instruction_is_followed_or_not(
    kind: str, given: dict[str, Any], good: str, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "punkt", lambda: None)
    if "language" in kind or "english" in kind:
        pytest.importorskip("langdetect", reason="needs pip install 'redraft[eval]'")
    assert follows(kind, good, given)
    assert not follows(kind, bad, given)
    assert not follows(kind, " ", given)


def test_an_unknown_instruction_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown instruction 'keywords:none'"):
        follows("keywords:none", "a", {})


def test_sentences_are_cut_where_people_end_them() -> None:
    text = 'Mr. Smith paid 3.50 at 5 p.m. today. "Why?" she asked! He left... Then it rained.'
    assert words.sentences(text) == [
        "Mr. Smith paid 3.50 at 5 p.m. today.", '"Why?"', "she asked!", "He left...", "Then it rained.",
    ]  # fmt: skip


def test_ifeval_is_strict_and_tells_the_other_three(judge: Make) -> None:
    row = {
        "prompt": "Say it.", "instruction_id_list": ["punctuation:no_comma", "startend:quotation"],
        "kwargs": [{}, {"num_words": None}],
    }  # fmt: skip
    ask = judge("ifeval", "ifeval.jsonl", [row, row])
    verdicts = [ask('"a b"'), ask('Sure:\n"a b"')]
    assert [v.score for v in verdicts] == [1, 0]
    assert verdicts[1].why == "not followed: startend:quotation"
    parts = [v.parts for v in verdicts]
    assert [METRICS[name](parts, None) for name in ask.task.also] == [3 / 4, 1, 1]
    assert ask("").parts == (0, 0, 0, 2)


def test_a_loose_look_leaves_out_lines_and_asterisks() -> None:
    assert loosely("a\n*b*\nc") == ["a\n*b*\nc", "*b*\nc", "a\n*b*", "*b*", "a\nb\nc", "b\nc", "a\nb", "b"]


# ------------------------------------------------------------------ puzzles


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("44-15=29,79-29=50", ""), ("79-44=35,35+15=50", ""), ("79+15-44=50", ""), ("79-29=50,44-15=29", "ends on 29"),
        ("79-44=35", "it ends on 35, not 50"), ("44-15=28,79-29=50", "44-15=28 is not so"),
        ("44-15=29,44+6=50", "not used once"), ("50", "'50' is no step"), ("", "is no step"), ("15/0=1", "is not so"),
        ("44 - 15 = 29", "is no step"), ("044-15=29", "is no step"), ("9**9=1", "is no step"),
        ("79-29=50", "not used once"),
        ("__import__('os')=1", "is no step"), ("44-15=29=29", "is no step"),
    ],
)  # fmt: skip
def test_countdown_takes_every_right_way(said: str, why: str) -> None:
    found = wrong_steps(["15", "44", "79"], "50", said)
    assert (why in found) if why else (found == "")


def test_countdown_divides_exactly() -> None:
    assert wrong_steps(["6", "3"], "2", "6/3=2") == ""
    assert "is not so" in wrong_steps(["7", "3"], "2", "7/3=2")
    assert wrong_steps(["7", "2"], "3", "7/2=3") == "7/2=3 is not so"


@pytest.mark.parametrize(
    ("said", "why"),
    [("1423\n2341\n3214\n4132", ""), ("1423\n2341\n3214\n4123", "given digit"), ("1423\n1423\n1423\n1423", "given"),
     ("1423 2341 3214 4132", "no grid"), ("", "no grid")],
)  # fmt: skip
def test_sudoku(said: str, why: str) -> None:
    found = wrong_grid("1003\n0300\n3210\n4132", said)
    assert (why in found) if why else (found == "")
    assert wrong_grid("0000\n0000\n0000\n0000", "1234\n1234\n1234\n1234") == "a digit is there twice"
    assert wrong_grid("0000\n0000\n0000\n0000", "1234\n2341\n3412\n4123") == "a digit is there twice"  # in a block


def test_puzzles_show_eight_and_ask_the_rest(judge: Make, tmp_path: Path) -> None:
    rows = [{"input": "15,44,79,50", "output": "44-15=29,79-29=50"}] * 8 + [
        {"input": "1,2,3,6", "output": "1+2=3,3+3=6"}
    ]
    ask = judge("countdown_3", "dream_cd3_test.jsonl", rows)
    [example] = ask.examples
    assert example.prompt.count("Output: 44-15=29") == 8
    assert example.prompt.endswith("Input: 1,2,3,6\nOutput:")
    assert (ask(" 1+2=3,3+3=6\n\nInput:", "complete").score, ask("1*2=2,2*3=6").score, ask("1+1=6").score) == (1, 1, 0)
    grids = [{"input": "1003\n0300\n3210\n4132", "output": "1423\n2341\n3214\n4132"}] * 10
    ask = judge("sudoku_4x4", "dream_sudoku_4x4_10.jsonl", grids)
    assert len(ask.examples) == 2
    assert ask(" 1423\n2341\n3214\n4132\n\nInput:", "complete").score == 1
    assert ask("Output:\n1423\n2341\n3214\n4132").score == 1
    assert ask("1423\n2341\n3214\n4130", "complete").score == 0
    with pytest.raises(ValueError, match=r"needs dream_sudoku_4x4_4.jsonl"):
        load_examples(get_task("sudoku_4x4_all"), tmp_path)
    for number in range(4, 13):
        write_rows(tmp_path / f"dream_sudoku_4x4_{number}.jsonl", grids)
    examples = load_examples(get_task("sudoku_4x4_all"), tmp_path)[0]
    assert len(examples) == 18
    assert sorted({example.group for example in examples})[0] == "04 given"


# ------------------------------------------------------------------ texts


def test_restoration_takes_any_text(judge: Make, tmp_path: Path) -> None:
    (tmp_path / "restoration.txt").write_text('Well, "Ann" isn\'t here: why?\n\n...\n')
    task = get_task("restoration")
    [example] = load_examples(task, tmp_path)[0]
    assert example.prompt == "well ann isn't here why"
    ask = judge("restoration", "restoration.jsonl", [{"text": "Go, Ann!"}])
    right, wrong = ask("Go,  Ann!\n"), ask("Go Ann")
    assert (right.score, wrong.score) == (1, 0)
    assert [METRICS[name]([right.parts], None) for name in task.also] == [1, 1, 1]
    assert [METRICS[name]([wrong.parts], None) for name in task.also] == [0.75, 1, 0]


def test_a_text_is_cut_at_sentences_and_stripped_of_marks_and_capitals() -> None:
    long = "A sentence of some length stands here. " * 20
    assert beginning(long).endswith("here.")
    assert 300 < len(beginning(long)) <= 400
    assert stripped("It's 3.5 (or so), U.S.-made!") == "it's 3.5 or so u.s.-made"


def test_disfl_qa_asks_the_test_split(judge: Make) -> None:
    row = {"split": "test", "id": "a", "disfluent": "Who no what is it?", "clean": "What is it?"}
    ask = judge("disfl_qa", "disfl_qa.jsonl", [row, row | {"id": "b", "split": "train"}])
    assert len(ask.examples) == 1
    assert (ask("What is it?").score, ask("Who is it?").score) == (1, 0)


def test_translation(judge: Make) -> None:
    pytest.importorskip("sacrebleu", reason="needs pip install 'redraft[eval]'")
    row = {"split": "test_2016_flickr", "en": "A man is sleeping in a green room.",
           "de": "Ein Mann schläft in einem grünen Raum.", "fr": "Un homme dort.", "cs": "Muž spí."}  # fmt: skip
    ask = judge("multi30k_en_de", "multi30k.jsonl", [row, row | {"split": "train"}])
    assert len(ask.examples) == 1
    assert ask.examples[0].prompt == "English: A man is sleeping in a green room.\nGerman:"
    right, near, wrong = (ask(text).parts for text in (row["de"], "Ein Mann schläft in einem Raum.", "Nichts"))
    for name in ("bleu", "chrf"):
        scores = [METRICS[name]([parts], None) for parts in (right, near, wrong)]
        assert scores[0] == pytest.approx(1)
        assert scores[0] > scores[1] > scores[2]


def test_tatoeba_holds_out_by_the_english_sentence_and_takes_all_translations(tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu", reason="needs pip install 'redraft[eval]'")
    english = [f"Sentence {n}." for n in range(2000)]
    kept = [text for text in english if held_out(text)]
    assert 5 <= len(kept) <= 30
    lines = [f"{text}\tPhrase {n} {text}" for text in english for n in (1, 2)]
    (tmp_path / "fra.txt").write_text("\n".join(lines))
    for name, count in (("tatoeba_en_fr", len(kept)), ("tatoeba_fr_en", 2 * len(kept))):
        task = get_task(name)
        examples = load_examples(task, tmp_path)[0]
        assert len(examples) == count
    assert examples[0].target == [kept[0]]
    first = load_examples(get_task("tatoeba_en_fr"), tmp_path)[0][0]
    assert first.target == [f"Phrase {n} {kept[0]}" for n in (1, 2)]
    assert json.loads(json.dumps(first.target)) == first.target
