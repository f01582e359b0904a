"""The nodes, trunks and tenants of a switch. Each change is added to the timeline. Pure.

The first list after a start is compared with the last list of the previous run. If that was not kept, only
missing nodes and unregistered trunks become entries. What a response does not mention stays unchanged.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from exporter.storage.timeline import Kind, Timeline
from exporter.storage.values import label, text

_MOST_NODES = 2_000

Json = dict[str, Any]
TrunkStates = Mapping[str, bool | None]
"""The trunks of one tenant: True if registered, False if not, None if unknown."""

_Trunk = tuple[str, str]
"""The code of the tenant, "" for the installation, and the name of the trunk."""


class Inventory:
    """What one switch has. ``version`` increases with each change."""

    def __init__(self, switch: str, timeline: Timeline) -> None:
        self.version = 0
        self._switch = switch
        self._timeline = timeline
        self._nodes: dict[str, bool] | None = None
        self._trunks: dict[str, dict[str, bool | None]] = {}
        self._tenants: frozenset[str] | None = None

    def nodes(self, states: Mapping[str, float]) -> None:
        """Compare the nodes of a response: 1 for a present node, 0 for a missing one."""
        before, found = self._nodes, {node: bool(state) for node, state in states.items()}
        known = before or {}
        if before is not None:
            self._add(
                Kind.NODE_NEW, "new node", (node for node in found if found[node] and node not in known)
            )
        missing = [node for node, there in found.items() if not there and known.get(node, True)]
        self._add(Kind.NODE_MISSING, "node missing", missing)
        back = [node for node, there in found.items() if there and known.get(node) is False]
        self._add(Kind.NODE_BACK, "node back", back)
        # A present node may be left out because its entry was unreadable: keep it. A missing node is left out
        # after a day: forget it.
        left_out = {node: True for node, there in known.items() if there and node not in found}
        self._nodes = dict([*left_out.items(), *found.items()][-_MOST_NODES:])
        self.version += self._nodes != before

    def trunks(self, listed: Mapping[str, TrunkStates]) -> None:
        """Compare the trunks in a response with those before. ``listed`` has one tenant, or all of them.

        The code "" is the installation. A trunk that moved to another tenant is neither new nor gone.
        """
        is_first = "" not in self._trunks and not any(tenant in self._trunks for tenant in listed)
        known = _by_trunk({tenant: self._trunks.get(tenant, {}) for tenant in listed})
        states = _by_trunk(listed)
        moved = {trunk: (tenant, trunk) for tenant, trunk in known if (tenant, trunk) not in states}
        for key in [key for key in states if key not in known and key[1] in moved]:
            known[key] = known.pop(moved.pop(key[1]))
        found = {key: known.get(key) if state is None else state for key, state in states.items()}
        if not is_first:
            new = (key for key, state in found.items() if key not in known and state is not False)
            self._add(Kind.TRUNK_NEW, "new trunk", map(_label, new))
            gone = (key for key in known if key not in found)
            self._add(Kind.TRUNK_GONE, "trunk no longer listed", map(_label, gone))
        down = (key for key, state in found.items() if state is False and known.get(key) is not False)
        self._add(Kind.TRUNK_DOWN, "trunk not registered", map(_label, down))
        up = (key for key, state in found.items() if state and known.get(key) is False)
        self._add(Kind.TRUNK_UP, "trunk registered again", map(_label, up))
        self._keep(listed, found)

    def _keep(self, tenants: Iterable[str], found: Mapping[_Trunk, bool | None]) -> None:
        kept: dict[str, dict[str, bool | None]] = {tenant: {} for tenant in tenants}
        for (tenant, trunk), state in found.items():
            kept[tenant][trunk] = state
        if any(self._trunks.get(tenant) != states for tenant, states in kept.items()):
            self._trunks |= kept
            self.version += 1

    def tenants(self, codes: Collection[str]) -> None:
        """Compare the polled tenants with those before."""
        before, found = self._tenants, frozenset(codes)
        if found == before:
            return
        if before is not None:
            self._add(Kind.TENANT_NEW, "new tenant", sorted(found - before))
            self._add(Kind.TENANT_GONE, "tenant gone", sorted(before - found))
        for code in [code for code in self._trunks if code and code not in found]:
            del self._trunks[code]
        self._tenants = found
        self.version += 1

    @property
    def with_trunks(self) -> set[str]:
        """The tenants whose newest list has trunks."""
        return {tenant for tenant, states in self._trunks.items() if tenant and states}

    def rows(self) -> Iterator[Json]:
        """Yield the parts to write to the file."""
        if self._nodes is not None:
            yield {"nodes": self._nodes}
        if self._tenants is not None:
            yield {"tenants": sorted(self._tenants)}
        for tenant, states in [each for each in self._trunks.items() if each[1] or not each[0]]:
            yield {"trunks": states, "of": tenant}

    def restore(self, part: Mapping[str, Any]) -> None:
        """Restore one part of the file.

        Raises one of ``INVALID`` if it is invalid.
        """
        if "nodes" in part:
            self._nodes = {label(node): bool(_state(there)) for node, there in part["nodes"].items()}
        elif "tenants" in part:
            self._tenants = frozenset(map(text, part["tenants"]))
        elif "trunks" in part:
            states = {text(trunk): _state(state) for trunk, state in part["trunks"].items()}
            self._trunks[text(part["of"])] = states

    def _add(self, kind: Kind, what: str, names: Iterable[str]) -> None:
        if found := list(names):
            self._timeline.add(kind, what, switch=self._switch, names=found)


def _by_trunk(listed: Mapping[str, TrunkStates]) -> dict[_Trunk, bool | None]:
    return {(tenant, trunk): state for tenant, states in listed.items() for trunk, state in states.items()}


def _label(key: _Trunk) -> str:
    tenant, trunk = key
    return f"{trunk} of {tenant}" if tenant else trunk


def _state(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError("expected true, false or null")
