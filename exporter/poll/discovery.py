"""Which tenants, extensions and nodes a switch has, from its own lists. Pure: no clock, no network."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from exporter.config import SwitchConfiguration
from exporter.model import Extensions, Failure, Reason, Tenants, names_all


class TenantDiscovery:
    """The tenants that were found on one switch, and what they are called."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """The name of each tenant that is believed to be there, disabled ones too, by code."""
        self._guard = ListGuard()
        self._disabled: frozenset[str] = frozenset()

    def accept(self, listed: Tenants) -> Failure | None:
        """Take in a list; return why it is not believed, and then nothing changes."""
        rows = {row.code: row for row in listed.rows}
        if not self._guard.accept(rows.keys(), is_complete=names_all(listed)):
            return _doubt(len(rows), len(self._guard.names))
        missing = self._guard.names - rows.keys()  # for the first time: of these, what was known holds on
        unclear = {code for code, row in rows.items() if row.disabled is None}
        held = self._disabled & (missing | unclear) | (unclear - self.names.keys())
        self._disabled = held | {code for code, row in rows.items() if row.disabled}
        self.names = {
            code: rows[code].name if code in rows else self.names.get(code, "") for code in self._guard.names
        }
        return None

    def wanted(self, configuration: SwitchConfiguration) -> list[str]:
        """Return the codes that the configuration wants polled, sorted. Its patterns match whole codes."""
        discover = configuration.discover_tenants
        if not discover.enabled:
            return []
        there = self._guard.names - self._disabled
        included = {code for pattern in discover.include for code in there if pattern.matches_whole(code)}
        excluded = {code for pattern in discover.exclude for code in included if pattern.matches_whole(code)}
        return sorted(included - excluded)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the newest list was not believed."""
        return self._guard.is_in_doubt

    def trust_next(self) -> None:
        """Accept the next list if one is in doubt now: the operator reloaded the configuration."""
        self._guard.trust_next()


def _doubt(listed: int, known: int) -> Failure:
    if not listed:
        return Failure(Reason.EMPTY, "the list of tenants is empty; the tenants known so far stay")
    return Failure(
        Reason.DECODE,
        f"the list has lost more than half of {known} tenants, {listed} are left; none is dropped unless the "
        "list comes three times alike or the configuration is reloaded",
    )


_MOST_EXTENSIONS = 300_000
"""Discovered on one switch; the largest installation that this is built for has 250,000."""


class ExtensionDiscovery:
    """The extensions that were found of each tenant of one switch."""

    def __init__(self) -> None:
        self._guards: defaultdict[str, ListGuard] = defaultdict(ListGuard)

    def accept(self, tenant: str, listed: Extensions) -> Failure | None:
        """Take in the list of a tenant; return why it is not believed, and then nothing changes."""
        guard = self._guards[tenant]
        of_others = sum(len(other.names) for other in self._guards.values()) - len(guard.names)
        if of_others + len(listed.rows) > _MOST_EXTENSIONS:
            return Failure(Reason.TOO_LARGE, f"the switch lists more than {_MOST_EXTENSIONS:,} extensions")
        if guard.accept([row.number for row in listed.rows], is_complete=names_all(listed)):
            return None
        reason = Reason.DECODE if listed.rows else Reason.EMPTY
        return Failure(reason, f"the list has {len(listed.rows)} of {len(guard.names)} known extensions")

    def names(self, tenant: str) -> Collection[str]:
        """Return the extensions that a tenant is believed to have."""
        return self._guards[tenant].names

    def trust_next(self) -> None:
        """Accept the next list of each tenant whose list is in doubt now."""
        for guard in self._guards.values():
            guard.trust_next()

    def forget(self, tenants: Collection[str]) -> None:
        """Forget tenants that left."""
        for tenant in tenants:
            self._guards.pop(tenant, None)


_ALIKE = 3


