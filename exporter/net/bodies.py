"""Bodies of answers: how much memory they may take, and how compressed ones are unpacked within a limit.

Twenty switches that sent lists of 60 MB each took 5.6 GB (seen 2026-11), and one switch may have many
requests in flight. So most bodies are small and pass freely, of each switch one may be large at a time, and
of all switches two may be huge. A request that has to wait does not read on, so the switch does not send on
either.

Some proxies compress whatever they pass on, although that was not asked for. Unpacking may make an answer a
thousand times larger.
"""

import asyncio
import contextlib
import threading
import zlib
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from exporter.model import Failure, Reason
from exporter.threads import ThreadLimit

_Result = TypeVar("_Result")

LARGE = 2 * 2**20
"""Bytes, from which on a body is one at a time of its switch: 600 extensions as they were seen (3.4 kB)."""

HUGE = 8 * 2**20
"""Bytes, from which on a body is one of two, whatever switch it is of. Only lists may have as many."""

_HUGE_ONES = 2


class Bodies:
    """What all switches share."""

    def __init__(self) -> None:
        self.huge = asyncio.Semaphore(_HUGE_ONES)
        self._decoding = threading.Lock()

    def decode(self, work: Callable[[], _Result]) -> _Result:
        """Do what decodes a large body, in the thread of the caller, one at a time.

        Threads that decode side by side are no faster, and each delays the event loop.
        """
        with self._decoding:
            return work()


class Room:
    """The room that one body takes. ``large`` is what the bodies of its switch share.

    It is entered before the body is received and left when it is decoded, however that ends: the next body
    has the room from then on.
    """

    __slots__ = ("_held", "_large", "_shared")

    def __init__(self, shared: Bodies, large: asyncio.Semaphore) -> None:
        self._shared = shared
        self._large = large
        self._held: list[asyncio.Semaphore] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._held:
            self._held.pop().release()

    async def grow(self, size: int) -> None:
        """Wait until a body may have so many bytes."""
        if size > LARGE and not self._held:
            await self._take(self._large)
        if size > HUGE and len(self._held) == 1:
            await self._take(self._shared.huge)

    async def _take(self, places: asyncio.Semaphore) -> None:
        await places.acquire()
        self._held.append(places)


_ON_THE_LOOP = 256 * 1024
"""Bytes that come out. Unpacking them takes 1 ms; where there are more, it is done in a thread."""

# The last ones are mistakes: a charset, or what belongs into other headers.
_PLAIN = frozenset({"", "identity", "none", "utf-8", "utf8", "iso-8859-1", "us-ascii", "8bit", "binary"})
_GZIP = 16 + zlib.MAX_WBITS
_WINDOWS = {
    "gzip": (_GZIP,),
    "x-gzip": (_GZIP,),
    # RFC 9110 means the zlib format; some servers leave its first and last bytes out.
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}
_MOST_MEMBERS = 16
"""Of one gzip body: RFC 1952 allows several, which follow each other. For each one the rest is copied."""
_KNOWN = frozenset({"br", "zstd", "compress", "x-compress"})


def coding(header: str) -> str | Failure:
    """Return the one coding of a Content-Encoding header that has to be undone; "" for none."""
    codings = [each for each in (part.strip().lower() for part in header.split(",")) if each not in _PLAIN]
    if not codings:
        return ""
    if len(codings) > 1:
        return Failure(Reason.DECODE, "the answer was compressed more than once, which was not asked for")
    if codings[0] in _WINDOWS:
        return codings[0]
    # Only a known name is repeated: a header may hold anything.
    name = f" ({codings[0]})" if codings[0] in _KNOWN else ""
    return Failure(
        Reason.DECODE,
        f"the answer has a Content-Encoding{name} that was not asked for and cannot be undone; "
        "turn compression off in the server or proxy",
    )


async def unpack(
    body: bytes | bytearray, named: str, limit: int, threads: ThreadLimit, room: Room
) -> bytes | bytearray | Failure:
    """Undo one coding. What comes out is no larger than ``limit`` bytes, for which ``room`` is made first."""
    if not body:
        return body
    try:
        unpacked = _unpack(body, named, min(limit, _ON_THE_LOOP)) if len(body) <= _ON_THE_LOOP else None
        if unpacked is None:
            await room.grow(limit)
            unpacked = await threads.run(partial(_unpack, body, named, limit))
    except zlib.error:
        return Failure(Reason.DECODE, f"the answer has Content-Encoding {named}, but is not valid {named}")
    if unpacked is None:
        return Failure(Reason.TOO_LARGE, f"the answer is larger than {limit // 2**20} MiB when unpacked")
    return unpacked


def _unpack(body: bytes | bytearray, named: str, limit: int) -> bytes | None:
    """Return what comes out, or None where that is more than ``limit`` bytes. Raises zlib.error."""
    *others, last = _WINDOWS[named]
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
            raise zlib.error("it ends too early")
        rest = stream.unused_data.lstrip(b"\0")  # zeros are padding, which gzip accepts as well
        if not rest:
            return b"".join(unpacked)
    raise zlib.error("something follows")
