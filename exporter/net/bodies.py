"""Memory for response bodies: how much they may take together, and how compressed ones are unpacked.

Twenty switches that sent lists of 60 MB each took 5.6 GB (seen 2026-11), and one switch may have many
requests in flight. So one large body per switch, and two huge ones over all switches, are in memory at a
time. A request that waits does not read, so the switch stops sending.

Some proxies compress responses although that was not requested. Unpacking may enlarge one a thousand times.
"""

import asyncio
import contextlib
import threading
import zlib
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from exporter.model import Failure, Reason
from exporter.threads import ThreadLimit

_Result = TypeVar("_Result")

LARGE = 2 * 2**20
"""Bytes: at most one larger body per switch is in memory. 600 extensions of 3.4 kB each (seen) fit."""

HUGE = 8 * 2**20
"""Bytes: at most two larger bodies of all switches are in memory. Only lists may be larger."""

_MOST_HUGE = 2


class BodyBudget:
    """The budget that all switches share."""

    def __init__(self) -> None:
        self.huge = asyncio.Semaphore(_MOST_HUGE)
        self._decoding = threading.Lock()

    def decode(self, work: Callable[[], _Result]) -> _Result:
        """Call a function that decodes a large body, one thread at a time.

        Concurrent threads would not be faster, and each would delay the event loop.
        """
        with self._decoding:
            return work()


class Reservation:
    """The part of the budget that one body takes, from its first byte until ``release``, when it is decoded.

    ``large`` is shared by the bodies of one switch.
    """

    __slots__ = ("_held", "_large", "_shared")

    def __init__(self, shared: BodyBudget, large: asyncio.Semaphore) -> None:
        self._shared = shared
        self._large = large
        self._held: list[asyncio.Semaphore] = []

    async def grow(self, size: int) -> None:
        """Wait until the body may have this many bytes."""
        if size > LARGE and not self._held:
            await self._take(self._large)
        if size > HUGE and len(self._held) == 1:
            await self._take(self._shared.huge)

    def release(self) -> None:
        """Give everything back."""
        while self._held:
            self._held.pop().release()

    async def _take(self, semaphore: asyncio.Semaphore) -> None:
        await semaphore.acquire()
        self._held.append(semaphore)


_ON_THE_LOOP = 256 * 1024
"""Bytes after unpacking. Up to this size, a body is unpacked on the event loop, in 1 ms."""

# From utf-8 on, these are errors of servers: a charset, or the value of another header.
_PLAIN = frozenset({"", "identity", "none", "utf-8", "utf8", "iso-8859-1", "us-ascii", "8bit", "binary"})
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB_WINDOWS = {
    "gzip": (_GZIP,),
    "x-gzip": (_GZIP,),
    # RFC 9110 requires the zlib format; some servers send raw deflate.
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}
_MOST_MEMBERS = 16
"""Per gzip body. RFC 1952 allows any number, and each member costs a copy of the rest of the body."""
_KNOWN = frozenset({"br", "zstd", "compress", "x-compress"})


def coding(header: str) -> str | Failure:
    """Return the coding of a Content-Encoding header that has to be undone; "" for none."""
    codings = [each for each in (part.strip().lower() for part in header.split(",")) if each not in _PLAIN]
    if not codings:
        return ""
    if len(codings) > 1:
        return Failure(Reason.DECODE, "the response was compressed more than once, which was not requested")
    if codings[0] in _ZLIB_WINDOWS:
        return codings[0]
    # Only a known name is quoted: the header may contain anything.
    name = f" ({codings[0]})" if codings[0] in _KNOWN else ""
    return Failure(
        Reason.DECODE,
        f"the response has an unsupported Content-Encoding{name} that was not requested; "
        "turn off compression in the server or proxy",
    )


async def unpack(
    body: bytes | bytearray, named: str, limit: int, threads: ThreadLimit, reservation: Reservation
) -> bytes | bytearray | Failure:
    """Undo one coding, up to ``limit`` bytes of output, which are reserved first."""
    if not body:
        return body
    try:
        unpacked = _unpack(body, named, min(limit, _ON_THE_LOOP)) if len(body) <= _ON_THE_LOOP else None
        if unpacked is None:
            await reservation.grow(limit)
            unpacked = await threads.run(partial(_unpack, body, named, limit))
    except zlib.error:
        return Failure(Reason.DECODE, f"the response has Content-Encoding {named}, but is not valid {named}")
    if unpacked is None:
        return Failure(Reason.TOO_LARGE, f"the response is larger than {limit // 2**20} MiB when unpacked")
    return unpacked


def _unpack(body: bytes | bytearray, named: str, limit: int) -> bytes | None:
    """Return the output, or None if it is larger than ``limit`` bytes. Raises zlib.error."""
    *others, last = _ZLIB_WINDOWS[named]
    for window in others:
        with contextlib.suppress(zlib.error):
            return _unpack_window(body, window, limit)
    return _unpack_window(body, last, limit)


def _unpack_window(body: bytes | bytearray, window: int, limit: int) -> bytes | None:
    unpacked: list[bytes] = []
    left, rest = limit, body
    for _ in range(_MOST_MEMBERS if window == _GZIP else 1):
        stream = zlib.decompressobj(window)
        unpacked.append(stream.decompress(rest, left + 1))
        left -= len(unpacked[-1])
        if left < 0:
            return None
        if not stream.eof:
            raise zlib.error("truncated")
        rest = stream.unused_data.lstrip(b"\0")  # gzip also accepts zeros as padding
        if not rest:
            return b"".join(unpacked)
    raise zlib.error("trailing data")
