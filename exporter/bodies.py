"""How much memory the bodies of answers may take together, of all switches.

Twenty switches that sent lists of 60 MB each took 5.6 GB (seen 2026-11), and one switch may have many
requests in flight. So most bodies are small and pass freely, of each switch one may be large at a time, and
of all switches two may be huge. Whoever has to wait does not read on, so the switch does not send on either.
"""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

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
