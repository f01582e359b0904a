"""The tenants, nodes, extensions and queues of a switch, from its own lists. Pure: no clock, no network."""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from exporter.config import SwitchConfiguration
from exporter.model import Extension, Failure, Reason, Technology, Tenants, names_all


class TenantDiscovery:
    """The tenants of one switch, and their names."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """The name of each accepted tenant, disabled ones included, by code."""
        self.ids: dict[str, str] = {}
        """The id of each, "" if unknown."""
        self._guard = ListGuard()
        self._disabled: frozenset[str] = frozenset()

    def accept(self, listed: Tenants, today: date) -> Failure | None:
        """Store a list as of ``today``; return a failure, and change nothing, if the list is in doubt."""
        rows = {row.code: row for row in listed.rows}
        if not self._guard.accept(rows.keys(), is_complete=names_all(listed)):
            return _doubt(len(rows), len(self._guard.names))
        missing = self._guard.names - rows.keys()  # in one list only, so they keep their state
        disabled = {code: row.is_disabled(today) for code, row in rows.items()}
        unclear = {code for code, state in disabled.items() if state is None}
        still_disabled = self._disabled & (missing | unclear) | (unclear - self.names.keys())
        self._disabled = still_disabled | {code for code, state in disabled.items() if state}
        self.names = {
            code: rows[code].name if code in rows else self.names.get(code, "") for code in self._guard.names
        }
        self.ids = {
            code: rows[code].id if code in rows else self.ids.get(code, "") for code in self._guard.names
        }
        return None

    def selected(self, configuration: SwitchConfiguration) -> list[str]:
        """Return the sorted codes that the configuration includes; its patterns match whole codes."""
        discover = configuration.discover_tenants
        if not discover.enabled:
            return []
        return sorted(
            code
            for code in self._guard.names - self._disabled
            if any(pattern.matches_whole(code) for pattern in discover.include)
            and not any(pattern.matches_whole(code) for pattern in discover.exclude)
        )

    @property
    def is_in_doubt(self) -> bool:
        """Whether the newest list was rejected."""
        return self._guard.is_in_doubt

    def trust_next(self) -> None:
        """Accept the next list if one is in doubt now, because the operator reloaded."""
        self._guard.trust_next()


def _doubt(listed: int, known: int) -> Failure:
    if not listed:
        return Failure(Reason.EMPTY, "the list of tenants is empty; keeping the known tenants")
    return Failure(
        Reason.DECODE,
        f"the list has lost more than half of {known} tenants, {listed} are left; keeping the known tenants "
        "until the same list arrives three times in a row or the configuration is reloaded",
    )


class PartDiscovery:
    """The discovered parts of each tenant of one switch: extensions or queues, at most ``most``."""

    def __init__(self, noun: str, *, most: int) -> None:
        self._noun = noun
        self._most = most
        self._guards: defaultdict[str, ListGuard] = defaultdict(ListGuard)

    def accept(self, tenant: str, listed: Collection[str], *, is_complete: bool) -> Failure | None:
        """Store the list of a tenant; return a failure, and change nothing, if the list is in doubt."""
        guard = self._guards[tenant]
        of_others = sum(len(other.names) for other in self._guards.values()) - len(guard.names)
        if of_others + len(listed) > self._most:
            return Failure(Reason.TOO_LARGE, f"the switch lists more than {self._most:,} {self._noun}")
        if guard.accept(listed, is_complete=is_complete):
            return None
        reason = Reason.DECODE if listed else Reason.EMPTY
        return Failure(reason, f"the list has {len(listed)} of {len(guard.names)} known {self._noun}")

    def names(self, tenant: str) -> Collection[str]:
        """Return the accepted parts of a tenant."""
        return self._guards[tenant].names

    def trust_next(self) -> None:
        """Accept the next list of each tenant whose list is in doubt now."""
        for guard in self._guards.values():
            guard.trust_next()

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        for code in codes:
            self._guards.pop(code, None)


_REPETITIONS = 3


class ListGuard:
    """The accepted names of a list that is requested again and again.

    A list that is suddenly short is more often a fault of the switch than the truth, and acting on it would
    silence the alerts of all that are missing.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._missing: frozenset[str] = frozenset()
        self._doubtful: frozenset[str] = frozenset()
        self._times = 0  # how many times in a row the doubtful list arrived
        self._trusts_next = False

    def accept(self, listed: Collection[str], *, is_complete: bool = True) -> bool:
        """Update the names; return False, and change nothing, if the list is in doubt.

        An empty list, or one that has lost more than half of the names, is in doubt until the same list comes
        for the third time. A name that is missing from two accepted lists in a row is dropped. A list that is
        not complete, because a name in it could not be read, adds names and drops none.
        """
        new = frozenset(listed)
        lost = len(self.names - new)
        if not new or 2 * lost > len(self.names):
            self._times = self._times + 1 if new == self._doubtful else 1
            self._doubtful = new
            if self._times < _REPETITIONS and not self._trusts_next:
                self._missing -= new  # a listed name exists, whatever else is missing
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
        """Whether the newest list was rejected."""
        return self._times > 0

    def trust_next(self) -> None:
        """Accept the next list if one is in doubt now, because the operator reloaded.

        A reload at any other time must not affect a list that may come hours later.
        """
        self._trusts_next = self.is_in_doubt


