"""Answers: what a text says in the end. The boxed expression, the letter of a choice, the last number.

Knows how answers are written. Refuses to know questions. Where a rule is a benchmark's own, it is in its folder.
"""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+")
_SAID = re.compile(
    r"(?i)answer\s*(?:is|:)?\s*(?:the\s+)?(?:option|choice|letter)?\s*[:=]?\s*[\s*$(\[{]*\s*([A-Z])\b(?!\w)"
)
# A letter that stands alone: at the end of a line, or in front of a mark.
_LETTER = re.compile(r"[\s*$(\[{]*([A-Z])(?:[ \t*$]*(?:\n|\Z)|[ \t*$]*[)\]}.:,])")
PATIENCE = 30  # seconds by the clock; math-verify's own 5 fail right answers on a busy machine
MOST = 50_000  # characters from the end that are read


def boxed(text: str) -> str | None:
    r"""What the last \boxed{...} or \fbox{...} holds, its braces in balance; None without one."""
    text = text[-MOST:]
    start = max(text.rfind(r"\boxed{"), text.rfind(r"\fbox{"))
    if start < 0:
        return None
    begin = text.index("{", start) + 1
    depth = 1
    for place in range(begin, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[begin:place].strip()
    return None


def last_number(text: str) -> str | None:
    """The last number of a text, without thousands separators and currency."""
    found = _NUMBER.findall(text[-MOST:])
    return None if not found else plain_number(found[-1])


def plain_number(text: str) -> str:
    return text.replace(",", "").replace("$", "").strip().rstrip(".")


def same_number(one: str, other: str) -> bool:
    try:
        return float(plain_number(one)) == float(plain_number(other))
    except ValueError:
        return False


def letter(text: str, letters: Sequence[str]) -> str | None:
    r"""The choice a text ends on: boxed, or said to be the answer, or all there is, or at the start of the text."""
    inside = boxed(text)
    if inside is not None:
        words = re.sub(r"\\(?:text|mathrm|mathbf|textbf)\s*", "", inside)
        whole = _LETTER.match(words)
        return whole[1] if whole and whole[1] in letters else None
    said = [found for found in _SAID.findall(text[-MOST:]) if found in letters]
    if said:
        return str(said[-1])
    whole = _LETTER.match(text)
    return whole[1] if whole and whole[1] in letters else None


def same_mathematics(answer: str, target: str) -> bool:
    """Whether two answers are the same expression, as math-verify decides it: the field's own judge."""
    try:
        from math_verify import parse, verify
    except ModuleNotFoundError:
        raise ValueError("mathematical answers are compared by math-verify: pip install 'redraft[eval]'") from None
    gold, found = (parse(text, parsing_timeout=PATIENCE) for text in (rf"\boxed{{{target}}}", answer[-MOST:]))
    return bool(gold) and bool(verify(gold, found, timeout_seconds=PATIENCE))
