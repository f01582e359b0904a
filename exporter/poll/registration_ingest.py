"""Stores the registrations of one switch, from lists or from one request per extension."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from exporter.metrics import catalogue
from exporter.model import (
    Answer,
    Devices,
    Extensions,
    Failure,
    Peers,
    Query,
    Reason,
    Registration,
    RegistrationSource,
    RegistrationState,
    Scope,
    Target,
    names_all,
)
from exporter.poll.context import Recorder, SwitchContext
from exporter.poll.discovery import PartDiscovery, TenantDiscovery
from exporter.poll.memory import SeenPeers
from exporter.poll.requests import Item
from exporter.poll.states import (
    Registrations,
    codes_by_ending,
    registration_families,
    states_by_tenant,
    states_in_list,
    states_of_peers,
)
from exporter.queries.device_states import count_states
from exporter.queries.registrations import SPEC
from exporter.request import Operation
from exporter.slices import slices

_MOST_EXTENSIONS = 300_000
"""Per switch; the largest supported installation has 250,000."""

_BATCH = 20
"""Tenants to store before yielding to the event loop. Storing them takes about 2 ms."""


class RegistrationIngester:
    """Stores the registrations of one switch, and which extensions it lists.

    ``tenants`` has the names of its tenants.
    """

    def __init__(self, context: SwitchContext, recorder: Recorder, tenants: TenantDiscovery) -> None:
        self._context = context
        self._store = context.store
        self._targets = context.targets
        self._recorder = recorder
        self._tenants = tenants
        self.seen_peers = SeenPeers()
        self._extensions = PartDiscovery("extensions", most=_MOST_EXTENSIONS)
        self._registrations: defaultdict[str, Registrations] = defaultdict(Registrations)
        self._pointless: dict[str, frozenset[str]] = {}
        self._endings: tuple[object, object, Mapping[str, str]] = (None, None, {})

    def drop_tenants(self, codes: Collection[str]) -> None:
        """Drop tenants that are no longer polled."""
        self._extensions.drop_tenants(codes)
        self.seen_peers.drop_tenants(codes)
        for code in codes:
            self._registrations.pop(code, None)
            self._pointless.pop(code, None)

    def trust_next_lists(self) -> None:
        """Accept the next list of each tenant whose list is in doubt now."""
        self._extensions.trust_next()

    async def ingest(self, item: Item, outcome: Answer | Failure) -> None:
        """Store the outcome of a request for registrations, for one extension or for a list of them."""
        target = item.target
        if item.part:
            self._ingest_extension(item, outcome)
            return
        failure = outcome if isinstance(outcome, Failure) else None
        if isinstance(outcome, Extensions | Peers):
            failure = self._empty_list(target, outcome)
            if failure:
                self._recorder.count_empty(target)
            else:
                failure = await self._ingest_list(item, outcome)
            if failure:
                self._recorder.count_failure(target, failure)
        if self._targets.is_polled(target):  # a reload may have removed it meanwhile
            self._recorder.record(target, failure)

    async def ingest_extensions(self, item: Item, outcome: Answer | Failure) -> None:
        """Store which extensions a tenant has."""
        target, failure = item.target, outcome if isinstance(outcome, Failure) else None
        if isinstance(outcome, Extensions):
            numbers = [row.number for row in outcome.rows]
            failure = self._extensions.accept(target.tenant, numbers, is_complete=names_all(outcome))
            if failure is None:
                self._set_discovered(target.tenant, outcome)
            else:
                self._recorder.count_failure(target, failure)
        self._recorder.record(target, failure)

    def _set_discovered(self, code: str, listed: Extensions) -> None:
        target = Target(Query.REGISTRATIONS, Scope.TENANT, code)
        self._targets.set_discovered_parts(target, self._extensions.names(code), listed.rows)
        source = self._context.configuration.queries.options(SPEC).source
        if source is RegistrationSource.REGSTATE and not self._targets.parts(target):
            self._put_unable(target)
        self._log_watched(code)

    def _put_unable(self, target: Target) -> None:
        """Store the counts of a tenant whose extensions all cannot register, so that none is requested."""
        unable = self._targets.technologies.count_unable(target.tenant)
        if not unable:
            self._store.remove(target)
            return
        listing = Target(Query.EXTENSIONS, Scope.TENANT, target.tenant)
        self._store.put(
            target,
            registration_families({}, unable),
            interval=self._targets.planned_interval(listing),
            now=self._context.clock.elapsed(),
            job=(listing.query, listing.scope),
        )

    def _log_watched(self, code: str) -> None:
        """Log once each watched extension that cannot register: it never triggers an alert."""
        pointless = self._targets.technologies.unable(code).intersection(self._targets.tenants[code].watch)
        for number in sorted(pointless.difference(self._pointless.get(code, ()))):
            self._context.log.warning("watched extension cannot register", tenant=code, extension=number)
        self._pointless[code] = pointless

    def _empty_list(self, target: Target, listed: Extensions | Peers) -> Failure | None:
        """Return a failure for an empty list, so that known registrations are kept.

        An empty list is valid only for a tenant without configured extensions: an installation always has
        peers.
        """
        has_phones = isinstance(listed, Peers) or self._targets.tenants[target.tenant].polled
        if listed.rows or not has_phones:
            return None
        return Failure(Reason.EMPTY, "the list is empty; known states stay until they are stale")

    async def _ingest_list(self, item: Item, listed: Extensions | Peers) -> Failure | None:
        """Store the states in a list; return a failure if too many extensions are missing from it."""
        if isinstance(listed, Peers):
            await self._ingest_peers(item, listed)
            return None
        if not isinstance(listed, Devices):
            self._targets.technologies.update(item.target.tenant, listed.rows)
            self._log_watched(item.target.tenant)
        return self._ingest_states(item.target, listed)

    def _ingest_states(self, target: Target, listed: Extensions) -> Failure | None:
        tenant, technologies = self._targets.tenants[target.tenant], self._targets.technologies
        wanted = self._wanted(target, listed)
        if wanted == ():  # the list of extensions, which identifies the phones, has not arrived yet
            self._store.remove(target)
            return None
        states, failure = states_in_list(listed, wanted)
        unable = technologies.unable(tenant.code)
        for watched in tenant.watch:
            states.setdefault(watched, Registration.UNKNOWN)
        states = {number: state for number, state in states.items() if number not in unable}
        among = None if tenant.extensions == "all" else tenant.polled
        families = registration_families(states, technologies.count_unable(tenant.code, among))
        if isinstance(listed, Devices):
            counted = [row for row in listed.rows if row.number in states or row.number in unable]
            families = {**families, catalogue.TENANT_DEVICES: count_states(counted)}
        self._recorder.put(target, families)
        return failure

    def _wanted(self, target: Target, listed: Extensions) -> Sequence[str] | None:
        """Return the extensions to read from a list; None for all.

        BLFS may list more than phones: 518 records of one tenant were seen (wire notes 2026-10).
        """
        tenant = self._targets.tenants[target.tenant]
        if tenant.extensions != "all":
            return tenant.polled
        has_other_list = self._targets.polls(Query.EXTENSIONS, tenant)
        return self._targets.parts(target) if isinstance(listed, Devices) and has_other_list else None

    async def _ingest_peers(self, item: Item, listed: Peers) -> None:
        target = item.target
        codes = [target.tenant] if target.tenant else list(self._targets.tenants)
        self.seen_peers.start(_origin(item.request.operation, self._context.configuration.url))
        found = await self._context.decode_in_thread(
            partial(states_by_tenant, listed, self._codes_by_ending())
        )
        async for some in slices(codes, _BATCH):
            for code in some:
                if code in self._targets.tenants and self._targets.is_polled(target):
                    self.seen_peers.add(code, found.get(code, {}))
                    self._put_peers_of(item, code, found.get(code, {}), is_complete=names_all(listed))

    def _codes_by_ending(self) -> Mapping[str, str]:
        """Return ``codes_by_ending`` of all tenants, cached until the tenants or their names change."""
        tenants, names = self._targets.tenants, self._tenants.names
        if self._endings[0] is not tenants or self._endings[1] is not names:
            self._endings = tenants, names, codes_by_ending(tenants, names)
        return self._endings[2]

    def _put_peers_of(
        self, item: Item, code: str, found: Mapping[str, Registration], *, is_complete: bool
    ) -> None:
        """Store the states of one tenant from its peers, which may come from a list of all tenants."""
        target, technologies = Target(Query.REGISTRATIONS, Scope.TENANT, code), self._targets.technologies
        extensions = self._targets.parts(target)
        if not extensions and not technologies.unable(code):
            self._store.remove(target)
            return
        has_pjsip = item.request.operation is Operation.TENANT_PEERS
        is_expected = self.seen_peers.expects(code, technologies.of(code), has_pjsip=has_pjsip)
        states = states_of_peers(found, extensions, lambda number: is_complete and is_expected(number))
        self._store.put(
            target,
            registration_families(states, technologies.count_unable(code)),
            interval=self._targets.planned_interval(item.target),
            now=self._context.clock.elapsed(),
            job=(item.target.query, item.target.scope),
        )

    def _ingest_extension(self, item: Item, outcome: Answer | Failure) -> None:
        if not isinstance(outcome, RegistrationState | Failure):
            raise TypeError(f"expected a registration state, got {type(outcome).__name__}")
        target, now = item.target, self._context.clock.elapsed()
        registrations = self._registrations[target.tenant]
        registrations.set_parts(self._targets.parts(target))
        state = outcome if isinstance(outcome, Failure) else outcome.state
        registrations.record(item.part, state, now)
        if isinstance(outcome, RegistrationState):
            job, interval = (target.query, target.scope), self._targets.planned_interval(target)
            oldest = self._store.oldest(job, interval, now)
            not_applicable = self._targets.technologies.count_unable(target.tenant)
            self._recorder.put(target, registrations.families(not_applicable, oldest=oldest))
        if verdict := registrations.verdict():
            self._recorder.record(target, verdict if isinstance(verdict, Failure) else None)


def _origin(operation: Operation, url: str) -> str:
    """Return what identifies a kind of list of a switch, without its URL."""
    return hashlib.sha256(f"{operation.name} {url}".encode()).hexdigest()
