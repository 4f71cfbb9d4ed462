"""Markers: texts in which a client has marked what is what. Fill-in-the-middle prompts, and Mercury's tagged sections.

Knows spellings. Refuses to know what is done with the parts. All of it is plain text to a model; only endpoints that
are made for marked text read it.
"""

from dataclasses import dataclass

CURSOR = "<|cursor|>"
# What comes before the prefix, between prefix and suffix, and behind the suffix: as editors write it for Qwen and
# CodeGemma, StarCoder, Code Llama, DeepSeek Coder, GLM.
FORMS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<PRE> ", " <SUF>", " <MID>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # noqa: RUF001
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
)
BLANK = "<|endoftext|>"  # what some clients send for a suffix of nothing


@dataclass(frozen=True, slots=True)
class NextEdit:
    """A file with a region that may be edited, the cursor taken out."""

    path: str
    before: str
    region: str
    after: str


@dataclass(frozen=True, slots=True)
class Update:
    """A text and what shall be merged into it."""

    original: str
    snippet: str


def split_fim(prompt: str, suffix: str | None) -> tuple[str, str]:
    """Prefix and suffix of a gap: as they are given, or as a prompt without a suffix marks them."""
    if suffix is not None:
        return prompt, "" if suffix == BLANK else suffix
    for begin, hole, end in FORMS:
        if prompt.startswith(begin) and prompt.endswith(end) and hole in prompt:
            before, _, after = prompt.removeprefix(begin).removesuffix(end).partition(hole)
            return before, after
    if prompt.startswith("[SUFFIX]") and "[PREFIX]" in prompt:  # Codestral's: the suffix comes first
        after, _, before = prompt.removeprefix("[SUFFIX]").partition("[PREFIX]")
        return before, after
    return prompt, ""


def read_next_edit(message: str) -> NextEdit:
    """The file and its region. Raises ValueError for a message without them."""
    file = _section(message, "current_file_content")
    region = _section(file, "code_to_edit")
    before, _, rest = file.partition("<|code_to_edit|>")
    path, _, above = before.lstrip("\n").partition("\n")
    if not path.startswith("current_file_path:"):
        path, above = "", before
    after = rest.partition("<|/code_to_edit|>")[2].removeprefix("\n")
    return NextEdit(path.removeprefix("current_file_path:").strip(), above, region.replace(CURSOR, ""), after)


def read_update(message: str) -> Update:
    """The original and the snippet. Raises ValueError for a message without them."""
    original, snippet = _section(message, "original_code"), _section(message, "update_snippet")
    return Update(original.removesuffix("\n"), snippet.removesuffix("\n"))


def _section(text: str, name: str) -> str:
    """What stands between two tags, exactly, but for the line break behind the first."""
    begin, end = f"<|{name}|>", f"<|/{name}|>"
    start, stop = text.find(begin), text.rfind(end)
    if start < 0 or stop < start:
        raise ValueError(f"the message needs a section {begin} ... {end}")
    return text[start + len(begin) : stop].removeprefix("\n")
