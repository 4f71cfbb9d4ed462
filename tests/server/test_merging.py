"""A snippet goes where it was taken from, and nothing it leaves out is touched."""

import pytest

from redraft.server.merging import is_left_out, merge

FILE = """import os

def first(a):
    x = a + 1
    return x

def second(b):
    return b

def third(c):
    return c
"""


def test_a_changed_function_between_marks_takes_the_place_of_the_old_one() -> None:
    snippet = "# ... existing code ...\n\ndef second(b):\n    return b * 2\n\n# ... existing code ...\n"
    assert merge(FILE, snippet) == FILE.replace("    return b\n", "    return b * 2\n")


def test_a_changed_signature_does_not_leave_the_old_one_behind() -> None:
    snippet = "# ... existing code ...\ndef second(b, more=1):\n    return b\n# ... existing code ..."
    assert merge(FILE, snippet) == FILE.replace("def second(b):", "def second(b, more=1):")


def test_a_mark_inside_a_function_keeps_its_rest() -> None:
    snippet = "def first(a):\n    print(a)\n    # ... existing code ...\n\ndef second(b):\n    return b\n"
    assert merge(FILE, snippet) == FILE.replace("def first(a):\n", "def first(a):\n    print(a)\n")


def test_a_function_alone_replaces_itself() -> None:
    assert merge(FILE, "def second(b):\n    return -b") == FILE.replace("    return b\n", "    return -b\n")


def test_new_code_in_front_of_or_behind_what_is_left_out_goes_to_that_end() -> None:
    assert merge(FILE, "import sys\n// ... existing code ...") == "import sys\n" + FILE
    assert merge(FILE, "# ... existing code ...\nprint(1)") == FILE + "\nprint(1)"


def test_lines_that_the_snippet_drops_between_shared_ones_are_gone() -> None:
    snippet = "def first(a):\n    return x\n# ... existing code ..."
    assert merge(FILE, snippet) == FILE.replace("    x = a + 1\n", "")


def test_a_whole_file_is_taken_whole() -> None:
    new = FILE.replace("third", "fourth").replace("import os", "import sys")
    assert merge(FILE, new) == new


def test_a_snippet_without_any_place_is_refused() -> None:
    with pytest.raises(ValueError, match="shares no line"):
        merge(FILE, "nothing of that file")


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="lines"):
        merge("a\n" * 6000, "a\n" * 60)


@pytest.mark.parametrize(
    "line", ["// ... existing code ...", "# ...", "  /* ... rest of the class ... */", "<!-- … unchanged … -->", "..."
             " existing code"]
)  # fmt: skip
def test_a_mark_is_known_in_many_languages(line: str) -> None:
    assert is_left_out(line)


@pytest.mark.parametrize("line", ["...", "    ...", "# ...and then it crashes", "x = a[..., 0]", "// done"])
def test_three_dots_may_be_code(line: str) -> None:
    assert not is_left_out(line)
