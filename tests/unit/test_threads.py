import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest

from exporter.threads import ThreadLimit


async def test_result_and_error() -> None:
    """The caller gets what the work returns or raises."""
    threads = ThreadLimit("test", 1)

    def fail() -> None:
        raise KeyError("reason")

    assert await threads.run(lambda: 7) == 7
    with pytest.raises(KeyError, match="reason"):
        await threads.run(fail)
    assert await threads.run(lambda: 8) == 8


async def test_limit() -> None:
    """No more threads run than the limit says, and waiting work runs when a place is free."""
    threads = ThreadLimit("test", 2)
    gate, two_run = threading.Event(), threading.Event()
    running: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        if len(running) == 2:
            two_run.set()
        gate.wait(10)
        return number

    tasks = [asyncio.create_task(threads.run(partial(work, number))) for number in range(4)]
    assert await asyncio.to_thread(two_run.wait, 10)
    done, _ = await asyncio.wait(tasks, timeout=0.05)
    assert not done
    assert running == [0, 1]

    gate.set()

    assert await asyncio.gather(*tasks) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
async def test_thread_that_cannot_start(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """It occupies no place."""
    threads = ThreadLimit("test", 1)

    def fail(_: threading.Thread) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        for _ in range(3):
            with pytest.raises(type(error)):
                await threads.run(lambda: 7)

    assert await threads.run(lambda: 7) == 7


async def test_cancelled_caller() -> None:
    """It returns at once; its thread keeps its place until it ends."""
    threads = ThreadLimit("test", 1)
    gate = threading.Event()
    hanging = asyncio.create_task(threads.run(lambda: gate.wait(10)))
    await asyncio.sleep(0)

    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    waiting = asyncio.create_task(threads.run(lambda: 7))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done

    gate.set()

    assert await waiting == 7


def test_exit() -> None:
    """A program ends although a thread hangs."""
    program = (
        "import asyncio, time\n"
        "from exporter.threads import ThreadLimit\n"
        "async def main():\n"
        "    task = asyncio.create_task(ThreadLimit('test', 1).run(lambda: time.sleep(100)))\n"
        "    await asyncio.sleep(0.05)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
        "print('ended')\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )

    assert ended.stdout == "ended\n"
