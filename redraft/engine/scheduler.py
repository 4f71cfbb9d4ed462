"""Scheduler: who works in the next forward, with how many tokens, and who waits. Arithmetic on integers: no torch.

A tick gives every open canvas its step (latency first), then the rest of its token budget, at least one chunk, to
encoding, then admits who waits. Where pages run out, the least urgent running item is set back: its pages are given
away and it encodes its text again later, in its turn. The most urgent item is never set back, so all of them finish.
Knows counts and pages. Refuses to know tokens' meaning, decodings and devices.
"""

from bisect import insort
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from redraft.engine.pages import PagePool


class Work(Enum):
    """What a span of tokens does in a forward."""

    ENCODE = "encode"  # clean tokens; their keys and values are kept
    DENOISE = "denoise"  # a canvas; it reads and leaves nothing


@dataclass(eq=False, slots=True)
class Item:
    """One request as the scheduler sees it.

    text       every token that must be in the context before the canvas may be denoised
    held       how many of them are, so far
    canvas     positions of the open canvas, 0 where there is none or its states are made
    align      encoding goes in whole multiples of this many tokens
    keeps_last the last token is always encoded anew, because its state is wanted and not only its keys and values
    partner    the other half of a guided request: the two are admitted and set back together
    reused     tokens of its text that the prefix cache held when it was first admitted
    """

    number: int  # order of arrival
    priority: int = 0  # higher goes first
    deadline: float | None = None  # on the engine's clock, in seconds
    text: list[int] = field(default_factory=list)
    canvas: int = 0
    align: int = 1
    keeps_last: bool = False
    paged: bool = True
    root: Hashable = None
    partner: "Item | None" = None
    held: int = 0
    reused: int | None = None
    pages: list[int] = field(default_factory=list)

    @property
    def urgency(self) -> tuple[int, int]:
        """Smaller goes first."""
        return (-self.priority, self.number)

    @property
    def to_encode(self) -> int:
        return len(self.text) - self.held

    @property
    def pair(self) -> "tuple[Item, ...]":
        """The item and, of a guided request, its other half."""
        return (self,) if self.partner is None else (self, self.partner)


@dataclass(frozen=True, slots=True)
class Span:
    """So many tokens of an item in the next forward, behind what it holds."""

    item: Item
    work: Work
    length: int


