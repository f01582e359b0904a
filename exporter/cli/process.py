"""Standard output, standard error and signals of the process, before and around every command."""

import errno
import io
import os
import signal
import sys
from types import FrameType

EXIT_CLOSED_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_FIRST = 1


def end_as_first_process() -> None:
    """Let SIGTERM end the first process of a container, where the kernel ignores a signal without a handler.

    The daemon installs its own handler when it starts.
    """
    if os.getpid() == _FIRST:
        signal.signal(signal.SIGTERM, _end)


def ignore_reload() -> None:
    """Ignore SIGHUP, which would end the process, until the daemon has a handler for it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # an exception could be caught by the module that is being loaded


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
    """Discard output that cannot be written. Return why, or "" where the reader has closed the pipe.

    Raises the error again where it is not about output.
    """
    if not isinstance(error, BrokenPipeError) and error.errno not in _UNWRITABLE:
        raise error
    # Otherwise the interpreter tries again at exit and prints a traceback.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return "" if isinstance(error, BrokenPipeError) else f"cannot write the output: {error.strerror}"
