"""Stores the trunks of one switch, from one list for all tenants or from one list per tenant."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from exporter.metrics import catalogue
from exporter.model import Answer, Failure, Query, Reason, Registration, Scope, Target
from exporter.poll.context import Recorder, SwitchContext
from exporter.poll.discovery import TenantDiscovery
from exporter.poll.requests import Item
from exporter.queries.trunks import Trunk, Trunks
from exporter.slices import slices
from exporter.storage.inventory import TrunkStates
from exporter.store import Families

_BATCH = 20
"""Tenants that are stored between two yields to the event loop."""

_WORST_FIRST = (Registration.UNREGISTERED, Registration.UNKNOWN, Registration.REGISTERED)


class TrunkIngester:
    """Stores the trunks of one switch."""

    def __init__(self, context: SwitchContext, recorder: Recorder, discovery: TenantDiscovery) -> None:
        self._context = context
        self._store = context.store
        self._targets = context.targets
        self._recorder = recorder
        self._discovery = discovery
        self._with_trunks: set[str] = set()

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._with_trunks.difference_update(codes)

    async def ingest(self, item: Item, outcome: Answer | Failure) -> None:
        """Store the outcome of a request for a list of trunks."""
        target, failure = item.target, outcome if isinstance(outcome, Failure) else None
        if isinstance(outcome, Trunks):
            failure = self._empty_list(target, outcome)
            if failure:
                self._recorder.count_empty(target)
                self._recorder.count_failure(target, failure)
            elif target.tenant:
                self._put_own(target, outcome.rows)
            else:
                await self._put_all(target, outcome.rows)
        if self._targets.is_polled(target):  # a reload may have removed it meanwhile
            self._recorder.record(target, failure)

    def _empty_list(self, target: Target, listed: Trunks) -> Failure | None:
        """Return a failure for an empty list, except for a tenant without known trunks.

        The list is also empty if the key lacks a permission, and that must not resolve an alert.
        """
        if listed.rows or (target.tenant and not self._store.values(catalogue.TRUNKS, target.tenant)):
            return None
        return Failure(Reason.EMPTY, "the list is empty; known states stay until they are stale")

    def _put_own(self, target: Target, rows: Sequence[Trunk]) -> None:
        """Store a tenant's own list, without the trunks of other polled tenants."""
        tenant_of = self._tenant_finder()
        own = [row for row in rows if tenant_of(row.tenant) in {"", target.tenant}]
        self._note({target.tenant: _registered(own)})
        self._recorder.put(target, trunk_families(own) if own else {})

    def _tenant_finder(self) -> Callable[[str], str]:
        return tenant_finder(self._targets.tenants, self._discovery.names, self._discovery.ids)

    async def _put_all(self, target: Target, rows: Sequence[Trunk]) -> None:
        """Store the trunks of the installation, and those of each tenant without a list of its own."""
        tenant_of = self._tenant_finder()
        by_tenant: dict[str, list[Trunk]] = defaultdict(list)
        for row in rows:
            by_tenant[tenant_of(row.tenant)].append(row)
        of_all = by_tenant.pop("", [])
        self._recorder.put(target, trunk_families(of_all))
        had = self._with_trunks | self._context.inventory.with_trunks
        gone, self._with_trunks = had - by_tenant.keys(), set(by_tenant)
        listed = {"": _registered(of_all)}
        async for codes in slices([*gone, *by_tenant], _BATCH):
            for code in codes if self._targets.is_polled(target) else ():
                of_tenant = by_tenant.get(code, ())
                if self._put_of_tenant(target, code, of_tenant):
                    listed[code] = _registered(of_tenant)
        if self._targets.is_polled(target):
            self._note(listed)

    def _note(self, listed: Mapping[str, TrunkStates]) -> None:
        """Add changes to the timeline, but not before the first list of tenants: no trunk has one yet."""
        if self._discovery.names or not self._context.configuration.discover_tenants.enabled:
            self._context.inventory.trunks(listed)

    def _put_of_tenant(self, polled: Target, code: str, rows: Sequence[Trunk]) -> bool:
        """Store the trunks of a tenant; return False, and store nothing, if they are not in this list."""
        target = Target(Query.TRUNKS, Scope.TENANT, code)
        if code not in self._targets.tenants or self._targets.is_polled(target):
            return False
        if not rows:
            self._store.remove(target)
            return True
        self._store.put(
            target,
            trunk_families(rows),
            interval=self._targets.planned_interval(polled),
            now=self._context.clock.elapsed(),
            job=(polled.query, polled.scope),
        )
        return True


def tenant_finder(codes: Iterable[str], *others: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that maps the tenant in a row to the code of a polled tenant; "" for none.

    ``others``: the names, or the ids, of the discovered tenants, by code. Codes take precedence. A name or an
    id that several tenants share matches none of them.
    """
    polled = set(codes)
    found: dict[str, str] = {}
    for each in others:
        times = Counter(each.values())
        for code, written in each.items():
            if code in polled and written and times[written] == 1:
                found.setdefault(written, code)
    found.update(zip(polled, polled, strict=True))
    return lambda written: found.get(written, "")


def trunk_families(rows: Iterable[Trunk]) -> Families:
    """Return the values of the trunks of one tenant, or of the installation."""
    rows = tuple(rows)
    counted = Counter(row.state for row in rows)
    return {
        catalogue.TRUNKS: {state.value: float(counted[state]) for state in _WORST_FIRST},
        catalogue.TRUNK_REGISTERED: {
            name: float(state is Registration.REGISTERED)
            for name, state in _worst_states(rows).items()
            if state is not Registration.UNKNOWN
        },
    }


def _worst_states(rows: Sequence[Trunk]) -> dict[str, Registration]:
    """Return the state of each trunk by its label: the worst of those that share it."""
    found: dict[str, set[Registration]] = defaultdict(set)
    for name, state in _named(rows):
        found[name].add(state)
    return {name: next(state for state in _WORST_FIRST if state in states) for name, states in found.items()}


def _registered(rows: Sequence[Trunk]) -> TrunkStates:
    """Return whether each trunk is registered, None if unknown."""
    return {
        name: None if state is Registration.UNKNOWN else state is Registration.REGISTERED
        for name, state in _worst_states(rows).items()
    }


def _named(rows: Sequence[Trunk]) -> Iterator[tuple[str, Registration]]:
    """Yield the label and state of each trunk. The labels of trunks that share a name include the id."""
    times = Counter(row.name for row in rows)
    for row in rows:
        yield (f"{row.name} ({row.id})" if times[row.name] > 1 and row.id else row.name), row.state
