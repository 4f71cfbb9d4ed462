"""Prompts: what somebody may have asked for that a given story answers.

Knows words of stories. Refuses to know where stories come from.
"""

import re
from random import Random

from redraft.data import lexicon as lex

WITH_WORDS = (
    "Write a story with the words {0}, {1} and {2}.",
    "Write a short story with the words {0}, {1} and {2}.",
    "Tell me a story with the words {0}, {1} and {2}.",
    "Please write a story that has the words {0}, {1} and {2} in it.",
    "Can you write a story using the words {0}, {1} and {2}?",
    'Write a story. Use the words "{0}", "{1}" and "{2}".',
)
ABOUT = (
    "Tell me a story about {0}.", "Write a story about {0}.", "Can you tell me a story about {0}?",
    "Please tell me a short story about {0}.", "I would like a story about {0}.",
)  # fmt: skip
PLAIN = ("Tell me a story.", "Write a short story.", "Can you tell me a story?", "Tell me a bedtime story.")
_WORD = re.compile(r"(?<!\w)[A-Za-z]+(?!['\w])")
_NAME = re.compile(r"(?:named|called) ([A-Z][a-z]+)")


def prompted(story: str, rng: Random) -> str:
    """`User: a request`, `Assistant: ` and the story."""
    return f"User: {request(story, rng)}\nAssistant: {story}"


def request(story: str, rng: Random) -> str:
    """What the story may be the answer to: three of its words, the one it is about, or nothing in particular."""
    chance = rng.random()
    words = content_words(story)
    if chance < 0.75 and len(words) >= 3:
        return rng.choice(WITH_WORDS).format(*rng.sample(words, 3))
    about = _subject(story)
    return rng.choice(ABOUT).format(about) if about and chance < 0.95 else rng.choice(PLAIN)


def content_words(story: str) -> list[str]:
    """The words of a story that say something: no names and no small words, in their order."""
    found = dict.fromkeys(word for word in _WORD.findall(story) if word.islower() and 3 < len(word) < 11)
    return [word for word in found if word not in lex.FUNCTION_WORDS and word not in _COMMON]


def _subject(story: str) -> str:
    """`a little boy named Tom` at the beginning of a story, if it says so."""
    match = re.search(r"\b(an? (?:[a-z]+ ){1,3}(?:named|called) [A-Z][a-z]+)", story[:200])
    return match.group(1) if match else ""


_COMMON = lex.words("""
said went were then they what that with have been when into came asked made took there their looked wanted very
gave just like named called know didn't could would felt began time again came from next long more
""")
