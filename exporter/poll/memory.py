"""What the exporter remembers of one switch across restarts: nodes, phones, tenants and trunks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter.poll.context import SwitchContext
from exporter.poll.peers import SeenPeers
from exporter.storage.values import INVALID, label, moment, text

Json = Mapping[str, Any]


class SwitchMemory:
    """The memory of one switch, as parts of a file.

    After a restart, a missing node must still be missing. A phone that was once in a list of peers must be
    unregistered if the list no longer contains it. Otherwise, their alerts would resolve.
    """

    def __init__(self, context: SwitchContext, phones: SeenPeers) -> None:
        self._context = context
        self._presence = context.targets.presence
        self._phones = phones

    @property
    def version(self) -> int:
        """A number that changes when the file should be written again."""
        return self._context.inventory.version + self._phones.version

    def note_tenants(self) -> None:
        """Compare the polled tenants with those before, and forget the phones of tenants not polled."""
        self._context.inventory.tenants(self._context.targets.tenants)
        self._phones.keep_tenants(self._context.targets.tenants)

    def parts(self) -> Iterator[Json]:
        """Yield the parts. Changes in the meantime may or may not be included."""
        yield {"seen": self._presence.remembered(self._context.clock.since_boot())}
        yield from self._context.inventory.rows()
        for origin, code, phones in self._phones.remembered():
            yield {"phones": phones, "of": code, "origin": origin}

    def restore(self, parts: Iterable[Json], passed: float) -> int:
        """Restore the parts of a file written ``passed`` seconds ago. Return how many are invalid."""
        invalid = 0
        for part in parts:
            try:
                if "seen" in part:
                    invalid += self._restore_nodes(part["seen"], passed)
                else:
                    self._restore(part)
            except INVALID:
                invalid += 1
        return invalid

    def _restore_nodes(self, rows: Iterable[Any], passed: float) -> int:
        """Restore nodes; return how many are invalid. They must not make others forgotten."""
        written, invalid = self._context.clock.since_boot() - passed, 0
        for row in rows:
            try:
                node, age, is_missing = row
                self._presence.restore(label(node), written - moment(age), is_missing=bool(is_missing))
            except INVALID:
                invalid += 1
        return invalid

    def _restore(self, part: Json) -> None:
        if "phones" in part:
            self._phones.restore(text(part["origin"]), text(part["of"]), list(map(text, part["phones"])))
        else:
            self._context.inventory.restore(part)
