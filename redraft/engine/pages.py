"""Pages: which pieces of the key-value memory belong to whom. Arithmetic on integers: no torch.

A page holds the keys and values of `page_size` consecutive tokens. Full pages of committed tokens are published under
the text they end, so that a later request with the same beginning starts from them (a prefix cache); published pages
are shared by counting and never written again. What nobody uses stays until its room is needed, least recently used
first, ends of texts before their beginnings.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Published:
    """A full page of committed tokens, and where it stands in the tree of texts."""

    key: Hashable
    parent: Hashable
    children: int = 0


@dataclass(slots=True)
class PagePool:
    """`num_pages` pages of `page_size` tokens each."""

    num_pages: int
    page_size: int
    _free: list[int] = field(init=False)
    _users: dict[int, int] = field(init=False, default_factory=dict)  # page -> how many hold it
    _published: dict[int, _Published] = field(init=False, default_factory=dict)
    _by_key: dict[Hashable, int] = field(init=False, default_factory=dict)
    _idle: OrderedDict[int, None] = field(init=False, default_factory=OrderedDict)  # published, held by nobody

    def __post_init__(self) -> None:
        for name in ("num_pages", "page_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        self._free = list(range(self.num_pages))

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
        if wanted is not None and wanted in self._free:
            self._free.remove(wanted)
            return wanted
        return self._free.pop(0)

    def hold(self, pages: Sequence[int]) -> None:
        """One more holder of published pages."""
        for page in pages:
            self._users[page] = self._users.get(page, 0) + 1
            self._idle.pop(page, None)

    def release(self, pages: Sequence[int]) -> None:
        """One holder less. Raises ValueError for a page that nobody holds."""
        for page in reversed(pages):  # the end of a text first, so that it is the first to go
            if self._users.get(page, 0) < 1:
                raise ValueError(f"page {page} is released, but nobody holds it")
            self._users[page] -= 1
            if not self._users[page]:
                del self._users[page]
                self._give_back(page)

    def _give_back(self, page: int) -> None:
        if page in self._published:
            self._idle[page] = None
        else:
            self._free.append(page)

    # ------------------------------------------------------------------ the prefix cache

    def match(self, tokens: Sequence[int], root: Hashable = None) -> list[int]:
        """The longest run of published pages that hold the beginning of a text. Nothing is held yet.

        `root` keeps texts apart that share tokens and not keys and values (another model, another condition).
        """
        found: list[int] = []
        key: Hashable = root
        for start in range(0, len(tokens) - self.page_size + 1, self.page_size):
            key = (key, tuple(tokens[start : start + self.page_size]))
            if key not in self._by_key:
                break
            found.append(self._by_key[key])
        return found

    def publish(self, pages: Sequence[int], tokens: Sequence[int], root: Hashable = None) -> None:
        """Let others find the full pages of a committed text. A text that is already known keeps its first pages."""
        key: Hashable = root
        for number, page in enumerate(pages[: len(tokens) // self.page_size]):
            parent, key = key, (key, tuple(tokens[number * self.page_size : (number + 1) * self.page_size]))
            if key in self._by_key or page in self._published:
                continue
            self._by_key[key] = page
            self._published[page] = _Published(key, parent)
            if parent in self._by_key:
                self._published[self._by_key[parent]].children += 1

    def forget(self) -> None:
        """Empty the prefix cache of everything that nobody holds."""
        while self._idle:
            self._evict()

    def _evict(self) -> None:
        """Forget the least recently used text end. An idle page without children always exists where one is idle."""
        page = next(page for page in self._idle if not self._published[page].children)
        del self._idle[page]
        entry = self._published.pop(page)
        del self._by_key[entry.key]
        parent = self._by_key.get(entry.parent)
        if parent is not None:
            self._published[parent].children -= 1
        self._free.append(page)

    # ------------------------------------------------------------------ integrity

    def check(self, holders: Sequence[Sequence[int]]) -> None:
        """Raise AssertionError unless the books agree with `holders`, the page lists of everyone alive."""
        counted: dict[int, int] = {}
        for pages in holders:
            for page in pages:
                counted[page] = counted.get(page, 0) + 1
        assert counted == self._users, f"held {counted}, booked {self._users}"
        free, idle = set(self._free), set(self._idle)
        assert len(free) == len(self._free), "a page is free twice"
        assert free | idle | set(counted) == set(range(self.num_pages)), "a page is lost"
        assert not free & idle, "a page is free and idle"
        assert not (free | idle) & set(counted), "a page is held and given away"
        assert idle <= set(self._published), "an idle page is not published"
