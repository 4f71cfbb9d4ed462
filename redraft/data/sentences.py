"""Sentences: where they end in English text, and text in its tokenised form and back.

Knows punctuation and abbreviations. Refuses to know model tokens: a token here is a word or a mark of plain text.
"""

import re

from redraft.data.lexicon import words

# What a full stop may follow within a sentence. A single capital is an initial, unless it is "I".
_NEVER_LAST = re.compile(
    r"(?:^|(?<![\w.]))(?:Mr|Mrs|Ms|Dr|Prof|Rev|Hon|Gen|Col|Capt|Lt|Sgt|Sen|Rep|Gov|St|Mt|Messrs|Mme|Mlle"
    r"|vs|Vol|vol|Figs?|Eqs?|pp|cf|ca|e\.g|i\.e|E\.g|I\.e|viz|[A-HJ-Z])\.$"
)
# What a full stop may follow within a sentence or at its end: the next word tells.
_SOMETIMES_LAST = re.compile(
    r"(?:^|(?<![\w.]))(?:(?:[A-Za-z]\.)+[A-Za-z]|Ph\.D|etc|al|eds?|Inc|Ltd|Co|Corp|Bros|Jr|Sr|Nos?|approx|dept|est"
    r"|Ave|Blvd|Rd|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)\.$"
)
_STARTERS = words("""
The This That These Those It He She We They You I In On At But And So However There If When While As For My Your His Her
Our Their What Who Why How Where A An After Before Then
""")
_CLOSERS = "\"'\u201d\u2019)\\]\u00bb"
_END = re.compile(rf"(?:[.!?\u2026]+[{_CLOSERS}]*(?:\s+|\Z))|\n\s*")
_NEXT = re.compile(r"[\"'\u201c\u2018(\[\u00ab]*(\w[\w'\u2019]*)?")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences, in order and touching: together they are the whole text.

    White space belongs to the sentence before it; at the very start of the text, to the first. A line break always
    ends a sentence; a full stop does unless it belongs to an abbreviation or a small letter follows.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        if text[start : match.end()].strip() and match.end() < len(text) and _ends(text, start, match):
            spans.append((start, match.end()))
            start = match.end()
    return [*spans, (start, len(text))] if start < len(text) else spans


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether a candidate is an end of a sentence: marks, closing quotes and white space, or a line break."""
    mark = match.group()
    if "\n" in mark:
        return True
    following = _NEXT.match(text, match.end())
    word = (following.group(1) or "") if following else ""
    if mark[0] in "!?" and mark.strip()[-1] in "!?":
        return not word[:1].islower()
    before = text[max(start, match.start() - 12) : match.start() + 1]
    if mark.rstrip() == "." and (
        _NEVER_LAST.search(before) or (_SOMETIMES_LAST.search(before) and word not in _STARTERS)
    ):
        return False
    return not word[:1].islower()


# --------------------------------------------------------------------------------- tokenised text

_CLITIC = r"n['\u2019]t|['\u2019](?:s|m|d|re|ve|ll)"
_ATTACHED = re.compile(rf" ({_CLITIC}|[,;:!?%)\]}}\u2026\u201d\u2019]|\.+)(?=[\s\"']|\Z)", re.IGNORECASE)
_OPENING = re.compile(r"(?<!\S)([(\[{$\u00a3\u20ac\u201c\u2018]) ")
_CUT = re.compile(rf"(?<=\w)(?:{_CLITIC})(?!\w)", re.IGNORECASE)
_MARK = re.compile(
    r"\.{2,}|[\u2026;!?()\[\]{}\"\u201c\u201d%\u00a3\u20ac$]"
    r"|(?<!\d)[,:]|[,:](?!\d)"  # not 1,000 nor 10:30
    r"|(?<!\S)['\u2018](?=\w)|['\u2019](?=[\s.,;!?\"]|\Z)"  # quotation marks, plural possessives
)
_STOP = re.compile(rf"(?<=[^\s.])\.(?=[{_CLOSERS}]*(\s|\Z))")


def detokenize(text: str) -> str:
    """Tokenised text ("do n't , he said") as people write it, on one line.

    What the writer may have cut ("can not", "1 9 0 8") stays as it is.
    """
    text = text.replace("``", '"').replace("''", '"')
    text = " ".join(_join_quotes(text.split()))
    text = _ATTACHED.sub(r"\1", text)
    return _OPENING.sub(r"\1", text)


def _join_quotes(tokens: list[str]) -> list[str]:
    """Attach each lone quotation mark to the word it opens or closes."""
    joined: list[str] = []
    opened: set[str] = set()  # marks whose pair is still to come
    waiting = ""  # a mark that opens the next word
    for k, token in enumerate(tokens):
        possessive = token == "'" and joined and joined[-1].endswith("s")
        if token not in ("'", '"'):
            joined.append(waiting + token)
            waiting = ""
        elif joined and not waiting and (token in opened or possessive or k == len(tokens) - 1):
            opened.discard(token)
            joined[-1] += token
        else:
            opened.add(token)
            waiting += token
    return [*joined, waiting] if waiting else joined


def tokenize(text: str) -> str:
    """Text on one line with marks and clitics set apart by spaces: `do n't`, `it 's`, `( yes ) .`, `Mr. Smith`."""
    text = _STOP.sub(lambda match: "." if _abbreviates(match) else " . ", text)
    text = _MARK.sub(lambda match: " . . " if match.group() == ".." else f" {match.group()} ", text)
    return " ".join(_CUT.sub(r" \g<0>", text).split())


def _abbreviates(match: re.Match[str]) -> bool:
    """Whether a full stop belongs to its word. The last one of a text ends it."""
    before = match.string[max(0, match.start() - 12) : match.end()]
    last = not match.string[match.end() :].strip(" \n\"')")
    return not last and bool(_NEVER_LAST.search(before) or _SOMETIMES_LAST.search(before))
