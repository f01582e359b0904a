"""The technology of each tenant's extensions, which decides whether they can register. Pure."""

import sys
from collections.abc import Collection, Iterable, Mapping

from exporter.model import Extension, Technology

Technologies = Mapping[str, Technology]
"""The known technologies of a tenant's extensions."""


class KnownTechnologies:
    """The technologies in the lists of extensions, by tenant."""

    def __init__(self) -> None:
        self._known: dict[str, Technologies] = {}
        self._unable: dict[str, frozenset[str]] = {}

    def update(self, code: str, rows: Iterable[Extension], kept: Collection[str] = ()) -> None:
        """Store a tenant's list. An extension in ``kept`` that is missing from it keeps its technology."""
        listed = {row.number: row.technology for row in rows}
        before = self.of(code)
        known = {number: before[number] for number in kept if number in before and number not in listed}
        known |= {sys.intern(number): technology for number, technology in listed.items() if technology}
        self._known[code] = known
        self._unable[code] = frozenset(
            number for number, technology in known.items() if not technology.can_register
        )

    def keep_tenants(self, codes: Collection[str]) -> None:
        """Drop all other tenants."""
        for by_tenant in (self._known, self._unable):
            for code in by_tenant.keys() - codes:
                del by_tenant[code]

    def of(self, code: str) -> Technologies:
        """Return the known technologies of a tenant's extensions."""
        return self._known.get(code, {})

    def unable(self, code: str) -> frozenset[str]:
        """Return the extensions of a tenant that cannot register."""
        return self._unable.get(code, frozenset())

    def count_unable(self, code: str, among: Collection[str] | None = None) -> int | None:
        """Return how many extensions of a tenant, or how many of those in ``among``, cannot register.

        Returns None if no technology is known.
        """
        if not self.of(code):
            return None
        unable = self.unable(code)
        return len(unable if among is None else unable.intersection(among))
