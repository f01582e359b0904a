import asyncio

import pytest

from exporter.deadlines import Deadlines

_SECONDS = 0.05
_NEVER = 100.0


class _Work:
    """Takes so long, and notes whether it was cancelled."""

    def __init__(self, seconds: float = _NEVER, *, stubborn: bool = False) -> None:
        self.cancelled = False
        self._seconds = seconds
        self._stubborn = stubborn

    async def run(self) -> str:
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            if not self._stubborn:
                raise
        return "done"


async def test_what_ends_in_time() -> None:
    """It gives its result, and its task goes on undisturbed after the limit."""
    deadlines = Deadlines(_SECONDS)

    assert await deadlines.keep(_Work(0).run()) == "done"

    await asyncio.sleep(2 * _SECONDS)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_takes_too_long() -> None:
    """It is cancelled, and the task that waited for it goes on."""
    deadlines = Deadlines(_SECONDS)
    work = _Work()

    for _ in range(2):
        with pytest.raises(TimeoutError):
            await deadlines.keep(work.run())

    assert work.cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_each_has_its_own_limit() -> None:
    """Who begins later ends later, each after its time, whoever has ended in between."""
    deadlines = Deadlines(_SECONDS)
    loop = asyncio.get_running_loop()

    async def late_after(seconds: float) -> float | None:
        began = loop.time()
        try:
            await deadlines.keep(_Work(seconds).run())
        except TimeoutError:
            return loop.time() - began
        return None

    tasks = []
    for seconds in (0, _NEVER, _NEVER, 0, _NEVER):
        tasks.append(asyncio.create_task(late_after(seconds)))
        await asyncio.sleep(_SECONDS / 3)

    late = [await task for task in tasks]

    assert [seconds is None for seconds in late] == [True, False, False, True, False]
    assert min(seconds for seconds in late if seconds is not None) >= _SECONDS
    assert await deadlines.keep(_Work(0).run()) == "done"


async def test_an_error_is_passed_on() -> None:
    """What the work raises comes out as it is."""
    deadlines = Deadlines(_SECONDS)

    async def broken() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await deadlines.keep(broken())


async def test_who_is_cancelled_is_not_late() -> None:
    """A task that is to end before its limit does so, and takes its work along."""
    work = _Work()
    task = asyncio.create_task(Deadlines(_NEVER).keep(work.run()))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
    assert work.cancelled


async def test_cancelled_by_both_at_once() -> None:
    """The limit does not make a timeout of what somebody else has ended."""
    deadlines = Deadlines(_SECONDS)
    ending = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(_NEVER)
        except asyncio.CancelledError:
            ending.set()
            await asyncio.sleep(_NEVER)

    task = asyncio.create_task(deadlines.keep(work()))
    await ending.wait()
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()


async def test_work_that_will_not_be_cancelled() -> None:
    """What it returns in the end counts, and nothing of the limit stays with its task."""
    deadlines = Deadlines(_SECONDS)
    work = _Work(stubborn=True)

    assert await deadlines.keep(work.run()) == "done"

    assert work.cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