@dataclass(slots=True)
class Scheduler:
    """`max_rows` items run at once; a tick has about `tick_tokens` tokens, encoding in chunks of at most `chunk`.

    preemptions  how often an item was set back
    reused       tokens that the prefix cache spared
    displaced    the items that the last plan set back
    """

    pool: PagePool
    max_rows: int = 16
    tick_tokens: int = 1024
    chunk: int = 256
    waiting: list[Item] = field(default_factory=list)
    running: list[Item] = field(default_factory=list)
    preemptions: int = 0
    reused: int = 0
    displaced: list[Item] = field(default_factory=list)
    _planned: dict[Item, Span] = field(default_factory=dict)

    def submit(self, item: Item) -> None:
        insort(self.waiting, item, key=lambda waiting: waiting.urgency)

    def drop(self, item: Item) -> None:
        """Forget an item, finished or cancelled; what it committed stays in the prefix cache."""
        for line in (self.running, self.waiting):
            if item in line:
                line.remove(item)
        self._let_go(item)

    def expired(self, now: float) -> list[Item]:
        """Items whose deadline has passed."""
        return [item for item in (*self.running, *self.waiting) if item.deadline is not None and item.deadline <= now]

    def pages_of(self, item: Item) -> int:
        """Pages that an item and its partner need for their text and canvas. 0 for an item that keeps nothing."""
        return sum(map(self._pages_of, item.pair))

    def _pages_of(self, item: Item) -> int:
        return self.pool.pages_for(len(item.text) + item.canvas) if item.paged else 0

    # ------------------------------------------------------------------ a tick

    def plan(self) -> list[Span]:
        """The spans of the next forward. Pages for them are allocated."""
        self._planned, self.displaced = {}, []
        for item in self._by_urgency():
            self._plan_canvas(item)
        budget = max(self.tick_tokens - sum(span.length for span in self._planned.values()), self.chunk)
        for item in self._by_urgency():
            budget -= self._plan_chunk(item, budget)
        if not self.displaced:  # who was set back just now would only push the next one out
            self._admit(budget)
        return list(self._planned.values())

    def _by_urgency(self) -> list[Item]:
        return sorted(self.running, key=lambda item: item.urgency)

    def _plan_canvas(self, item: Item) -> int:
        """Plan the step of an item's canvas, where all before it is encoded; returns the span's length."""
        if not item.paged:
            item.held = len(item.text)  # it is read again with every canvas
        if item not in self.running or item.to_encode or not item.canvas or not self._room(item, item.canvas):
            return 0
        return self._add(Span(item, Work.DENOISE, item.canvas if item.paged else item.held + item.canvas))

    def _plan_chunk(self, item: Item, budget: int) -> int:
        """Plan the next chunk of an item's text; returns its length."""
        if item not in self.running or not item.to_encode or budget <= 0:
            return 0
        length = self._chunk_of(item, budget)
        return self._add(Span(item, Work.ENCODE, length)) if self._room(item, length) else 0

    def _add(self, span: Span) -> int:
        self._planned[span.item] = span
        return span.length

    def _chunk_of(self, item: Item, budget: int) -> int:
        """As much as fits, in whole multiples of `align`, but at least one multiple, so that all make progress."""
        wanted = min(item.to_encode, self.chunk, max(budget, item.align))
        return wanted if wanted == item.to_encode else max(wanted // item.align * item.align, item.align)

    # ------------------------------------------------------------------ who is in

    def _admit(self, budget: int) -> None:
        while self.waiting and budget > 0 and not self.displaced:
            pair = self.waiting[0].pair
            if not self._fits(pair):
                return
            for item in pair:
                self.waiting.remove(item)
                self.running.append(item)
                self._find_prefix(item)
            for item in pair:
                budget -= self._plan_canvas(item) or self._plan_chunk(item, budget)

    def _fits(self, pair: tuple[Item, ...]) -> bool:
        """Whether items that wait could run through their text and canvas, and who runs too, with nobody set back."""
        if self.running and len(self.running) + len(pair) > self.max_rows:
            return False
        shared = sum(self.pool.is_held(page) for item in pair for page in self._known(item))
        promised = sum(max(0, self._pages_of(item) - len(item.pages)) for item in self.running)
        return self.pages_of(pair[0]) - shared + promised <= self.pool.available

    def _known(self, item: Item) -> list[int]:
        """Pages of the prefix cache that an item can start from."""
        if not item.paged:
            return []
        return self.pool.match(item.text[:-1] if item.keeps_last else item.text, item.root)

    def _find_prefix(self, item: Item) -> None:
        item.pages = self._known(item)
        self.pool.hold(item.pages)
        item.held = len(item.pages) * self.pool.page_size
        self.reused += item.held
        item.reused = item.held if item.reused is None else item.reused

    # ------------------------------------------------------------------ pages

    def _room(self, item: Item, length: int) -> bool:
        """Make sure that the item's pages hold `length` more tokens; set others back where they must give way."""
        if not item.paged:
            return True
        missing = self.pool.pages_for(item.held + length) - len(item.pages)
        while missing > 0:
            fresh = self.pool.allocate(missing, item.pages[-1] if item.pages else None)
            if fresh is not None:
                item.pages += fresh
                return True
            if not self._set_back_one(item):
                return False
        return True

    def _set_back_one(self, for_item: Item) -> bool:
        """Set back the least urgent running item with pages; False where that is the asking one, or its partner."""
        holders = [item for item in self.running if item.pages or item is for_item]
        victim = max(holders, key=lambda item: item.urgency)
        self.set_back(victim)
        return victim not in for_item.pair

    def set_back(self, item: Item) -> None:
        """Take an item out of the running, pages and all; it comes back in its turn and encodes its text again."""
        for half in item.pair:
            self.running.remove(half)
            self._planned.pop(half, None)
            self._let_go(half)
            self.preemptions += 1
            self.displaced.append(half)
            self.submit(half)

    def _let_go(self, item: Item) -> None:
        if item.pages:
            self.publish(item)
            self.pool.release(item.pages)
        item.pages, item.held = [], 0

    def publish(self, item: Item) -> None:
        """Let others start from what this item has encoded."""
        item.pages = self.pool.publish(item.pages, item.text[: item.held], item.root)

    def check(self, alive: Iterable[Item]) -> None:
        """Raise AssertionError unless the pool's books agree with everyone alive."""
        self.pool.check([item.pages for item in alive])
