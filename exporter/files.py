"""Read files that a user names: regular files only, up to a size limit.

Opening a FIFO blocks until somebody writes to it, and /dev/zero never ends. Either hung the daemon when named
as a configuration or certificate file (seen 2026-11).
"""

import os
import stat
from pathlib import Path

_CHUNK = 2**18
"""Bytes. One read up to the limit would allocate the whole limit, however small the file."""


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most ``limit`` bytes, following symbolic links.

    Raises OSError if it cannot be read, and ValueError, whose text continues the name of the file, if it is
    not a regular file or is too large. A hanging disk blocks this call: run it in a daemon thread.
    """
    # O_NONBLOCK makes opening a FIFO return at once, and has no effect on regular files.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is a directory, device or pipe; expected a regular file")
        content = bytearray()
        while len(content) <= limit and (chunk := os.read(descriptor, _CHUNK)):
            content += chunk
    finally:
        os.close(descriptor)
    if len(content) > limit:
        size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
        raise ValueError(f"is larger than {size}; check that it is the right file")
    return bytes(content)