class ListGuard:
    """The names that are believed, after each list that came.

    A list that is suddenly short is more often a fault of the switch than the truth, and acting on it would
    silence the alerts of all that are missing.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._missing: frozenset[str] = frozenset()
        self._doubtful: frozenset[str] = frozenset()
        self._times = 0  # in a row that the doubtful list came
        self._trusts_next = False

    def accept(self, listed: Collection[str], *, is_complete: bool = True) -> bool:
        """Take in a list; return False where it is not believed, and then nothing changes.

        It is not believed when it is empty or has lost more than half of the names, unless it comes for the
        third time alike. A name that is missing from two believed lists in a row is dropped. A list that is
        not complete, because a name in it could not be read, adds names and proves none to be missing.
        """
        new = frozenset(listed)
        lost = len(self.names - new)
        if not new or 2 * lost > len(self.names):
            self._times = self._times + 1 if new == self._doubtful else 1
            self._doubtful = new
            if self._times < _ALIKE and not self._trusts_next:
                self._missing -= new  # who is listed is there, whoever else is not
                return False
            self.names = new
            missing: frozenset[str] = frozenset()
        elif not is_complete:
            missing = self._missing - new
            self.names |= new
        else:
            missing = self.names - new
            self.names = (self.names | new) - (missing & self._missing)
        self._missing = missing
        self._times = 0
        self._trusts_next = False
        return True

    @property
    def is_in_doubt(self) -> bool:
        """Whether the newest list was not believed."""
        return self._times > 0

    def trust_next(self) -> None:
        """Accept the next list if one is in doubt now: the operator reloaded the configuration.

        At any other time a reload says nothing about a list that may come hours later.
        """
        self._trusts_next = self.is_in_doubt


_REMEMBERED = 24 * 3600.0

_MOST = 2_000
"""Nodes: twice as many as an answer may have. A switch that renames its nodes with each answer came to
620,049 series (seen 2026-11)."""


class NodePresence:
    """Remembers the nodes of a switch: those of the configuration, and those seen within 24 hours."""

    def __init__(self) -> None:
        self._configured: tuple[str, ...] = ()
        self._seen: dict[str, float] = {}
        self._present: list[str] | None = None
        self._missing: set[str] = set()
        self._nameless = 0

    def configure(self, nodes: Iterable[str]) -> None:
        """Expect these nodes, whether they were seen or not."""
        self._configured = tuple(nodes)

    @property
    def known(self) -> list[str]:
        """Every node that is configured or was seen, in the order they became known."""
        return list(dict.fromkeys((*self._configured, *self._seen)))

    @property
    def present(self) -> list[str]:
        """The nodes of the last answer; before the first one those of the configuration."""
        return list(self._configured) if self._present is None else self._present

    def update(self, nodes: Iterable[str], now: float, *, nameless: int = 0) -> dict[str, float]:
        """Take in the nodes of an answer; return 1 for each known node that is there, 0 if it is missing.

        ``now`` is seconds; ``nameless`` is how many nodes of the answer had a name that could not be read. A
        node that may be one of those is left out, since it is not known to be missing. A node that left for
        good is forgotten a day after it was last seen, and sooner where there were very many others since.
        """
        before = set(self.present)
        present = set(nodes)
        gone = [node for node in self.known if node not in present]
        if nameless:
            # A name that could not be read before either does not hide a node that has vanished since.
            vanished = before if self._present is not None and nameless <= self._nameless else set()
            gone = [node for node in gone if node in self._missing or node in vanished]
        self._missing, self._nameless = set(gone), nameless
        self._present = sorted(present)
        for node in self._present:
            self._seen.pop(node, None)  # what was seen last stands last
            self._seen[node] = now
        recent = [(node, at) for node, at in self._seen.items() if now - at <= _REMEMBERED]
        self._seen = dict(recent[-_MOST:])
        states = dict.fromkeys(gone, 0.0) | dict.fromkeys(present, 1.0)
        return {node: states[node] for node in self.known if node in states}
