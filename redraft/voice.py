"""Voice: how a kind of model is spoken to. What stands before and behind a text, what ends it, what it cannot do.

Knows facts and special tokens, as data that the library reads. Refuses to know samplers and what is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redraft.chat import Chat, check_template
from redraft.data.tokenizer import TextTokenizer
from redraft.models.config import ModelConfig
from redraft.models.family import Family, ModelFacts
from redraft.text import OpenTokenizer, ends_of, read_wording

OWN_CHAT = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}User: {{ message.content }}\n"
    "{% elif message.role == 'assistant' %}Assistant: {{ message.content }}\n"
    "{% else %}{{ raise_exception('this model knows User and Assistant, and no ' ~ message.role) }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How to speak to a model.

    start         tokens in front of every text
    end           tokens behind a text that is edited
    stop_ids      tokens that end a text and are no part of it
    room          tokens that fit, prompt included
    edit_id       begins the prompt of an edit, its instruction behind it; None: the model knows no instructions
    modes         of generation
    labels        class labels that it was trained with
    spaces        texts around a gap lose the white space at its borders, which the middle brings back
    whole_blocks  a stop token counts when its block is finished, because what is accepted is still revised
    cannot        method -> why this kind of model does not have it
    """

    title: str
    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    stop_ids: tuple[int, ...] = ()
    room: int
    edit_id: int | None = None
    chat: Chat | None = None
    modes: tuple[str, ...] = ("diffusion",)
    labels: tuple[str, ...] = ()
    spaces: bool = False
    whole_blocks: bool = False
    cannot: Mapping[str, str] = field(default_factory=dict)

    def check(self, method: str) -> None:
        """Raise ValueError, saying why, for what this kind of model cannot do."""
        if method in self.cannot:
            raise ValueError(self.cannot[method])


def own_voice(config: ModelConfig, tokenizer: TextTokenizer) -> Voice:
    """Redraft's own models: three modes, edits by instruction, small talk."""
    eos = (config.eos_token_id,)
    label = "dialogue" if "dialogue" in config.labels else None
    return Voice(
        title="Redraft",
        start=eos,
        end=eos,
        stop_ids=eos,
        room=config.max_position_embeddings,
        edit_id=tokenizer.special("<|edit|>"),
        chat=Chat(OWN_CHAT, tokenizer, start=eos, stops=("\nUser:", "\n"), label=label),
        modes=("diffusion", "ar", "verify"),
        labels=config.labels,
        spaces=True,
    )


def family_voice(
    family: Family, facts: ModelFacts, tokenizer: OpenTokenizer, folders: Sequence[Path], room: int
) -> Voice:
    """A family's models. `folders` are the checkpoint's and, last, the one that the tokenizer came from."""
    chat = family_chat(family, tokenizer, folders[-1])
    stop_ids = family_stops(facts, tokenizer, folders, chat)
    cannot = refusals(family.title, facts)
    if chat is None:
        cannot["chat"] = f"{family.title}: the checkpoint brings no chat template, so it has no way to talk"
    return Voice(
        title=family.title, start=tokenizer.lead, stop_ids=stop_ids, room=room, chat=chat,
        modes=("ar",) if facts.attention == "causal" else ("diffusion",),
        whole_blocks=facts.noise == "uniform", cannot=cannot,
    )  # fmt: skip


def family_stops(
    facts: ModelFacts, tokenizer: OpenTokenizer, folders: Sequence[Path], chat: Chat | None
) -> tuple[int, ...]:
    """Every id that ends a text: what facts and files say, and what the template writes behind an answer.

    A control is never text, and so ends none.
    """
    turns = () if chat is None else chat.turn_ends()
    controls = () if facts.controls is None else facts.controls.ids
    stated = [token for folder in folders for token in ends_of(folder, tokenizer)]
    found = [i for i in (*facts.stop_ids, *stated, *turns) if i not in controls]
    size = facts.architecture.vocab_size
    for token in found:
        if not 0 <= token < size:
            raise ValueError(f"{folders[0]} says that token {token} ends a text, and the model has {size} tokens")
    return tuple(dict.fromkeys(found))


def family_chat(family: Family, tokenizer: OpenTokenizer, folder: Path) -> Chat | None:
    """The folder's own template, else the family's if the tokenizer has a conversation's special tokens."""
    wording = read_wording(folder)
    if wording.template is not None:
        check_template(wording.template)
        return Chat(wording.template, tokenizer, wording.names)
    if family.chat is None:
        return None
    chat = Chat(family.chat, tokenizer, wording.names)
    return chat if chat.turn_ends() else None


def refusals(title: str, facts: ModelFacts) -> dict[str, str]:
    """What the attention and the noise of a family rule out, and why."""
    if facts.attention == "causal":
        why = f"{title} writes left to right and has no canvas; diffusion models can"
        return {"infill": why, "edit": why, "score": why}
    cannot = {}
    behind = f"{title} sees nothing behind its own block of {facts.block_length} tokens"
    if facts.attention == "block_causal":
        cannot["edit"] = (
            f"{behind}, so it cannot edit inside a text; bidirectional models can, and an instruction-tuned one of its "
            "kind rewrites a text as it is told"
        )
    if facts.attention not in ("full", "block_causal"):
        cannot["score"] = f"{title} has no likelihood here: its bound is known for full and block-causal attention"
    elif facts.noise != "absorbing" or facts.max_steps is not None:
        cannot["score"] = f"{title} has no likelihood here: its bound is known for absorbing noise without a clock"
    return cannot
