"""Blocks of lines, kept by tenant, that a scrape borrows all at once while answers go on coming in."""

from collections.abc import Collection


class Shelf:
    """A block for each tenant.

    A page has to show one moment, and noting down a million series took 15 ms, in which nothing else ran.
    So a page is lent the shelf as it is, for nothing, and the first change after that is made to a copy.
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
        if self._is_lent:
            self._take_back()
        before = self._blocks.get(tenant)
        self._blocks[tenant] = block
        return before

    def remove(self, tenant: str) -> bytes | None:
        """Take a block away, where there is one, and return it."""
        if tenant not in self._blocks:
            return None
        if self._is_lent:
            self._take_back()
        return self._blocks.pop(tenant)

    def items(self) -> Collection[tuple[str, bytes]]:
        """Return each tenant with its block, as they are now."""
        return list(self._blocks.items())

    def lend(self) -> Collection[bytes]:
        """Return all blocks as they are now, and will stay in what is returned."""
        self._is_lent = True
        return self._blocks.values()

    def _take_back(self) -> None:
        self._blocks = self._blocks.copy()
        self._is_lent = False
