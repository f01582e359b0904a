import asyncio
from typing import Any, cast

from exporter.poll.rounds import Rounds


async def test_stop_with_a_task_that_has_just_ended() -> None:
    """The loop has not yet run the callback that forgets it: stopping waits for that, and does not spin."""
    nothing = cast("Any", None)
    rounds = Rounds(nothing, nothing, nothing, nothing, nothing, nothing, nothing)
    ending = asyncio.Event()

    async def work() -> None:
        ending.set()

    task = rounds._start(work())
    await ending.wait()
    assert task.done()
    assert rounds._tasks
    await rounds.stop()
    assert not rounds._tasks
