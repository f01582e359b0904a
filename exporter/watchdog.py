"""Exits the process when it cannot recover, so that its supervisor restarts it.

Without memory, ``Thread.start`` waited forever for a thread that could not start, and SIGTERM had no effect
(seen 2026-11, under a limit of 500 MB).
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

import structlog

from exporter.output import BoundedOutput

EXIT_STATUS = 3

_TICK = 1.0
_BLOCKED = 60
"""Ticks without a heartbeat. ``/-/healthy`` returns 503 after 30 s without one of the scheduler."""
_STOP = 8
"""Ticks that a shutdown may take. It should take 5 s, and systemd is told to wait for 10."""

_LOGGING = 3
"""Seconds to write the last log line."""

_OUT_OF_MEMORY = "out of memory; exiting so that the supervisor restarts the process"

_reserve: list[bytearray] = [bytearray(4 * 2**20)]
"""Released before the last log line, which needs memory."""


log = structlog.get_logger("exporter.watchdog")

Log = Callable[[], None]


def end_process(write_log: Log) -> None:
    """Log the reason, and exit at once with status 3, without the cleanup that could hang."""
    _reserve.clear()
    # A blocked thread may hold the lock of logging. Then this alarm ends the process.
    signal.alarm(_LOGGING)
    try:
        write_log()
        if isinstance(sys.stderr, BoundedOutput):
            sys.stderr.drain(1.0)
    except BaseException:  # noqa: BLE001 -- the process must exit in any case
        _, writable, _ = select.select([], [2], [], 0)
        if writable:
            os.write(2, f"{_OUT_OF_MEMORY}\n".encode())
    finally:
        os._exit(EXIT_STATUS)


def end_out_of_memory() -> None:
    """Exit because memory has run out."""
    end_process(lambda: log.error(_OUT_OF_MEMORY))


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an exception means that there is no memory, for example for the stack of a thread."""
    return error is not None and says_out_of_memory(f"{type(error).__name__}: {error}")


def says_out_of_memory(text: str) -> bool:
    """Return the same for the last line of a traceback."""
    return text.startswith("MemoryError") or text == "RuntimeError: can't start new thread"


class Watchdog:
    """A thread that calls ``end`` if the event loop is blocked or a shutdown takes too long.

    It counts its own ticks, so that the time in which the process was stopped, or the machine asleep, does
    not count. The event loop calls ``beat`` about every second.
    """

    def __init__(self, end: Callable[[Log], None] = end_process, tick: float = _TICK) -> None:
        self._end = end
        self._tick = tick
        self._beats = 0
        self._is_stopping = False
        self._is_closed = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        """Report that the event loop runs."""
        self._beats += 1

    def stopping(self) -> None:
        """Limit the time of the shutdown from now on. May be called in a signal handler."""
        self._is_stopping = True

    def close(self) -> None:
        """Stop watching."""
        self._is_closed.set()

    def _watch(self) -> None:
        seen, blocked, stopping = 0, 0, 0
        while not self._is_closed.is_set():
            time.sleep(self._tick)
            seen, blocked = (seen, blocked + 1) if self._beats == seen else (self._beats, 0)
            stopping += self._is_stopping
            if self._is_closed.is_set():
                return
            if blocked >= _BLOCKED:
                self._end(
                    lambda: log.error(
                        "event loop blocked for a minute; exiting so that the supervisor restarts the process"
                    )
                )
            if stopping >= _STOP:
                self._end(lambda: log.error("shutdown timed out; exiting"))
