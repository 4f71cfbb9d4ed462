"""Pages: nothing is lost, nothing is given away twice, and what others may start from is what they think it is."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.engine.pages import PagePool

SIZE = 2


def text(*letters: int) -> list[int]:
    """`SIZE` tokens of every letter: one page each."""
    return [letter for letter in letters for _ in range(SIZE)]


def written(pool: PagePool, *letters: int, root: object = None) -> list[int]:
    """The pages of a text that was written, published and is held."""
    pages = pool.allocate(len(letters))
    assert pages is not None
    return pool.publish(pages, text(*letters), root)


# ------------------------------------------------------------------ taking and giving back


def test_more_pages_than_there_are_takes_nothing() -> None:
    pool = PagePool(3, SIZE)
    assert pool.allocate(4) is None
    assert pool.available == 3


def test_pages_that_continue_others_are_their_neighbours_where_those_are_free() -> None:
    pool = PagePool(8, SIZE)
    first = pool.allocate(2)
    other = pool.allocate(1)
    assert (first, other) == ([0, 1], [2])
    assert pool.allocate(2, after=4) == [5, 6]
    assert pool.allocate(1, after=1) == [3]


def test_a_page_that_nobody_holds_cannot_be_released() -> None:
    pool = PagePool(2, SIZE)
    pages = pool.allocate(1)
    assert pages is not None
    pool.release(pages)
    with pytest.raises(ValueError, match="page 0 is released"):
        pool.release(pages)


def test_a_shared_page_is_free_only_when_its_last_holder_is_gone() -> None:
    pool = PagePool(2, SIZE)
    pages = written(pool, 1)
    pool.hold(pages)
    pool.release(pages)
    pool.check([pages])
    pool.release(pages)
    pool.check([])


@pytest.mark.parametrize(("pages", "size", "name"), [(0, 1, "num_pages=0"), (1, 0, "page_size=0")])
def test_a_pool_without_room_is_refused(pages: int, size: int, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        PagePool(pages, size)


# ------------------------------------------------------------------ the prefix cache


def test_only_full_pages_are_found() -> None:
    pool = PagePool(4, SIZE)
    pages = pool.allocate(2)
    assert pages is not None
    pool.publish(pages, [1, 1, 2])
    assert pool.match([1, 1, 2, 2]) == pages[:1]
    assert pool.match([1]) == []


def test_a_match_ends_where_texts_part() -> None:
    pool = PagePool(4, SIZE)
    pages = written(pool, 1, 2, 3)
    assert pool.match(text(1, 2, 4)) == pages[:2]
    assert pool.match(text(2, 3)) == [], "the same tokens behind others have other keys and values"


def test_texts_of_another_root_are_not_found() -> None:
    pool = PagePool(4, SIZE)
    pages = written(pool, 1, root="a")
    assert pool.match(text(1), "a") == pages
    assert pool.match(text(1), "b") == pool.match(text(1)) == []
    assert pool.match(text(1), 0) == [], "a root is no page number"


def test_the_second_writer_of_a_text_goes_on_with_the_pages_of_the_first() -> None:
    pool = PagePool(8, SIZE)
    first, second = written(pool, 1, 2), written(pool, 1, 2, 3)
    assert second[:2] == first
    pool.check([first, second])
    assert pool.available == 5


def test_room_is_made_from_the_least_recently_used_and_from_ends_of_texts() -> None:
    pool = PagePool(4, SIZE)
    old, new = written(pool, 1, 2), written(pool, 3, 4)
    pool.release(old)
    pool.release(new)
    taken = pool.allocate(1)
    assert taken == [old[1]]
    assert (pool.match(text(1, 2)), pool.match(text(3, 4))) == (old[:1], new)
    found = pool.match(text(1))
    pool.hold(found)
    pool.release(found)
    pool.release(taken)
    pool.allocate(2)
    assert pool.match(text(1)) == old[:1], "what was used just now stays"
    assert pool.match(text(3, 4)) == new[:1]


def test_what_is_held_is_never_evicted() -> None:
    pool = PagePool(2, SIZE)
    pages = written(pool, 1, 2)
    assert pool.allocate(1) is None
    assert pool.match(text(1, 2)) == pages


def test_forgetting_leaves_what_is_held() -> None:
    pool = PagePool(4, SIZE)
    kept, gone = written(pool, 1), written(pool, 2)
    pool.release(gone)
    pool.forget()
    assert pool.match(text(1)) == kept
    assert pool.match(text(2)) == []
    pool.check([kept])


# ------------------------------------------------------------------ integrity


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_books_agree_after_any_operations(seed: int, num_pages: int) -> None:
    rng, pool = Random(seed), PagePool(num_pages, SIZE)
    alive: list[tuple[list[int], list[int]]] = []  # pages and text of everyone
    for _ in range(60):
        if alive and rng.random() < 0.4:
            pages, tokens = alive.pop(rng.randrange(len(alive)))
            pool.publish(pages, tokens)  # what is published already is not published again
            pool.release(pages)
        else:
            tokens = text(*(rng.randrange(2) for _ in range(rng.randrange(1, 5))))
            found = pool.match(tokens)
            pool.hold(found)
            fresh = pool.allocate(len(tokens) // SIZE - len(found), found[-1] if found else None)
            if fresh is None:
                pool.release(found)
            else:
                alive.append((pool.publish([*found, *fresh], tokens), tokens))
        pool.check([pages for pages, _ in alive])
    for pages, tokens in alive:
        assert pool.match(tokens) == pages, "whoever wrote a text holds the pages others would start from"
    for pages, _ in alive:
        pool.release(pages)
    pool.forget()
    assert pool.available == num_pages


def test_lost_and_doubled_pages_are_noticed() -> None:
    pool = PagePool(3, SIZE)
    pages = pool.allocate(1)
    assert pages is not None
    with pytest.raises(AssertionError, match="held"):
        pool.check([])
    with pytest.raises(AssertionError, match="held"):
        pool.check([pages, pages])
