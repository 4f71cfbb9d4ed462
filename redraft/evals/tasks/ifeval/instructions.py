"""Instructions that a text can be checked against: IFEval's 25 kinds, each a function of the text and its arguments.

What counts is what the authors' checkers count, oddities included. Knows texts. Refuses to know questions.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redraft.evals.tasks.ifeval import words

Check = Callable[..., bool]
RESPONSES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
MARKS = re.compile(r"[.,?!'\"]")


def follows(kind: str, text: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a text follows an instruction. An empty one follows nothing. Raises ValueError for unknown kinds."""
    if kind not in CHECKS:
        raise ValueError(f"unknown instruction {kind!r}")
    given = {name: value for name, value in arguments.items() if value}
    return bool(text.strip()) and CHECKS[kind](text, **given)


def loosely(text: str) -> list[str]:
    """The text, and without its first line, its last, or both, each also without asterisks."""
    lines = text.split("\n")
    parts = [text, *("\n".join(lines[cut]).strip() for cut in (slice(1, None), slice(None, -1), slice(1, -1)))]
    return [*parts, *(part.replace("*", "") for part in parts)]


def enough(count: int, wanted: int, relation: str) -> bool:
    return count < wanted if relation == "less than" else count >= wanted


# ------------------------------------------------------------------ words and letters


def existence(text: str, *, keywords: Sequence[str]) -> bool:
    return all(re.search(word, text, re.I) for word in keywords)


def frequency(text: str, *, keyword: str, frequency: int, relation: str) -> bool:
    return enough(len(re.findall(keyword.strip(), text, re.I)), frequency, relation)


def forbidden_words(text: str, *, forbidden_words: Sequence[str]) -> bool:
    return not any(re.search(rf"\b{word}\b", text, re.I) for word in forbidden_words)


def letter_frequency(text: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    return enough(text.lower().count(letter.lower()), let_frequency, let_relation)


def number_words(text: str, *, num_words: int, relation: str) -> bool:
    return enough(len(re.findall(r"\w+", text)), num_words, relation)


def number_sentences(text: str, *, num_sentences: int, relation: str) -> bool:
    return enough(words.count_sentences(text), num_sentences, relation)


def capital_word_frequency(text: str, *, capital_frequency: int, capital_relation: str) -> bool:
    return enough(sum(word.isupper() for word in words.split(text)), capital_frequency, capital_relation)


def english_capital(text: str) -> bool:
    return text.isupper() and words.language(text) in ("en", None)


def english_lowercase(text: str) -> bool:
    return text.islower() and words.language(text) in ("en", None)


def response_language(text: str, *, language: str) -> bool:
    return words.language(text) in (language, None)


def no_comma(text: str) -> bool:
    return "," not in text


# ------------------------------------------------------------------ parts


def number_paragraphs(text: str, *, num_paragraphs: int) -> bool:
    """Between dividers of three asterisks; only the first and the last may be empty, and do not count then."""
    first, *between, last = [*re.split(r"\s?\*\*\*\s?", text), ""][: -1 if "***" in text else None]
    if not all(part.strip() for part in between):
        return False
    ends = [first, last] if "***" in text else [first]
    return len(between) + sum(bool(part.strip()) for part in ends) == num_paragraphs


def nth_paragraph_first_word(text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    paragraphs = text.split("\n\n")
    count = sum(bool(part.strip()) for part in paragraphs)
    if nth_paragraph > count or not paragraphs[nth_paragraph - 1].strip():
        return False
    word = paragraphs[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    return count == num_paragraphs and MARKS.split(word)[0].lower() == first_word.lower()


def multiple_sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"\s?{section_spliter.strip()}\s?\d+\s?", text)) >= num_sections


def number_bullet_lists(text: str, *, num_bullets: int) -> bool:
    stars, dashes = (re.findall(line, text, re.M) for line in (r"^\s*\*[^\*].*$", r"^\s*-.*$"))
    return len(stars) + len(dashes) == num_bullets


def number_highlighted_sections(text: str, *, num_highlights: int) -> bool:
    """Between asterisks, and once more between double ones."""
    single = sum(bool(part.strip("*").strip()) for part in re.findall(r"\*[^\n\*]*\*", text))
    double = sum(bool(part[2:-2].strip()) for part in re.findall(r"\*\*[^\n\*]*\*\*", text))
    return single + double >= num_highlights


def number_placeholders(text: str, *, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def postscript(text: str, *, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(rf"\s*{known.get(marker, marker.lower())}.*$", text.lower(), re.M) is not None


def two_responses(text: str) -> bool:
    """Two different ones around six asterisks; only the first and the last part may be empty."""
    parts = [part.strip() for part in text.split("******")]
    said = [part for part in parts if part]
    return all(parts[1:-1]) and len(said) == 2 and said[0] != said[1]


# ------------------------------------------------------------------ form


def title(text: str) -> bool:
    return any(found.lstrip("<").rstrip(">").strip() for found in re.findall(r"<<[^\n]+>>", text))


def json_format(text: str) -> bool:
    body = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        body = body.removeprefix(fence)
    try:
        json.loads(body.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def constrained_response(text: str) -> bool:
    return any(response in text for response in RESPONSES)


def repeat_prompt(text: str, *, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(text: str, *, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(text: str) -> bool:
    body = text.strip()
    return len(body) > 1 and body[0] == body[-1] == '"'


CHECKS: Mapping[str, Check] = {
    "change_case:capital_word_frequency": capital_word_frequency,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "combination:repeat_prompt": repeat_prompt,
    "combination:two_responses": two_responses,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:json_format": json_format,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:title": title,
    "keywords:existence": existence,
    "keywords:forbidden_words": forbidden_words,
    "keywords:frequency": frequency,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_words": number_words,
    "punctuation:no_comma": no_comma,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
}
