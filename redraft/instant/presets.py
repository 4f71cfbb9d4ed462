"""Presets: what people ask of an editor, as instructions. Knows words. Refuses to know models but for their claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Literal

Standing = Literal["trained", "instructed", "unknown"]


@dataclass(frozen=True, slots=True)
class Preset:
    """An instruction by name. `word` is what models say that were trained for it by name, `{...}` what it needs."""

    name: str
    title: str
    instruction: str

    @property
    def needs(self) -> tuple[str, ...]:
        """What has to be filled in."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.instruction) if name)

    def filled(self, **values: str) -> str:
        """The instruction. Raises ValueError for what is missing or not asked for."""
        missing = [name for name in self.needs if not values.get(name)]
        if missing:
            raise ValueError(f"preset {self.name!r} needs {', '.join(missing)}")
        for name in values:
            if name not in self.needs:
                raise ValueError(f"preset {self.name!r} takes {', '.join(self.needs) or 'nothing'}, not {name!r}")
        return self.instruction.format(**values)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("fix", "Fix mistakes", "Correct spelling, grammar and punctuation. Change nothing else."),
        Preset("punctuate", "Punctuate", "Add punctuation and capital letters to this transcript. Keep every word."),
        Preset("simplify", "Simplify", "Say the same in short sentences and simple words."),
        Preset("formal", "Make formal", "Make the tone formal. Keep what is said."),
        Preset("persona", "In another voice", "Rewrite the text as {persona} would say it."),
        Preset("keywords", "Work in words", "Rewrite the text so that it uses these words: {keywords}."),
        Preset("shorten", "Shorten", "Make the text about half as long. Keep what matters most."),
        Preset("refactor", "Refactor code", "Make this code clearer, doing what it does. Answer with the code."),
        Preset("add_feature", "Add a feature", "Change this code so that {feature}. Answer with the whole code."),
        Preset("convert", "Convert code", "Write this code in {language}. Answer with the code."),
        Preset("translate", "Translate", "Translate the text into {language}."),
    )
}  # fmt: skip


def find_preset(name: str) -> Preset:
    """A preset by name. Raises ValueError, naming all, where there is none."""
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; choose from {', '.join(PRESETS)}")
    return PRESETS[name]


def worded(preset: Preset, trained: Sequence[str], **values: str) -> str:
    """What to tell a model: the bare name where it was trained for that, else the instruction."""
    return preset.name if preset.name in trained else preset.filled(**values)


def standing(preset: Preset, trained: Sequence[str], converses: bool) -> Standing:
    """What a model can be expected to make of a preset.

    trained     it was trained for it, and there are measurements
    instructed  it follows instructions in a conversation, and may follow this one; nothing was measured here
    unknown     it was trained for other things, and will most likely return the text or damage it
    """
    if preset.name in trained:
        return "trained"
    return "instructed" if converses and not trained else "unknown"
