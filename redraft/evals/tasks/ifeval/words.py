"""Words, sentences and languages, as IFEval's checkers count them.

Sentences are NLTK's (Punkt) where it and its data are installed, else cut by the rule below, which comes close.
Languages are langdetect's. Knows texts. Refuses to know instructions.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache

END = re.compile(r"[.!?]+[\"'\u201d\u2019)\]*_]*\s+")
SHORT = {
    "a.m", "al", "apr", "aug", "ave", "co", "corp", "dec", "dept", "dr", "e.g", "etc", "feb", "fig", "gen", "gov",
    "i.e", "inc", "jan", "jr", "lt", "ltd", "mr", "mrs", "ms", "mt", "no", "nov", "oct", "p.m", "ph.d", "prof",
    "rep", "rev", "sen", "sep", "sept", "sgt", "sr", "st", "u.s", "vs",
}  # fmt: skip
SPLIT_OFF = re.compile(r"(?i)(n't|'(?:s|m|d|ll|re|ve))(?=$)")
WORD = re.compile(r"[^\W_][\w./'*+=\\~^-]*|\S")


def count_sentences(text: str) -> int:
    cut = punkt()
    return len(cut(text) if cut is not None else sentences(text))


@cache
def punkt() -> Callable[[str], Sequence[str]] | None:
    """NLTK's way to cut English into sentences; None where it or its data is missing."""
    try:
        from nltk.tokenize.punkt import PunktTokenizer

        return PunktTokenizer("english").tokenize
    except (ModuleNotFoundError, ImportError, LookupError):
        return None


def sentences(text: str) -> list[str]:
    """A text cut behind full stops, question and exclamation marks; behind abbreviations and initials it is not."""
    found, begin = [], 0
    for end in END.finditer(text):
        before = text[begin : end.start()].split()
        last = before[-1].lstrip("\"'(\u201c\u2018[").lower() if before else ""
        single = end.group().startswith(".") and not end.group().startswith("..")
        if single and (last in SHORT or re.fullmatch(r"[a-z]", last) or re.fullmatch(r"\d+", last)):
            continue
        found.append(text[begin : end.end()].strip())
        begin = end.end()
    return [part for part in [*found, text[begin:].strip()] if part]


def split(text: str) -> list[str]:
    """Words and marks, close to NLTK's: with hyphens words are one, what is contracted is two."""
    found = []
    for word in (match for chunk in text.split() for match in WORD.findall(chunk)):
        bare = word.rstrip("'")
        found += [part for part in SPLIT_OFF.split(bare) if part]
    return found


def language(text: str) -> str | None:
    """The language of a text in two letters, the same every time; None where nobody can tell."""
    try:
        from langdetect import DetectorFactory, LangDetectException, detect
    except ModuleNotFoundError:
        raise ValueError("IFEval tells languages by langdetect: pip install 'redraft[eval]'") from None
    DetectorFactory.seed = 0
    try:
        return str(detect(text))
    except LangDetectException:
        return None
