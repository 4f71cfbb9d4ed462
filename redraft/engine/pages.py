"""Pages: which pieces of the key-value memory belong to whom. Arithmetic on integers: no torch.

A page holds the keys and values of `page_size` consecutive tokens. Full pages of committed tokens are published behind
the page they continue, so that a later request with the same beginning starts from them (a prefix cache); published
pages are shared by counting and never written again. What nobody uses stays until its room is needed, least recently
used first, ends of texts before their beginnings.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

Key = tuple[Hashable, tuple[int, ...]]  # what stands before a page (a page, or a text's root), and its tokens


@dataclass(slots=True)
class _Published:
    """A full page of committed tokens: where it is found, and how many published pages continue it."""

    key: Key
    parent: int | None
    children: int = 0


@dataclass(frozen=True, slots=True)
class _Root:
    """The beginning of texts of one kind; no page equals it."""

    name: Hashable


@dataclass(slots=True)
class PagePool:
    """`num_pages` pages of `page_size` tokens each."""

    num_pages: int
    page_size: int
    _free: OrderedDict[int, None] = field(init=False)
    _users: dict[int, int] = field(init=False, default_factory=dict)  # page -> how many hold it
    _published: dict[int, _Published] = field(init=False, default_factory=dict)
    _by_key: dict[Key, int] = field(init=False, default_factory=dict)
    _idle: OrderedDict[int, None] = field(init=False, default_factory=OrderedDict)  # published, held by nobody

    def __post_init__(self) -> None:
        for name in ("num_pages", "page_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        self._free = OrderedDict.fromkeys(range(self.num_pages))

    @property
    def available(self) -> int:
        """Pages that an allocation could get: free ones and idle published ones."""
        return len(self._free) + len(self._idle)

    @property
    def in_use(self) -> int:
        """Pages that somebody holds."""
        return self.num_pages - self.available

    def pages_for(self, tokens: int) -> int:
        """Pages that hold so many tokens."""
        return -(-tokens // self.page_size)

    def is_held(self, page: int) -> bool:
        """Whether somebody holds a page, so that one more holder takes nothing from what is available."""
        return page in self._users

    # ------------------------------------------------------------------ taking and giving back

    def allocate(self, count: int, after: int | None = None) -> list[int] | None:
        """`count` fresh pages, or None, and nothing taken, where there are not so many.

        They continue the page `after` where that is free: neighbours in memory need no gathering.
        """
        if count > self.available:
            return None
        taken = [self._take(after + 1 + n if after is not None else None) for n in range(count)]
        for page in taken:
            self._users[page] = 1
        return taken

    def _take(self, wanted: int | None) -> int:
        if not self._free:
            self._evict()
        if wanted is None or wanted not in self._free:
            return self._free.popitem(last=False)[0]
        del self._free[wanted]
        return wanted

    def hold(self, pages: Sequence[int]) -> None:
        """One more holder of published pages."""
        for page in pages:
            self._users[page] = self._users.get(page, 0) + 1
            self._idle.pop(page, None)

    def release(self, pages: Sequence[int]) -> None:
        """One holder less. Raises ValueError for a page that nobody holds."""
        for page in reversed(pages):  # the end of a text first, so that it is the first to go
            if page not in self._users:
                raise ValueError(f"page {page} is released, but nobody holds it")
            self._users[page] -= 1
            if not self._users[page]:
                del self._users[page]
                home = self._idle if page in self._published else self._free
                home[page] = None

    # ------------------------------------------------------------------ the prefix cache

    def match(self, tokens: Sequence[int], root: Hashable = None) -> list[int]:
        """The longest run of published pages that hold the beginning of a text. Nothing is held yet.

        `root` keeps texts apart that share tokens and not keys and values (another model, another condition).
        """
        found: list[int] = []
        before: Hashable = _Root(root)
        for number in range(len(tokens) // self.page_size):
            page = self._by_key.get((before, self._tokens_of(tokens, number)))
            if page is None:
                break
            found.append(page)
            before = page
        return found

    def publish(self, pages: Sequence[int], tokens: Sequence[int], root: Hashable = None) -> list[int]:
        """Let others find the full pages of a text that one holder has encoded. Returns the pages it holds now.

        Where the same text is known already, the holder's own page is given back for the known one. So whoever holds
        a page holds all that it continues, and what nobody holds always ends in a page that can go.
        """
        held = list(pages)
        for number in range(len(tokens) // self.page_size):
            if held[number] in self._published:
                continue
            parent = held[number - 1] if number else None
            key = (_Root(root) if parent is None else parent, self._tokens_of(tokens, number))
            twin = self._by_key.get(key)
            if twin is None:
                self._enter(held[number], key, parent)
            else:
                self.hold([twin])
                self.release([held[number]])
                held[number] = twin
        return held

    def forget(self) -> None:
        """Empty the prefix cache of everything that nobody holds."""
        while self._idle:
            self._evict()

    def _tokens_of(self, tokens: Sequence[int], number: int) -> tuple[int, ...]:
        return tuple(tokens[number * self.page_size : (number + 1) * self.page_size])

    def _enter(self, page: int, key: Key, parent: int | None) -> None:
        self._by_key[key] = page
        self._published[page] = _Published(key, parent)
        if parent is not None:
            self._published[parent].children += 1

    def _evict(self) -> None:
        """Forget the least recently used end of a text."""
        page = next(page for page in self._idle if not self._published[page].children)
        del self._idle[page]
        entry = self._published.pop(page)
        del self._by_key[entry.key]
        if entry.parent is not None:
            self._published[entry.parent].children -= 1
        self._free[page] = None

    # ------------------------------------------------------------------ integrity

    def check(self, holders: Sequence[Sequence[int]]) -> None:
        """Raise AssertionError unless the books agree with `holders`, the page lists of everyone alive."""
        counted: dict[int, int] = {}
        for pages in holders:
            for page in pages:
                counted[page] = counted.get(page, 0) + 1
        assert counted == self._users, f"held {counted}, booked {self._users}"
        free, idle = set(self._free), set(self._idle)
        assert free | idle | set(counted) == set(range(self.num_pages)), "a page is lost"
        assert not free & idle, "a page is free and idle"
        assert not (free | idle) & set(counted), "a page is held and given away"
        assert idle <= set(self._published), "an idle page is not published"
        assert {entry.key: page for page, entry in self._published.items()} == self._by_key, "a page is not found"
        parents = [entry.parent for entry in self._published.values() if entry.parent is not None]
        for page, entry in self._published.items():
            assert entry.children == parents.count(page), f"page {page} is continued {parents.count(page)} times"
