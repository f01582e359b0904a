import asyncio

import pytest

from exporter.net.time_limit import TimedRequest, TimeLimit
from tests.e2e.fast_clock import run


async def _wait(limit: TimeLimit, seconds: float) -> float:
    """Return after how many seconds a request ended that would take ``seconds``; raise if it timed out."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with TimedRequest(limit):
        await asyncio.sleep(seconds)
    return loop.time() - started


async def _ended(limit: TimeLimit, seconds: float) -> tuple[float, bool]:
    """Return after how many seconds a request ended, and whether it timed out."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        await _wait(limit, seconds)
    except TimeoutError:
        return round(loop.time() - started, 3), True
    return round(loop.time() - started, 3), False


def test_each_request_has_its_own_time() -> None:
    """A request ends after the limit, counted from its own start, whatever the others do."""

    async def work() -> None:
        limit = TimeLimit(10)
        requests = []
        for seconds in (3, 60, 9.5, 11, 1):
            requests.append(asyncio.create_task(_ended(limit, seconds)))
            await asyncio.sleep(2)

        assert await asyncio.gather(*requests) == [
            (3, False),
            (10, True),
            (9.5, False),
            (10, True),
            (1, False),
        ]
        assert await _ended(limit, 12) == (10, True), "after a pause without requests"
        await asyncio.sleep(60)
        assert await _ended(limit, 12) == (10, True), "after the timer has fired without requests"

    run(work())


def test_cancelling_is_no_timeout() -> None:
    """A request that is cancelled raises CancelledError, even if its time ends in the same step."""

    async def work() -> None:
        limit = TimeLimit(10)
        request = asyncio.create_task(_wait(limit, 60))
        await asyncio.sleep(5)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

        request = asyncio.create_task(_wait(limit, 60))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(10, request.cancel)
        with pytest.raises(asyncio.CancelledError):
            await request
        assert request.cancelled()

    run(work())


def test_task_continues_after_a_timeout() -> None:
    """A task that handles the timeout can wait again: it is not cancelled."""

    async def work() -> None:
        limit = TimeLimit(10)
        for _ in range(2):
            assert await _ended(limit, 60) == (10, True)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(work())


def test_other_errors_pass() -> None:
    """What the request raises is raised."""

    async def work() -> None:
        with pytest.raises(LookupError), TimedRequest(TimeLimit(10)):
            raise LookupError

    run(work())
