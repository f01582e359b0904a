"""Runs what may never return, on a disk that hangs, in a thread that nobody has to wait for."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_own_thread(work: Callable[[], Result]) -> asyncio.Future[Result]:
    """Run in a thread of its own, and return what comes of it.

    Not ``asyncio.to_thread``: the end of the program waits for those threads, and so would hang as well.
    """
    done: Future[Result] = Future()
    done.set_running_or_notify_cancel()  # to be given up by who waits for it is none of its business

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 -- it is raised where the result is waited for
            done.set_exception(error)
        else:
            done.set_result(result)

    threading.Thread(target=run, name="state file", daemon=True).start()
    return asyncio.wrap_future(done)
