"""What is remembered of one switch across restarts: its seen nodes and phones, and what it had."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter.poll.context import SwitchContext
from exporter.poll.peers import SeenPeers
from exporter.storage.values import moment, text

Json = Mapping[str, Any]


class SwitchMemory:
    """The memory of one switch, as parts of a file.

    A missing node must be missing after a restart, too, and a phone that a list of peers had contained must
    be unregistered if it is not in it: otherwise their alerts would end.
    """

    def __init__(self, context: SwitchContext, phones: SeenPeers) -> None:
        self._context = context
        self._presence = context.targets.presence
        self._phones = phones

    @property
    def version(self) -> int:
        """A number that changes when something is worth to be written."""
        return self._context.inventory.version + self._phones.version

    def note_tenants(self) -> None:
        """Compare the polled tenants with those before, and forget the phones of all others."""
        self._context.inventory.tenants(self._context.targets.tenants)
        self._phones.keep_tenants(self._context.targets.tenants)

    def parts(self) -> Iterator[Json]:
        """Yield the parts. What changes meanwhile may be in them or not."""
        yield {"seen": self._presence.remembered(self._context.clock.elapsed())}
        yield from self._context.inventory.rows()
        for origin, code, phones in self._phones.remembered():
            yield {"phones": phones, "of": code, "origin": origin}

    def restore(self, parts: Iterable[Json], passed: float) -> int:
        """Use the parts of a file, written ``passed`` seconds ago; return how many are invalid."""
        invalid = 0
        for part in parts:
            try:
                self._restore(part, passed)
            except (ValueError, LookupError, TypeError, AttributeError):
                invalid += 1
        return invalid

    def _restore(self, part: Json, passed: float) -> None:
        if "seen" in part:
            now = self._context.clock.elapsed()
            for node, age, is_missing in part["seen"]:
                seen = now - passed - moment(age)
                self._presence.restore(text(node), seen, is_missing=bool(is_missing))
        elif "phones" in part:
            self._phones.restore(text(part["origin"]), text(part["of"]), list(map(text, part["phones"])))
        else:
            self._context.inventory.restore(part)
