"""Corpus metrics: sacrebleu's own values from summed counts, and marks and capitals counted by hand."""

import pytest

from redraft.evals.corpora import RESTORED, bleu, chrf, closeness, marks_f1, restoration_counts, translation_counts
from redraft.evals.metrics import estimate

PAIRS = [("the cat sat on the mat", "The cat sat on the mat."), ("a dog barks", "A dog is barking."), ("", "Nothing?")]


def test_bleu_and_chrf_of_summed_counts_are_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="needs pip install 'redraft[eval]'")
    pieces = [translation_counts(found, [wanted]) for found, wanted in PAIRS]
    found, wanted = [one for one, _ in PAIRS], [[other for _, other in PAIRS]]
    assert bleu(pieces) == pytest.approx(sacrebleu.corpus_bleu(found, wanted).score / 100)
    assert chrf(pieces) == pytest.approx(sacrebleu.corpus_chrf(found, wanted).score / 100)
    assert 0 < bleu(pieces) < chrf(pieces) < 1


def counted(found: str, wanted: str) -> dict[str, int]:
    return dict(zip(RESTORED, restoration_counts(found, wanted), strict=True))


def test_marks_and_capitals_belong_to_their_words() -> None:
    # Capitals: Paris of {Paris, Yes}; true are {Paris, Tuesday, Where}. Marks: "?" of {"?", "."}; true are {",", "?"}.
    found = counted("where is Paris on tuesday? Yes .", "Where is Paris, on Tuesday?")
    assert (found["capitals"], found["said capitals"], found["true capitals"]) == (1, 2, 3)
    assert (found["marks"], found["said marks"], found["true marks"]) == (1, 2, 2)
    assert found["errors"] == 2 + 1 + 6  # two capitals, a comma, " Yes ."


def test_all_right_is_one_and_nothing_said_of_something_is_nothing() -> None:
    right, wrong = restoration_counts("Go, Ann!", "Go, Ann!"), restoration_counts("go ann", "Go, Ann!")
    assert closeness([right]) == marks_f1([right]) == estimate([right], "capitals_f1").value == 1
    assert marks_f1([wrong]) == 0
    assert marks_f1([right, wrong]) == pytest.approx(2 * 2 / (2 + 4))
    assert closeness([wrong]) == 1 - 4 / 8
    assert marks_f1([restoration_counts("go", "go")]) == 1
