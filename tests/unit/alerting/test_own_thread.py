import asyncio
import threading

import pytest

from exporter.alerting.own_thread import in_own_thread


async def test_what_comes_of_it() -> None:
    """A result is returned, and an error raised, to who waits."""

    def fail() -> None:
        raise OSError("no room")

    assert await in_own_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(OSError, match="no room"):
        await in_own_thread(fail)


async def test_what_never_returns_is_left_behind() -> None:
    """Who waits may give up, and what comes of it later goes nowhere; nor does the program wait for it."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    threads: list[threading.Thread] = []

    def hang() -> None:
        threads.append(threading.current_thread())
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()

    waiting = in_own_thread(hang)
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert threads[0].daemon
    go_on.set()
    threads[0].join()
