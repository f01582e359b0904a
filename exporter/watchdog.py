"""Ends the process where it cannot go on, so that its supervisor starts it again.

Where memory had run out, ``Thread.start`` waited for ever for a thread that could not begin, and SIGTERM was
not heard any more (seen 2026-11, under a limit of 500 MB).
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
_STANDSTILL = 60
"""Ticks. ``/-/healthy`` answers 503 after 30 s without a heartbeat of the scheduler."""
_STOP = 8
"""Ticks that a stop may take; it is meant to take 5 s, and systemd is told to wait for 10."""

_LOGGING = 3
"""Seconds that the last line may take."""

_NO_THREAD = {"can't start new thread", "no thread can be started"}
"""What threading says, and exporter.threads."""

_OUT_OF_MEMORY = b"out of memory: ending, to be started again\n"

_reserve: list[bytearray] = [bytearray(4 * 2**20)]
"""Given back before the last line is logged: to make it takes memory."""


log = structlog.get_logger("exporter.watchdog")

Log = Callable[[], None]


def end_process(write_log: Log) -> None:
    """Log why, and end at once with status 3. Nothing is closed: that takes memory, or what stands still."""
    _reserve.clear()
    # A thread that stands still may hold the lock of logging: then the kernel ends the process.
    signal.alarm(_LOGGING)
    try:
        write_log()
        if isinstance(sys.stderr, BoundedOutput):
            sys.stderr.drain(1.0)
    except BaseException:  # noqa: BLE001 -- whatever it is, the process must end
        _write_to_stderr(_OUT_OF_MEMORY)
    finally:
        os._exit(EXIT_STATUS)


def _write_to_stderr(words: bytes) -> None:
    _, writable, _ = select.select([], [2], [], 0)
    if writable:
        os.write(2, words)


def end_out_of_memory() -> None:
    """End, because memory has run out."""
    end_process(lambda: log.error("out of memory: ending, to be started again"))


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an exception means that there is no memory. A thread needs some too, for its stack."""
    return error is not None and says_out_of_memory(f"{type(error).__name__}: {error}")


def says_out_of_memory(text: str) -> bool:
    """Tell the same from the last line of a traceback."""
    return text.startswith("MemoryError") or (text.startswith("RuntimeError: ") and text[14:] in _NO_THREAD)


class Watchdog:
    """A thread that calls ``end`` where the event loop stands still, or a stop takes too long.

    It counts seconds that it has lived through itself: a process that was stopped, or whose machine was
    asleep, has not stood still. ``beat`` is to be called by the event loop, each second or so.
    """

    def __init__(self, end: Callable[[Log], None] = end_process, tick: float = _TICK) -> None:
        self._end = end
        self._tick = tick
        self._beats = 0
        self._is_stopping = False
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        """Report that the event loop runs."""
        self._beats += 1

    def stopping(self) -> None:
        """Let the end of the process come in time, from now on. May be called in a signal handler."""
        self._is_stopping = True

    def close(self) -> None:
        """Watch no more."""
        self._is_over.set()

    def _watch(self) -> None:
        seen, still, stopping = 0, 0, 0
        while not self._is_over.is_set():
            time.sleep(self._tick)
            seen, still = (seen, still + 1) if self._beats == seen else (self._beats, 0)
            stopping += self._is_stopping
            if self._is_over.is_set():
                return
            if still >= _STANDSTILL:
                self._end(
                    lambda: log.error(
                        "the event loop has stood still for a minute: ending, to be started again"
                    )
                )
            if stopping >= _STOP:
                self._end(lambda: log.error("the stop takes too long: ending"))
