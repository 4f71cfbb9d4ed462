"""Scheduler: who works next, with how many tokens, and who gives way. No tensors anywhere."""

import ast
from pathlib import Path
from random import Random

import pytest

from redraft.engine import pages, scheduler
from redraft.engine.pages import PagePool
from redraft.engine.scheduler import Item, Scheduler, Span, Work

SIZE = 4


def a_scheduler(num_pages: int = 64, **limits: int) -> Scheduler:
    return Scheduler(PagePool(num_pages, SIZE), **({"max_rows": 8, "tick_tokens": 64, "chunk": 16} | limits))


def an_item(number: int, length: int, canvas: int = 0, **facts: object) -> Item:
    item = Item(number, canvas=canvas, **facts)  # type: ignore[arg-type]
    item.text = [100 * number + place for place in range(length)]
    return item


def did(spans: list[Span]) -> list[tuple[int, str, int]]:
    """(number of the item, what it does, with how many tokens), and the encoding is done."""
    for span in spans:
        if span.work is Work.ENCODE:
            span.item.held += span.length
    return [(span.item.number, span.work.value, span.length) for span in spans]


def tick(plan: Scheduler) -> list[tuple[int, str, int]]:
    return did(plan.plan())


# ------------------------------------------------------------------ torch


@pytest.mark.parametrize("module", [pages, scheduler])
def test_the_books_are_kept_without_torch(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = {"collections", "collections.abc", "dataclasses", "enum", "bisect", "redraft.engine.pages"}
    assert imported <= allowed


# ------------------------------------------------------------------ budget


def test_a_prompt_is_encoded_in_chunks_and_then_its_canvas_is_denoised() -> None:
    plan = a_scheduler()
    plan.submit(an_item(0, 35, canvas=8))
    work = [(0, "encode", 16), (0, "encode", 16), (0, "encode", 3), (0, "denoise", 8)]
    assert [tick(plan) for _ in work] == [[each] for each in work]


def test_a_canvas_at_work_steps_in_every_tick_while_a_long_prompt_is_read() -> None:
    plan = a_scheduler()
    plan.submit(an_item(0, 4, canvas=8))
    tick(plan)
    plan.submit(an_item(1, 1000 // SIZE, canvas=8))
    for _ in range(10):
        spans = tick(plan)
        assert spans[0] == (0, "denoise", 8)
        assert sum(length for _, _, length in spans[1:]) <= plan.chunk


def test_a_tick_encodes_no_more_than_its_budget() -> None:
    plan = a_scheduler(tick_tokens=40)
    for number in range(4):
        plan.submit(an_item(number, 30))
    assert tick(plan) == [(0, "encode", 16), (1, "encode", 16), (2, "encode", 8)]


def test_encoding_goes_on_however_many_canvases_there_are() -> None:
    plan = a_scheduler(tick_tokens=16)
    for number in range(4):
        plan.submit(an_item(number, 0, canvas=16))
        tick(plan)
    plan.submit(an_item(4, 20, canvas=16))
    assert tick(plan)[-1] == (4, "encode", 16)


def test_encoding_goes_in_whole_blocks() -> None:
    plan = a_scheduler(chunk=10)
    plan.submit(an_item(0, 24, align=4))
    assert [tick(plan)[0][2] for _ in range(3)] == [8, 8, 8]
    tiny = a_scheduler(chunk=3)
    tiny.submit(an_item(0, 8, align=4))
    assert tick(tiny) == [(0, "encode", 4)], "one block at least, or nobody would move"


def test_an_item_that_keeps_nothing_reads_its_text_with_every_canvas() -> None:
    plan = a_scheduler(num_pages=1)
    plan.submit(an_item(0, 30, canvas=8, paged=False))
    assert [tick(plan) for _ in range(2)] == [[(0, "denoise", 38)]] * 2
    assert plan.pool.available == 1


# ------------------------------------------------------------------ admission


def test_rows_are_limited_and_the_rest_waits_in_the_order_of_arrival() -> None:
    plan = a_scheduler(max_rows=2)
    items = [an_item(number, 4, canvas=4) for number in range(3)]
    for item in items:
        plan.submit(item)
    tick(plan)
    assert (plan.running, plan.waiting) == (items[:2], items[2:])
    plan.drop(items[0])
    tick(plan)
    assert plan.running == items[1:]


def test_higher_priority_is_admitted_first_and_equals_by_arrival() -> None:
    plan = a_scheduler(max_rows=1)
    low, high, later = an_item(0, 4), an_item(1, 4, priority=2), an_item(2, 4, priority=2)
    for item in (low, high, later):
        plan.submit(item)
    assert plan.waiting == [high, later, low]


def test_nobody_is_admitted_who_would_have_to_push_others_out() -> None:
    plan = a_scheduler(num_pages=4)
    plan.submit(an_item(0, 8, canvas=4))
    plan.submit(an_item(1, 4, canvas=4))
    tick(plan)
    assert [item.number for item in plan.running] == [0]


def test_pages_that_others_hold_already_count_as_room() -> None:
    plan = a_scheduler(num_pages=5)
    first, second = an_item(0, 12, canvas=4), an_item(1, 12, canvas=4)
    second.text = first.text
    plan.submit(first)
    tick(plan)
    plan.publish(first)
    plan.submit(second)
    tick(plan)
    assert plan.running == [first, second]
    assert (plan.reused, second.reused, first.reused) == (12, 12, 0)


def test_a_last_token_whose_state_is_wanted_is_never_taken_from_the_prefix_cache() -> None:
    plan = a_scheduler()
    first, second = an_item(0, 8), an_item(1, 8, keeps_last=True)
    second.text = first.text
    plan.submit(first)
    tick(plan)
    plan.publish(first)
    plan.submit(second)
    assert tick(plan) == [(1, "encode", 4)]


def test_the_two_halves_of_a_guided_request_are_admitted_together() -> None:
    plan = a_scheduler(max_rows=3)
    halves = pair(0, 4)
    for item in (*halves, an_item(2, 4), an_item(3, 4)):
        plan.submit(item)
    tick(plan)
    assert [item.number for item in plan.running] == [0, 1, 2]
    alone = a_scheduler(max_rows=1)
    for item in pair(0, 4):
        alone.submit(item)
    tick(alone)
    assert len(alone.running) == 2, "one row or not: an idle engine takes them"


def pair(number: int, length: int, canvas: int = 4) -> tuple[Item, Item]:
    one, other = an_item(number, length, canvas), an_item(number + 1, length, canvas)
    one.partner, other.partner = other, one
    return one, other


# ------------------------------------------------------------------ giving way


def grown(plan: Scheduler, item: Item, tokens: int) -> None:
    item.text += range(9000 + 100 * item.number, 9000 + 100 * item.number + tokens)


def test_the_least_urgent_gives_way_and_comes_back_behind_its_prefix() -> None:
    plan = a_scheduler(num_pages=5)
    old, young = an_item(0, 8), an_item(1, 8)
    plan.submit(old)
    plan.submit(young)
    tick(plan)
    grown(plan, old, 8)
    assert tick(plan) == [(0, "encode", 8)]
    assert (plan.displaced, plan.preemptions, plan.waiting, young.held) == ([young], 1, [young], 0)
    plan.check([old, young])
    plan.drop(old)
    assert tick(plan) == [(1, "encode", 4)], "a page of it was not needed by anybody"


def test_who_is_set_back_takes_no_part_in_that_tick_in_any_way() -> None:
    plan = a_scheduler(num_pages=6)
    urgent, other = an_item(0, 4, priority=1), an_item(1, 4, canvas=8)
    for item in (urgent, other):
        plan.submit(item)
        tick(plan)
    grown(plan, urgent, 12)
    spans = tick(plan)
    assert spans == [(0, "encode", 12)], "the canvas that was planned already is not, and nobody is let in again"
    assert other in plan.waiting


def test_the_two_halves_of_a_guided_request_give_way_together() -> None:
    plan = a_scheduler(num_pages=6)
    first, halves = an_item(0, 4), pair(1, 4)
    for item in (first, *halves):
        plan.submit(item)
    tick(plan)
    grown(plan, first, 12)
    tick(plan)
    assert plan.waiting == list(halves)
    plan.check([first, *halves])


def test_the_most_urgent_is_never_set_back_for_others() -> None:
    rng = Random(0)
    plan = a_scheduler(num_pages=10)
    items = [an_item(number, 4, canvas=4) for number in range(4)]
    for item in items:
        plan.submit(item)
    for _ in range(200):
        tick(plan)
        assert items[0] not in plan.displaced
        plan.check(items)
        some = rng.choice(plan.running)
        if plan.pages_of(some) < 8 and not some.to_encode:
            grown(plan, some, rng.randrange(1, 5))
    assert plan.preemptions > 2


def test_everyone_finishes_in_a_pool_that_holds_only_one() -> None:
    plan = a_scheduler(num_pages=4)
    items = [an_item(number, 8, canvas=4) for number in range(5)]
    for item in items:
        plan.submit(item)
    steps = dict.fromkeys(range(5), 0)
    for _ in range(60):
        for number, work, _ in tick(plan):
            steps[number] += work == "denoise"
            if steps[number] == 3 and items[number] in plan.running:
                plan.drop(items[number])
    assert steps == dict.fromkeys(range(5), 3)
    plan.check([])


# ------------------------------------------------------------------ the end


def test_deadlines_expire_wherever_the_item_is() -> None:
    plan = a_scheduler(max_rows=1)
    running, waiting, patient = an_item(0, 4, deadline=1.0), an_item(1, 4, deadline=2.0), an_item(2, 4)
    for item in (running, waiting, patient):
        plan.submit(item)
    tick(plan)
    assert plan.expired(0.5) == []
    assert plan.expired(1.0) == [running]
    assert plan.expired(9.0) == [running, waiting]


def test_what_was_dropped_leaves_its_text_and_nothing_else() -> None:
    plan = a_scheduler()
    item = an_item(0, 9, canvas=4)
    plan.submit(item)
    tick(plan)
    tick(plan)
    plan.drop(item)
    assert (plan.running, plan.waiting, plan.pool.in_use) == ([], [], 0)
    assert len(plan.pool.match(item.text)) == 2
