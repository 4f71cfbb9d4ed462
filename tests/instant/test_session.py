"""Sessions on the shipped model and on a tiny one: what is remembered, what is cancelled, what is committed."""

import threading
from pathlib import Path

import pytest

import redraft
from redraft.instant.diffs import apply_edits
from redraft.instant.session import EditSession, LiveSession, Memory
from redraft.instant.settling import Cancelled
from redraft.library import Model
from redraft.sampling import Correct, Decoding, Settled

TEXT = "He have three apple. She dont like it.\nTheir is a dog in the garden. It are very big."


@pytest.fixture(scope="module")
def shipped() -> Model:
    return redraft.load()


def test_a_first_update_is_the_edit_of_the_whole_text(shipped: Model) -> None:
    update = shipped.session().update(TEXT)
    assert update.text == shipped.edit(TEXT, window=24).text
    assert all(TEXT[e.start : e.end] == e.before for e in update.edits)
    assert all(e.confidence is not None for e in update.edits)


def test_a_keystroke_costs_its_own_window_alone(shipped: Model) -> None:
    session = shipped.session()
    assert session.update(TEXT).edited > 1
    again = session.update(TEXT)
    assert (again.edited, again.nfe) == (0, 0)
    more = session.update(TEXT + " I am happy.")
    assert more.edited == 1
    assert more.text.startswith(again.text[:20])


def test_the_word_being_typed_is_left_alone(shipped: Model) -> None:
    session = shipped.session()
    for end in range(1, len("He have a dogg")):
        typed = "He have a dogg"[:end]
        word = typed.rsplit(" ", 1)[-1]
        assert session.update(typed).text.endswith(word)


class Held:
    """A planner that says when it was asked, and waits to be let go."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, text: str) -> object:
        self.asked.set()
        self.go.wait(10)
        return self.model.plan_edit(text)


def test_a_later_update_cancels_the_one_at_work(shipped: Model) -> None:
    held = Held(shipped)
    session = EditSession(held, Memory(shipped.tokenizer.encode))  # type: ignore[arg-type]
    outcome: list[str] = []

    def first() -> None:
        try:
            outcome.append(session.update(TEXT).text)
        except Cancelled:
            outcome.append("cancelled")

    thread = threading.Thread(target=first)
    thread.start()
    held.asked.wait(10)
    session.cancel()
    held.go.set()
    thread.join(20)
    assert outcome == ["cancelled"]
    assert session.update("All is well.").original == "All is well."


def test_committed_text_never_changes_while_a_transcript_grows(shipped: Model) -> None:
    live = LiveSession(shipped.session())
    committed = ""
    for end in range(0, len(TEXT) + 1, 5):
        shown = live.update(TEXT[:end])
        assert shown.startswith(committed)
        assert live.committed.startswith(committed)
        committed = live.committed
    assert committed
    assert live.finish().startswith(committed)
    with pytest.raises(ValueError, match="committed has changed"):
        live.update("Another text entirely.")


def test_a_warm_start_gives_edits_of_the_text_as_it_is_now(checkpoint: Path) -> None:
    """A random model, so that windows are full of edits, and every one of them must still fit its text."""
    session = redraft.load(checkpoint).session(decoding=_loose())
    for typed in (
        "The fox jumps over it.",
        "The fox jumps over it. ",
        "The fox jumped over it.",
        "The fix jumped over",
    ):
        update = session.update(typed)
        assert apply_edits(typed, update.edits) == update.text
        assert all(typed[e.start : e.end] == e.before for e in update.edits)


def _loose() -> Decoding:
    return Decoding(policy=Correct(0.0), stop=Settled(), indels=True, max_steps=3)
