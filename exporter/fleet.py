"""One poller per switch, and their jobs on the schedule. A reload replaces them while polling continues."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import structlog

from exporter.client import Client, open_client
from exporter.clock import Clock
from exporter.config import Configuration, SwitchConfiguration
from exporter.errors import StartError, TlsFileError
from exporter.masking import Mask
from exporter.metrics.exposition import Source
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.net.bodies import BodyBudget
from exporter.net.resolver import Resolver
from exporter.poll import Poller, SwitchContext
from exporter.poll.context import Hold
from exporter.schedule import Schedule
from exporter.storage.service import Memory, Storage

_RETRY_EVERY = 10.0

_CONNECTIONS_DEAD_AFTER = 30.0
"""Seconds. After a longer gap, open connections are not reused: firewalls and proxies may have dropped them,
and a request would hang until its timeout."""


class Fleet:
    """The pollers of all switches of the configuration. ``hold`` is that of each ``SwitchContext``."""

    def __init__(
        self,
        schedule: Schedule,
        instruments: Instruments,
        mask: Mask,
        clock: Clock,
        resolver: Resolver | None = None,
        storage: Storage | None = None,
    ) -> None:
        self._schedule = schedule
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._storage = storage or Storage(None, clock, mask)
        self._configuration: Configuration | None = None
        self._resolver = resolver or Resolver()  # shared, so that its addresses survive a reload
        self._budget = BodyBudget()
        self._names: list[str] = []
        self._pollers: dict[str, Poller] = {}
        self._jobs: set[str] = set()
        self._reconnecting: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("exporter.fleet")
        schedule.on_gap = self._after_gap
        self.hold: Hold = lambda: None

    @property
    def pollers(self) -> Sequence[Poller]:
        """The pollers, in the order of the configuration."""
        return list(self._pollers.values())

    @property
    def switches(self) -> Sequence[str]:
        """The names of the configured switches."""
        return self._names

    @property
    def memories(self) -> Mapping[str, Memory]:
        """What is remembered of each switch, by name."""
        return {poller.store.switch: poller.memory for poller in self._pollers.values()}

    def sources(self, switches: Collection[str] | None = None) -> Sequence[Source]:
        """Return the sources of the series of these switches (None: of all).

        What depends on the clock is updated first.
        """
        chosen = [poller for name, poller in self._pollers.items() if switches is None or name in switches]
        for poller in chosen:
            poller.refresh()
        return [*(poller.store for poller in chosen), self._instruments.of(switches)]

    async def adopt(self, configuration: Configuration) -> None:
        """Poll the switches of this configuration, and keep the values of everything still polled.

        Raises StartError, and changes nothing, if its TLS files cannot be used.
        """
        self._hide_secrets(configuration)
        clients = await self._open_clients(configuration)
        removed = {name: poller for name, poller in self._pollers.items() if name not in clients}
        pollers = {}
        restarted = []
        for switch in configuration.switches:
            client, poller = clients[switch.name], self._pollers.get(switch.name)
            if poller is None:
                poller = self._new_poller(switch, client, configuration.label_names)
            else:
                changed = poller.reconfigure(switch, client, configuration.label_names)
                restarted += [_job(switch.name, query, scope) for query, scope in changed]
            pollers[switch.name] = poller
        self._configuration, self._pollers = configuration, pollers
        self._names = [*pollers]
        self._schedule_jobs()
        for job in restarted:
            self._schedule.run_now(job)
        # Up to here nothing yields to the event loop, so pollers and schedule change together.
        for poller in pollers.values():
            await poller.wait_until_prepared()  # the reload ends when the new values are served
        for name, poller in removed.items():
            await poller.stop()
            self._instruments.remove(name)

    def _new_poller(
        self, switch: SwitchConfiguration, client: Client, label_names: tuple[str, ...]
    ) -> Poller:
        timeline = self._storage.timeline
        context = SwitchContext(
            switch, client, self._instruments, self._mask, self._clock, label_names, timeline, self.hold
        )
        poller = Poller(context)
        self._storage.report_invalid(poller.remember(*self._storage.take(switch.name)))
        return poller

    def _after_gap(self, seconds: float) -> None:
        """Start every sweep that was due while the machine was asleep or paused."""
        for name, poller in self._pollers.items():
            for query, scope in poller.after_gap(seconds):
                if (job := _job(name, query, scope)) in self._jobs:
                    self._schedule.run_now(job)
        if seconds >= _CONNECTIONS_DEAD_AFTER and (self._reconnecting is None or self._reconnecting.done()):
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        configuration = self._configuration
        if configuration is None:
            return
        try:
            clients = await self._open_clients(configuration)
        except StartError as error:
            self._log.warning("could not reconnect after a gap", problem=str(error))
            return
        for name, client in clients.items():
            if configuration is self._configuration:
                self._pollers[name].reconnect(client)
            else:  # a reload has opened its own clients
                await client.session.close()

    async def stop(self) -> None:
        """Stop all polling."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.wait([self._reconnecting])
        for poller in self._pollers.values():
            await poller.stop()

    async def stand_by(self) -> None:
        """Stop all polling, and forget every value, but not the names of the switches."""
        for job in self._jobs:
            self._schedule.remove(job)
        self._jobs = set()
        await self.stop()
        for name in self._pollers:
            self._instruments.remove(name)
        self._configuration, self._pollers = None, {}

    async def check(self, configuration: Configuration) -> None:
        """Use only the names of the switches. Raises StartError if ``adopt`` would."""
        self._hide_secrets(configuration)
        clients = await self._open_clients(configuration)
        for client in clients.values():
            await client.session.close()
        self._names = [*clients]

    def _hide_secrets(self, configuration: Configuration) -> None:
        for switch in configuration.switches:
            for holder in (switch.key, *(tenant.key for tenant in switch.tenants)):
                if holder is not None:
                    self._mask.add(holder.current())
            for secret in switch.proxy.secrets if switch.proxy else ():
                self._mask.add(secret)

    async def _open_clients(self, configuration: Configuration) -> Mapping[str, Client]:
        clients: dict[str, Client] = {}
        for switch in configuration.switches:
            client = clients[switch.name] = open_client(switch, resolver=self._resolver, budget=self._budget)
            try:
                if client.tls:
                    await client.tls.load()
            except (TlsFileError, asyncio.CancelledError) as error:
                for opened in clients.values():
                    await opened.session.close()
                if isinstance(error, TlsFileError):
                    raise StartError(f"switch {switch.name}: tls: {error}") from error
                raise
        return clients

    def _schedule_jobs(self) -> None:
        jobs = set()
        for name, poller in self._pollers.items():
            for query, scope in poller.jobs:
                job = _job(name, query, scope)
                jobs.add(job)
                self._schedule.ensure(
                    job, partial(poller.sweep, query, scope), partial(poller.period, query, scope)
                )
            retry = f"{name} retry"
            jobs.add(retry)
            self._schedule.ensure(retry, poller.retry, lambda: _RETRY_EVERY)
        for job in self._jobs - jobs:
            self._schedule.remove(job)
        self._jobs = jobs


def _job(switch: str, query: Query, scope: Scope) -> str:
    return f"{switch} {query} {scope}"
