"""Output that never blocks: a bounded queue, and a thread that writes what is in it.

A reader that lives and does not read, such as a stuck journal or a paused container log, blocks every writer
as soon as the pipe is full, after 64 KiB. Polling, /metrics and SIGTERM then stood still (seen 2026-11).
"""

import atexit
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TextIO

_LIMIT = 4 * 2**20
"""Bytes that may wait for the reader: some 15,000 lines."""

_AT_EXIT = 1.0
"""Seconds that the exit waits for the reader."""


class BoundedOutput(io.TextIOBase):
    """A text stream over a file descriptor whose ``write`` returns at once, and drops lines without room.

    ``on_resumed`` is called from the writing thread, with the number of lines that were dropped, when the
    reader reads again. With ``ends``, ``write`` raises BrokenPipeError once the reader has closed the pipe.
    """

    def __init__(
        self, descriptor: int, *, limit: int = _LIMIT, encoding: str = "utf-8", ends: bool = False
    ) -> None:
        self.on_resumed: Callable[[int], None] = lambda _: None
        self.dropped = 0
        self._descriptor = descriptor
        self._limit = limit
        self._encoding = encoding
        self._ends = ends
        self._is_broken = False
        # SimpleQueue and a reentrant lock: a finalizer may log while this thread is inside `write`.
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._lock = threading.RLock()
        self._waiting = 0  # bytes that are not written yet
        self._unreported = 0  # dropped lines that no message has reported yet
        self._rest = ""  # the beginning of a line whose end has not come yet
        self._is_torn = False
        threading.Thread(target=self._run, name="output", daemon=True).start()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Queue whole lines; keep the beginning of an unfinished one."""
        if self._is_broken and self._ends:
            raise BrokenPipeError
        with self._lock:
            lines, newline, self._rest = (self._rest + text).rpartition("\n")
            if newline:
                self._put(f"{lines}\n")
        return len(text)

    def flush(self) -> None:
        """Queue an unfinished line. Does not wait until anything is written."""
        with self._lock:
            rest, self._rest = self._rest, ""
            if rest:
                self._put(rest)

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, but no longer than this."""
        self.flush()
        end = time.monotonic() + seconds
        while self._waiting and time.monotonic() < end:
            time.sleep(0.005)

    def _put(self, text: str) -> None:
        content = text.encode(self._encoding, "backslashreplace")
        if self._waiting and self._waiting + len(content) > self._limit:
            self._count_dropped(content)
            return
        self._waiting += len(content)
        self._queue.put(content)

    def _count_dropped(self, content: bytes) -> None:
        with self._lock:
            lines = max(content.count(b"\n"), 1)
            self.dropped += lines
            self._unreported += lines

    def _run(self) -> None:
        while True:
            content = self._next()
            try:
                self._write(content)
            except OSError as error:  # the reader is gone, or the disk is full
                self._is_broken = isinstance(error, BrokenPipeError)
                self._count_dropped(content)
                is_written = False
            else:
                is_written = True
            with self._lock:
                self._waiting -= len(content)
                unreported = self._unreported if is_written else 0
                self._unreported -= unreported
            if unreported:
                self.on_resumed(unreported)

    def _next(self) -> bytes:
        """Wait for output; return all there is: a write for each line would wait for the GIL each time."""
        parts = [self._queue.get()]
        while True:
            try:
                parts.append(self._queue.get_nowait())
            except Empty:
                return b"".join(parts)

    def _write(self, content: bytes) -> None:
        # os.write and not a stream of Python: the interpreter would wait at exit for the lock of the stream.
        rest = memoryview(b"\n" + content if self._is_torn else content)
        while rest:
            try:
                written = os.write(self._descriptor, rest)
            except BlockingIOError:  # another process that shares the pipe made it non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
                continue
            self._is_torn = rest[written - 1] != ord("\n")
            rest = rest[written:]


def never_block() -> BoundedOutput | None:
    """Let standard output and standard error of this process never block; return the latter.

    Returns None where the process has no standard error. What is queued at exit has a second to be written.
    """
    sys.stdout = _bounded(sys.stdout, ends=True)  # as `demo | head -1` has it; a daemon logs to the other one
    sys.stderr = error = _bounded(sys.stderr, ends=False)
    return error if isinstance(error, BoundedOutput) else None


def _bounded(stream: TextIO | None, *, ends: bool) -> TextIO:
    if stream is None:  # closed by whoever started us: its number may be that of another file by now
        return Path(os.devnull).open("w", encoding="utf-8")
    output = BoundedOutput(stream.fileno(), encoding=stream.encoding, ends=ends)
    atexit.register(output.drain, _AT_EXIT)
    return output  # type: ignore[return-value]  # it is a TextIOBase, and TextIO has attributes nobody needs
