import asyncio

import pytest

from exporter.web.fair_queue import FairQueue, Full


async def _pass(queue: FairQueue, passed: list[str], client: str, lane: object = None) -> None:
    async with queue.turn(client, lane):
        passed.append(f"{client}{lane or ''}")
        await asyncio.sleep(0)


def _join(queue: FairQueue, passed: list[str], *names: str) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(_pass(queue, passed, name[0], name[1:])) for name in " ".join(names).split(" ")
    ]


async def test_clients_take_turns_and_lanes_of_a_client_do() -> None:
    """Whoever has many places has no more turns than others while they wait."""
    queue, passed = FairQueue(most=50, most_of_lane=9), list[str]()
    tasks = _join(queue, passed, "a1 a1 a1 a2 b1 b1 c1")
    await asyncio.gather(*tasks)
    assert passed == ["a1", "b1", "c1", "a2", "b1", "a1", "a1"]


async def test_a_lane_is_bounded() -> None:
    """The rest of the client and of the queue stay open to others."""
    queue, passed = FairQueue(most=50, most_of_lane=2), list[str]()
    tasks = _join(queue, passed, "a1 a1 a1 a2 b1")
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Full) for outcome in outcomes] == [False, False, True, False, False]


async def test_the_queue_is_bounded_and_shared() -> None:
    """A newcomer takes the newest place of whoever has the most, unless it has as many itself."""
    queue, passed = FairQueue(most=4, most_of_lane=9), list[str]()
    tasks = _join(queue, passed, "a a a a b a")
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Full) for outcome in outcomes] == [False, False, False, True, False, True]
    assert sorted(passed) == ["a", "a", "a", "b"]


async def test_who_leaves_holds_no_place() -> None:
    """Neither while it waits nor while it has its turn; the next one goes on."""
    queue, passed = FairQueue(most=2, most_of_lane=9), list[str]()
    for _ in range(3):
        tasks = _join(queue, passed, "a b")
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await asyncio.gather(*_join(queue, passed, "c d"))
    assert passed[-2:] == ["c", "d"]


async def test_an_error_ends_the_turn() -> None:
    """Whatever is raised within it."""
    queue = FairQueue(most=2, most_of_lane=9)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with queue.turn("a", None):
                raise RuntimeError
