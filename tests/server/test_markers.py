"""Marked texts are read as the clients that write them mean them."""

import pytest

from redraft.server.markers import FORMS, read_next_edit, read_update, split_fim


@pytest.mark.parametrize("form", FORMS)
def test_a_marked_prompt_is_a_prefix_and_a_suffix(form: tuple[str, str, str]) -> None:
    begin, hole, end = form
    assert split_fim(f"{begin}def f(\n{hole}): pass{end}", None) == ("def f(\n", "): pass")


def test_codestral_names_the_suffix_first() -> None:
    assert split_fim("[SUFFIX]b[PREFIX]a", None) == ("a", "b")


def test_a_suffix_of_its_own_leaves_marks_alone() -> None:
    assert split_fim("<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", "c")[1] == "c"
    assert split_fim("plain", None) == ("plain", "")
    assert split_fim("plain", "<|endoftext|>") == ("plain", "")


MESSAGE = """<|recently_viewed_code_snippets|>
<|/recently_viewed_code_snippets|>

<|current_file_content|>
current_file_path: notes/a.md
# Title
<|code_to_edit|>
She go<|cursor|> home.
<|/code_to_edit|>
the end
<|/current_file_content|>

<|edit_diff_history|>
<|/edit_diff_history|>
"""


def test_the_region_is_read_to_the_byte_and_the_cursor_taken_out() -> None:
    found = read_next_edit(MESSAGE)
    assert (found.path, found.before, found.region, found.after) == (
        "notes/a.md", "# Title\n", "She go home.\n", "the end\n",
    )  # fmt: skip


def test_a_region_may_end_without_a_line_break() -> None:
    assert read_next_edit(MESSAGE.replace("home.\n<|/code", "home.<|/code")).region == "She go home."


@pytest.mark.parametrize("tag", ["<|current_file_content|>", "<|/code_to_edit|>"])
def test_a_missing_section_is_named(tag: str) -> None:
    with pytest.raises(ValueError, match=tag.strip("<|/>")):
        read_next_edit(MESSAGE.replace(tag, ""))


def test_an_update_is_an_original_and_a_snippet() -> None:
    message = "<|original_code|>\na\nb\n<|/original_code|>\n\n<|update_snippet|>\nb\nc\n<|/update_snippet|>"
    found = read_update(message)
    assert (found.original, found.snippet) == ("a\nb", "b\nc")
