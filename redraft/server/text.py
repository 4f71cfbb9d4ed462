"""Text: committed tokens become text that only grows, cut at the first stop string.

Knows characters and a function from tokens to text. Refuses to know models, requests and time. What is given out does
not depend on how many tokens come at once.
"""

from collections.abc import Callable, Sequence

BROKEN = "\ufffd"  # what bytes decode to that are no whole character (yet)
NOISE = "░"

Decode = Callable[[Sequence[int]], str]


class Reader:
    """The text of one answer. `read` gives what is new; `text` is everything given so far."""

    def __init__(self, decode: Decode, stops: Sequence[str] = (), *, strip: bool = False) -> None:
        self.decode, self.stops, self.strip = decode, tuple(stops), strip
        self.text = ""
        self.stopped = False

    def read(self, tokens: Sequence[int], finished: bool) -> str:
        """What the tokens so far add: never half a character, nothing that may turn out to be a stop string."""
        if self.stopped or not (tokens or finished):
            return ""
        raw = self.decode(tokens)
        if not finished:
            raw = raw.rstrip(BROKEN)
        cut = first_stop(raw, self.stops)
        self.stopped = cut is not None
        end = cut if cut is not None else len(raw) if finished else len(raw) - undecided(raw, self.stops)
        text = raw[self._start(raw) : end]
        delta, self.text = text[len(self.text) :], max(self.text, text, key=len)
        return delta

    def shown(self, tokens: Sequence[int], draft: str) -> str:
        """The text with a draft behind it, as it would be if that were committed."""
        raw = (self.decode(tokens) if tokens else "") + draft
        return raw[self._start(raw) : first_stop(raw, self.stops)]

    def _start(self, raw: str) -> int:
        return len(raw) - len(raw.lstrip()) if self.strip else 0

    def counted(self, tokens: Sequence[int]) -> int:
        """How many of the tokens the text given so far took."""
        raw = self.decode(tokens)
        wanted = min(self._start(raw) + len(self.text), len(raw))
        low, high = 0, len(tokens)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if len(self.decode(tokens[:middle])) >= wanted else (middle + 1, high)
        return low


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the stop string that is complete first begins; of several complete at once, the longest."""
    found = [(place + len(stop), place) for stop in stops if (place := text.find(stop)) >= 0]
    return min(found)[1] if found else None


def undecided(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    longest = max((len(stop) for stop in stops), default=1) - 1
    lengths = range(min(longest, len(text)), 0, -1)
    return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in stops)), 0)


def painted(tokens: Sequence[int], noisy: Sequence[bool], decode: Decode) -> str:
    """A draft as text: noise without a spelling as blocks, the rest decoded in runs, so that characters stay whole."""
    parts: list[str] = []
    run: list[int] = []
    for token, noise in zip(tokens, noisy, strict=True):
        if noise and not decode([token]):
            parts += [decode(run), NOISE]
            run = []
        else:
            run.append(token)
    return "".join([*parts, decode(run)])
