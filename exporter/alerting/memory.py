"""What is remembered of one switch: its newest values, and those that went a while ago and still count.

The windows are those of ``alerts/softswitch.rules.yaml``. What the rules record there is worked out here from
what the store holds, once for each evaluation. Times are moments: see ``engine``.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from exporter import catalogue
from exporter.alerting.attempts import Attempts
from exporter.alerting.held import Held
from exporter.alerting.history import History
from exporter.alerting.look import Look
from exporter.catalogue import Metric
from exporter.model import Query, Registration, Scope
from exporter.store import Store, Values

_MINUTE = 60.0
_HOUR = 3600.0
_SETTLED_AFTER = 20 * _MINUTE
_SETTLED_SINCE = 15 * _MINUTE
_AVERAGED = 5 * _MINUTE
_AT_A_TIME = 500
"""Tenants that are read before others have a turn: each is a line or three, of 0.6 µs."""

_WATCHED_AT_A_TIME = 50
"""Their tenants may have 50 extensions each, all of which are read for one."""


@dataclass(frozen=True, slots=True)
class Phones:
    """Of a tenant: how many extensions have a known state, and the share of them that is registered."""

    known: float
    ratio: float


class Memory:
    """Everything that the conditions look at, for one switch."""

    def __init__(self, switch: str) -> None:
        self.switch = switch
        # What the switch says. This is written to the state file.
        self.up: Held[str, float] = Held(5 * _MINUTE)
        self.breaker_open: Held[str, float] = Held(5 * _MINUTE)
        self.license: Held[str, float] = Held(6 * _HOUR)
        self.node_present: Held[str, float] = Held(5 * _MINUTE)
        self.node_channels: Held[str, float] = Held(5 * _MINUTE)
        self.tenant_channels: Held[str, float] = Held(5 * _MINUTE)
        self.tenant_limits: Held[str, float] = Held(5 * _MINUTE)  # of the configuration or of the switch
        self.balances: Held[str, float] = Held(15 * _MINUTE)
        self.extensions: Held[str, Mapping[str, float]] = Held(15 * _MINUTE)
        self.had_phones: Held[str, float] = Held(_HOUR)
        self.registered: Held[tuple[str, str], float] = Held(15 * _MINUTE)
        self.cycles: Held[tuple[Query, Scope], float] = Held(15 * _MINUTE)
        self.attempts = Attempts()
        self.ups = History(_SETTLED_AFTER)
        self.node_used = History(_AVERAGED)
        self.tenant_used = History(_AVERAGED)
        # What the configuration says. It is there again as soon as the exporter is.
        self.intervals: Held[tuple[Query, Scope], float] = Held(15 * _MINUTE)
        self.license_thresholds: Held[tuple[str, str], float] = Held(6 * _HOUR)
        self.node_limits: Held[tuple[str, str], float] = Held(5 * _MINUTE)
        self.balance_thresholds: Held[tuple[str, str], float] = Held(15 * _MINUTE)
        self.ratio_thresholds: Held[tuple[str, str], float] = Held(15 * _MINUTE)
        self.watched: Held[tuple[str, str], float] = Held(15 * _MINUTE)
        self.labelled: Held[tuple[str, str], None] = Held(15 * _MINUTE)
        # What follows from both.
        self.phones: dict[str, Phones] = {}
        self.teams: dict[str, str] = {}
        self._read: dict[Metric, tuple[list[bytes], Mapping[tuple[str, str], float]]] = {}
        self._speed = 1.0

    def observe(self, look: Look | None, declared: Store | None, now: float) -> Iterator[None]:
        """Take in what is there now; yields where others may have their turn.

        ``look`` is None for a moment that nobody looked at; ``declared`` then still has what is configured.
        """
        yield from self._observe_configured(declared, now)
        yield from self._observe_answers(look, now)
        yield from self._work_out(now)

    @property
    def is_empty(self) -> bool:
        """Whether nothing counts any longer of a switch that is not there any more."""
        kept = (self.intervals, self.up, self.had_phones, self.license, self.license_thresholds)
        return not any(held.known for held in kept)

    @property
    def is_up(self) -> bool | None:
        """Whether the switch gives valid answers; None where nothing is known."""
        up = self.up.known.get("")
        return None if up is None else bool(up)

    def is_settled(self, now: float) -> bool:
        """Tell whether the switch has answered for 20 minutes.

        By then a target that was asked ever more slowly has been asked again, so that what is old or failing
        is not the end of an outage.
        """
        ups = [(moment, values[""]) for moment, values in self.ups.recorded if "" in values]
        since = any(now - moment >= _SETTLED_SINCE for moment, _ in ups)
        return since and all(up for _, up in ups)

    @property
    def paces(self) -> dict[tuple[Query, Scope], float]:
        """How old a value may become by nature: its interval, or a whole sweep if that is longer."""
        return {
            key: self._speed * max(interval, self.cycles.known.get(key) or 0.0)
            for key, interval in self.intervals.known.items()
        }

    def _observe_configured(self, store: Store | None, now: float) -> Iterator[None]:
        intervals = dict(store.intervals) if store else {}
        self.intervals.update(intervals, now)
        for held, metric in (
            (self.license_thresholds, catalogue.LICENSE_REMAINING_THRESHOLD),
            (self.node_limits, catalogue.NODE_CHANNELS_LIMIT),
            (self.balance_thresholds, catalogue.TENANT_BALANCE_THRESHOLD),
            (self.ratio_thresholds, catalogue.TENANT_REGISTERED_RATIO_THRESHOLD),
            (self.watched, catalogue.EXTENSION_WATCHED),
        ):
            found = (yield from self._declared(store, metric)) if store else {}
            held.update(found, now)
            yield
        labels = store.labels if store else {}
        self.labelled.update({(tenant, names.get("team", "")): None for tenant, names in labels.items()}, now)
        yield

    def _declared(
        self, store: Store, metric: Metric
    ) -> Generator[None, None, Mapping[tuple[str, str], float]]:
        """Return a family by tenant and last label. It changes with a reload: until then it is read once."""
        blocks = [block for lent in store.lend(metric) for block in lent]
        before = self._read.get(metric)
        if before is not None and before[0] == blocks:
            return before[1]
        said = yield from _read(store, metric)
        values = {
            (tenant, last): value
            for (tenant, _), by_label in said.items()
            for last, value in _by_label(by_label).items()
        }
        self._read[metric] = (blocks, values)
        return values

    def _observe_answers(self, look: Look | None, now: float) -> Iterator[None]:
        store = look.store if look else None
        self.up.update({"": float(look.up)} if look and look.up is not None else {}, now)
        self.breaker_open.update({"": float(look.breaker_open)} if look else {}, now)
        self.cycles.update(_cycles(store), now)
        self.license.update((yield from _by_tenant(store, catalogue.LICENSE_REMAINING)), now)
        self.node_present.update((yield from _by_node(store, catalogue.NODE_PRESENT)), now)
        self.node_channels.update((yield from _by_node(store, catalogue.NODE_CHANNELS)), now)
        yield
        for held, metric in (
            (self.tenant_channels, catalogue.TENANT_CHANNELS),
            (self.tenant_limits, catalogue.TENANT_CHANNELS_LIMIT),
            (self.balances, catalogue.TENANT_BALANCE),
        ):
            held.update((yield from _by_tenant(store, metric)), now)
            yield
        counted = yield from _read(store, catalogue.TENANT_EXTENSIONS)
        self.extensions.update({tenant: _by_label(said) for (tenant, _), said in counted.items()}, now)
        yield
        yield from self._observe_watched(store, now)
        if look is not None:
            self._speed = look.speed
        attempts = dict(store.attempts) if store else {}
        yield from self.attempts.update(attempts, look, now)

    def _observe_watched(self, store: Store | None, now: float) -> Iterator[None]:
        """Take in the states of the watched extensions: of all others there may be 250,000."""
        states: dict[str, Mapping[str, float]] = {}
        found = {}
        for number, (tenant, extension) in enumerate(self.watched.known, 1):
            if tenant not in states:
                said = store.values(catalogue.EXTENSION_REGISTERED, tenant) if store else None
                states[tenant] = {} if said is None else _by_label(said)
            if extension in states[tenant]:
                found[tenant, extension] = states[tenant][extension]
            if not number % _WATCHED_AT_A_TIME:
                yield
        yield
        self.registered.update(found, now)
        yield

    def _work_out(self, now: float) -> Iterator[None]:
        self.ups.record(self.up.known, now)
        limits = {node: limit for (_, node), limit in self.node_limits.known.items()}
        self.node_used.record(_shares(self.node_channels.known, limits), now)
        yield
        self.tenant_used.record(_shares(self.tenant_channels.known, self.tenant_limits.known), now)
        yield
        self.phones = _phones(self.extensions.known)
        yield
        self.had_phones.update(
            {tenant: 1.0 for tenant, phones in self.phones.items() if phones.ratio > 0}, now
        )
        yield
        self.teams = dict(self.labelled.present.keys())
        for tenant, team in self.labelled.gone:
            # A tenant that changed its team is in two until the older one is forgotten: then in none.
            self.teams[tenant] = "" if tenant in self.teams else team
        yield


def _by_label(values: Values) -> Mapping[str, float]:
    if isinstance(values, int | float):
        raise TypeError("a family by label has a mapping in each block")
    return values


def _read(store: Store | None, metric: Metric) -> Generator[None, None, dict[tuple[str, str], Values]]:
    """Return what a family says, by tenant and part; yields where others may have their turn."""
    found = {}
    for number, (key, said) in enumerate(store.family(metric) if store else (), 1):
        found[key] = said
        if not number % _AT_A_TIME:
            yield
    return found


def _by_tenant(store: Store | None, metric: Metric) -> Generator[None, None, dict[str, float]]:
    """Return a family of single figures by tenant; of the switch itself by ""."""
    found = yield from _read(store, metric)
    return {tenant: said for (tenant, _), said in found.items() if isinstance(said, int | float)}


def _by_node(store: Store | None, metric: Metric) -> Generator[None, None, dict[str, float]]:
    """Return a family of the switch by node; nodes that are asked one by one have a block each."""
    found = yield from _read(store, metric)
    return {node: value for said in found.values() for node, value in _by_label(said).items()}


def _cycles(store: Store | None) -> dict[tuple[Query, Scope], float]:
    found = {key: store.cycle(*key) for key in store.intervals} if store else {}
    return {key: cycle for key, cycle in found.items() if cycle is not None}


def _shares(used: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, float]:
    """Return which share of its limit each one uses, as far as both are known."""
    return {key: used[key] / limit for key, limit in limits.items() if limit > 0 and key in used}


def _phones(extensions: Mapping[str, Mapping[str, float]]) -> dict[str, Phones]:
    """Return what is known of each tenant's phones: nothing where less than half of them is."""
    found = {}
    for tenant, states in extensions.items():
        registered = states[Registration.REGISTERED]
        known = registered + states[Registration.UNREGISTERED]
        if known > states[Registration.UNKNOWN]:
            found[tenant] = Phones(known, registered / known)
    return found
