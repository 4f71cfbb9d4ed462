"""Sentences end where a reader says they do, and tokenised text comes back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.data.sentences import detokenize, split_sentences, tokenize

PIECES = [
    "Mr. ",
    "Hello ",
    "world",
    ". ",
    "! ",
    "? ",
    '"',
    "'",
    "\n",
    " ",
    "U.S. ",
    "e.g. ",
    "... ",
    "a",
    "B",
    ")",
    "…",
]
texts = st.one_of(st.lists(st.sampled_from(PIECES), max_size=20).map("".join), st.text(max_size=40))


@pytest.mark.parametrize(
    "sentences",
    [
        ["It rained. ", "We stayed at home! ", "Why not?"],
        ["Mr. Smith met Dr. Jones on St. James Street. ", "They talked."],
        ["Bring fruit, e.g. apples, i.e. the red ones. ", "Thanks."],
        ["He moved to the U.S. in May. ", "He liked it."],
        ["He moved to the U.S. ", "The weather was fine."],
        ["J. R. Smith wrote it. ", "I read it."],
        ["They sell pens, paper, etc. ", "We buy them."],
        ['"Is this right?" ', "She was not sure."],
        ['"Stop!" he said. ', '"Now."'],
        ["Well... ", "I do not know."],
        ["I waited ... and waited. ", "Nobody came."],
        ["It costs 3.50 today. ", "At 10.30 it closes."],
        ["A title without a mark\n", "Then a line.\n\n", "And another."],
        ["So do I. ", "You too?"],
        ["What?! ", "No way."],
        ["(It was late.) ", "We left."],
    ],
)
def test_sentences_end_where_a_reader_ends_them(sentences: list[str]) -> None:
    text = "".join(sentences)
    assert [text[start:end] for start, end in split_sentences(text)] == sentences


@given(texts)
def test_spans_touch_and_cover_the_whole_text(text: str) -> None:
    spans = split_sentences(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)


@given(texts.filter(str.strip))
def test_no_sentence_is_blank(text: str) -> None:
    assert all(text[start:end].strip() for start, end in split_sentences(text))


@pytest.mark.parametrize(
    ("tokenised", "text"),
    [
        ("I do n't know , he said .", "I don't know, he said."),
        ("It 's John 's car , is n't it ?", "It's John's car, isn't it?"),
        ("We 'll go if they 've left and you 're ready .", "We'll go if they've left and you're ready."),
        ("You can not stay , I ca n't either .", "You can not stay, I can't either."),
        ('He said , " Come in ! " and left .', 'He said, "Come in!" and left.'),
        ("The teachers ' room ( on the left ) is shut .", "The teachers' room (on the left) is shut."),
        ("Mr. Brown paid $ 1,000 at 10:30 .", "Mr. Brown paid $1,000 at 10:30."),
        ("Wait ... what ? !", "Wait... what?!"),
        ("It was 50 % cheaper ; nobody knew : not even me .", "It was 50% cheaper; nobody knew: not even me."),
        ("It rained . They left .", "It rained. They left."),
        ("She called it ' odd ' .", "She called it 'odd'."),
        ("they dont know , i think so", "they dont know, i think so"),
        ("A well-known he/she rule .", "A well-known he/she rule."),
    ],
)
def test_tokenised_text_and_plain_text_are_two_forms_of_one(tokenised: str, text: str) -> None:
    assert detokenize(tokenised) == text
    assert tokenize(text) == tokenised


def test_old_quotation_marks_become_plain_ones() -> None:
    assert detokenize("He said `` no '' .") == 'He said "no".'


@given(texts)
def test_tokenising_changes_nothing_but_white_space(text: str) -> None:
    assert "".join(tokenize(text).split()) == "".join(text.split())
