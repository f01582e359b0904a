"""The switches that are polled, and how they are exchanged while everything goes on."""

from collections.abc import Mapping, Sequence
from functools import partial

from exporter.client import Client, open_client
from exporter.clock import Clock
from exporter.config import Configuration, SwitchConfiguration
from exporter.errors import StartError, TlsFileError
from exporter.instruments import Instruments
from exporter.masking import Mask
from exporter.model import Query, Scope
from exporter.poll import Poller
from exporter.schedule import Schedule
from exporter.store import Store

_RETRY_EVERY = 10.0


class Fleet:
    """A poller for each switch of the configuration, and its jobs on the schedule."""

    def __init__(self, schedule: Schedule, instruments: Instruments, mask: Mask, clock: Clock) -> None:
        self._schedule = schedule
        self._instruments = instruments
        self._mask = mask
        self._clock = clock
        self._pollers: dict[str, Poller] = {}
        self._jobs: set[str] = set()

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
        self._pollers = pollers
        self._schedule_jobs()
        for job in hasty:
            self._schedule.hasten(job)
        # Only now may others have a turn: what is polled and what is scheduled have changed together.
        for poller in pollers.values():
            await poller.all_joined()  # the operator waits for it
        for name, poller in gone.items():
            await poller.stop()
            self._instruments.forget(name)

    async def stop(self) -> None:
        """Stop polling, all of it."""
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
            client = clients[switch.name] = open_client(switch)
            try:
                if client.tls:
                    await client.tls.load()
            except TlsFileError as error:
                for opened in clients.values():
                    await opened.session.close()
                raise StartError(f"switch {switch.name}: tls: {error}") from error
        return clients

    def _poller(self, switch: SwitchConfiguration, client: Client, label_names: tuple[str, ...]) -> Poller:
        store = Store(switch.name, stale_after=switch.stale_after, max_series=switch.max_series)
        return Poller(
            switch, client, store, self._instruments, self._mask, self._clock, label_names=label_names
        )

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
