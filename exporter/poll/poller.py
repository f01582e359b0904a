"""Polls one switch: joins what to ask, when, and what to do with the answer."""

import asyncio

import structlog

from exporter import catalogue
from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.decode import decode
from exporter.instruments import Instruments
from exporter.masking import Mask
from exporter.model import Answer, Failure, Query, Reason, Scope, SkipReason, Target
from exporter.poll import declared
from exporter.poll.courtesy import Courtesy
from exporter.poll.intake import Intake
from exporter.poll.opening import OpeningHours
from exporter.poll.options import options
from exporter.poll.requests import Item
from exporter.poll.slots import Slots
from exporter.poll.sweep import Sweeper
from exporter.poll.targets import Targets
from exporter.store import Store

_DECODED_ON_THE_LOOP = 256 * 1024
"""Bytes. Decoding 6.6 MiB of JSON blocked the event loop for 70 ms: what is larger goes to a thread."""


class Poller:
    """Keeps the store of one switch up to date. ``sweep`` is called on a schedule for each of ``jobs``."""

    def __init__(
        self,
        configuration: SwitchConfiguration,
        client: Client,
        store: Store,
        instruments: Instruments,
        mask: Mask,
        clock: Clock,
        *,
        label_names: tuple[str, ...],
    ) -> None:
        self.configuration = configuration
        self.store = store
        self.targets = Targets(configuration)
        self._client = client
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._log = structlog.get_logger("exporter.poll").bind(switch=configuration.name)
        scopes = {scope for _, scope in self.targets.intervals}
        self._slots = Slots(
            configuration.max_concurrency,
            configuration.max_requests_per_second,
            clock.monotonic,
            shared=len(scopes) > 1,
        )
        self._courtesy = Courtesy(self._slots)
        self._sweeper = Sweeper(
            self._slots, self._courtesy, clock, self._ask, self._skipped, patience=configuration.timeout / 10
        )
        self._intake = Intake(configuration, self.targets, store, instruments, clock)
        self._opening_hours = OpeningHours(store, clock)
        self._options = {query: options(query, configuration) for query in Query}
        self._last_start: dict[tuple[Query, Scope], float] = {}
        self._declare(label_names)

    @property
    def jobs(self) -> list[tuple[Query, Scope]]:
        """Every query that is polled, with its scope."""
        return list(self.targets.intervals)

    @property
    def shown_url(self) -> str:
        """The URL of the switch, without what could be secret in it."""
        return self._mask(str(self._client.url.with_user(None)))

    @property
    def requests_in_flight(self) -> int:
        """How many requests the switch is answering, or not, at this moment."""
        return self._slots.in_flight

    def period(self, query: Query, scope: Scope) -> float:
        """Return the seconds from the start of one sweep to the start of the next, as planned."""
        return self.targets.plan.cycles[query, scope]

    async def sweep(self, query: Query, scope: Scope) -> None:
        """Ask every target of a query once; return when the last request was sent."""
        now = self._clock.monotonic()
        before = self._last_start.get((query, scope))
        self._last_start[query, scope] = now
        spread = self.period(query, scope)
        if before is None:
            spread = min(spread, self.targets.plan.first_sweep)
        else:
            self.store.set_cycle(query, scope, now - before)
        await self._sweeper.run(self.targets.items(query, scope, now), spread)

    def refresh(self) -> None:
        """Bring up to date what follows the clock and not an answer. Called before each scrape."""
        now = self._clock.monotonic()
        for target in self.store.expire(now):
            self._log.warning(
                "values dropped: no answer for too long",
                query=target.query.value,
                scope=target.scope.value,
                tenant=target.tenant,
            )
        up = self.is_up()
        if up is not None:
            self.store.set(catalogue.UP, "", float(up))
        self._opening_hours.refresh(self.targets.tenants.values())
        self.store.set(catalogue.SERIES, "", self.store.series)

    def is_up(self) -> bool | None:
        """Tell whether the switch gives valid answers; None before the first attempt has ended."""
        if not self.store.tried:
            return None
        valid_at = self.store.valid_at
        window = max(3 * min(self.targets.intervals.values()), 2 * self.configuration.timeout)
        return valid_at is not None and self._clock.monotonic() - valid_at <= window

    def is_tried(self) -> bool:
        """Tell whether each query was tried at least once."""
        return self.store.tried >= self.targets.intervals.keys()

    async def stop(self) -> None:
        """End every request and close the connections."""
        await self._sweeper.stop()
        await self._client.session.close()

    def _declare(self, label_names: tuple[str, ...]) -> None:
        declared.declare_switch(self.store, self.configuration)
        for tenant in self.targets.tenants.values():
            declared.declare_tenant(self.store, tenant, name="", label_names=label_names)
        self.store.set(catalogue.TENANTS, "", len(self.targets.tenants))
        self.store.set(catalogue.SERIES_LIMITED, "", 0)
        self.store.set(catalogue.SERIES, "", 0)
        self._instruments.breaker_open.labels(self.store.switch).set(0)
        for (query, scope), interval in self.targets.intervals.items():
            self.store.set_interval(query, scope, interval)
            self._instruments.start_at_zero(self.store.switch, query, scope)

    async def _ask(self, item: Item) -> None:
        started = self._clock.monotonic()
        target = item.target
        try:
            outcome = await self._outcome(item)
        except Exception:  # noqa: BLE001 -- a defect of ours must not end the polling of this target
            self._log.exception("request failed in a way that should not happen", query=target.query.value)
            outcome = Failure(Reason.DECODE, "the exporter failed on this answer; its log says where")
        self._instruments.request_duration.labels(self.store.switch, target.query.value).observe(
            self._clock.monotonic() - started
        )
        failure = outcome if isinstance(outcome, Failure) else None
        self._courtesy.note(target, failure, started=started, interval=self.targets.pace(target))
        self._intake.take_in(item, outcome)

    async def _outcome(self, item: Item) -> Answer | Failure:
        tenant = self.targets.tenants.get(item.target.tenant)
        key_holder = tenant.key if tenant else self.configuration.key
        if key_holder is None:
            raise LookupError("no key")
        key = key_holder.current()
        self._mask.add(key)
        body = await self._client.ask(item.request, key)
        if isinstance(body, Failure):
            return body
        reading = (item.request.operation, body, self._options[item.target.query])
        if len(body) <= _DECODED_ON_THE_LOOP:
            decoded = decode(*reading)
        else:
            decoded = await asyncio.to_thread(decode, *reading)
        if isinstance(decoded, Failure):
            return Failure(decoded.reason, self._mask(decoded.detail))
        return decoded

    def _skipped(self, target: Target, reason: SkipReason) -> None:
        self._instruments.targets_skipped.labels(
            self.store.switch, target.query.value, target.scope.value, reason.value
        ).inc()
