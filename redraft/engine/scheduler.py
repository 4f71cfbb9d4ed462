"""Scheduler: who works in the next forward, with how many tokens, and who waits. Arithmetic on integers: no torch.

A tick gives every open canvas its step (latency first), then the rest of its token budget to encoding in chunks, then
admits who waits. Where pages run out, the least urgent running item is set back: its pages are given away and it
encodes its text again later. Knows counts and pages. Refuses to know tokens' meaning, decodings and devices.
"""

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
    canvas     positions of the open canvas, 0 where there is none
    align      encoding goes in whole multiples of this many tokens
    keeps_last the last token is always encoded anew, because its state is wanted and not only its keys and values
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
    held: int = 0
    pages: list[int] = field(default_factory=list)

    @property
    def urgency(self) -> tuple[int, int]:
        """Smaller goes first."""
        return (-self.priority, self.number)

    @property
    def to_encode(self) -> int:
        return len(self.text) - self.held


@dataclass(frozen=True, slots=True)
class Span:
    """So many tokens of an item in the next forward, behind what it holds."""

    item: Item
    work: Work
    length: int


@dataclass(slots=True)
class Scheduler:
    """`max_rows` items run at once; a tick has about `tick_tokens` tokens, encoding in chunks of at most `chunk`."""

    pool: PagePool
    max_rows: int = 16
    tick_tokens: int = 1024
    chunk: int = 256
    waiting: list[Item] = field(default_factory=list)
    running: list[Item] = field(default_factory=list)
    preemptions: int = 0

    def submit(self, item: Item) -> None:
        self.waiting.append(item)
        self.waiting.sort(key=lambda waiting: waiting.urgency)

    def drop(self, item: Item) -> None:
        """Forget an item, finished or cancelled; what it committed stays in the prefix cache."""
        if item in self.running:
            self.running.remove(item)
        if item in self.waiting:
            self.waiting.remove(item)
        self._let_go(item)

    def expired(self, now: float) -> list[Item]:
        """Items whose deadline has passed."""
        return [item for item in (*self.running, *self.waiting) if item.deadline is not None and item.deadline <= now]

    def plan(self) -> list[Span]:
        """The spans of the next forward. Pages for them are allocated."""
        spans = self._canvases()
        budget = self.tick_tokens - sum(span.length for span in spans)
        for item in sorted(self.running, key=lambda running: running.urgency):
            if item.to_encode and budget > 0 and item in self.running:
                budget -= self._encode(item, budget, spans)
        self._admit(budget, spans)
        return [span for span in spans if span.item in self.running]

    def _canvases(self) -> list[Span]:
        spans: list[Span] = []
        for item in sorted(self.running, key=lambda running: running.urgency):
            if not item.paged:
                item.held = len(item.text)  # it is read again with every canvas
            if item in self.running and not item.to_encode and item.canvas and self._room(item, item.canvas):
                spans.append(Span(item, Work.DENOISE, item.canvas if item.paged else item.held + item.canvas))
        return spans

    def _encode(self, item: Item, budget: int, spans: list[Span]) -> int:
        """Plan the next chunk of an item; returns its length, 0 where there is no room."""
        length = self._chunk_of(item, budget)
        if not length or not self._room(item, length):
            return 0
        spans.append(Span(item, Work.ENCODE, length))
        return length

    def _chunk_of(self, item: Item, budget: int) -> int:
        """As much as fits, in whole multiples of `align`, but at least one multiple, so that all make progress."""
        wanted = min(item.to_encode, self.chunk, max(budget, item.align))
        return wanted if wanted == item.to_encode else max(wanted // item.align * item.align, item.align)

    def _admit(self, budget: int, spans: list[Span]) -> None:
        while self.waiting and len(self.running) < self.max_rows and budget > 0:
            item = self.waiting[0]
            if not self._fits(item):
                return
            self.running.append(self.waiting.pop(0))
            self._find_prefix(item)
            if item.to_encode:
                budget -= self._encode(item, budget, spans)
            elif item.canvas and self._room(item, item.canvas):
                spans.append(Span(item, Work.DENOISE, item.canvas if item.paged else item.held + item.canvas))
                budget -= spans[-1].length

    def _fits(self, item: Item) -> bool:
        """Whether an item that waits could run through its text and its canvas without anyone being set back."""
        return not item.paged or self.pool.pages_for(len(item.text) + item.canvas) <= self.pool.available

    def _find_prefix(self, item: Item) -> None:
        if not item.paged:
            item.held = len(item.text)
            return
        known = item.text[:-1] if item.keeps_last else item.text
        item.pages = self.pool.match(known, item.root)
        self.pool.hold(item.pages)
        item.held = len(item.pages) * self.pool.page_size

    def _room(self, item: Item, length: int) -> bool:
        """Make sure that the item's pages hold `length` more tokens; set others back where they must give way."""
        if not item.paged:
            return True
        while True:
            missing = self.pool.pages_for(item.held + length) - len(item.pages)
            if missing <= 0:
                return True
            fresh = self.pool.allocate(missing, item.pages[-1] if item.pages else None)
            if fresh is not None:
                item.pages += fresh
                return True
            if not self._set_back_one(item):
                return False

    def _set_back_one(self, for_item: Item) -> bool:
        """Set back the least urgent running item with pages; False where that is the asking one itself."""
        holders = [item for item in self.running if item.pages or item is for_item]
        victim = max(holders, key=lambda item: item.urgency)
        self.set_back(victim)
        return victim is not for_item

    def set_back(self, item: Item) -> None:
        """Take an item out of the running, pages and all; it comes back in its turn and encodes its text again."""
        self.running.remove(item)
        self._let_go(item)
        self.preemptions += 1
        self.submit(item)

    def _let_go(self, item: Item) -> None:
        if item.pages:
            self.publish(item)
            self.pool.release(item.pages)
        item.pages, item.held = [], 0

    def publish(self, item: Item) -> None:
        """Let others start from what this item has encoded."""
        self.pool.publish(item.pages, item.text[: item.held], item.root)

    def check(self, alive: Iterable[Item]) -> None:
        """Raise AssertionError unless the pool's books agree with everyone alive."""
        self.pool.check([item.pages for item in alive])
