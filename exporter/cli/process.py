"""Standard output, standard error and signals of the process, before and around every command."""

import errno
import io
import os
import signal
import sys
from types import FrameType

EXIT_CLOSED_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended, as most programs are when `head` has read enough."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_FIRST = 1


def end_as_first_process() -> None:
    """Let SIGTERM end the first process of a container: the kernel ignores it there where nobody handles it.

    Any other process it ends by itself. The daemon has a handler of its own as soon as it runs.
    """
    if os.getpid() == _FIRST:
        signal.signal(signal.SIGTERM, _end)


def ignore_reload() -> None:
    """Ignore SIGHUP, which would end the daemon: what it asks to be read has not been read yet."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # nothing was begun, and an exception may be caught by what is being loaded


def accept_every_character() -> None:
    r"""Write a character that the encoding of the locale lacks as ``\u2026``, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write what is buffered. Raises OSError where that fails, here and not at the end of the interpreter."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None where the shell closed it: >&-
            stream.flush()


def discard_output(error: OSError) -> str:
    """Drop what cannot be written; return why, or "" where the reader of a pipe has closed it.

    Raises the error again where it is not about output.
    """
    if not isinstance(error, BrokenPipeError) and error.errno not in _UNWRITABLE:
        raise error
    # Else the interpreter tries again as it ends, and complains.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return "" if isinstance(error, BrokenPipeError) else f"cannot write the output: {error.strerror}"
