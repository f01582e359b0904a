"""Output that never blocks: a bounded queue, and a thread that writes it.

A reader that is alive but does not read, such as a stuck journal or a paused container log, blocks every
writer once the pipe is full (64 KiB). It stopped polling, /metrics and SIGTERM (seen 2026-11).
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
"""Bytes that may be queued: some 15,000 lines."""

_AT_EXIT = 1.0
"""Seconds that the exit waits for the reader."""


class BoundedOutput(io.TextIOBase):
    """A text stream over a file descriptor. ``write`` never blocks, and drops lines when the queue is full.

    ``on_resumed`` is called in the writing thread with the number of dropped lines when the reader resumes.
    With ``ends``, ``write`` raises BrokenPipeError once the reader has closed the pipe.
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
        self._queued = 0  # bytes
        self._unreported = 0  # lines dropped since the last `on_resumed`
        self._unfinished = ""  # a line without its end
        self._is_torn = False
        threading.Thread(target=self._run, name="output", daemon=True).start()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Queue whole lines; keep an unfinished one."""
        if self._is_broken and self._ends:
            raise BrokenPipeError
        with self._lock:
            lines, newline, self._unfinished = (self._unfinished + text).rpartition("\n")
            if newline:
                self._put(f"{lines}\n")
        return len(text)

    def flush(self) -> None:
        """Queue an unfinished line, without waiting until it is written."""
        with self._lock:
            unfinished, self._unfinished = self._unfinished, ""
            if unfinished:
                self._put(unfinished)

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, for at most this number of seconds."""
        self.flush()
        end = time.monotonic() + seconds
        while self._queued and time.monotonic() < end:
            time.sleep(0.005)

    def _put(self, text: str) -> None:
        content = text.encode(self._encoding, "backslashreplace")
        if self._queued and self._queued + len(content) > self._limit:
            self._count_dropped(content)
            return
        self._queued += len(content)
        self._queue.put(content)

    def _count_dropped(self, content: bytes) -> None:
        with self._lock:
            lines = max(content.count(b"\n"), 1)
            self.dropped += lines
            self._unreported += lines

    def _run(self) -> None:
        while True:
            content = self._next()
            is_written = True
            try:
                self._write(content)
            except OSError as error:  # the reader is gone, or the disk is full
                self._is_broken = isinstance(error, BrokenPipeError)
                self._count_dropped(content)
                is_written = False
            with self._lock:
                self._queued -= len(content)
                unreported = self._unreported if is_written else 0
                self._unreported -= unreported
            if unreported:
                self.on_resumed(unreported)

    def _next(self) -> bytes:
        """Wait, and return all that is queued: one write a line would wait for the GIL each time."""
        parts = [self._queue.get()]
        while True:
            try:
                parts.append(self._queue.get_nowait())
            except Empty:
                return b"".join(parts)

    def _write(self, content: bytes) -> None:
        # os.write, since at exit the interpreter would wait for the lock of a Python stream.
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
    """Make standard output and standard error non-blocking, and drain them for up to a second at exit.

    Returns standard error, or None if the process has none.
    """
    sys.stdout = _bounded(sys.stdout, ends=True)  # as `demo | head -1` expects
    sys.stderr = error = _bounded(sys.stderr, ends=False)
    return error if isinstance(error, BoundedOutput) else None


def _bounded(stream: TextIO | None, *, ends: bool) -> TextIO:
    if stream is None:  # closed at the start: its descriptor may belong to another file by now
        return Path(os.devnull).open("w", encoding="utf-8")
    output = BoundedOutput(stream.fileno(), encoding=stream.encoding, ends=ends)
    atexit.register(output.drain, _AT_EXIT)
    return output  # type: ignore[return-value]  # a TextIOBase; TextIO has attributes that nobody needs
