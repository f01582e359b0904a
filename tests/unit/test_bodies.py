import asyncio

import pytest

from exporter.bodies import HUGE, LARGE, Bodies, Room


class _Switch:
    """A switch whose bodies share a place for a large one."""

    def __init__(self, shared: Bodies) -> None:
        self._shared = shared
        self._large = asyncio.Semaphore(1)

    def room(self) -> Room:
        return Room(self._shared, self._large)


async def _waits(room: Room, size: int) -> asyncio.Task[None] | None:
    """Return the task that waits for a room of this size, None where it is there at once."""
    task = asyncio.create_task(room.grow(size))
    for _ in range(5):
        await asyncio.sleep(0)
    return None if task.done() else task


@pytest.fixture
def shared() -> Bodies:
    """Return what all switches share."""
    return Bodies()


async def test_small_bodies_pass_freely(shared: Bodies) -> None:
    """However many there are."""
    switch = _Switch(shared)
    for _ in range(50):
        assert await _waits(switch.room(), LARGE) is None


async def test_one_large_body_of_a_switch_at_a_time(shared: Bodies) -> None:
    """The next one waits until the one before is decoded, and other switches do not."""
    switch, other = _Switch(shared), _Switch(shared)
    first, second = switch.room(), switch.room()
    assert await _waits(first, LARGE + 1) is None
    assert await _waits(first, HUGE) is None
    waiting = await _waits(second, LARGE + 1)
    assert waiting is not None
    assert await _waits(other.room(), LARGE + 1) is None

    first.__exit__(None, None, None)
    first.__exit__(None, None, None)
    await waiting
    assert await _waits(switch.room(), LARGE + 1) is not None


async def test_two_huge_bodies_of_all_switches_at_a_time(shared: Bodies) -> None:
    """One switch that sends for ever cannot keep the others from theirs."""
    rooms = [_Switch(shared).room() for _ in range(3)]
    assert await _waits(rooms[0], HUGE + 1) is None
    assert await _waits(rooms[1], HUGE + 1) is None
    waiting = await _waits(rooms[2], HUGE + 1)
    assert waiting is not None

    rooms[0].__exit__(None, None, None)
    await waiting


async def test_who_gives_up_waiting_holds_nothing(shared: Bodies) -> None:
    """A request that times out while it waits leaves its room to the next."""
    switch = _Switch(shared)
    first, second, third = switch.room(), switch.room(), switch.room()
    assert await _waits(first, HUGE + 1) is None
    waiting = await _waits(second, HUGE + 1)
    assert waiting is not None
    waiting.cancel()
    await asyncio.wait([waiting])
    second.__exit__(None, None, None)

    first.__exit__(None, None, None)
    assert await _waits(third, HUGE + 1) is None


async def test_large_bodies_are_decoded_one_at_a_time(shared: Bodies) -> None:
    """In whichever threads: what the work returns is returned."""
    busy = 0

    def work() -> int:
        nonlocal busy
        busy += 1
        assert busy == 1
        sum(range(100_000))
        busy -= 1
        return busy

    def decode() -> int:
        return shared.decode(work)

    assert await asyncio.gather(*(asyncio.to_thread(decode) for _ in range(8))) == [0] * 8
