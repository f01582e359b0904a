"""Reading files that a person names: regular files only, and no more than expected of them.

A FIFO blocks whoever opens it until somebody writes, and /dev/zero never ends: as a configuration or
certificate file either stopped the daemon for good (seen 2026-11).
"""

import os
import stat
from pathlib import Path

_CHUNK = 2**18
"""Bytes. Reading up to the limit in one call takes memory for all of it, however small the file is."""


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return what is in a file, following symbolic links, as Kubernetes mounts its files.

    ``limit`` is in bytes. Raises OSError where it cannot be read; raises ValueError, whose text continues the
    name of the file, where it is no regular file or is larger than the limit.

    A disk that hangs blocks this function: call it in a thread that nobody waits for at exit.
    """
    # O_NONBLOCK: opening a FIFO returns at once. For regular files it changes nothing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file; name a regular file")
        content = bytearray()
        while len(content) <= limit and (chunk := os.read(descriptor, _CHUNK)):
            content += chunk
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise ValueError(f"is larger than {_size(limit)}; check that it is the right file")
    return bytes(content)


def _size(limit: int) -> str:
    return f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
