import asyncio

from exporter.slices import slices


async def test_slices_contain_all_items() -> None:
    """The slices have all items in order; none is longer than the size, and none is empty."""
    parts = [list(part) async for part in slices(range(10), 4)]

    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    empty: list[int] = []
    assert [part async for part in slices(empty, 4)] == []


async def test_slices_yield_to_the_event_loop() -> None:
    """Other tasks run before each slice."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen = [turns async for _ in slices(range(5), 1)]
    task.cancel()

    assert seen == [1, 2, 3, 4, 5]
