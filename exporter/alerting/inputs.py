"""What is remembered of one switch: its newest values, and those that went a while ago and still count.

The windows are those of ``alerts/softswitch.rules.yaml``. What the rules record there is worked out here from
what the store holds, once for each evaluation. Times are moments: see ``engine``.
"""

from collections.abc import Iterator, Mapping

from exporter import freshness
from exporter.alerting.attempts import Attempts, SwitchSnapshot
from exporter.alerting.reading import (
    Reading,
    WatchedPhones,
    by_label,
    by_node,
    by_tenant,
    figures_by_tenant,
)
from exporter.alerting.windows import AvgOverTime, LastOverTime
from exporter.metrics import catalogue
from exporter.model import Query, Registration, Scope
from exporter.store import Store

_MINUTE = 60.0
_HOUR = 3600.0
_SETTLED_AFTER = 20 * _MINUTE
_SETTLED_SINCE = 15 * _MINUTE
_AVERAGED = 5 * _MINUTE


class Memory:
    """Everything that the conditions look at, for one switch."""

    def __init__(self, switch: str) -> None:
        self.switch = switch
        # What the switch says. This is written to the state file.
        self.up: LastOverTime[str, float] = LastOverTime(5 * _MINUTE)
        self.breaker_open: LastOverTime[str, float] = LastOverTime(5 * _MINUTE)
        self.license: LastOverTime[str, float] = LastOverTime(6 * _HOUR)
        self.node_present: LastOverTime[str, float] = LastOverTime(5 * _MINUTE)
        self.node_channels: LastOverTime[str, float] = LastOverTime(5 * _MINUTE)
        self.tenant_channels: LastOverTime[str, float] = LastOverTime(5 * _MINUTE)
        self.tenant_limits: LastOverTime[str, float] = LastOverTime(
            5 * _MINUTE
        )  # of the configuration or of the switch
        self.balances: LastOverTime[str, float] = LastOverTime(15 * _MINUTE)
        self.extensions: LastOverTime[str, Mapping[str, float]] = LastOverTime(15 * _MINUTE)
        self.had_phones: LastOverTime[str, float] = LastOverTime(_HOUR)
        self.registered: LastOverTime[tuple[str, str], float] = LastOverTime(15 * _MINUTE)
        self.cycles: LastOverTime[tuple[Query, Scope], float] = LastOverTime(15 * _MINUTE)
        self.attempts = Attempts()
        self.ups = AvgOverTime(_SETTLED_AFTER)
        self.node_used = AvgOverTime(_AVERAGED)
        self.tenant_used = AvgOverTime(_AVERAGED)
        # What the configuration says. It is there again as soon as the exporter is.
        self.intervals: LastOverTime[tuple[Query, Scope], float] = LastOverTime(15 * _MINUTE)
        self.license_thresholds: LastOverTime[tuple[str, str], float] = LastOverTime(6 * _HOUR)
        self.node_limits: LastOverTime[tuple[str, str], float] = LastOverTime(5 * _MINUTE)
        self.balance_thresholds: LastOverTime[tuple[str, str], float] = LastOverTime(15 * _MINUTE)
        self.ratio_thresholds: LastOverTime[tuple[str, str], float] = LastOverTime(15 * _MINUTE)
        self.watched: LastOverTime[tuple[str, str], float] = LastOverTime(15 * _MINUTE)
        self.labelled: LastOverTime[tuple[str, str], None] = LastOverTime(15 * _MINUTE)
        # What follows from both.
        self.registered_ratios: Mapping[str, float] = {}
        self.teams: dict[str, str] = {}
        self._speed = 1.0
        self._labels: Mapping[str, Mapping[str, str]] = {}
        # Where it is read.
        self._configured = (
            (self.license_thresholds, Reading(catalogue.LICENSE_REMAINING_THRESHOLD, by_label)),
            (self.node_limits, Reading(catalogue.NODE_CHANNELS_LIMIT, by_label)),
            (self.balance_thresholds, Reading(catalogue.TENANT_BALANCE_THRESHOLD, by_label)),
            (
                self.ratio_thresholds,
                Reading(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, by_label),
            ),
            (self.watched, Reading(catalogue.EXTENSION_WATCHED, by_label)),
        )
        self._figures = (
            (self.license, Reading(catalogue.LICENSE_REMAINING, by_tenant)),
            (self.node_present, Reading(catalogue.NODE_PRESENT, by_node)),
            (self.node_channels, Reading(catalogue.NODE_CHANNELS, by_node)),
            (self.tenant_channels, Reading(catalogue.TENANT_CHANNELS, by_tenant)),
            (self.tenant_limits, Reading(catalogue.TENANT_CHANNELS_LIMIT, by_tenant)),
            (self.balances, Reading(catalogue.TENANT_BALANCE, by_tenant)),
        )
        self._extensions = Reading(catalogue.TENANT_EXTENSIONS, figures_by_tenant)
        self._watched_phones = WatchedPhones()

    def observe(self, look: SwitchSnapshot | None, declared: Store | None, now: float) -> Iterator[None]:
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
            key: self._speed * freshness.pace(interval, self.cycles.known.get(key))
            for key, interval in self.intervals.known.items()
        }

    def _observe_configured(self, store: Store | None, now: float) -> Iterator[None]:
        intervals = dict(store.intervals) if store else {}
        self.intervals.update(intervals, now)
        for held, reading in self._configured:
            yield from reading.update(store)
            held.update(reading.values, now)
            yield
        labels = store.labels if store else {}
        teams = self.labelled.present
        if labels != self._labels:
            self._labels = dict(labels)
            teams = {(tenant, names.get("team", "")): None for tenant, names in labels.items()}
        self.labelled.update(teams, now)
        yield

    def _observe_answers(self, look: SwitchSnapshot | None, now: float) -> Iterator[None]:
        store = look.store if look else None
        self.up.update({"": float(look.up)} if look and look.up is not None else {}, now)
        self.breaker_open.update({"": float(look.breaker_open)} if look else {}, now)
        self.cycles.update(_cycles(store), now)
        for held, reading in self._figures:
            yield from reading.update(store)
            held.update(reading.values, now)
            yield
        yield from self._extensions.update(store)
        self.extensions.update(self._extensions.values, now)
        yield
        yield from self._watched_phones.update(store, self.watched.known)
        self.registered.update(self._watched_phones.values, now)
        yield
        if look is not None:
            self._speed = look.speed
        yield from self.attempts.update(store.attempts if store else {}, look, now)

    def _work_out(self, now: float) -> Iterator[None]:
        self.ups.record(dict(self.up.known), now)
        limits = {node: limit for (_, node), limit in self.node_limits.known.items()}
        self.node_used.record(_shares(self.node_channels.known, limits), now)
        yield
        self.tenant_used.record(_shares(self.tenant_channels.known, self.tenant_limits.known), now)
        yield
        self.registered_ratios = ratios = _registered_ratios(self.extensions.known)
        yield
        self.had_phones.update({tenant: 1.0 for tenant, ratio in ratios.items() if ratio > 0}, now)
        yield
        gone = sorted((seen, tenant, team) for (tenant, team), (_, seen) in self.labelled.gone.items())
        self.teams = {tenant: team for _, tenant, team in gone} | dict(self.labelled.present.keys())
        yield


def _cycles(store: Store | None) -> dict[tuple[Query, Scope], float]:
    found = {key: store.cycle(*key) for key in store.intervals} if store else {}
    return {key: cycle for key, cycle in found.items() if cycle is not None}


def _shares(used: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, float]:
    """Return which share of its limit each one uses, as far as both are known."""
    return {key: used[key] / limit for key, limit in limits.items() if limit > 0 and key in used}


def _registered_ratios(extensions: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the share of each tenant's phones that is registered, where more than half are known."""
    is_on, is_off, is_unknown = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN
    return {
        tenant: states[is_on] / known
        for tenant, states in extensions.items()
        if (known := states[is_on] + states[is_off]) > states[is_unknown]
    }
