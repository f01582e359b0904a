"""Loops over many items that yield to the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


async def slices(items: Iterable[Item], size: int) -> AsyncIterator[Sequence[Item]]:
    """Return the items in slices, and yield to the event loop before each of them."""
    source = iter(items)
    while part := list(islice(source, size)):
        await asyncio.sleep(0)
        yield part
