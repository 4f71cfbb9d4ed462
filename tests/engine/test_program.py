"""Programs: carried out step by step with a plain denoiser, they say what the samplers say."""

from typing import Any

import pytest
import torch

from benchmarks.law import tiny_own
from redraft.core.canvas import Status, make_canvas
from redraft.engine import program
from redraft.engine.program import Decide, Draft, Encode, Next, Output, Verify
from redraft.sampling import samplers
from redraft.sampling.autoregressive import drafted, left_to_right, pick, speculate, verified
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import LeftToRight, Threshold
from redraft.sampling.wrappers import shape

MODEL = tiny_own()
DECODING = Decoding(policy=Threshold(0.5), temperature=0.7, max_steps=6)


def carry_out(writer: program.Writer) -> tuple[Output, list[Any]]:
    """The output of a program for which an engine of one row does as it is told, and its commands."""
    out, commands, context = Output(), [], None
    steps = writer(MODEL, out)
    answer: Any = None
    read: list[int] = []
    while True:
        try:
            command = steps.send(answer)
        except StopIteration:
            return out, commands
        commands.append(command)
        answer = None
        if isinstance(command, Encode):
            read += command.tokens
            context = MODEL.encode(torch.tensor([command.tokens]), context)
        elif isinstance(command, Decide):
            *_, answer = samplers.denoise(shape(MODEL, command.decoding), command.canvas, context, command.decoding)
        elif isinstance(command, Draft):
            logits_BLV = MODEL.denoise(command.canvas, context)
            answer = drafted(MODEL, logits_BLV, command.temperature, torch.tensor([command.seed]), command.cycle)
        elif isinstance(command, Verify):
            logits_BLV, _ = MODEL.score(torch.tensor([command.tokens]), context)
            judged = (command.draft_BL, command.probs_BLV, logits_BLV, command.temperature)
            kept, after_B = verified(MODEL, *judged, torch.tensor([command.seed]), command.cycle)
            context = MODEL.encode(torch.tensor([command.tokens[: 1 + kept]]), context)
            answer = (kept, int(after_B), [0.5] * (1 + kept))
        else:
            logits_BV, _ = MODEL.next_logits(torch.tensor([read]))
            token = int(pick(MODEL, logits_BV, command.temperature, torch.tensor([command.seed]), command.number))
            answer = (token, 0.5)


@pytest.mark.parametrize("stop_ids", [(), (1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("prompt", [[], [7, 8, 9]])
def test_generate_says_what_sample_says(prompt: list[int], stop_ids: tuple[int, ...]) -> None:
    options: dict[str, Any] = {"max_tokens": 21, "block_length": 8, "seed": 3, "stop_ids": stop_ids}
    out, _ = carry_out(program.generate(prompt, DECODING, **options))
    *_, last = samplers.sample(MODEL, [prompt], DECODING, **options)
    assert out.tokens == last.committed[0]
    assert out.finish == ("stop" if out.tokens[-1] in stop_ids else "length")
    assert len(out.confidences) == len(out.tokens)


def test_generate_never_encodes_the_last_block() -> None:
    _, commands = carry_out(program.generate([7, 8], DECODING, max_tokens=16, block_length=8))
    assert [type(command) for command in commands] == [Encode, Decide, Encode, Decide]


def test_a_confidence_is_what_the_canvas_remembers() -> None:
    out, _ = carry_out(program.generate([7, 8], DECODING, max_tokens=8, block_length=8, seed=1))
    *_, last = samplers.sample(MODEL, [[7, 8]], DECODING, max_tokens=8, block_length=8, seed=1)
    assert out.confidences == last.canvas.confidence_BL[0].tolist()
    assert all(0 < confidence <= 1 for confidence in out.confidences)


def test_autoregress_says_what_left_to_right_says() -> None:
    out, commands = carry_out(program.autoregress([7, 8], max_tokens=6, temperature=0.8, seed=5, stop_ids=(3,)))
    *_, last = left_to_right(MODEL, torch.tensor([[7, 8]]), None, max_tokens=6, temperature=0.8, seed=5, stop_ids=(3,))
    assert out.tokens == last.tokens[0]
    assert [command.number for command in commands if isinstance(command, Next)] == list(range(len(out.tokens)))


@pytest.mark.parametrize("context", [(), (4, 5, 6)])
def test_infill_and_edit_say_what_their_samplers_say(context: tuple[int, ...]) -> None:
    held = MODEL.encode(torch.tensor([context])) if context else None
    out, _ = carry_out(program.infill([1, 2], [3], DECODING, gap=5, seed=2, context=context))
    *_, filled = samplers.infill(MODEL, [[1, 2]], [[3]], DECODING, gap=5, seed=2, context=held)
    assert out.tokens == filled.row_tokens(0)
    locks = [True, False, True, True]
    out, _ = carry_out(program.edit([1, 2, 3, 4], DECODING, editable=locks, strength=0.8, seed=2, context=context))
    *_, edited = samplers.edit(MODEL, [[1, 2, 3, 4]], DECODING, editable=[locks], strength=0.8, seed=2, context=held)
    assert out.tokens == edited.row_tokens(0)
    assert (out.finish, out.tokens[1]) == ("stop", 2)


def test_nothing_to_decide_is_finished_at_once() -> None:
    out, commands = carry_out(program.edit([1, 2], DECODING, editable=[False, False]))
    assert (out.tokens, out.finish, commands) == ([1, 2], "stop", [])


def test_what_cannot_be_asked_for_is_refused_before_anything_is_queued() -> None:
    with pytest.raises(ValueError, match="indels=True"):
        program.generate([1], Decoding(indels=True), max_tokens=4, block_length=4)
    with pytest.raises(ValueError, match="at least one token"):
        program.autoregress([], max_tokens=4)


def test_a_draft_is_the_text_at_work_alone() -> None:
    statuses = [Status.FIXED, Status.ACCEPTED, Status.NOISY, Status.AHEAD, Status.EMPTY]
    canvas = make_canvas(torch.tensor([[1, 2, 3, 4, 5]]), torch.tensor([statuses]))
    assert program.draft_of(canvas, 1) == ([2, 3], [Status.ACCEPTED, Status.NOISY], [0.0, 0.0])


def test_a_decoding_without_a_stop_token_is_left_as_it_is() -> None:
    decoding = Decoding(policy=LeftToRight(2))
    _, commands = carry_out(program.generate([1], decoding, max_tokens=4, block_length=4))
    assert commands[1].decoding == decoding


@pytest.mark.parametrize("stop_ids", [(), (1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_speculation_says_what_the_loop_says(temperature: float, stop_ids: tuple[int, ...]) -> None:
    options: dict[str, Any] = {"max_tokens": 23, "draft_length": 4, "temperature": temperature, "seed": 5}
    out, commands = carry_out(program.speculate([7, 8, 9], stop_ids=stop_ids, **options))
    *_, last = speculate(MODEL, torch.tensor([[7, 8, 9]]), None, stop_ids=stop_ids, **options)
    assert out.tokens == last.tokens[0]
    assert len(out.confidences) == len(out.tokens)
    assert out.finish == ("stop" if out.tokens[-1] in stop_ids else "length")
    assert sum(isinstance(command, Draft) for command in commands) == last.num_denoises
