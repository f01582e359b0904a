"""Long work in short pieces: between two of them the event loop sends requests and serves scrapes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


async def slices(items: Iterable[Item], size: int) -> AsyncIterator[Sequence[Item]]:
    """Return the items in slices, and let other work have its turn before each of them."""
    source = iter(items)
    while part := list(islice(source, size)):
        await asyncio.sleep(0)
        yield part
