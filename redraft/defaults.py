"""Defaults: what a checkpoint recommends for decoding, from its generation_config.json or from its family.

Knows decodings and JSON. Refuses to know weights.
"""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from redraft.files import replace_file
from redraft.instant.acceptance import Acceptance
from redraft.instant.spelling import Spelling
from redraft.models.family import Family, ModelFacts
from redraft.sampling.decoding import Decoding, from_json, to_json
from redraft.sampling.policies import Correct, Threshold
from redraft.sampling.stops import Settled

SEMI_AUTOREGRESSIVE = 32  # tokens at a time, for models that see everything and follow no schedule over a whole text


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a checkpoint recommends: its generation_config.json, by measurement.

    block_length  tokens denoised at once; None: all that are asked for
    """

    generate: Decoding = field(default_factory=lambda: Decoding(policy=Threshold(0.9)))
    infill: Decoding = field(default_factory=lambda: Decoding(policy=Threshold(0.9), indels=True))
    edit: Decoding = field(
        default_factory=lambda: Decoding(policy=Correct(0.7), stop=Settled(), indels=True, max_steps=8)
    )
    block_length: int | None = 32
    edit_accept: Acceptance | None = None  # what the change of a word must bring to be taken; None: any is
    edit_spelling: Spelling | None = None  # when a word of the list takes the place of one that is none; None: never
    edit_gain: float | None = None  # nats an edited window must gain by the causal mode to be taken; None: any edit is
    instructions: tuple[str, ...] = ("fix",)

    def to_json(self) -> dict[str, Any]:
        return {
            "generate": to_json(self.generate),
            "infill": to_json(self.infill),
            "edit": to_json(self.edit),
            "block_length": self.block_length,
            "edit_accept": None if self.edit_accept is None else self.edit_accept.to_json(),
            "edit_spelling": None if self.edit_spelling is None else self.edit_spelling.to_json(),
            "edit_gain": self.edit_gain,
            "instructions": list(self.instructions),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any], base: "Defaults | None" = None) -> "Defaults":
        """What `to_json` wrote; fields that are not there are those of `base`."""
        values = {n: from_json(v) if n in ("generate", "infill", "edit") else v for n, v in values.items()}
        if "instructions" in values:
            values["instructions"] = tuple(values["instructions"])
        try:
            if values.get("edit_accept") is not None:
                values["edit_accept"] = Acceptance(**values["edit_accept"])
            if values.get("edit_spelling") is not None:
                values["edit_spelling"] = Spelling(**values["edit_spelling"])
            return replace(base or cls(), **values)
        except TypeError as error:
            raise ValueError(f"generation_config.json: {error}") from None


def read_defaults(folder: Path, base: Defaults | None = None) -> Defaults:
    """What a folder recommends over `base`. A generation_config.json in another program's words is not about us."""
    recommended = folder / "generation_config.json"
    if not recommended.exists():
        return base or Defaults()
    values = json.loads(recommended.read_text())
    if base is not None:  # a family's folder, where other programs have their say
        ours = {f.name for f in fields(Defaults)}
        values = {name: value for name, value in values.items() if name in ours}
    return Defaults.from_json(values, base)


def recommend(folder: Path, **changes: Any) -> None:
    """Change what a folder recommends: decodings by the name of their use, and other fields of `Defaults`.

    The file is replaced in one go and keeps whatever else it says. Raises ValueError for what it cannot say.
    """
    path = folder / "generation_config.json"
    values = json.loads(path.read_text()) if path.exists() else {}
    spelt = {name: to_json(value) if isinstance(value, Decoding) else value for name, value in changes.items()}
    Defaults.from_json(spelt)
    replace_file(path, (json.dumps(values | spelt, indent=2) + "\n").encode())


def family_defaults(family: Family, facts: ModelFacts) -> Defaults:
    """What a family recommends, for its way to attend and its vocabulary.

    Edits by strength decode as `generate` does. Gaps change their length where the model has controls and sees both
    sides. Where guidance is asked for, a model that sees everything is compared with itself without a prompt, which
    stands there as noise.
    """
    decoding = from_json(family.decoding)
    if hasattr(decoding.policy, "vocab_size"):
        sized = replace(decoding.policy, vocab_size=facts.architecture.vocab_size)  # type: ignore[type-var]
        decoding = replace(decoding, policy=sized)
    if facts.attention == "full" and facts.noise == "absorbing":
        decoding = replace(decoding, null_id=facts.mask_id)
    grows = facts.controls is not None and facts.attention == "full"
    return Defaults(
        generate=decoding,
        infill=replace(decoding, indels=grows),
        edit=decoding,
        block_length=_block_length(facts, decoding),
        instructions=(),
    )


def _block_length(facts: ModelFacts, decoding: Decoding) -> int | None:
    trained = facts.decide_length or facts.block_length
    if trained is not None:
        return trained
    scheduled = getattr(decoding.policy, "num_steps", None) is not None
    return None if scheduled else SEMI_AUTOREGRESSIVE
