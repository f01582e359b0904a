"""Blocks of lines, kept by tenant, that others borrow all at once while answers go on coming in."""

from collections.abc import Iterator, Mapping

from exporter.metrics.catalogue import Metric


class Shelf:
    """A block for each tenant.

    A page has to show one moment, and noting down a million series took 15 ms, in which nothing else ran.
    So a page is lent the shelf as it is, for nothing, and the first change after that is made to a copy.
    A block that says what the one before said does not take its place: who compares sees that it is the same.
    """

    __slots__ = ("_blocks", "_is_lent")

    def __init__(self) -> None:
        self._blocks: dict[str, bytes] = {}
        self._is_lent = False

    def get(self, tenant: str) -> bytes | None:
        """Return the block of a tenant."""
        return self._blocks.get(tenant)

    def put(self, tenant: str, block: bytes) -> bytes | None:
        """Put a block in the place of the one before, and return that."""
        before = self._blocks.get(tenant)
        if before != block:
            if self._is_lent:
                self._take_back()
            self._blocks[tenant] = block
        return before

    def remove(self, tenant: str) -> bytes | None:
        """Take a block away, where there is one, and return it."""
        if tenant not in self._blocks:
            return None
        if self._is_lent:
            self._take_back()
        return self._blocks.pop(tenant)

    @property
    def is_empty(self) -> bool:
        """Whether there is no block."""
        return not self._blocks

    def lend(self) -> Mapping[str, bytes]:
        """Return all blocks as they are now, and will stay in what is returned.

        It is the same mapping as before if nothing has changed since.
        """
        self._is_lent = True
        return self._blocks

    def _take_back(self) -> None:
        self._blocks = self._blocks.copy()
        self._is_lent = False


class Shelves:
    """A shelf for each family and part. On all of them there are ``series`` lines of ``size`` bytes."""

    def __init__(self) -> None:
        self.series = 0
        self.size = 0
        self._shelves: dict[Metric, dict[str, Shelf]] = {}

    @property
    def places(self) -> Iterator[tuple[Metric, str]]:
        """The family and part of each shelf."""
        return ((metric, part) for metric, by_part in self._shelves.items() for part in by_part)

    def get(self, metric: Metric, tenant: str, part: str) -> bytes:
        """Return the block of a tenant; without one it is empty."""
        shelf = self._shelves.get(metric, {}).get(part)
        return (shelf and shelf.get(tenant)) or b""

    def put(self, metric: Metric, tenant: str, part: str, block: bytes) -> None:
        """Put a block in the place of the one before; an empty one takes that away."""
        if not block:
            self.remove(metric, tenant, part)
            return
        by_part = self._shelves.get(metric)
        if by_part is None:
            by_part = self._shelves[metric] = {}
        shelf = by_part.get(part)
        if shelf is None:
            shelf = by_part[part] = Shelf()
        before = shelf.put(tenant, block)
        if before is None:
            self.series += block.count(b"\n")
            self.size += len(block)
        elif before != block:
            self.series += block.count(b"\n") - before.count(b"\n")
            self.size += len(block) - len(before)

    def remove(self, metric: Metric, tenant: str, part: str) -> None:
        """Take a block away, where there is one."""
        by_part = self._shelves.get(metric)
        shelf = by_part.get(part) if by_part else None
        before = shelf.remove(tenant) if shelf else None
        if before:
            self.series -= before.count(b"\n")
            self.size -= len(before)
        if by_part and shelf and shelf.is_empty:  # nodes may have new names every day
            del by_part[part]
            if not by_part:
                del self._shelves[metric]

    def lend(self, metric: Metric) -> Mapping[str, Mapping[str, bytes]]:
        """Return the blocks of a family by part and tenant, as they are now: see ``Shelf.lend``."""
        return {part: shelf.lend() for part, shelf in self._shelves.get(metric, {}).items()}
