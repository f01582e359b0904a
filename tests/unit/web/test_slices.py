import asyncio

from exporter.web.slices import slices


async def test_all_come_in_their_order() -> None:
    """The slices together are the items; none is longer than asked for, and none is empty."""
    parts = [list(part) async for part in slices(range(10), 4)]

    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    empty: list[int] = []
    assert [part async for part in slices(empty, 4)] == []


async def test_others_have_their_turn() -> None:
    """Before each slice whatever else is ready runs."""
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
