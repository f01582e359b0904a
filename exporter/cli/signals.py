"""Signals that come while a command is still being loaded, which takes half a second of a processor."""

import os
import signal
from types import FrameType

_FIRST = 1


def end_as_first_process() -> None:
    """Let SIGTERM end the first process of a container: the kernel ignores it there where nobody handles it.

    Any other process it ends by itself. The daemon has a handler of its own as soon as it runs.
    """
    if os.getpid() == _FIRST:
        signal.signal(signal.SIGTERM, _end)


def outlive_reload() -> None:
    """Ignore SIGHUP, which would end the daemon: what it asks to be read has not been read yet."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # nothing was begun, and an exception may be caught by what is being loaded
