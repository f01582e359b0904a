"""Plays a scenario: acts on a real store, and evaluates it with the daemon's engine minute by minute."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from typing import Any

from exporter.alerting.rule import Rule
from exporter.metrics import catalogue, text_format
from exporter.metrics.catalogue import METRICS
from exporter.model import Failure, Query, Scope, Target
from exporter.store import Store
from tests.differential.site import PHONES, TENANTS, TRANSPORT, Site, fault
from tests.rule_files import RULES

MINUTES = 90
"""Of a scenario: 20 until a switch counts as settled, 15 for the longest ``for``, and the rest."""

MINUTE = 60.0

_USED = [metric for metric in METRICS if any(metric.name in rule["expr"] for rule in RULES)]
_STALE_AFTER = 3.0
_PACES: Mapping[tuple[Query, Scope], float] = {
    (Query.PEERS, Scope.SWITCH): 60,
    (Query.CHANNELS, Scope.SWITCH): 60,
    (Query.LICENSE, Scope.SWITCH): 600,
    (Query.CALLS, Scope.TENANT): 120,
    (Query.CHANNELS, Scope.TENANT): 60,
    (Query.BALANCE, Scope.TENANT): 180,
    (Query.REGISTRATIONS, Scope.TENANT): 120,
    (Query.LIMITS, Scope.TENANT): 600,
    (Query.TRUNKS, Scope.SWITCH): 60,
    (Query.TRUNKS, Scope.TENANT): 120,
    (Query.WATCHED_PEERS, Scope.SWITCH): 60,
    (Query.WATCHED_PEERS, Scope.TENANT): 60,
    (Query.QUEUE, Scope.TENANT): 60,
}


@dataclass(frozen=True)
class Found:
    """A pending or firing alert."""

    labels: Mapping[str, str]
    state: str
    annotations: Mapping[str, str]


@dataclass
class Scenario:
    """One switch, minute by minute: its series, and the alerts of the daemon, None while that is down."""

    name: str
    series: dict[str, list[str]] = field(default_factory=dict)
    alerts: list[list[Found] | None] = field(default_factory=list)


class Play:
    """Plays one scenario. ``package`` has the daemon's engine, or a mutant of it.

    ``rules``: those that are evaluated until the first restart, if not all.
    """

    def __init__(
        self,
        seed: int,
        number: int,
        package: str = "exporter.alerting",
        rules: Sequence[Rule] | None = None,
    ) -> None:
        self.package = package
        self.chance = random.Random(f"{seed} {number}")  # noqa: S311 -- a scenario, not a secret
        self.scenario = Scenario(f"s{number}")
        self.site = Site(self.chance)
        self.site.configure()
        for code in TENANTS:
            self.site.watched[code] = [phone for phone in PHONES[code][:2] if self.chance.random() < 0.5]
            self.site.phones[code] = dict.fromkeys(PHONES[code], 1)
        self.faults = [fault(self.chance, MINUTES) for _ in range(self.chance.randint(0, 4))]
        self.restarts = {
            minute: self.chance.choice([0, 1, 2, 4, 6, 9, 16, 22, 40])
            for minute in self.chance.sample(range(5, MINUTES), self.chance.choice([0, 0, 1, 1, 2]))
        }
        chance = random.Random(f"{seed} {number} configuration")  # noqa: S311 -- as above
        self.invalid = _invalid_minutes(chance)
        self.invalid_metric = chance.choice([catalogue.CONFIG_RELOAD_SUCCESSFUL, catalogue.CONFIG_FILE_VALID])
        self.engine = self._part("engine").Engine(*([] if rules is None else [rules]))
        self.store = self._start(0)
        self.down_until = 0

    def run(self) -> Scenario:
        """Play all minutes."""
        for minute in range(MINUTES):
            self.site.drift()
            if self.chance.random() < 0.03 and minute > self.down_until:
                self._reload()
            if minute >= self.down_until:
                self._poll(minute)
                self._evaluate(minute)
            else:
                self.scenario.alerts.append(None)
            self._serve(minute)
            if minute in self.restarts and minute >= self.down_until:
                self._restart(minute)
        return self.scenario

    # The exporter

    def _start(self, minute: int) -> Store:
        """Start a process: an empty store, a monotonic clock of its own."""
        self.ahead = self.chance.choice([0.0, 1000.0, -minute * MINUTE + 7])
        self.polled: dict[Target, int] = {}
        self.started = minute
        store = Store(self.scenario.name, stale_after=_STALE_AFTER, max_series=100_000)
        for (query, scope), interval in _PACES.items():
            store.set_interval(query, scope, interval)
        self._declare(store)
        return store

    def _declare(self, store: Store) -> None:
        site = self.site
        store.set(catalogue.LICENSE_REMAINING_THRESHOLD, "", dict(site.license_thresholds))
        store.set(catalogue.NODE_CHANNELS_LIMIT, "", dict(site.node_limits))
        for code in site.tenants:
            store.set_info(code, "", {"team": site.teams[code]})
            store.set(catalogue.TENANT_BALANCE_THRESHOLD, code, dict(site.thresholds[code]["balance"]))
            store.set(catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, code, dict(site.thresholds[code]["ratio"]))
            waits = dict(site.thresholds[code]["queue_wait"])
            store.set(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, code, waits)
            store.set(catalogue.EXTENSION_WATCHED, code, dict.fromkeys(site.watched[code], 1.0))
            if code in site.tenant_limits:
                store.set(catalogue.TENANT_CHANNELS_LIMIT, code, site.tenant_limits[code], part="configured")
            else:
                store.unset(catalogue.TENANT_CHANNELS_LIMIT, code, part="configured")

    def _reload(self) -> None:
        """Load another configuration, sometimes with one tenant less."""
        self.site.configure()
        if len(self.site.tenants) > 1 and self.chance.random() < 0.2:
            gone = self.site.tenants.pop()
            self.store.drop_tenants({gone})
        self._declare(self.store)

    def _restart(self, minute: int) -> None:
        """Kill the process, and start another one some minutes later with the state file of the first."""
        written = list(self._part("state").dump(self.engine))
        self.down_until = minute + 1 + self.restarts[minute]
        self.invalid = range(self.invalid.start, min(self.invalid.stop, minute + 1))
        self.engine, _ = self._part("state").restore(written)
        self.store = self._start(self.down_until)

    def _poll(self, minute: int) -> None:
        for (query, scope), interval in _PACES.items():
            for tenant in [""] if scope is Scope.SWITCH else self.site.tenants:
                target = Target(query, scope, tenant)
                due = self.polled.get(target, self.started) + round(interval / MINUTE)
                if target not in self.polled or minute >= due:
                    self._poll_target(target, minute, interval)
            if self.chance.random() < 0.02:
                self.store.set_cycle(query, scope, interval * self.chance.choice([1, 1.5, 4]))
        self.store.expire(self._monotonic(minute))
        for tenant in self.site.tenants:
            hours = self.site.is_open[tenant]
            if hours is None:
                self.store.unset(catalogue.TENANT_OPEN, tenant)
            else:
                self.store.set(catalogue.TENANT_OPEN, tenant, float(hours))

    def _poll_target(self, target: Target, minute: int, interval: float) -> None:
        self.polled[target] = minute
        active = next((one for one in self.faults if one.covers(minute, target)), None)
        if active and not active.reasons:
            return
        now = self._monotonic(minute) - self.chance.randint(0, 59)
        failure = Failure(self.chance.choice(active.reasons), "") if active else None
        if failure is None:
            for part, values in self._answer(target).items():
                self.store.put(target, values, interval=interval, now=now, part=part)
        self.store.record(target, failure, now=now, wall=now - self.ahead)
        self.store.note_attempt(valid=failure is None, now=now)

    def _answer(self, target: Target) -> dict[str, dict[Any, Any]]:
        """Return the values of a response by part."""
        if target.query is Query.QUEUE:
            queues = self.site.queues[target.tenant]
            waiting = {name: float(queue.waiting) for name, queue in queues.items()}
            waits = {name: queue.wait for name, queue in queues.items()}
            agents = {name: float(queue.agents) for name, queue in queues.items()}
            return {
                "": {catalogue.QUEUE_CALLS_WAITING: waiting, catalogue.QUEUE_LONGEST_WAIT: waits},
                "online": {catalogue.QUEUE_AGENTS: agents},
            }
        return {"": self._whole_answer(target)}

    def _whole_answer(self, target: Target) -> dict[Any, Any]:
        if target.query is Query.TRUNKS:
            return {catalogue.TRUNK_REGISTERED: _known(self.site.trunks[target.tenant])}
        if target.query is Query.WATCHED_PEERS:
            return {catalogue.PEER_REACHABLE: _known(self.site.peers[target.tenant])}
        if target.scope is Scope.SWITCH:
            return self._answer_of_switch(target.query)
        return self._answer_of_tenant(target.query, target.tenant)

    def _answer_of_switch(self, query: Query) -> dict[Any, Any]:
        """Return its values. A restart forgets no node, as with storage: else only rules would know it."""
        site = self.site
        match query:
            case Query.PEERS:
                return {catalogue.NODE_PRESENT: {node: float(there) for node, there in site.present.items()}}
            case Query.CHANNELS:
                return {
                    catalogue.NODE_CHANNELS: {n: site.used[n] for n, there in site.present.items() if there}
                }
        return {catalogue.LICENSE_REMAINING: site.license * 86_400}

    def _answer_of_tenant(self, query: Query, code: str) -> dict[Any, Any]:
        site = self.site
        match query:
            case Query.CHANNELS:
                return {catalogue.TENANT_CHANNELS: site.channels[code]}
            case Query.CALLS:
                return {catalogue.TENANT_CALLS: 1}
            case Query.BALANCE:
                return {catalogue.TENANT_BALANCE: site.balance[code]}
            case Query.LIMITS:
                return {} if code in site.tenant_limits else {catalogue.TENANT_CHANNELS_LIMIT: 10}
        states = site.phones[code].values()
        names = {"registered": 1, "unregistered": 0, "unknown": -1}
        return {
            catalogue.TENANT_EXTENSIONS: {
                name: float(sum(state == number for state in states)) for name, number in names.items()
            },
            catalogue.EXTENSION_REGISTERED: _known(site.phones[code]),
        }

    def _monotonic(self, minute: int) -> float:
        return minute * MINUTE + self.ahead

    # Evaluation by the daemon, and the scrape for Prometheus

    def _up(self, minute: int) -> bool | None:
        """Return what ``Poller.is_up`` does: whether a valid response came within three intervals."""
        if not self.store.attempted:
            return None
        at = self.store.valid_at
        return at is not None and self._monotonic(minute) - at <= 180

    def _breaker_open(self, minute: int) -> bool:
        reasons = [a.failure.reason if a.failure else None for a in self.store.attempts.values()]
        return bool(reasons) and all(reason in TRANSPORT for reason in reasons)

    def _evaluate(self, minute: int) -> None:
        snapshot = self._part("inputs").SwitchSnapshot(
            self.store,
            self._up(minute),
            self._breaker_open(minute),
            offset=-self.ahead,
            configuration_good=minute not in self.invalid,
        )
        for _ in self.engine.evaluate({self.scenario.name: snapshot}, minute * MINUTE):
            pass
        self.scenario.alerts.append([
            Found(self._scraped(alert.labels), str(alert.state), alert.annotations)
            for alert in self.engine.alerts.by_identity.values()
            if alert.state != "resolved" and alert.labels["alertname"] != "SoftswitchWatchdog"
        ])  # fmt: skip

    def _scraped(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        """Add the label of the scrape to an alert about the exporter: each scenario is one of its own."""
        return labels if "switch" in labels else {**labels, "instance": self.scenario.name}

    def _part(self, name: str) -> Any:
        return import_module(f"{self.package}.{name}")

    def _serve(self, minute: int) -> None:
        """Record the scrape of this minute; it is empty while the process is down."""
        samples = dict(self._samples(minute)) if minute >= self.down_until else {}
        for series in samples.keys() | self.scenario.series.keys():
            values = self.scenario.series.setdefault(series, ["_"] * minute)
            was_there = bool(values) and values[-1] not in {"_", "stale"}
            values.append(samples.get(series, "stale" if was_there else "_"))

    def _samples(self, minute: int) -> Iterator[tuple[str, str]]:
        up = self._up(minute)
        if up is not None:
            self.store.set(catalogue.UP, "", float(up))
        for metric in _USED:
            for line in b"".join(chain.from_iterable(self.store.sample_lines(metric))).decode().splitlines():
                series, _, value = line.rpartition(" ")
                yield series, value
        own = text_format.line(
            catalogue.BREAKER_OPEN, (self.scenario.name,), float(self._breaker_open(minute))
        )
        series, _, value = own.rstrip("\n").rpartition(" ")
        yield series, value
        for metric in (catalogue.CONFIG_RELOAD_SUCCESSFUL, catalogue.CONFIG_FILE_VALID):
            is_good = minute not in self.invalid or metric is not self.invalid_metric
            yield f'{metric.name}{{instance="{self.scenario.name}"}}', str(int(is_good))


def _invalid_minutes(chance: random.Random) -> range:
    """Return when the configuration is invalid. A restart ends it: the exporter starts with a valid one."""
    begins = chance.randint(0, 2 * MINUTES)
    return range(begins, begins + chance.choice([1, 4, 5, 6, 7, 15]))


def _known(states: Mapping[str, int]) -> dict[str, float]:
    return {name: float(state) for name, state in states.items() if state >= 0}


def play(seed: int, numbers: Iterable[int], package: str = "exporter.alerting") -> list[Scenario]:
    """Play some scenarios; the same seed and number give the same scenario."""
    return [Play(seed, number, package).run() for number in numbers]
