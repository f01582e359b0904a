"""What the exporter remembers of one switch across restarts: nodes, phones, tenants and trunks."""

import sys
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from exporter.model import Technology
from exporter.poll.context import SwitchContext
from exporter.poll.discovery import Technologies
from exporter.storage.values import INVALID, label, moment, text

MOST_REMEMBERED = 300_000
"""Per switch; the largest supported installation has 250,000 extensions."""


class SeenPeers:
    """The phones that one kind of list has contained.

    Such a list is expected to contain them while they are registered. At most 300,000 are remembered; the
    absence of any other proves nothing. ``version`` changes with each change.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self.version = 0
        self._most = most
        self._origin = ""
        self._seen: dict[str, set[str]] = {}
        self._count = 0

    def start(self, origin: str) -> None:
        """Forget everything if the lists are now of another kind, or of another switch."""
        if origin != self._origin:
            self._origin = origin
            self._seen.clear()
            self._count = 0
            self.version += 1

    def add(self, code: str, numbers: Collection[str]) -> None:
        """Remember the phones of a tenant in the newest list."""
        seen = self._seen.setdefault(code, set())
        new = [sys.intern(number) for number in numbers if number not in seen]  # tenants share numbers
        new = new[: self._most - self._count]
        seen.update(new)
        self._count += len(new)
        self.version += bool(new)

    def expects(self, code: str, technologies: Technologies, *, has_pjsip: bool) -> Callable[[str], bool]:
        """Return a function: whether a list contains an extension of a tenant while it is registered.

        A list contains chan_sip phones, and any phone that it contained before. But if the phone is now known
        to have another technology, this holds only for lists that may contain it (``has_pjsip``).
        """
        seen = self._seen.get(code, ())

        def is_expected(number: str) -> bool:
            technology = technologies.get(number)
            if technology is None or has_pjsip:
                return number in seen or technology is Technology.SIP
            return technology is Technology.SIP

        return is_expected

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        for code in codes:
            if phones := self._seen.pop(code, None):
                self._count -= len(phones)
                self.version += 1

    def keep_tenants(self, codes: Container[str]) -> None:
        """Forget the phones of all other tenants."""
        self.drop_tenants([code for code in self._seen if code not in codes])

    def remembered(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield origin, tenant and phones of each tenant, for ``restore``."""
        for code in list(self._seen):
            if phones := self._seen.get(code):
                yield self._origin, code, sorted(phones)

    def restore(self, origin: str, code: str, numbers: Collection[str]) -> None:
        """Restore phones of the previous run. They are forgotten when a list of another origin starts."""
        if not self._seen:
            self._origin = origin
        if origin == self._origin:
            self.add(code, numbers)


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