_KEPT_FOR = 24 * 3600.0

_MOST_NODES = 2_000
"""Twice as many as a response may have. A switch that renamed its nodes in each response caused 620,049
series (seen 2026-11)."""


class NodePresence:
    """The nodes of a switch: the configured ones, and those seen within 24 hours."""

    def __init__(self) -> None:
        self._configured: tuple[str, ...] = ()
        self._seen: dict[str, float] = {}
        self._present: list[str] | None = None
        self._missing: set[str] = set()
        self._nameless = 0

    def configure(self, nodes: Iterable[str]) -> None:
        """Expect these nodes, seen or not."""
        self._configured = tuple(nodes)

    @property
    def known(self) -> list[str]:
        """Every configured or seen node, in the order in which they became known."""
        return list(dict.fromkeys((*self._configured, *self._seen)))

    @property
    def present(self) -> list[str]:
        """The nodes of the last response; before the first one, the configured nodes."""
        return list(self._configured) if self._present is None else self._present

    def remembered(self, now: float) -> list[tuple[str, float, bool]]:
        """Return each seen node, how long ago it was seen, and whether it was missing then."""
        return [(node, max(0.0, now - at), node in self._missing) for node, at in self._seen.items()]

    def restore(self, node: str, seen: float, *, is_missing: bool) -> None:
        """Restore a node of the previous run. Call this before the first response."""
        self._seen[node] = seen
        if is_missing:
            self._missing.add(node)

    def update(self, nodes: Iterable[str], now: float, *, nameless: int = 0) -> dict[str, float]:
        """Store the nodes of a response; return 1 for each present node and 0 for each missing one.

        ``now`` is seconds; ``nameless`` is the number of nodes whose name could not be read. A node that may
        be one of these is left out, because it is unknown whether it is missing. A missing node is dropped
        after a day, or earlier if very many others were seen since.
        """
        before = set(self.present)
        present = set(nodes)
        gone = [node for node in self.known if node not in present]
        if nameless:
            # If as many names were unreadable before, they do not belong to nodes that vanished since.
            vanished = before if self._present is not None and nameless <= self._nameless else set()
            gone = [node for node in gone if node in self._missing or node in vanished]
        self._missing, self._nameless = set(gone), nameless
        self._present = sorted(present)
        for node in self._present:
            self._seen.pop(node, None)  # the newest comes last
            self._seen[node] = now
        recent = [(node, at) for node, at in self._seen.items() if now - at <= _KEPT_FOR]
        self._seen = dict(recent[-_MOST_NODES:])
        states = dict.fromkeys(gone, 0.0) | dict.fromkeys(present, 1.0)
        return {node: states[node] for node in self.known if node in states}


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
