"""The switches that are polled, and how they are exchanged while everything goes on."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from exporter.client import Client, open_client
from exporter.clock import Clock
from exporter.config import Configuration, SwitchConfiguration
from exporter.errors import StartError, TlsFileError
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.model import Query, Scope
from exporter.net.bodies import BodyBudget
from exporter.net.resolver import Resolver
from exporter.poll import Poller, SwitchContext
from exporter.schedule import Schedule

_RETRY_EVERY = 10.0

_DEAD_AFTER = 30.0
"""Seconds. After a longer gap connections that were kept are not used again: who stands between has forgotten
them, and a request on one would hang until its timeout."""


class Fleet:
    """A poller for each switch of the configuration, and its jobs on the schedule."""

    def __init__(
        self,
        schedule: Schedule,
        instruments: Instruments,
        mask: Mask,
        clock: Clock,
        resolver: Resolver | None = None,
    ) -> None:
        self._schedule = schedule
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._configuration: Configuration | None = None
        self._resolver = resolver or Resolver()  # one for all, so that a reload forgets no address
        self._budget = BodyBudget()
        self._pollers: dict[str, Poller] = {}
        self._jobs: set[str] = set()
        self._reconnecting: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("exporter.fleet")
        schedule.on_gap = self._after_gap

    @property
    def pollers(self) -> Sequence[Poller]:
        """The pollers, in the order of the configuration."""
        return list(self._pollers.values())

    def refresh(self) -> None:
        """Bring every store up to date with the clock."""
        for poller in self._pollers.values():
            poller.refresh()

    async def adopt(self, configuration: Configuration) -> None:
        """Poll what this configuration says, whole, and keep the values of all that stays.

        Raises StartError, and changes nothing, where its TLS files cannot be used.
        """
        self._hide_secrets(configuration)
        clients = await self._open_clients(configuration)
        gone = {name: poller for name, poller in self._pollers.items() if name not in clients}
        pollers = {}
        hasty = []
        for switch in configuration.switches:
            poller = self._pollers.get(switch.name)
            if poller is None:
                poller = self._poller(switch, clients[switch.name], configuration.label_names)
            else:
                changed = poller.reconfigure(switch, clients[switch.name], configuration.label_names)
                hasty += [_job(switch.name, query, scope) for query, scope in changed]
            pollers[switch.name] = poller
        self._configuration, self._pollers = configuration, pollers
        self._schedule_jobs()
        for job in hasty:
            self._schedule.hasten(job)
        # Only now may others have a turn: what is polled and what is scheduled have changed together.
        for poller in pollers.values():
            await poller.wait_until_prepared()  # the operator waits for it
        for name, poller in gone.items():
            await poller.stop()
            self._instruments.forget(name)

    def _after_gap(self, seconds: float) -> None:
        """Go on after so many seconds in which the machine slept or was paused: ask at once what was due."""
        for name, poller in self._pollers.items():
            for query, scope in poller.after_gap(seconds):
                if (job := _job(name, query, scope)) in self._jobs:
                    self._schedule.hasten(job)
        if seconds >= _DEAD_AFTER and (self._reconnecting is None or self._reconnecting.done()):
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """Use new connections to every switch."""
        configuration = self._configuration
        if configuration is None:
            return
        try:
            clients = await self._open_clients(configuration)
        except StartError as error:
            self._log.warning("connections are not renewed after a gap", problem=str(error))
            return
        for name, client in clients.items():
            if configuration is self._configuration:
                self._pollers[name].reconnect(client)
            else:  # a reload has opened its own meanwhile
                await client.session.close()

    async def stop(self) -> None:
        """Stop polling, all of it."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.wait([self._reconnecting])
        for poller in self._pollers.values():
            await poller.stop()

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

    def _poller(self, switch: SwitchConfiguration, client: Client, label_names: tuple[str, ...]) -> Poller:
        context = SwitchContext(
            switch, client, self._instruments, self._mask, self._clock, label_names=label_names
        )
        return Poller(context)

    def _schedule_jobs(self) -> None:
        wanted = set()
        for name, poller in self._pollers.items():
            for query, scope in poller.jobs:
                job = _job(name, query, scope)
                wanted.add(job)
                self._schedule.ensure(
                    job, partial(poller.sweep, query, scope), partial(poller.period, query, scope)
                )
            retry = f"{name} retry"
            wanted.add(retry)
            self._schedule.ensure(retry, poller.retry, lambda: _RETRY_EVERY)
        for job in self._jobs - wanted:
            self._schedule.remove(job)
        self._jobs = wanted


def _job(switch: str, query: Query, scope: Scope) -> str:
    return f"{switch} {query} {scope}"
