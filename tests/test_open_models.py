"""The library on checkpoints of open families, with tokenizers made for the tests: what holds whatever the weights."""

import itertools
import json
from pathlib import Path

import pytest
import torch

import redraft
from redraft.core.canvas import Status
from redraft.defaults import family_defaults, read_defaults
from redraft.library import Model
from redraft.models.checkpoint import to_qwen3
from redraft.models.registry import families
from redraft.sampling import Decoding, LeftToRight, Threshold, TopK
from tests import open_model

USER = [{"role": "user", "content": "Where is the fox?"}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("open")
    makers = {"llada": open_model.llada, "dream": open_model.dream, "sdar": open_model.sdar}
    return {name: make(root / name) for name, make in makers.items()}


@pytest.fixture(scope="module", params=["llada", "dream", "sdar"])
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Model:
    return redraft.load(folders[request.param])


@pytest.fixture(scope="module")
def llada(folders: dict[str, Path]) -> Model:
    return redraft.load(folders["llada"])


def test_the_last_view_is_the_text_and_committed_text_only_grows(model: Model) -> None:
    views = list(model.stream("The quick", max_tokens=24, canvas=4, seed=1))
    for before, after in itertools.pairwise(views):
        assert after.committed.startswith(before.committed) or "\ufffd" in before.committed
        assert after.nfe > before.nfe
    assert views[-1].draft == ()
    assert model.generate("The quick", max_tokens=24, canvas=4, seed=1).tokens == views[-1].tokens


def test_a_draft_shows_the_block_at_work_and_nothing_of_prompt_or_later_noise(model: Model) -> None:
    views = list(model.stream("The", max_tokens=10, canvas=4, decoding=_slow(model)))
    assert max(len(view.draft) for view in views) == 4
    assert all(len(view.tokens) + len(view.draft) <= 10 for view in views)
    assert views[0].text.count("░") == sum(piece.status == Status.NOISY for piece in views[0].draft)


def _slow(model: Model) -> Decoding:
    return Decoding(policy=LeftToRight(), banned_ids=model.voice.stop_ids)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_banned_ends_never_come_and_blocks_are_appended_until_the_limit(model: Model, temperature: float) -> None:
    decoding = Decoding(policy=Threshold(0.5), banned_ids=model.voice.stop_ids)
    result = model.generate("The", max_tokens=21, canvas=4, decoding=decoding, temperature=temperature, seed=3)
    assert len(result.tokens) == 21


def test_a_text_ends_before_the_first_end_token_and_what_follows_is_never_shown(model: Model) -> None:
    end = model.voice.stop_ids[0]
    decoding = Decoding(policy=LeftToRight(), bias=((end, 100.0),))
    views = list(model.stream("The", max_tokens=12, canvas=4, decoding=decoding))
    assert views[-1].committed == ""
    assert views[-1].tokens == ()
    assert all(piece.text in ("", "░") for view in views for piece in view.draft)


def test_steps_are_counted_without_forwards_that_a_model_does_not_make(folders: dict[str, Path]) -> None:
    for name, encodes in (("llada", 0), ("sdar", 2 + 1)):  # SDAR reads its prompt and commits two of three blocks
        model = redraft.load(folders[name])
        decoding = Decoding(policy=TopK(num_steps=2), banned_ids=model.voice.stop_ids)
        prompt = model.tokenizer.encode("The quick brown fox")[:4]
        assert model.generate(prompt, max_tokens=12, canvas=4, decoding=decoding).nfe == 3 * 2 + encodes


def test_a_conversation_ends_with_its_turn(folders: dict[str, Path]) -> None:
    for name, end in (("llada", "<|eot_id|>"), ("dream", "<|im_end|>"), ("sdar", "<|im_end|>")):
        model = redraft.load(folders[name])
        token = model.tokenizer.special(end)
        assert token in model.voice.stop_ids
        assert model.chat(USER, max_tokens=8, decoding=Decoding(bias=((token, 100.0),))).text == ""


def test_chat_is_generation_behind_the_rendered_conversation(llada: Model) -> None:
    rendered = (
        "<|startoftext|><|start_header_id|>user<|end_header_id|>\n\nWhere is the fox?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert llada.render_chat(USER) == rendered
    ids = llada.tokenizer.encode_marked(rendered)
    assert ids[:2] == [310, 311]
    assert llada.chat(USER, max_tokens=8, seed=2).tokens == llada.generate(ids, max_tokens=8, seed=2).tokens


def test_a_plain_prompt_that_spells_a_control_token_means_the_letters(llada: Model) -> None:
    assert max(llada.prompt_ids("say <|eot_id|>")) < 310


def test_a_checkpoint_without_a_template_or_its_tokens_has_no_way_to_talk(tmp_path: Path) -> None:
    bare = redraft.load(open_model.open_model("dream", tmp_path, {"<|endoftext|>": 315, "<|mask|>": 318}))
    with pytest.raises(ValueError, match="Dream: the checkpoint brings no chat template"):
        bare.chat(USER)
    assert len(bare.generate("The", max_tokens=4, decoding=_slow(bare)).tokens) == 4


def test_the_oldest_turns_go_first_and_a_system_message_stays(llada: Model) -> None:
    told = [{"role": "system", "content": "Be brief."}]
    for n in range(20):
        told += [{"role": "user", "content": f"number {n}"}, {"role": "assistant", "content": "yes"}]
    kept = llada.fitting([*told, *USER], 32)
    assert kept[0] == told[0]
    assert kept[-1] == USER[0]
    assert 3 < len(kept) < len(told)
    assert len(llada.chat_ids(kept)) + 32 <= llada.voice.room


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_a_cache_is_a_choice_of_bidirectional_models(folders: dict[str, Path], checkpoint: Path, cache: str) -> None:
    model = redraft.load(folders["llada"], cache=cache)
    assert len(model.generate("The fox", max_tokens=8, canvas=4, decoding=_slow(model)).tokens) == 8
    with pytest.raises(ValueError, match="block_causal"):
        redraft.load(folders["sdar"], cache=cache)
    with pytest.raises(ValueError, match="cache="):
        redraft.load(checkpoint, cache=cache)


def test_weights_may_be_loaded_in_another_precision(folders: dict[str, Path]) -> None:
    model = redraft.load(folders["dream"], dtype=torch.bfloat16)
    assert {p.dtype for p in model.network.network.parameters()} == {torch.bfloat16}
    assert len(model.generate("The", max_tokens=4, decoding=_slow(model)).tokens) == 4


# ------------------------------------------------------------------ infill, edit, score


def test_infill_writes_the_gap_and_keeps_both_sides(folders: dict[str, Path]) -> None:
    for name in ("llada", "dream"):
        model = redraft.load(folders[name])
        decoding = Decoding(policy=Threshold(0.5), banned_ids=model.voice.stop_ids)
        result = model.infill("def f():\n    ", "\n    return x", gap=5, decoding=decoding)
        assert len(result.tokens) == 5
        assert result.text == model.tokenizer.decode(result.tokens)


def test_a_gap_in_a_block_causal_model_must_fit_its_block(folders: dict[str, Path]) -> None:
    model = redraft.load(folders["sdar"])
    before, after = model.tokenizer.encode("She went to school"), model.tokenizer.encode(".")
    assert len(after) == 1
    room = 4 - len(before) % 4 - len(after)
    assert room >= 1
    assert model.infill("She went to school", ".", gap=room, decoding=_slow(model)).tokens
    with pytest.raises(ValueError, match="sees nothing behind its own block of 4"):
        model.infill("She went to school", ".", gap=8)


def test_controls_let_a_gap_grow_and_shrink(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = open_model.dream(tmp_path / "on")
    values = json.loads((folder / "config.json").read_text())
    values |= {"expand_token_id": 317, "delete_token_id": 316}
    (folder / "config.json").write_text(json.dumps(values))
    model = redraft.load(folder)
    assert model.defaults.infill.indels
    assert not model.defaults.generate.indels
    ends = tuple((i, -100.0) for i in model.voice.stop_ids)

    def length(token: int, bias: float) -> int:
        decoding = Decoding(policy=Threshold(0.9), indels=True, bias=(*ends, (token, bias)), max_steps=8)
        return len(model.infill("The fox", " dog", gap=6, decoding=decoding).tokens)

    assert max(length(317, bias) for bias in (1.0, 3.0, 10.0)) > 6
    assert length(316, 100.0) == 0
    assert not redraft.load(folders["dream"]).defaults.infill.indels


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_locks_survive_an_edit_by_strength(folders: dict[str, Path], strength: float) -> None:
    text = "The quick brown fox jumps. She went to school with Zoë yesterday."
    for name in ("llada", "dream"):
        model = redraft.load(folders[name])
        edited = model.edit(text, locks=["Zoë", "fox"], strength=strength, seed=4)
        assert edited.text.count("Zoë") >= 1
        assert edited.text.count("fox") >= 1
        assert edited.text != text


def test_an_instruction_is_not_swallowed_in_silence(llada: Model) -> None:
    assert "was not read" in llada.edit("The fox.", "make it rhyme", strength=0.5).notes[0]
    assert llada.edit("The fox.", strength=0.5).notes == ()


def test_what_a_family_cannot_do_is_refused_by_a_sentence_that_says_why(folders: dict[str, Path]) -> None:
    llada, sdar = redraft.load(folders["llada"]), redraft.load(folders["sdar"])
    for attempt, said in [
        (lambda: llada.edit("a fox", strength=0), "LLaDA was not trained to correct a text; a strength above 0"),
        (lambda: sdar.edit("a fox", strength=0.5), "SDAR sees nothing behind its own block of 4 tokens"),
        (lambda: llada.generate("a", mode="ar"), "the policy left_to_right writes one token per forward"),
        (lambda: llada.generate("a", mode="magic"), "unknown mode 'magic'"),
        (lambda: llada.generate("a", label="story"), "unknown label 'story'; this model knows none"),
        (lambda: llada.generate("a", max_tokens=1000), "more than the model's 256"),
        (lambda: sdar.generate("a", canvas=3), "must divide 4"),
        (lambda: llada.score("a fox", block_length=2), "scored over all of the text at once"),
        (lambda: sdar.score("a fox", block_length=2), "scored over its own blocks of 4 tokens"),
    ]:
        with pytest.raises(ValueError, match=said):
            attempt()


def test_a_score_is_the_bound_alone_and_exact_where_a_text_is_one_token(llada: Model) -> None:
    token = llada.tokenizer.encode("a")
    assert len(token) == 1
    score = llada.score("a", num_samples=2)
    frames = redraft.core.canvas.make_canvas(torch.tensor([[318]]), torch.tensor([[int(Status.NOISY)]]))
    exact = -llada.network.denoise(frames).log_softmax(-1)[0, 0, token[0]]
    assert score.autoregressive_nats is None
    assert score.to_json()["autoregressive_bits_per_byte"] is None
    assert score.nelbo_nats == pytest.approx(float(exact), rel=1e-5)


def test_blocks_of_one_score_count_from_the_start_of_the_text(folders: dict[str, Path]) -> None:
    score = redraft.load(folders["sdar"]).score("The quick brown fox jumps over the dog", num_samples=4)
    assert (score.block_length, score.tokens > 8) == (4, True)
    assert score.nelbo_nats > 0


# ------------------------------------------------------------------ what is recommended


def test_a_generation_config_of_ours_goes_over_the_family_and_of_others_adds_its_ends(tmp_path: Path) -> None:
    folder = open_model.llada(tmp_path)
    (folder / "generation_config.json").write_text('{"eos_token_id": [315], "transformers_version": "4"}')
    model = redraft.load(folder)
    assert set(model.voice.stop_ids) == {317, 315, 313}
    assert model.defaults.generate.policy == Threshold(0.9)
    words = open_model.llada(tmp_path / "words")
    assert set(redraft.load(folder, tokenizer=words).voice.stop_ids) == {317, 315, 313}
    (folder / "generation_config.json").write_text('{"generate": {"policy": "threshold:0.7"}, "block_length": 8}')
    model = redraft.load(folder)
    assert (model.defaults.generate.policy, model.defaults.block_length) == (Threshold(0.7), 8)
    assert model.defaults.infill.policy == Threshold(0.9)
    (folder / "generation_config.json").write_text('{"eos_token_id": 999}')
    with pytest.raises(ValueError, match="token 999 ends a text, and the model has 320"):
        redraft.load(folder)


def test_every_family_recommends_something_that_can_be_decoded() -> None:
    for family in families():
        for values in family.presets.values():
            facts = family.read(values)
            defaults = family_defaults(family, facts)
            trained = facts.decide_length or facts.block_length
            assert defaults.block_length in (trained, 32, None)
            assert getattr(defaults.generate.policy, "vocab_size", facts.architecture.vocab_size) == (
                facts.architecture.vocab_size
            )


def test_the_table_of_checkpoints_says_of_every_family_what_was_compared() -> None:
    page = (Path(redraft.__file__).parents[1] / "docs" / "checkpoints.md").read_text()
    causal = [f for f in families() if any(f.read(v).attention == "causal" for v in f.presets.values())]
    diffusing = [f for f in families() if f not in causal and "greedy text" not in f.proven]
    assert len(diffusing) >= 14
    assert [f.name for f in diffusing if f"| {f.title} |" not in page or f"| {f.proven} |" not in page] == []


def test_an_autoregressive_export_of_our_own_model_writes_what_its_causal_mode_writes(
    checkpoint: Path, tmp_path: Path
) -> None:
    own = redraft.load(checkpoint)
    to_qwen3(own.network, tmp_path / "qwen3", tokenizer_file=checkpoint / "tokenizer.json")
    exported = redraft.load(tmp_path / "qwen3")
    assert exported.voice.modes == ("ar",)
    prompt = own.prompt_ids("The fox")
    decoding = Decoding()
    text = exported.generate(prompt, max_tokens=12, decoding=decoding)
    assert text.tokens == own.generate(prompt, max_tokens=12, mode="ar").tokens
    assert text.mode == "ar"
    for attempt in (lambda: exported.generate("a", mode="diffusion"), lambda: exported.infill("a", "b")):
        with pytest.raises(ValueError, match="canvas"):
            attempt()
    with pytest.raises(ValueError, match="this one is empty"):
        exported.generate("")


def test_without_a_folder_file_the_family_speaks(tmp_path: Path) -> None:
    base = redraft.library.Defaults(block_length=7)
    assert read_defaults(tmp_path, base) == base


def test_a_tokenizer_may_come_from_another_folder(tmp_path: Path) -> None:
    other = tmp_path / "words"
    other.mkdir()
    open_model.make_tokenizer({"<|endoftext|>": 250 + 6}).save(str(other / "tokenizer.json"))
    for family in ("mdlm", "udlm", "bd3lm"):
        folder = open_model.PARITY / family
        with pytest.raises(ValueError, match="neither tokenizer"):
            redraft.load(folder)
        model = redraft.load(folder, tokenizer=other)
        decoding = Decoding(policy=model.defaults.generate.policy, temperature=1.0, max_steps=1024)
        assert model.generate("The", max_tokens=8, decoding=decoding, seed=1).nfe >= 1


def test_the_rest_of_the_families_generate(tmp_path: Path) -> None:
    made = 0
    for family in sorted(path.name for path in open_model.PARITY.iterdir()):
        if family in ("mdlm", "udlm", "bd3lm", "llada", "dream", "sdar"):
            continue
        model = redraft.load(open_model.open_model(family, tmp_path / family, {"<|end|>": 314, "<|last|>": 316}))
        for text in ("The quick brown fox jumps", ""):
            views = list(model.stream(text, max_tokens=6, seed=1))
            assert len(views[-1].tokens) <= 6
            made += 1
    assert made >= 8
